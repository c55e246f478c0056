"""Pokupi (taxi, Montenegro): ``journeys.csv``, one line a journey with both addresses and its route.

Latitude stands before longitude, distances are kilometres, times are local without a zone: an hour of spring that the
clocks skip and an hour of autumn that they show twice are rejected, each with its reason, unless the recipe says which
of the two is meant (``time.ambiguous``). Passenger and driver become tokens. Addresses, the route, disputes, feedback
and the driver's name and phone are never read: feedback to drivers is anonymous by promise.

Does not read the route: routes are released by patterns that many people drove, not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anonkit.sources.accounts import ACCOUNTS

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "pokupi": {
        "operator": "pokupi",
        "kind": "trips",
        "mode": "taxi",
        "columns": {
            "trip": "journey_id",
            "person": "passenger_id",
            "driver": "driver_id",
            "start": "departure_time",
            "end": "arrival_time",
            "start_lon": "departure_lon",
            "start_lat": "departure_lat",
            "end_lon": "arrival_lon",
            "end_lat": "arrival_lat",
            "distance_m": "distance_km",
            "amount": "price_eur",
        },
        "scale": {"distance_m": 1000},
        "identifiers": {"phone": "phone", "email": "email", "card_number": "card_number"},
        "others": {"phone": ("driver_phone",)},
        "accounts": ACCOUNTS,
        "direct": (
            *("passenger_name", "phone", "email", "device_id", "card_number", "departure_address", "arrival_address"),
            *("route", "driver_name", "driver_phone", "vehicle_plate", "dispute", "feedback"),
        ),
        "time": {"zone": "Europe/Podgorica"},
    },
}
"""Source → what an input of it says unless the recipe says otherwise."""
