"""What the gate found: every question with its answer, the threshold, and the ruling behind it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from anonkit.report.html import Html, section, table, tag
from anonkit.report.summary import failed
from anonkit.report.words import LIMITS, NO_PERSONS, check_text, part_text

FILE_CHECKS = ("files", "columns", "order", "identifiers")
MARKS = {"PASS": "✓", "WARN": "!", "FAIL": "✗"}


def gate(run: dict[str, Any]) -> Html:
    """The section: what failed first, then people, then files."""
    findings = run.get("findings", [])
    bad = failed(run)
    parts: list[object] = [
        tag("p", "Keys and numbers are read back from the files that would leave, and people are counted again from the "
            "prepared table, by other code than wrote them. One failure refuses the release.")
    ]  # fmt: skip
    if not findings:
        parts.append(tag("p", "No check was run: do not sign.", cls="FAIL"))
    if bad:
        parts += [tag("h3", f"{len(bad)} failed"), _listed(bad)]
    people = [found for found in findings if found["check"] not in FILE_CHECKS]
    files = [found for found in findings if found["check"] in FILE_CHECKS]
    if people:
        parts += [tag("h3", "Classes"), _matrix(people)]
    if files:
        parts += [tag("h3", "Files"), _files(files)]
    return section("gate", "What was checked in the written files", *parts)


def _mark(found: dict[str, Any], *, told: bool = True) -> Html:
    state = found["status"]
    text = f"{MARKS.get(state, '?')} {state}" if not told else f"{MARKS.get(state, '?')} {found['value']}"
    return tag("span", text, cls=f"s {state}" if not told else state, title=f"{state}: {found['message']}")


def _matrix(findings: list[dict[str, Any]]) -> Html:
    """Questions down, products across, the answer in the field; what is asked of one thing only stands below."""
    asked_of = Counter(found["product"] for found in findings)
    products = [name for name in asked_of if asked_of[name] > 1 and name != "release"]
    alone = [found for found in findings if found["product"] not in products]
    rows = []
    for check in dict.fromkeys(found["check"] for found in findings if found["product"] in products):
        own = {found["product"]: found for found in findings if found["check"] == check}
        first = next(iter(own.values()))
        asked = " / ".join(dict.fromkeys(found["threshold"] for found in own.values()))
        ruling = f" (ruling {first['ruling']})" if first.get("ruling") else ""
        question = Html(tag("b", check_text(check)) + tag("div", first["message"] + ruling, cls="note"))
        rows.append((question, asked, *(_mark(own[name]) if name in own else "" for name in products)))
    found = [table(("question", "asked for", *map(part_text, products)), rows)] if rows else []
    return tag("div", *found, _listed(alone) if alone else None)


def _files(findings: list[dict[str, Any]]) -> Html:
    """Tables down, questions across; words only where something is wrong."""
    checks = [check for check in FILE_CHECKS if any(found["check"] == check for found in findings)]
    rows = []
    for name in dict.fromkeys(_stem(found["product"]) for found in findings):
        fields: list[object] = []
        for check in checks:
            own = [found for found in findings if found["check"] == check and _stem(found["product"]) == name]
            fields.append([tag("div", _mark(found, told=found["status"] != "PASS"), _kind(found)) for found in own])
        rows.append((tag("code", name), *fields))
    return tag("div", table(("table or file", *map(check_text, checks)), rows), cls="small")


def _stem(product: str) -> str:
    """``trips`` for ``trips.csv``, ``cells_2000m`` for ``zones/cells_2000m.parquet``."""
    return product.rsplit("/", 1)[-1].removesuffix(".csv").removesuffix(".parquet")


def _kind(found: dict[str, Any]) -> str:
    """Which of a table's files the finding is about."""
    suffix = found["product"].rsplit(".", 1)
    return f" {suffix[1]}" if len(suffix) == 2 and suffix[1] in ("csv", "parquet") else ""


def _listed(findings: list[dict[str, Any]]) -> Html:
    rows = [
        (
            tag("span", f"{MARKS.get(found['status'], '?')} {found['status']}", cls=f"s {found['status']}"),
            check_text(found["check"]),
            part_text(found["product"]),
            found["value"],
            found["threshold"],
            found.get("ruling", ""),
        )
        for found in findings
    ]
    return table(("", "question", "product or file", "found", "asked for", "ruling"), rows)


def everything(run: dict[str, Any]) -> Html:
    """All findings as a list, for the record."""
    return section("record", "All findings", tag("div", _listed(run.get("findings", [])), cls="small"))


def limits(run: dict[str, Any]) -> Html:
    """What the release does not protect against."""
    first = (NO_PERSONS,) if (run.get("privacy") or {}).get("unit") == "trip" else ()
    return section(
        "limits", "What this does not protect against", tag("ul", *(tag("li", text) for text in (*first, *LIMITS)))
    )


def origin(run: dict[str, Any]) -> Html:
    """Where the figures come from, and the place for a signature."""
    told = [
        ("anonkit", run.get("anonkit")),
        ("made", run.get("made")),
        ("recipe, SHA-256", run.get("recipe_sha256")),
        ("public area, SHA-256", run.get("area_sha256")),
        ("seconds", ", ".join(f"{name} {value:g}" for name, value in (run.get("seconds") or {}).items())),
    ]
    listed = [tag("dt", name) + tag("dd", tag("code", value)) for name, value in told if value]
    lines = [tag("div", name) for name in ("reviewer", "date", "signed / refused, because")]
    return section(
        "origin", "Where this page comes from", tag("dl", *map(Html, listed)), tag("div", *lines, cls="sign")
    )
