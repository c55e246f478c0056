"""Figures of streets: volumes and speeds on links, recommended routes, gaps, coverage curve, evenness.

All take plain tables (geopandas or pandas) that were published, never result classes or raw routes. Maps of
``where="notebook"`` are MapLibre traces on a white ground with the network as base; those of ``where="file"`` are
Cartesian SVG, which a page opened from disk can draw without asking the net for anything.

A map hides nobody by its colours: what must not be seen must not be in the table.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import shapely

from anonkit.viz.colours import AFTER, BLUES, LIMIT, class_of, value_breaks

Where = Literal["notebook", "file"]
GREY = "#d9d9d9"
KINDS = {
    "demand without service": "#b2182b",
    "service without demand": "#4393c3",
    "both": "#a6a6a6",
    "neither": "#f2f2f2",
}


def link_map(
    links: Any, *, value: str, unit: str, base: Any = None, title: str = "", where: Where = "notebook"
) -> go.Figure:
    """Streets coloured in round classes of a published value, on the grey network.

    Parameters
    ----------
    links : GeoDataFrame with lines and the column ``value``.
    unit : what the legend says, for example ``trips``.
    base : GeoDataFrame of the whole network, drawn beneath.

    Privacy
    -------
    Draws what it is given.
    """
    figure = go.Figure()
    if base is not None:
        figure.add_trace(_lines(base, where, colour=GREY, width=1.0, name="network", hover=None))
    for name, rows, colour in _classes(links[value].to_numpy(dtype=float)):
        hover = [f"{number:g} {unit}" for number in links[value].to_numpy(dtype=float)[rows]]
        figure.add_trace(_lines(links.iloc[rows], where, colour=colour, width=3.0, name=f"{name} {unit}", hover=hover))
    return _finish(figure, base if base is not None and len(base) else links, where, title)


def route_map(routes: Any, *, base: Any = None, title: str = "", where: Where = "notebook") -> go.Figure:
    """Recommended routes, best one last drawn and darkest, with their expected time and interval in the legend."""
    figure = go.Figure()
    if base is not None:
        figure.add_trace(_lines(base, where, colour=GREY, width=1.0, name="network", hover=None))
    colours = ["#08519c", "#e08214", "#7f7f7f", "#5aae61"]
    for place in range(len(routes) - 1, -1, -1):
        row = routes.iloc[[place]]
        minutes, low, high = (float(row[name].iloc[0]) / 60 for name in ("time_s", "low_s", "high_s"))
        name = f"{row['by'].iloc[0]} {int(row['rank'].iloc[0])}: {minutes:.1f} min ({low:.1f}–{high:.1f})"
        width = 5.0 if place == 0 else 3.0
        figure.add_trace(_lines(row, where, colour=colours[place % len(colours)], width=width, name=name, hover=None))
    return _finish(figure, base if base is not None and len(base) else routes, where, title)


def gap_map(cells: Any, *, title: str = "", where: Where = "notebook") -> go.Figure:
    """Cells by kind of gap: ``cells`` is a GeoDataFrame of polygons with the column ``kind`` of ``coverage.gaps``."""
    figure = go.Figure()
    for kind, colour in KINDS.items():
        rows = cells[cells["kind"] == kind]
        if not len(rows):
            continue
        rings = [np.asarray(shapely.get_coordinates(polygon.exterior)) for polygon in rows.geometry]
        x = np.concatenate([np.r_[ring[:, 0], np.nan] for ring in rings])
        y = np.concatenate([np.r_[ring[:, 1], np.nan] for ring in rings])
        look: dict[str, Any] = {"mode": "lines", "fill": "toself", "fillcolor": colour, "name": kind, "opacity": 0.75}
        line = {"color": colour, "width": 0.5}
        figure.add_trace(
            go.Scattermap(lon=x, lat=y, line=line, **look) if where == "notebook" else go.Scatter(x=x, y=y, line=line, **look)
        )  # fmt: skip
    return _finish(figure, cells, where, title)


def curve_figure(curve: Any, *, needed: Any = None, title: str = "") -> go.Figure:
    """Share of the covered network that a share of the trips would cover; marks at 50, 80 and 95 %."""
    figure = go.Figure(
        go.Scatter(x=100 * curve["trip_share"], y=100 * curve["covered_share"], mode="lines", line={"color": AFTER})
    )
    if needed is not None:
        figure.add_trace(
            go.Scatter(
                x=100 * needed["trip_share"],
                y=100 * needed["covered_share"],
                mode="markers+text",
                text=[f"{100 * share:.0f} % with {100 * trips:.2g} % of trips"
                      for share, trips in zip(needed["covered_share"], needed["trip_share"], strict=True)],
                textposition="bottom right",
                marker={"color": LIMIT, "size": 9},
            )
        )  # fmt: skip
    figure.update_xaxes(title="share of trips, %", type="log")
    figure.update_yaxes(title="share of the covered network, %", range=[0, 105])
    return _plain(figure, title).update_layout(showlegend=False)


def lorenz_figure(lorenz: Any, *, gini: float, title: str = "") -> go.Figure:
    """Lorenz curve of trips over street length; the diagonal is perfectly even service."""
    figure = go.Figure(
        [
            go.Scatter(x=[0, 100], y=[0, 100], mode="lines", line={"color": GREY, "dash": "dash"}, name="even"),
            go.Scatter(
                x=100 * lorenz["place_share"], y=100 * lorenz["trip_share"], mode="lines", line={"color": AFTER},
                fill="tozeroy", name=f"Gini {gini:.2f}",
            ),
        ]
    )  # fmt: skip
    figure.update_xaxes(title="share of street length, least used first, %")
    figure.update_yaxes(title="share of kilometres driven, %")
    return _plain(figure, title)


def coverage_bars(table: Any, *, title: str = "") -> go.Figure:
    """Covered share by hour, mode or operator; whiskers where the input is noisy, none where it is a lower bound."""
    rows = table[table["part"] != "all"]
    high = pd.to_numeric(rows["high"], errors="coerce")
    error = None
    if high.notna().any():
        error = {
            "type": "data",
            "array": 100 * (high - rows["share"]),
            "arrayminus": 100 * (rows["share"] - rows["low"]),
        }
    figure = go.Figure(go.Bar(x=rows["part"], y=100 * rows["share"], error_y=error, marker={"color": AFTER}))
    figure.update_yaxes(title="covered, %" if error else "covered at least, %", rangemode="tozero")
    figure.update_xaxes(type="category")
    return _plain(figure, title)


def _classes(values: np.ndarray[Any, Any]) -> list[tuple[str, np.ndarray[Any, Any], str]]:
    """Round value classes that are not empty: name, row numbers, colour, light to dark."""
    if not len(values):
        return []
    breaks = value_breaks(float(np.nanmax(values)))
    code = class_of(values, breaks)
    found = []
    for number in np.unique(code[code >= 0]).tolist():
        name = f"{breaks[number]:g}–{breaks[number + 1]:g}" if number + 1 < len(breaks) else f"≥ {breaks[number]:g}"
        found.append((name, np.flatnonzero(code == number), BLUES[number + len(BLUES) - len(breaks)]))
    return found


def _lines(frame: Any, where: Where, *, colour: str, width: float, name: str, hover: list[str] | None) -> Any:
    xy, owner = shapely.get_coordinates(frame.geometry.array, return_index=True)
    breaks = np.flatnonzero(np.diff(owner)) + 1
    x, y = np.insert(xy[:, 0], breaks, np.nan), np.insert(xy[:, 1], breaks, np.nan)
    look: dict[str, Any] = {"mode": "lines", "line": {"color": colour, "width": width}, "name": name}
    if hover is None:
        look["hoverinfo"] = "skip"
    else:
        look["text"] = np.insert(np.asarray(hover, dtype=object)[owner], breaks, "")
        look["hoverinfo"] = "text"
    return go.Scattermap(lon=x, lat=y, **look) if where == "notebook" else go.Scatter(x=x, y=y, **look)


def _finish(figure: go.Figure, extent: Any, where: Where, title: str) -> go.Figure:
    west, south, east, north = extent.total_bounds if len(extent) else (0.0, 0.0, 1.0, 1.0)
    _plain(figure, title)
    if where == "notebook":
        span = max(float(east - west), float(north - south) * 1.4, 1e-4)
        figure.update_layout(
            map={
                "style": "white-bg",
                "center": {"lon": float(west + east) / 2, "lat": float(south + north) / 2},
                "zoom": float(np.log2(360 / span)) + 0.4,
            }
        )
    else:
        middle = np.radians(float(south + north) / 2) if abs(north) <= 90 and abs(south) <= 90 else 0.0
        figure.update_yaxes(scaleanchor="x", scaleratio=float(1 / np.cos(middle)), visible=False)
        figure.update_xaxes(visible=False)
    return figure


def _plain(figure: go.Figure, title: str) -> go.Figure:
    return figure.update_layout(
        title=title, template="plotly_white", margin={"l": 10, "r": 10, "t": 50 if title else 10, "b": 10}, height=460
    )
