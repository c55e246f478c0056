"""Contribution bounding: how much of the table one person may be, before any noise.

What: integer weights min(1, T/n) a person, or keyed-hash samples of a person's trips, keys, trips a key, or trips a
day. Why: a courier's thousand trips would need a thousand times the noise. Weights have the sensitivity of a sample
without its variance, and use every trip. Weights are whole numbers on a stated scale, so that sensitivity is exact:
n · floor(scale · T / n) ≤ scale · T. Samples order a person's trips by HMAC of the source's own trip id, so that no
other person's rows, nor the order of the file, decide (ruling 17). Source: Wilson et al. 2020, *Differentially Private
SQL with Bounded User Contribution*, section 3; Amin et al. 2019, *Bounding User Contributions*. What it does not
protect against: it spends nothing and hides nothing; the published figure still needs noise.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

import numpy as np

from anonkit.base.errors import SchemaError
from anonkit.dp.public import plain_int

WEIGHT_SCALE = 2**20


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Integer weight of each row, and the exact sensitivity that follows."""

    row: np.ndarray
    """int64 weight of each row, in units of 1/scale trip."""
    scale: int
    """Units that make one trip."""
    max_trips: int
    """Cap T: what one person counts for at most, in trips."""

    @property
    def sensitivity(self) -> int:
        """Most that one person adds to all sums together, in units: scale · T."""
        return self.scale * self.max_trips


def person_codes(person: np.ndarray) -> np.ndarray:
    """Number persons 0, 1, …; rows without a person (null, NaN, empty) get −1 and count for nobody (ruling 1).

    >>> person_codes(np.array(["b", None, "a", "b"], dtype=object)).tolist()
    [0, -1, 1, 0]
    """
    import pandas as pd

    person = np.asarray(person)
    codes, levels = pd.factorize(person, use_na_sentinel=True)
    if person.dtype.kind in "OUT":
        empty = np.array([isinstance(level, str) and not level.strip() for level in levels], bool)
        if empty.any():
            codes = np.where(np.append(empty, False)[codes], -1, codes)
    return codes.astype(np.int64, copy=False)


def trips_of(codes: np.ndarray) -> np.ndarray:
    """Number of rows of each person code; rows of nobody are left out."""
    return np.bincount(codes[codes >= 0])


