"""The grid against arithmetic by hand: cells, exact nesting, equal codes on every engine, the public area."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import shapely
from anonkit.base.errors import PrivacyLeakError, SchemaError
from anonkit.engine import Session
from anonkit.geo import Grid
from hypothesis import given, settings
from hypothesis import strategies as st

BAKU = Grid(cell_m=500, latitude=40.4)
POINTS = st.tuples(st.floats(-179.9, 179.9), st.floats(-84.9, 84.9))


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session(threads=1) as opened:
        yield opened


@pytest.fixture
def area(tmp_path: Path) -> Path:
    """A box of about 4 km by 3 km."""
    return write_area(tmp_path / "area.geojson", shapely.box(49.84, 40.36, 49.887, 40.387))


def write_area(path: Path, shape: Any) -> Path:
    feature = {"type": "Feature", "properties": {}, "geometry": json.loads(shapely.to_geojson(shape))}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), encoding="utf-8")
    return path


def by_hand(lon: float, lat: float) -> int:
    """Micro-degrees, rounded half up, counted from the south-west corner of the earth."""
    lat_step = round(500 / 111_320 * 1e6)
    lon_step = round(500 / (111_320 * math.cos(math.radians(40.4))) * 1e6)
    row = (math.floor(lat * 1e6 + 0.5) + 90_000_000) // lat_step
    column = (math.floor(lon * 1e6 + 0.5) + 180_000_000) // lon_step
    return row * 10**7 + column


@given(point=POINTS)
def test_a_code_is_row_and_column_in_micro_degrees(point: tuple[float, float]) -> None:
    assert BAKU.code(*point) == by_hand(*point)


@settings(max_examples=25)
@given(points=st.lists(POINTS, min_size=1, max_size=60))
def test_engines_agree_with_each_other_to_the_last_cell(points: list[tuple[float, float]]) -> None:
    table = pa.table({"lon": [lon for lon, _ in points], "lat": [lat for _, lat in points], "n": range(len(points))})
    expected = [BAKU.code(*point) for point in points]
    cell = BAKU.cell(nw.col("lon"), nw.col("lat")).alias("cell")
    on_pandas = nw.from_native(table.to_pandas()).with_columns(cell)["cell"].to_list()
    with Session(threads=1) as session:
        frame = session.from_arrow(table).with_columns(cell)
        on_duckdb = [row[0] for row in session.rows("SELECT cell FROM {t} ORDER BY n", t=frame)]
    assert on_pandas == on_duckdb == expected


@given(point=POINTS, level=st.integers(0, 5))
def test_levels_nest_exactly(point: tuple[float, float], level: int) -> None:
    cell = BAKU.code(*point)
    row, column = cell // 10**7, cell % 10**7
    assert BAKU.parent(cell, level) == level * 10**14 + (row // 2**level) * 10**7 + column // 2**level
    if level:  # the parent of a parent is the parent two levels up
        half = BAKU.parent(cell, level - 1) % 10**14
        assert BAKU.parent(cell, level) % 10**14 == (half // 10**7 // 2) * 10**7 + half % 10**7 // 2


def test_coarsen_equals_parent_on_every_engine(session: Session) -> None:
    cells = [BAKU.code(49.8 + n / 300, 40.3 + n / 400) for n in range(100)]
    for level in range(BAKU.levels):
        expression = BAKU.coarsen(nw.col("cell"), level).alias("coarse")
        expected = [BAKU.parent(cell, level) for cell in cells]
        assert nw.from_native(pd.DataFrame({"cell": cells})).with_columns(expression)["coarse"].to_list() == expected
        frame = session.from_arrow(pa.table({"cell": cells, "n": range(100)})).with_columns(expression)
        assert [row[0] for row in session.rows("SELECT coarse FROM {t} ORDER BY n", t=frame)] == expected


def test_codes_stay_below_two_to_the_53_at_every_level() -> None:
    fine = Grid(cell_m=25, latitude=0, levels=12)
    corner = fine.code(179.999999, 89.999999)
    assert max(fine.parent(corner, level) for level in range(12)) < 2**53
    assert corner < 10**14


def test_a_point_lies_in_the_polygon_of_its_cell_and_centres_in_theirs() -> None:
    lon, lat = np.array([49.867123, -80.0, 10.5]), np.array([40.409321, 40.44, -33.3])
    codes = np.array([BAKU.code(*point) for point in zip(lon, lat, strict=True)])
    for level in (0, 2):
        coarse = np.array([BAKU.parent(int(code), level) for code in codes])
        polygons = BAKU.polygons(coarse)
        assert shapely.covers(polygons, shapely.points(lon, lat)).all()
        assert shapely.contains(polygons, shapely.points(*BAKU.centres(coarse))).all()


def test_cells_are_squares_of_the_stated_side_at_the_latitude() -> None:
    west, south, east, north = shapely.bounds(BAKU.polygons(np.array([BAKU.code(49.867, 40.4)])))[0]
    assert (north - south) * 111_320 == pytest.approx(500, rel=2e-3)
    assert (east - west) * 111_320 * math.cos(math.radians(40.4)) == pytest.approx(500, rel=2e-3)


# --- the public area ----------------------------------------------------------------------------------------------


def test_cells_of_the_area_are_those_that_overlap_it(area: Path) -> None:
    grid = Grid(cell_m=500, latitude=40.4, area=area)
    cells = grid.cells()
    box = shapely.box(49.84, 40.36, 49.887, 40.387)
    assert shapely.area(shapely.intersection(grid.polygons(cells), box)).min() > 0
    assert shapely.union_all(grid.polygons(cells)).buffer(1e-9).covers(box)
    assert cells.dtype == np.int64
    assert (np.diff(cells) > 0).all()


def test_coarse_cells_cover_the_fine_ones(area: Path) -> None:
    grid = Grid(cell_m=500, latitude=40.4, area=area)
    for level in (1, 2, 3):
        assert set(grid.cells(level)) == {grid.parent(int(cell), level) for cell in grid.cells()}


def test_pairs_are_all_ordered_pairs(area: Path) -> None:
    grid = Grid(cell_m=500, latitude=40.4, area=area, levels=4)
    pairs = grid.pairs(2)
    assert len({tuple(pair) for pair in pairs.tolist()}) == len(grid.cells(2)) ** 2 == len(pairs)


def test_an_area_in_another_projection_is_the_same_area(tmp_path: Path, area: Path) -> None:
    import geopandas as gpd

    gpd.read_file(area).to_crs(32639).to_file(tmp_path / "utm.gpkg")
    here, there = (Grid(cell_m=500, latitude=40.4, area=path).cells() for path in (area, tmp_path / "utm.gpkg"))
    assert set(here) == set(there)


def test_the_dictionary_holds_every_cell_with_its_polygon(area: Path) -> None:
    grid = Grid(cell_m=500, latitude=40.4, area=area)
    frame = grid.dictionary(1)
    assert list(frame.columns) == ["cell", "lon", "lat", "geometry"]
    assert frame["cell"].tolist() == grid.cells(1).tolist()


def test_r18_an_area_that_is_no_file_is_a_leak() -> None:
    with pytest.raises(PrivacyLeakError, match="not a file"):
        Grid(cell_m=500, latitude=40.4, area=shapely.box(49, 40, 50, 41))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"cell_m": 10}, "cell_m is 10"),
        ({"latitude": 88}, "latitude is 88"),
        ({"levels": 0}, "levels is 0"),
        ({"levels": 13}, "levels is 13"),
    ],
)
def test_impossible_grids_are_refused(said: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        Grid(**{"cell_m": 500, "latitude": 40.4, **said})


def test_levels_by_their_side() -> None:
    assert [BAKU.level_of(side) for side in (500, 1000, 16_000)] == [0, 1, 5]
    with pytest.raises(SchemaError, match="no cells of 750 m"):
        BAKU.level_of(750)


def test_missing_and_empty_areas_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="no area file"):
        Grid(cell_m=500, latitude=40.4, area=tmp_path / "gone.geojson").cells()
    with pytest.raises(SchemaError, match="holds no polygon"):
        Grid(cell_m=500, latitude=40.4, area=write_area(tmp_path / "p.geojson", shapely.Point(49, 40))).cells()
    with pytest.raises(SchemaError, match="this grid has no area"):
        BAKU.cells()


def test_too_many_cells_are_refused_before_memory_goes(tmp_path: Path) -> None:
    path = write_area(tmp_path / "world.geojson", shapely.box(-170, -80, 170, 80))
    with pytest.raises(SchemaError, match="larger cells or a smaller area"):
        Grid(cell_m=100, latitude=0, area=path).cells()
