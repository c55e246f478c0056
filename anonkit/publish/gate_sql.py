"""The gate's own SQL: cells, bins, thinning, recount, remainders.

Written apart from `geo`, `classes` and `kanon` on purpose: a fault there must not repeat itself here.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw

from anonkit.engine import Session
from anonkit.geo import Zones
from anonkit.kanon import Step
from anonkit.publish.spec import ReleaseSpec

ROW_RISK = {"public": Fraction(1, 11), "contract": Fraction(1, 5), "internal": Fraction(1, 2)}
"""Usual limits of row-level risk by recipient (ruling 34); above them the reviewer is warned, the recipe's dominance refuses."""
DAY, WEEK, SHIFT = 86_400, 604_800, 259_200


class GateSql:
    """Queries for one release."""

    def __init__(self, spec: ReleaseSpec, session: Session) -> None:
        self.spec = spec
        self.session = session
        self.unit = spec.protection.unit
        self.k = spec.protection.k
        self.k_driver = spec.protection.k_driver
        self.among = spec.protection.among

    @property
    def asks_rows(self) -> bool:
        """Whether anything is asked of single rows: published statistics, or operators in the classes of a pool."""
        statistics = any(product.statistics for product in self.spec.products)
        return statistics or self.spec.protection.operator_share is not None

    @property
    def hour(self) -> str:
        """SQL of the hour of the day that a base bin begins in; 0 where bins do not lie within hours."""
        width = self.spec.base.seconds
        return f"(start_bin * {width}) % {DAY} // 3600" if 3600 % width == 0 else "0"

    def keys(self, step: Step) -> dict[str, str]:
        """Released column → SQL over base cells and bins."""
        part, at = step.part, step.at
        product = part.product
        width = self.spec.base.seconds
        local = f"start_bin * {width}"
        if self.spec.base.pool == "none" and at.bins.pool == "week":
            local = f"(({local} + {SHIFT}) % {WEEK})"
        elif at.bins.pool == "day" and self.spec.base.pool != "day":
            local = f"(({local}) % {DAY})"
        time = f"CAST(floor({local} / {at.bins.seconds}) AS BIGINT)"
        if part.end is not None:
            found = {"cell": self.cell(f"{part.end}_cell", at.level), "bin": time, "end": f"'{part.end}'"}
        else:
            cells = {name: self.cell(name, at.level) for name in ("start_cell", "end_cell")}
            found = {**cells, product.bin_column: time}
        found |= {name: f'"{name}"' if name in at.columns else "'any'" for name in product.columns}
        return found | ({"rolled_up": f"{step.number}::BIGINT"} if product.roll_up else {})

    def cell(self, column: str, level: int) -> str:
        """SQL of the cell of a level that holds a base cell."""
        if isinstance(self.spec.grid, Zones):  # a zone's code is the path to it, written in digits
            if level == 0:
                return column
            digits = f"left(CAST({column} AS VARCHAR), -{self.spec.grid.digits_below(level)})"
            return f"CAST('{level}' || lpad({digits}, 14, '0') AS BIGINT)"
        row, col = f"(({column} // 10000000) % 10000000)", f"({column} % 10000000)"
        return f"({level} * 100000000000000 + ({row} >> {level}) * 10000000 + ({col} >> {level}))"

    def rows(self, used: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """The rows of the release after thinning."""
        finest = self.spec.steps[0]
        max_rows = finest.part.product.max_rows
        if max_rows is None:
            return used
        keys = self.keys(finest)
        named = ", ".join(f"{sql} AS k{number}" for number, sql in enumerate(keys.values()))
        grouped = ", ".join([*(f"k{number}" for number in range(len(keys))), self.unit])
        many = self.session.table(
            f"SELECT {named}, {self.unit} FROM {{used}} WHERE {self.unit} IS NOT NULL GROUP BY {grouped} HAVING count(*) > {max_rows}",
            used=used,
        )
        if not self.session.value("SELECT count(*) FROM {many}", many=many):
            return used
        return self.session.frame(
            f"WITH beyond AS (SELECT unnest(list_sort(list(trip))[{max_rows + 1}:]) AS trip, {self.unit} FROM "
            f"(SELECT trip, {named}, {self.unit} FROM {{used}}) SEMI JOIN {{many}} USING ({grouped}) GROUP BY {grouped}) "
            f"SELECT * FROM {{used}} ANTI JOIN beyond USING (trip, {self.unit})",
            used=used,
            many=many,
        )

    def marked(self, rows: nw.LazyFrame[Any], folder: Path) -> nw.LazyFrame[Any]:
        """Rows with ``f0, f1, …``: whether the class that the row has at that step stands in the written file."""
        joins, flags, files = [], [], {}
        for number, step in enumerate(self.spec.steps):
            found = self.keys(step)
            listed = ", ".join(f'"{column}" AS k{at}' for at, column in enumerate(found))
            same = " AND ".join(f"{sql} = t{number}.k{at}" for at, sql in enumerate(found.values()))
            joins.append(f"LEFT JOIN (SELECT DISTINCT {listed}, true AS f FROM {{file_{number}}}) t{number} ON {same}")
            flags.append(f"t{number}.f IS NOT NULL AS f{number}")
            files[f"file_{number}"] = folder / f"{step.part.product.kind}.parquet"
        query = f"SELECT r.*, {', '.join(flags)} FROM {{rows}} r {' '.join(joins)}"
        return self.session.table(query, rows=rows, **files)

    def hit(self, step: Step) -> str:
        """SQL of whether a marked row is told at this step: its class is in the file, and no earlier level told it."""
        return f"(f{self.spec.steps.index(step)} AND {self.mine(step)})"

    def mine(self, step: Step) -> str:
        """SQL of whether no earlier level of the same part tells a marked row."""
        return self._none(before for before in self._before(step) if before.part == step.part)

    def open(self, step: Step) -> str:
        """SQL of whether nothing that this step is held against tells a marked row: trips, flows, and its own levels."""
        return self._none(before for before in self._before(step) if before.part.end in (None, step.part.end))

    def _before(self, step: Step) -> tuple[Step, ...]:
        return self.spec.steps[: self.spec.steps.index(step)]

    def _none(self, steps: Iterable[Step]) -> str:
        """A row that an earlier level of a part tells is told once, but that changes nothing in whether it is told."""
        flags = [f"f{self.spec.steps.index(step)}" for step in steps]
        return f"(NOT ({' OR '.join(flags)}))" if flags else "true"

    def wrong_statistics(self, marked: nw.LazyFrame[Any], step: Step, path: Path) -> int:
        """Published means and medians that a recount, one value a person, does not give."""
        product, keys = step.part.product, self.keys(step)
        found, names = list(keys), [f"k{number}" for number in range(len(keys))]
        grouped = ", ".join(names)
        mine = ", ".join(f"{sql} AS {name}" for sql, name in zip(keys.values(), names, strict=True))
        where = f"WHERE rolled_up = {step.number}" if product.roll_up else ""
        total = 0
        for told in product.statistics:
            clipped = f"floor(CASE WHEN {told.column} < {told.low} THEN {told.low} WHEN {told.column} > {told.high} THEN {told.high} ELSE {told.column} END + 0.5)"
            mean, median = told.names
            listed = ", ".join(f'"{column}" AS {name}' for column, name in zip(found, names, strict=True))
            total += self.session.value(
                f"WITH own AS (SELECT {mine}, {self.unit}, quantile_cont({clipped}, 0.5) AS v FROM {{rows}} WHERE {self.hit(step)} "
                f"AND {told.column} IS NOT NULL GROUP BY ALL), "
                f"again AS (SELECT {grouped}, count(*) AS n, sum(v) AS s, quantile_cont(v, 0.5) AS m FROM own GROUP BY ALL) "
                f"SELECT count(*) FROM (SELECT {listed}, {mean} AS mean, {median} AS median FROM {{file}} {where}) "
                f"LEFT JOIN again USING ({grouped}) WHERE "
                f"mean IS DISTINCT FROM CASE WHEN n >= {self.k} THEN CAST(floor((2 * s + n * {told.step}) / (2 * n * {told.step})) AS BIGINT) * {told.step} END "
                f"OR median IS DISTINCT FROM CASE WHEN n // 2 >= {self.k} THEN CAST(floor((4 * m + 2 * {told.step}) / (4 * {told.step})) AS BIGINT) * {told.step} END",
                rows=marked,
                file=path,
            )
        return int(total)
