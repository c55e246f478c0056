"""Paying before drawing: every noisy figure passes here, and nothing is drawn that was not reserved.

What: a ``Purse`` that turns each draw into one reservation at the ledger (mechanism, cost, bounds, scale, hash of the
keys, number of draws), checks the draw against it, and only then adds noise. Why: a draw that is not charged, or that
differs from what was charged, is how budgets leak (rulings 23, 24). A reservation stays spent whatever happens next.
Source: SOUNDNESS rulings 19, 22–24; Rogers et al. 2016 (privacy filters). What it does not protect against: somebody
who calls ``dp.mechanisms`` himself, or who opens a second ledger for the same people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Protocol

import numpy as np

from anonkit.base.errors import LedgerError
from anonkit.dp.mechanisms import DiscreteGaussian, DiscreteLaplace, Noise


class Reservation(Protocol):
    """What a ledger gives for an event; spent from this moment on."""

    def check_draw(self, *, mechanism: str, scale: float, keys_hash: str, draws: int) -> None:
        """Raise ``LedgerError`` when the draw differs from what was reserved."""

    def confirm(self) -> None:
        """The released folder is in place."""


class Ledger(Protocol):
    """The part of ``anonkit.ledger.Ledger`` that products need."""

    def reserve(self, event: Any) -> Any:
        """Charge an event before it is drawn; raise ``BudgetExceededError`` when the cap would be passed."""


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One draw, as the ledger freezes it."""

    product: str
    mechanism: str
    epsilon: Fraction | None
    delta: Fraction
    rho: Fraction | None
    bounds: Mapping[str, Any]
    scale: float
    keys_hash: str
    draws: int
    period: str
    release: str


@dataclass(kw_only=True)
class Purse:
    """Charges the draws of one product of one release to one ledger.

    Two arguments name what is charged: ``release`` and ``periods`` (of event time; a product that spans several is
    charged to each).
    """

    ledger: Ledger
    product: str
    release: str
    periods: tuple[str, ...]
    reservations: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.ledger is None:
            raise LedgerError(
                f"{self.product} draws noise and needs a ledger.", hint="ledger=ak.Ledger.open('city.ledger')"
            )
        if not self.periods or not all(isinstance(name, str) and name for name in self.periods):
            raise LedgerError(f"{self.product} must say which periods it covers.", hint="period='2026-09'")

    def add_noise(
        self, noise: Noise, exact: np.ndarray, *, keys_hash: str, bounds: Mapping[str, Any], part: str
    ) -> np.ndarray:
        """Reserve, check, draw: noisy whole numbers for the vector ``exact``."""
        self.reserve(
            part=part,
            mechanism=noise.name,
            epsilon=noise.epsilon if isinstance(noise, DiscreteLaplace) else None,
            rho=noise.rho if isinstance(noise, DiscreteGaussian) else None,
            bounds={**bounds, "sensitivity": noise.sensitivity},
            scale=noise.scale,
            keys_hash=keys_hash,
            draws=len(exact),
        )
        return noise.add(exact)

    def reserve(
        self,
        *,
        part: str,
        mechanism: str,
        epsilon: Fraction | None,
        bounds: Mapping[str, Any],
        scale: float,
        keys_hash: str,
        draws: int,
        delta: Fraction = Fraction(0),
        rho: Fraction | None = None,
    ) -> None:
        """Charge one draw to every period, and check it against what the ledger wrote down."""
        for period in self.periods:
            reservation = self.ledger.reserve(
                as_event(
                    Draw(
                        product=f"{self.product}.{part}",
                        mechanism=mechanism,
                        epsilon=epsilon,
                        delta=delta,
                        rho=rho,
                        bounds=bounds,
                        scale=scale,
                        keys_hash=keys_hash,
                        draws=draws,
                        period=period,
                        release=self.release,
                    )
                )
            )
            self.reservations.append(reservation)
            reservation.check_draw(mechanism=mechanism, scale=scale, keys_hash=keys_hash, draws=draws)

    def confirm(self) -> None:
        """Tell the ledger that the released folder is in place."""
        for reservation in self.reservations:
            reservation.confirm()


def as_event(draw: Draw) -> Any:
    """The ledger's own event for a draw."""
    return draw
