"""Clocks: which rows are past the time that the operator promised, and what may still be done with them.

A clock runs from the trip or from the day on which the account was deleted, and is evaluated at the run's instant. A row
past it is dropped, or may serve anonymised products of the uses that the clause names and is counted as such (ruling 29).
Everything that ``release`` makes is an anonymised product; the tokenised rows are gone when the run ends, overdue or not.

Does not delete anything from the operator's own databases: it keeps overdue rows out of releases and says how many there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from anonkit.prepare.policy import Policy, Retention, before

EVENTS = ("event", "order")


@dataclass(frozen=True, kw_only=True)
class Clock:
    """One rule at one instant."""

    rule: str
    """``retention:<name>``, as it is counted."""
    effect: Literal["drop", "note"]
    """``note``: the row stays for anonymised products and is counted."""
    last_day: date
    """Events (or deletions) before this local day are overdue."""
    of_account: bool
    """Whether it runs from the deletion of the account."""

    def sql(self, column: str, zone: str) -> str:
        """The condition on epoch seconds of the event, or on the date of deletion."""
        if self.of_account:
            return f"{column} <= DATE '{self.last_day.isoformat()}'"
        return f"{column} < {midnight_s(self.last_day, zone)}"


def clocks(policy: Policy, *, use: str, as_of: datetime, zone: str) -> tuple[Clock, ...]:
    """The clocks of a policy that rows can run out of, at one instant and for one use.

    Rules of kind ``never_released`` have no clock here: such columns are never read.

    Examples
    --------
    >>> from anonkit.prepare.policy import load_policy
    >>> now = datetime.fromisoformat("2026-10-31T00:00+00:00")
    >>> [(c.rule, c.effect, c.last_day.isoformat()) for c in clocks(load_policy("pokupi"), use="research", as_of=now, zone="Europe/Podgorica")]
    [('retention:journeys', 'note', '2023-10-31'), ('retention:account_deleted', 'drop', '2026-10-31')]
    """
    today = as_of.astimezone(ZoneInfo(zone)).date()
    found = []
    for rule in policy.retention:
        if rule.then == "never_released":
            continue
        allowed = rule.then == "anonymised_only" and (not rule.uses or use in rule.uses)
        found.append(
            Clock(
                rule=f"retention:{rule.name}",
                effect="note" if allowed else "drop",
                last_day=before(today, years=rule.years, months=rule.months, days=rule.days),
                of_account=rule.since not in EVENTS,
            )
        )
    return tuple(found)


def midnight_s(day: date, zone: str) -> int:
    """Epoch second at which a local day begins.

    >>> midnight_s(date(1970, 1, 2), "Asia/Baku")
    72000
    """
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp())


def longest(policies: tuple[Policy, ...]) -> tuple[int, int, int]:
    """Years, months, days of the longest clock that releases know; three years where there is none.

    The subject register remembers for so long who was in a release.
    """
    spans = [_span(rule) for policy in policies for rule in policy.retention if rule.then != "never_released"]
    return max([*spans, (3, 0, 0)])


def _span(rule: Retention) -> tuple[int, int, int]:
    return rule.years, rule.months, rule.days
