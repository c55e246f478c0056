"""The gate's rows in numbers: cells, bins, columns and people of the tokenised table, and the classes of the written files.

Why: a class is four or five wide values and a person one more; counted as they are, most of the gate's time goes into hashing
them. Here each value that occurs gets a small number by SQL, the gate's own formulas are asked once for each value instead of
once for each row, and a class is one whole number, looked up in the written file. Rows come in lots of whole bins, so that the
memory is that of a lot, and no class is torn apart.

Does not protect against formulas that are wrong in `gate_sql`: the recount test starts from the raw file for that reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anonkit.kanon import Step
from anonkit.publish.gate_counts import ROOM, sorted_unique
from anonkit.publish.gate_sql import GateSql

AT_ONCE = 500_000
"""About so many rows are looked at together: arrays that small are taken from memory that was just given back."""
ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Values:
    """What a formula of the gate gives for each numbered value: the number of its result."""

    codes: np.ndarray
    """Number of the result, for each numbered value; ``size - 1`` where the result is null."""
    results: pa.Array

    @property
    def size(self) -> int:
        """How many numbers there may be."""
        return len(self.results) + 1

    def of(self, written: pa.ChunkedArray) -> np.ndarray:
        """The numbers of what a file says; -1 where it says what no row gives."""
        if not len(self.results):
            return np.full(len(written), -1)
        found = pc.index_in(written.combine_chunks(), self.results, skip_nulls=True).fill_null(-1)
        numbers: np.ndarray = found.to_numpy(zero_copy_only=False).astype(np.int64)
        return numbers


@dataclass(frozen=True)
class Written:
    """The classes of one step as its file has them."""

    numbers: list[np.ndarray]
    """Of each key the numbers of the classes' values; -1: no row has it."""
    trips: np.ndarray
    lines: np.ndarray
    bands: np.ndarray | None
    """What the file tells of class sizes; -1 for nothing."""

    @property
    def held(self) -> np.ndarray:
        """Which classes have keys that rows have."""
        found = np.ones(len(self.trips), dtype=bool)
        for column in self.numbers:
            found &= column >= 0
        return found


@dataclass(frozen=True)
class Lot:
    """Some rows: numbers of their values, columns of the dictionaries by name."""

    columns: dict[str, np.ndarray]
    _taken: dict[tuple[int, str], tuple[Values, np.ndarray]] = field(default_factory=dict, repr=False)

    def take(self, values: Values, column: str) -> np.ndarray:
        """The numbers of what a formula gives for each row; taken once."""
        found = self._taken.get((id(values), column))
        if found is None:
            found = self._taken[id(values), column] = (values, values.codes[self.columns[column]])
        return found[1]

    @property
    def count(self) -> int:
        """Rows."""
        return len(self.columns["start_bin"])

    @property
    def fleet(self) -> np.ndarray | None:
        """Group of operators of each row; None where persons are matched."""
        return self.columns.get("fleet")

    def only(self, keep: np.ndarray) -> Lot:
        """Some of the rows."""
        return Lot({name: column[keep] for name, column in self.columns.items()})


class Lookup:
    """The written class of each row: its keys as one whole number, looked up among those of the file.

    Where the keys do not fit into one number, what is packed so far is numbered anew by the combinations that the file has.
    """

    def __init__(self, keys: list[tuple[str, Values, str]], written: Written) -> None:
        self._held = np.flatnonzero(written.held)
        self._stages: list[tuple[Values, str, Places | None, int]] = []
        file, size = np.zeros(len(self._held), dtype=np.int64), 1
        for (_, values, column), numbers in zip(keys, written.numbers, strict=False):  # constants follow the keys
            anew = None
            if size * values.size >= ROOM:
                anew = Places(sorted_unique(file))
                file, size = anew.of(file).astype(np.int64), anew.count + 1
            self._stages.append((values, column, anew, size))
            file = file * values.size + numbers[self._held]
            size *= values.size
        self._order = np.argsort(file)
        self._places = Places(file[self._order])

    def of(self, lot: Lot) -> np.ndarray:
        """Of each row the number of its written class; -1 where the file does not have it."""
        rows = np.zeros(lot.count, dtype=np.int64)
        for values, column, anew, size in self._stages:
            if anew is not None:
                rows = anew.of(rows).astype(np.int64)
                rows[rows < 0] = size - 1
            rows *= values.size
            rows += lot.take(values, column)
        at = self._places.of(rows)
        numbers = np.append(self._held[self._order], -1).astype(np.int32)
        found: np.ndarray = numbers[at]
        return found


