"""The k-anonymous products: trips, flows and volumes, the levels of each, and the chain that they must form.

A product has a first level and may have roll-up levels: what the first level cannot publish is gathered into the *rest
of* a coarser parent (ruling 9). All levels of trips and flows, of whatever product, form one chain in which each nests
in the next, and volumes are at least as coarse as its end. Then the sets of trips that a release tells of are nested or
disjoint, and every number that subtraction can give is a sum of remainders, each of which `decide` has looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import narwhals.stable.v2 as nw

from anonkit.base.errors import RecipeError
from anonkit.geo import Tessellation, TimeBins
from anonkit.kanon.statistics import Statistic

Kind = Literal["trips", "flows", "volumes"]
End = Literal["start", "end"]
ORDER: tuple[Kind, ...] = ("trips", "flows", "volumes")
ROLLED, ANY = "rolled_up", "any"
POOLS = ("none", "week", "day")


@dataclass(frozen=True, kw_only=True)
class Level:
    """How coarse: cells, bins, and which further columns are still told apart."""

    level: int
    """Level of the grid."""
    bins: TimeBins
    columns: tuple[str, ...] = ()
    """Further released columns; they are part of the class (ruling 5)."""

    def contains(self, finer: Level) -> bool:
        """Whether each class of ``finer`` lies in one class of this."""
        return self.level >= finer.level and self.bins.contains(finer.bins) and set(self.columns) <= set(finer.columns)


@dataclass(frozen=True, kw_only=True)
class Product:
    """One product: its kind and the levels it is published at."""

    kind: Kind
    level: int
    bins: TimeBins
    columns: tuple[str, ...] = ()
    max_rows: int | None = None
    """Of ``trips``: rows a person and class (ruling 6)."""
    statistics: tuple[Statistic, ...] = ()
    """Of ``flows``: measured columns that are told of each class (ruling 8)."""
    roll_up: tuple[Level, ...] = ()
    """Coarser levels for what the first one cannot publish, from fine to coarse (ruling 9)."""
    ends: tuple[End, ...] = ("start", "end")
    """Of ``volumes``: departures and arrivals; visits have a start only."""

    @property
    def levels(self) -> tuple[Level, ...]:
        """The first level and the roll-ups."""
        return (Level(level=self.level, bins=self.bins, columns=self.columns), *self.roll_up)

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the class's columns, in the order they are released and sorted by."""
        by_kind = {
            "trips": ("start_cell", "end_cell", "start_bin"),
            "flows": ("start_cell", "end_cell", "bin"),
            "volumes": ("cell", "bin", "end"),
        }
        return (*by_kind[self.kind], *self.columns, *((ROLLED,) if self.roll_up else ()))

    @property
    def bin_column(self) -> str:
        """Which of the keys is the time bin."""
        return "start_bin" if self.kind == "trips" else "bin"

    def parts(self) -> tuple[Part, ...]:
        """What is decided by itself: departures and arrivals for volumes, the whole for the others."""
        ends: tuple[End | None, ...] = self.ends if self.kind == "volumes" else (None,)
        return tuple(Part(product=self, end=end) for end in ends)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A product, or one direction of volumes."""

    product: Product
    end: End | None

    @property
    def name(self) -> str:
        """``trips``, ``flows``, ``volumes:start``, ``volumes:end``."""
        return self.product.kind + (f":{self.end}" if self.end else "")

    @property
    def told(self) -> str:
        """Name of the column that says at which of the product's levels a row is told, -1 for not at all."""
        return f"_told_{self.name.replace(':', '_')}"

    @property
    def open(self) -> str:
        """Name of the flag that nothing on this part's chain has told a row yet."""
        return f"_open_{self.end}" if self.end else "_open"

    def steps(self) -> tuple[Step, ...]:
        """The part at each of its levels."""
        return tuple(Step(part=self, number=number, at=level) for number, level in enumerate(self.product.levels))


