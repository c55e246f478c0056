from __future__ import annotations

import json
import math

import numpy as np
import pytest
from anonkit.base.errors import SchemaError
from anonkit.utility import count_error, divergence
from hypothesis import given
from hypothesis import strategies as st

COUNTS = st.lists(st.integers(0, 50), min_size=1, max_size=30)


def test_suppressed_counts_as_zero_in_errors_but_is_told_apart() -> None:
    # before 10, 5, 1; the class of 1 is suppressed: |0-1| over 3 classes = 1/3; relative errors of the published are 0.
    error = count_error([10, 5, 1], [10, 5, np.nan])
    assert (error.classes, error.classes_published) == (3, 2)
    assert error.share_published == 15 / 16
    assert error.mean_error == pytest.approx(1 / 3)
    assert error.median_relative_error == 0
    # shares before 10/16, 5/16, 1/16; after 10/15, 5/15, 0: half the absolute differences = 1/16
    assert error.misplaced == pytest.approx(1 / 16)


def test_published_zero_is_published_and_not_suppressed() -> None:
    assert count_error([4, 2], [4, 0]).classes_published == 2
    assert count_error([4, 2], [4, np.nan]).classes_published == 1


def test_noise_in_a_class_that_held_nothing_is_an_error() -> None:
    # class 2 held nothing and is published with 3: mean over both classes |5-5|, |3-0| = 1.5; it is no class of before.
    error = count_error([5, 0], [5, 3])
    assert error.mean_error == 1.5
    assert error.classes == 1
    assert error.share_published == 8 / 5


def test_top_error_looks_at_the_hundred_largest_only() -> None:
    before = np.concatenate([np.full(100, 10.0), np.full(50, 1.0)])
    after = before.copy()
    after[100:] = np.nan  # only small ones are missing
    error = count_error(before, after)
    assert error.top_error == 0
    assert error.top_published == 1
    assert error.mean_error > 0


def test_rank_correlation_is_one_for_any_growing_change_and_minus_one_reversed() -> None:
    assert count_error([1, 2, 3, 4], [10, 20, 30, 400]).rank_correlation == pytest.approx(1)
    assert count_error([1, 2, 3, 4], [4, 3, 2, 1]).rank_correlation == pytest.approx(-1)
    assert math.isnan(count_error([1, 2], [1, 2]).rank_correlation)


def test_rank_correlation_gives_ties_their_mean_rank() -> None:
    # ranks before 1.5, 1.5, 3, after 1, 2, 3: covariance 1.5 / sqrt(1.5 * 2) = .866
    assert count_error([1, 1, 2], [1, 2, 3]).rank_correlation == pytest.approx(math.sqrt(3) / 2)


def test_divergence_of_disjoint_histograms_is_ln_2() -> None:
    assert divergence([1, 0], [0, 7]) == pytest.approx(math.log(2))
    assert divergence([0, 0], [0, 7]) == pytest.approx(math.log(2))
    assert divergence([0, 0], [0, 0]) == 0


def test_divergence_by_hand() -> None:
    # p = 1/2, 1/2; q = 1, 0; m = 3/4, 1/4: (p ln(p/m) + q ln(q/m)) / 2
    expected = (0.5 * math.log(2 / 3) + 0.5 * math.log(2) + math.log(4 / 3)) / 2
    assert divergence([1, 1], [3, 0]) == pytest.approx(expected)


@given(COUNTS, st.randoms(use_true_random=False))
def test_divergence_is_symmetric_bounded_and_blind_to_scale_and_order(counts: list[int], random: object) -> None:
    left, right = np.array(counts, float), np.array(counts[::-1], float)
    found = divergence(left, right)
    assert 0 <= found <= math.log(2) + 1e-12
    assert found == pytest.approx(divergence(right, left))
    assert found == pytest.approx(divergence(3 * left, right), abs=1e-12)
    order = list(range(len(counts)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert found == pytest.approx(divergence(left[order], right[order]), abs=1e-12)


@given(COUNTS)
def test_an_exact_release_has_no_error(counts: list[int]) -> None:
    error = count_error(counts, counts)
    assert error.mean_error == error.misplaced == error.top_error == 0
    assert error.divergence == pytest.approx(0, abs=1e-12)


def test_unaligned_or_negative_counts_are_refused() -> None:
    with pytest.raises(SchemaError, match="align both"):
        count_error([1, 2], [1])
    with pytest.raises(SchemaError, match="negative or missing"):
        count_error([-1], [1])
    with pytest.raises(SchemaError, match="same public bins"):
        divergence([1], [1, 2])


def test_figures_go_into_json_without_nan() -> None:
    text = json.dumps(count_error([1, 2], [1, np.nan]).as_dict(), allow_nan=False)
    assert '"rank_correlation": null' in text
