"""Times and distances of a class: one value a person, clipped to public bounds, rounded to a public step.

A class's mean over trips is its heaviest rider's; so each person counts once, with the median of his trips in the class.
Means are over values clipped to bounds that the recipe declares, medians are given only where k persons stand on each
side, minimum and maximum never (ruling 8). All arithmetic is on integers, so that a recount agrees to the last digit.

Does not protect against somebody who knows all others of a class and the step: a mean moves with every person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw

from anonkit.base.errors import RecipeError
from anonkit.engine import Session

MEASURED = ("duration_s", "distance_m")


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """What is told of one measured column."""

    column: str
    step: int
    """Published values are multiples of it."""
    low: int
    high: int
    """Public bounds; what lies beyond is moved to them."""

    def __post_init__(self) -> None:
        if self.column not in MEASURED:
            raise RecipeError(f"there are no statistics of {self.column!r}", hint=f"of {list(MEASURED)} only")
        if self.step < 1 or not self.low < self.high or self.high - self.low < 2 * self.step:
            raise RecipeError(
                f"{self.column}: bounds {self.low} to {self.high} and step {self.step} do not fit",
                hint="low below high, with several steps between them",
            )

    @property
    def names(self) -> tuple[str, str]:
        """Names of the released columns."""
        return f"{self.column}_mean", f"{self.column}_median"


def class_statistics(
    rows: nw.LazyFrame[Any], keys: list[str], statistics: tuple[Statistic, ...], *, unit: str, k: int, session: Session
) -> nw.LazyFrame[Any]:
    """Mean and median of persons' medians for each class; null where fewer than k (2·k for the median) have a value.

    Parameters
    ----------
    rows : one row a trip of published classes; columns ``keys``, ``unit`` and the measured ones.
    k : least number of persons behind a mean, and on each side of a median.

    Returns
    -------
    LazyFrame ``keys`` and, for each statistic, its two columns (Int64, nullable).
    """
    listed = ", ".join(f'"{name}"' for name in keys)
    inner, outer = [], []
    for number, statistic in enumerate(statistics):
        value = f"CAST(floor(least(greatest({statistic.column}, {statistic.low}), {statistic.high}) + 0.5) AS BIGINT)"
        inner.append(f"CAST(2 * median({value}) AS BIGINT) AS twice{number}")
        count, step = f"count(twice{number})", statistic.step
        mean, median = statistic.names
        total = f"sum(twice{number})::BIGINT"
        outer.append(
            f"CASE WHEN {count} >= {k} THEN ({total} + {count} * {step}) // (2 * {count} * {step}) * {step} END AS {mean}"
        )
        fourfold = f"CAST(2 * median(twice{number}) AS BIGINT)"
        outer.append(
            f"CASE WHEN {count} // 2 >= {k} THEN ({fourfold} + 2 * {step}) // (4 * {step}) * {step} END AS {median}"
        )
    return session.frame(
        f"SELECT {listed}, {', '.join(outer)} FROM (SELECT {listed}, {unit}, {', '.join(inner)} FROM {{rows}} "
        f"WHERE {unit} IS NOT NULL GROUP BY ALL) GROUP BY ALL",
        rows=rows,
    )
