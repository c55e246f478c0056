"""Linking a person across two periods: does his way of moving betray him under a new pseudonym?

Each pseudonym of either period gets a profile: a heat map (how often each place) or a Markov chain (how often each
place after each). Weights are damped counts times the rarity of a place, and the attacker names the nearest profile
of the other period. Control: people who are in one period only; a stand-in takes their name, so the attack can be
right by luck alone. Source: Gambs, Killijian, Nunez del Prado 2014 (Markov); Maouche et al. 2018 (heat maps, AP-attack).
Does not try joint assignment of everybody at once, which links a little more.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from anonkit.base.entropy import seeded
from anonkit.risk.incidence import combine, compact
from anonkit.risk.result import RiskFigure, share_figure

Ints = NDArray[np.int64]
CHUNK = 512


def link_periods(
    first: tuple[NDArray[np.integer], NDArray[np.integer]],
    second: tuple[NDArray[np.integer], NDArray[np.integer]],
    *,
    truth: tuple[NDArray[np.integer], NDArray[np.integer]],
    profile: Literal["heat_map", "markov"],
    seed: int,
) -> RiskFigure:
    """Share of persons whose pseudonym of the second period is linked to theirs of the first.

    Parameters
    ----------
    first, second : (pseudonym, place) of each row, in order of time within a pseudonym; negative is unknown.
    truth : the person of each row of ``first`` and of ``second``; for judging the attack only.
    profile : ``heat_map`` or ``markov``.
    seed : draws the stand-ins of the control.

    Returns
    -------
    RiskFigure over persons in both periods: each pseudonym is one guess, a person's hit is his heaviest pseudonym's.
    Baseline 1 / persons of the first period.

    Privacy
    -------
    An attack; the result stays inside. A release without pseudonyms is attacked with one pseudonym a row.

    Sources
    -------
    Gambs et al. 2014; Maouche et al. 2018.

    Examples
    --------
    >>> a = (np.array([0, 0, 1, 1]), np.array([5, 6, 7, 8]))
    >>> b = (np.array([0, 0, 1, 1]), np.array([7, 8, 5, 6]))
    >>> t = (np.array([10, 10, 11, 11]), np.array([11, 11, 10, 10]))
    >>> link_periods(a, b, truth=t, profile="heat_map", seed=1).value
    1.0
    """
    items = [_features(one[0], one[1], profile) for one in (first, second)]
    places = np.concatenate([one[1] for one in items])
    number = compact(places)[1]
    cut = len(items[0][1])
    left, left_name = _profiles(items[0][0], number[:cut], int(number.max(initial=0)) + 1)
    right, right_name = _profiles(items[1][0], number[cut:], int(number.max(initial=0)) + 1)
    rarity = np.log((1 + left.shape[0]) / (1 + np.asarray((left > 0).sum(axis=0)).ravel())) + 1
    left, right = _unit(left @ sparse.diags_array(rarity)), _unit(right @ sparse.diags_array(rarity))
    guess = left_name[_nearest(right, left)] if len(left_name) else np.zeros(0, np.int64)
    owner_left, owner_right = _owner(first[0], truth[0]), _owner(second[0], truth[1])
    weight = np.diff(right.indptr)
    person = np.array([owner_right[int(n)] for n in right_name], np.int64)
    named = np.array([owner_left[int(n)] for n in guess], np.int64)
    # One guess a person: his heaviest pseudonym speaks for him.
    order = np.lexsort((-weight, person))
    first_row = order[np.concatenate([[True], person[order][1:] != person[order][:-1]])] if len(order) else order
    known = np.unique(np.array(list(owner_left.values()), np.int64))
    inside = np.isin(person[first_row], known)
    stand_in = seeded(seed).choice(known, size=len(first_row)) if len(known) else named[first_row]
    outsiders = named[first_row][~inside] == stand_in[~inside]
    return share_figure(
        f"linkage of two periods by {profile.replace('_', ' ')}",
        (named == person)[first_row][inside],
        baseline=1 / max(1, len(known)),
        control_hits=outsiders if len(outsiders) else None,
        seed=seed,
        assumptions=("the attacker has both periods and names the nearest profile",),
        details={"persons_of_first_period": len(known), "pseudonyms_of_second_period": len(right_name)},
    )


def _features(name: NDArray[np.integer], place: NDArray[np.integer], profile: str) -> tuple[Ints, Ints]:
    known = (name >= 0) & (place >= 0)
    who, where = name[known].astype(np.int64), place[known].astype(np.int64)
    if profile == "heat_map":
        return who, where
    order = np.argsort(who, kind="stable")
    who, where = who[order], where[order]
    same = who[1:] == who[:-1]
    # A step is told by both of its places; 2^31 places are enough.
    return who[1:][same], where[:-1][same] * 2**31 + where[1:][same]


def _profiles(name: Ints, item: Ints, items: int) -> tuple[sparse.csr_array, Ints]:
    names, row = compact(name)
    counts = sparse.coo_array((np.ones(len(item)), (row, item)), shape=(len(names), items)).tocsr()
    counts.sum_duplicates()
    counts.data = np.sqrt(counts.data)
    return counts, names


def _unit(matrix: sparse.csr_array) -> sparse.csr_array:
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return (sparse.diags_array(1 / np.maximum(length, 1e-300)) @ matrix).tocsr()


def _nearest(right: sparse.csr_array, left: sparse.csr_array) -> Ints:
    best = np.zeros(right.shape[0], np.int64)
    for begin in range(0, right.shape[0], CHUNK):
        likeness = (right[begin : begin + CHUNK] @ left.T).toarray()
        best[begin : begin + CHUNK] = likeness.argmax(axis=1)
    return best


def _owner(name: NDArray[np.integer], person: NDArray[np.integer]) -> dict[int, int]:
    """The person of each pseudonym; one that several persons share belongs to the first of them by code."""
    known = (name >= 0) & (person >= 0)
    table = np.unique(np.column_stack([name[known], person[known]]), axis=0)
    return {int(n): int(p) for n, p in table[::-1]}


def fresh_pseudonyms(rows: int) -> Ints:
    """One pseudonym a row: how an attacker must read a release without pseudonyms."""
    return combine(np.arange(rows))
