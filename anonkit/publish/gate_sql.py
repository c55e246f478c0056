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
from anonkit.kanon import Part, Step
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

    def units(self, column: str, condition: str = "true", *, distinct: bool = False) -> str:
        """SQL of the number of persons of a group: of those who cannot be matched between operators, the most that one has."""
        what = f"DISTINCT {column}" if distinct else column
        if self.among is None:
            return f"count({what}) FILTER ({condition})"
        met = f"FILTER ({column} IS NOT NULL AND ({condition}))"
        if distinct:  # a person stands in many rows
            pairs = f"list(DISTINCT {column}::VARCHAR || '/' || {self.among}::VARCHAR) {met}"
            groups = f"list_transform({pairs}, lambda x: split_part(x, '/', 2))"
            return f"coalesce(list_max(map_values(list_aggregate({groups}, 'histogram'))), 0)"
        return f"coalesce(list_max(map_values(histogram({self.among}) {met})), 0)"

    @property
    def _top(self) -> str:
        """SQL of the most rows that one person may have: one of each group may be the same one, so their sum."""
        known = f"FILTER ({self.unit} IS NOT NULL)"
        if self.among is None:
            return f"max(n) {known}"
        pairs = f"list({{g: {self.among}, n: n}}) {known}"
        groups = f"list_distinct(list({self.among}) {known})"
        return (
            f"coalesce(list_sum(list_transform({groups}, lambda g: "
            f"list_max(list_transform(list_filter({pairs}, lambda x: x.g = g), lambda x: x.n)))), 0)"
        )

    @property
    def _apart(self) -> str:
        return f", {self.among}" if self.among is not None else ""

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
            found = {"cell": self._cell(f"{part.end}_cell", at.level), "bin": time, "end": f"'{part.end}'"}
        else:
            cells = {name: self._cell(name, at.level) for name in ("start_cell", "end_cell")}
            found = {**cells, product.bin_column: time}
        found |= {name: f'"{name}"' if name in at.columns else "'any'" for name in product.columns}
        return found | ({"rolled_up": f"{step.number}::BIGINT"} if product.roll_up else {})

    def _cell(self, column: str, level: int) -> str:
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

    def told(self, part: Part) -> str:
        """SQL of whether any level of a part tells a marked row."""
        return f"NOT {self._none(step for step in self.spec.steps if step.part == part)}"

    def _before(self, step: Step) -> tuple[Step, ...]:
        return self.spec.steps[: self.spec.steps.index(step)]

    def _none(self, steps: Iterable[Step]) -> str:
        """A row that an earlier level of a part tells is told once, but that changes nothing in whether it is told."""
        flags = [f"f{self.spec.steps.index(step)}" for step in steps]
        return f"(NOT ({' OR '.join(flags)}))" if flags else "true"

    def compare(self, marked: nw.LazyFrame[Any], step: Step, path: Path) -> dict[str, Any]:
        """Recount of the released classes against the written file."""
        part, open_ = step.part, self.open(step)
        keys = self.keys(step)
        found, names = list(keys), [f"k{number}" for number in range(len(keys))]
        grouped = ", ".join(names)
        mine = ", ".join(f"{sql} AS {name}" for sql, name in zip(keys.values(), names, strict=True))
        share, risk = self.spec.protection.dominance, ROW_RISK[self.spec.recipient_kind]
        file_keys = ", ".join(f'"{column}" AS {name}' for column, name in zip(found, names, strict=True))
        conditions = [f"\"end\" = '{part.end}'"] if part.end else []
        conditions += [f"rolled_up = {step.number}"] if part.product.roll_up else []
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        band = "" if part.product.kind == "trips" else f", max({self.spec.at_least}) AS band"
        number = "count(*)" if part.product.kind == "trips" else "sum(trips)"
        written = f"SELECT {file_keys}, {number} AS written, count(*) AS lines{band} FROM {{file}} {where} GROUP BY ALL"
        rest, drivers, join_drivers = f"rest > 0 AND rest_units < {self.k}", "NULL::BIGINT", ""
        if self.k_driver is not None:
            join_drivers = (
                f"LEFT JOIN (SELECT {grouped}, {self.units('driver')} AS drivers, {self.units('driver', 'o > 0')} AS rest_drivers FROM "
                f"(SELECT {mine}{self._apart}, driver, count(*) FILTER ({open_}) AS o FROM {{rows}} WHERE {self.hit(step)} GROUP BY ALL) GROUP BY ALL) d "
                f"USING ({grouped})"
            )
            drivers = "drivers"
            rest = f"({rest}) OR (rest > 0 AND rest_drivers < {self.k_driver})"
        wrong = [f"written <> n + {self._noise('record')}"]
        if part.product.kind != "trips":
            wrong += ["lines <> 1", f"band <> {self._band('units')}"]
        record = "any_value(record)" if self.spec.noise is not None else "0"
        answer = self.session.rows(
            f"SELECT count(*) FILTER (written IS NULL OR n IS NULL OR {' OR '.join(wrong)}), "
            f"coalesce(sum(written), 0)::BIGINT, count(written), min(coalesce(units, 0)) FILTER (written IS NOT NULL), "
            f"min({drivers}) FILTER (written IS NOT NULL), "
            f"count(*) FILTER (top * {share.denominator} > n * {share.numerator}), count(*) FILTER ({rest}), "
            f"count(*) FILTER (top * {risk.denominator} > n * {risk.numerator}) "
            f"FROM ({written}) w FULL JOIN (SELECT {grouped}, sum(n)::BIGINT AS n, {self.units(self.unit)} AS units, "
            f"{self._top} AS top, sum(o)::BIGINT AS rest, "
            f"{self.units(self.unit, 'o > 0')} AS rest_units, (sum(record) % {2**40})::BIGINT AS record "
            f"FROM (SELECT {mine}{self._apart}, {self.unit}, count(*) AS n, count(*) FILTER ({open_}) AS o, {record} AS record "
            f"FROM {{rows}} WHERE {self.hit(step)} GROUP BY ALL) GROUP BY ALL) c USING ({grouped}) {join_drivers}",
            rows=marked,
            file=path,
        )[0]
        labels = (
            "mismatches",
            "released_rows",
            "released_classes",
            "fewest",
            "fewest_drivers",
            "dominated",
            "leaks",
            "risky",
        )
        return dict(zip(labels, answer, strict=True))

    def _noise(self, record: str) -> str:
        noise = self.spec.noise
        if noise is None:
            return "0"
        steps = " ".join(f"WHEN {record} < {edge} THEN {n - noise.largest}" for n, edge in enumerate(noise.thresholds))
        return f"(CASE {steps} ELSE {noise.largest} END)"

    def _band(self, units: str) -> str:
        steps = " ".join(f"WHEN {units} >= {band} THEN {band}" for band in sorted(self.spec.bands, reverse=True))
        return f"(CASE {steps} END)"

    def small_bins(self, marked: nw.LazyFrame[Any], step: Step) -> int:
        """Time bins in which this step tells something new and leaves a few people's rows."""
        key, total = self.keys(step)[step.part.product.bin_column], 0
        for column, threshold in ((self.unit, self.k), ("driver", self.k_driver)):
            if threshold is not None:
                total += self.session.value(
                    f"SELECT count(*) FROM (SELECT b FROM (SELECT {key} AS b{self._apart}, {column}, count(*) FILTER ({self.hit(step)}) AS h, "
                    f"count(*) FILTER (NOT {self.hit(step)}) AS o FROM {{rows}} WHERE {self.open(step)} GROUP BY ALL) GROUP BY b "
                    f"HAVING sum(h) > 0 AND sum(o) > 0 AND {self.units(column, 'o > 0')} < {threshold})",
                    rows=marked,
                )
        return int(total)

    def alike(self, marked: nw.LazyFrame[Any], step: Step) -> int:
        """Origins and bins that give a destination away, and destinations and bins that give an origin away."""
        least = self.spec.protection.l_places
        if step.part.end is not None or least < 2:
            return 0
        keys = list(self.keys(step).values())
        names = [f"k{number}" for number in range(len(keys))]
        mine = ", ".join(f"{sql} AS {name}" for sql, name in zip(keys, names, strict=True))
        total = 0
        for given in (0, 1):
            group = ", ".join(name for position, name in enumerate(names) if position != 1 - given)
            total += self.session.value(
                f"WITH few AS (SELECT {group}, count(*) AS places FROM (SELECT DISTINCT {group}, k{1 - given} FROM (SELECT {mine} FROM {{rows}} "
                f"WHERE {self.hit(step)})) GROUP BY {group} HAVING count(*) < {least}), "
                f"missing AS (SELECT {', '.join(names)}, {self.units(self.unit, distinct=True)} AS units FROM (SELECT {mine}{self._apart}, {self.unit} "
                f"FROM {{rows}} WHERE {self.mine(step)} AND NOT {self.hit(step)}) SEMI JOIN few USING ({group}) GROUP BY {', '.join(names)}) "
                f"SELECT count(*) FROM few LEFT JOIN (SELECT {group}, max(units) AS units FROM missing GROUP BY ALL) "
                f"USING ({group}) WHERE places + CASE WHEN coalesce(units, 0) >= {self.k} THEN 1 ELSE 0 END < {least}",
                rows=marked,
            )
        return int(total)

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

    def wrong_bands(self, rows: nw.LazyFrame[Any], path: Path) -> int:
        """Lines of the suppression table that are wrong, or about zone-hours that are too small."""
        width, total = self.spec.base.seconds, 0
        hour = f"(start_bin * {width}) % {DAY} // 3600" if 3600 % width == 0 else "0"
        share = (
            "CASE WHEN h = 0 THEN '0' WHEN h < 0.05 * n THEN '<5' WHEN h < 0.2 * n THEN '5-20' "
            "WHEN h < 0.5 * n THEN '20-50' ELSE '>50' END"
        )
        parts = [part for product in self.spec.products for part in product.parts()]
        thresholds = {self.unit: self.k} | ({"driver": self.k_driver} if self.k_driver is not None else {})
        for end in ("start", "end"):
            mine = [part for part in parts if (part.end or "start") == end]
            if not mine:
                continue
            area = self._cell(f"{end}_cell", self.spec.suppression_level)
            hidden = ", ".join(f"count(*) FILTER (NOT ({self.told(part)})) AS h{n}" for n, part in enumerate(mine))
            for column, threshold in thresholds.items():
                by_part = " UNION ALL ".join(
                    f"SELECT '{part.name}' AS part, area, hour, sum(n) AS n, sum(h{n}) AS h, {self.units(column)} AS u, "
                    f"{self.units(column, f'h{n} > 0')} AS hu FROM by_unit GROUP BY ALL"
                    for n, part in enumerate(mine)
                )
                named = ", ".join(f"'{part.name}'" for part in mine)
                total += self.session.value(
                    f"WITH by_unit AS MATERIALIZED (SELECT {area} AS area, {hour} AS hour{self._apart}, {column}, count(*) AS n, {hidden} "
                    f"FROM {{rows}} GROUP BY ALL) SELECT count(*) FROM (SELECT * FROM {{file}} WHERE part IN ({named})) f "
                    f"LEFT JOIN ({by_part}) t USING (part, area, hour) "
                    f"WHERE n IS NULL OR suppressed_pct <> {share} OR u < {threshold} OR (h > 0 AND hu < {threshold})",
                    rows=rows,
                    file=path,
                )
        known = ", ".join(f"'{part.name}'" for part in parts)
        return int(total + self.session.value(f"SELECT count(*) FROM {{file}} WHERE part NOT IN ({known})", file=path))
