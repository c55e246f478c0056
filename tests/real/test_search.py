"""The search on real tables that no recipe can place: stated levels, displacement, people, share released (ruling 37)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anonkit.kanon.estimators import KAnonymizer
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.hierarchies_travel import clock_time

pytestmark = pytest.mark.real
TIMES = ["3h", "weekday 3h", "day_type 3h", "clock 3h", "clock 6h", "*"]


@pytest.fixture(scope="module")
def sessions(real_data: Path) -> pd.DataFrame:
    """Charging sessions of 85 people at 25 sites of 4 types, by hour."""
    frame = pd.read_csv(real_data / "ev_workplace" / "sessions.csv", dtype=str).dropna(subset=["sessionId"])
    began = pd.to_datetime(frame["created"].str.replace(r"^00", "20", regex=True)).astype("datetime64[s]")
    columns = {"person": frame["userId"], "site": frame["locationId"], "kind": frame["facilityType"]}
    return pd.DataFrame({**columns, "start_bin": began.astype(int) // 3600})


def fitted(sessions: pd.DataFrame, protect: str, **settings: object) -> KAnonymizer:
    kinds = sessions.drop_duplicates("site").set_index("site")["kind"]
    site = Hierarchy.from_mapping("site", {name: [f"type {kind}", "*"] for name, kind in kinds.items()})
    hours = np.arange(sessions["start_bin"].min(), sessions["start_bin"].max() + 1)
    time = clock_time("start_bin", hours, value_s=3600, levels=TIMES)
    return KAnonymizer(k=5, protect=protect, hierarchies=[site, time], keep_units=True, **settings).fit(sessions)


def test_r37_workplace_sessions_of_five_people_by_weekday_and_three_hours(sessions: pd.DataFrame) -> None:
    assert (len(sessions), sessions["person"].nunique()) == (3_395, 85)
    anon = fitted(sessions, "person", max_suppressed=0.05, measure="displacement")
    assert anon.levels_ == {"site": "level2", "start_bin": "weekday 3h"}  # sites move nobody: they are given up first
    assert anon.result_.optimal
    assert anon.explain().set_index("column").loc["start_bin", "displacement"] == 60  # minutes: 45, and 15 for the date
    classes = anon.transform(sessions).groupby(["site", "start_bin"])["person"]
    assert (classes.ngroups, int(classes.nunique().min())) == (23, 5)
    assert classes.size().sum() / len(sessions) == pytest.approx(0.9647, abs=1e-4)


def test_r37_workplace_sessions_of_five_people_by_type_of_site_and_hours_of_the_day(sessions: pd.DataFrame) -> None:
    anon = fitted(sessions, "person", max_suppressed=0.1, measure="ncp")
    assert anon.levels_ == {"site": "level1", "start_bin": "clock 3h"}
    classes = anon.transform(sessions).groupby(["site", "start_bin"])["person"]
    assert (classes.ngroups, int(classes.nunique().min())) == (14, 5)
    assert classes.size().sum() / len(sessions) == pytest.approx(0.9470, abs=1e-4)


def test_r01_twin_that_counts_sessions_releases_classes_of_one_person(sessions: pd.DataFrame) -> None:
    anon = fitted(sessions, "row", max_suppressed=0.1, measure="ncp")
    classes = anon.transform(sessions).groupby(["site", "start_bin"])["person"]
    assert int(classes.nunique().min()) == 1
