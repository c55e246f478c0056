"""The release as one system: an attacker with every published number of a release solves for groups of a few people.

He sees trips, flows, departures and arrivals with all roll-ups as sums over groups of trips (base origin, destination and
bin), knows which groups are empty, and the totals of the bins in which volumes are published.
"""

from __future__ import annotations

import random
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anonkit.classes import Protection
from anonkit.geo import Grid, TimeBins
from anonkit.kanon import decide, lots
from anonkit.kanon.system import Beside, suppress_beside
from anonkit.pipeline.steps import SafeProducts, generalise, prepare, read_trips, safe_products

COLUMNS = {
    "trip": "id",
    "person": "rider",
    "start": "start",
    "end": "end",
    "start_lon": "slon",
    "start_lat": "slat",
    "end_lon": "elon",
    "end_lat": "elat",
}
BINS = TimeBins("1h", zone="UTC")
RELEASES: list[dict[str, Any]] = [
    {"flows": {"cell_m": 1000, "bins": "3h"}, "volumes": {"cell_m": 4000, "bins": "6h"}},
    {"volumes": {"cell_m": 2000, "bins": "3h", "roll_up": [{"cell_m": 4000, "bins": "6h"}]}},
    {
        "trips": {"cell_m": 1000, "bins": "3h", "rows_per_person": 2},
        "flows": {"cell_m": 1000, "bins": "3h", "roll_up": [{"cell_m": 2000, "bins": "6h"}]},
        "volumes": {"cell_m": 4000, "bins": "6h"},
    },
    {
        "flows": {"cell_m": 1000, "bins": "1h"},
        "volumes": {"cell_m": 2000, "bins": "3h", "roll_up": [{"cell_m": 4000, "bins": "1d"}]},
    },
]


def stands(lot: Any, standing: Any, **_: Any) -> Beside:
    """The twin of ``suppress_beside``: nothing falls."""
    return Beside(stands=tuple(one.stands for one in standing), fallen=(0,) * len(standing), cuts=0)


def decided(town: Any, products: dict[str, Any], k: int) -> SafeProducts:
    ready = prepare(read_trips(town.write(), source="town", columns=COLUMNS, time={"zone": "UTC"}))
    grid = Grid(cell_m=1000, latitude=42.4, area=town.folder / "area.geojson", levels=3)
    setting: dict[str, Any] = {"protect": {"person": k}, "dominance": "1", "l_places": 1, "products": products}
    return safe_products(generalise(ready, cells=grid, bins=BINS), cells=grid, bins=BINS, **setting)


def crowd(town: Any, seed: int) -> Any:
    """A few dozen rides between five places, most of them within two districts."""
    draw = random.Random(seed)
    places = [(0, 0), (2, 1), (5, 0), (7, 6), (0, 7)]
    for _ in range(draw.choice([40, 60, 90])):
        at = draw.choice(places)
        to = at if draw.random() < 0.5 else draw.choice(places)
        rider = f"P{draw.randrange(25)}"
        town.ride(
            rider, at=at, to=to, start=f"2026-03-0{draw.choice([3, 3, 4])}T{draw.choice([7, 8, 10, 14]):02d}:10:00"
        )
    return town


