"""Adaptive recoding is a partition, its rests hold k, and the refinement attack is run on it (ruling 9)."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from anonkit.base.errors import SchemaError
from anonkit.kanon.adaptive import adapt
from anonkit.kanon.adaptive_attack import attack_boxes, interval
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.mondrian import Raster, partition
from hypothesis import given, settings
from hypothesis import strategies as st

ZONE = Hierarchy.from_levels("zone", np.arange(4), {"half": [0, 0, 1, 1], "any": [0] * 4})


def test_r09_a_rest_is_named_and_holds_only_what_finer_classes_left() -> None:
    """k=2. Zone 0: persons 0, 1 released. Zones 1 (2), 2 (3), 3 (4) have one each: together a rest of all, 3 persons.

    Seven public zones are left, six of them could hold the three: nothing is certain.
    """
    zone = Hierarchy.from_levels("zone", np.arange(8), {"any": ["city"] * 8})
    codes = np.array([0, 0, 1, 2, 3])
    made = adapt([zone], [codes], np.arange(5), k=2, steps=[(0,), (1,)])
    assert made.labels([zone], [codes]) == [("0",), ("0",), ("rest of city",), ("rest of city",), ("rest of city",)]
    assert made.persons.tolist() == [2, 3]
    assert made.rests.tolist() == [False, True]


def test_r09_a_rest_that_fills_all_its_places_is_refused() -> None:
    """The same in four zones: three places below k=2 share three persons, so each holds exactly one."""
    made = adapt([ZONE], [np.array([0, 0, 1, 2, 3])], np.arange(5), k=2, steps=[(0,), (2,)])
    assert made.step.tolist() == [0, 0, -1, -1, -1]


def test_r09_the_attack_finds_a_rest_with_too_few_places() -> None:
    """k=3, half 0: zone 0 holds persons 0, 1, zone 1 holds 2, 3. Two places share 4 persons and none holds 3:
    each holds at least 4 - 1·2 = 2 of them: a class of two persons is shown in a known zone."""
    codes = np.array([0, 0, 1, 1, 2, 2, 2])
    shown = adapt([ZONE], [codes], np.arange(7), k=3, steps=[(0,), (1,)], refuse_refined=False)
    assert not shown.attack.passed
    assert shown.attack.fewest.tolist() == [2]
    kept = adapt([ZONE], [codes], np.arange(7), k=3, steps=[(0,), (1,)])
    assert kept.attack.passed
    assert kept.step.tolist() == [-1] * 4 + [0] * 3


@pytest.mark.parametrize(("persons", "places", "k"), [(4, 2, 3), (5, 3, 3), (6, 2, 5), (6, 4, 3), (7, 5, 4)])
def test_the_interval_is_what_enumeration_of_all_tables_gives(persons: int, places: int, k: int) -> None:
    """Distinct persons, each in one place; every split whose parts are below k."""
    fits = [c for c in itertools.product(range(k), repeat=places) if sum(c) == persons]
    fewest, most = interval(np.array([persons]), np.array([places]), k=k)
    assert fewest[0] == min(c[0] for c in fits)
    assert most[0] == max(c[0] for c in fits)


@settings(max_examples=60)
@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(-1, 8)), min_size=1, max_size=60),
    k=st.integers(2, 4),
)
def test_every_released_class_holds_k_and_no_row_is_released_twice(rows: list[tuple[int, int, int]], k: int) -> None:
    zone, hour, person = (np.array(c) for c in zip(*rows, strict=True))
    time = Hierarchy.flat("hour", np.arange(3))
    made = adapt([ZONE, time], [zone, hour], person, k=k, steps=[(0, 0), (1, 0), (1, 1), (2, 1)])
    labels = made.labels([ZONE, time], [zone, hour])
    for text in {t for t in labels if t is not None}:
        inside = {int(p) for p, t in zip(person, labels, strict=True) if t == text} - {-1}
        assert len(inside) >= k
    assert ((made.step < 0) == (made.group < 0)).all()
    assert made.attack.passed
    finest = {(z, h) for z, h, s in zip(zone, hour, made.step, strict=True) if s == 0}
    assert all(s == 0 for z, h, s in zip(zone, hour, made.step, strict=True) if (z, h) in finest)


def test_steps_that_grow_finer_are_refused() -> None:
    with pytest.raises(SchemaError, match="grow coarser"):
        adapt([ZONE], [np.array([0])], np.array([0]), k=2, steps=[(1,), (0,)])


def test_r01_boxes_hold_k_persons_not_rows() -> None:
    """Six rows of two persons on the left, two persons on the right: k=2 in rows would cut the left again."""
    x = np.array([1, 1, 1, 2, 2, 2, 8, 9], dtype=float)
    person = np.array([0, 0, 0, 1, 1, 1, 2, 3])
    boxes = partition({"x": x}, person, k=2, rasters={"x": Raster(lower=0, upper=10, step=1)})
    assert boxes.persons.tolist() == [2, 2]
    rows = partition({"x": x}, np.arange(8), k=2, rasters={"x": Raster(lower=0, upper=10, step=1)})
    assert len(rows.persons) > 2


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(-5, 15), st.floats(0, 4), st.integers(-1, 12)), min_size=1, max_size=80))
def test_boxes_tile_the_public_domain_and_hold_k(rows: list[tuple[float, float, int]]) -> None:
    x, y, person = (np.array(c) for c in zip(*rows, strict=True))
    rasters = {"x": Raster(lower=0, upper=10, step=1), "y": Raster(lower=0, upper=4, step=0.5)}
    boxes = partition({"x": x, "y": y}, person, k=3, rasters=rasters)
    area = (boxes.upper - boxes.lower).prod(axis=1).sum()
    assert area == pytest.approx(40.0 if len(boxes.persons) else 0.0)
    for number in range(len(boxes.persons)):
        assert len({int(p) for p in person[boxes.box == number]} - {-1}) >= 3
    assert attack_boxes(boxes, [1, 0.5], k=3).attacked == len(boxes.persons)


@pytest.mark.parametrize("steps", [[(0, 1)], [(7,)], [(-1,)], [(0,), (1, 0)]])
def test_a_step_without_one_level_of_each_hierarchy_is_refused(steps: list[tuple[int, ...]]) -> None:
    zone = Hierarchy.flat("zone", ["a", "b"])
    with pytest.raises(SchemaError, match="one level of each hierarchy"):
        adapt([zone], [np.array([0, 1])], np.array([0, 1]), k=2, steps=steps)
