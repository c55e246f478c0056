"""Unicity: how many people are singled out by a few known place-times?

For each sampled person a few of his own (place, time) points are drawn; he is singled out when nobody else in the data
has them all. The knowledge is nested, so p = 1 … 10 come from one draw. Control is the same person *left out* of the
data: then the attacker names somebody wrongly when exactly one other person fits. Persons with fewer points than p are
known whole. Source: de Montjoye et al. 2013, Unique in the Crowd; rows of nobody count nobody (ruling 1).
Does not cover wrong or fuzzy knowledge, nor what else the singled-out row tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anonkit.base.entropy import seeded
from anonkit.base.errors import SchemaError
from anonkit.risk.incidence import Incidence, combine, incidence
from anonkit.risk.result import RiskFigure, value_figure

Ints = NDArray[np.int64]
METRES_A_DEGREE = 111_320.0
KEY = 2**48
"""Width of a person in a key of place-time and person; leaves room for 32,768 place-times."""
MOST_PAIRS = 8_000_000
"""Pairs of target and holder that are held in plain arrays; above it the compiled walk is used."""


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
    sizes = np.diff(table.item_start)[points[:, 0]]
    if int(sizes.sum()) > MOST_PAIRS:
        from anonkit.risk._unicity_kernel import walk_holders  # brings in Numba, which takes a second to load

        return np.asarray(walk_holders(targets, points, table.item_start, table.holder))
    pairs = np.repeat(np.arange(table.items), np.diff(table.item_start)) * table.persons + table.holder
    return _fits(pairs, table.persons, table.item_start, points)


def persons_who_fit_keys(keys: Ints, points: Ints) -> Ints:
    """`persons_who_fit` of holders that come as numbers ``place-time · KEY + person``, in any order and more than once.

    The keys of a person are a hash of ``KEY``'s width: that another person is taken for one of a place-time's ten thousand
    holders has a chance below 1e-10.
    """
    pairs = np.sort(keys)
    pairs = pairs[np.concatenate([[True], pairs[1:] != pairs[:-1]])] if len(pairs) else pairs
    begin = np.searchsorted(pairs, np.arange(int(points.max(initial=0)) + 2) * KEY)
    return _fits(pairs, KEY, begin, points)


def _fits(pairs: Ints, width: int, begin: Ints, points: Ints) -> Ints:
    """All holders of the first points side by side, less those who lack the second, the third, …

    The rarer of the first two points goes first, as it has the fewer holders to be looked up.
    """
    rows, depth = points.shape
    result = np.zeros((rows, depth), np.int64)
    sizes = np.diff(begin)[points]
    result[:, 0] = sizes[:, 0]
    if depth == 1:
        return result
    swap = (points[:, 1] >= 0) & (sizes[:, 1] < sizes[:, 0])
    order = np.where(swap[:, None], points[:, [1, 0, *range(2, depth)]], points)
    least = np.where(swap, sizes[:, 1], sizes[:, 0])
    row = np.repeat(np.arange(rows), least)
    left = pairs[ranges(begin[order[:, 0]], least)] % width
    for k in range(1, depth):
        item = order[row, k]
        asked = item * width + left
        place = np.minimum(np.searchsorted(pairs, asked), len(pairs) - 1)
        kept = (item < 0) | (pairs[place] == asked)
        row, left = row[kept], left[kept]
        result[:, k] = np.bincount(row, minlength=rows)
    return result


def ranges(begin: Ints, sizes: Ints) -> Ints:
    """The numbers begin, begin + 1, … of each range, one range after the other.

    >>> ranges(np.array([5, 9]), np.array([2, 1])).tolist()
    [5, 6, 9]
    """
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(begin - (ends - sizes), sizes)


def _figures(table: Incidence, known: tuple[int, ...], persons: int, seed: int, draws: int) -> tuple[RiskFigure, ...]:
    if not known or min(known) < 1:
        raise SchemaError("known needs numbers of points, each at least 1.", hint="for example known=(1, 2, 4).")
    rng = seeded(seed)
    targets = np.arange(table.persons)
    if table.persons > persons:
        targets = np.sort(rng.choice(table.persons, persons, replace=False))
    fits = [persons_who_fit(table, targets, drawn_points(table, targets, max(known), rng)) for _ in range(draws)]
    return unicity_figures(fits, known, persons_in_data=table.persons, seed=seed)


def unicity_figures(
    fits: Sequence[Ints], known: tuple[int, ...], *, persons_in_data: int, seed: int
) -> tuple[RiskFigure, ...]:
    """Figures from how many persons fit each target's first 1, 2, … points; one array (targets × depth) a draw."""
    alone = np.mean([fit == 1 for fit in fits], axis=0)
    other = np.mean([fit == 2 for fit in fits], axis=0)
    return tuple(
        value_figure(
            f"unicity, {p} known",
            alone[:, p - 1],
            baseline=1 / max(1, persons_in_data),
            control=other[:, p - 1],
            control_excuses=False,
            seed=seed,
            assumptions=(
                f"the attacker knows {p} true place-times of his target, drawn at random",
                "control: the target left out of the data, and exactly one other person fits",
            ),
            details={"persons_in_data": persons_in_data, "known": p, "draws": len(fits)},
        )
        for p in known
    )


def drawn_points(table: Incidence, targets: Ints, depth: int, rng: np.random.Generator) -> Ints:
    """Up to ``depth`` distinct items of each target in random order, targets × depth; −1 where he has no more."""
    sizes = np.diff(table.person_start)[targets]
    place = ranges(table.person_start[targets], sizes)
    row = np.repeat(np.arange(len(targets)), sizes)
    order = np.lexsort((rng.random(len(place)), row))
    rank = np.arange(len(place)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    points = np.full((len(targets), depth), -1, np.int64)
    points[row[rank < depth], rank[rank < depth]] = table.item[place[order]][rank < depth]
    return points
