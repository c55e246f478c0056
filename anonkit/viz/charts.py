"""Charts of trips: the week, class sizes, profiles and distributions.

One function a figure, two forms, as in `maps`. The charts show their tables and protect nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anonkit.base.errors import SchemaError
from anonkit.geo import TimeBins
from anonkit.geo.bins import DAYS
from anonkit.viz.colours import AFTER, BEFORE, ORANGES, class_labels, class_of, number, ramp, value_breaks
from anonkit.viz.forms import Form, drawn
from anonkit.viz.scene import BarScene, GridScene, Key, Series
from anonkit.viz.tables import as_pandas, require, summed

DAY_S = 86_400
SIZE_EDGES = (1, 2, 3, 5, 11, 20, 50, 100)
"""Lower ends of the groups of class sizes."""


def hour_week_map(
    table: Any,
    *,
    bins: TimeBins,
    value: str | None = "trips",
    bin: str = "bin",
    breaks: Sequence[float] | None = None,
    absent: str = "none, or suppressed",
    title: str = "",
    unit: str = "trips",
    form: Form = "notebook",
) -> Any:
    """Weekday × time of day, coloured by a sum.

    Parameters
    ----------
    table : any table with the time bin ``bin`` (codes of ``bins``) and ``value``; None counts rows.
    absent : what a field without a row means.
    bins : what the codes mean. Dated bins are summed over the weeks; bins pooled over days make one row.

    Returns
    -------
    plotly Figure or ``Svg``.

    Privacy
    -------
    None: shows the table as it is.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"bin": [0, 9], "trips": [5, 12]})
    >>> hour_week_map(table, bins=TimeBins("3h of week", zone="Asia/Baku"), title="Week", form="file").title
    'Week'
    """
    sums = summed(as_pandas(table), [bin], value)
    day, field = week_fields(sums[bin].to_numpy(np.int64), bins)
    a_day = DAY_S // bins.seconds
    rows = ("all days",) if bins.pool == "day" else DAYS
    grid = np.zeros((len(rows), a_day))
    np.add.at(grid, (day, field), sums["value"].to_numpy(float))
    told = np.zeros(grid.shape, dtype=bool)
    told[day, field] = True
    grid[~told] = np.nan
    chosen = tuple(breaks) if breaks is not None else value_breaks(np.nanmax(grid, initial=1))
    keys = tuple(
        Key(colour=colour, label=label) for colour, label in zip(ramp(len(chosen)), class_labels(chosen), strict=True)
    )
    columns = tuple(_clock(number_of * bins.seconds) for number_of in range(a_day))
    scene = GridScene(
        title=title,
        unit=unit,
        rows=rows,
        columns=columns,
        key=tuple(tuple(int(key) for key in class_of(row, chosen)) for row in grid),
        texts=tuple(
            tuple(f"{name} {clock}: {number(amount)} {unit}" for clock, amount in zip(columns, row, strict=True))
            for name, row in zip(rows, grid, strict=True)
        ),
        keys=keys,
        note="" if told.all() else f"no colour: {absent}",
    )
    return drawn(scene, form)


def week_fields(codes: np.ndarray, bins: TimeBins) -> tuple[np.ndarray, np.ndarray]:
    """Row (weekday from Monday, or 0) and column (bin of the day) of time bins.

    >>> week_fields(np.array([0, 9, 55]), TimeBins("3h of week", zone="Asia/Baku"))
    (array([0, 1, 6]), array([0, 1, 7]))
    """
    a_day = DAY_S // bins.seconds
    if bins.pool == "day":
        return np.zeros(len(codes), dtype=np.int64), codes
    days = codes // a_day
    return (days if bins.pool == "week" else (days + 3) % 7), codes % a_day


def class_size_chart(
    before: Any,
    after: Any = None,
    *,
    k: int | None = None,
    size: str = "persons",
    weight: str | None = None,
    title: str = "",
    form: Form = "notebook",
) -> Any:
    """How many classes have how many persons, before and after.

    Parameters
    ----------
    before, after : tables with one row a class and its size in ``size``; or mappings group → classes, as in run.json.
    k : the threshold; drawn as a line that nothing may be left of afterwards. Without a group that begins at k no line.
    weight : column to sum instead of counting classes, such as ``rows``.

    Returns
    -------
    plotly Figure or ``Svg``.

    Privacy
    -------
    Exact class sizes are about raw data: inside only.
    """
    counts = _grouped(before, size, weight)
    series = [Series(name="before", values=tuple(counts.values()), colour=BEFORE)]
    if after is not None:
        later = _grouped(after, size, weight)
        if list(later) != list(counts):
            raise SchemaError("the two sides have other groups of sizes", hint="give both as tables")
        series.append(Series(name="after", values=tuple(later.values()), colour=AFTER))
    edges = [int(label.split("–")[0].rstrip("+")) for label in counts]
    scene = BarScene(
        title=title,
        unit=weight or "classes",
        categories=tuple(counts),
        series=tuple(series),
        mark=edges.index(k) if k in edges else None,
        mark_text=f"k = {k}" if k in edges else "",
        axis=f"{size} in a class",
    )
    return drawn(scene, form)


def _grouped(sizes: Any, size: str, weight: str | None) -> dict[str, float]:
    if isinstance(sizes, Mapping):
        return {str(label): float(count) for label, count in sizes.items() if str(label) != "0" or count}
    frame = as_pandas(sizes)
    require(frame, size, *([weight] if weight else []))
    group = np.searchsorted(SIZE_EDGES, frame[size].to_numpy(), side="right") - 1
    amounts = frame[weight].to_numpy(float) if weight else np.ones(len(frame))
    labels = class_labels((0, *SIZE_EDGES))[1:]
    sums = np.bincount(group[group >= 0], weights=amounts[group >= 0], minlength=len(SIZE_EDGES))
    plain = [label.replace(" and more", "+") for label in labels]
    return dict(zip(plain, sums.tolist(), strict=True))


def profile_chart(
    categories: Sequence[str],
    before: Sequence[float],
    after: Sequence[float],
    *,
    title: str = "",
    axis: str = "",
    unit: str = "share of the trips",
    form: Form = "notebook",
) -> Any:
    """Two distributions over the same categories as stepped lines: the day by hours, lengths by kilometres.

    Privacy
    -------
    None: shows what it is given. ``before`` is about raw data: inside only.
    """
    if not len(categories) == len(before) == len(after):
        raise SchemaError("categories and the two sides differ in length", hint="one value a category on each side")
    series = (
        Series(name="before", values=tuple(map(float, before)), colour=BEFORE),
        Series(name="after", values=tuple(map(float, after)), colour=AFTER),
    )
    scene = BarScene(
        title=title, unit=unit, categories=tuple(categories), series=series, axis=axis, lines=True, share=True
    )
    return drawn(scene, form)


def suppression_week_map(
    table: Any,
    *,
    bins: TimeBins,
    before: str,
    after: str,
    bin: str = "bin",
    title: str = "",
    form: Form = "notebook",
) -> Any:
    """Weekday × time of day, coloured by the share of trips that is missing.

    Parameters
    ----------
    table : one row a class with its time bin, its trips ``before`` and those published, ``after``.

    Privacy
    -------
    Exact shares: inside only.
    """
    frame = as_pandas(table)
    old, new = summed(frame, [bin], before), summed(frame, [bin], after)
    day, field = week_fields(old[bin].to_numpy(np.int64), bins)
    rows = ("all days",) if bins.pool == "day" else DAYS
    grid = np.zeros((2, len(rows), DAY_S // bins.seconds))
    for side, sums in enumerate((old, new)):
        np.add.at(grid[side], (day, field), sums["value"].to_numpy(float))
    there = grid[0] > 0
    share = np.where(there, 1 - grid[1] / np.where(there, grid[0], 1), 0.0).clip(0, 1)
    keys = np.where(there, np.digitize(share, [1e-12, 0.05, 0.20, 0.50]), -1)
    columns = tuple(_clock(number_of * bins.seconds) for number_of in range(grid.shape[2]))
    scene = GridScene(
        title=title,
        unit="suppressed",
        rows=rows,
        columns=columns,
        key=tuple(tuple(map(int, row)) for row in keys),
        texts=tuple(
            tuple(
                f"{name} {clock}: {share[row, place]:.0%} of {number(grid[0, row, place])} trips suppressed"
                for place, clock in enumerate(columns)
            )
            for row, name in enumerate(rows)
        ),
        keys=tuple(
            Key(colour=colour, label=label)
            for colour, label in zip(ORANGES, ("0 %", "<5 %", "5–20 %", "20–50 %", ">50 %"), strict=True)
        ),
        note="white: no trips at all",
    )
    return drawn(scene, form)


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}"
