"""The generic source: any table of trips or visits, by the column map of a recipe.

Reads CSV, JSON Lines, JSON documents and Parquet. One pass gives every line either its canonical values or the reason
why it cannot be used (`sources.checks`). Columns that the recipe does not name are never read.

Does not protect anybody yet: the frame holds ids and coordinates as the operator wrote them, lazily, and is stored
nowhere until ``prepare`` has taken identifiers out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pyarrow as pa

from anonkit.engine import Session
from anonkit.schema import TRIP_COLUMNS, VISIT_COLUMNS, Column, Role, Schema, Table
from anonkit.sources.checks import MENDED, Box, canonical_sql, mended_sql, position_names
from anonkit.sources.columns import as_written, instants
from anonkit.sources.files import OpenInput, open_input
from anonkit.sources.ids import refuse_identifying
from anonkit.sources.lookups import with_lookups
from anonkit.sources.places import places_of
from anonkit.sources.spec import InputSpec, point_names


def read_generic(
    spec: InputSpec,
    *,
    session: Session,
    as_of_s: int,
    box: Box | None = None,
    zones: Mapping[str, int] | None = None,
    period: tuple[date, date] | None = None,
    route: bool = False,
) -> tuple[Table, OpenInput]:
    """A lazy table of canonical trips, visits or taps with ``_line, _lines, _reason, _rule``, and the open file.

    Parameters
    ----------
    spec : the recipe's word on this input.
    as_of_s : the run's instant, epoch seconds; later times are clocks out of range.
    box : (west, south, east, north) in degrees of the public area; tells exchanged coordinates.
    period : local dates within which local times without offset must be right; those outside are dropped later anyway.
    route : also the polyline as it is written, as ``_route``; for map matching only.
    zones : id → cell of public zones, for inputs that say where a row is by zone.

    Returns
    -------
    Table, OpenInput. Inputs that know zones only have ``start_cell, end_cell`` (visits: ``cell``) for coordinates.

    Raises
    ------
    SourceError : the file cannot be read, lacks a mapped column, or a column to release holds identifiers.

    Privacy
    -------
    Reads mapped columns only. Stores nothing.
    """
    opened = with_lookups(open_input(spec, session), spec.lookups, session=session)
    refuse_identifying(spec, opened, session=session)
    places = places_of(spec, session=session, zones=zones, box=box)
    third = canonical_sql(spec, as_of_s=as_of_s, box=box)
    query = (
        f"SELECT {instants(spec, opened.kinds, period)} FROM (SELECT {as_written(spec, opened.kinds)} FROM {{file}})"
    )
    tables = {"file": opened.frame}
    if places is not None:
        query = f"SELECT * FROM ({query})"
        for _, _, place in point_names(spec.kind):
            names = {"lon": place.replace("place", "lon"), "lat": place.replace("place", "lat"), "cell": _cell(place)}
            renamed = [names.get(name, f"{place}_key") for name in places.column_names]
            known = pa.array([True] * len(places), pa.bool_())
            table = places.rename_columns(renamed).append_column(f"{place}_found", known)
            tables[f"list_{place}"] = session.from_arrow(table)
            query = (
                f"SELECT x.*, coalesce({place}_found, false) AS {place}_known, y.* EXCLUDE ({place}_key, {place}_found) "
                f"FROM ({query}) x LEFT JOIN {{list_{place}}} y ON x.{place} = y.{place}_key"
            )
    mended = mended_sql(spec, box)
    if mended is not None:
        query, third = mended.replace("{query}", query), f"{third}, {MENDED}"
    if route:
        third = f"{third}, _route"
    frame = session.frame(f"SELECT {third} FROM ({query})", **tables)
    schema = _schema(spec)
    internal = ["_line", "_lines", "_reason", "_rule", *([MENDED] if mended is not None else [])]
    internal += ["_route"] if route else []
    return Table(frame.select(*schema.names, *spec.identifying, *internal), schema, session), opened


def _cell(place: str) -> str:
    return place.replace("place", "cell")


def _schema(spec: InputSpec) -> Schema:
    canonical = TRIP_COLUMNS if spec.kind == "trips" else VISIT_COLUMNS
    if spec.kind == "taps":
        canonical = (*canonical, Column(name="card", role=Role.PSEUDONYM))
    placed = {name for lon, lat, _ in point_names(spec.kind) for name in (lon, lat)}
    columns = tuple(column for column in canonical if column.name not in placed)
    known = {column.name: column for column in canonical}
    where = tuple(
        known.get(name, Column(name=name, role=Role.PLAIN, unit="cell", level="zone")) for name in position_names(spec)
    )
    extras = tuple(Column(name=name, role=Role(extra.role)) for name, extra in spec.also.items())
    return Schema(
        columns=(*columns, *where, *extras),
        kind=spec.kind,
        source=spec.operator,
        zone=spec.time.zone,
        privacy_unit=spec.privacy_unit,
    )
