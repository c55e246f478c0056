"""Class tables: the search's input, and the table of one lattice node made from the nearest finer one.

The input is what the engine's group-by leaves (SOUNDNESS, rulings 1 and 4): base classes with their rows, and pairs
(base class, person), sorted by person once. A coarser node is built from a finer node's table, not from rows, and a
class that has reached its thresholds needs no pairs any more, because its coarser versions hold at least as many
persons: near the optimum, where few rows are suppressed, few pairs are left to walk (docs/PRUNING.md, section 2).
A row without a person belongs to a class and adds no person (ruling 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from anonkit.base.errors import SchemaError
from anonkit.kanon import search_kernels as kernels
from anonkit.kanon.hierarchies import Hierarchy

_KEY_LIMIT = 2**62
_DENSE_LIMIT = 2**21
_WATCH_FROM = 50_000
_WATCH_UNTIL = 0.5
_BLOCKS = 256


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Base classes and units (persons, drivers), sorted by unit; null units are left out."""

    classes: np.ndarray
    units: np.ndarray
    counts: np.ndarray
    total: int
    """Distinct units."""


@dataclass(frozen=True, kw_only=True)
class Sensitive:
    """Base classes, value numbers and persons of one sensitive column, sorted by person (-1 first: no person)."""

    classes: np.ndarray
    values: np.ndarray
    persons: np.ndarray | None
    counts: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, kw_only=True)
