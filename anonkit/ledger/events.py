"""Events and terms: frozen values that say what is drawn, on whose behalf, and under which cap.

An `Event` is one mechanism run ``draws`` times with everything frozen that its privacy depends on; its loss is computed
from sensitivity and scale, not believed. `Terms` are fixed when a ledger is created. A mechanism that is not listed is
refused (ruling 23). Follows dp_accounting's idea that events are values and accountants only read them.

Does not protect against a wrong sensitivity: that is proved (and audited) where the contributions are bounded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from anonkit.base.errors import LedgerError
from anonkit.ledger.composition import Loss, best_order
from anonkit.ledger.periods import check_labels, check_period

SCHEMA_VERSION = 1
PRIVACY_UNITS = ("person", "person_period")
NEIGHBOURS = ("add_or_remove", "replace")
GUARANTEES = ("differential_privacy", "k_anonymity")
LAPLACE = ("laplace", "discrete_laplace")
GAUSSIAN = ("gaussian", "discrete_gaussian")
DECLARED = ("exponential", "permute_and_flip", "randomised_response", "partition_selection", "model", "approximate")
MECHANISMS = (*LAPLACE, *GAUSSIAN, *DECLARED)
"""Known mechanisms; those in DECLARED state (epsilon, delta) and enter the PLD as its dominating pair."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a ledger fixes for good when it is created."""

    dataset: str
    """The people and trips that the budget protects."""
    privacy_unit: str
    """``person`` (the cap holds over all periods together) or ``person_period`` (the cap holds for each period)."""
    period: str
    """Length of a period of event time: day, week, month, quarter, year or all."""
    epsilon_cap: float
    delta_cap: float
    neighbours: str
    """``add_or_remove`` or ``replace`` one unit."""
    order: float | None = field(default=None)
    """Rényi order of the filter, fixed at creation from the caps; None when delta_cap is 0."""

    def __post_init__(self) -> None:
        check_period(self.period)
        if self.privacy_unit not in PRIVACY_UNITS or self.neighbours not in NEIGHBOURS:
            raise LedgerError(
                f"privacy_unit {self.privacy_unit!r} or neighbours {self.neighbours!r} is not known",
                hint=f"privacy_unit is one of {PRIVACY_UNITS}, neighbours one of {NEIGHBOURS}.",
            )
        if not (0 < self.epsilon_cap < math.inf and 0 <= self.delta_cap < 1) or not self.dataset:
            raise LedgerError(
                "a ledger needs a dataset, 0 < epsilon_cap < inf and 0 <= delta_cap < 1", hint="fix the caps."
            )

    @classmethod
    def fix(cls, **terms: Any) -> Terms:
        """Terms with the filter's order chosen for the caps."""
        made = cls(**terms)
        return cls(**{**terms, "order": best_order(made.epsilon_cap, made.delta_cap / 2) if made.delta_cap else None})


