"""What the operators promised and what was done: for each rule its clause, and the lines it kept and dropped."""

from __future__ import annotations

from typing import Any

from anonkit.report.html import Html, section, table, tag
from anonkit.report.words import number, rule_text


def promises(run: dict[str, Any]) -> Html | None:
    """Policy, permission and rules of each input; how persons of several operators are counted."""
    known = run.get("policies") or []
    pooled = (run.get("pooling") or {}).get("statement")
    company = run.get("together") or {}
    if (
        not pooled
        and not company.get("people")
        and not any(entry.get("policy") or entry.get("rules") for entry in known)
    ):
        return None
    parts: list[object] = []
    if pooled:
        why = "; ".join((run.get("pooling") or {}).get("why") or [])
        parts.append(tag("p", pooled, f" Why: {why}." if why else ""))
    if company.get("people"):
        parts.append(tag("p", _company(company)))
    for entry in known:
        parts += _one(entry)
    return section("promises", "What was promised, and kept", *parts)


def _company(told: dict[str, Any]) -> str:
    return (
        f"{number(told['people'])} people shared {number(told['shared_rides'])} rides and count as {number(told['groups'])} "
        f"groups, the largest of {number(told['largest_group'])} (ruling 3)."
    )


def _one(entry: dict[str, Any]) -> list[object]:
    use = entry.get("use") or "no use said"
    basis = entry.get("permitted_by")
    permission = f"{use}: {basis}" if basis else f"{use}: not permitted by the policy; see the further legal basis"
    if not entry.get("policy"):
        permission = "No policy of this operator is known: nothing was held against one."
    rows = [
        (
            Html(tag("code", told["rule"])),
            rule_text(told["rule"]),
            told.get("clause") or "–",
            number(told["kept"]),
            number(told["anonymised_only"]),
            number(told["dropped"]),
        )
        for told in entry.get("rules", [])
    ]
    parts: list[object] = [tag("h3", entry["source"], " · ", entry.get("policy") or "no policy"), tag("p", permission)]
    if rows:
        head = ("rule", "", "clause", "lines kept", "kept for anonymised products only", "dropped")
        parts.append(table(head, rows, numbers=(3, 4, 5)))
    if entry.get("deadlines"):
        parts.append(_deadlines(entry["deadlines"]))
    if entry.get("not_evaluated"):
        parts.append(tag("p", "Not evaluated: ", "; ".join(entry["not_evaluated"]), cls="note"))
    if entry.get("unreadable_identifiers"):
        count = number(entry["unreadable_identifiers"])
        parts.append(
            tag(
                "p",
                f"{count} identifiers of the input cannot be read as their kind: nobody can be found by them.",
                cls="note",
            )
        )
    return parts


def _deadlines(told: list[dict[str, Any]]) -> Html:
    head = (
        "request",
        "within",
        "clause",
        "requests",
        "in time",
        "late",
        "open",
        "overdue",
        "no date",
        "rows still here",
    )
    counts = ("requests", "in_time", "late", "open", "overdue", "undated", "rows_here")
    rows = [
        (Html(tag("code", one["list"])), one["within"], one["clause"], *(number(one[name]) for name in counts))
        for one in told
    ]
    return table(head, rows, numbers=tuple(range(3, 10)))
