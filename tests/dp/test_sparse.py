"""Sparse tables: coarse ones are right, and nothing sums to more than there is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from anonkit.dp.activity import Activity, activity_bins
from anonkit.dp.charge import Purse
from anonkit.dp.flow_kernel import Shares, draw_activity
from anonkit.dp.mechanisms import exact
from anonkit.dp.public import PublicZones
from anonkit.dp.sparse import BlockKeys, SparseMeasurement, estimate_sparse, is_sparse, measure_sparse

pytestmark = pytest.mark.usefixtures("seeded_noise")
SHARE = Shares.of(160_000).activity


@pytest.fixture(scope="module")
def keys() -> BlockKeys:
    y, x = np.divmod(np.arange(400), 20)
    return BlockKeys.of(PublicZones.declared(np.arange(400), x_m=x * 500.0, y_m=y * 500.0, source="test grid"))


def draw(codes: np.ndarray, start: np.ndarray, end: np.ndarray, keys: BlockKeys, ledger: Any) -> SparseMeasurement:
    purse = Purse(ledger=ledger, product="flows", release="test", periods=("2026-09",))
    activity = draw_activity(codes, cost=exact(1) * SHARE, purse=purse)
    return measure_sparse(codes, start, end, keys=keys, cost=exact(1), purse=purse, activity=activity, paid=SHARE)


def city(seed: int, persons: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """20,000 trips; zones by a smooth gravity law over a 20×20 grid; Pareto(1.5) activity."""
    rng = np.random.default_rng(seed)
    y, x = np.divmod(np.arange(400), 20)
    pull = np.exp(-(((x - 9) ** 2 + (y - 8) ** 2) / 60)) * rng.lognormal(0, 0.7, 400)
    start = rng.choice(400, 20_000, p=pull / pull.sum())
    law = pull * np.exp(-np.hypot(x[:, None] - x, y[:, None] - y) / 4)
    cumulative = np.cumsum(law / law.sum(1, keepdims=True), 1)
    end = np.minimum((rng.random(20_000)[:, None] > cumulative[start]).sum(1), 399)
    weight = rng.pareto(1.5, persons) + 1
    return rng.choice(persons, 20_000, p=weight / weight.sum()), start, end


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    return float(
        sum(np.sum(a[a > 0] * np.log(a[a > 0] / middle[a > 0])) for a in (p, q)) / 2,
    )


def test_blocks_and_total_meet_the_goal(keys: BlockKeys, nodding: Any) -> None:
    # four cities: how heavy the few heaviest riders came out is luck that 2,700 persons' noise cannot show
    divergences, totals = [], []
    for seed in (3, 4, 5, 6):
        codes, start, end = city(seed, 2700)
        true = np.bincount(keys.pair[start * 400 + end], minlength=625).astype(float)
        for _ in range(4):
            made = estimate_sparse(draw(codes, start, end, keys, nodding), keys)
            divergences.append(divergence(made.blocks, true))
            totals.append(made.total / len(codes) - 1)
            for table in (made.origins, made.destinations, made.blocks, made.bands, made.model):
                assert table.sum() == pytest.approx(made.total)
                assert (table >= 0).all()
    assert np.mean(divergences) <= 0.023
    assert np.sqrt(np.mean(np.square(totals))) <= 0.13
    assert max(totals) <= 0.25


def test_all_parts_cost_epsilon_together(keys: BlockKeys, nodding: Any) -> None:
    draw(*city(0, 3000), keys, nodding)
    assert len(nodding.events) == 5
    assert sum(event.loss.epsilon for event in nodding.events) == pytest.approx(1.0)
    assert sum(event.loss.epsilon for event in nodding.events) <= 1.0


def test_choice_by_size_uses_paid_figures_only() -> None:
    few = Activity(noisy=activity_bins(np.full(3000, 5)), standard_deviation=12.0)
    many = Activity(noisy=activity_bins(np.full(900_000, 5)), standard_deviation=12.0)
    assert is_sparse(few, cells=160_000, cost=exact(1))
    assert not is_sparse(few, cells=1296, cost=exact(1))
    assert not is_sparse(many, cells=160_000, cost=exact(1))


@pytest.mark.slow
@pytest.mark.real
def test_sparse_oldenburg_meets_the_goal(conformance: Any, keys: BlockKeys, nodding: Any) -> None:
    import os
    from pathlib import Path

    import pyarrow.parquet as pq

    root = Path(os.environ.get("ANONKIT_REAL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
    table = pq.read_table(root / "oldenburg" / "trips.parquet").to_pandas().sort_values(["trip", "seq"])
    points = table[["x_m", "y_m"]].to_numpy(float)
    low, high = points.min(0), points.max(0)
    zone = np.clip(((points - low) / (high - low) * 20).astype(int), 0, 19) @ np.array([20, 1])
    ends = table.assign(zone=zone).groupby("trip")["zone"]
    rng = np.random.default_rng(0)
    chosen = rng.choice(ends.ngroups, 20_000, replace=False)
    start, end = ends.first().to_numpy()[chosen], ends.last().to_numpy()[chosen]
    codes, _ = conformance.random_owners(start, 4000)
    true = np.bincount(keys.pair[start * 400 + end], minlength=625).astype(float)
    made = [estimate_sparse(draw(codes, start, end, keys, nodding), keys) for _ in range(40)]
    assert np.mean([divergence(one.blocks, true) for one in made]) <= 0.023
    totals = np.array([one.total / 20_000 for one in made])
    assert np.sqrt(np.mean((totals - 1) ** 2)) <= 0.13
    assert np.quantile(totals, 0.95) <= 1.25
