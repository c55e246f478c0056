"""Hierarchies of trips: numeric intervals, clock time, nested grid cells, H3 cells and zones.

Each carries the mean displacement of its levels, so that a search can minimise what a traffic researcher loses in
metres and minutes. Displacement assumes a uniform spread inside a cell or interval: a cell of side a is 0.3826 a from
its centre in the mean, an interval of width w is w/4. Bounds and origins are public parameters: a bound read from the
trips (their smallest fare, their bounding box) tells about one person (ruling 18). H3 parents do not contain their
children exactly on the map; as identifiers they form a tree, which is what a class needs.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from anonkit.base.errors import MissingExtraError, SchemaError
from anonkit.kanon.hierarchies import ANY, SQUARE_MEAN_DISTANCE, Hierarchy

_SECONDS = {"s": 1, "min": 60, "h": 3600}
_DAY_S = 86_400


@dataclass(frozen=True)
class IntervalEncoder:
    """Numbers of the base intervals: 0 below ``lower``, then width by width, last one from ``upper`` on."""

    lower: float
    width: float
    count: int

    def __call__(self, values: np.ndarray) -> np.ndarray:
        try:
            numbers = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError):
            raise SchemaError(
                "a column with intervals has values that are no numbers", hint="read it as numbers."
            ) from None
        place = np.floor((numbers - self.lower) / self.width) + 1
        return np.clip(place, 0, self.count + 1).astype(np.int32)


def intervals(
    column: str, *, lower: float, upper: float, widths: Sequence[float], unit: str | None = None, scale: float = 1.0
) -> Hierarchy:
    """Numeric intervals of growing width between public bounds, open ends outside.

    Parameters
    ----------
    lower, upper : public bounds; values beyond share one open interval on each side.
    widths : base width first; each a whole multiple of the one before.
    unit : ``m`` or ``min`` when the column is a distance or a duration; gives the displacement.
    scale : column units in one ``unit`` (60 for seconds shown in minutes).

    Privacy
    -------
    Bounds are declared, never read from the data. Spends nothing.

    Sources
    -------
    Sweeney 2002, Achieving k-anonymity privacy protection using generalization and suppression.

    >>> ages = intervals("age", lower=0, upper=100, widths=[5, 10, 20])
    >>> ages.labels_of([17, 18, 120], level=2).tolist()
    ['[0, 20)', '[0, 20)', '>= 100']
    """
    if not upper > lower or not widths or min(widths) <= 0:
        raise SchemaError(f"intervals of '{column}' need lower < upper and a width", hint="public bounds, e.g. 0, 30.")
    for finer, coarser in itertools.pairwise(widths):
        if round(coarser / finer) < 1 or abs(coarser / finer - round(coarser / finer)) > 1e-9:
            raise SchemaError(
                f"intervals of '{column}': width {coarser} is not a whole multiple of {finer}",
                hint="nested widths, such as 5, 10, 20.",
            )
    count = int(np.ceil((upper - lower) / widths[0] - 1e-9))
    inner = np.arange(count)

    def name(low: float, width: float) -> str:
        return f"[{low:.12g}, {min(low + width, upper):.12g})"

    levels: list[np.ndarray] = []
    for width in widths:
        step = round(width / widths[0])
        texts = [name(lower + int(i) // step * width, width) for i in inner]
        levels.append(np.array([f"< {lower:.12g}", *texts, f">= {upper:.12g}"], dtype=object))
    base = levels.pop(0)
    titles = [f"{width:g}" for width in widths]
    wider: dict[str, np.ndarray] = dict(zip(titles[1:], levels, strict=True))
    shift = None
    if unit is not None:
        shift = [*(width / 4 / scale for width in widths), (upper - lower) / 4 / scale]
    made = Hierarchy.from_levels(
        column, base, {**wider, "any": np.full(len(base), ANY, dtype=object)}, displacement=shift, unit=unit
    )
    return Hierarchy(
        column=column,
        names=(titles[0], *made.names[1:]),
        codes=made.codes,
        labels=made.labels,
        displacement=made.displacement,
        unit=unit,
        encoder=IntervalEncoder(float(lower), float(widths[0]), count),
    )


def _width_s(text: str) -> int:
    match = re.fullmatch(r"(\d+)\s*(s|min|h)", text)
    if not match:
        raise SchemaError(f"'{text}' is no width of time", hint="such as 15min, 1h or 3h.")
    return int(match[1]) * _SECONDS[match[2]]


def clock_time(
    column: str,
    values: Any,
    *,
    value_s: int,
    levels: Sequence[str] = ("1h", "3h", "date", "day_type", "*"),
    forget_date_min: float = 30.0,
) -> Hierarchy:
    """Time of day, type of day and date on local-clock labels.

    Parameters
    ----------
    values : all local-clock labels the period can have (public), e.g. every 15 minutes of a month.
    value_s : seconds a label stands for: local seconds since the epoch = value × ``value_s`` (1 for labels in seconds).
    levels : each one of ``<width>`` (``1h`` of its own date), ``weekday <width>``, ``day_type <width>``
        (workday, weekend), ``clock <width>`` (any day), ``date``, ``week``, ``weekday``, ``day_type``, ``*``.
    forget_date_min : what losing the date is worth, in minutes; half of it where the weekday stays.

    >>> time = clock_time("start_bin", range(0, 2 * 96), value_s=900, levels=["1h", "clock 1h", "clock 3h", "*"])
    >>> time.sizes
    (192, 48, 24, 8, 1)
    """
    base = np.asarray(list(values) if not isinstance(values, np.ndarray) else values, dtype=np.int64)
    local = base * int(value_s)
    days, second = local // _DAY_S, local % _DAY_S
    weekday = (days + 3) % 7  # 1970-01-01 was a Thursday
    kind = np.where(weekday >= 5, "weekend", "workday").astype(object)
    day_names = np.array(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], dtype=object)[weekday]
    shift = [value_s / 60 / 4]
    made: dict[str, np.ndarray] = {}

    def span(width: int) -> np.ndarray:
        low = second // width * width
        high = np.minimum(low + width, _DAY_S)
        pairs = zip(low.tolist(), high.tolist(), strict=True)
        return np.array(
            [f"{a // 3600:02d}:{a % 3600 // 60:02d}-{b // 3600:02d}:{b % 3600 // 60:02d}" for a, b in pairs],
            dtype=object,
        )

    def dated() -> np.ndarray:
        unique, place = np.unique(days, return_inverse=True)
        texts = [datetime.fromtimestamp(int(d) * _DAY_S, UTC).date().isoformat() for d in unique]
        return np.array(texts, dtype=object)[place]

    for level in levels:
        what, _, width = level.partition(" ")
        if level == "*":
            made[level], loss = np.full(len(base), ANY, dtype=object), _DAY_S / 60 / 4 + forget_date_min
        elif level == "week":
            made[level], loss = (days - weekday) * _DAY_S, _DAY_S / 60 / 4 + forget_date_min / 4
        elif level == "date":
            made[level], loss = dated(), _DAY_S / 60 / 4
        elif level in ("weekday", "day_type"):
            made[level] = day_names if level == "weekday" else kind
            loss = _DAY_S / 60 / 4 + forget_date_min * (0.5 if level == "weekday" else 0.75)
        elif what in ("weekday", "day_type", "clock"):
            wide = _width_s(width)
            front = {"weekday": day_names, "day_type": kind, "clock": None}[what]
            made[level] = span(wide) if front is None else front + " " + span(wide)
            loss = wide / 60 / 4 + forget_date_min * {"weekday": 0.5, "day_type": 0.75, "clock": 1.0}[what]
        else:
            wide = _width_s(level)
            made[level], loss = dated() + " " + span(wide), wide / 60 / 4
        shift.append(loss)
    return Hierarchy.from_levels(column, base, made, displacement=list(np.maximum.accumulate(shift)), unit="min")


def nested_grid(
    column: str,
    cells: Any,
    *,
    rows: Any,
    columns: Any,
    cell_m: float,
    factors: Sequence[int] = (2, 4, 8),
    area_m: float | None = None,
    parents: Mapping[int, Any] | None = None,
) -> Hierarchy:
    """Square cells and their parents by integer floor division of row and column number.

    Parameters
    ----------
    cells : every cell of the public area (identifiers as in the table).
    rows, columns : their integer row and column numbers, aligned with ``cells``.
    cell_m : side of a base cell in metres.
    factors : sides of the parents in base cells; each a whole multiple of the one before.
    area_m : side of the whole area; default the larger extent of ``cells``.
    parents : factor → the parents' own identifiers, aligned with ``cells``; default texts of row and column.

    >>> grid = nested_grid("start_cell", [0, 1, 2, 3], rows=[0, 0, 1, 1], columns=[0, 1, 0, 1], cell_m=500, factors=[2])
    >>> grid.sizes, grid.displacement
    ((4, 1, 1), (191.2989291, 382.5978582, 382.5978582))
    """
    base = np.asarray(cells)
    row, col = np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64)
    for finer, coarser in zip((1, *factors), factors, strict=False):
        if coarser % finer:
            raise SchemaError(
                f"grid of '{column}': {coarser} is not a multiple of {finer}", hint="nested sides, such as 2, 4, 8."
            )
    extent = float(max(np.ptp(row), np.ptp(col)) + 1) * cell_m if len(base) else cell_m
    sides = [cell_m, *(cell_m * f for f in factors), area_m or extent]
    levels: dict[str, np.ndarray] = {}
    for factor in factors:
        parent = np.stack([row // factor, col // factor], axis=1)
        unique, place = np.unique(parent, axis=0, return_inverse=True)
        texts = np.array([f"r{a}c{b}x{factor}" for a, b in unique.tolist()], dtype=object)
        own = None if parents is None else parents.get(factor)
        levels[f"{cell_m * factor:g} m"] = texts[place.ravel()] if own is None else np.asarray(own)
    levels["area"] = np.full(len(base), ANY, dtype=object)
    shift = np.maximum.accumulate([round(side * SQUARE_MEAN_DISTANCE, 7) for side in sides])
    return Hierarchy.from_levels(column, base, levels, displacement=shift.tolist(), unit="m")


def h3_cells(column: str, cells: Sequence[str], *, resolutions: Sequence[int]) -> Hierarchy:
    """H3 cells and their parents at coarser resolutions, then the whole area.

    >>> import h3
    >>> cell = h3.latlng_to_cell(40.4, 49.87, 9)
    >>> h3_cells("start_cell", list(h3.grid_disk(cell, 1)), resolutions=[8, 7]).height
    4
    """
    try:
        import h3
    except ImportError as missing:
        raise MissingExtraError("h3 is not installed", hint="pip install 'anonkit[release]'.") from missing
    base = list(cells)
    if list(resolutions) != sorted(resolutions, reverse=True):
        raise SchemaError(f"H3 resolutions of '{column}' must fall", hint="such as 8, 7, 6.")
    own = {h3.get_resolution(cell) for cell in base}
    if len(own) > 1 or (resolutions and min(own) <= resolutions[0]):
        raise SchemaError(f"H3 cells of '{column}' must have one resolution, finer than {resolutions[0]}")
    levels: dict[str, Any] = {f"h3 {r}": [h3.cell_to_parent(cell, r) for cell in base] for r in resolutions}
    levels["area"] = [ANY] * len(base)
    edges = [h3.average_hexagon_edge_length(r, unit="m") for r in (*own, *resolutions)]
    # a hexagon of edge a: mean distance from its centre is 0.6079 a; the area as one cell two resolutions up
    shift = [0.6079 * edge for edge in edges]
    return Hierarchy.from_levels(column, np.array(base), levels, displacement=[*shift, shift[-1] * 7], unit="m")


def zones(
    column: str, mapping: Mapping[Any, Sequence[Any]], *, names: Sequence[str], radius_m: Sequence[float] | None = None
) -> Hierarchy:
    """Zones of a city: tract → district → city, as a mapping; ``radius_m`` is the mean distance inside each level.

    >>> zones("tract", {17031: ["Loop", "Chicago"], 17032: ["Loop", "Chicago"]}, names=["area", "city"]).sizes
    (2, 1, 1)
    """
    unit = None if radius_m is None else "m"
    return Hierarchy.from_mapping(column, mapping, names=names, displacement=radius_m, unit=unit)
