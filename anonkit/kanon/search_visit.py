"""One node of the search: may it be released under the suppression limit, what does it lose, what does it prove.

A visit counts rows first and persons only where rows do not already decide. The verdict and the bounds it returns are
those of docs/PRUNING.md; by which of them a search prunes depends on the models (ruling 10).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from numbers import Real
from typing import Any

import numpy as np

from anonkit.base.errors import SchemaError
from anonkit.kanon import search_kernels as kernels
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.measures import Measure, measure_of
from anonkit.kanon.models import Dominance, KAnonymity, Model, ShareModel
from anonkit.kanon.search_classes import ClassCounter, Figures, NodeTable
from anonkit.kanon.search_cubes import CubeCounter
from anonkit.kanon.search_tables import ClassTable

_CELLS = 4_000_000


@dataclass(frozen=True, kw_only=True)
class Visit:
    """What was learnt at one node."""

    levels: tuple[int, ...]
    verdict: str
    """``released``, ``too many suppressed``, ``fails a model`` or ``loses more``."""
    prunes_finer: bool
    """No finer node can be released."""
    suppressed_rows: int
    lost_persons: int | None
    classes: int
    largest: int
    loss: float
    floor_coarser: float
    floor_finer: tuple[float, float] = (0.0, 0.0)
    floor_split: np.ndarray | None = field(default=None, repr=False, compare=False)
    """Place n - 1: a finer node that splits no class into more than n loses this at least; the last: into any number."""


class Problem:
    """Table, hierarchies, models, measure and limit, ready for visits."""

    def __init__(
        self,
        table: ClassTable,
        hierarchies: Sequence[Hierarchy],
        models: Sequence[Model],
        *,
        measure: str,
        max_suppressed: float,
        suppressed_unit: str,
        measure_options: Mapping[str, float] | None = None,
    ) -> None:
        share = max_suppressed if isinstance(max_suppressed, Real) else -1.0
        if not 0 <= share <= 1 or suppressed_unit not in ("rows", "persons"):
            raise SchemaError(
                f"suppression limit {max_suppressed!r} in '{suppressed_unit}'",
                hint="a share from 0 to 1, in 'rows' or 'persons'.",
            )
        if suppressed_unit == "persons" and "person" not in table.units:
            raise SchemaError(
                "a suppression limit in persons needs a person column", hint="give persons, or limit rows."
            )
        if not models:
            raise SchemaError("no privacy model was given", hint="at least KAnonymity(k=…, protect=…).")
        if [h.column for h in hierarchies] != list(table.columns):
            raise SchemaError("hierarchies and table have different columns", hint="one hierarchy a column, in order.")
        self.table, self.hierarchies, self.models = table, tuple(hierarchies), tuple(models)
        self.shape = tuple(h.height for h in hierarchies)
        self.limit_persons = suppressed_unit == "persons"
        whole = table.units["person"].total if self.limit_persons else table.total_rows
        if self.limit_persons and table.total_rows and not whole:
            raise SchemaError("a suppression limit in persons, and no row has a person", hint="limit rows.")
        self.allowed = min(max_suppressed * whole, max(whole - 1, 0)) + 1e-9  # ruling 37: no table of nothing
        thresholds: dict[str, int] = {}
        for model in models:
            part = model.threshold()
            if part is not None:
                thresholds[part[0]] = max(thresholds.get(part[0], 1), part[1])
        kinds = {m.protect for m in models if isinstance(m, KAnonymity)}
        self.count_rows = "person" not in kinds and "driver" not in kinds
        self.counter = ClassCounter(table, hierarchies, thresholds, count_rows=self.count_rows)
        self.least_rows = max([1, *(n for name, n in thresholds.items() if name != "population")])
        self.rest = tuple(m for m in models if m.threshold() is None)
        if table.fleets and self.rest:
            raise SchemaError(
                "shares and dominance of people who cannot be matched between operators are not known",
                hint="leave these models out, or search each operator by itself (ruling 2).",
            )
        nothing_lost = self.allowed < 1 and not self.limit_persons
        self.rest_prunes = nothing_lost and all(
            m.monotone_unsuppressed and (self.count_rows or isinstance(m, Dominance)) for m in self.rest
        )
        self.measure: Measure = measure_of(
            measure, table, hierarchies, least_rows=self.least_rows, **(measure_options or {})
        )
        self.cubes = CubeCounter(table, hierarchies, self.least_rows, by_value=self.measure.by_value)
        self.visited: dict[tuple[int, ...], Visit] = {}
        self._overall: dict[str, np.ndarray] = {}

    def visit(self, levels: tuple[int, ...], *, best: float = np.inf) -> Visit:
        """Evaluate a node; stops early where rows alone show that it is not released or loses more than ``best``."""
        counter, measure = self.counter, self.measure
        sizes, limit = counter.sizes(levels), np.inf if self.limit_persons else self.allowed
        nothing = (np.inf, 0.0)
        figures = self.cubes.look(levels, allowed=limit)
        if figures is None:
            node = counter.classes(levels)
            figures = node.figures(node.rows >= self.least_rows, sizes, self.least_rows)
        if isinstance(figures, int):
            return self._told(levels, "too many suppressed", None, lost=figures, prunes=True, finer=nothing)
        tell = partial(self._told, levels, floor=measure.floor_coarser(levels, figures))
        if figures.lost_rows > limit:
            return tell("too many suppressed", figures, prunes=True, finer=nothing)
        loss = measure.loss(levels, figures)
        if loss > best:
            finer, split = measure.floor_finer(levels, figures), measure.floor_split(figures)
            return tell("loses more", figures, loss=loss, finer=finer, split=split)
        node = counter.classes(levels)
        safe = counter.safe(node)
        figures = node.figures(safe, sizes, self.least_rows)
        persons = self._persons_lost(node, safe)
        if self._exceeded(figures, persons):
            return tell("too many suppressed", figures, persons=persons, prunes=True, finer=nothing)
        finer, split = measure.floor_finer(levels, figures), measure.floor_split(figures)
        if self.rest:
            released = self._passing(node, safe)
            figures = node.figures(released, sizes, self.least_rows)
            persons = self._persons_lost(node, released)
            if self._exceeded(figures, persons):
                prunes = self.rest_prunes
                return tell("fails a model", figures, persons=persons, prunes=prunes, finer=finer, split=split)
        loss = measure.loss(levels, figures)
        return tell("released", figures, persons=persons, loss=loss, finer=finer, split=split)

    def _told(
        self,
        levels: tuple[int, ...],
        verdict: str,
        figures: Figures | None,
        *,
        lost: int = 0,
        persons: int | None = None,
        prunes: bool = False,
        loss: float = np.inf,
        floor: float = 0.0,
        finer: tuple[float, float] = (0.0, 0.0),
        split: np.ndarray | None = None,
    ) -> Visit:
        seen = Visit(
            levels=levels,
            verdict=verdict,
            prunes_finer=prunes,
            suppressed_rows=lost if figures is None else figures.lost_rows,
            lost_persons=persons,
            classes=0 if figures is None else figures.kept_classes,
            largest=0 if figures is None else figures.largest,
            loss=loss,
            floor_coarser=max(floor, self.measure.floor(levels)),
            floor_finer=finer,
            floor_split=split,
        )
        self.visited[levels] = seen
        return seen

    def split_floors(self, seen: Visit, low: tuple[int, ...] | None = None) -> np.ndarray:
        """By what a visit's classes can be split into, a floor for its node and each finer one down to ``low``."""
        if seen.floor_split is None:
            return np.zeros(1)
        parts = self.measure.splits(seen.levels, low)
        return seen.floor_split[np.minimum(parts, len(seen.floor_split)).astype(np.int64) - 1]

    def released(self, levels: tuple[int, ...]) -> tuple[NodeTable, np.ndarray]:
        """Class table of a node and which of its classes every model lets out."""
        node = self.counter.classes(levels)
        safe = self.counter.safe(node)
        return node, (self._passing(node, safe) if self.rest else safe)

    def _persons_lost(self, node: NodeTable, kept: np.ndarray) -> int | None:
        return self.counter.persons_lost(node, kept) if self.limit_persons else None

    def _exceeded(self, figures: Figures, persons: int | None) -> bool:
        return (figures.lost_rows if persons is None else persons) > self.allowed

    # ---- models beyond thresholds
    def _passing(self, node: NodeTable, safe: np.ndarray) -> np.ndarray:
        passing = safe.copy()
        base = self.counter.base_group(node)
        for model in self.rest:
            places = np.flatnonzero(passing)
            number = np.full(len(passing), -1, dtype=np.int64)
            number[places] = np.arange(len(places))
            if isinstance(model, Dominance):
                passing[places] = self._undominated(model, number[base], len(places))
            elif isinstance(model, ShareModel):
                counts, overall = self._sensitive(model.sensitive)
                model = model.over(self.table.sensitive[model.sensitive].labels)
                passing[places] = _in_parts(
                    model,
                    number[base][counts["classes"]],
                    counts["values"],
                    counts["persons"],
                    counts["counts"],
                    len(places),
                    overall,
                )
            else:
                raise SchemaError(f"model {type(model).__name__} has neither threshold nor condition on shares")
        return passing

    def _undominated(self, model: Dominance, number: np.ndarray, count: int) -> np.ndarray:
        """Rows of nobody do not dilute a person's share (ruling 1)."""
        if model.protect not in self.table.units:
            raise SchemaError(f"dominance of one {model.protect} needs that column", hint="name it.")
        pairs = self.table.units[model.protect]
        classes = number[pairs.classes]
        most = kernels.largest_unit(classes, pairs.units, pairs.counts, count)
        held = classes >= 0
        rows = np.bincount(classes[held], weights=pairs.counts[held], minlength=count)
        return most <= model.limit * rows + 1e-9

    def _sensitive(self, column: str) -> tuple[dict[str, Any], np.ndarray]:
        if column not in self.table.sensitive:
            raise SchemaError(f"the table has no sensitive column '{column}'", hint="declare it as sensitive.")
        data = self.table.sensitive[column]
        persons = None if self.count_rows else data.persons
        pieces = {"classes": data.classes, "values": data.values, "persons": persons, "counts": data.counts}
        if column not in self._overall:
            zero = np.zeros(len(data.values), dtype=np.int64)
            self._overall[column] = histogram(zero, data.values, persons, data.counts, 1, len(data.labels))[0]
        return pieces, self._overall[column]


