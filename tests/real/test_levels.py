"""Levels chosen by search on real trips, through the command line: resolution, who is counted, share released (ruling 37)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

pytestmark = [pytest.mark.real, pytest.mark.slow]
HERE = Path(__file__).parent
NOISE = 2
"""Counts are perturbed by at most so much."""
TAXIS = {"max_suppressed": "3/10", "cell_m": [1000, 2000, 4000], "bins": ["1h", "3h", "6h", "12h", "1d"]}
BIKES = {"max_suppressed": "1/20", "cell_m": [500, 1000, 2000, 4000], "bins": ["1h", "6h", "6h of week", "12h of week"]}


@pytest.fixture
def choose(real_data: Path, tmp_path: Path, anonkit: Callable[..., int]) -> Callable[..., Any]:
    """Release a real recipe with trips at levels that are chosen; what was told, and the recipe with the levels named."""

    def run(name: str, search: dict[str, Any], rows_per_person: int) -> tuple[dict[str, Any], Path]:
        for area in [*HERE.glob("recipes/*.geojson"), *HERE.glob("areas/*.geojson")]:
            shutil.copy(area, tmp_path)
        (tmp_path / "trips.csv").symlink_to(real_data / "porto_taxi" / "trips.csv")
        text = (HERE / "recipes" / f"{name}.yml").read_text(encoding="utf-8").replace("DATA", str(real_data))
        recipe = yaml.safe_load(text)
        recipe["time"]["bins"] = "1h"
        recipe.pop("suppression", None)
        recipe["products"] = {"trips": {"rows_per_person": rows_per_person, "k_anonymity": search}}
        (tmp_path / "recipe.yml").write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
        out = tmp_path / "out"
        assert anonkit("release", tmp_path / "recipe.yml", "--out", out, "--quiet", "--as-of", "2026-01-01") == 0
        told: dict[str, Any] = json.loads((tmp_path / "out.inside" / "run.json").read_text(encoding="utf-8"))
        at = told["levels"]["chosen"]
        recipe["products"]["trips"] = {"cell_m": at["cell"], "bins": at["bins"], "rows_per_person": rows_per_person}
        (tmp_path / "named.yml").write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
        return told, tmp_path

    return run


def test_r37_porto_drivers_at_4_km_and_6_h_eight_trips_of_ten(choose: Any, recount: Any) -> None:
    told, folder = choose("porto_drivers", TAXIS, 2)
    levels = told["levels"]
    assert (levels["chosen"]["cell"], levels["chosen"]["bins"], levels["protect"]) == (4000, "6h", {"driver": 5})
    assert (round(levels["displacement_m_an_end"]), levels["displacement_min"]) == (1530, 90)
    assert levels["optimal"]
    assert 0.14 < levels["suppressed_share"] < 0.18
    figures = recount(folder / "named.yml").check(folder / "out")
    assert figures["trips"]["fewest"] >= 5
    assert figures["trips"]["trips"] == 809  # of 985 usable trips, 970 after thinning; 41 classes
    assert figures["trips"]["classes"] == 41
    assert figures["trips"]["persons"] >= 280


def test_r37_porto_callers_and_drivers_at_4_km_and_12_h_seven_trips_of_ten(choose: Any, recount: Any) -> None:
    told, folder = choose("porto_callers", TAXIS, 2)
    levels = told["levels"]
    assert (levels["chosen"]["cell"], levels["chosen"]["bins"]) == (4000, "12h")
    assert levels["protect"] == {"person": 5, "driver": 5}
    assert (round(levels["displacement_m_an_end"]), levels["displacement_min"]) == (1530, 180)
    assert 0.22 < levels["suppressed_share"] < 0.26
    figures = recount(folder / "named.yml").check(folder / "out")
    assert figures["trips"]["fewest"] >= 5
    assert (figures["used"], figures["trips"]["trips"], figures["trips"]["classes"]) == (265, 186, 15)


def test_r37_healthy_ride_counts_trips_at_4_km_and_6_h_of_the_week(choose: Any) -> None:
    told, folder = choose("healthy_ride", BIKES, 1)
    levels = told["levels"]
    assert (levels["chosen"]["cell"], levels["chosen"]["bins"]) == (4000, "6h of week")
    assert levels["protect"] == {"trip": 11}
    assert (round(levels["displacement_m_an_end"]), levels["displacement_min"]) == (1530, 105)
    assert levels["trips"] == 80_494
    assert levels["suppressed_share"] < 0.02
    table = pq.read_table(folder / "out" / "trips.parquet").to_pandas()
    assert told["products"][0]["trips_released"] == 78_795
    written = table.groupby(["start_cell", "end_cell", "start_bin"]).size()
    assert (len(written), int(written.min()) >= 11 - NOISE) == (549, True)
    assert abs(len(table) - 78_795) <= NOISE * len(written)
    assert "k counts trips" in (folder / "out" / "README.md").read_text(encoding="utf-8")
