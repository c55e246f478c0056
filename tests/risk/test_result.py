"""Intervals hold what they claim, and a figure knows success from guessing."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
from anonkit.risk.result import RiskFigure, auc_interval, mean_interval, share_figure, share_interval


def test_clopper_pearson_matches_the_closed_form_at_zero() -> None:
    # Upper end at 0 of n is 1 - 0.025 ** (1 / n).
    assert share_interval(0, 50).high == pytest.approx(1 - 0.025 ** (1 / 50))
    assert share_interval(50, 50).low == pytest.approx(0.025 ** (1 / 50))


def test_no_trials_give_no_knowledge() -> None:
    assert (share_interval(0, 0).low, share_interval(0, 0).high) == (0.0, 1.0)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_share_interval_covers_at_least_its_claim(share: float) -> None:
    rng = np.random.default_rng(1)
    hits = rng.binomial(80, share, 4000)
    intervals = {int(h): share_interval(int(h), 80) for h in np.unique(hits)}
    covered = np.mean([intervals[int(h)].low <= share <= intervals[int(h)].high for h in hits])
    assert covered >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 4000)


def test_auc_counts_ties_as_half_and_its_interval_covers() -> None:
    assert auc_interval(np.ones(10), np.ones(10)).value == 0.5
    rng = np.random.default_rng(2)
    # Two normals one apart: AUC = Phi(1 / sqrt(2)) = 0.7602.
    covered = 0
    for _ in range(500):
        found = auc_interval(rng.normal(1, 1, 100), rng.normal(0, 1, 100))
        covered += found.low <= 0.76025 <= found.high
    assert covered / 500 >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 500)


def test_perfect_separation_still_has_an_interval() -> None:
    found = auc_interval(np.arange(10.0) + 20, np.arange(10.0))
    assert found.value == 1
    assert found.low < 1


def test_equal_values_still_have_an_interval() -> None:
    found = mean_interval(np.zeros(20), seed=0)
    assert found.high == pytest.approx(share_interval(0, 20).high)


def test_success_needs_more_than_baseline_and_more_than_control() -> None:
    members, others = np.ones(60, bool), np.zeros(60, bool)
    assert share_figure("x", members, baseline=0.1, control_hits=others).succeeds
    assert not share_figure("x", members, baseline=0.1, control_hits=members).succeeds
    assert not share_figure("x", members, baseline=1.0, control_hits=others).succeeds


def test_r35_a_wide_interval_is_not_at_baseline() -> None:
    wide = share_figure("x", np.zeros(5, bool), baseline=0.0)
    narrow = share_figure("x", np.zeros(500, bool), baseline=0.0)
    assert not wide.is_at_baseline(margin=0.02)
    assert narrow.is_at_baseline(margin=0.02)


def test_r34_thresholds_are_compared_as_fractions() -> None:
    figure = RiskFigure(name="x", value=Fraction(1, 11), low=0, high=1, baseline=0)
    assert not figure.exceeds(Fraction(1, 11))
    assert figure.exceeds(Fraction(1, 12))


def test_figures_are_json_with_the_exact_fraction_as_text() -> None:
    figure = RiskFigure(name="x", value=Fraction(1, 11), low=0, high=1, baseline=0, details={"sizes": np.arange(2)})
    told = json.loads(json.dumps(figure.as_json()))
    assert told["exact"] == "1/11"
    assert told["details"] == {"sizes": [0, 1]}


def test_a_person_alone_in_the_data_is_not_excused_by_false_alarms() -> None:
    # A quarter is alone, and a quarter would be claimed wrongly: for a guess that is nothing, for uniqueness it is.
    quarter = np.arange(4000) % 4 == 0
    guess = share_figure("x", quarter, baseline=0.001, control_hits=quarter)
    alone = share_figure("x", quarter, baseline=0.001, control_hits=quarter, control_excuses=False)
    assert guess.is_at_baseline(margin=0.02)
    assert not alone.is_at_baseline(margin=0.02)


def test_exact_binomial_intervals_are_those_of_scipy() -> None:
    from anonkit.risk.binomial import clopper_pearson, normal_quantile
    from scipy import special, stats

    cases = [(0, 1), (1, 1), (0, 20), (7, 20), (1, 40_000), (20_000, 40_000), (39_999, 40_000), (17, 1_000_000)]
    for successes, trials in cases:
        low, high = clopper_pearson(successes, trials, confidence=0.95)
        below = special.betaincinv(successes, trials - successes + 1, 0.025) if successes else 0
        above = special.betaincinv(successes + 1, trials - successes, 0.975) if successes < trials else 1
        assert (low, high) == pytest.approx((below, above), abs=1e-10)
    assert normal_quantile(0.975) == pytest.approx(stats.norm.ppf(0.975), abs=1e-12)


def test_ranks_with_ties_are_those_of_scipy() -> None:
    from anonkit.risk.result import mean_ranks
    from scipy.stats import rankdata

    values = np.random.default_rng(1).integers(0, 9, 300).astype(float)
    assert np.array_equal(mean_ranks(values), rankdata(values))
