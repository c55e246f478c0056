"""Single trips: are origin, destination and time unique, and does a trip's origin give its destination away?

Trip uniqueness needs no persons and so can be run on anybody's open data: the share of rows that are alone in their
(origin, destination, time), and in classes of fewer than five. Destination inference (ruling 7) is the guess "where
most rows of this origin and time go"; control is the same guess with the target's own rows left out, baseline the
guess from all rows of the table. Source: Machanavajjhala et al. 2007 (homogeneity); de Montjoye et al. 2013.
Does not combine several trips of a person; `chains` and `unicity` do.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from anonkit.base.errors import SchemaError
from anonkit.risk.classes import class_risk
from anonkit.risk.incidence import combine, incidence
from anonkit.risk.result import RiskFigure, value_figure

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class TripUniqueness:
    """How many rows stand alone."""

    rows: int
    classes: int
    unique_rows: Fraction
    """Share of rows that are alone in their class."""
    rows_under_5: Fraction
    """Share of rows in classes of fewer than five rows."""
    largest_class: int


def trip_uniqueness(*columns: NDArray[np.integer]) -> TripUniqueness:
    """Share of rows unique in the combination of ``columns``, in rows: for data that knows no persons.

    Parameters
    ----------
    columns : codes, e.g. origin, destination, hour; a negative code is a value of its own ("unknown").

    Returns
    -------
    TripUniqueness

    Raises
    ------
    SchemaError : no column was given.

    Privacy
    -------
    Counts rows: an upper bound of persons, so a class of 5 rows may be one person.

    Sources
    -------
    Sweeney 2002.

    Examples
    --------
    >>> trip_uniqueness(np.array([1, 1, 2]), np.array([3, 3, 3])).unique_rows
    Fraction(1, 3)
    """
    if not columns:
        raise SchemaError("no column to combine.", hint="give origin, destination and time.")
    code = combine(*(np.asarray(c, np.int64) - min(0, int(np.min(c, initial=0))) for c in columns))
    sizes = np.bincount(code) if len(code) else np.zeros(0, np.int64)
    rows = int(sizes.sum())
    return TripUniqueness(
        rows=rows,
        classes=len(sizes),
        unique_rows=Fraction(int((sizes == 1).sum()), max(1, rows)),
        rows_under_5=Fraction(int(sizes[sizes < 5].sum()), max(1, rows)),
        largest_class=int(sizes.max(initial=0)),
    )


def trip_risk(person: NDArray[np.integer], *columns: NDArray[np.integer]) -> RiskFigure:
    """Mean over persons of the largest 1 / persons over his trips' classes; control: left out, one other fits."""
    if not columns:
        raise SchemaError("no column to combine.", hint="give origin, destination and time.")
    table = incidence(person, combine(*columns))
    size = np.diff(table.item_start)[table.item]
    begin = table.person_start[:-1]
    fewest = np.minimum.reduceat(size, begin) if table.persons else size
    second = np.minimum.reduceat(np.where(size == 1, np.iinfo(np.int64).max, size), begin) if table.persons else size
    return value_figure(
        "trip uniqueness",
        (fewest == 1).astype(float),
        baseline=1 / max(1, table.persons),
        control=(second == 2).astype(float),
        control_excuses=False,
        seed=0,
        assumptions=("the attacker knows origin, destination and time of each of the target's trips",),
        details={"mean_risk": float((1 / fewest).mean()) if table.persons else 0.0},
    )


