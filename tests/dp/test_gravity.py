"""Raking reaches its margins; sums of nothing stay near nothing."""

from __future__ import annotations

import numpy as np
import pytest
from anonkit.dp.gravity import distance_bands, positive_sums, rake, ratio_towards_one
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.floats(0.1, 100), min_size=12, max_size=12))
def test_raked_table_has_the_margins_it_was_asked_for(cells: list[float]) -> None:
    table = np.array(cells)
    row, column = np.repeat(np.arange(3), 4), np.tile(np.arange(4), 3)
    rows, columns = np.bincount(row, weights=table), np.bincount(column, weights=table)
    raked = rake([row, column], [rows, columns])
    assert np.bincount(row, weights=raked) == pytest.approx(rows, rel=1e-4)
    assert np.bincount(column, weights=raked) == pytest.approx(columns, rel=1e-4)
    assert (raked >= 0).all()


def test_negative_noisy_sums_become_small_not_large() -> None:
    rng = np.random.default_rng(0)
    true = np.concatenate([np.zeros(20), np.full(16, 600.0)])
    noisy = true + rng.normal(0, 25, 36)
    estimate = positive_sums(noisy, 25.0)
    assert (estimate >= 0).all()
    assert estimate[:20].mean() < np.maximum(noisy[:20], 0).mean()
    assert estimate[20:] == pytest.approx(noisy[20:], rel=0.05)


def test_bands_hold_equal_numbers_of_pairs_and_own_zones_apart() -> None:
    bands = distance_bands(np.array([0.0, 0.0, *range(1, 91)]), bands=10)
    assert bands[:2].tolist() == [0, 0]
    assert np.bincount(bands)[1:].tolist() == [10] * 9
    assert distance_bands(np.zeros(3)).tolist() == [0, 0, 0]


def test_ratios_that_noise_explains_come_back_as_one() -> None:
    rng = np.random.default_rng(1)
    low = np.full(36, 1000.0)
    assert ratio_towards_one(2 * low + rng.normal(0, 60, 36), low, 60.0) == pytest.approx(np.ones(36), abs=0.02)
    real = np.exp(rng.normal(0, 0.4, 36))
    assert np.corrcoef(ratio_towards_one(2 * low * real, low, 60.0), real)[0, 1] > 0.99
