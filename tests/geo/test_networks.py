"""Street networks: how files become nodes, links and twins."""

from __future__ import annotations

import os
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from anonkit.base.errors import SchemaError, SourceError
from anonkit.geo.networks import Network, Plane, network_from_streets
from anonkit.geo.networks_cells import hex_cells, network_from_cells, square_cells
from anonkit.geo.networks_read import network_from_ways, read_network

REAL = Path(os.environ.get("ANONKIT_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
real = pytest.mark.skipif(not REAL.exists(), reason="needs the real datasets (ANONKIT_REAL_DATA)")


def ways(*lines: str, **columns: list[str | None]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(columns, geometry=shapely.from_wkt(list(lines)), crs=4326)


def directions(network: Network) -> set[tuple[float, float]]:
    """(x of start, x of end) of each link, kilometres."""
    x = (network.node_x / 1000).round(2)
    return {(float(x[a]), float(x[b])) for a, b in zip(network.link_start, network.link_end, strict=True)}


def test_ways_are_split_where_they_share_a_vertex() -> None:
    # a cross whose middle vertex belongs to both: 4 streets, 5 nodes, 8 links
    network = network_from_ways(
        ways("LINESTRING (0 0, 0.01 0, 0.02 0)", "LINESTRING (0.01 -0.01, 0.01 0, 0.01 0.01)", highway=["primary"] * 2)
    )
    assert (network.nodes, network.links) == (5, 8)


def test_a_bridge_without_a_shared_vertex_is_no_junction() -> None:
    network = network_from_ways(
        ways("LINESTRING (0 0, 0.02 0)", "LINESTRING (0.01 -0.01, 0.01 0.01)", highway=["primary"] * 2)
    )
    assert (network.nodes, network.links) == (4, 4)


@pytest.mark.parametrize(
    ("tag", "links"), [("yes", {(-0.56, 0.56)}), ("-1", {(0.56, -0.56)}), ("no", {(-0.56, 0.56), (0.56, -0.56)})]
)
def test_one_way_signs_are_read_in_both_senses(tag: str, links: set[tuple[float, float]]) -> None:
    network = network_from_ways(ways("LINESTRING (0 0, 0.01 0)", highway=["primary"], oneway=[tag]))
    assert directions(network) == links


def test_roundabouts_are_one_way_unless_a_sign_says_otherwise() -> None:
    ring = "LINESTRING (0 0, 0.001 0.001, 0.002 0, 0 0)"
    tags = ['"junction"=>"roundabout"']
    assert network_from_ways(ways(ring, highway=["primary"], other_tags=tags)).oneway.all()


def test_people_on_foot_may_walk_against_one_way_signs_but_not_on_motorways() -> None:
    frame = ways(
        "LINESTRING (0 0, 0.01 0)", "LINESTRING (0 1, 0.01 1)", highway=["residential", "motorway"], oneway=["yes"] * 2
    )
    assert network_from_ways(frame, mode="walk").links == 2
    assert network_from_ways(frame, mode="drive").links == 2
    assert network_from_ways(frame, mode="drive").oneway.all()


def test_speed_limits_are_read_in_kilometres_and_miles_and_else_come_from_the_class() -> None:
    frame = ways(
        *("LINESTRING (0 0, 0.01 0)", "LINESTRING (0 1, 0.01 1)", "LINESTRING (0 2, 0.01 2)"),
        highway=["residential"] * 3,
        maxspeed=["40", "20 mph", None],
        oneway=["yes"] * 3,
    )
    assert network_from_ways(frame).speed_kmh.round(1).tolist() == [40.0, 32.2, 30.0]


def test_a_file_that_lists_each_direction_on_its_own_gives_twins(tmp_path: Path) -> None:
    path = tmp_path / "segments.csv"
    path.write_text(
        "geo_id,coordinates,highway\n"
        '0,"[[0.0, 0.0], [0.001, 0.0]]",main\n'
        '1,"[[0.001, 0.0], [0.0, 0.0]]",main\n'
        '2,"[[0.001, 0.0], [0.002, 0.0]]",main\n'
    )
    network = read_network(path)
    assert network.twin.tolist() == [1, 0, -1]
    assert network.street_length_m == pytest.approx(2 * 111.3, rel=0.01)


def test_brinkhoffs_files_are_metres_and_both_ways(tmp_path: Path) -> None:
    (tmp_path / "town_node.txt").write_text("7\t0\t0\n9\t300\t400\n")
    (tmp_path / "town_edge.txt").write_text("1\t7\t9\t3\t*\n")
    network = read_network(tmp_path / "town_edge.txt")
    assert network.length_m.tolist() == [500.0, 500.0]
    assert network.to_geodataframe().crs is None


def test_an_edge_to_a_node_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "town_node.txt").write_text("7\t0\t0\n")
    (tmp_path / "town_edge.txt").write_text("1\t7\t9\t3\t*\n")
    with pytest.raises(SourceError, match="names nodes that town_node"):
        read_network(tmp_path / "town_edge.txt")


@pytest.mark.parametrize("suffix", ["geojson", "gpkg"])
def test_geo_files_round_trip(tmp_path: Path, suffix: str) -> None:
    frame = ways("LINESTRING (0 0, 0.01 0, 0.02 0)", "LINESTRING (0.01 0, 0.01 0.01)", highway=["primary"] * 2)
    frame.to_file(tmp_path / f"streets.{suffix}")
    assert read_network(tmp_path / f"streets.{suffix}").links == 6


def test_openstreetmap_xml_is_read(tmp_path: Path) -> None:
    nodes = "".join(f'<node id="{i}" lat="0" lon="{i / 100}" version="1"/>' for i in (1, 2, 3))
    way = '<way id="9" version="1"><nd ref="1"/><nd ref="2"/><nd ref="3"/><tag k="highway" v="primary"/></way>'
    (tmp_path / "town.osm").write_text(f'<?xml version="1.0"?><osm version="0.6">{nodes}{way}</osm>')
    network = read_network(tmp_path / "town.osm")
    assert (network.links, len(network.shape_x)) == (2, 6)


@pytest.mark.parametrize(("name", "message"), [("a.txt", "no street file"), ("missing.gpkg", "There is no street")])
def test_what_is_no_street_file_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(SourceError, match=message):
        read_network(tmp_path / name)


def test_of_parallel_links_the_lightest_counts() -> None:
    network = network_from_streets(
        shape_x=[0, 0, 100, 0, 100], shape_y=[0, 300, 0, 0, 0], shape_count=[3, 2], node_start=[1, 1], node_end=[2, 2],
        forward=[True, True], backward=[False, False], speed_kmh=[30, 30], street_class=["a", "a"], plane=Plane(),
    )  # fmt: skip
    assert network.distances([0])[0].tolist() == [0.0, 100.0]


def test_the_largest_component_drops_what_cannot_be_left() -> None:
    # 1 ↔ 2 → 3: node 3 is a trap
    network = network_from_streets(
        shape_x=[0, 1, 1, 2], shape_y=[0, 0, 0, 0], shape_count=[2, 2], node_start=[1, 2], node_end=[2, 3],
        forward=[True, True], backward=[True, False], speed_kmh=[30, 30], street_class=["a", "b"], plane=Plane(),
    )  # fmt: skip
    part = network.largest_component()
    assert (part.nodes, part.links, part.twin.tolist()) == (2, 2, [1, 0])
    assert part.digest != network.digest


def test_a_plane_keeps_metres_and_comes_back() -> None:
    plane = Plane(centre_lon=-8.6, centre_lat=41.15)
    lon, lat = np.array([-8.7, -8.5]), np.array([41.1, 41.2])
    x, y = plane.to_metres(lon, lat)
    # on the WGS 84 ellipsoid: 0.2° of longitude and 0.1° of latitude at 41.15° are 16.79 km and 11.11 km
    assert float(np.hypot(*np.diff(np.column_stack([x, y]), axis=0).T)[0]) == pytest.approx(20132, rel=5e-4)
    np.testing.assert_allclose(plane.to_degrees(x, y), [lon, lat], atol=1e-8)
    assert np.isnan(plane.to_metres([np.nan], [41.0])[0]).all()


def test_cells_make_a_network_and_lonely_cells_are_refused() -> None:
    x, y, pairs = square_cells(width=3, height=2, cell_m=100)
    network = network_from_cells(centre_x=x, centre_y=y, neighbours=pairs, speed_kmh=20, plane=Plane())
    assert (network.nodes, network.links) == (6, 14)
    with pytest.raises(SchemaError, match="1 of 3 cells have no neighbour"):
        network_from_cells(centre_x=[0, 1, 9], centre_y=[0, 0, 9], neighbours=[[0, 1]], speed_kmh=20, plane=Plane())


def test_cells_in_degrees_are_refused_where_metres_are_asked() -> None:
    import h3

    lon, lat, pairs = hex_cells(h3.grid_disk(h3.latlng_to_cell(40.4, 49.85, 8), 1))
    with pytest.raises(SchemaError, match="look like degrees"):
        network_from_cells(centre_x=lon, centre_y=lat, neighbours=pairs, speed_kmh=30, plane=Plane(49.85, 40.4))


def test_hexagons_make_a_network() -> None:
    import h3

    lon, lat, pairs = hex_cells(sorted(h3.grid_disk(h3.latlng_to_cell(40.4, 49.85, 8), 2)))
    plane = Plane(centre_lon=49.85, centre_lat=40.4)
    x, y = plane.to_metres(lon, lat)
    network = network_from_cells(centre_x=x, centre_y=y, neighbours=pairs, speed_kmh=20, plane=plane)
    assert (network.nodes, network.links) == (19, 84)
    assert np.isfinite(network.distances([0])).all()


@pytest.mark.real
@real
def test_helsinki_loads_and_is_routable() -> None:
    network = read_network(REAL / "helsinki_osm" / "Helsinki.osm.pbf")
    part = network.largest_component()
    assert part.nodes > 0.85 * network.nodes
    assert np.isfinite(part.distances([0])).all()


@pytest.mark.real
@real
def test_porto_lengths_agree_with_the_file() -> None:
    import pandas as pd

    network = read_network(REAL / "porto_roads" / "segments.csv")
    told = pd.read_csv(REAL / "porto_roads" / "segments.csv")["length"]
    assert np.abs(network.length_m / told - 1).max() < 0.005
