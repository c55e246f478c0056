"""Maps of trips: cells, zones, flows, and what was suppressed.

Each function makes one figure in two forms, a plotly map for the notebook and an SVG for files. A map shows its table
and no more protection than it: a map of unreleased cells is raw data and stays inside. Cells without a row are drawn
empty, which means suppressed *or* none; the note says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from anonkit.base.errors import SchemaError
from anonkit.viz.colours import BLUES, ORANGES, class_labels, class_of, number, ramp, value_breaks
from anonkit.viz.forms import Form, drawn
from anonkit.viz.scene import Area, Arrow, Key, MapScene
from anonkit.viz.tables import as_pandas, outline_of, polygons_of, require, summed

BANDS = ("0", "<5", "5-20", "20-50", ">50")
"""Suppressed share in per cent, as ``suppression`` in a release tells it."""


def cell_map(
    table: Any,
    *,
    value: str | None = "trips",
    cell: str = "cell",
    shapes: Any = None,
    area: Any = None,
    view: Sequence[float] | None = None,
    name: str | None = None,
    names: Mapping[Any, str] | None = None,
    breaks: Sequence[float] | None = None,
    absent: str = "none, or suppressed",
    title: str = "",
    unit: str = "trips",
    form: Form = "notebook",
) -> Any:
    """Cells coloured by a sum.

    Parameters
    ----------
    table : any table with the columns ``cell`` and ``value``; rows of one cell are summed.
    value : column to sum; None counts rows.
    shapes : polygons of the cells: a ``Grid``, its ``polygons``, or a GeoDataFrame with a column ``cell``. May be left
        out where ``table`` is a GeoDataFrame or comes from ``generalise``.
    area : public area whose outline is drawn: a file, a GeoDataFrame or a geometry.
    view : west, south, east, north in degrees to show; default what the cells fill.
    name : column with a cell's name for the reader; default its code. names : the same by cell.
    breaks : lower ends of the colour classes; give the same to two maps that are to be compared.
    absent : what a cell without a row means. In a release it is never zero alone.

    Returns
    -------
    plotly Figure (``form="notebook"``) or ``Svg`` (``form="file"``).

    Raises
    ------
    SchemaError : a column or a shape is missing.

    Privacy
    -------
    None: shows the table as it is.

    Examples
    --------
    >>> import pandas as pd, shapely
    >>> table = pd.DataFrame({"cell": [1, 1, 2], "trips": [4, 3, 20]})
    >>> squares = lambda codes: shapely.box(codes, 0, codes + 1, 1)
    >>> cell_map(table, shapes=squares, title="Starts", form="file").title
    'Starts'
    """
    frame = as_pandas(table)
    sums = summed(frame, [cell], value)
    named = _namer(_names(frame, cell, name) or names)
    polygons = polygons_of(sums[cell].to_numpy(), table, shapes, cell)
    found = sums["value"].to_numpy(float)
    chosen = tuple(breaks) if breaks is not None else value_breaks(found.max(initial=1))
    whole = bool(np.all(found == np.floor(found)))
    keys = _keys(chosen, whole=whole)
    areas = tuple(
        Area(shape=shape, key=int(key), text=f"{named(code)}: {number(amount)} {unit}")
        for shape, key, code, amount in zip(polygons, class_of(found, chosen), sums[cell], found, strict=True)
    )
    note = f"no colour: {absent}" if area is not None else ""
    scene = MapScene(
        title=title, unit=unit, areas=areas, keys=keys, outline=outline_of(area), view=_view(view), note=note
    )
    return drawn(scene, form)


def zone_map(
    zones: Any,
    *,
    value: str,
    name: str,
    breaks: Sequence[float] | None = None,
    title: str = "",
    unit: str = "trips",
    form: Form = "notebook",
) -> Any:
    """Named zones (districts, tracts) of a GeoDataFrame coloured by a value; see ``cell_map``.

    Privacy
    -------
    None: shows the table as it is.
    """
    if not hasattr(zones, "geometry"):
        raise SchemaError(
            "a zone map needs a GeoDataFrame", hint="join your table to the zones' file by the zone's name"
        )
    require(zones, value, name)
    plain = pd.DataFrame({"zone": np.arange(len(zones)), value: zones[value].to_numpy(), name: zones[name].to_numpy()})
    polygons = zones.geometry.to_numpy()
    return cell_map(
        plain,
        value=value,
        cell="zone",
        name=name,
        shapes=lambda codes: polygons[codes],
        breaks=breaks,
        title=title,
        unit=unit,
        form=form,
    )


def flow_map(
    table: Any,
    *,
    value: str | None = "trips",
    start: str = "start_cell",
    end: str = "end_cell",
    shapes: Any = None,
    area: Any = None,
    view: Sequence[float] | None = None,
    names: Mapping[Any, str] | None = None,
    most: int = 120,
    title: str = "",
    unit: str = "trips",
    form: Form = "notebook",
) -> Any:
    """Flows between cells as arrows, width by their sum over all time bins; the ``most`` largest are drawn.

    Parameters
    ----------
    table : any table with ``start``, ``end`` and ``value``; ``value=None`` counts rows.
    names : names of cells for the reader; default their codes.
    most : int >= 1. Noise may leave flows of zero or less: those are never drawn. A note on the figure tells how many flows are left out and what they hold.

    Returns
    -------
    plotly Figure or ``Svg``; a flow within one cell is a ring.

    Privacy
    -------
    None: shows the table as it is.
    """
    if most < 1:
        raise SchemaError(f"most is {most}", hint="draw at least one flow")
    frame = as_pandas(table)
    sums = summed(frame, [start, end], value).sort_values("value", ascending=False, kind="stable")
    sums = sums[sums["value"] > 0]
    drawn_flows = sums.head(most)
    codes = np.unique(np.concatenate([drawn_flows[start].to_numpy(), drawn_flows[end].to_numpy()]))
    polygons = polygons_of(codes, table, shapes, start)
    named = _namer(names)
    centres = {code: (shape.centroid.x, shape.centroid.y) for code, shape in zip(codes, polygons, strict=True)}
    highest = float(sums["value"].max()) if len(sums) else 1.0
    arrows = tuple(
        Arrow(
            start=centres[a],
            end=centres[b],
            width=float(np.sqrt(v / highest)),
            text=f"{named(a)} → {named(b)}: {number(v)} {unit}",
        )
        for a, b, v in zip(drawn_flows[start], drawn_flows[end], drawn_flows["value"], strict=True)
    )
    rest = sums.iloc[most:]["value"]
    note = f"{len(arrows):,} largest flows" + (
        f"; {len(rest):,} more with {number(rest.sum())} {unit} are not drawn" if len(rest) else ""
    )
    areas = tuple(Area(shape=shape, key=-1, text=named(code)) for code, shape in zip(codes, polygons, strict=True))
    scene = MapScene(
        title=title, unit=unit, areas=areas, arrows=arrows, outline=outline_of(area), view=_view(view), note=note
    )
    return drawn(scene, form)


def suppression_map(
    table: Any,
    *,
    cell: str = "area",
    share: str | None = None,
    band: str = "suppressed_pct",
    shapes: Any = None,
    area: Any = None,
    view: Sequence[float] | None = None,
    names: Mapping[Any, str] | None = None,
    what: str = "suppressed",
    title: str = "",
    form: Form = "notebook",
) -> Any:
    """Where how much is missing: exact shares (inside), or the bands that a release tells.

    Parameters
    ----------
    table : with ``share``: one row a cell and the suppressed share from 0 to 1. Without: the table ``suppression`` of a
        release; of a cell's hours the worst band is drawn.
    names : names of cells for the reader; default their codes. what : what the share is a share of, in the legend.

    Returns
    -------
    plotly Figure or ``Svg``.

    Privacy
    -------
    Exact shares stay inside; bands are released.
    """
    frame, named = as_pandas(table), _namer(names)
    if share is not None:
        require(frame, cell, share)
        codes, shares = frame[cell].to_numpy(), frame[share].to_numpy(float)
        keys = np.digitize(shares, [1e-12, 0.05, 0.20, 0.50])
        texts = [f"{named(code)}: {part:.0%} of the trips {what}" for code, part in zip(codes, shares, strict=True)]
    else:
        require(frame, cell, band)
        worst = pd.Series([BANDS.index(told) for told in frame[band]], dtype=int).groupby(frame[cell].to_numpy()).max()
        codes, keys = worst.index.to_numpy(), worst.to_numpy()
        texts = [f"{named(code)}: {BANDS[key]} % in its worst hour" for code, key in zip(codes, keys, strict=True)]
    polygons = polygons_of(codes, table, shapes, cell)
    areas = tuple(
        Area(shape=shape, key=int(key), text=text) for shape, key, text in zip(polygons, keys, texts, strict=True)
    )
    legend = tuple(
        Key(colour=colour, label=f"{told.replace('-', '–')} %") for colour, told in zip(ORANGES, BANDS, strict=True)
    )
    scene = MapScene(title=title, unit=what, areas=areas, keys=legend, outline=outline_of(area), view=_view(view))
    return drawn(scene, form)


def _view(view: Sequence[float] | None) -> tuple[float, float, float, float] | None:
    if view is None:
        return None
    west, south, east, north = map(float, view)
    return west, south, east, north


def _namer(names: Mapping[Any, str] | None) -> Callable[[Any], str]:
    return lambda code: (names or {}).get(code, str(code))


def _names(frame: pd.DataFrame, cell: str, name: str | None) -> dict[Any, Any]:
    if name is None:
        return {}
    require(frame, name)
    return dict(zip(frame[cell], frame[name], strict=True))


def _keys(breaks: Sequence[float], *, whole: bool) -> tuple[Key, ...]:
    labels = class_labels(breaks, whole=whole)
    return tuple(
        Key(colour=colour, label=label) for colour, label in zip(ramp(len(labels), BLUES), labels, strict=True)
    )
