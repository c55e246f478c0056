"""Shared by the tests of dp: the populations of the conformance folder, ledgers, and a ledger that only nods."""

from __future__ import annotations

import importlib.util
import os
import secrets
import zlib
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from anonkit.dp import choosing, mechanisms, mechanisms_diffprivlib, models
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


class SeededMeasurement:
    """OpenDP's measurement with its own privacy map, whose noise comes from a seed."""

    def __init__(self, real: Any, noise: Any) -> None:
        self.map, self._noise = real.map, noise

    def __call__(self, values: list[int]) -> np.ndarray:
        return np.asarray(values, np.int64) + self._noise(len(values))


@pytest.fixture
def seeded_noise(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All noise, choices and run keys of this test from a seed: the same law, the same draw every time.

    For tests of what is made of the noise (estimates, intervals, audits). That the noise itself has its law, and comes
    from the operating system, is held in test_mechanisms.py, which does not use this.
    """
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
