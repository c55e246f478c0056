"""After generalise no coordinate and no second is left, and every row that goes has its rule."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from anonkit.base.errors import SchemaError
from anonkit.geo import Grid, TimeBins, Zones, generalise
from anonkit.schema import Role, Table

HOURS = TimeBins("1h", zone="Asia/Baku")
AT = 1_788_220_800
"""2026-09-01 04:00 in Baku."""


@pytest.fixture
def grid(tmp_path: Path) -> Grid:
    ring = [[49.8, 40.3], [49.9, 40.3], [49.9, 40.45], [49.8, 40.45], [49.8, 40.3]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    (tmp_path / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return Grid(cell_m=500, latitude=40.4, area=tmp_path / "a.geojson")


def trips(**changes: Any) -> Table:
    row = {"trip": "T", "person": "P", "start_s": AT, "end_s": AT + 600, "start_lon": 49.85, "start_lat": 40.4}
    row |= {"end_lon": 49.86, "end_lat": 40.41, "distance_m": 1_500.0, "duration_s": 600.0}
    return Table.of(pd.DataFrame([row, {**row, **changes}]))


def test_coordinates_times_and_exact_measures_end_here(grid: Grid) -> None:
    found = generalise(trips(), cells=grid, bins=HOURS)
    assert list(found.to_pandas().columns) == ["trip", "person", "start_cell", "end_cell", "start_bin"]
    assert found.schema["start_cell"].role is Role.QUASI
    assert found.schema["start_cell"].level == "500 m"
    row = found.to_pandas().iloc[0]
    assert row["start_cell"] == grid.code(49.85, 40.4)
    assert row["end_cell"] == grid.code(49.86, 40.41)
    assert row["start_bin"] == AT // 3600 + 4


@pytest.mark.parametrize("change", [{"start_lon": 50.5}, {"end_lat": 41.0}], ids=["start", "end"])
def test_a_trip_with_one_end_outside_is_dropped(grid: Grid, change: dict[str, float]) -> None:
    assert len(generalise(trips(**change), cells=grid, bins=HOURS)) == 1


def test_the_period_is_of_local_dates_both_included(grid: Grid) -> None:
    # 20:00 UTC of 31 August is midnight of 1 September in Baku
    late = trips(start_s=AT - 4 * 3600 - 1)
    first = date(2026, 9, 1)
    assert len(generalise(late, cells=grid, bins=HOURS, period=(first, first))) == 1
    assert len(generalise(late, cells=grid, bins=HOURS, period=(date(2026, 8, 31), first))) == 2


def test_rows_of_a_source_stay_with_the_rule_that_drops_them(grid: Grid) -> None:
    table = trips(start_lon=50.5)
    frame = table.session.frame("SELECT *, 1 AS _line, 1 AS _lines, NULL::VARCHAR AS _reason FROM {t}", t=table.frame)
    found = generalise(table.with_frame(frame), cells=grid, bins=HOURS, period=(date(2026, 9, 1), date(2026, 9, 1)))
    rules = found.session.rows("SELECT _rule, count(*) FROM {t} GROUP BY 1 ORDER BY 1", t=found.frame)
    assert rules == [("outside_area", 1), (None, 1)]


def test_rows_that_know_their_zones_keep_them() -> None:
    table = Table.of(
        pd.DataFrame({"trip": ["a", "b"], "start_s": [AT, AT], "start_cell": [4, 4], "end_cell": [12, 99]})
    )
    found = generalise(table, cells=Zones(ids=("4", "12")), bins=HOURS).to_pandas()
    assert found[["start_cell", "end_cell"]].to_numpy().tolist() == [[4, 12]]  # zone 99 is outside


def test_visits_have_a_start_and_no_end(grid: Grid) -> None:
    table = Table.of(pd.DataFrame({"trip": ["a"], "start_s": [AT], "start_lon": [49.85], "start_lat": [40.4]}))
    found = generalise(table, cells=grid, bins=HOURS).to_pandas()
    assert found["start_cell"].tolist() == [grid.code(49.85, 40.4)]
    assert found["end_cell"].isna().all()


def test_polygons_can_be_put_back(grid: Grid) -> None:
    frame = generalise(trips(), cells=grid, bins=HOURS).to_geodataframe()
    assert frame.geometry.iloc[0].contains(__import__("shapely").Point(49.85, 40.4))


def test_a_table_without_coordinates_is_refused(grid: Grid) -> None:
    with pytest.raises(SchemaError, match="start_lon"):
        generalise(Table.of(pd.DataFrame({"start_s": [AT]})), cells=grid, bins=HOURS)
