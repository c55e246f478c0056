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


def count_error(before: ArrayLike, after: ArrayLike) -> CountError:
    """Errors of published counts, class by class.

    Parameters
    ----------
    before : trips of each class, as they are; 0 for a class that only exists after.
    after : trips of the same class as published; nan for a class that is not published.

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
    published = ~np.isnan(new)
    filled = np.where(published, new, 0.0)
    there = old > 0
    either = there | (filled != 0)
    known = published & there
    top = np.argsort(-old, kind="stable")[: min(TOP, int(there.sum()))]
    total, given = float(old.sum()), float(filled.sum())
    return CountError(
        classes=int(there.sum()),
        classes_published=int(known.sum()),
        trips=total,
        trips_published=given,
        share_published=given / total if total else 0.0,
        misplaced=float(np.abs(_shares(old) - _shares(filled)).sum() / 2),
        divergence=divergence(old, filled),
        mean_error=float(np.abs(old - filled)[either].mean()) if either.any() else 0.0,
        median_relative_error=float(np.median(np.abs(filled - old)[known] / old[known])) if known.any() else 0.0,
        top_error=float(np.abs(old - filled)[top].mean()) if len(top) else 0.0,
        top_published=float(published[top].mean()) if len(top) else 0.0,
        rank_correlation=_spearman(old[there], filled[there]),
    )


def divergence(before: ArrayLike, after: ArrayLike) -> float:
    """Jensen–Shannon divergence (natural logarithm) of two histograms; negative noise counts as 0.

    If one of them is empty, nothing is in common and the answer is ln 2; if both are, it is 0.

    Examples
    --------
    >>> divergence([1, 1], [5, 5]), round(divergence([1, 0], [0, 1]), 4)
    (0.0, 0.6931)

    Privacy
    -------
    A figure about raw data: inside only.
    """
    p, q = _shares(np.asarray(before, float)), _shares(np.asarray(after, float))
    if p.shape != q.shape:
        raise SchemaError(f"histograms of {p.shape} and {q.shape} fields", hint="use the same public bins")
    if not p.any() or not q.any():
        return 0.0 if p.any() == q.any() else float(np.log(2))
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log(p / middle), 0) + np.where(q > 0, q * np.log(q / middle), 0)
    return float(max(terms.sum() / 2, 0.0))


def _shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(np.nan_to_num(counts), 0, None)
    total = clipped.sum()
    return clipped / total if total else clipped


def _spearman(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    if len(left) < 3 or np.ptp(left) == 0 or np.ptp(right) == 0:
        return float("nan")
    return float(np.corrcoef(_ranks(left), _ranks(right))[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks with ties at their mean."""
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return ((last - count + last + 1) / 2)[inverse]


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return None if np.isnan(value) else round(value, 6)
    return value
