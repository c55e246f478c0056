"""The scorecard of real runs: what is measured, what refuses, what a removed guard shows, and ruling 19 for noise."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import narwhals.stable.v2 as nw
import pytest
from anonkit.base.errors import RecipeError, ReleaseRefusedError
from anonkit.classes import Protection, is_safe
from anonkit.engine import sha256_of
from anonkit.publish.gate_recount import Recount
from anonkit.risk.document import risk_schema

PRIVACY = {"guarantee": "differential_privacy", "unit": "person_period", "period": "month", "epsilon_cap": 1.0}


def document(town: Any, out: str = "out") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((town.folder / f"{out}.inside" / "risk.json").read_text(encoding="utf-8"))
    return found


def answers(town: Any, out: str = "out") -> dict[str, dict[str, Any]]:
    return {found["check"].partition("_")[2]: found for found in document(town, out)["scorecard"]}


def noisy(recipe: dict[str, Any]) -> None:
    recipe.pop("counts")
    recipe["privacy"] = dict(PRIVACY)
    recipe["products"] = {
        "flows": {"cell_m": 4000, "epsilon": 0.3, "max_trips": 3},
        "volumes": {"cell_m": 4000, "bins": "6h of week", "epsilon": 0.2, "max_trips": 3},
    }


def with_thresholds(**asked: str) -> Callable[[dict[str, Any]], None]:
    def change(recipe: dict[str, Any]) -> None:
        recipe["thresholds"] = asked

    return change


def test_a_release_has_fifteen_answers_that_fit_the_schema_and_name_the_bundle(town: Any) -> None:
    result = town.busy().release()
    found = document(town)
    jsonschema.Draft202012Validator(risk_schema()).validate(found)
    assert found["bundle_sha256"] == sha256_of(Path(result.out) / "CHECKSUMS.sha256")
    assert not list(Path(result.out).rglob("risk.json"))
    assert (result.inside / "risk.json").stat().st_mode & 0o077 == 0
    told = answers(town)
    # busy(): three classes of 7 riders and one of 8 leave, one ride each
    assert (told["class_size"]["value"], told["risk"]["value"]) == ("7", "1/7")
    assert told["identifiers"]["status"] == told["differencing"]["status"] == "PASS"
    assert told["unicity"]["value"] == "0"
    # 39 rides, 29 leave as trips; the question is about the product that loses most
    lost = {entry["part"]: entry["trips"] - entry["trips_released"] for entry in town.run()["products"]}
    assert lost["trips"] == 10
    assert Fraction(told["suppression"]["value"]) == Fraction(max(lost.values()), 39)
    # nothing is known of the invented operator's policy, and no list of places is named: not measured is no PASS
    assert told["retention"]["status"] == told["sensitive_places"]["status"] == "WARN"
    assert told["permission"]["status"] == "WARN"


def test_raw_trips_are_unique_and_those_that_leave_are_not(town: Any) -> None:
    town.busy().release()
    found = {figure["name"]: figure for figure in document(town)["figures"]}
    assert found["trip uniqueness (leaves)"]["value"] == 0
    assert found["alone in a class (leaves)"]["value"] == 0
    for name in ("unicity, 4 known (before)", "destination inference (before)", "destination inference (leaves)"):
        assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]
        assert found[name]["assumptions"]


def public(recipe: dict[str, Any]) -> None:
    recipe["recipient"] = {"name": "anybody", "kind": "public"}


def test_r35_a_public_release_that_tells_who_is_in_is_refused(town: Any) -> None:
    with pytest.raises(ReleaseRefusedError, match="q08_membership"):
        town.busy().release(public)
    assert not (town.folder / "out").exists()
    told = answers(town)["membership"]
    assert (told["status"], told["threshold"]) == ("FAIL", "at most 1/10")
    assert "differential_privacy" in told["message"]
    # one ride each in a class of 7 or 8, cell-key noise of at most 2: who knows the others is right more often than not
    assert float(told["value"]) > 0.1
    figures = [one for one in document(town)["figures"] if one["name"].startswith("membership")]
    assert len(figures) == 2
    assert all((one["high"] - one["low"]) / 2 <= 0.02 for one in figures)  # narrow enough to mean it


def test_r35_the_same_release_under_contract_is_told_and_decided_by_the_reviewer(town: Any) -> None:
    town.busy().release()
    told = answers(town)["membership"]
    assert (told["status"], told["threshold"]) == ("WARN", "at most 1")


def test_r35_a_public_recipe_cannot_loosen_the_limit(town: Any) -> None:
    def loose(recipe: dict[str, Any]) -> None:
        public(recipe)
        recipe["thresholds"] = {"membership": "1/2"}

    with pytest.raises(RecipeError, match="anybody may get"):
        town.busy().release(loose)


def test_r35_a_public_release_that_hides_membership_passes(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal is by the number, not by the recipient: an attacker who learns nothing lets it pass."""
    from anonkit.pipeline import attacks
    from anonkit.risk.membership import membership_among

    def hidden(own: Any, trips: Any, persons: Any, release: Any, **asked: Any) -> Any:
        return membership_among(own, trips, persons, lambda t, p, rng: rng.normal(size=t.shape), **asked)

    monkeypatch.setattr(attacks, "membership_among", hidden)
    town.busy().release(public)
    told = answers(town)["membership"]
    assert told["status"] == "PASS"
    assert float(told["value"]) <= 0.1


