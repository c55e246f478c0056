"""The k-anonymous guarantee of a recipe: whom it protects, with which thresholds (rulings 4, 6, 7).

Privacy parameters without a default must be said: nobody gets a k that he did not choose. What it does not protect against:
a k that is too small for the recipient; the scorecard holds it against the usual limits.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal

from pydantic import Field, model_validator

from anonkit.classes import Protection
from anonkit.recipe.parts import Part, Share
from anonkit.schema import PrivacyUnit


class Privacy(Part):
    """The guarantee and whom it protects."""

    guarantee: Literal["k_anonymity"]
    protect: dict[Literal["person", "driver", "trip"], Annotated[int, Field(ge=2)]]
    """Least number of each in a class: ``{person: 11, driver: 5}``."""
    dominance: Share = Fraction(1, 2)
    """Largest share of a class's rows that one of them may have (ruling 6)."""
    operator_dominance: Share | None = None
    """Largest share of a class's rows that one operator of a pool may have (ruling 6); by default half, of two 9/10."""
    insiders: bool = True
    """Of a pool: whether an operator who subtracts his own rows must find k people or nobody in every class."""
    l_places: int = Field(default=2, ge=1)
    """Least number of destinations that origin and time leave open, and the other way round (ruling 7)."""
    together: tuple[Literal["party", "vehicle", "trip"], ...] = ("party", "vehicle", "trip")
    """By which signs people are known to have ridden together; they count as one (ruling 3)."""

    @model_validator(mode="after")
    def _whom(self) -> Privacy:
        if not self.protect:
            raise ValueError("protect names nobody; write protect: {person: 11}")
        if "trip" in self.protect and len(self.protect) > 1:
            raise ValueError("protect: trip is for sources that know nobody; it cannot stand beside person or driver")
        if not 0 < self.dominance <= 1:
            raise ValueError("dominance is a share above 0 and up to 1")
        if self.operator_dominance is not None and not 0 < self.operator_dominance <= 1:
            raise ValueError("operator_dominance is a share above 0 and up to 1")
        return self

    @property
    def unit(self) -> PrivacyUnit:
        """What a class counts first."""
        return next(
            unit for unit in (PrivacyUnit.PERSON, PrivacyUnit.TRIP, PrivacyUnit.DRIVER) if unit.value in self.protect
        )

    def operator_share(self, operators: int) -> Fraction | None:
        """The largest share of an operator in a pool of so many; None where there is one.

        Of three and more it is half, as for a person. Of two it cannot be: every class would have to be shared evenly. 9/10
        then: the class's number is at least a ninth above the larger operator's own (the p % rule with p = 11).
        """
        if operators < 2:
            return None
        if self.operator_dominance is not None:
            return self.operator_dominance
        return Fraction(9, 10) if operators == 2 else Fraction(1, 2)

    @property
    def protection(self) -> Protection:
        """The thresholds for `classes`."""
        unit = self.unit
        beside = self.protect.get("driver") if unit is PrivacyUnit.PERSON else None
        return Protection(
            unit=unit.value,
            k=self.protect[unit.value],
            k_driver=beside,
            dominance=self.dominance,
            l_places=self.l_places,
        )
