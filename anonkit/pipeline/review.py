"""What the reviewer signs: evidence from a run, fifteen answers, and ``risk.json``.

Evidence is gathered after the gate's recount from what was decided and written; what the gate checked is answered by the
gate's own findings. An answer beyond its threshold refuses the release where the gate owns the question or the recipe
sets the threshold (``thresholds:``), and for public recipients where membership can be inferred (ruling 35); else it is a
WARN that says so, and the reviewer decides. Of a noisy release only
structure, ledger and public parameters answer (ruling 19). Source: issue 7, parts 7 and 8; rulings 6, 19, 34, 35, 37.
Does not prove anonymity: it says what was tried on these files, and what came out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw

from anonkit.base.findings import Finding, Status
from anonkit.bundle import CHECKSUMS
from anonkit.engine import Session, replace_file, sha256_of
from anonkit.kanon import Decisions
from anonkit.pipeline.attacks import Attacks, run_attacks
from anonkit.recipe import AnyRecipe, NoisyRecipe, Recipe
from anonkit.risk.document import risk_document
from anonkit.risk.result import RiskFigure
from anonkit.risk.scorecard import Evidence, Question, answer_questions, questions

RISK = "risk.json"
OWNED = frozenset({"identifiers", "pseudonyms", "class_size", "dominance", "differencing", "retention"})
"""Questions that the gate or the promises decide: evidence beyond their threshold refuses, as their checks do."""
PUBLIC_OWNED = frozenset({"membership"})
"""Further questions that decide for public recipients: a small advantage, or a noisy product (ruling 35)."""
BOUNDED = ("class_size", "risk", "dominance", "unicity", "home_work", "differencing")
"""Questions about classes of people; a noisy table has none, its guarantee bounds what they ask."""
PUBLIC_WAY_OUT = (
    "For public recipients this refuses the release: give it to a recipient who is bound by contract, or make a noisy one "
    "(privacy.guarantee: differential_privacy)."
)
MODERATE = 1.0
"""Epsilon up to which NIST SP 800-226 and practice call a guarantee strong."""


@dataclass(frozen=True, kw_only=True)
class Review:
    """The scorecard of a release, and what it rests on."""

    document: Mapping[str, Any]
    """The content of risk.json."""
    answers: tuple[Finding, ...]
    refusing: tuple[Finding, ...]
    """Answers that refuse the release and are no finding of the gate."""


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
        **_common(recipe, run, findings),
        **_classes(decisions, recipe, session),
        **_attacked(attacks),
        "suppression": _suppression(run),
        "operators": _operators(decisions, recipe, session),
        "differencing": Evidence(
            value=_failed(findings, "subtraction", "bin_totals", "overlap"),
            note="Counted by the gate over all products, their roll-ups, time totals and earlier releases of these people.",
        ),
    }
    return _reviewed(recipe, run, asked, evidence, findings, attacks, folder)


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
        **_common(recipe, run, findings),
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
    return _reviewed(recipe, run, tuple(asked), evidence, findings, None, folder)


def _noisy_operators(recipe: NoisyRecipe) -> Evidence:
    names = sorted({entry.operator for entry in recipe.inputs})
    if len(names) == 1:
        return Evidence(value=0, note="One operator's people: asked of pools only.")
    note = (
        f"Pool of {', '.join(names)}: noise hides a person, not what one operator carries; his share is not measured."
    )
    return Evidence(value=None, note=note)


def write_review(inside: Path, review: Review) -> Path:
    """Write ``risk.json`` into the inside folder, whole or not at all, for its owner only."""
    path = inside / RISK
    with replace_file(path) as partial:
        text = json.dumps(review.document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        partial.write_text(text, encoding="utf-8")
        partial.chmod(0o600)
    return path


# --- answers ------------------------------------------------------------------------------------------------------------
def _reviewed(
    recipe: AnyRecipe,
    run: Mapping[str, Any],
    asked: tuple[Question, ...],
    evidence: Mapping[str, Evidence],
    findings: Sequence[Finding],
    attacks: Attacks | None,
    folder: Path,
) -> Review:
    strict = [_judged(one, recipe, found, findings) for one, found in
              zip(asked, answer_questions(asked, evidence, findings), strict=True)]  # fmt: skip
    refusing = [
        found
        for one, found in zip(asked, strict, strict=True)
        if found.failed and not any(f.failed and f.check in one.checks for f in findings)
    ]
    manifest = folder / CHECKSUMS
    figures: tuple[RiskFigure, ...] = attacks.figures if attacks else ()
    document = risk_document(
        recipe.release,
        scorecard=strict,
        findings=findings,
        figures=[found for found in figures if math.isfinite(float(found.value))],
        surface=attacks.surface if attacks else (),
        bundle_sha256=sha256_of(manifest) if manifest.is_file() else None,
        made=str(run["made"]),
    )
    return Review(document=document, answers=tuple(strict), refusing=tuple(refusing))


def _judged(one: Question, recipe: AnyRecipe, found: Finding, findings: Sequence[Finding]) -> Finding:
    """A FAIL that neither the gate nor the recipe decides is for the reviewer: WARN, and said so."""
    gate = any(f.failed and f.check in one.checks for f in findings)
    public = recipe.recipient.kind == "public" and one.key in PUBLIC_OWNED
    if found.failed and public and not gate:
        return replace(found, message=f"{found.message} {PUBLIC_WAY_OUT}")
    if not found.failed or gate or one.key in OWNED or one.key in recipe.thresholds:
        return found
    said = "The recipe sets no threshold of its own, so this does not refuse the release: the reviewer decides."
    return replace(found, status=Status.WARN, message=f"{found.message} {said}")


def _failed(findings: Sequence[Finding], *checks: str) -> int | None:
    """Failed findings among these checks; None where none was run."""
    own = [found for found in findings if found.check in checks]
    return sum(found.failed for found in own) if own else None


# --- evidence -----------------------------------------------------------------------------------------------------------
def _common(recipe: AnyRecipe, run: Mapping[str, Any], findings: Sequence[Finding]) -> dict[str, Evidence]:
    """What is asked of every release alike."""
    unread = sum(len(entry.get("dropped_columns") or []) for entry in run["lines"])
    missing = [name for name in ("recipe_sha256", "area_sha256") if not run.get(name)]
    used = run.get("files") or []
    missing += [f"hash of {entry['role']}" for entry in used if not entry["sha256"]] or (
        [] if used else ["hashes of the inputs"]
    )
    missing += [f"lines of {entry['source']}" for entry in run["lines"] if not _balanced(entry)]
    unknown = sorted(
        {entry.operator for entry, policy in zip(recipe.inputs, recipe.policies, strict=True) if not policy}
    )
    return {
        "identifiers": Evidence(
            value=_failed(findings, "identifiers", "files"),
            note=f"Values, column names and file names were scanned; {unread} columns of the inputs were never read.",
        ),
        "pseudonyms": Evidence(
            value=_failed(findings, "columns", "order"),
            note="Every column is declared, and rows are sorted by all of them, so that no order of the input is left.",
        ),
        "retention": _retention(run),
        "sensitive_places": _sensitive(recipe, findings),
        "provenance": Evidence(
            value=len(missing),
            note=f"Missing: {', '.join(missing)}." if missing else
            f"Recipe {str(run['recipe_sha256'])[:12]}…, area or zones {str(run['area_sha256'])[:12]}…; {len(used)} files by hash in run.json; every line of every input is accounted for.",
        ),
        "permission": Evidence(
            value=(not recipe.licence.strip()) + (not recipe.recipient.name.strip()) + len(unknown) * (not recipe.legal_basis),
            note=(f"No policy is known of {', '.join(unknown)}. " if unknown else "Permitted by each operator's policy. ")
            + f"Licence {recipe.licence}, recipient {recipe.recipient.name} ({recipe.recipient.kind})."
            + (f" Further legal basis: {recipe.legal_basis}." if recipe.legal_basis else ""),
        ),
    }  # fmt: skip


def _sensitive(recipe: AnyRecipe, findings: Sequence[Finding]) -> Evidence:
    """Places of the list that a file tells finer than their block; a noisy product is never finer (its recipe is refused)."""
    if recipe.sensitive is None:
        return Evidence(value=None, note="This release names no list of sensitive places.")
    listed = recipe.sensitive
    level = recipe.geo.grid.level_name(listed.level)
    note = f"{len(listed.places)} places of a public list ({listed.sha256[:12]}…); cells near them are told as blocks of {level}."
    return Evidence(value=0 if isinstance(recipe, NoisyRecipe) else _failed(findings, "sensitive_places"), note=note)


def _balanced(entry: Mapping[str, Any]) -> bool:
    out = entry["header"] + entry["used"] + sum(entry["dropped"].values()) + sum(entry["rejected"].values())
    return bool(out == entry["physical"])


def _retention(run: Mapping[str, Any]) -> Evidence:
    """Promises carried out; what could not be evaluated is not a PASS."""
    told = run.get("policies") or []
    if not told or any(entry.get("policy") is None for entry in told):
        return Evidence(value=None, note="An input has no policy, so no clock and no list of it was evaluated.")
    skipped = [text for entry in told for text in entry.get("not_evaluated") or []]
    dropped = sum(rule["dropped"] for entry in told for rule in entry["rules"])
    rules = sum(len(entry["rules"]) for entry in told)
    note = f"{rules} rules of retention, erasure and consent were carried out; they took {dropped:,} lines before anything was stored."
    if not rules:
        note = "No rule of a policy could be carried out."
    if skipped:
        return Evidence(value=None, note=f"{note} Not evaluated: {'; '.join(skipped)}.")
    return Evidence(value=0, note=note)


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
