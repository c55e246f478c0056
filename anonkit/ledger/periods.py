"""Periods of event time: the labels under which a ledger charges (ruling 22).

A period is the time in which trips *happened*, never the date of a release; otherwise waiting for New Year would refill
the budget for the same trips. Labels are those of the local calendar of the data: ``2026-07-01`` (day), ``2026-W27``
(ISO week), ``2026-07``, ``2026-Q3``, ``2026``, ``all``. Does not protect against a caller who labels trips wrongly; the
pipeline takes labels from the time bins that it releases.
"""

from __future__ import annotations

import re
from datetime import date, timedelta

from anonkit.base.errors import LedgerError

LABELS = {
    "day": r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])",
    "week": r"\d{4}-W(?:0[1-9]|[1-4]\d|5[0-3])",
    "month": r"\d{4}-(?:0[1-9]|1[0-2])",
    "quarter": r"\d{4}-Q[1-4]",
    "year": r"\d{4}",
    "all": r"all",
}


def label(day: date, period: str) -> str:
    """The period's label that holds a local day.

    >>> [label(date(2026, 7, 1), period) for period in LABELS]
    ['2026-07-01', '2026-W27', '2026-07', '2026-Q3', '2026', 'all']
    """
    week = day.isocalendar()
    names = {
        "day": day.isoformat(),
        "week": f"{week.year}-W{week.week:02d}",
        "month": f"{day:%Y-%m}",
        "quarter": f"{day.year}-Q{(day.month + 2) // 3}",
        "year": f"{day.year}",
        "all": "all",
    }
    return names[period]


def periods_between(first: date, last: date, *, period: str) -> tuple[str, ...]:
    """Labels of all periods that the local days ``first`` to ``last`` (both included) touch, in order.

    >>> periods_between(date(2026, 6, 30), date(2026, 8, 1), period="month")
    ('2026-06', '2026-07', '2026-08')
    """
    check_period(period)
    if last < first:
        raise LedgerError(f"the last day ({last}) lies before the first ({first})", hint="swap them.")
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return tuple(dict.fromkeys(label(day, period) for day in days))


def check_period(period: str) -> None:
    """Raise LedgerError unless ``period`` is a known length."""
    if period not in LABELS:
        raise LedgerError(f"period {period!r} is not known; expected one of {list(LABELS)}", hint="choose one of them.")


def check_labels(labels: tuple[str, ...], period: str) -> None:
    """Raise LedgerError unless the labels are distinct labels of that length."""
    wrong = [name for name in labels if not re.fullmatch(LABELS[period], name)]
    if wrong or not labels or len(set(labels)) < len(labels):
        raise LedgerError(
            f"{wrong or list(labels)} are not distinct labels of the ledger's period '{period}'",
            hint="use anonkit.ledger.periods_between(first, last, period=...) on the event time of the trips.",
        )
