"""KAnonymizer: levels from fit, k in transform, on every kind of table."""

from __future__ import annotations

from itertools import pairwise

import anonkit.kanon.estimators_groups as estimators_groups
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from anonkit.base.errors import SchemaError
from anonkit.engine import Session
from anonkit.kanon.estimators import KAnonymizer, k_anonymise
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.hierarchies_travel import intervals
from anonkit.kanon.models import DistinctDiversity
from anonkit.kanon.search import NoLevelsError
from anonkit.schema import Column, Role, Table
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

ZONE = Hierarchy.from_mapping("zone", {"a1": ["a", "*"], "a2": ["a", "*"], "b1": ["b", "*"], "b2": ["b", "*"]})
HOUR = Hierarchy.from_levels("hour", np.arange(6), {"half": np.arange(6) // 3, "any": ["*"] * 6})
SETTINGS = {"k": 3, "protect": "person", "max_suppressed": 0.2, "measure": "ncp", "hierarchies": [ZONE, HOUR]}


def trips(seed: int = 0, rows: int = 200) -> pd.DataFrame:
    g = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "person": g.integers(0, 60, rows),
            "zone": np.array(["a1", "a2", "b1", "b2"])[g.integers(0, 4, rows)],
            "hour": g.integers(0, 6, rows),
            "purpose": np.array(["work", "home", "shop"])[g.integers(0, 3, rows)],
            "fare": g.random(rows),
        }
    )


def fewest_persons(released: pd.DataFrame, by: list[str]) -> int:
    return int(released.groupby(by)["person"].nunique().min())


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), rows=st.integers(60, 300))
def test_every_class_that_leaves_has_k_persons_in_the_table_that_leaves(seed: int, rows: int) -> None:
    anon = KAnonymizer(**SETTINGS, keep_units=True).fit(trips(0))
    other = trips(seed, rows)
    released = anon.transform(other)
    assert released.empty or fewest_persons(released, ["zone", "hour"]) >= 3


def test_twin_without_the_check_in_transform_a_small_class_would_leave() -> None:
    anon = KAnonymizer(**SETTINGS).fit(trips(0))
    few = trips(0).head(8)
    zone, hour = anon.levels_["zone"], anon.levels_["hour"]
    labels = pd.DataFrame(
        {
            "zone": ZONE.labels_of(few["zone"], level=ZONE.names.index(zone)),
            "hour": HOUR.labels_of(few["hour"], level=HOUR.names.index(hour)),
            "person": few["person"],
        }
    )
    assert fewest_persons(labels, ["zone", "hour"]) < 3
    assert len(anon.transform(few)) < 8


def test_only_generalised_columns_leave_sorted_with_a_fresh_index() -> None:
    anon = KAnonymizer(**SETTINGS).fit(trips())
    released = anon.transform(trips().sample(frac=1, random_state=1))
    assert released.columns.tolist() == ["zone", "hour"]
    assert anon.dropped_ == ("person", "purpose", "fare")
    assert released.index.tolist() == list(range(len(released)))
    pd.testing.assert_frame_equal(released, anon.transform(trips()))


def test_r05_a_sensitive_column_needs_a_diversity_model() -> None:
    with pytest.raises(SchemaError, match=r"\['purpose'\] leave without a diversity model"):
        KAnonymizer(**SETTINGS, sensitive=["purpose"]).fit(trips())
    models = [DistinctDiversity(l=2, sensitive="purpose")]
    released = k_anonymise(trips(), **SETTINGS, sensitive=["purpose"], models=models)
    assert released.groupby(["zone", "hour"])["purpose"].nunique().min() >= 2


def test_r01_without_a_person_column_k_must_be_said_to_count_rows() -> None:
    with pytest.raises(SchemaError, match="lacks the columns"):
        KAnonymizer(**SETTINGS).fit(trips().drop(columns="person"))
    KAnonymizer(**{**SETTINGS, "protect": "row"}).fit(trips().drop(columns="person"))


def test_parameters_have_no_default_and_clone_keeps_them() -> None:
    with pytest.raises(TypeError, match="k"):
        KAnonymizer(protect="person", max_suppressed=0.1)
    copy = clone(KAnonymizer(**SETTINGS))
    assert copy.get_params()["k"] == 3
    assert not copy.__sklearn_is_fitted__()
    with pytest.raises(SchemaError, match="learnt no levels"):
        copy.transform(trips())


def test_it_works_in_a_pipeline_without_y() -> None:
    pipe = make_pipeline(FunctionTransformer(lambda x: x[x["hour"] < 5]), KAnonymizer(**SETTINGS))
    assert len(pipe.fit(trips()).transform(trips())) > 0


