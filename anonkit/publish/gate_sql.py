"""The gate's own SQL: cells, bins, thinning, recount, remainders.

Written apart from `geo`, `classes` and `kanon` on purpose: a fault there must not repeat itself here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw

from anonkit.engine import Session
from anonkit.kanon import Part, Product
from anonkit.publish.spec import ReleaseSpec

DAY, WEEK, SHIFT = 86_400, 604_800, 259_200


class GateSql:
    """Queries for one release."""

    def __init__(self, spec: ReleaseSpec, session: Session) -> None:
        self.spec = spec
        self.session = session
        self.unit = spec.protection.unit
        self.k = spec.protection.k
        self.k_driver = spec.protection.k_driver

    def keys(self, part: Part) -> dict[str, str]:
        """Released column → SQL over base cells and bins."""
        product = part.product
        width = self.spec.base.seconds
        local = f"start_bin * {width}"
        if self.spec.base.pool == "none" and product.bins.pool == "week":
            local = f"(({local} + {SHIFT}) % {WEEK})"
        elif product.bins.pool == "day" and self.spec.base.pool != "day":
            local = f"(({local}) % {DAY})"
        time = f"CAST(floor({local} / {product.bins.seconds}) AS BIGINT)"
        if part.end is not None:
            found = {"cell": self._cell(f"{part.end}_cell", product.level), "bin": time, "end": f"'{part.end}'"}
        else:
            cells = {name: self._cell(name, product.level) for name in ("start_cell", "end_cell")}
            found = {**cells, product.bin_column: time}
        return found | {name: f'"{name}"' for name in product.columns}

    @staticmethod
    def _cell(column: str, level: int) -> str:
        row, col = f"(({column} // 10000000) % 10000000)", f"({column} % 10000000)"
        return f"({level} * 100000000000000 + ({row} >> {level}) * 10000000 + ({col} >> {level}))"

    def rows(self, used: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """The rows of the release after thinning, with ``open`` true: published by nothing yet."""
        finest: Product = self.spec.products[0]
        if finest.max_rows is None:
            return self.session.frame("SELECT *, true AS open FROM {used}", used=used)
        keys = ", ".join(self.keys(finest.parts()[0]).values())
        return self.session.frame(
            f"SELECT *, true AS open FROM {{used}} QUALIFY row_number() OVER (PARTITION BY {keys}, {self.unit} ORDER BY trip) "
            f"<= {finest.max_rows}",
            used=used,
        )

    def marked(self, rows: nw.LazyFrame[Any], part: Part, path: Path) -> nw.LazyFrame[Any]:
        """Rows with this part's keys as ``k0, k1, …`` and ``hit``: their class stands in the written file."""
        found = self.keys(part)
        names = [f"k{number}" for number in range(len(found))]
        keyed = ", ".join(f"{sql} AS {name}" for name, sql in zip(names, found.values(), strict=True))
        same = " AND ".join(f't."{column}" = r.{name}' for column, name in zip(found, names, strict=True))
        listed = ", ".join(f'"{column}"' for column in found)
        return self.session.frame(
            f"SELECT r.*, t.hit IS NOT NULL AS hit FROM (SELECT r.*, {keyed} FROM {{rows}} r) r "
            f"LEFT JOIN (SELECT DISTINCT {listed}, true AS hit FROM {{file}}) t ON {same}",
            rows=rows,
            file=path,
        )

    def carried(self, marked: nw.LazyFrame[Any], part: Part) -> nw.LazyFrame[Any]:
        """Rows for the next part: ``open`` closed where trips or flows publish them, a flag for the suppression."""
        names = [f"k{number}" for number in range(len(part.product.keys))]
        closing = "open AND NOT hit" if part.product.kind != "volumes" else "open"
        flag = "in_" + part.name.replace(":", "_")
        return self.session.frame(
            f"SELECT * EXCLUDE ({', '.join(names)}, hit, open), {closing} AS open, hit AS {flag} FROM {{rows}}",
            rows=marked,
        )

    def compare(self, marked: nw.LazyFrame[Any], part: Part, path: Path) -> dict[str, Any]:
        """Recount of the released classes against the written file."""
        found = list(self.keys(part))
        names = [f"k{number}" for number in range(len(found))]
        grouped = ", ".join(names)
        share = self.spec.protection.dominance
        file_keys = ", ".join(f'"{column}" AS {name}' for column, name in zip(found, names, strict=True))
        where = f"WHERE \"end\" = '{part.end}'" if part.end else ""
        number = "count(*)" if part.product.kind == "trips" else "sum(trips)"
        written = f"SELECT {file_keys}, {number} AS written, count(*) AS lines FROM {{file}} {where} GROUP BY ALL"
        rest = f"rest > 0 AND rest_units < {self.k}"
        drivers = "NULL::BIGINT"
        join_drivers = ""
        if self.k_driver is not None:
            join_drivers = (
                f"LEFT JOIN (SELECT {grouped}, count(driver) AS drivers, count(driver) FILTER (o > 0) AS rest_drivers FROM "
                f"(SELECT {grouped}, driver, count(*) FILTER (open) AS o FROM {{rows}} WHERE hit GROUP BY ALL) GROUP BY ALL) d "
                f"USING ({grouped})"
            )
            drivers = "drivers"
            rest = f"({rest}) OR (rest > 0 AND rest_drivers < {self.k_driver})"
        single = "AND lines <> 1" if part.product.kind != "trips" else "AND false"
        answer = self.session.rows(
            f"SELECT count(*) FILTER (written IS NULL OR n IS NULL OR written <> n OR (true {single})), "
            f"coalesce(sum(written), 0)::BIGINT, count(written), min(coalesce(units, 0)) FILTER (written IS NOT NULL), "
            f"min({drivers}) FILTER (written IS NOT NULL), "
            f"count(*) FILTER (top * {share.denominator} > n * {share.numerator}), count(*) FILTER ({rest}) "
            f"FROM ({written}) w FULL JOIN (SELECT {grouped}, sum(n)::BIGINT AS n, count({self.unit}) AS units, "
            f"max(n) FILTER ({self.unit} IS NOT NULL) AS top, sum(o)::BIGINT AS rest, count({self.unit}) FILTER (o > 0) AS rest_units "
            f"FROM (SELECT {grouped}, {self.unit}, count(*) AS n, count(*) FILTER (open) AS o FROM {{rows}} WHERE hit GROUP BY ALL) "
            f"GROUP BY ALL) c USING ({grouped}) {join_drivers}",
            rows=marked,
            file=path,
        )[0]
        labels = ("mismatches", "released_rows", "released_classes", "fewest", "fewest_drivers", "dominated", "leaks")
        return dict(zip(labels, answer, strict=True))

    def small_bins(self, marked: nw.LazyFrame[Any], part: Part) -> int:
        """Time bins in which this part publishes something new and leaves a few people's rows."""
        key = f"k{list(self.keys(part)).index(part.product.bin_column)}"
        total = 0
        for column, threshold in ((self.unit, self.k), ("driver", self.k_driver)):
            if threshold is not None:
                total += self.session.value(
                    f"SELECT count(*) FROM (SELECT {key} FROM {{rows}} WHERE open GROUP BY {key} HAVING count(*) FILTER (hit) > 0 "
                    f"AND count(*) FILTER (NOT hit) > 0 AND count(DISTINCT {column}) FILTER (NOT hit) < {threshold})",
                    rows=marked,
                )
        return int(total)

    def wrong_bands(self, rows: nw.LazyFrame[Any], path: Path) -> int:
        """Lines of the suppression table that are wrong, or about zone-hours that are too small."""
        width, total = self.spec.base.seconds, 0
        hour = f"(start_bin * {width}) % {DAY} // 3600" if 3600 % width == 0 else "0"
        share = "CASE WHEN h = 0 THEN '0' WHEN h < 0.05 * n THEN '<5' WHEN h < 0.2 * n THEN '5-20' WHEN h < 0.5 * n THEN '20-50' ELSE '>50' END"
        parts = [part for product in self.spec.products for part in product.parts()]
        for part in parts:
            area = self._cell(f"{part.end or 'start'}_cell", self.spec.suppression_level)
            flag = "in_" + part.name.replace(":", "_")
            driver = (
                f", count(DISTINCT driver) AS d, count(DISTINCT driver) FILTER (NOT {flag}) AS hd"
                if self.k_driver
                else ""
            )
            small = f"u < {self.k} OR (h > 0 AND hu < {self.k})"
            if self.k_driver is not None:
                small += f" OR d < {self.k_driver} OR (h > 0 AND hd < {self.k_driver})"
            total += self.session.value(
                f"SELECT count(*) FROM (SELECT * FROM {{file}} WHERE part = '{part.name}') f LEFT JOIN (SELECT {area} AS area, {hour} AS hour, "
                f"count(*) AS n, count(*) FILTER (NOT {flag}) AS h, count(DISTINCT {self.unit}) AS u, "
                f"count(DISTINCT {self.unit}) FILTER (NOT {flag}) AS hu{driver} FROM {{rows}} GROUP BY ALL) t USING (area, hour) "
                f"WHERE n IS NULL OR suppressed_pct <> {share} OR {small}",
                rows=rows,
                file=path,
            )
        known = ", ".join(f"'{part.name}'" for part in parts)
        return int(total + self.session.value(f"SELECT count(*) FROM {{file}} WHERE part NOT IN ({known})", file=path))
