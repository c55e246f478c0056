"""Real taxi trips with dirt in them, released twice: protecting drivers, and protecting callers (ruling 37)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from anonkit.base.errors import ReleaseRefusedError
from anonkit.pipeline import release

HERE = Path(__file__).parent
USABLE = 989
"""Of the 999 trips, those with two points."""


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest, real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The release of one recipe, beside a link to the real file."""
    tmp_path = tmp_path_factory.mktemp("porto")
    shutil.copy(HERE / "areas" / "porto.geojson", tmp_path)
    (tmp_path / "trips.csv").symlink_to(real_data / "porto_taxi" / "trips.csv")
    recipe = Path(shutil.copy(HERE / "recipes" / request.param, tmp_path / "recipe.yml"))
    return recipe, release(recipe, out=tmp_path / "out")


both = pytest.mark.parametrize("made", ["porto_drivers.yml", "porto_callers.yml"], indirect=True)


@pytest.mark.real
@pytest.mark.parametrize("made", ["porto_drivers.yml"], indirect=True)
def test_r37_porto_drivers_release_a_third_of_the_trips_at_2_km_and_6_h(made: Any, recount: Any) -> None:
    recipe, result = made
    figures = recount(recipe).check(result.out)
    assert figures["trips"]["trips"] >= 0.30 * USABLE
    assert figures["trips"]["fewest"] >= 5
    assert figures["trips"]["persons"] >= 150


@pytest.mark.real
@pytest.mark.parametrize("made", ["porto_callers.yml"], indirect=True)
def test_r37_porto_callers_release_a_third_of_the_trips_at_4_km_and_6_h(made: Any, recount: Any) -> None:
    recipe, result = made
    figures = recount(recipe).check(result.out)
    assert figures["used"] == 265  # 267 callers' trips, less two outside the area
    assert figures["trips"]["trips"] >= 0.30 * 267
    assert figures["trips"]["fewest"] >= 5


@pytest.mark.real
@both
def test_porto_accounts_for_every_line(made: Any, recount: Any) -> None:
    recipe, result = made
    lines = result.run["lines"][0]
    assert lines["physical"] == 1000
    assert lines["used"] + sum(lines["dropped"].values()) + sum(lines["rejected"].values()) == 999
    assert dict(recount(recipe).used().unusable) == lines["dropped"] | lines["rejected"]


@pytest.mark.real
def test_r37_porto_callers_at_a_street_corner_are_refused(real_data: Path, tmp_path: Path) -> None:
    # at 500 m and 1 h no pair of places has five callers: nothing is released rather than something unsafe
    shutil.copy(HERE / "areas" / "porto.geojson", tmp_path)
    (tmp_path / "trips.csv").symlink_to(real_data / "porto_taxi" / "trips.csv")
    text = (HERE / "recipes" / "porto_callers.yml").read_text(encoding="utf-8")
    text = text.replace("cell_m: 1000", "cell_m: 500").replace("cell_m: 4000", "cell_m: 500").replace("6h", "1h")
    (tmp_path / "recipe.yml").write_text(text, encoding="utf-8")
    with pytest.raises(ReleaseRefusedError, match="not_empty of trips: 0 trips"):
        release(tmp_path / "recipe.yml", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
