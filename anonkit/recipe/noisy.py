"""A recipe of noisy products: guarantee, ledger, and what each product may cost.

Every number is public or chosen: epsilon, caps, cells, bins, bounds. None of them may be read from the trips (ruling 18);
keys follow from the public area and from the period's dates.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from anonkit.geo import Grid, TimeBins
from anonkit.recipe.model import AnyRecipe
from anonkit.recipe.parts import Part
from anonkit.schema import PrivacyUnit

if TYPE_CHECKING:
    from anonkit.dp import Plan


def _exact(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number is needed, such as 0.5")
    return Fraction(str(value)) if isinstance(value, str | int | float) else value


Epsilon = Annotated[Fraction, BeforeValidator(_exact), Field(gt=0)]


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


class Costly(Part):
    """What every noisy product says."""

    epsilon: Epsilon
    """What the product costs each person, whatever is drawn inside."""


class Capped(Costly):
    """A table of counts."""

    max_trips: int | None = Field(default=None, ge=1)
    """Trips that a person may add; without it the cap is bought with a share of epsilon."""


class NoisyFlows(Capped):
    """Flows over the whole period."""

    cell_m: int


class NoisyVolumes(Capped):
    """Departures by cell and time bin."""

    cell_m: int
    bins: str
    max_trips: int = Field(ge=1)


class NoisyLengths(Capped):
    """Trips by steps of distance."""

    step: int = Field(ge=1)
    high: int
    max_trips: int = Field(ge=1)


class NoisyProducts(Part):
    """What is published."""

    flows: NoisyFlows | None = None
    volumes: NoisyVolumes | None = None
    lengths: NoisyLengths | None = None
    persons: Costly | None = None

    @model_validator(mode="after")
    def _something(self) -> NoisyProducts:
        if not any((self.flows, self.volumes, self.lengths, self.persons)):
            raise ValueError("products names none; give flows, volumes, lengths or persons")
        return self


@dataclass(frozen=True, kw_only=True)
class NoisyProduct:
    """One product, ready to be drawn: its plan, and where its columns come from."""

    name: str
    plan: Plan
    level: int = 0
    bins: TimeBins | None = None


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
        return ("distance_m",) if self.products.lengths else ()

    @property
    def epsilon(self) -> Fraction:
        """What the whole release costs, by basic composition."""
        parts = (self.products.flows, self.products.volumes, self.products.lengths, self.products.persons)
        return sum((part.epsilon for part in parts if part is not None), Fraction(0))

    @model_validator(mode="after")
    def _possible(self) -> NoisyRecipe:
        for entry in self.inputs:
            if entry.privacy_unit is not PrivacyUnit.PERSON:
                raise ValueError(f"input {entry.operator!r} knows no persons; differential privacy protects persons")
            if entry.kind != "trips":
                raise ValueError(f"input {entry.operator!r} holds visits; noisy products are of trips")
        if len({entry.operator for entry in self.inputs}) > 1:
            raise ValueError("a noisy release is of one operator's people: a ledger keeps the books of one dataset")
        if not isinstance(self.geo.grid, Grid):
            raise ValueError("noisy products need a grid: geo: {cell_m, latitude, area}")
        if float(self.epsilon) > self.privacy.epsilon_cap:
            raise ValueError(
                f"the products cost epsilon {float(self.epsilon)}, above the cap {self.privacy.epsilon_cap}"
            )
        return self

    def plans(self) -> tuple[NoisyProduct, ...]:
        """What would be drawn, from public parameters alone."""
        from anonkit.dp import PublicKeys, PublicSteps, plan  # heavy; k-anonymous recipes never need it
        from anonkit.dp.columns import public_zones

        grid, found, wanted = self.geo.grid, [], self.products
        assert isinstance(grid, Grid)
        if wanted.flows is not None:
            level = grid.level_of(wanted.flows.cell_m)
            zones = public_zones(grid, level=level)
            made = plan("flows", epsilon=wanted.flows.epsilon, zones=zones, max_trips=wanted.flows.max_trips)
            found.append(NoisyProduct(name="flows", plan=made, level=level))
        if wanted.volumes is not None:
            level, bins = grid.level_of(wanted.volumes.cell_m), TimeBins(wanted.volumes.bins, zone=self.time.zone)
            cells, numbers = grid.cells(level), list(bins.span(self.period.first, self.period.last))
            keys = PublicKeys.declared(
                [(int(cell), number) for cell in cells for number in numbers],
                columns=("cell", "bin"),
                source=f"grid {grid.cell_m} m, area {grid.area_sha256}, dates of the period",
            )
            made = plan("volumes", epsilon=wanted.volumes.epsilon, keys=keys, max_trips=wanted.volumes.max_trips)
            found.append(NoisyProduct(name="volumes", plan=made, level=level, bins=bins))
        if wanted.lengths is not None:
            steps = PublicSteps(
                low=0, high=wanted.lengths.high, step=wanted.lengths.step, unit="m", source="the recipe"
            )
            made = plan("lengths", epsilon=wanted.lengths.epsilon, steps=steps, max_trips=wanted.lengths.max_trips)
            found.append(NoisyProduct(name="lengths", plan=made))
        if wanted.persons is not None:
            found.append(NoisyProduct(name="persons", plan=plan("persons", epsilon=wanted.persons.epsilon)))
        return tuple(found)
