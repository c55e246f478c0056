"""How many trips persons make, bought with a small share of epsilon: it chooses the cap and pays for the total.

What: a one-hot histogram of log2(trips of a person) with integer noise, and what follows from it without the data: a
cap T, the number of persons, and how many trips lie beyond any cap. Why: each person is in one bin, so the sensitivity
is 1 however many trips he makes; a sum capped at 3 misses half of all trips, and its ratio to the whole must come from
somewhere that is paid for. Source: conformance/README.md (paid activity histogram); Amin et al. 2019 (choosing the
bound costs epsilon). What it does not protect against: the tail beyond the last well-filled bin is a fitted power law,
cut at the size at which one person is expected; a single person of 10,000 trips is not seen, and must not be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

BINS = 16
TAIL_BIN = 3  # first bin that may be fitted: persons of 8 trips and more
LEAST_CAP = 3
WELL_FILLED = 40.0  # standard deviations of noise in the persons of the tail
READ_TO = 7  # bins from 128 trips on are always fitted: one bin's noise there would be half a total
CONTRADICTS = 6.0  # standard deviations of noise
LAST_PERSON = 0.2  # the fitted tail ends at the size that this many persons are expected to exceed
ALPHAS = np.linspace(0.9, 9.0, 120)
ALPHA_PRIOR = ((0.8, 1.5, 0.12), (0.2, 2.6, 0.9))  # share, mean, deviation: heavy tails are the rule, light ones occur


def activity_bins(trips_of_person: np.ndarray) -> np.ndarray:
    """One-hot counts: persons with 1, 2–3, 4–7, … trips. One person changes one bin by one.

    >>> activity_bins(np.array([1, 1, 3, 9]))[:4].tolist()
    [2, 1, 0, 1]
    """
    trips = np.asarray(trips_of_person)
    trips = trips[trips > 0]
    place = np.minimum(np.frexp(trips.astype(float))[1] - 1, BINS - 1)
    return np.bincount(place, minlength=BINS).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class Activity:
    """What the paid histogram tells. Every property is post-processing and costs nothing more."""

    noisy: np.ndarray
    """Noisy persons a bin (int64)."""
    standard_deviation: float
    """Of the noise of one bin."""

    @property
    def persons(self) -> float:
        """Estimated number of persons, at least 1."""
        return float(max(self._persons_of_bin.sum(), 1.0))

    @property
    def median(self) -> float:
        """Trips of the median person, read off the bins between their borders (1–2, 2–4, 4–8, …)."""
        counts = np.maximum(self._persons_of_bin, 0)
        share = np.cumsum(counts) / max(counts.sum(), 1e-9)
        place = min(int(np.searchsorted(share, 0.5)), BINS - 1)
        before = share[place - 1] if place else 0.0
        inside = (0.5 - before) / max(share[place] - before, 1e-9)
        return float(2**place * 2 ** min(max(inside, 0.0), 1.0))

    def cap(self) -> int:
        """Cap T in trips: the median, at least 3, but 1 where hardly anybody makes a second trip."""
        several = max(self._persons_of_bin[1:].sum(), 0.0)
        if several < max(0.05 * self.persons, 4 * self.standard_deviation):
            return 1
        return max(LEAST_CAP, math.floor(self.median))

    def beyond(self, cap: int) -> float:
        """Estimated trips above ``cap`` a person, summed over persons: Σ max(n − cap, 0)."""
        return float(np.maximum(self._persons_of_bin, 0) @ self._mean_of_bin(cap, power=1))

    def below(self, cap: int) -> float:
        """Estimated Σ min(n, cap): what a capped table sums to, from the histogram alone."""
        return self.beyond(0) - self.beyond(cap)

    def heavy_square(self, cap: int) -> float:
        """Estimated Σ max(n − cap, 0)² over persons of at most 1,024 trips: spread that the cap hides, for bands."""
        return float((np.maximum(self._persons_of_bin, 0) * self._mean_of_bin(cap, power=2))[:10].sum())

    def _mean_of_bin(self, cap: int, *, power: int) -> np.ndarray:
        """Mean of max(n − cap, 0)^power in each bin, by the local power law; the last bins end at the cut."""
        counts = np.maximum(self._persons_of_bin, self.standard_deviation)
        alpha = float(self._tail(self._first_fitted)[1] @ ALPHAS)
        means = np.zeros(BINS)
        for place in range(BINS):
            if place < self._first_fitted:
                drop = math.log2(counts[max(place - 1, 0)] / counts[place + 1]) / (place + 1 - max(place - 1, 0))
                slope = min(max(drop + 1.0, 0.5), 4.0)
            else:
                slope = alpha + 1.0
            sizes = np.unique(np.geomspace(2**place, 2 ** (place + 1) - 1, 64).astype(int)).astype(float)
            width = np.diff(np.append(sizes, 2.0 ** (place + 1)))
            density = width * sizes**-slope
            means[place] = (np.maximum(sizes - cap, 0) ** power * density).sum() / density.sum()
        return means

    @cached_property
    def _first_fitted(self) -> int:
        """First bin of the tail: the highest with far more persons at and above it than noise, or a later hump."""
        above = np.cumsum(self.noisy[:READ_TO][::-1])[::-1]
        filled = np.nonzero(above >= WELL_FILLED * self.standard_deviation)[0]
        first = max(TAIL_BIN, int(filled[-1]) if filled.size else 0)
        while first < READ_TO - 1:
            gap = self.noisy[first:READ_TO] - self._fitted(first)[: READ_TO - first]
            humps = np.nonzero(gap[1:] > CONTRADICTS * self.standard_deviation)[0]
            if not humps.size:
                break
            first += 1 + int(humps[-1])
        return first

    @cached_property
    def _persons_of_bin(self) -> np.ndarray:
        """Bins as read below the tail; there the fitted power law."""
        first = self._first_fitted
        return np.concatenate([self.noisy[:first].astype(float), self._fitted(first)])

    def _fitted(self, first: int) -> np.ndarray:
        """Persons a bin from ``first`` on by the power law, none beyond the size that hardly anybody exceeds."""
        level, posterior = self._tail(first)
        steps = np.arange(BINS - first, dtype=float)
        end = np.maximum(level / LAST_PERSON, 1.0) ** (1 / ALPHAS)
        low = np.minimum(2.0**steps, end[:, None]) ** -ALPHAS[:, None]
        high = np.minimum(2.0 ** (steps + 1), end[:, None]) ** -ALPHAS[:, None]
        return (posterior * level) @ (low - high)

    def _tail(self, first: int) -> tuple[np.ndarray, np.ndarray]:
        """Persons of the tail for each α in P(N > n) ∝ n^−α, and the posterior of α."""
        observed = self.noisy[first:].astype(float)
        steps = np.arange(len(observed))
        shape = 2.0 ** (-ALPHAS[:, None] * steps) - 2.0 ** (-ALPHAS[:, None] * (steps + 1))
        rough = max(observed[:4].sum(), 1.0)
        weight = 1 / (self.standard_deviation**2 + rough * shape)
        level = np.maximum((weight * shape * observed).sum(1) / (weight * shape**2).sum(1), 0.0)
        misfit = (weight * (observed - level[:, None] * shape) ** 2 - np.log(weight)).sum(1)
        prior = sum(share / sd * np.exp(-0.5 * ((ALPHAS - mean) / sd) ** 2) for share, mean, sd in ALPHA_PRIOR)
        log_posterior = -0.5 * misfit + np.log(prior + 1e-300)
        posterior = np.exp(log_posterior - log_posterior.max())
        return level, posterior / posterior.sum()
