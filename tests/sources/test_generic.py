"""The generic source: CSV, JSON and Parquet give the same rows; times, nulls and decimals as the recipe says."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from anonkit.base.errors import SourceError
from anonkit.sources import InputSpec
from pydantic import ValidationError

COLUMNS = {
    "trip": "id",
    "person": "rider",
    "start": "start",
    "end": "end",
    "start_lon": "from.lon",
    "start_lat": "from.lat",
    "end_lon": "to.lon",
    "end_lat": "to.lat",
    "distance_m": "m",
}
ROWS = [
    {"id": "T1", "rider": "P1", "start": "2026-03-03T08:00:00+04:00", "end": "2026-03-03T08:20:00+04:00", "m": 2500.5},
    {"id": "T2", "rider": None, "start": "2026-03-03 09:00:00", "end": "2026-03-03 09:20:00", "m": None},
]
EIGHT_S = 1_772_510_400
"""2026-03-03 04:00 UTC, 08:00 in Baku."""


def nested() -> list[dict[str, Any]]:
    return [{**row, "from": {"lon": 49.85, "lat": 40.38}, "to": {"lon": 49.87, "lat": 40.4}} for row in ROWS]


def flat() -> pd.DataFrame:
    return pd.json_normalize(nested())


def content(kind: str, folder: Path) -> tuple[bytes, dict[str, Any]]:
    if kind == "csv":
        return flat().to_csv(index=False).encode(), {"name": "r.csv"}
    if kind == "lines":
        return "\n".join(json.dumps(row) for row in nested()).encode(), {"name": "r.jsonl"}
    if kind == "document":
        return json.dumps({"v": 1, "data": {"trips": nested()}}, indent=1).encode(), {
            "name": "r.json",
            "records": "data.trips",
        }
    pq.write_table(pa.Table.from_pandas(flat(), preserve_index=False), folder / "x")
    return (folder / "x").read_bytes(), {"name": "r.parquet"}


@pytest.mark.parametrize("kind", ["csv", "lines", "document", "parquet"])
def test_each_kind_of_file_gives_the_same_rows(kind: str, read: Any, tmp_path: Path) -> None:
    raw, said = content(kind, tmp_path)
    reading = read(raw, columns=COLUMNS, **said)
    rows = reading.rows
    assert [(row["trip"], row["person"]) for row in rows] == [("T1", "P1"), ("T2", None)]
    assert [row["start_s"] for row in rows] == [EIGHT_S, EIGHT_S + 3600]  # with an offset, and without: Baku's clock
    assert [row["duration_s"] for row in rows] == [1200.0, 1200.0]
    assert [row["distance_m"] for row in rows] == [2500.5, None]
    assert [(row["start_lon"], row["end_lat"]) for row in rows] == [(49.85, 40.4)] * 2
    assert reading.accounting.used == 2


@pytest.mark.parametrize(
    ("text", "format_"),
    [
        ("2026-03-03T08:00:00+04:00", "iso"),
        ("2026-03-03T04:00:00Z", "iso"),
        ("2026-03-02 20:00:00.75-0800", "iso"),
        ("2026-03-03T09:30+05:30", "iso"),
        (" 2026-03-03 08:00:00 ", "iso"),
        ("1772510400", "epoch_s"),
        ("1772510400999", "epoch_ms"),
        ("3/3/2026 8:00", "%m/%d/%Y %H:%M"),
        ("03.03.2026 08:00:00", "%d.%m.%Y %H:%M:%S"),
    ],
)
def test_ways_of_writing_one_instant(text: str, format_: str, read: Any) -> None:
    csv = f"id,rider,start,s,slon,slat,elon,elat\nT1,P1,{text},600,49.85,40.38,49.87,40.40\n"
    columns = {"trip": "id", "person": "rider", "start": "start", "duration_s": "s"}
    columns |= {"start_lon": "slon", "start_lat": "slat", "end_lon": "elon", "end_lat": "elat"}
    row = read(csv, columns=columns, time={"format": format_, "zone": "Asia/Baku"}).rows[0]
    assert (row["start_s"], row["end_s"]) == (EIGHT_S, EIGHT_S + 600)


def test_a_shift_of_years_mends_a_constant_error_also_over_a_leap_day(read: Any, lines: Any) -> None:
    text = lines().replace("2026-03-03", "0016-02-29")
    rows = read(text, time={"zone": "Asia/Baku", "shift_years": 2000}).rows
    assert len(rows) == 3
    assert datetime.fromtimestamp(rows[0]["start_s"]).year == 2016


def test_null_texts_decimal_commas_and_spaces(read: Any) -> None:
    text = "id;rider;start;end;slon;slat;elon;elat;km\nT1; P1 ;2026-03-03 08:00:00;2026-03-03 08:20:00;49,85;40,38;49,87;40,4;NA\n"
    columns = {"trip": "id", "person": "rider", "start": "start", "end": "end", "distance_m": "km"}
    columns |= {"start_lon": "slon", "start_lat": "slat", "end_lon": "elon", "end_lat": "elat"}
    row = read(text, columns=columns, decimal=",", nulls=["NA"]).rows[0]
    assert (row["person"], row["start_lon"], row["distance_m"]) == ("P1", 49.85, None)


def test_a_polyline_gives_both_ends_and_the_duration(read: Any) -> None:
    text = 'id,rider,start,route\nT1,P1,1772510400,"[[49.85,40.38],[49.86,40.39],[49.87,40.40]]"\n'
    said = {"polyline": {"column": "route", "interval_s": 300}, "time": {"format": "epoch_s", "zone": "Asia/Baku"}}
    row = read(text, columns={"trip": "id", "person": "rider", "start": "start"}, **said).rows[0]
    assert (row["start_lon"], row["end_lon"], row["duration_s"]) == (49.85, 49.87, 600.0)


def test_only_named_columns_are_read_and_the_others_listed(read: Any, lines: Any) -> None:
    reading = read(lines(), direct=["fare"])
    assert reading.opened.dropped_columns == ()
    assert "fare" not in reading.opened.frame.collect_schema().names()
    assert read(lines()).opened.dropped_columns == ("fare",)


def test_further_columns_keep_their_role_and_an_unreadable_number_is_refused(read: Any, lines: Any) -> None:
    text = lines().replace("2.5\n", "x\n", 1)
    reading = read(text, also={"price": {"column": "fare", "role": "sensitive", "kind": "number"}})
    assert reading.accounting.rejected == {"bad_number": 1}
    assert reading.table.schema["price"].role.value == "sensitive"


# --- identifiers that a recipe would release ----------------------------------------------------------------------


def rides(value: str, count: int = 120) -> str:
    """Rides with a further column, made by a format of n, rider and day."""
    rows = ["id,rider,start,end,slon,slat,elon,elat,extra"]
    for number in range(count):
        day = f"2026-03-{number % 28 + 1:02d}"
        extra = value.format(n=number, rider=f"P{number % 7:04d}", day=day, few=number % 5)
        rows.append(f"T{number},P{number % 7:04d},{day} 08:00:00,{day} 08:20:00,49.85,40.38,49.87,40.40,{extra}")
    return "\n".join(rows)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("x_{rider}", "is made of the column of 'person'"),
        ("s{few}_{day} 04:00:00", "is made of the column of 'start'"),
        ("+99450123{n:04d}", "holds identifiers .*phone"),
        ("ride number {n}", "different value in almost every row"),
    ],
    ids=["rider", "start", "phone", "row"],
)
def test_a_column_that_identifies_is_refused_without_its_values(value: str, message: str, read: Any) -> None:
    with pytest.raises(SourceError, match=rf"'extra'.*(?:{message}|holds identifiers)") as caught:
        read(rides(value), also={"extra": {"column": "extra", "role": "quasi"}})
    assert "P0001" not in str(caught.value)


def test_a_category_is_no_identifier(read: Any) -> None:
    reading = read(rides("kind {few}"), also={"extra": {"column": "extra", "role": "quasi"}})
    assert reading.accounting.used == 120


# --- recipes ------------------------------------------------------------------------------------------------------

SAID = {
    "path": "x.csv",
    "operator": "town",
    "columns": {
        "person": "p",
        "start": "s",
        "end": "e",
        "start_lon": "a",
        "start_lat": "b",
        "end_lon": "c",
        "end_lat": "d",
    },
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": {**SAID["columns"], "begin": "x"}}, r"maps \['begin'\]"),  # type: ignore[dict-item]
        ({"columns": {"person": "p"}}, "lacks 'start'"),
        ({"privacy_unit": "trip"}, "leave out one of the two"),
        ({"privacy_unit": "driver"}, "lacks 'driver'"),
        ({"kind": "visits"}, "canonical names of visits"),
        ({"also": {"bin": {"column": "x", "role": "quasi"}}}, "canonical; choose others"),
        ({"also": {"phone": {"column": "phone", "role": "quasi"}}, "direct": ["phone"]}, "direct identifiers"),
        ({"joined": {"who": ["first", "last"]}}, r"joined makes \['who'\]"),
        (
            {
                "columns": {**SAID["columns"], "start": ["day", "clock"]},  # type: ignore[dict-item]
                "also": {"when": {"column": "day + clock", "role": "quasi"}},
                "direct": ["clock"],
            },
            r"\['clock'\] are direct identifiers",
        ),
    ],
)
def test_inputs_that_cannot_work_are_refused_when_the_recipe_is_read(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        InputSpec.model_validate({**SAID, **change})


def test_r01_a_source_without_persons_must_say_that_it_counts_trips() -> None:
    columns = {name: value for name, value in SAID["columns"].items() if name != "person"}  # type: ignore[attr-defined]
    with pytest.raises(ValidationError, match="must say privacy_unit: trip"):
        InputSpec.model_validate({**SAID, "columns": columns})
    assert InputSpec.model_validate({**SAID, "columns": columns, "privacy_unit": "trip"})


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_time_in_a_column_of_dates_and_one_of_clocks_is_one_time(kind: str, read: Any, tmp_path: Path) -> None:
    # the second line has a date and no clock: no time at all
    frame = pd.DataFrame(
        {
            "id": ["T1", "T2"],
            "day": ["2026-03-03", "2026-03-03"],
            "clock": ["08:00", None],
            "ended": ["08:20", "08:20"],
            **{name: [value, value] for name, value in (("a", 49.85), ("b", 40.38), ("c", 49.87), ("d", 40.4))},
        }
    )
    if kind == "csv":
        content = frame.to_csv(index=False).encode()
    else:
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), tmp_path / "x")
        content = (tmp_path / "x").read_bytes()
    columns = {
        "trip": "id",
        "start": ["day", "clock"],
        "end": ["day", "ended"],
        **dict(zip(("start_lon", "start_lat", "end_lon", "end_lat"), "abcd", strict=True)),
    }
    done = read(content, name=f"r.{kind}", columns=columns, privacy_unit="trip")
    assert [(row["start_s"], row["end_s"]) for row in done.rows] == [(EIGHT_S, EIGHT_S + 1200)]
    assert done.accounting.rejected == {"missing_time": 1}
    assert done.accounting.dropped_columns == ()


def test_only_times_may_stand_in_two_columns() -> None:
    columns = {**COLUMNS, "person": ["first", "last"]}
    with pytest.raises(ValidationError, match="only start and end may stand in two"):
        InputSpec.model_validate({"path": "r.csv", "operator": "town", "columns": columns})
