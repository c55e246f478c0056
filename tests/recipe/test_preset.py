"""A published rule named in a recipe fills what is left out and holds the recipe to what it says."""

from __future__ import annotations

from typing import Any

import pytest
from anonkit.base.errors import RecipeError
from anonkit.recipe import load_recipe
from anonkit.recipe.preset import with_preset

RIDERS = [f"P{number}" for number in range(9)]


def named(name: str, **flows: Any) -> Any:
    def change(recipe: dict[str, Any]) -> None:
        recipe["preset"] = name
        recipe["products"] = {"flows": {"cell_m": 1000, **flows}}

    return change


def test_rule_gives_the_bins_that_the_recipe_leaves_out(town: Any) -> None:
    recipe, _ = load_recipe(town.recipe(named("chicago_escooter")))
    assert recipe.kanon_products[0].bins.width == "1h"


def test_recipe_with_a_rule_is_released(town: Any) -> None:
    town.rides(RIDERS, to=(4, 0))
    town.rides("AB", at=(0, 4), to=(4, 4), start="2026-03-04T14:00:00")
    town.release(named("sharedstreets"))
    assert [row["trips"] for row in town.table("flows")] == [9]


def test_coarser_bins_than_the_rule_stay(town: Any) -> None:
    recipe, _ = load_recipe(town.recipe(named("chicago_escooter", bins="3h")))
    assert recipe.kanon_products[0].bins.width == "3h"


def test_rest_is_gathered_where_the_rule_says_if_the_zones_have_such_a_level() -> None:
    said = {
        "preset": "chicago_tnp",
        "geo": {"zones": {"path": "tracts.csv", "id": "tract", "parents": ["community"]}},
        "products": {"flows": {"level": "tract"}, "volumes": {"level": "community"}},
    }
    filled = with_preset(said)["products"]
    assert filled["flows"] == {"level": "tract", "bins": "15min", "roll_up": [{"level": "community", "bins": "15min"}]}
    assert filled["volumes"] == {"level": "community", "bins": "15min"}


@pytest.mark.parametrize(
    ("name", "flows", "said"),
    [
        ("louisville", {}, "documented as unsafe: one random offset"),
        ("chicago", {}, "no preset 'chicago'"),
        ("mds_reports", {}, "whole months"),
        ("portland", {"bins": "15min"}, "finer"),
    ],
)
def test_rule_that_cannot_be_kept_is_refused(town: Any, name: str, flows: Any, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        load_recipe(town.recipe(named(name, **flows)))


def test_threshold_below_the_rule_is_refused(town: Any) -> None:
    def change(recipe: dict[str, Any]) -> None:
        named("sharedstreets")(recipe)
        recipe["privacy"]["protect"] = {"person": 2}

    with pytest.raises(RecipeError, match="at least 3 in a class; protect says person: 2"):
        load_recipe(town.recipe(change))


def test_no_rule_fills_in_whom_the_recipe_counts(town: Any) -> None:
    def change(recipe: dict[str, Any]) -> None:
        named("sharedstreets")(recipe)
        del recipe["privacy"]["protect"]

    with pytest.raises(RecipeError, match="protect"):
        load_recipe(town.recipe(change))
