"""The ledger: what has been spent on whom, in one file that cannot be talked out of it (rulings 14, 22-24)."""

from __future__ import annotations

from anonkit.ledger.accountant import LedgerAccountant
from anonkit.ledger.events import MECHANISMS, Event, Terms
from anonkit.ledger.joint import JointLedger
from anonkit.ledger.ledger import Ledger, Reservation, Spent
from anonkit.ledger.periods import periods_between

__all__ = [
    "MECHANISMS",
    "Event",
    "JointLedger",
    "Ledger",
    "LedgerAccountant",
    "Reservation",
    "Spent",
    "Terms",
    "periods_between",
]
