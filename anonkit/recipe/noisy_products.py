"""What a noisy recipe may publish, and what each product may cost.

Why apart: each product is a few public numbers (cells, bins, steps, bounds) and a price, and says nothing of the others.
A price is a pure epsilon (Laplace noise) or, for counts, a rho of zero-concentrated privacy (Gaussian noise, which many
releases from one budget add up better). What it does not protect against: numbers that somebody copied from the trips
and wrote down as public; the recipe's hash is in the release for that reason.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from anonkit.recipe.parts import Part


def _exact(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number is needed, such as 0.5")
    return Fraction(str(value)) if isinstance(value, str | int | float) else value


Price = Annotated[Fraction, BeforeValidator(_exact), Field(gt=0)]


class Priced(Part):
    """What every noisy product says: its price to each person, whatever is drawn inside."""

    epsilon: Price | None = None
    """Pure epsilon; Laplace noise."""
    rho: Price | None = None
    """Rho of zero-concentrated privacy; Gaussian noise. The ledger needs a delta_cap."""

    @model_validator(mode="after")
    def _one_price(self) -> Priced:
        if (self.epsilon is None) == (self.rho is None):
            raise ValueError("a product costs either epsilon or rho")
        return self

    @property
    def price(self) -> dict[str, Fraction]:
        """The one that is given, as ``dp.plan`` takes it."""
        return {"epsilon": self.epsilon} if self.epsilon is not None else {"rho": self.rho or Fraction(0)}


class Chosen(Priced):
    """A product that chooses among candidates; a choice has a pure epsilon."""

    @model_validator(mode="after")
    def _pure(self) -> Chosen:
        if self.rho is not None:
            raise ValueError("a choice is made with a pure epsilon, not with rho")
        return self


class Counted(Priced):
    """A table of counts."""

    max_trips: int | None = Field(default=None, ge=1)
    """Trips that a person may add; without it the cap is bought with a share of the price."""
    most_trips: int | None = Field(default=None, ge=1)
    """More trips nobody makes in the period, by public knowledge (a fair-use rule, a timetable); where the cap is bought."""

    @model_validator(mode="after")
    def _one_cap(self) -> Counted:
        if self.max_trips is not None and self.most_trips is not None:
            raise ValueError("most_trips helps where the cap is bought; leave max_trips or most_trips out")
        return self


class NoisyFlows(Counted):
    """Flows over the whole period."""

    cell_m: int


class NoisyVolumes(Counted):
    """Departures by cell and time bin."""

    cell_m: int
    bins: str


class NoisyProfile(Counted):
    """Departures by hour of the day or of the week."""

    of: Literal["day", "week"]


class NoisyLengths(Counted):
    """Trips by steps of distance or duration."""

    of: Literal["distance_m", "duration_s"] = "distance_m"
    step: int = Field(ge=1)
    high: int


class NoisyQuantiles(Chosen):
    """Quantiles of duration or distance for each pair of cells with enough persons, by a noisy count of them."""

    of: Literal["duration_s", "distance_m"] = "duration_s"
    cell_m: int
    step: int = Field(ge=1)
    high: int
    percents: tuple[int, ...] = (25, 50, 75)
    max_keys: int = Field(ge=1)
    """Pairs of cells that one person may be in."""
    min_persons: int = Field(ge=5)
    """The gate, on the noisy number of persons."""


class NoisyHotSpots(Chosen):
    """The cells where most persons depart, without figures."""

    cell_m: int
    top: int = Field(ge=1, le=100)


class NoisySelected(Chosen):
    """Flows by time bin, told only where enough persons share the key; the list of keys comes from the trips, for delta."""

    cell_m: int
    bins: str
    delta: Price
    """Chance that a key of one person is named; far below one over the number of persons."""
    max_keys: int = Field(ge=1)
    """Keys of one person that may count towards the selection."""
    max_trips: int = Field(ge=1)
    """Trips that a person may add to the counts."""

    @model_validator(mode="after")
    def _small(self) -> NoisySelected:
        if self.delta > Fraction(1, 10_000):
            raise ValueError("delta is the chance that a person's own key is named; write 1e-6 or less")
        return self


class NoisyLinks(Priced):
    """Passages of every link of the public street network, driven or not."""

    bins: str | None = None
    """Time bins of the passages; without them the whole period."""
    max_passages: int = Field(ge=1)
    """Passages that a person may add, over all links and bins together; whoever drives more counts as if he drove so many."""


class NoisyProducts(Part):
    """What is published."""

    flows: NoisyFlows | None = None
    volumes: NoisyVolumes | None = None
    profile: NoisyProfile | None = None
    lengths: NoisyLengths | None = None
    persons: Priced | None = None
    quantiles: NoisyQuantiles | None = None
    hot_spots: NoisyHotSpots | None = None
    selected_flows: NoisySelected | None = None

    @model_validator(mode="after")
    def _something(self) -> NoisyProducts:
        if not self.given:
            raise ValueError(f"products names none; give one of {list(type(self).model_fields)}")
        return self

    @property
    def given(self) -> dict[str, Priced]:
        """The products that the recipe asks for, by name."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: product for name, product in found.items() if product is not None}
