"""What the reviewer signs of trips, flows, volumes and noisy tables: evidence from a run for fifteen answers.

Evidence is gathered after the gate's recount from what was decided and written; what the gate checked is answered by the
gate's own findings. Of a noisy release only structure, ledger and public parameters answer (ruling 19). How an answer
becomes a finding stands in ``answers``. Source: rulings 6, 19, 34, 35, 37. Does not prove anonymity: it says what was tried
on these files, and what came out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw

from anonkit.base.findings import Finding
from anonkit.engine import Session
from anonkit.kanon import Decisions
from anonkit.pipeline.answers import Review, common_evidence, failed_checks, reviewed
from anonkit.pipeline.attacks import Attacks, run_attacks
from anonkit.recipe import NoisyRecipe, Recipe
from anonkit.risk.result import RiskFigure
from anonkit.risk.scorecard import Evidence, questions

BOUNDED = ("class_size", "risk", "dominance", "unicity", "home_work", "differencing")
"""Questions about classes of people; a noisy table has none, its guarantee bounds what they ask."""
MODERATE = 1.0
"""Epsilon up to which NIST SP 800-226 and practice call a guarantee strong."""


def review_release(
    decisions: Decisions,
    recipe: Recipe,
    run: Mapping[str, Any],
    findings: Sequence[Finding],
    folder: Path,
    *,
    session: Session,
) -> Review:
    """Answer the fifteen questions about a k-anonymous release.

    Parameters
    ----------
    run : what run.json holds so far: ``products, utility, policies, recipe_sha256, …``.
    findings : of the gate.
    folder : the staging folder, complete.

    Privacy
    -------
    Figures about raw data: inside only.
    """
    protection = recipe.privacy.protection
    asked = questions(
        k=protection.k,
        recipient=recipe.recipient.kind,
        sensitive=False,
        dominance=protection.dominance,
        thresholds=recipe.thresholds,
    )
    attacks = run_attacks(decisions, recipe, folder, session=session)
    evidence = {
        **common_evidence(recipe, run, findings),
        **_classes(decisions, recipe, session),
        **_attacked(attacks),
        "suppression": _suppression(run),
        "operators": _operators(decisions, recipe, session),
        "differencing": Evidence(
            value=failed_checks(findings, "subtraction", "bin_totals", "overlap"),
            note="Counted by the gate over all products, their roll-ups, time totals and earlier releases of these people.",
        ),
    }
    return reviewed(recipe, run, asked, evidence, findings, attacks, folder)


def review_noisy(recipe: NoisyRecipe, run: Mapping[str, Any], findings: Sequence[Finding], folder: Path) -> Review:
    """Answer the fifteen questions about a noisy release, without a look at true counts (ruling 19)."""
    privacy = run["privacy"]
    limit = _advantage(recipe.privacy.epsilon_cap)
    asked = []
    for one in questions(k=2, recipient=recipe.recipient.kind, sensitive=False, thresholds=recipe.thresholds):
        if one.key in BOUNDED:
            one = replace(
                one, essential=False, checks=("charged", "public_keys"), source="guarantee; rulings 14, 18, 24"
            )
        if one.key == "membership":
            one = replace(one, checks=("charged",), warn=_advantage(MODERATE))
            if one.key not in recipe.thresholds:
                one = replace(
                    one, threshold=limit, source="the ledger's cap; ruling 35: or a DP product; NIST SP 800-226"
                )
        asked.append(one)
    total = float(privacy["total"])
    bounded = "A noisy table has no classes of people: the guarantee bounds what it adds about anybody, see question 8."
    who = "a person" if privacy["unit"] == "person" else "a person within a period"
    evidence = {
        **common_evidence(recipe, run, findings),
        **{key: Evidence(value=None, note=bounded) for key in BOUNDED},
        "membership": Evidence(
            value=round(_advantage(total), 6),
            note=f"Differential privacy for {who}, added or removed; this release epsilon {privacy['epsilon']:g}, all releases "
            f"together {total:g}, as the ledger adds them up. The number bounds every attacker's advantage; the threshold is that of the cap {recipe.privacy.epsilon_cap:g}.",
        ),
        "suppression": Evidence(
            value=0, note="Every public key is told; how good the numbers are is in their intervals."
        ),
        "operators": _noisy_operators(recipe),
    }
    return reviewed(recipe, run, tuple(asked), evidence, findings, None, folder)


def _noisy_operators(recipe: NoisyRecipe) -> Evidence:
    names = sorted({entry.operator for entry in recipe.inputs})
    if len(names) == 1:
        return Evidence(value=0, note="One operator's people: asked of pools only.")
    note = (
        f"Pool of {', '.join(names)}: noise hides a person, not what one operator carries; his share is not measured."
    )
    return Evidence(value=None, note=note)


# --- evidence -----------------------------------------------------------------------------------------------------------
def _classes(decisions: Decisions, recipe: Recipe, session: Session) -> dict[str, Evidence]:
    """Fewest and largest share over every published class of every product and roll-up."""
    fewest: int | None = None
    worst = Fraction(0)
    for decision in decisions.steps:
        least = session.value("SELECT min(persons) FROM {frame}", frame=decision.published)
        if least is None:
            continue
        fewest = int(least) if fewest is None else min(fewest, int(least))
        top = "SELECT top_rows, rows FROM {frame} ORDER BY top_rows::DOUBLE / rows DESC, rows LIMIT 1"
        mine, rows = session.rows(top, frame=decision.published)[0]
        worst = max(worst, Fraction(int(mine), int(rows)))
    told = None if fewest is None else worst
    unit = recipe.privacy.unit.value
    beside = " Its k counts trips: one person may have made several or all of them." if unit == "trip" else ""
    return {
        "class_size": Evidence(value=fewest, note=f"Over every product and roll-up; counted in {unit}s.{beside}"),
        "risk": Evidence(value=told, note=f"Largest share of one {unit} in a class's rows, over every product and roll-up.{beside}"),
        "dominance": Evidence(
            value=told, note=f"One {unit}'s share; each origin and time leaves at least {recipe.privacy.l_places} destinations."
        ),
    }  # fmt: skip


def _attacked(attacks: Attacks) -> dict[str, Evidence]:
    by_name = {found.name: found for found in attacks.figures}
    linked, pair = by_name.get("unicity, 4 known (leaves)"), by_name.get("home and work (leaves)")
    alone, four = attacks.alone, by_name.get("unicity, 4 known (before)")
    more = [
        f"four singled out {float(four.value):.1%} of the people before" if four else "",
        f"if the rows of one person could be linked, they would single out {float(linked.value):.1%}" if linked else "",
    ]
    beside = "; ".join(text for text in more if text)
    said = "Each known place-time is looked up by itself, as no column that leaves links two rows"
    return {
        "unicity": Evidence(value=_exact(alone), note=f"{said}; {beside}." if beside else f"{said}."),
        "home_work": Evidence(
            value=_exact(pair),
            note="At the cells that leave, as if the rows of one person could be linked (they cannot).",
        ),
        "membership": Evidence(
            value=None if attacks.advantage is None else round(max(0.0, attacks.advantage), 4),
            note="k-anonymity bounds no membership; the number is the upper end of the 95 % interval of the advantage, against the "
            "heaviest and the most outlying person, of somebody who knows everybody else's trips.",
        ),
    }


def _exact(found: RiskFigure | None) -> float | None:
    value = None if found is None else float(found.value)
    return None if value is None or not math.isfinite(value) else round(value, 6) or 0


def _suppression(run: Mapping[str, Any]) -> Evidence:
    shares = [
        Fraction(entry["trips"] - entry["trips_released"], entry["trips"])
        for entry in run["products"]
        if entry["trips"]
    ]
    useful = [
        f"{entry['part']}: {entry['counts']['misplaced']:.0%} of its trips misplaced"
        for entry in run.get("utility") or []
        if entry["counts"]["misplaced"] is not None
    ]
    worst = max(shares, default=None)
    note = f"Of the product that loses most; {'; '.join(useful)}." if useful else "Of the product that loses most."
    return Evidence(value=None if worst is None else worst, note=note)


def _operators(decisions: Decisions, recipe: Recipe, session: Session) -> Evidence:
    """Largest share of one operator in a published class of a pool."""
    names = sorted({entry.operator for entry in recipe.inputs})
    if len(names) == 1:
        return Evidence(value=0, note="One operator's people: asked of pools only.")
    worst = Fraction(0)
    for decision in decisions.steps:
        step = decision.step
        told = decisions.rows.filter(nw.col(step.part.told) == step.number)
        keyed = step.keyed(told, recipe.geo.grid, recipe.time.time_bins)
        keys = ", ".join(f'"{name}"' for name in step.keys)
        found = session.rows(
            f"SELECT n, t FROM (SELECT count(*) AS n, sum(count(*)) OVER (PARTITION BY {keys})::BIGINT AS t FROM {{rows}} "
            f"GROUP BY {keys}, operator) ORDER BY n::DOUBLE / t DESC LIMIT 1",
            rows=keyed,
        )
        worst = max(worst, *(Fraction(int(n), int(t)) for n, t in found)) if found else worst
    return Evidence(value=worst, note=f"Over every published class of the pool of {len(names)} operators.")


def _advantage(epsilon: float) -> float:
    """Largest advantage of any attacker against an epsilon-DP release: 2·AUC − 1 at the bound."""
    return math.tanh(epsilon / 2)
