"""No operator stands alone in a class of a pool (ruling 6), and none is named alone (the released column ``operator``).

A class of which one operator has nearly all trips is that operator's business report: whoever takes the class's number for the
operator's own is hardly wrong. So a class where one operator has more than ``Protection.operator_share`` of the rows is not
published at that level, and goes into the next roll-up like any other. Where the recipe publishes the operator itself, each
class has one; then a class stands only beside another operator's class of the same places and time, each with k persons:
nobody can read from the release who runs alone where.

Between **two** operators no limit hides the one's number from the other, who subtracts what he knows of himself; the limit is
against everybody else. Against that other it is the *people* who are kept: where a class has rows of several operators, the
second largest must have k people in it too, or an operator could subtract his own and find a few (``Protection.insiders``);
the same of what a class holds beyond finer published ones. Totals of time bins are not held against insiders. What falls last,
for rows and columns together (`system`), may leave a named operator alone; the gate then refuses.
Source: the p % rule of statistical offices (Hundepool et al. 2012, chapter 4.2): with a share s at most, the class's number
is off the largest contributor's own by at least 1/s - 1 of it; 9/10 is p = 11 %, usual are 10 to 20.
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw

from anonkit.classes import Protection
from anonkit.classes.counts import ROWS
from anonkit.classes.tallies import OPEN, N, Tally, tally_rows
from anonkit.engine import Session, identifier
from anonkit.kanon.products import Step

OPERATOR = "operator"
COUNTED = "_operator"
"""Working name of the operator where the class may have it as a column too."""


def tally_operators(rows: nw.LazyFrame[Any], keys: tuple[str, ...], *, unit: str, session: Session) -> Tally:
    """People and rows of each operator in each class; ``rows`` have `COUNTED` beside the class's columns."""
    return tally_rows(rows, keys, unit=unit, among=COUNTED, session=session)


def named_alone(step: Step, protection: Protection) -> bool:
    """Whether the classes of a step name one operator each, in a pool."""
    return protection.operator_share is not None and OPERATOR in step.at.columns


def less_dominated(
    classes: nw.LazyFrame[Any],
    tally: Tally,
    *,
    left: str | None,
    sources: dict[str, str],
    protection: Protection,
    session: Session,
) -> nw.LazyFrame[Any]:
    """Classes of which no operator has more than its share, and none has few people beside a larger one.

    Parameters
    ----------
    classes : with ``rows`` and working names of the keys. tally : from `tally_operators`, at the same level.
    left : column of rows that the part has not told yet, or None. sources : working name of a key → column of the tally.
    """
    share = protection.operator_share
    assert share is not None
    n, unit, keys = identifier(left or N), identifier(tally.unit), ", ".join(identifier(key) for key in tally.keys)
    on = " AND ".join(
        f"c.{identifier(key)} IS NOT DISTINCT FROM o.{identifier(column)}" for key, column in sources.items()
    )
    enough = "true"
    if protection.insiders:
        enough = " AND ".join(
            f"(coalesce({name}, 0) = 0 OR {name} >= {protection.k})" for name in ("second", "second_rest")
        )
    return session.table(
        f"SELECT c.* FROM {{classes}} c JOIN (SELECT {keys}, max(n) AS top, list_sort(list(p), 'DESC')[2] AS second, "
        f"list_sort(list(r), 'DESC')[2] AS second_rest FROM (SELECT {keys}, sum({n})::BIGINT AS n, count({unit}) AS p, "
        f"count({unit}) FILTER ({OPEN} > 0) AS r FROM {{tally}} WHERE {n} > 0 GROUP BY {keys}, {COUNTED}) GROUP BY {keys}) o ON {on} "
        f"WHERE o.top * {share.denominator} <= c.{ROWS} * {share.numerator} AND {enough}",
        classes=classes,
        tally=tally.frame,
    )


def less_alone(published: nw.LazyFrame[Any], step: Step, session: Session) -> tuple[nw.LazyFrame[Any], int]:
    """Classes that stand beside another operator's of the same places and time, and how many did not."""
    operator = identifier(f"_key_{OPERATOR}")
    others = ", ".join(identifier(key) for key in step.keys if key != f"_key_{OPERATOR}")
    beside = session.table(
        f"SELECT * FROM {{published}} SEMI JOIN (SELECT {others} FROM {{published}} GROUP BY {others} "
        f"HAVING min({operator}) <> max({operator})) USING ({others})",
        published=published,
    )
    counting = "SELECT count(*) FROM {classes}"
    return beside, session.value(counting, classes=published) - session.value(counting, classes=beside)
