"""What a product may cost: a pure epsilon, or a rho of zero-concentrated privacy; and the noise that each buys.

What: ``Fraction`` stands for a pure epsilon and buys discrete Laplace noise; ``Rho`` buys discrete Gaussian noise. Both are
divided into shares by the same kernels. Why: for one release Laplace noise is the smaller, and its promise needs no
delta; where many products or many months are drawn from one budget, Gaussian noise adds up more slowly: ρ + ρ, while the
epsilon at a fixed delta grows with its root. Source: Bun, Steinke 2016 (ρ composes by adding, also under adaptive choice);
Canonne, Kamath, Steinke 2020 (discrete Gaussian). What it does not protect against: a rho says little to a reader; the
ledger turns it into (epsilon, delta), and only a ledger with a ``delta_cap`` can take it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from anonkit.base.errors import SchemaError
from anonkit.dp.mechanisms import DiscreteGaussian, DiscreteLaplace, Noise, exact
from anonkit.ledger.composition import best_order, overhead


@dataclass(frozen=True)
class Rho:
    """A cost under zero-concentrated differential privacy; adds up as epsilon does.

    >>> Rho(Fraction(1, 8)) * Fraction(1, 4) - Rho(Fraction(1, 64))
    Rho(value=Fraction(1, 64))
    """

    value: Fraction

    def __mul__(self, share: Fraction | int) -> Rho:
        return Rho(self.value * share)

    def __sub__(self, other: Rho) -> Rho:
        return Rho(self.value - other.value)

    def __truediv__(self, other: Rho) -> Fraction:
        return self.value / other.value

    def at(self, delta: float) -> float:
        """The smallest epsilon over Rényi orders that holds with ``delta``.

        >>> round(Rho(Fraction(1, 100)).at(1e-6), 2)
        0.62
        """
        rho = float(self.value)
        orders = [1 + 10 ** (step / 50) for step in range(-100, 301)]
        return max(0.0, min(order * rho + overhead(order, delta) for order in (*orders, best_order(1.0, delta))))


Cost = Fraction | Rho


def cost_of(*, epsilon: float | str | Fraction | None, rho: float | str | Fraction | None) -> Cost:
    """Exactly one of the two, as typed.

    Raises
    ------
    SchemaError : none or both are given.
    """
    if epsilon is not None and rho is None:
        return exact(epsilon)
    if rho is not None and epsilon is None:
        return Rho(exact(rho, "rho"))
    raise SchemaError(
        "a product costs either epsilon or rho.", hint="epsilon=0.5 (Laplace noise) or rho=0.01 (Gaussian)"
    )


def noise_of(cost: Cost, *, l1: int, l2_squared: int | None = None) -> Noise:
    """Noise for a whole-number vector that one privacy unit changes by ``l1`` in sum and √``l2_squared`` in length.

    Without ``l2_squared`` the length is taken as the sum, which is never too small.

    >>> noise_of(Fraction(1, 2), l1=3).scale, noise_of(Rho(Fraction(1, 2)), l1=3).scale
    (6.0, 3.0)
    """
    if not isinstance(cost, Rho):
        return DiscreteLaplace(sensitivity=l1, epsilon=cost)
    length = l1 if l2_squared is None else math.isqrt(l2_squared - 1) + 1  # rounded up
    return DiscreteGaussian(sensitivity=min(length, l1), rho=cost.value)
