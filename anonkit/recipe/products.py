"""What a k-anonymous recipe publishes: products with their levels and roll-ups, how counts are told, how suppression is.

A level and its roll-ups form a partition (ruling 9); counts are perturbed unless ``exact`` is said (ruling 12). What it does
not protect against: levels so fine that little is left; the plan and the report say how much.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product
from typing import Any, Literal

from pydantic import Field, model_validator

from anonkit.geo import Tessellation, TimeBins
from anonkit.kanon import CellKeyNoise, Level, Product, Statistic
from anonkit.publish.printed import Printed
from anonkit.recipe.levels import LevelSearch, at_finest
from anonkit.recipe.parts import Part
from anonkit.recipe.places import Coarseness, Where


class RollUp(Coarseness):
    """Where the rest of a parent is gathered (ruling 9)."""

    columns: tuple[str, ...] | None = None
    """Columns still told apart; those of the level before unless said."""


class ProductLevel(Coarseness):
    """Where and how coarse a product is published."""

    columns: tuple[str, ...] = ()
    """Further columns to publish; they are part of the class (ruling 5)."""
    roll_up: tuple[RollUp, ...] = ()
    """Coarser levels for what this one cannot publish, from fine to coarse."""


class Measured(Part):
    """Bounds and step of a statistic; all public (ruling 8)."""

    step: int = Field(ge=1)
    low: int = 0
    high: int


class FlowLevel(ProductLevel):
    """Flows, with what is told of their times and distances."""

    statistics: dict[Literal["duration_s", "distance_m"], Measured] = Field(default_factory=dict)
    """One value a person: ``duration_s: {step: 60, high: 7200}`` gives mean and median."""


class TripLevel(ProductLevel):
    """The row-level product."""

    rows_per_person: int = Field(ge=1)
    """Rows a person and class (ruling 6); what is beyond is dropped from the whole release."""
    k_anonymity: LevelSearch | None = None
    """Cells, bins and columns are chosen by search; then they are not named beside it."""

    @model_validator(mode="before")
    @classmethod
    def _searched(cls, said: Any) -> Any:
        return at_finest(said)

    def chosen(self, *, cell: str | int, bins: str, columns: tuple[str, ...]) -> TripLevel:
        """The product at the levels that the search chose; roll-ups lose the columns that it left out."""
        place = "cell_m" if isinstance(cell, int) else "level"
        rolled = tuple(
            up if up.columns is None else up.model_copy(update={"columns": _still(up.columns, columns)})
            for up in self.roll_up
        )
        return self.model_copy(update={place: cell, "bins": bins, "columns": columns, "roll_up": rolled})


class Products(Part):
    """What is published."""

    trips: TripLevel | None = None
    flows: FlowLevel | None = None
    volumes: ProductLevel | None = None

    @model_validator(mode="after")
    def _something(self) -> Products:
        if self.trips is None and self.flows is None and self.volumes is None:
            raise ValueError("products names none; give trips, flows or volumes")
        return self


class PrintedCounts(Part):
    """A further table of every public place and bin, in which small counts and zeros show one value."""

    below: int = Field(ge=2)
    value: int = Field(default=-1, lt=0)


class Counts(Part):
    """How numbers of trips are published (ruling 12)."""

    rule: Literal["cell_key", "exact"] = "cell_key"
    """``exact`` must be said: it lets recipients subtract without doubt."""
    largest: int = Field(default=2, ge=1)
    """No number is changed by more; below k."""
    variance: float = Field(default=1.0, gt=0)
    small: PrintedCounts | None = None
    """Flows and volumes stand there a second time, printed in full as a rule asks for it: ``{below: 10, value: -1}``."""

    @property
    def printed(self) -> Printed | None:
        """How small counts are printed, for `publish`."""
        return None if self.small is None else Printed(below=self.small.below, value=self.small.value)

    @property
    def noise(self) -> CellKeyNoise | None:
        """The table of noise for `kanon`."""
        return CellKeyNoise(largest=self.largest, variance=self.variance) if self.rule == "cell_key" else None


class Suppression(Where):
    """At what level the suppressed share is told."""


def products_of(said: Products, *, grid: Tessellation, zone: str, visits: bool) -> tuple[Product, ...]:
    """The products for `kanon`, from fine to coarse as the chain of decisions takes them."""
    result = []
    for kind in ("trips", "flows", "volumes"):
        level: ProductLevel | None = getattr(said, kind)
        if level is not None:
            result.append(
                Product(
                    kind=kind,
                    level=level.level_in(grid),
                    bins=TimeBins(level.bins, zone=zone),
                    columns=level.columns,
                    max_rows=level.rows_per_person if isinstance(level, TripLevel) else None,
                    roll_up=_rolled(level, grid, zone),
                    statistics=_statistics(level),
                    ends=("start",) if visits else ("start", "end"),
                )
            )
    return tuple(result)


def candidate_products(said: Products, *, grid: Tessellation, zone: str) -> Iterator[tuple[Product, ...]]:
    """The products at each combination of levels that the search of the recipe may choose; none without a search."""
    trips = said.trips
    if trips is None or trips.k_anonymity is None:
        return
    search = trips.k_anonymity
    fixed = tuple(name for name, tree in search.columns_of(trips.columns).items() if not _may_fall(name, tree, search))
    free = tuple(name for name in trips.columns if name not in fixed)
    sets = [frozenset((*fixed, *some)) for n in range(len(free) + 1) for some in combinations(free, n)]
    search.cells_in(grid)
    search.bins_in(zone)
    cells: tuple[str | int, ...] = search.cell_m or search.level or ()
    for cell, bins, names in product(cells, search.bins, sets):
        columns = tuple(name for name in trips.columns if name in names)
        level = trips.chosen(cell=cell, bins=bins, columns=columns)
        yield products_of(said.model_copy(update={"trips": level}), grid=grid, zone=zone, visits=False)


def _may_fall(name: str, tree: Any, search: LevelSearch) -> bool:
    """Whether the search may leave a column out: it is not to be kept, and its coarsest level says nothing."""
    return name not in search.keep and (tree is None or tree.sizes[-1] == 1)


def _still(columns: tuple[str, ...], left: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in columns if name in left)


def _rolled(level: ProductLevel, grid: Tessellation, zone: str) -> tuple[Level, ...]:
    columns, result = level.columns, []
    for coarser in level.roll_up:
        columns = columns if coarser.columns is None else coarser.columns
        result.append(Level(level=coarser.level_in(grid), bins=TimeBins(coarser.bins, zone=zone), columns=columns))
    return tuple(result)


def _statistics(level: ProductLevel) -> tuple[Statistic, ...]:
    if not isinstance(level, FlowLevel):
        return ()
    return tuple(
        Statistic(column=name, step=told.step, low=told.low, high=told.high) for name, told in level.statistics.items()
    )
