"""``anonkit subjects``: says what would be removed and who must be told, then does it, and repeats no identifier."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from anonkit.base.errors import SourceError, VaultError
from anonkit.cli.subjects import app
from anonkit.registry import Identifier, Release, ReleaseRegister, SubjectRegister, read_key
from anonkit.vault import Vault
from typer.testing import CliRunner

NO_VAULT = "no vault was named; where there is one: anonkit vault destroy, or --vault here\n"


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
    assert run("erase", *place, *letter, "--yes") == expected + NO_VAULT + "1 erased; imports of them are blocked\n"
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


def test_r27_an_erased_subjects_vault_entries_go_with_him(place: list[str], tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    (tmp_path / "vault-key").write_text("ab" * 32)
    (tmp_path / "vault-key").chmod(0o600)
    named = {"key": bytes.fromhex("ab" * 32), "head": tmp_path / "second" / "head"}
    vault = Vault.create(tmp_path / "vault", by="Aysel Q.", **named)
    vault.store([("j1", "U1"), ("j2", "U1"), ("j3", "U2")], by="Aysel Q.")
    words = ["erase", *place, "--account-id", "U1", "--operator", "kontaktplus", "--vault", str(tmp_path / "vault")]
    words += ["--vault-head", str(named["head"]), "--vault-key-file", str(tmp_path / "vault-key"), "--by", "Rauf M."]
    assert "vault: the entries of 1 accounts would be destroyed" in run(*words)
    assert vault.check().entries == 3
    assert "vault: 2 entries destroyed" in run(*words, "--yes")
    assert vault.check().entries == 1
    with pytest.raises(VaultError, match="nothing for this token"):
        vault.open_case("j1", case="D-1", reason="a bag was left behind", by="Aysel Q.", second="Rauf M.")
    assert vault.store([("j4", "U1")], by="Aysel Q.") == 0  # a re-import stays blocked there too


def test_a_vault_that_does_not_open_stops_the_erasure(place: list[str], tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    Vault.create(tmp_path / "vault", key=b"k" * 32, head=tmp_path / "second" / "head", by="Aysel Q.")
    (tmp_path / "vault-key").write_text("ab" * 32)
    (tmp_path / "vault-key").chmod(0o600)
    words = ["erase", *place, "--phone", "050 123 45 67", "--vault", str(tmp_path / "vault"), "--yes"]
    with pytest.raises(VaultError, match="needs its head"):
        run(*words)
    with pytest.raises(VaultError, match="wrong key"):
        run(
            *words,
            "--vault-head",
            str(tmp_path / "second" / "head"),
            "--vault-key-file",
            str(tmp_path / "vault-key"),
            "--by",
            "A",
        )
    assert run("show", *place, "--phone", "050 123 45 67").startswith("1: known; in 1 releases")


def test_people_without_an_account_id_are_told_for_the_vault(place: list[str], tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    (tmp_path / "vault-key").write_text("ab" * 32)
    (tmp_path / "vault-key").chmod(0o600)
    Vault.create(tmp_path / "vault", key=bytes.fromhex("ab" * 32), head=tmp_path / "second" / "head", by="Aysel Q.")
    words = [
        "erase",
        *place,
        "--phone",
        "050 123 45 67",
        "--vault",
        str(tmp_path / "vault"),
        "--yes",
        "--by",
        "Rauf M.",
    ]
    said = run(
        *words, "--vault-head", str(tmp_path / "second" / "head"), "--vault-key-file", str(tmp_path / "vault-key")
    )
    assert "vault: no account id of 1" in said
