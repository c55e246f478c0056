"""Zones: codes that are paths, points in polygons, checks of overlaps and holes, refusals, and a whole release."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
import yaml
from anonkit.base.errors import PrivacyLeakError, RecipeError, SchemaError
from anonkit.engine import Session
from anonkit.geo import Zones

SIDE = 12
"""Tracts a side of the invented city; districts are blocks of 6 × 6, the city is one."""


def tracts() -> gpd.GeoDataFrame:
    rows = [
        {
            "tract": f"t{row:02d}{column:02d}",
            "district": f"d{row // 6}{column // 6}",
            "city": "here",
            "geometry": shapely.box(19 + column / 100, 42 + row / 100, 19 + (column + 1) / 100, 42 + (row + 1) / 100),
        }
        for row in range(SIDE)
        for column in range(SIDE)
    ]
    return gpd.GeoDataFrame(rows, crs=4326)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Zones]:
    """Write zones to a file and open them."""

    def run(frame: gpd.GeoDataFrame, name: str = "zones.geojson", **said: Any) -> Zones:
        path = tmp_path / name
        frame.to_parquet(path) if name.endswith("parquet") else frame.to_file(path)
        return Zones(path=path, **{"id": "tract", "parents": ("district", "city"), **said})

    return run


# --- codes --------------------------------------------------------------------------------------------------------


def test_a_code_is_the_path_of_ranks_and_parents_are_its_head(save: Callable[..., Zones]) -> None:
    zones = save(tracts())
    # one city (1 digit), 4 districts (1 digit), 36 tracts in each (2 digits)
    assert zones.code_of("t0000") == 1101
    assert zones.code_of("t0703") == 1310  # third district d10; row 1, column 3 of its block: rank 10
    assert zones.parent(1310, 1) == 100_000_000_000_013
    assert zones.parent(1310, 2) == 200_000_000_000_001
    assert [len(zones.cells(level)) for level in range(3)] == [144, 4, 1]


def test_coarsening_equals_the_parents_of_the_file_on_every_engine(save: Callable[..., Zones]) -> None:
    zones, frame = save(tracts()), tracts()
    cells = [zones.code_of(tract) for tract in frame["tract"]]
    for level, name in ((1, "district"), (2, "city")):
        of_name: dict[str, set[int]] = {}
        expression = zones.coarsen(nw.col("cell"), level).alias("coarse")
        found = nw.from_native(pd.DataFrame({"cell": cells})).with_columns(expression)["coarse"].to_list()
        with Session(threads=1) as session:
            lazy = session.from_arrow(pa.table({"cell": cells, "n": range(144)})).with_columns(expression)
            assert [row[0] for row in session.rows("SELECT coarse FROM {t} ORDER BY n", t=lazy)] == found
        for parent, coarse in zip(frame[name], found, strict=True):
            of_name.setdefault(parent, set()).add(coarse)
        assert all(len(codes) == 1 for codes in of_name.values())
        assert sorted(code for codes in of_name.values() for code in codes) == zones.cells(level).tolist()


def test_the_order_of_the_file_does_not_matter(save: Callable[..., Zones]) -> None:
    one = save(tracts(), "a.geojson").codes
    other = save(tracts().sample(frac=1, random_state=1), "b.geojson").codes
    assert dict(one) == dict(other)


def test_whole_numbers_without_parents_are_their_own_codes() -> None:
    assert dict(Zones(ids=("141", "4", "263")).codes) == {"4": 4, "141": 141, "263": 263}


@pytest.mark.parametrize("ids", [("a", "b"), ("01", "2"), ("0", "1")])
def test_other_ids_are_numbered_in_their_order(ids: tuple[str, ...]) -> None:
    assert dict(Zones(ids=ids).codes) == {ids[0]: 1, ids[1]: 2}


def test_codes_stay_below_the_level_digits(save: Callable[..., Zones]) -> None:
    assert save(tracts()).cells().max() < 10**14


@pytest.mark.parametrize("name", ["zones.geojson", "zones.gpkg", "zones.parquet"])
def test_files_of_each_kind_give_the_same_zones(name: str, save: Callable[..., Zones]) -> None:
    zones = save(tracts().to_crs(32634) if name == "zones.gpkg" else tracts(), name)
    assert zones.code_of("t0703") == 1310
    assert zones.find(np.array([19.035]), np.array([42.075])).tolist() == [1310]


def test_a_csv_gives_zones_without_shapes(tmp_path: Path) -> None:
    (tmp_path / "z.csv").write_text("id,borough\n007,East\n8,West\n9,East\n", encoding="utf-8")
    zones = Zones(path=tmp_path / "z.csv", id="id", parents=("borough",))
    assert dict(zones.codes) == {"007": 11, "9": 12, "8": 21}  # leading zeros survive; West has one zone
    assert zones.box is None
    assert list(zones.dictionary(1).columns) == ["cell", "id"]
    assert zones.dictionary(1)["id"].tolist() == ["East", "West"]


# --- points -------------------------------------------------------------------------------------------------------


def test_points_are_found_outside_is_minus_one_and_a_border_goes_to_the_lower_code(save: Callable[..., Zones]) -> None:
    zones = save(tracts())
    lon = np.array([19.005, 19.01, 25.0, np.nan, 19.0599999])
    lat = np.array([42.005, 42.005, 42.0, 42.0, 42.055])
    found = zones.find(lon, lat)
    assert found.tolist()[:4] == [zones.code_of("t0000"), zones.code_of("t0000"), -1, -1]
    assert found[4] == zones.code_of("t0505")


def test_find_agrees_with_geopandas(save: Callable[..., Zones]) -> None:
    zones, frame = save(tracts()), tracts()
    random = np.random.default_rng(7)
    lon, lat = random.uniform(18.98, 19.14, 2_000), random.uniform(41.98, 42.14, 2_000)
    points = gpd.GeoDataFrame(geometry=gpd.points_from_xy(lon, lat), crs=4326)
    joined = gpd.sjoin(points, frame, how="left").sort_index()
    expected = [zones.code_of(t) if isinstance(t, str) else -1 for t in joined["tract"]]
    assert zones.find(lon, lat).tolist() == expected


def test_locate_is_the_same_in_the_engine_and_null_outside(save: Callable[..., Zones]) -> None:
    zones = save(tracts())
    table = pa.table({"lon": [19.005, 25.0, None], "lat": [42.005, 42.0, 42.0], "n": [0, 1, 2]})
    with Session() as session:
        found = zones.locate(session.from_arrow(table), session, {"start_cell": ("lon", "lat")})
        assert session.rows("SELECT start_cell FROM {t} ORDER BY n", t=found) == [(1101,), (None,), (None,)]


def test_polygons_and_centres_belong_to_their_codes(save: Callable[..., Zones]) -> None:
    zones = save(tracts())
    codes = np.array([1310, 100_000_000_000_013, 1101])
    shapes = zones.polygons(codes)
    assert shapes[1].covers(shapes[0])
    assert not shapes[1].covers(shapes[2])
    assert shapely.area(shapes[1]) == pytest.approx(36 * 1e-4)
    assert shapely.contains(shapes, shapely.points(*zones.centres(codes))).all()
    with pytest.raises(SchemaError, match="no zones of this level"):
        zones.polygons(np.array([9_999]))


# --- checks -------------------------------------------------------------------------------------------------------


def test_a_partition_has_neither_overlaps_nor_holes(save: Callable[..., Zones]) -> None:
    check = save(tracts()).check()
    assert (check.zones, check.overlaps, check.holes) == (144, 0, 0)


def test_a_hole_is_told_with_its_share(save: Callable[..., Zones]) -> None:
    frame = tracts()
    check = save(frame[frame["tract"] != "t0505"]).check()
    assert check.holes == 1
    assert check.hole_share == pytest.approx(1 / 143)


def test_a_sliver_is_told_and_a_true_overlap_is_refused_with_both_ids(save: Callable[..., Zones]) -> None:
    frame = tracts()
    wide = frame.copy()
    wide.loc[0, "geometry"] = shapely.box(19, 42, 19.010001, 42.01)
    check = save(wide, "sliver.geojson").check()
    assert check.overlaps == 1
    assert 0 < check.overlap_share < 1e-5
    wide.loc[0, "geometry"] = shapely.box(19, 42, 19.012, 42.01)
    with pytest.raises(SchemaError, match="t0000 and t0001"):
        save(wide, "overlap.geojson").find(np.array([19.0]), np.array([42.0]))
    assert save(wide, "meant.geojson", max_overlap=0.5).check().overlaps == 1


def test_parts_of_one_zone_are_joined(save: Callable[..., Zones]) -> None:
    frame = tracts()
    frame.loc[1, "tract"] = "t0000"
    zones = save(frame)
    assert len(zones.cells()) == 143
    assert zones.find(np.array([19.005, 19.015]), np.array([42.005, 42.005])).tolist() == [zones.code_of("t0000")] * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.assign(district=[*f["district"][:-1], None]), "some zones have no 'district'"),
        (lambda f: f.assign(city=["a", "b"] * 72), r"lie in more than one 'city'"),
        (lambda f: f.drop(columns="city"), r"lacks the columns \['city'\]"),
        (lambda f: f.assign(geometry=f.geometry.representative_point()), r"holds \['Point'\]"),
    ],
    ids=["no parent", "two parents", "column", "points"],
)
def test_broken_hierarchies_and_shapes_are_refused(
    change: Callable[[Any], Any], message: str, save: Callable[..., Zones]
) -> None:
    with pytest.raises(SchemaError, match=message):
        save(change(tracts())).cells()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, "a file or a list of ids"),
        ({"ids": ("a",), "path": "x.csv"}, "a file or a list of ids"),
        ({"ids": ("a",), "parents": ("city",)}, "no parents"),
        ({"path": "x.csv", "id": "a", "parents": ("a",)}, "the same name"),
    ],
)
def test_impossible_zones_are_refused(said: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        Zones(**said)


def test_an_id_twice_in_a_list_is_refused() -> None:
    with pytest.raises(SchemaError, match="twice"):
        Zones(ids=("a", "a")).cells()


def test_r18_zones_that_are_no_file_are_a_leak() -> None:
    with pytest.raises(PrivacyLeakError, match="not a file"):
        Zones(path=tracts())  # type: ignore[arg-type]


def test_zones_without_shapes_cannot_place_coordinates() -> None:
    with pytest.raises(SchemaError, match="no polygons"):
        Zones(ids=("a",)).find(np.array([1.0]), np.array([1.0]))


# --- a whole release ----------------------------------------------------------------------------------------------


def _in_zones(path: Path) -> Callable[[dict[str, Any]], None]:
    def change(recipe: dict[str, Any]) -> None:
        recipe["geo"] = {"zones": {"path": str(path), "id": "zone", "parents": ["district"]}}
        recipe["products"] = {
            "flows": {"level": "zone", "bins": "6h"},
            "volumes": {"level": "district", "bins": "6h"},
        }

    return change


def _town_zones(folder: Path) -> Path:
    """Zones that are the town's cells of 1 km, in districts of 4 × 4."""
    area = json.loads((folder / "area.geojson").read_text(encoding="utf-8"))
    west, south = area["features"][0]["geometry"]["coordinates"][0][0]
    west, south = west - 1e-5, south - 1e-5
    rows = [
        {
            "zone": f"z{column}{row}",
            "district": f"d{column // 4}{row // 4}",
            "geometry": shapely.box(
                west + column * 0.012165,
                south + row * 0.008983,
                west + (column + 1) * 0.012165,
                south + (row + 1) * 0.008983,
            ),
        }
        for column in range(8)
        for row in range(8)
    ]
    gpd.GeoDataFrame(rows, crs=4326).to_file(folder / "zones.geojson")
    return folder / "zones.geojson"


