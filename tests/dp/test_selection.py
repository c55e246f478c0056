"""Keys that come from the trips pay for being named."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from anonkit.base.errors import PrivacyLeakError
from anonkit.dp.charge import Purse
from anonkit.dp.mechanisms import DiscreteLaplace, exact
from anonkit.dp.public import PublicKeys
from anonkit.dp.selection import hot_spots, persons_of_key, select_keys, selection_threshold

pytestmark = pytest.mark.usefixtures("seeded_noise")


def purse(ledger: Any) -> Purse:
    return Purse(ledger=ledger, product="keys", release="test", periods=("2026-09",))


@pytest.mark.parametrize(("epsilon", "delta", "most"), [("1", "1e-6", 1), ("0.3", "1e-5", 4), ("2", "1e-8", 10)])
def test_threshold_lets_a_single_persons_keys_pass_with_chance_delta(epsilon: str, delta: str, most: int) -> None:
    noise = DiscreteLaplace(sensitivity=most, epsilon=exact(epsilon))
    threshold = selection_threshold(noise, max_keys=most, delta=exact(delta, "delta"))
    p = math.exp(-1 / noise.scale)

    def chance(limit: int) -> float:  # P(1 + z >= limit), summed term by term
        return sum((1 - p) / (1 + p) * p**z for z in range(limit - 1, limit + 4000))

    assert most * chance(threshold) <= float(exact(delta, "delta")) * (1 + 1e-9)
    assert most * chance(threshold - 1) > float(exact(delta, "delta"))  # and no step higher than needed


def test_shared_keys_are_named_and_cost_delta_too(nodding: Any) -> None:
    codes = np.arange(300)
    rows = np.where(codes < 290, codes % 2, codes)  # two shared keys, ten of one person each
    made = select_keys(
        codes,
        rows,
        np.arange(300, dtype=np.uint64),
        columns=("cell",),
        max_keys=1,
        epsilon=1,
        delta=1e-6,
        purse=purse(nodding),
    )
    assert made is not None
    assert made.keys.values[:, 0].tolist() == [0, 1]
    assert "selected with epsilon 1.0" in made.keys.source
    assert (nodding.events[0].loss.epsilon, nodding.events[0].loss.delta) == (1.0, pytest.approx(1e-6))


def test_a_person_counts_once_a_key() -> None:
    # person 0 goes 1,000 times to key 0; persons 0 and 1 once to key 1
    codes, key = np.append(np.zeros(1001, int), 1), np.append(np.zeros(1000, int), [1, 1])
    assert persons_of_key(codes, key, size=2).tolist() == [1, 2]


def test_hot_spots_are_the_busiest_by_persons_and_cost_epsilon(nodding: Any) -> None:
    keys = PublicKeys.declared(np.arange(20)[:, None], columns=("cell",), source="test")
    codes = np.arange(2000)
    key = np.where(codes < 900, 3, np.where(codes < 1500, 7, codes % 20))
    assert hot_spots(codes, key, keys=keys, top=2, epsilon=1, purse=purse(nodding)).tolist() == [3, 7]
    assert nodding.events[0].loss.epsilon == 1.0


def test_r18_hot_spots_need_declared_keys(nodding: Any) -> None:
    with pytest.raises(PrivacyLeakError, match="keys must be PublicKeys"):
        hot_spots(np.zeros(1, int), np.zeros(1, int), keys=np.arange(3), top=1, epsilon=1, purse=purse(nodding))  # type: ignore[arg-type]
