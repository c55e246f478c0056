"""Uklon Azerbaijan (ride-hail and delivery, Baku): orders, and positions of drivers.

An order names three people: the rider, the driver, and often a third one for whom it was made, with name, phone and
address. Rider and driver become tokens; of the third person nothing is read. Addresses, stops on the way (they hold
addresses), comments and the driver's papers are never read. Cancelled orders and those that found no driver are dropped
by rule, before their missing coordinates could reject them. Times are local, without a zone.

Positions of drivers give the fixes of orders; those between orders (``idle``, ``background``) are never released
(ruling 33). Does not tell a delivery's sender from its recipient: who ordered is who is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anonkit.sources.accounts import ACCOUNTS

CANCELLED = ("cancelled_by_rider", "cancelled_by_driver")
ZONE = "Asia/Baku"

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "uklon": {
        "operator": "uklon",
        "kind": "trips",
        "columns": {
            "trip": "order_id",
            "person": "rider_id",
            "driver": "driver_id",
            "mode": "service",
            "start": "pickup_at",
            "end": "dropoff_at",
            "start_lon": "pickup_lon",
            "start_lat": "pickup_lat",
            "end_lon": "dropoff_lon",
            "end_lat": "dropoff_lat",
            "distance_m": "distance_m",
            "amount": "price_azn",
        },
        "identifiers": {"phone": "rider_phone", "email": "rider_email"},
        "others": {"phone": ("third_phone",)},
        "accounts": ACCOUNTS,
        "direct": (
            *("rider_name", "rider_phone", "rider_email", "device_id", "ip"),
            *("third_name", "third_phone", "third_address", "pickup_address", "dropoff_address", "stops", "comment"),
            *("driver_name", "driver_licence", "driver_fin", "vehicle_plate"),
        ),
        "time": {"zone": ZONE},
        "rules": (
            {"name": "cancelled_order", "column": "status", "drop": CANCELLED},
            {"name": "not_completed", "column": "status", "keep": ("completed",)},
        ),
    },
}
"""Source → what an input of it says unless the recipe says otherwise."""

FIXES: Mapping[str, Mapping[str, Any]] = {
    "uklon_positions": {
        "operator": "uklon",
        "kind": "visits",
        "privacy_unit": "trip",
        "columns": {"visit": "order_id", "start": "recorded_at", "lon": "lon", "lat": "lat"},
        "direct": ("vehicle_plate", "driver_id"),
        "time": {"zone": ZONE},
        "rules": (
            {"name": "off_trip_position", "column": "state", "keep": ("on_trip",)},
            {"name": "off_trip_position", "column": "order_id", "empty": True},
        ),
    },
}
"""Source → what `sources.fixes` reads of it; no recipe can name these as an input."""
