"""Blocks near sensitive places are told as one cell, at every level, from public files alone (ruling 32)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from anonkit.base.errors import SchemaError, SourceError
from anonkit.engine import Session
from anonkit.geo import Grid, SensitivePlaces, Zones


@pytest.fixture
def grid(town: Any) -> Grid:
    return Grid(cell_m=1000, latitude=42.4, area=town.folder / "area.geojson", levels=3)


def listed(folder: Path, *places: tuple[float, float], radius_m: str = "") -> Path:
    path = folder / "places.csv"
    lines = ["kind,lon,lat,radius_m", *(f"clinic,{lon},{lat},{radius_m}" for lon, lat in places)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def middle(column: int, row: int) -> tuple[float, float]:
    # As in tests/conftest.py: 8983 × 12165 micro-degrees from row 14736, column 16376
    return ((16_376 + column) * 12_165 + 6082) / 1e6 - 180, ((14_736 + row) * 8983 + 4491) / 1e6 - 90


def test_a_block_has_one_cell_that_stands_for_it_at_every_level(town: Any, grid: Grid) -> None:
    places = SensitivePlaces(path=listed(town.folder, middle(2, 1)), level=2, radius_m=100)
    members, standing = places.stands_for(grid)
    # block of 4 × 4 cells; its first cell (0, 0) holds no place and stands for all of them
    first = grid.code(*middle(0, 0))
    assert len(members) == 16
    assert set(standing.tolist()) == {first}
    for level in range(3):
        assert len({grid.parent(int(cell), level) for cell in standing}) == 1
    assert {grid.parent(int(cell), 2) for cell in members} == {grid.parent(first, 2)}


def test_a_place_at_the_edge_coarsens_the_neighbouring_block_too(town: Any, grid: Grid) -> None:
    lon, lat = middle(3, 1)
    near_edge = lon + 0.0055, lat  # the cell is .012 wide: about 45 m from the border to column 4
    alone = SensitivePlaces(path=listed(town.folder, near_edge), level=2, radius_m=20)
    both = SensitivePlaces(path=listed(town.folder, near_edge), level=2, radius_m=120)
    assert len(np.unique(alone.stands_for(grid)[1])) == 1
    assert len(np.unique(both.stands_for(grid)[1])) == 2


def test_a_cell_that_holds_a_place_does_not_stand_for_its_block(town: Any, grid: Grid) -> None:
    places = SensitivePlaces(path=listed(town.folder, middle(0, 0)), level=1, radius_m=0)
    assert set(places.stands_for(grid)[1].tolist()) == {grid.code(*middle(1, 0))}


def test_rows_are_coarsened_at_both_ends_and_others_stay(town: Any, grid: Grid) -> None:
    places = SensitivePlaces(path=listed(town.folder, middle(2, 1)), level=2, radius_m=0)
    inside, outside, stands = (grid.code(*middle(*cell)) for cell in ((2, 1), (6, 6), (0, 0)))
    with Session() as session:
        table = pa.table({"start_cell": [inside, outside, None], "end_cell": [outside, inside, outside]})
        rows = session.collect(places.coarsened(session.from_arrow(table), grid, session)).to_pylist()
    assert sorted(rows, key=str) == sorted(
        [
            {"start_cell": stands, "end_cell": outside},
            {"start_cell": outside, "end_cell": stands},
            {"start_cell": None, "end_cell": outside},
        ],
        key=str,
    )


def test_the_table_of_cells_shows_the_block_under_its_one_code(town: Any, grid: Grid) -> None:
    places = SensitivePlaces(path=listed(town.folder, middle(2, 1)), level=2, radius_m=0)
    frame = places.dictionary(grid, 0)
    stands = grid.code(*middle(0, 0))
    assert len(frame) == 64 - 15
    area = shapely.area(frame.geometry.to_numpy())
    assert area[frame["cell"] == stands] == pytest.approx(16 * area[-1], rel=1e-6)
    # nothing is lost: what is left tiles the area as before
    assert area.sum() == pytest.approx(shapely.area(grid.dictionary(0).geometry.to_numpy()).sum(), rel=1e-6)
    assert len(places.dictionary(grid, 2)) == len(grid.dictionary(2))


def test_polygons_touch_every_cell_that_they_cross(town: Any, grid: Grid) -> None:
    (west, south), (east, north) = middle(1, 1), middle(2, 2)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    path = town.folder / "places.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), encoding="utf-8")
    assert len(SensitivePlaces(path=path, level=1, radius_m=0).touched(grid)) == 4


def test_zones_are_named_by_id_and_told_as_their_parent(town: Any) -> None:
    change = town.in_zones({})
    change({})
    zones = Zones(path=town.folder / "zones.geojson", id="zone", parents=("district",))
    path = town.folder / "places.csv"
    path.write_text("kind,zone\nclinic,z21\n", encoding="utf-8")
    members, standing = SensitivePlaces(path=path, level=1, radius_m=0).stands_for(zones)
    assert len(members) == 32
    assert set(standing.tolist()) == {zones.code_of("z00")}


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("kind,lon,lat\n", SourceError, "names no place"),
        ("kind,lon\nclinic,19.2\n", SourceError, "no readable list"),
        ("kind,lon,lat\nclinic,east,42.4\n", SourceError, "no readable list"),
        ("kind,lon,lat\nclinic,42.4,190\n", SourceError, "no readable list"),
        ("kind,lon,lat\nclinic,49.8,40.4\n", SchemaError, "public area"),
        ("kind,zone\nclinic,z11\n", SchemaError, "names zones"),
    ],
)
def test_a_list_that_protects_nothing_is_an_error(
    town: Any, grid: Grid, text: str, error: type[Exception], match: str
) -> None:
    path = town.folder / "places.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(error, match=match):
        SensitivePlaces(path=path, level=1, radius_m=100).stands_for(grid)


def test_the_finest_level_is_no_coarsening(town: Any) -> None:
    with pytest.raises(SchemaError, match="not coarser"):
        SensitivePlaces(path=listed(town.folder, middle(2, 1)), level=0, radius_m=100)
