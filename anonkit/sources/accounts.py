"""The list of accounts as the operators of this kind write it: which column is which.

A fragment of the presets, used where a recipe names the file (``accounts: {path: accounts.csv}``); what the columns are
for is `sources.people`'s business. Does not say which consent a use needs: the operator's policy does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ACCOUNTS: Mapping[str, Any] = {
    "id": "account_id",
    "birth_date": "birth_date",
    "deleted_on": "deleted_on",
    "withdrawn_on": "consent_withdrawn_on",
    "consents": {"location": "consent_location", "research": "consent_research"},
    "phone": "phone",
    "email": "email",
}
"""Part of an account → its column."""
