"""Which passages each row of a written routes release stands for: the gate's own keys, in SQL.

Bins come from ``zoneinfo`` and arithmetic on seconds, keys from the written Parquet; nothing here uses the code that made the
tables. ``gate_routes`` counts and checks what these queries yield. Everything is held in memory: matched passages are as
raw as coordinates (ruling 30).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import narwhals.stable.v2 as nw
import pyarrow as pa

from anonkit.engine import Session
from anonkit.publish.routes import STREETS, RouteReleaseSpec, route_resources

DAY, WEEK, SHIFT = 86_400, 604_800, 259_200
QUARTER = 900
"""Clocks are changed at quarters of an hour."""
PASSAGES = (
    "trip",
    "piece",
    "row",
    "link",
    "enter_s",
    "exit_s",
    "enter_m",
    "exit_m",
    "length_m",
    "unit",
    "driver",
    "record",
)
"""Columns of the tokenised passages; ``row`` counts through, one more at each passage."""


OCCURRENCES = (
    "SELECT p.pattern, r.trip, r.piece, r.row - p.step AS at FROM {pattern_links} p JOIN {patterns} x USING (pattern) "
    "JOIN {rows} r ON r.link = p.link GROUP BY p.pattern, r.trip, r.piece, r.row - p.step HAVING count(*) = max(x.links)"
)
"""Where somebody walked all links of a route in a row: its number and the row of the first passage."""


PIECES = (
    "SELECT trip, piece, any_value(unit) AS unit, any_value(driver) AS driver, arg_min(link, row) AS first, "
    "arg_max(link, row) AS last FROM {rows} GROUP BY trip, piece"
)
"""First and last link of each piece of a journey: there it appears and vanishes."""


class RouteRows:
    """Keyed passages of one release."""

    def __init__(self, spec: RouteReleaseSpec, folder: Path, passages: nw.LazyFrame[Any], session: Session) -> None:
        self.spec, self.folder, self.session = spec, folder, session
        self.k, self.k_driver = spec.protection.k, spec.protection.k_driver
        self.rows = self._binned(passages)
        names = [resource.name for resource in route_resources(spec)]
        self.files: dict[str, Any] = {name: folder / f"{name}.parquet" for name in names}
        self.files["streets"] = folder / STREETS.paths[0]

    def _held(self, query: str, **tables: Any) -> nw.LazyFrame[Any]:
        """A frame that is computed once and kept in memory: matched passages are as raw as coordinates."""
        return self.session.from_arrow(self.session.sql(query, **tables))

    def _ask(self, query: str, **more: Any) -> list[tuple[Any, ...]]:
        return self.session.rows(query, **self._named(query, more))

    def _named(self, query: str, more: dict[str, Any]) -> dict[str, Any]:
        known = {"rows": self.rows, **self.files, **more} if hasattr(self, "files") else more
        return {name: value for name, value in known.items() if "{" + name + "}" in query}

    def _binned(self, passages: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """Passages with their time bin, from the zone's offset at each quarter of an hour."""
        zone, bins = ZoneInfo(self.spec.bins.zone), self.spec.bins
        query = f"SELECT DISTINCT CAST(floor(enter_s / {QUARTER}) AS BIGINT) AS q FROM {{passages}}"
        quarters = [row[0] for row in self.session.rows(query, passages=passages)]
        offsets = [
            int((datetime.fromtimestamp(q * QUARTER, UTC).astimezone(zone).utcoffset() or timedelta()).total_seconds())
            for q in quarters
        ]
        table = self.session.from_arrow(
            pa.table({"q": pa.array(quarters, pa.int64()), "o": pa.array(offsets, pa.int64())})
        )
        local = "CAST(floor(enter_s) AS BIGINT) + o"
        local = {"week": f"(({local} + {SHIFT}) % {WEEK})", "day": f"(({local}) % {DAY})"}.get(bins.pool, f"({local})")
        return self._held(
            f"SELECT p.*, CAST(floor({local} / {bins.seconds}) AS BIGINT) AS bin, "
            "enter_m <= 0.01 AND exit_m >= length_m - 0.01 AS whole "
            f"FROM {{passages}} p JOIN {{offsets}} ON q = CAST(floor(enter_s / {QUARTER}) AS BIGINT)",
            passages=passages,
            offsets=table,
        )

    # --- what each product's rows are ----------------------------------------------------------------------------------
    def _labelled(self, rows: str, file: str) -> str:
        """SQL of rows with ``k0`` (link) and ``k1`` (its listed bin, else its rest); null where the file lists neither."""
        return (
            f"SELECT r.*, r.link AS k0, coalesce(l.bin, x.bin) AS k1 FROM ({rows}) r "
            f"LEFT JOIN (SELECT link, bin FROM {{{file}}} WHERE bin >= 0) l ON r.link = l.link AND r.bin = l.bin "
            f"LEFT JOIN (SELECT link, bin FROM {{{file}}} WHERE bin = -1) x ON r.link = x.link"
        )

    def volumes(self) -> tuple[str, tuple[str, ...]]:
        """Keyed rows of the volumes, and the file's key columns."""
        return self._labelled("SELECT * FROM {rows}", "link_volumes"), ("link", "bin")

    def turns(self) -> tuple[str, tuple[str, ...]]:
        """One row a passage that goes straight on to another link."""
        return (
            "SELECT a.*, a.link AS k0, b.link AS k1 FROM {rows} a JOIN {rows} b "
            "ON b.trip = a.trip AND b.piece = a.piece AND b.row = a.row + 1",
            ("from_link", "to_link"),
        )

    def speeds(self) -> tuple[str, tuple[str, ...]]:
        """Whole passages, as speeds label them."""
        return self._labelled("SELECT * FROM {rows} WHERE whole", "speeds"), ("link", "bin")

    def patterns(self) -> tuple[str, tuple[str, ...]]:
        """One row a time that somebody walked a published route in full: its first passage."""
        return f"SELECT r.*, o.pattern AS k0 FROM ({OCCURRENCES}) o JOIN {{rows}} r ON r.row = o.at", ("pattern",)
