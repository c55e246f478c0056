"""The search's input: base classes with their rows, and pairs (base class, person), sorted by person once.

It is what the engine's group-by leaves, (base class, person, count[, driver]); a row without a person belongs to a
class and adds no person (ruling 1). Grouping packs the codes of all columns into one key; keys beyond 62 bits are made
dense on the way. Nothing here protects anybody: it counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from anonkit.base.errors import SchemaError
from anonkit.kanon import search_kernels as kernels

_KEY_LIMIT = 2**62
_DENSE_LIMIT = 2**21
_MOST_DENSE = 2**25


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
    """Value numbers (int32, or uint16 where they fit), one row a column, one column a base class."""
    rows: np.ndarray
    units: Mapping[str, Pairs] = field(default_factory=dict)
    fleets: Mapping[str, tuple[Pairs, ...]] = field(default_factory=dict)
    """Where units cannot be matched between operators: the pairs of each group by itself (ruling 2)."""
    sensitive: Mapping[str, Sensitive] = field(default_factory=dict)
    population: np.ndarray | None = None
    row_class: np.ndarray | None = field(default=None, repr=False)
    """Base class of each input row, where the table was made from rows."""

    packed: list[Any] = field(default_factory=list, repr=False)
    """The same base classes packed for walking (`search_packed`), made when a search first needs them."""

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
        among: np.ndarray | None = None,
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
        among : groups of operators between which units cannot be matched; a class holds the most that one group has of
            it, never the sum (ruling 2).
        count : rows each line stands for; default 1.
        sensitive : column → (value numbers, negative = none, and labels).
        population : the same columns of a population table, for k-map.

        >>> table = ClassTable.of({"zone": np.array([0, 0, 1])}, sizes=[2], person=np.array([7, 7, 8]))
        >>> table.rows.tolist(), table.units["person"].total
        ([2, 1], 2)
        """
        names = tuple(codes)
        arrays = [np.asarray(codes[name]) for name in names]
        lines = len(arrays[0]) if arrays else 0
        weight = np.ones(lines, dtype=np.int64) if count is None else np.asarray(count, dtype=np.int64)
        order = _by(person) if person is not None else np.arange(lines)
        stacked = np.stack([a[order] for a in arrays]).astype(np.int32) if arrays else np.zeros((0, 0), np.int32)
        if population is not None:
            extra = np.stack([np.asarray(population[name]) for name in names]).astype(np.int32)
            stacked = np.concatenate([stacked, extra], axis=1)
        group, first = group_codes(stacked, list(sizes))
        people = None
        if population is not None:
            share = np.ones(len(group) - lines, dtype=np.int64) if population_count is None else population_count
            people = kernels.merge_sums(group[lines:], len(first), np.asarray(share, dtype=np.int64))
        group = group[:lines]
        weight = weight[order]
        back = np.empty(lines, dtype=np.int32)
        back[order] = group
        who = {"person": person, "driver": driver}
        return cls(
            columns=names,
            codes=np.ascontiguousarray(stacked[:, first]),
            rows=kernels.merge_sums(group, len(first), weight),
            population=people,
            row_class=back,
            **_people(group, weight, order, who, among, sensitive or {}),
        )

    @classmethod
    def of_packed(
        cls,
        columns: Sequence[str],
        packed: np.ndarray,
        *,
        sizes: Sequence[int],
        count: np.ndarray,
        person: np.ndarray | None = None,
        driver: np.ndarray | None = None,
        among: np.ndarray | None = None,
        sensitive: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    ) -> ClassTable:
        """The same from an engine's groups, whose base value numbers stand in one integer, the first column lowest.

        >>> table = ClassTable.of_packed(["zone", "hour"], np.array([5, 0, 5]), sizes=[2, 3], count=np.array([1, 2, 1]))
        >>> table.codes.tolist(), table.rows.tolist()
        ([[0, 1], [0, 2]], [2, 2])
        """
        by = np.argsort(packed)
        keys = packed[by]
        fresh = np.ones(len(keys), dtype=bool)
        np.not_equal(keys[1:], keys[:-1], out=fresh[1:])
        keys = keys[fresh]
        group = np.empty(len(by), dtype=np.int32)
        del packed  # the largest part of a table's memory, and its last use
        group[by] = np.cumsum(fresh, dtype=np.int32) - np.int32(1)
        del by, fresh
        small = max(sizes, default=0) <= 2**16
        codes = np.empty((len(columns), len(keys)), dtype=np.uint16 if small else np.int32)
        kernels.unpack(keys, np.maximum(np.asarray(sizes, dtype=np.int64), 1), codes)
        del keys
        order = _by(person) if person is not None else np.arange(len(group))
        group, weight = group[order], count[order]
        who = {"person": person, "driver": driver}
        return cls(
            columns=tuple(columns),
            codes=codes,
            rows=kernels.merge_sums(group, codes.shape[1], weight),
            **_people(group, weight, order, who, among, sensitive or {}),
        )


