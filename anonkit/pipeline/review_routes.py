"""The fifteen answers about a routes release: what was recounted, and the attack of who saw a piece of a journey.

The attacker saw his target drive some links in a row. On matched journeys without names that usually leaves one person
(*before*); of what leaves he looks for published routes that hold what he saw (*leaves*). Everything else is answered by
the gate's own findings. Does not try membership inference: routes are not for the public (ruling 35), and question 8 says
"not measured". Source: rulings 11, 30, 31, 34.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from anonkit.base.findings import Finding
from anonkit.geo.matching import Walks
from anonkit.kanon.routes import passage_bins
from anonkit.kanon.routes_counting import REST, Ints, Riders, tally
from anonkit.kanon.routes_release import RouteRelease
from anonkit.pipeline.answers import Review, common_evidence, failed_checks, reviewed
from anonkit.pipeline.attacks import Attacks
from anonkit.recipe.routes import RouteRecipe
from anonkit.risk.result import RiskFigure
from anonkit.risk.routes import published_subpath_risk, subpath_risk
from anonkit.risk.scorecard import Evidence, questions

KNOWN_LINKS = 4
SEED = 20_260_101


def review_routes(
    recipe: RouteRecipe,
    run: Mapping[str, Any],
    findings: Sequence[Finding],
    folder: Path,
    *,
    made: RouteRelease,
    walks: Walks,
    riders: Riders,
) -> Review:
    """Answer the fifteen questions about a routes release.

    Privacy
    -------
    Figures about raw passages: inside only.
    """
    protection = recipe.privacy.protection
    asked = questions(
        k=protection.k, recipient=recipe.recipient.kind, sensitive=False, dominance=protection.dominance,
        thresholds=recipe.thresholds,
    )  # fmt: skip
    figures = _attacked(made, walks, riders, recipe)
    worst = _largest_share(made, walks, riders, recipe)
    told = np.isin(walks.link, made["volumes"].table["link"])
    gone = Fraction(int((~told).sum()), max(len(told), 1))
    unit = recipe.privacy.unit.value
    evidence = {
        **common_evidence(recipe, run, findings),
        "risk": Evidence(value=worst, note=f"Largest share of one {unit} in the passages of a link and bin, or of a turn."),
        "differencing": Evidence(
            value=failed_checks(findings, "subtraction", "overlap"),
            note="Counted by the gate over bins of a link, links at a junction, turns, routes, and earlier releases of these people.",
        ),
        "unicity": Evidence(
            value=round(float(figures[-1].value), 6),
            note=f"{KNOWN_LINKS} links in a row that somebody was seen to drive, against the routes that leave; before, they "
            f"single out {float(figures[0].value):.1%}.",
        ),
        "home_work": Evidence(value=0, note="Ends of journeys are cut before anything is counted; no table has a start or an end."),
        "suppression": Evidence(value=gone, note="Of the passages of links; turns, speeds and routes tell less."),
        "operators": Evidence(value=0, note="One operator's people: asked of pools only."),
    }  # fmt: skip
    attacks = Attacks(figures=figures, surface=(), alone=None, advantage=None)
    return reviewed(recipe, run, asked, evidence, findings, attacks, folder)


def _attacked(made: RouteRelease, walks: Walks, riders: Riders, recipe: RouteRecipe) -> tuple[RiskFigure, ...]:
    """The sub-path attack before, and on the routes that leave."""
    piece = np.cumsum(np.r_[True, (np.diff(walks.trip) != 0) | (np.diff(walks.piece) != 0)]) - 1
    person = riders.person[walks.trip]
    link = walks.link.astype(np.int64)
    before = subpath_risk(person, piece, link, length=KNOWN_LINKS, seed=SEED)
    routes = made["patterns"].table["links"].tolist() if "patterns" in recipe.kinds else []
    after = published_subpath_risk(
        [tuple(links) for links in routes], person, piece, link, length=KNOWN_LINKS, seed=SEED
    )
    return before, after


def _largest_share(made: RouteRelease, walks: Walks, riders: Riders, recipe: RouteRecipe) -> Fraction | None:
    """Largest share of one unit in a published row of volumes or turns, exactly (ruling 34)."""
    rule, worst = recipe.spec.rule, Fraction(0)
    table, part = made["volumes"].table, passage_bins(walks, recipe.spec.bins)
    wide = int(part.max(initial=0)) + 2  # bins, and one code for the rest
    told = table["link"].to_numpy(np.int64) * wide + table["bin"].to_numpy(np.int64) + 1
    link = walks.link.astype(np.int64)
    own = link * wide + part + 1
    code: Ints = np.where(np.isin(own, told), own, link * wide + REST + 1)
    kept = np.isin(code, told)
    for cells, trips in ((code[kept], walks.trip[kept]), _turn_cells(made, walks, recipe)):
        counted = tally(cells, trips, riders, max_rows=rule.max_rows)
        shares = zip(counted.top_person.tolist(), counted.rows.tolist(), strict=True)
        worst = max((worst, *(Fraction(top, rows) for top, rows in shares if rows)))
    return worst or None


def _turn_cells(made: RouteRelease, walks: Walks, recipe: RouteRecipe) -> tuple[Ints, Ints]:
    if "turns" not in recipe.kinds:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    first = np.flatnonzero((np.diff(walks.trip) == 0) & (np.diff(walks.piece) == 0))
    wide = int(walks.link.max(initial=0)) + 1
    code = walks.link[first].astype(np.int64) * wide + walks.link[first + 1]
    table = made["turns"].table
    told = table["from_link"].to_numpy(np.int64) * wide + table["to_link"].to_numpy(np.int64)
    kept = np.isin(code, told)
    return code[kept], walks.trip[first][kept].astype(np.int64)
