"""KONTAKTPLUS in the form that cities ask for: MDS 2.0 trips and telemetry, and the operator's own list of accounts.

The trips are the rides of the first days of ``rides.csv``, so the same truth is there in two formats. MDS knows no
rider: ``trip_accounts.csv`` is the operator's own join. What a reader must get right is all in it: times in
milliseconds, costs in minor units of the currency, trips that are not a rider's, trips under 60 s, telemetry outside
any trip (people and vans near a scooter; such pings are never released, ruling 33). Protects nothing; invented.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from anonkit.simulate.accounts import ACCOUNT_COLUMNS, account, account_rows
from anonkit.simulate.draws import Draws
from anonkit.simulate.files import write_csv, write_json
from anonkit.simulate.rides import SAMPLE_CITY, SAMPLE_SEED, Ride, rides
from anonkit.simulate.ways import way_points

PROVIDER = "0a3b5c7d-0000-4000-a000-6b6f6e74616b"
TRIP_RIDES, TRACKED_RIDES = 900, 110
PUBLISHED_S = 1_790_798_400  # 2026-10-01 00:00 in Baku


def _gps(lon: float, lat: float) -> dict[str, float]:
    return {"lat": round(lat, 6), "lng": round(lon, 6)}


def mds_trip(ride: Ride, *, trip: str, device: str, trip_type: str) -> dict[str, Any]:
    """Give a ride as an MDS 2.0 trip."""
    minutes = -(-(ride.end_s - ride.start_s) // 60)
    cost = 30 + 15 * minutes if trip_type == "rider" else 0
    return {
        "provider_id": PROVIDER,
        "device_id": device,
        "trip_id": trip,
        "trip_type": trip_type,
        "start_time": ride.start_s * 1_000 + ride.number % 1_000,
        "end_time": ride.end_s * 1_000 + ride.number % 1_000,
        "start_location": _gps(*ride.start),
        "end_location": _gps(*ride.end),
        "duration": ride.end_s - ride.start_s,
        "distance": ride.distance_m,
        "publication_time": PUBLISHED_S * 1_000,
        "standard_cost": cost,
        "actual_cost": cost - cost // 10 if ride.number % 17 == 0 else cost,
        "currency": "AZN",
    }


def _by_scooter(ride: Ride) -> tuple[int, int]:
    return ride.scooter, ride.start_s


def write_mds(folder: Path) -> None:
    """Write ``mds_trips.json``, ``mds_telemetry.json``, ``trip_accounts.csv`` and ``accounts.csv``."""
    draws = Draws(SAMPLE_SEED, 31)
    made = rides(SAMPLE_CITY)
    accounts = {f"U{rider:04d}": account(rider) for rider in sorted({ride.rider for ride in made})}
    write_csv(
        folder / "accounts.csv",
        ACCOUNT_COLUMNS,
        account_rows(accounts, seed=SAMPLE_SEED, deleted_from=SAMPLE_CITY.start),
    )
    following = {
        one.number: two.start_s for one, two in pairwise(sorted(made, key=_by_scooter)) if one.scooter == two.scooter
    }
    kept: list[tuple[Ride, str]] = []
    for ride in made[:TRIP_RIDES]:
        kept.append((ride, "rider"))
        if ride.number % 40 == 0 and following.get(ride.number, 0) > ride.end_s + 1_200:
            # No rider's trip: the crew takes the scooter round the corner to look at it.
            moved = replace(ride, start_s=ride.end_s + 300, end_s=ride.end_s + 900, start=ride.end, distance_m=40)
            kept.append((moved, "maintenance"))
    devices = draws.uuids(max(ride.scooter for ride in made) + 1)
    names = draws.uuids(len(kept))
    trips = [
        mds_trip(ride, trip=name, device=devices[ride.scooter], trip_type=kind)
        for (ride, kind), name in zip(kept, names, strict=True)
    ]
    head = {"version": "2.0.0", "last_updated": PUBLISHED_S * 1_000, "ttl": 0}
    write_json(folder / "mds_trips.json", head, "trips", trips)
    write_csv(
        folder / "trip_accounts.csv",
        ("trip_id", "ride_id", "user_id"),
        (
            {"trip_id": name, "ride_id": f"R{ride.number:05d}", "user_id": f"U{ride.rider:04d}"}
            for (ride, kind), name in zip(kept, names, strict=True)
            if kind == "rider"
        ),
    )
    telemetry = []
    for (ride, _), name in list(zip(kept, names, strict=True))[:TRACKED_RIDES]:
        points = way_points(ride.start, ride.end, start_s=ride.start_s, end_s=ride.end_s, every_s=30, draws=draws)
        # The scooter reports once more, some minutes after the trip: telemetry without a trip.
        points.append((ride.end_s + 300, *points[-1][1:]))
        for place, (time_s, lon, lat) in enumerate(points):
            telemetry.append(
                {
                    "device_id": devices[ride.scooter],
                    "provider_id": PROVIDER,
                    "telemetry_id": draws.uuids(1)[0],
                    "timestamp": time_s * 1_000,
                    "trip_ids": [name] if place < len(points) - 1 else None,
                    "journey_id": None,
                    "location": {**_gps(lon, lat), "horizontal_accuracy": 5.0},
                    "battery_percent": max(100 - place - ride.number % 60, 3),
                }
            )
    write_json(folder / "mds_telemetry.json", head, "telemetry", telemetry)
