"""Releases at stations, in zones and of visits, recounted from the raw files: the town's zones, and every real recipe."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from anonkit.pipeline import release

RECIPES = Path(__file__).resolve().parents[1] / "real" / "recipes"
DAY = "2026-01-01"


def test_r26_zones_with_roll_ups_into_districts_equal_the_recount(town: Any, recount_places: Any) -> None:
    # 8 and 6 riders tell their pairs of zones; 2 and 2 and 2 are too few there, and 6 together from west to east
    town.rides([f"P{number}" for number in range(8)], at=(0, 0), to=(4, 0))
    town.rides([f"Q{number}" for number in range(6)], at=(0, 4), to=(4, 4))
    for pair, row in (("AB", 0), ("CD", 1), ("EF", 2)):
        town.rides(pair, at=(1, row), to=(5, row))
    made = town.release(town.in_zones({"z11": "Old Harbour", "z51": "mine 9"}))
    figures = recount_places(town.folder / "recipe.yml").check(made.out)
    assert figures["used"] == 20
    rows = town.table("flows")
    assert {row["rolled_up"] for row in rows} == {0, 1}
    assert figures["flows"]["classes"] == len(rows)
    assert figures["flows"]["fewest"] >= 5


def test_r26_twin_a_zone_named_for_another_is_seen(town: Any, recount_places: Any) -> None:
    made = town.busy().release(town.in_zones({}))
    path = town.folder / "zones.geojson"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace('"z11"', '"tmp"').replace('"z04"', '"z11"').replace('"tmp"', '"z04"'), encoding="utf-8"
    )
    with pytest.raises(AssertionError):
        recount_places(town.folder / "recipe.yml").check(made.out)


@pytest.fixture
def make(real_data: Path, tmp_path: Path) -> Callable[..., tuple[Any, Path]]:
    """Release a real recipe; what was made, and the recipe's path."""

    def run(name: str, change: Callable[[dict[str, Any]], None] | None = None) -> tuple[Any, Path]:
        for area in RECIPES.glob("*.geojson"):
            shutil.copy(area, tmp_path)
        recipe = yaml.safe_load((RECIPES / f"{name}.yml").read_text(encoding="utf-8").replace("DATA", str(real_data)))
        if change is not None:
            change(recipe)
        path = tmp_path / "recipe.yml"
        path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
        return release(path, out=tmp_path / "out", as_of=DAY), path

    return run


def agree(made: Any, path: Path, recount_places: Any) -> dict[str, Any]:
    """Recount; the used lines, and every line that was not, for the same reasons."""
    figures: dict[str, Any] = recount_places(path).check(made.out, now=datetime(2026, 1, 1, tzinfo=UTC))
    assert figures["used"] == sum(line["used"] for line in made.run["lines"])
    lost: Counter[str] = Counter()
    for line in made.run["lines"]:
        lost.update(line["dropped"])
        lost.update(line["rejected"])
    assert figures["unusable"] == lost
    return figures


@pytest.mark.real
def test_ev_workplace_visits_of_persons_in_zones_by_hours_of_the_day(make: Any, recount_places: Any) -> None:
    figures = agree(*make("ev_workplace"), recount_places)
    assert (figures["used"], figures["volumes"]["classes"]) == (3_395, 9)
    assert figures["volumes"]["fewest"] >= 5


@pytest.mark.real
@pytest.mark.slow
def test_acn_visits_at_named_sites_by_hours_of_the_week(make: Any, recount_places: Any) -> None:
    figures = agree(*make("acn_charging"), recount_places)
    assert figures["used"] == 9_553
    assert figures["volumes"]["fewest"] >= 11


@pytest.mark.real
@pytest.mark.slow
def test_nyc_trips_in_263_zones_by_hours_of_the_day(make: Any, recount_places: Any) -> None:
    figures = agree(*make("nyc_taxis"), recount_places)
    assert figures["used"] == 6_435
    assert figures["volumes"]["fewest"] >= 5


@pytest.mark.real
@pytest.mark.slow
def test_healthy_ride_stations_of_three_quarters_rolled_up_over_weeks_and_days(make: Any, recount_places: Any) -> None:
    made, path = make("healthy_ride")
    figures = agree(made, path, recount_places)
    assert figures["used"] == 80_494
    assert figures["flows"]["fewest"] >= 11
    shares = made.run["products"][0]["share_by_level"]
    assert figures["flows"]["trips"] == pytest.approx(sum(shares) * 80_494, abs=80)
    assert min(shares) > 0


@pytest.mark.real
@pytest.mark.slow
def test_nyc_flows_between_zones_by_halves_of_the_day_in_exact_counts(make: Any, recount_places: Any) -> None:
    """Further than the stated recipe: pairs of zones, pooled days, no noise."""

    def flows(recipe: dict[str, Any]) -> None:
        recipe["products"] = {"flows": {"level": "zone", "bins": "12h of day"}}
        recipe["counts"] = {"rule": "exact"}

    figures = agree(*make("nyc_taxis", flows), recount_places)
    assert figures["flows"]["fewest"] >= 5
    assert figures["flows"]["trips"] > 300
