"""Class sizes and risk: before anything was suppressed, and in what leaves."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from anonkit.report.html import Html, figure, section, table, tag
from anonkit.report.words import RISKS, number, part_text
from anonkit.viz import class_size_chart
from anonkit.viz.colours import percent


def people(run: dict[str, Any]) -> Html | None:
    """The section; None where run.json has no risk figures."""
    risk = run.get("risk") or {}
    before, after = risk.get("before"), risk.get("after")
    if not before:
        return None
    privacy = run.get("privacy") or {}
    k, part = privacy.get("k"), part_text(risk.get("product", ""))
    unit = {"driver": "drivers", "trip": "trips"}.get(privacy.get("unit", "person"), "persons")
    picture = class_size_chart(
        before["class_size_histogram"],
        after["class_size_histogram"] if after else None,
        k=k,
        size=unit,
        title=f"Classes of {part} by number of {unit}",
        form="file",
    )
    caption = (
        f"A class is all rows that agree in every released column. Its size counts different {unit}, never rows: one "
        "rider with forty trips is one. Nothing may stand left of the dashed line after suppression."
    )
    return section(
        "people",
        "How many people stand behind a row",
        tag("div", figure(picture, caption), cls="solo"),
        tag("h3", "How sure an attacker can be"),
        tag("p", "He knows that somebody is in the data, and which class he is in. Figures are counted over everybody "
            f"in {part}, nothing is sampled."),
        table(("", "what it means", "before", "leaves", "limit"), _risk_rows(before, after, privacy), numbers=(2, 3, 4)),
    )  # fmt: skip


def _risk_rows(
    before: dict[str, Any], after: dict[str, Any] | None, privacy: dict[str, Any]
) -> list[tuple[object, ...]]:
    limit = privacy.get("dominance")
    rows: list[tuple[object, ...]] = []
    for name, title, meaning in RISKS:
        if name in before:
            bound = percent(float(Fraction(limit))) if name == "row_risk_max" and limit else ""
            rows.append((title, meaning, _share(before, name), _share(after, name), bound))
    for name, title, meaning in (
        ("unique_persons", "People who are alone in some class", "each can be singled out by what is released"),
        ("unique_classes", "Classes of one person", ""),
        ("dominated_classes", "Classes where one has more than half of the rows", "numbers there are about one person"),
        ("class_size_min", "Fewest in a class", "the k that holds"),
        ("persons", "People with at least one row", "of what is in the table"),
    ):
        if name in before:
            bound = number(privacy["k"]) if name == "class_size_min" and privacy.get("k") else ""
            rows.append((title, meaning, number(before[name]), number(after[name]) if after else "–", bound))
    return rows


def _share(side: dict[str, Any] | None, name: str) -> str:
    if side is None or side.get(name) is None:
        return "–"
    share = Fraction(str(side[name]))
    exact = f" ({share})" if isinstance(side[name], str) and share.denominator > 1 else ""
    return percent(float(share)) + exact
