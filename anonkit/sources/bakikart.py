"""BakıKart (transit card, Baku): TIDES with the mobile number of the card's holder.

The person is the mobile number, which becomes a token before anything is stored; an anonymous card has none and its
rows are nobody's (``no_person``, ruling 1). ``bakikart`` makes trips of taps by chaining, ``bakikart_taps`` volumes of
boardings, ``bakikart_topups`` volumes of top-ups (made in the app they have no stop and are rejected as
``missing_place``).

Does not join cards of one person: two cards of one number are one person, but their taps are chained a card at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anonkit.sources.accounts import ACCOUNTS
from anonkit.sources.tides import DIRECT, PLACES, TAP_ON, TOP_UP, VISIT

COMMON: Mapping[str, Any] = {
    "operator": "bakikart",
    "places": PLACES,
    "identifiers": {"phone": "mobile_number", "card_number": "token_id"},
    "accounts": {**ACCOUNTS, "id": "phone"},
}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "bakikart": {
        **COMMON,
        "kind": "taps",
        "mode": "transit",
        "columns": {**VISIT, "person": "mobile_number", "card": "token_id"},
        "direct": DIRECT,
        "rules": (TAP_ON,),
    },
    "bakikart_taps": {
        **COMMON,
        "kind": "visits",
        "mode": "transit",
        "columns": {**VISIT, "person": "mobile_number"},
        "direct": (*DIRECT, "token_id"),
        "rules": (TAP_ON,),
    },
    "bakikart_topups": {
        **COMMON,
        "kind": "visits",
        "mode": "top-up",
        "columns": {**VISIT, "person": "mobile_number", "amount": "amount"},
        "direct": (*DIRECT, "token_id"),
        "rules": (TOP_UP,),
    },
}
"""Source → what an input of it says unless the recipe says otherwise."""
