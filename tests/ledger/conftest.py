"""A small ledger and an event of epsilon 0.25 that fits it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anonkit.ledger import Event, Ledger


@pytest.fixture
def make_ledger(tmp_path: Path) -> Callable[..., Ledger]:
    def make(name: str = "baku.ledger", **terms: Any) -> Ledger:
        fixed: dict[str, Any] = {
            "dataset": "baku",
            "privacy_unit": "person_period",
            "period": "month",
            "epsilon_cap": 1.0,
            "delta_cap": 0.0,
            "neighbours": "add_or_remove",
        }
        return Ledger.create(tmp_path / name, **{**fixed, **terms})

    return make


@pytest.fixture
def make_event() -> Callable[..., Event]:
    def make(**given: Any) -> Event:
        frozen: dict[str, Any] = {
            "release": "baku-2026q3",
            "product": "flows",
            "periods": ("2026-07",),
            "mechanism": "discrete_laplace",
            "sensitivity": 2,
            "scale": 8.0,
            "bounds": {"max_trips": 2},
            "keys_hash": "9f86d081",
            "draws": 1,
            "privacy_unit": "person_period",
            "neighbours": "add_or_remove",
        }
        if "epsilon" in given:
            frozen |= {"mechanism": "approximate", "sensitivity": None, "scale": None, "delta": 0.0}
        return Event(**{**frozen, **given})

    return make
