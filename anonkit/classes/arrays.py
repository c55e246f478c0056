"""Groups of equal lines, by sorting packed integers.

A class is a combination of columns. Their codes are packed into one integer and sorted: a million of them take about as
long as the engine's hash table takes for fifty thousand, and what is needed afterwards (the group of each line, sums over
groups) are gathers. Numbers only; this protects nobody by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

MOST, ROOM = 2**62, 2**63
"""Packed codes stay below, and codes with places behind them."""


def distinct(values: np.ndarray) -> np.ndarray:
    """The distinct values, ascending. NumPy's own hashes them first, which takes forty times as long."""
    found = np.sort(values)
    return found[_changes(found)]


def _changes(ascending: np.ndarray) -> np.ndarray:
    """Whether each value differs from the one before."""
    new = np.ones(len(ascending), dtype=bool)
    np.not_equal(ascending[1:], ascending[:-1], out=new[1:])
    return new


@dataclass(frozen=True)
class Groups:
    """Lines in the order of their groups, and where each group starts."""

    order: np.ndarray
    """Lines, those of a group together, groups in the order of the columns' codes."""
    starts: np.ndarray
    """Place in ``order`` of the first line of each group."""

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def first(self) -> np.ndarray:
        """A line of each group."""
        found: np.ndarray = self.order[self.starts]
        return found

    @cached_property
    def sizes(self) -> np.ndarray:
        """Number of lines of each group."""
        return np.diff(self.starts, append=len(self.order))

    @cached_property
    def of(self) -> np.ndarray:
        """Group of each line."""
        found = np.empty(len(self.order), dtype=np.int32)
        found[self.order] = np.repeat(np.arange(len(self.starts), dtype=np.int32), self.sizes)
        return found

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Sum of a number over the lines of each group, Int64."""
        return sums(values[self.order], self.starts)


def groups(columns: Sequence[tuple[np.ndarray, int]]) -> Groups:
    """Groups of lines that agree in all columns, each given as codes from 0 and how many codes there are.

    Examples
    --------
    >>> found = groups([(np.array([1, 0, 1]), 2), (np.array([0, 3, 0]), 4)])
    >>> found.of.tolist(), found.sizes.tolist()
    ([1, 0, 1], [1, 2])
    """
    code, size = _packed(columns)
    order, ordered = in_order(code, size)
    return Groups(order, runs(ordered))


def in_order(codes: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The lines in the order of their codes, lines of one code as they stand, and the codes in that order.

    Codes lie between 0 and below ``size``. Where they leave room, each line's place is packed behind its code: sorting numbers
    takes half the time of sorting places by numbers, and brings the codes along.
    """
    bits = max(len(codes) - 1, 1).bit_length()
    if int(size) << bits > ROOM:
        order = np.argsort(codes, kind="stable")
        return order, codes[order]
    both = codes.astype(np.int64) << bits
    both |= np.arange(len(codes))
    both.sort()
    return both & ((1 << bits) - 1), both >> bits


def packed(columns: Sequence[tuple[np.ndarray, int]]) -> np.ndarray:
    """One integer for each line's codes, in their order; where they are too wide, the ones so far are ranked first."""
    return _packed(columns)[0]


def _packed(columns: Sequence[tuple[np.ndarray, int]]) -> tuple[np.ndarray, int]:
    """The integers, and a number that all are below."""
    (first, most), *others = ((codes, int(size)) for codes, size in columns)  # NumPy's own integers overflow in silence
    code = first.astype(np.int64)
    for codes, size in others:
        if most * size >= MOST:
            found = groups([(code, most)])
            code, most = found.of.astype(np.int64), len(found)
        code *= size
        code += codes
        most *= size
    return code, most


def runs(ascending: np.ndarray) -> np.ndarray:
    """Where each run of equal values starts."""
    return np.flatnonzero(_changes(ascending))


def sums(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Sums from each start to the next, Int64."""
    if not len(starts):
        return np.zeros(0, dtype=np.int64)
    numbers = values.view(np.int8) if values.dtype == bool else values
    until = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(numbers, dtype=np.int64, out=until[1:])
    return np.diff(until[starts], append=until[-1])


def most(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Largest value from each start to the next."""
    if not len(starts):
        return np.zeros(0, dtype=values.dtype)
    found: np.ndarray = np.maximum.reduceat(values, starts)
    return found
