"""Laws of how many trips people make: what a noisy histogram is held against where noise drowns its tail.

What: some three thousand laws of trips a person (power laws, power laws spread by neighbourhood or ending at some size,
lognormal, gamma, and a crowd with a few heavy riders), each as the share of persons in the log2 bins, with a prior; and
the posterior mean of the persons in the tail. Why: trips beyond a cap are decided by a handful of persons whom noise
hides. One family fits one city: a power law alone found 25 to 30 per cent too many trips where activity was lognormal or
two-humped. The bins below the tail are well measured and tell the families apart. Source: Clauset, Shalizi, Newman 2009
(power laws and what is mistaken for them); Dwork, Roth 2014, 2.1 (post-processing costs nothing). What it does not
protect against: it reads noisy figures only and spends nothing, but the few heaviest persons of a population stay a
guess: below 10,000 persons totals may be off by a tenth, and where the tail ends early by more (``most_trips``).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.special import pdtr

BINS = 16
STEP = 0.03
LOG_RATE = np.arange(math.log(0.02), math.log(2**17), STEP)
RATE = np.exp(LOG_RATE)
STEEPNESS = ((1.1, 0.1), (1.3, 1.0), (1.4, 2.0), (1.5, 2.0), (1.6, 0.7), (1.7, 0.3), (1.9, 0.2), (2.2, 0.2), (2.6, 0.2),
             (3.2, 0.2), (4.5, 0.2))  # fmt: skip
"""Exponents of power laws and their prior weight: heavy tails are the rule."""
GROUPS = {"power": 0.5, "spread": 0.15, "ending": 0.1, "lognormal": 0.15, "gamma": 0.1, "few heavy": 0.1}
"""Prior weight of each family."""
WRONG = 0.07
"""Share of a bin by which a law that is right still misses."""
LAST_PERSONS = 0.15
"""A law's tail fades out where fewer persons than about this are expected at and beyond a bin."""
BINS_BEFORE = 3
"""Well measured bins before the tail by which laws are told apart."""


def _power(steepness: float, least: float, end: float = math.inf) -> np.ndarray:
    return (least <= RATE) * (RATE / least) ** -steepness * np.exp(-RATE / end)


def _gamma(shape: float, mean: float) -> np.ndarray:
    return (RATE / mean) ** shape * np.exp(-shape * RATE / mean)


def _lognormal(spread: float, middle: float) -> np.ndarray:
    return np.exp(-0.5 * ((LOG_RATE - math.log(middle)) / spread) ** 2)


def _spread(density: np.ndarray, spread: float) -> np.ndarray:
    """The density of a rate times an independent lognormal factor."""
    reach = np.arange(-int(4 * spread / STEP), int(4 * spread / STEP) + 1) * STEP
    return np.convolve(density, np.exp(-0.5 * (reach / spread) ** 2), mode="same")


def _families() -> dict[str, list[tuple[np.ndarray, float]]]:
    """Densities of the rate on ``RATE`` (a log scale), with a weight inside the family."""
    least, middle = np.geomspace(0.7, 48, 22), np.geomspace(0.7, 60, 40)
    crowd = [_gamma(shape, mean) for shape in (0.7, 1.5, 5.0) for mean in (1.0, 2.0, 4.0, 8.0)]
    heavy = [_gamma(shape, mean) for shape in (3.0, 20.0) for mean in (20.0, 40.0, 60.0, 90.0)]
    return {
        "power": [(_power(a, c), w) for a, w in STEEPNESS for c in least],
        "spread": [(_spread(_power(a, c), s), w) for a, w in STEEPNESS for c in least for s in (0.4, 0.7)],
        "ending": [
            (_power(a, c, end), w) for a, w in STEEPNESS for c in least for end in (40, 80, 160, 320) if end > 2 * c
        ],
        "lognormal": [(_lognormal(s, m), 1.0) for s in np.linspace(0.2, 2.0, 19) for m in np.geomspace(0.3, 60, 40)],
        "gamma": [(_gamma(k, m), 1.0) for k in (0.2, 0.35, 0.5, 0.7, 1.0, 1.5, 2.5, 5.0, 20.0) for m in middle],
        "few heavy": [
            (most / most.sum() + share * few / few.sum(), 1.0)
            for most in crowd
            for few in heavy
            for share in (0.01, 0.03, 0.1, 0.3)
        ],
    }


@lru_cache(maxsize=1)
def laws() -> tuple[np.ndarray, np.ndarray]:
    """Share of persons in each bin under each law (persons with a trip at least), and the log prior of each law.

    Trips of a person of rate r are Poisson(r). Made once, from nothing but the constants above.
    """
    below = np.array([pdtr(2.0**place - 1, RATE) for place in range(BINS + 1)])
    shares, prior = [], []
    for name, family in _families().items():
        density = np.array([part for part, _ in family])
        weight = np.array([part for _, part in family])
        share = (density / density.sum(1, keepdims=True)) @ np.diff(below, axis=0).T
        shares.append(share / share.sum(1, keepdims=True))
        prior.append(GROUPS[name] * weight / weight.sum())
    return np.concatenate(shares), np.log(np.concatenate(prior))


def likely_tail(noisy: np.ndarray, *, first: int, standard_deviation: float) -> np.ndarray:
    """Posterior mean of the persons in the bins from ``first`` on.

    Parameters
    ----------
    noisy : noisy persons of all bins. first : first bin of the tail. standard_deviation : of the noise of a bin.

    Privacy
    -------
    Post-processing; spends nothing.
    """
    shares, log_prior = laws()
    begin = max(first - BINS_BEFORE, 0)
    part, seen = shares[:, begin:], noisy[begin:].astype(float)
    level = np.maximum((part * seen).sum(1) / np.maximum((part**2).sum(1), 1e-300), 1.0)
    for _ in range(2):
        variance = _variance(level[:, None] * part, standard_deviation)
        level = (part * seen / variance).sum(1) / np.maximum((part**2 / variance).sum(1), 1e-300)
        level = np.maximum(level, 1.0)
    expected = level[:, None] * part
    variance = _variance(expected, standard_deviation)
    log_weight = log_prior - 0.5 * ((seen - expected) ** 2 / variance + np.log(variance)).sum(1)
    weight = np.exp(log_weight - log_weight.max())
    tail = expected[:, first - begin :]
    beyond = np.cumsum(tail[:, ::-1], 1)[:, ::-1]
    fading = np.clip(np.log(np.maximum(beyond, 1e-12) / LAST_PERSONS) / math.log(8) + 0.5, 0.0, 1.0)
    return (weight / weight.sum()) @ (tail * fading)


def _variance(expected: np.ndarray, standard_deviation: float) -> np.ndarray:
    return standard_deviation**2 + expected + (WRONG * expected) ** 2