@dataclass(frozen=True, kw_only=True)
class Event:
    """One mechanism, frozen: what `Ledger.reserve` writes before noise is drawn (ruling 24).

    Examples
    --------
    >>> flows = Event(
    ...     release="baku-2026q3", product="flows", mechanism="discrete_laplace", sensitivity=2, scale=4.0,
    ...     periods=("2026-07",), privacy_unit="person_period", neighbours="add_or_remove",
    ...     bounds={"max_trips": 2}, keys_hash="9f86d081", draws=1,
    ... )
    >>> flows.loss.epsilon
    0.5
    """

    release: str
    product: str
    mechanism: str
    periods: tuple[str, ...]
    """Every period of event time whose trips are read."""
    privacy_unit: str
    neighbours: str
    bounds: Mapping[str, float]
    """Contribution bounds and clipping bounds, by name."""
    keys_hash: str
    """Hash of the public keys on which noise is drawn."""
    draws: int
    """Runs on the data, one noise vector over all keys each; every run is charged."""
    sensitivity: float | None = None
    """L1 (Laplace) or L2 (Gaussian) change of the whole vector when one unit changes."""
    scale: float | None = None
    """Laplace scale b or Gaussian sigma, in the unit of the sensitivity."""
    epsilon: float | None = None
    """For declared mechanisms: the loss of one run. Must be left out where sensitivity and scale say it."""
    delta: float | None = None
    guarantee: str = "differential_privacy"
    """Guarantee of the release; ``k_anonymity`` for noise inside a release that claims no DP (ruling 14)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "periods", tuple(self.periods))
        object.__setattr__(self, "bounds", {name: _plain(value) for name, value in sorted(self.bounds.items())})
        for name in ("draws", "sensitivity", "scale", "epsilon", "delta"):
            object.__setattr__(self, name, _plain(getattr(self, name)))
        if self.mechanism not in MECHANISMS:
            raise LedgerError(
                f"event '{self.product}' has the unknown mechanism {self.mechanism!r}; the ledger refuses what it cannot count",
                hint=f"known are {', '.join(MECHANISMS)}; 'approximate' takes any proven (epsilon, delta).",
            )
        declared = self.mechanism in DECLARED
        given = (self.epsilon, self.delta) if declared else (self.sensitivity, self.scale)
        other = (self.sensitivity,) if declared else (self.epsilon, self.delta)
        if None in given or any(value is not None for value in other):
            raise LedgerError(
                f"event '{self.product}' ({self.mechanism}) needs {'epsilon and delta' if declared else 'sensitivity and scale'} only",
                hint="declared mechanisms state (epsilon, delta); Laplace and Gaussian ones sensitivity and scale.",
            )
        numbers = [value for value in (*given, self.scale, *self.bounds.values()) if value is not None]
        if not all(math.isfinite(value) for value in numbers) or self.draws < 1 or self.draws != int(self.draws):
            raise LedgerError(
                f"event '{self.product}' has a number that is not finite, or draws < 1", hint="bounds must be finite."
            )
        positive = (
            (self.epsilon or 0) > 0 and 0 <= (self.delta or 0) < 1
            if declared
            else min(self.sensitivity or 0, self.scale or 0) > 0
        )
        if not positive or self.guarantee not in GUARANTEES:
            raise LedgerError(
                f"event '{self.product}' has a loss, sensitivity, scale or guarantee out of range",
                hint="all losses are positive.",
            )
        if (
            self.mechanism.startswith("discrete_")
            and self.sensitivity != int(self.sensitivity or 0)
            and self.mechanism in LAPLACE
        ):
            raise LedgerError(
                f"event '{self.product}': integer noise needs an integer sensitivity", hint="scale weights to integers."
            )

    @property
    def loss(self) -> Loss:
        """Loss of all draws together, by the mechanism's own proof."""
        if self.mechanism in DECLARED:
            return Loss(epsilon=self.draws * (self.epsilon or 0), delta=self.draws * (self.delta or 0), rho=0.0)
        ratio = (self.sensitivity or 0) / (self.scale or 1)
        if self.mechanism in LAPLACE:
            return Loss(epsilon=self.draws * ratio, delta=0.0, rho=0.0)
        return Loss(epsilon=0.0, delta=0.0, rho=self.draws * ratio**2 / 2)

    def check_terms(self, terms: Terms) -> None:
        """Raise LedgerError unless the event protects the unit that the ledger counts."""
        if (self.privacy_unit, self.neighbours) != (terms.privacy_unit, terms.neighbours):
            raise LedgerError(
                f"event '{self.product}' protects {self.privacy_unit} ({self.neighbours}); ledger '{terms.dataset}' counts "
                f"{terms.privacy_unit} ({terms.neighbours})",
                hint="bound contributions for the ledger's unit, or keep another ledger for another unit (ruling 16).",
            )
        check_labels(self.periods, terms.period)

    def frozen(self) -> dict[str, Any]:
        """What a draw must equal: mechanism, bounds, scale, keys' hash."""
        return {
            "mechanism": self.mechanism,
            "bounds": dict(self.bounds),
            "scale": self.scale,
            "keys_hash": self.keys_hash,
        }


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's, so that the file and a later draw compare equal."""
    return value.item() if hasattr(value, "item") else value
