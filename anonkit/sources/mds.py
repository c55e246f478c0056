"""MDS 2.0: trips and telemetry of a micromobility provider, as cities receive them.

Times are milliseconds, costs are in minor units of the currency (a hundredth), the list stands under ``trips`` or under
``data.trips``. Only ``trip_type: rider`` is a person's trip; trips of under 60 s are no trips (the rider changed the
scooter). MDS knows no rider: the operator's own list joins trip and account (``lookups.riders.path``). Telemetry gives
the fixes of trips; a fix outside a trip is a ping and is never released (ruling 33).

Source: Open Mobility Foundation, Mobility Data Specification 2.0, `Trips` and `Telemetry`.
Does not read ``journey_id``, which joins trips, nor ``publication_time``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anonkit.sources.accounts import ACCOUNTS

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "mds": {
        "kind": "trips",
        "mode": "scooter",
        "records": ("trips", "data.trips"),
        "columns": {
            "trip": "trip_id",
            "person": "user_id",
            "vehicle": "device_id",
            "start": "start_time",
            "end": "end_time",
            "start_lon": "start_location.lng",
            "start_lat": "start_location.lat",
            "end_lon": "end_location.lng",
            "end_lat": "end_location.lat",
            "distance_m": "distance",
            "amount": "actual_cost",
        },
        "scale": {"amount": 0.01},
        "lookups": {"riders": {"id": "trip_id", "on": "trip_id", "columns": {"user_id": "user_id"}}},
        "accounts": ACCOUNTS,
        "direct": ("provider_id", "journey_id"),
        "time": {"format": "epoch_ms"},
        "rules": (
            {"name": "trip_type:not_rider", "column": "trip_type", "keep": ("rider",)},
            {"name": "shorter_than_60s", "shorter_than_s": 60},
        ),
    },
}
"""Source → what an input of it says unless the recipe says otherwise."""

FIXES: Mapping[str, Mapping[str, Any]] = {
    "mds_telemetry": {
        "kind": "visits",
        "privacy_unit": "trip",
        "records": ("telemetry", "data.telemetry"),
        "columns": {
            "visit": "trip_ids.0",
            "start": "timestamp",
            "lon": "location.lng",
            "lat": "location.lat",
        },
        "direct": ("provider_id", "device_id", "telemetry_id", "journey_id"),
        "time": {"format": "epoch_ms"},
        "rules": ({"name": "off_trip_position", "column": "trip_ids.0", "empty": True},),
    },
}
"""Source → what `sources.fixes` reads of it; no recipe can name these as an input."""
