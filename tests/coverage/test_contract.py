"""What coverage may read: published products. Raw fixes, walks and trips are refused, and cannot be reached by import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import anonkit
import numpy as np
import pandas as pd
import pytest
from anonkit import coverage as room
from anonkit.base.errors import PrivacyLeakError, SchemaError
from anonkit.geo.networks import Plane
from anonkit.geo.networks_cells import network_from_cells, square_cells
from anonkit.kanon.routes_product import RouteProduct

FOLDER = Path(anonkit.__file__).parent / "coverage"
RAW = {"matching", "matching_index", "matching_kernels", "trimming", "sources", "prepare", "engine", "vault", "ledger"}
X, Y, PAIRS = square_cells(width=3, height=3, cell_m=100)
TOWN = network_from_cells(centre_x=X, centre_y=Y, neighbours=PAIRS, speed_kmh=36, plane=Plane())


def imports(source: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= set(node.module.split(".")) | {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {part for alias in node.names for part in alias.name.split(".")}
    return names


def test_r30_no_module_of_coverage_imports_what_knows_raw_routes() -> None:
    files = sorted(FOLDER.glob("*.py"))
    assert len(files) >= 3
    for file in files:
        assert not imports(file.read_text(encoding="utf-8")) & (RAW | {"Walks", "Matched", "Riders", "duckdb"}), (
            file.name
        )
    # the twin: the check sees an import when there is one
    assert imports("from anonkit.geo.matching import Walks") & RAW


def test_r30_importing_coverage_loads_no_matcher() -> None:
    code = (
        "import sys, anonkit.coverage;"
        "raw = [m for m in sys.modules if m.startswith('anonkit.geo.matching') or m.startswith('anonkit.geo.trimming')];"
        "assert not raw, raw"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def speeds_of_town() -> RouteProduct:
    return RouteProduct("speeds", pd.DataFrame({"link": [0], "speed_kmh": [36.0]}), TOWN.digest, {"k": 5})


def raw_things() -> list[Any]:
    fixes = pd.DataFrame({"trip": [1], "time_s": [0], "lon": [49.8], "lat": [40.4]})
    return [fixes, fixes.to_numpy(), {"link": [1]}, [1, 2], None]


@pytest.mark.parametrize("raw", raw_things(), ids=["frame", "array", "dict", "list", "none"])
def test_r30_every_function_refuses_what_is_no_product(raw: Any) -> None:
    calls = [
        lambda: room.coverage(raw, network=TOWN),
        lambda: room.coverage_curve(raw, network=TOWN),
        lambda: room.evenness(raw, network=TOWN),
        lambda: room.redundancy(raw, network=TOWN),
        lambda: room.gaps(raw, raw, cells=[1], least=1),
        lambda: room.detours(raw, network=TOWN),
        lambda: room.before_after(raw, raw, network=TOWN),
        lambda: room.link_times(raw, TOWN),
        lambda: room.savings(raw, room.link_times(speeds_of_town(), TOWN)),
    ]
    for call in calls:
        with pytest.raises(PrivacyLeakError, match="is no published product"):
            call()


@pytest.mark.parametrize("column", ["trip", "person", "driver", "vehicle", "time_s", "lon", "enter_s", "persons"])
def test_r30_a_product_has_no_room_for_raw_columns(column: str) -> None:
    table = pd.DataFrame({"link": [0], "trips": [5], column: [1]})
    with pytest.raises(PrivacyLeakError, match="columns that no published table has"):
        RouteProduct("link_volumes", table, TOWN.digest, {"k": 5})


@pytest.mark.parametrize("parameters", [{}, {"k": 1}, {"k": None}, {"epsilon": 0}])
def test_r30_a_product_names_what_protects_it(parameters: dict[str, Any]) -> None:
    with pytest.raises(PrivacyLeakError, match="neither k nor epsilon"):
        RouteProduct("link_volumes", pd.DataFrame({"link": [0], "trips": [5]}), TOWN.digest, parameters)


def test_a_product_of_the_wrong_kind_is_refused() -> None:
    product = RouteProduct("link_volumes", pd.DataFrame({"link": [0], "trips": [5]}), TOWN.digest, {"k": 5})
    with pytest.raises(SchemaError, match="takes speeds, not link_volumes"):
        room.link_times(product, TOWN)
    with pytest.raises(SchemaError, match=r"lack the columns \['link'\]"):
        RouteProduct("link_volumes", pd.DataFrame({"trips": [5]}), TOWN.digest, {"k": 5})


def test_products_of_another_network_are_refused() -> None:
    product = RouteProduct("link_volumes", pd.DataFrame({"link": [0], "trips": [5]}), "other", {"k": 5})
    with pytest.raises(SchemaError, match="another street network"):
        room.coverage(product, network=TOWN)
    assert np.isfinite(TOWN.length_m).all()
