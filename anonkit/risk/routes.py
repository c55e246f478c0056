"""Routes: a short piece of a path names its walker, and a circle around trimmed ends names his home.

`subpath_risk` draws a run of consecutive links of each person and counts the persons who ever walked that run.
`patterns_walked_in_full` recounts ruling 31: who walked each published pattern, in full and by how many drivers.
`circle_fit` is the attack on trimming by a circle: the trimmed ends lie on it, so least squares returns its centre;
an end cut at the border of a public cell (ruling 30) tells that cell and no more.
Source: Xu, Karp et al. on sub-trajectories as quasi-identifiers (Terrovitis and Mamoulis 2008); Hassan et al. 2018,
Analysis of Privacy Protections in Fitness Tracking Social Networks (circles); Kåsa 1976 (fit).
Does not match noisy GPS points to roads; it takes matched links.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anonkit.base.entropy import seeded
from anonkit.risk.incidence import combine, incidence
from anonkit.risk.result import RiskFigure, share_figure

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def runs_of(trip: NDArray[np.integer], link: NDArray[np.integer], *, length: int) -> tuple[Ints, Ints]:
    """Code of every run of ``length`` links within a trip, and the row where it begins; rows are in order of travel."""
    rows = len(trip) - length + 1
    if rows <= 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    whole = np.flatnonzero(trip[:rows] == trip[length - 1 :])
    # A run lies within a trip if its first and last row do, as rows of a trip stand together.
    return combine(*(link[whole + shift] for shift in range(length))), whole


def subpath_risk(
    person: NDArray[np.integer],
    trip: NDArray[np.integer],
    link: NDArray[np.integer],
    *,
    length: int,
    seed: int,
) -> RiskFigure:
    """Share of persons singled out by ``length`` consecutive links of one of their trips.

    Parameters
    ----------
    person, trip, link : one entry a link walked, rows of a trip together and in order; negative person is nobody.
    length : int >= 1. Links known.
    seed : draws the known run of each person.

    Returns
    -------
    RiskFigure; control: the person left out, and exactly one other walked the run; baseline 1 / persons.

    Privacy
    -------
    Matched links are as raw as coordinates (ruling 30): the result stays inside.

    Sources
    -------
    Terrovitis and Mamoulis 2008, Privacy Preservation in the Publication of Trajectories.

    Examples
    --------
    >>> walked = subpath_risk(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), np.array([5, 6, 5, 7]), length=2, seed=1)
    >>> walked.value, subpath_risk(np.array([0, 1]), np.array([0, 1]), np.array([5, 5]), length=1, seed=1).value
    (1.0, 0.0)
    """
    run, row = runs_of(trip, link, length=length)
    who = person[row]
    kept = (who >= 0) & (run >= 0)
    table = incidence(who[kept], run[kept])
    walkers = np.diff(table.item_start)
    rng = seeded(seed)
    sizes = np.diff(table.person_start)
    chosen = table.item[table.person_start[:-1] + (rng.random(table.persons) * sizes).astype(np.int64)]
    return share_figure(
        f"sub-path of {length} links (before)",
        walkers[chosen] == 1,
        baseline=1 / max(1, table.persons),
        control_hits=walkers[chosen] == 2,
        control_excuses=False,
        seed=seed,
        assumptions=(f"the attacker saw his target walk {length} links in a row",),
        details={"runs": table.items, "runs_of_one_person": int((walkers == 1).sum())},
    )


def published_subpath_risk(
    patterns: Sequence[tuple[int, ...]],
    person: NDArray[np.integer],
    trip: NDArray[np.integer],
    link: NDArray[np.integer],
    *,
    length: int,
    seed: int,
) -> RiskFigure:
    """Share of persons of whom a published route tells more than the piece that the attacker saw, and of them alone.

    Parameters
    ----------
    patterns : links of every published route.
    person, trip, link, length, seed : as for `subpath_risk`; the same pieces are drawn.

    Returns
    -------
    RiskFigure; a person is found if a published route holds the known piece and only he walked that route in full.

    Privacy
    -------
    Reads raw walks to judge the attack: inside only.

    Sources
    -------
    Ruling 31; Terrovitis and Mamoulis 2008.

    Examples
    --------
    >>> person, trip, link = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 1, 1]), np.array([5, 6, 7, 5, 6, 8])
    >>> published_subpath_risk([(5, 6, 7)], person, trip, link, length=3, seed=1).value
    0.5
    >>> published_subpath_risk([(5, 6)], person, trip, link, length=2, seed=1).value
    0.0
    """
    support = patterns_walked_in_full(patterns, person, trip, link)
    alone = {pattern for pattern, found in zip(patterns, support, strict=True) if found.persons == 1}
    pieces = {pattern[at : at + length] for pattern in alone for at in range(len(pattern) - length + 1)}
    _, row = runs_of(trip, link, length=length)
    row = row[person[row] >= 0]
    who = person[row]
    order = np.argsort(who, kind="stable")
    start = np.flatnonzero(np.r_[True, np.diff(who[order]) != 0]) if len(who) else np.zeros(0, np.int64)
    sizes = np.diff(np.r_[start, len(who)])
    chosen = row[order][start + (seeded(seed).random(len(start)) * sizes).astype(np.int64)]
    hits = np.array([tuple(link[at : at + length].tolist()) in pieces for at in chosen.tolist()], dtype=bool)
    return share_figure(
        f"sub-path of {length} links (leaves)",
        hits,
        baseline=1 / max(1, len(start)),
        control_excuses=False,
        seed=seed,
        assumptions=(f"the attacker saw his target walk {length} links in a row, and reads the published routes",),
        details={"routes": len(patterns)},
    )


@dataclass(frozen=True, kw_only=True)
class PatternSupport:
    """Who walked a published pattern in full."""

    persons: int
    drivers: int


def patterns_walked_in_full(
    patterns: Sequence[tuple[int, ...]],
    person: NDArray[np.integer],
    trip: NDArray[np.integer],
    link: NDArray[np.integer],
    *,
    driver: NDArray[np.integer] | None = None,
) -> tuple[PatternSupport, ...]:
    """Persons and drivers who walked each pattern as a whole, in one trip (ruling 31); pieces do not count."""
    found = []
    for pattern in patterns:
        size = len(pattern)
        begin = np.flatnonzero(link[: max(0, len(link) - size + 1)] == pattern[0]) if size else np.zeros(0, np.int64)
        for shift in range(1, size):
            begin = begin[(link[begin + shift] == pattern[shift]) & (trip[begin + shift] == trip[begin])]
        who, by = person[begin], driver[begin] if driver is not None else person[:0]
        found.append(PatternSupport(persons=len(np.unique(who[who >= 0])), drivers=len(np.unique(by[by >= 0]))))
    return tuple(found)


def fit_circle(x: Floats, y: Floats) -> tuple[float, float, float]:
    """Centre and radius of the circle through points, by linear least squares.

    >>> turn = np.linspace(0, 6, 9)
    >>> [round(float(v), 6) for v in fit_circle(3 + 200 * np.cos(turn), 4 + 200 * np.sin(turn))]
    [3.0, 4.0, 200.0]
    """
    middle_x, middle_y = x.mean(), y.mean()
    u, v = x - middle_x, y - middle_y
    matrix = np.column_stack([2 * u, 2 * v, np.ones(len(u))])
    (a, b, c), *_ = np.linalg.lstsq(matrix, u**2 + v**2, rcond=None)
    return float(a + middle_x), float(b + middle_y), float(np.sqrt(max(0.0, c + a**2 + b**2)))


def circle_fit(
    person: NDArray[np.integer],
    end_x_m: Floats,
    end_y_m: Floats,
    *,
    home_x_m: Floats,
    home_y_m: Floats,
    within_m: float,
    guess_m: float,
    seed: int,
) -> RiskFigure:
    """Share of persons whose home is found within ``within_m`` from the ends of their trimmed trips.

    Parameters
    ----------
    person, end_x_m, end_y_m : trimmed ends near home, metres; at least four a person, others are left out.
    home_x_m, home_y_m : the true home of person 0, 1, …; for judging only.
    guess_m : radius of the disk around the mean of the ends in which a guess without the circle is drawn.

    Returns
    -------
    RiskFigure; baseline: share a random point of that disk would hit; control: the centre fitted to another person's
    ends, moved to the target's mean, which tells nothing about him.

    Privacy
    -------
    The attack of ruling 30; works on a circle around a home, not on a cut at the border of a public cell.

    Sources
    -------
    Hassan et al. 2018, USENIX Security; Kåsa 1976.
    """
    found, mean, homes = [], [], []
    for who in np.unique(person[person >= 0]):
        rows = person == who
        if rows.sum() >= 4:
            x, y = fit_circle(end_x_m[rows], end_y_m[rows])[:2]
            found.append((x, y))
            mean.append((end_x_m[rows].mean(), end_y_m[rows].mean()))
            homes.append((home_x_m[who], home_y_m[who]))
    at, middle, home = (np.array(one).reshape(-1, 2) for one in (found, mean, homes))
    hit = np.hypot(*(at - home).T) <= within_m
    rng = seeded(seed)
    turn, reach = rng.random((2, max(1, len(at)), 200))
    disk = np.stack([np.cos(2 * np.pi * turn), np.sin(2 * np.pi * turn)], -1) * (guess_m * np.sqrt(reach))[..., None]
    by_chance = np.hypot(*np.moveaxis(middle[:, None] + disk[: len(at)] - home[:, None], -1, 0)) <= within_m
    other = np.roll(at - middle, 1, axis=0)
    return share_figure(
        "circle fit of trimmed ends",
        hit,
        baseline=float(by_chance.mean()) if len(at) else 0.0,
        control_hits=np.hypot(*(middle + other - home).T) <= within_m,
        seed=seed,
        assumptions=("the attacker knows which trimmed trips are one person's",),
        details={"within_m": within_m},
    )
