"""A recipe of noisy links: trips, their fixes, a public street network, and what each product may cost.

The key ``streets`` beside ``guarantee: differential_privacy``. Passages of all public links are told with noise, beside any other
noisy product of the same trips: what each costs adds up in the ledger, so nothing here can be subtracted to a person, and
the release may go to the public (ruling 35). Keys are links of a public file and bins of the period's dates (ruling 18).
Ends are cut by each person's own ends before anything is bounded (rulings 17, 30). What it does not protect against: a street
file that was drawn from trips.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from anonkit.geo import TimeBins
from anonkit.recipe.noisy import NoisyProduct, NoisyRecipe
from anonkit.recipe.noisy_products import NoisyLinks, NoisyProducts
from anonkit.recipe.streets import Ends, RouteInput, Streets

if TYPE_CHECKING:
    from anonkit.geo.networks import Network


class NoisyRouteProducts(NoisyProducts):
    """What is published; links, and what else the recipe asks for."""

    links: NoisyLinks


class NoisyRouteRecipe(NoisyRecipe):
    """One differentially private release with links."""

    streets: Streets
    ends: Ends
    products: NoisyRouteProducts
    inputs: tuple[RouteInput, ...] = Field(min_length=1)

    @cached_property
    def network(self) -> Network:
        """The public streets."""
        from anonkit.geo.networks_read import read_network  # heavy; recipes of other kinds never need it

        return read_network(self.streets.path, mode=self.streets.mode)

    def plans(self) -> tuple[NoisyProduct, ...]:
        """What would be drawn, links last."""
        from anonkit.dp import plan
        from anonkit.dp.links import link_keys

        wanted = self.products.links
        bins = TimeBins(wanted.bins, zone=self.time.zone) if wanted.bins is not None else None
        numbers = bins.span(self.period.first, self.period.last) if bins is not None else None
        keys = link_keys(self.network, bins=numbers)
        price: dict[str, Any] = dict(wanted.price)
        made = plan("volumes", keys=keys, max_trips=wanted.max_passages, **price)
        return (*super().plans(), NoisyProduct(name="links", plan=made, bins=bins))

    @model_validator(mode="after")
    def _links_possible(self) -> NoisyRouteRecipe:
        if self.sensitive_places is not None:
            raise ValueError(
                "sensitive_places coarsens cells; links are told one by one: cut their ends (ends) instead"
            )
        for entry in self.inputs:
            if "trip" not in entry.columns:
                raise ValueError(f"input {entry.operator!r} maps no column 'trip', by which fixes find their trip")
            if entry.fixes is None:
                raise ValueError(
                    f"input {entry.operator!r} holds its routes as polylines; of people who share a trip one line would then stand "
                    "for the other's, who would count differently without him (ruling 17): name a file of fixes"
                )
        self.ends.rule  # noqa: B018  (its numbers check themselves)
        return self
