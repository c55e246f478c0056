r"""Composition that stays valid when the next event is chosen after seeing the last one (ruling 23).

Two rules decide, and an event is let in if either holds for all events together, itself included:

- basic: :math:`\sum\varepsilon_i \le E`;
- Rényi filter at one order :math:`\alpha` fixed with the ledger: :math:`\sum r_i(\alpha) + c(\alpha, D/2) \le E`, where
  :math:`r_i = \alpha\rho_i` for a Gaussian and the Rényi loss of randomised response for a pure :math:`\varepsilon_i`.

In both, :math:`\sum\delta_i \le D/2`: one half of the cap :math:`D` pays declared deltas, the other half the filter's tail;
no half is used twice. Why "either" is sound: on a path that ends under the basic rule the privacy loss is at most *E* for
certain (up to the declared failures). On the other paths :math:`M=\exp((\alpha-1)L-(\alpha-1)\sum r_i)` has expectation
at most 1 whatever was chosen, and :math:`(1-e^{E-L})_+ \le c'e^{(\alpha-1)(L-E)}`, so their share of the delta is at most
*D*/2; the two sets of paths are disjoint and the first adds nothing. A different order a day would not be covered.

Sources: Feldman & Zrnic 2021 (arXiv 2008.11193), Whitehouse et al. 2023 (arXiv 2203.05481); conversion: Canonne, Kamath &
Steinke 2020, proposition 12; Mironov 2017 for randomised response. Does not protect against a loss that was stated wrongly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Privacy loss of an event: pure epsilon with failure delta, or zCDP rho (then epsilon is 0)."""

    epsilon: float
    delta: float
    rho: float

    def grouped(self, size: int) -> Loss:
        """Loss towards ``size`` units that change together.

        >>> Loss(epsilon=1.0, delta=0.0, rho=0.5).grouped(2)
        Loss(epsilon=2.0, delta=0.0, rho=2.0)
        """
        growth = math.fsum(math.exp(min(step * self.epsilon, 700)) for step in range(size))
        return Loss(epsilon=size * self.epsilon, delta=min(1.0, self.delta * growth), rho=size**2 * self.rho)


@dataclass(frozen=True, kw_only=True)
class Composed:
    """Sums over events: basic epsilon (infinite if a Gaussian is among them), delta, Rényi epsilon (None without delta)."""

    events: int
    epsilon_basic: float
    epsilon_renyi: float | None
    delta_declared: float

    @property
    def epsilon(self) -> float:
        """The smaller of the two valid bounds."""
        return self.epsilon_basic if self.epsilon_renyi is None else min(self.epsilon_basic, self.epsilon_renyi)


def renyi_of_pure(epsilon: float, order: float) -> float:
    """Rényi loss at ``order`` of the worst mechanism of pure loss ``epsilon`` (randomised response).

    >>> round(renyi_of_pure(0.1, 2.0), 6), renyi_of_pure(5.0, 1e4) <= 5.0
    (0.009959, True)
    """
    if epsilon == 0:
        return 0.0
    yes, no = -math.log1p(math.exp(-epsilon)), -epsilon - math.log1p(math.exp(-epsilon))
    first, second = order * yes + (1 - order) * no, order * no + (1 - order) * yes
    return min(epsilon, (max(first, second) + math.log1p(math.exp(-abs(first - second)))) / (order - 1))


def overhead(order: float, delta: float) -> float:
    """What conversion from Rényi loss to (epsilon, delta) adds (may be below 0 for a large delta)."""
    return math.log1p(-1 / order) - (math.log(delta) + math.log(order)) / (order - 1)


def best_order(epsilon_cap: float, delta: float) -> float:
    """The order at which the cap holds the largest zCDP budget; chosen once, from the caps alone.

    >>> 8 < best_order(2.0, 1e-6) < 18
    True
    """
    orders = [1 + 10 ** (step / 50) for step in range(-100, 301)]
    budgets = [(epsilon_cap - overhead(order, delta)) / order for order in orders]
    return round(orders[budgets.index(max(budgets))], 6)


def compose(losses: Iterable[Loss], *, order: float | None, delta: float) -> Composed:
    """Compose events chosen adaptively; ``delta`` is the share kept for the filter's tail."""
    listed = list(losses)
    gaussian = any(loss.rho for loss in listed)
    renyi = None
    if order is not None:
        terms = [order * loss.rho + renyi_of_pure(loss.epsilon, order) for loss in listed]
        renyi = max(0.0, math.fsum(terms) + overhead(order, delta)) if listed else 0.0
    return Composed(
        events=len(listed),
        epsilon_basic=math.inf if gaussian else math.fsum(loss.epsilon for loss in listed),
        epsilon_renyi=renyi,
        delta_declared=math.fsum(loss.delta for loss in listed),
    )


def largest_pure(losses: Iterable[Loss], *, order: float | None, delta: float, cap: float) -> float:
    """The largest pure epsilon that one more event may have under ``cap``."""
    composed = compose(losses, order=order, delta=delta)
    basic = max(0.0, cap - composed.epsilon_basic)
    if order is None or composed.epsilon_renyi is None:
        return basic
    used = composed.epsilon_renyi if composed.events else max(0.0, overhead(order, delta))
    low, high = 0.0, cap
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if used + renyi_of_pure(middle, order) <= cap else (low, middle)
    return max(basic, low)
