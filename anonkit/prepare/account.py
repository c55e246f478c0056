"""Which lines are used, and where all the others went.

A loaded table has a row for every physical record: with ``_reason`` where it cannot be used, with ``_rule`` where a
promise or the recipe drops it. Here duplicates are found, the used rows are separated, and the sum is checked.
Duplicates are looked for within a person only, so that removing one person changes no other person's rows (ruling 17).
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import pyarrow as pa

from anonkit.engine import Session
from anonkit.prepare.repeats import repeated
from anonkit.schema import Accounting, Reason

MENDED = "_mended"
INTERNAL = ("_line", "_lines", "_reason", "_rule", "_note", MENDED)


def mark_duplicates(frame: nw.LazyFrame[Any], session: Session) -> nw.LazyFrame[Any]:
    """Give the reason ``duplicate`` to every later line with the same person and trip token.

    A row without a trip id has a token of its own and is never a duplicate. Rows are compared only where a token stands twice.
    """
    several = repeated(frame.filter(nw.col("_reason").is_null()).select("trip"), "trip", session)
    if several is None:
        return frame
    twice = session.checkpoint(
        session.frame(
            "SELECT operator, person, trip, min(_line) AS _first FROM {frame} SEMI JOIN {several} USING (trip) "
            "WHERE _reason IS NULL GROUP BY operator, person, trip HAVING count(*) > 1",
            frame=frame,
            several=several,
        ),
        "duplicates",
    )
    if not session.value("SELECT count(*) FROM {twice}", twice=twice):
        return frame
    return session.frame(
        f"SELECT f.* EXCLUDE (_reason), CASE WHEN f._reason IS NULL AND d._first < f._line "
        f"THEN '{Reason.DUPLICATE.value}' ELSE f._reason END AS _reason FROM {{frame}} f LEFT JOIN {{twice}} d "
        "ON f.operator = d.operator AND f.trip = d.trip AND f.person IS NOT DISTINCT FROM d.person",
        frame=frame,
        twice=twice,
    )


def keep_used(frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Rows that nothing rejects or drops, without the internal columns."""
    names = frame.collect_schema().names()
    used = nw.col("_reason").is_null()
    if "_rule" in names:
        used = used & nw.col("_rule").is_null()
    return frame.filter(used).drop(*[name for name in INTERNAL if name in names])


def account_for(
    frame: nw.LazyFrame[Any],
    session: Session,
    *,
    source: str,
    physical: int,
    header: int,
    dropped_columns: tuple[str, ...] = (),
) -> Accounting:
    """Count where the physical lines of one input went, and check the sum.

    Raises
    ------
    SourceError : a line is missing from the sum.
    """
    rows = session.rows(
        "SELECT _reason, CASE WHEN _reason IS NULL THEN _rule END AS r, sum(_lines)::BIGINT FROM {frame} GROUP BY 1, 2",
        frame=frame,
    )
    mended = {}
    if MENDED in frame.collect_schema().names():
        mended = dict(
            session.rows(
                f"SELECT {MENDED}, sum(_lines)::BIGINT FROM {{frame}} WHERE {MENDED} IS NOT NULL AND _reason IS NULL "
                "AND _rule IS NULL GROUP BY 1 ORDER BY 1",
                frame=frame,
            )
        )
    return Accounting(
        mended=mended,
        source=source,
        physical=physical,
        header=header,
        used=sum(lines for reason, rule, lines in rows if reason is None and rule is None),
        dropped={rule: lines for reason, rule, lines in sorted(rows, key=str) if reason is None and rule is not None},
        rejected={reason: lines for reason, _, lines in sorted(rows, key=str) if reason is not None},
        dropped_columns=dropped_columns,
    ).check()


def rejected_lines(frame: nw.LazyFrame[Any], session: Session, *, source: str) -> pa.Table:
    """Source, line, number of lines and reason of every line that cannot be used; never a value (ruling 25).

    Lines that were mended and are used stand there too, with the reason ``mended: <fault>``.
    """
    quoted = source.replace("'", "''")
    reason, where = "_reason", "_reason IS NOT NULL"
    if MENDED in frame.collect_schema().names():
        reason = f"coalesce(_reason, 'mended: ' || {MENDED})"
        where += f" OR ({MENDED} IS NOT NULL AND _rule IS NULL)"
    return session.sql(
        f"SELECT '{quoted}' AS source, _line AS line, _lines AS lines, {reason} AS reason FROM {{frame}} "
        f"WHERE {where} ORDER BY _line",
        frame=frame,
    )