class ClassTable:
    """Base classes of a table: codes by column, rows, and who is in them."""

    columns: tuple[str, ...]
    codes: np.ndarray
    """int32, one row a column, one column a base class."""
    rows: np.ndarray
    units: Mapping[str, Pairs] = field(default_factory=dict)
    sensitive: Mapping[str, Sensitive] = field(default_factory=dict)
    population: np.ndarray | None = None
    row_class: np.ndarray | None = field(default=None, repr=False)
    """Base class of each input row, where the table was made from rows."""

    orders: dict[int, tuple[Hierarchy, np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)
    """Orders of the base classes by a column's tree, made when a search first needs one."""

    @property
    def total_rows(self) -> int:
        """Rows of the table."""
        return int(self.rows.sum())

    @classmethod
    def of(
        cls,
        codes: Mapping[str, np.ndarray],
        *,
        sizes: Sequence[int],
        person: np.ndarray | None = None,
        driver: np.ndarray | None = None,
        count: np.ndarray | None = None,
        sensitive: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
        population: Mapping[str, np.ndarray] | None = None,
        population_count: np.ndarray | None = None,
    ) -> ClassTable:
        """Group coded rows, or an engine's (base class, person, count[, driver]) table, into base classes.

        Parameters
        ----------
        codes : base value numbers by column (from ``Hierarchy.encode``), aligned.
        sizes : number of base values of each column.
        person, driver : unit numbers, negative = none.
        count : rows each line stands for; default 1.
        sensitive : column → (value numbers, labels).
        population : the same columns of a population table, for k-map.

        >>> table = ClassTable.of({"zone": np.array([0, 0, 1])}, sizes=[2], person=np.array([7, 7, 8]))
        >>> table.rows.tolist(), table.units["person"].total
        ([2, 1], 2)
        """
        names = tuple(codes)
        arrays = [np.asarray(codes[name]) for name in names]
        lines = len(arrays[0]) if arrays else 0
        weight = np.ones(lines, dtype=np.int64) if count is None else np.asarray(count, dtype=np.int64)
        order = np.argsort(person, kind="stable") if person is not None else np.arange(lines)
        stacked = np.stack([a[order] for a in arrays]).astype(np.int32) if arrays else np.zeros((0, 0), np.int32)
        if population is not None:
            extra = np.stack([np.asarray(population[name]) for name in names]).astype(np.int32)
            stacked = np.concatenate([stacked, extra], axis=1)
        group, first = group_codes(stacked, list(sizes))
        found, group_all = len(first), group
        group = group[:lines]
        rows = kernels.merge_sums(group, found, weight[order])
        people = None
        if population is not None:
            share = np.ones(len(group_all) - lines, dtype=np.int64) if population_count is None else population_count
            people = kernels.merge_sums(group_all[lines:], found, np.asarray(share, dtype=np.int64))
        units: dict[str, Pairs] = {}
        if person is not None:
            units["person"] = _pairs(group, np.asarray(person)[order], weight[order])
        if driver is not None:
            number = np.asarray(driver)[order]
            by = np.argsort(number, kind="stable")
            units["driver"] = _pairs(group[by], number[by], weight[order][by])
        values = {}
        for name, (number, labels) in (sensitive or {}).items():
            values[name] = Sensitive(
                classes=group,
                values=np.asarray(number)[order].astype(np.int32),
                persons=None if person is None else np.asarray(person)[order],
                counts=weight[order],
                labels=np.asarray(labels),
            )
        back = np.empty(lines, dtype=np.int32)
        back[order] = group
        return cls(
            columns=names,
            codes=np.ascontiguousarray(stacked[:, first]),
            rows=rows,
            units=units,
            sensitive=values,
            population=people,
            row_class=back,
        )


def _pairs(classes: np.ndarray, units: np.ndarray, counts: np.ndarray) -> Pairs:
    keep = units >= 0
    if not keep.all():
        classes, units, counts = classes[keep], units[keep], counts[keep]
    fresh = np.empty(len(units), dtype=np.int32)
    if len(units):
        fresh[0] = 0
        np.cumsum(units[1:] != units[:-1], out=fresh[1:])
    total = int(fresh[-1]) + 1 if len(fresh) else 0
    return Pairs(classes=classes.astype(np.int32), units=fresh, counts=counts.astype(np.int64), total=total)


def group_codes(codes: np.ndarray, sizes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Group columns of codes into classes; (class of each, first place of each class), in order of first sight."""
    steps = np.zeros((len(sizes), max([1, *sizes])), dtype=np.int32)
    for column, size in enumerate(sizes):
        steps[column, :size] = np.arange(size)
    group, first, _, _ = _build(codes, steps, sizes, np.ones(codes.shape[1], dtype=np.int64))
    return group, first


@dataclass(frozen=True)
class _Watch:
    """When to stop making a table: rows of complete classes below ``least`` exceed ``allowed``."""

    column: int
    blocks: np.ndarray
    least: int
    allowed: int
    until: int


_NO_WATCH = _Watch(0, np.zeros(0, dtype=np.int32), 0, 0, 0)


def _build(
    codes: np.ndarray, steps: np.ndarray, sizes: Sequence[int], rows: np.ndarray, watch: _Watch = _NO_WATCH
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Classes of columns of codes after one level step a column; (class of each, first of each class, its rows, -1).

    The last figure is the rows found lost where the watch ended the walk early.
    """
    used = [j for j, size in enumerate(sizes) if size > 1]
    if any(sizes[j] >= _KEY_LIMIT for j in used):
        raise SchemaError("a column has too many values to search", hint="a coarser base level.")
    span = 1
    strides: dict[int, int] = {}
    for j in used:
        if span * sizes[j] >= _KEY_LIMIT:
            return *_build_wide(codes, steps, sizes, rows, used), -1
        strides[j] = span
        span *= sizes[j]
    places = np.stack([steps[j].astype(np.int64) * strides[j] for j in used]) if used else np.zeros((0, 1), np.int64)
    picked = np.array(used, dtype=np.int64)
    rule = (watch.column, watch.blocks, watch.least, watch.allowed, watch.until)
    if span <= min(_DENSE_LIMIT, 8 * len(rows) + 4096):
        return kernels.build_dense(codes, picked, places, rows, span, *rule)
    return kernels.build_hash(codes, picked, places, rows, *rule)


def _build_wide(
    codes: np.ndarray, steps: np.ndarray, sizes: Sequence[int], rows: np.ndarray, used: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same where keys need more than 62 bits: made dense whenever they grow too wide."""
    keys = np.zeros(len(rows), dtype=np.int64)
    span = 1
    for j in used:
        if span * sizes[j] >= _KEY_LIMIT:
            group, first = group_keys(keys, span)
            keys, span = group.astype(np.int64), max(len(first), 1)
        kernels.add_keys(keys, codes[j], steps[j].astype(np.int64) * span)
        span *= sizes[j]
    group, first = group_keys(keys, span)
    return group, first, kernels.merge_sums(group, len(first), rows)


def group_keys(keys: np.ndarray, span: int) -> tuple[np.ndarray, np.ndarray]:
    """Group integer keys below ``span``."""
    if span <= min(_DENSE_LIMIT, 8 * len(keys) + 4096):
        return kernels.group_dense(keys, span)
    return kernels.group_hash(keys)


@dataclass(eq=False, kw_only=True)
class NodeTable:
    """Classes of one node; ``safe`` and pairs are made when first needed, from the nearest finer table with them."""

    levels: tuple[int, ...]
    codes: np.ndarray
    """For each column (row) the value number of each class, on the node's level."""
    rows: np.ndarray
    population: np.ndarray | None
    finer: NodeTable | None
    group: np.ndarray
    """Class of each class of ``finer`` (of each base class where that is None)."""
    safe: dict[str, np.ndarray] = field(default_factory=dict)
    live: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    units: dict[str, np.ndarray] = field(default_factory=dict)

    def sorted_group(self) -> np.ndarray:
        """Class of each base class, in the counter's own order of base classes."""
        group, table = self.group, self.finer
        while table is not None:
            group = group[table.group]
            table = table.finer
        return group

    def weight(self) -> int:
        """Numbers held, for choosing and for dropping tables."""
        return len(self.rows) + sum(len(pair[0]) for pair in self.live.values())


class ClassCounter:
    """Makes the class table of any node; keeps tables so that coarser ones are made from them."""

    def __init__(
        self,
        table: ClassTable,
        hierarchies: Sequence[Hierarchy],
        thresholds: Mapping[str, int],
        *,
        count_rows: bool = False,
        keep: int = 60_000_000,
    ) -> None:
        self.table = table
        self.hierarchies = tuple(hierarchies)
        self.thresholds = dict(thresholds)
        self.count_rows = count_rows
        self.made = 0
        self._codes, self._rows, self._people = table.codes, table.rows, table.population
        self._moved: np.ndarray | None = None
        self._keep = keep
        self._nodes: list[NodeTable] = []
        self._places: dict[tuple[int, ...], int] = {}
        self._levels = np.zeros((64, len(hierarchies)), dtype=np.int16)
        self._weights = np.zeros(64, dtype=np.int64)
        self._sizes = [h.sizes for h in hierarchies]
        self._steps: dict[tuple[int, int, int], np.ndarray] = {}
        self._sorted_by = 0
        self._block_level = (0, -1)
        if len(self.table.rows) > _WATCH_FROM:
            self._sort()

    def classes(self, levels: tuple[int, ...]) -> NodeTable:
        """Class table of a node: rows (and population), no persons yet."""
        made = self.attempt(levels)
        assert isinstance(made, NodeTable)
        return made

    def attempt(self, levels: tuple[int, ...], *, least: int = 0, allowed: float = np.inf) -> NodeTable | int:
        """The same, or early the rows of classes below ``least`` where these exceed ``allowed`` already."""
        if levels in self._places:
            return self._nodes[self._places[levels]]
        finer = self._nearest(levels)
        below = (0,) * len(levels) if finer is None else finer.levels
        codes = self._codes if finer is None else finer.codes
        rows = self._rows if finer is None else finer.rows
        people = self._people if finer is None else finer.population
        sizes = [size[level] for size, level in zip(self._sizes, levels, strict=True)]
        width = max([1, *(size[low] for size, low in zip(self._sizes, below, strict=True))])
        steps = np.zeros((len(levels), width), dtype=np.int32)
        for column, (low, high) in enumerate(zip(below, levels, strict=True)):
            step = self._step(column, low, high)
            steps[column, : len(step)] = step
        watch = _NO_WATCH
        if np.isfinite(allowed) and len(rows) > _WATCH_FROM and levels[self._sorted_by] <= self._block_level[1]:
            level = max(levels[self._sorted_by], self._block_level[0])
            blocks = self._step(self._sorted_by, below[self._sorted_by], level)
            watch = _Watch(self._sorted_by, blocks, least, int(allowed), int(len(rows) * _WATCH_UNTIL))
        group, first, total, lost = _build(codes, steps, sizes, rows, watch)
        if lost >= 0:
            return int(lost)
        node = NodeTable(
            levels=levels,
            codes=kernels.take_all(codes, steps, first),
            rows=total,
            population=None if people is None else kernels.merge_sums(group, len(first), people),
            finer=finer,
            group=group,
        )
        self.made += 1
        self._remember(node)
        return node

    def safe(self, node: NodeTable) -> np.ndarray:
        """Classes that meet every threshold (rows, population, persons, drivers, distinct values)."""
        verdict = node.rows > 0
        for name, least in self.thresholds.items():
            verdict = verdict & self.meets(node, name, least)
        return verdict

    def meets(self, node: NodeTable, name: str, least: int) -> np.ndarray:
        """Classes that meet one threshold; walks only the pairs that finer tables have left undecided."""
        if name in node.safe:
            return node.safe[name]
        if name == "row":
            node.safe[name] = node.rows >= least
            return node.safe[name]
        if name == "population":
            if node.population is None:
                raise SchemaError("k-map needs a population table", hint="ClassTable.of(..., population=...).")
            node.safe[name] = node.population >= least
            return node.safe[name]
        group, finer = node.group, node.finer
        while finer is not None and name not in finer.live:
            group, finer = group[finer.group], finer.finer
        count = len(node.rows)
        if finer is None:
            safe = np.zeros(count, dtype=np.bool_)
            classes, units = self._pairs(name)
            group = group if self._moved is None else group[self._moved]
        else:
            safe = kernels.merge_any(group, count, finer.safe[name])
            classes, units = finer.live[name]
        found, kept_class, kept_unit = kernels.count_units(group, safe, least, classes, units, count)
        node.safe[name], node.units[name], node.live[name] = safe, found, (kept_class, kept_unit)
        if node.levels in self._places:
            self._weights[self._places[node.levels]] = node.weight()
        return safe

    def base_group(self, node: NodeTable) -> np.ndarray:
        """Class of each base class."""
        group = node.sorted_group()
        return group if self._moved is None else group[self._moved]

    def persons_lost(self, node: NodeTable, released: np.ndarray) -> int:
        """Persons none of whose rows is in a released class."""
        pairs = self.table.units["person"]
        lost, _, _ = kernels.count_lost(self.base_group(node), released, pairs.classes, pairs.units)
        return int(lost)

    def level_codes(self, node: NodeTable, column: int, which: np.ndarray | None = None) -> np.ndarray:
        """Value numbers of one column, on the node's level, of its classes."""
        return node.codes[column] if which is None else node.codes[column][which]

    def _step(self, column: int, low: int, high: int) -> np.ndarray:
        """Value number on a level → value number on a coarser one."""
        key = (column, low, high)
        if key not in self._steps:
            hierarchy = self.hierarchies[column]
            step = np.zeros(hierarchy.sizes[low], dtype=np.int32)
            step[hierarchy.codes[low]] = hierarchy.codes[high]
            self._steps[key] = step
        return self._steps[key]

    def _pairs(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        if name in self.table.units:
            pairs = self.table.units[name]
            return pairs.classes, pairs.units
        if name.startswith("values:"):
            sensitive = self.table.sensitive[name.removeprefix("values:")]
            keep = np.ones(len(sensitive.values), dtype=bool)
            if sensitive.persons is not None and not self.count_rows:
                keep = sensitive.persons >= 0
            by = np.argsort(sensitive.values[keep], kind="stable")
            return sensitive.classes[keep][by], sensitive.values[keep][by]
        raise SchemaError(f"the table has no column for '{name}'", hint="name the person or driver column.")

    def _sort(self) -> None:
        """Put the base classes of a big table in the order of one column's tree, sparsest values first.

        Then classes of a node lie together within the column's values on the node's level or a coarser one, and a
        walk can stop as soon as complete classes have lost too many rows.
        """
        self._sorted_by = max(
            range(len(self.hierarchies)), key=lambda j: self.hierarchies[j].height * len(self._sizes[j])
        )
        hierarchy = self.hierarchies[self._sorted_by]
        codes, keys = self.table.codes[self._sorted_by], []
        telling = [level for level in range(hierarchy.height) if hierarchy.sizes[level] > 1]
        for level in telling:
            rows = np.bincount(hierarchy.codes[level][codes], weights=self.table.rows, minlength=hierarchy.sizes[level])
            rank = np.empty(len(rows), dtype=np.int64)
            rank[np.argsort(rows, kind="stable")] = np.arange(len(rows))
            keys.append(rank[hierarchy.codes[level]])
        small = [level for level in telling if hierarchy.sizes[level] <= _BLOCKS]
        if not small:
            return
        self._block_level = (small[0], telling[-1])
        held = self.table.orders.get(self._sorted_by)
        if held is None or held[0] is not hierarchy:
            place = np.zeros(hierarchy.sizes[0], dtype=np.int32)
            place[np.lexsort(keys)] = np.arange(hierarchy.sizes[0])
            order = np.argsort(place[codes], kind="stable")
            moved = np.empty(len(order), dtype=np.int32)
            moved[order] = np.arange(len(order), dtype=np.int32)
            held = self.table.orders[self._sorted_by] = (hierarchy, order, moved)
        _, order, self._moved = held
        self._codes, self._rows = np.ascontiguousarray(self._codes[:, order]), self._rows[order]
        self._people = None if self._people is None else self._people[order]

    def _nearest(self, levels: tuple[int, ...]) -> NodeTable | None:
        if not self._nodes:
            return None
        below = np.flatnonzero((self._levels[: len(self._nodes)] <= np.asarray(levels)).all(axis=1))
        if not len(below):
            return None
        return self._nodes[int(below[np.argmin(self._weights[below])])]

    def _remember(self, node: NodeTable) -> None:
        place = len(self._nodes)
        if place == len(self._weights):
            self._levels = np.concatenate([self._levels, np.zeros_like(self._levels)])
            self._weights = np.concatenate([self._weights, np.zeros_like(self._weights)])
        self._nodes.append(node)
        self._places[node.levels] = place
        self._levels[place], self._weights[place] = node.levels, node.weight()
        if self._weights[: place + 1].sum() > self._keep and place > 2:
            drop = int(np.argmax(self._weights[:place]))
            last = self._nodes.pop()
            del self._places[self._nodes[drop].levels]
            self._nodes[drop] = last
            self._places[last.levels] = drop
            self._levels[drop], self._weights[drop] = last.levels, last.weight()


def unit_numbers(values: Any) -> np.ndarray:
    """Numbers of persons (or drivers) from any ids; a null is -1.

    >>> unit_numbers(["ann", None, "ann", "bob"]).tolist()
    [0, -1, 0, 1]
    """
    import pandas as pd

    codes, _ = pd.factorize(pd.Series(values))
    return codes.astype(np.int64)
