"""KONTAKTPLUS (kick-scooters, Baku): ``rides.csv``, one line a ride with its rider beside it.

Times carry their offset. Name, e-mail, phone, card, device and IP address are never read; the scooter is read as
``vehicle``, which ends with the tokens, since scooters chain rides (ruling 15). The same rides as MDS: `sources.mds`.

Does not read the comment or the rating: free text is nobody's to release.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anonkit.sources.accounts import ACCOUNTS

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "kontaktplus_csv": {
        "operator": "kontaktplus",
        "kind": "trips",
        "mode": "scooter",
        "columns": {
            "trip": "ride_id",
            "person": "user_id",
            "vehicle": "scooter_id",
            "start": "started_at",
            "end": "ended_at",
            "start_lon": "start_lon",
            "start_lat": "start_lat",
            "end_lon": "end_lon",
            "end_lat": "end_lat",
            "distance_m": "distance_m",
            "amount": "price_azn",
        },
        "identifiers": {"phone": "phone", "email": "email", "card_number": "card_number"},
        "accounts": ACCOUNTS,
        "direct": ("full_name", "email", "phone", "card_number", "device_id", "ip", "comment"),
    },
}
"""Source → what an input of it says unless the recipe says otherwise."""
