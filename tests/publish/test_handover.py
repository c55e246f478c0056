"""What is handed over is on the disk before it has its name: a loss of power leaves the whole release or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from anonkit.publish import handover


def test_every_file_is_on_the_disk_before_the_folder_has_its_name(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    out = town.folder / "out"
    saved: set[str] = set()
    real = handover.to_disk

    def spy(path: Path) -> None:
        real(path)
        if not out.exists():
            saved.add(path.name)

    monkeypatch.setattr(handover, "to_disk", spy)
    town.busy().release()
    written = {path.name for path in out.rglob("*")}
    assert written
    assert written <= saved


def test_a_release_that_ends_early_leaves_no_file_to_be_saved(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from anonkit.pipeline import run

    def stop(*_: object, **__: object) -> None:
        raise RuntimeError("the gate is down")

    monkeypatch.setattr(run, "run_gate", stop)
    with pytest.raises(RuntimeError, match="gate is down"):
        town.busy().release()
    assert not (town.folder / "out").exists()
    assert not list(town.folder.glob(".out.partial-*"))
