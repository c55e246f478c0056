"""The raw rows that attacks look at, as dense codes: all of them, or those that matter for a sample of persons.

Of many raw rows (above ``SMALL``) only a sample of persons is fetched, and of everybody else the rows that could be
mistaken for theirs: who was at one of the sampled place-times, who stands in one of their classes. The shares over the
sampled persons are the same as if all rows lay in memory; their intervals are those of a sample. Persons are hashes of
the run's tokens, drawn with a seed. Source: own. Exact traces: they stay in this process.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from anonkit.engine import Session, identifier
from anonkit.geo import TimeBins
from anonkit.kanon import Decisions
from anonkit.kanon.products import Step
from anonkit.recipe import Recipe
from anonkit.risk.incidence import Incidence, combine, compact, incidence
from anonkit.risk.unicity import KEY

Ints = NDArray[np.int64]
SMALL = 200_000
"""Up to so many raw rows all of them are attacked with everything; above it a sample of persons, with less."""
PERSONS, MANY_PERSONS = 2_000, 1_000
"""At most so many persons are attacked by what is sampled, and so many where there are very many raw rows."""
SEED = 20_260_101
WEEK_H, EPOCH_DAY = 168, 3
"""The epoch was a Thursday: day 3 of a week that begins on Monday."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows as codes: who, and the class of each; of each class where from, where to, when, and what else it tells."""

    unit: Ints
    code: Ints
    """The class of each row."""
    cells: Ints
    """The cell behind each code of a place."""
    class_start: Ints
    class_end: Ints | None
    """None: the product tells one place only."""
    class_bin: Ints
    class_more: Ints
    class_told: Ints
    """Rows of each class as the recipient sees them: as written, noise included; before: as they are."""
    bins: TimeBins
    true_s: Ints
    """True local start of each row, seconds at base bins: for judging only."""

    def __len__(self) -> int:
        return len(self.unit)

    @cached_property
    def table(self) -> Incidence:
        """Who is in which class."""
        return incidence(self.unit, self.code)

    def of(self, units: Ints) -> Rows:
        """The rows of these units only."""
        kept = np.isin(self.unit, units)
        return replace(self, unit=self.unit[kept], code=self.code[kept], true_s=self.true_s[kept])

    @property
    def start(self) -> Ints:
        """Where each row begins."""
        return self.class_start[self.code]

    @property
    def end(self) -> Ints | None:
        """Where each row ends."""
        return None if self.class_end is None else self.class_end[self.code]

    @property
    def bin(self) -> Ints:
        """When each row begins."""
        return self.class_bin[self.code]

    @property
    def more(self) -> Ints:
        """What else each row tells."""
        return self.class_more[self.code]

    @property
    def hour_of_week(self) -> Ints:
        """Local hour, 0 = Monday 0–1 h; bins that pool days count as a Monday's."""
        hour = self.class_bin * self.bins.seconds // 3600
        if self.bins.pool == "none":
            hour = hour + 24 * EPOCH_DAY
        return np.asarray(hour % WEEK_H)[self.code]

    @cached_property
    def place_time(self) -> Ints:
        """Where and when each row begins."""
        return combine(self.class_start, self.class_bin)[self.code]

    @cached_property
    def end_time(self) -> Ints:
        """Where each row ends, and when it begins."""
        assert self.class_end is not None
        return combine(self.class_end, self.class_bin)[self.code]


