"""``anonkit release`` of routes: from trips and fixes to a folder that a recipient opens, or a refusal."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
import yaml
from anonkit.base.errors import SchemaError
from anonkit.coverage import coverage, link_times, recommend
from anonkit.geo.matching import Walks
from anonkit.geo.networks_read import read_network
from anonkit.kanon.routes_product import RouteProduct
from anonkit.pipeline import release
from anonkit.pipeline.plan import explain, plan
from anonkit.pipeline.plan_routes import _in_routes
from anonkit.reader import open_release, verify

ROOT = Path(__file__).resolve().parents[2]
RECIPE, SAMPLE = ROOT / "data" / "recipes" / "pokupi_routes.yml", ROOT / "data" / "samples" / "pokupi_routes"
AS_OF = "2026-11-10"


def recipe_in(folder: Path, change: Callable[[dict[str, Any]], Any] | None = None, name: str = "routes.yml") -> Path:
    """The sample's recipe with absolute paths, changed by a function."""
    data = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    full = lambda text: str((RECIPE.parent / text).resolve())  # noqa: E731
    data["geo"]["area"] = full(data["geo"]["area"])
    data["streets"]["path"] = full(data["streets"]["path"])
    entry = data["inputs"][0]
    entry["path"], entry["accounts"]["path"] = full(entry["path"]), full(entry["accounts"]["path"])
    entry["fixes"]["path"] = full(entry["fixes"]["path"])
    data["engine"] = {"threads": 1}
    if change is not None:
        change(data)
    path = folder / name
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("routes")
    return release(recipe_in(folder), out=folder / "out", as_of=AS_OF)


def test_r37_the_sample_is_released_with_rows_in_every_table(made: Any) -> None:
    verify(made.out)
    sizes = {product["part"]: product["rows"] for product in made.run["products"]}
    assert sizes["link_volumes"] > 100
    assert sizes["turns"] > 20
    assert sizes["speeds"] > 100
    assert sizes["patterns"] >= 3
    package = json.loads((made.out / "datapackage.json").read_text(encoding="utf-8"))["anonkit"]
    assert package["privacy"]["suppressed_pct"] in ("<5", "5-20")
    assert package["privacy"]["guarantee"] == "k_anonymity"


def test_r30_nothing_raw_is_in_the_folder_or_beside_it(made: Any) -> None:
    names = {path.name for path in made.inside.iterdir()}
    assert names == {"run.json", "risk.json", "report.html", "rejected.parquet", ".lock"}
    for path in made.out.rglob("*.parquet"):
        columns = set(pd.read_parquet(path).columns) if "streets" not in path.parts else set()
        assert not columns & {"trip", "person", "driver", "unit", "enter_s", "lon", "lat", "record"}
    first = (SAMPLE / "fixes.csv").read_text(encoding="utf-8").splitlines()[1].split(",")
    for path in (made.inside / "run.json", made.inside / "risk.json", made.inside / "report.html"):
        text = path.read_text(encoding="utf-8")
        assert first[2] not in text
        assert first[3] not in text


def test_the_page_maps_streets_before_and_after_what_is_missing_and_the_coverage(made: Any) -> None:
    text = (made.inside / "report.html").read_text(encoding="utf-8")
    for words in (
        *("Before: passages of streets", "Leaves: passages of streets", "Leaves: routes driven in full"),
        *("What is missing, by street", "driven, not told", "told by time bin", "Coverage as the recipient sees it"),
    ):
        assert words in text
    assert text.count("stroke-linecap") >= 10


def test_a_plan_tells_what_the_release_then_tells(made: Any, tmp_path: Path) -> None:
    found = plan(recipe_in(tmp_path), as_of=AS_OF, registry=made.out.with_name("anonkit.registry"))
    assert [entry["source"] for entry in found.lines] == [entry["source"] for entry in made.run["lines"]]
    sizes = {product["part"]: product["rows"] for product in made.run["products"]}
    assert {product["part"]: product["rows"] for product in found.products} == {
        name: size for name, size in sizes.items() if name != "pattern_links"
    }
    gone = next(answer["value"] for answer in made.run["scorecard"] if answer["check"] == "q10_suppression")
    assert found.products[0]["share_released"] == pytest.approx(1 - float(gone), abs=1e-3)
    assert found.overlapping == ("pokupi-routes-2026-10",)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["routes.yml"]


