"""Travel-time and distance quantiles of flows: one value a person and flow, a noisy gate, answers on a public grid.

What: each person gives at most m flows, and to each one the median of his own trips there; flows whose noisy number of
persons passes a gate get quantiles by permute-and-flip over public steps. Why: a courier's forty identical trips would
be the median, and an exact extreme is somebody's trip (ruling 8). Source: McKenna, Sheldon 2020; Smith 2011 (quantiles
by the exponential mechanism). What it does not protect against: few persons give wide answers; the gate keeps the worst
out, and the number of persons it saw is published with its noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import pandas as pd

from anonkit.base.errors import SchemaError
from anonkit.dp.bounding import sample_keys
from anonkit.dp.charge import Purse
from anonkit.dp.mechanisms import DiscreteLaplace
from anonkit.dp.mechanisms_diffprivlib import quantile_on_steps
from anonkit.dp.public import PublicKeys, PublicSteps, plain_int, require

GATE_SHARE = Fraction(1, 4)


@dataclass(frozen=True, kw_only=True, eq=False)
class FlowQuantiles:
    """Quantiles of the flows that passed the gate; NaN elsewhere (not enough persons, or not measured: ``status``)."""

    persons: np.ndarray = field(repr=False)
    """Noisy number of persons a key (at most ``max_keys`` keys a person)."""
    values: np.ndarray = field(repr=False)
    """One row a key, one column a percentage."""
    percents: tuple[int, ...]
    passed: np.ndarray = field(repr=False)
    noise: DiscreteLaplace
    gate: int
    persons_off: float
    """With 95 % probability each published quantile has at most so many persons between itself and the true one."""


def median_a_person(
    codes: np.ndarray, key: np.ndarray, value: np.ndarray, order: np.ndarray, *, max_keys: int
) -> pd.DataFrame:
    """At most ``max_keys`` keys a person and the median of his values in each; columns person, key, value."""
    first = sample_keys(codes, key, order, max_keys=max_keys, max_trips_a_key=1)
    frame = pd.DataFrame({"person": codes, "key": key, "value": np.asarray(value, float)})
    chosen = frame.loc[first, ["person", "key"]]
    frame = frame[(frame["person"] >= 0) & (frame["key"] >= 0) & np.isfinite(frame["value"])]
    medians = frame.groupby(["person", "key"], as_index=False)["value"].median()
    return chosen.merge(medians, on=["person", "key"])


def flow_quantiles(
    codes: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    order: np.ndarray,
    *,
    keys: PublicKeys,
    steps: PublicSteps,
    percents: tuple[int, ...],
    max_keys: int,
    min_persons: int,
    epsilon: Fraction,
    purse: Purse,
) -> FlowQuantiles:
    """Quantiles of a measured quantity for every public key with enough persons, by noise.

    Parameters
    ----------
    value : the quantity of each trip (seconds, metres); clipped to ``steps``.
    order : from ``bounding.hash_order``.
    percents : e.g. (25, 50, 75).
    max_keys : keys of one person. min_persons : the gate, on the noisy count.
    epsilon : a quarter pays the gate, the rest all quantiles of all keys together.

    Privacy
    -------
    ``epsilon``-DP for one person: he is in ``max_keys`` keys; each quantile of each costs (¾ epsilon) /
    (max_keys · number of quantiles). The gate looks at the noisy count only.

    Sources
    -------
    McKenna, Sheldon 2020; Smith 2011, Privacy-preserving Statistical Estimation with Optimal Convergence Rates.
    """
    require(keys, PublicKeys, "keys")
    require(steps, PublicSteps, "steps")
    plain_int(max_keys, "max_keys")
    plain_int(min_persons, "min_persons")
    if not percents or not all(type(part) is int and 1 <= part <= 99 for part in percents):
        raise SchemaError("percents must be whole numbers from 1 to 99.", hint="percents=(25, 50, 75)")
    purse.affords(epsilon)
    one = median_a_person(codes, key, value, order, max_keys=max_keys)
    place, step = one["key"].to_numpy(np.int64), steps.index(one["value"].to_numpy())
    noise = DiscreteLaplace(sensitivity=max_keys, epsilon=epsilon * GATE_SHARE)
    persons = purse.add_noise(
        noise,
        np.bincount(place, minlength=len(keys)).astype(np.int64),
        keys_hash=keys.sha256,
        bounds={"max_keys": max_keys},
        part="gate",
    )
    passed = persons >= min_persons
    each = epsilon * (1 - GATE_SHARE) / (max_keys * len(percents))
    by_key = np.argsort(place, kind="stable")
    edges = np.searchsorted(place[by_key], np.arange(len(keys) + 1))

    def draw() -> np.ndarray:
        table = np.full((len(keys), len(percents)), np.nan)
        for number in np.nonzero(passed)[0]:
            mine = step[by_key[edges[number] : edges[number + 1]]]
            row = [quantile_on_steps(mine, grid=steps, percent=part, epsilon=each) for part in percents]
            table[number] = np.sort(row)
        return table

    values = purse.choose(
        draw,
        mechanism="permute_and_flip",
        epsilon=epsilon * (1 - GATE_SHARE),
        keys_hash=keys.sha256 + steps.sha256,
        bounds={"max_keys": max_keys, "low": float(steps.low), "high": float(steps.high)},
        part="quantiles",
    )
    return FlowQuantiles(
        persons=persons,
        values=values,
        percents=percents,
        passed=passed,
        noise=noise,
        gate=min_persons,
        persons_off=rank_error(steps, percents=percents, epsilon=each, confidence=0.95),
    )


def rank_error(steps: PublicSteps, *, percents: tuple[int, ...], epsilon: Fraction, confidence: float) -> float:
    """Persons that a chosen quantile is off by at most, with this probability; from public numbers alone.

    A choice misses the best utility by more than t with probability at most |steps| · exp(−ε t / 2Δ); permute-and-flip is
    never worse than that (McKenna, Sheldon 2020, theorem 2). Utilities are hundredths of a person, and the best is 0.
    """
    sensitivity = max(max(part, 100 - part) for part in percents)
    miss = 2 * sensitivity / float(epsilon) * math.log(len(steps.grid()) / (1 - confidence))
    return miss / 100
