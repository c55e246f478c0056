"""The one table type shows no rows, takes geometry off at the door, and knows the role of every column."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from anonkit.base.errors import SchemaError, SourceError
from anonkit.engine import Session
from anonkit.schema import Accounting, Column, PrivacyUnit, Role, Schema, Table

RIDES = pd.DataFrame(
    {
        "person": ["P1", "P2"],
        "start_lon": [49.8671, 49.85],
        "start_lat": [40.4093, 40.38],
        "note": ["call +994501234567", ""],
    }
)


@pytest.fixture
def rides() -> Table:
    return Table.of(RIDES, zone="Asia/Baku")


def test_repr_shows_columns_and_roles_and_no_row(rides: Table) -> None:
    text = repr(rides)
    assert "start_lon" in text
    assert "pseudonym" in text
    assert "counted in persons" in text
    for secret in ("49.8671", "40.4093", "P1", "99450"):
        assert secret not in text
    assert str(rides) == text
    assert not hasattr(rides, "_repr_html_")


def test_unknown_columns_are_plain_and_so_not_releasable(rides: Table) -> None:
    assert rides.schema["note"].role is Role.PLAIN
    assert rides.schema["person"].role is Role.PSEUDONYM


def test_roles_can_be_given_and_must_name_columns() -> None:
    table = Table.of(RIDES, roles={"note": "quasi"})
    assert table.schema.of_role(Role.QUASI) == ("note",)
    with pytest.raises(SchemaError, match=r"roles name the columns \['nota'\]"):
        Table.of(RIDES, roles={"nota": "quasi"})


def test_point_geometry_is_taken_off_into_degrees() -> None:
    frame = gpd.GeoDataFrame({"person": ["P1"]}, geometry=gpd.points_from_xy([49.85], [40.38]), crs=4326)
    table = Table.of(frame.to_crs(32639))
    found = table.to_pandas()
    assert list(found.columns) == ["person", "lon", "lat"]
    assert found["lon"][0] == pytest.approx(49.85, abs=1e-9)
    assert found["lat"][0] == pytest.approx(40.38, abs=1e-9)


def test_other_geometry_is_refused() -> None:
    frame = gpd.GeoDataFrame({"person": ["P1"]}, geometry=[shapely.LineString([(0, 0), (1, 1)])], crs=4326)
    with pytest.raises(SchemaError, match="LineString"):
        Table.of(frame)


@pytest.mark.parametrize("kind", ["pandas", "arrow", "path", "lazy"])
def test_the_same_rows_from_each_kind_of_table(kind: str, tmp_path: Path) -> None:
    arrow = pa.Table.from_pandas(RIDES, preserve_index=False)
    pq.write_table(arrow, tmp_path / "rides.parquet")
    import narwhals.stable.v2 as nw

    data: dict[str, Any] = {
        "pandas": RIDES,
        "arrow": arrow,
        "path": tmp_path / "rides.parquet",
        "lazy": nw.from_native(RIDES).lazy(),
    }
    table = Table.of(data[kind])
    assert len(table) == 2
    assert table.to_pandas().equals(RIDES) or table.to_pandas().astype(str).equals(RIDES.astype(str))


def test_a_table_is_frozen(rides: Table) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match="frame"):
        rides.frame = None  # type: ignore[misc]


def test_internal_columns_stay_out_of_what_is_handed_on(rides: Table) -> None:
    frame = rides.session.frame("SELECT *, 1 AS _line FROM {t}", t=rides.frame)
    assert "_line" not in rides.with_frame(frame).to_pandas().columns


def test_polygons_are_put_back_only_after_generalise(rides: Table) -> None:
    with pytest.raises(SchemaError, match="no tessellation"):
        rides.to_geodataframe()


def test_frames_of_two_sessions_do_not_meet(rides: Table) -> None:
    with Session() as other:
        from anonkit.engine import EngineError

        with pytest.raises((EngineError, Exception), match=r"."):  # noqa: PT012
            joined = rides.frame.join(other.from_arrow(pa.table({"person": ["P1"]})), on="person", how="left")
            other.collect(joined)


# --- schema -------------------------------------------------------------------------------------------------------


def schema() -> Schema:
    return Schema(
        columns=(Column(name="person", role=Role.PSEUDONYM), Column(name="mode", role=Role.QUASI)), source="town"
    )


def test_a_column_named_twice_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"columns \['a'\] are named twice"):
        Schema(columns=(Column(name="a", role=Role.PLAIN), Column(name="a", role=Role.QUASI)))


def test_a_missing_column_names_the_source_and_what_to_do() -> None:
    with pytest.raises(SchemaError, match=r"town lacks the columns \['end_s'\][\s\S]*inputs\[\]\.columns"):
        schema().require("person", "end_s")


def test_columns_are_replaced_in_place_and_added_behind() -> None:
    changed = schema().with_columns(Column(name="mode", role=Role.SENSITIVE), Column(name="cell", role=Role.QUASI))
    assert changed.names == ("person", "mode", "cell")
    assert changed["mode"].role is Role.SENSITIVE
    assert schema()["mode"].role is Role.QUASI
    assert changed.without("person").names == ("mode", "cell")


@pytest.mark.parametrize(
    ("unit", "column"), [(PrivacyUnit.PERSON, "person"), (PrivacyUnit.DRIVER, "driver"), (PrivacyUnit.TRIP, "trip")]
)
def test_r01_a_class_counts_the_column_of_the_privacy_unit(unit: PrivacyUnit, column: str) -> None:
    assert dataclasses.replace(schema(), privacy_unit=unit).unit_column == column


# --- accounting ---------------------------------------------------------------------------------------------------


def accounting(**changes: Any) -> Accounting:
    said: dict[str, Any] = {
        "source": "town",
        "physical": 10,
        "header": 1,
        "used": 5,
        "dropped": {"no_person": 1},
        "rejected": {"bad_time": 3},
    }
    return Accounting(**{**said, **changes})


def test_lines_in_equal_lines_out() -> None:
    assert accounting().check() == accounting()
    assert str(accounting()) == "town: 10 lines = 1 header + 5 used + 1 dropped (no_person) + 3 rejected (bad_time)"


@pytest.mark.parametrize(
    "change",
    [{"used": 4}, {"used": 6}, {"header": 0}, {"dropped": {}}, {"rejected": {"bad_time": 4}}, {"physical": 11}],
)
def test_a_line_too_many_or_too_few_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SourceError, match="physical lines came in"):
        accounting(**change).check()


def test_accounting_is_data_for_the_run() -> None:
    assert accounting().as_dict()["rejected"] == {"bad_time": 3}
