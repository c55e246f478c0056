"""Quality measures of the search, each with the bounds by which it may be pruned.

A measure gives a loss for a node (its classes, and which of them are released), a floor that holds for the node and
everything coarser, and a floor for everything finer, given what the node had to suppress. Definitions follow ARX where
it has them (Prasser and Kohlmayer 2015): discernibility (Bayardo and Agrawal 2005), normalised certainty penalty (Xu et
al. 2006), average class size (LeFevre et al. 2006, not divided by k), non-uniform entropy (de Waal and Willenborg 1999,
Gionis and Tassa 2009); displacement is ours: mean metres and minutes between the truth and what is released. The
bounds are proved in docs/PRUNING.md. A small loss says nothing about privacy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

import numpy as np

from anonkit.base.errors import SchemaError
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.search_classes import ROOM, Figures
from anonkit.kanon.search_tables import ClassTable

MEASURES = ("discernibility", "ncp", "class_size", "entropy", "displacement")
WALKING_M_PER_MIN = 80.0


class Measure:
    """One measure on one table; ``least_rows`` is the smallest number of rows a released class can have."""

    name = ""
    floors_need_classes = True
    """The floor for coarser nodes is known only after a visit."""
    by_value = False
    """It needs the lost rows by value."""

    def __init__(self, table: ClassTable, hierarchies: Sequence[Hierarchy], least_rows: int) -> None:
        self.table = table
        self.hierarchies = tuple(hierarchies)
        self.total = table.total_rows
        self.least = max(1, min(least_rows, self.total))

    def loss(self, levels: tuple[int, ...], figures: Figures) -> float:
        """Loss of a node that keeps and loses what the figures say."""
        raise NotImplementedError

    def floor(self, levels: tuple[int, ...]) -> float:
        """Bound from the levels alone: no table with these or coarser levels loses less."""
        return 0.0

    def floors(self) -> np.ndarray | None:
        """``floor`` of every node as an array over the lattice, or None where it is 0 everywhere."""
        return None

    def floor_coarser(self, levels: tuple[int, ...], figures: Figures) -> float:
        """No node with these or coarser levels loses less; ``figures``: classes of ``least`` rows and more are kept."""
        return self.floor(levels)

    def floor_finer(self, levels: tuple[int, ...], figures: Figures) -> tuple[float, float]:
        """(a, b): each node with these or finer levels loses at least a, and at least its own floor plus b.

        ``figures``: the classes that meet every threshold, or a superset of them, are kept.
        """
        return 0.0, 0.0

    def floor_split(self, figures: Figures) -> np.ndarray | None:
        """Place n - 1: no finer node that splits each class into n at most loses less; the last: into any number.

        None where the number of classes says nothing. ``figures`` as for ``floor_finer``.
        """
        return None

    def splits(self, levels: tuple[int, ...], low: tuple[int, ...] | None = None) -> np.ndarray:
        """Into how many classes nodes from ``levels`` down (to ``low``, if given) split one of ``levels`` at most."""
        raise NotImplementedError


class Counted(Measure):
    """Losses that hang on the number of classes: the fewer a node can have, the more it loses."""

    def __init__(self, table: ClassTable, hierarchies: Sequence[Hierarchy], least_rows: int) -> None:
        super().__init__(table, hierarchies, least_rows)
        self.held: list[np.ndarray] = []
        self.children: list[np.ndarray] = []
        """For each column, by finer and coarser level: values of the finer one below one of the coarser at most."""
        for h, codes in zip(self.hierarchies, table.codes, strict=True):
            rows = np.bincount(codes, weights=table.rows, minlength=h.sizes[0]) > 0
            self.held.append(np.array([len(np.unique(level[rows])) for level in h.codes], dtype=float))
            self.children.append(_most_children([level[rows] for level in h.codes]))

    def most_classes(self, levels: tuple[int, ...]) -> float:
        """No node with these or coarser levels has more classes that hold rows."""
        return math.prod(float(held[level]) for held, level in zip(self.held, levels, strict=True))

    def splits(self, levels: tuple[int, ...], low: tuple[int, ...] | None = None) -> np.ndarray:
        ends = zip(self.children, levels, low or (0,) * len(levels), strict=True)
        return reduce(np.multiply.outer, [most[least : level + 1, level] for most, level, least in ends])

    def _most(self) -> np.ndarray:
        return reduce(np.multiply.outer, self.held)


def _most_children(levels: Sequence[np.ndarray]) -> np.ndarray:
    """By finer and coarser level: the most values of the finer one that lie below one of the coarser."""
    most = np.ones((len(levels), len(levels)))
    for high in range(len(levels)):
        for low in range(high):
            parent = np.full(int(levels[low].max(initial=-1)) + 1, -1)
            parent[levels[low]] = levels[high]
            most[low, high] = np.bincount(parent[parent >= 0]).max(initial=1)
    return most


class Discernibility(Counted):
    """Sum of squared released classes, and the whole table for each suppressed row."""

    name = "discernibility"

    def floor(self, levels: tuple[int, ...]) -> float:
        return float(self.total) ** 2 / max(self.most_classes(levels), 1.0)

    def floors(self) -> np.ndarray | None:
        return float(self.total) ** 2 / np.maximum(self._most(), 1.0)

    def loss(self, levels: tuple[int, ...], figures: Figures) -> float:
        return figures.kept_squares + float(figures.lost_rows) * self.total

    def floor_coarser(self, levels: tuple[int, ...], figures: Figures) -> float:
        return figures.kept_squares + float(figures.lost_rows) * self.least

    def floor_finer(self, levels: tuple[int, ...], figures: Figures) -> tuple[float, float]:
        return float(figures.lost_rows) * self.total + float(figures.kept_rows) * self.least, 0.0

    def floor_split(self, figures: Figures) -> np.ndarray | None:
        gone, least = float(figures.lost_rows) * self.total, float(figures.kept_rows) * self.least
        parts = np.append(figures.kept_squares / np.arange(1, ROOM + 1), 0.0)
        return gone + np.maximum(parts, least)


class ClassSize(Counted):
    """Rows of the table by number of released classes; what is suppressed is one more class."""

    name = "class_size"

    def floor(self, levels: tuple[int, ...]) -> float:
        return self.total / max(min(self.most_classes(levels), self.total // self.least + 1), 1.0)

    def floors(self) -> np.ndarray | None:
        return self.total / np.clip(self._most(), 1.0, self.total // self.least + 1)

    def loss(self, levels: tuple[int, ...], figures: Figures) -> float:
        return self.total / max(figures.kept_classes + int(figures.kept_classes < figures.classes), 1)

    def floor_coarser(self, levels: tuple[int, ...], figures: Figures) -> float:
        small = figures.lost_rows
        groups = min(figures.classes, figures.kept_classes + small // self.least + int(small > 0))
        return self.total / max(groups, 1)

    def floor_finer(self, levels: tuple[int, ...], figures: Figures) -> tuple[float, float]:
        return self.total / max(figures.kept_rows // self.least + 1, 1), 0.0

    def floor_split(self, figures: Figures) -> np.ndarray | None:
        fit, fitting = np.arange(ROOM + 1), figures.room[:-1]
        more = fitting.sum() - np.cumsum(fitting)  # classes into which more than n fit
        groups = np.append((np.cumsum(fitting * fit) + more * fit)[1:], figures.room[-1])
        return self.total / (groups + 1.0)


class Additive(Measure):
    """Losses that add up over rows and columns: a cost of each value, and the top's cost for a suppressed one."""

    floors_need_classes = False
    by_value = True

    def __init__(self, table: ClassTable, hierarchies: Sequence[Hierarchy], least_rows: int) -> None:
        super().__init__(table, hierarchies, least_rows)
        self.costs = self._costs()
        self.tops = [float(cost[-1].max(initial=0.0)) for cost in self.costs]
        self.sums = [self._column_sums(j) for j in range(len(hierarchies))]

    def _costs(self) -> list[list[np.ndarray]]:
        raise NotImplementedError

    def _column_sums(self, column: int) -> np.ndarray:
        hierarchy = self.hierarchies[column]
        rows = np.bincount(self.table.codes[column], weights=self.table.rows, minlength=hierarchy.sizes[0])
        costs = self.costs[column]
        return np.array([(rows * costs[level][hierarchy.codes[level]]).sum() for level in range(hierarchy.height)])

    def floor(self, levels: tuple[int, ...]) -> float:
        return float(sum(sums[level] for sums, level in zip(self.sums, levels, strict=True)))

    def floors(self) -> np.ndarray | None:
        array = np.zeros([h.height for h in self.hierarchies])
        for j, sums in enumerate(self.sums):
            shape = [1] * len(self.sums)
            shape[j] = -1
            array += sums.reshape(shape)
        return array

    def penalty(self, levels: tuple[int, ...], figures: Figures) -> float:
        """What suppression adds to the floor."""
        parts = zip(self.costs, self.tops, levels, figures.lost, strict=True)
        return sum(float((rows * (top - costs[level])).sum()) for costs, top, level, rows in parts)

    def loss(self, levels: tuple[int, ...], figures: Figures) -> float:
        return self.floor(levels) + self.penalty(levels, figures)

    def floor_finer(self, levels: tuple[int, ...], figures: Figures) -> tuple[float, float]:
        return 0.0, self.penalty(levels, figures)


