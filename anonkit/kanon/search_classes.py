"""Class tables of lattice nodes, each made from the nearest finer one.

A coarser node is built from a finer node's table, not from rows, and a
class that has reached its thresholds needs no pairs any more, because its coarser versions hold at least as many
persons: near the optimum, where few rows are suppressed, few pairs are left to walk (docs/PRUNING.md, section 2).
A row without a person belongs to a class and adds no person (ruling 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from anonkit.base.errors import SchemaError
from anonkit.kanon import search_kernels as kernels
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.search_tables import NO_WATCH, ClassTable, Watch, build_classes

_WATCH_FROM = 50_000
_WATCH_UNTIL = 0.5
_BLOCKS = 256


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
        watch = NO_WATCH
        if np.isfinite(allowed) and len(rows) > _WATCH_FROM and levels[self._sorted_by] <= self._block_level[1]:
            level = max(levels[self._sorted_by], self._block_level[0])
            blocks = self._step(self._sorted_by, below[self._sorted_by], level)
            watch = Watch(self._sorted_by, blocks, least, int(allowed), int(len(rows) * _WATCH_UNTIL))
        group, first, total, lost = build_classes(codes, steps, sizes, rows, watch)
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
            fleets = range(len(self.table.fleets.get(name, ())))
            if fleets:  # one group of operators must reach it alone: the most that one has is what a class holds
                verdict = verdict & np.any([self.meets(node, f"{name}@{fleet}", least) for fleet in fleets], axis=0)
            else:
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
        if "@" in name:
            unit, fleet = name.split("@")
            pairs = self.table.fleets[unit][int(fleet)]
            return pairs.classes, pairs.units
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
