"""The utility of one product: its classes before against what was published of them.

Input are two tables of the same columns, all classes with their trips and the published ones, so that the figures are
taken from what was written and not from what was meant. Inside only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from anonkit.base.errors import SchemaError
from anonkit.geo import TimeBins
from anonkit.utility.counts import CountError, count_error
from anonkit.utility.shapes import Displacement, Profile, day_profile, displacement_m, distance_m

MEAN_IN_SQUARE = 0.5214
Centres = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, kw_only=True)
class ProductUtility:
    """What one product is worth."""

    part: str
    counts: CountError
    cells: CountError
    """The same, summed over time: what a map shows."""
    day: Profile
    length: Profile | None
    """Of products with origin and destination."""
    metres: Displacement | None
    minutes: Displacement | None

    def as_dict(self) -> dict[str, Any]:
        """For run.json."""
        parts = {name: getattr(self, name) for name in ("counts", "cells", "day", "length", "metres", "minutes")}
        return {"part": self.part, **{name: value.as_dict() if value else None for name, value in parts.items()}}


def align(before: pd.DataFrame, after: pd.DataFrame, *, keys: Sequence[str], value: str = "trips") -> pd.DataFrame:
    """One row a class with ``before`` (0 where only published) and ``after`` (nan where not published).

    Raises
    ------
    SchemaError : a column is missing.
    """
    for frame in (before, after):
        missing = [name for name in (*keys, value) if name not in frame.columns]
        if missing:
            raise SchemaError(f"the table of counts lacks the columns {missing}", hint=f"it needs {[*keys, value]}")
    sums = [
        frame.groupby(list(keys), dropna=False)[value].sum().rename(side).reset_index()
        for frame, side in ((before, "before"), (after, "after"))
    ]
    joined = sums[0].merge(sums[1], on=list(keys), how="outer")
    joined["before"] = joined["before"].fillna(0)
    return joined


def product_utility(
    part: str,
    classes: pd.DataFrame,
    *,
    keys: Sequence[str],
    bins: TimeBins,
    bin: str,
    length: Profile | None = None,
    metres: Displacement | None = None,
    minutes: Displacement | None = None,
) -> ProductUtility:
    """All figures of one product.

    Parameters
    ----------
    part : name of the product, such as ``flows`` or ``volumes:start``.
    classes : from ``align``: ``keys``, ``before``, ``after``.
    bin : which of ``keys`` is the time bin; ``bins`` says what its codes mean.
    length, metres, minutes : measured by the caller, who knows finer places and times than the product's.

    Privacy
    -------
    Compares with raw counts: inside only, and for DP products never a reason to draw again (ruling 19).
    """
    cells = [name for name in keys if name in ("start_cell", "end_cell", "cell", "end")]
    sides = ["before", "after"]
    sums = ClassSums(
        cells=classes.groupby(cells, dropna=False)[sides].sum(min_count=1).reset_index(),
        bins=classes.groupby(bin)[sides].sum(min_count=1).reset_index(),
        counts=classes.assign(classes=1)[["classes", *sides]],
        bin=bin,
    )
    return utility_of_sums(part, sums, bins=bins, length=length, metres=metres, minutes=minutes)


@dataclass(frozen=True, kw_only=True)
class ClassSums:
    """The classes of a product summed up: all that its utility and its figures need. Each with ``before`` and ``after``."""

    cells: pd.DataFrame
    """By the columns of places."""
    bins: pd.DataFrame
    """By the time bin."""
    counts: pd.DataFrame
    """``classes``: how many hold so many trips before and after (nan: not published)."""
    bin: str


def utility_of_sums(
    part: str,
    sums: ClassSums,
    *,
    bins: TimeBins,
    length: Profile | None = None,
    metres: Displacement | None = None,
    minutes: Displacement | None = None,
) -> ProductUtility:
    """All figures of one product from its sums; see `product_utility`.

    Privacy
    -------
    As `product_utility`.
    """
    begin = sums.bins[sums.bin].to_numpy(np.int64) * bins.seconds
    before, after = (sums.bins[side].fillna(0).to_numpy(float) for side in ("before", "after"))
    return ProductUtility(
        part=part,
        counts=count_error(
            sums.counts["before"].to_numpy(float),
            sums.counts["after"].to_numpy(float),
            many=sums.counts["classes"].to_numpy(float),
        ),
        cells=count_error(sums.cells["before"].to_numpy(float), sums.cells["after"].to_numpy(float)),
        day=day_profile(begin, before, begin, after, width_s=max(bins.seconds, 3600)),
        length=length,
        metres=metres,
        minutes=minutes,
    )


def cell_displacement(fine: np.ndarray, published: np.ndarray, trips: np.ndarray, *, centres: Centres) -> Displacement:
    """Metres between the centres of fine cells and of the cells that were published for them.

    A fine cell's own trips lie up to seven tenths of its side from its centre; that is not counted here.

    Privacy
    -------
    Inside only.
    """
    return displacement_m(*centres(np.asarray(fine)), *centres(np.asarray(published)), trips)


def trip_lengths(start: np.ndarray, end: np.ndarray, *, centres: Centres, side_m: float) -> np.ndarray:
    """Straight lines between the middles of cells, metres; within one cell the mean distance in a square.

    Sources
    -------
    Mean distance of two points in a square: 0.5214 of its side (Ghosh 1951).
    """
    apart = distance_m(*centres(np.asarray(start)), *centres(np.asarray(end)))
    return np.where(np.asarray(start) == np.asarray(end), MEAN_IN_SQUARE * side_m, apart)
