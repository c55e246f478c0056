"""A recipe that is wrong says where and what to do; nothing that decides about privacy is silent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from anonkit.base.errors import RecipeError
from anonkit.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data" / "recipes" / "kontaktplus.yml"


def loaded(town: Any, change: Any) -> Any:
    return load_recipe(town.recipe(change))[0]


def written(town: Any, old: str, new: str) -> Path:
    path: Path = town.recipe()
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_sample_recipe_loads_and_its_hash_is_that_of_the_file() -> None:
    import hashlib

    recipe, digest = load_recipe(SAMPLE)
    assert digest == hashlib.sha256(SAMPLE.read_bytes()).hexdigest()
    assert recipe.privacy.protection.k >= 5


def test_unknown_key_names_its_line_and_the_nearest_one(town: Any) -> None:
    path = written(town, "dominance:", "dominence:")
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if "dominence" in text)
    with pytest.raises(RecipeError, match=rf"line {line}: .*privacy.dominence.*\n?.*did you mean 'dominance'"):
        load_recipe(path)


def test_missing_key_is_named(town: Any) -> None:
    with pytest.raises(RecipeError, match="'privacy' is missing"):
        loaded(town, lambda recipe: recipe.pop("privacy"))


@pytest.mark.parametrize("old", ["    person: 5", "  guarantee: k_anonymity", "licence: CC0-1.0"])
def test_key_that_stands_twice_is_refused_not_overwritten_in_silence(town: Any, old: str) -> None:
    indent, key = old[: len(old) - len(old.lstrip())], old.strip().split(":")[0]
    path = written(town, old, f"{old}\n{indent}{key}: 2")
    with pytest.raises(RecipeError, match=f"'{key}' stands there a second time"):
        load_recipe(path)


@pytest.mark.parametrize("k", [1, 0, -5, "many", None, 4.5])
def test_k_below_two_or_no_number_is_refused(town: Any, k: Any) -> None:
    with pytest.raises(RecipeError, match="protect"):
        loaded(town, lambda recipe: recipe["privacy"]["protect"].update(person=k))


@pytest.mark.parametrize("share", ["1/0", "half", 0, -1, "3/2", True])
def test_dominance_is_a_share(town: Any, share: Any) -> None:
    with pytest.raises(RecipeError, match=r"share|dominance"):
        loaded(town, lambda recipe: recipe["privacy"].update(dominance=share))


def test_r01_source_without_persons_must_say_that_trips_are_counted(town: Any) -> None:
    def nobody(recipe: dict[str, Any]) -> None:
        del recipe["inputs"][0]["columns"]["person"]

    def trips(recipe: dict[str, Any]) -> None:
        nobody(recipe)
        recipe["inputs"][0]["privacy_unit"] = "trip"

    with pytest.raises(RecipeError, match="privacy_unit: trip"):
        loaded(town, nobody)
    with pytest.raises(RecipeError, match="protect counts persons"):
        loaded(town, trips)


def test_r04_drivers_are_protected_only_where_they_are_known(town: Any) -> None:
    with pytest.raises(RecipeError, match="maps no column 'driver'"):
        loaded(town, lambda recipe: recipe["privacy"]["protect"].update(driver=3))


def test_r05_column_that_no_input_declares_cannot_be_released(town: Any) -> None:
    with pytest.raises(RecipeError, match="columns that may be published"):
        loaded(town, lambda recipe: recipe["products"]["trips"].update(columns=["fare"]))


@pytest.mark.parametrize(
    "name", ["start_cell", "bin", "trips", "person", "vehicle", "hit", "open", "k0", "persons", "_rule", 'a"b', "Mode"]
)
def test_extra_column_cannot_take_a_canonical_name(town: Any, name: str) -> None:
    extra = {name: {"column": "station", "role": "quasi"}}
    with pytest.raises(RecipeError, match=r"canonical|reserved|names"):
        loaded(town, lambda recipe: recipe["inputs"][0].update(also=extra))


@pytest.mark.parametrize(
    ("product", "finer"), [("flows", {"cell_m": 1000, "bins": "1h"}), ("volumes", {"cell_m": 1000, "bins": "6h"})]
)
def test_r11_products_that_do_not_nest_are_refused(town: Any, product: str, finer: dict[str, Any]) -> None:
    # trips at 2 km and 3 h, flows at 2 km and 6 h
    def change(recipe: dict[str, Any]) -> None:
        recipe["products"]["trips"]["cell_m"] = 2000
        recipe["products"][product] = dict(finer)
        if product == "flows":
            recipe["products"]["trips"]["bins"] = "3h of week"

    with pytest.raises(RecipeError, match="finer than"):
        loaded(town, change)


def test_text_that_is_no_recipe_is_an_error_with_a_hint(town: Any) -> None:
    path = town.folder / "no.yml"
    for content in (b"", b"- a", b"a: [", b"\xff\xfe", b"a: b: c", b"? [1, 2]\n: 3\n"):
        path.write_bytes(content)
        with pytest.raises(RecipeError, match="Hint"):
            load_recipe(path)
    with pytest.raises(RecipeError, match="no recipe"):
        load_recipe(town.folder / "missing.yml")
