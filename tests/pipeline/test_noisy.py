"""Noisy releases: one guarantee, one charge a draw, public keys whole, nothing left after a kill."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from anonkit.base.errors import BudgetExceededError, PrivacyLeakError, RecipeError, ReleaseRefusedError
from anonkit.base.progress import Progress
from anonkit.ledger import Ledger
from anonkit.pipeline import release
from anonkit.reader import open_release

PRIVACY = {"guarantee": "differential_privacy", "unit": "person_period", "period": "month", "epsilon_cap": 1.0}


def noisy(recipe: dict[str, Any], **products: Any) -> None:
    """Turn the town's recipe into a noisy one."""
    recipe.pop("counts")
    recipe["privacy"] = dict(PRIVACY)
    recipe["products"] = products or {
        "flows": {"cell_m": 4000, "epsilon": 0.3, "max_trips": 3},
        "volumes": {"cell_m": 4000, "bins": "6h of week", "epsilon": 0.2, "max_trips": 3},
        "persons": {"epsilon": 0.1},
    }


def spent(folder: Path) -> float:
    return Ledger.open(folder / "anonkit.registry" / "town.ledger").spent("2026-03").epsilon


def test_r18_every_public_key_stands_in_the_table_travelled_or_not(town: Any) -> None:
    result = town.busy().release(noisy)
    flows, volumes = (pq.read_table(result.out / f"{name}.parquet") for name in ("flows", "volumes"))
    assert flows.num_rows == 4**2  # 8 km × 8 km in cells of 4 km: four cells
    assert volumes.num_rows == 4 * 28  # four cells, 28 bins of six hours a week
    assert {found["status"] for found in result.run["findings"]} == {"PASS"}


def test_statement_names_unit_epsilon_and_what_is_spent_altogether(town: Any) -> None:
    town.busy().release(noisy)
    opened = open_release(town.folder / "out")
    assert opened.privacy["guarantee"] == "differential_privacy"
    assert opened.privacy["epsilon"] == pytest.approx(0.6)
    assert opened.privacy["spent"] == {"2026-03": pytest.approx(0.6)}
    assert opened.suppressed.empty
    assert {"capped_noisy", "capped_low", "capped_high"} <= set(opened.flows.columns)


def test_r24_each_release_is_charged_and_one_above_the_cap_draws_nothing(town: Any) -> None:
    town.busy().release(noisy)
    assert spent(town.folder) == pytest.approx(0.6)
    with pytest.raises(BudgetExceededError, match=r"0\.40 of 1\.00 left"):
        town.release(noisy, out="second")
    assert spent(town.folder) == pytest.approx(0.6)  # not even its first product, which would have fitted
    assert not (town.folder / "second").exists()


def test_r14_days_of_a_k_anonymous_release_are_refused_before_anything_is_drawn(town: Any) -> None:
    town.busy().release()
    with pytest.raises(ReleaseRefusedError, match="k-anonymous classes"):
        town.release(noisy, out="noisy")
    assert not (town.folder / "anonkit.registry" / "town.ledger").exists()


def test_r14_days_of_a_noisy_release_are_refused_as_classes(town: Any) -> None:
    town.busy().release(noisy)
    with pytest.raises(ReleaseRefusedError, match="refused"):
        town.release(out="classes")
    assert "overlap" in town.failed("classes")


def test_r22_terms_of_a_ledger_cannot_be_changed_by_a_recipe(town: Any) -> None:
    town.busy().release(noisy)

    def generous(recipe: dict[str, Any]) -> None:
        noisy(recipe)
        recipe["privacy"]["epsilon_cap"] = 9.0

    with pytest.raises(RecipeError, match=r"epsilon_cap 1\.0, not 9\.0"):
        town.release(generous, out="second")


class Stop(BaseException):
    """Not an Exception: like a kill, nothing may catch it."""


class StopAt(Progress):
    def __init__(self, moment: str) -> None:
        super().__init__()
        self._at = moment

    def moment(self, name: str) -> None:
        if name == self._at:
            raise Stop


@pytest.mark.parametrize(
    ("moment", "least"),
    [
        ("draw:before flows", 0.0),
        ("draw:after flows", 0.3),
        ("draw:after volumes", 0.5),
        ("hand over:before rename", 0.6),
    ],
)
def test_r24_what_was_drawn_before_a_kill_stays_spent(town: Any, moment: str, least: float) -> None:
    recipe = town.busy().recipe(noisy)
    with pytest.raises(Stop):
        release(recipe, out=town.folder / "out", progress=StopAt(moment))
    assert spent(town.folder) == pytest.approx(least)
    assert not (town.folder / "out").exists()


def test_r19_true_counts_are_nowhere_in_what_stays_inside(town: Any) -> None:
    result = town.busy().release(noisy)
    run = json.loads((result.inside / "run.json").read_text(encoding="utf-8"))
    assert all(set(product) == {"part", "rows", "columns"} for product in run["products"])


def test_r18_a_noisy_recipe_is_never_planned_by_looking_at_the_trips(town: Any, anonkit: Callable[..., int]) -> None:
    recipe = town.busy().recipe(noisy)
    assert anonkit("release", recipe, "--plan", "--quiet") == 2
    assert anonkit("dp", "plan", recipe) == 0
    (town.folder / "rides.csv").unlink()
    assert anonkit("dp", "plan", recipe) == 0  # without any data


def test_r18_bounds_computed_from_trips_are_refused() -> None:
    import numpy as np
    from anonkit.dp import plan

    with pytest.raises(PrivacyLeakError, match="computed from the trips"):
        plan("persons", epsilon=1, max_trips=np.int64(4))


def test_only_persons_can_be_protected_by_noise(town: Any) -> None:
    def trips_only(recipe: dict[str, Any]) -> None:
        noisy(recipe)
        recipe["inputs"][0]["privacy_unit"] = "trip"
        del recipe["inputs"][0]["columns"]["person"]

    with pytest.raises(RecipeError, match="knows no persons"):
        town.busy().release(trips_only)
