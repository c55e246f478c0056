"""Uklon: a month of ride-hail and delivery orders in Baku, three days of driver positions, and the accounts.

Every order carries what the operator's policy says it holds: rider, third persons for whom a ride or a delivery is
ordered, driver with licence, FIN and plate, addresses, stops, comments, the address a rider's device had. Orders
that were cancelled have no drop-off. Some orders are from 2022, of accounts deleted then (the clock of three years).
A part of the riders are KONTAKTPLUS's riders with their phones spelled otherwise, so that pooling can be tested.
Positions include idle and background ones, which are never released (ruling 33). Invented; protects nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from anonkit.simulate.accounts import ACCOUNT_COLUMNS, account, account_rows, addresses, spelled
from anonkit.simulate.city import RIDE_HAIL, City, TripNumbers, trip_parts, without_overlaps
from anonkit.simulate.draws import Draws
from anonkit.simulate.files import local_plain, money, write_csv
from anonkit.simulate.fleet import Driver, dispatch, drivers
from anonkit.simulate.ways import way_points

SEED = 20260903
ORDER_COLUMNS = (
    *("order_id", "status", "service", "created_at", "accepted_at", "pickup_at", "dropoff_at", "cancelled_at"),
    *("rider_id", "rider_name", "rider_phone", "rider_email", "device_id", "ip", "city"),
    *("pickup_address", "pickup_lon", "pickup_lat", "stops", "dropoff_address", "dropoff_lon", "dropoff_lat"),
    *("third_name", "third_phone", "third_address", "distance_m", "price_azn", "rating", "comment"),
    *("driver_id", "driver_name", "driver_licence", "driver_fin", "vehicle_plate"),
)
POSITION_COLUMNS = ("driver_id", "vehicle_plate", "recorded_at", "lon", "lat", "state", "order_id")
MONTH = City(persons=300, trips=1_750, days=30, start=date(2026, 9, 1), seed=SEED, mix=(RIDE_HAIL,), reach_m=2_500.0)
OLD = City(persons=300, trips=60, days=10, start=date(2022, 8, 1), seed=SEED + 1, mix=(RIDE_HAIL,), reach_m=2_500.0)
FIRST_ACCOUNT, FIRST_OLD_ACCOUNT, FIRST_DRIVER_ACCOUNT, DRIVERS = 200, 1_200, 2_000, 45
_STREETS = (
    "Nizami küç.",
    "Sahil küç.",
    "Çinar küç.",
    "Bahar küç.",
    "Ulduz pr.",
    "Nərgiz küç.",
    "Şəfəq pr.",
    "Günəş küç.",
)
_COMMENTS = (
    *("Əla sürücü", "Gecikdi", "Maşın təmiz idi, sağ olun", "2-ci giriş, qapıda gözləyirəm", "uşaq oturacağı var?"),
    *("zəng edin +994 50 000 99 91", "подъезд 3, кв 12", 'dedi: "gəlirəm", gəlmədi', "call me at +994550009992"),
)


def street(place: int) -> str:
    """Give an invented address."""
    return f"{_STREETS[place % len(_STREETS)]} {1 + place // len(_STREETS) % 120}"


def _orders(
    city: City, trips: TripNumbers, sent: Sequence[int], staff: Sequence[Driver], *, first_account: int, first: int
) -> list[dict[str, str]]:
    draws, zone, size = Draws(city.seed, 61), ZoneInfo(city.zone), len(trips)
    kind, outcome, talk = draws.uniform(size), draws.uniform(size), draws.uniform(size)
    wait, drive, words = draws.below(240, size), draws.below(420, size), draws.pick(_COMMENTS, size)
    stars, network, doors = draws.below(3, size), addresses(draws, size), draws.below(5_000, 3 * size)
    rows = []
    for row in range(size):
        rider = account(first_account + int(trips.person[row]))
        third = account(3_000 + int(doors[row]) % 900)
        begin, end = int(trips.start_s[row]), int(trips.end_s[row])
        start = float(trips.start_lon[row]), float(trips.start_lat[row])
        goal = float(trips.end_lon[row]), float(trips.end_lat[row])
        driver = staff[sent[row]] if sent[row] >= 0 else None
        cancelled = driver is None or outcome[row] < 0.09
        delivery, for_other = kind[row] < 0.12, kind[row] < 0.17
        halts = []
        if not cancelled and kind[row] > 0.9:
            halts = [
                {
                    "lon": round((start[0] + goal[0]) / 2, 6),
                    "lat": round(start[1], 6),
                    "address": street(int(doors[size + row])),
                }
            ]
        created = begin - int(wait[row]) - int(drive[row]) - 60
        status = "completed" if not cancelled else "no_driver" if driver is None else "cancelled_by_rider"
        if cancelled and driver is not None and outcome[row] < 0.03:
            status = "cancelled_by_driver"
        rows.append(
            {
                "order_id": f"K{first + row:06d}",
                "status": status,
                "service": "delivery" if delivery else "ride",
                "created_at": local_plain(created, zone),
                "accepted_at": "" if driver is None else local_plain(created + int(wait[row]), zone),
                "pickup_at": "" if cancelled else local_plain(begin, zone),
                "dropoff_at": "" if cancelled else local_plain(end, zone),
                "cancelled_at": local_plain(created + int(wait[row]) + 45, zone) if cancelled else "",
                "rider_id": f"UK{rider.index:05d}",
                "rider_name": rider.name,
                "rider_phone": spelled(rider.phone, 1 + rider.index % 4),
                "rider_email": rider.email,
                "device_id": rider.device[::-1],
                "ip": network[row],
                "city": "Bakı",
                "pickup_address": street(int(doors[row])),
                "pickup_lon": f"{start[0]:.6f}",
                "pickup_lat": f"{start[1]:.6f}",
                "stops": json.dumps(halts, ensure_ascii=False, separators=(",", ":")) if halts else "",
                "dropoff_address": street(int(doors[2 * size + row])),
                "dropoff_lon": f"{goal[0]:.6f}",
                "dropoff_lat": f"{goal[1]:.6f}",
                "third_name": third.name if for_other else "",
                "third_phone": spelled(third.phone, third.index) if for_other else "",
                "third_address": street(third.index) if delivery else "",
                "distance_m": "" if cancelled else str(int(trips.distance_m[row])),
                "price_azn": "" if cancelled else money(120 + int(trips.distance_m[row]) * 55 // 1_000),
                "rating": "" if cancelled or talk[row] > 0.4 else str(3 + int(stars[row])),
                "comment": words[row] if talk[row] < 0.08 else "",
                "driver_id": driver.driver if driver else "",
                "driver_name": driver.person.name if driver else "",
                "driver_licence": driver.licence if driver else "",
                "driver_fin": driver.fin if driver else "",
                "vehicle_plate": driver.plate if driver else "",
            }
        )
    return rows


def _positions(
    trips: TripNumbers, sent: Sequence[int], staff: Sequence[Driver], orders: Sequence[dict[str, str]], *, days: int
) -> list[dict[str, str]]:
    draws, zone = Draws(SEED, 62), ZoneInfo(MONTH.zone)
    last = int(trips.start_s[0]) + days * 86_400
    found: list[tuple[int, int, float, float, str, str]] = []
    for row, order in enumerate(orders):
        begin, end = int(trips.start_s[row]), int(trips.end_s[row])
        if order["status"] != "completed" or begin > last:
            continue
        start = float(trips.start_lon[row]), float(trips.start_lat[row])
        goal = float(trips.end_lon[row]), float(trips.end_lat[row])
        for time_s, lon, lat in way_points(start, goal, start_s=begin, end_s=end, every_s=60, draws=draws):
            found.append((time_s, sent[row], lon, lat, "on_trip", order["order_id"]))
        for number, state in ((1, "idle"), (2, "background")):
            found.append((end + 240 * number, sent[row], *goal, state, ""))
    return [
        {
            "driver_id": staff[driver].driver,
            "vehicle_plate": staff[driver].plate,
            "recorded_at": local_plain(time_s, zone),
            "lon": f"{lon:.6f}",
            "lat": f"{lat:.6f}",
            "state": state,
            "order_id": order,
        }
        for time_s, driver, lon, lat, state, order in sorted(found)
    ]


def write_uklon(folder: Path) -> None:
    """Write ``orders.csv``, ``driver_positions.csv`` and ``accounts.csv``."""
    staff = drivers(DRIVERS, seed=SEED, first_account=FIRST_DRIVER_ACCOUNT, country="AZ")
    orders: list[dict[str, str]] = []
    for city, first_account in ((OLD, FIRST_OLD_ACCOUNT), (MONTH, FIRST_ACCOUNT)):
        trips = without_overlaps(next(trip_parts(city)), pause_s=600)
        sent = dispatch(trips, area=city.area, fleet=DRIVERS, pause_s=180)
        orders += _orders(city, trips, sent, staff, first_account=first_account, first=len(orders) + 1)
    write_csv(folder / "orders.csv", ORDER_COLUMNS, orders)
    recent = orders[len(orders) - len(trips) :]
    write_csv(folder / "driver_positions.csv", POSITION_COLUMNS, _positions(trips, sent, staff, recent, days=3))
    numbers = sorted({int(order["rider_id"][2:]) for order in orders})
    known = {f"UK{number:05d}": account(number) for number in numbers}
    rows = account_rows(known, seed=SEED, deleted_from=MONTH.start, phone_ways=5)
    draws = Draws(SEED, 63)
    gone = draws.below(30, len(rows)).tolist()
    for row, line in enumerate(rows):
        if int(line["account_id"][2:]) >= FIRST_OLD_ACCOUNT:
            # Riders of 2022 left soon afterwards.
            line["registered_on"] = "2021-05-01"
            line["deleted_on"] = (date(2022, 8, 15) + timedelta(days=gone[row])).isoformat()
            line["consent_withdrawn_on"] = ""
    write_csv(folder / "accounts.csv", ACCOUNT_COLUMNS, rows)