def test_a_geodataframe_loses_its_geometry() -> None:
    frame = trips()
    places = gpd.GeoDataFrame(frame, geometry=gpd.points_from_xy(np.arange(200) / 100, np.zeros(200)), crs=4326)
    released = k_anonymise(places, **SETTINGS)
    assert "geometry" not in released.columns
    pd.testing.assert_frame_equal(released, k_anonymise(frame, **SETTINGS))


def test_a_table_gives_the_same_rows_and_keeps_tokens_by_role() -> None:
    frame = trips()
    roles = {"zone": "quasi", "hour": "quasi"}
    with Session() as session:
        table = Table.of(frame, session=session, roles=roles)
        anon = KAnonymizer(**SETTINGS).fit(table)
        plan = anon.plan(table)
        released = anon.transform(table)
        got = released.to_pandas()
        assert plan["groups"] == len(frame.drop_duplicates(["person", "zone", "hour"]))
        assert released.schema["person"].role is Role.PSEUDONYM
        assert released.schema["zone"].level == anon.levels_["zone"]
    assert fewest_persons(got, ["zone", "hour"]) >= 3
    expected = k_anonymise(frame, **SETTINGS)
    assert sorted(map(str, got[["zone", "hour"]].itertuples(index=False))) == sorted(
        map(str, expected.itertuples(index=False))
    )


