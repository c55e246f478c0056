"""Threads for the walks of a search: Numba's loops let go of the interpreter, so that parts of a walk run side by side.

Small tables are walked in one thread, since waking others takes longer than they would save. What the parts find is added
up in a fixed order: results do not hang on which thread was first. It protects nobody.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_FROM = 200_000
"""Base classes from which threads are worth it."""
_MOST = 4

Part = TypeVar("Part")


class Workers:
    """As many threads as processors, up to four, for a table of ``count`` base classes."""

    def __init__(self, count: int) -> None:
        self.threads = min(_processors(), _MOST) if count > _FROM else 1
        self._pool = ThreadPoolExecutor(self.threads) if self.threads > 1 else None

    def map(self, work: Callable[..., Part], *parts: Iterable[object]) -> list[Part]:
        """``work`` of each part, in the parts' order."""
        return list(map(work, *parts) if self._pool is None else self._pool.map(work, *parts))

    def shares(self, whole: int) -> list[int]:
        """Where to cut ``whole`` into one part a thread, both ends included.

        >>> Workers(0).shares(10)
        [0, 10]
        """
        return [whole * part // self.threads for part in range(self.threads + 1)]


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