@dataclass(frozen=True, kw_only=True)
class Step:
    """One part at one of its levels; ``number`` 0 is the first, later ones gather the rest."""

    part: Part
    number: int
    at: Level

    @property
    def keys(self) -> list[str]:
        """Working names of the class's columns."""
        return [f"_key_{name}" for name in self.part.product.keys]

    @property
    def bin_key(self) -> str:
        """Working name of the time bin."""
        return f"_key_{self.part.product.bin_column}"

    @property
    def ends(self) -> tuple[End, ...]:
        """Whose cells are in the class."""
        return ("start", "end") if self.part.end is None else (self.part.end,)

    @property
    def sources(self) -> dict[str, str]:
        """Working name of each of the class's columns that is not the same for all → column of a tally at this level."""
        product = self.part.product
        cells = {f"{end}_cell" if self.part.end is None else "cell": f"{end}_cell" for end in self.ends}
        found = {**cells, product.bin_column: "start_bin"}
        found |= {name: name for name in product.columns if name in self.at.columns}
        return {f"_key_{name}": column for name, column in found.items()}

    @property
    def constants(self) -> dict[str, str | int]:
        """Working name of each of the class's columns that is the same for all classes of the step → that value."""
        product = self.part.product
        found: dict[str, str | int] = {"end": self.part.end} if self.part.end is not None else {}
        found |= {name: ANY for name in product.columns if name not in self.at.columns}
        if product.roll_up:
            found[ROLLED] = self.number
        return {f"_key_{name}": value for name, value in found.items()}

    def coarse(self, grid: Tessellation, base: TimeBins, *, level: int = 0) -> dict[str, nw.Expr]:
        """Columns of a tally at this level as expressions over cells at ``level`` and bins of ``base``."""
        found = {f"{end}_cell": grid.coarsen(nw.col(f"{end}_cell"), self.at.level, finer=level) for end in self.ends}
        found["start_bin"] = self.at.bins.coarsen(nw.col("start_bin"), base)
        return found | {name: nw.col(name) for name in self.at.columns}

    def keyed(self, rows: nw.LazyFrame[Any], grid: Tessellation, base: TimeBins) -> nw.LazyFrame[Any]:
        """Rows with the class's columns added as ``_key_…``; ``grid`` and ``base`` are those of the rows."""
        coarse = self.coarse(grid, base)
        keys = {name: coarse[column] for name, column in self.sources.items()}
        keys |= {name: nw.lit(value, dtype=_dtype(value)) for name, value in self.constants.items()}
        return rows.with_columns(*(keys[name].alias(name) for name in self.keys))


def _dtype(value: str | int) -> Any:
    return nw.Int64 if isinstance(value, int) else nw.String


def check_chain(products: tuple[Product, ...], base: TimeBins) -> tuple[Step, ...]:
    """All steps of a release from fine to coarse, volumes last.

    Raises
    ------
    RecipeError : two levels neither of which contains the other: their differences could not be bounded.
    """
    kinds = [product.kind for product in products]
    if len(set(kinds)) < len(kinds):
        raise RecipeError("a product is named twice", hint="name trips, flows and volumes once each")
    for product in products:
        if not product.bins.contains(base):
            raise RecipeError(
                f"the bins of {product.kind} ({product.bins.width}) are finer than the release's ({base.width})",
                hint="choose a multiple of it",
            )
        for finer, coarser in pairwise(product.levels):
            if finer == coarser or not coarser.contains(finer):
                raise RecipeError(
                    f"the roll-ups of {product.kind} do not grow coarser one by one",
                    hint="give cells or bins that contain those of the level before",
                )
    pairs = [
        step for product in products if product.kind != "volumes" for part in product.parts() for step in part.steps()
    ]
    pairs.sort(key=lambda step: (_coarseness(step.at), ORDER.index(step.part.product.kind), step.number))
    for finer_step, coarser_step in pairwise(pairs):
        if not coarser_step.at.contains(finer_step.at):
            raise _crossing(finer_step, coarser_step)
    ends: list[Step] = []
    for product in products:
        if product.kind == "volumes":
            for part in product.parts():
                steps = part.steps()
                if pairs and not steps[0].at.contains(pairs[-1].at):
                    raise _crossing(pairs[-1], steps[0])
                ends += steps
    return (*pairs, *ends)


def _coarseness(at: Level) -> tuple[int, int, int, int]:
    return (at.level, POOLS.index(at.bins.pool), at.bins.seconds, -len(at.columns))


def _crossing(one: Step, other: Step) -> RecipeError:
    def words(step: Step) -> str:
        rolled = f" (roll-up {step.number})" if step.number else ""
        return f"{step.part.product.kind}{rolled}"

    return RecipeError(
        f"{words(other)} are finer than {words(one)} in cells, bins or columns, and coarser in others",
        hint=f"give {words(other)} cells and bins at least as coarse as those of {words(one)}, or leave one out",
    )
