"""Home, work and most visited places as a fingerprint: how many people have the same?

Home is the most frequent place of the night (20–7 h local), work the most frequent other place of weekdays 9–17 h;
top-N is the set of the N most frequent places at any time. A person is singled out when nobody else has the same set.
Control: the person left out, and exactly one other fits. Source: Golle and Partridge 2009 (home–work pairs);
Zang and Bolot 2011 (top-N). Does not find the address of a home; it shows that a pair is nearly a name.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anonkit.risk.incidence import combine, incidence
from anonkit.risk.result import RiskFigure, share_figure

Ints = NDArray[np.int64]
NIGHT_BEGIN_H, NIGHT_END_H = 20, 7
WORK_BEGIN_H, WORK_END_H = 9, 17
HOURS_A_WEEK = 168
KNOWS_PAIR = "the attacker knows the cells of home and work"


def knows_top(top: int) -> str:
    """What the attacker of the most visited places knows."""
    return f"the attacker knows the {top} most visited places"


def top_places_risk(person: NDArray[np.integer], place: NDArray[np.integer], *, top: int) -> RiskFigure:
    """Share of persons whose set of ``top`` most visited places is theirs alone.

    Parameters
    ----------
    person, place : codes, one entry a visit; negative is unknown.
    top : int >= 1. Places known; ties by place code. A person with fewer places is known whole.

    Returns
    -------
    RiskFigure; baseline 1 / persons, control the persons left out of the data.

    Privacy
    -------
    An attack on raw or released points; the result stays inside.

    Sources
    -------
    Zang and Bolot 2011, Anonymization of Location Data Does Not Work.

    Examples
    --------
    >>> top_places_risk(np.array([0, 0, 1, 1, 2]), np.array([1, 2, 1, 2, 7]), top=2).value
    0.3333333333333333
    """
    table = incidence(person, place)
    owner = np.repeat(np.arange(table.persons), np.diff(table.person_start))
    order = np.lexsort((table.item, -table.count, owner))
    rank = np.arange(len(order)) - table.person_start[owner[order]]
    best = np.full((table.persons, top), -1, np.int64)
    kept = order[rank < top]
    best[owner[kept], rank[rank < top]] = table.item[kept]
    return _same_set(f"top {top} places", np.sort(best, axis=1), knows_top(top))


def home_work_risk(
    person: NDArray[np.integer], place: NDArray[np.integer], hour_of_week: NDArray[np.integer]
) -> RiskFigure:
    """Share of persons whose pair of home and work is theirs alone.

    Parameters
    ----------
    person, place : codes, one entry a visit; negative is unknown.
    hour_of_week : local hour, 0 = Monday 0–1 h … 167.

    Returns
    -------
    RiskFigure over the persons of whom a home or a work place can be told.

    Privacy
    -------
    An attack on raw or released points; the result stays inside.

    Sources
    -------
    Golle and Partridge 2009, On the Anonymity of Home/Work Location Pairs.
    """
    pairs, told = home_and_work(person, place, hour_of_week)
    return _same_set("home and work", pairs[told], KNOWS_PAIR)


def home_and_work(
    person: NDArray[np.integer], place: NDArray[np.integer], hour_of_week: NDArray[np.integer]
) -> tuple[Ints, NDArray[np.bool_]]:
    """Home and work of each person (ascending code), −1 where unknown, and of whom at least one is known."""
    hour, day = hour_of_week % 24, hour_of_week // 24
    night = (hour >= NIGHT_BEGIN_H) | (hour < NIGHT_END_H)
    office = (hour >= WORK_BEGIN_H) & (hour < WORK_END_H) & (day < 5)
    persons = np.unique(person[person >= 0])
    home = _most_frequent(persons, person, place, night)
    at_home = place == np.where(person >= 0, home[np.searchsorted(persons, person) % max(1, len(persons))], -2)
    work = _most_frequent(persons, person, place, office & ~at_home)
    return np.column_stack([home, work]), (home >= 0) | (work >= 0)


def _most_frequent(
    persons: Ints, person: NDArray[np.integer], place: NDArray[np.integer], rows: NDArray[np.bool_]
) -> Ints:
    result = np.full(len(persons), -1, np.int64)
    table = incidence(person[rows], place[rows])
    owner = np.repeat(np.arange(table.persons), np.diff(table.person_start))
    order = np.lexsort((-table.item, table.count, owner))
    last = table.person_start[1:] - 1
    result[np.searchsorted(persons, table.person_code)] = table.item_code[table.item[order[last]]]
    return result


def _same_set(name: str, sets: Ints, knows: str) -> RiskFigure:
    code = combine(*(column + 1 for column in sets.T)) if len(sets) else np.zeros(0, np.int64)
    size, groups = np.unique(np.bincount(code), return_counts=True) if len(code) else (code, code)
    return alike_figure(name, size, groups, knows)


def alike_figure(name: str, size: Ints, groups: Ints, knows: str) -> RiskFigure:
    """Share of persons whose set of places is theirs alone, from how many groups of each size have one set in common.

    Parameters
    ----------
    size, groups : persons in a group with the same set, and how many groups have that size.
    knows : what the attacker knows, for the assumptions.

    Privacy
    -------
    An attack on raw or released points; the result stays inside.

    Examples
    --------
    One person by himself, two who share their set:

    >>> alike_figure("top 2 places", np.array([1, 2]), np.array([1, 1]), "…").value
    0.3333333333333333
    """
    each = np.repeat(size, size * groups)
    return share_figure(
        name,
        each == 1,
        baseline=1 / max(1, len(each)),
        control_hits=each == 2,
        control_excuses=False,
        assumptions=(knows, "control: the target left out of the data, and exactly one other person fits"),
        details={"median_persons_alike": float(np.median(each)) if len(each) else 0.0},
    )
