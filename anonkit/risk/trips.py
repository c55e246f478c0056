"""Single trips: are origin, destination and time unique, and does a trip's origin give its destination away?

Trip uniqueness needs no persons and so can be run on anybody's open data: the share of rows that are alone in their
(origin, destination, time), and in classes of fewer than five. Destination inference (ruling 7) is the guess "where
most rows of this origin and time go"; control is the same guess with the target's own rows left out, baseline the
guess from all rows of the table. Source: Machanavajjhala et al. 2007 (homogeneity); de Montjoye et al. 2013.
Does not combine several trips of a person; `chains` and `unicity` do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anonkit.base.errors import SchemaError
from anonkit.risk.classes import class_risk
from anonkit.risk.incidence import Incidence, combine, compact, incidence
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
    return trip_risk_in(incidence(person, combine(*columns)))


def trip_risk_in(table: Incidence) -> RiskFigure:
    """`trip_risk` of persons and their trips' classes."""
    owner = np.repeat(np.arange(table.persons), np.diff(table.person_start))
    return trip_risk_of(owner, np.diff(table.item_start)[table.item], persons=table.persons)


def trip_risk_of(
    owner: Ints,
    size: Ints,
    own_rows: Ints | None = None,
    rows: Ints | None = None,
    *,
    persons: int,
    seed: int | None = None,
) -> RiskFigure:
    """`trip_risk` of a sample of persons, from the sizes of their trips' classes among everybody.

    Parameters
    ----------
    owner : the person of each of the sampled persons' classes.
    size : persons in it, of everybody.
    own_rows, rows : rows in it, of the person and of everybody; with them ``details`` tells the share of unique rows.
    persons : persons in the data.
    seed : of the sampling of persons; None: everybody is there.

    Privacy
    -------
    An attack on raw or released trips; the result stays inside.
    """
    attacked, number = compact(owner)
    fewest, second = np.full((2, len(attacked)), np.iinfo(np.int64).max)
    np.minimum.at(fewest, number, size)
    np.minimum.at(second, number[size > 1], size[size > 1])
    details = {"mean_risk": float((1 / fewest).mean()) if len(attacked) else 0.0}
    if own_rows is not None and rows is not None:
        total = max(1, int(own_rows.sum()))
        details |= {
            "unique_rows": float(own_rows[rows == 1].sum() / total),
            "rows_under_5": float(own_rows[rows < 5].sum() / total),
        }
    return value_figure(
        "trip uniqueness",
        (fewest == 1).astype(float),
        baseline=1 / max(1, persons),
        control=(second == 2).astype(float),
        control_excuses=False,
        seed=seed or 0,
        assumptions=("the attacker knows origin, destination and time of each of the target's trips",),
        details=details,
    )


def trip_risk_counted(
    alone: int, pairs: int, *, persons: int, sampled: Ints, seed: int, details: Mapping[str, Any]
) -> RiskFigure:
    """`trip_risk` of everybody, counted: how many are alone in a class of theirs, how many one of two in one.

    Parameters
    ----------
    sampled : of a sample of persons the fewest persons in a class of theirs, for the mean risk.
    """
    hits, control = np.zeros((2, persons))
    hits[:alone] = control[:pairs] = 1.0
    return value_figure(
        "trip uniqueness",
        hits,
        baseline=1 / max(1, persons),
        control=control,
        control_excuses=False,
        seed=seed,
        assumptions=("the attacker knows origin, destination and time of each of the target's trips",),
        details={
            "mean_risk": float((1 / sampled).mean()) if len(sampled) else 0.0,
            "mean_risk_persons": len(sampled),
            **details,
        },
    )


