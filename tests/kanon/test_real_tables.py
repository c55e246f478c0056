"""Real tables: a useful release or a refusal, never an empty pass (ruling 37)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anonkit.kanon.estimators import KAnonymizer
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.hierarchies_travel import clock_time, nested_grid

REAL = Path(os.environ.get("ANONKIT_REAL_DATA", Path(__file__).parents[2] / "../shared/data"))
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not REAL.exists(), reason="real data not found: set ANONKIT_REAL_DATA"),
]


def hours(column: str, values: pd.Series) -> Hierarchy:
    whole = np.arange(values.min(), values.max() + 1)
    return clock_time(column, whole, value_s=3600, levels=["3h", "day_type 3h", "clock 6h", "*"])


def told(anon: KAnonymizer) -> tuple[dict[str, str], float, dict[str, float]]:
    """Chosen levels, the share of rows released, and the mean displacement by column."""
    moved = anon.explain().dropna(subset=["unit"]).set_index("column")["displacement"]
    return anon.levels_, round(1 - anon.result_.suppressed_share, 3), moved.round().to_dict()


def test_workplace_charging_by_site_and_hour_keeps_five_persons() -> None:
    frame = pd.read_csv(REAL / "ev_workplace/sessions.csv", dtype=str)
    began = pd.to_datetime(frame["created"].str.replace(r"^00", "20", regex=True)).astype("datetime64[s]").astype(int)
    table = pd.DataFrame({"person": frame["userId"], "site": frame["locationId"], "start_bin": began // 3600})
    site = Hierarchy.flat("site", table["site"].unique())
    settings = {"k": 5, "protect": "person", "max_suppressed": 0.1, "measure": "ncp", "keep_units": True}
    anon = KAnonymizer(**settings, hierarchies=[site, hours("start_bin", table["start_bin"])]).fit(table)
    released = anon.transform(table)
    by = ["site", "start_bin"]
    assert released.groupby(by)["person"].nunique().min() >= 5
    # 3,285 of 3,395 sessions; the site is lost, six classes of type of day and three hours remain
    assert told(anon) == ({"site": "any", "start_bin": "day_type 3h"}, 0.968, {"start_bin": 68.0})
    assert (len(released), released["start_bin"].nunique()) == (3285, 6)
    rows = KAnonymizer(**{**settings, "protect": "row"}, hierarchies=anon.hierarchies).fit(table).transform(table)
    assert rows.groupby(by)["person"].nunique().min() < 5  # the twin: rows for persons


def test_porto_taxis_keep_persons_and_drivers() -> None:
    frame = pd.read_csv(REAL / "porto_taxi/trips.csv", dtype=str)
    first = frame["POLYLINE"].str.extract(r"^\[\[(-?[\d.]+),(-?[\d.]+)\]").astype(float)
    row, col = np.floor(first[1] / 0.0045), np.floor(first[0] / 0.006)
    known = row.notna() & frame["ORIGIN_CALL"].fillna("").ne("")
    table = pd.DataFrame(
        {
            "person": frame["ORIGIN_CALL"],
            "driver": frame["TAXI_ID"],
            "start_cell": row * 100_000 + col,
            "start_bin": frame["TIMESTAMP"].astype(int) // 3600,
        }
    )[known]
    assert table["person"].nunique() == pytest.approx(203, abs=5)
    cells = np.unique(table["start_cell"])
    numbers = (np.floor(cells / 100_000).astype(int), (cells % 100_000).astype(int))
    grid = nested_grid("start_cell", cells, rows=numbers[0], columns=numbers[1], cell_m=500, factors=[2, 4, 8, 16])
    settings = {"protect": ("person", "driver"), "k_driver": 3, "max_suppressed": 0.1, "keep_units": True}
    anon = KAnonymizer(k=5, **settings, hierarchies=[grid, hours("start_bin", table["start_bin"])]).fit(table)
    released = anon.transform(table)
    classes = released.groupby(["start_cell", "start_bin"])
    assert classes["person"].nunique().min() >= 5
    assert classes["driver"].nunique().min() >= 3
    # 266 of 267 trips; few callers are far apart, so places are lost and the hours of the day remain: nine classes
    assert told(anon) == ({"start_cell": "area", "start_bin": "base"}, 0.996, {"start_cell": 4209.0, "start_bin": 15.0})
    assert (len(released), classes.ngroups) == (266, 9)


def test_healthy_ride_counts_trips_and_says_so() -> None:
    """No rider is known, only bikes: protecting persons is refused, rows are asked for by name (ruling 1)."""
    frame = pd.read_csv(REAL / "healthy_ride/healthy-ride-rentals-2017-q2.csv", dtype=str)
    began = pd.to_datetime(frame["Starttime"], errors="coerce").astype("datetime64[s]")
    good = began.notna() & frame["From station id"].notna() & frame["To station id"].notna()
    table = frame.loc[good, ["From station id", "To station id"]].set_axis(["start", "end"], axis=1)
    table["start_bin"] = began[good].astype(int) // 3600
    stations = np.unique(table[["start", "end"]].to_numpy().astype(str))
    hierarchies = [Hierarchy.flat("start", stations), Hierarchy.flat("end", stations)]
    hierarchies.append(hours("start_bin", table["start_bin"]))
    settings = {"k": 5, "max_suppressed": 0.1, "measure": "ncp", "hierarchies": hierarchies}
    with pytest.raises(ValueError, match="lacks the columns"):
        KAnonymizer(protect="person", **settings).fit(table)
    anon = KAnonymizer(protect="row", **settings).fit(table)
    released = anon.transform(table)
    assert released.groupby(["start", "end", "start_bin"]).size().min() >= 5
    # 23,971 of 24,313 trips; the station of departure stays, by type of day and three hours: 604 classes
    expected = {"start": "base", "end": "any", "start_bin": "day_type 3h"}
    assert told(anon) == (expected, 0.986, {"start_bin": 68.0})
    assert anon.result_.optimal
    assert (len(released), len(released.drop_duplicates())) == (23_971, 604)
