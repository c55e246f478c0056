"""Maps as SVG: cells, zones and tapered flow arrows on a plane of metres at the map's own latitude.

No tiles, no projection library, no request: the only ground is the public area's own outline. Equirectangular at the
middle latitude; over a city its error is far below the size of any cell.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from anonkit.viz.colours import AFTER, FAINT, INK, LAND, RULE, nice, number
from anonkit.viz.scene import Arrow, MapScene
from anonkit.viz.svg import Drawing, Svg, frame_of, points, rings, strokes

MAP_W, MAP_H, LEGEND_W, MARGIN, HEAD = 392, 310, 138, 8, 30
METRES_A_DEGREE = 111_320
BEND = 0.16
ROOM = 0.12
"""Room around the data, as a share of its extent, on each side."""
WIDEST = 11.0
"""Width of the largest flow at its origin, in units of the picture."""

Place = Callable[[Any, Any], tuple[np.ndarray, np.ndarray]]


def draw_map(scene: MapScene) -> Svg:
    """The scene as a picture."""
    west, south, east, north = view_box(scene)
    squeeze = math.cos(math.radians((south + north) / 2))
    scale = min(MAP_W / max((east - west) * squeeze, 1e-9), MAP_H / max(north - south, 1e-9))
    width, height = (east - west) * squeeze * scale, (north - south) * scale
    drawing = Drawing(
        MARGIN * 2 + width + LEGEND_W + 14, HEAD + height + 40 + MARGIN, title=scene.title, about=scene.note
    )
    frame_of(drawing)
    drawing.text(MARGIN, 18, scene.title, font_weight="600", font_size=14)

    def place(lon: Any, lat: Any) -> tuple[np.ndarray, np.ndarray]:
        x = MARGIN + (np.asarray(lon, float) - west) * squeeze * scale
        return x, HEAD + (north - np.asarray(lat, float)) * scale

    drawing.open_clip(MARGIN, HEAD, width, height)
    if scene.outline is not None:
        drawing.path(rings(scene.outline, place), fill=LAND)
    for area in scene.areas:
        key = scene.keys[area.key] if area.key >= 0 else None
        drawing.path(
            rings(area.shape, place),
            fill=key.colour if key else "#ffffff",
            told=area.text,
            stroke="#ffffff" if key else RULE,
            stroke_width=0.7,
            fill_opacity=0.93 if key else 0.0,
        )
    if scene.outline is not None:
        drawing.path(rings(scene.outline, place), stroke=FAINT, stroke_width=1.1)
    for lines in scene.strokes:
        colour, thick = (scene.keys[lines.key].colour, 2.2) if lines.key >= 0 else (RULE, 0.8)
        drawing.path(strokes(lines.shape, place), stroke=colour, stroke_width=thick, stroke_linecap="round")
    for arrow in sorted(scene.arrows, key=lambda flow: flow.width):
        _arrow(drawing, arrow, place)
    drawing.close_clip()
    drawing.rect(MARGIN, HEAD, width, height, fill="none", stroke=RULE)
    _scale_bar(drawing, scale / METRES_A_DEGREE, HEAD + height + 14)
    _legend(drawing, scene, MARGIN + width + 20)
    if scene.outline is not None:
        _locator(drawing, scene.outline, (west, south, east, north), MARGIN + width + 20, HEAD + height)
    if scene.note:
        drawing.text(MARGIN, HEAD + height + 38, scene.note, fill=FAINT, font_size=11)
    return drawing.done()


def view_box(scene: MapScene) -> tuple[float, float, float, float]:
    """West, south, east, north of what is drawn: the data with room around it, at the shape of the page.

    The public area is a frame, not the subject: where trips fill a corner of it, the map shows the corner and a small
    locator shows where that is.
    """
    boxes = [area.shape.bounds for area in scene.areas]
    boxes += [lines.shape.bounds for lines in scene.strokes if not lines.shape.is_empty]
    for arrow in scene.arrows:
        boxes += [(*arrow.start, *arrow.start), (*arrow.end, *arrow.end)]
    if scene.view is not None:
        boxes = [scene.view]
    if not boxes:
        boxes = [scene.outline.bounds if scene.outline is not None else (0.0, 0.0, 1.0, 1.0)]
    edges = np.array(boxes, float)
    west, south, east, north = edges[:, 0].min(), edges[:, 1].min(), edges[:, 2].max(), edges[:, 3].max()
    squeeze = math.cos(math.radians((south + north) / 2))
    tall = max((north - south) * (1 + 2 * ROOM), (east - west) * squeeze * (1 + 2 * ROOM) * MAP_H / MAP_W, 1e-6)
    wide = tall * MAP_W / MAP_H / squeeze
    x, y = (west + east) / 2, (south + north) / 2
    return x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2


def bent(start: tuple[float, float], end: tuple[float, float], bend: float) -> tuple[np.ndarray, np.ndarray]:
    """17 points of a curve that leaves the straight line by ``bend`` of its length."""
    (x1, y1), (x2, y2) = start, end
    dx, dy = x2 - x1, y2 - y1
    cx, cy = (x1 + x2) / 2 - dy * bend, (y1 + y2) / 2 + dx * bend
    steps = np.linspace(0, 1, 17)
    return tuple(  # type: ignore[return-value]
        (1 - steps) ** 2 * a + 2 * steps * (1 - steps) * c + steps**2 * b for a, c, b in ((x1, cx, x2), (y1, cy, y2))
    )


def _legend(drawing: Drawing, scene: MapScene, x: float) -> None:
    y = drawing.legend(x, HEAD, [(key.colour, key.label) for key in scene.keys], title=scene.unit if scene.keys else "")
    if scene.arrows:
        drawing.text(x, y + 12, "from the wide end", fill=FAINT, font_size=11)
        drawing.text(x, y + 26, "to the point", fill=FAINT, font_size=11)
        drawing.path(_taper((x + 4, y + 46), (x + 84, y + 46), WIDEST, 0.0), fill=AFTER, fill_opacity=0.75)


def _arrow(drawing: Drawing, arrow: Arrow, place: Place) -> None:
    (x, y) = place(np.array([arrow.start[0], arrow.end[0]]), np.array([arrow.start[1], arrow.end[1]]))
    start, end = (float(x[0]), float(y[0])), (float(x[1]), float(y[1]))
    width = max(WIDEST * arrow.width, 0.8)
    if math.dist(start, end) < 1:
        drawing.circle(
            *start, 2.5 + width * 0.7, fill="none", told=arrow.text, stroke=INK, stroke_width=max(width * 0.35, 1.0)
        )
    else:
        drawing.path(_taper(start, end, width, BEND), fill=AFTER, told=arrow.text, fill_opacity=0.3 + 0.5 * arrow.width)


def _taper(start: tuple[float, float], end: tuple[float, float], width: float, bend: float) -> str:
    """A bent wedge, wide at the start; each direction bends to its own side, so both stay visible."""
    x, y = bent(start, end, bend)
    steps = np.linspace(0, 1, len(x))
    tx, ty = np.gradient(x), np.gradient(y)
    length = np.hypot(tx, ty) + 1e-9
    half = width / 2 * (1 - steps * 0.93)
    left = list(zip(x - ty / length * half, y + tx / length * half, strict=True))
    right = list(zip(x + ty / length * half, y - tx / length * half, strict=True))
    return points([*left, *right[::-1]]) + "Z"


def _locator(drawing: Drawing, outline: Any, view: tuple[float, float, float, float], x: float, bottom: float) -> None:
    """The whole area, small, with the view marked in it; nothing where the view is the whole."""
    west, south, east, north = outline.bounds
    if view[0] <= west and view[1] <= south and view[2] >= east and view[3] >= north:
        return
    squeeze = math.cos(math.radians((south + north) / 2))
    scale = min(120 / ((east - west) * squeeze), 76 / (north - south))
    top = bottom - (north - south) * scale

    def place(lon: Any, lat: Any) -> tuple[np.ndarray, np.ndarray]:
        return x + (np.asarray(lon, float) - west) * squeeze * scale, top + (north - np.asarray(lat, float)) * scale

    drawing.path(rings(outline, place), fill=LAND, stroke=FAINT, stroke_width=0.8)
    (x1, x2), (y1, y2) = place(np.clip([view[0], view[2]], west, east), np.clip([view[3], view[1]], south, north))
    drawing.rect(float(x1), float(y1), float(x2 - x1), float(y2 - y1), fill="none", stroke=AFTER, stroke_width=1.6)


def _scale_bar(drawing: Drawing, pixels_a_metre: float, y: float) -> None:
    metres = nice(70 / pixels_a_metre)
    length = metres * pixels_a_metre
    drawing.line(MARGIN, y, MARGIN + length, y, stroke=INK, stroke_width=2)
    told = f"{number(metres / 1000)} km" if metres >= 1000 else f"{number(metres)} m"
    drawing.text(MARGIN + length + 6, y + 4, told, font_size=11)
