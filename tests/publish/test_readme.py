"""README of a bundle: a recipient needs nothing else to read the files, and what it says to type works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from anonkit.reader import open_release


@pytest.fixture(scope="module")
def told(town_class: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with all products, a roll-up and statistics; read only."""

    def change(recipe: dict[str, Any]) -> None:
        recipe["counts"] = {"rule": "cell_key"}
        recipe["products"] = {
            "trips": {"cell_m": 1000, "bins": "3h of week", "rows_per_person": 1},
            "flows": {
                "cell_m": 1000,
                "bins": "3h of week",
                "roll_up": [{"cell_m": 4000, "bins": "6h of week"}],
                "statistics": {"duration_s": {"step": 60, "high": 3600}},
            },
            "volumes": {"cell_m": 4000, "bins": "6h of week"},
        }

    made: Any = town_class(tmp_path_factory.mktemp("told")).busy().release(change)
    return Path(made.out)


def text(folder: Path) -> str:
    return (folder / "README.md").read_text(encoding="utf-8")


def test_readme_says_of_every_column_of_every_table_what_it_means(told: Path) -> None:
    package = json.loads((told / "datapackage.json").read_text(encoding="utf-8"))
    for resource in package["resources"]:
        for column in resource.get("anonkit:fields", []):
            assert f"| {column['name']} |" in text(told)
            assert f"| {column['description']} |" in text(told)
            assert column["description"] != ""


def test_readme_tells_suppressed_from_zero_noise_bins_roll_ups_and_units(told: Path) -> None:
    said = text(told)
    assert "A class without a row was suppressed or had no trips" in said
    assert "each was changed by at most 2 (standard deviation 1.00" in said
    assert "3h of week: the same hours of all weeks of the period together" in said
    assert "rolled_up 1: cells of 4000 m, bins of 6h of week" in said
    assert "clipped to 0 to 3600 s, to the nearest 60 s" in said


def test_what_readme_says_to_type_works(told: Path) -> None:
    lines = [line.strip() for line in text(told).splitlines() if line.startswith("    ")]
    script = "\n".join(
        [
            *lines[:-1],
            f"labelled = {lines[-1]}",
            "assert len(labelled) == len(city.trips.to_pandas())",
            "assert labelled['begins'].notna().all()",
        ]
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    subprocess.run([sys.executable, "-c", script.replace("FOLDER", str(told))], check=True, env=env, timeout=600)


def test_repr_of_a_table_says_what_its_columns_mean(told: Path) -> None:
    said = repr(open_release(told).flows)
    assert "persons_at_least" in said
    assert "the class holds at least so many persons; told in bands" in said
