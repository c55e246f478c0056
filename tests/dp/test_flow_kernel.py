"""Flows: the goals of the conformance folder, intervals that cover, and nothing drawn that was not paid for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from anonkit.base.errors import SchemaError
from anonkit.dp.bounding import integer_weights, weighted_counts
from anonkit.dp.charge import Purse
from anonkit.dp.flow_kernel import FlowEstimate, FlowKeys, FlowMeasurement, Shares, estimate_flows, measure_flows
from anonkit.dp.intervals import all_trips_band, noise_interval, selected_interval
from anonkit.dp.mechanisms import exact

pytestmark = pytest.mark.usefixtures("seeded_noise")
# population: persons, couriers, goal, goal for the 100 largest flows (trips), goal for the total's rmse
GOALS = {
    "R10k": (0.0085, 35, 0.09),
    "A10k": (0.019, 62, 0.09),
    "C10k": (0.0225, 105, 0.09),
    "R100k": (0.0013, None, 0.06),
    "A100k": (0.0024, None, 0.06),
    "C100k": (0.0020, None, 0.06),
}


def population(conformance: Any, name: str, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    persons = 100_000 if name.endswith("100k") else 10_000
    if name.startswith("R"):
        return conformance.random_owners(np.tile(conformance.cells, persons // 10_000), persons, seed=seed)
    return conformance.anchored(conformance.kernel, persons, seed=seed, couriers=name.startswith("C"))


def draw(codes: np.ndarray, cell: np.ndarray, keys: FlowKeys, ledger: Any, **more: Any) -> FlowMeasurement:
    purse = Purse(ledger=ledger, product="flows", release="test", periods=("2026-09",))
    return measure_flows(codes, cell, keys=keys, cost=exact(1), purse=purse, shares=Shares(), **more)


def keep_two(codes: np.ndarray, cell: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The plain method: two trips a person at random, Laplace 2, clipped at 0."""
    order = rng.permutation(len(codes))
    by_person = order[np.argsort(codes[order], kind="stable")]
    rank = np.arange(len(codes)) - np.searchsorted(codes[by_person], codes[by_person])
    kept = np.bincount(cell[by_person[rank < 2]], minlength=1296)
    return np.maximum(kept + rng.laplace(0, 2, 1296), 0)


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize("name", GOALS)
def test_flows_meet_the_goals_all_in(name: str, conformance: Any, keys36: FlowKeys, nodding: Any) -> None:
    codes, cell = population(conformance, name)
    true = np.bincount(cell, minlength=1296).astype(float)
    top = np.argsort(-true)[:100]
    goal, goal_top, goal_total = GOALS[name]
    divergence, errors, totals, covered, width = [], [], [], [], []
    for number in range(100 if name.endswith("10k") else 40):
        nodding.events.clear()
        measurement = draw(codes, cell, keys36, nodding)
        assert sum(event.loss.epsilon for event in nodding.events) <= 1 + 1e-9
        estimate = estimate_flows(measurement, keys36)
        totals.append(estimate.total / true.sum() - 1)
        if number >= 20:
            continue
        divergence.append(conformance.divergence(estimate.trips, true))
        errors.append(np.abs(estimate.trips - true)[top].mean())
        band = all_trips_band(measurement, estimate, confidence=0.95)
        covered.append(((band.low <= true) & (true <= band.high))[top].mean())
        width.append(((band.high - band.low) / 2 / np.maximum(true, 1))[top].mean())
    print(name, f"divergence {np.mean(divergence):.4f}", f"top {np.mean(errors):.0f}",
          f"total {np.sqrt(np.mean(np.square(totals))):.3f} ({np.mean(totals):+.3f})",
          f"covered {np.mean(covered):.3f} width {np.mean(width):.2f}")  # fmt: skip
    assert np.mean(divergence) <= goal
    assert goal_top is None or np.mean(errors) <= goal_top
    assert np.sqrt(np.mean(np.square(totals))) <= goal_total
    assert np.mean(covered) >= 0.90
    assert np.mean(width) <= (0.75 if name.endswith("10k") else 0.25)


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize("seed", [11, 23])
@pytest.mark.parametrize("name", ["R10k", "A10k", "C10k"])
def test_other_seeds_keep_the_ratio_to_plain_noise(
    name: str, seed: int, conformance: Any, keys36: FlowKeys, nodding: Any
) -> None:
    codes, cell = population(conformance, name, seed)
    true = np.bincount(cell, minlength=1296).astype(float)
    rng = np.random.default_rng(seed)
    ours = [
        conformance.divergence(estimate_flows(draw(codes, cell, keys36, nodding), keys36).trips, true)
        for _ in range(12)
    ]
    plain = [conformance.divergence(keep_two(codes, cell, rng), true) for _ in range(12)]
    assert np.mean(ours) / np.mean(plain) <= 0.62


