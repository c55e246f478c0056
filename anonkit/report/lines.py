"""What went in and what came out: every line by the rule or reason that took it."""

from __future__ import annotations

from typing import Any

from anonkit.report.html import Html, section, table, tag
from anonkit.report.words import number, part_text, reason_hint, reason_text, rule_hint, rule_text
from anonkit.viz.colours import percent


def lines(run: dict[str, Any]) -> Html:
    """Lines of the inputs, then trips of the products."""
    parts: list[object] = [
        tag("p", "Every physical line of every export is accounted for. Rejected lines cannot be used; dropped lines "
            "could be, and a promise or this recipe says no. rejected.parquet beside this page lists source, line and reason.")
    ]  # fmt: skip
    for entry in run.get("lines", []):
        parts += _source(entry)
    parts += [tag("h3", "From used lines to what leaves"), _products(run)]
    return section("lines", "What went in and what came out", *parts)


MUCH = 0.05
"""Share of a file's lines from which on what can be done about them is said beside the count."""


def advice(lines: list[dict[str, Any]]) -> list[str]:
    """What to do about the reasons and rules that take more than a twentieth of a file's lines.

    >>> line = {"physical": 11, "header": 1, "dropped": {"outside_area": 4}, "rejected": {"blank_line": 0}}
    >>> advice([line])
    ['  40 % outside_area: starts or ends outside the public area of this release; check geo.area and the column map']
    """
    found = []
    for entry in lines:
        data = max(entry["physical"] - entry["header"], 1)
        for kind, words, hint in (("dropped", rule_text, rule_hint), ("rejected", reason_text, reason_hint)):
            for name, count in (entry.get(kind) or {}).items():
                if count > MUCH * data:
                    what_to_do = f"; {hint(name)}" if hint(name) else ""
                    found.append(f"  {percent(count / data)} {name}: {words(name)}{what_to_do}")
    return found


def _source(entry: dict[str, Any]) -> list[object]:
    data = max(entry["physical"] - entry["header"], 1)
    rows: list[tuple[object, ...]] = [("used", "", entry["used"], percent(entry["used"] / data))]
    for kind, words in (("dropped", rule_text), ("rejected", reason_text)):
        counts = sorted((entry.get(kind) or {}).items(), key=lambda item: (-item[1], item[0]))
        rows += [
            (kind, Html(f"{tag('code', name)} {_plain(words(name))}"), count, percent(count / data))
            for name, count in counts
        ]
    out = entry["header"] + entry["used"] + sum((entry.get("dropped") or {}).values())
    out += sum((entry.get("rejected") or {}).values())
    sum_up = (
        f"{number(entry['physical'])} lines = {number(entry['header'])} header + {number(out - entry['header'])} below"
        if out == entry["physical"]
        else f"{number(entry['physical'])} lines came in, {number(out)} are accounted for: find the others before you sign"
    )
    unread = entry.get("dropped_columns") or []
    beside = tag("p", "Columns that nobody asked for, never read: ", ", ".join(unread), cls="note") if unread else None
    mended = ", ".join(f"{number(count)} lines of {fault}" for fault, count in (entry.get("mended") or {}).items())
    right = tag("p", f"Put right and used, listed in rejected.parquet: {mended}.", cls="note") if mended else None
    shown = [(kind, what, number(count), share) for kind, what, count, share in rows]
    return [
        tag("h3", entry["source"]),
        tag("p", sum_up, cls="note" if out == entry["physical"] else "FAIL"),
        table(("", "why", "lines", "share"), shown, numbers=(2, 3)),
        right,
        beside,
    ]


def _plain(value: str) -> Html:
    return tag("span", value, cls="faint")


def _products(run: dict[str, Any]) -> Html:
    noisy = [entry for entry in run.get("products", []) if "trips_released" not in entry]
    if noisy:
        told = [(entry["part"], number(entry["rows"]), ", ".join(entry["columns"])) for entry in noisy]
        return tag("div", table(("table", "rows", "columns"), told, numbers=(1,)))
    rows = [
        (
            part_text(entry["part"]),
            number(entry["trips"]),
            number(entry["trips_released"]),
            percent(entry["share_released"]),
            percent(sum((entry.get("share_by_level") or [])[1:])),
            number(entry["classes"]),
            number(entry["classes_released"]),
            number(entry.get("suppressed_beside", 0)),
        )
        for entry in run.get("products", [])
    ]
    head = (
        "product",
        "trips",
        "that leave",
        "share",
        "of it rolled up",
        "classes",
        "that leave",
        "suppressed to protect others",
    )
    found: list[object] = [table(head, rows, numbers=range(1, 8))]
    noise = (run.get("privacy") or {}).get("noise") or {}
    if noise.get("largest"):
        found.append(
            tag("p", f"Exact trips, before numbers are perturbed: in the files each class has up to {noise['largest']} more "
                "or fewer, as recounted above.", cls="note"),
        )  # fmt: skip
    if run.get("thinned"):
        found.insert(
            0,
            tag("p", f"{number(run['thinned'])} trips of frequent riders were left out of the whole release, so that nobody "
                "fills a class alone."),
        )  # fmt: skip
    return tag("div", *found)
