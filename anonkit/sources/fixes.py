"""Fixes of trips: where a scooter or a driver was at an instant, as the operator's tracking wrote it down.

Gives the canonical fixes ``trip, time_s, lon, lat`` of which routes are made. A position outside a trip (a scooter
waiting, a driver idle or with the app in the background) is dropped by the rule ``off_trip_position`` and never goes on
(ruling 33); so a recipe names these files beside the trips that they belong to, and fixes are no visits.

Does not protect anybody: fixes are the rawest data there is. Nothing is released of them but patterns of routes that
enough people and drivers share (``kanon.routes``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from anonkit.base.errors import SourceError
from anonkit.engine import Session
from anonkit.schema import Column, Role, Table
from anonkit.sources import mds, uklon
from anonkit.sources.checks import Box
from anonkit.sources.files import OpenInput
from anonkit.sources.generic import read_generic
from anonkit.sources.presets import merged
from anonkit.sources.spec import InputSpec, Spec, Times

GENERIC: Mapping[str, Any] = {"kind": "visits", "privacy_unit": "trip"}
FORMATS: Mapping[str, Mapping[str, Any]] = {**mds.FIXES, **uklon.FIXES, "generic": GENERIC}
COLUMNS = ("trip", "time_s", "lon", "lat")
_COLUMNS = (
    Column(name="trip", role=Role.PSEUDONYM),
    Column(name="time_s", role=Role.PLAIN, unit="s"),
    Column(name="lon", role=Role.PLAIN, unit="degree"),
    Column(name="lat", role=Role.PLAIN, unit="degree"),
)


class FixSpec(Spec):
    """What a recipe says of the file of fixes beside an input of trips."""

    path: Path
    source: str = "generic"
    columns: dict[Literal["trip", "time", "lon", "lat"], str] = Field(default_factory=dict)
    """Canonical name → the operator's name; all four where no ``source`` names them."""
    time: Times = Times()
    records: str | tuple[str, ...] | None = None
    encoding: str | None = None
    delimiter: str | None = None
    decimal: Literal[".", ","] = "."

    @model_validator(mode="after")
    def _known(self) -> FixSpec:
        if self.source not in FORMATS:
            raise ValueError(f"there are no fixes of {self.source!r}; formats are {sorted(FORMATS)}")
        missing = [name for name in ("trip", "time", "lon", "lat") if name not in self.columns]
        if self.source == "generic" and missing:
            raise ValueError(f"columns of fixes lacks {missing}")
        return self

    def said(self) -> dict[str, Any]:
        """The keys that were said, as `read_fixes` takes them."""
        found: dict[str, Any] = {
            name: getattr(self, name) for name in self.model_fields_set - {"path", "source", "columns", "time"}
        }
        names = {"trip": "visit", "time": "start"}
        if self.columns:
            found["columns"] = {names.get(name, name): column for name, column in self.columns.items()}
        if "time" in self.model_fields_set:
            found["time"] = {name: getattr(self.time, name) for name in self.time.model_fields_set}
        return found


def read_fixes(
    path: Path, *, source: str, operator: str, session: Session, as_of_s: int, box: Box | None = None, **said: Any
) -> tuple[Table, OpenInput]:
    """A lazy table of fixes with ``_line, _lines, _reason, _rule``, and the open file.

    Parameters
    ----------
    source : ``mds_telemetry``, ``uklon_positions``, or ``generic`` with ``columns`` of ``visit, start, lon, lat``.
    said : overrides the format's preset, such as ``columns={"visit": "journey"}``.

    Returns
    -------
    Table of kind ``fixes``; ``trip`` is the operator's own id. Rows with a ``_rule`` or ``_reason`` must not be used.

    Raises
    ------
    SourceError : no such format, or the file cannot be read.

    Privacy
    -------
    Off-trip positions are marked, never returned as usable. Stores nothing.

    Sources
    -------
    Ruling 33; MDS 2.0, Telemetry.
    """
    if source not in FORMATS:
        raise SourceError(f"there are no fixes of {source!r}", hint=f"formats are {sorted(FORMATS)}")
    data = merged(FORMATS[source], {**said, "path": path, "operator": operator})
    if source == "generic":  # a fix that names no trip is nobody's to release
        rules = ({"name": "off_trip_position", "column": data.get("columns", {}).get("visit"), "empty": True},)
        data["rules"] = (*data.get("rules", ()), *rules)
    if "zone" not in data.get("time", {}):
        data["time"] = {**data.get("time", {}), "zone": "UTC"}
    table, opened = read_generic(InputSpec.model_validate(data), session=session, as_of_s=as_of_s, box=box)
    frame = table.session.frame(
        "SELECT visit AS trip, start_s AS time_s, lon, lat, _line, _lines, _reason, _rule FROM {frame}",
        frame=table.frame,
    )
    return table.with_frame(frame, replace(table.schema, columns=_COLUMNS, kind="fixes")), opened


def read_polylines(
    spec: InputSpec, *, session: Session, as_of_s: int, box: Box | None = None, period: tuple[date, date] | None = None
) -> Table:
    """Trips whose route is written in one column as JSON: ``trip, start_s, _line`` and ``route``, a list of points.

    Parameters
    ----------
    spec : of trips, with a ``polyline``.

    Returns
    -------
    Table of kind ``polylines``, one row a line that nothing rejects or drops, lazily and by a plain scan: no step of it
    could write coordinates to a disk. ``route`` is null where it cannot be read.

    Raises
    ------
    SourceError : the file cannot be read.

    Privacy
    -------
    Stores nothing; the lines are accounted for with the trips that they are.
    """
    table, _ = read_generic(spec, session=session, as_of_s=as_of_s, box=box, period=period, route=True)
    frame = session.frame(
        "SELECT trip, start_s, _line, TRY_CAST(_route AS DOUBLE[][]) AS route FROM {frame} "
        "WHERE _reason IS NULL AND _rule IS NULL",
        frame=table.frame,
    )
    columns = (
        Column(name="trip", role=Role.PSEUDONYM),
        Column(name="start_s", role=Role.PLAIN, unit="s"),
        Column(name="route", role=Role.PLAIN, unit="degree"),
    )
    return table.with_frame(frame, replace(table.schema, columns=columns, kind="polylines"))


def usable_fixes(table: Table) -> Table:
    """The fixes of trips alone, without the lines' columns."""
    frame = table.session.frame(
        f"SELECT {', '.join(COLUMNS)} FROM {{frame}} WHERE _reason IS NULL AND _rule IS NULL", frame=table.frame
    )
    return table.with_frame(frame, table.schema)
