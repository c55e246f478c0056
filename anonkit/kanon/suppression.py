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
from anonkit.kanon.decide import NOTHING, Decisions

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
            grid.coarsen(nw.col(f"{end}_cell"), level).alias("area"),
            pooled.coarsen(nw.col("start_bin"), base).alias("hour"),
            nw.col(protection.unit).alias("unit"),
            *([nw.col("driver").alias("helper")] if protection.k_driver is not None else []),
            *([nw.col(protection.among).alias("among")] if protection.among is not None else []),
            *((nw.col(part.told) == NOTHING).alias(f"hidden{number}") for number, part in enumerate(parts)),
        )
        counted = [
            session.table(_by_unit(column, len(parts), protection), rows=rows)
            for column, threshold in (("unit", protection.k), ("helper", protection.k_driver))
            if threshold is not None
        ]
        tables = {f"by{number}": table for number, table in enumerate(counted)}
        frames += [session.frame(_bands(part.name, number, protection), **tables) for number, part in enumerate(parts)]
    return nw.concat(frames) if len(frames) > 1 else frames[0]


def _by_unit(column: str, parts: int, protection: Protection) -> str:
    """SQL of one line a zone-hour and unit: its rows, and how many of them each part hides."""
    among = ", among" if protection.among is not None else ""
    hidden = ", ".join(f"count(*) FILTER (hidden{number}) AS h{number}" for number in range(parts))
    return f"SELECT area, hour{among}, {column} AS unit, count(*) AS n, {hidden} FROM {{rows}} GROUP BY ALL"


def _bands(name: str, number: int, protection: Protection) -> str:
    """SQL of the zone-hours that may be told of one part; with drivers, both must hold their threshold."""
    among = ", among" if protection.among is not None else ""

    def passing(table: str, threshold: int | None) -> str:
        return (
            f"(SELECT area, hour, sum(n)::BIGINT AS n, sum(h)::BIGINT AS h FROM (SELECT area, hour{among}, count(unit) AS u, "
            f"count(unit) FILTER (h{number} > 0) AS hu, sum(n) AS n, sum(h{number}) AS h FROM {{{table}}} GROUP BY area, hour{among}) "
            f"GROUP BY area, hour HAVING max(u) >= {threshold} AND (sum(h) = 0 OR max(hu) >= {threshold}))"
        )

    found = f"{passing('by0', protection.k)} a"
    if protection.k_driver is not None:
        found += f" SEMI JOIN {passing('by1', protection.k_driver)} b USING (area, hour)"
    return (
        f"SELECT '{name}' AS part, area, hour::BIGINT AS hour, CASE WHEN h = 0 THEN '0' WHEN h * 20 < n THEN '<5' "
        f"WHEN h * 5 < n THEN '5-20' WHEN h * 2 < n THEN '20-50' ELSE '>50' END AS suppressed_pct FROM {found}"
    )
