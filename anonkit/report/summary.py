"""Head of the page: what is asked of the reviewer, the verdict, and the six figures that carry it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from anonkit.report.html import Html, html, section, table, tag
from anonkit.report.words import named, number, part_text
from anonkit.viz.colours import percent

STATES = {
    "released": "Released",
    "ready": "Passed: may be handed over",
    "gated": "Checked",
    "refused": "Refused: nothing was handed over",
}


def failed(run: dict[str, Any]) -> list[dict[str, Any]]:
    """Findings that refuse the release."""
    return [found for found in run.get("findings", []) if found["status"] == "FAIL"]


def head(run: dict[str, Any], anchors: list[tuple[str, str]]) -> Html:
    """Title, verdict, and links to the sections."""
    bad = bool(failed(run)) or run.get("status") == "refused"
    state = "refused" if bad else str(run.get("status", "gated"))
    links = [tag("a", title, href=f"#{anchor}") for anchor, title in anchors]
    inner = tag(
        "div",
        tag("span", "INSIDE ONLY", cls="inside"),
        tag("span", "  exact counts about raw data; not a part of what is handed over", cls="note"),
        tag("h1", run.get("title") or run.get("release", "release")),
        tag("span", _verdict(run, state), cls=f"verdict {'bad' if bad else 'good'}"),
        tag("p", run.get("statement", "no statement of privacy in run.json"), cls="statement"),
        tag("nav", *links),
    )
    return tag("header", inner)


def _verdict(run: dict[str, Any], state: str) -> str:
    """The state in words; what passed with open questions says how many of them wait for the reviewer."""
    answers = (run.get("review") or {}).get("scorecard") or run.get("scorecard") or []
    left = sum(found["status"] == "WARN" for found in answers)
    if state == "ready" and left:
        return f"All checks passed; {left} question{'' if left == 1 else 's'} for you to decide"
    return STATES.get(state, state)


def asked(run: dict[str, Any]) -> Html:
    """What the reviewer is asked to sign."""
    recipient = run.get("recipient") or {}
    told = [
        ("release", run.get("release")),
        ("recipient", f"{recipient.get('name', '–')} ({recipient.get('kind', '–')})"),
        ("purpose", run.get("purpose")),
        ("further legal basis", run.get("legal_basis")),
        ("clocks evaluated at", run.get("as_of")),
        ("delete this folder after", run.get("delete_after")),
    ]
    listed = [tag("dt", name) + tag("dd", value) for name, value in told if value]
    parts = [tag("dl", *map(Html, listed))]
    products = (run.get("privacy") or {}).get("products", [])
    if products:
        rows = [
            (
                entry.get("kind"),
                _level(entry),
                "; ".join(_level(rolled) for rolled in entry.get("roll_up") or []) or "–",
                ", ".join(entry.get("columns") or []) or "–",
                entry.get("rows_per_person") or "–",
            )
            for entry in products
        ]
        head = ("product", "cells and time bins", "else rolled up to", "further columns", "rows a person and class")
        parts.append(table(head, rows))
    return section("asked", "What you are asked to sign", *parts)


def _level(entry: dict[str, Any]) -> str:
    """Cells and bins of one level, of a grid or of zones."""
    known = ("kind", "bins", "columns", "rows_per_person", "roll_up", "statistics")
    places = [f"{value} m" if name == "cell_m" else str(value) for name, value in entry.items() if name not in known]
    return ", ".join([*places, str(entry.get("bins", ""))])


def cards(run: dict[str, Any]) -> Html:
    """The figures that carry the verdict, each with what it was held against."""
    return tag("div", *_cards(run), cls="cards")


def _cards(run: dict[str, Any]) -> Iterator[Html]:
    findings, bad = run.get("findings", []), failed(run)
    answers = (run.get("review") or {}).get("scorecard") or run.get("scorecard") or []
    if answers:
        states = [found["status"] for found in answers]
        yield _card(
            "Fifteen questions",
            f"{states.count('PASS')} passed",
            f"{states.count('WARN')} for you to decide, {states.count('FAIL')} failed",
            good=False if "FAIL" in states else None if "WARN" in states else True,
        )
    warned = sum(found["status"] == "WARN" for found in findings)
    told = f"{warned} beyond a usual limit: you decide" if warned else "recounted with other code than made them"
    yield _card(
        "Checks of the written files",
        f"{len(findings) - len(bad) - warned} of {len(findings)} passed",
        f"{len(bad)} failed: the release is refused" if bad else told,
        good=False if bad or not findings else None if warned else True,
    )
    risk = run.get("risk") or {}
    before, after = risk.get("before"), risk.get("after")
    privacy = run.get("privacy") or {}
    unit = str(privacy.get("unit", "person"))
    if before and after:
        k = privacy.get("k")
        yield _card(
            named("Fewest {many} in a class", unit),
            _change(before["class_size_min"], after["class_size_min"]),
            f"asked for: at least {k}" if k else "of the finest product",
            good=None if k is None else after["class_size_min"] >= k,
        )
        limit = Fraction(privacy["dominance"]) if privacy.get("dominance") else None
        worst = Fraction(after["row_risk_max"])
        yield _card(
            named("Largest share of one {one} in a class", unit),
            _change(percent(float(Fraction(before["row_risk_max"]))), percent(float(worst))),
            f"limit: {percent(float(limit))}" if limit else "of the class's rows",
            good=None if limit is None else worst <= limit,
        )
        yield _card(
            named("{Many} alone in some class", unit),
            _change(before["unique_persons"], after["unique_persons"]),
            named(f"of {number(before['persons'])} {{many}} in the data", unit),
            good=after["unique_persons"] == 0,
        )
    for product in [entry for entry in run.get("products", []) if "share_released" in entry][:1]:
        yield _card(
            f"Trips that leave, product {part_text(product['part'])}",
            percent(product["share_released"]),
            f"{number(product['trips_released'])} of {number(product['trips'])}",
        )
    used = sum(entry["used"] for entry in run.get("lines", []))
    if run.get("lines"):
        lines = sum(entry["physical"] - entry["header"] for entry in run["lines"])
        yield _card("Lines used", f"{number(used)}", f"of {number(lines)}; every other line has a reason below")


def _change(before: object, after: object) -> Html:
    old = f"{before:,}" if isinstance(before, int) else before
    new = f"{after:,}" if isinstance(after, int) else after
    return Html(tag("i", old, " → ", cls="was") + html(new))


def _card(name: str, value: object, beside: str, *, good: bool | None = None) -> Html:
    mark = "" if good is None else " good" if good else " bad"
    return tag("div", tag("span", name), tag("b", value), tag("span", beside), cls=f"card{mark}")