class NormalisedCertaintyPenalty(Additive):
    """Mean over all cells of (leaves - 1)/(domain - 1); a suppressed cell costs 1."""

    name = "ncp"

    def _costs(self) -> list[list[np.ndarray]]:
        share = max(self.total * len(self.hierarchies), 1)
        found = []
        for h in self.hierarchies:
            span = max(h.sizes[0] - 1, 1)
            found.append([(h.leaves(level) - 1) / span / share for level in range(h.height)])
        return found

    def __init__(self, table: ClassTable, hierarchies: Sequence[Hierarchy], least_rows: int) -> None:
        super().__init__(table, hierarchies, least_rows)
        self.tops = [1.0 / max(self.total * len(self.hierarchies), 1)] * len(self.hierarchies)


LOST_COLUMN_M = 1.0
"""What the loss of a whole column without metres and minutes counts as, in metres: it breaks ties and no more."""


class Displacement(Additive):
    """Mean metres, plus minutes at walking pace, between a row and what is released of it.

    ``minutes_worth_m`` metres are worth a minute. A suppressed row is displaced by the whole area and day. A column that
    is neither a place nor a time (a mode) moves nobody: it is given up before a place or a time grows coarser, and of
    two ways that move people alike the one that keeps more of it is better (it costs `LOST_COLUMN_M` in all).
    """

    name = "displacement"

    def __init__(
        self,
        table: ClassTable,
        hierarchies: Sequence[Hierarchy],
        least_rows: int,
        *,
        minutes_worth_m: float = WALKING_M_PER_MIN,
    ) -> None:
        self.minutes_worth_m = minutes_worth_m
        super().__init__(table, hierarchies, least_rows)

    def _costs(self) -> list[list[np.ndarray]]:
        found = []
        for h in self.hierarchies:
            worth = (1.0 if h.unit != "min" else self.minutes_worth_m) / max(self.total, 1)
            if _travels(h):
                shifts = h.displacement or ()
                found.append([np.full(h.sizes[level], shifts[level] * worth) for level in range(h.height)])
            else:
                span = max(h.sizes[0] - 1, 1)
                found.append(
                    [(h.leaves(level) - 1) / span * LOST_COLUMN_M / max(self.total, 1) for level in range(h.height)]
                )
        return found


