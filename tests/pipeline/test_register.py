"""Rulings 12 and 13: the same people get the same noise, and overlapping releases are held against each other."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from anonkit.base.errors import ReleaseRefusedError
from anonkit.pipeline.register import labels


def perturbed(recipe: dict[str, Any]) -> None:
    recipe["counts"] = {"rule": "cell_key", "largest": 2, "variance": 1.0}


def test_r12_the_same_people_get_the_same_noise_in_every_release(town: Any) -> None:
    town.busy().release(perturbed)
    town.release(perturbed, out="again")
    for kind in ("trips", "flows", "volumes"):
        assert town.table(kind) == town.table(kind, "again")


def test_r12_twin_a_fresh_key_gives_other_noise_and_is_refused(town: Any) -> None:
    for number in range(40):  # each cell has people of its own: the same people would get the same noise everywhere
        town.rides([f"P{number}-{person}" for person in range(5 + number % 3)], at=(number % 8, number // 8), to=(7, 7))
    town.release(perturbed)
    (town.folder / "anonkit.registry" / "counts.key").unlink()
    with pytest.raises(ReleaseRefusedError, match="overlap"):
        town.release(perturbed, out="again")


def test_r13_overlapping_days_with_other_numbers_are_refused(town: Any) -> None:
    town.busy().release()

    def shorter(recipe: dict[str, Any]) -> None:
        recipe["period"]["to"] = "2026-03-03"

    with pytest.raises(ReleaseRefusedError, match="overlap"):
        town.release(shorter, out="second")
    assert town.failed("second") == {"overlap"}
    assert not (town.folder / "second").exists()


def test_r13_one_late_row_is_a_change_of_one_person_and_is_refused(town: Any) -> None:
    town.busy().release()
    town.ride("P99", at=(0, 0), to=(4, 0))
    with pytest.raises(ReleaseRefusedError, match="overlap"):
        town.release(out="second")


def test_r13_other_days_are_no_overlap(town: Any) -> None:
    town.busy().release()
    for number in range(7):
        town.ride(f"P{number}", at=(0, 0), to=(4, 0), start="2026-04-03T08:10:00")
        town.ride(f"P{number}", at=(1, 1), to=(5, 1), start="2026-04-03T08:10:00")

    def april(recipe: dict[str, Any]) -> None:
        recipe["period"] = {"from": "2026-04-01", "to": "2026-04-30"}

    town.release(april, out="april")
    assert (town.folder / "april").is_dir()


def test_register_is_for_its_owner_only(town: Any) -> None:
    town.busy().release()
    folder: Path = town.folder / "anonkit.registry"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for file in folder.iterdir():
        if file.is_file() and not file.name.endswith(".lock"):
            assert not stat.S_IMODE(file.stat().st_mode) & 0o077, file.name


def test_labels_cover_a_period_without_gap_or_overlap() -> None:
    from datetime import date

    assert labels(date(2025, 12, 31), date(2027, 1, 1)) == ("2025-12-31", "2026", "2027-01-01")
    assert labels(date(2026, 2, 1), date(2026, 2, 28)) == ("2026-02",)


def test_r13_a_plan_says_what_the_register_would_refuse(town: Any, anonkit: Any, capsys: Any) -> None:
    path = town.busy().recipe()
    registry = town.folder / "anonkit.registry"
    assert anonkit("release", path, "--plan", "--registry", registry) == 0
    assert "The register holds" not in capsys.readouterr().out
    assert not registry.exists()  # a plan makes nothing
    town.release()
    before = {file.name: file.read_bytes() for file in registry.iterdir() if file.is_file()}
    assert anonkit("release", path, "--plan", "--registry", registry) == 0
    said = capsys.readouterr().out
    assert (
        "The register holds town-2026-03 of the same days and zones: a release with other numbers is refused." in said
    )
    assert anonkit("release", path, "--plan") == 0
    assert "Not held against earlier releases" in capsys.readouterr().out
    assert {file.name: file.read_bytes() for file in registry.iterdir() if file.is_file()} == before
