"""A vault with five journeys of three accounts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from anonkit.vault import Vault

KEY = bytes(range(32))
PAIRS = [("j1", "acc-leyla"), ("j2", "acc-leyla"), ("j3", "acc-murad"), ("j4", "acc-murad"), ("j5", "acc-nigar")]


@pytest.fixture
def reopen(tmp_path: Path) -> Callable[[], Vault]:
    return lambda: Vault(tmp_path / "vault", key=KEY, head=tmp_path / "second" / "head")


@pytest.fixture
def vault(tmp_path: Path, reopen: Callable[[], Vault]) -> Vault:
    (tmp_path / "second").mkdir()
    made = Vault.create(tmp_path / "vault", key=KEY, head=tmp_path / "second" / "head", by="Aysel Q.")
    made.store(PAIRS, by="Aysel Q.")
    return made
