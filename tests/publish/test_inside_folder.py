"""The inside folder is ours or empty: nobody else's files are closed off, cleaned or written over."""

from __future__ import annotations

import stat
from typing import Any

import pytest
from anonkit.base.errors import RecipeError
from anonkit.pipeline import release


def test_r25_a_folder_with_other_files_is_refused_and_left_as_it_was(town: Any) -> None:
    others = town.folder / "others"
    others.mkdir(mode=0o755)
    (others / ".work.partial").write_text("somebody's")
    with pytest.raises(RecipeError, match="holds other files"):
        release(town.busy().recipe(), out=town.folder / "out", inside=others)
    assert (others / ".work.partial").read_text() == "somebody's"
    assert stat.S_IMODE(others.stat().st_mode) == 0o755
    assert not (town.folder / "out").exists()


def test_an_empty_folder_and_one_of_an_earlier_run_are_taken(town: Any) -> None:
    empty = town.folder / "kept"
    empty.mkdir()
    recipe = town.busy().recipe()
    release(recipe, out=town.folder / "one", inside=empty)
    release(recipe, out=town.folder / "two", inside=empty)
    assert (empty / "run.json").is_file()
