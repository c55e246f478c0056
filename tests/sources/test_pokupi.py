"""Pokupi: latitude first, kilometres, clock times that happened twice or never, addresses and feedback unread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

HEADER = (
    "journey_id,passenger_id,passenger_name,phone,email,card_number,departure_time,arrival_time,departure_address,"
    "departure_lat,departure_lon,arrival_address,arrival_lat,arrival_lon,route,distance_km,price_eur,driver_id,"
    "driver_name,driver_phone,dispute,feedback"
)
ROW = (
    "{id},P1,Ana,+38267000001,a@example.org,,{start},{end},Jadranska 1,42.44,19.26,Cvijetna 2,42.45,19.27,"
    '"[[19.26,42.44],[19.27,42.45]]",1.25,3.20,D1,Marko,+38267000801,yes,odlično'
)
BOX = (19.1, 42.3, 19.4, 42.6)


@pytest.fixture
def pokupi(tmp_path: Path, of_source: Any) -> Any:
    """Read journeys from one clock time to another."""

    def run(*times: tuple[str, str], **said: Any) -> Any:
        rows = [ROW.format(id=f"J{n}", start=start, end=end) for n, (start, end) in enumerate(times)]
        (tmp_path / "j.csv").write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
        return of_source(tmp_path / "j.csv", "pokupi", box=BOX, **said)

    return run


def test_latitude_stands_first_and_kilometres_become_metres(pokupi: Any) -> None:
    row = pokupi(("2026-10-06 10:00:00", "2026-10-06 10:10:00")).rows[0]
    assert (row["start_lon"], row["start_lat"], row["end_lon"], row["end_lat"]) == (19.26, 42.44, 19.27, 42.45)
    assert row["distance_m"] == 1250
    # 10:00 in Podgorica in summer time (UTC+2) is 08:00 UTC
    assert row["start_s"] % 86_400 == 8 * 3600
    assert (row["person"], row["driver"]) == ("P1", "D1")


def test_hours_that_happened_twice_or_never_are_rejected_each_with_its_reason(pokupi: Any) -> None:
    reading = pokupi(
        ("2026-10-25 02:30:00", "2026-10-25 03:10:00"),  # shown twice
        ("2026-03-29 02:30:00", "2026-03-29 03:10:00"),  # never shown
        ("2026-10-25 03:30:00", "2026-10-25 03:50:00"),
    )
    assert reading.accounting.rejected == {"ambiguous_local_time": 1, "nonexistent_local_time": 1}


@pytest.mark.parametrize(("said", "minutes"), [("first", 100), ("second", 40)])
def test_a_recipe_may_say_which_of_the_two_hours_is_meant(pokupi: Any, said: str, minutes: int) -> None:
    reading = pokupi(("2026-10-25 02:30:00", "2026-10-25 03:10:00"), time={"ambiguous": said})
    assert (
        reading.rows[0]["duration_s"] == 60 * minutes
    )  # 02:30 to 03:10 is 40 min on the clock, once with the hour again


def test_addresses_route_disputes_and_feedback_are_never_read(pokupi: Any) -> None:
    read = set(pokupi(("2026-10-06 10:00:00", "2026-10-06 10:10:00")).opened.kinds)
    assert not read & {"departure_address", "arrival_address", "route", "dispute", "feedback", "driver_name"}
