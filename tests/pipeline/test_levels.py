"""Levels of trips that a search chooses: the best of those named, for persons, told inside, k enforced on what leaves."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anonkit.base.errors import ReleaseRefusedError
from anonkit.kanon.estimators import KAnonymizer
from anonkit.pipeline.plan import plan
from anonkit.report import render_report

RIDERS = [f"P{number}" for number in range(8)]
SEARCH = {"max_suppressed": 0.1, "cell_m": [1000, 2000, 4000], "bins": ["1h", "3h", "6h"]}


def searched(more: dict[str, Any] | None = None, **trips: Any) -> Any:
    def change(recipe: dict[str, Any]) -> None:
        recipe["products"] = {"trips": {"rows_per_person": 50, "k_anonymity": {**SEARCH, **(more or {})}, **trips}}

    return change


def spread(town: Any) -> Any:
    """Eight riders on each of two lines, each from one of four cells of a block of 2 km: one cell has two of them."""
    for n, rider in enumerate(RIDERS):
        town.ride(rider, at=(n % 2, n // 2 % 2), to=(4, 0))
        town.ride(rider, at=(n % 2, 4 + n // 2 % 2), to=(4, 4), start="2026-03-04T14:10:00")
    return town


def chosen(made: Any) -> tuple[Any, str]:
    levels = made.run["levels"]["chosen"]
    return levels["cell"], levels["bins"]


def planned(recipe: Path) -> tuple[Any, str]:
    levels = plan(recipe).levels
    assert levels is not None
    return levels["chosen"]["cell"], levels["chosen"]["bins"]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, town_class: Any) -> tuple[Any, Any]:
    """A town and its release at levels that were chosen; read only."""
    town = spread(town_class(tmp_path_factory.mktemp("spread")))
    return town, town.release(searched())


def test_least_displacement_that_holds_k_is_chosen(told: tuple[Any, Any]) -> None:
    # at 1 km two people a class, at 2 km eight, in any bins: 2 km and one hour lose least
    town, made = told
    assert chosen(made) == (2000, "1h")
    rows = town.table("trips")
    assert len(rows) == 16
    assert {row["start_cell"] // 10**14 for row in rows} == {1}
    levels = made.run["levels"]
    assert levels["optimal"]
    assert (levels["nodes"], levels["trips"], levels["suppressed_trips"], levels["classes"]) == (9, 16, 0, 2)
    # 0.3826 x 2000 m at each end, a quarter of an hour
    assert levels["displacement_m_an_end"] == pytest.approx(765.2, abs=0.1)
    assert levels["displacement_min"] == 15
    assert {row["column"]: row["suppressed_if_finer"] for row in levels["by_column"]} == {"cells": 16, "bins": None}


def test_r01_levels_are_chosen_for_people_not_rows(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # ten trips of each: twenty trips a class at 1 km, of two people
    for _ in range(10):
        spread(town)
    assert chosen(town.release(searched())) == (2000, "1h")
    real = KAnonymizer.__init__

    def for_rows(self: Any, **said: Any) -> None:
        real(self, **{**said, "protect": "row", "models": ()})

    monkeypatch.setattr(KAnonymizer, "__init__", for_rows)
    with pytest.raises(ReleaseRefusedError, match="not_empty"):  # people are counted on the table that leaves
        town.release(searched(), out="twin")
    assert town.run("twin")["levels"]["chosen"]["cell"] == 1000


def test_r04_levels_are_chosen_for_drivers_too(town: Any) -> None:
    for n, rider in enumerate(RIDERS):  # eight riders at 1 km; three drivers only where two cells are one
        town.ride(rider, at=(0, 0), to=(4, 0), driver=f"D{n % 2}")
        town.ride(f"Q{n}", at=(1, 0), to=(4, 0), driver=f"D{2 + n % 2}")

    def change(least: int) -> Any:
        def both(recipe: dict[str, Any]) -> None:
            searched()(recipe)
            recipe["privacy"]["protect"] = {"person": 5, "driver": least}
            recipe["inputs"][0]["columns"]["driver"] = "driver"

        return both

    assert planned(town.recipe(change(2))) == (1000, "1h")
    found = plan(town.recipe(change(3))).levels
    assert found is not None
    assert (found["chosen"]["cell"], found["protect"]) == (2000, {"person": 5, "driver": 3})


def test_r02_people_of_operators_that_cannot_be_matched_are_not_added(town: Any) -> None:
    # at 1 km three of each operator count as three, not six; at 2 km there are six of each
    town.rides(["A", "B", "C"], at=(0, 0), to=(4, 0))
    town.rides(["D", "E", "F"], at=(1, 0), to=(4, 0))
    town.write("other.csv")

    def change(operators: int) -> Any:
        def pool(recipe: dict[str, Any]) -> None:
            searched()(recipe)
            for number in range(1, operators):
                recipe["inputs"].append({**recipe["inputs"][0], "path": "other.csv", "operator": f"other{number}"})

        return pool

    assert planned(town.recipe(change(2))) == (2000, "1h")
    town.rides(["G", "H", "I"], at=(0, 0), to=(4, 0))
    town.rides(["J", "K", "L"], at=(1, 0), to=(4, 0))
    town.write("other.csv")
    assert planned(town.recipe(change(2))) == (1000, "1h")


def test_r06_one_rider_with_most_of_a_class_makes_levels_coarser(town: Any) -> None:
    # 40 of 44 at 1 km are one rider's; with 2 x 25 beside them at 2 km he has less than half
    town.rides(["commuter"] * 40 + list("ABCD"), at=(0, 0), to=(4, 0))
    town.rides([f"Q{n}" for n in range(50)], at=(1, 0), to=(4, 0))
    assert planned(town.recipe(searched())) == (2000, "1h")
    assert planned(town.recipe(searched(rows_per_person=1))) == (1000, "1h")


@pytest.mark.slow
def test_columns_are_kept_left_out_or_told_by_their_hierarchy(town: Any) -> None:
    for n, rider in enumerate([f"R{n}" for n in range(12)]):
        hour = 14 if n % 3 == 2 else 8
        town.ride(rider, to=(4, 0), station=["bus", "tram", "taxi"][n % 3], start=f"2026-03-03T{hour:02}:10:00")

    def change(more: dict[str, Any]) -> Any:
        def search(recipe: dict[str, Any]) -> None:
            searched({"max_suppressed": 0.4, "cell_m": [1000], "bins": ["1h"], **more}, columns=["kind"])(recipe)
            recipe["inputs"][0]["also"] = {"kind": {"column": "station", "role": "quasi"}}

        return search

    # four of each kind: too few for 5, so the column is left out
    found = plan(town.recipe(change({}))).levels
    assert found is not None
    assert found["chosen"]["columns"] == []
    # public and private: eight, and four at another hour, who fall either way; the finer of two equal ways is chosen
    tree = {"bus": ["public", "any"], "tram": ["public", "any"], "taxi": ["private", "any"]}
    (town.folder / "kinds.csv").write_text("\n".join(";".join((k, *v)) for k, v in tree.items()), encoding="utf-8")
    found = plan(town.recipe(change({"hierarchies": {"kind": {"values": tree}}, "measure": "discernibility"}))).levels
    assert found is not None
    assert found["chosen"]["labels"] == {"kind": "level1"}
    town.release(change({"hierarchies": {"kind": {"path": "kinds.csv"}}, "measure": "discernibility"}))
    assert [row["kind"] for row in town.table("trips")] == ["public"] * 8
    with pytest.raises(ReleaseRefusedError, match="no generalisation satisfies"):
        plan(town.recipe(change({"keep": ["kind"]})))


def test_value_that_the_hierarchy_lacks_is_told_without_its_name(town: Any) -> None:
    town.rides(RIDERS, to=(4, 0), station="secret kind")

    def change(recipe: dict[str, Any]) -> None:
        searched({"hierarchies": {"kind": {"values": {"bus": ["any"]}}}}, columns=["kind"])(recipe)
        recipe["inputs"][0]["also"] = {"kind": {"column": "station", "role": "quasi"}}

    with pytest.raises(ValueError, match="8 rows whose value is not in its hierarchy") as found:
        town.release(change)
    assert "secret" not in str(found.value)


def test_r26_whatever_level_is_chosen_k_is_enforced_on_the_table_that_leaves(
    town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the twin of the search takes the finest levels without looking: nothing unsafe leaves, the release is refused
    spread(town)
    real = KAnonymizer.fit

    def careless(self: Any, table: Any) -> Any:
        self.k, self.protect, self.models = 1, "row", ()
        return real(self, table)

    monkeypatch.setattr(KAnonymizer, "fit", careless)
    with pytest.raises(ReleaseRefusedError, match="not_empty"):
        town.release(searched())
    assert town.run()["levels"]["chosen"]["cell"] == 1000
    assert not (town.folder / "out").exists()


def test_r37_no_level_within_the_limit_is_a_refusal_and_nothing_is_handed_over(town: Any) -> None:
    town.rides(["A", "B", "C"], to=(4, 0))
    with pytest.raises(ReleaseRefusedError, match="no generalisation satisfies the models within the limit of 10%"):
        town.release(searched())
    assert not (town.folder / "out").exists()
    assert town.failed() == {"levels"}
    assert (town.run()["status"], town.run()["lines"][0]["used"]) == ("refused", 3)


def test_r21_scores_and_passed_over_levels_stay_inside(told: tuple[Any, Any]) -> None:
    _, made = told
    page = (made.inside / "report.html").read_text(encoding="utf-8")
    assert "How coarse, and why" in page
    assert "learnt from the raw trips by search" in page
    assert "2000 m, 1h" in page
    assert "proved best of 9 combinations" in page
    for path in made.out.rglob("*"):
        if path.suffix in (".md", ".json", ".csv", ".txt"):
            text = path.read_text(encoding="utf-8")
            assert not [word for word in ("search", "suppressed_trips", "displacement", '"loss"') if word in text]


def test_named_levels_are_not_touched(town: Any) -> None:
    assert plan(town.busy().recipe()).levels is None
    assert "levels" not in render_report({"release": "r", "levels": None})


def test_plan_and_explain_tell_what_was_chosen_and_what_the_others_would_release(
    town: Any, anonkit: Any, capsys: Any
) -> None:
    recipe = spread(town).recipe(searched())
    assert anonkit("release", recipe, "--plan", "--quiet") == 0
    assert "levels chosen by search: 2000 m, 1h" in capsys.readouterr().out
    assert anonkit("release", recipe, "--plan", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["levels"]["chosen"]["bins"] == "1h"
    assert found["products"][0]["trips_released"] == 16
    assert found["levels"]["input"]["groups"] == 16  # each rider in two pairs of cells
    assert 0 < found["levels"]["input"]["bytes"] < found["levels"]["input"]["limit"]
    assert anonkit("explain", recipe, "--quiet") == 0
    assert re.search(r"at the levels that were chosen +100\.0%", capsys.readouterr().out)


SAMPLE = Path(__file__).parents[2] / "data"


def sample_recipe(folder: Path, limit: float) -> Path:
    """The scooters' recipe with trips at levels that are chosen."""
    text = (SAMPLE / "recipes" / "kontaktplus.yml").read_text(encoding="utf-8").replace("../", f"{SAMPLE}/")
    start, end = text.index("  trips:"), text.index("suppression:")
    search = f"{{max_suppressed: {limit}, cell_m: [500, 1000, 2000, 4000], bins: [1h, 3h, 3h of week, 6h of week]}}"
    trips = f"  trips: {{columns: [mode], rows_per_person: 1, k_anonymity: {search}}}\n"
    path = folder / "recipe.yml"
    path.write_text(text[:start] + trips + text[end:], encoding="utf-8")
    return path


