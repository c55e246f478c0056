"""Uklon: cancelled orders fall by rule, third persons are never read, drivers are pseudonyms, off-trip positions stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from anonkit.engine import Session
from anonkit.sources.fixes import read_fixes, usable_fixes

HEADER = (
    "order_id,status,service,pickup_at,dropoff_at,rider_id,rider_phone,rider_email,third_name,third_phone,third_address,"
    "pickup_address,pickup_lon,pickup_lat,stops,dropoff_lon,dropoff_lat,distance_m,price_azn,comment,driver_id"
)
DONE = (
    "{id},{status},ride,2026-09-01 08:00:00,2026-09-01 08:20:00,R1,+994500000001,r@example.org,Ayan,+994500000002,Bahar 5,"
    'Nizami 1,49.84,40.38,"[{{""lon"": 49.85, ""address"": ""Sahil 2""}}]",49.86,40.39,2000,3.5,call me,D1'
)
CANCELLED = "{id},{status},ride,,,R1,+994500000001,r@example.org,,,,Nizami 1,,,,,,,,,"


@pytest.fixture
def uklon(tmp_path: Path, of_source: Any) -> Any:
    """Read these rows."""

    def run(*rows: str, **said: Any) -> Any:
        (tmp_path / "orders.csv").write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
        return of_source(tmp_path / "orders.csv", "uklon", time={}, **said)

    return run


def test_cancelled_orders_are_dropped_by_rule_before_missing_coordinates_reject_them(uklon: Any) -> None:
    reading = uklon(
        DONE.format(id="K1", status="completed"),
        CANCELLED.format(id="K2", status="cancelled_by_rider"),
        CANCELLED.format(id="K3", status="cancelled_by_driver"),
        CANCELLED.format(id="K4", status="no_driver"),
        CANCELLED.format(id="K5", status=""),
    )
    assert reading.accounting.dropped == {"cancelled_order": 2, "not_completed": 2}
    assert reading.accounting.rejected == {}
    assert reading.accounting.used == 1


def test_a_completed_order_without_coordinates_is_still_rejected(uklon: Any) -> None:
    row = DONE.format(id="K1", status="completed").replace("49.84,40.38", ",")
    assert uklon(row).accounting.rejected == {"missing_coordinates": 1}


def test_times_without_a_zone_are_bakus_and_the_driver_is_kept_apart_from_the_rider(uklon: Any) -> None:
    row = uklon(DONE.format(id="K1", status="completed")).rows[0]
    # 08:00 in Baku (UTC+4) is 04:00 UTC: 1,788,235,200 s is 2026-09-01 04:00
    assert (row["start_s"], row["end_s"] - row["start_s"]) == (1_788_235_200, 1_200)
    assert (row["person"], row["driver"], row["mode"]) == ("R1", "D1", "ride")


def test_names_addresses_stops_and_comments_are_never_read(uklon: Any) -> None:
    opened = uklon(DONE.format(id="K1", status="completed")).opened
    read = set(opened.kinds)
    assert not read & {"third_name", "third_address", "pickup_address", "stops", "comment"}
    assert read & {"third_phone", "rider_phone"}  # for lists of subjects alone, as internal columns
    assert not set(opened.dropped_columns) & {"third_name", "comment", "stops"}  # known as direct, not as surprises


def test_a_recipe_cannot_take_a_rule_of_the_format_away(uklon: Any) -> None:
    reading = uklon(CANCELLED.format(id="K2", status="cancelled_by_rider"), rules=[])
    assert reading.accounting.dropped == {"cancelled_order": 1}


def test_r33_positions_between_orders_are_no_fixes(tmp_path: Path, session: Session) -> None:
    path = tmp_path / "positions.csv"
    path.write_text(
        "driver_id,vehicle_plate,recorded_at,lon,lat,state,order_id\n"
        "D1,00-AA-001,2026-09-01 08:00:00,49.84,40.38,on_trip,K1\n"
        "D1,00-AA-001,2026-09-01 08:05:00,49.84,40.38,idle,\n"
        "D1,00-AA-001,2026-09-01 08:09:00,49.84,40.38,background,\n"
        "D1,00-AA-001,2026-09-01 08:10:00,49.84,40.38,on_trip,\n"  # says on_trip, yet names no order
        "D1,00-AA-001,2026-09-01 08:11:00,49.84,40.38,,K1\n",  # no state: not known to be on a trip
        encoding="utf-8",
    )
    table, opened = read_fixes(path, source="uklon_positions", operator="uklon", session=session, as_of_s=1_793_880_000)
    rows = session.collect(usable_fixes(table).frame).to_pylist()
    assert rows == [{"trip": "K1", "time_s": 1_788_235_200, "lon": 49.84, "lat": 40.38}]
    assert session.rows("SELECT count(*) FROM {f} WHERE _rule = 'off_trip_position'", f=table.frame) == [(4,)]
    assert opened.physical(session) == 6
