"""The optimum on Adult for other k, limits and measures, by looking at all 6,480 nodes with code that shares nothing.

Reference values of other tools exist for k = 5 and 50 (test_conformance); here each node's classes are counted with NumPy
from the file, and the best node is found by looking at all of them.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.models import KAnonymity
from anonkit.kanon.search import search
from anonkit.kanon.search_tables import ClassTable

ADULT = Path(os.environ.get("ANONKIT_REAL_DATA", Path(__file__).parents[2] / "../shared/data")) / "adult"
COLUMNS = ["sex", "age", "race", "marital-status", "education", "native-country", "workclass", "occupation"]
KS, LIMITS = (2, 3, 5, 10, 25, 50), (0.0, 0.01, 0.02, 0.05, 0.1)
MEASURES = ("discernibility", "class_size", "ncp", "entropy")
pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(not ADULT.exists(), reason="real data not found: set ANONKIT_REAL_DATA"),
]
Best = dict[tuple[int, float, str], tuple[float, tuple[int, ...], int, int, int]]


@pytest.fixture(scope="module")
def every_node() -> Best:
    """By k, limit and measure: loss, levels, suppressed rows, classes, largest class of the best of all nodes."""
    frame = pd.read_csv(ADULT / "adult.csv", sep=";", dtype=str)
    trees = [pd.read_csv(ADULT / f"adult_hierarchy_{c}.csv", sep=";", dtype=str, header=None) for c in COLUMNS]
    cells, leaves, common = [], [], []
    for column, tree in zip(COLUMNS, trees, strict=True):
        row = tree.set_index(0, drop=False).loc[frame[column]]
        coded = [pd.factorize(row[level])[0] for level in tree.columns]
        spread = [row[level].map(tree[level].value_counts()).to_numpy() - 1 for level in tree.columns]
        cells.append(coded)
        leaves.append([x / (len(tree) - 1) for x in spread])
        common.append([np.log2(np.bincount(code)[code]) for code in coded])
    n, best = len(frame), {}
    for levels in itertools.product(*[range(len(tree.columns)) for tree in trees]):
        key = np.zeros(n, dtype=np.int64)
        for coded, level in zip(cells, levels, strict=True):
            key = key * (int(coded[level].max()) + 1) + coded[level]
        _, group, rows = np.unique(key, return_inverse=True, return_counts=True)
        size = rows[group]
        for k in KS:
            if int((size < k).sum()) > max(LIMITS) * n:
                continue
            lost, kept = size < k, rows[rows >= k]
            gone = int(lost.sum())
            cost = {
                "discernibility": float((kept.astype(float) ** 2).sum() + gone * n),
                "class_size": n / (len(kept) + (gone > 0)),
                "ncp": (sum(x[lv][~lost].sum() for x, lv in zip(leaves, levels, strict=True)) + gone * 8) / (n * 8),
                "entropy": sum(float((x[lv] - x[0]).sum()) for x, lv in zip(common, levels, strict=True))
                + sum(merged(coded[lv][lost]) for coded, lv in zip(cells, levels, strict=True)),
            }
            told = (gone, len(kept), int(kept.max(initial=0)))
            for limit, measure in itertools.product(LIMITS, MEASURES):
                before = best.get((k, limit, measure))
                if gone <= limit * n and (before is None or cost[measure] < before[0] * (1 - 1e-12)):
                    best[k, limit, measure] = (cost[measure], levels, *told)
    return best


def merged(codes: np.ndarray) -> float:
    """Bits that suppressed rows lose when they become one."""
    held = np.bincount(codes)
    held = held[held > 0]
    return float((held * np.log2(len(codes) / held)).sum()) if len(codes) else 0.0


@pytest.fixture(scope="module")
def adult() -> tuple[ClassTable, list[Hierarchy]]:
    frame = pd.read_csv(ADULT / "adult.csv", sep=";", dtype=str)
    hierarchies = [Hierarchy.from_csv(ADULT / f"adult_hierarchy_{c}.csv", column=c) for c in COLUMNS]
    codes = {h.column: h.encode(frame[h.column]) for h in hierarchies}
    return ClassTable.of(codes, sizes=[h.sizes[0] for h in hierarchies]), hierarchies


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("k", KS)
def test_adult_optimum_is_that_of_all_nodes(adult, every_node: Best, k: int, measure: str) -> None:
    for limit in LIMITS:
        found = search(*adult, [KAnonymity(k=k, protect="row")], max_suppressed=limit, measure=measure)
        loss, levels, suppressed, classes, largest = every_node[k, limit, measure]
        assert found.optimal
        assert found.loss == pytest.approx(loss, rel=1e-9)
        if found.levels == levels:  # else two nodes lose the same
            assert (found.suppressed_rows, found.classes, found.largest) == (suppressed, classes, largest)


def test_adult_enumeration_gives_the_stored_values_of_arx(every_node: Best) -> None:
    assert every_node[5, 0.0, "discernibility"][1:] == ((1, 1, 1, 2, 3, 2, 2, 1), 0, 45, 1676)
    for limit in (0.02, 0.05):
        assert every_node[5, limit, "discernibility"][1:] == ((0, 0, 1, 2, 3, 2, 2, 1), 105, 356, 285)
    for k, suppressed, penalty in ((5, 1248, 0.2618), (50, 1306, 0.4869)):
        loss, _, gone, _, _ = every_node[k, 0.05, "ncp"]
        assert (gone, round(loss, 4)) == (suppressed, penalty)
