"""Membership inference on DPFlows as a whole: what leaves after bounding, noise and post-processing (ruling 36).

Every world is one fit of the releaser on all others' trips, with or without the target's. The attackers see the published
table, noisy and estimated columns alike: a threshold along Fisher's direction on the target's cells, and a logistic
regression. Noise is the system's own, so bounds are held many standard errors away: a chance failure is rarer than once in a million runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anonkit.dp import DPFlows, plan
from anonkit.dp.public import PublicZones
from anonkit.risk.membership import auc_limit
from anonkit.risk.result import Interval, auc_interval
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Floats = NDArray[np.float64]
SIDE, PERSONS, EPSILON, MAX_TRIPS = 3, 60, 1.0, 4
ZONES = PublicZones.declared(
    np.arange(SIDE**2),
    x_m=np.arange(SIDE**2) % SIDE * 1000.0,
    y_m=np.arange(SIDE**2) // SIDE * 1000.0,
    source="a grid of the test",
)
HEAVIEST, OUTLYING = 0, 1


def rides() -> pd.DataFrame:
    """Sixty people, three rides each; person 0 makes forty all over, person 1 two where nobody else goes."""
    rng = np.random.default_rng(5)
    many = np.full(PERSONS, 3)
    many[HEAVIEST], many[OUTLYING] = 40, 2
    person = np.repeat(np.arange(PERSONS), many)
    start, end = rng.integers(0, SIDE**2 - 1, (2, len(person)))
    start[person == OUTLYING] = end[person == OUTLYING] = SIDE**2 - 1
    return pd.DataFrame({"person": person, "start_cell": start, "end_cell": end})


def released(trips: pd.DataFrame, ledger: Any, *, epsilon: float = EPSILON) -> Floats:
    """The published columns of one fit, side by side."""
    wanted = plan("flows", epsilon=epsilon, zones=ZONES, max_trips=MAX_TRIPS)
    made = DPFlows(plan=wanted, ledger=ledger, periods=("2026-09",)).fit(trips)
    columns = [name for name in ("trips", "capped_noisy") if name in made.flows_.columns]
    return made.flows_[columns].to_numpy(float).ravel(order="F")


def attack(make: Callable[[pd.DataFrame], Floats], target: int, *, train: int, test: int) -> dict[str, Interval]:
    """AUC of both attackers on fresh worlds; each knows everybody else's rides."""
    whole = rides()
    without = whole[whole["person"] != target]
    worlds = {True: whole, False: without}
    draws = {side: np.stack([make(frame) for _ in range(train + test)]) for side, frame in worlds.items()}
    x = np.vstack([draws[True][:train], draws[False][:train]])
    y = np.repeat([1, 0], train)
    gap = draws[True][:train].mean(axis=0) - draws[False][:train].mean(axis=0)
    weight = gap / np.maximum(x.std(axis=0), 1e-9) ** 2
    mine = whole[whole["person"] == target]
    own = np.zeros(SIDE**4, bool)
    own[(mine["start_cell"] * SIDE**2 + mine["end_cell"]).to_numpy()] = True
    weight *= np.tile(own, len(weight) // len(own))
    model: Any = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000)).fit(x, y)
    scores: dict[str, Callable[[Floats], Floats]] = {
        "threshold": lambda table: table @ weight,
        "logistic": lambda table: model.predict_proba(table)[:, 1],
    }
    return {
        name: auc_interval(score(draws[True][train:]), score(draws[False][train:])) for name, score in scores.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("target", [HEAVIEST, OUTLYING])
def test_r36_flows_as_published_keep_both_attackers_under_the_bound_of_epsilon(nodding: Any, target: int) -> None:
    """Six thousand fits: intervals of half-width .02, upper end at most e / (1 + e) = .7311."""
    for name, found in attack(lambda trips: released(trips, nodding), target, train=500, test=2500).items():
        assert found.half_width <= 0.02, name
        assert found.high <= auc_limit(EPSILON), name


def test_r36_few_worlds_of_published_flows_are_not_above_the_bound(nodding: Any) -> None:
    """The fast version: beyond the bound by more than chance (six standard errors) nobody gets."""
    for name, found in attack(lambda trips: released(trips, nodding), OUTLYING, train=60, test=150).items():
        assert found.value - 6 * found.half_width / 1.96 <= auc_limit(EPSILON), name
        assert found.half_width <= 0.08


def test_r36_twin_flows_drawn_with_five_times_the_epsilon_cross_the_bound(nodding: Any) -> None:
    """Claimed epsilon 1, drawn 5: the attackers see it, so they are not blind."""
    found = attack(lambda trips: released(trips, nodding, epsilon=5 * EPSILON), OUTLYING, train=60, test=150)
    best = max(found.values(), key=lambda one: one.value)
    assert best.low > auc_limit(EPSILON)
