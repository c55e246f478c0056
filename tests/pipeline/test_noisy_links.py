"""Noisy links from a recipe: every public link told, one charge, nobody's passages depend on another."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from anonkit.base.errors import RecipeError, ReleaseRefusedError
from anonkit.coverage import coverage
from anonkit.engine import Session
from anonkit.geo.matching_trial import simulate_drives
from anonkit.geo.networks_read import read_network
from anonkit.kanon.routes_product import RouteProduct
from anonkit.ledger import Ledger
from anonkit.pipeline import noisy, release
from anonkit.pipeline.ingest import ingest
from anonkit.pipeline.noisy_links import passages_of_people
from anonkit.reader import open_release, verify
from anonkit.recipe import NoisyRouteRecipe, load_recipe

ROOT = Path(__file__).resolve().parents[2]
STREETS = ROOT / "data" / "samples" / "pokupi_routes" / "streets.geojson"
KEY = bytes(range(32))
BEGIN = 1_772_323_200  # 1 March 2026
SHARED = "115"
"""Journey that two people made together."""


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trips and fixes of thirty invented people on the sample's streets; one trip is shared by two."""
    folder = tmp_path_factory.mktemp("month")
    network = read_network(STREETS)
    made = simulate_drives(network, trips=120, persons=30, drivers=5, every_s=15, noise_m=6, seed=4, least_m=900)
    rows, fixes = [], []
    for trip, who in enumerate(made.person):
        part = slice(made.offsets[trip], made.offsets[trip + 1])
        time = made.time_s[part] + BEGIN
        lon, lat = made.lon[part], made.lat[part]
        row = (time[0], time[-1], lon[0], lat[0], lon[-1], lat[-1])
        rows.append((str(trip), who, *row))
        if str(trip) == SHARED:
            rows.append((SHARED, "companion", *row))
        fixes += [(str(trip), *values) for values in zip(time, lon, lat, strict=True)]
    names = ["trip", "who", "start", "end", "slon", "slat", "elon", "elat"]
    pd.DataFrame(rows, columns=names).to_csv(folder / "trips.csv", index=False)
    pd.DataFrame(fixes, columns=["trip", "at", "lon", "lat"]).to_csv(folder / "fixes.csv", index=False)
    return folder


def recipe_in(folder: Path, month: Path, change: Callable[[dict[str, Any]], Any] | None = None) -> Path:
    data: dict[str, Any] = {
        "release": "noisy-links",
        "title": "Noisy links of a town",
        "purpose": "test of noisy links",
        "recipient": {"name": "Anybody", "kind": "public"},
        "licence": "CC-BY-4.0",
        "period": {"from": "2026-03-01", "to": "2026-03-31"},
        "privacy": {
            "guarantee": "differential_privacy",
            "unit": "person_period",
            "period": "month",
            "epsilon_cap": 2.0,
        },
        "geo": {"cell_m": 500, "latitude": 42.4, "area": str(ROOT / "data/areas/montenegro.geojson"), "levels": 5},
        "time": {"bins": "1h", "zone": "Europe/Podgorica"},
        "streets": {"path": str(STREETS)},
        "ends": {"cell_m": 250, "minimum_m": 200, "settle_m": 40},
        "products": {"links": {"bins": "12h of day", "epsilon": 1.5, "max_passages": 30}, "persons": {"epsilon": 0.25}},
        "inputs": [
            {
                "path": str(month / "trips.csv"),
                "operator": "town",
                "columns": {
                    "trip": "trip",
                    "person": "who",
                    "start": "start",
                    "end": "end",
                    "start_lon": "slon",
                    "start_lat": "slat",
                    "end_lon": "elon",
                    "end_lat": "elat",
                },
                "time": {"format": "epoch_s"},
                "fixes": {
                    "path": str(month / "fixes.csv"),
                    "columns": {"trip": "trip", "time": "at", "lon": "lon", "lat": "lat"},
                    "time": {"format": "epoch_s"},
                },
            }
        ],
        "engine": {"threads": 1},
    }
    if change is not None:
        change(data)
    path = folder / "recipe.yml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def made(month: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("noisy")
    return release(recipe_in(folder, month), out=folder / "out", as_of="2026-04-10")


