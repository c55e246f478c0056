"""Fixes of the trips that a release uses: read into memory under the tokens of their trips, never stored.

From a file of fixes beside the trips, whose lines are accounted for one by one, or from the route that the trips themselves
hold as a polyline. A fix of no used trip (a driver idle, an erased person, another month) is dropped by rule and counted.
Does not protect anybody: what comes out is the rawest data there is (ruling 30).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anonkit.base.errors import SourceError
from anonkit.engine import Session
from anonkit.prepare import account_for, rejected_lines, trip_token_sql
from anonkit.recipe import AnyRecipe
from anonkit.recipe.streets import RouteInput
from anonkit.schema import Accounting, PrivacyUnit
from anonkit.sources.fixes import FixSpec, read_fixes, read_polylines

NO_TRIP = "fix_of_no_used_trip"
"""Rule: the trip of a fix is not in the inputs, or was rejected or dropped."""


@dataclass(frozen=True, kw_only=True)
class Fixes:
    """Fixes of used trips, ordered by trip and time: raw, in memory only."""

    trips: np.ndarray
    """Token of each trip, ascending."""
    offsets: np.ndarray
    time_s: np.ndarray
    lon: np.ndarray
    lat: np.ndarray


def fixes_of_trips(
    recipe: AnyRecipe, rows: nw.LazyFrame[Any], record_key: bytes, session: Session, when: datetime
) -> tuple[Fixes, list[Accounting], list[pa.Table]]:
    """Fixes of used trips, where every line of their files went, and the lines that cannot be used."""
    tables, accounts, rejected = [], [], []
    used = np.sort(session.sql("SELECT DISTINCT trip FROM {rows}", rows=rows).column("trip").to_numpy())
    for number, entry in enumerate(recipe.inputs, start=1):
        source = f"{entry.operator} fixes" if len(recipe.inputs) == 1 else f"{number}:{entry.operator} fixes"
        assert isinstance(entry, RouteInput)
        if entry.fixes is None:
            tables.append(_of_polylines(recipe, entry, used, record_key, session, when))
            continue
        points, opened = _tokenised(recipe, entry, entry.fixes, record_key, session, when)
        query = "SELECT trip, time_s, lon, lat FROM {points} WHERE _reason IS NULL AND _rule IS NULL"
        found = session.sql(query, points=points)  # a plain scan: no join that could spill coordinates to a disk
        tables.append(found.filter(pa.array(_among(used, found.column("trip").to_numpy()))))
        frame = _marked(points, rows, session)
        physical = opened.physical(session)
        account = account_for(
            frame, session, source=source, physical=physical, header=opened.header_lines,
            dropped_columns=opened.dropped_columns,
        )  # fmt: skip
        if account.used == 0:
            raise SourceError(
                f"{entry.fixes.path.name}: no fix belongs to a used trip of {entry.path.name}",
                hint="fixes name their trip by the same id as the trips do: check fixes.columns.trip and the period",
            )
        accounts.append(account)
        rejected.append(rejected_lines(frame, session, source=source))
    whole = pa.concat_tables(tables)
    trip, time_s, lon, lat = (whole.column(name).to_numpy() for name in whole.column_names)
    order = np.lexsort((lat, lon, time_s, trip))  # nothing of the file's order stays
    trip = trip[order]
    trips, first = np.unique(trip, return_index=True)
    offsets = np.r_[first, len(trip)].astype(np.int64)
    return (
        Fixes(trips=trips, offsets=offsets, time_s=time_s[order], lon=lon[order], lat=lat[order]),
        accounts,
        rejected,
    )


def _among(known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Which values stand in a sorted array."""
    place = np.minimum(np.searchsorted(known, values), max(len(known) - 1, 0))
    return known[place] == values if len(known) else np.zeros(len(values), dtype=bool)


