"""The recount of releases whose rows lie at stations or in zones, or are visits; by nothing of anonkit's.

Stations are looked up in the operator's second file and divided by the grid of `recount`. Zones are numbered as the
description of a bundle says: by their ids where these are whole numbers without parents, else by the path of ranks from the
coarsest zone down; points are tried against every polygon in turn. A visit has one place, and volumes have one end.
"""

from __future__ import annotations

import csv
import json
import math
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import shapely

from recount import EPOCH, UTC, Recount, Recounted, Trip


class PlacesRecount(Recount):
    """One recipe of stations, zones or visits, read apart from anonkit."""

    def __init__(self, path: Path) -> None:
        self.zoned = False
        self.codes: dict[str, int] = {}
        """Id of a zone → its code."""
        self.below: list[int] = [0]
        """Digits of a code that say where within a zone of each level."""
        self.shapes: list[tuple[int, Any]] = []
        self.levels: list[str] = []
        self._number = 0
        super().__init__(path)
        self.visits = self.recipe["inputs"][0].get("kind") == "visits"

    # --- zones -----------------------------------------------------------------------------------------------------

    def _ground(self, geo: dict[str, Any]) -> None:
        self.zoned = "zones" in geo
        if not self.zoned:
            super()._ground(geo)
            return
        zones = geo["zones"]
        self.levels = [zones.get("id", "zone"), *zones.get("parents", ())]
        rows = self._zone_rows(zones)
        paths = {row[0]: list(reversed(row[: len(self.levels)])) for row in rows}  # id → coarsest … finest
        if len(self.levels) == 1 and all(re.fullmatch(r"[1-9][0-9]{0,8}", zone) for zone in paths):
            self.codes = {zone: int(zone) for zone in paths}
        else:
            self.codes = self._ranked(paths)
        self.shapes = sorted(
            ((self.codes[row[0]], row[-1]) for row in rows if len(row) > len(self.levels)), key=lambda pair: pair[0]
        )

    def _zone_rows(self, zones: dict[str, Any]) -> list[list[Any]]:
        if "ids" in zones:
            listed = zones["ids"] if isinstance(zones["ids"], list) else [zones["ids"]]
            found = []
            for entry in map(str, listed):
                first, dash, last = entry.partition("-")
                span = dash and first.isdigit() and last.isdigit()
                found += map(str, range(int(first), int(last) + 1)) if span else [entry]
            return [[zone] for zone in found]
        features = json.loads((self.folder / zones["path"]).read_text(encoding="utf-8"))["features"]
        return [
            [*(str(one["properties"][name]) for name in self.levels), shapely.from_geojson(json.dumps(one["geometry"]))]
            for one in features
        ]

    def _ranked(self, paths: dict[str, list[str]]) -> dict[str, int]:
        """Paths of ranks in decimal digits, wide enough for the largest family of each depth."""
        families: list[dict[tuple[str, ...], set[str]]] = [{} for _ in self.levels]
        for path in paths.values():
            for depth, name in enumerate(path):
                families[depth].setdefault(tuple(path[:depth]), set()).add(name)
        widths = [len(str(max(map(len, family.values())))) for family in families]
        self.below = [sum(widths[len(widths) - level :]) if level else 0 for level in range(len(widths))]
        found = {}
        for zone, path in paths.items():
            code = 0
            for depth, name in enumerate(path):
                code = code * 10 ** widths[depth] + sorted(families[depth][tuple(path[:depth])]).index(name) + 1
            found[zone] = code
        return found

    def _size(self, level: dict[str, Any]) -> int:
        return self.levels.index(level["level"]) if self.zoned else super()._size(level)

    def _ends(self) -> tuple[str, ...]:
        return ("start",) if self.visits else ("start", "end")

    def code(self, cell: Any, cell_m: int) -> int:
        """Released code: of a zone at level ``cell_m``, or of a cell of that side."""
        if not self.zoned:
            return super().code(cell, cell_m)
        return int(cell_m * 10**14 + cell // 10 ** self.below[cell_m])

    def _in_area(self, cell: Any) -> bool:
        return cell is not None if self.zoned else super()._in_area(cell)

    def _zone_at(self, lon: float, lat: float) -> int | None:
        point = shapely.Point(lon, lat)
        return next((code for code, shape in self.shapes if shapely.intersects(shape, point)), None)

    # --- rows ------------------------------------------------------------------------------------------------------

    def _read(self, spec: dict[str, Any], result: Recounted, now: datetime) -> None:
        self._number += 1
        self._stations: dict[str, tuple[float, float]] = {}
        if "places" in spec:
            said = spec["places"]
            with (self.folder / said["path"]).open(encoding="utf-8-sig", newline="") as file:
                for row in csv.DictReader(file):
                    self._stations[row[said["id"]].strip()] = (float(row[said["lon"]]), float(row[said["lat"]]))
        super()._read(spec, result, now)

    def _instant(self, text: str | None, spec: dict[str, Any]) -> int:
        years = spec.get("time", {}).get("shift_years", 0)
        if text is not None and years:
            text = f"{int(text[:4]) + years:04d}{text[4:]}"
        return super()._instant(text, spec)

    def _trip(
        self, raw: dict[str, str | None], spec: dict[str, Any], number: int, now: datetime
    ) -> tuple[Trip | None, str | None]:
        columns, checks = spec["columns"], spec.get("checks", {})

        def text(name: str) -> str | None:
            return ((raw[columns[name]] or "").strip() or None) if name in columns else None

        try:
            start, end = (self._instant(text(name), spec) for name in ("start", "end"))
        except ValueError as error:
            return None, str(error)
        first = datetime(checks.get("first_year", 2005), 1, 1, tzinfo=UTC).timestamp()
        if min(start, end) < first or max(start, end) > now.timestamp() + 86_400:
            return None, "clock_out_of_range"
        names = ("place",) if self.visits else ("start_place", "end_place")
        points: list[tuple[float, float]] = []
        if "start_lon" in columns:
            points = [(float(str(text(f"{at}_lon"))), float(str(text(f"{at}_lat")))) for at in ("start", "end")]
            cells: list[Any] = [self._zone_at(*point) if self.zoned else self.cell(*point) for point in points]
        else:
            ids = [text(name) or (spec.get("place") if self.visits else None) for name in names]
            if None in ids:
                return None, "missing_place"
            known = self._stations if "places" in spec else self.codes
            if not set(ids) <= set(known):
                return None, "unknown_place"
            points = [self._stations[str(one)] for one in ids] if "places" in spec else []
            cells = [self.cell(*point) for point in points] or [self.codes[str(one)] for one in ids]
        if end < start:
            return None, "end_before_start"
        if not self.visits and end - start < checks.get("min_seconds", 1):
            return None, "zero_length"
        if end - start > checks.get("max_hours", 24) * 3600:
            return None, "trip_too_long"
        if not self.visits and points:
            (lon0, lat0), (lon1, lat1) = points
            east = (lon1 - lon0) * math.cos(math.radians((lat0 + lat1) / 2))
            if 111_195 * math.hypot(lat1 - lat0, east) * 3.6 > checks.get("max_speed_kmh", 250) * (end - start):
                return None, "absurd_speed"
        for name in ("distance_m", "energy_kwh", "amount"):
            value = text(name)
            if value is not None and float(value) < 0:
                return None, "negative_amount"
        local = datetime.fromtimestamp(start, self.zone).replace(tzinfo=None)
        mode = text("mode") or ("unknown" if "mode" in columns else spec.get("mode", "unknown"))
        return (
            Trip(
                person=text("person"),
                driver=text("driver"),
                start=cells[0],
                end=cells[-1],
                local_s=round((local - EPOCH).total_seconds()),
                columns={"operator": spec["operator"], "mode": mode},
                line=self._number * 10**9 + number,
                rides=self._rides(spec, text, start, end),
            ),
            None,
        )