class GateRows:
    """The tokenised rows of one release, numbered."""

    def __init__(self, sql: GateSql, used: nw.LazyFrame[Any], folder: Path) -> None:
        self.sql, self._used, self._folder = sql, used, folder
        spec, session = sql.spec, sql.session
        self.steps = spec.steps
        extras = dict.fromkeys(name for step in self.steps for name in step.part.product.columns)
        self._tables: dict[str, nw.LazyFrame[Any]] = {
            "cells": session.table(
                "SELECT v, (row_number() OVER () - 1)::INT AS n FROM "
                "(SELECT DISTINCT start_cell AS v FROM {used} UNION SELECT DISTINCT end_cell FROM {used})",
                used=used,
            )
        }
        named = {"start_bin": "start_bin", **{f"extra {name}": f'"{name}"::VARCHAR' for name in extras}}
        named |= {"unit": sql.unit} | ({"driver": "driver"} if sql.k_driver is not None else {})
        named |= {"fleet": sql.among} if sql.among is not None else {}
        for name, text in named.items():
            self._tables[name] = session.table(
                f"SELECT v, (row_number() OVER () - 1)::INT AS n FROM (SELECT DISTINCT {text} AS v FROM {{used}})",
                used=used,
            )
        self._named = named
        self._extras = tuple(extras)
        self._known: dict[str, Values] = {}
        self.people: dict[str, int] = {
            name: int(session.value("SELECT count(*) FROM {table}", table=self._tables[name]))
            for name in ("unit", "driver", "fleet")
            if name in named
        }

    # --- formulas -----------------------------------------------------------------------------------------------

    def keys(self, step: Step) -> list[tuple[str, Values, str]]:
        """Released column, the numbers of its values, and the column of a lot that they belong to; no constants."""
        found = []
        for name, text in self.sql.keys(step).items():
            if name in ("end", "rolled_up") or (name in step.part.product.columns and name not in step.at.columns):
                continue
            found.append((name, *self.values(name, text, step)))
        return found

    def values(self, name: str, text: str, step: Step) -> tuple[Values, str]:
        """The numbers of a key's values at a step."""
        if name in step.part.product.columns:
            return self.formula(f'"{name}"::VARCHAR', f"extra {name}"), f"extra {name}"
        if name == step.part.product.bin_column:
            return self.formula(text, "start_bin"), "start_bin"
        column = f"{step.part.end}_cell" if name == "cell" else name
        return self.formula(text, "cells"), column

    def formula(self, text: str, table: str) -> Values:
        """What a formula gives for each numbered value of a dictionary; asked once."""
        found = self._known.get(text)
        if found is None:
            names = {"cells": "v AS start_cell, v AS end_cell", "start_bin": "v AS start_bin"}
            inner = names.get(table) or f'v AS "{table.removeprefix("extra ")}"'
            query = f"SELECT {text} AS r FROM (SELECT {inner}, n FROM {{table}}) ORDER BY n"
            results = self.sql.session.sql(query, table=self._tables[table]).column("r").combine_chunks()
            if pa.types.is_integer(results.type):
                results = results.cast(pa.int64())
            coded = results.dictionary_encode()
            if isinstance(coded, pa.ChunkedArray):
                coded = coded.combine_chunks()
            codes = coded.indices.fill_null(len(coded.dictionary)).to_numpy(zero_copy_only=False).astype(np.int32)
            found = self._known[text] = Values(codes, coded.dictionary)
        return found

    # --- what is written ----------------------------------------------------------------------------------------

    def written(self, step: Step) -> Written:
        """The classes of a step in its file, with the number of trips that they are said to hold."""
        product = step.part.product
        path = self._folder / f"{product.kind}.parquet"
        keys = self.keys(step)
        where = [f"\"end\" = '{step.part.end}'"] if step.part.end else []
        where += [f"rolled_up = {step.number}"] if product.roll_up else []
        constant = {name for name in product.columns if name not in step.at.columns}
        listed = [name for name, _, _ in keys] + sorted(constant)
        quoted = ", ".join(f'"{name}"' for name in listed)
        rows = product.kind == "trips"
        counts = "count(*) AS trips, 1 AS lines" if rows else "sum(trips) AS trips, count(*) AS lines"
        counts += "" if rows else f", max({self.sql.spec.at_least}) AS band"
        whole = {name: "VARCHAR" if name in product.columns else "BIGINT" for name in listed}
        typed = ", ".join(
            f'CASE WHEN TRY_CAST("{name}" AS {kind}) = "{name}" THEN TRY_CAST("{name}" AS {kind}) END AS "{name}"'
            for name, kind in whole.items()
        )
        beside = "trips::BIGINT AS trips, lines" + ("" if rows else ", band::BIGINT AS band")
        table = self.sql.session.sql(
            f"SELECT {typed}, {beside} FROM (SELECT {quoted}, {counts} FROM {{file}} "
            f"{'WHERE ' + ' AND '.join(where) if where else ''} GROUP BY {quoted})",
            file=path,
        )
        numbers = [values.of(table.column(name)) for name, values, _ in keys]
        for name in sorted(constant):
            told = pc.equal(table.column(name), "any").fill_null(False).to_numpy()
            numbers.append(np.where(told, 0, -1))
        whole_numbers = {
            name: table.column(name).fill_null(-1).to_numpy().astype(np.int64) for name in ("trips", "lines")
        }
        bands = None if rows else table.column("band").fill_null(-1).to_numpy().astype(np.int64)
        return Written(numbers, whole_numbers["trips"], whole_numbers["lines"], bands)

    def lookup(self, step: Step, written: Written) -> Lookup:
        """What finds the written class of each row at a step."""
        return Lookup(self.keys(step), written)

    # --- lots ---------------------------------------------------------------------------------------------------

    def lots(self) -> Iterator[Lot]:
        """All rows, after thinning, in lots of whole bins of every step."""
        session = self.sql.session
        counts = session.sql(
            "SELECT n, c FROM {bins} JOIN (SELECT start_bin, count(*) AS c FROM {used} GROUP BY ALL) ON v IS NOT DISTINCT FROM start_bin ORDER BY n",
            bins=self._tables["start_bin"],
            used=self._used,
        )
        weight = counts.column("c").to_numpy()
        together = self._bins_together()
        of_each = np.bincount(together, weights=weight)
        lot = ((np.cumsum(of_each) - of_each) // AT_ONCE).astype(np.int64)[together]
        chosen = sorted_unique(lot)
        if len(chosen) < 2:
            yield self._thinned(self._numbers(session.sql(self._query(), used=self._used, **self._names)))
            return
        lots = session.from_arrow(pa.table({"bin": pa.array(np.arange(len(lot))), "lot": pa.array(lot)}))
        coded = session.table(
            f"SELECT c.*, lot FROM ({self._query()}) c JOIN {{lots}} l ON c.start_bin = l.bin",
            used=self._used,
            lots=lots,
            **self._names,
        )
        for number in chosen:
            rows = session.sql(f"SELECT * EXCLUDE (lot) FROM {{coded}} WHERE lot = {number}", coded=coded)
            yield self._thinned(self._numbers(rows))
        session.drop(coded)

    def drop(self) -> None:
        """Give the dictionaries' memory back."""
        for table in self._tables.values():
            self.sql.session.drop(table)

    @property
    def _names(self) -> dict[str, nw.LazyFrame[Any]]:
        return {f"d{number}": table for number, table in enumerate(self._tables.values())}

    def _query(self) -> str:
        places = {name: number for number, name in enumerate(self._tables)}
        joins = [
            f"JOIN {{d{places['cells']}}} s ON u.start_cell IS NOT DISTINCT FROM s.v",
            f"JOIN {{d{places['cells']}}} e ON u.end_cell IS NOT DISTINCT FROM e.v",
        ]
        chosen = ["s.n AS start_cell", "e.n AS end_cell"]
        for name, text in self._named.items():
            alias = f"j{places[name]}"
            joins.append(f"JOIN {{d{places[name]}}} {alias} ON {_of('u', text)} IS NOT DISTINCT FROM {alias}.v")
            nobody = f"CASE WHEN {alias}.v IS NULL THEN -1 ELSE {alias}.n END"
            chosen.append(f'{nobody if name in self.people else alias + ".n"} AS "{name}"')
        chosen += ["u.trip AS trip"] if self._max_rows is not None else []
        chosen += ["coalesce(u.record, 0) AS record"] if self.sql.spec.noise is not None else []
        return f"SELECT {', '.join(chosen)} FROM {{used}} u {' '.join(joins)}"

    @property
    def _max_rows(self) -> int | None:
        return self.steps[0].part.product.max_rows

    def _numbers(self, table: pa.Table) -> Lot:
        return Lot({name: table.column(name).to_numpy().astype(np.int64) for name in table.column_names})

    def _bins_together(self) -> np.ndarray:
        """Group of each numbered bin: bins of which any step makes one are in one group."""
        found = np.arange(len(self.formula("start_bin", "start_bin").codes))
        columns = [
            values.codes
            for step in self.steps
            for name, values, _ in self.keys(step)
            if name == step.part.product.bin_column
        ]
        while True:
            before = found
            for codes in columns:
                least = np.full(int(codes.max(initial=0)) + 1, len(found))
                np.minimum.at(least, codes, found)
                found = least[codes]
            if np.array_equal(before, found):
                break
        return np.searchsorted(sorted_unique(found), found)

    def _thinned(self, lot: Lot) -> Lot:
        """Without the rows beyond the finest product's limit for a person and class: those of the greatest trip ids."""
        limit = self._max_rows
        if limit is None or not lot.count:
            return lot
        keys = [(lot.take(values, column), values.size) for _, values, column in self.keys(self.steps[0])]
        who = lot.columns["unit"]
        mixed = who.astype(np.uint64) * ODD
        for number, (codes, _) in enumerate(keys):
            mixed = (mixed ^ codes.astype(np.uint64)) * ODD
            mixed ^= mixed >> np.uint64(29 + number)
        ordered = np.sort(mixed)
        many = ordered[limit:][ordered[limit:] == ordered[: max(len(ordered) - limit, 0)]]
        if not len(many):
            return lot  # equal keys have equal mixtures: nobody is above the limit
        seen = np.flatnonzero((Places(sorted_unique(many)).of(mixed) >= 0) & (who >= 0))
        parts = [who[seen], *(codes[seen] for codes, _ in keys)]
        order = np.lexsort((lot.columns["trip"][seen], *parts))
        new = np.zeros(len(order), dtype=bool)
        for part in parts:
            new[1:] |= np.diff(part[order]) != 0
        start = np.flatnonzero(new) if not len(new) else np.concatenate([[0], np.flatnonzero(new)])
        rank = np.arange(len(order)) - np.repeat(start, np.diff(start, append=len(order)))
        keep = np.ones(lot.count, dtype=bool)
        keep[seen[order[rank >= limit]]] = False
        return lot.only(keep)


def _of(alias: str, text: str) -> str:
    """A column of the rows, quoted or not, with the name of its table before it."""
    return f"{alias}.{text}"


class Places:
    """Where numbers stand among ordered, different ones.

    Most answers come from a table of hashed places; only numbers whose place holds another one are searched for.
    """

    def __init__(self, ordered: np.ndarray) -> None:
        self._ordered, self.count = ordered, len(ordered)
        self._bits = max(8, (16 * len(ordered) - 1).bit_length()) if len(ordered) else 8
        self._table = np.full(1 << self._bits, -1, dtype=np.int32)
        self._table[_hashed(ordered, self._bits)] = np.arange(len(ordered), dtype=np.int32)

    def of(self, wanted: np.ndarray) -> np.ndarray:
        """The place of each number; -1 where it is not among them."""
        if not self.count:
            return np.full(len(wanted), -1, dtype=np.int32)
        at = self._table[_hashed(wanted, self._bits)]
        some = np.flatnonzero(at >= 0)
        wrong = some[self._ordered[at[some]] != wanted[some]]
        among = np.minimum(np.searchsorted(self._ordered, wanted[wrong]), self.count - 1)
        at[wrong] = np.where(self._ordered[among] == wanted[wrong], among, -1)
        return at


def _hashed(numbers: np.ndarray, bits: int) -> np.ndarray:
    return (numbers.view(np.uint64) * ODD) >> np.uint64(64 - bits)
