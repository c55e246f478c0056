"""``anonkit vault``: the verbs, with the refusals a clerk will meet."""

from __future__ import annotations

from pathlib import Path

import pytest
from anonkit.base.errors import VaultError
from anonkit.cli.vault import app
from typer.testing import CliRunner


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_create_store_open_log_destroy_check(tmp_path: Path) -> None:
    place = ["--head", str(tmp_path / "head"), "--key-file", str(tmp_path / "key")]
    vault = str(tmp_path / "vault")
    people = ["--by", "Aysel Q.", "--second", "Murad M."]
    run("create", vault, *place, "--by", "Aysel Q.")
    (tmp_path / "pairs.csv").write_text("token,account\nj1,acc-1\nj2,acc-2\n")
    assert run("store", vault, str(tmp_path / "pairs.csv"), *place, "--by", "Aysel Q.") == "2 new entries\n"
    opened = run("open", vault, "j1", *place, *people, "--case", "D-1", "--reason", "double charge of a ride")
    assert opened == "acc-1\n"
    with pytest.raises(VaultError, match="opens only with a reason"):
        run("open", vault, "j1", *place, *people, "--case", "D-1")
    assert "opened 1 by Aysel Q. and Murad M. case D-1: double charge of a ride" in run("log", vault, *place)
    assert run("destroy", vault, *place, "--by", "Aysel Q.", "--account", "acc-1") == "1 entries destroyed\n"
    assert "(erased)" in run("log", vault, *place)
    assert run("check", vault, *place).startswith("1 entries of 1 subjects; 4 log lines")


def test_key_file_inside_the_vault_is_refused(tmp_path: Path) -> None:
    vault = tmp_path / "vault"
    with pytest.raises(VaultError, match="key file lies inside"):
        run("create", str(vault), "--head", str(tmp_path / "h"), "--by", "Aysel Q.", "--key-file", str(vault / "key"))


def test_list_without_the_columns_is_refused(tmp_path: Path) -> None:
    place = ["--head", str(tmp_path / "head"), "--key-file", str(tmp_path / "key")]
    run("create", str(tmp_path / "vault"), *place, "--by", "Aysel Q.")
    (tmp_path / "pairs.csv").write_text("a,b\n1,2\n")
    with pytest.raises(VaultError, match="lacks the columns token and account"):
        run("store", str(tmp_path / "vault"), str(tmp_path / "pairs.csv"), *place, "--by", "Aysel Q.")
