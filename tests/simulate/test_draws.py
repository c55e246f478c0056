"""The portable draws: known values, ranges, shares."""

from __future__ import annotations

import numpy as np
import pytest
from anonkit.simulate.draws import Draws
from hypothesis import given, settings
from hypothesis import strategies as st


def test_the_stream_is_the_documented_pcg64_stream() -> None:
    # The raw stream of PCG64 is guaranteed (NEP 19); its top 53 bits over 2**53 are the uniforms.
    raw = np.random.PCG64(np.random.SeedSequence([5, 6])).random_raw(3)
    assert Draws(5, 6).uniform(3).tolist() == [(int(number) >> 11) / 2**53 for number in raw]


def test_streams_with_other_names_differ() -> None:
    assert Draws(5, 6).uniform(3).tolist() != Draws(5, 7).uniform(3).tolist()


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), bound=st.integers(1, 10**6))
def test_below_stays_below(seed: int, bound: int) -> None:
    drawn = Draws(seed).below(bound, 200)
    assert drawn.min() >= 0
    assert drawn.max() < bound


def test_weighted_follows_its_weights_and_never_picks_weight_zero() -> None:
    drawn = np.bincount(Draws(1).weighted(np.array([1, 0, 3]), 40_000), minlength=3) / 40_000
    assert drawn[1] == 0
    assert drawn[2] == pytest.approx(0.75, abs=0.012)  # five standard deviations are .011


def test_bell_has_mean_zero_and_deviation_one_and_bounds() -> None:
    drawn = Draws(2).bell(100_000)
    assert abs(drawn.mean()) < 0.02
    assert drawn.std() == pytest.approx(1.0, abs=0.02)
    assert np.abs(drawn).max() <= 3.4642


def test_pareto_has_the_tail_exponent_four_thirds() -> None:
    # P(X > 8) = 8 ** (-4/3) = 1/16.
    drawn = Draws(3).pareto(100_000, cap=1e9)
    assert drawn.min() >= 1.0
    assert (drawn > 8).mean() == pytest.approx(1 / 16, abs=0.004)


def test_uuids_have_the_form_of_version_four() -> None:
    import uuid

    assert {uuid.UUID(text).version for text in Draws(4).uuids(50)} == {4}
