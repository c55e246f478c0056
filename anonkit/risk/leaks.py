"""Order and index: does the place of a row in the file tell when or whose it was?

Released rows are sorted by released columns only; within equal rows the order must be random. Two looks: do
neighbouring rows keep the hidden order (input row number, exact time, trip number), and do neighbours belong to one
person more often than chance? Source: ruling 3 of DESIGN.md, section 1; Tockar 2014 (ids by order).
Does not look into file metadata or compression.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anonkit.base.entropy import seeded
from anonkit.base.errors import SchemaError
from anonkit.risk.result import RiskFigure, share_figure, share_interval


def order_leak(
    released: NDArray[np.integer], hidden: NDArray[np.integer] | NDArray[np.floating], *, seed: int
) -> RiskFigure:
    """Share of neighbouring equal rows that stand in the order of a hidden value.

    Parameters
    ----------
    released : code of all released columns of each row, in the order of the file.
    hidden : the row's input number, exact time or trip number; for judging only.
    seed : of the control's shuffle.

    Returns
    -------
    RiskFigure; pairs of neighbours do not overlap, so they are independent; baseline 1/2, control the same rows
    shuffled. A value far below 1/2 (descending order) is told as 1 − value.

    Raises
    ------
    SchemaError : lengths differ.

    Privacy
    -------
    An attack on a file; needs the hidden column only to judge it. An index that is released belongs into
    ``released`` as a column of its own: then every row is a class and `index_leak` is the test.

    Sources
    -------
    DESIGN.md section 1, 3.

    Examples
    --------
    >>> order_leak(np.zeros(40, int), np.arange(40), seed=1).value
    1.0
    """
    if len(released) != len(hidden):
        raise SchemaError("released and hidden differ in length.", hint="one hidden value a released row.")
    shuffled = np.lexsort((seeded(seed).random(len(released)), released))
    ordered = np.argsort(released, kind="stable")
    value, control = _ascending(released[ordered], hidden[ordered]), _ascending(released[shuffled], hidden[shuffled])
    if value.mean() < 0.5 if len(value) else False:
        value = ~value
    return share_figure(
        "order of rows",
        value,
        baseline=0.5,
        control_hits=control,
        seed=seed,
        assumptions=("rows that are equal in all released columns should stand in random order",),
        details={"pairs": len(value)},
    )


def index_leak(
    index: NDArray[np.integer], hidden: NDArray[np.integer] | NDArray[np.floating], *, seed: int
) -> RiskFigure:
    """Share of random pairs of rows whose released number is in the order of a hidden value; baseline 1/2."""
    rng = seeded(seed)
    order = rng.permutation(len(index) - len(index) % 2).reshape(-1, 2)
    a, b = order[:, 0], order[:, 1]
    differ = hidden[a] != hidden[b]
    value = ((index[a] < index[b]) == (hidden[a] < hidden[b]))[differ]
    shuffled = rng.permutation(index)
    control = ((shuffled[a] < shuffled[b]) == (hidden[a] < hidden[b]))[differ]
    if len(value) and value.mean() < 0.5:
        value = ~value
    return share_figure(
        "released index",
        value,
        baseline=0.5,
        control_hits=control,
        seed=seed,
        assumptions=("a fresh number should not follow time or input order",),
    )


def neighbour_leak(person: NDArray[np.integer]) -> RiskFigure:
    """Share of neighbouring rows of one person, in the order of the file, against what chance gives.

    Parameters
    ----------
    person : true person of each released row, in the order of the file; negative is nobody.

    Returns
    -------
    RiskFigure; baseline: the share among all pairs of rows.

    Privacy
    -------
    A high share may come from the released columns themselves; compare with rows sorted by them and shuffled within.

    Sources
    -------
    DESIGN.md section 1, 3.

    Examples
    --------
    >>> neighbour_leak(np.array([0, 0, 0, 1, 1, 1])).value
    0.8
    """
    known = person >= 0
    counts = np.unique(person[known], return_counts=True)[1].astype(float)
    rows = len(person)
    baseline = float((counts * (counts - 1)).sum() / max(1, rows * (rows - 1)))
    same = (person[1:] == person[:-1]) & (person[1:] >= 0)
    found = share_interval(int(same.sum()), len(same))
    return RiskFigure(
        name="neighbouring rows of one person",
        value=found.value,
        low=found.low,
        high=found.high,
        baseline=baseline,
        persons=len(counts),
        trials=len(same),
        assumptions=("the attacker reads rows in the order of the file",),
    )


def _ascending(released: NDArray[np.integer], hidden: NDArray[np.integer] | NDArray[np.floating]) -> NDArray[np.bool_]:
    """For disjoint neighbouring pairs within a class: whether the first has the smaller hidden value."""
    if len(released) < 2:
        return np.zeros(0, bool)
    begin = np.flatnonzero(np.concatenate([[True], released[1:] != released[:-1]]))
    rank = np.arange(len(released)) - np.repeat(begin, np.diff(np.concatenate([begin, [len(released)]])))
    first = np.flatnonzero((rank[:-1] % 2 == 0) & (released[1:] == released[:-1]))
    first = first[hidden[first] != hidden[first + 1]]
    return hidden[first] < hidden[first + 1]
