"""Perturbed counts by the cell-key method: the same persons in a cell get the same noise, in every table and release.

Each person has a record key, a keyed hash under a key that outlives the run and stays inside. The record keys of the
persons of a cell sum to its cell key, which picks the noise from a fixed table: integers from -D to +D with mean 0 and
the asked variance. So a count that is published twice is the same twice, averaging over tables gains nothing, and a
table that differs by one person gets another draw. Sums over cells do not come out exactly; that is the point.

Does not make anything differentially private, and does not hide a difference larger than 2·D.
Sources: Fraser and Wooton 2005 (Australian Bureau of Statistics); Thompson, Broadfoot and Elazar 2013; ruling 12.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import narwhals.stable.v2 as nw
import numpy as np

from anonkit.base.errors import RecipeError

KEY_BITS = 40
KEY_SPACE = 2**KEY_BITS
"""Record keys have 40 bits, so that eight million of them sum without leaving Int64."""


@dataclass(frozen=True, kw_only=True)
class CellKeyNoise:
    """The table of noise.

    >>> noise = CellKeyNoise(largest=3, variance=2.0)
    >>> [noise.of(0), noise.of(KEY_SPACE // 2), noise.of(KEY_SPACE - 1)]
    [-3, 0, 3]
    """

    largest: int
    """D: no count changes by more."""
    variance: float

    def __post_init__(self) -> None:
        if self.largest < 1:
            raise RecipeError(
                f"the largest noise is {self.largest}", hint="at least 1; say counts: exact to publish exact counts"
            )
        if not 0 < self.variance < self.largest**2:
            raise RecipeError(
                f"noise of variance {self.variance} does not fit in ±{self.largest}", hint="choose a smaller variance"
            )

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Probability of -D … D: the flattest (maximum entropy) with this variance, found by bisection."""
        values = np.arange(-self.largest, self.largest + 1)

        def table(rate: float) -> np.ndarray:
            weight = np.exp(-rate * values.astype(float) ** 2)
            return np.asarray(weight / weight.sum())

        low, high = -5.0, 50.0
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if table(middle) @ values**2 > self.variance else (low, middle)
        return table((low + high) / 2)

    @cached_property
    def thresholds(self) -> tuple[int, ...]:
        """Cell keys from which the noise is -D+1, -D+2, … D."""
        return tuple(int(edge) for edge in np.floor(np.cumsum(self.probabilities)[:-1] * KEY_SPACE))

    def of(self, cell_key: int) -> int:
        """Noise of one cell."""
        return sum(cell_key % KEY_SPACE >= edge for edge in self.thresholds) - self.largest

    def expr(self, record: str) -> nw.Expr:
        """Noise of a column of summed record keys, on any engine."""
        key = nw.col(record) % KEY_SPACE
        noise = nw.lit(-self.largest, dtype=nw.Int64)
        for edge in self.thresholds:
            noise = noise + (key >= edge).cast(nw.Int64)
        return noise
