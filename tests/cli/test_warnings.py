"""A warning is never told as a check that passed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from anonkit.report.summary import cards


def test_r34_a_release_above_the_usual_risk_says_so_on_the_command_line(
    town: Any, anonkit: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(6):  # two trips of each of six people in a class: 2 of 12 rows, and one of them has a third
        town.ride(f"P{number}", at=(0, 0), to=(4, 0))
        town.ride(f"P{number}", at=(1, 1), to=(5, 1))
    town.ride("P0", at=(0, 0), to=(4, 0))
    town.ride("P0", at=(0, 0), to=(4, 0))  # now 3 of 8 rows: more than 1/5, less than the recipe's 1/2
    assert anonkit("release", town.recipe(), "--out", town.folder / "out") == 0
    told = capsys.readouterr().out
    findings = town.run()["findings"]
    warned = [found for found in findings if found["status"] == "WARN"]
    assert warned
    assert f"gate: {len(findings) - len(warned)} checks passed, {len(warned)} for the reviewer to decide" in told
    assert "row_risk of trips" in told


def test_the_command_line_and_the_page_leave_the_same_questions_to_the_reviewer(
    town: Any, anonkit: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert anonkit("release", town.busy().recipe(), "--out", town.folder / "out") == 0
    told = capsys.readouterr().out
    answers = town.run()["scorecard"]
    left = [answer for answer in answers if answer["status"] != "PASS"]
    assert left
    assert (
        f"questions: {len(answers) - len(left)} of {len(answers)} passed, {len(left)} for the reviewer to decide"
        in told
    )
    page = (town.folder / "out.inside" / "report.html").read_text(encoding="utf-8")
    assert f"{len(left)} question{'' if len(left) == 1 else 's'} for you to decide" in page


def test_the_page_does_not_count_a_warning_as_passed() -> None:
    finding = {"check": "rows", "product": "trips", "value": "0", "threshold": "0", "message": "", "ruling": ""}
    page = str(cards({"findings": [{**finding, "status": "PASS"}, {**finding, "status": "WARN"}]}))
    assert "1 of 2 passed" in page
    assert "1 beyond a usual limit" in page
