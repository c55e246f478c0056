"""What a release says of itself: the part of a recipe that the bundle and the gate need."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from anonkit.classes import Protection
from anonkit.geo import Grid, TimeBins
from anonkit.kanon import Product
from anonkit.schema import PrivacyUnit

WORDS = {PrivacyUnit.PERSON: "persons", PrivacyUnit.DRIVER: "drivers", PrivacyUnit.TRIP: "trips"}


@dataclass(frozen=True, kw_only=True)
class ReleaseSpec:
    """One release."""

    name: str
    title: str
    purpose: str
    recipient: str
    recipient_kind: str
    licence: str
    first: date
    last: date
    unit: PrivacyUnit
    protection: Protection
    grid: Grid
    base: TimeBins
    products: tuple[Product, ...]
    suppression_level: int
    operators: tuple[str, ...]
    created: str
    version: str

    @property
    def counted(self) -> str:
        """``persons``, ``drivers`` or ``trips``: what k counts."""
        return WORDS[self.unit]

    @property
    def statement(self) -> str:
        """The guarantee in one sentence, first in the README and in the report."""
        k, drivers = self.protection.k, self.protection.k_driver
        beside = f" and at least {drivers} different drivers" if drivers is not None else ""
        text = (
            f"k-anonymity, no differential privacy: every published class holds trips of at least {k} different "
            f"{self.counted}{beside}, and none of them has more than {float(self.protection.dominance):.0%} of its rows."
        )
        if self.unit is PrivacyUnit.TRIP:
            text += " The source knows no persons: k counts trips, and one person may have made several of them."
        if self.unit is PrivacyUnit.DRIVER:
            text += " k counts drivers; passengers are not known to the source and are not counted."
        return text

    def privacy(self) -> dict[str, Any]:
        """The statement as data, for datapackage.json."""
        return {
            "guarantee": "k_anonymity",
            "statement": self.statement,
            "unit": self.unit.value,
            "k": self.protection.k,
            "k_driver": self.protection.k_driver,
            "dominance": str(self.protection.dominance),
            "products": [
                {
                    "kind": product.kind,
                    "cell_m": self.grid.side_m(product.level),
                    "bins": product.bins.width,
                    "columns": list(product.columns),
                    "rows_per_person": product.max_rows,
                }
                for product in self.products
            ],
        }
