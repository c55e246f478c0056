"""The reviewer's page: one self-contained HTML file for the inside folder.

It opens from a disk with scripts switched off, asks the net for nothing (its own policy forbids it), prints, and holds no
row of anybody: counts, shares and maps of cells. All names from recipe, files and data are escaped. Inside only: exact
counts before suppression are on it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anonkit.engine import replace_file
from anonkit.report.attacks import attacks
from anonkit.report.figures import ReportTables
from anonkit.report.gate import everything, gate, limits, origin
from anonkit.report.html import Html, tag
from anonkit.report.levels import levels
from anonkit.report.lines import lines
from anonkit.report.noisy import budget, errors
from anonkit.report.people import people
from anonkit.report.places import missing, places, worth
from anonkit.report.promises import promises
from anonkit.report.scorecard import frame, scorecard
from anonkit.report.streets import streets, untold
from anonkit.report.style import CSS, POLICY
from anonkit.report.summary import asked, cards, head

TITLES = {
    "asked": "What you sign",
    "scorecard": "Scorecard",
    "attacks": "Attacks",
    "budget": "Budget",
    "gate": "Checks",
    "people": "Who stands behind",
    "promises": "Promises",
    "levels": "How coarse",
    "lines": "In and out",
    "places": "Where and when",
    "missing": "Missing",
    "worth": "Worth",
    "limits": "Limits",
    "record": "All findings",
}


def render_report(run: dict[str, Any], tables: ReportTables | None = None) -> str:
    """The page as text.

    Parameters
    ----------
    run : what run.json holds: ``release, status, statement, privacy, lines, products, risk, utility, findings, …``.
        A part that is missing leaves its section out; missing findings are said in red.
    tables : what maps and weeks are drawn from; without it the page has no maps.

    Returns
    -------
    str, one HTML document without scripts and without references.

    Privacy
    -------
    Exact counts about raw data: inside only.
    """
    given = tables or ReportTables()
    found: dict[str, Html | None] = {
        "asked": asked(run),
        "scorecard": scorecard(run),
        "attacks": attacks(run),
        "budget": budget(run),
        "gate": gate(run),
        "people": people(run),
        "promises": promises(run),
        "levels": levels(run),
        "lines": lines(run),
        "places": places(given) or streets(given),
        "missing": missing(given) or untold(given),
        "worth": errors(given) or worth(run),
        "limits": limits(run),
        "record": everything(run),
        "origin": origin(run),
    }
    if found["scorecard"] is not None:
        found["frame"] = frame({name for name, part in found.items() if part is not None})
    anchors = [(name, title) for name, title in TITLES.items() if found[name] is not None]
    body = Html("").join(part for part in found.values() if part is not None)
    top = Html(
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    )
    title = tag("title", f"Inside: {run.get('release', 'release')}")
    style = Html(f"<style>{CSS}</style>")
    page = tag("body", head(run, anchors), tag("main", cards(run), Html(body)))
    return f'<!DOCTYPE html>\n<html lang="en"><head>{top}{title}{style}</head>{page}</html>\n'


def write_report(path: str | Path, run: dict[str, Any], tables: ReportTables | None = None) -> Path:
    """Write the page, whole or not at all, readable by its owner only.

    Parameters
    ----------
    path : ``report.html`` in the inside folder.
    run, tables : as in ``render_report``.

    Privacy
    -------
    Inside only; never into the folder that is handed over.
    """
    path = Path(path)
    with replace_file(path) as partial:
        partial.write_text(render_report(run, tables), encoding="utf-8")
        partial.chmod(0o600)
    return path
