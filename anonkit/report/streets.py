"""Where a release of routes tells something: streets before and after, what is missing, routes, and the network's coverage.

Maps of the public street network, both directions together. *Before* is exact and of the journeys without their ends; it is
what must not leave. Everything here stays inside.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from anonkit.report.figures import ReportTables, StreetTables
from anonkit.report.html import Html, figure, section, table, tag
from anonkit.report.words import number
from anonkit.viz import street_map
from anonkit.viz.colours import AFTER, BLUES, ORANGES, percent, value_breaks

KINDS = {"driven, not told": ORANGES[3], "told, all bins together": BLUES[2], "told by time bin": AFTER}
LISTED = 30
"""Bins of the coverage table at most."""


def streets(tables: ReportTables) -> Html | None:
    """Maps of what there is and of what leaves; None where the release is not of routes."""
    given = tables.streets
    if given is None or not len(given.before):
        return None
    breaks = value_breaks(float(given.before["passages"].max()))
    more: dict[str, Any] = {"value": "passages", "base": given.base, "breaks": breaks, "form": "file"}
    pictures = [
        figure(
            street_map(_on(given, given.before), title="Before: passages of streets", note="no colour: none", **more),
            "Exact, of every journey without its ends. This is what must not leave.",
        ),
        figure(
            street_map(_on(given, given.told), title="Leaves: passages of streets", **more),
            "All published bins together, both directions. The same colours mean the same numbers on both sides.",
        ),
    ]
    if len(given.routes):
        picture = street_map(
            _on(given, given.routes), value="routes", base=given.base, title="Leaves: routes driven in full", unit="routes",
            note="no colour: in no published route", form="file",
        )  # fmt: skip
        pictures.append(figure(picture, "How many of the published routes go through each street."))
    return section("places", "Where", tag("div", *pictures, cls="pair"))


def untold(tables: ReportTables) -> Html | None:
    """Streets that were driven and are not told, and how much of the network is; None where the release is not of routes."""
    given = tables.streets
    if given is None or not len(given.before):
        return None
    both = given.before.merge(given.told, on="street", how="outer", suffixes=("", "_told"))
    both["kind"] = "driven, not told"
    both.loc[both["passages_told"].notna(), "kind"] = "told, all bins together"
    both.loc[both["parted"].eq(True), "kind"] = "told by time bin"
    picture = street_map(
        _on(given, both[["street", "kind"]]), value="kind", base=given.base, kinds=KINDS, title="What is missing, by street",
        unit="streets", note="grey: nobody drove there, or only at the end of a journey", form="file",
    )  # fmt: skip
    size = given.base.set_index("street")["length_m"]
    length = both.assign(km=both["street"].map(size) / 1000).groupby("kind")["km"].sum()
    rows = [(kind, number(round(float(length.get(kind, 0.0)), 1))) for kind in KINDS]
    rows.append(("all public streets", number(round(float(size.sum()) / 1000, 1))))
    told = given.coverage
    listed = told.head(LISTED + 1)
    bars = [
        (str(part), percent(share), number(round(km, 1)))
        for part, share, km in zip(
            listed["part"].tolist(), listed["share"].tolist(), listed["covered"].tolist(), strict=True
        )
    ]
    return section(
        "missing",
        "What is missing",
        tag("p", "A street that is not told was driven by too few people, or stands beside one that was and would complete it. "
            "Suppressed is not zero; the recipient cannot tell a quiet street from an empty one."),
        figure(picture, "One direction that is told makes its street count as told."),
        table(("streets", "km"), rows, numbers=(1,)),
        tag("h3", "Coverage as the recipient sees it"),
        tag("p", "Length of the directed network that the published volumes show to be served: a lower bound, as quiet links are left out."),
        table(("time bin", "of the network", "km"), bars, numbers=(1, 2)),
    )  # fmt: skip


def _on(given: StreetTables, rows: pd.DataFrame) -> Any:
    """The public lines of some streets, with their columns."""
    return given.base[["street", "geometry"]].merge(rows, on="street", how="inner")