def test_r18_every_link_and_bin_is_told_and_charged_once(made: Any) -> None:
    verify(made.out)
    links = read_network(STREETS).links
    table = open_release(made.out).table("link_volumes").to_pandas()
    assert table[["link", "bin"]].to_numpy().tolist() == [[link, bin] for link in range(links) for bin in (0, 1)]
    assert {found["status"] for found in made.run["findings"]} == {"PASS"}
    ledger = Ledger.open(made.out.with_name("anonkit.registry") / "town.ledger")
    assert ledger.spent("2026-03").epsilon == pytest.approx(1.75)
    assert made.run["products"][1]["part"] == "link_volumes"
    assert set(made.run["products"][1]) == {"part", "rows", "columns"}  # ruling 19: no true count inside either
    fixes = made.run["lines"][1]
    assert fixes["used"] == fixes["physical"] - 1


def test_the_readme_says_how_ends_were_cut_and_what_a_sum_lacks(made: Any) -> None:
    text = (made.out / "README.md").read_text(encoding="utf-8")
    for words in ("streets.geojson", "250 m around them, at least 200 m", "weighted to 30 altogether", "epsilon 1.75"):
        assert words in text
    package = json.loads((made.out / "datapackage.json").read_text(encoding="utf-8"))
    fields = {f["name"]: f for r in package["resources"] if r["name"] == "link_volumes" for f in r["schema"]["fields"]}
    assert "standard deviation" in fields["noise_sd"]["description"]
    assert package["anonkit"]["network"]["digest"] == read_network(STREETS).digest


def test_r19_the_page_draws_noisy_streets_and_no_true_ones(made: Any) -> None:
    text = (made.inside / "report.html").read_text(encoding="utf-8")
    assert "Leaves: link_volumes, noisy" in text
    assert "Before: passages" not in text


def test_coverage_reads_the_noisy_release_with_its_noise(made: Any) -> None:
    network = read_network(STREETS)
    product = RouteProduct.from_release(made.out, "link_volumes")
    assert product.parameters["epsilon"] == pytest.approx(1.75)
    told = coverage(product, network=network)
    assert (told["low"] < told["high"]).all()
    shapes = open_release(made.out).to_geodataframe("link_volumes")
    assert len(shapes) == 2 * network.links


def rows_of(path: Path) -> Counter[tuple[Any, ...]]:
    """Passages by the person's token under one key, in words of the source's own people."""
    recipe, _ = load_recipe(path)
    assert isinstance(recipe, NoisyRouteRecipe)
    when = datetime(2026, 4, 10, tzinfo=UTC)
    with Session(threads=1, memory_limit="1GB") as session:
        rows = ingest(recipe, session=session, key=KEY, record_key=KEY, as_of=when).used(session)
        frame, _, _ = passages_of_people(
            recipe, rows, record_key=KEY, periods=("2026-03",), session=session, when=when
        )  # fmt: skip
        found = session.collect(frame).to_pandas()
    return Counter(found[["person", "link", "bin"]].itertuples(index=False, name=None))


def test_r17_nobodys_passages_change_when_somebody_leaves_also_a_companion(month: Path, tmp_path: Path) -> None:
    whole = rows_of(recipe_in(tmp_path, month))
    trips = pd.read_csv(month / "trips.csv", dtype=str)
    partner = trips.loc[trips["trip"] == SHARED, "who"].iloc[0]
    for gone in (partner, "companion", "person 6"):
        folder = tmp_path / gone.replace(" ", "-")
        folder.mkdir()
        trips[trips["who"] != gone].to_csv(folder / "trips.csv", index=False)
        (folder / "fixes.csv").symlink_to(month / "fixes.csv")
        left = rows_of(recipe_in(folder, folder))
        lost = whole - left
        assert len({person for person, _, _ in lost}) == 1  # his own, and some
        assert not left - whole
        (own,) = {person for person, _, _ in lost}
        assert not any(person == own for person, _, _ in left)


