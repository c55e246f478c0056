"""Rows in lots of whole time bins, as arrays.

Every class of every level has a time bin, and bins nest up to the coarsest of the release: what is decided about the rows
of one of the coarsest bins needs no others. So rows are taken from the engine some bins at a time, decided in memory, and
given back; a release of any length takes the memory of one lot.

Within a lot the classes of the release's finest level are its *base classes*; those of every other level are unions of
them. Whatever a step finds is therefore known by base class, and of a row by the base class it is in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa

from anonkit.classes import Coded, Protection, groups, thinned
from anonkit.engine import Session
from anonkit.geo import Tessellation, TimeBins
from anonkit.kanon.products import Level, Step

Done = TypeVar("Done")
AT_ONCE, LOTS = 250_000, 50
"""About so many rows are decided together, or a fiftieth of very many: a lot never ends within one of the coarsest bins."""
AT_WORK = 2
"""Lots that are decided at once."""
CELLS, BIN = ("start_cell", "end_cell"), "start_bin"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What the levels are levels of, and who is protected."""

    grid: Tessellation
    base: TimeBins
    protection: Protection
    session: Session

    def coarse(self, level: Level, columns: dict[str, Coded]) -> dict[str, Coded]:
        """Base cells, bin and further columns as those of a level; each distinct value is coarsened once."""
        found = {}
        for name, coded in columns.items():
            if name in CELLS:
                found[name] = self._through(coded, self.grid.coarsen(nw.col("value"), level.level))
            elif name == BIN:
                found[name] = self._through(coded, level.bins.coarsen(nw.col("value"), self.base))
            elif name in level.columns:
                found[name] = coded
        return found

    def _through(self, coded: Coded, expression: nw.Expr) -> Coded:
        frame = nw.from_native(pa.table({"value": coded.values}))
        return coded.through(frame.select(expression.alias("value")).to_native().column("value"))


@dataclass(frozen=True, kw_only=True)
class Placed:
    """The classes of one step in a lot, in the order of their keys."""

    step: Step
    of: np.ndarray
    """Class of each base class."""
    first: np.ndarray
    """A base class of each class."""
    columns: dict[str, Coded]
    """Columns of the classes by their names in the rows, one line a class."""

    def __len__(self) -> int:
        return len(self.first)

    @property
    def bins(self) -> np.ndarray:
        """Code of each class's time bin."""
        return self.columns[BIN].codes

    @property
    def keys(self) -> dict[str, tuple[np.ndarray, int]]:
        """Codes of the keys that are not the same for all classes, by working name, and how many codes there are."""
        return {key: (self.columns[name].codes, self.columns[name].size) for key, name in self.step.sources.items()}

    def table(self, mine: np.ndarray, counts: dict[str, np.ndarray]) -> pa.Table:
        """Keys under the product's names, and counts, of some of the classes."""
        found: dict[str, pa.Array] = {}
        for key, name in zip(self.step.keys, self.step.part.product.keys, strict=True):
            if key in self.step.sources:
                found[name] = self.columns[self.step.sources[key]].among(mine).arrow()
            else:
                constant = pa.scalar(self.step.constants[key])
                found[name] = pa.repeat(constant, len(mine))
        return pa.table({**found, **{name: pa.array(count[mine]) for name, count in counts.items()}})


@dataclass(frozen=True, kw_only=True)
class Lot:
    """Rows of some of the coarsest bins."""

    table: pa.Table
    """The rows."""
    of: np.ndarray
    """Base class of each row."""
    base: dict[str, Coded]
    """Base cells, bin and further columns of a row of each base class."""
    bins: np.ndarray
    """Code of the coarsest bin that each base class lies in."""
    thinned: int = 0
    """Rows that thinning dropped."""
    coded: dict[str, Coded] = field(default_factory=dict, repr=False)

    @cached_property
    def rows(self) -> np.ndarray:
        """Rows of each base class."""
        return np.bincount(self.of, minlength=len(self.bins))

    def column(self, name: str) -> Coded:
        """A column of the rows as codes, made once."""
        if name not in self.coded:
            self.coded[name] = Coded.of(self.table.column(name))
        return self.coded[name]

    def place(self, step: Step, setting: Setting) -> Placed:
        """The classes of a step."""
        columns = setting.coarse(step.at, self.base)
        mine = {name: columns[name] for name in step.sources.values()}
        found = groups([(coded.codes, coded.size) for coded in mine.values()])
        first = found.first
        return Placed(step=step, of=found.of, first=first, columns={name: c.among(first) for name, c in mine.items()})


