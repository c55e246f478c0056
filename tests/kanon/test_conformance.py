"""ARX's optimum on Adult and pycanon's figures, reproduced."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anonkit.kanon.figures import privacy_figures
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.models import KAnonymity
from anonkit.kanon.search import search
from anonkit.kanon.search_tables import ClassTable

ROOT = Path(__file__).parents[2]
REAL = Path(os.environ.get("ANONKIT_REAL_DATA", ROOT / "../shared/data"))
ADULT = REAL / "adult"
PYCANON = json.loads((Path(__file__).parent / "fixtures/pycanon.json").read_text())
COLUMNS = ["sex", "age", "race", "marital-status", "education", "native-country", "workclass", "occupation"]
needs_adult = pytest.mark.skipif(not ADULT.exists(), reason="real data not found: set ANONKIT_REAL_DATA")


@pytest.fixture(scope="module")
def adult() -> tuple[ClassTable, list[Hierarchy]]:
    frame = pd.read_csv(ADULT / "adult.csv", sep=";", dtype=str)
    hierarchies = [Hierarchy.from_csv(ADULT / f"adult_hierarchy_{c}.csv", column=c) for c in COLUMNS]
    codes = {h.column: h.encode(frame[h.column]) for h in hierarchies}
    return ClassTable.of(codes, sizes=[h.sizes[0] for h in hierarchies]), hierarchies


@needs_adult
@pytest.mark.real
@pytest.mark.parametrize(
    ("limit", "levels", "suppressed", "classes", "largest"),
    [
        (0.00, (1, 1, 1, 2, 3, 2, 2, 1), 0, 45, 1676),
        (0.02, (0, 0, 1, 2, 3, 2, 2, 1), 105, 356, 285),
        (0.05, (0, 0, 1, 2, 3, 2, 2, 1), 105, 356, 285),
    ],
)
def test_arx_discernibility_optimum_on_adult(adult, limit, levels, suppressed, classes, largest) -> None:
    table, hierarchies = adult
    assert table.total_rows == 30_162
    found = search(table, hierarchies, [KAnonymity(k=5, protect="row")], max_suppressed=limit)
    assert found.nodes == 6_480
    assert found.optimal
    assert (found.levels, found.suppressed_rows, found.classes, found.largest) == (levels, suppressed, classes, largest)
    assert len(found.visits) < 6_480 / 4


@needs_adult
@pytest.mark.real
@pytest.mark.parametrize(("k", "suppressed", "penalty"), [(5, 1248, 0.2618), (50, 1306, 0.4869)])
def test_arx_ncp_optimum_on_adult(adult, k, suppressed, penalty) -> None:
    found = search(*adult, [KAnonymity(k=k, protect="row")], max_suppressed=0.05, measure="ncp")
    assert (found.suppressed_rows, round(found.loss, 4)) == (suppressed, penalty)


@needs_adult
@pytest.mark.real
def test_twin_k_minus_one_finds_another_optimum(adult) -> None:
    found = search(*adult, [KAnonymity(k=4, protect="row")], max_suppressed=0.05)
    assert found.suppressed_rows != 105


@needs_adult
@pytest.mark.real
@pytest.mark.parametrize("case", PYCANON["adult"])
def test_pycanon_figures_on_adult(case: str) -> None:
    frame = pd.read_csv(ADULT / "adult.csv", sep=";")
    by, sensitive = case.split(">")
    classes = frame.groupby(by.split("|")).ngroup().to_numpy()
    numeric = pd.api.types.is_numeric_dtype(frame[sensitive])
    compare(classes, frame[sensitive].to_numpy(), numeric, PYCANON["adult"][case])


@pytest.mark.parametrize("case", PYCANON["generated"], ids=lambda c: f"seed{c['seed']}")
def test_pycanon_figures_on_generated_tables(case: dict) -> None:
    g = np.random.default_rng(case["seed"])
    zone, bin_ = g.integers(0, case["zones"], case["rows"]), g.integers(0, case["bins"], case["rows"])
    value = np.minimum(g.geometric(0.35, case["rows"]) - 1, case["values"] - 1)
    compare(zone * 100 + bin_, value, case["numeric"], case)


def compare(classes: np.ndarray, values: np.ndarray, numeric: bool, stored: dict) -> None:
    found = privacy_figures(classes, values, protect="row", distance="ordered" if numeric else "equal")
    found["entropy_l"] = int(found["entropy_l"])  # pycanon cuts it to an integer
    for name in ("k", "l", "entropy_l", "t", "alpha", "beta", "beta_enhanced", "delta"):
        assert found[name] == pytest.approx(stored[name], rel=1e-9), name
