"""Signing: bound to the files that were read, append-only, void after any change."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from anonkit.base.errors import LedgerError
from anonkit.publish.signature import check_signature, signatures


@pytest.fixture
def made(bundle: Path, tmp_path: Path) -> Path:
    """A released folder and its inside folder, to be changed."""
    for name in ("out", "out.inside"):
        shutil.copytree(bundle.with_name(name), tmp_path / name)
    return tmp_path / "out"


def accept(anonkit: Any, folder: Path, *more: str) -> int:
    return int(anonkit("review", "sign", folder, "--by", "Rena Quliyeva", "--decision", "accept", *more))


def test_show_tells_fifteen_answers_for_bundle_and_inside_alike(
    made: Path, anonkit: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = []
    for folder in (made, made.with_name("out.inside")):
        assert anonkit("review", "show", folder) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    for number in range(1, 16):
        assert f"{number:02d} " in shown[0]
    assert anonkit("review", "show", made, "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["scorecard"]) == 15


def test_an_accepted_release_is_accepted_until_anything_changes(
    made: Path, anonkit: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert anonkit("review", "check", made) == 3
    assert "nobody has decided" in capsys.readouterr().out
    assert accept(anonkit, made.with_name("out.inside"), "--note", "read it all") == 0
    assert anonkit("review", "check", made) == 0
    (made / "README.md").write_text("k is 500\n", encoding="utf-8")
    assert anonkit("review", "check", made) == 3
    assert "altered" in capsys.readouterr().out


def test_a_bundle_that_was_made_anew_is_another_one(made: Path, anonkit: Any) -> None:
    """Twin of the above: the checksums are rewritten to fit, which only the signature can see."""
    from anonkit.bundle import write_checksums

    assert accept(anonkit, made) == 0
    (made / "README.md").write_text("k is 500\n", encoding="utf-8")
    write_checksums(made)
    assert anonkit("verify", made) == 0
    found = check_signature(made.with_name("out.inside"))
    assert not found.accepted
    assert "another bundle" in found.problems[0]


@pytest.mark.parametrize("name", ["risk.json", "report.html"])
def test_what_was_read_must_stay_what_it_was(made: Path, anonkit: Any, name: str) -> None:
    inside = made.with_name("out.inside")
    assert accept(anonkit, inside) == 0
    path = inside / name
    path.write_text(path.read_text(encoding="utf-8") + " ", encoding="utf-8")
    assert check_signature(inside).problems == (f"{name} was changed after the decision",)


def test_the_last_decision_counts_and_earlier_ones_stay(made: Path, anonkit: Any) -> None:
    inside = made.with_name("out.inside")
    assert accept(anonkit, inside) == 0
    assert anonkit("review", "sign", inside, "--by", "Somebody Else", "--decision", "refuse", "--note", "too fine") == 0
    assert [one.decision for one in signatures(inside)] == ["accept", "refuse"]
    assert anonkit("review", "check", inside) == 3


def test_the_record_cannot_be_changed_or_cut_unseen(made: Path, anonkit: Any) -> None:
    inside = made.with_name("out.inside")
    assert accept(anonkit, inside) == 0
    with sqlite3.connect(inside / "reviews.chain") as connection:
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            connection.execute("UPDATE entries SET body = replace(body, 'Rena', 'Nobody')")
        connection.execute("DROP TRIGGER no_delete")
        connection.execute("DELETE FROM entries WHERE number = 1")
    connection.close()
    with pytest.raises(LedgerError, match="truncated"):
        signatures(inside)


def test_wrong_names_decisions_and_folders_are_2(made: Path, anonkit: Any, tmp_path: Path) -> None:
    assert anonkit("review", "sign", made, "--by", " ", "--decision", "accept") == 2
    assert anonkit("review", "sign", made, "--by", "Rena Quliyeva", "--decision", "perhaps") == 2
    assert anonkit("review", "show", tmp_path) == 2
    shutil.move(made, tmp_path / "elsewhere")
    inside = made.with_name("out.inside")
    assert accept(anonkit, inside) == 2
    assert accept(anonkit, inside, "--bundle", str(tmp_path / "elsewhere")) == 0
    assert anonkit("review", "check", inside) == 3
    assert anonkit("review", "check", inside, "--bundle", tmp_path / "elsewhere") == 0


def test_what_its_own_checks_refused_cannot_be_accepted(town: Any, anonkit: Any) -> None:
    def strict(recipe: dict[str, Any]) -> None:
        recipe["products"] = {"flows": {"cell_m": 1000, "bins": "3h"}}
        recipe["thresholds"] = {"risk": "1/100"}

    assert anonkit("release", town.busy().recipe(strict), "--out", town.folder / "out", "--quiet") == 3
    inside = town.folder / "out.inside"
    assert accept(anonkit, inside) == 2
    assert anonkit("review", "sign", inside, "--by", "Rena Quliyeva", "--decision", "refuse") == 0
    assert anonkit("review", "check", inside) == 3
