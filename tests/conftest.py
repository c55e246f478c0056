"""Shared by the tests of whole releases: a small invented town, its recipe, the command line, and the recount."""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import secrets
import sys
import zlib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
# Time is never the thing under test, a loaded machine is slow; health checks are hints for writing a property.
CALM: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
}
settings.register_profile("explore", **CALM)
settings.register_profile("ci", derandomize=True, database=None, print_blob=True, **CALM)
settings.load_profile("ci" if os.environ.get("CI") else "explore")
LAT_STEP, LON_STEP = 8983, 12_165
"""Micro-degrees of a cell of 1000 m at latitude 42.4; 1000/111320 and 1000/(111320·cos 42.4°)."""
FIRST_ROW, FIRST_COLUMN = 14_736, 16_376
"""Multiples of 4, so that blocks of 2 km and 4 km begin here: latitude 42.3735, longitude 19.2140."""
FIELDS = ("id", "rider", "driver", "start", "end", "slon", "slat", "elon", "elat", "station")
RECIPE: dict[str, Any] = {
    "release": "town-2026-03",
    "title": "Rides in an invented town",
    "purpose": "tests",
    "recipient": {"name": "nobody at all", "kind": "contract"},
    "licence": "CC0-1.0",
    "period": {"from": "2026-03-01", "to": "2026-03-31"},
    "privacy": {"guarantee": "k_anonymity", "protect": {"person": 5}, "dominance": "1/2", "l_places": 1},
    "counts": {"rule": "exact"},
    "geo": {"cell_m": 1000, "latitude": 42.4, "area": "area.geojson", "levels": 3},
    "time": {"bins": "1h", "zone": "UTC"},
    "products": {
        "trips": {"cell_m": 1000, "bins": "3h", "rows_per_person": 50},
        "flows": {"cell_m": 2000, "bins": "6h"},
        "volumes": {"cell_m": 2000, "bins": "6h"},
    },
    "inputs": [
        {
            "path": "rides.csv",
            "operator": "town",
            "columns": {
                "trip": "id",
                "person": "rider",
                "start": "start",
                "end": "end",
                "start_lon": "slon",
                "start_lat": "slat",
                "end_lon": "elon",
                "end_lat": "elat",
            },
        }
    ],
    "engine": {"threads": 1},
}


