"""A small seeded city for the attacks: homes, work places, habits; and a guard that can be taken away."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from anonkit.risk.incidence import combine, incidence
from numpy.typing import NDArray

Ints = NDArray[np.int64]
SIDE = 24
DAY = 86_400


@dataclass(frozen=True)
class City:
    """One row a trip; cells are numbers of a SIDE × SIDE grid."""

    person: Ints
    start_cell: Ints
    end_cell: Ints
    start_s: Ints
    end_s: Ints

    @property
    def start_bin(self) -> Ints:
        return self.start_s // 3600

    def coarse(self, factor: int, hours: int) -> tuple[Ints, Ints, Ints]:
        """Origin, destination and time on a grid coarser by ``factor``."""

        def cell(code: Ints) -> Ints:
            return (code // SIDE // factor) * SIDE + code % SIDE // factor

        return cell(self.start_cell), cell(self.end_cell), self.start_s // (3600 * hours)


def make_city(persons: int, days: int, seed: int) -> City:
    rng = np.random.default_rng(seed)
    home, work = rng.integers(0, SIDE**2, persons), rng.integers(0, SIDE**2, persons)
    other = rng.integers(0, SIDE**2, (persons, 3))
    rows: list[tuple[int, int, int, int, int]] = []
    for p in range(persons):
        for d in range(days):
            out = d * DAY + int(rng.normal(8.5, 1) * 3600)
            back = d * DAY + int(rng.normal(17.5, 1.5) * 3600)
            rows.append((p, home[p], work[p], out, out + 1500))
            if rng.random() < 0.3:
                stop = other[p, rng.integers(3)]
                rows.append((p, work[p], stop, back, back + 1200))
                rows.append((p, stop, home[p], back + 5000, back + 6200))
            else:
                rows.append((p, work[p], home[p], back, back + 1500))
    table = np.array(rows, np.int64)
    return City(*table[rng.permutation(len(table))].T)


def safe_rows(person: Ints, *columns: Ints, k: int) -> NDArray[np.bool_]:
    """Rows whose class holds at least k persons: the guard of a k-anonymous product."""
    item = combine(*columns)
    table = incidence(person, item)
    persons = np.diff(table.item_start)
    return persons[np.searchsorted(table.item_code, item)] >= k


@pytest.fixture(scope="session")
def city() -> City:
    return make_city(persons=250, days=12, seed=11)


@pytest.fixture(scope="session")
def guard() -> Callable[..., NDArray[np.bool_]]:
    return safe_rows


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = Path(os.environ.get("ANONKIT_REAL_DATA", Path(__file__).parents[2] / "../shared/data"))
    if not folder.exists():
        pytest.skip("the real datasets are missing (ANONKIT_REAL_DATA or ../shared/data)")
    return folder
