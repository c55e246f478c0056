"""Differencing: what several published counts say together that none says alone.

Every published count is a sum over atoms (the finest classes). An attacker subtracts nested and overlapping sums,
within a release and between releases; a suppressed cell with a tight feasible interval is published all the same.
`derived_counts` looks for differences of two published sets (nested, or overlapping zones) that hold 0 < x < k
persons; `feasible` bounds suppressed cells by linear programming, which is the complementary-suppression attack.
Source: Fischetti and Salazar 2001; Pyrgelis et al. 2017; rulings 9, 11, 13. Person counts are not additive over
atoms: use rows, or persons where each is in one atom; `classes` recounts derived sets in persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from anonkit.base.errors import SchemaError
from anonkit.risk.result import RiskFigure, share_figure

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Derived:
    """A set of rows that can be derived by subtraction."""

    larger: int
    """Position of the published count that contains the other."""
    smaller: tuple[int, ...]
    """Positions that are subtracted."""
    value: float
    """Rows or trips derived."""
    persons: int
    """Persons in the derived set."""


def derived_counts(
    sets: Sequence[NDArray[np.integer]],
    values: Sequence[float],
    *,
    person: NDArray[np.integer],
    k: int,
) -> tuple[Derived, ...]:
    """Differences between published counts that hold at least one and fewer than k persons.

    Parameters
    ----------
    sets : rows (numbers) behind each published count, of all products and releases together.
    values : the published counts.
    person : the person of every row; negative is nobody.
    k : threshold.

    Returns
    -------
    Derived differences: a set minus one contained in it, and minus all its published children that do not overlap.

    Raises
    ------
    SchemaError : ``sets`` and ``values`` differ in length.

    Privacy
    -------
    Needs the raw rows; the result says which publications clash, so it stays inside (ruling 19).

    Sources
    -------
    Rulings 9, 11 and 13.

    Examples
    --------
    A zone of 4 persons and a part of it with 3: their difference is one person.

    >>> zone, part = np.array([0, 1, 2, 3]), np.array([0, 1, 2])
    >>> found = derived_counts([zone, part], [4, 3], person=np.arange(4), k=3)
    >>> found[0].persons, found[0].value
    (1, 1)
    """
    if len(sets) != len(values):
        raise SchemaError("published sets and values differ in length.", hint="one value a set.")
    rows = len(person)
    owner = np.repeat(np.arange(len(sets)), [len(s) for s in sets])
    flat = np.concatenate([np.asarray(s, np.int64) for s in sets]) if len(sets) else np.zeros(0, np.int64)
    matrix = sparse.csr_array((np.ones(len(flat), np.int64), (owner, flat)), shape=(len(sets), rows))
    common = (matrix @ matrix.T).tocoo()
    size = np.diff(matrix.indptr)
    inside = (common.row != common.col) & (common.data == size[common.row]) & (size[common.row] < size[common.col])
    found = []
    children: dict[int, list[int]] = {}
    for small, large in zip(common.row[inside], common.col[inside], strict=True):
        children.setdefault(int(large), []).append(int(small))
    for large, parts in children.items():
        options: list[tuple[int, ...]] = [(part,) for part in parts]
        cover = _disjoint(parts, sets, size)
        if len(cover) > 1:
            options.append(tuple(cover))
        for option in options:
            rest = np.setdiff1d(sets[large], np.concatenate([sets[p] for p in option]))
            who = person[rest]
            persons = len(np.unique(who[who >= 0]))
            if 0 < persons < k:
                value = values[large] - sum(values[p] for p in option)
                found.append(Derived(larger=large, smaller=option, value=value, persons=persons))
    return tuple(found)


def _disjoint(parts: list[int], sets: Sequence[NDArray[np.integer]], size: NDArray[np.integer]) -> list[int]:
    """Largest parts first, those that do not overlap."""
    taken: set[int] = set()
    chosen = []
    for part in sorted(parts, key=lambda p: -int(size[p])):
        members = {int(r) for r in sets[part]}
        if not members & taken:
            chosen.append(part)
            taken |= members
    return chosen


def differencing_risk(
    sets: Sequence[NDArray[np.integer]], values: Sequence[float], *, person: NDArray[np.integer], k: int
) -> RiskFigure:
    """Share of persons who stand in some derived set of fewer than k; baseline: in a *published* set of fewer than k."""
    found = derived_counts(sets, values, person=person, k=k)
    persons = np.unique(person[person >= 0])
    hit, shown = np.zeros(len(persons), bool), np.zeros(len(persons), bool)
    for one in found:
        rest = np.setdiff1d(sets[one.larger], np.concatenate([sets[p] for p in one.smaller]))
        hit |= np.isin(persons, person[rest])
    for rows in sets:
        who = np.unique(person[rows])
        if 0 < (who >= 0).sum() < k:
            shown |= np.isin(persons, who)
    return share_figure(
        "differencing",
        hit,
        baseline=float(shown.mean()) if len(persons) else 0.0,
        assumptions=("all products and releases are in one hand (ruling 12); differences of nested sets",),
        details={"derived_sets": len(found), "published_sets": len(sets)},
    )


@dataclass(frozen=True, kw_only=True)
class Feasible:
    """What is possible for each suppressed cell."""

    low: Floats
    high: Floats

    @property
    def exact(self) -> NDArray[np.bool_]:
        """Cells that are settled: published all the same."""
        return np.asarray(self.high - self.low < 0.5)

    def protected(self, truth: Floats, *, width: float) -> NDArray[np.bool_]:
        """Cells whose interval is at least ``width`` wide around the truth."""
        return np.asarray((self.high - self.low >= width) & (self.low <= truth) & (truth <= self.high))


def feasible(
    sums: sparse.sparray | NDArray[np.floating],
    published: Floats,
    *,
    suppressed: NDArray[np.integer],
    known: Floats,
    below: float | None = None,
) -> Feasible:
    """Least and largest possible value of each suppressed cell.

    Parameters
    ----------
    sums : published totals × cells, 0/1: which cells each total adds up.
    published : the totals.
    suppressed : numbers of the cells that are not published.
    known : value of every cell (those of suppressed cells are not read).
    below : a suppressed cell is known to lie under this (k), if the rule is public.

    Returns
    -------
    Feasible

    Raises
    ------
    SchemaError : the published numbers contradict each other (they were perturbed, or are not sums of these cells).

    Privacy
    -------
    A cell is protected if its interval is wide, not merely if it is blank.

    Sources
    -------
    Fischetti and Salazar 2001, Solving the Cell Suppression Problem.

    Examples
    --------
    One row of three cells, total 10, one blank: it is 10 − 4 − 3.

    >>> bounds = feasible(np.ones((1, 3)), np.array([10.0]), suppressed=np.array([1]), known=np.array([4.0, 0, 3]))
    >>> bounds.low.tolist(), bounds.high.tolist()
    ([3.0], [3.0])
    """
    matrix = sparse.csr_array(sums)
    shown = np.setdiff1d(np.arange(matrix.shape[1]), suppressed)
    right = published - matrix[:, shown] @ known[shown]
    part = matrix[:, suppressed]
    top = None if below is None else max(0.0, below - 1)
    low, high = np.zeros(len(suppressed)), np.zeros(len(suppressed))
    for i in range(len(suppressed)):
        cost = np.zeros(len(suppressed))
        cost[i] = 1
        for sign, target in ((1, low), (-1, high)):
            solved = optimize.linprog(sign * cost, A_eq=part, b_eq=right, bounds=(0, top), method="highs")
            if solved.status == 2:
                raise SchemaError(
                    "the published totals contradict their cells.",
                    hint="perturbed counts cannot be differenced exactly; that is their purpose.",
                )
            target[i] = solved.x[i] if solved.status == 0 else np.inf
    return Feasible(low=np.round(low, 9), high=np.round(high, 9))
