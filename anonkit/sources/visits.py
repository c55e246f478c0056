"""Visits as rows that the products can count: one place, at the time of its start.

A top-up, a charging session or a tap that is counted as such is a trip without an end for this purpose: it gives volumes of starts. The
place's own id is dropped here, its cell takes its place; energy and amount are not released.
"""

from __future__ import annotations

from dataclasses import replace

from anonkit.schema import Column, Role, Table
from anonkit.sources.chaining import chain_taps

NAMES = {"visit": "trip", "lon": "start_lon", "lat": "start_lat", "cell": "start_cell"}
GONE = ("place", "energy_kwh", "amount")


def visits_as_trips(table: Table) -> Table:
    """Visits under the names that tokens, cells and products know, taps as trips; trips come back unchanged.

    Privacy
    -------
    Takes nothing away but ids of places and sums; the rows still hold ids and coordinates.
    """
    if table.schema.kind != "visits":
        return chain_taps(table)
    here = {old: new for old, new in NAMES.items() if old in table.schema}
    frame = table.frame.drop(*[name for name in GONE if name in table.schema]).rename(here)
    columns = tuple(
        replace(column, name=here.get(column.name, column.name)) for column in table.schema if column.name not in GONE
    )
    columns = (*columns, Column(name="driver", role=Role.PSEUDONYM))
    frame = table.session.frame("SELECT *, NULL::VARCHAR AS driver FROM {frame}", frame=frame)
    return table.with_frame(frame, replace(table.schema, columns=columns))
