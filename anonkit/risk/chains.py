"""Chains without ids: the end of one row is the start of the next, and a rare mode or an empty hour does the rest.

The attacker takes each row and looks for the row that begins where it ended (same cell, mode, operator) soonest
after it, within a gap; where exactly one candidate is left he claims that both are one person (ruling 15).
Control: rows that have no true continuation, where any claim is false; baseline: naming a row of the time window at
random. Source: Tockar 2014 and Douriez et al. 2016 (taxis); ruling 15. Looks one row ahead, not for whole days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
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


def chain_claims(trips: ReleasedTrips, *, max_gap_s: int) -> Ints:
    """For each row the row claimed to follow it, or −1 where none or several candidates are nearest."""
    if max_gap_s < 0:
        raise SchemaError(f"max_gap_s is {max_gap_s}.", hint="a gap of at least 0 seconds.")
    rows = len(trips.start_cell)
    traits = trips.traits if trips.traits is not None else np.zeros(rows, np.int64)
    place = combine(np.concatenate([trips.start_cell, trips.end_cell]), np.concatenate([traits, traits]))
    start, end = place[:rows], place[rows:]
    order = np.lexsort((trips.start_s, start))
    return _claims(
        order,
        start[order],
        np.asarray(trips.start_s, np.int64)[order],
        end,
        np.asarray(trips.end_s, np.int64),
        max_gap_s,
    )


def chain_risk(trips: ReleasedTrips, person: NDArray[np.integer], *, max_gap_s: int, seed: int) -> RiskFigure:
    """Share of a person's rows that are linked rightly to his next row.

    Parameters
    ----------
    trips : what is released.
    person : the true person of each row; for judging only; negative is nobody (his rows are candidates, no targets).
    max_gap_s : longest pause between end and next start.
    seed : of the interval's bootstrap.

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
    claim = chain_claims(trips, max_gap_s=max_gap_s)
    start, end = np.asarray(trips.start_s, np.int64), np.asarray(trips.end_s, np.int64)
    truth = np.full(len(person), -1, np.int64)
    order = np.lexsort((start, person))
    before, after = order[:-1], order[1:]
    pause = start[after] - end[before]
    follows = (person[before] == person[after]) & (person[before] >= 0) & (pause >= 0) & (pause <= max_gap_s)
    truth[before[follows]] = after[follows]
    has = truth >= 0
    right = has & (claim >= 0) & (person[np.maximum(claim, 0)] == person)
    window = np.searchsorted(np.sort(start), end + max_gap_s, side="right") - np.searchsorted(np.sort(start), end)
    persons, number = np.unique(person[has], return_inverse=True)
    per_person = np.bincount(number, weights=right[has]) / np.bincount(number) if len(persons) else np.zeros(0)
    without = ~has & (person >= 0)
    return value_figure(
        "chains without ids",
        per_person,
        baseline=float((1 / np.maximum(1, window[has])).mean()) if has.any() else 0.0,
        control=(claim[without] >= 0).astype(float) if without.any() else None,
        seed=seed,
        assumptions=(f"a row is followed by the one row that starts where it ended, within {max_gap_s} s",),
        details={
            "claims": int((claim >= 0).sum()),
            "claims_right": float(right.sum() / max(1, int((claim >= 0).sum()))),
            "continuations": int(has.sum()),
        },
    )


@njit(cache=True)
def _claims(order: Ints, place: Ints, time: Ints, end_place: Ints, end_s: Ints, gap: int) -> Ints:
    rows = len(order)
    claim = np.full(rows, -1, np.int64)
    for row in range(rows):
        low, high = 0, rows
        while low < high:
            middle = (low + high) // 2
            if place[middle] < end_place[row] or (place[middle] == end_place[row] and time[middle] < end_s[row]):
                low = middle + 1
            else:
                high = middle
        found, when, several = -1, 0, False
        k = low
        while k < rows and place[k] == end_place[row] and time[k] <= end_s[row] + gap and end_place[row] >= 0:
            if order[k] != row:
                if found < 0:
                    found, when = order[k], time[k]
                else:
                    several = time[k] == when
                    break
            k += 1
        if found >= 0 and not several:
            claim[row] = found
    return claim
