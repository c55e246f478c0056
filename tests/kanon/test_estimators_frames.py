"""What an estimator is given: kinds of table, odd tables, and settings that cannot be meant."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import duckdb
import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from anonkit.base.errors import SchemaError
from anonkit.kanon.days import DaySets
from anonkit.kanon.estimators import KAnonymizer
from anonkit.kanon.estimators_frames import numbered
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.models import (
    AlphaK,
    BetaLikeness,
    DeltaDisclosure,
    DistinctDiversity,
    Dominance,
    EntropyDiversity,
    KAnonymity,
    KMap,
    RecursiveDiversity,
    TCloseness,
)
from anonkit.kanon.mondrian import Raster
from anonkit.kanon.numeric import BoxAnonymizer, Microaggregator
from anonkit.kanon.search import NoLevelsError
from anonkit.schema import Table
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

ZONE = Hierarchy.from_mapping("zone", {"a1": ["a", "*"], "a2": ["a", "*"], "b1": ["b", "*"]})
TRIPS = pd.DataFrame(
    {"zone": ["a1", "a2", "b1", "b1"], "person": ["p", "q", "r", "s"], "km": [1.0, 1.0, 7.0, 8.0], "day": 1}
)
SETTINGS = {"k": 2, "protect": "person", "max_suppressed": 0.0, "measure": "ncp", "hierarchies": [ZONE]}
KM = {"rasters": {"km": Raster(lower=0, upper=10, step=1)}, "k": 2, "protect": "person"}
KINDS = {
    "pandas": lambda: TRIPS,
    "geopandas": lambda: gpd.GeoDataFrame(TRIPS, geometry=gpd.points_from_xy(range(4), range(4)), crs=4326),
    "arrow": lambda: pa.Table.from_pandas(TRIPS, preserve_index=False),
    "duckdb": lambda: duckdb.connect().from_arrow(pa.Table.from_pandas(TRIPS, preserve_index=False)),
    "table": lambda: Table.of(TRIPS, roles={"zone": "quasi", "km": "quasi", "day": "quasi"}),
}
ESTIMATORS = {
    "classes": KAnonymizer(**SETTINGS, keep_units=False),
    "boxes": BoxAnonymizer(**KM),
    "means": Microaggregator(**KM),
    "days": DaySets(k=2, m=1, hierarchy=ZONE, protect="person", day="day", tell_day=True),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_each_estimator_gives_the_same_rows_of_each_kind_of_table_in_a_pipeline(name: str, kind: str) -> None:
    def released(data: Any) -> pd.DataFrame:
        made = make_pipeline(FunctionTransformer(), clone(ESTIMATORS[name])).fit(data).transform(data)
        return made.to_pandas() if isinstance(made, Table) else made

    got, expected = released(KINDS[kind]()), released(TRIPS)
    assert len(expected) >= 2
    pd.testing.assert_frame_equal(got, expected, check_dtype=False)
    assert set(got.columns) <= {"zone", "km", "day", "places"}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_clone_has_the_parameters_and_nothing_learnt(name: str) -> None:
    own = clone(ESTIMATORS[name]).fit(TRIPS)
    copy = clone(own)
    assert copy.get_params().keys() == own.get_params().keys()
    assert copy.get_params()["k"] == 2
    with pytest.raises(SchemaError, match="call fit first"):
        copy.transform(TRIPS)


@pytest.mark.parametrize("data", [{"zone": ["a1"]}, np.zeros((2, 2)), None, TRIPS["zone"]])
def test_what_is_no_table_is_told_so(data: Any) -> None:
    with pytest.raises(SchemaError, match="is no table"):
        KAnonymizer(**SETTINGS).fit(data)


def test_a_column_that_is_there_twice_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"\['zone'\] twice"):
        KAnonymizer(**SETTINGS).fit(pd.concat([TRIPS, TRIPS[["zone"]]], axis=1))


def test_r37_levels_are_not_learnt_from_no_rows_and_no_rows_release_none() -> None:
    for empty in (TRIPS.head(0), Table.of(TRIPS.head(0), roles={"zone": "quasi"})):
        with pytest.raises(SchemaError, match="no rows to choose levels by"):
            KAnonymizer(**SETTINGS).fit(empty)
        assert len(KAnonymizer(**SETTINGS).fit(TRIPS).transform(empty)) == 0


def test_one_row_is_nobody_s_class_but_his_own() -> None:
    with pytest.raises(NoLevelsError, match="no generalisation"):
        KAnonymizer(**SETTINGS).fit(TRIPS.head(1))


@pytest.mark.parametrize("measure", ["discernibility", "ncp", "class_size", "entropy", "displacement"])
def test_r37_a_limit_of_everything_still_releases_something_or_is_refused(measure: str) -> None:
    """Discernibility: all suppressed costs 4 · 4, all in one class 4²: a tie that the finest levels won, with nothing in it."""
    setting = {**SETTINGS, "measure": measure, "max_suppressed": 1.0}
    anon = KAnonymizer(**{**setting, "k": 4}).fit(TRIPS)
    assert anon.levels_ == {"zone": "level2"}
    assert len(anon.transform(TRIPS)) == 4
    with pytest.raises(NoLevelsError, match="100% of rows"):
        KAnonymizer(**{**setting, "k": 5}).fit(TRIPS)


def test_r01_a_limit_in_persons_of_rows_without_persons_is_refused() -> None:
    with pytest.raises(SchemaError, match="no row has a person"):
        KAnonymizer(**{**SETTINGS, "max_suppressed": 0.5, "suppressed_unit": "persons"}).fit(TRIPS.assign(person=None))


@pytest.mark.parametrize("limit", [-0.1, 1.1, float("nan"), "5%"])
def test_a_limit_that_is_no_share_is_refused(limit: Any) -> None:
    with pytest.raises(SchemaError, match="suppression limit"):
        KAnonymizer(**{**SETTINGS, "max_suppressed": limit}).fit(TRIPS)


@pytest.mark.parametrize(
    "made",
    [
        *(lambda k=k: KAnonymity(k=k, protect="row") for k in (0, 2.5, "2", True)),
        lambda: KMap(k=0),
        lambda: DistinctDiversity(l=0, sensitive="s"),
        lambda: EntropyDiversity(l=0.5, sensitive="s"),
        lambda: RecursiveDiversity(c=-1, l=2, sensitive="s"),
        lambda: RecursiveDiversity(c=1, l=1.5, sensitive="s"),
        lambda: TCloseness(t=-0.1, distance="equal", sensitive="s"),
        lambda: TCloseness(t=0.1, distance="equl", sensitive="s"),
        lambda: AlphaK(alpha=1.5, sensitive="s"),
        lambda: BetaLikeness(beta=-1, enhanced=False, sensitive="s"),
        lambda: DeltaDisclosure(delta=float("nan"), sensitive="s"),
        lambda: Dominance(limit=2),
    ],
)
def test_a_model_with_a_parameter_that_protects_nobody_is_refused(made: Any) -> None:
    with pytest.raises(SchemaError, match=r"with|no distance"):
        made()


def test_a_model_of_a_column_that_is_not_sensitive_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"columns \['km'\], which are not sensitive"):
        KAnonymizer(**SETTINGS, models=[DistinctDiversity(l=2, sensitive="km")]).fit(TRIPS)


def test_levels_of_other_hierarchies_are_not_used() -> None:
    anon = KAnonymizer(**SETTINGS).fit(TRIPS)
    anon.set_params(hierarchies=[Hierarchy.flat("zone", ["a1", "a2", "b1"])])
    with pytest.raises(SchemaError, match=r"\['zone'\] are not those of fit"):
        anon.transform(TRIPS)


# ---- sensitive values
def diverse(values: Any, models: list[Any], *, kind: str = "pandas") -> int:
    """Released rows of two classes of four people each."""
    frame = pd.DataFrame({"zone": ["a1"] * 4 + ["b1"] * 4, "person": range(8), "s": values})
    data = frame if kind == "pandas" else Table.of(frame, roles={"zone": "quasi", "s": "sensitive"})
    setting = {**SETTINGS, "hierarchies": [Hierarchy.from_mapping("zone", {"a1": [], "b1": []})], "max_suppressed": 0.5}
    return len(KAnonymizer(**setting, sensitive=["s"], models=models).fit_transform(data))


@pytest.mark.parametrize("kind", ["pandas", "table"])
def test_r05_a_null_is_no_value_of_a_sensitive_column(kind: str) -> None:
    """a1: flu and null, so who is told to be ill has flu; b1: flu and cold."""
    values = ["flu", "flu", None, None, "flu", "cold", "flu", "cold"]
    assert diverse(values, [DistinctDiversity(l=2, sensitive="s")], kind=kind) == 4
    assert diverse(values, [EntropyDiversity(l=1.5, sensitive="s")], kind=kind) == 4


@pytest.mark.parametrize("model", ["entropy", "recursive", "t", "alpha", "beta", "delta"])
def test_r07_a_sensitive_column_without_any_value_is_diverse_nowhere(model: str) -> None:
    models: dict[str, Any] = {
        "entropy": EntropyDiversity(l=1, sensitive="s"),
        "recursive": RecursiveDiversity(c=2, l=1, sensitive="s"),
        "t": TCloseness(t=1, distance="ordered", sensitive="s"),
        "alpha": AlphaK(alpha=1, sensitive="s"),
        "beta": BetaLikeness(beta=9, enhanced=False, sensitive="s"),
        "delta": DeltaDisclosure(delta=9, sensitive="s"),
    }
    with pytest.raises(NoLevelsError):
        diverse([None] * 8, [models[model]], kind="pandas")


@pytest.mark.parametrize("kind", ["pandas", "table"])
def test_ordered_closeness_orders_numbers_by_size(kind: str) -> None:
    """Texts are in the order of the alphabet, numbers are not.

    a1: 2 and 30 in halves; b1: 10 alone; all: 1/4, 1/2, 1/4. By size both classes are (1/4 + 1/4)/2 = 1/4 away. By text the
    order is 10, 2, 30, and the running sums are 1/2 and 1/4: 3/8.
    """
    values = [2, 30, 2, 30, 10, 10, 10, 10]
    model = [TCloseness(t=0.26, distance="ordered", sensitive="s")]
    assert diverse(values, model, kind=kind) == 8
    with pytest.raises(NoLevelsError):
        diverse([str(value) for value in values], model, kind=kind)


@pytest.mark.parametrize(
    ("values", "numbers", "labels"),
    [
        (pd.Series([10, 2, None]), [1, 0, -1], ["2", "10"]),
        (pd.Series(["b", None, "a"]), [1, -1, 0], ["a", "b"]),
        (
            pd.Series(pd.Categorical(["mid", None, "low"], ["low", "mid", "top"], ordered=True)),
            [1, -1, 0],
            ["low", "mid"],
        ),
        (pd.Series(pd.Categorical(["mid", "low"], ["mid", "low"])), [1, 0], ["low", "mid"]),
        (pd.Series([0.5, 2.0]), [0, 1], ["0.5", "2.0"]),
        (pd.Series([None, None]), [-1, -1], []),
        (pd.Series([Decimal("10.50"), None, Decimal("2.25")]), [1, -1, 0], ["2.25", "10.50"]),
    ],
)
def test_sensitive_values_are_numbered_in_their_own_order(values: pd.Series, numbers: list, labels: list) -> None:
    found = numbered(values)
    assert (found[0].tolist(), found[1].tolist()) == (numbers, labels)


def test_a_public_tree_may_have_values_that_the_table_lacks_in_any_order() -> None:
    """Cold is half as far from flu as hip is; the table has flu and cold, and classes of one of them each."""
    tree = Hierarchy.from_mapping("s", {"hip": ["bone", "*"], "flu": ["ill", "*"], "cold": ["ill", "*"]})
    values = ["flu"] * 4 + ["cold"] * 4
    near = TCloseness(t=0.25, distance="hierarchical", tree=tree, sensitive="s")
    assert diverse(values, [near]) == 8
    assert (
        diverse(["flu"] * 4 + ["hip"] * 4, [TCloseness(t=0.5, distance="hierarchical", tree=tree, sensitive="s")]) == 8
    )
    with pytest.raises(NoLevelsError):
        diverse(["flu"] * 4 + ["hip"] * 4, [near])
    with pytest.raises(SchemaError, match="1 of 2 values of 's' are not in the tree"):
        diverse(["flu"] * 4 + ["burn"] * 4, [near])


def test_alpha_names_the_value_that_must_be_rare() -> None:
    values = ["flu", "cold", "hip", "cold", "flu", "flu", "flu", "cold"]
    assert diverse(values, [AlphaK(alpha=0.5, of_value="flu", sensitive="s")]) == 4
    with pytest.raises(SchemaError, match="not among the 3 values"):
        diverse(values, [AlphaK(alpha=0.5, of_value="flue", sensitive="s")])
