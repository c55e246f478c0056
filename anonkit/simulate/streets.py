"""Taxi journeys on invented streets of Podgorica, with the fixes of their routes: the sample of a routes release.

Streets are a square pattern 400 m apart with three main ways; journeys lead from a few popular corners to passengers'
homes and to each other, along the main ways where that is no detour, slower at five in the afternoon. Fixes come every
20 s with a little noise. What a reader must get right is in it: fixes of no journey (ruling 33), a receiver that jumps,
journeys whose way nobody else takes. The network is public input; the people do not exist. It protects nothing.
"""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from anonkit.simulate.accounts import ACCOUNT_COLUMNS, Account, account, account_rows, spelled
from anonkit.simulate.draws import Draws
from anonkit.simulate.files import local_plain, money, write_csv, write_json
from anonkit.simulate.fleet import Driver, drivers

SEED = 20260907
COLUMNS, ROWS = 13, 11
WEST, SOUTH = 19.2302, 42.4226
LON_STEP, LAT_STEP, STEP_M = 0.00487, 0.0036, 400
"""About 400 m either way at this latitude."""
MAIN_ROWS, MAIN_COLUMNS = (5,), (3, 9)
CORNERS = ((3, 5), (9, 5), (6, 5), (9, 1))
"""Popular corners: column and row."""
PERSONS, DRIVERS, JOURNEYS, DAYS = 260, 26, 1_700, 28
FIRST_DAY_S = 1_791_151_200  # 2026-10-05 00:00 in Podgorica
MAIN_KMH, SIDE_KMH, RUSH = 46, 27, 17
EVERY_S = 20
JOURNEY_COLUMNS = (
    *("journey_id", "passenger_id", "passenger_name", "phone", "email", "device_id", "card_number"),
    *("departure_time", "arrival_time", "departure_address", "departure_lat", "departure_lon"),
    *("arrival_address", "arrival_lat", "arrival_lon", "route", "distance_km", "price_eur"),
    *("driver_id", "driver_name", "driver_phone", "vehicle_plate", "fleet", "dispute", "feedback"),
)
Corner = tuple[int, int]


def _missing(a: Corner, b: Corner) -> bool:
    """Some side streets do not exist."""
    (column, row), (other, far) = min(a, b), max(a, b)
    if (row == far and row in MAIN_ROWS) or (column == other and column in MAIN_COLUMNS):
        return False
    return (7 * column + 11 * row + 3 * (other - column)) % 9 == 0 and 0 < row < ROWS - 1 and 0 < column < COLUMNS - 1


def _position(corner: tuple[float, float]) -> tuple[float, float]:
    return WEST + corner[0] * LON_STEP, SOUTH + corner[1] * LAT_STEP


def _main(a: Corner, b: Corner) -> bool:
    return (a[1] == b[1] and a[1] in MAIN_ROWS) or (a[0] == b[0] and a[0] in MAIN_COLUMNS)


def _streets() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for row in range(ROWS):
        for column in range(COLUMNS):
            for other in ((column + 1, row), (column, row + 1)):
                here = (column, row)
                if other[0] >= COLUMNS or other[1] >= ROWS or _missing(here, other):
                    continue
                main = _main(here, other)
                ends = [[round(value, 6) for value in _position(corner)] for corner in (here, other)]
                found.append(
                    {
                        "type": "Feature",
                        "properties": {
                            "highway": "primary" if main else "residential",
                            "maxspeed": str(50 if main else 30),
                        },
                        "geometry": {"type": "LineString", "coordinates": ends},
                    }
                )
    return found


def _walk(path: list[Corner], to: Corner) -> bool:
    """Go on straight to a corner of the same row or column; False where a street is missing on the way."""
    while path[-1] != to:
        column, row = path[-1]
        step = ((to[0] > column) - (to[0] < column), (to[1] > row) - (to[1] < row))
        onward = (column + step[0], row) if step[0] else (column, row + step[1])
        if _missing(path[-1], onward):
            return False
        path.append(onward)
    return True


def way(start: Corner, goal: Corner, *, odd: bool) -> list[Corner]:
    """Corners from start to goal: along the row of the start and then the column, or a detour where that is not there.

    >>> way((3, 5), (5, 5), odd=False)
    [(3, 5), (4, 5), (5, 5)]
    """
    bends: list[list[Corner]] = [[(goal[0], start[1]), goal], [(start[0], goal[1]), goal]]
    bends += [[(start[0], row), (goal[0], row), goal] for row in (*MAIN_ROWS, 0, ROWS - 1)]
    bends += [[(column, start[1]), (column, goal[1]), goal] for column in (*MAIN_COLUMNS, 0, COLUMNS - 1)]
    for bend in [*reversed(bends[:2]), *bends[2:]] if odd else bends:
        path = [start]
        if all(_walk(path, corner) for corner in bend) and len(set(path)) == len(path):
            return path
    return [start]


