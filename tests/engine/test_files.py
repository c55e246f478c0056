"""Files that appear whole or not at all, and folders that only their owner reads."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from anonkit.engine import private_folder, replace_file, sha256_of


def test_a_failed_write_leaves_the_old_content_and_no_partial_file(tmp_path: Path) -> None:
    target = tmp_path / "run.json"
    target.write_text("old")
    with pytest.raises(OSError, match="disk full"), replace_file(target) as partial:  # noqa: PT012
        partial.write_text("half of the n")
        raise OSError("disk full")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_finished_write_replaces_the_content_and_stays_private(tmp_path: Path) -> None:
    target = tmp_path / "run.json"
    with replace_file(target) as partial:
        partial.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_private_folder_is_closed_to_others_even_where_it_stood_open(tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    assert private_folder(folder).stat().st_mode & 0o777 == 0o700


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"bytes")
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"bytes").hexdigest()