def test_r17_companions_each_have_the_passages_of_their_trip(month: Path, tmp_path: Path) -> None:
    """The mutation: one of them standing for both would make his leaving change the other's rows."""
    trips = pd.read_csv(month / "trips.csv", dtype=str)
    trips[trips["trip"] == SHARED].to_csv(tmp_path / "trips.csv", index=False)
    (tmp_path / "fixes.csv").symlink_to(month / "fixes.csv")
    found = rows_of(recipe_in(tmp_path, tmp_path))
    people = {person for person, _, _ in found}
    assert len(people) == 2
    own = [sorted((link, bin, n) for (who, link, bin), n in found.items() if who == person) for person in people]
    assert own[0] == own[1] != []


def test_r18_a_file_that_lacks_a_public_link_is_refused(
    month: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = noisy.write_noisy

    def quiet(folder: Path, spec: Any, tables: Any, **more: Any) -> Any:
        from dataclasses import replace

        some = [replace(t, frame=t.frame.iloc[1:]) if t.name == "link_volumes" else t for t in tables]
        return honest(folder, spec, tuple(some), **more)

    monkeypatch.setattr(noisy, "write_noisy", quiet)
    with pytest.raises(ReleaseRefusedError, match="public_keys of link_volumes"):
        release(recipe_in(tmp_path, month), out=tmp_path / "out", as_of="2026-04-10")


def k_anonymous(data: dict[str, Any]) -> None:
    data["recipient"]["kind"] = "contract"
    data["privacy"] = {"guarantee": "k_anonymity", "protect": {"person": 3}}
    data["products"] = {"links": {"bins": "12h of day", "rows_per_person": 2}}


@pytest.mark.slow
def test_r14_links_of_the_other_guarantee_are_refused_for_the_same_days(made: Any, month: Path, tmp_path: Path) -> None:
    registry = made.out.with_name("anonkit.registry")
    with pytest.raises(ReleaseRefusedError, match="overlap"):
        release(recipe_in(tmp_path, month, k_anonymous), out=tmp_path / "k", registry=registry, as_of="2026-04-10")
    release(recipe_in(tmp_path, month, k_anonymous), out=tmp_path / "first", as_of="2026-04-10")
    with pytest.raises(ReleaseRefusedError, match="released as k-anonymous classes"):
        release(recipe_in(tmp_path, month), out=tmp_path / "noisy", as_of="2026-04-10")


def change(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def changed(data: dict[str, Any]) -> None:
        *path, last = key.split(".")
        for part in path:
            data = data[int(part) if part.isdigit() else part]
        data.pop(last) if value is None else data.__setitem__(last, value)

    return changed


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("products.links", None, "links' is missing"),
        ("ends", None, "ends' is missing"),
        ("products.links.max_passages", None, "max_passages' is missing"),
        ("products.links.max_trips", 5, "max_trips"),
        ("ends.cell_m", 100, "betray an end"),
        ("products.links.epsilon", 9, "above the cap"),
    ],
)
def test_a_recipe_of_noisy_links_that_is_wrong_says_what(
    month: Path, tmp_path: Path, key: str, value: Any, message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(recipe_in(tmp_path, month, change(key, value)))


def test_r17_polylines_of_companions_are_refused(month: Path, tmp_path: Path) -> None:
    def lined(data: dict[str, Any]) -> None:
        entry = data["inputs"][0]
        del entry["fixes"]
        entry["columns"] = {name: entry["columns"][name] for name in ("trip", "person", "start")}
        entry["polyline"] = {"column": "route", "interval_s": 15}

    with pytest.raises(RecipeError, match="holds its routes as polylines"):
        load_recipe(recipe_in(tmp_path, month, lined))


def test_the_plan_needs_no_trips(month: Path, tmp_path: Path, anonkit: Callable[..., int]) -> None:
    def away(data: dict[str, Any]) -> None:
        data["inputs"][0]["path"] = str(tmp_path / "none.csv")

    recipe = recipe_in(tmp_path, month, away)
    assert anonkit("dp", "plan", recipe) == 0
    assert np.isclose(float(load_recipe(recipe)[0].epsilon), 1.75)  # type: ignore[union-attr]
