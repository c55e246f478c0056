"""How much is missing, by area and hour, without saying who.

A researcher must not take suppressed for zero; an attacker must not learn from the gap. So the suppressed share is told
by large public cells and hours of the day, in coarse bands only, and only for zone-hours that hold the thresholds
themselves and whose suppressed part is nothing or holds them too (ruling 11).
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw

from anonkit.classes import Protection
from anonkit.engine import Session
from anonkit.geo import Tessellation, TimeBins
from anonkit.kanon.decide import Decisions
from anonkit.kanon.system import UNTOLD

BANDS = ("0", "<5", "5-20", "20-50", ">50")
"""Suppressed share in per cent; ``withheld`` stands for a zone-hour that is too small to tell."""


def suppression_bands(
    decisions: Decisions, *, grid: Tessellation, base: TimeBins, level: int, protection: Protection, session: Session
) -> nw.LazyFrame[Any]:
    """Bands of the suppressed share by part, public cell at ``level`` and hour of the local day.

    Returns
    -------
    LazyFrame ``part, area, hour, suppressed_pct``; zone-hours that do not pass are left out.

    Privacy
    -------
    See the module. Zone-hours pool all days of the release.
    """
    hour = TimeBins("1h of day", zone=base.zone)
    pooled = hour if hour.contains(base) else TimeBins("1d of day", zone=base.zone)
    frames = []
    for end in ("start", "end"):  # trips and flows are told by their start; one pass over the rows for all of an end
        parts = [part for part in decisions.parts if (part.end or "start") == end]
        if not parts:
            continue
        rows = decisions.rows.select(
            nw.col(f"{end}_cell").alias("cell"),
            pooled.coarsen(nw.col("start_bin"), base).alias("hour"),
            nw.col(protection.unit).alias("unit"),
            *([nw.col("driver").alias("helper")] if protection.k_driver is not None else []),
            *([nw.col(protection.among).alias("among")] if protection.among is not None else []),
            *((nw.col(part.told) == UNTOLD).alias(f"hidden{number}") for number, part in enumerate(parts)),
        )
        area = grid.coarsen(nw.col("cell"), level).alias("area")
        counted = [
            _told_by(rows, area, column, len(parts), threshold, protection, session)
            for column, threshold in (("unit", protection.k), ("helper", protection.k_driver))
            if threshold is not None
        ]
        tables = {f"by{number}": table for number, table in enumerate(counted)}
        frames += [session.frame(_bands(part.name, number, protection), **tables) for number, part in enumerate(parts)]
    return nw.concat(frames) if len(frames) > 1 else frames[0]


def _told_by(
    rows: nw.LazyFrame[Any],
    area: nw.Expr,
    column: str,
    parts: int,
    threshold: int,
    protection: Protection,
    session: Session,
) -> nw.LazyFrame[Any]:
    """One line a zone-hour: its rows, and how many of the column it holds; the same of what each part hides.

    Whether a zone-hour holds the threshold is seen at once from a map of 64 bits, in which each value sets one: it never
    holds fewer values than bits. Only where the bits do not settle it are the values counted, with the same answer.
    """
    keys = ["hour", *(["among"] if protection.among is not None else [])]
    fine = session.table(_by_bits(column, parts, ["cell", *keys]), rows=rows).with_columns(area)
    settled = session.table(_settled(parts, threshold, keys), fine=fine)
    is_open = "SELECT DISTINCT cell, f.hour FROM {fine} f SEMI JOIN (SELECT * FROM {settled} WHERE open) s ON f.area = s.area AND f.hour = s.hour"
    cells = session.table(is_open, fine=fine, settled=settled)
    told = "SELECT * EXCLUDE (open) FROM {settled} WHERE NOT open"
    if not session.value("SELECT count(*) FROM {cells}", cells=cells):
        return session.table(told, settled=settled)
    left = session.frame("SELECT r.* FROM {rows} r SEMI JOIN {cells} USING (cell, hour)", rows=rows, cells=cells)
    counted = session.table(_by_value(column, parts, keys), rows=left.with_columns(area))
    return session.table(f"{told} UNION ALL BY NAME SELECT * FROM {{counted}}", settled=settled, counted=counted)


def _by_bits(column: str, parts: int, keys: list[str]) -> str:
    """SQL of rows and bits by these keys and by which parts hide them."""
    bit = f"CASE WHEN {column} IS NOT NULL THEN 1::UBIGINT << (hash({column}) & 63) END"
    listed = ", ".join([*keys, *(f"hidden{part}" for part in range(parts))])
    return f"SELECT {listed}, count(*) AS n, bit_or({bit}) AS b FROM {{rows}} GROUP BY {listed}"


def _settled(parts: int, threshold: int, keys: list[str]) -> str:
    """SQL of the zone-hours by their bits, and whether these leave open if the threshold is held."""
    listed = ", ".join(["area", *keys])
    hidden = "".join(
        f", coalesce(sum(n) FILTER (hidden{part}), 0) AS h{part}"
        f", coalesce(bit_count(bit_or(b) FILTER (hidden{part})), 0) AS hu{part}"
        for part in range(parts)
    )
    query = (
        f"SELECT {listed}, sum(n) AS n, coalesce(bit_count(bit_or(b)), 0) AS u{hidden} FROM {{fine}} GROUP BY {listed}"
    )
    return f"SELECT *, {_is_open(parts, threshold)} AS open FROM ({_pooled(query, parts)})"


def _by_value(column: str, parts: int, keys: list[str]) -> str:
    """SQL of the zone-hours counted value by value."""
    listed = ", ".join(["area", *keys])
    each = "".join(f", count(*) FILTER (hidden{part}) AS h{part}" for part in range(parts))
    hidden = "".join(
        f", sum(h{part}) AS h{part}, count(value) FILTER (h{part} > 0) AS hu{part}" for part in range(parts)
    )
    by_value = f"SELECT {listed}, {column} AS value, count(*) AS n{each} FROM {{rows}} GROUP BY ALL"
    query = f"SELECT {listed}, sum(n) AS n, count(value) AS u{hidden} FROM ({by_value}) GROUP BY {listed}"
    return _pooled(query, parts)


def _pooled(query: str, parts: int) -> str:
    """SQL of one line a zone-hour: rows are summed over a pool, of what its members hold the largest counts (ruling 2)."""
    hidden = "".join(f", sum(h{part})::BIGINT AS h{part}, max(hu{part})::BIGINT AS hu{part}" for part in range(parts))
    return f"SELECT area, hour, sum(n)::BIGINT AS n, max(u)::BIGINT AS u{hidden} FROM ({query}) GROUP BY area, hour"


def _is_open(parts: int, threshold: int) -> str:
    """SQL of whether bits leave open if the threshold is held: fewer bits than that, and not fewer rows."""
    pairs = [("n", "u"), *((f"h{part}", f"hu{part}") for part in range(parts))]
    return "(" + " OR ".join(f"({rows} >= {threshold} AND {held} < {threshold})" for rows, held in pairs) + ")"


def _bands(name: str, number: int, protection: Protection) -> str:
    """SQL of the zone-hours that may be told of one part; with drivers, both must hold their threshold."""

    def passing(table: str, threshold: int | None) -> str:
        told = f"u >= {threshold} AND (h{number} = 0 OR hu{number} >= {threshold})"
        return f"(SELECT area, hour, n, h{number} AS h FROM {{{table}}} WHERE {told})"

    found = f"{passing('by0', protection.k)} a"
    if protection.k_driver is not None:
        found += f" SEMI JOIN {passing('by1', protection.k_driver)} b USING (area, hour)"
    return (
        f"SELECT '{name}' AS part, area, hour::BIGINT AS hour, CASE WHEN h = 0 THEN '0' WHEN h * 20 < n THEN '<5' "
        f"WHEN h * 5 < n THEN '5-20' WHEN h * 2 < n THEN '20-50' ELSE '>50' END AS suppressed_pct FROM {found}"
    )
