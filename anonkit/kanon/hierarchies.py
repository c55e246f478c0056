"""Generalisation hierarchies: how each column becomes coarser, level by level, until nothing is left of it.

Level 0 is the base value, the last level is one value for all (``*``). Every hierarchy is checked when it is made:
complete (each base value has a value on each level) and monotone (two values that are equal on one level are equal on
all coarser ones), because the search prunes by it (docs/PRUNING.md). The table form is ARX's: one line a base value,
one field a level. A hierarchy comes from public things (a map, a clock, a list): one made from the trips themselves
tells which values occur, and is not public (ruling 18).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anonkit.base.errors import SchemaError

ANY = "*"
UNKNOWN = "unknown"
# mean distance of a uniform point of the unit square from its centre: (sqrt 2 + ln(1 + sqrt 2)) / 6
SQUARE_MEAN_DISTANCE = 0.3825978582


@dataclass(frozen=True, kw_only=True, eq=False)
class Hierarchy:
    """The levels of one column; frozen and checked.

    Examples
    --------
    >>> paths = {"bus": ["public", "*"], "tram": ["public", "*"], "taxi": ["private", "*"]}
    >>> mode = Hierarchy.from_mapping("mode", paths)
    >>> mode.height, mode.sizes
    (3, (3, 2, 1))
    >>> mode.labels_of(["tram", "taxi"], level=1).tolist()
    ['public', 'private']
    """

    column: str
    names: tuple[str, ...]
    """One name a level, finest first."""
    codes: tuple[np.ndarray, ...]
    """For each level: base value number → value number of the level (int32)."""
    labels: tuple[np.ndarray, ...]
    """For each level: value number → label."""
    displacement: tuple[float, ...] | None = None
    """Mean distance of the truth from what is released, one figure a level, in ``unit``."""
    unit: str | None = None
    """``m``, ``min`` or None."""
    encoder: Callable[[np.ndarray], np.ndarray] | None = field(default=None, repr=False)
    """Turns raw values into base value numbers; None looks them up in ``labels[0]``."""

    def __post_init__(self) -> None:
        if not self.codes or len(self.codes) != len(self.labels) or len(self.codes) != len(self.names):
            raise SchemaError(
                f"hierarchy '{self.column}' has {len(self.codes)} levels of codes, {len(self.labels)} of labels and "
                f"{len(self.names)} names",
                hint="give each level a name, codes and labels.",
            )
        if len(set(self.labels[0].tolist())) != len(self.labels[0]):
            raise SchemaError(
                f"hierarchy '{self.column}' lists a base value twice", hint="one line for each base value."
            )
        if self.displacement is not None and (
            len(self.displacement) != len(self.codes) or list(self.displacement) != sorted(self.displacement)
        ):
            raise SchemaError(
                f"hierarchy '{self.column}' needs one displacement a level, never falling",
                hint=f"{len(self.codes)} figures, finest level first.",
            )
        count = len(self.labels[0])
        for level, codes in enumerate(self.codes):
            if len(codes) != count or (count and (codes.min() < 0 or codes.max() >= len(self.labels[level]))):
                raise SchemaError(
                    f"hierarchy '{self.column}' is not complete: level {level} ('{self.names[level]}') does not cover "
                    f"all {count} base values",
                    hint="every base value needs a value on every level.",
                )
            if level == 0:
                continue
            finer = self.codes[level - 1]
            parent = np.full(len(self.labels[level - 1]), -1, dtype=np.int32)
            parent[finer] = codes
            split = int((parent[finer] != codes).sum())
            if split:
                raise SchemaError(
                    f"hierarchy '{self.column}' is not monotone: {split} base values that are one on level {level - 1} "
                    f"('{self.names[level - 1]}') are apart on level {level} ('{self.names[level]}')",
                    hint="each value of a level belongs to exactly one value of the next.",
                )

    # ---- sizes
    @property
    def height(self) -> int:
        """Number of levels, the base level included."""
        return len(self.codes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of values on each level."""
        return tuple(len(labels) for labels in self.labels)

    def leaves(self, level: int) -> np.ndarray:
        """How many base values each value of a level stands for."""
        return np.bincount(self.codes[level], minlength=len(self.labels[level]))

    # ---- values
    def encode(self, values: Any) -> np.ndarray:
        """Base value numbers of raw values; a null is the base value "unknown"."""
        series = pd.Series(np.asarray(values) if not isinstance(values, pd.Series) else values.to_numpy())
        null = series.isna().to_numpy()
        numbers = np.full(len(series), -1, dtype=np.int32)
        known = series.to_numpy()[~null] if null.any() else series.to_numpy()
        if self.encoder is not None:
            numbers[~null] = self.encoder(known)
        else:
            numbers[~null] = pd.Index(self.labels[0]).get_indexer(pd.Index(known)).astype(np.int32)
        if null.any():
            place = np.flatnonzero(self.labels[0].astype(str) == UNKNOWN)
            if not len(place):
                raise SchemaError(
                    f"column '{self.column}' has {int(null.sum())} nulls and its hierarchy no base value '{UNKNOWN}'",
                    hint="hierarchy.with_unknown() adds it.",
                )
            numbers[null] = place[0]
        outside = int((numbers < 0).sum())
        if outside:
            kinds = {
                "text" if isinstance(v, str) else "number" for v in (*known[:1].tolist(), *self.labels[0][:1].tolist())
            }
            raise SchemaError(
                f"column '{self.column}' has {outside} rows whose value is not in its hierarchy",
                hint="add the values to the hierarchy; it must be complete."
                if len(kinds) == 1
                else "one is text and the other numbers: read both as the same.",
            )
        return numbers

    def decode(self, numbers: np.ndarray, *, level: int) -> np.ndarray:
        """Labels of base value numbers on a level."""
        return self.labels[level][self.codes[level][numbers]]

    def labels_of(self, values: Any, *, level: int) -> np.ndarray:
        """Labels of raw values on a level."""
        return self.decode(self.encode(values), level=level)

    def with_unknown(self) -> Hierarchy:
        """The same hierarchy with a base value for null: its own category, never a wildcard."""
        if UNKNOWN in {str(v) for v in self.labels[0]}:
            return self
        codes, labels, same = [], [], None
        for level in range(self.height):
            old = self.labels[level]
            if same is None and level:  # a coarser value of that name takes the null in, and its parents follow
                named = np.flatnonzero(old[self.codes[level]].astype(str) == UNKNOWN)
                same = int(named[0]) if len(named) else None
            if same is not None:
                codes.append(np.append(self.codes[level], self.codes[level][same]).astype(np.int32))
                labels.append(old)
            elif len(old) == 1 and level == self.height - 1:
                codes.append(np.append(self.codes[level], 0).astype(np.int32))
                labels.append(old)
            else:
                codes.append(np.append(self.codes[level], len(old)).astype(np.int32))
                labels.append(np.append(old.astype(object), UNKNOWN))
        return replace(self, codes=tuple(codes), labels=tuple(labels))

    # ---- drawing
    def describe(self) -> pd.DataFrame:
        """One row a level: how many values, how many base values each stands for, its displacement."""
        leaves = [self.leaves(level) for level in range(self.height)]
        return pd.DataFrame(
            {
                "level": range(self.height),
                "name": self.names,
                "values": self.sizes,
                "smallest": [int(x.min()) if len(x) else 0 for x in leaves],
                "largest": [int(x.max()) if len(x) else 0 for x in leaves],
                f"displacement_{self.unit or 'none'}": self.displacement or [None] * self.height,
            }
        )

    def edges(self) -> pd.DataFrame:
        """The tree as a table (id, parent, label, leaves), as treemap and sunburst figures want it."""
        rows = []
        for level in reversed(range(self.height)):
            leaves = self.leaves(level)
            first = {int(code): i for i, code in reversed(list(enumerate(self.codes[level])))}
            for code, label in enumerate(self.labels[level]):
                parent = ""
                if level + 1 < self.height and code in first:
                    parent = f"{level + 1}:{self.codes[level + 1][first[code]]}"
                rows.append((f"{level}:{code}", parent, str(label), int(leaves[code])))
        return pd.DataFrame(rows, columns=["id", "parent", "label", "leaves"])

    # ---- makers
    @classmethod
    def from_levels(
        cls,
        column: str,
        values: Any,
        levels: Mapping[str, Any],
        *,
        displacement: Sequence[float] | None = None,
        unit: str | None = None,
    ) -> Hierarchy:
        """From base values and one aligned array of labels a coarser level (the general maker).

        >>> Hierarchy.from_levels("zone", [1, 2, 3], {"district": ["a", "a", "b"], "city": ["*"] * 3}).sizes
        (3, 2, 1)
        """
        base = np.asarray(values)
        codes: list[np.ndarray] = [np.arange(len(base), dtype=np.int32)]
        labels: list[np.ndarray] = [base]
        for name, texts in levels.items():
            array = np.asarray(texts)
            if len(array) != len(base):
                raise SchemaError(
                    f"hierarchy '{column}' is not complete: level '{name}' has {len(array)} of {len(base)} values",
                    hint="one label for each base value.",
                )
            number, unique = pd.factorize(array)
            codes.append(number.astype(np.int32))
            labels.append(np.asarray(unique))
        return cls(
            column=column,
            names=("base", *levels),
            codes=tuple(codes),
            labels=tuple(labels),
            displacement=None if displacement is None else tuple(float(x) for x in displacement),
            unit=unit,
        )

    @classmethod
    def from_csv(cls, source: str | Path | io.TextIOBase, *, column: str, separator: str = ";") -> Hierarchy:
        """ARX's format: one line a base value, one field a level, no header.

        >>> Hierarchy.from_csv(io.StringIO("bus;public;*\\ntaxi;private;*"), column="mode").sizes
        (2, 2, 1)
        """
        text = Path(source).read_text(encoding="utf-8-sig") if isinstance(source, (str, Path)) else source.read()
        lines = [line for line in csv.reader(io.StringIO(text), delimiter=separator) if line]
        if not lines:
            raise SchemaError(f"hierarchy '{column}' is empty", hint="one line a base value, finest level first.")
        widths = {len(line) for line in lines}
        if len(widths) > 1:
            short = sum(len(line) < max(widths) for line in lines)
            raise SchemaError(
                f"hierarchy '{column}' is not complete: {short} lines have fewer than {max(widths)} levels",
                hint=f"each line needs {max(widths)} fields, separated by '{separator}'.",
            )
        others = [mark for mark in ",;\t|" if mark != separator and all(mark in line[0] for line in lines)]
        if widths == {1} and others:
            raise SchemaError(
                f"hierarchy '{column}' has one field a line", hint=f"is {others[0]!r} its separator, not '{separator}'?"
            )
        empty = sum(not text.strip() for line in lines for text in line)
        if empty:
            raise SchemaError(
                f"hierarchy '{column}' is not complete: {empty} fields are empty",
                hint=f"a null of the table is '{UNKNOWN}'; the last level is '{ANY}'.",
            )
        table = np.array(lines, dtype=object)
        return cls.from_levels(column, table[:, 0], {f"level{i}": table[:, i] for i in range(1, table.shape[1])})

    @classmethod
    def from_mapping(
        cls,
        column: str,
        mapping: Mapping[Any, Sequence[Any]],
        *,
        names: Sequence[str] | None = None,
        displacement: Sequence[float] | None = None,
        unit: str | None = None,
    ) -> Hierarchy:
        """From base value → its labels on the coarser levels, finest first (zones: tract → district → city)."""
        lengths = {len(path) for path in mapping.values()}
        if len(lengths) != 1:
            raise SchemaError(
                f"hierarchy '{column}' is not complete: its base values have {sorted(lengths)} coarser levels",
                hint="give each base value the same number of levels.",
            )
        height = lengths.pop()
        titles = list(names) if names is not None else [f"level{i + 1}" for i in range(height)]
        paths = list(mapping.values())
        levels = {titles[i]: np.array([path[i] for path in paths], dtype=object) for i in range(height)}
        keys = list(mapping)
        base = np.array(keys) if len({type(k) for k in keys}) == 1 else np.array(keys, dtype=object)
        return cls.from_levels(column, base, levels, displacement=displacement, unit=unit)

    @classmethod
    def flat(cls, column: str, values: Any) -> Hierarchy:
        """Two levels: the value, or nothing.

        >>> Hierarchy.flat("mode", ["bus", "taxi"]).sizes
        (2, 1)
        """
        base = np.asarray(values)
        return cls.from_levels(column, base, {"any": np.full(len(base), ANY, dtype=object)})
