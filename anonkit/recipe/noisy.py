"""A recipe of noisy products: guarantee, ledger, and what each product may cost.

Every number is public or chosen: epsilon, caps, cells, bins, bounds. None of them may be read from the trips (ruling 18);
keys follow from the public area and from the period's dates.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from anonkit.geo import Grid, TimeBins
from anonkit.recipe.model import AnyRecipe
from anonkit.recipe.noisy_products import (
    Counted,
    NoisyHotSpots,
    NoisyLengths,
    NoisyLinks,
    NoisyProducts,
    NoisyProfile,
    NoisyQuantiles,
    NoisySelected,
)
from anonkit.recipe.parts import Part
from anonkit.schema import PrivacyUnit

if TYPE_CHECKING:
    from anonkit.dp import Plan


class NoisyPrivacy(Part):
    """The guarantee and the budget that it draws from."""

    guarantee: Literal["differential_privacy"]
    unit: Literal["person", "person_period"]
    """Whose presence is hidden: a person altogether, or a person within one period of event time (ruling 22)."""
    period: Literal["month", "quarter", "year", "week", "day"]
    """Periods of event time by which the ledger keeps its books."""
    epsilon_cap: float = Field(gt=0)
    """Of the ledger, in a period and (unit person) altogether; fixed when the ledger is made."""
    delta_cap: float = Field(default=0.0, ge=0, lt=1)


@dataclass(frozen=True, kw_only=True)
class NoisyProduct:
    """One product, ready to be drawn: its plan, and where its columns come from."""

    name: str
    plan: Plan
    level: int | None = None
    """Level of the grid; None: the product tells no place."""
    bins: TimeBins | None = None
    of: str | None = None
    """The quantity of lengths and quantiles, the clock of a profile."""


class NoisyRecipe(AnyRecipe):
    """One differentially private release."""

    privacy: NoisyPrivacy
    products: NoisyProducts

    @property
    def unit(self) -> PrivacyUnit:
        """Always a person: exactly one unit a product (ruling 16)."""
        return PrivacyUnit.PERSON

    @property
    def measured(self) -> tuple[str, ...]:
        """Measured columns that a product needs."""
        given = (self.products.lengths, self.products.quantiles)
        return tuple(sorted({part.of for part in given if part is not None}))

    @property
    def epsilon(self) -> Fraction:
        """Pure epsilons of all products, added."""
        return sum((part.epsilon for part in self.products.given.values() if part.epsilon is not None), Fraction(0))

    @property
    def rho(self) -> Fraction:
        """Rhos of all products, added."""
        return sum((part.rho for part in self.products.given.values() if part.rho is not None), Fraction(0))

    @property
    def delta(self) -> Fraction:
        """Chance that the choice of keys fails, added; the conversion of a rho has its own, in the ledger."""
        return self.products.selected_flows.delta if self.products.selected_flows is not None else Fraction(0)

    @property
    def operators(self) -> tuple[str, ...]:
        """Whose people the release is of; each keeps a ledger of his own."""
        return tuple(dict.fromkeys(entry.operator for entry in self.inputs))

    @property
    def who(self) -> str:
        """The unit of protection in words; with several operators it must be said who counts as one (ruling 16)."""
        who = "a person" if self.privacy.unit == "person" else f"a person within a {self.privacy.period}"
        if len(self.operators) == 1:
            return who
        matched = self.pooling.matched
        if set(matched) == set(self.operators):
            return f"{who}, with all operators together (matched by phone number)"
        apart = " (those matched by phone number count once)" if matched else ""
        return f"{who} with one operator; who rides with several is that many persons{apart}"

    @model_validator(mode="after")
    def _possible(self) -> NoisyRecipe:
        for entry in self.inputs:
            if entry.privacy_unit is not PrivacyUnit.PERSON:
                raise ValueError(f"input {entry.operator!r} knows no persons; differential privacy protects persons")
            if entry.kind != "trips":
                raise ValueError(f"input {entry.operator!r} holds visits; noisy products are of trips")
        if not isinstance(self.geo.grid, Grid):
            raise ValueError("noisy products need a grid: geo: {cell_m, latitude, area}")
        profile = self.products.profile
        if profile is not None and not TimeBins("1h of day", zone=self.time.zone).contains(self.time.time_bins):
            raise ValueError("a profile is by the hour: time.bins must be 1h, 30min or 15min")
        asked = [getattr(self.products, name) for name in type(self.products).model_fields]
        told = [one.cell_m for one in asked if hasattr(one, "cell_m")]
        if self.sensitive is not None and any(self.geo.grid.level_of(m) < self.sensitive.level for m in told):
            raise ValueError(
                "a noisy product is finer than sensitive_places; its keys are all cells of a level, so choose cells at least as coarse"
            )
        if float(self.epsilon) > self.privacy.epsilon_cap:
            raise ValueError(
                f"the products cost epsilon {float(self.epsilon)}, above the cap {self.privacy.epsilon_cap}"
            )
        if self.rho and not self.privacy.delta_cap:
            raise ValueError("rho (Gaussian noise) needs privacy.delta_cap, such as 1e-6")
        if 2 * self.delta > Fraction(str(self.privacy.delta_cap)):
            raise ValueError(
                f"the products cost delta {float(self.delta):g}; half of privacy.delta_cap, {self.privacy.delta_cap / 2:g}, "
                "is for that, the other half for the ledger's own composition"
            )
        return self

    def plans(self) -> tuple[NoisyProduct, ...]:
        """What would be drawn, from public parameters alone."""
        return plans_of(self)


def plans_of(recipe: NoisyRecipe) -> tuple[NoisyProduct, ...]:
    """The plan of each product that a recipe asks for."""
    from anonkit.dp import PublicKeys, PublicSteps, plan  # heavy; k-anonymous recipes never need it
    from anonkit.dp.columns import public_zones

    grid, found = recipe.geo.grid, []
    assert isinstance(grid, Grid)
    source = f"grid {grid.cell_m} m, area {grid.area_sha256}"
    for name, wanted in recipe.products.given.items():
        if isinstance(wanted, NoisyLinks):
            continue  # of a public network, which only a recipe of routes names
        width = getattr(wanted, "bins", None)
        bins = TimeBins(width, zone=recipe.time.zone) if width is not None else None
        level = grid.level_of(wanted.cell_m) if hasattr(wanted, "cell_m") else None
        more: dict[str, Any] = dict(wanted.price)
        if isinstance(wanted, Counted):
            more |= {"max_trips": wanted.max_trips, "most_trips": wanted.most_trips}
        if isinstance(wanted, NoisyLengths | NoisyQuantiles):
            unit = "m" if wanted.of == "distance_m" else "s"
            more["steps"] = PublicSteps(low=0, high=wanted.high, step=wanted.step, unit=unit, source="the recipe")
        if level is not None and name in ("flows", "quantiles"):
            more["zones"] = public_zones(grid, level=level)
        if level is not None and name in ("volumes", "hot_spots"):
            cells = grid.cells(level)
            numbers = bins.span(recipe.period.first, recipe.period.last) if bins is not None else None
            rows = [(int(c), n) for c in cells for n in numbers] if numbers is not None else [(int(c),) for c in cells]
            columns, dates = (("cell", "bin"), ", dates of the period") if numbers is not None else (("cell",), "")
            more["keys"] = PublicKeys.declared(rows, columns=columns, source=source + dates)
        if isinstance(wanted, NoisyQuantiles):
            more |= {"keys": more["zones"].pairs(), "percents": wanted.percents}
            more |= {"max_keys": wanted.max_keys, "min_persons": wanted.min_persons}
        if isinstance(wanted, NoisyProfile):
            more["profile"] = wanted.of
        if isinstance(wanted, NoisyHotSpots):
            more["top"] = wanted.top
        if isinstance(wanted, NoisySelected):
            more |= {"delta": wanted.delta, "max_keys": wanted.max_keys, "max_trips": wanted.max_trips}
            more["columns"] = ("start_cell", "end_cell", "bin")
        found.append(
            NoisyProduct(
                name=name,
                plan=plan(name, **more),
                level=level,
                bins=bins,
                of=getattr(wanted, "of", None),
            )
        )
    return tuple(found)
