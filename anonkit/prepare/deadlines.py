"""Deadlines: what a person asked for and when, and whether the operator kept the time that its policy promised.

Charge.az promises to destroy data within seven working days of a request, Pokupi within a month, both answer questions
within a month or thirty days. Lists of subjects may say when each request came (``received_on``) and when it was carried out
in the operator's own databases (``done_on``). At the run's instant every request is in time, late, open or overdue, and of
those that are past their day, or said to be carried out, it is told whether rows of the person still lie in the export: then
it was not carried out, whatever the list says. The rows never enter a release either way.

Working days are Monday to Friday without the policy's ``holidays``; where none are named, the day comes earlier and more is
told as overdue, never less. Does not see the operator's databases, only the export; a deadline that was extended for good
cause is told all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from anonkit.base.errors import SourceError
from anonkit.base.findings import Finding, Status
from anonkit.engine import Session
from anonkit.prepare.people import People, read_texts
from anonkit.prepare.policy import Deadline, Policy, after

REQUESTS = ("access", "correction")
"""Requests that take no rows away and are held against deadlines only."""
STATES = ("in_time", "late", "open", "overdue", "undated")
SATURDAY = 5
NO_DATE = "NULL::VARCHAR"


def read_requests(lists: Mapping[str, Path], *, session: Session) -> pa.Table:
    """Every entry of all lists as ``rule, entry, operator, received_on, done_on``; dates are null where a list has none.

    Raises
    ------
    SourceError : a date cannot be read.
    """
    tables = []
    for rule, path in lists.items():
        table = read_texts(path)
        numbered = table.append_column("_entry", pa.array(range(1, table.num_rows + 1), pa.int64()))
        here = {
            name: f"nullif(trim({name}), '')" if name in table.column_names else NO_DATE
            for name in ("operator", "received_on", "done_on")
        }
        days = {
            name: f"coalesce(TRY_CAST({here[name]} AS DATE), TRY_CAST({here[name]} AS TIMESTAMP)::DATE)"
            for name in ("received_on", "done_on")
        }
        query = f"SELECT '{rule}' AS rule, _entry AS entry, {here['operator']} AS operator, " + ", ".join(
            f"{day} AS {name}, {here[name]} IS NOT NULL AND {day} IS NULL AS {name}_unread"
            for name, day in days.items()
        )
        found = session.sql(f"{query} FROM {{list}} ORDER BY entry", list=session.from_arrow(numbered))
        unread = session.rows(
            "SELECT min(entry) FROM {found} WHERE received_on_unread OR done_on_unread", found=session.from_arrow(found)
        )[0][0]
        if unread is not None:
            raise SourceError(
                f"{path.name}, entry {unread}: a date cannot be read", hint="received_on and done_on: YYYY-MM-DD"
            )
        tables.append(found.select(["rule", "entry", "operator", "received_on", "done_on"]))
    types = {
        "rule": pa.string(),
        "entry": pa.int64(),
        "operator": pa.string(),
        "received_on": pa.date32(),
        "done_on": pa.date32(),
    }
    empty = pa.table({name: pa.array([], type_) for name, type_ in types.items()})
    return pa.concat_tables([empty, *(table.cast(empty.schema) for table in tables)])


def due(received: date, deadline: Deadline, holidays: Iterable[date] = ()) -> date:
    """The last day on which a request is carried out in time; the day of the request does not count.

    Examples
    --------
    >>> week = Deadline(name="destruction", lists=("erasure",), working_days=7, clause="seven working days")
    >>> due(date(2026, 9, 18), week).isoformat()  # a Friday
    '2026-09-29'
    >>> month = Deadline(name="deletion", lists=("erasure",), months=1, clause="within a month")
    >>> due(date(2027, 1, 31), month).isoformat()
    '2027-02-28'
    """
    day, off = after(received, months=deadline.months, days=deadline.days), frozenset(holidays)
    left = deadline.working_days
    while left:
        day += timedelta(days=1)
        left -= day.weekday() < SATURDAY and day not in off
    return day


def evaluate_deadlines(
    requests: pa.Table,
    listed: pa.Table,
    people: People | None,
    *,
    policy: Policy | None,
    operator: str,
    as_of: date,
    session: Session,
) -> list[dict[str, Any]]:
    """For each deadline of a policy and each list that it is about: how many requests are in time, late, open, overdue.

    Parameters
    ----------
    requests : from `read_requests`. listed : from `read_listed`, with ``entry``. people : of the input, or None.
    as_of : local day of the run; requests of later days are not told.

    Returns
    -------
    One dict a deadline and list that has requests; ``rows_here`` counts requests past their day, or said to be carried out,
    of whose people rows lie in the export. Counts only.
    """
    asked = _asked(requests, operator, as_of, session)
    told = []
    for deadline in policy.deadlines if policy is not None else ():
        for rule in deadline.lists:
            mine = asked.filter(pc.equal(asked.column("rule"), rule))
            if mine.num_rows:
                counts = _counts(mine, deadline, policy.holidays if policy is not None else (), as_of)
                passed = counts.pop("passed")
                told.append(
                    {
                        "deadline": deadline.name,
                        "list": rule,
                        "within": deadline.words,
                        "clause": " ".join(deadline.clause.split()),
                        "requests": mine.num_rows,
                        **counts,
                        "rows_here": 0 if rule in REQUESTS else _with_rows(passed, rule, listed, people, session),
                    }
                )
    return told


def _asked(requests: pa.Table, operator: str, as_of: date, session: Session) -> pa.Table:
    """Requests to one operator until a day; one that is carried out later is not yet."""
    quoted, day = operator.replace("'", "''"), f"DATE '{as_of.isoformat()}'"
    return session.sql(
        f"SELECT rule, entry, received_on, CASE WHEN done_on <= {day} THEN done_on END AS done_on FROM {{requests}} "
        f"WHERE (operator IS NULL OR operator = '{quoted}') AND coalesce(received_on, {day}) <= {day}",
        requests=session.from_arrow(requests),
    )


def _counts(mine: pa.Table, deadline: Deadline, holidays: Iterable[date], as_of: date) -> dict[str, Any]:
    """Requests by state, and under ``passed`` the entries whose rows should be gone."""
    counts: dict[str, Any] = dict.fromkeys(STATES, 0)
    passed: list[pa.Array] = []
    grouped = mine.group_by(["received_on", "done_on"]).aggregate([("entry", "list")])
    for received, done, entries in zip(
        *(grouped.column(n) for n in ("received_on", "done_on", "entry_list")), strict=True
    ):
        state = _state(received.as_py(), done.as_py(), deadline, holidays, as_of)
        counts[state] += len(entries)
        if state == "overdue" or done.is_valid:
            passed.append(entries.values)
    return {**counts, "passed": pa.chunked_array(passed, pa.int64())}


def _state(received: date | None, done: date | None, deadline: Deadline, holidays: Iterable[date], as_of: date) -> str:
    if received is None:
        return "undated"
    last = due(received, deadline, holidays)
    if done is not None:
        return "in_time" if done <= last else "late"
    return "open" if as_of <= last else "overdue"


def _with_rows(entries: pa.ChunkedArray, rule: str, listed: pa.Table, people: People | None, session: Session) -> int:
    """Of these entries of a list, those that name somebody of whom the export holds rows."""
    if people is None or not len(entries):
        return 0
    return int(
        session.value(
            "SELECT count(DISTINCT l.entry) FROM {listed} l SEMI JOIN {entries} e ON l.entry = e.entry "
            f"SEMI JOIN {{names}} n ON n.kind = l.kind AND n.norm = l.norm WHERE l.rule = '{rule}'",
            listed=session.from_arrow(listed),
            entries=session.from_arrow(pa.table({"entry": entries})),
            names=session.from_arrow(people.names),
        )
    )


def deadline_findings(promises: Iterable[Mapping[str, Any]]) -> tuple[Finding, ...]:
    """One finding an input that has requests under a deadline: a warning where any is overdue or not carried out.

    A warning, not a refusal: the people's rows are in no product, and keeping the release back would erase nobody.
    """
    found = []
    for entry in promises:
        told = entry.get("deadlines") or []
        if told:
            overdue, late, here, undated = (
                sum(one[name] for one in told) for name in ("overdue", "late", "rows_here", "undated")
            )
            words = f"{overdue} overdue, {late} carried out late, {undated} without a date; rows of {here} still in the export"
            found.append(
                Finding(
                    check="deadlines",
                    product=str(entry["source"]),
                    status=Status.WARN if overdue or late or here or undated else Status.PASS,
                    value=words,
                    threshold="none overdue, and no rows of people whose erasure is due",
                    message="requests are carried out within the time that the operator's policy promises",
                    ruling="29",
                )
            )
    return tuple(found)
