"""What every recipe of routes says beside its products: the public streets, the cut of the ends, and the fixes of its trips.

k-anonymous routes (``routes``) and noisy links (``noisy_routes``) say it with the same keys. No number has a default: each is a
promise. Does not protect against a street file that was drawn from trips.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from anonkit.recipe.parts import Part
from anonkit.sources import InputSpec
from anonkit.sources.fixes import FixSpec

if TYPE_CHECKING:
    from anonkit.geo.trimming import EndRule


class Streets(Part):
    """The public street network that link numbers refer to."""

    path: Path
    mode: Literal["drive", "cycle", "walk", "all"] = "drive"
    """Which streets of an OpenStreetMap file are used, and whether one-way signs bind."""


class Ends(Part):
    """How trip ends are cut before anything is counted (ruling 30); no number has a default."""

    cell_m: int
    """Side of the public cells; a block of three by three around each end is hidden."""
    minimum_m: int
    """What is promised to be hidden around every end."""
    settle_m: int
    """How far apart receivers put one place."""

    @cached_property
    def rule(self) -> EndRule:
        """The rule for `geo`."""
        from anonkit.geo.trimming import EndRule  # heavy; recipes of other kinds never need it

        return EndRule(cell_m=self.cell_m, minimum_m=self.minimum_m, settle_m=self.settle_m)


class RouteInput(InputSpec):
    """Trips, and the file of their fixes; without one the trips hold their routes as polylines."""

    fixes: FixSpec | None = None

    @model_validator(mode="after")
    def _one_source(self) -> RouteInput:
        line = self.polyline
        if self.fixes is None and (line is None or line.interval_s is None):
            raise ValueError(
                "fixes is missing: name the file of the trips' fixes, or a polyline with interval_s that the trips hold"
            )
        return self