def isolated(safe: SafeProducts, k: int) -> list[set[int]]:
    """Groups of 1 … k-1 persons whose trips follow from the published numbers."""
    person, sets, _ = safe.behind()
    if not sets:
        return []
    rows = safe.session.sql(
        "SELECT start_cell, end_cell, start_bin FROM {rows} ORDER BY trip", rows=safe.decisions.rows
    )
    base = list(zip(*(rows.column(name).to_pylist() for name in ("start_cell", "end_cell", "start_bin")), strict=True))
    volumes = [step for step in safe.decisions.steps if step.part.end is not None]
    width = volumes[-1].step.at.bins.seconds // BINS.seconds
    told = {int(row) for entry in sets for row in entry}
    live = {base[row][2] // width for row in told}
    equations = [np.isin(np.arange(len(base)), entry) for entry in sets]
    equations += [np.array([place[2] // width == one for place in base]) for one in live]
    table = np.array(equations, dtype=float)
    groups: dict[tuple[Any, ...], list[int]] = {}  # trips that no equation tells apart are one unknown
    for row in range(len(base)):
        groups.setdefault(tuple(table[:, row]), []).append(row)
    groups.pop((0.0,) * len(equations), None)
    unknown = list(groups.values())
    matrix = np.array([[signature[n] for signature in groups] for n in range(len(equations))])
    _, values, right = np.linalg.svd(matrix)
    free = right[int((values > 1e-9).sum()) :]
    moving = np.flatnonzero(np.abs(free).max(axis=0, initial=0) > 1e-9)
    found = []
    for at in sorted(set(range(len(unknown))) - set(moving)):  # known by itself
        if len({int(person[row]) for row in unknown[at]}) < k:
            found.append(set(unknown[at]))
    for piece in _pieces(free[:, moving]):
        mine = moving[piece]
        choice = _sets(len(mine))
        known = choice[np.abs(choice @ free[:, mine].T).max(axis=1) < 1e-9]
        for one in known:
            rows_ = {row for number, at in enumerate(mine) if one[number] for row in unknown[at]}
            if len({int(person[row]) for row in rows_}) < k:
                found.append(rows_)
    return found


def _sets(count: int) -> np.ndarray:
    """All sets of so many unknowns; of very many, those of up to five."""
    if count <= 16:
        return np.array(list(product([0, 1], repeat=count)), dtype=float)[1:]
    chosen = [one for size in range(1, 6) for one in combinations(range(count), size)]
    table = np.zeros((len(chosen), count))
    for number, one in enumerate(chosen):
        table[number, list(one)] = 1
    return table


def _pieces(free: np.ndarray) -> list[np.ndarray]:
    """Unknowns that move together in the projection onto the null space."""
    linked = np.abs(free.T @ free) > 1e-9
    left, pieces = set(range(linked.shape[0])), []
    while left:
        piece, wave = set(), {left.pop()}
        while wave:
            piece |= wave
            wave = {int(n) for at in wave for n in np.flatnonzero(linked[at])} - piece
        left -= piece
        pieces.append(np.array(sorted(piece)))
    return pieces


@pytest.mark.parametrize(("seed", "products"), list(enumerate(RELEASES)))
def test_r11_attacker_with_every_published_number_isolates_nobody(town: Any, seed: int, products: Any) -> None:
    safe = decided(crowd(town, seed), products, 4)
    assert len(safe.behind()[1]) >= 3  # not for want of a release
    assert isolated(safe, 4) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 60))
def test_r11_attacker_with_every_number_of_many_releases_isolates_nobody(town: Any, seed: int) -> None:
    k = 3 + seed % 3
    assert isolated(decided(crowd(town, seed), RELEASES[seed % len(RELEASES)], k), k) == []


def test_r11_twin_without_the_system_is_isolated_in_some_release(
    town_class: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decide, "suppress_beside", stands)
    leaks = 0
    for seed in (0, 1, 4):
        folder = tmp_path / str(seed)
        folder.mkdir()
        leaks += len(isolated(decided(crowd(town_class(folder), seed), RELEASES[seed % 2], 4), 4))
    assert leaks > 0


@pytest.mark.parametrize(("seed", "products"), [(1, RELEASES[1]), (2, RELEASES[2])])
def test_lots_of_one_bin_decide_what_the_whole_does(
    town: Any, seed: int, products: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd(town, seed)
    whole = decided(town, products, 3)
    monkeypatch.setattr(lots, "AT_ONCE", 1)
    monkeypatch.setattr(lots, "LOTS", 10**9)
    apart = decided(town, products, 3)
    steps = tuple(one.step for one in apart.decisions.steps)
    assert len(list(lots.read_rows(apart.decisions.rows, steps, setting_of(apart)))) > 2
    assert sum(len(whole.published(part)) for part in whole.parts) > 0
    for part in whole.parts:
        for mine, other in ((whole.published(part), apart.published(part)), (whole.classes(part), apart.classes(part))):
            keys = list(mine.columns)
            pd.testing.assert_frame_equal(
                mine.sort_values(keys, ignore_index=True), other.sort_values(keys, ignore_index=True)
            )


def setting_of(safe: SafeProducts) -> lots.Setting:
    protection = Protection(unit="person", k=3)
    return lots.Setting(grid=safe.cells, base=safe.bins, protection=protection, session=safe.session)


def districts(town: Any) -> Any:
    """At eight, two riders go from the west to the east; all others stay in theirs. At two, everybody goes everywhere."""
    town.rides([f"W{n}" for n in range(12)], at=(0, 0), to=(1, 2))
    for number, (one, other) in enumerate(
        [((0, 1), (2, 3)), ((1, 1), (3, 3)), ((2, 0), (0, 3)), ((3, 0), (1, 0)), ((0, 2), (3, 1))]
    ):
        town.ride(f"V{number}", at=one, to=other)
        town.ride(f"E{number}", at=(one[0] + 4, one[1] + 4), to=(other[0] + 4, other[1] + 4))
    town.rides(["A", "B"], at=(0, 3), to=(6, 5))
    for at in ((1, 1), (6, 6)):
        for to in ((2, 2), (5, 5)):
            town.rides([f"L{at[0]}{to[0]}{n}" for n in range(8)], at=at, to=to, start="2026-03-04T14:00:00")
    return town


LEVELS = {"flows": {"cell_m": 1000, "bins": "3h"}, "volumes": {"cell_m": 4000, "bins": "3h"}}


def test_r11_two_who_leave_their_district_are_not_given_away(town: Any) -> None:
    # departures west 19, told 12, arrivals west 17, told 12: 7 - 5 = 2 went to the east
    safe = decided(districts(town), LEVELS, 5)
    assert isolated(safe, 5) == []
    assert sum(step.suppressed_system for step in safe.decisions.steps) > 0
    assert safe.published("flows")["trips"].sum() == 12 + 32  # only volumes of the morning fell
    assert len(safe.published("volumes:start")) + len(safe.published("volumes:end")) >= 4


def test_r11_twin_without_the_system_gives_the_two_away(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decide, "suppress_beside", stands)
    safe = decided(districts(town), LEVELS, 5)
    person, _, _ = safe.behind()
    leaks = isolated(safe, 5)
    assert any(len({int(person[row]) for row in rows}) == 2 for rows in leaks)


def test_r11_leak_of_rows_and_columns_ends_with_exit_3(town: Any, anonkit: Any, replace_everywhere: Any) -> None:
    def change(recipe: dict[str, Any]) -> None:
        recipe["products"] = LEVELS

    path = districts(town).recipe(change)
    assert anonkit("release", path, "--out", town.folder / "sound", "--quiet") == 0
    replace_everywhere(suppress_beside, stands)
    assert anonkit("release", path, "--out", town.folder / "out", "--quiet") == 3
    assert not (town.folder / "out").exists()
    assert town.failed() == {"linear_system"}
