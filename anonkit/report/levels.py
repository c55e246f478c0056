"""How coarse the trips are where a search chose it: what was chosen, from what, what it cost, and what was passed over.

Inside only: the figures are exact and about raw trips. That a level was chosen tells that finer ones lost too much.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from anonkit.report.html import Html, section, table, tag
from anonkit.report.words import number
from anonkit.viz.colours import percent

MEASURES = {
    "displacement": "metres and minutes between a trip and what is told of it",
    "ncp": "normalised certainty penalty",
    "discernibility": "discernibility",
    "class_size": "average class size",
    "entropy": "non-uniform entropy",
}


def levels_text(levels: dict[str, Any]) -> str:
    """Levels in a few words.

    >>> levels_text({"cell": 2000, "bins": "3h", "columns": ["mode"], "labels": {"mode": "kind"}})
    '2000 m, 3h, mode (kind)'
    """
    cell = f"{levels['cell']} m" if isinstance(levels["cell"], int) else str(levels["cell"])
    named = [name + (f" ({levels['labels'][name]})" if name in levels["labels"] else "") for name in levels["columns"]]
    return ", ".join([cell, levels["bins"], *named])


def in_words(told: dict[str, Any]) -> Iterator[str]:
    """One or two lines for a terminal."""
    yield f"trips: levels chosen by search: {levels_text(told['chosen'])}"
    yield f"  {_cost(told)}"
    if "input" in told:
        fetched = told["input"]
        size, most = (fetched[name] / 2**20 for name in ("bytes", "limit"))
        yield f"  The search took {number(fetched['groups'])} groups from the engine, {size:,.1f} of at most {most:,.0f} MiB."


def levels(run: dict[str, Any]) -> Html | None:
    """The section of the page; None where the recipe named its levels."""
    told = run.get("levels")
    if not told:
        return None
    listed = "; ".join(
        [
            "cells " + ", ".join(f"{cell} m" if isinstance(cell, int) else str(cell) for cell in told["from"]["cells"]),
            "bins " + ", ".join(told["from"]["bins"]),
            *(f"{name}: " + ", ".join(names) for name, names in told["from"]["columns"].items()),
        ]
    )
    finer = [
        (row["column"], row["level"], _count(row["suppressed_if_finer"]), _count(row["suppressed_if_coarser"]))
        for row in told["by_column"]
    ]
    tried = [(levels_text(row), percent(row["suppressed_share"]), f"{row['loss']:.6g}") for row in told["tried"]]
    return section(
        "levels",
        "How coarse, and why",
        tag("p", f"Trips are told at {levels_text(told['chosen'])}. {told['statement']}"),
        tag("p", f"Chosen from: {listed}. Least loss in {MEASURES[told['measure']]}. {_cost(told)}"),
        table(("column", "level", "trips in small classes if finer", "if coarser"), finer, numbers=(2, 3)),
        tag("h3", "What else would have held the limit"),
        table(("levels", "trips in small classes", "loss"), tried, numbers=(1, 2)),
        tag(
            "p",
            "Trips in small classes are those that the thresholds alone leave out, before frequent riders are thinned and "
            "before destinations, operators and subtraction are looked at; what leaves in the end is in the next section.",
            cls="note",
        ),
    )


def _cost(told: dict[str, Any]) -> str:
    share, limit = percent(told["suppressed_share"]), told["max_suppressed"]
    metres, minutes = told["displacement_m_an_end"], told["displacement_min"]
    moved = (
        f"{number(round(metres))} m an end and {number(round(minutes))} min from the truth in the mean; "
        if metres
        else ""
    )
    proof = "proved best" if told["optimal"] else "best so far when the time was up, not proved"
    return (
        f"{moved}{share} of {number(told['trips'])} trips in too small classes (limit {limit} of {told['suppressed_unit']}); "
        f"{proof} of {number(told['nodes'])} combinations, {number(told['visited'])} of them counted."
    )


def _count(value: int | None) -> str:
    return "–" if value is None else number(value)
