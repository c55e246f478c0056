"""Pictures as text: a small, safe writer of SVG.

No script, no link, no font from anywhere: the picture is a self-contained element that a browser draws with scripts
switched off, from a disk, and that a printer keeps sharp. Every text goes through one escape.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape as _escape

from anonkit.engine import replace_file
from anonkit.viz.colours import FAINT, INK, PAPER, RULE

FONT = "system-ui,'Segoe UI','Helvetica Neue','DejaVu Sans',sans-serif"
CONTROL = {number: None for number in range(32) if number not in (9, 10, 13)}


def text_of(value: object) -> str:
    """A text as it may stand in SVG or HTML, also inside quotes; control characters are dropped.

    >>> text_of('<img src=x onerror="y">')
    '&lt;img src=x onerror=&quot;y&quot;&gt;'
    """
    return _escape(str(value).translate(CONTROL), {'"': "&quot;", "'": "&#39;"})


@dataclass(frozen=True)
class Svg:
    """A finished picture. A notebook shows it; ``save`` writes it."""

    text: str
    title: str
    width: int
    height: int

    def _repr_svg_(self) -> str:
        return self.text

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Svg({self.title!r}, {self.width} × {self.height})"

    def save(self, path: str | Path) -> Path:
        """Write the picture as an .svg file, whole or not at all."""
        path = Path(path)
        with replace_file(path) as partial:
            Path(partial).write_text(self.text, encoding="utf-8")
        return path


class Drawing:
    """Elements in the order they are painted."""

    def __init__(self, width: float, height: float, *, title: str, about: str = "") -> None:
        self.width, self.height = round(width), round(height)
        self.title, self.about = title, about
        self._parts: list[str] = []

    def done(self) -> Svg:
        """The picture."""
        about = f"<desc>{text_of(self.about)}</desc>" if self.about else ""
        text = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" role="img" aria-label="{text_of(self.title)}" font-family="{FONT}" '
            f'font-size="12" fill="{INK}">{about}{"".join(self._parts)}</svg>'
        )
        return Svg(text, self.title, self.width, self.height)

    def _add(self, name: str, attributes: dict[str, object], told: str = "") -> None:
        listed = " ".join(
            f'{key.replace("_", "-")}="{_number(value) if isinstance(value, float) else text_of(value)}"'
            for key, value in attributes.items()
            if value is not None
        )
        body = f"<title>{text_of(told)}</title>" if told else ""
        self._parts.append(f"<{name} {listed}>{body}</{name}>" if body else f"<{name} {listed}/>")

    def rect(
        self, x: float, y: float, width: float, height: float, *, fill: str, told: str = "", **more: object
    ) -> None:
        """A rectangle."""
        box = {"x": float(x), "y": float(y), "width": float(max(width, 0)), "height": float(max(height, 0))}
        self._add("rect", {**box, "fill": fill, **more}, told)

    def line(self, x1: float, y1: float, x2: float, y2: float, *, stroke: str = RULE, **more: object) -> None:
        """A straight line."""
        ends = {"x1": float(x1), "y1": float(y1), "x2": float(x2), "y2": float(y2)}
        self._add("line", {**ends, "stroke": stroke, **more})

    def circle(self, x: float, y: float, r: float, *, fill: str, told: str = "", **more: object) -> None:
        """A circle."""
        self._add("circle", {"cx": float(x), "cy": float(y), "r": float(r), "fill": fill, **more}, told)

    def path(self, d: str, *, fill: str = "none", told: str = "", **more: object) -> None:
        """A path; ``d`` comes from ``rings`` or from numbers only."""
        self._add("path", {"d": d, "fill": fill, **more}, told)

    def text(self, x: float, y: float, value: object, *, anchor: str = "start", **more: object) -> None:
        """A text; its value is escaped."""
        where = {"x": float(x), "y": float(y), "text_anchor": None if anchor == "start" else anchor, **more}
        listed = " ".join(
            f'{key.replace("_", "-")}="{_number(item) if isinstance(item, float) else text_of(item)}"'
            for key, item in where.items()
            if item is not None
        )
        self._parts.append(f"<text {listed}>{text_of(value)}</text>")

    def open_clip(self, x: float, y: float, width: float, height: float) -> None:
        """What follows, up to ``close_clip``, shows inside this box only; coordinates stay the page's."""
        box = " ".join(_number(value) for value in (x, y, width, height))
        where = f'x="{_number(x)}" y="{_number(y)}" width="{_number(width)}" height="{_number(height)}"'
        self._parts.append(f'<svg {where} viewBox="{box}" overflow="hidden">')

    def close_clip(self) -> None:
        """End of ``open_clip``."""
        self._parts.append("</svg>")

    def legend(self, x: float, y: float, entries: Iterable[tuple[str, str]], *, title: str = "") -> float:
        """Coloured fields with their labels below each other; returns the y below the last."""
        if title:
            self.text(x, y + 10, title, fill=FAINT, font_size=11)
            y += 18
        for colour, label in entries:
            self.rect(x, y, 14, 14, fill=colour, stroke=RULE)
            self.text(x + 20, y + 11, label, font_size=11)
            y += 19
        return y


def rings(shape: object, place: object) -> str:
    """The ``d`` of a shapely polygon or multipolygon; ``place`` maps lon, lat arrays to the page."""
    parts = []
    for polygon in getattr(shape, "geoms", [shape]):
        for ring in (polygon.exterior, *polygon.interiors):
            x, y = place(*ring.coords.xy)  # type: ignore[operator]
            parts.append("M" + "L".join(f"{_number(a)} {_number(b)}" for a, b in zip(x, y, strict=True)) + "Z")
    return "".join(parts)


def strokes(shape: object, place: object) -> str:
    """The ``d`` of a shapely line or multi-line; ``place`` maps lon, lat arrays to the page."""
    parts = []
    for line in getattr(shape, "geoms", [shape]):
        x, y = place(*line.coords.xy)  # type: ignore[operator]
        parts.append("M" + "L".join(f"{_number(a)} {_number(b)}" for a, b in zip(x, y, strict=True)))
    return "".join(parts)


def points(pairs: Sequence[tuple[float, float]]) -> str:
    """The ``d`` of a line through points."""
    return "M" + "L".join(f"{_number(x)} {_number(y)}" for x, y in pairs)


def _number(value: float) -> str:
    text = f"{float(value):.1f}"
    return text.removesuffix(".0")


def frame_of(drawing: Drawing) -> None:
    """White paper behind everything, so that a saved picture is readable on any ground."""
    drawing.rect(0, 0, drawing.width, drawing.height, fill=PAPER)
