"""Where and when: maps before and after, what is missing, and what the rest is worth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from anonkit.geo.grid import LEVEL
from anonkit.report.figures import PartTable, ReportTables
from anonkit.report.html import Html, figure, section, table, tag
from anonkit.report.words import number, part_text
from anonkit.viz import (
    cell_map,
    flow_map,
    hour_week_map,
    profile_chart,
    suppression_map,
    suppression_week_map,
    zone_map,
)
from anonkit.viz.colours import percent, value_breaks
from anonkit.viz.tables import polygons_of

BANDS = ("0", "<5", "5-20", "20-50", ">50")


def places(tables: ReportTables) -> Html | None:
    """Maps of what there is and of what leaves."""
    if not tables.parts or tables.shapes is None:
        return None
    name, part = next(iter(tables.parts.items()))
    if not len(part.classes):  # no used line: there is nothing to draw, and the gate refuses
        return None
    view = _view(part.classes, part.cell, tables)
    more: dict[str, Any] = {
        "shapes": tables.shapes,
        "area": tables.area,
        "view": view,
        "names": tables.names,
        "form": "file",
    }
    after = part.classes.dropna(subset=["after"])
    parts: list[object] = []
    pictures = []
    if tables.starts is not None and len(tables.starts):
        raw = cell_map(
            tables.starts, cell="cell", title="Before: where trips start, finest cells", absent="none", **more
        )
        pictures.append(figure(raw, "Exact, of every used line. This is what must not leave."))
    if len(after):
        safe = cell_map(after, value="after", cell=part.cell, title=f"Leaves: starts in {part_text(name)}", **more)
        pictures.append(figure(safe, "Sum over the published classes. No colour: none, or suppressed."))
    pictures += _weeks(part)
    if len(after) and {"start_cell", "end_cell"} <= set(after.columns):
        flows = flow_map(after, value="after", title=f"Leaves: flows in {part_text(name)}", **more)
        pictures.append(figure(flows, "Wide at the origin, thin at the destination; a ring stays in its cell."))
    arrivals = tables.parts.get("volumes:end")
    if arrivals is not None:
        ends = arrivals.classes.dropna(subset=["after"])
        if len(ends):
            picture = cell_map(ends, value="after", cell=arrivals.cell, title="Leaves: arrivals in volumes", **more)
            pictures.append(figure(picture, "Sum over the published classes."))
    for rolled, other in tables.parts.items():
        pictures += _rest(rolled, other, more)
    if tables.zones is not None:
        zones = zone_map(tables.zones, value="trips", name="name", title="Leaves: by the coarsest zones", form="file")
        pictures.append(figure(zones, f"All that {part_text(name)} tells, first level and rolled up together."))
    parts.append(tag("div", *pictures, cls="pair"))
    return section("places", "Where and when", *parts)


def _rest(name: str, part: PartTable, more: dict[str, Any]) -> list[Html]:
    """One map for each level that the rest of a parent is gathered at (ruling 9), its cells as they are published."""
    if part.rest is None or not len(part.rest):
        return []
    found = []
    for level, cells in part.rest.groupby(part.rest["cell"] // LEVEL):
        at = more["shapes"].level_name(int(level)) if hasattr(more["shapes"], "level_name") else f"level {level}"
        told = float(cells["trips"].sum())
        picture = cell_map(
            cells, cell="cell", title=f"Leaves rolled up: starts in {part_text(name)}, {at}",
            absent="no rest, or none that may be told", **{**more, "view": None if len(cells) > 1 else more["view"]},
        )  # fmt: skip
        found.append(
            figure(
                picture,
                f"{number(told)} trips, told as the rest of a coarser cell or of more hours; never beside it whole.",
            )
        )
    return found


def _weeks(part: PartTable) -> list[Html]:
    more: dict[str, Any] = {"bins": part.bins, "bin": part.bin, "form": "file", "breaks": value_breaks(_highest(part))}
    before = hour_week_map(part.weeks, value="before", title="Before: the week", absent="none", **more)
    leaves = hour_week_map(part.weeks.dropna(subset=["after"]), value="after", title="Leaves: the week", **more)
    return [
        figure(before, "Trips by weekday and time of day, the local clock."),
        figure(leaves, "The same colours mean the same numbers on both sides."),
    ]


def missing(tables: ReportTables) -> Html | None:
    """What is suppressed: exactly, and as the recipient is told."""
    if not tables.parts:
        return None
    parts: list[object] = [
        tag("p", "Suppressed is not zero. Exact shares below stay inside; the recipient gets bands by large areas and "
            "hours, and only where those hold the thresholds themselves.")
    ]  # fmt: skip
    pictures = []
    for name, part in tables.parts.items():
        shown = part_text(name)
        if tables.shapes is not None and len(part.classes):
            shares = _shares(part.told(part.classes), part.cell)
            view = _view(part.classes, part.cell, tables)
            picture = suppression_map(
                shares, cell=part.cell, share="share", shapes=tables.shapes, area=tables.area, view=view, names=tables.names,
                title=f"Missing in {shown}, by cell", form="file",
            )  # fmt: skip
            pictures.append(
                figure(
                    picture,
                    _told_missing(part, shown),
                )
            )
        week = suppression_week_map(
            part.told(part.weeks), bins=part.bins, bin=part.bin, before="before", after="after",
            title=f"Missing in {shown}, by time", form="file",
        )  # fmt: skip
        pictures.append(figure(week, "Quiet hours lose most: few people ride then." + _hint_rolled(part)))
    parts.append(tag("div", *pictures, cls="pair"))
    if tables.suppression is not None and len(tables.suppression):
        parts += [tag("h3", "What the recipient is told"), _bands(tables.suppression)]
    return section("missing", "What is missing", *parts)


def worth(run: dict[str, Any]) -> Html | None:
    """What the release is still good for."""
    found = run.get("utility") or []
    if not found:
        return None
    rows = []
    for entry in found:
        counts, metres, minutes = entry["counts"], entry.get("metres"), entry.get("minutes")
        rows.append(
            (
                part_text(entry["part"]),
                percent(counts["share_published"]),
                percent(counts["misplaced"]),
                number(counts["divergence"]),
                number(counts["mean_error"]),
                percent(counts["top_published"]),
                number(entry["cells"]["rank_correlation"]),
                f"{metres['median']:,.0f} / {metres['most']:,.0f}" if metres else "–",
                f"{minutes['median']:,.0f} / {minutes['most']:,.0f}" if minutes else "–",
            )
        )
    head = (
        *(
            "product",
            "trips told at the first level",
            "misplaced",
            "divergence",
            "mean error, trips",
            "largest 100 published",
        ),
        *("order of cells", "moved, metres", "moved, minutes"),
    )
    note = (
        "Misplaced: share of trips that would have to change their class to turn the published distribution into the true one. "
        "Divergence: Jensen–Shannon, natural logarithm; 0 is the same, 0.69 has nothing in common. Order of cells: rank "
        "correlation of the cells' totals; 1 keeps the order. What is rolled up counts as missing here. Moved: median and what 95 in 100 trips stay below, between "
        "the middle of the finest cell or bin and of the published one."
    )
    pictures = []
    first = found[0]
    day = first["day"]
    pictures.append(
        figure(
            profile_chart(
                day["labels"], day["before"], day["after"],
                title=f"The day in {part_text(first['part'])}", axis="local time", form="file",
            ),
            f"Divergence {number(day['divergence'])}.",
        )
    )  # fmt: skip
    length = _without_empty_end(first.get("length"))
    if length:
        pictures.append(
            figure(
                profile_chart(
                    length["labels"], length["before"], length["after"],
                    title=f"Straight-line length in {part_text(first['part'])}", axis="kilometres", form="file",
                ),
                f"Between the middles of cells, the finest before, the published ones after. Divergence {number(length['divergence'])}.",
            )
        )  # fmt: skip
    return section(
        "worth",
        "What it is still worth",
        tag("p", "Against the raw numbers, so inside only; it never decides which draw of noise is published."),
        table(head, rows, numbers=range(1, 9)),
        tag("p", note, cls="note"),
        tag("div", *pictures, cls="pair"),
    )


def _without_empty_end(profile: dict[str, Any] | None) -> dict[str, Any] | None:
    """The profile less the groups at its end that hold nothing on either side."""
    if profile is None:
        return None
    full = [place for place, pair in enumerate(zip(profile["before"], profile["after"], strict=True)) if any(pair)]
    end = min(max(full, default=0) + 2, len(profile["labels"]))
    return {**profile, **{name: profile[name][:end] for name in ("labels", "before", "after")}}


def _highest(part: PartTable) -> float:
    from anonkit.viz.charts import week_fields

    day, field = week_fields(part.weeks[part.bin].to_numpy(np.int64), part.bins)
    grid = np.zeros((7, 86_400 // part.bins.seconds))
    np.add.at(grid, (day, field), part.weeks["before"].to_numpy(float))
    return float(grid.max(initial=1))


def _shares(classes: pd.DataFrame, cell: str) -> pd.DataFrame:
    sums = classes.groupby(cell)[["before", "after"]].sum()
    sums = sums[sums["before"] > 0]
    share = (1 - sums["after"] / sums["before"]).clip(0, 1)
    return pd.DataFrame({cell: sums.index.to_numpy(), "share": share.to_numpy()})


def _told_missing(part: PartTable, shown: str) -> str:
    """How much is missing, and how much is told coarser only."""
    total = max(float(part.classes["before"].sum()), 1.0)
    gone = percent(max(0.0, 1 - float(part.told(part.classes)["after"].sum()) / total))
    if "rolled" not in part.classes:
        return f"{gone} of all trips are missing in {shown}."
    rolled = percent(float(part.classes["rolled"].sum()) / total)
    return f"{gone} of all trips are missing in {shown}; {rolled} more are told rolled up only, and do not count as missing."


def _hint_rolled(part: PartTable) -> str:
    return " What is told rolled up counts where it happened." if "rolled" in part.classes else ""


def _view(classes: pd.DataFrame, cell: str, tables: ReportTables) -> tuple[float, float, float, float]:
    polygons = polygons_of(np.unique(classes[cell].to_numpy()), None, tables.shapes, cell)
    boxes = np.array([shape.bounds for shape in polygons])
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _bands(suppression: pd.DataFrame) -> Html:
    counts = suppression.groupby(["part", "suppressed_pct"]).size()
    rows = [
        (part_text(part), *(number(int(counts.get((part, band), 0))) for band in BANDS))
        for part in dict.fromkeys(suppression["part"])
    ]
    head = ("areas × hours with a missing share of", *(f"{band.replace('-', '–')} %" for band in BANDS))
    return table(head, rows, numbers=range(1, 6))