def _travels(hierarchy: Hierarchy) -> bool:
    """Whether a column's levels move a row by metres or minutes."""
    return hierarchy.displacement is not None and hierarchy.unit in ("m", "min")


class NonUniformEntropy(Additive):
    """Bits lost: log2 of how much commoner the released value is than the true one, over all cells.

    A suppressed row is generalised first and then merged with the other suppressed ones, as ARX counts it.
    """

    name = "entropy"

    def _costs(self) -> list[list[np.ndarray]]:
        found = []
        for j, h in enumerate(self.hierarchies):
            leaf = np.bincount(self.table.codes[j], weights=self.table.rows, minlength=h.sizes[0])
            costs = []
            for level in range(h.height):
                common = np.bincount(h.codes[level], weights=leaf, minlength=h.sizes[level])
                costs.append(np.log2(np.where(common > 0, common, 1.0)))
            found.append(costs)
        return found

    def _column_sums(self, column: int) -> np.ndarray:
        sums = super()._column_sums(column)
        return sums - sums[0]

    def penalty(self, levels: tuple[int, ...], figures: Figures) -> float:
        total, extra = float(figures.lost_rows), 0.0
        for rows in figures.lost:
            common = rows[rows > 0]
            extra += float((common * np.log2(total / common)).sum())
        return extra


def measure_of(
    name: str, table: ClassTable, hierarchies: Sequence[Hierarchy], *, least_rows: int, **options: float
) -> Measure:
    """The measure of a name in ``MEASURES``."""
    kinds: dict[str, type[Measure]] = {
        kind.name: kind
        for kind in (Discernibility, NormalisedCertaintyPenalty, ClassSize, NonUniformEntropy, Displacement)
    }
    if name not in kinds:
        raise SchemaError(f"no quality measure '{name}'", hint=f"one of {', '.join(MEASURES)}.")
    return kinds[name](table, hierarchies, least_rows, **options)
