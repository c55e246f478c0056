"""Base classes packed for walking: in the order of one column's tree, their values in a few small words.

The column with the richest tree orders them, values with few rows first: the classes of a node then lie together, block
by block, and where many rows must be suppressed the first blocks show it (docs/PRUNING.md, section 6). Several columns'
values share a word, so that the cell of a base class is found by two or three look-ups. Made once a table and kept with
it. It counts and protects nobody.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from anonkit.kanon import search_kernels as kernels
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.search_tables import ClassTable

_WORD = 2**16


@dataclass(frozen=True, eq=False, kw_only=True)
class Packed:
    """A table's base classes in order, and how cells of a node are numbered."""

    hierarchies: tuple[Hierarchy, ...]
    columns: tuple[int, ...]
    """Columns in the order of their part of a cell's number, highest first; the first one's tree gives the order."""
    ranks: tuple[tuple[np.ndarray, ...], ...]
    """For each column and level: base value number → place of its value among the level's values."""
    own: tuple[tuple[np.ndarray, ...], ...]
    """For each column and level: value number → its place."""
    words: np.ndarray
    """One row a base class; each column is a place in the concatenated look-up tables of ``groups``."""
    groups: tuple[tuple[int, ...], ...]
    """The columns of each word; the first column is in none, since its value changes from run to run only."""
    rows: np.ndarray
    tree: np.ndarray
    """The first column's base values in the order of its tree; the base classes of one are a run."""
    runs: np.ndarray
    """First base class of each run, and the end."""
    blocks: tuple[np.ndarray, ...]
    """For each level of the first column: first run of each of its values, and the end."""

    def sizes(self, levels: tuple[int, ...]) -> tuple[int, ...]:
        """Number of values of each column of ``columns``."""
        return tuple(len(self.own[j][levels[j]]) for j in self.columns)

    def places(self, levels: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Parts of a cell's number (int32; wide numbers wrap): by packed values of all words, and by run."""
        strides, span = {}, 1
        for j in reversed(self.columns):
            strides[j] = np.array(span % 2**32, dtype=np.uint32).astype(np.int32)
            span *= len(self.own[j][levels[j]])
        tables = [np.zeros(0, dtype=np.int32)]
        for group in self.groups:
            parts = [self.ranks[j][levels[j]] * strides[j] for j in group]
            tables.append(reduce(np.add.outer, parts).ravel())
        first = self.columns[0]
        return np.concatenate(tables), self.ranks[first][levels[first]][self.tree] * strides[first]


def packed(table: ClassTable, hierarchies: Sequence[Hierarchy]) -> Packed:
    """The table's packed base classes; made when first needed."""
    for known in table.packed:
        if all(a is b for a, b in zip(known.hierarchies, hierarchies, strict=True)):
            return known
    first = max(range(len(hierarchies)), key=lambda j: hierarchies[j].height ** 2)
    codes, sizes = table.codes, [h.sizes[0] for h in hierarchies]
    weights = np.bincount(codes[first], weights=table.rows, minlength=sizes[first])
    own = [[np.arange(size) for size in h.sizes] for h in hierarchies]
    tree, own[first] = _tree_order(hierarchies[first], weights)
    ranks = [[own[j][level][c] for level, c in enumerate(h.codes)] for j, h in enumerate(hierarchies)]
    place = np.empty(len(tree), dtype=np.int32)
    place[tree] = np.arange(len(tree))
    run = place[codes[first]]
    order, runs = kernels.order_by(run, len(tree)), np.zeros(len(tree) + 1, dtype=np.int64)
    np.cumsum(np.bincount(run, minlength=len(tree)), out=runs[1:])
    del run
    columns = (first, *(j for j in range(len(sizes)) if j != first))
    groups = _groups(sizes, columns[1:], limit=min(_WORD, max(256, codes.shape[1] // 16)))
    spans = [math.prod(sizes[j] for j in group) for group in groups]
    words = np.empty((codes.shape[1], len(groups)), dtype=np.uint16 if sum(spans) <= _WORD else np.uint32)
    for at, group in enumerate(groups):
        word = codes[group[0]]
        for j in group[1:]:
            word = word * np.int32(sizes[j]) + codes[j]
        words[:, at] = (word + np.int32(sum(spans[:at])))[order]
    made = Packed(
        hierarchies=tuple(hierarchies),
        columns=columns,
        ranks=tuple(tuple(rank.astype(np.int32) for rank in levels) for levels in ranks),
        own=tuple(tuple(levels) for levels in own),
        words=words,
        groups=groups,
        rows=table.rows[order].astype(np.int32 if table.total_rows < 2**31 else np.int64),
        tree=tree,
        runs=runs,
        blocks=tuple(
            np.searchsorted(rank[tree], np.arange(size + 1))
            for rank, size in zip(ranks[first], hierarchies[first].sizes, strict=True)
        ),
    )
    table.packed.append(made)
    return made


def _tree_order(hierarchy: Hierarchy, weights: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Base values in the order of the tree, lightest branch first, and for each level the places of its values."""
    keys = []
    for codes, size in zip(hierarchy.codes, hierarchy.sizes, strict=True):
        rank = np.empty(size, dtype=np.int64)
        rank[np.argsort(np.bincount(codes, weights=weights, minlength=size), kind="stable")] = np.arange(size)
        keys.append(rank[codes])
    tree = np.lexsort(keys)
    places = []
    for codes, size in zip(hierarchy.codes, hierarchy.sizes, strict=True):
        first = np.full(size, len(tree), dtype=np.int64)
        first[codes[tree][::-1]] = np.arange(len(tree))[::-1]
        rank = np.empty(size, dtype=np.int64)
        rank[np.argsort(first, kind="stable")] = np.arange(size)
        places.append(rank)
    return tree, places


def _groups(sizes: Sequence[int], columns: Sequence[int], *, limit: int) -> tuple[tuple[int, ...], ...]:
    """Columns shared out to words of at most ``limit`` values, widest first."""
    groups: list[list[int]] = []
    spans: list[int] = []
    for j in sorted(columns, key=lambda j: -sizes[j]):
        for at, span in enumerate(spans):
            if span * sizes[j] <= limit:
                groups[at].append(j)
                spans[at] *= sizes[j]
                break
        else:
            groups.append([j])
            spans.append(sizes[j])
    return tuple(tuple(group) for group in groups)
