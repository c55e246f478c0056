"""The notebook form of a scene: plotly figures on our own ground, without a tile, a font or a map from the net.

Maps use the ``*map`` traces with ``style="white-bg"`` and GeoJSON of our own; these draw in Jupyter and on localhost,
not in a page opened from disk (use ``form="file"`` there). plotly is known to this room only.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import shapely

from anonkit.base.errors import MissingExtraError
from anonkit.viz.colours import AFTER, FAINT, INK, LAND, LIMIT, RULE
from anonkit.viz.scene import Arrow, BarScene, GridScene, MapScene, Strokes
from anonkit.viz.svg import text_of
from anonkit.viz.svg_map import BEND, bent, view_box

FLOW_WIDTHS = (1.0, 2.0, 4.0, 7.0)


def _plotly() -> Any:
    try:
        import plotly.graph_objects
    except ImportError:
        raise MissingExtraError(
            "the notebook form of a figure needs plotly", hint="pip install 'anonkit[release]', or form='file'"
        ) from None
    return plotly.graph_objects


def plotly_map(scene: MapScene) -> Any:
    """The scene as a plotly figure with a map."""
    go = _plotly()
    figure = go.Figure()
    for number, key in enumerate(scene.keys):
        areas = [area for area in scene.areas if area.key == number]
        if scene.strokes and not areas:
            continue  # the streets of the class stand in the legend
        figure.add_trace(_areas(go, areas, key.colour, key.label))
    bare = [area for area in scene.areas if area.key < 0]
    if bare:
        figure.add_trace(_areas(go, bare, "#ffffff", ""))
    for lines in scene.strokes:
        figure.add_trace(_streets(go, lines, scene))
    for width, arrows in _by_width(scene.arrows):
        figure.add_trace(_lines(go, arrows, width))
    if scene.arrows:
        figure.add_trace(_hover(go, scene.arrows))
    layers = []
    if scene.outline is not None:
        source = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(scene.outline)}
        ground = {"sourcetype": "geojson", "source": source}
        layers.append({**ground, "type": "fill", "color": LAND, "below": "traces"})
        layers.append({**ground, "type": "line", "color": FAINT, "line": {"width": 1.2}})
    centre, zoom = _view(scene)
    figure.update_layout(
        **_layout(scene.title, scene.note),
        map={"style": "white-bg", "center": centre, "zoom": zoom, "layers": layers},
        legend={"title": {"text": text_of(scene.unit)}, "itemclick": False, "itemdoubleclick": False},
        height=520,
    )
    return figure


def _areas(go: Any, areas: list[Any], colour: str, label: str) -> Any:
    features = [
        {"type": "Feature", "id": place, "properties": {}, "geometry": shapely.geometry.mapping(area.shape)}
        for place, area in enumerate(areas)
    ]
    return go.Choroplethmap(
        geojson={"type": "FeatureCollection", "features": features},
        locations=list(range(len(areas))),
        z=[1] * len(areas),
        colorscale=[[0, colour], [1, colour]],
        showscale=False,
        showlegend=bool(label),
        name=text_of(label),
        marker={"opacity": 0.85 if label else 0.25, "line": {"width": 0.6, "color": "#ffffff" if label else FAINT}},
        hovertext=[text_of(area.text) for area in areas],
        hoverinfo="text",
    )


def _streets(go: Any, lines: Strokes, scene: MapScene) -> Any:
    xy, owner = shapely.get_coordinates(shapely.get_parts(lines.shape), return_index=True)
    gaps = np.flatnonzero(np.diff(owner)) + 1
    key = scene.keys[lines.key] if lines.key >= 0 else None
    return go.Scattermap(
        lon=np.insert(xy[:, 0], gaps, np.nan),
        lat=np.insert(xy[:, 1], gaps, np.nan),
        mode="lines",
        line={"width": 3.0 if key else 1.0, "color": key.colour if key else RULE},
        name=text_of(key.label) if key else "",
        showlegend=key is not None,
        hoverinfo="skip",
    )


def _by_width(arrows: tuple[Arrow, ...]) -> list[tuple[float, list[Arrow]]]:
    edges = np.linspace(0, 1, len(FLOW_WIDTHS) + 1)[1:]
    groups: dict[float, list[Arrow]] = {}
    for arrow in arrows:
        width = FLOW_WIDTHS[min(int(np.searchsorted(edges, arrow.width)), len(FLOW_WIDTHS) - 1)]
        groups.setdefault(width, []).append(arrow)
    return sorted(groups.items())


def _lines(go: Any, arrows: list[Arrow], width: float) -> Any:
    lon: list[float | None] = []
    lat: list[float | None] = []
    for arrow in arrows:
        x, y = bent(arrow.start, arrow.end, BEND)
        lon += [*x.tolist(), None]
        lat += [*y.tolist(), None]
    line = {"width": width, "color": AFTER}
    return go.Scattermap(lon=lon, lat=lat, mode="lines", line=line, opacity=0.55, hoverinfo="skip", showlegend=False)


def _hover(go: Any, arrows: tuple[Arrow, ...]) -> Any:
    """A point a quarter from the end of each flow: that is where it points to, and where the reader points at."""
    curves = [bent(arrow.start, arrow.end, BEND) for arrow in arrows]
    lon, lat = [float(x[12]) for x, _ in curves], [float(y[12]) for _, y in curves]
    size = [5 + 9 * arrow.width for arrow in arrows]
    told = [text_of(arrow.text) for arrow in arrows]
    marker = {"size": size, "color": INK, "opacity": 0.75}
    return go.Scattermap(
        lon=lon, lat=lat, mode="markers", marker=marker, hovertext=told, hoverinfo="text", name="near the destination"
    )


def _view(scene: MapScene) -> tuple[dict[str, float], float]:
    """Centre and zoom (tiles of 512 points) at which a figure some 700 points wide shows what the file form shows."""
    west, south, east, north = view_box(scene)
    return {"lon": (west + east) / 2, "lat": (south + north) / 2}, math.log2(360 * 700 / 512 / (east - west))


def plotly_bars(scene: BarScene) -> Any:
    """The scene as a plotly figure with bars or steps."""
    go = _plotly()
    figure = go.Figure()
    categories = [text_of(label) for label in scene.categories]
    for series in scene.series:
        if scene.lines:
            line = {"shape": "hvh", "color": series.colour, "width": 2.5}
            figure.add_trace(
                go.Scatter(x=categories, y=series.values, name=text_of(series.name), line=line, mode="lines")
            )
        else:
            figure.add_trace(
                go.Bar(x=categories, y=series.values, name=text_of(series.name), marker={"color": series.colour})
            )
    if scene.mark is not None:
        figure.add_vline(x=scene.mark - 0.5, line={"color": LIMIT, "dash": "dash"})
        figure.add_annotation(
            x=scene.mark - 0.5, y=1, yref="paper", text=text_of(scene.mark_text), showarrow=False, xanchor="left"
        )
    figure.update_layout(
        **_layout(scene.title, scene.note),
        xaxis={"title": {"text": text_of(scene.axis)}, "type": "category"},
        yaxis={
            "title": {"text": text_of(scene.unit)},
            "gridcolor": RULE,
            "rangemode": "tozero",
            "tickformat": ".0%" if scene.share else None,
        },
        height=380,
    )
    return figure


def plotly_grid(scene: GridScene) -> Any:
    """The scene as a plotly heat map of classed colours."""
    go = _plotly()
    count = max(len(scene.keys), 1)
    scale = []
    for number, key in enumerate(scene.keys):
        scale += [[number / count, key.colour], [(number + 1) / count, key.colour]]
    z = [[value if value >= 0 else None for value in row] for row in scene.key]
    figure = go.Figure(
        go.Heatmap(
            z=z,
            x=[text_of(label) for label in scene.columns],
            y=[text_of(label) for label in scene.rows],
            text=[[text_of(told) for told in row] for row in scene.texts],
            hoverinfo="text",
            colorscale=scale or None,
            zmin=-0.5,
            zmax=count - 0.5,
            xgap=1,
            ygap=1,
            colorbar={
                "title": {"text": text_of(scene.unit)},
                "tickvals": list(range(count)),
                "ticktext": [text_of(key.label) for key in scene.keys],
            },
        )
    )
    figure.update_layout(
        **_layout(scene.title, scene.note),
        xaxis={"type": "category"},
        yaxis={"type": "category", "autorange": "reversed"},
        height=140 + 28 * len(scene.rows),
    )
    return figure


def _layout(title: str, note: str) -> dict[str, Any]:
    below = f"<br><sup>{text_of(note)}</sup>" if note else ""
    return {
        "title": {"text": text_of(title) + below},
        "template": "plotly_white",
        "margin": {"l": 10, "r": 10, "t": 60, "b": 10},
        "font": {"color": INK},
        "barmode": "group",
    }
