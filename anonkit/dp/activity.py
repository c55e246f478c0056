"""How many trips persons make, bought with a small share of epsilon: it chooses the cap and pays for the total.

What: a one-hot histogram of log2(trips of a person) with integer noise, and what follows from it without the data: a
cap T, the number of persons, and how many trips lie beyond any cap. Why: each person is in one bin, so the sensitivity
is 1 however many trips he makes; a sum capped at 3 misses half of all trips, and its ratio to the whole must come from
somewhere that is paid for. Source: conformance/README.md (paid activity histogram); Amin et al. 2019 (choosing the
bound costs epsilon). What it does not protect against: the tail beyond the last well-filled bin is a guess among laws
(``activity_laws``), cut where hardly a person is expected; a person of 10,000 trips is not seen, and must not be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from anonkit.dp.activity_laws import BINS, likely_tail

TAIL_BIN = 3  # first bin that may be fitted: persons of 8 trips and more
LEAST_CAP = 3
WELL_FILLED = 40.0  # standard deviations of noise in the persons of the tail
READ_TO = 7  # the tail may begin no later than at 64 trips
MISFIT = 0.35  # the fitted tail is wrong by at least this share of a bin


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
    most_trips: int | None = None
    """More trips than these nobody makes in the period, by public knowledge; ends the tail. None: unknown."""

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
        """Mean of max(n − cap, 0)^power in each bin, by the local power law between neighbouring bins."""
        counts = np.maximum(self._persons_of_bin, 1e-3)
        means = np.zeros(BINS)
        for place in range(BINS):
            left, right = max(place - 1, 0), min(place + 1, BINS - 1)
            slope = min(max(math.log2(counts[left] / counts[right]) / (right - left) + 1.0, 0.5), 5.0)
            end = min(2.0 ** (place + 1), max((self.most_trips or math.inf) + 1, 2**place + 1))
            sizes = np.unique(np.geomspace(2**place, end - 1, 64).astype(int)).astype(float)
            width = np.diff(np.append(sizes, end))
            density = width * sizes**-slope
            means[place] = (np.maximum(sizes - cap, 0) ** power * density).sum() / density.sum()
        return means

    @cached_property
    def _first_fitted(self) -> int:
        """First bin of the tail: the highest with far more persons at and above it than noise."""
        above = np.cumsum(self.noisy[:READ_TO][::-1])[::-1]
        filled = np.nonzero(above >= WELL_FILLED * self.standard_deviation)[0]
        return max(TAIL_BIN, int(filled[-1]) if filled.size else 0)

    @cached_property
    def _persons_of_bin(self) -> np.ndarray:
        """Bins as read below the tail; there the fitted law, drawn to what was read as far as the law may be wrong."""
        first = self._first_fitted
        fitted = likely_tail(self.noisy, first=first, standard_deviation=self.standard_deviation)
        seen = fitted > 2 * self.standard_deviation
        misfit = MISFIT
        if seen.any():
            excess = ((self.noisy[first:] - fitted) ** 2 - self.standard_deviation**2)[seen] / fitted[seen] ** 2
            misfit = min(max(float(excess.mean()), MISFIT**2), 9.0) ** 0.5
        wrong = (misfit * fitted) ** 2
        trust = wrong / (wrong + self.standard_deviation**2)
        tail = fitted + trust * (self.noisy[first:] - fitted)
        persons = np.concatenate([self.noisy[:first].astype(float), tail])
        if self.most_trips is not None:
            persons[2.0 ** np.arange(BINS) > self.most_trips] = 0.0
        return persons
