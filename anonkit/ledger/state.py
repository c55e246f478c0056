"""What the entries of a ledger say, and whether they leave room for one event more.

Pure reading and deciding: the file is `chain`'s, the rule `composition`'s. Ruling 14 (one guarantee a period), ruling 22
(each period charged, the total over all of them always shown), ruling 23 (the cap decides by a rule valid for adaptive
choice). Does not protect against events that were never written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from anonkit.base.errors import BudgetExceededError, LedgerError
from anonkit.ledger.chain import Entry
from anonkit.ledger.composition import Loss, compose, largest_pure
from anonkit.ledger.events import Event, Terms

KINDS = ("terms", "reserved", "k_anonymity", "draw", "confirmed", "withdrawn")
ALL_PERIODS = "all periods"


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What is spent in one period or in all: by the rules that decide, and by the tight PLD beside them."""

    period: str
    events: int
    unconfirmed: int
    """Reservations whose bundle was never confirmed; they count all the same."""
    epsilon: float
    """The smaller of basic and Rényi, both valid for adaptive choice."""
    epsilon_basic: float
    epsilon_renyi: float | None
    delta: float
    epsilon_cap: float | None
    """None where no cap holds: the total over periods of a ledger that caps each period."""
    delta_cap: float
    epsilon_left: float | None
    epsilon_pld: float | None = None
    """At delta_cap, for parameters fixed beforehand; reported, never decides."""


@dataclass(frozen=True)
class State:
    """What the entries say."""

    terms: Terms
    events: dict[int, Event]
    records: dict[int, dict[str, Any]]
    drawn: dict[int, int]
    closed: frozenset[int]

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> State:
        first = {name: value for name, value in entries[0].body.items() if name != "at"}
        events = {e.number: Event(**e.body["event"]) for e in entries if e.kind == "reserved"}
        records = {e.number: e.body for e in entries if e.kind == "k_anonymity"}
        drawn = dict.fromkeys(events, 0)
        for entry in entries:
            if entry.kind == "draw":
                drawn[entry.body["reservation"]] += entry.body["draws"]
            if entry.kind == "withdrawn":
                del records[entry.body["reservation"]]
        closed = frozenset(e.body["reservation"] for e in entries if e.kind in ("confirmed", "withdrawn"))
        return cls(Terms(**first), events, records, drawn, closed)

    def losses(self, period: str | None) -> list[Loss]:
        """Losses towards the unit in one period, or (None) towards a person over all periods."""
        if period is not None:
            return [event.loss for event in self.events.values() if period in event.periods]
        grouped = self.terms.privacy_unit == "person_period"
        return [event.loss.grouped(len(event.periods) if grouped else 1) for event in self.events.values()]

    def scopes(self, event: Event) -> tuple[str | None, ...]:
        """The periods on which the cap is checked; None is all of them together."""
        return event.periods if self.terms.privacy_unit == "person_period" else (None,)

    def check_guarantee(self, release: str, guarantee: str, periods: Sequence[str]) -> None:
        """Ruling 14: the same people and period never go out under two guarantees."""
        others = {body["release"]: (body["guarantee"], body["periods"]) for body in self.records.values()}
        others |= {event.release: (event.guarantee, list(event.periods)) for event in self.events.values()}
        for other, (claimed, taken) in others.items():
            both = [period for period in periods if period in taken]
            if both and claimed != guarantee:
                raise LedgerError(
                    f"release '{release}' claims {guarantee} for {both} of dataset '{self.terms.dataset}', which release "
                    f"'{other}' holds under {claimed}",
                    hint="choose other periods, or one guarantee for both releases (ruling 14).",
                    periods=both,
                )

    def check_budget(self, event: Event, before: Sequence[Event]) -> None:
        """Raise BudgetExceededError unless the cap allows the event after ``before``."""
        terms = self.terms
        share = terms.delta_cap / 2
        for scope in self.scopes(event):
            others = [*self.losses(scope), *(e.loss for e in before if scope is None or scope in e.periods)]
            composed = compose([*others, event.loss], order=terms.order, delta=share)
            where = scope or ALL_PERIODS
            if composed.delta_declared > share:
                left = max(0.0, share - compose(others, order=terms.order, delta=share).delta_declared)
                raise BudgetExceededError(
                    f"release '{event.release}' needs delta {event.loss.delta:.3g}; ledger '{terms.dataset}' has {left:.3g} of "
                    f"{share:.3g} left for {where} (half of delta_cap; the other half is the filter's)",
                    hint="a smaller delta, fewer products with partition selection, or another period.",
                    requested=event.loss.delta,
                    remaining=left,
                    difference=event.loss.delta - left,
                    release=event.release,
                    period=where,
                )
            if composed.epsilon > terms.epsilon_cap:
                left = largest_pure(others, order=terms.order, delta=share, cap=terms.epsilon_cap)
                alone = compose([event.loss], order=terms.order, delta=share).epsilon
                raise BudgetExceededError(
                    f"release '{event.release}' needs epsilon {alone:.2f}; ledger '{terms.dataset}' has {left:.2f} of "
                    f"{terms.epsilon_cap:.2f} left for {where}",
                    hint="fewer products, coarser time bins, or a smaller epsilon."
                    if event.loss.rho == 0 or terms.order is not None
                    else "this ledger has no delta_cap and takes no Gaussian noise; use epsilon, not rho.",
                    requested=alone,
                    remaining=left,
                    difference=alone - left,
                    release=event.release,
                    period=where,
                )
