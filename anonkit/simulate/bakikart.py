"""BakıKart: taps and top-ups of a transit card as TIDES fare transactions, and the stops.

A tap tells where somebody boards, never where he alights; the next tap of the same card tells (trip chaining). The
card number (``token_id``) and the chain of ``balance`` link all taps of a card, the mobile number all cards of a
person: what must go is in it. Some cards are anonymous, some people have two, some taps are more than a year old
(the operator keeps one year active). TIDES has no phone: ``mobile_number`` is the operator's own column, last.
Invented; protects nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from anonkit.simulate.accounts import ACCOUNT_COLUMNS, Account, account, account_rows, digits, luhn
from anonkit.simulate.areas import PLACE_LAT, PLACE_LON, places
from anonkit.simulate.city import City, ModeShare, TripNumbers, trip_parts, without_overlaps
from anonkit.simulate.draws import Draws
from anonkit.simulate.files import money, utc_iso, write_csv

SEED = 20260902
FARE_COLUMNS = (
    *("transaction_id", "service_date", "event_timestamp", "amount", "currency_type", "fare_action"),
    *("trip_id_performed", "pattern_id", "stop_sequence", "vehicle_id", "device_id", "fare_id", "stop_id"),
    *("num_riders", "fare_media_id", "rider_category", "fare_product", "fare_period", "fare_capped", "token_id"),
    *("balance", "mobile_number"),
)
BUS = ModeShare(mode="bus", operator="bakikart", share=1, speed_kmh=16.0, driven=True)
MONTH = City(persons=260, trips=2_000, days=30, start=date(2026, 9, 1), seed=SEED, mix=(BUS,), reach_m=6_000.0)
OLD = City(persons=260, trips=160, days=7, start=date(2025, 6, 2), seed=SEED, mix=(BUS,), reach_m=6_000.0)
FARE_CENTS, STOPS, FIRST_ACCOUNT = 60, 48, 300


@dataclass(frozen=True, kw_only=True)
class Stop:
    """A stop: id, invented name, place."""

    stop: str
    name: str
    lon: float
    lat: float


def stops() -> list[Stop]:
    """Lay out the stops: hot places, at least 450 m apart."""
    draws = Draws(SEED, 41)
    area = MONTH.area
    ground = places(area, reach_m=MONTH.reach_m, background=0.02)
    laid: list[Stop] = []
    for place in draws.weighted(ground.visits, 4_000).tolist():
        lon = round(float(ground.west[place]) + PLACE_LON / 2, 5)
        lat = round(float(ground.south[place]) + PLACE_LAT / 2, 5)
        far = [float(area.metres(np.array(lon), np.array(lat), other.lon, other.lat)) for other in laid]
        if len(laid) < STOPS and min(far, default=1e9) >= 450.0:
            number = len(laid) + 1
            laid.append(Stop(stop=f"ST{number:03d}", name=f"Dayanacaq {number}", lon=lon, lat=lat))
    return laid


def _nearest(laid: list[Stop], lon: np.ndarray, lat: np.ndarray) -> list[int]:
    far = np.stack([MONTH.area.metres(lon, lat, stop.lon, stop.lat) for stop in laid])
    return np.asarray(np.argmin(far, axis=0)).tolist()


def with_returns(city: City, trips: TripNumbers) -> TripNumbers:
    """Add rides back, four to nine hours later, for seven in ten of the rides before three in the afternoon."""
    draws, zone = Draws(city.seed, 43), ZoneInfo(city.zone)
    hour = np.array([datetime.fromtimestamp(second, UTC).astimezone(zone).hour for second in trips.start_s.tolist()])
    back = np.flatnonzero(draws.chance(0.7, len(trips)) & (hour >= 5) & (hour < 15))
    later = 14_400 + draws.below(18_000, len(back))
    rides = trips.take(back)
    turned = replace(
        rides,
        start_s=rides.start_s + later,
        end_s=rides.end_s + later,
        start_lon=rides.end_lon,
        start_lat=rides.end_lat,
        end_lon=rides.start_lon,
        end_lat=rides.start_lat,
    )
    names = TripNumbers.__dataclass_fields__
    both = TripNumbers(**{name: np.concatenate([getattr(trips, name), getattr(turned, name)]) for name in names})
    return both.take(np.argsort(both.start_s, kind="stable"))


def _cards(draws: Draws) -> list[list[str]]:
    """Give each person a card or two; numbers of 16 digits with a valid check digit."""
    second = draws.chance(0.15, MONTH.persons).tolist()
    return [[luhn("9000" + digits(draws, 11)) for _ in range(2 if two else 1)] for two in second]


def write_bakikart(folder: Path) -> None:
    """Write ``fare_transactions.csv``, ``stops.txt`` (GTFS) and ``accounts.csv``."""
    draws, zone = Draws(SEED, 42), ZoneInfo(MONTH.zone)
    laid = stops()
    cards = _cards(draws)
    anonymous = draws.chance(0.3, MONTH.persons).tolist()
    people: list[Account] = [account(FIRST_ACCOUNT + number) for number in range(MONTH.persons)]
    phones = ["" if hidden else person.phone for hidden, person in zip(anonymous, people, strict=True)]
    balances: dict[str, int] = {}
    rows: list[dict[str, str]] = []

    def row(second: int, card: str, person: int, cents: int, **more: str) -> None:
        balances[card] = balances.get(card, 140 + 60 * (person % 9)) + cents
        rows.append(
            {
                **dict.fromkeys(FARE_COLUMNS, ""),
                "transaction_id": f"T{len(rows) + 1:06d}",
                "service_date": datetime.fromtimestamp(second, UTC).astimezone(zone).date().isoformat(),
                "event_timestamp": utc_iso(second),
                "amount": money(abs(cents)),
                "currency_type": "AZN",
                "num_riders": "1",
                "fare_media_id": "Smart card or ticket",
                "token_id": card,
                "balance": money(balances[card]),
                "mobile_number": phones[person],
                **more,
            }
        )

    for city in (OLD, MONTH):
        trips: TripNumbers = without_overlaps(with_returns(city, next(trip_parts(city))), pause_s=300)
        boarding = _nearest(laid, trips.start_lon, trips.start_lat)
        uses_second = draws.chance(0.2, len(trips)).tolist()
        by_app = draws.chance(0.4, len(trips)).tolist()
        before: dict[str, int] = {}
        for place, (person, second) in enumerate(zip(trips.person.tolist(), trips.start_s.tolist(), strict=True)):
            card = cards[person][-1 if uses_second[place] else 0]
            stop = laid[boarding[place]]
            if balances.get(card, FARE_CENTS) < FARE_CENTS:
                paid = 500 if by_app[place] else 100 * (1 + person % 5)
                where = {} if by_app[place] else {"stop_id": stop.stop, "device_id": f"K{stop.stop[2:]}"}
                media = "Bank card" if by_app[place] else "Cash or coins"
                row(second - 240, card, person, paid, fare_action="Add", fare_media_id=media, **where)
            change = second - before.get(card, -(10**9)) < 2_700
            line = 1 + boarding[place] % 12
            row(
                second,
                card,
                person,
                0 if change else -FARE_CENTS,
                fare_action="Transfer entrance" if change else "Enter",
                trip_id_performed=f"L{line:02d}-{second // 1_800}",
                pattern_id=f"L{line:02d}",
                stop_sequence=str(1 + boarding[place] // 12),
                vehicle_id=f"B{100 + trips.vehicle[place] % 60}",
                device_id=f"V{100 + trips.vehicle[place] % 60}",
                fare_id="single",
                stop_id=stop.stop,
                rider_category="Student" if person % 7 == 0 else "Adult",
                fare_product="Single ride",
                fare_capped="false",
            )
            before[card] = second
    write_csv(folder / "fare_transactions.csv", FARE_COLUMNS, rows)
    write_csv(
        folder / "stops.txt",
        ("stop_id", "stop_name", "stop_lat", "stop_lon"),
        (
            {"stop_id": stop.stop, "stop_name": stop.name, "stop_lat": f"{stop.lat:.5f}", "stop_lon": f"{stop.lon:.5f}"}
            for stop in laid
        ),
    )
    known = {f"E{person.index:04d}": person for person, phone in zip(people, phones, strict=True) if phone}
    listed = account_rows(known, seed=SEED, deleted_from=MONTH.start)
    # Names and e-mail are optional with this operator; the mobile number is not.
    for number, line_of in enumerate(listed):
        if number % 3 == 0:
            line_of["full_name"] = line_of["email"] = ""
    write_csv(folder / "accounts.csv", ACCOUNT_COLUMNS, listed)
