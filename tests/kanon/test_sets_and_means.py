"""k^m sets, microaggregation and presets."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

import numpy as np
import pytest
from anonkit.base.errors import RecipeError, SchemaError
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.microaggregation import microaggregate
from anonkit.kanon.mondrian import Raster
from anonkit.kanon.presets import PRESETS, preset, usable
from anonkit.kanon.setvalued import protect_sets
from hypothesis import given, settings
from hypothesis import strategies as st

PLACES = Hierarchy.from_levels("place", np.arange(6), {"half": [0, 0, 0, 1, 1, 1], "any": ["*"] * 6})


@settings(max_examples=50)
@given(
    days=st.lists(st.lists(st.integers(0, 5), max_size=4), min_size=2, max_size=25),
    ordered=st.booleans(),
    m=st.integers(1, 3),
    data=st.data(),
)
def test_each_combination_of_m_items_is_shared_by_k_persons(days, ordered, m, data) -> None:
    persons = data.draw(st.lists(st.integers(0, 9), min_size=len(days), max_size=len(days)))
    made = protect_sets(days, persons, PLACES, k=3, m=m, ordered=ordered)
    for size in range(1, m + 1):
        who = defaultdict(set)
        for items, person in zip(made.sets, persons, strict=True):
            for c in combinations(items, size):
                who[c].add(person)
        assert all(len(people) >= 3 for people in who.values())


def test_twin_sets_protected_for_one_item_leak_pairs() -> None:
    """Each place is visited by three persons, the pair (0, 3) by one."""
    days = [[0, 3], [0], [0], [3], [3]]
    alone = protect_sets(days, list(range(5)), PLACES, k=3, m=1)
    assert ("0", "3") in alone.sets
    assert ("0", "3") not in protect_sets(days, list(range(5)), PLACES, k=3, m=2).sets


def test_r01_a_set_of_nobody_supports_nothing() -> None:
    assert protect_sets([[0], [0], [0]], [1, 2, None], PLACES, k=3, m=1).sets == ((), (), ())


def test_r08_a_frequent_rider_is_one_point_and_means_are_of_k_persons() -> None:
    """Person 0 rides 50 times 1 km; persons 1 to 3 ride 2, 9, 10 km. Means over persons: (1 + 2)/2 and 9.5."""
    km, person = np.array([1.0] * 50 + [2.0, 9.0, 10.0]), np.array([0] * 50 + [1, 2, 3])
    made = microaggregate({"km": km}, person, k=2, rasters={"km": Raster(lower=0, upper=20, step=0.5)})
    assert sorted(set(made.values["km"].tolist())) == [1.5, 9.5]
    assert made.persons.tolist() == [2, 2]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 30), st.integers(-1, 15)), min_size=1, max_size=60), st.integers(2, 4))
def test_groups_hold_k_to_2k_persons(rows: list[tuple[float, int]], k: int) -> None:
    km, person = (np.array(c) for c in zip(*rows, strict=True))
    made = microaggregate({"km": km}, person, k=k, rasters={"km": Raster(lower=0, upper=20, step=1)})
    assert (made.persons >= k).all()
    assert (made.persons < 2 * k).all()
    assert np.isnan(made.values["km"][person < 0]).all()


def test_bounds_are_asked_for_not_read_from_the_data() -> None:
    with pytest.raises(SchemaError, match="one raster a column"):
        microaggregate({"km": np.ones(3)}, np.arange(3), k=2, rasters={})


def test_every_preset_cites_a_source_and_says_what_it_counts() -> None:
    assert set(PRESETS) == {
        "chicago_tnp", "chicago_escooter", "mds_reports", "austin", "calgary", "kansas_city", "minneapolis", "portland",
        "sharedstreets", "louisville",
    }  # fmt: skip
    for p in PRESETS.values():
        assert len(p.source) > 20
        assert p.counts == "trips"
    assert preset("mds_reports").suffices_for == "contract"
    assert {p.suffices_for for p in PRESETS.values() if p.least < 5} == {"inside"}


def test_an_unsafe_preset_cannot_be_used() -> None:
    with pytest.raises(RecipeError, match="one random offset moves both ends"):
        usable("louisville")
    with pytest.raises(RecipeError, match="no preset 'gotham'"):
        usable("gotham")


def test_chicago_rounds_as_published() -> None:
    rule = preset("chicago_tnp")
    assert [rule.round_epoch(s) for s in (449, 450, 900)] == [0, 900, 900]
    assert rule.round_money("tip", 2.4) == 2.0
