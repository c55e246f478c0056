"""The fifteen answers of any release: how evidence becomes a finding, what every release is asked alike, and ``risk.json``.

An answer beyond its threshold refuses the release where the gate owns the question or the recipe sets the threshold
(``thresholds:``), and for public recipients where membership can be inferred (ruling 35); else it is a WARN that says so,
and the reviewer decides. What each kind of release is asked beside stands in ``review`` (trips, flows, volumes, noisy
tables) and ``review_routes``. Source: rulings 6, 34, 35, 37. Does not prove anonymity.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anonkit.base.findings import Finding, Status
from anonkit.bundle import CHECKSUMS
from anonkit.engine import replace_file, sha256_of
from anonkit.pipeline.attacks import Attacks
from anonkit.recipe import AnyRecipe, NoisyRecipe
from anonkit.risk.document import risk_document
from anonkit.risk.result import RiskFigure
from anonkit.risk.scorecard import Evidence, Question, answer_questions

RISK = "risk.json"
OWNED = frozenset({"identifiers", "pseudonyms", "class_size", "dominance", "differencing", "retention"})
"""Questions that the gate or the promises decide: evidence beyond their threshold refuses, as their checks do."""
PUBLIC_OWNED = frozenset({"membership"})
"""Further questions that decide for public recipients: a small advantage, or a noisy product (ruling 35)."""
PUBLIC_WAY_OUT = (
    "For public recipients this refuses the release: give it to a recipient who is bound by contract, or make a noisy one "
    "(privacy.guarantee: differential_privacy)."
)


@dataclass(frozen=True, kw_only=True)
class Review:
    """The scorecard of a release, and what it rests on."""

    document: Mapping[str, Any]
    """The content of risk.json."""
    answers: tuple[Finding, ...]
    refusing: tuple[Finding, ...]
    """Answers that refuse the release and are no finding of the gate."""


def write_review(inside: Path, review: Review) -> Path:
    """Write ``risk.json`` into the inside folder, whole or not at all, for its owner only."""
    path = inside / RISK
    with replace_file(path) as partial:
        text = json.dumps(review.document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        partial.write_text(text, encoding="utf-8")
        partial.chmod(0o600)
    return path


def reviewed(
    recipe: AnyRecipe,
    run: Mapping[str, Any],
    asked: tuple[Question, ...],
    evidence: Mapping[str, Evidence],
    findings: Sequence[Finding],
    attacks: Attacks | None,
    folder: Path,
) -> Review:
    """The answers, what they refuse, and the content of ``risk.json``.

    Parameters
    ----------
    asked, evidence : the questions, and what was found of each.
    findings : of the gate; a finding that failed there refuses by itself.
    attacks : what was tried; None of a noisy release.
    folder : the staging folder, complete.

    Privacy
    -------
    Figures about raw data: inside only.
    """
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


def failed_checks(findings: Sequence[Finding], *checks: str) -> int | None:
    """Failed findings among these checks; None where none was run."""
    own = [found for found in findings if found.check in checks]
    return sum(found.failed for found in own) if own else None


# --- evidence of every release alike ------------------------------------------------------------------------------------
def common_evidence(recipe: AnyRecipe, run: Mapping[str, Any], findings: Sequence[Finding]) -> dict[str, Evidence]:
    """What is asked of every release alike: identifiers, order, promises, sensitive places, provenance, permission."""
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
            value=failed_checks(findings, "identifiers", "files"),
            note=f"Values, column names and file names were scanned; {unread} columns of the inputs were never read.",
        ),
        "pseudonyms": Evidence(
            value=failed_checks(findings, "columns", "order"),
            note="Every column is declared, and rows are sorted by all of them, so that no order of the input is left.",
        ),
        "retention": _retention(run),
        "sensitive_places": _sensitive(recipe, findings),
        "provenance": Evidence(
            value=len(missing),
            note=f"Missing: {', '.join(missing)}." if missing else
            f"Recipe {str(run['recipe_sha256'])[:12]}…, area or zones {str(run['area_sha256'])[:12]}…; {len(used)} file{'' if len(used) == 1 else 's'} by hash in run.json; every line of every input is accounted for.",
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
    return Evidence(
        value=0 if isinstance(recipe, NoisyRecipe) else failed_checks(findings, "sensitive_places"), note=note
    )


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
