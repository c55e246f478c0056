"""Draws that give the same bytes on every machine.

NumPy may change the algorithms of its distributions between versions, and its ``exp`` and ``log`` differ in the last
bit between processors. A committed sample has to be regenerable to the byte, so the city uses only the raw 64-bit
stream of PCG64 (whose stability NumPy guarantees, NEP 19) and the operations that IEEE 754 rounds exactly: + − × ÷ and
the square root. Simulation only: nothing here is fit to protect anybody; noise for releases comes from the operating
system.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Item = TypeVar("Item")


class Draws:
    """A stream of portable pseudo-random numbers, named by integers.

    Parameters
    ----------
    name : the seed and whatever tells this stream from its sisters (purpose, chunk number).

    Examples
    --------
    >>> Draws(7, 1).below(10, 3).tolist()
    [7, 1, 1]
    """

    def __init__(self, *name: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(list(name)))

    def uniform(self, size: int) -> Floats:
        """Give numbers in [0, 1), multiples of 2⁻⁵³."""
        raw = np.asarray(self._bits.random_raw(size), dtype=np.uint64)
        return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def below(self, bound: int, size: int) -> Ints:
        """Give whole numbers from 0 to ``bound`` − 1."""
        return (self.uniform(size) * bound).astype(np.int64)

    def chance(self, share: float, size: int) -> NDArray[np.bool_]:
        """Give True for about ``share`` of the places."""
        return self.uniform(size) < share

    def bell(self, size: int) -> Floats:
        """Give bell-shaped numbers of mean 0 and deviation 1, never beyond ±3.47 (sum of four uniforms)."""
        total = self.uniform(size)
        for _ in range(3):
            total = total + self.uniform(size)
        return (total - 2.0) * 1.7320508075688772

    def pareto(self, size: int, *, cap: float) -> Floats:
        """Give Pareto numbers from 1 to ``cap`` with tail exponent 4/3: (1 − u)^(−3/4) by square roots alone."""
        rest = 1.0 - self.uniform(size)
        root = np.sqrt(rest)
        return np.minimum(1.0 / (root * np.sqrt(root)), cap)

    def weighted(self, weights: Ints, size: int) -> Ints:
        """Give positions in ``weights`` (whole numbers), each as often as its weight says."""
        edges = np.cumsum(weights)
        return np.searchsorted(edges, self.below(int(edges[-1]), size), side="right").astype(np.int64)

    def pick(self, items: Sequence[Item], size: int) -> list[Item]:
        """Give ``size`` of the items, with repetition."""
        return [items[place] for place in self.below(len(items), size).tolist()]

    def order(self, size: int) -> Ints:
        """Give the numbers 0 to ``size`` − 1 in random order."""
        return np.argsort(self.uniform(size), kind="stable").astype(np.int64)

    def hexadecimal(self, digits: int, size: int) -> list[str]:
        """Give strings of at most 32 hexadecimal digits."""
        high = self._bits.random_raw(size).tolist()
        low = self._bits.random_raw(size).tolist()
        return [f"{left:016x}{right:016x}"[:digits] for left, right in zip(high, low, strict=True)]

    def uuids(self, size: int) -> list[str]:
        """Give strings in the form of version-4 UUIDs."""
        return [
            f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}" for text in self.hexadecimal(32, size)
        ]
