"""Gaussian noise wherever Laplace noise is: right scale, right charge, and only where a ledger can count it."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anonkit.base.errors import BudgetExceededError, SchemaError
from anonkit.dp import DPFlows, DPLengths, DPPersons, DPProfile, DPVolumes, PublicKeys, PublicSteps, PublicZones, plan
from anonkit.dp.bounding import integer_weights, weighted_counts
from anonkit.dp.charge import Purse
from anonkit.dp.cost import Cost, Rho, cost_of, noise_of
from anonkit.dp.flow_kernel import FlowKeys, Shares, estimate_flows, measure_flows
from anonkit.dp.intervals import noise_interval
from anonkit.dp.mechanisms import DiscreteGaussian
from anonkit.ledger import Ledger
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

pytestmark = pytest.mark.usefixtures("seeded_noise")
RHO = Fraction(1, 50)


@pytest.fixture(scope="module")
def trips() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    start = rng.integers(0, 36, 6000)
    return pd.DataFrame(
        {
            "person": rng.integers(0, 1500, 6000),
            "start_cell": start,
            "end_cell": (start + rng.integers(0, 4, 6000)) % 36,
            "local_s": rng.integers(0, 10**7, 6000),
            "distance_m": rng.exponential(3000, 6000),
        }
    )


@pytest.fixture
def settings(ledger: Ledger) -> dict[str, Any]:
    return {"ledger": ledger, "release": "r1", "periods": ("2026-09",)}


def rho_of(ledger: Ledger) -> float:
    return math.fsum(event.loss.rho for event, _, _ in ledger.events().values())


def test_every_product_takes_rho_and_charges_it(
    trips: pd.DataFrame, settings: dict[str, Any], zones36: PublicZones
) -> None:
    cells = PublicKeys.declared(np.arange(36)[:, None], columns=("start_cell",), source="test grid")
    steps = PublicSteps(low=0, high=20_000, step=1000, unit="m", source="size of the city")
    made = [
        DPFlows(plan=plan("flows", rho=RHO, zones=zones36, max_trips=3), **settings).fit(trips).flows_,
        DPVolumes(plan=plan("volumes", rho=RHO, keys=cells, max_trips=3), **settings).fit(trips).volumes_,
        DPProfile(plan=plan("profile", rho=RHO, profile="week"), **settings).fit(trips).profile_,
        DPLengths(plan=plan("lengths", rho=RHO, steps=steps), **settings).fit(trips).lengths_,
    ]
    assert [len(table) for table in made] == [1296, 36, 168, 21]
    persons = DPPersons(plan=plan("persons", rho=RHO), **settings).fit(trips)
    assert persons.half_width_ == 10  # sigma 5: P(|z| <= 9) = .943, P(|z| <= 10) = .964
    ledger: Ledger = settings["ledger"]
    assert {event.mechanism for event, _, _ in ledger.events().values()} == {"discrete_gaussian"}
    assert rho_of(ledger) == pytest.approx(5 * float(RHO))
    assert rho_of(ledger) <= 5 * float(RHO)
    # rho 0.1 at delta 5e-7 is 2.5 at the best order; the ledger's order was fixed for its cap of 10
    assert 2.0 < ledger.total().epsilon < 5.0
    assert ledger.total(pld=True).epsilon_pld < ledger.total().epsilon


def test_sparse_tables_take_rho(trips: pd.DataFrame, settings: dict[str, Any]) -> None:
    y, x = np.divmod(np.arange(400), 20)
    zones = PublicZones.declared(np.arange(400), x_m=x * 500.0, y_m=y * 500.0, source="test grid")
    made = DPFlows(plan=plan("flows", rho=RHO, zones=zones), **settings).fit(trips)
    assert made.layout_ == "sparse"
    assert rho_of(settings["ledger"]) == pytest.approx(float(RHO))
    assert rho_of(settings["ledger"]) <= float(RHO)


def test_laplace_and_gaussian_share_one_ledger(trips: pd.DataFrame, settings: dict[str, Any]) -> None:
    DPPersons(plan=plan("persons", rho=RHO), **settings).fit(trips)
    alone = settings["ledger"].total().epsilon
    DPPersons(plan=plan("persons", epsilon=0.5), **settings).fit(trips)
    # the filter takes the Rényi loss of a pure 0.5, never the plain sum
    assert alone < settings["ledger"].total().epsilon < alone + 0.5


def test_r23_a_ledger_without_delta_takes_no_gaussian_noise(trips: pd.DataFrame, tmp_path: Path) -> None:
    terms: dict[str, Any] = {
        "dataset": "city",
        "privacy_unit": "person",
        "period": "month",
        "neighbours": "add_or_remove",
    }
    ledger = Ledger.create(tmp_path / "pure.ledger", epsilon_cap=10.0, delta_cap=0.0, **terms)
    releaser = DPPersons(plan=plan("persons", rho=RHO), ledger=ledger, release="r", periods=("2026-09",))
    with pytest.raises(BudgetExceededError, match="no delta_cap"):
        releaser.fit(trips)
    assert ledger.total().events == 0


def test_r24_too_little_left_draws_nothing(trips: pd.DataFrame, settings: dict[str, Any], zones36: PublicZones) -> None:
    releaser = DPFlows(plan=plan("flows", rho=50, zones=zones36), **settings)
    with pytest.raises(BudgetExceededError):
        releaser.fit(trips)
    assert settings["ledger"].total().events == 0


def test_exactly_one_of_epsilon_and_rho_and_choices_are_pure() -> None:
    for both in ({}, {"epsilon": 1, "rho": 1}):
        with pytest.raises(SchemaError, match="either epsilon or rho"):
            plan("persons", **both)
    keys = PublicKeys.declared([[0], [1]], columns=("cell",), source="test")
    with pytest.raises(SchemaError, match="pure epsilon"):
        plan("hot_spots", rho=1, keys=keys, top=1)


def draw(keys: FlowKeys, ledger: Any, codes: np.ndarray, cell: np.ndarray, cost: Cost, **more: Any) -> Any:
    purse = Purse(ledger=ledger, product="flows", release="test", periods=("2026-09",))
    return measure_flows(codes, cell, keys=keys, cost=cost, purse=purse, shares=Shares(), **more)


def test_noise_of_a_whole_product_has_the_true_scale(keys36: FlowKeys, nodding: Any) -> None:
    # no trips, cap 2, rho 1/8: sigma = 2 / sqrt(2/8) = 4 trips; 20 tables of 1,296 cells, 25,920 draws
    none = np.zeros(0, np.int64)
    draws = np.concatenate(
        [draw(keys36, nodding, none, none, Rho(Fraction(1, 8)), max_trips=2).cells for _ in range(20)]
    )
    assert stats.kstest(draws, stats.norm(scale=4.0).cdf).pvalue > 1e-9
    for wrong in (0.9, 1.1):
        seen = np.bincount(np.searchsorted(stats.norm(scale=4 * wrong).ppf(np.linspace(0, 1, 41)[1:-1]), draws))
        assert stats.chisquare(seen).pvalue < 1e-9


def test_margins_cost_root_two_times_the_cap_in_length(keys36: FlowKeys, nodding: Any) -> None:
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 100_000, 400_000)
    made = draw(keys36, nodding, codes, rng.integers(0, 1296, len(codes)), Rho(Fraction(1, 2)))
    products = [event.product for event in nodding.events]
    assert products == ["flows.activity", "flows.margins", "flows.cells"]
    assert nodding.events[1].sensitivity == math.isqrt(2 * (16 * made.scale) ** 2 - 1) + 1
    assert math.fsum(event.loss.rho for event in nodding.events) <= 0.5


@given(st.lists(st.integers(0, 1295), min_size=1, max_size=60), st.integers(1, 20))
def test_one_person_changes_cells_and_margins_by_no_more_than_is_charged(cells: list[int], cap: int) -> None:
    cell = np.array(cells)
    weights = integer_weights(np.zeros(len(cell), np.int64), max_trips=cap)
    table = weighted_counts(cell, weights, size=1296)
    ends = np.concatenate([np.bincount(cell // 36, weights.row, 36), np.bincount(cell % 36, weights.row, 36)])
    assert np.sqrt((table.astype(float) ** 2).sum()) <= noise_of(Rho(RHO), l1=weights.sensitivity).sensitivity
    margins = noise_of(Rho(RHO), l1=2 * weights.sensitivity, l2_squared=2 * weights.sensitivity**2)
    assert np.sqrt((ends**2).sum()) <= margins.sensitivity


def test_r20_interval_of_gaussian_noise_covers(keys36: FlowKeys, nodding: Any) -> None:
    codes, cell = np.repeat(np.arange(2000), 3), np.tile(np.arange(1296), 5)[:6000]
    inside = []
    for _ in range(20):
        made = draw(keys36, nodding, codes, cell, Rho(RHO), max_trips=3)
        true = np.bincount(cell, minlength=1296)
        low, high = noise_interval(made.units, made.noise, scale=made.scale, confidence=0.95)
        inside.append((low <= true) & (true <= high))
    assert 0.95 - 3 * np.sqrt(0.05 * 0.95 / np.size(inside)) <= np.mean(inside) <= 0.96
    assert (estimate_flows(made, keys36).trips >= 0).all()


def test_many_releases_are_cheaper_with_gaussian_noise_and_one_is_not() -> None:
    # same noise on the cells: Laplace b = 3/epsilon, deviation sqrt(2)·b; Gaussian 3/sqrt(2·rho)
    for releases, gaussian_wins in ((1, False), (52, True)):
        pure = plan("persons", epsilon=0.1)
        deviation = float(pure.expected_error((1,))["deviation"][0])
        normal = plan("persons", rho=Fraction(1 / (2 * deviation**2)).limit_denominator(10**6))
        assert isinstance(normal._noises()[0][1], DiscreteGaussian)
        assert normal.expected_error((1,))["deviation"][0] == pytest.approx(deviation, rel=0.01)
        assert (normal.cost_of(releases, delta=1e-6) < pure.cost_of(releases)) is gaussian_wins
    with pytest.raises(SchemaError, match="at a delta only"):
        normal.cost_of(2)


def test_plan_tells_rho(zones36: PublicZones) -> None:
    parts = plan("flows", rho="0.02", zones=zones36).parts()
    assert parts["rho"].sum() == pytest.approx(0.02)
    assert cost_of(epsilon=None, rho="0.02") == Rho(Fraction(1, 50))
