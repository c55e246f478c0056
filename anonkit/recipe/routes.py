"""A recipe of routes: trips, their fixes, a public street network, and what may be told of the streets.

The key ``streets`` makes a recipe one of routes. All its products are decided together as one system (ruling 11): volumes
of links by hour, turns, speeds, and routes that enough people walked in full. It stands alone: trips, flows and volumes of
cells of the same people and days are another release, and the register refuses the second of the two (ruling 13), since
a departure that a flow tells and a link that a route release leaves out could be subtracted.

It is of one operator, so that no class holds people who cannot be matched (ruling 2), and never for a public recipient:
k-anonymous links do not stop membership inference (ruling 35); noisy links may (``noisy_routes``).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from anonkit.classes import Protection
from anonkit.geo import TimeBins
from anonkit.kanon import CellKeyNoise
from anonkit.recipe.model import AnyRecipe, Part, Privacy
from anonkit.recipe.streets import Ends, RouteInput, Streets
from anonkit.schema import PrivacyUnit

if TYPE_CHECKING:
    from anonkit.kanon.routes_release import RouteSpec


class Links(Part):
    """Passages of links by time bin: the product that all others of the recipe refer to."""

    bins: str
    rows_per_person: int = Field(ge=1)
    """Passages of one person that count in a link and bin (ruling 6)."""


class Speeds(Part):
    """Speeds of links by the same bins, one value a person (ruling 8)."""

    low_kmh: float = Field(gt=0)
    high_kmh: float
    step_kmh: float = Field(gt=0)


class Patterns(Part):
    """Routes that k persons walked in full (ruling 31)."""

    least_m: float = Field(gt=0)
    """Shortest route that is worth a row."""
    most_links: int = Field(default=60, ge=2)
    closed: bool = False
    """Also shorter routes that more people walked."""


class RouteProducts(Part):
    """What is published."""

    links: Links
    turns: bool = False
    speeds: Speeds | None = None
    routes: Patterns | None = None


class RouteCounts(Part):
    """The noise of counts: the same cell keys as those of trips, flows and volumes; never exact (ruling 12)."""

    rule: Literal["cell_key"] = "cell_key"
    largest: int = Field(default=2, ge=1)
    variance: float = Field(default=1.0, gt=0)


class RouteRecipe(AnyRecipe):
    """One k-anonymous release of routes."""

    privacy: Privacy
    streets: Streets
    ends: Ends
    products: RouteProducts
    counts: RouteCounts = RouteCounts()
    inputs: tuple[RouteInput, ...] = Field(min_length=1)

    @property
    def unit(self) -> PrivacyUnit:
        """What k counts first."""
        return self.privacy.unit

    @property
    def protects_drivers(self) -> bool:
        """Whether drivers are counted beside persons."""
        return self.privacy.protection.k_driver is not None

    @property
    def together(self) -> tuple[str, ...]:
        """Signs by which an input knows who rode together (ruling 3)."""
        mapped = {name for entry in self.inputs for name in entry.columns}
        return tuple(sign for sign in self.privacy.together if sign in mapped and self.unit is PrivacyUnit.PERSON)

    @cached_property
    def protection(self) -> Protection:
        """The thresholds; no product of routes has destinations, so diversity of places is not asked."""
        return replace(self.privacy.protection, l_places=1)

    @cached_property
    def noise(self) -> CellKeyNoise:
        """The noise of every count."""
        return CellKeyNoise(largest=self.counts.largest, variance=self.counts.variance)

    @cached_property
    def spec(self) -> RouteSpec:
        """The release for `kanon`."""
        from anonkit.kanon.routes import RouteRule  # heavy; recipes of other kinds never need it
        from anonkit.kanon.routes_release import RouteSpec

        links, speeds, routes = self.products.links, self.products.speeds, self.products.routes
        return RouteSpec(
            rule=RouteRule(protection=self.protection, max_rows=links.rows_per_person, noise=self.noise),
            ends=self.ends.rule,
            bins=TimeBins(links.bins, zone=self.time.zone),
            speed_bounds_kmh=(speeds.low_kmh, speeds.high_kmh) if speeds else (3.0, 120.0),
            step_kmh=speeds.step_kmh if speeds else 1.0,
            least_m=routes.least_m if routes else 1.0,
            most_links=routes.most_links if routes else 2,
            closed=routes.closed if routes else False,
        )

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the products, as their files are called."""
        asked = {"turns": self.products.turns, "speeds": self.products.speeds, "patterns": self.products.routes}
        return ("link_volumes", *(name for name, wanted in asked.items() if wanted))

    @model_validator(mode="after")
    def _possible(self) -> RouteRecipe:
        unit = self.privacy.unit
        if self.sensitive_places is not None:
            raise ValueError("sensitive_places coarsens cells; routes are told by links: cut their ends (ends) instead")
        if len({entry.operator for entry in self.inputs}) > 1:
            raise ValueError("routes are of one operator: people of several cannot be matched on a link (ruling 2)")
        if self.recipient.kind == "public":
            raise ValueError(
                "routes under k-anonymity are not for the public: they do not stop membership inference (ruling 35); name a "
                "recipient under contract, or take noisy links (privacy.guarantee: differential_privacy)"
            )
        for entry in self.inputs:
            if entry.kind != "trips":
                raise ValueError(f"input {entry.operator!r} holds {entry.kind}; routes are of trips")
            if entry.privacy_unit is not unit:
                raise ValueError(
                    f"protect counts {unit.value}s, but input {entry.operator!r} says privacy_unit: {entry.privacy_unit.value}"
                )
            if self.protects_drivers and "driver" not in entry.columns:
                raise ValueError(f"protect names drivers, but input {entry.operator!r} maps no column 'driver'")
            if "trip" not in entry.columns:
                raise ValueError(f"input {entry.operator!r} maps no column 'trip', by which fixes find their trip")
        if self.counts.largest >= self.privacy.protection.k:
            raise ValueError("counts.largest must be below k, else a published link could show no trips")
        speeds = self.products.speeds
        if speeds is not None and speeds.low_kmh >= speeds.high_kmh:
            raise ValueError("speeds need low_kmh below high_kmh")
        self.spec  # noqa: B018  (its parts check themselves)
        return self