def _people(
    group: np.ndarray,
    weight: np.ndarray,
    order: np.ndarray,
    who: Mapping[str, np.ndarray | None],
    among: np.ndarray | None,
    sensitive: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> dict[str, Any]:
    """Pairs of units, of their groups, and sensitive values; ``group`` and ``weight`` lie in ``order``, by person."""
    units: dict[str, Pairs] = {}
    fleets: dict[str, tuple[Pairs, ...]] = {}
    for name, unit in who.items():
        if unit is None:
            continue
        number = np.asarray(unit)[order]
        parts = (group, number, weight)
        by = None if name == "person" else _by(number)
        if by is not None:
            parts = (group[by], number[by], weight[by])
        units[name] = _pairs(*parts)
        if among is not None:
            fleet = np.asarray(among)[order]
            fleet = fleet if by is None else fleet[by]
            fleets[name] = tuple(_pairs(*(part[fleet == one] for part in parts)) for one in np.unique(fleet))
    person = who.get("person")
    values = {}
    for name, (number, labels) in sensitive.items():
        ordered = np.asarray(number)[order].astype(np.int32)
        known = slice(None) if ordered.min(initial=0) >= 0 else ordered >= 0  # a null is no value
        values[name] = Sensitive(
            classes=group[known],
            values=ordered[known],
            persons=None if person is None else np.asarray(person)[order][known],
            counts=weight[known],
            labels=np.asarray(labels),
        )
    return {"units": units, "fleets": fleets, "sensitive": values}


def _by(numbers: np.ndarray) -> np.ndarray:
    """Stable order of unit numbers, negative ones first."""
    most = int(numbers.max(initial=-1))
    if most > 4 * len(numbers) + 1000 or int(numbers.min(initial=0)) < -1:
        return np.argsort(numbers, kind="stable")
    return kernels.order_by(numbers, most + 1)


def _pairs(classes: np.ndarray, units: np.ndarray, counts: np.ndarray) -> Pairs:
    keep = units >= 0
    if not keep.all():
        classes, units, counts = classes[keep], units[keep], counts[keep]
    fresh = np.empty(len(units), dtype=np.int32)
    if len(units):
        fresh[0] = 0
        np.cumsum(units[1:] != units[:-1], out=fresh[1:])
    total = int(fresh[-1]) + 1 if len(fresh) else 0
    return Pairs(classes=classes.astype(np.int32, copy=False), units=fresh, counts=counts, total=total)


def group_codes(codes: np.ndarray, sizes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Group columns of codes into classes; (class of each, first place of each class), in order of first sight."""
    steps = np.zeros((len(sizes), max([1, *sizes])), dtype=np.int32)
    for column, size in enumerate(sizes):
        steps[column, :size] = np.arange(size)
    group, first, _ = build_classes(codes, steps, sizes, np.ones(codes.shape[1], dtype=np.int64))
    return group, first


def build_classes(
    codes: np.ndarray, steps: np.ndarray, sizes: Sequence[int], rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes of columns of codes after one level step a column; (class of each, first of each class, its rows)."""
    used = [j for j, size in enumerate(sizes) if size > 1]
    if any(sizes[j] >= _KEY_LIMIT for j in used):
        raise SchemaError("a column has too many values to search", hint="a coarser base level.")
    span = 1
    strides: dict[int, int] = {}
    for j in used:
        if span * sizes[j] >= _KEY_LIMIT:
            return _build_wide(codes, steps, sizes, rows, used)
        strides[j] = span
        span *= sizes[j]
    places = np.stack([steps[j].astype(np.int64) * strides[j] for j in used]) if used else np.zeros((0, 1), np.int64)
    picked = np.array(used, dtype=np.int64)
    if span <= _dense(len(rows)):
        return kernels.build_dense(codes, picked, places, rows, span)
    return kernels.build_hash(codes, picked, places, rows)


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


def _dense(count: int) -> int:
    """Keys below this are grouped by a table of all of them."""
    return min(max(_DENSE_LIMIT, 2 * count), 8 * count + 4096, _MOST_DENSE)


def group_keys(keys: np.ndarray, span: int) -> tuple[np.ndarray, np.ndarray]:
    """Group integer keys below ``span``."""
    if span <= _dense(len(keys)):
        return kernels.group_dense(keys, span)
    return kernels.group_hash(keys)


def unit_numbers(values: Any) -> np.ndarray:
    """Numbers of persons (or drivers) from any ids; a null is -1.

    >>> unit_numbers(["ann", None, "ann", "bob"]).tolist()
    [0, -1, 0, 1]
    """
    codes, _ = pd.factorize(pd.Series(values))
    return codes.astype(np.int64)
