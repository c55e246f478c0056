"""Pages of noisy releases: what is spent of the budget, the noisy maps, and how wrong they may be.

Everything here is made from the ledger and from the noisy output; no true count is looked at (ruling 19).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from anonkit.report.figures import ReportTables
from anonkit.report.html import Html, figure, section, table, tag
from anonkit.viz import Svg, cell_map, street_map
from anonkit.viz.colours import AFTER, FAINT, LIMIT, RULE
from anonkit.viz.svg import Drawing

PERCENT = (0, 5, 10, 20, 50, 100)
WIDTH, LEFT, ROW, HEAD = 660, 150, 34, 46


def budget(run: dict[str, Any]) -> Html | None:
    """What is spent of each period; None where the release draws from no ledger."""
    found = run.get("budget")
    if not found:
        return None
    spent, cap = found["spent"], float(found["cap"])
    rows = [
        (name, f"{float(value):g}", f"{found['release']:g}", f"{cap:g}", f"{max(0.0, cap - float(value)):g}")
        for name, value in spent.items()
    ]
    return section(
        "budget",
        "What is spent of the budget",
        tag("p", "Epsilon says how much one person's presence may shift the odds of anything that leaves. It adds up over all "
            "releases of these people; what is drawn stays spent, handed over or not."),
        tag("div", figure(budget_bar(spent, cap=cap, release=float(found["release"])),
                          "Dark: this release. Light: earlier ones. The line is the cap that was fixed when the ledger was made."),
            cls="solo"),
        table(("period", "spent by all releases", "of it this release", "cap", "left"), rows, numbers=range(1, 5)),
        tag("p", f"Over all periods together: epsilon {found['total']:g}.", cls="note"),
    )  # fmt: skip


def budget_bar(spent: dict[str, float], *, cap: float, release: float) -> Svg:
    """One bar a period: earlier releases, this one, and the cap."""
    height = HEAD + ROW * len(spent) + 8
    drawing = Drawing(WIDTH, height, title="Epsilon spent, by period", about=f"cap {cap:g}")
    drawing.text(8, 20, "Epsilon spent, by period", font_weight="600", font_size=14)
    top = max(cap, *(float(value) for value in spent.values())) * 1.08
    scale = (WIDTH - LEFT - 70) / top
    for number, (name, value) in enumerate(spent.items()):
        y, total = HEAD + number * ROW, float(value)
        before = max(0.0, total - release)
        drawing.text(LEFT - 8, y + 15, name, anchor="end", font_size=12)
        drawing.rect(LEFT, y, top * scale, 20, fill="#ffffff", stroke=RULE, stroke_width=1.0)
        drawing.rect(LEFT, y, before * scale, 20, fill="#a9d0e3", told=f"earlier releases: {before:g}")
        drawing.rect(
            LEFT + before * scale, y, (total - before) * scale, 20, fill=AFTER, told=f"this release: {total - before:g}"
        )
        drawing.rect(LEFT + cap * scale - 1, y - 4, 2, 28, fill=LIMIT, told=f"cap: {cap:g}")
        drawing.text(LEFT + top * scale + 8, y + 15, f"{total:g} of {cap:g}", font_size=12)
    drawing.text(LEFT + cap * scale, HEAD - 9, "cap", anchor="middle", fill=FAINT, font_size=11)
    return drawing.done()


def errors(tables: ReportTables) -> Html | None:
    """Noisy maps and how wide their intervals are; None where nothing noisy was drawn."""
    if not tables.noisy:
        return None
    pictures: list[Html] = []
    rows: list[tuple[object, ...]] = []
    for name, frame in tables.noisy.items():
        if {"capped_low", "capped_high"} <= set(frame.columns):
            half = (frame["capped_high"] - frame["capped_low"]) / 2
            seen = frame["capped_low"] > 0
            rows.append(
                (name, f"{len(frame):,}", f"{float(half.median()):,.1f}", f"{int(seen.sum()):,}",
                 f"{float(frame['trips'].sum()):,.0f}")
            )  # fmt: skip
            pictures += _maps(name, frame.assign(half=half), tables)
        else:
            rows.append((name, f"{len(frame):,}", "–", "–", "–"))
    head = ("table", "rows, all public keys", "median half width, trips", "rows surely above 0", "sum of trips, noisy")
    return section(
        "worth",
        "How wrong the noisy numbers may be",
        tag("p", "From the noisy output and its scale alone. A row whose interval holds 0 may be nobody at all; sums over many "
            "rows are better than single rows."),
        table(head, rows, numbers=range(1, 5)),
        tag("div", *pictures, cls="pair"),
    )  # fmt: skip


def _maps(name: str, frame: pd.DataFrame, tables: ReportTables) -> list[Html]:
    if "link" in frame.columns and tables.network is not None:
        return _links(name, frame, tables)
    cell = next((column for column in ("cell", "start_cell") if column in frame.columns), None)
    if cell is None or tables.shapes is None:
        return []
    sums = frame.assign(square=frame["half"] ** 2).groupby(cell, as_index=False)[["trips", "square"]].sum()
    sums["error"] = (100 * np.sqrt(sums["square"]) / sums["trips"].clip(lower=1)).round().clip(upper=999)
    sums["trips"] = sums["trips"].round()
    more: dict[str, Any] = {
        "cell": cell,
        "shapes": tables.shapes,
        "area": tables.area,
        "form": "file",
        "absent": "outside the area",
    }
    told = cell_map(sums, value="trips", title=f"Leaves: {name}, noisy", **more)
    wrong = cell_map(
        sums, value="error", title=f"Error of {name}, by cell", unit="% of its trips", breaks=PERCENT, **more
    )
    return [
        figure(told, "Summed over time and destination; noise makes empty cells look used."),
        figure(
            wrong,
            "Half width of the 95 % interval of the cell's sum as a share of it, rows taken as independent. 100 % and more: "
            "nothing can be said of the cell.",
        ),
    ]


def _links(name: str, frame: pd.DataFrame, tables: ReportTables) -> list[Html]:
    """Noisy passages of each street, both directions and all bins together, and how sure they are."""
    street = tables.network["street"].to_numpy()[frame["link"].to_numpy()]
    sums = frame.assign(street=street, square=frame["half"] ** 2)
    sums = sums.groupby("street", as_index=False)[["capped_noisy", "square"]].sum()
    sums["half"] = np.sqrt(sums["square"])
    seen = sums[sums["capped_noisy"] > sums["half"]]
    lines = tables.network.drop_duplicates("street")[["street", "geometry"]]
    picture = street_map(
        lines.merge(seen.assign(passages=seen["capped_noisy"].round()), on="street"), value="passages", base=tables.network,
        title=f"Leaves: {name}, noisy", note="no colour: the interval holds 0", form="file",
    )  # fmt: skip
    return [
        figure(
            picture,
            f"{len(seen):,} of {len(sums):,} streets whose sum over bins and directions is surely above 0 (95 %, rows taken as "
            "independent). The others may be quiet or empty; nothing can be said of them.",
        )
    ]
