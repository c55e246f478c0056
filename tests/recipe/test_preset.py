"""A published rule named in a recipe fills what is left out and holds the recipe to what it says."""

from __future__ import annotations

from typing import Any

import pytest
from anonkit.base.errors import RecipeError
from anonkit.recipe import load_recipe, model
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
        ("chicago_tmp", {}, "did you mean 'chicago_tnp'"),
        ("portland", {"bins": "15min"}, "finer"),
    ],
)
def test_rule_that_cannot_be_kept_is_refused(town: Any, name: str, flows: Any, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        load_recipe(town.recipe(named(name, **flows)))


def test_months_are_told_as_a_whole_and_only_of_one_month(town: Any) -> None:
    def month(first: str, last: str, **flows: Any) -> Any:
        def change(recipe: dict[str, Any]) -> None:
            named("mds_reports", **flows)(recipe)
            recipe["privacy"]["protect"] = {"person": 10}
            recipe["period"] = {"from": first, "to": last}

        return change

    recipe, _ = load_recipe(town.recipe(month("2026-03-01", "2026-03-31")))
    assert recipe.kanon_products[0].bins.width == "1d of day"
    assert (recipe.counts.printed.below, recipe.counts.printed.value) == (10, -1)
    with pytest.raises(RecipeError, match="tells times by 1d of day; bins: 1d are finer"):
        load_recipe(town.recipe(month("2026-03-01", "2026-03-31", bins="1d")))
    for first, last in (("2026-03-02", "2026-03-31"), ("2026-03-01", "2026-03-30"), ("2026-03-01", "2026-04-30")):
        with pytest.raises(RecipeError, match="first to the last day of one calendar month"):
            load_recipe(town.recipe(month(first, last)))


def test_money_is_rounded_at_least_as_the_rule_says() -> None:
    said: dict[str, Any] = {"preset": "chicago_tnp", "products": {"trips": {"columns": ["fare", "mode"], "bins": "1h"}}}
    assert with_preset(said)["rounding"] == {"fare": 2.5}
    assert with_preset({**said, "rounding": {"fare": 5}})["rounding"] == {"fare": 5}
    for finer in (1, 4):
        with pytest.raises(ValueError, match=r"rounds fare to 2.5; rounding: \d is no multiple"):
            with_preset({**said, "rounding": {"fare": finer}})
    assert "rounding" not in with_preset({**said, "products": {"flows": {"bins": "1h"}}})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r.update(rounding={"fare": 2.5}), r"rounding names \['fare'\]; published columns are \[\]"),
        (lambda r: priced(r, kind="text"), "say kind: number under also"),
        (lambda r: priced(r, step=0.125), "whole hundredths"),
        (lambda r: r["counts"].update(small={"below": 10, "value": 0}), "counts.small.value"),
        (lambda r: printed_with(r, columns=["mode"]), "leave its columns and roll_up out"),
        (lambda r: printed_with(r, roll_up=[{"cell_m": 2000, "bins": "1h"}]), "leave its columns and roll_up out"),
        (lambda r: printed_with(r, limit=True), "printed in full are 2,000,000,000 rows"),
    ],
)
def test_rounding_and_printing_that_cannot_be_done_are_refused(
    town: Any, monkeypatch: pytest.MonkeyPatch, change: Any, said: str
) -> None:
    monkeypatch.setattr(model, "printed_rows", lambda *_: 2_000_000_000)
    with pytest.raises(RecipeError, match=said):
        load_recipe(town.recipe(change))


def priced(recipe: dict[str, Any], kind: str = "number", step: float = 2.5) -> None:
    recipe["products"] = {"flows": {"cell_m": 1000, "bins": "1h", "columns": ["fare"]}}
    recipe["rounding"] = {"fare": step}
    recipe["inputs"][0]["also"] = {"fare": {"column": "station", "role": "quasi", "kind": kind}}


def printed_with(recipe: dict[str, Any], limit: bool = False, **flows: Any) -> None:
    recipe["products"] = {"flows": {"cell_m": 1000, "bins": "1h", **flows}}
    recipe["counts"]["small"] = {"below": 10, "value": -1}


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
