"""What a release says of itself: the part of a recipe that the bundle and the gate need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from anonkit.classes import Protection
from anonkit.geo import SensitivePlaces, Tessellation, TimeBins
from anonkit.kanon import CellKeyNoise, Product, Step, check_chain
from anonkit.publish.printed import Printed
from anonkit.schema import PrivacyUnit

LADDER = (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
COMPANIONS = {
    "party": "by their booking",
    "vehicle": "by a vehicle with the same start and end",
    "trip": "by a trip id that they share",
}
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
    grid: Tessellation
    base: TimeBins
    products: tuple[Product, ...]
    suppression_level: int
    noise: CellKeyNoise | None
    """How published counts are perturbed; None: exact."""
    operators: tuple[str, ...]
    legal_basis: str | None = None
    """The further legal basis of a use that a policy does not permit; told first (ruling 33)."""
    pooling: str | None = None
    """How persons of several operators are counted, in one sentence (ruling 2)."""
    together: tuple[str, ...] = ()
    """Signs by which people are known to have ridden together; they count as one (ruling 3)."""
    rounded: Mapping[str, float] = field(default_factory=dict)
    """Further columns that are told in multiples of a public step."""
    printed: Printed | None = None
    """How small counts and zeros are printed beside the products, where a rule asks for it."""
    sensitive: SensitivePlaces | None = None
    """Places near which cells are told as one block (ruling 32)."""
    created: str
    version: str

    @property
    def counted(self) -> str:
        """``persons``, ``drivers`` or ``trips``: what k counts."""
        return WORDS[self.unit]

    @property
    def steps(self) -> tuple[Step, ...]:
        """All levels of all products, from fine to coarse."""
        return check_chain(self.products, self.base)

    @property
    def at_least(self) -> str:
        """Name of the column that tells a class size in bands."""
        return f"{self.counted}_at_least"

    @property
    def bands(self) -> tuple[int, ...]:
        """Class sizes that are told: k, then the public ladder above it."""
        return (self.protection.k, *(band for band in LADDER if band > self.protection.k))

    @property
    def statement(self) -> str:
        """The guarantee in one sentence, first in the README and in the report."""
        k, drivers = self.protection.k, self.protection.k_driver
        beside = f" and at least {drivers} different drivers" if drivers is not None else ""
        text = f"Further legal basis: {self.legal_basis.rstrip('.')}. " if self.legal_basis else ""
        text += "k-anonymity, no differential privacy: every published class holds "
        if self.unit is PrivacyUnit.TRIP:
            text += f"at least {k} different trips{beside}."  # one row each: none has more of a class than another
        else:
            most = f"{float(self.protection.dominance):.0%}"
            text += f"trips of at least {k} different {self.counted}{beside}, and none of them has more than {most} of its rows."
        if self.noise is not None:
            text += f" Numbers of trips are perturbed by up to {self.noise.largest} (variance {self.noise.variance:g})."
        else:
            text += " Numbers of trips are exact."
        share = self.protection.operator_share
        if share is not None:
            if share < 1:
                text += f" No operator has more than {share} of the trips of a class."
            if self.protection.insiders:
                text += f" An operator who subtracts his own finds at least {k} {self.counted} of others, or nobody."
            if any("operator" in product.columns for product in self.products):
                text += " A class that names its operator stands beside another operator's of the same places and time."
        if self.pooling is not None:
            text += f" {self.pooling}"
        if self.together:
            signs = ", ".join(COMPANIONS[sign] for sign in self.together)
            text += f" People known to have ridden together ({signs}) count as one."
        if self.sensitive is not None:
            text += f" Near sensitive places of a public list, cells are told as one block of {self.grid.level_name(self.sensitive.level)}."
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
            "operator_dominance": None
            if self.protection.operator_share is None
            else str(self.protection.operator_share),
            "insiders": self.protection.insiders,
            "l_places": self.protection.l_places,
            "together": list(self.together),
            "counts": "exact" if self.noise is None else "cell_key",
            "noise": None if self.noise is None else {"largest": self.noise.largest, "variance": self.noise.variance},
            "products": [
                {
                    "kind": product.kind,
                    **self.grid.level_dict(product.level),
                    "bins": product.bins.width,
                    "columns": list(product.columns),
                    "rows_per_person": product.max_rows,
                    "roll_up": [
                        {**self.grid.level_dict(at.level), "bins": at.bins.width, "columns": list(at.columns)}
                        for at in product.roll_up
                    ],
                }
                for product in self.products
            ],
        }
