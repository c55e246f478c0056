"""The paid histogram: one bin a person, a cap that follows the median, a total without the trips."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from anonkit.dp.activity import BINS, Activity, activity_bins
from hypothesis import given
from hypothesis import strategies as st


def noisy_activity(trips: np.ndarray, rng: np.random.Generator, scale: float = 14.3) -> Activity:
    noise = np.rint(rng.laplace(0, scale, BINS)).astype(int)
    return Activity(noisy=activity_bins(trips) + noise, standard_deviation=2**0.5 * scale)


@given(st.lists(st.integers(0, 10**6), max_size=30), st.integers(1, 10**6))
def test_one_person_changes_one_bin_by_one_however_many_trips(trips: list[int], more: int) -> None:
    change = activity_bins(np.array([*trips, more])) - activity_bins(np.array(trips, dtype=int))
    assert np.abs(change).sum() == 1


def test_bins_are_powers_of_two() -> None:
    # 1 | 2, 3 | 4…7 | 8…15
    assert activity_bins(np.array([0, 1, 2, 3, 4, 7, 8, 15]))[:4].tolist() == [1, 2, 2, 2]


def test_cap_is_the_median_at_least_three_and_one_for_single_trips() -> None:
    rng = np.random.default_rng(0)
    assert noisy_activity(np.full(5000, 6), rng).cap() in (5, 6)
    assert noisy_activity(rng.integers(1, 4, 5000), rng).cap() == 3
    assert noisy_activity(np.ones(5000, int), rng).cap() == 1


SHAPES = {
    "pareto 1.5": (lambda r: r.pareto(1.5, 10_000), 0.12),
    "pareto 2.5": (lambda r: r.pareto(2.5, 10_000), 0.10),
    "equal": (lambda r: np.ones(10_000), 0.06),
}


@pytest.mark.parametrize("name", SHAPES)
def test_total_without_the_trips_is_near_for_heavy_and_light_tails(name: str) -> None:
    weights, limit = SHAPES[name]
    rng = np.random.default_rng(1)
    share = np.asarray(weights(rng)) + 1
    trips = np.bincount(rng.choice(10_000, 50_000, p=share / share.sum()))
    errors = []
    for _ in range(60):
        activity = noisy_activity(trips, rng)
        cap = activity.cap()
        errors.append((np.minimum(trips, cap).sum() + activity.beyond(cap)) / trips.sum() - 1)
    assert np.sqrt(np.mean(np.square(errors))) <= limit


def test_persons_are_counted_within_noise() -> None:
    rng = np.random.default_rng(2)
    trips = rng.geometric(0.3, 8000)
    counted = [noisy_activity(trips, rng).persons for _ in range(50)]
    assert abs(np.mean(counted) - 8000) < 60
    assert np.std(counted) < 150


def test_beyond_and_below_add_up_and_fall_with_the_cap() -> None:
    activity = noisy_activity(np.arange(1, 200).repeat(40), np.random.default_rng(3))
    beyond = [activity.beyond(cap) for cap in range(30)]
    assert all(a >= b for a, b in itertools.pairwise(beyond))
    assert activity.below(5) + activity.beyond(5) == pytest.approx(activity.beyond(0))
