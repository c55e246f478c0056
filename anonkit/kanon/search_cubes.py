"""How many rows each class of a node has, without making its class table: most nodes of a search are decided by this.

A cube counts the rows of every combination of values of a node, empty ones included, in one walk over packed base
classes or, cheaper, by folding a finer cube that is still held. Base classes are kept in the order of one column's
tree, sparsest values first, so that a walk can end as soon as complete classes have lost too many rows
(docs/PRUNING.md, section 6). Persons are not counted here: a class has at most as many persons as rows, so what rows
exclude is excluded, and what they let pass is counted again in persons (`search_classes`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce
from itertools import pairwise

import numpy as np

from anonkit.kanon import search_cube_kernels as kernels
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.search_classes import ROOM, Figures
from anonkit.kanon.search_packed import packed
from anonkit.kanon.search_tables import ClassTable
from anonkit.kanon.search_workers import Workers

_CELLS = 2**21
"""Cells of the largest cube of a small table; of a large one twice its base classes."""
_MOST_CELLS = 2**25
_BUCKET_BITS = 24
_BATCH = 2**18
"""Base classes whose buckets are counted at once: few enough that their buckets stay in the processor's cache."""
_HELD = 50_000_000
_PHASES = (0.12, 0.4, 1.0)
"""Shares of the base classes after which a walk is asked what they have lost; a walk in its last part goes on to the end.

A node that loses too many rows only there is near the border: coarser nodes are folded from its cube.
"""
_WALK_COST = 3.0
"""What a base class costs to count, in cells folded."""


@dataclass(frozen=True, eq=False)
class _Cube:
    levels: tuple[int, ...]
    sizes: tuple[int, ...]
    cells: np.ndarray


