"""The key ``k_anonymity`` of the row-level product: levels are chosen by the optimal search, not named.

The recipe names what may be chosen: cells, time bins and columns from fine to coarse, all of them public; the search
(`kanon.search`) takes the combination that loses least while no more is suppressed than allowed. Chosen levels depend on
the trips: that is k-anonymity's practice, and no noisy release may do it (ruling 18). What it does not protect against:
nothing by itself. k is enforced on the table that leaves, and recounted by the gate, at whatever levels were chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from anonkit.geo import Tessellation, TimeBins
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.recipe.parts import Part, Share


class ColumnLevels(Part):
    """How a column grows coarser: a file in ARX's format, or each value with its coarser labels."""

    path: Path | None = None
    """One line a value, one field a level from fine to coarse, no header."""
    separator: str = Field(default=";", min_length=1, max_length=1)
    values: dict[str, tuple[str, ...]] | None = None
    """``{scooter: [micro, any], bus: [public, any]}``."""

    @model_validator(mode="after")
    def _one_of_two(self) -> ColumnLevels:
        if (self.path is None) == (not self.values):
            raise ValueError("say path (a file, one line a value) or values, one of the two")
        if self.path is not None and not self.path.is_file():
            raise ValueError(f"there is no file {self.path.name}; give a CSV of values and their coarser labels")
        return self

    def hierarchy(self, column: str) -> Hierarchy:
        """The hierarchy for the search, checked: complete and monotone."""
        if self.path is not None:
            return Hierarchy.from_csv(self.path, column=column, separator=self.separator)
        return Hierarchy.from_mapping(column, self.values or {})


class LevelSearch(Part):
    """What the search may choose from, and what it must keep to; names and meaning as in ``ak.KAnonymizer``."""

    max_suppressed: Share
    """Share of trips (or persons) that the search may leave out; below 1."""
    bins: tuple[str, ...] = Field(min_length=1)
    """Widths of time bins from fine to coarse, each nesting in the next: ``[1h, 3h, 3h of week]``."""
    cell_m: tuple[int, ...] | None = None
    """Sides of cells from fine to coarse, for a grid; both ends of a trip get the same."""
    level: tuple[str, ...] | None = None
    """Names of levels from fine to coarse, for zones."""
    hierarchies: dict[str, ColumnLevels] = Field(default_factory=dict)
    """By column; one without is kept as it is or left out."""
    keep: tuple[str, ...] = ()
    """Columns that are published whatever it costs."""
    measure: Literal["discernibility", "ncp", "class_size", "entropy", "displacement"] = "displacement"
    suppressed_unit: Literal["rows", "persons"] = "rows"
    time_budget_s: float | None = Field(default=None, gt=0)
    """Stop then, with the best levels so far and how far they can be from the best."""

    @model_validator(mode="after")
    def _sound(self) -> LevelSearch:
        if not 0 <= self.max_suppressed < 1:
            raise ValueError("max_suppressed is a share from 0 to below 1, such as 1/20")
        if (self.cell_m is None) == (self.level is None):
            raise ValueError("say cell_m (a grid) or level (zones), one of the two: a list from fine to coarse")
        if not (self.cell_m or self.level):
            raise ValueError("the list of cells is empty; name at least one side or level")
        both = sorted(set(self.keep) & set(self.hierarchies))
        if both:
            raise ValueError(f"the columns {both} are under keep and under hierarchies; leave them in one of the two")
        if "operator" in self.hierarchies:
            raise ValueError("operator has no hierarchy: shares of operators are counted by name; use keep, or neither")
        self.bins_in("UTC")
        for column, levels in self.hierarchies.items():
            levels.hierarchy(column)
        return self

    def cells_in(self, grid: Tessellation) -> tuple[int, ...]:
        """Numbers of the levels of cells, from fine to coarse."""
        numbers = tuple(grid.level_of(name) for name in self.cell_m or self.level or ())  # type: ignore[arg-type]
        if list(numbers) != sorted(set(numbers)):
            raise ValueError(
                f"the cells {list(self.cell_m or self.level or ())} of trips.k_anonymity do not grow coarser one by one"
            )
        return numbers

    def bins_in(self, zone: str) -> tuple[TimeBins, ...]:
        """The time bins, from fine to coarse."""
        found = tuple(TimeBins(width, zone=zone) for width in self.bins)
        for finer, coarser in pairwise(found):
            if finer == coarser or not coarser.contains(finer):
                raise ValueError(
                    f"bins of {finer.width} do not nest in {coarser.width}; list widths from fine to coarse"
                )
        return found

    def columns_of(self, columns: tuple[str, ...]) -> dict[str, Hierarchy | None]:
        """Each further column with its hierarchy; None: kept as it is or left out.

        Raises
        ------
        ValueError : keep or hierarchies name a column that the product does not publish.
        """
        unknown = sorted({*self.keep, *self.hierarchies} - set(columns))
        if unknown:
            raise ValueError(f"k_anonymity names the columns {unknown}; columns of trips are {sorted(columns)}")
        return {name: self.hierarchies[name].hierarchy(name) if name in self.hierarchies else None for name in columns}

    @property
    def limit(self) -> float:
        """``max_suppressed`` as a number."""
        return float(Fraction(self.max_suppressed))


def at_finest(said: Any) -> Any:
    """What a recipe says of trips, with the finest levels that the search may choose filled in.

    Until the search has chosen, these stand for it: no step that forgets to ask publishes anything unsafe.

    Raises
    ------
    ValueError : levels are named beside the search.
    """
    search = said.get("k_anonymity") if isinstance(said, Mapping) else None
    if search is None:
        return said
    named = [name for name in ("cell_m", "level", "bins") if name in said]
    if named:
        raise ValueError(
            f"trips names {', '.join(named)} beside k_anonymity, which chooses them; move the lists of what may be chosen into it"
        )

    def first(name: str, kind: type) -> Any:
        value = search.get(name) if isinstance(search, Mapping) else getattr(search, name, None)
        return value[0] if isinstance(value, list | tuple) and value and isinstance(value[0], kind) else None

    # what is wrong in the lists is told by their own checks
    places = {name: first(name, kind) for name, kind in (("cell_m", int), ("level", str))}
    filled = {name: value for name, value in places.items() if value is not None}
    return {**said, **(dict(list(filled.items())[:1]) or {"cell_m": 25}), "bins": first("bins", str) or "1d"}
