"""Pokupi: taxi journeys in Podgorica and Budva, Montenegro, with addresses, routes, disputes and feedback.

Times are local without a zone, so the repeated hour of 2026-10-25 is ambiguous and an hour of 2026-03-29 does not exist
(two rows claim it). A summer of 2023 in Budva is older than the three years after which journeys may only be used
anonymised. A few journeys have a dispute, the case in which the operator may look at a person again. Invented; protects
nothing.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from anonkit.simulate.accounts import ACCOUNT_COLUMNS, account, account_rows, spelled
from anonkit.simulate.areas import BUDVA, PODGORICA
from anonkit.simulate.city import HOURS_FREE, TAXI, City, trip_parts, without_overlaps
from anonkit.simulate.draws import Draws
from anonkit.simulate.files import local_plain, money, write_csv
from anonkit.simulate.fleet import dispatch, drivers
from anonkit.simulate.ways import way_points

SEED = 20260905
JOURNEY_COLUMNS = (
    *("journey_id", "passenger_id", "passenger_name", "phone", "email", "device_id", "card_number"),
    *("departure_time", "arrival_time", "departure_address", "departure_lat", "departure_lon"),
    *("arrival_address", "arrival_lat", "arrival_lon", "route", "distance_km", "price_eur"),
    *("driver_id", "driver_name", "driver_phone", "vehicle_plate", "fleet", "dispute", "feedback"),
)
_NIGHT = (60, 55, 45, *HOURS_FREE[3:])
AUTUMN = City(
    persons=240,
    trips=1_150,
    days=28,
    start=date(2026, 10, 5),
    seed=SEED,
    zone="Europe/Podgorica",
    mix=(TAXI,),
    area=PODGORICA,
    hours_free=_NIGHT,
)
SUMMER = City(
    persons=240,
    trips=160,
    days=14,
    start=date(2023, 7, 3),
    seed=SEED + 1,
    zone="Europe/Podgorica",
    mix=(TAXI,),
    area=BUDVA,
    hours_free=_NIGHT,
)
DRIVERS, FIRST_DRIVER_ACCOUNT = 30, 800
_STREETS = ("Jadranska", "Lovćenska", "Morača", "Njegoševa obala", "Cvijetna", "Šetalište", "Bulevar Lipa", "Trešnjina")
_FEEDBACK = (
    *("Sve u redu", "Vozač kasnio 10 min", "odlično!", "Zaboravio sam torbu, zovite +382 67 000 991", "Thanks"),
    *("vozač Marko je bio ljubazan", "pišite na gost@example.org"),
)


def _street(place: int) -> str:
    return f"{_STREETS[place % len(_STREETS)]} {1 + place // len(_STREETS) % 90}"


def write_pokupi(folder: Path) -> None:
    """Write ``journeys.csv`` and ``accounts.csv``."""
    staff = drivers(DRIVERS, seed=SEED, first_account=FIRST_DRIVER_ACCOUNT, country="ME")
    zone = ZoneInfo("Europe/Podgorica")
    rows: list[dict[str, str]] = []
    seen: set[int] = set()
    for city in (SUMMER, AUTUMN):
        draws = Draws(city.seed, 81)
        trips = without_overlaps(next(trip_parts(city)), pause_s=600)
        sent = dispatch(trips, area=city.area, fleet=DRIVERS, pause_s=180)
        doors, talk = draws.below(700, 2 * len(trips)), draws.uniform(len(trips))
        words = draws.pick(_FEEDBACK, len(trips))
        for row in range(len(trips)):
            if sent[row] < 0:
                continue
            driver, person = staff[sent[row]], account(int(trips.person[row]), country="ME")
            seen.add(person.index)
            start = float(trips.start_lon[row]), float(trips.start_lat[row])
            goal = float(trips.end_lon[row]), float(trips.end_lat[row])
            begin, end = int(trips.start_s[row]), int(trips.end_s[row])
            way = way_points(start, goal, start_s=begin, end_s=end, every_s=max((end - begin) // 4, 60), draws=draws)
            metres = int(trips.distance_m[row])
            rows.append(
                {
                    "journey_id": f"J{len(rows) + 1:05d}",
                    "passenger_id": f"P{person.index:04d}",
                    "passenger_name": person.name,
                    "phone": spelled(person.phone, person.index % 5),
                    "email": person.email,
                    "device_id": person.device,
                    "card_number": person.card if person.index % 3 else "",
                    "departure_time": local_plain(begin, zone),
                    "arrival_time": local_plain(end, zone),
                    "departure_address": f"{_street(int(doors[row]))}, {city.area.name}",
                    "departure_lat": f"{start[1]:.6f}",
                    "departure_lon": f"{start[0]:.6f}",
                    "arrival_address": f"{_street(int(doors[len(trips) + row]))}, {city.area.name}",
                    "arrival_lat": f"{goal[1]:.6f}",
                    "arrival_lon": f"{goal[0]:.6f}",
                    "route": json.dumps([[round(p[1], 5), round(p[2], 5)] for p in way], separators=(",", ":")),
                    "distance_km": f"{metres // 1_000}.{metres % 1_000 // 10:02d}",
                    "price_eur": money(150 + metres * 60 // 1_000),
                    "driver_id": driver.driver,
                    "driver_name": driver.person.name,
                    "driver_phone": driver.person.phone,
                    "vehicle_plate": driver.plate,
                    "fleet": f"fleet-{1 + sent[row] % 3}",
                    "dispute": "yes" if talk[row] < 0.008 else "",
                    "feedback": words[row] if talk[row] < 0.06 else "",
                }
            )
    # Two clocks show an hour that does not exist: summer time began at 02:00.
    for number, row_of in enumerate((rows[-7], rows[-11])):
        row_of["departure_time"] = f"2026-03-29 02:{15 + number:02d}:00"
        row_of["arrival_time"] = f"2026-03-29 03:{15 + number:02d}:00"
    write_csv(folder / "journeys.csv", JOURNEY_COLUMNS, rows)
    known = {f"P{number:04d}": account(number, country="ME") for number in sorted(seen)}
    listed = account_rows(known, seed=SEED, deleted_from=AUTUMN.start)
    write_csv(folder / "accounts.csv", ACCOUNT_COLUMNS, listed)