def _tokenised(
    recipe: AnyRecipe, entry: RouteInput, fixes: FixSpec, record_key: bytes, session: Session, when: datetime
) -> tuple[nw.LazyFrame[Any], Any]:
    """One file of fixes under the tokens of its trips, lazily."""
    said = fixes.said()
    if "zone" not in said.get("time", {}) and fixes.source == "generic":
        said["time"] = {**said.get("time", {}), "zone": recipe.time.zone}
    table, opened = read_fixes(
        fixes.path, source=fixes.source, operator=entry.operator, session=session,
        as_of_s=int(when.timestamp()), box=recipe.geo.grid.box, **said,
    )  # fmt: skip
    frame = session.frame(
        f"SELECT {_token(recipe, entry, record_key, session)} AS trip, time_s, lon, lat, _line, _lines, _reason, _rule FROM {{fixes}}",
        fixes=table.frame,
    )
    return frame, opened


def _token(recipe: AnyRecipe, entry: RouteInput, record_key: bytes, session: Session) -> str:
    counted = recipe.unit is PrivacyUnit.TRIP
    return trip_token_sql(session, "trip::VARCHAR", source=entry.operator, counted=counted, key=record_key)


def _of_polylines(
    recipe: AnyRecipe, entry: RouteInput, used: np.ndarray, record_key: bytes, session: Session, when: datetime
) -> pa.Table:
    """Points of the used trips' own lines, under the tokens of the trips; points that are no place are left out."""
    spec = entry
    if spec.time.zone is None:
        spec = spec.model_copy(update={"time": spec.time.model_copy(update={"zone": recipe.time.zone})})
    lines = read_polylines(
        spec, session=session, as_of_s=int(when.timestamp()), box=recipe.geo.grid.box,
        period=(recipe.period.first, recipe.period.last),
    )  # fmt: skip
    assert spec.polyline is not None
    query = f"SELECT {_token(recipe, entry, record_key, session)} AS trip, start_s, _line, route FROM {{lines}}"
    found = session.sql(query, lines=lines.frame)
    trip, line = found.column("trip").to_numpy(), found.column("_line").to_numpy()
    order = np.lexsort((line, trip))  # of a trip that stands in several lines (companions, duplicates) the first
    first = order[np.r_[True, np.diff(trip[order]) != 0]] if len(order) else order
    found = found.take(pa.array(first[_among(used, trip[first])]))
    route = found.column("route").combine_chunks()
    points = pc.list_flatten(route)
    sizes = pc.fill_null(pc.list_value_length(route), 0).to_numpy()
    place = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    whole = pc.equal(pc.fill_null(pc.list_value_length(points), 0), 2).to_numpy(zero_copy_only=False)
    xy = pc.list_flatten(points.filter(pa.array(whole))).to_numpy(zero_copy_only=False).reshape(-1, 2)
    time_s = np.repeat(found.column("start_s").to_numpy(), sizes) + place * spec.polyline.interval_s
    lon, lat = (0, 1) if spec.polyline.order == "lon_lat" else (1, 0)
    if not len(xy):
        raise SourceError(
            f"{entry.path.name}: the polylines of the used trips hold no point",
            hint="polyline.column is a JSON list of [lon, lat]; anonkit inspect shows what the columns hold",
        )
    table = {"trip": np.repeat(found.column("trip").to_numpy(), sizes)[whole], "time_s": time_s[whole].astype(np.int64)}
    return pa.table({**table, "lon": xy[:, lon], "lat": xy[:, lat]})


def _marked(points: nw.LazyFrame[Any], rows: nw.LazyFrame[Any], session: Session) -> nw.LazyFrame[Any]:
    """The lines of a file of fixes without coordinates; a fix of no used trip has a rule."""
    return session.frame(
        f"SELECT _line, _lines, _reason, CASE WHEN _reason IS NULL AND u.trip IS NULL THEN coalesce(_rule, '{NO_TRIP}') "
        "ELSE _rule END AS _rule FROM (SELECT trip, _line, _lines, _reason, _rule FROM {points}) f "
        "LEFT JOIN (SELECT DISTINCT trip FROM {rows}) u ON f.trip = u.trip",
        points=points,
        rows=rows,
    )
