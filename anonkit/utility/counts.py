"""How wrong the published numbers are: flows and volumes, before against after.

A number that was suppressed counts as zero here, because that is the worst a recipient can do with it; how much was
suppressed is told beside. All figures compare with raw counts: they stay inside, and for products with differential
privacy they never decide, suppress or repeat anything (ruling 19).

Sources: Lin 1991 for the Jensen–Shannon divergence (natural logarithm: 0 the same, ln 2 ≈ .693 nothing in common).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anonkit.base.errors import SchemaError

TOP = 100


@dataclass(frozen=True, kw_only=True)
class CountError:
    """Errors of a table of counts."""

    classes: int
    """Classes that hold trips before."""
    classes_published: int
    trips: float
    trips_published: float
    share_published: float
    """Published trips by trips before; above 1 where noise adds some."""
    misplaced: float
    """Half the summed absolute difference of the two distributions: the share of trips that stand in a wrong class."""
    divergence: float
    """Jensen–Shannon divergence of the two distributions, natural logarithm."""
    mean_error: float
    """Mean absolute error over classes that hold trips before or after, in trips."""
    median_relative_error: float
    """Of the published classes; 0 where exact counts are published."""
    top_error: float
    """Mean absolute error of the 100 largest classes before, in trips."""
    top_published: float
    """Share of them that is published at all."""
    rank_correlation: float
    """Spearman's, over classes that hold trips before; nan below three."""

    def as_dict(self) -> dict[str, Any]:
        """For run.json."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def count_error(before: ArrayLike, after: ArrayLike, *, many: ArrayLike | None = None) -> CountError:
    """Errors of published counts, class by class.

    Parameters
    ----------
    before : trips of each class, as they are; 0 for a class that only exists after.
    after : trips of the same class as published; nan for a class that is not published.
    many : how many classes hold just these; default one.

    Returns
    -------
    CountError

    Raises
    ------
    SchemaError : the two differ in length, or ``before`` holds a negative number or none.

    Privacy
    -------
    Compares with raw counts: inside only.

    Examples
    --------
    >>> error = count_error([10, 5, 1], [10, 5, np.nan])
    >>> error.share_published, error.classes_published, error.mean_error
    (0.9375, 2, 0.3333333333333333)
    """
    old, new = np.asarray(before, float), np.asarray(after, float)
    if old.shape != new.shape or old.ndim != 1:
        raise SchemaError(f"{old.shape} counts before, {new.shape} after", hint="align both on the same classes")
    if np.isnan(old).any() or (old < 0).any():
        raise SchemaError("a count before is negative or missing", hint="give 0 where a class held nothing")
    old, new, each = _grouped(old, new) if many is None else (old, new, np.asarray(many, float))
    published = ~np.isnan(new)
    filled = np.where(published, new, 0.0)
    there = old > 0
    either = there | (filled != 0)
    known = published & there
    total, given = float((old * each).sum()), float((filled * each).sum())
    wrong = np.abs(old - filled)
    top = np.argsort(-old, kind="stable")
    room = np.clip(TOP - (np.cumsum(each[top]) - each[top]), 0, each[top]) * there[top]
    return CountError(
        classes=int(each[there].sum()),
        classes_published=int(each[known].sum()),
        trips=total,
        trips_published=given,
        share_published=given / total if total else 0.0,
        misplaced=float((np.abs(_shares(old, each) - _shares(filled, each)) * each).sum() / 2),
        divergence=divergence(old, filled, many=each),
        mean_error=float(np.average(wrong[either], weights=each[either])) if either.any() else 0.0,
        median_relative_error=_median((wrong / np.where(there, old, 1))[known], each[known]),
        top_error=float(np.average(wrong[top], weights=room)) if room.any() else 0.0,
        top_published=float(np.average(published[top], weights=room)) if room.any() else 0.0,
        rank_correlation=_spearman(old[there], filled[there], each[there]),
    )


def _grouped(old: NDArray[np.float64], new: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Distinct pairs of counts, and how often each occurs: millions of classes have few different pairs."""
    filled = np.nan_to_num(new, nan=-1.0)
    whole = len(old) and (np.floor(old) == old).all() and (np.floor(filled) == filled).all() and filled.min() >= -1
    if not whole or float(old.max()) * (float(filled.max()) + 2) >= 2**62:
        return old, new, np.ones(len(old))
    width = int(filled.max()) + 2
    key, many = np.unique(old.astype(np.int64) * width + filled.astype(np.int64) + 1, return_counts=True)
    after = (key % width - 1).astype(float)
    return (key // width).astype(float), np.where(after < 0, np.nan, after), many.astype(float)


def _median(values: NDArray[np.float64], many: NDArray[np.float64]) -> float:
    """Median of values that occur ``many`` times each; 0 of none."""
    if not len(values):
        return 0.0
    order = np.argsort(values, kind="stable")
    last = np.cumsum(many[order])
    middle = [
        np.searchsorted(last, place, side="right")
        for place in (np.floor((last[-1] - 1) / 2), np.ceil((last[-1] - 1) / 2))
    ]
    return float(values[order][middle].mean())


def divergence(before: ArrayLike, after: ArrayLike, *, many: ArrayLike | None = None) -> float:
    """Jensen–Shannon divergence (natural logarithm) of two histograms; negative noise counts as 0.

    ``many`` says how often each field occurs (default: once). If one of them is empty, nothing is in common and the answer is ln 2; if both are, it is 0.

    Examples
    --------
    >>> divergence([1, 1], [5, 5]), round(divergence([1, 0], [0, 1]), 4)
    (0.0, 0.6931)

    Privacy
    -------
    A figure about raw data: inside only.
    """
    left, right = np.asarray(before, float), np.asarray(after, float)
    each = np.ones(left.shape) if many is None else np.asarray(many, float)
    p, q = _shares(left, each), _shares(right, each if right.shape == left.shape else np.ones(right.shape))
    if p.shape != q.shape:
        raise SchemaError(f"histograms of {p.shape} and {q.shape} fields", hint="use the same public bins")
    if not p.any() or not q.any():
        return 0.0 if p.any() == q.any() else float(np.log(2))
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log(p / middle), 0) + np.where(q > 0, q * np.log(q / middle), 0)
    return float(max((terms * each).sum() / 2, 0.0))


def _shares(counts: NDArray[np.float64], many: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of one field of each count; all fields together make 1."""
    clipped = np.clip(np.nan_to_num(counts), 0, None)
    total = (clipped * many).sum()
    return clipped / total if total else clipped


def _spearman(left: NDArray[np.float64], right: NDArray[np.float64], many: NDArray[np.float64]) -> float:
    if many.sum() < 3 or np.ptp(left) == 0 or np.ptp(right) == 0:
        return float("nan")
    x, y = _ranks(left, many), _ranks(right, many)
    x, y = x - np.average(x, weights=many), y - np.average(y, weights=many)
    return float((many * x * y).sum() / np.sqrt((many * x * x).sum() * (many * y * y).sum()))


def _ranks(values: NDArray[np.float64], many: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks with ties at their mean, of values that occur ``many`` times each."""
    _, inverse = np.unique(values, return_inverse=True)
    count = np.bincount(inverse, weights=many)
    last = np.cumsum(count)
    return np.asarray(((last - count + last + 1) / 2)[inverse])


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return None if np.isnan(value) else round(value, 6)
    return value
