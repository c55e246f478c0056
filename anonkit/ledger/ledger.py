"""The budget of one dataset: reserve before noise is drawn, confirm when the bundle is in place, never forget.

`Ledger.reserve` decides under the file's lock whether the cap allows an event (`composition`), writes it with everything
frozen, and returns a `Reservation`; `Reservation.check_draw` counts runs in the file and refuses any other mechanism,
bound, scale or keys. Whatever happens in between, a reservation stays spent. k-anonymous releases are written down too,
so that one period never goes out under two guarantees (ruling 14). Rulings 22-24; STYLE: spending is tried dry first.

A ledger holds no state of its own: it pickles as path, dataset and schema version and reads the file anew each time.
Does **not** protect against noise drawn without asking it, nor against a second ledger for the same people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from anonkit.base.errors import LedgerError
from anonkit.ledger.chain import Chain, Entry
from anonkit.ledger.composition import compose, largest_pure
from anonkit.ledger.events import GUARANTEES, SCHEMA_VERSION, Event, Terms
from anonkit.ledger.periods import check_labels
from anonkit.ledger.state import ALL_PERIODS, KINDS, Spent, State


class Ledger:
    """One dataset's budget in one file; see the module's first paragraph.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "baku.ledger"
    >>> ledger = Ledger.create(
    ...     path, dataset="baku", privacy_unit="person_period", period="month",
    ...     epsilon_cap=1.0, delta_cap=1e-6, neighbours="add_or_remove",
    ... )
    >>> reservation = ledger.reserve(Event(
    ...     release="baku-2026q3", product="flows", mechanism="discrete_laplace", sensitivity=2, scale=4.0,
    ...     periods=("2026-07",), privacy_unit="person_period", neighbours="add_or_remove",
    ...     bounds={"max_trips": 2}, keys_hash="9f86d081", draws=1,
    ... ))
    >>> reservation.check_draw(mechanism="discrete_laplace", bounds={"max_trips": 2}, scale=4.0, keys_hash="9f86d081")
    >>> reservation.confirm()
    >>> ledger.spent("2026-07").epsilon, ledger.spent("2026-08").epsilon, ledger.total().epsilon
    (0.5, 0.0, 0.5)
    """

    def __init__(self, path: str | Path, *, head: str | Path | None = None, dataset: str | None = None) -> None:
        self._chain = Chain(
            Path(path),
            what="ledger",
            kinds=KINDS,
            version=SCHEMA_VERSION,
            head=Path(head) if head is not None else None,
        )
        self.terms = State.of(self._chain.read()).terms
        if dataset is not None and dataset != self.terms.dataset:
            raise LedgerError(
                f"'{self.path.name}' is the ledger of dataset '{self.terms.dataset}', not of '{dataset}'",
                hint="open the right file; a budget belongs to one dataset.",
            )

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        dataset: str,
        privacy_unit: str,
        period: str,
        epsilon_cap: float,
        delta_cap: float,
        neighbours: str,
        head: str | Path | None = None,
    ) -> Ledger:
        """Make a new ledger; its terms can never be changed.

        Parameters
        ----------
        path : the file to make (mode 0600); ``head`` is the second file, ``<path>.head`` by default.
        dataset : name of the people and trips that share the budget.
        privacy_unit : ``person`` (the cap holds over all periods) or ``person_period`` (it holds for each).
        period : day, week, month, quarter, year or all; of event time.
        epsilon_cap, delta_cap : what may be spent; one half of delta_cap pays declared deltas, one half the filter.
        neighbours : ``add_or_remove`` or ``replace``.

        Privacy
        -------
        The cap is a promise to the people; choose it before looking at results.
        """
        terms = Terms.fix(
            dataset=dataset,
            privacy_unit=privacy_unit,
            period=period,
            neighbours=neighbours,
            epsilon_cap=float(epsilon_cap),
            delta_cap=float(delta_cap),
        )
        second = Path(head) if head is not None else None
        Chain(Path(path), what="ledger", kinds=KINDS, version=SCHEMA_VERSION, head=second).create(asdict(terms))
        return cls(path, head=head)

    @classmethod
    def open(cls, path: str | Path, *, head: str | Path | None = None, dataset: str | None = None) -> Ledger:
        """Open and verify a ledger; damage, truncation and roll-back raise LedgerError."""
        return cls(path, head=head, dataset=dataset)

    @property
    def path(self) -> Path:
        """The file."""
        return self._chain.path

    # --- spending -----------------------------------------------------------------------------------------------------
    def reserve(self, event: Event) -> Reservation:
        """Charge one event before its noise is drawn; BudgetExceededError if the cap does not allow it."""
        return self.reserve_all([event])[0]

    def reserve_all(self, events: Sequence[Event]) -> tuple[Reservation, ...]:
        """Charge all events of a release or none of them."""
        made = self._chain.append(lambda entries: self._decide(entries, events))
        return tuple(Reservation(self, entry.number, event) for entry, event in zip(made, events, strict=True))

    def check(self, events: Sequence[Event]) -> None:
        """Try dry whether `reserve_all` would succeed; writes nothing."""
        self._decide(self._chain.read(), events)

    def record_k_anonymity(self, *, release: str, periods: Sequence[str], keys_hash: str) -> Reservation:
        """Write down a k-anonymous release, which spends nothing but takes its periods (ruling 14).

        Confirm it when the bundle is in place; `Reservation.withdraw` it if the gate refused and nothing was handed over.
        """
        body = {"release": release, "periods": list(periods), "keys_hash": keys_hash, "guarantee": GUARANTEES[1]}

        def decide(entries: list[Entry]) -> list[tuple[str, dict[str, Any]]]:
            state = State.of(entries)
            check_labels(tuple(periods), state.terms.period)
            state.check_guarantee(release, GUARANTEES[1], periods)
            return [("k_anonymity", body)]

        return Reservation(self, self._chain.append(decide)[0].number, None)

    def reservation(self, number: int) -> Reservation:
        """A reservation by its number, e.g. in another process."""
        state = State.of(self._chain.read())
        if number not in state.events and number not in state.records:
            raise LedgerError(
                f"ledger '{self.terms.dataset}' has no reservation {number}", hint="see anonkit ledger show."
            )
        return Reservation(self, number, state.events.get(number))

    def confirm(self, release: str) -> int:
        """Confirm every open reservation of a release, when its bundle is in place; returns how many."""

        def decide(entries: list[Entry]) -> list[tuple[str, dict[str, Any]]]:
            state = State.of(entries)
            named = {number: event.release for number, event in state.events.items()}
            named |= {number: body["release"] for number, body in state.records.items()}
            return [
                ("confirmed", {"reservation": n})
                for n, name in named.items()
                if name == release and n not in state.closed
            ]

        return len(self._chain.append(decide))

    def _decide(self, entries: Sequence[Entry], events: Sequence[Event]) -> list[tuple[str, dict[str, Any]]]:
        state = State.of(entries)
        for number, event in enumerate(events):
            if not isinstance(event, Event):
                raise LedgerError(
                    f"an unknown event ({type(event).__name__}) cannot be counted", hint="pass ledger.Event."
                )
            event.check_terms(state.terms)
            state.check_guarantee(event.release, event.guarantee, event.periods)
            for earlier in events[:number]:
                if earlier.guarantee != event.guarantee:
                    raise LedgerError(
                        "one release claims two guarantees", hint="a release has one guarantee (ruling 14)."
                    )
            state.check_budget(event, events[:number])
        return [("reserved", {"event": {**asdict(event), "periods": list(event.periods)}}) for event in events]

    # --- reading ------------------------------------------------------------------------------------------------------
    def spent(self, period: str, *, pld: bool = False) -> Spent:
        """What the events that read this period have spent, towards the ledger's unit."""
        check_labels((period,), self.terms.period)
        return self._spent(State.of(self._chain.read()), period, pld=pld)

    def total(self, *, pld: bool = False) -> Spent:
        """What a person has lost over all periods together (group privacy where the unit is a person and period)."""
        return self._spent(State.of(self._chain.read()), None, pld=pld)

    def periods(self) -> tuple[str, ...]:
        """All periods that an event or a k-anonymous release has read, in order."""
        state = State.of(self._chain.read())
        named = [period for event in state.events.values() for period in event.periods]
        return tuple(sorted({*named, *(period for body in state.records.values() for period in body["periods"])}))

    def events(self) -> dict[int, tuple[Event, int, bool]]:
        """Reservation number → event, draws done, confirmed."""
        state = State.of(self._chain.read())
        return {number: (event, state.drawn[number], number in state.closed) for number, event in state.events.items()}

    def k_anonymous(self) -> dict[int, dict[str, Any]]:
        """Number → release, periods, keys' hash and ``closed`` of each k-anonymous release that took its periods."""
        state = State.of(self._chain.read())
        return {number: {**body, "closed": number in state.closed} for number, body in state.records.items()}

    def entries(self) -> list[dict[str, Any]]:
        """Every entry of the file, for export."""
        return [asdict(entry) for entry in self._chain.read()]

    def _spent(self, state: State, period: str | None, *, pld: bool) -> Spent:
        terms, share = state.terms, state.terms.delta_cap / 2
        losses = state.losses(period)
        composed = compose(losses, order=terms.order, delta=share)
        capped = period is not None or terms.privacy_unit == "person"
        tail = share if composed.epsilon < composed.epsilon_basic else 0.0
        chosen = {n: e for n, e in state.events.items() if period is None or period in e.periods}
        tight = None
        if pld:
            from anonkit.ledger.pld import pld_epsilon

            grouped = period is None and terms.privacy_unit == "person_period"
            tight = pld_epsilon([(e, len(e.periods) if grouped else 1) for e in chosen.values()], delta=terms.delta_cap)
        return Spent(
            period=period or ALL_PERIODS,
            events=composed.events,
            unconfirmed=sum(number not in state.closed for number in chosen),
            epsilon=composed.epsilon,
            epsilon_basic=composed.epsilon_basic,
            epsilon_renyi=composed.epsilon_renyi,
            delta=composed.delta_declared + tail,
            epsilon_cap=terms.epsilon_cap if capped else None,
            delta_cap=terms.delta_cap,
            epsilon_left=largest_pure(losses, order=terms.order, delta=share, cap=terms.epsilon_cap)
            if capped
            else None,
            epsilon_pld=tight,
        )

    def accountant(self, **event: Any) -> Any:
        """A BudgetAccountant-like object that charges this ledger; see `anonkit.ledger.LedgerAccountant`."""
        from anonkit.ledger.accountant import LedgerAccountant

        return LedgerAccountant(self, **event)

    # --- one file, however often copied -------------------------------------------------------------------------------
    def __getstate__(self) -> dict[str, Any]:
        return {
            "path": str(self.path),
            "head": str(self._chain.head),
            "dataset": self.terms.dataset,
            "schema_version": SCHEMA_VERSION,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state["schema_version"] != SCHEMA_VERSION:
            raise LedgerError("this ledger was pickled by another schema version", hint="open it by its path.")
        self.__init__(state["path"], head=state["head"], dataset=state["dataset"])  # type: ignore[misc]

    def __deepcopy__(self, memo: dict[int, Any]) -> Ledger:
        return self

    def __repr__(self) -> str:
        terms, total = self.terms, self.total()
        return (
            f"Ledger '{terms.dataset}': epsilon {terms.epsilon_cap:g}, delta {terms.delta_cap:g} for each "
            f"{'person' if terms.privacy_unit == 'person' else f'person and {terms.period}'} ({terms.neighbours}); "
            f"{total.events} events, over all periods epsilon {total.epsilon:.3g}"
        )


class Reservation:
    """What was charged and may now be drawn: exactly that, at most ``event.draws`` times, in whatever process."""

    def __init__(self, ledger: Ledger, number: int, event: Event | None) -> None:
        self.ledger, self.number, self.event = ledger, number, event

    def check_draw(self, *, mechanism: str, bounds: Mapping[str, float], scale: float | None, keys_hash: str) -> None:
        """Count one run in the file *before* it draws; LedgerError if anything differs or the draws are used up."""
        asked = {"mechanism": mechanism, "bounds": dict(sorted(bounds.items())), "scale": scale, "keys_hash": keys_hash}

        def decide(entries: list[Entry]) -> list[tuple[str, dict[str, Any]]]:
            state = State.of(entries)
            event = state.events.get(self.number)
            if event is None:
                raise LedgerError(f"reservation {self.number} is not one for noise", hint="reserve an Event first.")
            different = [name for name, value in event.frozen().items() if value != asked[name]]
            if different:
                raise LedgerError(
                    f"the draw for '{event.product}' differs from reservation {self.number} in {', '.join(different)}",
                    hint="reserve what you draw; a reservation cannot be changed (ruling 24).",
                    different=different,
                )
            if self.number in state.closed or state.drawn[self.number] >= event.draws:
                raise LedgerError(
                    f"reservation {self.number} for '{event.product}' allowed {event.draws} draws and has no more",
                    hint="one draw is one charge: reserve again, at the same price (ruling 19).",
                    draws=event.draws,
                )
            return [("draw", {"reservation": self.number, "draws": 1})]

        self.ledger._chain.append(decide)

    def confirm(self) -> None:
        """The bundle is in place; nothing more may be drawn."""
        self._close("confirmed")

    def withdraw(self) -> None:
        """Only for a k-anonymous release that was refused before anything was handed over; noise stays spent."""
        if self.event is not None:
            raise LedgerError(
                f"reservation {self.number} was made for noise and stays spent",
                hint="one draw is one charge (ruling 19).",
            )
        self._close("withdrawn")

    def _close(self, kind: str) -> None:
        def decide(entries: list[Entry]) -> list[tuple[str, dict[str, Any]]]:
            if self.number in State.of(entries).closed:
                raise LedgerError(
                    f"reservation {self.number} is closed already", hint="reserve anew for a new release."
                )
            return [(kind, {"reservation": self.number})]

        self.ledger._chain.append(decide)
