"""The reviewer's fifteen questions: each with its number, threshold, source, and PASS, WARN or FAIL.

Questions are data, answers come from one pure function over what was measured (`Evidence`) and over the gate's own
findings, so report, gate and ``risk.json`` cannot disagree. Thresholds are exact fractions (ruling 34) that a recipe
may tighten or, with its name on it, loosen. What was not measured is never a PASS.
Sources of thresholds: EMA policy 0070 and Health Canada (1/11 public release), El Emam 2013 (1/5 under contract, 1/20
with sensitive columns), Mobility Data Specification (k = 10), SOUNDNESS rulings. A full row of PASS is no proof of
anonymity: it says that these attacks were tried on these files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from anonkit.base.errors import RecipeError
from anonkit.base.findings import Finding, Status

Value = Fraction | int | float
PUBLIC, CONTRACT, SENSITIVE = Fraction(1, 11), Fraction(1, 5), Fraction(1, 20)
PUBLIC_ADVANTAGE = Fraction(1, 10)
"""Largest advantage of a membership attacker against a release that anybody may get (ruling 35)."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question put to every release."""

    number: int
    key: str
    text: str
    rule: Literal["at most", "at least"]
    threshold: Value
    warn: Value | None = None
    """Beyond this, but within the threshold, the answer is WARN."""
    essential: bool = False
    """Unanswered it is a FAIL; others are a WARN then."""
    checks: tuple[str, ...] = ()
    """Checks of the gate that answer it too: one failed fails the question."""
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was measured for a question."""

    value: Value | None
    """The number held against the threshold; None: not measured."""
    note: str = ""
    """One sentence: how it was measured, or a second number."""


def risk_threshold(recipient: Literal["public", "contract", "internal"], *, sensitive: bool) -> Fraction:
    """Largest row-level risk for a kind of recipient.

    >>> risk_threshold("public", sensitive=False), risk_threshold("contract", sensitive=True)
    (Fraction(1, 11), Fraction(1, 20))
    """
    if sensitive:
        return SENSITIVE
    return PUBLIC if recipient == "public" else CONTRACT


def questions(
    *,
    k: int,
    recipient: Literal["public", "contract", "internal"],
    sensitive: bool,
    dominance: Fraction = Fraction(1, 2),
    thresholds: Mapping[str, Value] | None = None,
) -> tuple[Question, ...]:
    """The fifteen questions with the thresholds of one recipe.

    Parameters
    ----------
    k : persons a class must hold.
    recipient : who gets the release.
    sensitive : whether sensitive columns are released.
    dominance : largest share of one person, and of one operator.
    thresholds : by key of a question, what the recipe sets instead; told as "recipe" in its source.

    Returns
    -------
    Fifteen Questions, by number.

    Raises
    ------
    RecipeError : a threshold names no question.

    Privacy
    -------
    Decides nothing by itself; for a DP product only questions answered from structure, ledger and the noisy output
    may enter the gate (ruling 19).

    Sources
    -------
    See the module.

    Examples
    --------
    >>> asked = questions(k=11, recipient="public", sensitive=False)
    >>> len(asked), str(asked[3].threshold)
    (15, '1/11')
    """
    risk = risk_threshold(recipient, sensitive=sensitive)
    advantage = PUBLIC_ADVANTAGE if recipient == "public" else Fraction(1)
    q = Question
    asked = (
        q(number=1, key="identifiers", text="Are direct identifiers left?", rule="at most", threshold=0,
          essential=True, checks=("identifiers", "files"), source="GDPR art. 4(1); DESIGN 1.2"),
        q(number=2, key="pseudonyms", text="Does any column link rows to one person or vehicle?", rule="at most",
          threshold=0, essential=True, checks=("columns", "order"), source="Opinion 05/2014, 4; DESIGN 1.3"),
        q(number=3, key="class_size", text="How many persons does the smallest class hold?", rule="at least",
          threshold=k, warn=max(k, 10), essential=True, checks=("class_size", "class_size_drivers"),
          source="recipe; MDS k=10; rulings 1, 4, 5"),
        q(number=4, key="risk", text="How large is the largest row-level risk?", rule="at most", threshold=risk,
          essential=True, source="1/11 public, 1/5 contract, 1/20 sensitive; rulings 6, 34"),
        q(number=5, key="dominance", text="Does a class agree in what is sensitive, or belong to one person?",
          rule="at most", threshold=dominance, checks=("dominance", "diversity"), source="rulings 6, 7"),
        q(number=6, key="unicity", text="Which share of persons do four known place-times single out?",
          rule="at most", threshold=SENSITIVE, source="de Montjoye 2013; ruling 35"),
        q(number=7, key="home_work", text="Which share of persons has a home–work pair of their own?",
          rule="at most", threshold=SENSITIVE, source="Golle and Partridge 2009"),
        q(number=8, key="membership", text="What does the guarantee bound, and how well is membership inferred?",
          rule="at most", threshold=advantage, warn=Fraction(1, 10), essential=recipient == "public",
          checks=("guarantee", "dp_statement"), source="NIST SP 800-226; rulings 14, 16, 35, 36"),
        q(number=9, key="differencing", text="How many sets of fewer than k persons can be derived by subtraction?",
          rule="at most", threshold=0, essential=True, checks=("subtraction", "bin_totals", "overlap"),
          source="rulings 9, 11, 13"),
        q(number=10, key="suppression", text="Which share of trips is suppressed, and is the rest useful?",
          rule="at most", threshold=Fraction(1, 2), warn=Fraction(1, 5),
          checks=("suppression", "not_empty", "rows"), source="rulings 11, 37"),
        q(number=11, key="retention", text="How many rows are past their clock or their person's erasure?",
          rule="at most", threshold=0, checks=("retention", "erasure"), source="GDPR art. 5(1)(e), 17; rulings 27, 29"),
        q(number=12, key="operators", text="Which share of the largest class total does one operator hold?",
          rule="at most", threshold=dominance, source="rulings 2, 6"),
        q(number=13, key="sensitive_places", text="How many sensitive places are finer than their coarse zone?",
          rule="at most", threshold=0, checks=("sensitive_places",), source="ruling 32"),
        q(number=14, key="provenance", text="How many inputs lack source, hash or reference?", rule="at most",
          threshold=0, essential=True, checks=("provenance",), source="ISO/IEC 27559; ruling 18"),
        q(number=15, key="permission", text="How many of licence, recipient and permission are missing?",
          rule="at most", threshold=0, essential=True, checks=("permission", "licence"), source="ruling 33"),
    )  # fmt: skip
    unknown = sorted(set(thresholds or ()) - {one.key for one in asked})
    if unknown:
        raise RecipeError(
            f"thresholds name no question: {unknown}.", hint=f"one of {', '.join(one.key for one in asked)}."
        )
    return tuple(
        replace(one, threshold=thresholds[one.key], warn=None, source=f"recipe (default: {one.source})")
        if thresholds and one.key in thresholds
        else one
        for one in asked
    )


def answer_questions(
    asked: Sequence[Question], evidence: Mapping[str, Evidence], findings: Iterable[Finding] = ()
) -> tuple[Finding, ...]:
    """Answer every question, in order.

    Parameters
    ----------
    asked : see `questions`.
    evidence : by key of the question.
    findings : of the gate; a failed check fails its question.

    Returns
    -------
    One Finding a question: check ``q01_identifiers`` …, product ``release``.

    Raises
    ------
    RecipeError : evidence that names no question.

    Privacy
    -------
    Carries numbers about the whole release only; risk against raw data makes it an inside document (ruling 19).

    Sources
    -------
    Issue 7, part 7.

    Examples
    --------
    >>> asked = questions(k=11, recipient="public", sensitive=False)
    >>> answers = answer_questions(asked, {"risk": Evidence(value=Fraction(1, 11))})
    >>> answers[3].status.value, answers[5].status.value, answers[0].status.value
    ('PASS', 'WARN', 'FAIL')
    """
    unknown = sorted(set(evidence) - {one.key for one in asked})
    if unknown:
        raise RecipeError(f"evidence names no question: {unknown}.", hint="use the keys of questions().")
    given = list(findings)
    return tuple(_answer(one, evidence.get(one.key), [f for f in given if f.check in one.checks]) for one in asked)


def verdict(answers: Iterable[Finding]) -> Status:
    """The worst answer: what the first line of the report says."""
    order = (Status.FAIL, Status.WARN, Status.PASS)
    present = {one.status for one in answers}
    return next((status for status in order if status in present), Status.FAIL)


def _answer(one: Question, found: Evidence | None, gate: list[Finding]) -> Finding:
    failed = [f for f in gate if f.failed]
    value = found.value if found else None
    if failed:
        status, said = Status.FAIL, f"the gate's check {failed[0].check!r} failed on {failed[0].product}"
    elif value is None and gate and all(f.status is Status.PASS for f in gate):
        status, said = Status.PASS, f"the gate's {len(gate)} checks of it passed"
    elif value is None:
        status = Status.FAIL if one.essential else Status.WARN
        said = "not measured"
    elif _beyond(one.rule, value, one.threshold):
        status, said = Status.FAIL, f"{shown(value)} is not {one.rule} {shown(one.threshold)}"
    elif one.warn is not None and _beyond(one.rule, value, one.warn):
        status, said = (
            Status.WARN,
            f"within the threshold, but not {one.rule} {shown(one.warn)}, the usual limit: you decide",
        )
    else:
        status, said = Status.PASS, f"{shown(value)} is {one.rule} {shown(one.threshold)}"
    note = f" {found.note}" if found and found.note else ""
    return Finding(
        check=f"q{one.number:02d}_{one.key}",
        product="release",
        status=status,
        value="not measured" if value is None and not gate else shown(value) if value is not None else "by the gate",
        threshold=f"{one.rule} {shown(one.threshold)}",
        message=f"{one.text} {said[0].upper()}{said[1:]}.{note}",
        ruling=one.source,
    )


def _beyond(rule: str, value: Value, threshold: Value) -> bool:
    left, right = Fraction(value), Fraction(threshold)
    return left > right if rule == "at most" else left < right


def shown(value: Value) -> str:
    """A number for people: small fractions as such, others to four places."""
    if isinstance(value, Fraction) and value.denominator > 1000:
        return f"{float(value):.4f}"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
