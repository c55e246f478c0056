"""Audits of the other products on their worst neighbour (ruling 36): at or below the claim, and not far below it.

As in test_audit.py: the attacker knows everybody else, and bounds by Clopper-Pearson how much better he tells whether one
person is there. What each audit looks at was chosen beforehand, where the mechanism's loss is largest; noise is seeded.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anonkit.dp import DPPersons, DPProfile, DPSelectedFlows, plan, quantiles
from anonkit.dp import flow_kernel as flows_module
from anonkit.dp import tables as tables_module
from anonkit.dp.bounding import Weights
from anonkit.dp.charge import Purse
from anonkit.dp.cost import Rho
from anonkit.dp.flow_kernel import FlowKeys, Shares, measure_flows
from anonkit.dp.public import PublicKeys, PublicSteps
from anonkit.dp.quantiles import flow_quantiles
from anonkit.dp.selection import hot_spots
from scipy.special import ndtri
from scipy.stats import beta

RUNS = 1200
CLAIM = Fraction(1)
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("seeded_noise")]


def rates(hits: np.ndarray, alarms: np.ndarray) -> tuple[float, float]:
    """97.5 % lower bound of the rate of ``hits`` and upper bound of that of ``alarms``."""
    good, bad = int(hits.sum()), int(alarms.sum())
    low = beta.ppf(0.025, good, len(hits) - good + 1) if good else 1e-12
    return float(low), float(beta.ppf(0.975, bad + 1, len(alarms) - bad))


def loss(hits: np.ndarray, alarms: np.ndarray) -> float:
    """Lower bound (95 %) on epsilon from an event that is likelier in one world than in the other."""
    low, high = rates(hits, alarms)
    return math.log(low / high)


def purse(ledger: Any) -> Purse:
    return Purse(ledger=ledger, product="audit", release="audit", periods=("all",))


def settings(ledger: Any) -> dict[str, Any]:
    return {"ledger": ledger, "release": "audit", "periods": ("all",)}


# --- Gaussian flows: the loss of a normal location family is its mu, and rho is mu²/2 ---------------------------------------
def audit_gaussian(ledger: Any) -> float:
    """Lower bound on mu from the courier's cell: 5 trips without him, 5 + 3 with him."""
    grid = np.stack(np.meshgrid(np.arange(6), np.arange(6), indexing="ij"), -1).reshape(-1, 2)
    keys = FlowKeys.of(PublicKeys.declared(grid, columns=("start_cell", "end_cell"), source="test"))
    seen = []
    for present in (True, False):
        codes, cell = np.repeat(np.arange(60), 3), np.arange(180) % 36
        if present:
            codes, cell = np.append(codes, np.full(1000, 60)), np.append(cell, np.full(1000, 5))
        made = [
            measure_flows(codes, cell, keys=keys, cost=Rho(Fraction(1, 2)), purse=purse(ledger), shares=Shares())
            for _ in range(RUNS)
        ]
        seen.append(np.array([one.cells[5] >= 6.5 for one in made]))
    low, high = rates(*seen)
    return float(ndtri(low) - ndtri(high))


def test_r36_gaussian_flows_hide_the_heaviest_rider_and_the_audit_is_strong(nodding: Any) -> None:
    assert 0.6 <= audit_gaussian(nodding) <= 1.0  # mu = sqrt(2 · 1/2)