def integer_weights(codes: np.ndarray, *, max_trips: int, scale: int = WEIGHT_SCALE) -> Weights:
    """Weight every row by min(1, T / trips of its person), as a whole number of 1/scale trips.

    Parameters
    ----------
    codes : int64, one a row: the person's code from ``person_codes``; −1 is nobody and weighs nothing.
    max_trips : typed int >= 1. Cap T in trips a person.
    scale : units that make one trip; public.

    Returns
    -------
    Weights, with the exact sensitivity ``scale * max_trips``.

    Privacy
    -------
    A person's weights sum to at most ``scale * max_trips`` whatever he does. Spends nothing, hides nothing by itself.

    Sources
    -------
    Amin et al. 2019, Bounding User Contributions: A Bias-Variance Trade-off in Differential Privacy.

    Examples
    --------
    >>> integer_weights(np.array([0, 0, 0, 0, 1]), max_trips=2, scale=100).row.tolist()
    [50, 50, 50, 50, 100]
    """
    plain_int(max_trips, "max_trips")
    plain_int(scale, "scale")
    codes = np.asarray(codes)
    count = trips_of(codes)
    weight = np.minimum(scale, (scale * max_trips) // np.maximum(count, 1)).astype(np.int64)
    row = np.append(weight, 0)[codes]  # code −1 takes the appended zero
    return Weights(row=row, scale=scale, max_trips=max_trips)


def weighted_counts(key: np.ndarray, weights: Weights, *, size: int) -> np.ndarray:
    """Sum of integer weights of each key 0…size−1 (exact); rows with key −1 are outside and left out.

    Rows outside the keys must be dropped *before* ``integer_weights``, or they use up a person's share.
    """
    key = np.asarray(key)
    inside = key >= 0
    total = int(weights.row.max(initial=0)) * max(key.size, 1)
    if total < 2**53:  # sums of whole numbers below 2^53 are exact in floats, and bincount is ten times np.add.at
        return np.bincount(key[inside], weights=weights.row[inside], minlength=size).astype(np.int64)
    sums = np.zeros(size, np.int64)
    np.add.at(sums, key[inside], weights.row[inside])
    return sums


def hash_order(trip: np.ndarray, *, key: bytes) -> np.ndarray:
    """A uint64 a row by HMAC-SHA256 of the source's own trip id: random order which depends on that trip alone."""
    if len(key) < 16:
        raise SchemaError("the run key must have at least 16 bytes.", hint="base.entropy.fresh_key()")
    start = hmac.new(key, digestmod=hashlib.sha256)
    order = np.empty(len(trip), np.uint64)
    for place, value in enumerate(np.asarray(trip).tolist()):
        mac = start.copy()
        mac.update(f"{type(value).__name__}:{value}".encode())
        order[place] = int.from_bytes(mac.digest()[:8], "big")
    return order


def rank_within(*groups: np.ndarray, order: np.ndarray) -> np.ndarray:
    """0, 1, … of each row among the rows that agree on ``groups``, by ascending ``order``."""
    place = np.lexsort((order, *reversed(groups)))
    new = np.zeros(len(order), bool)
    new[:1] = True
    for group in groups:
        ordered = np.asarray(group)[place]
        new[1:] |= ordered[1:] != ordered[:-1]
    start = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
    rank = np.empty(len(order), np.int64)
    rank[place] = np.arange(len(order)) - start
    return rank


def sample_trips(codes: np.ndarray, order: np.ndarray, *, max_trips: int) -> np.ndarray:
    """Mask of at most ``max_trips`` rows a person, first by ``order``; rows of nobody are out.

    >>> sample_trips(np.array([0, 0, 0, -1]), np.array([5, 1, 3, 0]), max_trips=2).tolist()
    [False, True, True, False]
    """
    plain_int(max_trips, "max_trips")
    codes = np.asarray(codes)
    return (codes >= 0) & (rank_within(codes, order=order) < max_trips)


def sample_trips_a_day(codes: np.ndarray, day: np.ndarray, order: np.ndarray, *, max_trips_a_day: int) -> np.ndarray:
    """Mask of at most ``max_trips_a_day`` rows a person and local day."""
    plain_int(max_trips_a_day, "max_trips_a_day")
    codes = np.asarray(codes)
    return (codes >= 0) & (rank_within(codes, np.asarray(day), order=order) < max_trips_a_day)


def sample_keys(
    codes: np.ndarray, key: np.ndarray, order: np.ndarray, *, max_keys: int, max_trips_a_key: int
) -> np.ndarray:
    """Mask of at most ``max_keys`` keys a person and ``max_trips_a_key`` rows a person and key.

    A key's place among a person's keys is that of its first row by ``order``; L1 sensitivity is the product of the
    two bounds, L∞ is ``max_trips_a_key``. A frequent key is likelier to stay; the draw is within one person.
    """
    plain_int(max_keys, "max_keys")
    plain_int(max_trips_a_key, "max_trips_a_key")
    codes, key = np.asarray(codes), np.asarray(key)
    inside = (codes >= 0) & (key >= 0)
    rank = rank_within(codes, key, order=order)
    first = inside & (rank == 0)
    key_rank = np.full(len(codes), np.iinfo(np.int64).max)
    key_rank[first] = rank_within(codes[first], order=order[first])
    place = np.lexsort((rank, key, codes))
    group = np.cumsum(rank[place] == 0) - 1
    spread = np.empty(len(codes), np.int64)
    spread[place] = key_rank[place][rank[place] == 0][group] if len(codes) else key_rank
    return inside & (rank < max_trips_a_key) & (spread < max_keys)


def drop_outside(codes: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Mask of rows that have a person and a public key: only these may use up a person's share."""
    return (np.asarray(codes) >= 0) & (np.asarray(key) >= 0)
