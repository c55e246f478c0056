"""Where stations lie: a second file, joined by the place's id, or the zones' own ids.

Stations are public, so the list is read whole and small. A place that the list does not know, or knows without a
position, rejects the lines that name it (``unknown_place``); nothing is guessed. A list that contradicts itself is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import pyarrow as pa

from anonkit.base.errors import SourceError
from anonkit.engine import Session, identifier
from anonkit.sources.files import open_columns
from anonkit.sources.spec import InputSpec, Places

Box = tuple[float, float, float, float]


def places_of(
    spec: InputSpec, *, session: Session, zones: Mapping[str, int] | None, box: Box | None
) -> pa.Table | None:
    """A table ``place, lon, lat`` or ``place, cell`` for an input that says where it is by place; None for others.

    Parameters
    ----------
    zones : the zones' ids and cells, where the recipe names zones.
    box : (west, south, east, north) of the public area, which tells exchanged coordinates.

    Raises
    ------
    SourceError : the list cannot be read, or gives one place two positions.
    """
    if not spec.by_place:
        return None
    if spec.places is None:
        if zones is None:
            raise SourceError(
                f"the places of {spec.operator!r} have no position", hint="name inputs[].places or geo.zones"
            )
        return pa.table(
            {"place": pa.array(list(zones), pa.string()), "cell": pa.array(list(zones.values()), pa.int64())}
        )
    listed = _listed(spec.places, session)
    if spec.places.zone is not None:
        known = zones or {}
        found = {place: known[str(zone)] for place, (zone,) in listed.items() if str(zone) in known}
        return pa.table({"place": pa.array(list(found), pa.string()), "cell": pa.array(found.values(), pa.int64())})
    points = {place: (_number(lon), _number(lat)) for place, (lon, lat) in listed.items()}
    points = {place: point for place, point in points.items() if all(map(math.isfinite, point))}
    if not points:
        raise SourceError(
            f"no place of {spec.places.path.name} has a readable position", hint="check places.lon and places.lat"
        )
    if box is not None:
        _not_exchanged(points, box, spec.places)
    lon, lat = zip(*points.values(), strict=True)
    return pa.table({"place": pa.array(list(points), pa.string()), "lon": list(lon), "lat": list(lat)})


def _listed(places: Places, session: Session) -> dict[str, tuple[str | None, ...]]:
    """Id → what the list says of it, as text."""
    wanted = [places.zone] if places.zone is not None else [str(places.lon), str(places.lat)]
    columns = tuple(dict.fromkeys([places.id, *wanted]))
    opened = open_columns(
        places.path,
        columns,
        session,
        encoding=places.encoding,
        delimiter=places.delimiter,
        records=places.records,
        owner="places",
    )
    picks = ", ".join(f"nullif(trim({identifier(name)}::VARCHAR), '')" for name in [places.id, *wanted])
    rows = session.rows(f"SELECT DISTINCT {picks} FROM {{file}} WHERE _fault IS NULL", file=opened.frame)
    result = {str(place): tuple(values) for place, *values in rows if place is not None}
    if len(result) < sum(row[0] is not None for row in rows):
        raise SourceError(
            f"{places.path.name} gives some places two positions", hint="keep one line a place, the one that holds"
        )
    return result


def _number(text: str | None) -> float:
    try:
        return float(text) if text is not None else math.nan
    except ValueError:
        return math.nan


def _not_exchanged(points: dict[str, tuple[float, float]], box: Box, places: Places) -> None:
    west, south, east, north = box

    def inside(lon: float, lat: float) -> bool:
        return west <= lon <= east and south <= lat <= north

    as_said = sum(inside(lon, lat) for lon, lat in points.values())
    exchanged = sum(inside(lat, lon) for lon, lat in points.values())
    if exchanged > as_said:
        raise SourceError(
            f"{places.path.name}: {exchanged} of {len(points)} places lie in the area only with longitude and latitude exchanged",
            hint="swap places.lon and places.lat in the recipe",
        )
