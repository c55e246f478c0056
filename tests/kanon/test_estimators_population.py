"""k-map through the estimator: a class leaves only where enough of a public population share it."""

from __future__ import annotations

import pandas as pd
import pytest
from anonkit.base.errors import SchemaError
from anonkit.kanon.estimators import KAnonymizer
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.models import KMap
from anonkit.schema import Table
from sklearn.base import clone

ZONE = Hierarchy.from_mapping("zone", {"a1": ["a", "*"], "a2": ["a", "*"], "b1": ["b", "*"]})
TRIPS = pd.DataFrame({"zone": ["a1", "a1", "a2", "a2", "b1", "b1"], "person": range(6)})
PEOPLE = pd.DataFrame({"zone": ["a1"] * 9 + ["a2"] + ["b1"] * 9})
"""In a2 lives one person: the two who rode from there are known to be visitors, and one of them to be him."""


def released(population: pd.DataFrame | None, data: object = TRIPS, **more: object) -> list[str]:
    models = [] if population is None else [KMap(k=3)]
    settings = {"max_suppressed": 0.0, "measure": "ncp", "hierarchies": [ZONE], **more}
    made = KAnonymizer(k=2, protect="person", models=models, population=population, **settings).fit_transform(data)
    frame = made.to_pandas() if isinstance(made, Table) else made
    return sorted(frame["zone"])


def test_twin_without_the_population_a_place_of_one_inhabitant_is_told() -> None:
    assert released(None) == ["a1", "a1", "a2", "a2", "b1", "b1"]
    assert released(PEOPLE) == ["a", "a", "a", "a", "b", "b"]


def test_places_of_the_population_where_nobody_rode_release_nothing() -> None:
    rode = TRIPS[TRIPS["zone"] != "b1"]
    assert released(PEOPLE, rode) == ["a"] * 4


def test_a_table_of_the_engine_is_held_against_the_population_too() -> None:
    table = Table.of(TRIPS.astype({"person": str}), roles={"zone": "quasi", "person": "pseudonym"})
    assert released(PEOPLE, table) == ["a", "a", "a", "a", "b", "b"]


def test_null_of_the_population_is_its_own_category() -> None:
    people = pd.concat([PEOPLE, pd.DataFrame({"zone": [None] * 5})])
    assert released(people) == ["a", "a", "a", "a", "b", "b"]


def test_population_without_a_column_is_refused_and_k_map_needs_one() -> None:
    with pytest.raises(SchemaError, match=r"population lacks the columns \['zone'\]"):
        released(PEOPLE.rename(columns={"zone": "tract"}))
    with pytest.raises(SchemaError, match="k-map needs a population"):
        KAnonymizer(
            k=2, protect="person", max_suppressed=0.0, measure="ncp", hierarchies=[ZONE], models=[KMap(k=3)]
        ).fit(TRIPS)


def test_clone_keeps_the_population() -> None:
    anon = KAnonymizer(k=2, protect="person", max_suppressed=0.0, hierarchies=[ZONE], population=PEOPLE)
    assert clone(anon).population.equals(PEOPLE)
