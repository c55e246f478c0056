"""The paid histogram: one bin a person, a cap that follows the median, a total without the trips."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

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


def owned(weights: np.ndarray, rng: np.random.Generator, each: int = 5) -> np.ndarray:
    """Trips a person, ``each`` on average, that fall on persons by these weights."""
    return np.bincount(rng.choice(len(weights), each * len(weights), p=weights / weights.sum()))


PERSONS = 10_000
SHAPES = {
    "pareto 1.1": (lambda r: owned(r.pareto(1.1, PERSONS) + 1, r), 0.20),
    "pareto 1.5": (lambda r: owned(r.pareto(1.5, PERSONS) + 1, r), 0.09),
    "pareto 2.5": (lambda r: owned(r.pareto(2.5, PERSONS) + 1, r), 0.04),
    "equal": (lambda r: owned(np.ones(PERSONS), r), 0.03),
    "lognormal 1": (lambda r: owned(r.lognormal(0, 1, PERSONS), r), 0.06),
    "lognormal 1.5": (lambda r: owned(r.lognormal(0, 1.5, PERSONS), r), 0.12),
    "gamma": (lambda r: owned(r.gamma(0.5, 1, PERSONS), r), 0.06),
    "commuters": (lambda r: np.where(r.random(PERSONS) < 0.1, r.poisson(40, PERSONS), r.poisson(3, PERSONS)), 0.08),
    "few couriers": (
        lambda r: np.where(r.random(PERSONS) < 0.02, r.poisson(60, PERSONS), r.geometric(0.4, PERSONS)),
        0.12,
    ),
    "single trips": (lambda r: np.ones(PERSONS, int), 0.03),
}
"""Populations unlike each other, and the largest root mean square error of the total; a power law alone missed by up to 0.47."""


def total_errors(trips: np.ndarray, rng: np.random.Generator, draws: int, **more: Any) -> np.ndarray:
    errors = []
    for _ in range(draws):
        activity = replace(noisy_activity(trips, rng, scale=10.0), **more)
        cap = activity.cap()
        errors.append((np.minimum(trips, cap).sum() + activity.beyond(cap)) / trips.sum() - 1)
    return np.array(errors)


@pytest.mark.parametrize("name", SHAPES)
def test_total_without_the_trips_is_near_for_unlike_populations(name: str) -> None:
    make, limit = SHAPES[name]
    errors = []
    for seed in (1, 2, 3):
        rng = np.random.default_rng(seed)
        errors.append(total_errors(make(rng), rng, 8))
    assert np.sqrt(np.mean(np.square(errors))) <= limit


def test_public_knowledge_of_the_most_trips_ends_the_tail() -> None:
    # a power law that stops: nobody rides more than 250 times. Without that knowledge heavier riders are guessed at
    rng = np.random.default_rng(4)
    trips = np.minimum(owned(rng.pareto(1.3, 6000) + 1, rng, each=10), 250)
    trips = trips[trips < 250]
    blind, told = total_errors(trips, rng, 12), total_errors(trips, rng, 12, most_trips=300)
    assert blind.mean() > told.mean() + 0.04
    assert abs(told.mean()) < 0.09


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
