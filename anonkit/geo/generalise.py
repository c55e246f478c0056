"""Coordinates become cells, instants become bins; nothing finer goes on.

After this step a table holds no coordinate and no second of the clock. Rows outside the public area or period keep
their line number and the rule that drops them, so that every line stays accounted for.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import narwhals.stable.v2 as nw
import pyarrow as pa

from anonkit.geo.bins import DAY_S, TimeBins
from anonkit.geo.zones import Tessellation
from anonkit.schema import Column, Role, Table

RAW = ("start_lon", "start_lat", "end_lon", "end_lat", "start_s", "end_s", "distance_m", "duration_s")


def generalise(
    table: Table,
    *,
    cells: Tessellation,
    bins: TimeBins,
    period: tuple[date, date] | None = None,
    keep: tuple[str, ...] = (),
) -> Table:
    """Replace coordinates and times of trips by cells of ``cells`` and bins of ``bins``.

    Parameters
    ----------
    table : trips with ``start_lon … end_lat`` (degrees), or with ``start_cell, end_cell`` where the source knows zones
        only, and ``start_s`` (epoch seconds). Without ``end_…`` columns (visits) only the start is placed.
    cells : the grid with its public area, or zones.
    bins : the finest time bins that any product uses; a trip lies in the bin of its start.
    period : first and last local date, both included. Trips that start outside are dropped by rule.
    keep : measured columns (``duration_s``, ``distance_m``) that a product tells of a class; exact, so never released.

    Returns
    -------
    Table with ``start_cell, end_cell, start_bin`` (int64) in place of coordinates and times. Tables that come from a
    source keep all lines; ``_rule`` names what drops a row (``outside_area``, ``outside_period``). Others lose them.

    Raises
    ------
    SchemaError : a column is missing.

    Privacy
    -------
    A cell and an hour still single people out (see ``risk``): this coarsens, it does not anonymise.
    """
    table.schema.require("start_s")
    ends = ("start", "end") if "end_lon" in table.schema or "end_cell" in table.schema else ("start",)
    placed = "start_cell" in table.schema
    if not placed:
        table.schema.require(*(f"{end}_{name}" for end in ends for name in ("lon", "lat")))
    frame, names = table.frame, table.frame.collect_schema().names()
    area = pa.table(
        {"_area_cell": pa.array(cells.cells(), pa.int64()), "_inside": pa.array([1] * len(cells.cells()), pa.int64())}
    )
    if not placed:
        points = {f"{end}_cell": (f"{end}_lon", f"{end}_lat") for end in ends}
        frame = cells.locate(frame, table.session, points)
    if ends == ("start",):
        frame = frame.with_columns(nw.lit(None, dtype=nw.Int64).alias("end_cell"))
    clock = bins.clock if period is None else bins.clock.within(*period)
    frame = frame.with_columns(
        bins.expr(nw.col("start_s"), clock=clock).alias("start_bin"),
        (clock.to_local(nw.col("start_s")) // DAY_S).alias("_day"),
    )
    for end in ends:
        public = table.session.from_arrow(area.rename_columns([f"_{end}_area", f"_{end}_inside"]))
        frame = frame.join(public, left_on=f"{end}_cell", right_on=f"_{end}_area", how="left")
    outside = nw.col("_start_inside").is_null()
    if "end" in ends:
        outside = outside | nw.col("_end_inside").is_null()
    rule = nw.when(outside).then(nw.lit("outside_area")).otherwise(nw.lit(None, dtype=nw.String))
    if period is not None:
        first, last = ((day - date(1970, 1, 1)).days for day in period)
        late = (nw.col("_day") < first) | (nw.col("_day") > last)
        rule = nw.when(late).then(nw.lit("outside_period")).otherwise(rule)
    if "_rule" in names:
        rule = nw.when(~nw.col("_rule").is_null()).then(nw.col("_rule")).otherwise(rule)
    frame = frame.with_columns(rule.alias("_rule"))
    if "_reason" not in names:
        frame = frame.filter(nw.col("_rule").is_null())
    gone = [name for name in RAW if name in names and name not in keep]
    schema = table.schema.without(*gone).with_columns(
        Column(name="start_cell", role=Role.QUASI, unit="cell", level=cells.level_name(0)),
        Column(name="end_cell", role=Role.QUASI, unit="cell", level=cells.level_name(0)),
        Column(name="start_bin", role=Role.QUASI, unit="bin", level=bins.width),
    )
    internal = [name for name in names if name.startswith("_") and name != "_rule"]
    columns = [*schema.names, *internal, *(["_rule"] if "_reason" in names else [])]
    described = replace(schema, tessellation=cells.describe(), zone=bins.zone)
    return replace(table, frame=frame.select(*columns), schema=described, shapes=cells.polygons)