def test_a_release_in_zones_is_counted_again_by_the_gate_and_leaves_with_its_zones(town: Any) -> None:
    path = _town_zones(town.folder)
    town.busy().release(_in_zones(path))
    names = pd.read_parquet(town.folder / "out" / "zones" / "zones_zone.parquet").set_index("cell")["id"]
    flows = {(names[row["start_cell"]], names[row["end_cell"]], row["trips"]) for row in town.table("flows")}
    # seven riders on each of four pairs, eight on a fifth; the rare pair of three riders is suppressed, and beside it
    # the first of the smallest classes of its bin, so that the bin's total does not give the three away (ruling 11)
    assert flows == {("z11", "z51", 7), ("z04", "z44", 7), ("z44", "z00", 7), ("z22", "z62", 8)}
    districts = pd.read_parquet(town.folder / "out" / "zones" / "zones_district.parquet").set_index("cell")["id"]
    assert {districts[row["cell"]] for row in town.table("volumes")} <= {"d00", "d01", "d10", "d11"}
    described = json.loads((town.folder / "out" / "datapackage.json").read_text(encoding="utf-8"))
    assert described["anonkit"]["tessellation"] == {"kind": "zones", "levels": ["zone", "district"], "shapes": True}
    assert not town.failed()


def test_points_outside_all_zones_are_dropped_by_rule_and_counted(town: Any) -> None:
    path = _town_zones(town.folder)
    frame = gpd.read_file(path)
    frame[frame["zone"] != "z22"].to_file(path)
    town.busy().release(_in_zones(path))
    assert town.run()["lines"][0]["dropped"] == {"outside_area": 8}


