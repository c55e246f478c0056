"""What a figure shows, before it is drawn: one value that both forms, notebook and file, are drawn from.

That the two forms are drawn from the same value is why they cannot tell two stories. Texts are plain: whoever draws
them escapes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anonkit.viz.colours import AFTER


@dataclass(frozen=True, kw_only=True)
class Key:
    """One entry of a legend."""

    colour: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Area:
    """A filled polygon of a map."""

    shape: Any
    """Shapely polygon or multipolygon, lon and lat."""
    key: int
    """Number of its legend entry; -1 for none."""
    text: str
    """What a reader is told who points at it."""


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """A flow: from, to (lon, lat each), how wide from 0 to 1."""

    start: tuple[float, float]
    end: tuple[float, float]
    width: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Strokes:
    """Lines of a map that look alike: all streets of a class of values."""

    shape: Any
    """Shapely multi-line, lon and lat."""
    key: int
    """Number of their legend entry; -1 for the ground."""


@dataclass(frozen=True, kw_only=True)
class MapScene:
    """A map."""

    title: str
    unit: str
    areas: tuple[Area, ...] = ()
    keys: tuple[Key, ...] = ()
    arrows: tuple[Arrow, ...] = ()
    strokes: tuple[Strokes, ...] = ()
    outline: Any = None
    view: tuple[float, float, float, float] | None = None
    """West, south, east, north to show; default what the data fills."""
    note: str = ""
    """What is not on it: how many flows were left out, what white means."""


@dataclass(frozen=True, kw_only=True)
class GridScene:
    """A table of coloured fields: weekdays × hours, areas × hours."""

    title: str
    unit: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    key: tuple[tuple[int, ...], ...]
    """Number of the legend entry of each field, row by row; -1 for none."""
    texts: tuple[tuple[str, ...], ...]
    keys: tuple[Key, ...]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Series:
    """Values of one colour."""

    name: str
    values: tuple[float, ...]
    colour: str = AFTER


@dataclass(frozen=True, kw_only=True)
class BarScene:
    """Bars in groups beside each other, one group a category."""

    title: str
    unit: str
    categories: tuple[str, ...]
    series: tuple[Series, ...]
    mark: int | None = None
    """A line stands before this category: what lies left of it must be empty after."""
    mark_text: str = ""
    axis: str = ""
    note: str = ""
    lines: bool = False
    """Draw steps of a profile, not bars."""
    share: bool = False
    """Values are shares: write them in per cent."""


Scene = MapScene | GridScene | BarScene
