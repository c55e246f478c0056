"""What generalisation does to where, when and how far: profiles, trip lengths, displacement.

Histograms use public edges given by the caller, never quantiles of the data. All figures compare with raw data: they
stay inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anonkit.base.errors import SchemaError
from anonkit.utility.counts import divergence

METRES_A_DEGREE = 111_320
DAY_S = 86_400
LENGTH_EDGES_KM = (0, 1, 2, 3, 4, 5, 7.5, 10, 15, 20)
"""Public edges of trip lengths; the last group is open."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One distribution before and after."""

    labels: tuple[str, ...]
    before: tuple[float, ...]
    """Shares that sum to 1, or nothing where there is nothing."""
    after: tuple[float, ...]
    divergence: float
    """Jensen–Shannon, natural logarithm: 0 the same, .693 nothing in common."""

    def as_dict(self) -> dict[str, Any]:
        """For run.json."""
        shares = {side: [round(share, 6) for share in getattr(self, side)] for side in ("before", "after")}
        return {"labels": list(self.labels), **shares, "divergence": round(self.divergence, 6)}


@dataclass(frozen=True, kw_only=True)
class Displacement:
    """How far a published place or time lies from the true one, weighted by trips."""

    unit: str
    mean: float
    median: float
    most: float
    """95 in 100 trips are moved by no more."""
    trips: float

    def as_dict(self) -> dict[str, Any]:
        """For run.json."""
        return {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(self).items()}


def day_profile(
    begin_before_s: ArrayLike, before: ArrayLike, begin_after_s: ArrayLike, after: ArrayLike, *, width_s: int
) -> Profile:
    """Share of trips by time of the local day, before and after.

    Parameters
    ----------
    begin_before_s, begin_after_s : begin of each class's time bin in local seconds; any day.
    before, after : trips of each class.
    width_s : width of the profile's fields; a divisor of a day and no finer than the bins that are compared.

    Privacy
    -------
    Compares with raw counts: inside only.

    Examples
    --------
    >>> day_profile([0, 43_200], [1, 1], [43_200], [1], width_s=43_200).after
    (0.0, 1.0)
    """
    if width_s <= 0 or DAY_S % width_s:
        raise SchemaError(f"fields of {width_s} s do not divide a day", hint="use 3600, 10800, …")
    count = DAY_S // width_s
    sides = []
    for begin, trips in ((begin_before_s, before), (begin_after_s, after)):
        field = np.asarray(begin, np.int64) % DAY_S // width_s
        sides.append(np.bincount(field, weights=np.asarray(trips, float), minlength=count).astype(float))
    labels = tuple(f"{place * width_s // 3600:02d}:{place * width_s % 3600 // 60:02d}" for place in range(count))
    return _profile(labels, *sides)


def length_profile(
    before_m: ArrayLike,
    before: ArrayLike,
    after_m: ArrayLike,
    after: ArrayLike,
    *,
    edges_km: Sequence[float] = LENGTH_EDGES_KM,
) -> Profile:
    """Share of trips by straight-line length, before and after.

    Parameters
    ----------
    before_m, after_m : length of each class's trips, metres.
    before, after : trips of each class.
    edges_km : public lower ends of the groups, ascending from 0; the last group is open.

    Privacy
    -------
    Compares with raw counts: inside only.

    Examples
    --------
    >>> length_profile([500, 1500], [1, 1], [1200], [2], edges_km=(0, 1, 2)).before
    (0.5, 0.5, 0.0)
    """
    edges = np.asarray(edges_km, float)
    if len(edges) < 2 or edges[0] != 0 or (np.diff(edges) <= 0).any():
        raise SchemaError("edges of lengths must ascend from 0", hint="edges_km=(0, 1, 2, 5, 10)")
    sides = []
    for metres, trips in ((before_m, before), (after_m, after)):
        group = np.searchsorted(edges * 1000, np.asarray(metres, float), side="right") - 1
        sides.append(np.bincount(group, weights=np.asarray(trips, float), minlength=len(edges)).astype(float))
    ends = [*(f"{low:g}–{high:g}" for low, high in pairwise(edges)), f"{edges[-1]:g}+"]
    return _profile(tuple(ends), *sides)


def displacement_m(
    lon: ArrayLike, lat: ArrayLike, published_lon: ArrayLike, published_lat: ArrayLike, trips: ArrayLike
) -> Displacement:
    """Metres between true and published places.

    Examples
    --------
    >>> displacement_m([0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.01], [1, 1]).mean
    556.6

    Privacy
    -------
    Compares with raw places: inside only.
    """
    metres = distance_m(lon, lat, published_lon, published_lat)
    return _displacement("m", metres, np.asarray(trips, float))


def displacement_min(begin_s: ArrayLike, width_s: int, published_width_s: int, trips: ArrayLike) -> Displacement:
    """Minutes between the middle of a trip's bin and the middle of the coarser bin it is published in.

    Parameters
    ----------
    begin_s : begin of each class's fine bin, local seconds.
    width_s, published_width_s : seconds; the second is a multiple of the first.

    Examples
    --------
    >>> displacement_min([0, 3600, 7200], 3600, 10_800, [1, 1, 1]).mean
    40.0

    Privacy
    -------
    Compares with raw times: inside only.
    """
    if published_width_s % width_s:
        raise SchemaError("the published bins are no multiple of the finer ones", hint="choose bins that nest")
    inside = np.asarray(begin_s, np.int64) % published_width_s
    minutes = np.abs(inside + width_s / 2 - published_width_s / 2) / 60
    return _displacement("min", minutes, np.asarray(trips, float))


def distance_m(lon: ArrayLike, lat: ArrayLike, other_lon: ArrayLike, other_lat: ArrayLike) -> NDArray[np.float64]:
    """Straight lines in metres on the plane at their own latitude; below 100 km its error is under one in a thousand."""
    x1, y1, x2, y2 = (np.asarray(value, float) for value in (lon, lat, other_lon, other_lat))
    squeeze = np.cos(np.radians((y1 + y2) / 2))
    return np.asarray(METRES_A_DEGREE * np.hypot((x2 - x1) * squeeze, y2 - y1))


def _profile(labels: tuple[str, ...], before: NDArray[np.float64], after: NDArray[np.float64]) -> Profile:
    shares = [tuple((side / side.sum()).tolist()) if side.sum() else (0.0,) * len(side) for side in (before, after)]
    return Profile(labels=labels, before=shares[0], after=shares[1], divergence=divergence(before, after))


def _displacement(unit: str, moved: NDArray[np.float64], trips: NDArray[np.float64]) -> Displacement:
    total = float(trips.sum())
    if not total:
        return Displacement(unit=unit, mean=0.0, median=0.0, most=0.0, trips=0.0)
    order = np.argsort(moved, kind="stable")
    share = np.cumsum(trips[order]) / total
    median, most = (float(moved[order][min(int(np.searchsorted(share, part)), len(moved) - 1)]) for part in (0.5, 0.95))
    mean = float((moved * trips).sum() / total)
    return Displacement(unit=unit, mean=mean, median=median, most=most, trips=total)