@dataclass(frozen=True, kw_only=True)
class AttackRows:
    """Where the rows of a release are looked up."""

    decisions: Decisions
    recipe: Recipe
    folder: Path
    """The staging folder with the written files."""
    session: Session
    many: bool
    """Whether there are too many raw rows to fetch."""

    @property
    def step(self) -> Step:
        """The finest product at its first level: what is attacked."""
        return self.decisions.steps[0].step

    @property
    def unit(self) -> str:
        """The column that names who is protected, for SQL."""
        return identifier(self.recipe.privacy.unit.value)

    @property
    def _raw(self) -> tuple[str, str | None, str, list[str]]:
        """Place, other place, time and further columns of the raw rows."""
        end = self.step.part.end
        return f"{end or 'start'}_cell", None if end else "end_cell", "start_bin", list(self.step.part.product.columns)

    @property
    def place(self) -> str:
        """The column of the place that attackers know."""
        return self._raw[0]

    @cached_property
    def everybody(self) -> nw.LazyFrame[Any]:
        """All units, one row each, as ``p``, and ``n``: how many of his rows leave at the first level."""
        query = f"SELECT {self.unit} AS p, count(*) FILTER ({self.step.part.told} = 0) AS n FROM {{rows}} WHERE {self.unit} IS NOT NULL GROUP BY 1"
        return self.session.table(query, rows=self.decisions.rows)

    @cached_property
    def persons(self) -> int:
        """How many units there are."""
        return int(self.session.value("SELECT count(*) FROM {all}", all=self.everybody))

    @cached_property
    def _sampled(self) -> nw.LazyFrame[Any]:
        """At most ``MANY_PERSONS`` units, drawn with the seed, as ``p``."""
        return self.session.table(sampled_sql(MANY_PERSONS), units=self.everybody)

    def raw(self) -> Rows:
        """All raw rows at base cells and bins; for small tables."""
        return self._rows("{rows}")

    def sample(self) -> Rows:
        """The raw rows of the sampled units."""
        return self._rows(f"{{rows}} SEMI JOIN {{sampled}} s ON s.p = {self.unit}", sampled=self._sampled)

    def holders(
        self,
        places: Ints,
        bins: Ints,
        *,
        level: int,
        bins_of: TimeBins | None = None,
        width: int = 0,
        told: bool = False,
    ) -> Ints:
        """Who was at these places and times, at a coarser level and width, as keys: number of the place-time · KEY + unit.

        Parameters
        ----------
        bins_of, width : the coarser bins, or their width in seconds.
        told : of the rows that leave at the first level only.
        """
        grid, base = self.recipe.geo.grid, self.recipe.time.time_bins
        time = bins_of.coarsen(nw.col("f"), base) if bins_of else nw.col("f") * base.seconds // width
        fine = {
            "cells": self.distinct(self.place).with_columns(grid.coarsen(nw.col("f"), level).alias("coarse")),
            "bins": self.distinct("start_bin").with_columns(time.alias("coarse")),
        }
        points = {"place": places, "bin": bins, "number": np.arange(len(places))}
        listed = self.session.table(
            "SELECT c.f AS cell, b.f AS bin, number FROM {points} p JOIN {cells} c ON c.coarse = p.place JOIN {bins} b ON b.coarse = p.bin",
            points=self.session.from_arrow(pa.table(points)),
            **fine,
        )
        only = f" AND {self.step.part.told} = 0" if told else ""
        table = self.session.sql(
            f"SELECT number * {KEY} + (hash({self.unit}) % {KEY})::BIGINT AS key "
            f"FROM {{rows}} JOIN {{listed}} ON cell = {self.place} AND bin = start_bin "
            f"WHERE {self.unit} IS NOT NULL{only}",
            rows=self.decisions.rows,
            listed=listed,
        )
        self.session.drop(listed)
        return np.asarray(table.column("key").to_numpy(), np.int64)

    def distinct(self, column: str) -> nw.LazyFrame[Any]:
        """The distinct values of a column of base cells or bins, as ``f``."""
        if column not in self._known:
            query = f"SELECT DISTINCT {column} AS f FROM {{rows}}"
            self._known[column] = self.session.table(query, rows=self.decisions.rows)
        return self._known[column]

    @cached_property
    def _known(self) -> dict[str, nw.LazyFrame[Any]]:
        return {}

    def class_sizes(self) -> tuple[Ints, Ints, Ints, Ints]:
        """Of each raw class of a sampled unit: the unit, the units in it, the unit's rows and everybody's."""
        place, other, time, more = self._raw
        keys = ", ".join(identifier(name) for name in (place, *([other] if other else []), time, *more))
        table = self.session.sql(
            f"WITH own AS (SELECT hash({keys}) AS c, {self.unit} AS p, count(*) AS n FROM {{rows}} "
            f"SEMI JOIN {{sampled}} s ON s.p = {self.unit} GROUP BY ALL), "
            f"held AS (SELECT c, count(DISTINCT p) AS units, count(*) AS rows "
            f"FROM (SELECT hash({keys}) AS c, {self.unit} AS p FROM {{rows}}) SEMI JOIN own USING (c) GROUP BY c) "
            "SELECT hash(p) // 2 AS u, units, n, rows FROM own JOIN held USING (c)",
            rows=self.decisions.rows,
            sampled=self._sampled,
        )
        u, units, n, rows = (table.column(name).to_numpy().astype(np.int64) for name in ("u", "units", "n", "rows"))
        return u, units, n, rows

    def _rows(self, source: str, **tables: Any) -> Rows:
        """Raw rows as codes."""
        place, other, time, more = self._raw
        keys = [place, *([other] if other else []), time]
        listed = [
            f"hash({', '.join(identifier(name) for name in [*keys, *more])}) AS c",
            f"hash({self.unit}) // 2 AS u",
        ]
        listed += [f"{identifier(name)} AS k{number}" for number, name in enumerate(keys)]
        further = f"(hash({', '.join(identifier(name) for name in more)}) // 2)::BIGINT" if more else "0::BIGINT"
        table = self.session.sql(
            f"SELECT {', '.join(listed)}, {further} AS m, start_bin AS b FROM {source} WHERE {self.unit} IS NOT NULL",
            rows=self.decisions.rows,
            **tables,
        )
        column = {name: table.column(name).to_numpy() for name in table.column_names}
        _, first, code = np.unique(column["c"], return_index=True, return_inverse=True)
        k = [column[f"k{number}"][first].astype(np.int64) for number in range(len(keys))]
        cells, place_code = np.unique(np.concatenate(k[:-1]), return_inverse=True)
        base = self.recipe.time.time_bins
        return Rows(
            unit=compact(column["u"].astype(np.int64))[1],
            code=code.astype(np.int64),
            cells=cells.astype(np.int64),
            class_start=place_code[: len(first)].astype(np.int64),
            class_end=place_code[len(first) :].astype(np.int64) if other else None,
            class_bin=k[-1],
            class_more=compact(column["m"][first])[1],
            class_told=np.bincount(code, minlength=len(first)).astype(np.int64),
            bins=base,
            true_s=column["b"].astype(np.int64) * base.seconds,
        )


def sampled_sql(most: int) -> str:
    """SQL of at most ``most`` of the units, drawn with the seed."""
    return f"SELECT p FROM {{units}} ORDER BY hash(p, {SEED}), p LIMIT {most}"