@pytest.fixture(scope="module")
def town() -> tuple[np.ndarray, np.ndarray]:
    """6,000 trips of 2,000 persons with favourite flows, and one courier of 1,000 trips."""
    rng = np.random.default_rng(0)
    favourite = rng.choice(1296, (2000, 2), p=rng.dirichlet(np.full(1296, 0.1)))
    person = rng.integers(0, 2000, 6000)
    cell = favourite[person, rng.integers(0, 2, 6000)]
    return np.append(person, np.full(1000, 2000)), np.append(cell, rng.integers(0, 1296, 1000))


def test_r20_noise_interval_of_the_capped_flow_covers(town: Any, keys36: FlowKeys, nodding: Any) -> None:
    codes, cell = town
    inside, picked, picked_all = [], [], []
    for _ in range(20):
        measurement = draw(codes, cell, keys36, nodding)
        true = weighted_counts(cell, integer_weights(codes, max_trips=measurement.cap), size=1296) / measurement.scale
        low, high = noise_interval(measurement.units, measurement.noise, scale=measurement.scale, confidence=0.95)
        inside.append((low <= true) & (true <= high))
        wide = selected_interval(
            measurement.units, measurement.noise, scale=measurement.scale, confidence=0.95, candidates=1296
        )
        extreme = np.argsort(measurement.cells)[:20]
        picked.append(((low <= true) & (true <= high))[extreme])
        picked_all.append(((wide[0] <= true) & (true <= wide[1]))[extreme])
    share = np.mean(inside)
    assert share >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / np.size(inside))
    assert share <= 0.96
    assert np.mean(picked) < 0.95  # chosen for being low, the plain interval fails: the winner's curse
    assert np.mean(picked_all) >= 0.95


def test_signed_values_stay_beside_the_estimate(town: Any, keys36: FlowKeys, nodding: Any) -> None:
    measurement = draw(*town, keys36, nodding)
    estimate = estimate_flows(measurement, keys36)
    assert (measurement.cells < 0).any()
    assert measurement.units.dtype == np.int64
    assert (estimate.trips >= 0).all()
    assert estimate.trips.sum() == pytest.approx(estimate.total)


def test_estimate_is_post_processing_and_repeats_exactly(town: Any, keys36: FlowKeys, nodding: Any) -> None:
    measurement = draw(*town, keys36, nodding)
    events = len(nodding.events)
    first, second = estimate_flows(measurement, keys36), estimate_flows(measurement, keys36)
    assert (first.trips == second.trips).all()
    assert len(nodding.events) == events


def test_parts_cost_epsilon_together_and_name_their_bounds(town: Any, keys36: FlowKeys, nodding: Any) -> None:
    draw(*town, keys36, nodding)
    assert [event.product for event in nodding.events] == ["flows.activity", "flows.cells"]
    assert sum(event.loss.epsilon for event in nodding.events) == pytest.approx(1.0, abs=1e-12)
    assert sum(event.loss.epsilon for event in nodding.events) <= 1.0
    assert nodding.events[1].bounds["max_trips"] == 3
    assert nodding.events[1].keys_hash == keys36.keys.sha256


def test_a_declared_cap_spends_all_on_cells_and_knows_no_total(town: Any, keys36: FlowKeys, nodding: Any) -> None:
    measurement = draw(*town, keys36, nodding, max_trips=2)
    assert [event.product for event in nodding.events] == ["flows.cells"]
    assert measurement.activity is None
    estimate = estimate_flows(measurement, keys36)
    with pytest.raises(SchemaError, match="declared cap tells nothing"):
        all_trips_band(measurement, estimate, confidence=0.95)


def test_trips_outside_the_keys_do_not_use_up_a_share(keys36: FlowKeys, nodding: Any) -> None:
    # 3 trips inside and 997 outside: with T = 3 all three count whole; bounding first would leave 3·3/1000
    codes, cell = np.repeat(np.arange(200), 1000), np.tile(np.append(np.full(3, 7), np.full(997, -1)), 200)
    measurement = draw(codes, cell, keys36, nodding, max_trips=3)
    assert measurement.cells[7] == pytest.approx(600, abs=60)


def test_margins_are_bought_where_persons_are_many(keys36: FlowKeys, nodding: Any) -> None:
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 100_000, 400_000)
    measurement = draw(codes, rng.integers(0, 1296, len(codes)), keys36, nodding)
    assert [event.product for event in nodding.events] == ["flows.activity", "flows.margins", "flows.cells"]
    assert sum(event.loss.epsilon for event in nodding.events) <= 1.0
    assert nodding.events[1].sensitivity == 2 * measurement.scale * 16  # one origin and one destination a trip


def test_an_empty_table_is_noise_and_no_error(keys36: FlowKeys, nodding: Any) -> None:
    none = np.zeros(0, np.int64)
    estimate: FlowEstimate = estimate_flows(draw(none, none, keys36, nodding), keys36)
    assert estimate.trips.shape == (1296,)
    assert np.isfinite(estimate.trips).all()