def write_pokupi_routes(folder: Path) -> None:
    """Write ``streets.geojson``, ``journeys.csv``, ``fixes.csv`` and ``accounts.csv``."""
    draws, zone = Draws(SEED, 91), ZoneInfo("Europe/Podgorica")
    head = {"type": "FeatureCollection", "name": "invented streets"}
    write_json(folder / "streets.geojson", head, "features", _streets())
    staff = drivers(DRIVERS, seed=SEED, first_account=900, country="ME")
    homes = [(int(c), int(r)) for c, r in zip(draws.below(COLUMNS, PERSONS), draws.below(ROWS, PERSONS), strict=True)]
    who, day, odd = draws.below(PERSONS, JOURNEYS), draws.below(DAYS, JOURNEYS), draws.chance(0.15, JOURNEYS)
    hour = draws.weighted(_HOURS, JOURNEYS)
    minute, begin_at, to_home = (
        draws.below(3_000, JOURNEYS),
        draws.weighted(_DRAW, JOURNEYS),
        draws.chance(0.7, JOURNEYS),
    )
    other, sent, backwards = (
        draws.weighted(_DRAW, JOURNEYS),
        draws.below(DRIVERS, JOURNEYS),
        draws.chance(0.4, JOURNEYS),
    )
    pace = draws.bell(JOURNEYS)
    journeys: list[dict[str, str]] = []
    fixes: list[dict[str, str]] = []
    for number in range(JOURNEYS):
        person = account(int(who[number]), country="ME")
        hub = CORNERS[int(begin_at[number])]
        goal = homes[int(who[number])] if to_home[number] else CORNERS[int(other[number])]
        path = way(hub, goal, odd=bool(odd[number]))
        if len(path) < 6:
            continue
        path = path[::-1] if backwards[number] else path
        begin = FIRST_DAY_S + int(day[number]) * 86_400 + int(hour[number]) * 3_600 + int(minute[number])
        slow = (0.55 if hour[number] == RUSH else 1.0) * (1 + 0.08 * float(pace[number]))
        clock, at = [0.0], [path[0]]
        for here, there in pairwise(path):
            clock.append(clock[-1] + STEP_M * 3.6 / ((MAIN_KMH if _main(here, there) else SIDE_KMH) * slow))
            at.append(there)
        name = f"J{len(journeys) + 1:05d}"
        fixes += _fixes(name, at, clock, begin, draws, jump=number % 40 == 0)
        journeys.append(
            _journey(
                name,
                person,
                staff[int(sent[number])],
                begin,
                begin + int(clock[-1]),
                path[0],
                path[-1],
                len(path),
                zone,
            )
        )
    write_csv(folder / "journeys.csv", JOURNEY_COLUMNS, journeys)
    write_csv(folder / "fixes.csv", ("journey", "recorded_s", "lat", "lon"), fixes)
    seen = sorted({int(row["passenger_id"][1:]) for row in journeys})
    known = {f"P{index:04d}": account(index, country="ME") for index in seen}
    rows = account_rows(known, seed=SEED, deleted_from=date(2026, 10, 5))
    write_csv(folder / "accounts.csv", ACCOUNT_COLUMNS, rows)


_HOURS = np.array([1, 1, 1, 1, 1, 1, 3, 6, 8, 6, 4, 4, 5, 5, 5, 6, 8, 12, 9, 7, 5, 4, 3, 2])
_DRAW = np.array([5, 4, 3, 3])


def _fixes(
    name: str, at: list[Corner], clock: list[float], begin: int, draws: Draws, *, jump: bool
) -> list[dict[str, str]]:
    times = list(range(0, int(clock[-1]) + 1, EVERY_S))
    noise = draws.bell(2 * len(times))
    rows, place = [], 0
    for number, second in enumerate(times):
        while clock[place + 1] < second:
            place += 1
        share = (second - clock[place]) / (clock[place + 1] - clock[place])
        (column, row), (onward, far) = at[place], at[place + 1]
        lon, lat = _position((column + share * (onward - column), row + share * (far - row)))
        lon, lat = lon + 6e-5 * float(noise[2 * number]), lat + 4e-5 * float(noise[2 * number + 1])
        if jump and number == len(times) // 2:
            lon, lat = lon + 0.05, lat - 0.03  # a receiver that lost itself
        rows.append({"journey": name, "recorded_s": str(begin + second), "lat": f"{lat:.5f}", "lon": f"{lon:.5f}"})
    # The driver's app reports once more after the journey: a position of nobody's journey.
    rows.append(
        {"journey": "", "recorded_s": str(begin + times[-1] + 200), "lat": rows[-1]["lat"], "lon": rows[-1]["lon"]}
    )
    return rows


def _journey(
    name: str, rider: Account, staff: Driver, begin: int, end: int, start: Corner, goal: Corner, corners: int, zone: ZoneInfo
) -> dict[str, str]:  # fmt: skip
    (start_lon, start_lat), (goal_lon, goal_lat) = _position(start), _position(goal)
    metres = (corners - 1) * STEP_M
    return {
        **dict.fromkeys(JOURNEY_COLUMNS, ""),
        "journey_id": name,
        "passenger_id": f"P{rider.index:04d}",
        "passenger_name": rider.name,
        "phone": spelled(rider.phone, rider.index % 5),
        "email": rider.email,
        "departure_time": local_plain(begin, zone),
        "arrival_time": local_plain(end, zone),
        "departure_lat": f"{start_lat:.6f}",
        "departure_lon": f"{start_lon:.6f}",
        "arrival_lat": f"{goal_lat:.6f}",
        "arrival_lon": f"{goal_lon:.6f}",
        "distance_km": f"{metres // 1_000}.{metres % 1_000 // 10:02d}",
        "price_eur": money(150 + metres * 60 // 1_000),
        "driver_id": staff.driver,
        "driver_name": staff.person.name,
        "driver_phone": staff.person.phone,
        "vehicle_plate": staff.plate,
    }
