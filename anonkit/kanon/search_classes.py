"""Class tables of lattice nodes, each made from the nearest finer one.

A coarser node is built from a finer node's table, not from rows, and a
class that has reached its thresholds needs no pairs any more, because its coarser versions hold at least as many
persons: near the optimum, where few rows are suppressed, few pairs are left to walk (docs/PRUNING.md, section 2).
A row without a person belongs to a class and adds no person (ruling 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from anonkit.base.errors import SchemaError
from anonkit.kanon import search_kernels as kernels
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.search_tables import ClassTable, build_classes
from anonkit.kanon.search_workers import Workers

ROOM = 256
"""Into so many finer classes one is looked at as split, before it may be split into any number."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Figures:
    """What a node keeps, and the rows that it loses; all that a quality measure needs."""

    total: int
    kept_rows: int
    kept_classes: int
    kept_squares: float
    largest: int
    classes: int
    """Classes that have rows, kept or lost."""
    lost: tuple[np.ndarray, ...]
    """For each column the lost rows by value number on the node's level; empty where nobody asked for them."""
    room: np.ndarray
    """Kept classes by how many classes of the least number of rows fit into one, ``ROOM`` and more as one; the last: their sum."""

    @property
    def lost_rows(self) -> int:
        """Rows that are not kept."""
        return self.total - self.kept_rows


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

    def figures(self, kept: np.ndarray, sizes: Sequence[int], least: int) -> Figures:
        """Figures of the node where the classes ``kept`` are; ``sizes``: values of each column on its level."""
        rows, lost = self.rows[kept], ~kept
        fit = rows // least
        return Figures(
            total=int(self.rows.sum()),
            kept_rows=int(rows.sum()),
            kept_classes=len(rows),
            kept_squares=float((rows.astype(np.float64) ** 2).sum()),
            largest=int(rows.max(initial=0)),
            classes=int((self.rows > 0).sum()),
            lost=tuple(
                np.bincount(codes[lost], weights=self.rows[lost], minlength=size)
                for codes, size in zip(self.codes, sizes, strict=True)
            ),
            room=np.append(np.bincount(np.minimum(fit, ROOM), minlength=ROOM + 1), fit.sum()),
        )

    def weight(self) -> int:
        """Numbers held, for choosing and for dropping tables."""
        return len(self.rows) + len(self.group) + sum(len(pair[0]) for pair in self.live.values())


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
        self._keep = keep
        self._workers = Workers(len(table.rows))
        self._nodes: list[NodeTable] = []
        self._places: dict[tuple[int, ...], int] = {}
        self._levels = np.zeros((64, len(hierarchies)), dtype=np.int16)
        self._weights = np.zeros(64, dtype=np.int64)
        self._sizes = [h.sizes for h in hierarchies]
        self._steps: dict[tuple[int, int, int], np.ndarray] = {}

    def classes(self, levels: tuple[int, ...]) -> NodeTable:
        """Class table of a node: rows (and population), no persons yet."""
        if levels in self._places:
            return self._nodes[self._places[levels]]
        finer = self._nearest(levels)
        below = (0,) * len(levels) if finer is None else finer.levels
        codes = self.table.codes if finer is None else finer.codes
        rows = self.table.rows if finer is None else finer.rows
        people = self.table.population if finer is None else finer.population
        sizes = self.sizes(levels)
        width = max([1, *(size[low] for size, low in zip(self._sizes, below, strict=True))])
        steps = np.zeros((len(levels), width), dtype=np.int32)
        for column, (low, high) in enumerate(zip(below, levels, strict=True)):
            step = self._step(column, low, high)
            steps[column, : len(step)] = step
        group, first, total = build_classes(codes, steps, sizes, rows)
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
                raise SchemaError(
                    "k-map needs a population table", hint="KAnonymizer(population=…), or ClassTable.of(population=…)."
                )
            node.safe[name] = node.population >= least
            return node.safe[name]
        group, finer = node.group, node.finer
        while finer is not None and name not in finer.live:
            group, finer = group[finer.group], finer.finer
        count = len(node.rows)
        if finer is None:
            safe = np.zeros(count, dtype=np.bool_)
            classes, units = self._pairs(name)
        else:
            safe = kernels.merge_any(group, count, finer.safe[name])
            classes, units = finer.live[name]
        found, kept = self._count_units(group, safe, least, classes, units)
        node.safe[name], node.units[name], node.live[name] = safe, found, kept
        if node.levels in self._places:
            self._weights[self._places[node.levels]] = node.weight()
        return safe

    def _count_units(
        self, group: np.ndarray, safe: np.ndarray, least: int, classes: np.ndarray, units: np.ndarray
    ) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Units of each class and the pairs still needed; many pairs in threads, no unit in two of them."""
        if self._workers.threads == 1 or not len(units):
            found, *kept = kernels.count_units(group, safe, least, classes, units, len(safe))
            return found, (kept[0], kept[1])
        cuts = np.searchsorted(units, units[self._workers.shares(len(units))[:-1]]).tolist()
        bounds = [slice(low, high) for low, high in pairwise([*cuts, len(units)])]
        own = [safe.copy() for _ in bounds]

        def run(part: slice, safe: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            return kernels.count_units(group, safe, least, classes[part], units[part], len(safe))

        parts = self._workers.map(run, bounds, own)
        found = np.sum([part[0] for part in parts], axis=0, dtype=np.int32)
        np.logical_or(np.logical_or.reduce(own), found >= least, out=safe)
        left = [~safe[part[1]] for part in parts]
        return found, (
            np.concatenate([part[1][keep] for part, keep in zip(parts, left, strict=True)]),
            np.concatenate([part[2][keep] for part, keep in zip(parts, left, strict=True)]),
        )

    def base_group(self, node: NodeTable) -> np.ndarray:
        """Class of each base class."""
        group, table = node.group, node.finer
        while table is not None:
            group = group[table.group]
            table = table.finer
        return group

    def sizes(self, levels: tuple[int, ...]) -> list[int]:
        """Number of values of each column on its level."""
        return [size[level] for size, level in zip(self._sizes, levels, strict=True)]

    def persons_lost(self, node: NodeTable, released: np.ndarray) -> int:
        """Persons none of whose rows is in a released class."""
        pairs = self.table.units["person"]
        lost, _, _ = kernels.count_lost(self.base_group(node), released, pairs.classes, pairs.units)
        return int(lost)

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
        if name.removeprefix("values:") in self.table.sensitive:
            sensitive = self.table.sensitive[name.removeprefix("values:")]
            keep = np.ones(len(sensitive.values), dtype=bool)
            if sensitive.persons is not None and not self.count_rows:
                keep = sensitive.persons >= 0
            by = np.argsort(sensitive.values[keep], kind="stable")
            return sensitive.classes[keep][by], sensitive.values[keep][by]
        raise SchemaError(f"the table has no column for '{name}'", hint="name the person or driver column.")

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
