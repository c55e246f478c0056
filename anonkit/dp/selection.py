"""Which keys may be named at all: partition selection with delta, and the few busiest keys without it.

What: keys that enough persons share, found by a noisy count of persons above a proven threshold; and the top keys by
persons, peeled off one after another by permute-and-flip. Why: a zone, an hour or a street that only one person used is
itself a disclosure when the list of keys comes from the trips (ruling 18). Source: Korolova et al. 2009, *Releasing
Search Queries and Clicks Privately*; Wilson et al. 2020, section 3.5; McKenna, Sheldon 2020. What it does not protect
against: delta is the chance that a key of one person is named; keep it far below one over the number of persons.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from anonkit.dp.bounding import sample_keys
from anonkit.dp.charge import Purse
from anonkit.dp.mechanisms import DiscreteLaplace, exact
from anonkit.dp.mechanisms_diffprivlib import permute_and_flip
from anonkit.dp.public import PublicKeys, plain_int, require

KEYS_SHARE = Fraction(1, 2)
"""Share of a selected table's epsilon that finds its keys; the rest counts trips."""


def selection_threshold(noise: DiscreteLaplace, *, max_keys: int, delta: Fraction) -> int:
    """Least noisy count at which a key may be named, so that no key of one person is, but with chance ``delta``.

    A person brings at most ``max_keys`` keys that nobody else has, each with count 1. A key passes when
    1 + z ≥ τ, and P(z ≥ t) = p^t / (1 + p) with p = exp(−1/b); by the union bound P(z ≥ τ − 1) ≤ δ / max_keys is enough.

    >>> selection_threshold(DiscreteLaplace(sensitivity=1, epsilon=exact(1)), max_keys=1, delta=exact(1e-6, "delta"))
    15
    """
    log_p = -1 / noise.scale
    wanted = math.log(delta / max_keys) + math.log1p(math.exp(log_p))
    return 1 + max(math.ceil(wanted / log_p), 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class SelectedKeys:
    """Keys that may be named, with the noisy number of persons that let them pass."""

    keys: PublicKeys
    persons: np.ndarray = field(repr=False)
    """Noisy persons a key (at most ``max_keys`` keys a person); biased upwards by the selection."""
    threshold: int
    epsilon: Fraction
    delta: Fraction


def select_keys(
    codes: np.ndarray,
    rows: np.ndarray,
    order: np.ndarray,
    *,
    columns: tuple[str, ...],
    max_keys: int,
    epsilon: float | str | Fraction,
    delta: float | str | Fraction,
    purse: Purse,
) -> SelectedKeys | None:
    """Keys shared by enough persons, when no public list exists; None if no key passes.

    Parameters
    ----------
    codes : person code a trip, −1 for nobody.
    rows : int64, one row a trip: the key's parts.
    order : from ``bounding.hash_order``; decides which ``max_keys`` keys of a person count.
    max_keys : typed int. Most keys of one person.
    epsilon, delta : cost; delta is the chance that a key of a single person is named.

    Privacy
    -------
    (epsilon, delta)-DP for one person with any number of trips: noise of the counts has L1 sensitivity ``max_keys``;
    keys that only he has pass with chance at most delta. The keys that come back are public from then on.

    Sources
    -------
    Korolova et al. 2009; Wilson et al. 2020, section 3.5.
    """
    plain_int(max_keys, "max_keys")
    epsilon, delta = exact(epsilon), exact(delta, "delta")
    rows = np.asarray(rows, np.int64).reshape(len(codes), -1)
    inside = np.asarray(codes) >= 0
    names, key = np.unique(rows[inside], axis=0, return_inverse=True)
    codes, key, order = codes[inside], key.reshape(-1), np.asarray(order)[inside]
    kept = sample_keys(codes, key, order, max_keys=max_keys, max_trips_a_key=1)
    noise = DiscreteLaplace(sensitivity=max_keys, epsilon=epsilon)
    threshold = selection_threshold(noise, max_keys=max_keys, delta=delta)
    noisy = purse.choose(
        lambda: noise.add(np.bincount(key[kept], minlength=len(names)).astype(np.int64)),
        mechanism="partition_selection",
        epsilon=epsilon,
        delta=delta,
        keys_hash=hashlib.sha256(repr(columns).encode()).hexdigest(),
        bounds={"max_keys": max_keys, "threshold": threshold},
        part="keys",
    )
    passed = noisy >= threshold
    if not passed.any():
        return None
    source = f"selected with epsilon {float(epsilon)}, delta {float(delta)}"
    keys = PublicKeys.declared(names[passed], columns=columns, source=source)
    return SelectedKeys(keys=keys, persons=noisy[passed], threshold=threshold, epsilon=epsilon, delta=delta)


def persons_of_key(codes: np.ndarray, key: np.ndarray, *, size: int) -> np.ndarray:
    """Distinct persons of each key; a person counts once a key however often he went there."""
    inside = (codes >= 0) & (key >= 0)
    pairs = np.unique(codes[inside].astype(np.int64) * size + key[inside])
    return np.bincount(pairs % size, minlength=size).astype(np.int64)


def hot_spots(
    codes: np.ndarray, key: np.ndarray, *, keys: PublicKeys, top: int, epsilon: float | str | Fraction, purse: Purse
) -> np.ndarray:
    """Indices of about the ``top`` busiest public keys by number of persons, busiest first.

    Privacy
    -------
    ``epsilon``-DP for one person: each of ``top`` choices costs epsilon / top. The utility of a key is its number of
    distinct persons, which one person changes by at most 1 in any number of keys, always upwards when he is added; so no
    bound on his trips is needed and the noise does not grow with them.

    Sources
    -------
    McKenna, Sheldon 2020, Permute-and-Flip; peeling: Durfee, Rogers 2019.
    """
    require(keys, PublicKeys, "keys")
    plain_int(top, "top")
    epsilon = exact(epsilon)
    utility = persons_of_key(np.asarray(codes), np.asarray(key), size=len(keys))
    left = np.arange(len(keys))

    def draw() -> np.ndarray:
        nonlocal left
        chosen = []
        for _ in range(min(top, len(keys))):
            place = permute_and_flip(utility[left], sensitivity=1, epsilon=epsilon / top, monotonic=True)
            chosen.append(left[place])
            left = np.delete(left, place)
        return np.array(chosen)

    return purse.choose(
        draw,
        mechanism="permute_and_flip",
        epsilon=epsilon,
        keys_hash=keys.sha256,
        bounds={"persons_a_key": 1, "top": top},
        part="hot_spots",
    )