@pytest.mark.slow
def test_explain_shows_what_each_choice_of_routes_costs(tmp_path: Path, anonkit: Any) -> None:
    found = {one.change: one.shares for one in explain(recipe_in(tmp_path), as_of=AS_OF)}
    own = found["the recipe"]
    assert set(own) == {"link_volumes", "turns", "speeds", "patterns"}
    assert found["k = 20"]["link_volumes"] < found["k = 11"]["link_volumes"] < own["link_volumes"]
    assert found["routes of half the least length"]["patterns"] > own["patterns"]
    assert found["no threshold of drivers"]["turns"] >= own["turns"]
    assert anonkit("explain", recipe_in(tmp_path), "--as-of", AS_OF, "--quiet") == 0


def test_passages_in_routes_are_those_of_whole_drives_of_them() -> None:
    rows = [(0, 0, 1), (0, 0, 2), (0, 0, 3), (1, 0, 2), (1, 0, 3), (1, 1, 1), (2, 0, 1), (2, 0, 2)]
    trip, piece, link = (np.array(column, dtype=np.int32) for column in zip(*rows, strict=True))
    nothing = np.zeros(len(rows))
    walks = Walks(trip, piece, link, nothing, nothing, nothing, nothing, trips=3)
    # 1-2 is driven in full by trips 0 and 2; 2-3-1 by nobody: trip 1 has a gap before its 1
    assert np.flatnonzero(_in_routes(walks, [[1, 2], [2, 3, 1]])).tolist() == [0, 1, 6, 7]


def test_every_line_of_trips_and_fixes_is_accounted_for(made: Any) -> None:
    trips, fixes = made.run["lines"]
    assert fixes["physical"] == len((SAMPLE / "fixes.csv").read_text(encoding="utf-8").splitlines())
    for account in (trips, fixes):
        out = account["header"] + account["used"] + sum(account["dropped"].values()) + sum(account["rejected"].values())
        assert out == account["physical"]
    assert fixes["dropped"]["off_trip_position"] > 0  # ruling 33
    assert fixes["dropped"]["fix_of_no_used_trip"] > 0  # erased, withdrawn, outside the period


def test_r31_a_recount_from_the_raw_fixes_finds_k_persons_on_every_route_in_full(made: Any) -> None:
    """Own reading and own snapping: on each link of the route, in order, the journey has a fix within 40 m."""
    streets = open_release(made.out).links.set_index("link")
    fixes = pd.read_csv(SAMPLE / "fixes.csv").dropna(subset=["journey"])
    journeys = pd.read_csv(SAMPLE / "journeys.csv").set_index("journey_id")
    per_lat, per_lon = 111_320.0, 111_320.0 * np.cos(np.radians(42.44))
    tracks = {name: part[["lon", "lat"]].to_numpy() * (per_lon, per_lat) for name, part in fixes.groupby("journey")}
    listed = pd.read_parquet(made.out / "pattern_links.parquet").sort_values(["pattern", "step"])
    checked = 0
    for _, steps in listed.groupby("pattern"):
        ends = [np.array(streets.geometry[link].coords) * (per_lon, per_lat) for link in steps["link"]]
        persons, drivers = set(), set()
        for name, track in tracks.items():
            if walked(track, ends):
                persons.add(journeys.loc[name, "passenger_id"])
                drivers.add(journeys.loc[name, "driver_id"])
        assert len(persons) >= 5
        assert len(drivers) >= 3
        checked += 1
    assert checked >= 3


def test_each_route_of_a_release_has_one_line_along_its_links(made: Any) -> None:
    bundle = open_release(made.out)
    routes, links = bundle.to_geodataframe("patterns"), bundle.links.set_index("link")
    steps = pd.read_parquet(made.out / "pattern_links.parquet").sort_values(["pattern", "step"])
    assert len(routes) == steps["pattern"].nunique() >= 3
    for row in routes.itertuples():
        own = links.loc[steps.loc[steps["pattern"] == row.pattern, "link"]]
        assert row.geometry.geom_type == "LineString"
        assert row.geometry.length == pytest.approx(shapely.length(own.geometry).sum())


def walked(track: np.ndarray, links: list[np.ndarray]) -> bool:
    """Whether some fixes, in order, lie near every link, with progress along it."""
    at = -1
    for line in links:
        (x0, y0), (x1, y1) = line[0], line[-1]
        length = np.hypot(x1 - x0, y1 - y0)
        along = ((track[:, 0] - x0) * (x1 - x0) + (track[:, 1] - y0) * (y1 - y0)) / length
        away = np.abs((track[:, 0] - x0) * (y1 - y0) - (track[:, 1] - y0) * (x1 - x0)) / length
        near = np.flatnonzero((away <= 40) & (along >= -40) & (along <= length + 40))
        near = near[near > at]
        if not len(near):
            return False
        at = int(near[0]) - (1 if near[0] > 0 and along[near[0]] > length - 60 else 0)
    return True