def test_the_reader_puts_the_polygons_back(town: Any) -> None:
    from anonkit.reader import open_release

    town.busy().release(_in_zones(_town_zones(town.folder)))
    frame = open_release(town.folder / "out").to_geodataframe("flows")
    assert shapely.area(frame.geometry.to_numpy()).min() > 0
    zones = pq.read_table(town.folder / "out" / "zones" / "zones_zone.parquet")
    assert zones.num_rows == 64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r["products"]["flows"].update(level=None, cell_m=1000), "say level"),
        (lambda r: r["products"]["flows"].update(level="street"), "no level 'street'"),
        (lambda r: r["geo"].update(cell_m=500), "cannot stand beside"),
        (lambda r: r["geo"]["zones"].update(parent="x"), "did you mean 'parents'"),
    ],
    ids=["cell_m", "level", "both", "key"],
)
def test_recipes_of_zones_that_do_not_fit_are_refused(town: Any, change: Callable[[Any], Any], message: str) -> None:
    path = _town_zones(town.folder)

    def both(recipe: dict[str, Any]) -> None:
        _in_zones(path)(recipe)
        change(recipe)

    from anonkit.recipe import load_recipe

    with pytest.raises(RecipeError, match=message):
        load_recipe(town.recipe(both))


def test_ids_may_be_given_as_a_span(town: Any) -> None:
    from anonkit.recipe.places import ZoneFile

    assert ZoneFile(ids="3-5").ids == ("3", "4", "5")  # type: ignore[arg-type]
    assert ZoneFile(ids=["1-2", "airport"]).ids == ("1", "2", "airport")  # type: ignore[arg-type]
    assert yaml.safe_load("ids: 1-263") == {"ids": "1-263"}


def test_overlaps_and_holes_are_reported_for_the_reviewer(save: Callable[..., Zones]) -> None:
    frame = tracts()
    report = save(frame[frame["tract"] != "t0505"]).report()
    assert (report["kind"], report["zones"], report["holes"], report["overlaps"]) == ("zones", 143, 1, 0)
    assert len(report["sha256"]) == 64
    assert Zones(ids=("a", "b")).report()["zones"] == 2
