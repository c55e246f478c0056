"""KONTAKTPLUS: a month of scooter rides as the operator's flat CSV, with the dirt that such exports have.

A few hundred invented riders around the centre of Baku, most rides after work. A ride begins where a scooter stands,
which is where an earlier ride left it: the export has the chain that ruling 15 warns of. The dirt is known and counted,
so that a test can ask of a reader where each line went. Invented from end to end; it shows a format, not the operator,
and no safety.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from anonkit.simulate.accounts import account, addresses, spelled
from anonkit.simulate.city import HOURS_EVENING, SCOOTER, City, TripNumbers, trip_parts, without_overlaps
from anonkit.simulate.draws import Draws
from anonkit.simulate.files import local_iso, quoted, write_text

RIDE_COLUMNS = (
    *("ride_id", "user_id", "full_name", "email", "phone", "card_number", "device_id", "ip", "scooter_id"),
    *("started_at", "ended_at", "start_lon", "start_lat", "end_lon", "end_lat"),
    *("distance_m", "price_azn", "rating", "comment"),
)
SAMPLE_SEED = 20260901
DIRT = (
    *("missing_coordinates", "end_before_start", "duplicate_ride_id", "swapped_coordinates", "too_few_fields"),
    *("too_many_fields", "empty_line", "clock_of_2000", "no_user", "not_a_time"),
)
_COMMENTS = (
    *("Əla!", "ok", "Skuter təmiz idi", "Tormoz zəifdir, baxın", "Batareya tez bitdi", "Parklanma yeri tapmadım"),
    *('"Bulvar"da yol bağlı idi, geri qayıtdım', "Qiymət bahadır; əvvəl ucuz idi", "Спасибо", "great ride"),
    *("mənə zəng edin 050 000 99 90", "yazın: help.me@example.com", "evim 40.37105, 49.84211 yanındadır"),
)


@dataclass(frozen=True, kw_only=True)
class Ride:
    """One ride with its rider and scooter as numbers, times as UTC epoch seconds."""

    number: int
    rider: int
    scooter: int
    start_s: int
    end_s: int
    start: tuple[float, float]
    end: tuple[float, float]
    distance_m: int


def scooter_city(*, trips: int, persons: int, days: int, seed: int, start: date = date(2026, 9, 1)) -> City:
    """Give the city as a scooter operator sees it: the zone around the centre, evenings."""
    return City(
        persons=persons,
        trips=trips,
        days=days,
        start=start,
        seed=seed,
        mix=(SCOOTER,),
        reach_m=1_500.0,
        background=0.002,
        hours_working=HOURS_EVENING,
        hours_free=HOURS_EVENING,
    )


SAMPLE_CITY = scooter_city(trips=4_800, persons=420, days=30, seed=SAMPLE_SEED)


def rides(city: City, *, snap_m: float = 200.0) -> list[Ride]:
    """Make the rides of a city: nobody rides twice at once, and a ride begins at the nearest idle scooter.

    Parameters
    ----------
    city : at most a few ten thousand trips (each is matched to a scooter in turn).
    snap_m : a scooter this near is walked to, so the ride begins where it stood; else the van has brought one.
    """
    parts: list[TripNumbers] = [without_overlaps(part, pause_s=120) for part in trip_parts(city)]
    fleet = max(20, city.trips // 50)
    draws = Draws(city.seed, 21)
    jitter = 5e-5 * draws.bell(2 * sum(len(part) for part in parts)).reshape(-1, 2)
    lon, lat, free_s = np.full(fleet, 0.0), np.full(fleet, 0.0), np.zeros(fleet, dtype=np.int64)
    made: list[Ride] = []
    for part in parts:
        for row in range(len(part)):
            begin = float(part.start_lon[row]), float(part.start_lat[row])
            start_s, end_s = int(part.start_s[row]), int(part.end_s[row])
            far = city.area.metres(lon, lat, *begin) + np.where(free_s > start_s, 1e9, 0.0)
            scooter = int(np.argmin(far))
            if far[scooter] > snap_m:
                scooter = int(np.argmin(free_s))  # the one that stood longest
            else:
                begin = float(lon[scooter] + jitter[len(made), 0]), float(lat[scooter] + jitter[len(made), 1])
            end = float(part.end_lon[row]), float(part.end_lat[row])
            lon[scooter], lat[scooter], free_s[scooter] = *end, end_s + 60
            made.append(
                Ride(
                    number=len(made) + 1,
                    rider=int(part.person[row]),
                    scooter=scooter + 1,
                    start_s=start_s,
                    end_s=end_s,
                    start=begin,
                    end=end,
                    distance_m=int(part.distance_m[row]),
                )
            )
    return made


def _fields(city: City, made: list[Ride]) -> list[dict[str, str]]:
    draws, zone = Draws(city.seed, 22), ZoneInfo(city.zone)
    size = len(made)
    network = addresses(draws, size)
    rated, stars, talks = (
        draws.chance(0.3, size),
        draws.weighted(np.array([4, 3, 8, 30, 55]), size),
        draws.uniform(size),
    )
    comments = draws.pick(_COMMENTS, size)
    people = {rider: account(rider) for rider in {ride.rider for ride in made}}
    lines = []
    for row, ride in enumerate(made):
        person = people[ride.rider]
        minutes = -(-(ride.end_s - ride.start_s) // 60)
        way = 0 if person.index % 4 else 1 + person.index // 4 % 4
        lines.append(
            {
                "ride_id": f"R{ride.number:05d}",
                "user_id": f"U{person.index:04d}",
                "full_name": person.name,
                "email": person.email,
                "phone": spelled(person.phone, way),
                "card_number": person.card,
                "device_id": person.device,
                "ip": network[row],
                "scooter_id": f"S{ride.scooter:03d}",
                "started_at": local_iso(ride.start_s, zone),
                "ended_at": local_iso(ride.end_s, zone),
                "start_lon": f"{ride.start[0]:.5f}",
                "start_lat": f"{ride.start[1]:.5f}",
                "end_lon": f"{ride.end[0]:.5f}",
                "end_lat": f"{ride.end[1]:.5f}",
                "distance_m": str(ride.distance_m),
                "price_azn": f"{(30 + 15 * minutes) // 100}.{(30 + 15 * minutes) % 100:02d}",
                "rating": str(int(stars[row]) + 1) if rated[row] else "",
                "comment": comments[row] if talks[row] < 0.05 else "",
            }
        )
    return lines


def _soil(kind: str, line: Mapping[str, str]) -> dict[str, str]:
    """Make one known fault in a line."""
    soiled = dict(line)
    if kind == "missing_coordinates":
        soiled["end_lon"] = soiled["end_lat"] = ""
    elif kind == "end_before_start":
        soiled["started_at"], soiled["ended_at"] = line["ended_at"], line["started_at"]
    elif kind == "swapped_coordinates":
        soiled["start_lon"], soiled["start_lat"] = line["start_lat"], line["start_lon"]
        soiled["end_lon"], soiled["end_lat"] = line["end_lat"], line["end_lon"]
    elif kind == "clock_of_2000":
        soiled["started_at"] = "2000-01-01T00:00:04+04:00"
    elif kind == "no_user":
        soiled |= dict.fromkeys(("user_id", "full_name", "email", "phone", "card_number"), "")
    elif kind == "not_a_time":
        soiled["ended_at"] = "0000-00-00 00:00:00"
    return soiled


def write_rides_csv(path: str | Path, city: City, *, dirt: int = 3) -> dict[str, int]:
    """Write the city's rides as the operator's flat CSV.

    Parameters
    ----------
    path : the file; UTF-8, LF, comma.
    city : see ``scooter_city``.
    dirt : how many lines of each kind in ``DIRT`` are soiled or put in; 0 gives a clean export.

    Returns
    -------
    dict: physical ``lines`` in the file, ``rides`` made, and the number of lines of each kind of dirt.
    ``duplicate_ride_id``, ``empty_line`` are lines put in beside the rides; the other kinds spoil a ride's own line.

    Privacy
    -------
    Invented people; the file looks like personal data on purpose (names, phones, cards), so that it must be caught.

    Sources
    -------
    Column names invented after the operator's policy (what it holds about a rider).
    """
    made = rides(city)
    lines = _fields(city, made)
    # Faults fall on different rides, none on the first or last.
    places = (Draws(city.seed, 23).order(max(len(lines) - 2, 0)) + 1)[: dirt * len(DIRT)].tolist()
    fault = {place: DIRT[number % len(DIRT)] for number, place in enumerate(places)}
    text = [",".join(RIDE_COLUMNS)]
    for row, line in enumerate(lines):
        kind = fault.get(row, "")
        values = [quoted(value) for value in _soil(kind, line).values()]
        if kind == "too_few_fields":
            values = values[:11]
        elif kind == "too_many_fields":
            values = [*values, "0", "x"]
        text.append(",".join(values))
        if kind == "duplicate_ride_id":
            text.append(text[-1])
        elif kind == "empty_line":
            text.append("")
    write_text(path, "\n".join(text) + "\n")
    counts = {kind: list(fault.values()).count(kind) for kind in DIRT}
    return {"lines": len(text), "rides": len(made), **counts}
