"""Multidimensional partition of continuous columns: boxes that hold at least k persons each.

A box is cut at the rounded median of its widest column as long as both halves keep k persons (Mondrian, LeFevre et al.
2006), persons instead of rows. Cuts lie on a public raster between public bounds, and the boxes tile the whole domain,
so no smallest or largest value of the data is published. The cuts depend on the data: that a box was not cut tells that
one half would have had fewer than k persons, which the combinatorial refinement attack uses (arXiv 2509.03350); run
``adaptive_attack.attack_boxes`` on the result before it leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anonkit.base.errors import SchemaError
from anonkit.kanon.parameters import whole


@dataclass(frozen=True, kw_only=True)
class Raster:
    """Public bounds and step of one column."""

    lower: float
    upper: float
    step: float

    def __post_init__(self) -> None:
        if not (-np.inf < self.lower < self.upper < np.inf and 0 < self.step < np.inf):
            raise SchemaError(
                f"a raster from {self.lower} to {self.upper} by {self.step}",
                hint="public numbers, lower < upper, step > 0.",
            )


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """A partition: the box of each row (-1 where the whole table has fewer than k persons), and the boxes' edges."""

    columns: tuple[str, ...]
    box: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    persons: np.ndarray
    """Persons a box. Inside only."""

    def label(self) -> pd.DataFrame:
        """For each row the interval of each column; nothing for rows that are not released."""
        out = {}
        for j, name in enumerate(self.columns):
            text = [f"[{a:g}, {b:g})" for a, b in zip(self.lower[:, j], self.upper[:, j], strict=True)]
            out[name] = [text[b] if b >= 0 else None for b in self.box]
        return pd.DataFrame(out)


def partition(values: Mapping[str, np.ndarray], person: np.ndarray, *, k: int, rasters: Mapping[str, Raster]) -> Boxes:
    """Cut the domain into boxes of at least ``k`` persons.

    Parameters
    ----------
    values : column → numbers, aligned; outside its bounds a number counts as the bound.
    person : number of each row's person, negative = none (ruling 1).
    k : least persons a box; no default.
    rasters : public bounds and step of each column.

    Privacy
    -------
    Each box holds at least k distinct persons. Spends nothing. Not robust to who knows the rule: see the attack.

    Sources
    -------
    LeFevre, DeWitt and Ramakrishnan 2006, Mondrian multidimensional k-anonymity.

    >>> km = Raster(lower=0, upper=10, step=1)
    >>> boxes = partition({"km": np.array([1.0, 2.0, 8.0, 9.0])}, np.arange(4), k=2, rasters={"km": km})
    >>> boxes.label()["km"].tolist()
    ['[0, 5)', '[0, 5)', '[5, 10)', '[5, 10)']
    """
    if not whole(k) or set(values) != set(rasters):
        raise SchemaError(
            "a partition needs a whole number k >= 1 and one raster a column", hint="rasters={column: Raster(…)}."
        )
    check_numbers(values)
    names = tuple(values)
    spec = [rasters[n] for n in names]
    number = np.stack(
        [np.floor((np.clip(values[n], r.lower, r.upper) - r.lower) / r.step) for n, r in zip(names, spec, strict=True)],
        axis=1,
    )
    ends = np.array([int(np.ceil((r.upper - r.lower) / r.step)) for r in spec])
    number = np.minimum(number, ends - 1).astype(np.int64)
    box = np.full(len(person), -1, dtype=np.int64)
    done: list[tuple[np.ndarray, np.ndarray, int]] = []
    todo = [(np.arange(len(person)), np.zeros(len(names), dtype=np.int64), ends)]
    if _persons(person) < k:
        todo = []
    while todo:
        rows, low, high = todo.pop()
        cut = _cut(number[rows], person[rows], low, high, ends, k)
        if cut is None:
            box[rows] = len(done)
            done.append((low, high, _persons(person[rows])))
            continue
        j, at = cut
        left = number[rows, j] < at
        middle_high, middle_low = high.copy(), low.copy()
        middle_high[j], middle_low[j] = at, at
        todo += [(rows[~left], middle_low, high), (rows[left], low, middle_high)]
    scale, start = np.array([r.step for r in spec]), np.array([r.lower for r in spec])
    lower = np.array([start + low * scale for low, _, _ in done]).reshape(-1, len(names))
    upper = np.array([np.minimum(start + high * scale, [r.upper for r in spec]) for _, high, _ in done])
    return Boxes(
        columns=names,
        box=box,
        lower=lower,
        upper=upper.reshape(-1, len(names)),
        persons=np.array([p for _, _, p in done], dtype=np.int64),
    )


def check_numbers(values: Mapping[str, np.ndarray]) -> None:
    """Refuse what is no number: a null must not fall into the lowest box as if it were known.

    Raises
    ------
    SchemaError : a column holds nulls.
    """
    for name, column in values.items():
        missing = int(np.isnan(np.asarray(column, dtype=np.float64)).sum())
        if missing:
            raise SchemaError(
                f"column '{name}' has {missing} nulls, which lie in no interval",
                hint="leave these rows out, or use BoxAnonymizer or Microaggregator, which tell them as unknown.",
            )


def _persons(person: np.ndarray) -> int:
    return len(np.unique(person[person >= 0]))


def _cut(
    number: np.ndarray, person: np.ndarray, low: np.ndarray, high: np.ndarray, ends: np.ndarray, k: int
) -> tuple[int, int] | None:
    """Column and raster line of the cut at the median of the widest column that leaves k persons on each side."""
    for j in np.argsort(-(high - low) / ends, kind="stable"):
        if high[j] - low[j] < 2:
            continue
        middle = int(np.median(number[:, j]))
        for at in (middle, middle + 1):
            if low[j] < at < high[j]:
                left = number[:, j] < at
                if _persons(person[left]) >= k and _persons(person[~left]) >= k:
                    return int(j), at
    return None
