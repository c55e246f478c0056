"""Real taxis on real streets of another year: how much is matched, and how long the routes are (``docs/ROUTES.md``)."""

from __future__ import annotations

import importlib
import json
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anonkit.geo.matching import Matcher, MatchSettings
from anonkit.geo.networks_read import read_network
from anonkit.pipeline import release
from anonkit.reader import open_release, verify

HERE = Path(__file__).parent


def released(name: str, real_data: Path, folder: Path) -> Any:
    """The release of one recipe, beside links to the real files."""
    shutil.copy(HERE / "areas" / "porto.geojson", folder)
    (folder / "trips.csv").symlink_to(real_data / "porto_taxi" / "trips.csv")
    (folder / "segments.csv").symlink_to(real_data / "porto_roads" / "segments.csv")
    return release(Path(shutil.copy(HERE / "recipes" / name, folder / "recipe.yml")), out=folder / "out")


def suppressed(made: Any) -> float:
    """Share of the passages that no row tells, of question 10."""
    return float(next(answer["value"] for answer in made.run["scorecard"] if answer["check"] == "q10_suppression"))


@pytest.mark.real
@pytest.mark.slow
def test_r37_porto_drivers_release_more_than_half_of_the_passages_of_links_by_6_h(
    real_data: Path, tmp_path: Path
) -> None:
    made = released("porto_routes.yml", real_data, tmp_path)
    verify(made.out)
    assert suppressed(made) <= 0.45
    sizes = {product["part"]: product["rows"] for product in made.run["products"]}
    assert sizes["link_volumes"] >= 1200
    assert sizes["turns"] >= 350
    assert sizes["speeds"] >= 1200
    assert sizes["patterns"] >= 15
    bundle = open_release(made.out)
    assert set(bundle.tables) >= {"link_volumes", "turns", "speeds", "patterns", "pattern_links"}
    # recounted from the raw polylines, without the cut of the ends: every route was driven in full by five drivers or more
    trips = pd.read_csv(real_data / "porto_taxi" / "trips.csv")
    lines = [np.array(json.loads(text)).reshape(-1, 2) for text in trips["POLYLINE"]]
    clock = np.concatenate(
        [begin + 15 * np.arange(len(line)) for begin, line in zip(trips["TIMESTAMP"], lines, strict=True)]
    )
    offsets = np.r_[0, np.cumsum([len(line) for line in lines])]
    network = read_network(real_data / "porto_roads" / "segments.csv")
    walks = Matcher.of(network).match(offsets, clock, *np.vstack(lines).T).walks
    texts = defaultdict(list)
    for trip, piece in pd.DataFrame({"trip": walks.trip, "piece": walks.piece, "link": walks.link}).groupby(
        ["trip", "piece"]
    ):
        texts[trips["TAXI_ID"][trip[0]]].append("".join(f" {link}," for link in piece["link"]))
    steps = pd.read_parquet(made.out / "pattern_links.parquet").sort_values(["pattern", "step"])
    for _, links in steps.groupby("pattern")["link"]:
        whole = "".join(f" {link}," for link in links)
        assert sum(any(whole in text for text in driven) for driven in texts.values()) >= 5


@pytest.mark.real
@pytest.mark.slow
def test_r37_porto_callers_release_a_quarter_of_the_passages_of_links_by_day(real_data: Path, tmp_path: Path) -> None:
    made = released("porto_routes_callers.yml", real_data, tmp_path)
    verify(made.out)
    assert suppressed(made) <= 0.75
    assert {product["part"]: product["rows"] for product in made.run["products"]}["link_volumes"] >= 200
    package = json.loads((made.out / "datapackage.json").read_text(encoding="utf-8"))["anonkit"]
    assert package["privacy"]["suppressed_pct"] == ">50"


@pytest.mark.real
@pytest.mark.slow
def test_porto_routes_are_as_long_as_the_traces(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    told, _ = importlib.import_module("routes_porto").porto(real_data, settings=MatchSettings())
    assert told["trips inside the box"] == 696
    assert told["of fixes inside the box"] >= 0.92
    assert told["median error m"] <= 3.2
    assert told["trips with a route"] >= 0.97
    # as it stands: more than an error-free matcher gets of routes that are no shorter than these
    assert told["within 5 %, as it stands"] >= 0.64
    assert told["within 5 %, as it stands"] >= told["ceiling, as it stands"]
    assert told["ceiling on the routes that were found, as it stands"] < 0.80  # no right matcher comes to 90 %
    for name in ("as it stands", "with corners"):
        own = told[f"within 5 %, {name}, every fix matched"]
        assert own >= told[f"ceiling on the routes that were found, {name}"] - 0.02
    # and these routes are where the taxis were: of fixes that the matcher did not see
    assert told["fixes left out"] >= 12_000
    assert told["fixes left out: within 30 m of the route between their neighbours"] >= 0.97
    # against the trace with the corners that straight lines cut, where the trip was on the network all along
    assert told["within 5 %, with corners, every fix matched"] >= 0.90
    assert told["within 5 %, with corners"] >= 0.86
    assert told["beyond 5 %: a missing street or a wrong route"] <= 0.05 * 696


@pytest.mark.real
@pytest.mark.slow
def test_signs_that_bind_lose_trips_and_invent_detours(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    strict = MatchSettings(against_m=None)
    told, _ = importlib.import_module("routes_porto").porto(real_data, settings=strict)
    assert told["length against a one-way sign"] == 0
    assert told["within 5 %, with corners"] < 0.83
    assert told["of them with every fix matched"] < 0.68
    assert told["beyond 5 %: a missing street or a wrong route"] >= 50