def test_r08_speeds_of_the_release_know_the_slow_hour(made: Any) -> None:
    network = read_network(SAMPLE / "streets.geojson")
    told = RouteProduct.from_release(made.out, "speeds")
    table = told.table.merge(pd.DataFrame({"link": np.arange(network.links), "limit": network.speed_kmh}), on="link")
    by_limit = table.groupby("limit")["speed_kmh"].median()
    assert 40 < by_limit[50] < 52  # main ways are driven at 46, side streets at 27
    assert 22 < by_limit[30] < 33


def test_r30_contract_what_follows_reads_the_released_folder_and_nothing_else(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Coverage and recommendations work where trips, fixes and the inside folder are not, and nothing opens them."""
    import builtins

    folder = tmp_path / "recipient"
    shutil.copytree(made.out, folder / "out")
    shutil.copy(SAMPLE / "streets.geojson", folder / "streets.geojson")
    opened: list[str] = []
    honest = builtins.open

    def watched(file: Any, *given: Any, **more: Any) -> Any:
        opened.append(str(file))
        return honest(file, *given, **more)

    monkeypatch.setattr(builtins, "open", watched)
    network = read_network(folder / "streets.geojson")
    volumes, speeds = (RouteProduct.from_release(folder / "out", kind) for kind in ("link_volumes", "speeds"))
    share = coverage(volumes, network=network).iloc[0]
    assert 0.1 < share["share"] < 1
    times = link_times(speeds, network)
    best = recommend(times, origin=0, destination=network.nodes - 1).iloc[0]
    assert best["low_s"] < best["time_s"] < best["high_s"]
    assert not [path for path in opened if "fixes.csv" in path or "journeys.csv" in path or ".inside" in path]


@pytest.mark.slow
def test_r13_flows_of_the_same_people_and_days_are_refused_after_routes(
    made: Any, tmp_path: Path, anonkit: Any
) -> None:
    registry = tmp_path / "registry"
    shutil.copytree(made.out.with_name("anonkit.registry"), registry)

    def flows(data: dict[str, Any]) -> None:
        for name in ("streets", "ends"):
            del data[name]
        del data["inputs"][0]["fixes"]
        data["products"] = {"flows": {"cell_m": 8000, "bins": "12h of day"}}
        data["privacy"] = {"guarantee": "k_anonymity", "protect": {"person": 5}, "l_places": 1, "dominance": "1"}

    path = recipe_in(tmp_path, flows, "flows.yml")
    command = ("release", path, "--registry", registry, "--as-of", AS_OF, "--quiet")
    assert anonkit(*command, "--out", tmp_path / "flows") == 3
    run = json.loads((tmp_path / "flows.inside" / "run.json").read_text(encoding="utf-8"))
    assert {found["check"] for found in run["findings"] if found["status"] == "FAIL"} == {"overlap"}
    again = ("release", recipe_in(tmp_path), "--registry", registry, "--as-of", AS_OF, "--quiet")
    assert anonkit(*again, "--out", tmp_path / "again") == 0  # the same numbers once more tell nothing new
    same = [(made.out / f"{name}.csv").read_bytes() for name in ("link_volumes", "turns", "patterns")]
    assert same == [(tmp_path / "again" / f"{name}.csv").read_bytes() for name in ("link_volumes", "turns", "patterns")]


def public(data: dict[str, Any]) -> None:
    data["recipient"]["kind"] = "public"


def exact(data: dict[str, Any]) -> None:
    data["counts"] = {"rule": "exact"}


def mistyped(data: dict[str, Any]) -> None:
    data["products"]["links"]["bin"] = "1h of day"


def no_ends(data: dict[str, Any]) -> None:
    del data["ends"]


def too_fine(data: dict[str, Any]) -> None:
    data["ends"]["cell_m"] = 100


def with_flows(data: dict[str, Any]) -> None:
    data["products"]["flows"] = {"cell_m": 2000, "bins": "6h of day"}


def other_ids(data: dict[str, Any]) -> None:
    data["inputs"][0]["fixes"]["columns"]["trip"] = "recorded_s"


def no_driver(data: dict[str, Any]) -> None:
    data["inputs"][0]["columns"] = {"driver": None}


WRONG = {
    "public": (public, "not for the public"),
    "exact": (exact, "counts.rule"),
    "mistyped": (mistyped, "did you mean 'bins'"),
    "no_ends": (no_ends, "'ends' is missing"),
    "too_fine": (too_fine, "betray an end more finely"),
    "with_flows": (with_flows, "products.flows"),
    "other_ids": (other_ids, "no fix belongs to a used trip"),
    "no_driver": (no_driver, "maps no column 'driver'"),
}


@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_recipe_or_input_that_is_wrong_is_exit_2(
    name: str, tmp_path: Path, anonkit: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    change, said = WRONG[name]
    path = recipe_in(tmp_path, change)
    assert anonkit("release", path, "--out", tmp_path / "out", "--as-of", AS_OF, "--quiet") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_release_that_would_be_empty_is_exit_3(tmp_path: Path, anonkit: Any) -> None:
    path = recipe_in(tmp_path, lambda data: data["privacy"]["protect"].update(person=190))
    assert anonkit("release", path, "--out", tmp_path / "out", "--as-of", AS_OF, "--quiet") == 3
    assert not (tmp_path / "out").exists()
    run = json.loads((tmp_path / "out.inside" / "run.json").read_text(encoding="utf-8"))
    assert "not_empty" in {found["check"] for found in run["findings"] if found["status"] == "FAIL"}


@pytest.mark.slow
def test_r26_a_run_of_routes_that_is_killed_at_any_moment_leaves_all_or_nothing(tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path)

    def child(*arguments: object) -> Any:
        command = [sys.executable, str(Path(__file__).with_name("crash_child.py")), *map(str, arguments)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=900, env=environment)
        return json.loads(done.stdout.strip().splitlines()[-1])

    moments = child(recipe, tmp_path / "sound")["moments"]
    assert {"match:after", "decide:after", "write:link_volumes.parquet", "write:streets", "gate:after"} <= set(moments)
    numbers = range(0, len(moments), 3)
    ends = child(recipe, tmp_path / "killed", *numbers, len(moments) - 1)["ends"]
    assert set(ends.values()) == {-signal.SIGKILL}
    for number in numbers:
        folder = tmp_path / "killed" / str(number)
        assert not (folder / "out").exists()
        assert not [path for path in (folder / "out.inside").rglob("*") if "fixes" in path.name]
    verify(tmp_path / "killed" / str(len(moments) - 1) / "out")
    again = release(recipe, out=tmp_path / "killed" / str(numbers[-2]) / "out")
    verify(again.out)
    assert not list(again.out.parent.glob(".out.partial-*"))


def test_a_notebook_goes_the_same_way_step_by_step_and_shows_no_row() -> None:
    import anonkit as ak

    trips = ak.read_trips(SAMPLE / "journeys.csv", source="pokupi", as_of=AS_OF)
    fixes = ak.read_fixes(
        SAMPLE / "fixes.csv", operator="pokupi", as_of=AS_OF,
        columns={"trip": "journey", "time": "recorded_s", "lon": "lon", "lat": "lat"}, time={"format": "epoch_s"},
    )  # fmt: skip
    network = ak.read_network(SAMPLE / "streets.geojson")
    ends = ak.EndRule(cell_m=300, minimum_m=200, settle_m=60)
    passages = ak.match(trips, fixes, network=network, ends=ends)
    first = passages.to_pandas().iloc[0]
    assert str(int(first["enter_s"])) not in repr(passages)
    assert {"trip", "person", "driver"} == {c.name for c in passages.schema if c.role.value == "pseudonym"}
    assert passages.told["trips matched"] > 0.99
    rule = ak.RouteRule(
        protection=ak.Protection(unit="person", k=5, k_driver=3), max_rows=2,
        noise=ak.CellKeyNoise(largest=2, variance=1.0),
    )  # fmt: skip
    spec = ak.RouteSpec(
        rule=rule, ends=ends, bins=ak.TimeBins("6h of day", zone="Europe/Podgorica"), speed_bounds_kmh=(3, 120),
        step_kmh=1, least_m=1200, most_links=40,
    )  # fmt: skip
    made = ak.release_routes(passages.walks, passages.riders, passages.network, spec=spec)
    assert len(made["volumes"].table) > 150
    assert ak.coverage.coverage(made["volumes"], network=network).iloc[0]["share"] > 0.1
    with pytest.raises(SchemaError, match="no fix belongs"):
        ak.match(trips, ak.Table.of(pd.DataFrame({"trip": ["x"], "time_s": [1], "lon": [19.2], "lat": [42.4]})),
                 network=network, ends=ends)  # fmt: skip
