"""Integer noise for published counts: discrete Laplace and discrete Gaussian, drawn by OpenDP.

What: noise for vectors of int64, whose scale is worked out in exact fractions and then checked against OpenDP's own
privacy map. Why: textbook float noise leaks the true value by its low bits (Mironov 2012); integers do not. This is the
only module that knows opendp. Source: Canonne, Kamath, Steinke 2020, *The Discrete Gaussian for Differential Privacy*;
Ghosh, Roughgarden, Sundararajan 2009 (geometric mechanism). What it does not protect against: a sensitivity that is
stated too small, values outside ±2^62 (refused), and anybody who sees two draws of one figure without paying twice.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import opendp.prelude as opendp

from anonkit.base.errors import PrivacyLeakError, SchemaError

LARGEST = 2**62
CHUNK = 250_000


def exact(value: float | str | Fraction, name: str = "epsilon") -> Fraction:
    """Read a privacy parameter as the decimal number that was typed: 0.1 is one tenth.

    >>> exact(0.1), exact("0.05")
    (Fraction(1, 10), Fraction(1, 20))
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Fraction | np.integer | np.floating):
        raise SchemaError(f"{name} must be a number, got {type(value).__name__}.", hint=f"write {name}=0.5.")
    fraction = value if isinstance(value, Fraction) else Fraction(str(value))
    if fraction <= 0:
        raise SchemaError(f"{name} must be positive, got {float(fraction)}.", hint=f"a usual {name} is 0.1 to 2.")
    return fraction


def float_above(value: Fraction) -> float:
    """Smallest float that is not below ``value``; noise is rounded up, never down."""
    near = float(value)
    return near if Fraction(near) >= value else math.nextafter(near, math.inf)


def _root_above(value: Fraction) -> float:
    """A float whose square is not below ``value``, at most two steps larger than needed."""
    root = math.sqrt(float_above(value))
    while Fraction(root) ** 2 < value:
        root = math.nextafter(root, math.inf)
    return root


def as_integers(values: np.ndarray) -> np.ndarray:
    """Check that ``values`` are whole numbers which leave room for noise, and return them as int64."""
    values = np.asarray(values)
    if values.dtype.kind not in "iu":
        raise SchemaError(
            f"noise is added to whole numbers only, got {values.dtype}.",
            hint="multiply weights to integers on a stated scale (dp.bounding.integer_weights).",
        )
    if values.size and (int(values.max()) > LARGEST or int(values.min()) < -LARGEST):
        raise SchemaError("a value lies beyond 2^62, where noise could overflow.", hint="use a smaller weight scale.")
    return values.astype(np.int64, copy=False)


@lru_cache(maxsize=64)
def _laplace(scale: float) -> Any:
    opendp.enable_features("contrib")
    return opendp.m.make_laplace(
        opendp.vector_domain(opendp.atom_domain(T="i64")), opendp.l1_distance(T="i64"), scale=scale
    )


@lru_cache(maxsize=64)
def _gaussian(scale: float) -> Any:
    opendp.enable_features("contrib")
    return opendp.m.make_gaussian(
        opendp.vector_domain(opendp.atom_domain(T="i64")), opendp.l2_distance(T="f64"), scale=scale
    )


def _draw(measurement: Any, values: np.ndarray) -> np.ndarray:
    """Noisy ``values``, in chunks so that a million keys need no gigabyte."""
    noisy = np.empty(values.size, np.int64)
    for start in range(0, values.size, CHUNK):
        part = values[start : start + CHUNK]
        noisy[start : start + part.size] = measurement(part.tolist())
    return noisy