def destination_inference(
    person: NDArray[np.integer],
    given: NDArray[np.integer],
    destination: NDArray[np.integer],
    *,
    seed: int,
    published: NDArray[np.bool_] | None = None,
) -> RiskFigure:
    """How often the most frequent destination of a known origin and time is the target's own.

    Parameters
    ----------
    person : code of each row's person; rows of nobody inform the guess but are no target.
    given : code of what is known, e.g. ``combine(start_cell, start_bin)``; exchange origin and destination for the
        other direction.
    destination : code of what is inferred.
    seed : of the interval's bootstrap.
    published : rows the guess is made from; the others are targets too, as the attacker cannot know whether his
        target's trip was suppressed. Origins and times without any published row are left out. Default: all.

    Returns
    -------
    RiskFigure over persons (his share of rows guessed). Control: the guess made without his own rows, which is what
    the release says about anybody; baseline: the table's most frequent destination. ``details`` has the share of rows
    in classes with a single destination (l = 1) and the smallest l.

    Privacy
    -------
    An attack on a row-level release or a flow table; the result stays inside.

    Sources
    -------
    Machanavajjhala et al. 2007, l-Diversity, section 3; ruling 7.

    Examples
    --------
    Two persons start at 1 and both go to 9: homogeneous, each is inferred even without his own row.

    >>> found = destination_inference(np.array([0, 1]), np.array([1, 1]), np.array([9, 9]), seed=1)
    >>> found.value, found.control, found.details["smallest_l"]
    (1.0, 1.0, 1)
    """
    known = (given >= 0) & (destination >= 0)
    if published is not None:
        known &= np.isin(given, given[published])
    shown = np.ones(int(known.sum()), bool) if published is None else published[known]
    who, cls, dest = person[known], combine(given[known]), combine(destination[known])
    rows = np.ones(len(who), np.int64)
    cell = combine(cls, dest)
    counts = np.bincount(cell, weights=shown).astype(np.int64) if len(cell) else rows
    top, runner_up, top_cell = _two_largest(cls, cell, counts)
    hit = cell == top_cell[cls]
    target = who >= 0
    own_cell = _own(np.where(shown, who, -1), cell)
    # Without his rows: the cell is still the guess if what is left exceeds every other destination without him.
    control = np.zeros(len(who), bool)
    for row in np.flatnonzero(target & (counts[cell] > own_cell)):
        rest = top[cls[row]] if cell[row] != top_cell[cls[row]] else runner_up[cls[row]]
        control[row] = counts[cell[row]] - own_cell[row] > rest
    control |= target & hit & (counts[cell] - own_cell > runner_up[cls])
    overall = np.bincount(dest).max(initial=0) / max(1, len(dest))
    spread = np.bincount(cls[shown][np.unique(cell[shown], return_index=True)[1]]) if len(cls) else rows
    persons, number = np.unique(who[target], return_inverse=True)
    per_person = np.bincount(number, weights=hit[target]) / np.bincount(number) if len(persons) else np.zeros(0)
    left_out = np.bincount(number, weights=control[target]) / np.bincount(number) if len(persons) else np.zeros(0)
    return value_figure(
        "destination inference",
        per_person,
        baseline=float(overall),
        control=left_out,
        seed=seed,
        assumptions=("the attacker knows origin and time of a trip and takes the most frequent destination",),
        details={
            "smallest_l": int(spread.min()) if len(spread) else 0,
            "rows_with_one_destination": float((spread[cls] == 1).mean()) if len(cls) else 0.0,
        },
    )


def _two_largest(cls: Ints, cell: Ints, counts: Ints) -> tuple[Ints, Ints, Ints]:
    classes = int(cls.max(initial=-1)) + 1
    cells, first = np.unique(cell, return_index=True)
    order = np.lexsort((cells, -counts[cells], cls[first]))
    ordered_class = cls[first][order]
    begin = np.flatnonzero(np.concatenate([[True], ordered_class[1:] != ordered_class[:-1]])) if len(order) else order
    top, second, name = (np.zeros(classes, np.int64) for _ in range(3))
    top[ordered_class[begin]] = counts[cells[order[begin]]]
    name[ordered_class[begin]] = cells[order[begin]]
    more = begin[
        (begin + 1 < len(order)) & (ordered_class[np.minimum(begin + 1, len(order) - 1)] == ordered_class[begin])
    ]
    second[ordered_class[more]] = counts[cells[order[more + 1]]]
    return top, second, name


def _own(who: NDArray[np.integer], cell: Ints) -> Ints:
    pair = combine(np.where(who >= 0, who, -1), cell)
    counts = np.bincount(pair[pair >= 0]) if (pair >= 0).any() else np.zeros(1, np.int64)
    return np.where(pair >= 0, counts[np.maximum(pair, 0)], 0)


def class_table(person: NDArray[np.integer], *columns: NDArray[np.integer]) -> tuple[Ints, Ints, Ints]:
    """The (class, person, rows) arrays that `class_risk` takes, from one row a trip; nobody's rows are kept as −1."""
    code = combine(*(np.asarray(c, np.int64) - min(0, int(np.min(c, initial=0))) for c in columns))
    who = np.where(person >= 0, person, -1).astype(np.int64)
    pairs, rows = np.unique(np.column_stack([code, who]), axis=0, return_counts=True)
    return pairs[:, 0], pairs[:, 1], rows.astype(np.int64)


__all__ = [
    "TripUniqueness",
    "class_risk",
    "class_table",
    "destination_inference",
    "trip_risk",
    "trip_uniqueness",
]
