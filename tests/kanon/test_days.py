"""Sets and sequences of a person's day: any m places are shared by k people, of the day where it is told."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anonkit.base.errors import SchemaError
from anonkit.kanon.days import DaySets
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.schema import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

ZONE = Hierarchy.from_levels("zone", np.arange(6), {"half": ["h0", "h0", "h0", "h1", "h1", "h1"], "any": ["*"] * 6})


def sets(**more: Any) -> DaySets:
    settings_ = {"k": 3, "m": 2, "hierarchy": ZONE, "protect": "person", "day": "day", "tell_day": True, **more}
    return DaySets(**settings_)


def trips(seed: int, rows: int) -> pd.DataFrame:
    g = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "zone": g.integers(0, 6, rows),
            "person": [f"p{n}" for n in g.integers(0, 12, rows)],
            "day": g.integers(1, 4, rows),
            "hour": g.permutation(rows),
        }
    )


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000), rows=st.integers(1, 80), m=st.integers(1, 3), ordered=st.booleans(), told=st.booleans()
)
def test_each_combination_is_shared_by_k_people_of_the_day(
    seed: int, rows: int, m: int, ordered: bool, told: bool
) -> None:
    table = trips(seed, rows)
    anon = sets(m=m, tell_day=told, order="hour" if ordered else None)
    released = anon.fit_transform(table)
    # a person has one row a day: of a told day rows are people; pooled, k people are no fewer than k rows over the days
    for _, day in released.groupby("day") if told else [(0, released)]:
        who = defaultdict(int)
        for places in day["places"]:
            for size in range(1, m + 1):
                for c in set(combinations(places.split(" > " if ordered else " + "), size)):
                    who[c] += 1
        assert all(count >= 3 for count in who.values())
    assert 0 <= anon.left_out_ <= rows


def test_twin_that_pools_days_tells_a_day_of_one_person() -> None:
    """Three people visit zone 0, each on a day of his own: pooled they are three, of each told day one."""
    table = pd.DataFrame({"zone": [0, 0, 0], "person": ["a", "b", "c"], "day": [1, 2, 3], "hour": 0})
    assert sets(tell_day=False).fit_transform(table)["places"].tolist() == ["0", "0", "0"]
    assert sets(tell_day=True).fit_transform(table).empty


def test_r01_one_person_on_many_days_is_one() -> None:
    table = pd.DataFrame({"zone": [0] * 5, "person": ["a"] * 5, "day": range(5), "hour": 0})
    anon = sets(tell_day=False)
    assert anon.fit_transform(table).empty
    assert anon.left_out_ == 5


def test_order_of_the_day_is_protected_where_it_is_told() -> None:
    """Three ride 0 then 3, three 3 then 0: as sets six share both; in order three and three."""
    there = pd.DataFrame({"zone": [0, 3] * 3, "person": np.repeat(list("abc"), 2), "day": 1, "hour": [0, 1] * 3})
    back = pd.DataFrame({"zone": [3, 0] * 3, "person": np.repeat(list("def"), 2), "day": 1, "hour": [0, 1] * 3})
    table = pd.concat([there, back])
    assert sets(k=6).fit_transform(table)["places"].tolist() == ["0 + 3"] * 6
    in_order = sets(k=3, order="hour").fit_transform(table)["places"]
    assert in_order.value_counts().to_dict() == {"0 > 3": 3, "3 > 0": 3}
    assert set(sets(k=6, order="hour").fit_transform(table)["places"]) <= {"*"}


def test_only_places_and_the_told_day_leave() -> None:
    released = sets().fit(trips(1, 80)).transform(trips(1, 80))
    assert released.columns.tolist() == ["day", "places"]
    assert sets(tell_day=False).fit_transform(trips(1, 80)).columns.tolist() == ["places"]
    engine = Table.of(trips(1, 80), roles={"person": "pseudonym"})
    pd.testing.assert_frame_equal(released, sets().fit_transform(engine))
    pd.testing.assert_frame_equal(released, sets().fit_transform(trips(1, 80).sample(frac=1, random_state=2)))


def test_parameters_have_no_default_and_faults_are_told() -> None:
    assert clone(sets()).get_params()["m"] == 2
    with pytest.raises(TypeError, match="tell_day"):
        DaySets(k=3, m=2, hierarchy=ZONE, protect="person", day="day")
    with pytest.raises(SchemaError, match=r"lacks the columns \['day'\]"):
        sets().fit(trips(0, 5).drop(columns="day"))
    with pytest.raises(SchemaError, match="does not know"):
        sets().transform(trips(0, 5))
