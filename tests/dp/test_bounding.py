"""A person's share of the table is bounded exactly, whatever he does and whoever else is there."""

from __future__ import annotations

import numpy as np
import pytest
from anonkit.base.errors import PrivacyLeakError
from anonkit.dp.bounding import (
    hash_order,
    integer_weights,
    person_codes,
    rank_within,
    sample_keys,
    sample_trips,
    sample_trips_a_day,
    weighted_counts,
)
from hypothesis import given
from hypothesis import strategies as st

KEY = b"k" * 32
tables = st.lists(st.tuples(st.integers(-1, 6), st.integers(0, 4)), min_size=0, max_size=60)


@given(tables, st.integers(1, 5), st.sampled_from([1, 7, 2**20]))
def test_one_person_adds_at_most_the_stated_sensitivity(rows: list[tuple[int, int]], cap: int, scale: int) -> None:
    codes, key = np.array(rows, np.int64).reshape(-1, 2).T
    whole = weighted_counts(key, integer_weights(codes, max_trips=cap, scale=scale), size=5)
    for person in set(codes[codes >= 0].tolist()):
        rest = codes != person
        without = weighted_counts(key[rest], integer_weights(codes[rest], max_trips=cap, scale=scale), size=5)
        assert np.abs(whole - without).sum() <= scale * cap


def test_weights_that_are_not_normalised_break_the_sensitivity() -> None:
    # mutation twin: weight min(1, T) instead of min(1, T/n): a person of 1,000 trips adds 3,000,000 > 3,000 units
    codes = np.zeros(1000, np.int64)
    assert integer_weights(codes, max_trips=3, scale=1000).row.sum() <= 3000
    assert np.full(1000, 1000).sum() > 3000


def test_r01_rows_without_a_person_weigh_nothing() -> None:
    codes = person_codes(np.array(["a", None, "", "a", " ", np.nan], dtype=object))
    assert codes.tolist() == [0, -1, -1, 0, -1, -1]
    assert integer_weights(codes, max_trips=1, scale=10).row.tolist() == [5, 0, 0, 5, 0, 0]


def test_weights_use_every_trip_and_a_sample_only_some() -> None:
    # person 0 has 4 trips on cells 0,1,2,3; T=2: weights ½ each; a sample keeps two cells only
    codes, cell = np.zeros(4, np.int64), np.arange(4)
    assert weighted_counts(cell, integer_weights(codes, max_trips=2, scale=2), size=4).tolist() == [1, 1, 1, 1]
    kept = sample_trips(codes, hash_order(np.arange(4), key=KEY), max_trips=2)
    assert kept.sum() == 2


@given(tables, st.integers(1, 3))
def test_r17_removing_a_person_changes_no_row_of_another(rows: list[tuple[int, int]], most: int) -> None:
    codes, key = np.array(rows, np.int64).reshape(-1, 2).T
    trip = np.arange(len(codes)) * 7 + 3  # the source's own trip ids stay with their rows
    order = hash_order(trip, key=KEY)
    rules = {
        "trips": lambda rest: sample_trips(codes[rest], order[rest], max_trips=most),
        "day": lambda rest: sample_trips_a_day(codes[rest], key[rest], order[rest], max_trips_a_day=most),
        "keys": lambda rest: sample_keys(codes[rest], key[rest], order[rest], max_keys=most, max_trips_a_key=2),
        "weights": lambda rest: integer_weights(codes[rest], max_trips=most).row,
    }
    everyone = np.ones(len(codes), bool)
    for rule in rules.values():
        whole = rule(everyone)
        for person in set(codes.tolist()):
            rest = codes != person
            assert (rule(rest) == whole[rest]).all()


def test_r17_row_numbers_instead_of_trip_ids_break_it() -> None:
    # mutation twin: hash the row's number over the table, and other persons' rows change when one person leaves
    codes = np.repeat(np.arange(20), 5)
    rest = codes != 0

    def kept(rows: np.ndarray, ids: np.ndarray) -> np.ndarray:
        return sample_trips(codes[rows], hash_order(ids, key=KEY), max_trips=2)

    everyone, trip = np.ones(100, bool), np.arange(100)
    assert (kept(everyone, trip)[rest] == kept(rest, trip[rest])).all()
    assert (kept(everyone, np.arange(100))[rest] != kept(rest, np.arange(95))).any()


@given(tables, st.integers(1, 3), st.integers(1, 2))
def test_keys_a_person_and_trips_a_key_are_bounded(rows: list[tuple[int, int]], most: int, each: int) -> None:
    codes, key = np.array(rows, np.int64).reshape(-1, 2).T
    order = hash_order(np.arange(len(codes)), key=KEY)
    kept = sample_keys(codes, key, order, max_keys=most, max_trips_a_key=each)
    for person in set(codes[kept].tolist()):
        mine = key[kept & (codes == person)]
        assert len(set(mine.tolist())) == min(most, len(set(key[codes == person].tolist())))
        assert np.bincount(mine).max() <= each
    assert not kept[codes < 0].any()


def test_hash_order_depends_on_the_key_and_the_trip_only() -> None:
    one, two = hash_order(np.array(["t1", "t2"]), key=KEY), hash_order(np.array(["t2", "t1"]), key=KEY)
    assert one.tolist() == two[::-1].tolist()
    assert hash_order(np.array(["t1", "t2"]), key=b"x" * 32).tolist() != one.tolist()


def test_rank_within_counts_from_zero_in_each_group() -> None:
    group, order = np.array([1, 0, 1, 1]), np.array([9, 5, 2, 4])
    assert rank_within(group, order=order).tolist() == [2, 0, 0, 1]


def test_large_sums_stay_exact() -> None:
    # 2^53 + 1 is no float: sums of that size must not pass through floats
    codes = np.arange(3)
    weights = integer_weights(codes, max_trips=1, scale=2**53 + 1)
    assert weighted_counts(np.zeros(3, int), weights, size=1)[0] == 3 * (2**53 + 1)


def test_r18_a_cap_computed_from_the_trips_raises() -> None:
    with pytest.raises(PrivacyLeakError, match="max_trips must be a typed whole number"):
        integer_weights(np.array([0]), max_trips=np.bincount([0, 0]).max())  # type: ignore[arg-type]
