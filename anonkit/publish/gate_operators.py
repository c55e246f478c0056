"""The gate's own count of operators in the classes of a pool (ruling 6): by other queries than the maker's.

From the rows that the written files tell: no operator has more than the release's share of a class, and where the operator is
a released column no class names the only one; and where an operator subtracts his own rows, k people or nobody are left.
Does not hold the totals of time bins against operators.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import narwhals.stable.v2 as nw

from anonkit.base.findings import Finding, finding
from anonkit.kanon import Step
from anonkit.publish.gate_sql import GateSql


def operators(step: Step, marked: nw.LazyFrame[Any], sql: GateSql) -> Iterator[Finding]:
    """Findings for a step of a pool; nothing where one operator's people are released."""
    share = sql.spec.protection.operator_share
    if share is None:
        return
    keys = sql.keys(step)
    alone = "operator" in step.at.columns
    told = {name: text for name, text in keys.items() if not (alone and name == "operator")}
    mine = ", ".join(f"{text} AS k{number}" for number, text in enumerate(told.values()))
    grouped = ", ".join(f"k{number}" for number in range(len(told)))
    fault = "count(DISTINCT who) < 2" if alone else f"max(n) * {share.denominator} > sum(n) * {share.numerator}"
    bad = sql.session.value(
        f"SELECT count(*) FROM (SELECT 1 FROM (SELECT {mine}, operator AS who, count(*) AS n FROM {{rows}} "
        f"WHERE {sql.hit(step)} GROUP BY ALL) GROUP BY {grouped} HAVING {fault})",
        rows=marked,
    )
    name = step.part.name + (f", roll-up {step.number}" if step.number else "")
    yield finding(
        "operator_dominance",
        name,
        passed=bad == 0,
        value=f"{bad:,} classes {'name one operator only' if alone else 'above'}",
        threshold="at least two operators of each place and time" if alone else f"largest share at most {share}",
        message="no operator's business can be read from a class of the pool",
        ruling="6",
    )
    if sql.spec.protection.insiders and not alone:
        few = sql.session.value(
            f"WITH each AS (SELECT {grouped}, who, count(DISTINCT who_rode) AS p, count(DISTINCT who_rode) FILTER (fresh) AS r FROM "
            f"(SELECT {mine}, operator AS who, {sql.unit} AS who_rode, {sql.open(step)} AS fresh FROM {{rows}} WHERE {sql.hit(step)}) "
            f"GROUP BY ALL), ranked AS (SELECT *, row_number() OVER (PARTITION BY {grouped} ORDER BY p DESC) AS by_p, "
            f"row_number() OVER (PARTITION BY {grouped} ORDER BY r DESC) AS by_r FROM each) "
            f"SELECT count(*) FROM ranked WHERE (by_p = 2 AND p BETWEEN 1 AND {sql.k - 1}) OR (by_r = 2 AND r BETWEEN 1 AND {sql.k - 1})",
            rows=marked,
        )
        yield finding(
            "insiders",
            name,
            passed=few == 0,
            value=f"{few:,} classes with few people beside the largest operator's",
            threshold=f"0, or at least {sql.k} {sql.spec.counted} of a second operator",
            message="an operator who subtracts his own rows finds no small group of another's people",
            ruling="6, 12",
        )