def point(column: int, row: int) -> tuple[float, float]:
    """Longitude and latitude of the middle of a cell, counted from the town's south-west corner."""
    lat = ((FIRST_ROW + row) * LAT_STEP + LAT_STEP // 2) / 1e6 - 90
    return round(((FIRST_COLUMN + column) * LON_STEP + LON_STEP // 2) / 1e6 - 180, 6), round(lat, 6)


class Town:
    """A folder with an area of 8 km × 8 km, rides and a recipe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._trips = 0
        self.rows: list[dict[str, Any]] = []
        west, south = FIRST_COLUMN * LON_STEP / 1e6 - 180, FIRST_ROW * LAT_STEP / 1e6 - 90
        east, north = west + 8 * LON_STEP / 1e6, south + 8 * LAT_STEP / 1e6
        inset = 1e-5
        ring = [(west + inset, south + inset), (east - inset, south + inset), (east - inset, north - inset)]
        ring += [(west + inset, north - inset), ring[0]]
        feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        text = json.dumps({"type": "FeatureCollection", "features": [feature]})
        (folder / "area.geojson").write_text(text, encoding="utf-8")

    def ride(
        self,
        rider: str | None,
        *,
        at: tuple[int, int] = (0, 0),
        to: tuple[int, int] = (1, 1),
        start: str = "2026-03-03T08:10:00",
        end: str | None = None,
        driver: str | None = None,
        station: str | None = None,
        trip: str | None = None,
    ) -> None:
        """Add one ride between the middles of two cells."""
        self._trips += 1
        (slon, slat), (elon, elat) = point(*at), point(*to)
        end = end or start[:14] + "50:00"
        trip = f"T{self._trips}" if trip is None else trip
        values = (trip, rider, driver, start, end, slon, slat, elon, elat, station)
        self.rows.append(dict(zip(FIELDS, values, strict=True)))

    def rides(self, riders: Iterable[str | None], **where: Any) -> None:
        """One ride of each rider."""
        for rider in riders:
            self.ride(rider, **where)

    def write(self, name: str = "rides.csv") -> Path:
        """Write the rides so far; null is an empty field."""
        lines = [",".join(FIELDS)]
        lines += [",".join("" if row[n] is None else str(row[n]) for n in FIELDS) for row in self.rows]
        path = self.folder / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def recipe(self, change: Callable[[dict[str, Any]], Any] | None = None, name: str = "recipe.yml") -> Path:
        """Write the rides and the recipe, changed by a function."""
        self.write()
        recipe = copy.deepcopy(RECIPE)
        if change is not None:
            change(recipe)
        path = self.folder / name
        path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
        return path

    def release(self, change: Callable[[dict[str, Any]], Any] | None = None, out: str = "out") -> Any:
        """Make a release; raises what ``release`` raises."""
        from anonkit.pipeline import release

        return release(self.recipe(change), out=self.folder / out)

    def table(self, kind: str, out: str = "out") -> list[dict[str, Any]]:
        """The written rows of a product."""
        import pyarrow.parquet as pq

        rows: list[dict[str, Any]] = pq.read_table(self.folder / out / f"{kind}.parquet").to_pylist()
        return rows

    def in_zones(self, names: dict[str, str]) -> Callable[[dict[str, Any]], None]:
        """Write the cells as zones ``z<column><row>`` in two districts, some by other names; a recipe that releases them."""
        west, south = FIRST_COLUMN * LON_STEP / 1e6 - 180, FIRST_ROW * LAT_STEP / 1e6 - 90
        features = []
        for column, row in ((column, row) for column in range(8) for row in range(8)):
            left, right = (west + (column + side) * LON_STEP / 1e6 for side in (0, 1))
            low, high = (south + (row + side) * LAT_STEP / 1e6 for side in (0, 1))
            ring = [(left, low), (right, low), (right, high), (left, high), (left, low)]
            name = names.get(f"z{column}{row}", f"z{column}{row}")
            told = {"zone": name, "district": "west" if column < 4 else "east"}
            shape = {"type": "Polygon", "coordinates": [ring]}
            features.append({"type": "Feature", "properties": told, "geometry": shape})
        path = self.folder / "zones.geojson"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")

        def change(recipe: dict[str, Any]) -> None:
            recipe["geo"] = {"zones": {"path": path.name, "id": "zone", "parents": ["district"]}}
            rolled = [{"level": "district", "bins": "1d"}]
            recipe["products"] = {"flows": {"level": "zone", "bins": "3h", "roll_up": rolled}}

        return change

    def run(self, out: str = "out") -> dict[str, Any]:
        """The run as it is kept inside."""
        run: dict[str, Any] = json.loads((self.folder / f"{out}.inside" / "run.json").read_text(encoding="utf-8"))
        return run

    def failed(self, out: str = "out") -> set[str]:
        """Names of the gate's checks that failed."""
        return {found["check"] for found in self.run(out)["findings"] if found["status"] == "FAIL"}

    def busy(self) -> Town:
        """Rides enough for all three products: 7 riders on each of 4 pairs of cells, 3 riders on a rare one."""
        for at, to in (((0, 0), (4, 0)), ((1, 1), (5, 1)), ((0, 4), (4, 4)), ((4, 4), (0, 0))):
            self.rides([f"P{number}" for number in range(7)], at=at, to=to)
        self.rides(["P1", "P2", "P3"], at=(7, 7), to=(6, 6))
        self.rides([f"P{number}" for number in range(10, 18)], at=(2, 2), to=(6, 2), start="2026-03-04T13:05:00")
        return self


@pytest.fixture
def town(tmp_path: Path) -> Town:
    """An empty town in a folder of its own."""
    return Town(tmp_path)


@pytest.fixture(scope="session")
def town_class() -> type[Town]:
    """For fixtures that live longer than one test."""
    return Town


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A released folder; read only: copy it before changing anything."""
    made = Town(tmp_path_factory.mktemp("bundle")).busy()
    made.release()
    return made.folder / "out"


@pytest.fixture
def anonkit(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run the command line in this process; its exit code."""

    def run(*arguments: object) -> int:
        from anonkit.cli import main

        monkeypatch.setattr(sys, "argv", ["anonkit", *map(str, arguments)])
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0)
        return 0

    return run


@pytest.fixture
def replace_everywhere(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, Any], None]:
    """Put a twin in the place of a function in every module of anonkit that knows it."""

    def put(original: Any, twin: Any) -> None:
        places = [
            (module, name)
            for module in list(sys.modules.values())
            if getattr(module, "__name__", "").startswith("anonkit")
            for name, value in list(vars(module).items())
            if value is original
        ]
        assert places
        for module, name in places:
            monkeypatch.setattr(module, name, twin)

    return put


class SeededMeasurement:
    """OpenDP's measurement with its own privacy map, whose noise comes from a seed."""

    def __init__(self, real: Any, noise: Any) -> None:
        self.map, self._noise = real.map, noise

    def __call__(self, values: list[int]) -> Any:
        return self._noise(len(values)) + values


@pytest.fixture
def seeded_noise(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All noise, choices and run keys of this test from a seed: the same law, the same draw every time.

    For tests of what is made of the noise (estimates, intervals, audits). That the noise itself has its law, and comes
    from the operating system, is held in test_mechanisms.py, which does not use this.
    """
    import numpy as np
    from anonkit.dp import choosing, mechanisms, mechanisms_diffprivlib, models

    rng = np.random.default_rng(zlib.crc32(request.node.name.encode()))
    real_laplace, real_gaussian = mechanisms._laplace, mechanisms._gaussian

    def laplace(scale: float) -> SeededMeasurement:
        stop = -np.expm1(-1 / scale)  # the difference of two geometric numbers is the discrete Laplace
        return SeededMeasurement(real_laplace(scale), lambda n: rng.geometric(stop, n) - rng.geometric(stop, n))

    def gaussian(scale: float) -> SeededMeasurement:
        return SeededMeasurement(real_gaussian(scale), lambda n: np.rint(rng.normal(0, scale, n)).astype(np.int64))

    choices = np.random.RandomState(int(rng.integers(2**32)))
    monkeypatch.setattr(mechanisms, "_laplace", laplace)
    monkeypatch.setattr(mechanisms, "_gaussian", gaussian)
    monkeypatch.setattr(
        mechanisms_diffprivlib,
        "PermuteAndFlip",
        partial(mechanisms_diffprivlib.PermuteAndFlip, random_state=choices),
    )
    monkeypatch.setattr(secrets, "randbits", lambda bits: int.from_bytes(rng.bytes(bits // 8), "little"))
    for module in (models, choosing):
        monkeypatch.setattr(module, "fresh_key", lambda: rng.bytes(32))


def _counting(name: str) -> Any:
    """A module of tests/recount under its own name; it imports nothing of anonkit."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "recount" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def recount() -> Any:
    """``Recount``, the class that counts a release again without anonkit."""
    return _counting("recount").Recount


@pytest.fixture(scope="session")
def recount_places(recount: Any) -> Any:
    """``PlacesRecount``: the same for stations, zones and visits."""
    return _counting("recount_places").PlacesRecount


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real datasets, or a skip."""
    folder = Path(os.environ.get("ANONKIT_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("needs the real datasets (ANONKIT_REAL_DATA, or ../shared/data)")
    return folder
