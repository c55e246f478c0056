"""Shared by the tests of dp: the populations of the conformance folder, ledgers, and a ledger that only nods."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from anonkit.dp.flow_kernel import FlowKeys
from anonkit.dp.public import PublicZones
from anonkit.ledger import Ledger

ROOT = Path(__file__).resolve().parents[2]


class NoddingLedger:
    """Lets everything pass and remembers the events: for statistics over thousands of draws, never outside tests."""

    def __init__(self, privacy_unit: str = "person") -> None:
        self.terms = SimpleNamespace(privacy_unit=privacy_unit, neighbours="add_or_remove")
        self.events: list[Any] = []

    def check(self, events: Any) -> None:
        pass

    def reserve(self, event: Any) -> Any:
        self.events.append(event)
        return SimpleNamespace(check_draw=lambda **_: None, confirm=lambda: None)


@pytest.fixture
def nodding() -> NoddingLedger:
    return NoddingLedger()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.create(
        tmp_path / "city.ledger",
        dataset="city",
        privacy_unit="person",
        period="month",
        epsilon_cap=10.0,
        delta_cap=1e-6,
        neighbours="add_or_remove",
    )


def grid_zones(side: int, step_m: float = 1000.0) -> PublicZones:
    y, x = np.divmod(np.arange(side * side), side)
    return PublicZones.declared(np.arange(side * side), x_m=x * step_m, y_m=y * step_m, source="test grid")


@pytest.fixture(scope="session")
def zones36() -> PublicZones:
    return grid_zones(6)


@pytest.fixture(scope="session")
def keys36(zones36: PublicZones) -> FlowKeys:
    return FlowKeys.of(zones36.pairs(), zones36)


@pytest.fixture(scope="session")
def conformance() -> Any:
    """The module conformance/od_populations.py, with ``trips`` set to the path of the Oldenburg trips."""
    data = Path(os.environ.get("ANONKIT_REAL_DATA", ROOT.parent / "shared" / "data"))
    trips, script = data / "oldenburg" / "trips.parquet", data.parent / "conformance" / "od_populations.py"
    if not trips.exists() or not script.exists():
        pytest.skip("needs the real datasets (ANONKIT_REAL_DATA, or ../shared/data) and ../shared/conformance")
    spec = importlib.util.spec_from_file_location("od_populations", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.cells = module.oldenburg_cells(str(trips))
    module.kernel = np.bincount(module.cells, minlength=36 * 36).reshape(36, 36).astype(float)
    return module
