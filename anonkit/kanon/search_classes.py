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
    identity = [np.arange(max(size, 1), dtype=np.int32) for size in sizes]
    return _group(codes, identity, list(sizes), np.arange(codes.shape[1], dtype=np.int32))


def _group(
    codes: np.ndarray, maps: Sequence[np.ndarray], sizes: Sequence[int], rep: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Classes of the representatives ``rep`` under ``maps``; wide keys are made dense on the way."""
    keys: np.ndarray | None = None
    span = 1
    start = 0
    while start < len(sizes) or keys is None:
        strides = np.zeros(len(sizes), dtype=np.int64)
        end = start
        step = span
        while end < len(sizes) and step * max(sizes[end], 1) < _KEY_LIMIT:
            strides[end] = step if sizes[end] > 1 else 0
            step *= max(sizes[end], 1)
            end += 1
        if end == start and start < len(sizes):
            raise SchemaError(f"a column has {sizes[start]} values; too many to search", hint="a coarser base level.")
        used = [j for j in range(start, end) if strides[j]]
        if used:
            padded = _padded([maps[j] for j in used])
            part = kernels.pack_keys(np.ascontiguousarray(codes[used]), padded, strides[used], rep)
        else:
            part = np.zeros(len(rep), dtype=np.int64)
        keys = part if keys is None else keys + part
        group, first = group_keys(keys, step)
        if end >= len(sizes):
            return group, first
        keys, span, start = group.astype(np.int64), max(len(first), 1), end
    raise AssertionError("unreachable")


def _padded(maps: Sequence[np.ndarray]) -> np.ndarray:
    width = max(len(m) for m in maps)
    out = np.zeros((len(maps), width), dtype=np.int32)
    for j, mapping in enumerate(maps):
        out[j, : len(mapping)] = mapping
    return out


def group_keys(keys: np.ndarray, span: int) -> tuple[np.ndarray, np.ndarray]:
    """Group integer keys below ``span``."""
    if span <= min(_DENSE_LIMIT, 8 * len(keys) + 4096):
        return kernels.group_dense(keys, span)
    return kernels.group_hash(keys)


@dataclass(eq=False, kw_only=True)
class NodeTable:
    """Classes of one node; ``safe`` and pairs are made when first needed, from the nearest finer table with them."""

    levels: tuple[int, ...]
    rep: np.ndarray
    """A base class that stands for each class."""
    rows: np.ndarray
    population: np.ndarray | None
    finer: NodeTable | None
    group: np.ndarray
    """Class of each class of ``finer`` (of each base class where that is None)."""
    safe: dict[str, np.ndarray] = field(default_factory=dict)
    live: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    units: dict[str, np.ndarray] = field(default_factory=dict)

    def base_group(self) -> np.ndarray:
        """Class of each base class."""
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
        self._keep = keep
        self._nodes: list[NodeTable] = []
        self._places: dict[tuple[int, ...], int] = {}
        self._levels = np.zeros((64, len(hierarchies)), dtype=np.int16)
        self._weights = np.zeros(64, dtype=np.int64)
        self._sizes = [h.sizes for h in hierarchies]

    def classes(self, levels: tuple[int, ...]) -> NodeTable:
        """Class table of a node: rows (and population), no persons yet."""
        if levels in self._places:
            return self._nodes[self._places[levels]]
        finer = self._nearest(levels)
        maps = [h.codes[level] for h, level in zip(self.hierarchies, levels, strict=True)]
        sizes = [size[level] for size, level in zip(self._sizes, levels, strict=True)]
        rep = finer.rep if finer is not None else np.arange(self.table.codes.shape[1], dtype=np.int32)
        group, first = _group(self.table.codes, maps, sizes, rep)
        rows = finer.rows if finer is not None else self.table.rows
        people = finer.population if finer is not None else self.table.population
        node = NodeTable(
            levels=levels,
            rep=rep[first],
            rows=kernels.merge_sums(group, len(first), rows),
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
        else:
            safe = kernels.merge_any(group, count, finer.safe[name])
            classes, units = finer.live[name]
        found, kept_class, kept_unit = kernels.count_units(group, safe, least, classes, units, count)
        node.safe[name], node.units[name], node.live[name] = safe, found, (kept_class, kept_unit)
        if node.levels in self._places:
            self._weights[self._places[node.levels]] = node.weight()
        return safe

    def persons_lost(self, node: NodeTable, released: np.ndarray) -> int:
        """Persons none of whose rows is in a released class."""
        pairs = self.table.units["person"]
        lost, _, _ = kernels.count_lost(node.base_group(), released, pairs.classes, pairs.units)
        return int(lost)

    def level_codes(self, node: NodeTable, column: int, which: np.ndarray | None = None) -> np.ndarray:
        """Value numbers of one column, on the node's level, of its classes."""
        rep = node.rep if which is None else node.rep[which]
        return self.hierarchies[column].codes[node.levels[column]][self.table.codes[column][rep]]

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
