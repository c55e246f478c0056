"""No written file tells apart what lies near a sensitive place, and the gate sees it when one does (ruling 32)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from anonkit.base.errors import RecipeError, ReleaseRefusedError
from anonkit.geo import Grid, SensitivePlaces

CLINIC, BESIDE, FAR, FURTHER = (2, 1), (3, 3), (5, 5), (6, 6)


@pytest.fixture
def visited(town: Any) -> Any:
    """Seven people start at the clinic's cell, seven others two cells away, eight elsewhere."""
    for name, at in (("A", CLINIC), ("B", BESIDE), ("C", FAR), ("D", FAR)):
        town.rides([f"{name}{number}" for number in range(7)], at=at, to=FURTHER)
    lon, lat = (((16_376 + 2) * 12_165 + 6082) / 1e6 - 180, ((14_736 + 1) * 8983 + 4491) / 1e6 - 90)
    (town.folder / "places.csv").write_text(f"kind,lon,lat\nclinic,{lon},{lat}\n", encoding="utf-8")
    return town


def near(recipe: dict[str, Any]) -> None:
    recipe["sensitive_places"] = {"path": "places.csv", "cell_m": 4000, "radius_m": 100}


def cell(town: Any, place: tuple[int, int]) -> int:
    column, row = place
    grid = Grid(cell_m=1000, latitude=42.4, area=town.folder / "area.geojson", levels=3)
    return grid.code(((16_376 + column) * 12_165 + 6082) / 1e6 - 180, ((14_736 + row) * 8983 + 4491) / 1e6 - 90)


def told(town: Any, out: str = "out") -> set[int]:
    """Every number of every written table."""
    values: set[int] = set()
    for path in (town.folder / out).rglob("*.parquet"):
        for column in pq.read_table(path).columns:
            values |= {value for value in column.to_pylist() if isinstance(value, int)}
    return values


def answer(town: Any, out: str = "out") -> dict[str, Any]:
    found = json.loads((town.folder / f"{out}.inside" / "risk.json").read_text(encoding="utf-8"))["scorecard"]
    return next(one for one in found if one["check"] == "q13_sensitive_places")


def test_r32_without_a_list_the_clinics_cell_is_told(visited: Any) -> None:
    visited.release()
    assert cell(visited, CLINIC) in told(visited)
    assert answer(visited)["status"] == "WARN"


def test_r32_the_block_is_told_as_one_cell_and_nobody_is_lost(visited: Any) -> None:
    result = visited.release(near)
    stands = cell(visited, (0, 0))
    assert not {cell(visited, CLINIC), cell(visited, BESIDE)} & told(visited)
    starts = [row["start_cell"] for row in visited.table("trips")]
    assert starts.count(stands) == 14  # both sevens, together
    assert starts.count(cell(visited, FAR)) == 14
    checks = [found for found in result.findings if found.check == "sensitive_places"]
    assert [found.status.value for found in checks] == ["PASS"]
    assert answer(visited)["status"] == "PASS"
    assert "told as one block of 4000 m" in (Path(result.out) / "README.md").read_text(encoding="utf-8")


def test_r32_twin_without_coarsening_the_gate_refuses(visited: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SensitivePlaces, "coarsened", lambda self, frame, grid, session: frame)
    with pytest.raises(ReleaseRefusedError, match="sensitive_places"):
        visited.release(near)
    assert answer(visited)["status"] == "FAIL"
    assert not (visited.folder / "out").exists()


def test_r32_twin_a_table_of_all_cells_is_refused_too(visited: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SensitivePlaces, "dictionary", lambda self, grid, level: grid.dictionary(level))
    with pytest.raises(ReleaseRefusedError, match="sensitive_places"):
        visited.release(near)


def test_r32_twin_one_lone_sensitive_cell_is_seen_though_nothing_else_of_its_block_is_told(
    visited: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the clinic's own cell is told of its block, under its own code and in no table of cells."""
    visited.rows = [row for row in visited.rows if not row["rider"].startswith("B")]
    clinic = cell(visited, CLINIC)
    whole = SensitivePlaces.stands_for

    def itself(self: SensitivePlaces, grid: Any) -> Any:
        members, standing = whole(self, grid)
        return members, standing * 0 + clinic

    monkeypatch.setattr(SensitivePlaces, "stands_for", itself)
    with pytest.raises(ReleaseRefusedError, match="sensitive_places"):
        visited.release(near)


def test_r32_a_noisy_product_finer_than_the_blocks_is_a_wrong_recipe(visited: Any) -> None:
    def noisy(recipe: dict[str, Any], cell_m: int) -> None:
        near(recipe)
        recipe.pop("counts")
        recipe["privacy"] = {
            "guarantee": "differential_privacy", "unit": "person_period", "period": "month", "epsilon_cap": 1.0,
        }  # fmt: skip
        recipe["products"] = {"flows": {"cell_m": cell_m, "epsilon": 0.3, "max_trips": 3}}

    with pytest.raises(RecipeError, match="finer than sensitive_places"):
        visited.release(lambda recipe: noisy(recipe, 2000))
    visited.release(lambda recipe: noisy(recipe, 4000))
    assert answer(visited)["status"] == "PASS"


def test_r32_zones_of_a_list_are_told_as_their_district(town: Any) -> None:
    change = town.in_zones({})
    for name, at in (("A", CLINIC), ("B", BESIDE), ("C", FAR)):
        town.rides([f"{name}{number}" for number in range(7)], at=at, to=FURTHER)
    (town.folder / "places.csv").write_text("kind,zone\nclinic,z21\n", encoding="utf-8")

    def zoned(recipe: dict[str, Any]) -> None:
        change(recipe)
        recipe["sensitive_places"] = {"path": "places.csv", "level": "district", "radius_m": 0}

    result = town.release(zoned)
    assert [found.status.value for found in result.findings if found.check == "sensitive_places"] == ["PASS"]
    counts = {row["start_cell"]: row["trips"] for row in town.table("flows")}
    assert sorted(counts.values()) == [7, 14]


def test_r32_twin_zones_told_apart_are_refused(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SensitivePlaces, "coarsened", lambda self, frame, grid, session: frame)
    with pytest.raises(ReleaseRefusedError, match="sensitive_places"):
        test_r32_zones_of_a_list_are_told_as_their_district(town)