def test_a_table_too_large_to_fetch_is_refused_with_what_would_fit() -> None:
    # 16 bytes a group: 400,000 are 6.1 MiB; 24 MB / 4 are 5.7 MiB. With hours by tens each person has two: 40,000. The engine
    # itself needs a little more than 19 MB to count them, now and then 20: a limit beside that would fail by chance
    person, hour = np.arange(400_000) // 20, np.arange(400_000) % 20
    clock = Hierarchy.from_levels("hour", np.arange(20), {"ten": np.arange(20) // 10, "any": ["*"] * 20})
    with Session(memory_limit="24MB") as session:
        wide = pd.DataFrame({"person": person, "zone": person % 7, "hour": hour})
        table = Table.of(wide, session=session, roles={"zone": "quasi", "hour": "quasi"})
        hierarchies = [Hierarchy.flat("zone", np.arange(7)), clock]
        anon = KAnonymizer(k=2, protect="person", max_suppressed=0.1, measure="ncp", hierarchies=hierarchies)
        assert anon.plan(table)["bytes"] == 400_000 * 16
        with pytest.raises(SchemaError, match="400,000 groups") as told:
            anon.fit(table)
        assert "coarser base level 'ten' of hour: about" in str(told.value)
        # what it says is true: with hours that coarse it fits
        coarse = Table.of(wide.assign(hour=hour // 10), session=session, roles={"zone": "quasi", "hour": "quasi"})
        fewer = Hierarchy.flat("hour", np.arange(2))
        anon = KAnonymizer(
            k=2, protect="person", max_suppressed=0.1, measure="ncp", hierarchies=[hierarchies[0], fewer]
        )
        assert anon.plan(coarse)["groups"] == 40_000
        assert anon.plan(coarse)["bytes"] <= anon.plan(coarse)["limit"]


def test_values_of_one_interval_are_released_together() -> None:
    # a hierarchy may give many raw values one number; all their rows leave, not those of the first value alone
    frame = pd.DataFrame({"person": np.arange(60), "minutes": np.linspace(0, 19.9, 60)})
    width = intervals("minutes", lower=0, upper=20, widths=[10], unit="min")
    setting = {"k": 3, "protect": "person", "max_suppressed": 0.0, "measure": "ncp", "hierarchies": [width]}
    with Session() as session:
        table = Table.of(frame, session=session, roles={"minutes": "quasi"})
        plan = KAnonymizer(**setting).plan(table)
        rows = KAnonymizer(**setting).fit_transform(table).to_pandas()
        classes = KAnonymizer(**setting, keep_units=False).fit_transform(table).to_pandas()
    expected = k_anonymise(frame, **setting)["minutes"].value_counts().to_dict()
    assert plan["groups"] == 60
    assert rows["minutes"].value_counts().to_dict() == expected
    assert classes["minutes"].value_counts().to_dict() == expected
    assert classes.columns.tolist() == ["minutes"]


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), rows=st.integers(10, 200), wide=st.booleans())
def test_packed_groups_give_the_classes_and_people_of_the_rows(seed: int, rows: int, wide: bool) -> None:
    frame = trips(seed, rows).assign(fleet=lambda t: t["hour"] % 2, driver=lambda t: t["person"] % 7)
    frame["person"] = frame["person"].where(frame["person"] > 3).astype("Int64")  # ruling 1: some rows have nobody
    setting = {**SETTINGS, "max_suppressed": 0.4, "protect": ("person", "driver"), "among": "fleet"}
    with pytest.MonkeyPatch.context() as patch, Session() as session:
        if wide:
            patch.setattr(estimators_groups, "_KEY_LIMIT", 5)  # each column is an integer of its own
        table = Table.of(frame, session=session, roles={"zone": "quasi", "hour": "quasi"})
        try:
            expected = KAnonymizer(**setting).fit(frame).result_
        except NoLevelsError:
            with pytest.raises(NoLevelsError):
                KAnonymizer(**setting).fit(table)
            return
        found = KAnonymizer(**setting).fit(table).result_
    told = ("levels", "loss", "suppressed_rows", "classes", "largest", "total_rows")
    assert [getattr(found, name) for name in told] == [getattr(expected, name) for name in told]


def test_cells_and_bins_of_a_table_have_their_own_hierarchies() -> None:
    g = np.random.default_rng(0)
    row, col = g.integers(30_000, 30_016, 3000), g.integers(38_000, 38_016, 3000)
    frame = pd.DataFrame(
        {
            "person": g.integers(0, 900, 3000),
            "start_cell": row * 10**7 + col,
            "start_bin": g.integers(496_700, 496_748, 3000),
        }
    )
    with Session() as session:
        table = Table.of(frame, session=session)
        schema = table.schema.with_columns(
            Column(name="start_cell", role=Role.QUASI, unit="cell", level="500 m"),
            Column(name="start_bin", role=Role.QUASI, unit="bin", level="1h"),
        )
        from dataclasses import replace

        table = table.with_frame(table.frame, replace(schema, tessellation="grid of 500 m at latitude 40.4"))
        anon = KAnonymizer(k=11, protect="person", measure="displacement", max_suppressed=0.05).fit(table)
        released = anon.transform(table).to_pandas()
        assert list(anon.levels_) == ["start_cell", "start_bin"]
    assert len(released) >= 0.95 * 3000
    assert released.groupby(["start_cell", "start_bin"])["person"].nunique().min() >= 11
    assert len(released[["start_cell", "start_bin"]].drop_duplicates()) > 20  # r37: not an empty pass
    told = anon.explain()
    assert told["suppressed_if_coarser"].dropna().le(told["suppressed"].iloc[0]).all()


def test_a_null_in_a_quasi_identifier_is_its_own_value() -> None:
    frame = trips()
    frame["zone"] = frame["zone"].astype(object)
    frame.loc[:20, "zone"] = None
    released = k_anonymise(frame, **{**SETTINGS, "max_suppressed": 0.5})
    assert set(released["zone"]) <= {"a", "b", "unknown", "*", "a1", "a2", "b1", "b2"}


def test_r02_estimator_counts_the_largest_of_fleets_that_cannot_be_matched() -> None:
    zone = Hierarchy.from_mapping("zone", {"a": ["*"], "b": ["*"]})
    trips = pd.DataFrame({"zone": ["a"] * 4 + ["b"] * 4, "person": list("pqrsPQRS"), "fleet": list("xxyyxxyy")})
    setting = {"k": 3, "protect": "person", "max_suppressed": 0.0, "measure": "ncp", "hierarchies": [zone]}
    assert KAnonymizer(**setting).fit(trips).levels_ == {"zone": "base"}
    anon = KAnonymizer(**setting, among="fleet").fit(trips)
    assert anon.levels_ == {"zone": "level1"}
    assert list(anon.transform(trips).columns) == ["zone"]
    with pytest.raises(SchemaError, match="operator"):
        KAnonymizer(**setting, among="operator").fit(trips)


def test_rows_of_two_values_that_are_told_by_one_word_leave_once() -> None:
    """1 and "1" are two base values with one text: classes are joined by number, not by what they are called."""
    route = Hierarchy.from_levels("line", np.array(["m1", "b1"]), {"number": np.array([1, "1"], dtype=object)})
    frame = pd.DataFrame({"line": ["m1", "m1", "b1", "b1"], "person": ["p", "q", "r", "s"]})
    setting = {"k": 3, "protect": "person", "max_suppressed": 0.0, "measure": "ncp", "hierarchies": [route]}
    table = Table.of(frame, roles={"line": "quasi"})
    with pytest.raises(NoLevelsError):
        KAnonymizer(**setting).fit(table)
    anon = KAnonymizer(**{**setting, "k": 2}).fit(table)
    anon._levels["line"], anon.levels_["line"] = 1, "number"
    assert anon.transform(table).to_pandas()["line"].tolist() == ["1"] * 4


def test_progress_of_the_search_can_be_seen_and_its_bound_never_passes_the_optimum() -> None:
    seen: list[tuple[str, float, float]] = []
    anon = KAnonymizer(
        **{**SETTINGS, "k": 8}, on_visit=lambda visit, best, bound: seen.append((visit.verdict, best, bound))
    )
    found = anon.fit(trips()).result_
    assert len(seen) == len(found.visits) == len(found.explored())
    assert all(later <= sooner for (_, sooner, _), (_, later, _) in pairwise(seen))
    assert all(bound <= found.loss + 1e-6 for _, _, bound in seen)
    assert seen[-1][1] == found.loss
