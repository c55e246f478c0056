"""TIDES ``fare_transactions``: card taps of public transport, and top-ups of the card.

Tap-on only: ``Enter`` and ``Transfer entrance``; everything else is dropped by rule. Taps become trips by chaining
(`sources.chaining`, ``kind: taps``); as visits they give volumes of boardings. Stops come from GTFS ``stops.txt``
(``places.path``). The card (``token_id``) chains taps and ends there; the balance is never read: either alone links all
taps of a card. A card is no person (ruling 1), so plain TIDES counts trips; an operator that knows whose card it is maps
``person`` (`sources.bakikart`).

Source: Transit Operational Data Exchange Specification (TIDES), table `fare_transactions`.
Does not tell two people who share a card apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLACES = {"id": "stop_id", "lon": "stop_lon", "lat": "stop_lat"}
DIRECT = ("balance", "fare_media_id", "device_id", "vehicle_id", "trip_id_performed")
VISIT = {"visit": "transaction_id", "start": "event_timestamp", "place": "stop_id"}
TAP_ON = {"name": "fare_action:not_tap_on", "column": "fare_action", "keep": ("Enter", "Transfer entrance")}
TOP_UP = {"name": "fare_action:not_top_up", "column": "fare_action", "keep": ("Add",)}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "tides": {
        "kind": "taps",
        "mode": "transit",
        "privacy_unit": "trip",
        "columns": {**VISIT, "card": "token_id"},
        "places": PLACES,
        "direct": DIRECT,
        "rules": (TAP_ON,),
    },
    "tides_visits": {
        "kind": "visits",
        "mode": "transit",
        "privacy_unit": "trip",
        "columns": VISIT,
        "places": PLACES,
        "direct": (*DIRECT, "token_id"),
        "rules": (TAP_ON,),
    },
}
"""Source → what an input of it says unless the recipe says otherwise."""
