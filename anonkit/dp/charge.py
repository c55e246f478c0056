"""Paying before drawing: every noisy figure passes here, and nothing is drawn that was not reserved.

What: a ``Purse`` that turns each noisy vector into one event at the ledger (mechanism, sensitivity, scale, bounds, hash
of the keys), lets the ledger compare the draw with the reservation, and only then adds noise. Why: a draw that is not
charged, or that differs from what was charged, is how budgets leak (rulings 23, 24). A reservation stays spent whatever
happens next. Source: SOUNDNESS rulings 19, 22–24; Rogers et al. 2016 (privacy filters). What it does not protect
against: somebody who calls ``dp.mechanisms`` himself, or who opens a second ledger for the same people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np

from anonkit.base.errors import LedgerError
from anonkit.dp.cost import Cost, Rho
from anonkit.dp.mechanisms import Noise, float_above
from anonkit.ledger.events import Event

NEIGHBOURS = "add_or_remove"
Result = TypeVar("Result")


@dataclass(kw_only=True)
class Purse:
    """Charges the draws of one product of one release to one ledger; keeps the reservations it made."""

    ledger: Any
    """``anonkit.ledger.Ledger``."""
    product: str
    release: str
    periods: tuple[str, ...]
    """Periods of event time that the product reads; each is charged."""
    guarantee: str = "differential_privacy"
    reservations: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.ledger is None:
            raise LedgerError(
                f"{self.product} draws noise and needs a ledger.", hint="ledger=ak.Ledger.open('city.ledger')"
            )
        if not self.periods or not all(isinstance(name, str) and name for name in self.periods):
            raise LedgerError(f"{self.product} must say which periods it covers.", hint="periods=('2026-09',)")

    def affords(self, *costs: Cost, delta: Fraction = Fraction(0)) -> None:
        """Try dry whether the whole product fits, before its first part is drawn; writes nothing.

        ``costs`` are added: epsilons and rhos as one event each; ``delta`` goes with an epsilon.
        """
        epsilon = sum((cost for cost in costs if not isinstance(cost, Rho)), Fraction(0))
        rho = sum((cost.value for cost in costs if isinstance(cost, Rho)), Fraction(0))
        wanted: list[dict[str, Any]] = []
        if epsilon:
            wanted.append({"mechanism": "approximate", "epsilon": float(epsilon), "delta": float(delta)})
        if rho:
            wanted.append({"mechanism": "gaussian", "sensitivity": 1.0, "scale": float(1 / (2 * rho)) ** 0.5})
        self.ledger.check([self._event(part="all", bounds={}, keys_hash="", **what) for what in wanted])

    def add_noise(
        self, noise: Noise, exact: np.ndarray, *, keys_hash: str, bounds: Mapping[str, float], part: str
    ) -> np.ndarray:
        """Reserve, compare, draw: noisy whole numbers for the vector ``exact``."""
        reservation = self._reserve(
            part=part,
            mechanism=noise.name,
            bounds=bounds,
            keys_hash=keys_hash,
            sensitivity=float(noise.sensitivity),
            scale=noise.scale,
        )
        reservation.check_draw(mechanism=noise.name, bounds=bounds, scale=noise.scale, keys_hash=keys_hash)
        return noise.add(exact)

    def choose(
        self,
        draw: Callable[[], Result],
        *,
        mechanism: str,
        epsilon: Fraction,
        keys_hash: str,
        bounds: Mapping[str, float],
        part: str,
        delta: Fraction = Fraction(0),
    ) -> Result:
        """Reserve and compare a mechanism that states its own (epsilon, delta), then run ``draw`` once."""
        reservation = self._reserve(
            part=part,
            mechanism=mechanism,
            bounds=bounds,
            keys_hash=keys_hash,
            epsilon=float_above(epsilon),
            delta=float_above(delta),
        )
        reservation.check_draw(mechanism=mechanism, bounds=bounds, scale=None, keys_hash=keys_hash)
        return draw()

    def confirm(self) -> None:
        """Tell the ledger that the released folder is in place."""
        for reservation in self.reservations:
            reservation.confirm()

    def _event(self, *, part: str, **what: Any) -> Event:
        return Event(
            release=self.release,
            product=f"{self.product}.{part}",
            periods=self.periods,
            privacy_unit=self.ledger.terms.privacy_unit,
            neighbours=NEIGHBOURS,
            draws=1,
            guarantee=self.guarantee,
            **what,
        )

    def _reserve(self, **what: Any) -> Any:
        reservation = self.ledger.reserve(self._event(**what))
        self.reservations.append(reservation)
        return reservation
