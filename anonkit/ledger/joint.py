"""Several operators' ledgers charged together: a draw that reads the trips of all of them costs each of them.

What: a face like a ledger's over the ledgers of a pooled release. Why: every operator's ledger keeps the books of his own
people; noise drawn over a pool is a loss to the people of each of its members, so each is charged the whole event, and
if one of them cannot pay, nothing is drawn (tried dry on all before the first is charged; what was charged in a race
stays charged). Source: SOUNDNESS rulings 22 to 24. What it does not protect against: a person known to several operators
has losses in several ledgers, and no ledger adds them up; releases of a pool say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anonkit.base.errors import LedgerError
from anonkit.ledger.events import Event, Terms
from anonkit.ledger.ledger import Ledger, Reservation
from anonkit.ledger.state import Spent


@dataclass(frozen=True)
class JointReservation:
    """One reservation in each ledger; a draw is counted in all of them before it is made."""

    parts: tuple[Reservation, ...]

    def check_draw(self, *, mechanism: str, bounds: Mapping[str, float], scale: float | None, keys_hash: str) -> None:
        """As ``Reservation.check_draw``, in every ledger."""
        for part in self.parts:
            part.check_draw(mechanism=mechanism, bounds=bounds, scale=scale, keys_hash=keys_hash)

    def confirm(self) -> None:
        """The bundle is in place."""
        for part in self.parts:
            part.confirm()


@dataclass(frozen=True)
class JointLedger:
    """The ledgers of all members of a pool, used as one.

    Raises
    ------
    LedgerError : they count different units, periods or neighbours, so that one draw cannot keep all their promises.
    """

    members: tuple[Ledger, ...]

    def __post_init__(self) -> None:
        counted = {(part.terms.privacy_unit, part.terms.period, part.terms.neighbours) for part in self.members}
        if len(counted) != 1:
            raise LedgerError(
                f"the ledgers of {[part.terms.dataset for part in self.members]} count different units: {sorted(counted)}",
                hint="one draw has one unit (ruling 16); release the operators apart.",
            )

    @property
    def terms(self) -> Terms:
        """Terms of the first; unit, period and neighbours are those of all."""
        return self.members[0].terms

    def check(self, events: Sequence[Event]) -> None:
        """Try dry in every ledger."""
        for member in self.members:
            member.check(events)

    def reserve(self, event: Event) -> JointReservation:
        """Charge the event in every ledger, after trying it dry in all."""
        self.check([event])
        return JointReservation(tuple(member.reserve(event) for member in self.members))

    def confirm(self, release: str) -> int:
        """Confirm in every ledger; how many reservations, altogether."""
        return sum(member.confirm(release) for member in self.members)

    def events(self) -> dict[int, tuple[Event, int, bool]]:
        """Events of all ledgers, numbered anew; a draw of the pool stands there once for each member."""
        listed = [entry for member in self.members for entry in member.events().values()]
        return dict(enumerate(listed))

    def spent(self, period: str) -> Spent:
        """Of the ledger in which most is spent in this period."""
        return max((member.spent(period) for member in self.members), key=lambda one: one.epsilon)

    def total(self) -> Spent:
        """Of the ledger in which most is spent over all periods."""
        return max((member.total() for member in self.members), key=lambda one: one.epsilon)
