"""diffprivlib's way in: an accountant that has no budget of its own and charges the ledger.

diffprivlib calls ``check(epsilon, delta)`` before it draws and ``spend(epsilon, delta)`` after. Charging at ``spend``
would lose a crash in between and let two processes pass ``check`` together; so ``check`` *reserves* (and counts the
draw), and ``spend`` consumes that reservation. A fit that fails in between stays spent. Use ``remaining`` to ask without
paying. The class is duck-typed; the ``dp`` room derives from it and from ``diffprivlib.BudgetAccountant``, whose
``isinstance`` test it then passes.

diffprivlib's epsilon is for one row: ``rows_a_person`` turns it into the person's (group privacy). Copies, pickles and
workers charge the same file (ruling 24). Does not protect against a model whose own sensitivity is wrong.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from anonkit.base.errors import LedgerError
from anonkit.ledger.composition import Loss
from anonkit.ledger.events import Event
from anonkit.ledger.ledger import Ledger


class LedgerAccountant:
    """BudgetAccountant-compatible face of a ledger, for ``accountant=``.

    Parameters
    ----------
    ledger : the ledger to charge.
    release, product, periods, keys_hash, bounds : as in `anonkit.ledger.Event`; the same for every fit.
    rows_a_person : int >= 1. Most rows of one unit in the training data; every charge is scaled by it.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        release: str,
        product: str,
        periods: Sequence[str],
        rows_a_person: int,
        keys_hash: str,
        bounds: Mapping[str, float],
    ) -> None:
        if rows_a_person < 1:
            raise LedgerError(
                f"rows_a_person is {rows_a_person}; expected at least 1", hint="bound contributions first."
            )
        self.ledger = ledger
        self._event = {"release": release, "product": product, "periods": tuple(periods), "keys_hash": keys_hash}
        self._bounds = {**bounds, "rows_a_person": rows_a_person}
        self._rows = rows_a_person
        self._pending: Counter[tuple[float, float]] = Counter()
        self._guard = threading.Lock()

    # --- what diffprivlib calls ---------------------------------------------------------------------------------------
    def check(self, epsilon: float, delta: float) -> bool:
        """Reserve (and so spend) what is about to be drawn; BudgetExceededError if the cap does not allow it."""
        loss = Loss(epsilon=float(epsilon), delta=float(delta), rho=0.0).grouped(self._rows)
        terms = self.ledger.terms
        event = Event(
            **self._event,  # type: ignore[arg-type]
            mechanism="model",
            bounds=self._bounds,
            draws=1,
            privacy_unit=terms.privacy_unit,
            neighbours=terms.neighbours,
            epsilon=loss.epsilon,
            delta=loss.delta,
        )
        self.ledger.reserve(event).check_draw(**event.frozen())
        with self._guard:
            self._pending[epsilon, delta] += 1
        return True

    def spend(self, epsilon: float, delta: float) -> LedgerAccountant:
        """Consume the reservation that ``check`` made for this draw, or charge now if there was none."""
        with self._guard:
            paid = self._pending[epsilon, delta] > 0
            self._pending[epsilon, delta] -= paid
        if not paid:
            self.check(epsilon, delta)
            with self._guard:
                self._pending[epsilon, delta] -= 1
        return self

    def remaining(self, k: int = 1) -> tuple[float, float]:
        """(epsilon, delta) a row that each of ``k`` more fits may spend, in the fullest period."""
        spent = [self.ledger.spent(period) for period in self._event["periods"]]
        if self.ledger.terms.privacy_unit == "person":
            spent = [self.ledger.total()]
        left = min(part.epsilon_left or 0.0 for part in spent)
        return left / self._rows / k, 0.0

    def total(self, spent_budget: Any = None, slack: Any = None) -> tuple[float, float]:
        """(epsilon, delta) of all events of the ledger together, towards a person."""
        total = self.ledger.total()
        return total.epsilon, total.delta

    @property
    def spent_budget(self) -> list[tuple[float, float]]:
        """(epsilon, delta) of each event that this accountant's release and product have reserved."""
        own = (event for event, _, _ in self.ledger.events().values() if event.mechanism == "model")
        keys = self._event["release"], self._event["product"]
        return [(event.loss.epsilon, event.loss.delta) for event in own if (event.release, event.product) == keys]

    @property
    def epsilon(self) -> float:
        """The ledger's cap."""
        return self.ledger.terms.epsilon_cap

    @property
    def delta(self) -> float:
        """The ledger's cap."""
        return self.ledger.terms.delta_cap

    @property
    def slack(self) -> float:
        """Always 0: the ledger splits its delta itself."""
        return 0.0

    def __len__(self) -> int:
        return len(self.spent_budget)

    def __repr__(self, n_budget_max: int = 5) -> str:
        return f"{type(self).__name__}(ledger '{self.ledger.terms.dataset}', rows_a_person={self._rows})"

    # --- never copied -------------------------------------------------------------------------------------------------
    def __deepcopy__(self, memo: dict[int, Any]) -> LedgerAccountant:
        return self

    def __copy__(self) -> LedgerAccountant:
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {"ledger": self.ledger, "_event": self._event, "_bounds": self._bounds, "_rows": self._rows}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._pending = Counter()
        self._guard = threading.Lock()