def alone_in_class(table: Incidence) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of each person whether he is alone in one of his classes, and whether he is one of two."""
    owner = np.repeat(np.arange(table.persons), np.diff(table.person_start))
    holders = np.diff(table.item_start)[table.item]
    alone, pair = np.zeros(table.persons, bool), np.zeros(table.persons, bool)
    alone[owner[holders == 1]] = True
    pair[owner[holders == 2]] = True
    return alone, pair


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
    cell = combine(given[known], destination[known])
    _, first = np.unique(cell, return_index=True)
    pair, count = _counted_pairs(person[known], cell)
    own_shown = np.where(shown, person[known], -1)
    mine = _looked_up(*_counted_pairs(own_shown, cell), pair)
    return inference_in(
        given[known][first].astype(np.int64),
        destination[known][first].astype(np.int64),
        np.bincount(cell, weights=shown, minlength=len(first)).astype(np.int64),
        np.bincount(cell, minlength=len(first)).astype(np.int64),
        owner=pair[0],
        cell=pair[1],
        own=count,
        own_shown=mine,
        seed=seed,
    )


def inference_in(
    given: Ints,
    asked: Ints,
    shown: Ints,
    rows: Ints,
    *,
    owner: Ints,
    cell: Ints,
    own: Ints,
    own_shown: Ints,
    seed: int,
) -> RiskFigure:
    """`destination_inference` of a table that is counted already.

    Parameters
    ----------
    given, asked : what is known and what is inferred, of each pair of the two ("cell"), which comes once.
    shown, rows : rows that are published in the cell, and all of them.
    owner, cell, own, own_shown : of each target and each of his cells: who, which, his rows, and how many are published.
    seed : of the interval's bootstrap.

    Privacy
    -------
    An attack on a row-level release or a flow table; the result stays inside.
    """
    classes, cls = compact(given)
    top, next_ = _two_largest(cls, shown, len(classes))
    at_top = np.bincount(cls[shown == top[cls]], minlength=len(classes))
    at_next = np.bincount(cls[shown == next_[cls]], minlength=len(classes))
    # Destinations that tie are guessed among at random: the share is what the attacker gets on average.
    here, mine = cls[cell], shown[cell]
    hit = np.where(mine == top[here], 1 / np.maximum(1, at_top[here]), 0.0)
    # Without his rows: is his destination still the guess? It is held against the largest of the others.
    alone_at_top = (mine == top[here]) & (at_top[here] == 1)
    rival = np.where(alone_at_top, next_[here], top[here])
    rivals = np.where(alone_at_top, at_next[here], at_top[here] - (mine == top[here]))
    rest = mine - own_shown
    left_out = np.where(rest > rival, 1.0, np.where((rest == rival) & (rest > 0), 1 / (1 + rivals), 0.0))
    overall = np.bincount(compact(asked)[1], weights=rows).max(initial=0) / max(1, int(rows.sum()))
    spread = np.bincount(cls[shown > 0], minlength=len(classes))
    persons, number = compact(owner)
    total = np.maximum(np.bincount(number, weights=own), 1) if len(persons) else np.zeros(0)
    single = np.bincount(cls, weights=rows, minlength=len(classes))[spread == 1].sum()
    return value_figure(
        "destination inference",
        np.bincount(number, weights=hit * own) / total if len(persons) else total,
        baseline=float(overall),
        control=np.bincount(number, weights=left_out * own) / total if len(persons) else total,
        seed=seed,
        assumptions=("the attacker knows origin and time of a trip and takes the most frequent destination",),
        details={
            "smallest_l": int(spread.min()) if len(spread) else 0,
            "rows_with_one_destination": float(single / max(1, int(rows.sum()))),
        },
    )


def _two_largest(cls: Ints, counts: Ints, classes: int) -> tuple[Ints, Ints]:
    """Of each class the largest count, and the largest one below it (0 where there is none)."""
    top, below = np.zeros((2, classes), np.int64)
    np.maximum.at(top, cls, counts)
    less = counts < top[cls]
    np.maximum.at(below, cls[less], counts[less])
    return top, below


def _counted_pairs(who: NDArray[np.integer], cell: Ints) -> tuple[tuple[Ints, Ints], Ints]:
    """Distinct (person, cell) with their rows; rows of nobody are left out."""
    width = int(cell.max(initial=0)) + 1
    key, count = np.unique(who[who >= 0].astype(np.int64) * width + cell[who >= 0], return_counts=True)
    return (key // width, key % width), count.astype(np.int64)


def _looked_up(known: tuple[Ints, Ints], count: Ints, asked: tuple[Ints, Ints]) -> Ints:
    """The counts of these pairs; 0 for a pair that is not there."""
    width = int(max(known[1].max(initial=0), asked[1].max(initial=0))) + 1
    have, want = known[0] * width + known[1], asked[0] * width + asked[1]
    if not len(have):
        return np.zeros(len(want), np.int64)
    place = np.minimum(np.searchsorted(have, want), len(have) - 1)
    return np.where(have[place] == want, count[place], 0)


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
