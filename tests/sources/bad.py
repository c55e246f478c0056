"""One file for each reason why a line is refused: ``bad_<reason>`` gives its bytes and what the recipe says of it.

Each file holds three good lines and one bad one, so that the bad line is found and nothing else is.
"""

from __future__ import annotations

import json
from typing import Any

HEADER = "id,rider,start,end,slon,slat,elon,elat,fare"
DAY = "2026-03-03"
COLUMNS = {
    "trip": "id",
    "person": "rider",
    "start": "start",
    "end": "end",
    "start_lon": "slon",
    "start_lat": "slat",
    "end_lon": "elon",
    "end_lat": "elat",
}
WITH_FARE = {**COLUMNS, "amount": "fare"}
BY_PLACE = {
    "trip": "id",
    "person": "rider",
    "start": "start",
    "end": "end",
    "start_place": "slon",
    "end_place": "elon",
}
Bad = tuple[bytes, dict[str, Any]]


def line(**changes: str) -> str:
    """A good line but for the changes."""
    fields = {
        "id": "T9",
        "rider": "P9",
        "start": f"{DAY} 08:00:00",
        "end": f"{DAY} 08:20:00",
        "slon": "49.85",
        "slat": "40.38",
        "elon": "49.87",
        "elat": "40.40",
        "fare": "2.5",
    }
    return ",".join((fields | changes).values())


def file(bad: str | bytes, **said: Any) -> Bad:
    """A header, a good line, the bad one in line 3, two good lines."""
    good = [line(id=f"T{number}", rider=f"P{number}").encode() for number in (1, 2, 3)]
    wrong = bad.encode() if isinstance(bad, str) else bad
    return b"\n".join([HEADER.encode(), good[0], wrong, *good[1:]]) + b"\n", said


def bad_blank_line() -> Bad:
    return file("")


def bad_ragged_line() -> Bad:
    return file(line() + ",one more")


def bad_stray_quote() -> Bad:
    return file(line(rider='"P9'))


def bad_line_too_long() -> Bad:
    return file(line(rider="P" * 17_000_000))


def bad_wrong_encoding() -> Bad:
    return file(line(rider="Ülviyyə").encode("utf-8").replace("Ü".encode(), b"\xdc"))  # a Latin-1 letter amid UTF-8


def bad_bad_json() -> Bad:
    def row(number: int) -> str:
        return json.dumps(
            dict(zip(HEADER.split(","), line(id=f"T{number}", rider=f"P{number}").split(","), strict=True))
        )

    return "\n".join([row(1), '{"id": "T9", ', row(2), row(3)]).encode(), {"name": "rides.jsonl"}


def bad_destroyed_id() -> Bad:
    return file(line(rider="9,94501E+11".replace(",", ".")))


def bad_missing_key() -> Bad:
    return file(line(rider=""), checks={"require": ["person"]})


def bad_missing_time() -> Bad:
    return file(line(end=""))


def bad_bad_time() -> Bad:
    return file(line(start="yesterday"))


def bad_nonexistent_local_time() -> Bad:
    # Podgorica, 2026-03-29: the clock went from 02:00 to 03:00
    return file(line(start="2026-03-29 02:30:00", end="2026-03-29 03:10:00"), time={"zone": "Europe/Podgorica"})


def bad_ambiguous_local_time() -> Bad:
    # Podgorica, 2025-10-26: 02:30 happened twice
    return file(line(start="2025-10-26 02:30:00", end="2025-10-26 03:30:00"), time={"zone": "Europe/Podgorica"})


def bad_clock_out_of_range() -> Bad:
    return file(line(start="0014-11-18 15:40:26", end="0014-11-18 17:11:04"))


def bad_missing_place() -> Bad:
    return file(line(slon=""), columns=BY_PLACE, zones={"49.85": 1, "49.87": 2})


def bad_unknown_place() -> Bad:
    return file(line(slon="nowhere"), columns=BY_PLACE, zones={"49.85": 1, "49.87": 2})


def bad_missing_coordinates() -> Bad:
    return file(line(elat=""))


def bad_too_few_points() -> Bad:
    route = '"[[49.85,40.38],[49.87,40.40]]"'
    rows = ["id,rider,start,route"] + [f"T{n},P{n},{DAY} 08:00:00,{route}" for n in (1, 2, 3)]
    rows.insert(2, f'T9,P9,{DAY} 08:00:00,"[[49.85,40.38]]"')
    said = {"columns": {"trip": "id", "person": "rider", "start": "start"}}
    return "\n".join(rows).encode(), {**said, "polyline": {"column": "route", "interval_s": 600}}


def bad_bad_coordinates() -> Bad:
    return file(line(slon="east of the station"))


def bad_swapped_coordinates() -> Bad:
    return file(line(slon="40.38", slat="49.85"))


def bad_impossible_coordinates() -> Bad:
    return file(line(slon="0", slat="0"))


def bad_end_before_start() -> Bad:
    return file(line(end=f"{DAY} 07:59:59"))


def bad_zero_length() -> Bad:
    return file(line(end=f"{DAY} 08:00:00"))


def bad_trip_too_long() -> Bad:
    return file(line(end="2026-03-04 08:00:01"))


def bad_absurd_speed() -> Bad:
    # about 2.8 km in ten seconds
    return file(line(end=f"{DAY} 08:00:10"))


def bad_bad_number() -> Bad:
    return file(line(fare="two manat"), columns=WITH_FARE)


def bad_negative_amount() -> Bad:
    return file(line(fare="-2.5"), columns=WITH_FARE)


def bad_duplicate() -> Bad:
    rows = [HEADER, line(id="T1", rider="P1"), line(id="T1", rider="P1"), line(id="T2"), line(id="T3")]
    return "\n".join(rows).encode(), {}
