"""What a recipe may say under ``trips: k_anonymity``, and that whatever the search may choose stands in one chain."""

from __future__ import annotations

from inspect import signature
from typing import Any, get_args

import pytest
from anonkit.base.errors import RecipeError
from anonkit.kanon.estimators import KAnonymizer
from anonkit.kanon.measures import MEASURES
from anonkit.recipe import load_recipe
from anonkit.recipe.levels import LevelSearch

SEARCH = {"max_suppressed": 0.05, "cell_m": [1000, 2000], "bins": ["1h", "3h"]}


def searched(more: dict[str, Any] | None = None, trips: dict[str, Any] | None = None, **products: Any) -> Any:
    def change(recipe: dict[str, Any]) -> None:
        search = {key: value for key, value in {**SEARCH, **(more or {})}.items() if value is not None}
        recipe["products"] = {"trips": {"rows_per_person": 1, "k_anonymity": search, **(trips or {})}, **products}

    return change


def test_measures_of_a_recipe_are_those_of_the_search() -> None:
    assert get_args(LevelSearch.model_fields["measure"].annotation) == MEASURES


def test_recipe_and_estimator_share_the_names_of_their_parameters() -> None:
    chosen_from = {"cell_m", "level", "bins", "keep"}  # what a table of trips has of itself
    assert set(LevelSearch.model_fields) - chosen_from <= set(signature(KAnonymizer).parameters)


def test_until_the_search_has_chosen_the_finest_levels_stand_for_it(town: Any) -> None:
    recipe, _ = load_recipe(town.recipe(searched()))
    product = recipe.kanon_products[0]
    assert (product.level, product.bins.width) == (0, "1h")
    chosen = recipe.at_levels(cell=2000, bins="3h", columns=())
    assert (chosen.kanon_products[0].level, chosen.kanon_products[0].bins.width) == (1, "3h")
    assert recipe.kanon_products[0] == product


@pytest.mark.parametrize(
    ("more", "trips", "said"),
    [
        ({"mesure": "ncp"}, {}, "did you mean 'measure'"),
        ({"max_suppresed": 0.1}, {}, "did you mean 'max_suppressed'"),
        ({"max_suppressed": None}, {}, "key 'products.trips.k_anonymity.max_suppressed' is missing"),
        ({"max_suppressed": 1}, {}, "share from 0 to below 1"),
        ({"measure": "distance"}, {}, "k_anonymity.measure"),
        ({"cell_m": None}, {}, r"say cell_m \(a grid\) or level \(zones\)"),
        ({"cell_m": []}, {}, "list of cells is empty"),
        ({"cell_m": [2000, 1000]}, {}, "do not grow coarser one by one"),
        ({"cell_m": [1500]}, {}, "no cells of 1500 m"),
        ({"bins": []}, {}, "k_anonymity.bins"),
        ({"bins": ["1h", "xyz"]}, {}, "'xyz' is no width of a bin"),
        ({"bins": ["6h", "3h of week"]}, {}, "bins of 6h do not nest in 3h of week"),
        ({"keep": ["mode"]}, {}, r"names the columns \['mode'\]; columns of trips are \[\]"),
        ({"hierarchies": {"operator": {"values": {"town": ["any"]}}}}, {"columns": ["operator"]}, "no hierarchy"),
        ({"hierarchies": {"mode": {}}}, {"columns": ["mode"]}, "say path"),
        ({"hierarchies": {"mode": {"path": "none.csv"}}}, {"columns": ["mode"]}, "there is no file none.csv"),
        ({"hierarchies": {"mode": {"values": {"a": ["x"], "b": ["x", "y"]}}}}, {"columns": ["mode"]}, "not complete"),
        (
            {"hierarchies": {"mode": {"values": {"a": ["x", "p"], "b": ["x", "q"]}}}},
            {"columns": ["mode"]},
            "not monotone",
        ),
        (
            {"keep": ["mode"], "hierarchies": {"mode": {"values": {"a": ["x"]}}}},
            {"columns": ["mode"]},
            "under keep and under hierarchies",
        ),
        ({}, {"bins": "1h"}, "names bins beside k_anonymity"),
        ({}, {"cell_m": 1000}, "names cell_m beside k_anonymity"),
    ],
)
def test_wrong_search_is_refused_with_what_to_do(town: Any, more: Any, trips: Any, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        load_recipe(town.recipe(searched(more, trips)))


def test_r11_levels_that_would_not_nest_in_another_product_are_refused_before_anything_is_read(town: Any) -> None:
    with pytest.raises(RecipeError, match="may choose 2000 m and 1h, and then trips are finer than flows"):
        load_recipe(town.recipe(searched(flows={"cell_m": 1000, "bins": "3h"})))
    load_recipe(town.recipe(searched(flows={"cell_m": 2000, "bins": "3h"})))


def test_column_that_another_product_needs_must_be_kept(town: Any) -> None:
    flows = {"cell_m": 2000, "bins": "3h", "columns": ["mode"]}
    with pytest.raises(RecipeError, match="may choose 1000 m and 1h, and then flows"):
        load_recipe(town.recipe(searched(trips={"columns": ["mode"]}, flows=flows)))
    load_recipe(town.recipe(searched({"keep": ["mode"]}, {"columns": ["mode"]}, flows=flows)))


def test_rule_of_a_city_holds_for_all_bins_that_may_be_chosen(town: Any) -> None:
    def named(bins: list[str] | None) -> Any:
        def change(recipe: dict[str, Any]) -> None:
            searched({"bins": bins})(recipe)
            recipe["preset"] = "chicago_escooter"
            recipe["time"]["bins"] = "15min"

        return change

    with pytest.raises(RecipeError, match="bins: 15min are finer"):
        load_recipe(town.recipe(named(["15min", "1h"])))
    assert load_recipe(town.recipe(named(["1h", "3h"])))[0].kanon_products[0].bins.width == "1h"
    assert load_recipe(town.recipe(named(None)))[0].kanon_products[0].bins.width == "1h"


def test_no_noisy_release_chooses_levels_by_search(town: Any) -> None:
    def change(recipe: dict[str, Any]) -> None:
        recipe["privacy"] = {"guarantee": "differential_privacy", "unit": "person", "period": "month", "epsilon_cap": 1}
        recipe["products"] = {"flows": {"cell_m": 1000, "epsilon": 0.5, "k_anonymity": SEARCH}}

    with pytest.raises(RecipeError, match="no key 'products"):
        load_recipe(town.recipe(change))