def test_r36_audit_sees_a_halved_length(nodding: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Weights.sensitivity
    monkeypatch.setattr(Weights, "sensitivity", property(lambda self: whole.fget(self) // 2))  # type: ignore[attr-defined]
    assert audit_gaussian(nodding) > 1.0


# --- persons and profile, by their releasers --------------------------------------------------------------------------------
def riders(present: bool) -> pd.DataFrame:
    """60 riders of 3 trips in other hours, and perhaps one with 1,000 trips at nine."""
    person, hour = np.repeat(np.arange(60), 3), np.arange(180) % 24
    if present:
        person, hour = np.append(person, np.full(1000, 60)), np.append(hour, np.full(1000, 9))
    return pd.DataFrame({"person": person, "local_s": hour * 3600})


def audit_persons(ledger: Any) -> float:
    counted = [
        np.array(
            [DPPersons(plan=plan("persons", epsilon=1), **settings(ledger)).fit(table).persons_ for _ in range(RUNS)]
        )
        for table in (riders(True), riders(False))
    ]
    return loss(counted[0] >= 61, counted[1] >= 61)


def test_r36_number_of_persons(nodding: Any) -> None:
    assert 0.6 <= audit_persons(nodding) <= 1.0


def test_r36_audit_sees_trips_counted_for_persons(nodding: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables_module, "trips_of", lambda codes: np.ones(len(codes)))  # every trip a person
    counted = [
        DPPersons(plan=plan("persons", epsilon=1), **settings(nodding)).fit(riders(present)).persons_
        for present in (True, False)
    ]
    assert counted[0] - counted[1] > 900  # no noise of scale 1 hides a thousand


def test_r36_profile(nodding: Any) -> None:
    # 8 trips at nine (180 trips over 24 hours: 7.5 an hour), 2 more with him
    seen = []
    for present in (True, False):
        made = [
            DPProfile(plan=plan("profile", epsilon=1, profile="day", max_trips=2), **settings(nodding))
            .fit(riders(present))
            .profile_["capped_noisy"][9]
            for _ in range(RUNS)
        ]
        seen.append(np.array(made))
    exact = 2 / 3 * (np.arange(180) % 24 == 9).sum()  # everybody else has three trips and a cap of two
    assert 0.6 <= loss(seen[0] >= exact + 2, seen[1] >= exact + 2) <= 1.0


# --- choices ------------------------------------------------------------------------------------------------------------------
def test_r36_hot_spots_hide_the_heaviest_rider_and_the_audit_is_strong(nodding: Any) -> None:
    # two cells of three persons; he adds one person to cell 0. Cell 1 is chosen with 1/2 without him, with 1/(2e) with him
    keys = PublicKeys.declared([[0], [1]], columns=("cell",), source="test")
    seen = []
    for present in (False, True):
        codes, cell = np.arange(6), np.arange(6) % 2
        if present:
            codes, cell = np.append(codes, np.full(1000, 6)), np.append(cell, np.zeros(1000, int))
        chosen = [hot_spots(codes, cell, keys=keys, top=1, epsilon=1, purse=purse(nodding))[0] for _ in range(RUNS)]
        seen.append(np.array(chosen) == 1)
    assert 0.6 <= loss(*seen) <= 1.0


def audit_quantiles(ledger: Any, *, pairs: int = 300, calls: int = 40) -> float:
    """Many pairs of cells in one call, each a world of its own: five persons, and in the other world a sixth.

    Steps 0 to 20; one person takes 0, two take 10, two take 20, and the sixth's 50 trips all take 20. Low steps are two
    persons too low already and become worse, high ones become as good as the median. The attacker waits for a low median
    and a low number of persons; both become rarer when the sixth is there.
    """
    keys = PublicKeys.declared(np.arange(pairs)[:, None], columns=("cell",), source="test")
    steps = PublicSteps(low=0, high=20, step=1, unit="min", source="test")
    seen = []
    for present in (False, True):
        trips = [0.0, 10.0, 10.0, 20.0, 20.0] + [20.0] * (50 if present else 0)
        person = [0, 1, 2, 3, 4] + [5] * (50 if present else 0)
        codes = (np.arange(pairs)[:, None] * 6 + np.array(person)).ravel()
        key, value = np.repeat(np.arange(pairs), len(trips)), np.tile(trips, pairs)
        events = []
        for _ in range(calls):
            made = flow_quantiles(
                codes, key, value, np.arange(len(codes), dtype=np.uint64), keys=keys, steps=steps, percents=(50,), max_keys=1,
                min_persons=1, epsilon=CLAIM, purse=purse(ledger),
            )  # fmt: skip
            events.append((made.values[:, 0] < 10) & (made.persons <= 5))
        seen.append(np.concatenate(events))
    return loss(*seen)


def test_r36_quantiles_hide_the_heaviest_rider_and_the_audit_is_strong(nodding: Any) -> None:
    assert 0.6 <= audit_quantiles(nodding) <= 1.0


def test_r36_audit_sees_a_value_a_trip_instead_of_one_a_person(nodding: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def every_trip(codes: np.ndarray, key: np.ndarray, value: np.ndarray, order: Any, *, max_keys: int) -> pd.DataFrame:
        return pd.DataFrame({"person": codes, "key": key, "value": value})

    monkeypatch.setattr(quantiles, "median_a_person", every_trip)
    assert audit_quantiles(nodding, pairs=300, calls=4) > 1.0


def audit_selected(ledger: Any) -> float:
    """His 1,000 trips are all at a key of 20 others: one person more by the noisy count, two trips more by the other."""
    releaser = DPSelectedFlows(
        plan=plan("selected_flows", epsilon=1, delta="1e-3", columns=("cell",), max_keys=1, max_trips=2),
        **settings(ledger),
    )
    seen = []
    for present in (True, False):
        person, cell = np.arange(20), np.zeros(20, int)
        if present:
            person, cell = np.append(person, np.full(1000, 20)), np.append(cell, np.zeros(1000, int))
        trips = pd.DataFrame({"person": person, "cell": cell, "trip": np.arange(len(cell))})
        events = []
        for _ in range(RUNS):
            table = releaser.fit(trips).selected_flows_
            events.append(len(table) == 1 and table["persons_noisy"][0] >= 21 and table["capped_noisy"][0] >= 22)
        seen.append(np.array(events))
    return loss(*seen)


def test_r36_selected_flows_hide_the_heaviest_rider_and_the_audit_is_strong(nodding: Any) -> None:
    assert 0.6 <= audit_selected(nodding) <= 1.0


def test_r36_audit_sees_selected_flows_without_a_bound(nodding: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def unbounded(codes: np.ndarray, *, max_trips: int, scale: int = 2**20) -> Weights:
        return Weights(row=np.where(codes >= 0, scale, 0), scale=scale, max_trips=max_trips)

    monkeypatch.setattr(flows_module, "integer_weights", unbounded)
    assert audit_selected(nodding) > 1.0
