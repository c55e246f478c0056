"""Chains without ids: the end of one row is the start of the next, and a rare mode or an empty hour does the rest.

The attacker takes each row and looks for the row that begins where it ended (same cell, mode, operator) soonest
after it, within a gap; where exactly one candidate is left he claims that both are one person (ruling 15).
Control: rows that have no true continuation, where any claim is false; baseline: naming a row of the time window at
random. Source: Tockar 2014 and Douriez et al. 2016 (taxis); ruling 15. Looks one row ahead, not for whole days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anonkit.base.errors import SchemaError
from anonkit.risk.incidence import combine
from anonkit.risk.result import RiskFigure, value_figure

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ReleasedTrips:
    """What a recipient sees of each trip, as codes; all columns that say more about a trip go into ``traits``."""

    start_cell: NDArray[np.integer]
    end_cell: NDArray[np.integer]
    start_s: NDArray[np.integer]
    """Released start time: seconds, or the begin of its bin."""
    end_s: NDArray[np.integer]
    """Released or assumed end time."""
    traits: NDArray[np.integer] | None = None
    """Code of what does not change along a chain: mode, operator, vehicle class."""


def chain_claims(trips: ReleasedTrips, *, max_gap_s: int, of: NDArray[np.bool_] | None = None) -> Ints:
    """For each row the row claimed to follow it, or −1 where none or several candidates are nearest.

    ``of`` says for which rows the attacker makes a claim (default: all); every row is a candidate.
    """
    if max_gap_s < 0:
        raise SchemaError(f"max_gap_s is {max_gap_s}.", hint="a gap of at least 0 seconds.")
    rows = len(trips.start_cell)
    traits = trips.traits if trips.traits is not None else np.zeros(rows, np.int64)
    place = combine(np.concatenate([trips.start_cell, trips.end_cell]), np.concatenate([traits, traits]))
    start, end = place[:rows], place[rows:]
    order = np.lexsort((trips.start_s, start))
    time, ends = np.asarray(trips.start_s, np.int64)[order], np.asarray(trips.end_s, np.int64)
    asked = np.arange(rows) if of is None else np.flatnonzero(of)
    claim = np.full(rows, -1, np.int64)
    if rows:
        claim[asked] = _claims(order, start[order], time, end, ends, max_gap_s, asked)
    return claim


def chain_risk(
    trips: ReleasedTrips,
    person: NDArray[np.integer],
    *,
    max_gap_s: int,
    seed: int,
    true_s: NDArray[np.integer] | None = None,
) -> RiskFigure:
    """Share of a person's rows that are linked rightly to his next row.

    Parameters
    ----------
    trips : what is released.
    person : the true person of each row; for judging only; negative is nobody (his rows are candidates, no targets).
    max_gap_s : longest pause between end and next start.
    seed : of the interval's bootstrap.
    true_s : true start of each row, where what is released pools days (hour of week): by it the true continuations are
        told, for judging only. Default: the released times are the true ones.

    Returns
    -------
    RiskFigure over persons with at least one continuation within the gap (next row of the person starts within the
    gap, wherever). Control: share of the rows without such a continuation that are linked all the same.

    Privacy
    -------
    An attack on row-level releases; the result stays inside.

    Sources
    -------
    Ruling 15; Douriez et al. 2016, Anonymizing NYC Taxi Data: Does It Matter?

    Examples
    --------
    Person 0 goes 1 → 2 → 3; person 1 starts elsewhere.

    >>> seen = ReleasedTrips(start_cell=np.array([1, 2, 7]), end_cell=np.array([2, 3, 8]),
    ...     start_s=np.array([0, 900, 900]), end_s=np.array([600, 1500, 1500]))
    >>> chain_risk(seen, np.array([0, 0, 1]), max_gap_s=3600, seed=1).value
    1.0
    """
    claim = chain_claims(trips, max_gap_s=max_gap_s, of=person >= 0)
    start, end = np.asarray(trips.start_s, np.int64), np.asarray(trips.end_s, np.int64)
    truth = np.full(len(person), -1, np.int64)
    targets = np.flatnonzero(person >= 0)
    begin = start if true_s is None else np.asarray(true_s, np.int64)
    until = begin + end - start
    order = targets[np.lexsort((begin[targets], person[targets]))]
    before, after = order[:-1], order[1:]
    pause = begin[after] - until[before]
    follows = (person[before] == person[after]) & (person[before] >= 0) & (pause >= 0) & (pause <= max_gap_s)
    truth[before[follows]] = after[follows]
    has = truth >= 0
    right = has & (claim >= 0) & (person[np.maximum(claim, 0)] == person)
    in_time = np.sort(start)
    window = np.searchsorted(in_time, end[has] + max_gap_s, side="right") - np.searchsorted(in_time, end[has])
    persons, number = np.unique(person[has], return_inverse=True)
    per_person = np.bincount(number, weights=right[has]) / np.bincount(number) if len(persons) else np.zeros(0)
    without = ~has & (person >= 0)
    return value_figure(
        "chains without ids",
        per_person,
        baseline=float((1 / np.maximum(1, window)).mean()) if has.any() else 0.0,
        control=(claim[without] >= 0).astype(float) if without.any() else None,
        seed=seed,
        assumptions=(f"a row is followed by the one row that starts where it ended, within {max_gap_s} s",),
        details={
            "claims": int((claim >= 0).sum()),
            "claims_right": float(right.sum() / max(1, int((claim >= 0).sum()))),
            "continuations": int(has.sum()),
        },
    )


def _claims(order: Ints, place: Ints, time: Ints, end_place: Ints, end_s: Ints, gap: int, rows: Ints) -> Ints:
    """Of each of ``rows`` the row that starts soonest after it where it ended; the row itself does not count."""
    count = len(order)
    first_of = (
        np.searchsorted(place, end_place[rows], side="left"),
        np.searchsorted(place, end_place[rows], side="right"),
    )
    low, last = _first_at(time, end_s[rows], *first_of), first_of[1]
    last = np.where(end_place[rows] >= 0, last, 0)

    def candidate(at: Ints) -> tuple[Ints, Ints]:
        """The first position from ``at`` that is not the row itself, and its time; −1 where there is none."""
        at = at + (order[np.minimum(at, count - 1)] == rows)
        there = (at < last) & (time[np.minimum(at, count - 1)] <= end_s[rows] + gap)
        return np.where(there, at, -1), time[np.minimum(at, count - 1)]

    found, when = candidate(low)
    beside, then = candidate(np.maximum(found, 0) + 1)
    tied = (found >= 0) & (beside >= 0) & (then == when)
    return np.where((found >= 0) & ~tied, order[np.maximum(found, 0)], -1)


def _first_at(time: Ints, asked: Ints, low: Ints, high: Ints) -> Ints:
    """First position in [low, high) whose time is at least ``asked``; times ascend within each such range."""
    low, high = low.copy(), high.copy()
    while (low < high).any():
        middle = (low + high) // 2
        less = (low < high) & (time[np.minimum(middle, len(time) - 1)] < asked)
        low, high = np.where(less, middle + 1, low), np.where(less | (low >= high), high, middle)
    return low
