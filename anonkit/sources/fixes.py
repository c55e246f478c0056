"""Fixes of trips: where a scooter or a driver was at an instant, as the operator's tracking wrote it down.

Gives the canonical fixes ``trip, time_s, lon, lat`` of which routes are made. A position outside a trip (a scooter
waiting, a driver idle or with the app in the background) is dropped by the rule ``off_trip_position`` and never goes on
(ruling 33); so a recipe cannot name these files as an input, and fixes are no visits.

Does not protect anybody: fixes are the rawest data there is. Nothing is released of them but patterns of routes that
enough people and drivers share (``kanon.routes``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from anonkit.base.errors import SourceError
from anonkit.engine import Session
from anonkit.schema import Column, Role, Table
from anonkit.sources import mds, uklon
from anonkit.sources.checks import Box
from anonkit.sources.files import OpenInput
from anonkit.sources.generic import read_generic
from anonkit.sources.presets import merged
from anonkit.sources.spec import InputSpec

FORMATS: Mapping[str, Mapping[str, Any]] = {**mds.FIXES, **uklon.FIXES}
COLUMNS = ("trip", "time_s", "lon", "lat")


def read_fixes(
    path: Path, *, source: str, operator: str, session: Session, as_of_s: int, box: Box | None = None, **said: Any
) -> tuple[Table, OpenInput]:
    """A lazy table of fixes with ``_line, _lines, _reason, _rule``, and the open file.

    Parameters
    ----------
    source : ``mds_telemetry`` or ``uklon_positions``.
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
    if "zone" not in data.get("time", {}):
        data["time"] = {**data.get("time", {}), "zone": "UTC"}
    table, opened = read_generic(InputSpec.model_validate(data), session=session, as_of_s=as_of_s, box=box)
    frame = table.session.frame(
        "SELECT visit AS trip, start_s AS time_s, lon, lat, _line, _lines, _reason, _rule FROM {frame}",
        frame=table.frame,
    )
    columns = (
        Column(name="trip", role=Role.PSEUDONYM),
        Column(name="time_s", role=Role.PLAIN, unit="s"),
        Column(name="lon", role=Role.PLAIN, unit="degree"),
        Column(name="lat", role=Role.PLAIN, unit="degree"),
    )
    return table.with_frame(frame, replace(table.schema, columns=columns, kind="fixes")), opened


def usable_fixes(table: Table) -> Table:
    """The fixes of trips alone, without the lines' columns."""
    frame = table.session.frame(
        f"SELECT {', '.join(COLUMNS)} FROM {{frame}} WHERE _reason IS NULL AND _rule IS NULL", frame=table.frame
    )
    return table.with_frame(frame, table.schema)