def test_sample_city_through_the_command_line_at_the_best_of_all_levels(
    tmp_path: Path, anonkit: Any, recount: Any
) -> None:
    recipe, out = sample_recipe(tmp_path, 0.3), tmp_path / "out"
    assert anonkit("release", recipe, "--out", out, "--quiet", "--as-of", "2026-10-15") == 0
    told = json.loads((tmp_path / "out.inside" / "run.json").read_text(encoding="utf-8"))["levels"]
    # the choice again: people counted at each of the 16 pairs of levels by code that imports nothing of anonkit
    counted = recount(recipe)
    trips = counted.used().used
    best = {}
    for cell_m, bins in product(told["from"]["cells"], told["from"]["bins"]):
        keys = [
            (counted.code(trip.start, cell_m), counted.code(trip.end, cell_m), counted.bin(trip.local_s, bins))
            for trip in trips
        ]
        frame = pd.DataFrame({"key": keys, "person": [trip.person for trip in trips]})
        size = frame.groupby("key")["person"].transform("nunique")
        lost = float((size < 5).mean())
        metres, minutes = 2 * 0.3825978582 * cell_m, float(bins[0]) * 15 + (15 if "of week" in bins else 0)
        beyond = 2 * 0.3825978582 * np.sqrt(told_area(counted)) * 500 + 80 * 390
        if lost <= 0.3:
            best[cell_m, bins] = ((1 - lost) * (metres + 80 * minutes) + lost * beyond, lost)
    assert len(best) >= 4
    assert (
        min(best, key=lambda at: best[at][0])
        == (told["chosen"]["cell"], told["chosen"]["bins"])
        == (2000, "3h of week")
    )
    loss, lost = best[2000, "3h of week"]
    assert told["loss"] == pytest.approx(loss, rel=1e-6)
    assert told["suppressed_share"] == pytest.approx(lost)
    # what left, recounted at the chosen levels: useful, and five people or more in each class (ruling 37)
    named = tmp_path / "named.yml"
    start, end = recipe.read_text().index("k_anonymity:"), recipe.read_text().index("}}\n")
    at = "cell_m: 2000, bins: 3h of week"
    named.write_text(recipe.read_text()[:start] + at + recipe.read_text()[end + 1 :], encoding="utf-8")
    figures = recount(named).check(out)
    assert figures["trips"]["fewest"] >= 5
    assert figures["trips"]["trips"] >= 0.7 * 3_627


def told_area(counted: Any) -> int:
    """Number of base cells that overlap the public area."""
    west, south, east, north = counted.area.bounds
    low, high = counted.cell(west, south), counted.cell(east, north)
    return sum(counted._in_area(cell) for cell in product(range(low[0], high[0] + 1), range(low[1], high[1] + 1)))
