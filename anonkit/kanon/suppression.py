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
    for part in decisions.parts:
        end = part.end or "start"
        rows = decisions.rows.select(
            grid.coarsen(nw.col(f"{end}_cell"), level).alias("area"),
            pooled.coarsen(nw.col("start_bin"), base).alias("hour"),
            nw.col(protection.unit).alias("unit"),
            *([nw.col("driver").alias("helper")] if protection.k_driver is not None else []),
            *([nw.col(protection.among).alias("among")] if protection.among is not None else []),
            (nw.col(part.told) != NOTHING).alias("hit"),
        )
        frames.append(session.frame(_query(part.name, protection), rows=rows))
    return nw.concat(frames) if len(frames) > 1 else frames[0]


def _query(name: str, protection: Protection) -> str:
    drivers = protection.k_driver is not None

    among = ", among" if protection.among is not None else ""

    def count(column: str, threshold: int | None) -> str:
        return (
            f"SELECT area, hour, max(u) AS all_{column}, max(h) AS hidden_{column}, sum(n)::BIGINT AS rows, "
            f"sum(hidden)::BIGINT AS hidden FROM (SELECT area, hour{among}, count({column}) AS u, "
            f"count({column}) FILTER (hidden > 0) AS h, sum(n) AS n, sum(hidden) AS hidden FROM (SELECT area, hour{among}, {column}, "
            f"count(*) AS n, count(*) FILTER (NOT hit) AS hidden FROM {{rows}} GROUP BY ALL) GROUP BY ALL) GROUP BY ALL "
            f"HAVING max(u) >= {threshold} AND (sum(hidden) = 0 OR max(h) >= {threshold})"
        )

    passing = f"({count('unit', protection.k)}) a"
    if drivers:
        passing += f" SEMI JOIN ({count('helper', protection.k_driver)}) b USING (area, hour)"
    return (
        f"SELECT '{name}' AS part, area, hour::BIGINT AS hour, CASE WHEN hidden = 0 THEN '0' WHEN hidden * 20 < rows THEN '<5' "
        "WHEN hidden * 5 < rows THEN '5-20' WHEN hidden * 2 < rows THEN '20-50' ELSE '>50' END AS suppressed_pct "
        f"FROM {passing}"
    )