class CubeCounter:
    """Counts the rows of any node's classes; keeps cubes so that coarser ones are folded from them."""

    def __init__(self, table: ClassTable, hierarchies: Sequence[Hierarchy], least: int, *, by_value: bool) -> None:
        self.least, self.total, self.by_value = least, table.total_rows, by_value
        self._packed = packed(table, hierarchies)
        count = len(table.rows)
        self._dense = min(max(_CELLS, 2 * count), 8 * count + 4096, _MOST_CELLS)
        self._workers = Workers(count)
        self._cubes: list[_Cube] = []
        self._levels = np.zeros((64, len(hierarchies)), dtype=np.int16)
        self._spans = np.zeros(64, dtype=np.int64)
        self._steps: dict[tuple[int, int, int], np.ndarray] = {}

    def look(self, levels: tuple[int, ...], *, allowed: float = np.inf) -> Figures | int | None:
        """Figures of a node where classes of ``least`` rows are kept.

        A number instead: this many rows at least are in smaller classes, and that is more than ``allowed``. None: the
        node is too wide for a cube, and what was seen of it does not exceed ``allowed``.
        """
        sizes = self._packed.sizes(levels)
        span = math.prod(sizes)
        source = self._nearest(levels)
        if source is not None and source.levels == levels:
            cube = source
        elif source is not None and len(source.cells) * self._workers.threads < _WALK_COST * len(self._packed.rows):
            cube = self._folded(source, levels, sizes)
        elif span <= self._dense:
            cube = _Cube(levels, sizes, np.zeros(span, dtype=self._packed.rows.dtype))
            lost, whole = self._walk(cube, allowed)
            if not whole:
                return lost
            self._remember(cube)
        else:
            lost = self._in_buckets(levels, sizes[0], allowed) if allowed < self.total else 0
            return lost if lost > allowed else None
        return self._figures(cube)

    # ---- one walk over the base classes
    def _walk(self, cube: _Cube, allowed: float) -> tuple[int, bool]:
        """Count into the cube until more than ``allowed`` rows are in small classes: how many are, and whether it is complete."""
        data, blocks = self._packed, cube.sizes[0]
        if blocks == 1:
            self._count_once(cube)
            return 0, True
        first = data.blocks[cube.levels[data.columns[0]]]
        starts = data.runs[first]
        walk = partial(kernels.count_blocks, data.words, *data.places(cube.levels), data.rows, data.runs, first)
        rule = (len(cube.cells) // blocks, cube.cells, self.least)
        lost, begin = 0, 0

        def count(low: int, high: int) -> int:
            left = np.int64(min(allowed, self.total) - lost) if end < len(first) - 1 else np.int64(self.total)
            return int(walk(low, high, *rule, left))

        for share in _PHASES if self._workers.threads > 1 else _PHASES[-2:]:
            end = int(np.searchsorted(starts, int(share * starts[-1])))
            shares = starts[begin] + np.array(self._workers.shares(int(starts[end] - starts[begin])))
            cuts = [begin, *np.searchsorted(starts, shares[1:-1]).tolist(), end]
            lost += sum(self._workers.map(count, cuts[:-1], cuts[1:]))
            if lost > allowed:
                return lost, end == len(first) - 1
            begin = end
        return lost, True

    def _count_once(self, cube: _Cube) -> None:
        """Count all rows, each thread a part of them into its own cells."""
        data = self._packed
        cuts = [0, *np.searchsorted(data.runs, self._workers.shares(len(data.rows))[1:]).tolist()]
        parts = [cube.cells, *(np.zeros_like(cube.cells) for _ in cuts[2:])]
        count = partial(kernels.count_rows, data.words, *data.places(cube.levels), data.rows, data.runs)
        self._workers.map(count, cuts[:-1], cuts[1:], parts)
        for part in parts[1:]:
            np.add(cube.cells, part, out=cube.cells)

    def _in_buckets(self, levels: tuple[int, ...], blocks: int, allowed: float) -> int:
        """Rows in buckets of fewer than ``least`` rows: they are in classes that are smaller still.

        Counted for some of the classes after others, whole blocks or those of some hashes, until more than ``allowed``.
        """
        data, count, lost = self._packed, len(self._packed.rows), 0
        parts = max(1, min(-(-count // _BATCH), 16 if blocks == 1 else count))
        if blocks == 1:
            hashes = [2**32 * part // parts for part in range(parts + 1)]
            batches = [(0, len(data.tree), low, high) for low, high in pairwise(hashes)]
        else:
            first = data.blocks[levels[data.columns[0]]]
            shares = [count * part // parts for part in range(parts + 1)]
            cuts = np.unique(first[np.searchsorted(data.runs[first], shares)]).tolist()
            batches = [(low, high, 0, 2**32) for low, high in pairwise(cuts)]
        walk = partial(kernels.lost_in_buckets, data.words, *data.places(levels), data.rows, data.runs)

        def run(batch: tuple[int, int, int, int]) -> int:
            low, high, least_hash, below = batch
            held = int(data.runs[high] - data.runs[low]) // (parts if blocks == 1 else 1)
            bits = min(max((2 * held).bit_length(), 12), _BUCKET_BITS)
            return int(walk(low, high, np.int64(least_hash), np.int64(below), bits, self.least))

        for at in range(0, len(batches), self._workers.threads):
            lost += sum(self._workers.map(run, batches[at : at + self._workers.threads]))
            if lost > allowed:
                break
        return lost

    # ---- from a finer cube
    def _folded(self, source: _Cube, levels: tuple[int, ...], sizes: tuple[int, ...]) -> _Cube:
        cells = np.zeros(math.prod(sizes), dtype=source.cells.dtype)
        parts, stride = [], 1
        for j, size in zip(reversed(self._packed.columns), reversed(sizes), strict=True):
            parts.append(self._step(j, source.levels[j], levels[j]) * np.int32(stride))
            stride *= size
        parts.reverse()
        half = _halves(source.sizes)
        none = np.zeros(1, dtype=np.int32)
        lead, trail = (reduce(np.add.outer, part, none).ravel() for part in (parts[:half], parts[half:]))
        kernels.fold(source.cells, lead, trail, cells)
        cube = _Cube(levels, sizes, cells)
        self._remember(cube)
        return cube

    def _step(self, column: int, low: int, high: int) -> np.ndarray:
        """Place of a value on a level → place of its value on a coarser one."""
        key = (column, low, high)
        if key not in self._steps:
            ranks = self._packed.ranks[column]
            step = np.zeros(len(self._packed.own[column][low]), dtype=np.int32)
            step[ranks[low]] = ranks[high]
            self._steps[key] = step
        return self._steps[key]

    def _nearest(self, levels: tuple[int, ...]) -> _Cube | None:
        """The smallest held cube of a finer node (or the node itself)."""
        count = len(self._cubes)
        below = np.flatnonzero((self._levels[:count] <= np.asarray(levels, dtype=np.int16)).all(axis=1))
        return self._cubes[int(below[np.argmin(self._spans[below])])] if len(below) else None

    def _remember(self, cube: _Cube) -> None:
        place = len(self._cubes)
        if place == len(self._spans):
            self._levels = np.concatenate([self._levels, np.zeros_like(self._levels)])
            self._spans = np.concatenate([self._spans, np.zeros_like(self._spans)])
        self._cubes.append(cube)
        self._levels[place], self._spans[place] = cube.levels, len(cube.cells)
        while self._spans[: len(self._cubes)].sum() > _HELD:
            drop, last = int(np.argmax(self._spans[: len(self._cubes)])), len(self._cubes) - 1
            self._cubes[drop] = self._cubes[last]
            self._levels[drop], self._spans[drop] = self._levels[last], self._spans[last]
            self._cubes.pop()

    # ---- what a cube tells
    def _figures(self, cube: _Cube) -> Figures:
        data, half = self._packed, _halves(cube.sizes)
        width = math.prod(cube.sizes[half:])
        room = np.zeros(ROOM + 2, dtype=np.int64)
        rows, classes, squares, largest, small, *lost = kernels.add_up(cube.cells, width, self.least, room)
        held: dict[int, np.ndarray] = {}
        for part, low, high in ((lost[0], 0, half), (lost[1], half, len(cube.sizes))) if self.by_value else ():
            shaped = part.reshape(cube.sizes[low:high])
            for axis, j in enumerate(data.columns[low:high]):
                others = tuple(a for a in range(shaped.ndim) if a != axis)
                held[j] = shaped.sum(axis=others)[data.own[j][cube.levels[j]]]
        return Figures(
            total=self.total,
            kept_rows=int(rows),
            kept_classes=int(classes),
            kept_squares=float(squares),
            largest=int(largest),
            classes=int(classes + small),
            lost=tuple(held[j] for j in sorted(held)),
            room=room,
        )


def _halves(sizes: tuple[int, ...]) -> int:
    """Where to part the columns so that both parts have few cells and the second is not short."""
    best, at = math.inf, 1
    for half in range(1, len(sizes) + 1):
        lead, trail = math.prod(sizes[:half]), math.prod(sizes[half:])
        if lead * 4 + trail < best:
            best, at = lead * 4 + trail, half
    return at
