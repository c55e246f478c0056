"""Audit of whole products on the worst neighbour: a person with 1,000 trips, present or not (ruling 36).

The attacker knows everybody else and every trip of that person, and guesses from the released noisy figures whether he
is in the table. Thousands of runs; Clopper–Pearson bounds on true and false alarms give a lower bound on epsilon that
holds with 95 %. It must stay at or below the claim, reach six tenths of it, and see each planted fault. Noise comes from
a seed here (an honest audit would exceed its claim in one run of hundreds); the audit of the real generator stands in
test_mechanisms.py, with bounds that hold but for one in 1e9.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from anonkit.dp import flow_kernel as flows_module
from anonkit.dp.bounding import Weights
from anonkit.dp.charge import Purse
from anonkit.dp.flow_kernel import FlowKeys, Shares, measure_flows
from anonkit.dp.public import PublicKeys
from anonkit.dp.selection import select_keys
from scipy.stats import beta

RUNS = 3000
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("seeded_noise")]
CLAIM = Fraction(1)
HEAVY_CELL = 5


def lower_bound(present: np.ndarray, absent: np.ndarray, cut: float) -> float:
    """Lower bound (95 %) on epsilon from how often the statistic reaches ``cut``, which is fixed before any run."""
    hits, alarms = int((present >= cut).sum()), int((absent >= cut).sum())
    low = beta.ppf(0.025, hits, len(present) - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, alarms + 1, len(absent) - alarms) if alarms < len(absent) else 1.0
    return math.log(max(low, 1e-12) / high)


def world(present: bool) -> tuple[np.ndarray, np.ndarray]:
    """60 persons of 3 trips each, and perhaps one with 1,000 trips, all in one cell."""
    codes, cell = np.repeat(np.arange(60), 3), np.arange(180) % 36
    if present:
        codes, cell = np.append(codes, np.full(1000, 60)), np.append(cell, np.full(1000, HEAVY_CELL))
    return codes, cell


@pytest.fixture(scope="module")
def keys() -> FlowKeys:
    grid = np.stack(np.meshgrid(np.arange(6), np.arange(6), indexing="ij"), -1).reshape(-1, 2)
    return FlowKeys.of(PublicKeys.declared(grid, columns=("start_cell", "end_cell"), source="test"))


def audit_flows(keys: FlowKeys, ledger: Any, *, cut: float) -> float:
    """The attacker looks at the signed noisy cell that the courier would fill: 5 trips without him, 5 + T with him."""
    outcomes = []
    for present in (True, False):
        codes, cell = world(present)
        runs = []
        for _ in range(RUNS):
            purse = Purse(ledger=ledger, product="flows", release="audit", periods=("all",))
            made = measure_flows(codes, cell, keys=keys, cost=CLAIM, purse=purse, shares=Shares())
            runs.append(made.cells[HEAVY_CELL])
        outcomes.append(np.array(runs))
    return lower_bound(*outcomes, cut)


def test_r36_flows_hide_the_heaviest_rider_and_the_audit_is_strong(keys: FlowKeys, nodding: Any) -> None:
    found = audit_flows(keys, nodding, cut=8.0)
    assert 0.6 * float(CLAIM) <= found <= float(CLAIM)


def test_r36_audit_sees_a_missing_bound(keys: FlowKeys, nodding: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def unbounded(codes: np.ndarray, *, max_trips: int, scale: int = 2**20) -> Weights:
        return Weights(row=np.where(codes >= 0, scale, 0), scale=scale, max_trips=max_trips)

    monkeypatch.setattr(flows_module, "integer_weights", unbounded)
    assert audit_flows(keys, nodding, cut=50.0) > float(CLAIM)


def test_r36_audit_sees_weights_that_are_not_normalised(
    keys: FlowKeys, nodding: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_root(codes: np.ndarray, *, max_trips: int, scale: int = 2**20) -> Weights:
        count = np.bincount(codes[codes >= 0])  # min(1, T/√n) instead of min(1, T/n)
        weight = np.minimum(scale, scale * max_trips / np.sqrt(np.maximum(count, 1))).astype(np.int64)
        return Weights(row=weight[codes], scale=scale, max_trips=max_trips)

    monkeypatch.setattr(flows_module, "integer_weights", by_root)
    assert audit_flows(keys, nodding, cut=50.0) > float(CLAIM)


def test_r36_audit_sees_a_halved_sensitivity(keys: FlowKeys, nodding: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Weights.sensitivity
    monkeypatch.setattr(Weights, "sensitivity", property(lambda self: whole.fget(self) // 2))  # type: ignore[attr-defined]
    assert audit_flows(keys, nodding, cut=8.0) > float(CLAIM)


def test_r36_audit_sees_keys_from_the_data(nodding: Any) -> None:
    # keys read from the trips: the person's own cell is a row of the table only if he is there
    present, absent = [], []
    for here, seen in ((True, present), (False, absent)):
        codes = np.repeat(np.arange(60), 3)
        cell = np.arange(180) % 36
        if here:
            codes, cell = np.append(codes, np.full(1000, 60)), np.append(cell, np.full(1000, 99))
        for _ in range(RUNS):
            leaked = PublicKeys.declared(np.unique(cell).reshape(-1, 1), columns=("cell",), source="the trips (fault)")
            seen.append(float(99 in leaked.values))
    assert lower_bound(np.array(present), np.array(absent), 1.0) > float(CLAIM)


def test_r36_partition_selection_names_nobodys_own_key(nodding: Any) -> None:
    # a key of one person passes with chance delta: 3,000 runs at delta 1e-3 give 0…12 passes (binomial, 1 in 1e5)
    order = np.arange(1180, dtype=np.uint64)
    codes, cell = world(True)
    rows = np.where(codes == 60, 99, cell)
    named = 0
    for _ in range(RUNS):
        made = select_keys(
            codes,
            rows,
            order,
            columns=("cell",),
            max_keys=3,
            epsilon=1,
            delta=1e-3,
            purse=Purse(ledger=nodding, product="keys", release="audit", periods=("all",)),
        )
        named += made is not None and 99 in made.keys.values
    assert named <= 12
