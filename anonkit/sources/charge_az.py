"""Charge.az (EV charging, Baku): OCPI with the operator's own ``user`` beside each CDR.

Name, phone and e-mail of the customer stand in the CDR; they are never read, and the contract's id becomes a token.
Everything else is the standard's: `sources.ocpi`.

Does not read ``users.csv``: what it says of a person is no part of a release.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anonkit.sources.ocpi import CDR, SESSION

USER = ("user.name", "user.phone", "user.email")

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "charge_az_cdr": {**CDR, "operator": "charge_az", "direct": (*CDR["direct"], *USER)},
    "charge_az_session": {**SESSION, "operator": "charge_az"},
}
"""Source → what an input of it says unless the recipe says otherwise."""
