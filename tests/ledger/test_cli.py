"""``anonkit ledger``: the verbs show and check what the file says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from anonkit.base.errors import LedgerError
from anonkit.cli.ledger import app
from anonkit.ledger import Event, Ledger
from typer.testing import CliRunner


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False, env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def file(tmp_path: Path, make_event: Callable[..., Event]) -> Path:
    path = tmp_path / "baku.ledger"
    words = [
        "--dataset",
        "baku",
        "--privacy-unit",
        "person_period",
        "--period",
        "month",
        "--neighbours",
        "add_or_remove",
    ]
    run("create", str(path), *words, "--epsilon-cap", "1", "--delta-cap", "1e-6")
    Ledger.open(path).reserve(make_event()).confirm()
    return path


def test_show_lists_periods_total_and_releases(file: Path) -> None:
    shown = run("show", str(file))
    assert "2026-07" in shown
    assert "all periods" in shown
    assert "discrete_laplace" in shown
    assert "0/1" in shown


def test_check_prints_the_head_and_refuses_a_damaged_file(file: Path) -> None:
    head = json.loads(file.with_name("baku.ledger.head").read_text())
    assert f"3 entries fit the chain; head 2 {head['hash']}" in run("check", str(file))
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(LedgerError, match="is damaged"):
        run("check", str(file))


def test_export_holds_terms_spent_and_entries(file: Path, tmp_path: Path) -> None:
    run("export", str(file), "--out", str(tmp_path / "x.json"))
    exported = json.loads((tmp_path / "x.json").read_text())
    assert exported["terms"]["dataset"] == "baku"
    assert [part["epsilon"] for part in exported["spent"]] == [0.25, 0.25]
    assert [entry["kind"] for entry in exported["entries"]] == ["terms", "reserved", "confirmed"]
    assert json.loads(run("export", str(file))) == exported