@dataclass(frozen=True, kw_only=True)
class DiscreteLaplace:
    """Integer Laplace noise for a vector whose L1 sensitivity is ``sensitivity``.

    >>> noise = DiscreteLaplace(sensitivity=3, epsilon=exact(0.5))
    >>> noise.scale, noise.half_width(0.95)
    (6.0, 18)
    """

    sensitivity: int
    """Most that one privacy unit changes the vector by, summed over its entries; in units of the vector."""
    epsilon: Fraction
    """What one draw of the whole vector costs."""
    name: str = "discrete_laplace"

    def __post_init__(self) -> None:
        _check_sensitivity(self.sensitivity)
        exact(self.epsilon)

    @property
    def scale(self) -> float:
        """b in P(z) ∝ exp(-|z|/b); rounded up, so that the cost is never above ``epsilon``."""
        return float_above(Fraction(self.sensitivity) / self.epsilon)

    @property
    def variance(self) -> float:
        """Exact variance 2p/(1−p)² with p = exp(−1/b)."""
        rest = -math.expm1(-1 / self.scale)
        return 2 * math.exp(-1 / self.scale) / rest**2

    @property
    def standard_deviation(self) -> float:
        """Root of the variance."""
        return math.sqrt(self.variance)

    def half_width(self, confidence: float) -> int:
        """Smallest whole h with P(|noise| ≤ h) ≥ confidence: P(|z| > h) = 2 p^(h+1) / (1 + p)."""
        p_log = -1 / self.scale
        spare = (1 - confidence) * (1 + math.exp(p_log)) / 2
        return max(math.ceil(math.log(spare) / p_log - 1e-12) - 1, 0)

    def add(self, values: np.ndarray) -> np.ndarray:
        """Return noisy ``values`` (int64). The true value must not be shown beside it.

        Privacy: ``epsilon`` for the whole vector, checked against OpenDP's map before anything is drawn.
        """
        values = as_integers(values)
        measurement = _laplace(self.scale)
        if Fraction(measurement.map(self.sensitivity)) > self.epsilon * (1 + Fraction(1, 2**40)):
            raise PrivacyLeakError(
                f"scale {self.scale} does not give epsilon {float(self.epsilon)} by OpenDP's map.",
                hint="report this: it is a fault in anonkit.",
            )
        return _draw(measurement, values)


@dataclass(frozen=True, kw_only=True)
class DiscreteGaussian:
    """Integer Gaussian noise for a vector whose L2 sensitivity is ``sensitivity``, under zero-concentrated DP.

    >>> noise = DiscreteGaussian(sensitivity=2, rho=exact(0.125, "rho"))
    >>> noise.scale
    4.0
    """

    sensitivity: int
    """Most that one privacy unit changes the vector by, in Euclidean length."""
    rho: Fraction
    """What one draw of the whole vector costs under zCDP."""
    name: str = "discrete_gaussian"

    def __post_init__(self) -> None:
        _check_sensitivity(self.sensitivity)
        exact(self.rho, "rho")

    @property
    def scale(self) -> float:
        """σ = sensitivity / √(2ρ), rounded up."""
        return _root_above(Fraction(self.sensitivity) ** 2 / (2 * self.rho))

    @property
    def variance(self) -> float:
        """Upper bound of the variance: that of the continuous Gaussian (Canonne et al., corollary 9)."""
        return self.scale**2

    @property
    def standard_deviation(self) -> float:
        """Root of the variance."""
        return self.scale

    def half_width(self, confidence: float) -> int:
        """Smallest whole h with P(|noise| ≤ h) ≥ confidence, from the exact mass function."""
        sigma = self.scale
        if sigma > 1e5:  # the discrete and the continuous tail agree far below one step here
            from scipy.special import ndtri

            return math.ceil(sigma * float(ndtri((1 + confidence) / 2)) + 0.5)
        reach = math.ceil(10 * sigma) + 2
        mass = np.exp(-0.5 * (np.arange(reach + 1) / sigma) ** 2)
        inside = mass[0] + 2 * np.concatenate([[0.0], np.cumsum(mass[1:])])
        return int(np.searchsorted(inside / inside[-1], confidence))

    def epsilon(self, delta: float) -> float:
        """An epsilon that holds with ``delta``: ρ + 2√(ρ ln(1/δ)). The ledger's own accounting is tighter."""
        rho = float(self.rho)
        return rho + 2 * math.sqrt(rho * math.log(1 / delta))

    def add(self, values: np.ndarray) -> np.ndarray:
        """Return noisy ``values`` (int64). Privacy: ``rho`` for the whole vector, checked against OpenDP's map."""
        values = as_integers(values)
        measurement = _gaussian(self.scale)
        if Fraction(measurement.map(float(self.sensitivity))) > self.rho * (1 + Fraction(1, 2**40)):
            raise PrivacyLeakError(
                f"scale {self.scale} does not give rho {float(self.rho)} by OpenDP's map.",
                hint="report this: it is a fault in anonkit.",
            )
        return _draw(measurement, values)


Noise = DiscreteLaplace | DiscreteGaussian


def _check_sensitivity(sensitivity: int) -> None:
    if (
        isinstance(sensitivity, bool)
        or not isinstance(sensitivity, int)
        or not 1 <= sensitivity <= min(LARGEST, sys.maxsize)
    ):
        raise SchemaError(
            "sensitivity must be a whole number >= 1.", hint="use weights on an integer scale; see dp.bounding."
        )
