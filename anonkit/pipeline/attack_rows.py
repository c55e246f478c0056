"""The rows that attacks look at, as dense codes: all rows of one side, or those that matter for a sample of persons.

Rows that leave are all fetched. Of many raw rows (above ``SMALL``) only a sample of persons is fetched, and of everybody
else the rows that could be mistaken for theirs: who was at one of the sampled place-times, who stands in one of their
classes. The shares over the sampled persons are the same as if all rows lay in memory; their intervals are those of a
sample. Persons are hashes of the run's tokens, drawn with a seed. Source: own. Exact traces: they stay in this process.
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

from anonkit.base.entropy import seeded
from anonkit.engine import Session, identifier
from anonkit.geo import TimeBins
from anonkit.kanon import Decisions
from anonkit.kanon.products import ROLLED, Step
from anonkit.recipe import Recipe
from anonkit.risk.incidence import Incidence, combine, compact, incidence

Ints = NDArray[np.int64]
SMALL = 200_000
"""Up to so many raw rows all of them are attacked with everything; above it a sample of persons, with less."""
PERSONS, RAW_PERSONS = 2_000, 1_000
"""At most so many persons are attacked by what is sampled, and so many of very many raw rows."""
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
class Loads:
    """How many rows each unit has before, and how many of them leave."""

    unit: NDArray[np.int64]
    rows: Ints
    told: Ints

    @cached_property
    def sampled(self) -> Ints:
        """At most ``RAW_PERSONS`` units, drawn with the seed."""
        if len(self.unit) <= RAW_PERSONS:
            return self.unit
        return np.sort(seeded(SEED).choice(self.unit, RAW_PERSONS, replace=False))


@dataclass(frozen=True, kw_only=True)
class AttackRows:
    """Where the rows of a release are looked up."""

    decisions: Decisions
    recipe: Recipe
    folder: Path
    """The staging folder with the written files."""
    session: Session

    @property
    def step(self) -> Step:
        """The finest product at its first level: what is attacked."""
        return self.decisions.steps[0].step

    @property
    def _unit(self) -> str:
        return f"(hash({identifier(self.recipe.privacy.unit.value)}) // 2)::BIGINT"

    @property
    def _raw(self) -> tuple[str, str | None, str, list[str]]:
        """Place, other place, time and further columns of the raw rows."""
        end = self.step.part.end
        return f"{end or 'start'}_cell", None if end else "end_cell", "start_bin", list(self.step.part.product.columns)

    @cached_property
    def loads(self) -> Loads:
        """Of each unit how many rows there are."""
        table = self.session.sql(
            f"SELECT {self._unit} AS u, count(*) AS n, count(*) FILTER ({self.step.part.told} = 0) AS told FROM {{rows}} "
            f"WHERE {identifier(self.recipe.privacy.unit.value)} IS NOT NULL GROUP BY 1 ORDER BY 1",
            rows=self.decisions.rows,
        )
        unit, rows, told = (table.column(name).to_numpy().astype(np.int64) for name in ("u", "n", "told"))
        return Loads(unit=unit, rows=rows, told=told)

    def leaving(self) -> Rows:
        """All rows that are told at the first level, with the keys that the file has."""
        step = self.step
        keyed = step.keyed(self.decisions.rows, self.recipe.geo.grid, self.recipe.time.time_bins)
        names = ("_key_cell", None) if step.part.end else ("_key_start_cell", "_key_end_cell")
        more = [f"_key_{name}" for name in step.part.product.columns]
        rows, codes = self._rows(keyed, (*names, step.bin_key, more), step.at.bins, f"WHERE {step.part.told} = 0")
        return replace(rows, class_told=self._written(codes))

    def _written(self, codes: NDArray[np.uint64]) -> Ints:
        """Rows that the finest product's file tells of each class; 0 for one that is not there."""
        part = self.step.part
        keys = [name for name in part.product.keys if name not in (ROLLED, "end")]
        conditions = [f"{ROLLED} = 0"] if part.product.roll_up else []
        conditions += [f"\"end\" = '{part.end}'"] if part.end else []
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        count = "count(*)" if part.product.kind == "trips" else "sum(trips)"
        table = self.session.sql(
            f"SELECT hash({', '.join(identifier(name) for name in keys)}) AS c, {count}::BIGINT AS n FROM {{file}} {where} "
            "GROUP BY 1 ORDER BY 1",
            file=self.folder / f"{part.product.kind}.parquet",
        )
        known, told = table.column("c").to_numpy(), table.column("n").to_numpy().astype(np.int64)
        if not len(known):
            return np.zeros(len(codes), np.int64)
        place = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        return np.where(known[place] == codes, told[place], 0)

    def raw(self) -> Rows:
        """All raw rows at base cells and bins; for small tables."""
        return self._rows(self.decisions.rows, self._raw, self.recipe.time.time_bins, "")[0]

    def sample(self) -> Rows:
        """The raw rows of the sampled units."""
        listed = self.session.from_arrow(pa.table({"u": self.loads.sampled}))
        where = f"SEMI JOIN {{listed}} l ON l.u = {self._unit}"
        return self._rows(self.decisions.rows, self._raw, self.recipe.time.time_bins, where, listed=listed)[0]

    def holders(self, places: Ints, bins: Ints, *, level: int, width: int) -> tuple[Ints, Ints]:
        """Who was at these places and times, at a coarser level and width: unit and number of the place-time."""
        grid, base = self.recipe.geo.grid, self.recipe.time.time_bins
        frame = self.decisions.rows.with_columns(
            grid.coarsen(nw.col(self._raw[0]), level).alias("_s"),
            (nw.col("start_bin") * base.seconds // width).alias("_t"),
        )
        points = {"_s": places, "_t": bins, "number": np.arange(len(places))}
        listed = self.session.from_arrow(pa.table(points))
        table = self.session.sql(
            f"SELECT {self._unit} AS u, number FROM {{rows}} JOIN {{listed}} USING (_s, _t)", rows=frame, listed=listed
        )
        return self._codes(table.column("u")), table.column("number").to_numpy().astype(np.int64)

    def class_sizes(self) -> tuple[Ints, Ints, Ints, Ints]:
        """Of each raw class of a sampled unit: the unit, the units in it, the unit's rows and everybody's."""
        place, other, time, more = self._raw
        keys = ", ".join(identifier(name) for name in (place, *([other] if other else []), time, *more))
        listed = self.session.from_arrow(pa.table({"u": self.loads.sampled}))
        table = self.session.sql(
            f"WITH coded AS (SELECT hash({keys}) AS c, {self._unit} AS u FROM {{rows}}), "
            "own AS (SELECT c, u, count(*) AS n FROM coded SEMI JOIN {listed} USING (u) GROUP BY ALL), "
            "held AS (SELECT c, count(DISTINCT u) AS units, count(*) AS rows FROM coded SEMI JOIN own USING (c) GROUP BY c) "
            "SELECT u, units, n, rows FROM own JOIN held USING (c)",
            rows=self.decisions.rows,
            listed=listed,
        )
        u, units, n, rows = (table.column(name).to_numpy().astype(np.int64) for name in ("u", "units", "n", "rows"))
        return u, units, n, rows

    def _rows(
        self,
        frame: nw.LazyFrame[Any],
        columns: tuple[str, str | None, str, list[str]],
        bins: TimeBins,
        where: str,
        **tables: Any,
    ) -> tuple[Rows, NDArray[np.uint64]]:
        """The rows as codes, and the hash behind the number of each class."""
        place, other, time, more = columns
        keys = [place, *([other] if other else []), time]
        listed = [f"hash({', '.join(identifier(name) for name in [*keys, *more])}) AS c", f"{self._unit} AS u"]
        listed += [f'"{name}" AS k{number}' for number, name in enumerate(keys)]
        further = f"(hash({', '.join(identifier(name) for name in more)}) // 2)::BIGINT" if more else "0::BIGINT"
        table = self.session.sql(
            f"SELECT {', '.join(listed)}, {further} AS m, start_bin AS b FROM {{rows}} {where}", rows=frame, **tables
        )
        column = {name: table.column(name).to_numpy() for name in table.column_names}
        codes, first, code = np.unique(column["c"], return_index=True, return_inverse=True)
        k = [column[f"k{number}"][first].astype(np.int64) for number in range(len(keys))]
        cells, place_code = np.unique(np.concatenate(k[:-1]), return_inverse=True)
        rows = Rows(
            unit=self._codes(table.column("u")),
            code=code.astype(np.int64),
            cells=cells.astype(np.int64),
            class_start=place_code[: len(first)].astype(np.int64),
            class_end=place_code[len(first) :].astype(np.int64) if other else None,
            class_bin=k[-1],
            class_more=compact(column["m"][first])[1],
            class_told=np.bincount(code, minlength=len(first)).astype(np.int64),
            bins=bins,
            true_s=column["b"].astype(np.int64) * self.recipe.time.time_bins.seconds,
        )
        return rows, codes

    def _codes(self, units: Any) -> Ints:
        """Numbers of units: their places in ``loads``."""
        return np.searchsorted(self.loads.unit, units.to_numpy().astype(np.int64)).astype(np.int64)
