"""Charge.az (EV charging, Baku): OCPI with the operator's own ``user`` beside each CDR.

Name, phone and e-mail of the customer stand in the CDR; they are never read, and the contract's id becomes a token.
Everything else is the standard's: `sources.ocpi`.

``users.csv`` (``accounts.path``) says who left and who consented to statistics. Does not read surname, sex, passport,
address or bank account there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anonkit.sources.ocpi import CDR, SESSION

USER = ("user.name", "user.phone", "user.email")
ACCOUNTS: Mapping[str, Any] = {
    "id": "contract_id",
    "birth_date": "birth_date",
    "deleted_on": "deleted_on",
    "consents": {"statistics": "consent_statistics"},
    "phone": "phone",
    "email": "email",
}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "charge_az_cdr": {**CDR, "operator": "charge_az", "direct": (*CDR["direct"], *USER), "accounts": ACCOUNTS},
    "charge_az_session": {**SESSION, "operator": "charge_az", "accounts": ACCOUNTS},
}
"""Source → what an input of it says unless the recipe says otherwise."""
