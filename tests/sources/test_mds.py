"""MDS 2.0: which trips are riders' trips, in both envelopes, and fixes without pings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anonkit.base.errors import SourceError
from anonkit.engine import Session
from anonkit.sources.fixes import read_fixes, usable_fixes

START_MS = 1_788_206_844_001  # 2026-08-31 20:07:24.001 UTC


def trip(name: str, *, seconds: int = 600, trip_type: str | None = "rider", **more: Any) -> dict[str, Any]:
    return {
        "trip_id": name,
        "device_id": "D1",
        **({"trip_type": trip_type} if trip_type else {}),
        "start_time": START_MS,
        "end_time": START_MS + 1000 * seconds,
        "start_location": {"lat": 40.38, "lng": 49.84},
        "end_location": {"lat": 40.381, "lng": 49.841},
        "distance": 1200,
        "actual_cost": 165,
        "currency": "AZN",
        **more,
    }


@pytest.fixture
def mds(tmp_path: Path, of_source: Any) -> Any:
    """Read these trips, ridden by rider-<trip>, in one of the envelopes."""

    def run(*trips: dict[str, Any], inner: bool = False, riders: str | None = None) -> Any:
        path, joined = tmp_path / "trips.json", tmp_path / "riders.csv"
        body: dict[str, Any] = {"data": {"trips": list(trips)}} if inner else {"trips": list(trips)}
        path.write_text(json.dumps({"version": "2.0.0", **body}), encoding="utf-8")
        rows = "".join(f"{one['trip_id']},rider-{one['trip_id']}\n" for one in trips) if riders is None else riders
        joined.write_text("trip_id,user_id\n" + rows, encoding="utf-8")
        return of_source(path, "mds", operator="town", lookups={"riders": {"path": joined}})

    return run


@pytest.mark.parametrize("inner", [False, True])
def test_both_envelopes_give_milliseconds_and_minor_units_as_seconds_and_units(mds: Any, inner: bool) -> None:
    row = mds(trip("a"), trip("b"), inner=inner).rows[0]
    # 1,788,206,844,001 ms -> 1,788,206,844 s; 165 qəpik are read as 1.65 AZN, which no table of trips keeps
    assert (row["trip"], row["person"], row["start_s"], row["end_s"]) == (
        "a",
        "rider-a",
        1_788_206_844,
        1_788_207_444,
    )
    assert (row["start_lon"], row["start_lat"], row["distance_m"]) == (49.84, 40.38, 1200)


def test_trips_that_are_not_a_riders_or_shorter_than_a_minute_are_dropped_by_rule(mds: Any) -> None:
    crew = trip("crew", trip_type="maintenance", end_location=None)  # no coordinates: still the rule, no rejected line
    reading = mds(trip("a", seconds=60), trip("b", seconds=59), crew, trip("nobody says", trip_type=None))
    assert reading.accounting.dropped == {"shorter_than_60s": 1, "trip_type:not_rider": 2}
    assert reading.accounting.rejected == {}
    assert [row["trip"] for row in reading.rows if row["_rule"] is None] == ["a"]


def test_a_trip_that_the_operators_join_does_not_know_is_nobodys(mds: Any) -> None:
    reading = mds(trip("a"), trip("b"), riders="a,P1\n")
    assert [row["person"] for row in reading.rows] == ["P1", None]


def test_a_join_that_gives_one_trip_two_riders_is_refused(mds: Any) -> None:
    with pytest.raises(SourceError, match="in two ways"):
        mds(trip("a"), riders="a,P1\na,P2\n")


def test_a_join_that_says_the_same_twice_does_not_double_the_trip(mds: Any) -> None:
    reading = mds(trip("a"), riders="a,P1\na,P1\n")
    assert reading.accounting.used == reading.accounting.physical == 1


def test_a_recipe_without_the_join_says_what_is_missing(tmp_path: Path, of_source: Any) -> None:
    with pytest.raises(ValueError, match=r"lookups\.riders\.path"):
        of_source(tmp_path / "t.json", "mds", operator="town")


def test_r33_pings_outside_a_trip_are_no_fixes(tmp_path: Path, session: Session) -> None:
    path = tmp_path / "telemetry.json"
    at = {"lat": 40.38, "lng": 49.84}
    points = [
        {"trip_ids": ["a"], "timestamp": START_MS, "location": at},
        {"trip_ids": None, "timestamp": START_MS + 60_000, "location": at},
        {"trip_ids": [], "timestamp": START_MS + 90_000, "location": at},
    ]
    path.write_text(json.dumps({"data": {"telemetry": points}}), encoding="utf-8")
    table, _ = read_fixes(path, source="mds_telemetry", operator="town", session=session, as_of_s=1_790_000_000)
    assert session.collect(usable_fixes(table).frame).to_pylist() == [
        {"trip": "a", "time_s": 1_788_206_844, "lon": 49.84, "lat": 40.38}
    ]
    rules = session.rows("SELECT _rule, count(*) FROM {f} GROUP BY 1 ORDER BY 1 NULLS FIRST", f=table.frame)
    assert rules == [(None, 1), ("off_trip_position", 2)]


def test_r33_no_recipe_can_name_telemetry_as_an_input(tmp_path: Path, of_source: Any) -> None:
    with pytest.raises(ValueError, match="there is no source 'mds_telemetry'"):
        of_source(tmp_path / "t.json", "mds_telemetry", operator="town")