def histogram(
    classes: np.ndarray, values: np.ndarray, persons: np.ndarray | None, counts: np.ndarray, size: int, width: int
) -> np.ndarray:
    """Rows, or distinct persons where persons are given (sorted), by class and value; class < 0 is left out."""
    if persons is None:
        keep = classes >= 0
        cells = classes[keep].astype(np.int64) * width + values[keep]
        return np.bincount(cells, weights=counts[keep], minlength=size * width).reshape(size, width)
    cells = np.where((classes >= 0) & (persons >= 0), classes.astype(np.int64) * width + values, -1)
    return kernels.distinct_units(cells, persons, size * width).reshape(size, width).astype(np.float64)


def _in_parts(
    model: ShareModel,
    classes: np.ndarray,
    values: np.ndarray,
    persons: np.ndarray | None,
    counts: np.ndarray,
    size: int,
    overall: np.ndarray,
) -> np.ndarray:
    width = len(overall)
    step = max(1, _CELLS // max(width, 1))
    verdict = np.zeros(size, dtype=np.bool_)
    for low in range(0, size, step):
        high = min(size, low + step)
        here = np.where((classes >= low) & (classes < high), classes - low, -1)
        verdict[low:high] = model.passes(histogram(here, values, persons, counts, high - low, width), overall)
    return verdict
