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


def test_the_page_does_not_count_a_warning_as_passed() -> None:
    finding = {"check": "rows", "product": "trips", "value": "0", "threshold": "0", "message": "", "ruling": ""}
    page = str(cards({"findings": [{**finding, "status": "PASS"}, {**finding, "status": "WARN"}]}))
    assert "1 of 2 passed" in page
    assert "1 beyond a usual limit" in page
