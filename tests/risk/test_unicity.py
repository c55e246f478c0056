"""Unicity: raw place-times name people, classes of k persons do not, and the guard's removal is seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anonkit.base.errors import SchemaError
from anonkit.risk.incidence import combine
from anonkit.risk.unicity import square_cells, unicity_risk, unicity_surface
from hypothesis import given, settings
from hypothesis import strategies as st


def test_one_known_point_is_shared_and_two_are_not() -> None:
    # 0: {1, 2}, 1: {1, 3}, 2: {2, 3}: each point is shared by two, each pair is one person's.
    person, item = np.array([0, 0, 1, 1, 2, 2]), np.array([1, 2, 1, 3, 2, 3])
    one, two = unicity_risk(person, item, known=(1, 2), persons=9, seed=1)
    assert (one.value, two.value) == (0.0, 1.0)
    # Left out, exactly one other person holds each single point: the control of p = 1 is 1.
    assert (one.control, two.control) == (1.0, 0.0)
    assert two.maximum == two.percentile95 == 1.0


def test_r01_points_of_nobody_hide_nobody() -> None:
    person, item = np.array([0, -1, -1]), np.array([5, 5, 5])
    assert unicity_risk(person, item, known=(1,), persons=9, seed=1)[0].value == 1.0


def test_a_person_with_fewer_points_is_known_whole() -> None:
    person, item = np.array([0, 1, 1]), np.array([1, 1, 2])
    # p = 5: person 0 has only point 1, which both have; person 1 is alone with {1, 2}.
    assert unicity_risk(person, item, known=(5,), persons=9, seed=1)[0].value == 0.5


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), min_size=1, max_size=40))
def test_more_knowledge_never_singles_out_fewer(rows: list[tuple[int, int]]) -> None:
    table = np.array(rows)
    values = [f.value for f in unicity_risk(table[:, 0], table[:, 1], known=(1, 2, 3, 4), persons=9, seed=3)]
    assert values == sorted(values)


def test_raw_points_single_out_and_safe_classes_do_not(city: Any, guard: Callable[..., Any]) -> None:
    raw = unicity_risk(city.person, combine(city.start_cell, city.start_bin), known=(1, 4), persons=250, seed=2)
    assert raw[1].succeeds
    assert raw[1].value > 0.95
    origin, _, block = city.coarse(12, 6)
    kept = guard(city.person, origin, block, k=11)
    assert kept.mean() > 0.5
    safe = unicity_risk(city.person[kept], combine(origin[kept], block[kept]), known=(1,), persons=250, seed=2)[0]
    assert safe.value == 0
    assert safe.is_at_baseline(margin=0.02)
    # Mutation twin: without the guard, single classes of one person are left and found.
    bare = unicity_risk(city.person, combine(city.start_cell, block), known=(1,), persons=250, seed=2)[0]
    assert not bare.is_at_baseline(margin=0.02)


def test_surface_falls_with_resolution_and_keeps_the_same_persons(city: Any) -> None:
    fine, wide = city.coarse(1, 1), city.coarse(12, 1)
    surface = unicity_surface(
        city.person, {"1": fine[0], "12": wide[0]}, {"1 h": city.start_s // 3600, "1 d": city.start_s // 86400},
        known=(1, 2), persons=100, seed=4,
    )  # fmt: skip
    value = {(s.place, s.time): s.figures[1].value for s in surface}
    assert value["1", "1 h"] >= value["1", "1 d"]
    assert value["1", "1 h"] > value["12", "1 d"]
    assert all(s.figures[0].persons == 100 for s in surface)


def test_known_is_checked() -> None:
    with pytest.raises(SchemaError, match="at least 1"):
        unicity_risk(np.array([0]), np.array([0]), known=(0,), persons=1, seed=1)


@pytest.mark.real
def test_drivers_of_a_workplace_charger_are_singled_out_by_four_hours(real_data: Path) -> None:
    table = pd.read_csv(real_data / "ev_workplace/sessions.csv")
    hour = pd.to_datetime("2" + table["created"].str[1:]).astype("datetime64[s]").astype(np.int64).to_numpy() // 3600
    person = table["userId"].astype("category").cat.codes.to_numpy()
    found = unicity_risk(
        person, combine(table["stationId"].to_numpy(), hour), known=(1, 2, 4), persons=85, seed=7, draws=50
    )
    assert found[0].persons == 85
    assert found[2].succeeds
    assert found[0].value > 0.9


@pytest.mark.real
def test_porto_callers_are_singled_out_by_one_trip_start(real_data: Path) -> None:
    table = pd.read_csv(real_data / "porto_taxi/trips.csv")
    table = table[table["ORIGIN_CALL"].notna() & (table["POLYLINE"].str.len() > 4)]
    first = table["POLYLINE"].str.extract(r"\[\[(-?[\d.]+),(-?[\d.]+)\]").astype(float).to_numpy()
    cell = square_cells(first[:, 0], first[:, 1], cell_m=500, latitude=41.15)
    person = table["ORIGIN_CALL"].astype("category").cat.codes.to_numpy()
    found = unicity_risk(
        person, combine(cell, table["TIMESTAMP"].to_numpy() // 3600), known=(1, 2), persons=999, seed=7
    )
    assert found[0].persons > 190
    assert found[0].succeeds


def test_the_compiled_walk_and_the_plain_arrays_count_the_same_people() -> None:
    from anonkit.risk._unicity_kernel import walk_holders
    from anonkit.risk.incidence import incidence
    from anonkit.risk.unicity import drawn_points, persons_who_fit

    rng = np.random.default_rng(7)
    for rows in (1, 9, 60, 400):
        table = incidence(rng.integers(0, 9, rows), rng.integers(0, 15, rows))
        targets = np.arange(table.persons)
        points = drawn_points(table, targets, 4, rng)
        walked = walk_holders(targets, points, table.item_start, table.holder)
        assert np.array_equal(persons_who_fit(table, targets, points), walked)