def read_rows(rows: nw.LazyFrame[Any], steps: tuple[Step, ...], setting: Setting) -> Iterator[pa.Table]:
    """The rows of a release, some whole coarsest bins at a time; one empty table where there are none.

    Parameters
    ----------
    rows : one row a trip, at base cells and bins; read once for each lot and once before.
    steps : all steps of the release from fine to coarse.
    """
    session, coarsest = setting.session, steps[-1].at.bins
    counted = session.sql(f"SELECT {BIN}, count(*) AS n FROM {{rows}} GROUP BY {BIN} ORDER BY {BIN}", rows=rows)
    column = nw.from_native(counted).select(coarsest.coarsen(nw.col(BIN), setting.base).alias(BIN)).to_native()
    above = Coded.of(column.column(BIN)).codes
    sizes = np.bincount(above, weights=counted.column("n").to_numpy())
    together = (np.cumsum(sizes) - sizes) // max(AT_ONCE, sizes.sum() / LOTS)  # lot of each of the coarsest bins
    lots = [np.flatnonzero(together[above] == number) for number in np.unique(together)]
    if len(lots) <= 1:
        yield session.collect(rows)
        return
    bins = counted.column(BIN).to_numpy()
    for mine in lots:
        listed = ", ".join(map(str, bins[mine].tolist()))
        yield session.sql(f"SELECT * FROM {{rows}} WHERE {BIN} IN ({listed})", rows=rows)


def lot_of(table: pa.Table, steps: tuple[Step, ...], setting: Setting) -> Lot:
    """Rows of whole coarsest bins with their base classes; touches no engine.

    Privacy
    -------
    Where the finest product thins, no person has more than its rows in any of its classes (ruling 6).
    """
    finest, coarsest = steps[0], steps[-1].at
    names = [name for name in (*CELLS, BIN, *finest.at.columns) if name in table.column_names]
    rows = {name: Coded.of(table.column(name)) for name in names}
    found = groups([(coded.codes, coded.size) for coded in setting.coarse(finest.at, rows).values()])
    base = {name: coded.among(found.first) for name, coded in rows.items()}
    bins = setting.coarse(coarsest, {BIN: base[BIN]})[BIN].codes
    unit = setting.protection.unit
    lot = Lot(table=table, of=found.of, base=base, bins=bins)
    if finest.part.product.max_rows is None:
        return lot
    trips = table.column("trip").to_numpy()
    stays = thinned(lot.of, lot.column(unit).known(), trips, max_rows=finest.part.product.max_rows)
    gone = int(len(stays) - stays.sum())
    if not gone:
        return lot
    coded = {name: one.among(stays) for name, one in lot.coded.items()}
    table = table.filter(pa.array(stays))
    return Lot(table=table, of=lot.of[stays], base=base, bins=bins, thinned=gone, coded=coded)


def in_turn(work: Callable[[pa.Table], Done], tables: Iterator[pa.Table]) -> Iterator[Done]:
    """What becomes of each table, in their order; two are worked on while the engine reads the next.

    Sorting and counting leave Python's lock alone, so two lots take little longer than one; more would take memory.
    """
    with ThreadPoolExecutor(max_workers=AT_WORK) as workers:
        waiting: deque[Future[Done]] = deque()
        for table in tables:
            waiting.append(workers.submit(work, table))
            if len(waiting) > AT_WORK:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
