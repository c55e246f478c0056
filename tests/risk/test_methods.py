"""Attacks on methods: hashes, same offsets, adaptive levels, order, and the models of the population."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anonkit.base.errors import SchemaError
from anonkit.risk.fuzzing import Ends, louisville_fuzz, rare_pairs, same_offset_attack
from anonkit.risk.hashes import ALGORITHMS, hash_shape, reverse_hashes
from anonkit.risk.leaks import index_leak, neighbour_leak, order_leak
from anonkit.risk.population import population_uniqueness
from anonkit.risk.recoding import minimality, refine
from anonkit.risk.trips import trip_uniqueness
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize("algorithm", list(ALGORITHMS))
def test_unsalted_hashes_of_phones_are_reversed_and_keyed_tokens_are_not(algorithm: str) -> None:
    rng = np.random.default_rng(1)
    phones = [f"+994 50 {n:04d}" for n in rng.permutation(3000)[:60]]
    domain = [f"+994 50 {n:04d}" for n in range(3000)]
    found = reverse_hashes([ALGORITHMS[algorithm](p) for p in phones], domain)
    assert found.value == 1
    assert found.succeeds
    assert found.details["algorithm"] == algorithm
    # Salted: the twin that must fail.
    salted = reverse_hashes([hashlib.sha256(b"salt" + p.encode()).hexdigest() for p in phones], domain)
    assert salted.value == 0
    assert not salted.succeeds


def test_numbers_do_not_look_like_hashes() -> None:
    assert not hash_shape(str(n) for n in range(100)).flagged
    assert hash_shape(hashlib.sha256(bytes([n])).hexdigest() for n in range(50)).flagged


def made_trips(seed: int, rows: int = 2000) -> Ends:
    rng = np.random.default_rng(seed)
    lat, lon = 38.2 + rng.random((2, rows)) * 0.1, -85.8 + rng.random((2, rows)) * 0.1
    return Ends(start_lat=lat[0], start_lon=lon[0], end_lat=lat[1], end_lon=lon[1])


def test_the_same_offset_for_both_ends_gives_the_other_end_away() -> None:
    trips = made_trips(1)
    raw = same_offset_attack(trips, louisville_fuzz(trips, seed=2), seed=3)
    assert raw.value > 0.99
    assert raw.succeeds
    # Twin: independent offsets are at what the moved end says anyway.
    apart = same_offset_attack(trips, louisville_fuzz(trips, seed=2, same_offset=False), seed=3)
    assert not apart.succeeds
    assert apart.value < 0.4


def test_the_query_moves_one_row_of_a_rare_pair_only() -> None:
    # Three trips of one pair: GROUP BY returns one id, two trips stay where they were.
    three = Ends(**{n: np.full(3, v) for n, v in
                    (("start_lat", 38.25), ("start_lon", -85.75), ("end_lat", 38.26), ("end_lon", -85.76))})  # fmt: skip
    assert rare_pairs(three).sum() == 1
    assert rare_pairs(three, one_of_each=False).sum() == 3


@pytest.mark.real
def test_the_published_louisville_sample_is_flagged(real_data: Path) -> None:
    table = pd.read_csv(real_data / "louisville_dockless/DocklessOpenData-Sample-Aug2019-Louisville.csv")
    ids = hash_shape(table["TripID"])
    assert ids.flagged
    assert ids.hash_like == 1
    codes = [np.round(table[c] * 1000).astype(np.int64).to_numpy() for c in
             ("StartLatitude", "StartLongitude", "EndLatitude", "EndLongitude")]  # fmt: skip
    time = (table["StartDate"] + table["StartTime"]).astype("category").cat.codes.to_numpy()
    found = trip_uniqueness(*codes, time)
    assert float(found.unique_rows) > 0.85
    # The same flaw on a re-creation of its SQL from its own published ends.
    ends = Ends(**{n: table[c].to_numpy(float) for n, c in zip(
        ("start_lat", "start_lon", "end_lat", "end_lon"),
        ("StartLatitude", "StartLongitude", "EndLatitude", "EndLongitude"), strict=True)})  # fmt: skip
    attack = same_offset_attack(ends, louisville_fuzz(ends, seed=1), seed=1)
    assert attack.succeeds
    assert attack.value > 0.99


def test_r09_a_full_rest_row_settles_its_parts() -> None:
    # k = 5: eight persons over two unpublished parts: both hold four. Over nine parts nothing is certain.
    found = refine(np.array([8, 8, 6]), np.array([2, 9, 2]), k=5)
    assert found.low.tolist() == [4, 0, 2]
    assert found.figure.details["settled_rows"] == 1
    assert found.remaining[0] == pytest.approx(1 / 9)  # of 9 ways to split eight in two, one is left
    assert found.figure.value == pytest.approx(2 / 3)
    # A wide rest is at baseline.
    assert refine(np.full(200, 11), np.full(200, 30), k=11).figure.is_at_baseline(margin=0.02)


@settings(max_examples=60)
@given(st.integers(1, 14), st.integers(1, 4), st.integers(2, 6))
def test_refinement_bounds_hold_for_every_possible_split(persons: int, parts: int, k: int) -> None:
    splits = [s for s in np.ndindex(*[persons + 1] * parts) if sum(s) == persons]
    left = [s for s in splits if max(s) < k]
    found = refine(np.array([persons]), np.array([parts]), k=k)
    assert found.remaining[0] == pytest.approx(len(left) / len(splits))
    if left:
        assert found.low[0] == min(min(s) for s in left)
        assert found.high[0] == max(max(s) for s in left)


def test_minimality_is_certain_for_one_class_and_faint_for_many() -> None:
    assert minimality(np.array([40]), np.array([2]), k=11).value == 1
    many = minimality(np.full(500, 60), np.full(500, 4), k=11)
    assert many.details["gain"] < 0.01


def test_rows_in_input_order_are_seen_and_shuffled_rows_are_not(city: Any) -> None:
    origin = city.coarse(12, 24)[0]
    raw = order_leak(np.sort(origin), np.arange(len(origin)), seed=1)
    assert raw.value == 1
    assert raw.succeeds
    mixed = np.random.default_rng(2).permutation(len(origin))
    safe = order_leak(np.sort(origin), mixed, seed=1)
    assert not safe.succeeds
    assert safe.is_at_baseline(margin=0.03)


def test_running_numbers_follow_time_and_fresh_ones_do_not(city: Any) -> None:
    assert index_leak(np.argsort(np.argsort(city.start_s)), city.start_s, seed=1).succeeds
    fresh = np.random.default_rng(3).permutation(len(city.start_s))
    assert not index_leak(fresh, city.start_s, seed=1).succeeds


def test_neighbours_of_one_person_are_seen(city: Any) -> None:
    assert neighbour_leak(np.sort(city.person)).succeeds
    assert not neighbour_leak(np.random.default_rng(4).permutation(city.person)).succeeds


def restaurant(rows: int, discount: float, theta: float, rng: np.random.Generator) -> Any:
    """Class of each person under Pitman's process."""
    tables: list[int] = []
    seat = np.empty(rows, int)
    owner = np.empty(rows, int)
    for n in range(rows):
        new = rng.random() < (theta + discount * len(tables)) / (theta + n)
        if not new:
            # Pick an earlier person's class, and accept it with (size − discount) / size.
            while True:
                c = owner[rng.integers(n)]
                if rng.random() < (tables[c] - discount) / tables[c]:
                    break
            tables[c] += 1
        else:
            c = len(tables)
            tables.append(1)
        owner[n] = c
        seat[n] = c
    return seat


