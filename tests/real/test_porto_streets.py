"""Real taxis on real streets of another year: how much is matched, and how long the routes are (``docs/ROUTES.md``)."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from anonkit.geo.matching import MatchSettings


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
