"""Charts as SVG: bars in groups, stepped profiles, and grids of coloured fields."""

from __future__ import annotations

from anonkit.viz.colours import FAINT, INK, LIMIT, RULE, nice, number, percent
from anonkit.viz.scene import BarScene, GridScene
from anonkit.viz.svg import Drawing, Svg, frame_of

WIDTH, HEIGHT, LEFT, HEAD, FOOT = 560, 210, 52, 48, 44
LEGEND_W = 132


def draw_bars(scene: BarScene) -> Svg:
    """Bars beside each other, or steps of profiles, with a labelled axis."""
    foot = FOOT + (16 if scene.note else 0)
    drawing = Drawing(WIDTH, HEIGHT + HEAD + foot, title=scene.title, about=scene.note)
    frame_of(drawing)
    drawing.text(8, 18, scene.title, font_weight="600", font_size=14)
    highest = max((max(series.values, default=0) for series in scene.series), default=0)
    top = _top(highest)
    base, span = HEAD + HEIGHT, WIDTH - LEFT - 12
    _axis(drawing, scene, top, base)
    step = span / max(len(scene.categories), 1)
    if scene.mark is not None:
        _mark(drawing, LEFT + scene.mark * step, base, scene.mark_text)
    if scene.lines:
        _steps(drawing, scene, top, base, step)
    else:
        _columns(drawing, scene, top, base, step)
    every = max(1, round(len(scene.categories) * 46 / span)) if len(scene.categories) > 10 else 1
    for place, label in enumerate(scene.categories):
        if place % every == 0:
            drawing.text(LEFT + (place + 0.5) * step, base + 16, label, anchor="middle", font_size=11)
    if scene.axis:
        drawing.text(LEFT + span / 2, base + 34, scene.axis, anchor="middle", fill=FAINT, font_size=11)
    if scene.note:
        drawing.text(8, base + 52, scene.note, fill=FAINT, font_size=11)
    _series_legend(drawing, scene)
    return drawing.done()


def _top(highest: float) -> float:
    """The axis ends at a round number not far above the highest value."""
    if highest <= 0:
        return 1.0
    step = nice(highest / 5)
    count = -(-highest // step)
    return float(count * step)


def _axis(drawing: Drawing, scene: BarScene, top: float, base: float) -> None:
    step = nice(top / 5)
    count = round(top / step)
    for mark in range(count + 1):
        y = base - HEIGHT * mark / count
        drawing.line(LEFT, y, WIDTH - 12, y, stroke=INK if mark == 0 else RULE)
        value = mark * step
        label = f"{value * 100:.3g} %" if scene.share else number(value)
        drawing.text(LEFT - 6, y + 4, label, anchor="end", font_size=11, fill=FAINT)
    drawing.text(8, HEAD - 10, scene.unit, font_size=11, fill=FAINT)


def _columns(drawing: Drawing, scene: BarScene, top: float, base: float, step: float) -> None:
    count = len(scene.series)
    width = step * 0.76 / max(count, 1)
    for number_of, series in enumerate(scene.series):
        for place, value in enumerate(series.values):
            height = HEIGHT * value / top
            x = LEFT + place * step + step * 0.12 + number_of * width
            told = f"{series.name}, {scene.categories[place]}: {_value(scene, value)}"
            drawing.rect(x, base - height, width - 1, height, fill=series.colour, told=told)
            if len(scene.categories) <= 12 and value:
                label = _value(scene, value)
                drawing.text(x + width / 2, base - height - 4, label, anchor="middle", font_size=10, fill=FAINT)


def _steps(drawing: Drawing, scene: BarScene, top: float, base: float, step: float) -> None:
    for series in scene.series:
        corners = []
        for place, value in enumerate(series.values):
            y = base - HEIGHT * value / top
            corners += [f"{LEFT + place * step:.1f} {y:.1f}", f"{LEFT + (place + 1) * step:.1f} {y:.1f}"]
        drawing.path("M" + "L".join(corners), stroke=series.colour, stroke_width=2.4, stroke_linejoin="round")
        for place, value in enumerate(series.values):
            told = f"{series.name}, {scene.categories[place]}: {_value(scene, value)}"
            y = base - HEIGHT * value / top
            drawing.rect(LEFT + place * step, y - 4, step, 8, fill="#ffffff", told=told, fill_opacity=0.0)


def _value(scene: BarScene, value: float) -> str:
    return percent(value) if scene.share else number(value)


def _mark(drawing: Drawing, x: float, base: float, told: str) -> None:
    drawing.line(x, HEAD - 4, x, base + 4, stroke=LIMIT, stroke_width=1.6, stroke_dasharray="5 3")
    drawing.text(x + 6, HEAD + 8, told, fill=LIMIT, font_size=11, font_weight="600")


def _series_legend(drawing: Drawing, scene: BarScene) -> None:
    x = WIDTH - 12.0
    for series in reversed(scene.series):
        x -= 7.0 * len(series.name) + 34
        drawing.rect(x, HEAD - 21, 14, 14, fill=series.colour)
        drawing.text(x + 20, HEAD - 10, series.name, font_size=12)


def draw_grid(scene: GridScene) -> Svg:
    """Coloured fields in rows and columns, legend at the right."""
    left = 16 + 7.2 * max((len(label) for label in scene.rows), default=4)
    field_h = 26 if len(scene.rows) <= 12 else 18
    field_w = max((WIDTH - left - LEGEND_W) / max(len(scene.columns), 1), 12)
    width, height = field_w * len(scene.columns), field_h * len(scene.rows)
    legend_h = 22 + 19 * len(scene.keys)
    total = HEAD + max(height + 26, legend_h) + (20 if scene.note else 0)
    drawing = Drawing(left + width + LEGEND_W, total, title=scene.title, about=scene.note)
    frame_of(drawing)
    drawing.text(8, 18, scene.title, font_weight="600", font_size=14)
    for row, label in enumerate(scene.rows):
        y = HEAD + row * field_h
        drawing.text(left - 8, y + field_h / 2 + 4, label, anchor="end", font_size=11)
        for column, key in enumerate(scene.key[row]):
            told = scene.texts[row][column]
            fill = scene.keys[key].colour if key >= 0 else "#ffffff"
            drawing.rect(
                left + column * field_w,
                y,
                field_w - 1,
                field_h - 1,
                fill=fill,
                told=told,
                stroke=RULE,
                stroke_width=0.5,
            )
    every = max(1, round(34 / field_w))
    for column, label in enumerate(scene.columns):
        if column % every == 0:
            x = left + column * field_w + field_w / 2
            drawing.text(x, HEAD + height + 16, label, anchor="middle", font_size=11)
    entries = [(key.colour, key.label) for key in scene.keys]
    drawing.legend(left + width + 14, HEAD, entries, title=scene.unit)
    if scene.note:
        drawing.text(8, total - 6, scene.note, fill=FAINT, font_size=11)
    return drawing.done()