def test_population_uniques_are_estimated_within_their_interval() -> None:
    rng = np.random.default_rng(6)
    inside = 0
    for _ in range(10):
        seat = restaurant(4000, 0.5, 40, rng)
        sample = seat[rng.permutation(4000)[:800]]
        sizes = np.bincount(sample)
        whole = np.bincount(seat)
        unique = np.flatnonzero(sizes == 1)
        truth = (whole[unique] == 1).mean()
        figure = population_uniqueness(sizes[sizes > 0], population=4000, model="pitman")
        inside += figure.low - 0.05 <= truth <= figure.high + 0.05
    assert inside >= 8


def test_poisson_gamma_finds_the_uniques_of_its_own_world() -> None:
    rng = np.random.default_rng(7)
    whole = rng.poisson(rng.gamma(0.4, 1 / 0.4, 5000))
    sizes = rng.binomial(whole, 0.3)
    figure = population_uniqueness(sizes[sizes > 0], population=int(whole.sum()), model="poisson_gamma", classes=5000)
    truth = (whole[sizes == 1] == 1).mean()
    assert figure.low - 0.05 <= truth <= figure.high + 0.05


def test_population_parameters_are_checked() -> None:
    with pytest.raises(SchemaError, match="not below the sample"):
        population_uniqueness(np.array([3]), population=2, model="pitman")
    with pytest.raises(SchemaError, match="possible classes"):
        population_uniqueness(np.array([3]), population=9, model="poisson_gamma")
