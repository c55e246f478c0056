"""``anonkit subjects``: says what would be removed and who must be told, then does it, and repeats no identifier."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from anonkit.base.errors import SourceError
from anonkit.cli.subjects import app
from anonkit.registry import Identifier, Release, ReleaseRegister, SubjectRegister, read_key
from typer.testing import CliRunner


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def place(tmp_path: Path) -> list[str]:
    words = ["--register", str(tmp_path / "subjects"), "--key-file", str(tmp_path / "key")]
    run("create", *words)
    register = SubjectRegister(tmp_path / "subjects", key=read_key(tmp_path / "key"))
    register.record("july", [(Identifier(kind="phone", value="+994501234567"),)], until=date(2029, 1, 1))
    ReleaseRegister.create(tmp_path / "releases").record(
        Release(
            name="july",
            dataset="baku",
            guarantee="k_anonymity",
            periods=("2026-07",),
            zones=("1",),
            tessellation="g",
            products={"trips": "a"},
            recipients=("City University", "Transport Agency"),
            purpose="research",
            licence="research only",
        )
    )
    return [*words, "--releases", str(tmp_path / "releases")]


def test_show_then_erase_then_blocked(place: list[str]) -> None:
    letter = ["--phone", "050 123 45 67"]
    expected = "1: known; in 1 releases\n   july: City University, Transport Agency\n"
    assert run("show", *place, *letter) == expected
    assert run("erase", *place, *letter) == expected + "nothing was changed: add --yes to erase\n"
    assert run("erase", *place, *letter, "--yes") == expected + "1 erased; imports of them are blocked\n"
    assert run("show", *place, *letter) == "1: not known; erased earlier, blocked; in 0 releases\n"


def test_restrict_and_lift_by_list(place: list[str], tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("request_id,phone\nSR-1,0501234567\nSR-2,0551234567\n")
    shown = run("restrict", *place, "--list", str(tmp_path / "list.csv"), "--kind", "withdrawn_consent")
    assert shown.splitlines()[0] == "1: known; withdrawn_consent; in 1 releases"
    assert shown.splitlines()[2] == "2: not known; withdrawn_consent; in 0 releases"
    lifted = run("restrict", *place, "--list", str(tmp_path / "list.csv"), "--kind", "withdrawn_consent", "--lift")
    assert lifted.splitlines()[0] == "1: known; in 1 releases"


def test_list_and_identifiers_at_once_or_neither_are_refused(place: list[str], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="either --list or identifiers"):
        run("show", *place)
    with pytest.raises(SourceError, match="came without its operator"):
        run("show", *place, "--account-id", "U1")
