"""Unicity: how many people are singled out by a few known place-times?

For each sampled person a few of his own (place, time) points are drawn; he is singled out when nobody else in the data
has them all. The knowledge is nested, so p = 1 … 10 come from one draw. Control is the same person *left out* of the
data: then the attacker names somebody wrongly when exactly one other person fits. Persons with fewer points than p are
known whole. Source: de Montjoye et al. 2013, Unique in the Crowd; rows of nobody count nobody (ruling 1).
Does not cover wrong or fuzzy knowledge, nor what else the singled-out row tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from anonkit.base.entropy import seeded
from anonkit.base.errors import SchemaError
from anonkit.risk.incidence import Incidence, combine, incidence
from anonkit.risk.result import RiskFigure, value_figure

Ints = NDArray[np.int64]
METRES_A_DEGREE = 111_320.0


@dataclass(frozen=True, kw_only=True)
class SurfacePoint:
    """Unicity at one resolution."""

    place: str
    time: str
    figures: tuple[RiskFigure, ...]
    """One a number of known points, ascending."""


def unicity_risk(
    person: NDArray[np.integer],
    item: NDArray[np.integer],
    *,
    known: tuple[int, ...],
    persons: int,
    seed: int,
    draws: int = 1,
) -> tuple[RiskFigure, ...]:
    """Share of persons singled out by ``known`` of their points.

    Parameters
    ----------
    person : code of each row's person; negative is nobody.
    item : code of what is known of a row, e.g. ``combine(cell, bin)``; negative is unknown.
    known : numbers of known points, each >= 1.
    persons : at most so many persons are attacked, drawn with ``seed``.
    draws : backgrounds a person; his value is the share in which he is singled out.

    Returns
    -------
    One RiskFigure for each of ``known``; baseline is 1 / persons, control the persons left out of the data.

    Raises
    ------
    SchemaError : ``known`` is empty or has a value below 1.

    Privacy
    -------
    An attack on raw or released points; the result stays inside.

    Sources
    -------
    de Montjoye, Hidalgo, Verleysen, Blondel 2013, doi 10.1038/srep01376.

    Examples
    --------
    Both persons were at 1; only person 0 at 2.

    >>> found = unicity_risk(np.array([0, 0, 1]), np.array([1, 2, 1]), known=(2,), persons=9, seed=1)
    >>> found[0].value, found[0].persons
    (0.5, 2)
    """
    return _figures(incidence(person, item), known, persons, seed, draws)


def unicity_surface(
    person: NDArray[np.integer],
    places: Mapping[str, NDArray[np.integer]],
    times: Mapping[str, NDArray[np.integer]],
    *,
    known: tuple[int, ...],
    persons: int,
    seed: int,
    draws: int = 1,
) -> tuple[SurfacePoint, ...]:
    """Unicity at every pair of a spatial and a temporal resolution.

    Parameters
    ----------
    places, times : codes of each row's place and time by label of the resolution, e.g. ``{"500 m": …}``.

    Returns
    -------
    SurfacePoints, places outside, times inside; the same persons everywhere, as the seed is the same.

    Privacy
    -------
    As `unicity_risk`.

    Sources
    -------
    As `unicity_risk`.
    """
    return tuple(
        SurfacePoint(
            place=place,
            time=time,
            figures=_figures(incidence(person, combine(cell, step)), known, persons, seed, draws),
        )
        for place, cell in places.items()
        for time, step in times.items()
    )


def square_cells(
    lon: NDArray[np.floating], lat: NDArray[np.floating], *, cell_m: float, latitude: float
) -> NDArray[np.int64]:
    """Codes of square cells of ``cell_m`` metres for attacks; −1 where a coordinate is missing.

    >>> square_cells(np.array([49.8, 49.8, np.nan]), np.array([40.4, 40.4, 40.4]), cell_m=500, latitude=40.4).tolist()
    [0, 0, -1]
    """
    missing = ~(np.isfinite(lon) & np.isfinite(lat))
    x = np.floor(np.where(missing, 0, lon) * METRES_A_DEGREE * np.cos(np.radians(latitude)) / cell_m).astype(np.int64)
    y = np.floor(np.where(missing, 0, lat) * METRES_A_DEGREE / cell_m).astype(np.int64)
    x, y = x - x.min(initial=0), y - y.min(initial=0)
    x[missing] = -1
    return combine(x, y)


def persons_who_fit(table: Incidence, targets: Ints, points: Ints) -> Ints:
    """Number of persons who have the first 1, 2, … of each target's points; ``points`` is targets × depth, −1 ends."""
    return _fits(targets, points, table.item_start, table.holder)


def _figures(table: Incidence, known: tuple[int, ...], persons: int, seed: int, draws: int) -> tuple[RiskFigure, ...]:
    if not known or min(known) < 1:
        raise SchemaError("known needs numbers of points, each at least 1.", hint="for example known=(1, 2, 4).")
    rng = seeded(seed)
    targets = np.arange(table.persons)
    if table.persons > persons:
        targets = np.sort(rng.choice(table.persons, persons, replace=False))
    depth = max(known)
    alone, other = np.zeros((len(targets), depth)), np.zeros((len(targets), depth))
    for _ in range(draws):
        fit = persons_who_fit(table, targets, _draw(table, targets, depth, rng))
        alone += (fit == 1) / draws
        other += (fit == 2) / draws
    return tuple(
        value_figure(
            f"unicity, {p} known",
            alone[:, p - 1],
            baseline=1 / max(1, table.persons),
            control=other[:, p - 1],
            control_excuses=False,
            seed=seed,
            assumptions=(
                f"the attacker knows {p} true place-times of his target, drawn at random",
                "control: the target left out of the data, and exactly one other person fits",
            ),
            details={"persons_in_data": table.persons, "known": p, "draws": draws},
        )
        for p in known
    )


def _draw(table: Incidence, targets: Ints, depth: int, rng: np.random.Generator) -> Ints:
    points = np.full((len(targets), depth), -1, np.int64)
    for row, person in enumerate(targets):
        begin, end = table.person_start[person], table.person_start[person + 1]
        size = min(depth, end - begin)
        points[row, :size] = table.item[begin + rng.permutation(end - begin)[:size]]
    return points


@njit(cache=True)
def _fits(targets: Ints, points: Ints, item_start: Ints, holder: Ints) -> Ints:
    rows, depth = points.shape
    result = np.zeros((rows, depth), np.int64)
    for row in range(rows):
        first = points[row, 0]
        left = holder[item_start[first] : item_start[first + 1]].copy()
        size = len(left)
        result[row, 0] = size
        for k in range(1, depth):
            item = points[row, k]
            if item >= 0 and size > 1:
                begin, end = item_start[item], item_start[item + 1]
                kept = 0
                if (end - begin) > 16 * size:
                    for i in range(size):
                        low, high = begin, end
                        while low < high:
                            middle = (low + high) // 2
                            if holder[middle] < left[i]:
                                low = middle + 1
                            else:
                                high = middle
                        begin = low
                        if low < end and holder[low] == left[i]:
                            left[kept] = left[i]
                            kept += 1
                else:
                    j = begin
                    for i in range(size):
                        while j < end and holder[j] < left[i]:
                            j += 1
                        if j < end and holder[j] == left[i]:
                            left[kept] = left[i]
                            kept += 1
                size = kept
            result[row, k] = size
    return result
