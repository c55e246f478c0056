"""Boxes and means as estimators: k people in the table that leaves, nulls apart, nothing remembered of another table."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from anonkit.base.errors import SchemaError
from anonkit.kanon.microaggregation import microaggregate
from anonkit.kanon.mondrian import Raster, partition
from anonkit.kanon.numeric import BoxAnonymizer, Microaggregator
from anonkit.schema import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

RASTERS = {"km": Raster(lower=0, upper=16, step=1), "min": Raster(lower=0, upper=60, step=5)}
BOTH = pytest.mark.parametrize("kind", [BoxAnonymizer, Microaggregator])


def trips(seed: int, rows: int = 120) -> pd.DataFrame:
    g = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "km": g.gamma(2, 3, rows),
            "min": g.gamma(3, 6, rows),
            "person": [f"p{n}" for n in g.integers(0, 40, rows)],
            "fare": g.random(rows),
        }
    )
    table.loc[g.random(rows) < 0.1, "km"] = None
    table.loc[g.random(rows) < 0.05, "min"] = None
    table.loc[g.random(rows) < 0.05, "person"] = None
    return table


def made(kind: type, **more: object) -> BoxAnonymizer | Microaggregator:
    return kind(k=4, rasters=RASTERS, protect="person", **more)


@BOTH
@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 200))
def test_each_released_combination_holds_k_people(kind: type, seed: int, rows: int) -> None:
    anon = made(kind, keep_units=True).fit(trips(0))
    released = anon.transform(trips(seed, rows))
    people = released.groupby(["km", "min"], dropna=False)["person"].nunique()
    assert released.empty or people.min() >= 4
    assert len(released) + anon.left_out_ == rows


@BOTH
def test_r01_twin_that_counts_rows_releases_few_people(kind: type) -> None:
    table = trips(3).dropna()
    table["person"] = [f"p{n % 7}" for n in range(len(table))]
    table = table.sort_values("km")
    table["person"] = np.repeat([f"p{n}" for n in range(40)], 4)[: len(table)]  # four rows in a row are one person's
    sound = made(kind, keep_units=True).fit_transform(table)
    rows = kind(k=4, rasters=RASTERS, protect="row").fit_transform(table.assign(row=range(len(table))))
    people = sound.groupby(["km", "min"])["person"].nunique()
    assert people.min() >= 4
    assert rows.groupby(["km", "min"]).ngroups > len(people)


@BOTH
def test_null_is_its_own_category(kind: type) -> None:
    table = pd.DataFrame({"km": [1.0, 1, 1, 1, *[None] * 5], "min": [5.0] * 9, "person": [f"p{n}" for n in range(9)]})
    released = made(kind).fit_transform(table)
    unknown = released["km"].eq("unknown") | released["km"].isna()
    assert (len(released), int(unknown.sum())) == (9, 5)
    alone = made(kind).fit_transform(table.head(7))  # three of an unknown length are too few
    assert len(alone) == 4


@BOTH
def test_only_columns_with_a_raster_leave_sorted_and_without_an_index(kind: type) -> None:
    anon = made(kind).fit(trips(1))
    released = anon.transform(trips(1).sample(frac=1, random_state=1))
    assert released.columns.tolist() == ["km", "min"]
    assert anon.dropped_ == ("person", "fare")
    assert released.index.tolist() == list(range(len(released)))
    pd.testing.assert_frame_equal(released, anon.transform(trips(1)))


@BOTH
def test_every_kind_of_table_gives_the_same_rows(kind: type) -> None:
    table = trips(2)
    frame = gpd.GeoDataFrame(table, geometry=gpd.points_from_xy(np.zeros(len(table)), np.zeros(len(table))))
    expected = made(kind).fit_transform(table)
    pd.testing.assert_frame_equal(expected, made(kind).fit_transform(frame))
    engine = Table.of(table, roles={"person": "pseudonym"})
    pd.testing.assert_frame_equal(expected, made(kind).fit_transform(engine))
    piped = make_pipeline(FunctionTransformer(lambda t: t.assign(fare=0)), made(kind))
    pd.testing.assert_frame_equal(expected, piped.fit_transform(table))


@BOTH
def test_parameters_are_kept_by_clone_and_faults_are_told(kind: type) -> None:
    assert clone(made(kind)).get_params() == made(kind).get_params()
    with pytest.raises(TypeError, match="protect"):
        kind(k=4, rasters=RASTERS)
    with pytest.raises(SchemaError, match=r"lacks the columns \['person'\]"):
        made(kind).fit(trips(0).drop(columns="person"))
    with pytest.raises(SchemaError, match="does not know"):
        made(kind).transform(trips(0))


def test_r09_boxes_that_the_attack_settles_do_not_leave() -> None:
    """Two raster cells, six people in one and two in the other: uncut, though eight people are two times k."""
    table = pd.DataFrame({"km": [0.5] * 6 + [1.5] * 2, "person": [f"p{n}" for n in range(8)]})
    anon = BoxAnonymizer(k=4, rasters={"km": Raster(lower=0, upper=2, step=1)}, protect="person")
    assert anon.fit_transform(table).empty
    assert (anon.attack_.attacked, anon.attack_.passed, anon.left_out_) == (1, False, 8)
    wider = BoxAnonymizer(k=3, rasters={"km": Raster(lower=0, upper=2, step=1)}, protect="person")
    assert wider.fit_transform(table.assign(km=[0.5] * 4 + [1.5] * 4))["km"].value_counts().tolist() == [4, 4]
    assert wider.attack_.passed


def test_nulls_are_refused_where_they_would_count_as_the_lowest_value() -> None:
    values, person = {"km": np.array([np.nan, 1.0, 2.0])}, np.arange(3)
    for function in (partition, microaggregate):
        with pytest.raises(SchemaError, match="column 'km' has 1 nulls"):
            function(values, person, k=2, rasters={"km": Raster(lower=0, upper=4, step=1)})


@BOTH
def test_texts_are_refused_without_telling_one(kind: type) -> None:
    trips = pd.DataFrame({"km": ["1", "994501234567x"], "person": ["ann", "bob"]})
    made = kind(k=2, rasters={"km": Raster(lower=0, upper=10, step=1)}, protect="person")
    with pytest.raises(SchemaError, match="'km' has values that are no numbers") as told:
        made.fit_transform(trips)
    assert "9945" not in str(told.value)
    assert told.value.__cause__ is None


@BOTH
@pytest.mark.parametrize("k", [0, 2.5, "2", True])
def test_k_is_a_whole_number(kind: type, k: object) -> None:
    trips = pd.DataFrame({"km": [1.0, 2.0, 3.0], "person": ["ann", "bob", "cem"]})
    with pytest.raises(SchemaError, match="whole number k"):
        kind(k=k, rasters={"km": Raster(lower=0, upper=10, step=1)}, protect="person").fit_transform(trips)


@pytest.mark.parametrize("bounds", [(1, 0, 1), (0, 1, 0), (0, float("nan"), 1), (0, float("inf"), 1)])
def test_a_raster_has_bounds_and_a_step(bounds: tuple[float, float, float]) -> None:
    with pytest.raises(SchemaError, match="a raster from"):
        Raster(lower=bounds[0], upper=bounds[1], step=bounds[2])