def test_r35_twin_without_the_rule_for_public_recipients_it_would_leave(
    town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anonkit.pipeline.answers.PUBLIC_OWNED", frozenset())
    town.busy().release(public)
    assert answers(town)["membership"]["status"] == "WARN"


def test_r34_a_threshold_of_the_recipe_refuses_and_one_that_holds_does_not(town: Any) -> None:
    town.busy().release(with_thresholds(risk="1/7"))
    assert answers(town)["risk"]["status"] == "PASS"
    assert answers(town)["risk"]["ruling"].startswith("recipe")
    with pytest.raises(ReleaseRefusedError, match="q04_risk"):
        town.release(with_thresholds(risk="1/8"), out="strict")
    assert not (town.folder / "strict").exists()
    assert town.failed("strict") == {"q04_risk"}
    assert document(town, "strict")["verdict"] == "FAIL"
    assert "Refused" in (town.folder / "strict.inside" / "report.html").read_text(encoding="utf-8")


def test_a_threshold_of_no_question_is_a_wrong_recipe(town: Any) -> None:
    with pytest.raises(RecipeError, match="no question"):
        town.busy().release(with_thresholds(wizardry="1/2"))


def test_the_gates_failures_are_the_scorecards(town: Any, replace_everywhere: Any) -> None:
    """Twin: k removed from the decision; the gate refuses and question 3 is its failure."""

    def careless(protection: Protection, *, rest: bool = False) -> nw.Expr:
        return nw.col("persons") >= 1

    replace_everywhere(is_safe, careless)
    with pytest.raises(ReleaseRefusedError, match="class_size"):
        town.busy().release()
    told = answers(town)
    assert told["class_size"]["status"] == "FAIL"
    assert told["class_size"]["value"] == "3"  # the rare pair of three riders
    assert told["risk"]["status"] == "WARN"  # 1/3 is beyond 1/5 under contract
    assert told["risk"]["value"] == "1/3"


def test_with_the_gates_recount_removed_too_the_scorecard_still_fails(
    town: Any, replace_everywhere: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twin: neither decision nor gate looks at k; the evidence of question 3 is measured by itself."""
    compare = Recount.compare

    def blind(self: Any, step: Any) -> Any:
        return {**compare(self, step), "fewest": 99, "leaves": 0, "leaks": 0}

    def careless(protection: Protection, *, rest: bool = False) -> nw.Expr:
        return nw.col("persons") >= 1

    monkeypatch.setattr(Recount, "compare", blind)
    monkeypatch.setattr(Recount, "small_bins", lambda *_: 0)
    monkeypatch.setattr(Recount, "wrong_bands", lambda *_: 0)
    replace_everywhere(is_safe, careless)
    with pytest.raises(ReleaseRefusedError, match="q03_class_size"):
        town.busy().release()
    assert answers(town)["class_size"]["status"] == "FAIL"


def test_people_alone_are_seen_when_the_guard_is_gone(town: Any, replace_everywhere: Any) -> None:
    """Twin: with classes of one published, unicity is measured above nothing."""
    replace_everywhere(is_safe, lambda protection, *, rest=False: nw.col("persons") >= 1)
    town.busy().ride("P1", at=(6, 1), to=(1, 6))
    with pytest.raises(ReleaseRefusedError, match="class_size"):
        town.release()
    told = answers(town)
    # P0–P6 and P10–P17 are 15 people; one is alone
    assert float(told["unicity"]["value"]) == pytest.approx(1 / 15, abs=1e-4)
    assert told["unicity"]["status"] == "WARN"


def test_a_source_that_knows_no_persons_says_so(town: Any) -> None:
    def of_trips(recipe: dict[str, Any]) -> None:
        recipe["privacy"]["protect"] = {"trip": 5}
        recipe["inputs"][0]["privacy_unit"] = "trip"
        del recipe["inputs"][0]["columns"]["person"]

    town.busy().release(of_trips)
    assert "counts trips" in answers(town)["class_size"]["message"]
    names = {figure["name"] for figure in document(town)["figures"]}
    assert not [name for name in names if name.startswith(("home", "chains"))]
    assert {figure["unit"] for figure in document(town)["figures"]} == {"trip"}


def test_r19_a_noisy_release_is_answered_by_structure_and_ledger(town: Any) -> None:
    town.busy().release(noisy)
    found = document(town)
    jsonschema.Draft202012Validator(risk_schema()).validate(found)
    assert found["figures"] == []  # no attack on raw data stands beside a noisy draw
    told = answers(town)
    assert told["class_size"]["value"] == told["unicity"]["value"] == "by the gate"
    # epsilon 0.5 in all: advantage tanh(0.25) = .2449; cap 1: tanh(0.5) = .4621
    assert float(told["membership"]["value"]) == pytest.approx(0.2449, abs=1e-4)
    assert told["membership"]["threshold"] == "at most 0.4621"
    assert "epsilon 0.5" in told["membership"]["message"]
    page = (town.folder / "out.inside" / "report.html").read_text(encoding="utf-8")
    assert "What is spent of the budget" in page
    assert "Error of flows" in page


def test_a_noisy_release_whose_bound_is_above_the_recipes_threshold_is_refused(town: Any) -> None:
    def strict(recipe: dict[str, Any]) -> None:
        noisy(recipe)
        recipe["thresholds"] = {"membership": "1/10"}

    with pytest.raises(ReleaseRefusedError, match="q08_membership"):
        town.busy().release(strict)
    assert not (town.folder / "out").exists()


def test_the_page_shows_answers_and_attacks_with_intervals(town: Any) -> None:
    result = town.busy().release()
    page = result.report.read_text(encoding="utf-8")
    order = [page.index(f'id="{name}"') for name in ("asked", "scorecard", "attacks", "gate", "people", "frame")]
    assert order == sorted(order)
    for text in (
        "Singled out by 4 known",
        "guessing",
        "ISO/IEC 27559",
        "NIST SP 800-226",
        "What no figure here covers",
    ):
        assert text in page
    assert result.report.stat().st_size < 6_000_000


def test_many_raw_rows_are_attacked_by_a_sample_with_the_same_figures(
    town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of everybody only those rows are fetched that could be mistaken for a sampled person's: nothing is missed."""
    town.busy().release(out="whole")
    whole = {figure["name"]: figure for figure in document(town, "whole")["figures"]}
    monkeypatch.setattr("anonkit.pipeline.attacks.SMALL", 0)
    town.release(out="sampled")
    sampled = {figure["name"]: figure for figure in document(town, "sampled")["figures"]}
    names = [name for name in sampled if name.endswith("(before)")]
    assert [name for name in names if name.startswith("unicity")]
    assert "trip uniqueness (before)" in names
    for name in names:
        for key in ("baseline", "persons"):
            assert sampled[name][key] == whole[name][key], name
    told = ("value", "control", "details")
    assert [sampled["trip uniqueness (before)"][key] for key in told[:2]] == [
        whole["trip uniqueness (before)"][key] for key in told[:2]
    ]
    for key in ("unique_rows", "rows_under_5", "mean_risk"):
        found = (side["trip uniqueness (before)"]["details"][key] for side in (sampled, whole))
        assert next(found) == pytest.approx(next(found))


def test_class_risk_of_the_counted_classes_is_that_of_the_rows(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures from the decision's own counts against `class_risk` on every (class, person) pair."""
    import numpy as np
    from anonkit.pipeline import run
    from anonkit.risk.classes import class_risk

    pairs: list[Any] = []
    measure = run.measure_risk

    def spied(decisions: Any, recipe: Any, *, session: Any) -> Any:
        step = decisions.steps[0].step
        keyed = step.keyed(decisions.rows, recipe.geo.grid, recipe.time.time_bins)
        keys = ", ".join(step.keys)
        query = f"SELECT dense_rank() OVER (ORDER BY {keys}) AS c, person AS u, count(*) AS n FROM {{rows}} GROUP BY {keys}, person"
        pairs.append(session.sql(query, rows=keyed))
        return measure(decisions, recipe, session=session)

    monkeypatch.setattr(run, "measure_risk", spied)
    town.busy().release()
    found = class_risk(*(pairs[0].column(name).to_numpy().astype(np.int64) for name in ("c", "u", "n")))
    told = town.run()["risk"]["before"]
    assert (told["classes"], told["persons"], told["rows"]) == (found.classes, found.persons, found.rows)
    assert (told["unique_classes"], told["unique_persons"]) == (found.unique_classes, found.unique_persons)
    assert told["class_size_quartiles"] == list(found.quartiles)
    assert told["class_size_histogram"] == dict(found.histogram)
    assert Fraction(told["row_risk_max"]) == found.prosecutor_max
    assert told["row_risk_mean"] == pytest.approx(float(found.prosecutor_mean))
    assert told["marketer"] == pytest.approx(float(found.marketer))
    assert told["dominated_classes"] == found.dominated_classes


def test_provenance_holds_the_hash_of_every_file_that_was_used(town: Any) -> None:
    import hashlib

    result = town.busy().release()
    used = town.run()["files"]
    rides = town.folder / "rides.csv"
    assert [(entry["name"], entry["sha256"]) for entry in used] == [
        ("rides.csv", hashlib.sha256(rides.read_bytes()).hexdigest())
    ]
    assert answers(town)["provenance"]["status"] == "PASS"
    handed = "".join(path.read_text(errors="ignore") for path in Path(result.out).rglob("*") if path.is_file())
    assert used[0]["sha256"] not in handed  # inside only


def test_provenance_twin_an_input_without_a_hash_is_a_question_for_the_reviewer(
    town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anonkit.pipeline.run.files_used", lambda recipe: [])
    town.busy().release()
    assert answers(town)["provenance"]["status"] == "WARN"
