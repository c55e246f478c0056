"""The rule that decides: valid for adaptive choice, never below the tight total, better than adding up when it may be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from anonkit.ledger.composition import Loss, best_order, compose, largest_pure, overhead, renyi_of_pure
from anonkit.ledger.events import Event
from anonkit.ledger.pld import pld_epsilon
from hypothesis import given, settings
from hypothesis import strategies as st


def event(mechanism: str, **given: object) -> Event:
    frozen = {
        "release": "r",
        "product": "p",
        "periods": ("2026",),
        "privacy_unit": "person",
        "neighbours": "add_or_remove",
    }
    return Event(**{**frozen, "mechanism": mechanism, "bounds": {}, "keys_hash": "k", "draws": 1, **given})  # type: ignore[arg-type]


def test_renyi_of_pure_is_that_of_randomised_response() -> None:
    # epsilon = ln 3: answers right with 3/4. Order 2: ln(.75^2/.25 + .25^2/.75) = ln(2.25 + .08333) = .84730
    assert renyi_of_pure(math.log(3), 2.0) == pytest.approx(math.log(2.25 + 1 / 12))
    assert renyi_of_pure(0.0, 5.0) == 0.0
    assert renyi_of_pure(30.0, 3.0) == 30.0 or renyi_of_pure(30.0, 3.0) == pytest.approx(30.0)


def test_conversion_bounds_the_exact_delta_of_a_gaussian() -> None:
    # one Gaussian, sensitivity 1, sigma 4: rho = 1/32. The exact delta at the converted epsilon must lie below the target.
    rho, delta = 1 / 32, 1e-6
    order = best_order(1.5, delta)
    epsilon = order * rho + overhead(order, delta)
    upper = 0.5 * math.erfc((-(1 / 8) + 4 * epsilon) / math.sqrt(2))
    lower = 0.5 * math.erfc(((1 / 8) + 4 * epsilon) / math.sqrt(2))
    assert 0 < upper - math.exp(epsilon) * lower < delta


def test_many_small_events_cost_less_than_their_sum_and_few_large_ones_never_more() -> None:
    order = best_order(2.0, 5e-7)
    small = compose([Loss(epsilon=0.01, delta=0, rho=0)] * 400, order=order, delta=5e-7)
    assert small.epsilon_basic == pytest.approx(4.0)
    assert small.epsilon < 2.0
    few = compose([Loss(epsilon=0.9, delta=0, rho=0)] * 2, order=order, delta=5e-7)
    assert few.epsilon == few.epsilon_basic == 1.8


def test_gaussian_without_delta_costs_everything() -> None:
    assert compose([Loss(epsilon=0, delta=0, rho=0.1)], order=None, delta=0).epsilon == math.inf


@settings(max_examples=12)
@given(
    st.lists(st.floats(0.01, 0.6), max_size=6),
    st.lists(st.floats(4.0, 60.0), max_size=6),
    st.lists(st.tuples(st.floats(0.01, 0.4), st.floats(1e-9, 2e-8)), max_size=3),
)
def test_deciding_epsilon_is_never_below_the_tight_one(
    pure: list[float], sigmas: list[float], declared: list[tuple[float, float]]
) -> None:
    """Mutation twin of the rule: a filter that forgot an event, or a delta used twice, would fall below the PLD."""
    delta = 1e-6
    events = [event("laplace", sensitivity=e, scale=1.0) for e in pure]
    events += [event("gaussian", sensitivity=1.0, scale=s) for s in sigmas]
    events += [event("approximate", epsilon=e, delta=d) for e, d in declared]
    composed = compose([e.loss for e in events], order=best_order(1.0, delta / 2), delta=delta / 2)
    assert pld_epsilon([(e, 1) for e in events], delta=delta) <= composed.epsilon + 1e-3


def test_r23_twin_half_the_rho_falls_below_the_tight_total() -> None:
    events = [event("gaussian", sensitivity=1.0, scale=12.0)] * 20
    delta = 1e-6
    tight = pld_epsilon([(e, 1) for e in events], delta=delta)
    rho = sum(e.loss.rho for e in events)
    honest = compose([Loss(epsilon=0, delta=0, rho=rho)], order=best_order(2.5, delta / 2), delta=delta / 2)
    planted = compose([Loss(epsilon=0, delta=0, rho=rho / 2)], order=best_order(2.5, delta / 2), delta=delta / 2)
    assert planted.epsilon < tight < honest.epsilon


def test_r23_event_without_a_pld_enters_as_its_epsilon_delta_pair_and_its_delta_is_used_once() -> None:
    pair = event("approximate", epsilon=0.5, delta=4e-7)
    assert pld_epsilon([(pair, 1)], delta=1e-6) <= 0.5 + 1e-3
    assert pld_epsilon([(pair, 1)], delta=3.9e-7) == math.inf  # its delta cannot be had for less
    three = pld_epsilon([(pair, 1)] * 3, delta=1e-6)  # 1.2e-6 of failure mass does not fit in 1e-6
    assert three == math.inf


def test_discrete_gaussians_are_summed_in_zcdp_and_enter_once() -> None:
    events = [event("discrete_gaussian", sensitivity=math.sqrt(8), scale=40.0)] * 10
    continuous = [event("gaussian", sensitivity=math.sqrt(8), scale=40.0)] * 10
    tight, pooled = (pld_epsilon([(e, 1) for e in listed], delta=1e-6) for listed in (continuous, events))
    assert tight < pooled < 1.3 * tight


def test_discrete_laplace_of_integer_sensitivity_has_its_exact_epsilon() -> None:
    made = event("discrete_laplace", sensitivity=3, scale=6.0)
    assert made.loss.epsilon == 0.5
    assert pld_epsilon([(made, 1)], delta=1e-12) == pytest.approx(0.5, abs=1e-3)


@given(st.floats(0.01, 2.0), st.integers(1, 6))
def test_group_loss_grows_as_group_privacy_says(epsilon: float, size: int) -> None:
    grouped = Loss(epsilon=epsilon, delta=1e-9, rho=0.25).grouped(size)
    assert grouped.epsilon == pytest.approx(size * epsilon)
    assert grouped.rho == 0.25 * size**2
    # (e^{k eps} - 1) / (e^eps - 1)
    assert grouped.delta == pytest.approx(1e-9 * math.expm1(size * epsilon) / math.expm1(epsilon), rel=1e-9)


@given(st.lists(st.floats(0.001, 0.5), max_size=30), st.floats(0.5, 4.0))
def test_largest_pure_event_fits_and_a_larger_one_does_not(epsilons: list[float], cap: float) -> None:
    order, delta = best_order(cap, 5e-7), 5e-7
    losses = [Loss(epsilon=e, delta=0, rho=0) for e in epsilons]
    left = largest_pure(losses, order=order, delta=delta, cap=cap)
    for size, fits in ((left * (1 - 1e-9), True), (left + 1e-6, False)):
        if size > 0:
            total = compose([*losses, Loss(epsilon=size, delta=0, rho=0)], order=order, delta=delta).epsilon
            assert (total <= cap) is fits


def test_adaptive_stopping_against_the_filter_stays_within_delta() -> None:
    """An adversary who keeps asking while the loss runs high: simulated Gaussian losses, filter at its limit.

    40,000 runs; the hockey-stick mean of (1 - exp(cap - L))+ must stay below the filter's share of delta (here 0.05).
    """
    cap, share = 1.0, 0.05
    order = best_order(cap, share)
    rng = np.random.default_rng(11)
    lost = np.zeros(40_000)
    used = np.zeros(40_000)
    for _ in range(60):
        rho = np.where(lost > 0.3 * cap, 0.02, 0.002)  # after a bad draw ask for more, else for little
        rho = np.where(order * (used + rho) + overhead(order, share) <= cap, rho, 0.0)
        lost += np.where(rho > 0, rng.normal(rho, np.sqrt(2 * rho)), 0.0)
        used += rho
    excess = np.maximum(0, 1 - np.exp(np.minimum(0, cap - lost)))
    assert used.max() > 0.02
    assert excess.mean() < share
