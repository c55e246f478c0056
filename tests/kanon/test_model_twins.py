"""Every model and its twin: with it no released class fails it, by other code; without it one does (ruling 10)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anonkit.kanon.estimators import KAnonymizer
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.models import (
    AlphaK,
    BetaLikeness,
    DeltaDisclosure,
    DistinctDiversity,
    Dominance,
    EntropyDiversity,
    KAnonymity,
    KMap,
    Model,
    RecursiveDiversity,
    TCloseness,
)
from anonkit.kanon.search import search
from anonkit.kanon.search_tables import ClassTable

ZONE = Hierarchy.from_levels("zone", np.arange(6), {"half": np.arange(6) // 3, "any": [0] * 6})
HOUR = Hierarchy.from_levels("hour", np.arange(4), {"half": np.arange(4) // 2, "any": [0] * 4})
TREE = Hierarchy.from_levels("s", np.array(["a", "b", "c"]), {"pair": ["ab", "ab", "c"], "any": ["*"] * 3})
Q = np.ndarray
Check = Callable[[Q, Q], bool]
SHARES: dict[str, tuple[Model, Check]] = {
    "distinct": (DistinctDiversity(l=3, sensitive="s"), lambda q, p: int((q > 0).sum()) >= 3),
    "entropy": (
        EntropyDiversity(l=2.2, sensitive="s"),
        lambda q, p: float(np.exp(-sum(x * np.log(x) for x in q if x > 0))) >= 2.2,
    ),
    "recursive": (
        RecursiveDiversity(c=1.2, l=2, sensitive="s"),
        lambda q, p: sorted(q)[-1] < 1.2 * sum(sorted(q)[:-1]),
    ),
    "t, equal": (
        TCloseness(t=0.15, distance="equal", sensitive="s"),
        lambda q, p: sum(abs(q - p)) / 2 <= 0.15 + 1e-9,
    ),
    "t, ordered": (
        TCloseness(t=0.12, distance="ordered", sensitive="s"),
        lambda q, p: (abs(q[0] - p[0]) + abs(q[0] + q[1] - p[0] - p[1])) / 2 <= 0.12 + 1e-9,
    ),
    "t, hierarchical": (  # a or b for the other costs half, c for one of them costs one
        TCloseness(t=0.12, distance="hierarchical", tree=TREE, sensitive="s"),
        lambda q, p: abs(q[2] - p[2]) + (abs(q[0] - p[0]) + abs(q[1] - p[1]) - abs(q[2] - p[2])) / 4 <= 0.12 + 1e-9,
    ),
    "alpha": (AlphaK(alpha=0.55, sensitive="s"), lambda q, p: max(q) <= 0.55 + 1e-9),
    "alpha of one value": (AlphaK(alpha=0.2, value_number=2, sensitive="s"), lambda q, p: q[2] <= 0.2 + 1e-9),
    "beta": (BetaLikeness(beta=0.4, enhanced=False, sensitive="s"), lambda q, p: max((q - p) / p) <= 0.4 + 1e-9),
    "beta, enhanced": (
        BetaLikeness(beta=2.0, enhanced=True, sensitive="s"),
        lambda q, p: all((q - p) / p <= np.minimum(2.0, -np.log(p)) + 1e-9),
    ),
    "delta": (
        DeltaDisclosure(delta=0.5, sensitive="s"),
        lambda q, p: all(abs(np.log(x / y)) <= 0.5 + 1e-9 for x, y in zip(q, p, strict=True) if x > 0),
    ),
    "delta, absent values tell": (
        DeltaDisclosure(delta=1.2, absent="violates", sensitive="s"),
        lambda q, p: all(x > 0 and abs(np.log(x / y)) <= 1.2 + 1e-9 for x, y in zip(q, p, strict=True)),
    ),
}


ANY_VALUE = DistinctDiversity(l=1, sensitive="s")


def trips(seed: int) -> pd.DataFrame:
    """A hundred and fifty rows; what people do depends on where they are, and one of three rows is a courier's."""
    g = np.random.default_rng(seed)
    zone = g.integers(0, 6, 150)
    person = np.where(g.random(150) < 0.35, zone % 2, g.integers(2, 50, 150))
    s = np.where(g.random(150) < 0.4, zone // 2, g.choice(3, 150, p=[0.5, 0.35, 0.15]))
    named = np.array(["a", "b", "c"], dtype=object)[s]
    return pd.DataFrame(
        {"zone": zone, "hour": g.integers(0, 4, 150), "person": person, "driver": person % 7, "s": named}
    )


def released(table: pd.DataFrame, models: list[Model]) -> list[pd.DataFrame]:
    """The released classes of the best table within a limit of 60 %."""
    anon = KAnonymizer(
        k=3,
        protect="row",
        max_suppressed=0.6,
        measure="ncp",
        hierarchies=[ZONE, HOUR],
        models=[ANY_VALUE, *models],
        sensitive=["s"],
        keep_units=True,
    )
    return [rows for _, rows in anon.fit_transform(table).groupby(["zone", "hour"])]


def shares(rows: pd.DataFrame) -> Q:
    counted = rows["s"].value_counts()
    return np.array([counted.get(value, 0) for value in "abc"]) / len(rows)


@pytest.mark.parametrize("name", SHARES)
def test_r10_twin_without_a_model_releases_a_class_that_fails_it(name: str) -> None:
    model, holds = SHARES[name]
    table = trips(1)
    whole = shares(table)
    with_it, without = released(table, [model]), released(table, [])
    assert with_it
    assert all(holds(shares(rows), whole) for rows in with_it)
    assert not all(holds(shares(rows), whole) for rows in without)


@pytest.mark.parametrize("unit", ["person", "driver"])
def test_r06_twin_without_dominance_releases_a_class_that_one_holds(unit: Any) -> None:
    def largest(classes: list[pd.DataFrame]) -> float:
        return max(rows[unit].value_counts(normalize=True).iloc[0] for rows in classes)

    limit = {"person": 0.4, "driver": 0.5}[unit]
    assert largest(released(trips(1), [Dominance(limit=limit, protect=unit)])) <= limit
    assert largest(released(trips(1), [])) > limit


@pytest.mark.parametrize("unit", ["person", "driver"])
def test_r01_twin_that_counts_rows_releases_a_class_of_few(unit: str) -> None:
    def fewest(protect: str) -> int:
        anon = KAnonymizer(
            k=4, protect=protect, max_suppressed=0.6, measure="ncp", hierarchies=[ZONE, HOUR], keep_units=True
        )
        return int(anon.fit_transform(trips(2)).groupby(["zone", "hour"])[unit].nunique().min())

    assert fewest(unit) >= 4
    assert fewest("row") < 4


def test_twin_without_the_population_releases_a_class_that_few_of_the_public_share() -> None:
    table, g = trips(1), np.random.default_rng(9)
    public = {"zone": np.minimum(g.geometric(0.4, 60) - 1, 5), "hour": g.integers(0, 4, 60)}
    coded = ClassTable.of({"zone": table["zone"], "hour": table["hour"]}, sizes=[6, 4], population=public)

    def fewest(models: list[Model]) -> int:
        found = search(coded, [ZONE, HOUR], models, max_suppressed=0.6, measure="ncp")
        groups = [
            Counter(zip(ZONE.codes[found.levels[0]][z], HOUR.codes[found.levels[1]][h], strict=True))
            for z, h in ((table["zone"], table["hour"]), (public["zone"], public["hour"]))
        ]
        shown = [key for key, rows in groups[0].items() if rows >= 3]
        return (
            min(groups[1][key] for key in shown)
            if len(models) == 1
            else found.classes - sum(groups[1][key] >= 4 for key in shown)
        )

    rows: list[Model] = [KAnonymity(k=3, protect="row")]
    assert fewest(rows) < 4
    assert fewest([*rows, KMap(k=4)]) == 0  # as many classes leave as have four of the public behind them
