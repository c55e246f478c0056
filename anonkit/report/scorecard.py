"""The fifteen questions: each with its answer, the number, the threshold, and where the threshold comes from."""

from __future__ import annotations

from collections import Counter
from typing import Any

from anonkit.report.gate import MARKS
from anonkit.report.html import Html, section, table, tag
from anonkit.report.words import ANSWERS, question_text

FRAME = (
    ("Context: recipient, purpose, what he is bound to", "ISO/IEC 27559, context assessment", "asked", "What you sign"),
    ("Context: which attacker knows what", "ISO/IEC 27559, threat modelling", "attacks", "Attacks"),
    ("Data: who stands behind it, which features, lines in and out", "ISO/IEC 27559, data assessment", "lines", "In and out"),
    ("Identifiability: measured against thresholds", "ISO/IEC 27559, identifiability assessment", "scorecard", "Scorecard"),
    ("Mitigation: what was coarsened, suppressed, perturbed", "ISO/IEC 27559, mitigation", "missing", "Missing"),
    ("Governance: who decided, when, for which files", "ISO/IEC 27559, governance", "origin", "Signature"),
    ("Unit of privacy, parameters, all releases together", "NIST SP 800-226, epsilon and unit", "budget", "Budget"),
    ("Use of the result: error and bias", "NIST SP 800-226, utility", "worth", "Worth"),
    ("Side channels, order, files", "NIST SP 800-226, implementation", "gate", "Checks"),
)  # fmt: skip


def scorecard(run: dict[str, Any]) -> Html | None:
    """The section; None where the run has no scorecard."""
    answers = (run.get("review") or {}).get("scorecard") or run.get("scorecard") or []
    if not answers:
        return None
    counts = Counter(found["status"] for found in answers)
    told = ", ".join(f"{counts[state]} {state}" for state in ("FAIL", "WARN", "PASS") if counts[state])
    rows = []
    for found in answers:
        number, _, key = found["check"].partition("_")
        text, message = question_text(key), found["message"]
        question, _, answer = message.partition("? ")
        state = found["status"]
        rows.append(
            (
                number.removeprefix("q").lstrip("0"),
                tag("span", f"{MARKS.get(state, '?')} {state}", cls=f"s {state}"),
                Html(tag("b", text) + tag("div", f"{question}?" if answer else "", cls="note")),
                Html(tag("b", found["value"]) + tag("div", answer or message, cls="note")),
                found["threshold"],
                tag("span", found.get("ruling", ""), cls="note"),
            )
        )
    return section(
        "scorecard",
        f"Fifteen questions: {told}",
        tag("p", ANSWERS),
        table(("", "", "question", "found", "threshold", "where it comes from"), rows, cls="score"),
    )


def frame(shown: set[str]) -> Html:
    """Where each part that two standards ask for stands on this page."""
    rows = [
        (what, source, tag("a", title, href=f"#{anchor}") if anchor in shown else "not in this release")
        for what, source, anchor, title in FRAME
    ]
    note = "A guide for reading, not a certificate: nobody has held this page against either standard."
    return section(
        "frame",
        "Where to find what ISO/IEC 27559 and NIST SP 800-226 ask for",
        table(("asked for", "by", "here"), rows),
        tag("p", note, cls="note"),
    )
