"""Promises carried out on rows: the table of people is joined, and each row that may not be used says by which rule.

Happens lazily, in the pass that tokenises, so that no row of an erased person is ever stored (ruling 25). A rule drops a row
(``_rule``), a note lets it serve anonymised products and counts it (``_note``). `count_promises` says for each rule how many
lines were kept, kept for anonymised products only, and dropped.

Does not reach what lies elsewhere: the operator's own databases, the vault, bundles that are out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import narwhals.stable.v2 as nw

from anonkit.engine import Session, identifier
from anonkit.prepare.people import BLOCKED, LISTS, People
from anonkit.prepare.policy import Policy
from anonkit.prepare.pooling import MATCHED
from anonkit.prepare.retention import Clock
from anonkit.schema import Accounting, Table

GROUP = "_operator_group"
OTHERS, IDENTIFYING = "_id_other_", "_id_"


def apply_promises(table: Table, people: People | None, *, clocks: tuple[Clock, ...], zone: str) -> Table:
    """Give each row its ``_rule``, ``_note``, ``_pool`` (pseudonym of the pool, or null) and ``_operator_group``.

    Parameters
    ----------
    table : trips as a source gives them, ids as the operator wrote them.
    people : from `gather_people`; None: nobody is listed, matched or has an account.
    clocks : of the policy; those that run from the event are evaluated here.

    Returns
    -------
    Table with the internal columns added, and without those that held identifiers of further people.

    Privacy
    -------
    Lazy: nothing is stored. A row has one rule: erasure and the register first, then lists, consent, age and clocks.
    """
    frame, session = table.frame, table.session
    names = frame.collect_schema().names()
    others = [name for name in names if name.startswith(OTHERS)]
    tables: dict[str, Any] = {"frame": frame}
    joins, rules, notes = [], [], []
    before = ["WHEN f._rule IS NOT NULL THEN f._rule"] if "_rule" in names else []
    pool = "NULL::VARCHAR"
    if people is not None:
        tables["people"] = people.frame
        joins.append("LEFT JOIN {people} p ON f.person = p.person")
        rules.append("WHEN p._person_rule IS NOT NULL THEN p._person_rule")
        notes.append("WHEN p._person_note IS NOT NULL THEN p._person_note")
        pool = "p._pool"
        if people.others is not None:
            for number, name in enumerate(others):
                tables[f"others{number}"] = people.others
                joins.append(
                    f"LEFT JOIN {{others{number}}} o{number} ON o{number}.number = {number} AND f.{name} = o{number}.text"
                )
                rules.append(f"WHEN o{number}.rule IS NOT NULL THEN o{number}.rule")
        rules.append("WHEN f.start_s < p._adult_s THEN 'minor'")
    for clock in clocks:
        if not clock.of_account:
            found = f"WHEN {clock.sql('f.start_s', zone)} THEN '{clock.rule}'"
            (rules if clock.effect == "drop" else notes).append(found)
    rules += before
    rule = f"CASE {' '.join(rules)} END" if rules else "NULL::VARCHAR"
    note = f"CASE {' '.join(notes)} END" if notes else "NULL::VARCHAR"
    kept = ", ".join(f"f.{identifier(name)}" for name in names if not name.startswith(IDENTIFYING) and name != "_rule")
    group = f"CASE WHEN {pool} IS NOT NULL THEN '{MATCHED}' ELSE f.operator END"
    query = (
        f"SELECT {kept}, {pool} AS _pool, {rule} AS _rule, {note} AS _note, {group} AS {GROUP} FROM {{frame}} f "
        + " ".join(joins)
    )
    return table.with_frame(session.frame(query, **tables))


def count_promises(
    frame: nw.LazyFrame[Any], account: Accounting, rules: Iterable[str], *, policy: Policy | None, session: Session
) -> list[dict[str, Any]]:
    """For each rule: its clause, and the lines it kept, kept for anonymised products only, and dropped.

    A line is counted under the first rule that drops it; what one rule kept another may have dropped.
    """
    notes = dict(
        session.rows(
            "SELECT _note, sum(_lines)::BIGINT FROM {frame} WHERE _reason IS NULL AND _rule IS NULL AND _note IS NOT NULL "
            "GROUP BY 1",
            frame=frame,
        )
    )
    told = []
    for rule in dict.fromkeys([*rules, *notes, *(name for name in account.dropped if _is_promise(name))]):
        only = notes.get(rule, 0)
        told.append(
            {
                "rule": rule,
                "clause": " ".join((policy.clause_of(rule) or "").split()) or None if policy is not None else None,
                "kept": account.used - only,
                "anonymised_only": only,
                "dropped": account.dropped.get(rule, 0),
            }
        )
    return told


def kept_out() -> nw.Expr:
    """Whether a promise keeps a row out; of such rows only the rule is ever stored (ruling 25)."""
    rule = nw.col("_rule").fill_null("")
    named = rule == "minor"
    for word in (*LISTS, BLOCKED):
        named = named | (rule == word)
    return named | rule.str.starts_with("consent:") | rule.str.starts_with("retention:")


def _is_promise(rule: str) -> bool:
    return rule.partition(":")[0] in (*LISTS, BLOCKED, "consent", "minor", "retention")


def rules_of(
    people: People | None, policy: Policy | None, clocks: tuple[Clock, ...], lists: Iterable[str]
) -> list[str]:
    """Names of the rules that were evaluated, so that one that met nobody is told as well."""
    found = list(lists)
    if people is not None:
        skipped = {text.partition(": ")[0] for text in people.not_evaluated}
        if policy is not None and policy.minimum_age is not None:
            found.append("minor")
        found += [f"consent:{entry.name}" for entry in (policy.consents if policy else ())]
        found += [clock.rule for clock in clocks]
        return [name for name in dict.fromkeys(found) if name not in skipped]
    return [*found, *(clock.rule for clock in clocks if not clock.of_account)]
