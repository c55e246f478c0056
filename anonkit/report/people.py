"""Class sizes and risk: before anything was suppressed, and in what leaves."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from anonkit.report.html import Html, figure, section, table, tag
from anonkit.report.words import MANY, RISKS, SIZES, named, number, part_text
from anonkit.viz import class_size_chart
from anonkit.viz.colours import percent

SHARES = ("row_risk_max", "row_risk_mean", "marketer")


def people(run: dict[str, Any]) -> Html | None:
    """The section; None where run.json has no risk figures."""
    risk = run.get("risk") or {}
    before, after = risk.get("before"), risk.get("after")
    if not before:
        return None
    privacy = run.get("privacy") or {}
    k, part = privacy.get("k"), part_text(risk.get("product", ""))
    unit = str(privacy.get("unit", "person"))
    picture = class_size_chart(
        before["class_size_histogram"],
        after["class_size_histogram"] if after else None,
        k=k,
        size=MANY.get(unit, unit),
        title=f"Classes of {part} by number of {MANY.get(unit, unit)}",
        form="file",
    )
    caption = (
        f"A class is all rows that agree in every released column. {SIZES.get(unit, '')} Nothing may stand left of the "
        "dashed line after suppression."
    )
    return section(
        "people",
        named("How many {many} stand behind a row", unit),
        tag("div", figure(picture, caption), cls="solo"),
        tag("h3", "How sure an attacker can be"),
        tag("p", "He knows that somebody is in the data, and which class he is in. Figures are counted over all "
            f"of {part}, nothing is sampled."),
        table(("", "what it means", "before", "leaves", "limit"), _risk_rows(before, after, privacy), numbers=(2, 3, 4)),
    )  # fmt: skip


def _risk_rows(
    before: dict[str, Any], after: dict[str, Any] | None, privacy: dict[str, Any]
) -> list[tuple[object, ...]]:
    unit = str(privacy.get("unit", "person"))
    limits = {
        "row_risk_max": percent(float(Fraction(privacy["dominance"]))) if privacy.get("dominance") else "",
        "class_size_min": number(privacy["k"]) if privacy.get("k") else "",
    }
    rows: list[tuple[object, ...]] = []
    for name, title, meaning in RISKS:
        if name in before:
            show = _share if name in SHARES else _count
            sides = (show(before, name), show(after, name))
            rows.append((named(title, unit), named(meaning, unit), *sides, limits.get(name, "")))
    return rows


def _count(side: dict[str, Any] | None, name: str) -> str:
    return "–" if side is None else number(side.get(name))


def _share(side: dict[str, Any] | None, name: str) -> str:
    if side is None or side.get(name) is None:
        return "–"
    share = Fraction(str(side[name]))
    exact = f" ({share})" if isinstance(side[name], str) and share.denominator > 1 else ""
    return percent(float(share)) + exact
