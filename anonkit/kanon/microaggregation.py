"""Microaggregation by MDAV: numeric values become the mean of at least k persons.

Each person is one point, the mean of his rows, so that a frequent rider is not k points by himself (ruling 8). MDAV
takes the person farthest from the centre with his k-1 nearest, then the one farthest from him, until fewer than 2k are
left (Domingo-Ferrer and Torra 2005). Means are over values clipped to public bounds and rounded to a public step. It
does not hide that a group's members are alike, and the groups follow the data (see Mondrian).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from anonkit.base.errors import SchemaError
from anonkit.kanon.mondrian import Raster, check_numbers
from anonkit.kanon.parameters import whole


@dataclass(frozen=True, kw_only=True)
class Aggregated:
    """Group of each row (-1: not released), and the released value of each column."""

    group: np.ndarray
    values: dict[str, np.ndarray]
    persons: np.ndarray
    """Persons a group. Inside only."""
    error: float
    """Squared error over the total spread of persons: 0 keeps all, 1 keeps the mean alone."""


def microaggregate(
    values: Mapping[str, np.ndarray], person: np.ndarray, *, k: int, rasters: Mapping[str, Raster]
) -> Aggregated:
    """Replace each row's numbers by the mean of its person's group of k to 2k-1 persons.

    Parameters
    ----------
    values : column → numbers, aligned.
    person : number of each row's person, negative = none: such a row is not released (ruling 1).
    k : least persons a group; no default.
    rasters : public bounds for clipping and step for rounding, by column.

    Privacy
    -------
    Each released value is a mean over at least k persons, one value a person. Spends nothing.

    Sources
    -------
    Domingo-Ferrer and Torra 2005, Ordinal, continuous and heterogeneous k-anonymity through microaggregation.

    >>> made = microaggregate({"km": np.array([1.0, 1.0, 2.0, 9.0, 9.4])}, np.array([0, 0, 1, 2, 3]), k=2,
    ...                       rasters={"km": Raster(lower=0, upper=20, step=0.5)})
    >>> made.values["km"].tolist()
    [1.5, 1.5, 1.5, 9.0, 9.0]
    """
    if not whole(k, least=2) or set(values) != set(rasters):
        raise SchemaError(
            "microaggregation needs a whole number k >= 2 and one raster a column", hint="rasters={column: Raster(…)}."
        )
    check_numbers(values)
    names = tuple(values)
    known = person >= 0
    unique, place = np.unique(person[known], return_inverse=True)
    if len(unique) < k:
        nothing = np.full(len(person), np.nan)
        empty = np.zeros(0, dtype=np.int64)
        return Aggregated(
            group=np.full(len(person), -1), values=dict.fromkeys(names, nothing), persons=empty, error=1.0
        )
    place = place.ravel()
    rows = np.stack([np.clip(values[n], rasters[n].lower, rasters[n].upper)[known] for n in names], axis=1)
    weight = np.bincount(place)[:, None]
    points = np.stack([np.bincount(place, weights=rows[:, j]) for j in range(len(names))], axis=1) / weight
    spread = np.array([rasters[n].upper - rasters[n].lower for n in names])
    group_of = _mdav(points / spread, k)
    groups = int(group_of.max()) + 1
    sizes = np.bincount(group_of, minlength=groups)
    means = np.stack([np.bincount(group_of, weights=points[:, j]) / sizes for j in range(len(names))], axis=1)
    scaled, centre = points / spread, (points / spread).mean(axis=0)
    total = float(((scaled - centre) ** 2).sum())
    lost = float(((scaled - (means / spread)[group_of]) ** 2).sum())
    group = np.full(len(person), -1, dtype=np.int64)
    group[known] = group_of[place]
    out = {}
    for j, name in enumerate(names):
        rounded = np.floor(means[:, j] / rasters[name].step + 0.5) * rasters[name].step
        out[name] = np.where(group >= 0, rounded[group], np.nan)
    return Aggregated(group=group, values=out, persons=sizes, error=lost / total if total else 0.0)


def _mdav(points: np.ndarray, k: int) -> np.ndarray:
    group = np.full(len(points), -1, dtype=np.int64)
    left = np.arange(len(points))
    count = 0

    def take(seed: int) -> None:
        nonlocal left, count
        distance = ((points[left] - points[seed]) ** 2).sum(axis=1)
        near = left[np.argsort(distance, kind="stable")[:k]]
        group[near] = count
        count += 1
        left = left[group[left] < 0]

    while len(left) >= 3 * k:
        centre = points[left].mean(axis=0)
        far = int(left[np.argmax(((points[left] - centre) ** 2).sum(axis=1))])
        take(far)
        take(int(left[np.argmax(((points[left] - points[far]) ** 2).sum(axis=1))]))
    if len(left) >= 2 * k:
        centre = points[left].mean(axis=0)
        take(int(left[np.argmax(((points[left] - centre) ** 2).sum(axis=1))]))
    group[left] = count
    return group
