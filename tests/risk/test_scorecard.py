"""The fifteen questions: exact thresholds, nothing unmeasured passes, the gate's failures count, and risk.json fits."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import anonkit.risk as risk
import jsonschema
import numpy as np
import pandas as pd
import pytest
from anonkit.base.errors import RecipeError, SchemaError
from anonkit.base.findings import Status, finding
from anonkit.risk.assess import Roles, assess_table
from anonkit.risk.document import risk_document, risk_schema
from anonkit.risk.scorecard import Evidence, answer_questions, questions, verdict
from anonkit.risk.unicity import unicity_surface

ASKED = questions(k=11, recipient="public", sensitive=False)
GOOD = {
    one.key: Evidence(value=one.threshold if one.rule == "at most" and one.warn is None else one.warn or one.threshold)
    for one in ASKED
}


def test_there_are_fifteen_questions_in_order() -> None:
    assert [one.number for one in ASKED] == list(range(1, 16))
    assert len({one.key for one in ASKED}) == 15


def test_everything_at_its_threshold_passes() -> None:
    answers = answer_questions(ASKED, GOOD)
    assert {one.status for one in answers} == {Status.PASS}
    assert verdict(answers) is Status.PASS


@pytest.mark.parametrize("key", [one.key for one in ASKED])
def test_one_step_beyond_any_threshold_fails(key: str) -> None:
    one = next(q for q in ASKED if q.key == key)
    step = Fraction(1, 10**9) if one.rule == "at most" else Fraction(-1, 10**9)
    answers = answer_questions(ASKED, {**GOOD, key: Evidence(value=Fraction(one.threshold) + step)})
    assert answers[one.number - 1].status is Status.FAIL
    assert verdict(answers) is Status.FAIL


def test_r34_the_risk_threshold_depends_on_recipient_and_columns() -> None:
    for recipient, sensitive, expected in (
        ("public", False, Fraction(1, 11)), ("contract", False, Fraction(1, 5)), ("public", True, Fraction(1, 20)),
    ):  # fmt: skip
        asked = questions(k=11, recipient=recipient, sensitive=sensitive)  # type: ignore[arg-type]
        assert asked[3].threshold == expected


def test_what_was_not_measured_is_never_a_pass() -> None:
    answers = answer_questions(ASKED, {})
    assert Status.PASS not in {one.status for one in answers}
    assert answers[0].status is Status.FAIL
    assert answers[5].status is Status.WARN


def test_the_gates_failure_fails_its_question_whatever_was_measured() -> None:
    failed = finding("subtraction", "flows", passed=False, value=1, threshold=0, message="x")
    answers = answer_questions(ASKED, GOOD, [failed])
    assert answers[8].status is Status.FAIL
    assert "subtraction" in answers[8].message
    passed = finding("identifiers", "flows", passed=True, value=0, threshold=0, message="x")
    assert answer_questions(ASKED, {}, [passed])[0].status is Status.PASS


def test_r35_public_k_anonymous_releases_need_a_small_membership_advantage() -> None:
    answers = answer_questions(ASKED, {**GOOD, "membership": Evidence(value=0.3)})
    assert answers[7].status is Status.FAIL
    contract = questions(k=11, recipient="contract", sensitive=False)
    assert answer_questions(contract, {"membership": Evidence(value=0.3)})[7].status is Status.WARN


def test_a_recipe_sets_thresholds_and_is_named_for_it() -> None:
    asked = questions(k=11, recipient="public", sensitive=False, thresholds={"unicity": Fraction(1, 3)})
    assert asked[5].threshold == Fraction(1, 3)
    assert asked[5].source.startswith("recipe")
    with pytest.raises(RecipeError, match="no question"):
        questions(k=11, recipient="public", sensitive=False, thresholds={"wizardry": 1})
    with pytest.raises(RecipeError, match="no question"):
        answer_questions(ASKED, {"wizardry": Evidence(value=1)})


def test_risk_json_fits_its_schema_and_survives_a_round_trip() -> None:
    person, cell = np.array([0, 0, 1]), np.array([1, 2, 1])
    surface = unicity_surface(person, {"500 m": cell}, {"1 h": cell}, known=(1, 2), persons=9, seed=1)
    table = assess_table({"p": person, "c": cell}, Roles(quasi=("c",), person="p", place=("c",), time=("c",)), seed=1)
    document = risk_document(
        "baku-2026q3", scorecard=answer_questions(ASKED, GOOD), figures=table.figures, surface=surface,
        findings=[finding("rows", "flows", passed=True, value=1, threshold=0, message="x")], bundle_sha256="0" * 64,
    )  # fmt: skip
    again = json.loads(json.dumps(document, allow_nan=False))
    jsonschema.Draft202012Validator(risk_schema()).validate(again)
    del again["scorecard"][3]
    with pytest.raises(jsonschema.ValidationError, match="too short"):
        jsonschema.Draft202012Validator(risk_schema()).validate(again)


def test_r01_a_foreign_table_counts_persons_where_it_names_them() -> None:
    columns = {"who": ["a"] * 40 + [None], "from": [1] * 41}
    named = assess_table(columns, Roles(quasi=("from",), person="who"), seed=1)
    assert (named.unit, named.classes.smallest) == ("person", 1)
    nameless = assess_table(columns, Roles(quasi=("from",)), seed=1)
    assert (nameless.unit, nameless.classes.smallest) == ("row", 41)
    assert named.fails_over(Fraction(1, 11))
    assert not nameless.fails_over(Fraction(1, 11))


def test_missing_columns_and_roles_are_refused() -> None:
    with pytest.raises(SchemaError, match="lacks the columns"):
        assess_table({"a": [1]}, Roles(quasi=("b",)), seed=1)
    with pytest.raises(SchemaError, match="no quasi"):
        assess_table({"a": [1]}, Roles(quasi=()), seed=1)


@pytest.mark.real
def test_the_louisville_sample_fails_over_any_threshold(real_data: Path) -> None:
    table = pd.read_csv(real_data / "louisville_dockless/DocklessOpenData-Sample-Aug2019-Louisville.csv")
    roles = Roles(
        quasi=("StartDate", "StartTime", "StartLatitude", "StartLongitude", "EndLatitude", "EndLongitude"),
        identifiers=("TripID",),
    )
    found = assess_table({name: table[name].to_numpy() for name in table}, roles, seed=1)
    assert found.identifiers["TripID"].flagged
    assert found.fails_over(Fraction(1, 2))


def test_every_public_name_of_the_room_is_there() -> None:
    for name in risk.__all__:
        assert getattr(risk, name) is not None
    with pytest.raises(AttributeError, match="no attribute"):
        _ = risk.wizardry


def test_no_public_name_is_hidden_by_a_module_of_the_same_name() -> None:
    modules = {path.stem for path in Path(risk.__file__).parent.glob("*.py")}
    assert not modules & set(risk.__all__)


def test_answers_say_value_and_limit_in_words() -> None:
    contract = questions(k=5, recipient="contract", sensitive=False)
    said = {
        one.key: answer.message
        for one, answer in zip(contract, answer_questions(contract, {"class_size": Evidence(value=5)}), strict=True)
    }
    assert "Within the threshold, but not at least 10, the usual limit: you decide." in said["class_size"]
    few = answer_questions(contract, {"class_size": Evidence(value=4)})[2]
    assert "4 is not at least 5." in few.message
