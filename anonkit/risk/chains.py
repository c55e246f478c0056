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
    begin = start if true_s is None else np.asarray(true_s, np.int64)
    has = _followed(person, begin, begin + end - start, max_gap_s)
    in_time = np.sort(start)
    window = np.searchsorted(in_time, end[has] + max_gap_s, side="right") - np.searchsorted(in_time, end[has])
    right = has & (claim >= 0) & (person[np.maximum(claim, 0)] == person)
    return _figure(person, has, claim >= 0, right, window, max_gap_s, seed)


@dataclass(frozen=True, kw_only=True)
class ReleasedClasses:
    """What a recipient sees of trips, class by class: as `ReleasedTrips`, each row standing for ``rows`` trips."""

    start_cell: NDArray[np.integer]
    end_cell: NDArray[np.integer]
    time_s: NDArray[np.integer]
    """Begin of the released bin."""
    traits: NDArray[np.integer]
    rows: NDArray[np.integer]
    few_class: NDArray[np.integer]
    """Class of each single row of the classes of at most two rows, and whose it is (other than a target's: any negative)."""
    few_owner: NDArray[np.integer]


def chain_risk_in(
    classes: ReleasedClasses,
    person: Ints,
    number: Ints,
    *,
    max_gap_s: int,
    seed: int,
    true_s: NDArray[np.integer] | None = None,
) -> RiskFigure:
    """`chain_risk` of some persons' rows among everybody's, of whom only the classes are known.

    Rows of a class start and end alike, so that of the nearest candidates only their number matters: one is claimed, of
    several none.

    Parameters
    ----------
    classes : everything that is released.
    person, number : of each target's row: who, and its class.
    max_gap_s, seed, true_s : as in `chain_risk`.

    Privacy
    -------
    An attack on row-level releases; the result stays inside.
    """
    place = combine(
        np.concatenate([classes.start_cell, classes.end_cell]), np.concatenate([classes.traits, classes.traits])
    )
    start, end = place[: len(classes.rows)], place[len(classes.rows) :]
    times, when = np.unique(np.asarray(classes.time_s, np.int64), return_inverse=True)
    group, member = np.unique(start * len(times) + when, return_inverse=True)
    rows = np.bincount(member, weights=classes.rows, minlength=len(group)).astype(np.int64)
    # Of groups of one or two rows: whose they are.
    order = np.argsort(member[classes.few_class], kind="stable")
    of_group, owner = member[classes.few_class][order], np.asarray(classes.few_owner, np.int64)[order]
    owners = np.full((len(group), 2), -1, np.int64)
    small = rows[of_group] <= 2
    of_group, owner = of_group[small], owner[small]
    again = np.concatenate([[False], of_group[1:] == of_group[:-1]]) if len(of_group) else np.zeros(0, bool)
    owners[of_group, again.astype(np.int64)] = owner

    aim, begin = end[number], np.asarray(classes.time_s, np.int64)[number]
    at = np.searchsorted(group, aim * len(times) + when[number])
    own = (at < len(group)) & (np.minimum(at, len(group) - 1) == member[number])
    own &= start[number] == aim
    left = rows[np.minimum(at, len(group) - 1)] - own
    at, own = np.where(left == 0, at + 1, at), own & (left > 0)
    there = np.minimum(at, len(group) - 1)
    near = (
        (at < len(group))
        & (group[there] // len(times) == aim)
        & (times[group[there] % len(times)] <= begin + max_gap_s)
    )
    claimed = near & (rows[there] - own == 1)
    first, second = owners[there].T
    other = np.where(own & (first == person), second, first)
    true = begin if true_s is None else np.asarray(true_s, np.int64)
    has = _followed(person, true, true, max_gap_s)
    until = np.concatenate([[0], np.cumsum(np.bincount(when, weights=classes.rows, minlength=len(times)))])
    window = (
        until[np.searchsorted(times, begin[has] + max_gap_s, side="right")] - until[np.searchsorted(times, begin[has])]
    )
    return _figure(person, has, claimed, has & claimed & (other == person), window, max_gap_s, seed)


def _followed(person: NDArray[np.integer], begin: Ints, until: Ints, gap: int) -> NDArray[np.bool_]:
    """Of each row whether its person's next row begins within the gap after its end."""
    has = np.zeros(len(person), bool)
    targets = np.flatnonzero(person >= 0)
    order = targets[np.lexsort((begin[targets], person[targets]))]
    before, after = order[:-1], order[1:]
    pause = begin[after] - until[before]
    has[before[(person[before] == person[after]) & (pause >= 0) & (pause <= gap)]] = True
    return has


def _figure(
    person: NDArray[np.integer],
    has: NDArray[np.bool_],
    claimed: NDArray[np.bool_],
    right: NDArray[np.bool_],
    window: NDArray[np.integer] | NDArray[np.floating],
    gap: int,
    seed: int,
) -> RiskFigure:
    persons, number = np.unique(person[has], return_inverse=True)
    per_person = np.bincount(number, weights=right[has]) / np.bincount(number) if len(persons) else np.zeros(0)
    without = ~has & (person >= 0)
    return value_figure(
        "chains without ids",
        per_person,
        baseline=float((1 / np.maximum(1, window)).mean()) if has.any() else 0.0,
        control=claimed[without].astype(float) if without.any() else None,
        seed=seed,
        assumptions=(f"a row is followed by the one row that starts where it ended, within {gap} s",),
        details={
            "claims": int(claimed.sum()),
            "claims_right": float(right.sum() / max(1, int(claimed.sum()))),
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
