"""The words of a bundle hold no identifier: title, purpose, recipient and operator come from people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anonkit.base.errors import ReleaseRefusedError
from anonkit.base.findings import Status
from anonkit.publish import gate_files
from anonkit.publish.told import word_findings

HASH = "4169738900000001" * 4  # 64 hexadecimal digits among which a card number stands


def told(folder: Path) -> dict[str, tuple[str, str]]:
    return {found.product: (found.status.value, found.value) for found in word_findings(folder)}


def write(folder: Path, readme: str, package: Any) -> None:
    (folder / "README.md").write_text(readme, encoding="utf-8")
    (folder / "datapackage.json").write_text(json.dumps(package), encoding="utf-8")


def test_r05_words_are_searched_wherever_they_stand(tmp_path: Path) -> None:
    write(tmp_path, "# Rides\n\nAsk 050 123 45 67.\n", {"resources": [{"fields": [{"ana@example.org": 1}]}]})
    assert told(tmp_path) == {"README.md": ("FAIL", "1 like phone"), "datapackage.json": ("FAIL", "1 like email")}


def test_r05_a_number_in_the_description_is_read_as_it_is_written(tmp_path: Path) -> None:
    write(tmp_path, "# Rides\n", {"contact": 994501234567})
    assert told(tmp_path)["datapackage.json"] == ("FAIL", "1 like phone")


def test_hashes_days_cells_and_prose_are_no_identifiers(tmp_path: Path) -> None:
    words = f"k is 11; 2026-03-01 to 2026-03-31; cell 113034700229770; sha256:{HASH}; Apache-2.0; 10.5281/zenodo.123"
    write(tmp_path, words, {"hash": f"sha256:{HASH}", "bytes": 123456, "created": "2026-11-22T13:00:00+00:00"})
    assert {status for status, _ in told(tmp_path).values()} == {"PASS"}


@pytest.mark.parametrize("text", ["{", None])
def test_a_description_that_cannot_be_read_is_left_to_the_other_checks(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "datapackage.json").write_text(text, encoding="utf-8")
    assert all(found.status is Status.PASS for found in word_findings(tmp_path))


def planted(key: str) -> Any:
    def change(recipe: dict[str, Any]) -> None:
        recipe["products"] = {"flows": {"cell_m": 1000, "bins": "3h"}}
        recipe[key] = "Rides; ask Ana, +994 50 123 45 67"

    return change


@pytest.mark.parametrize("key", ["title", "purpose"])
def test_r05_a_phone_in_a_text_of_the_recipe_is_refused(town: Any, key: str) -> None:
    with pytest.raises(ReleaseRefusedError, match="identifiers"):
        town.busy().release(planted(key))
    assert not (town.folder / "out").exists()
    failed = {found["product"] for found in town.run()["findings"] if found["status"] == "FAIL"}
    assert failed >= {"README.md", "datapackage.json"}


def test_r05_twin_without_the_search_of_words_the_phone_would_leave(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_files, "word_findings", lambda folder: ())
    made = town.busy().release(planted("title"))
    assert "+994 50 123 45 67" in (made.out / "README.md").read_text(encoding="utf-8")
