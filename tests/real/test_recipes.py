"""Real exports, each through the whole main job: stated resolution, who is counted, share released; or a refusal.

A share here is of the lines that could be used, at first level and roll-ups together (ruling 37).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow.parquet as pq
import pytest
from anonkit.base.errors import ReleaseRefusedError, SourceError
from anonkit.pipeline import release

pytestmark = [pytest.mark.real, pytest.mark.slow]
RECIPES = Path(__file__).parent / "recipes"
NOISE = 2
"""Counts are perturbed by at most so much."""


class Run:
    """One release of a real recipe."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "out"
        self.run: dict[str, Any] = json.loads((folder / "out.inside" / "run.json").read_text(encoding="utf-8"))

    def lines(self, number: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = self.run["lines"][number]
        return found

    def share(self, part: str) -> float:
        return float(next(entry["share_released"] for entry in self.run["products"] if entry["part"] == part))

    def first_level_share(self, part: str) -> float:
        return float(next(entry["share_by_level"][0] for entry in self.run["products"] if entry["part"] == part))

    def table(self, name: str) -> pd.DataFrame:
        frame: pd.DataFrame = pq.read_table(self.out / f"{name}.parquet").to_pandas()
        return frame


@pytest.fixture
def make(real_data: Path, tmp_path: Path) -> Callable[..., Run]:
    """Run a recipe of this folder with some of its text replaced."""

    def run(name: str, *changes: tuple[str, str]) -> Run:
        for area in RECIPES.glob("*.geojson"):
            shutil.copy(area, tmp_path)
        text = (RECIPES / f"{name}.yml").read_text(encoding="utf-8").replace("DATA", str(real_data))
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        (tmp_path / "recipe.yml").write_text(text, encoding="utf-8")
        release(tmp_path / "recipe.yml", out=tmp_path / "out", as_of="2026-01-01")
        return Run(tmp_path)

    return run


def _local(times: pd.Series, zone: str, **how: Any) -> pd.Series:
    return pd.to_datetime(times, **how).dt.tz_localize(ZoneInfo(zone), ambiguous=True, nonexistent="NaT")


# --- healthy_ride: three quarters, stations from a second file, k counts trips ------------------------------------


def test_healthy_ride_releases_nearly_all_with_roll_up_and_72_per_cent_without(make: Callable[..., Run]) -> None:
    run = make("healthy_ride")
    # flows at 1000 m and 6 hours of the week, k = 11 trips; the rest at 2000 m, then at 4000 m and 6 hours of the day
    assert 0.70 < run.first_level_share("flows") < 0.74
    assert run.share("flows") > 0.99
    assert sum(line["used"] for line in run.run["lines"]) == 80_494
    assert "k counts trips" in (run.out / "README.md").read_text(encoding="utf-8")


def test_healthy_ride_accounts_for_each_quarter_and_names_its_dirt(make: Callable[..., Run]) -> None:
    run = make("healthy_ride")
    physical = [line["physical"] for line in run.run["lines"]]
    assert physical == [28_842, 24_314, 27_707]
    # stations that the list of 2017 lacks, bikes that were never returned, one ride too fast
    assert run.lines(0)["rejected"] == {"absurd_speed": 1, "trip_too_long": 59}
    assert run.lines(1)["rejected"] == {"trip_too_long": 54, "unknown_place": 73}
    assert run.lines(2)["rejected"] == {"trip_too_long": 89, "unknown_place": 90}


def test_healthy_ride_stations_that_the_list_lacks_are_the_ones_refused(real_data: Path) -> None:
    folder = real_data / "healthy_ride"
    stations = set(pd.read_csv(folder / "healthyridestations2017.csv", dtype=str)["Station #"])
    trips = pd.read_csv(folder / "healthy-ride-rentals-2017-q2.csv", dtype=str)
    known = trips["From station id"].isin(stations) & trips["To station id"].isin(stations)
    assert int((~known).sum()) == 73


# --- nyc_taxis: zones by id, no polygons, k counts trips ----------------------------------------------------------


def test_nyc_taxis_by_zone_and_quarter_of_the_day_releases_nine_trips_of_ten(make: Callable[..., Run]) -> None:
    run = make("nyc_taxis")
    assert 0.88 < run.share("volumes:start") < 0.94
    assert 0.86 < run.share("volumes:end") < 0.93
    assert run.lines()["used"] == 6_435
    assert run.lines()["rejected"] == {"negative_amount": 9, "unknown_place": 55}  # zones 264, 265 are "unknown"
    assert run.lines()["dropped"] == {"outside_period": 1}


def test_nyc_taxis_released_volumes_equal_a_count_with_pandas(make: Callable[..., Run], real_data: Path) -> None:
    run = make("nyc_taxis")
    trips = pd.read_csv(real_data / "nyc_taxis" / "trips.csv")
    zones = range(1, 264)
    start = _local(trips["tpep_pickup_datetime"], "America/New_York")
    trips = trips[
        trips["PULocationID"].isin(zones)
        & trips["DOLocationID"].isin(zones)
        & (trips["fare_amount"] >= 0)
        & (start.dt.strftime("%Y-%m") == "2019-03")
    ]
    trips = trips.assign(bin=pd.to_datetime(trips["tpep_pickup_datetime"]).dt.hour // 6)
    assert len(trips) == 6_435
    truth = trips.groupby(["PULocationID", "bin"]).size()
    written = run.table("volumes").query("end == 'start'").set_index(["cell", "bin"])["trips"]
    assert len(written) == 244
    both = truth.reindex(written.index)
    assert int(both.min()) >= 5
    assert int((both - written).abs().max()) <= NOISE


def test_nyc_taxis_zones_without_polygons_leave_as_a_list_of_ids(make: Callable[..., Run]) -> None:
    run = make("nyc_taxis")
    assert [path.name for path in (run.out / "zones").iterdir()] == ["zones_zone.parquet"]
    zones = pq.read_table(run.out / "zones" / "zones_zone.parquet").to_pandas()
    assert list(zones.columns) == ["cell", "id"]
    assert zones["cell"].tolist() == list(range(1, 264))


def test_nyc_taxis_pairs_of_zones_by_dated_hour_are_refused(make: Callable[..., Run]) -> None:
    change = ("volumes: {level: zone, bins: 6h of day}", "flows: {level: zone, bins: 1h}")
    with pytest.raises(ReleaseRefusedError, match="not_empty"):
        make("nyc_taxis", change)


# --- acn_charging: visits, composite ids, k counts sessions -------------------------------------------------------


def test_acn_sessions_by_site_and_hour_of_the_week(make: Callable[..., Run]) -> None:
    run = make("acn_charging")
    assert 0.75 < run.share("volumes:start") < 0.82
    assert [line["used"] for line in run.run["lines"]] == [3_527, 6_026]
    assert set(run.table("volumes")["end"]) == {"start"}
    assert run.table("volumes").columns.tolist() == ["cell", "bin", "end", "trips", "trips_at_least"]


def test_acn_composite_session_id_is_refused_as_a_released_column(make: Callable[..., Run]) -> None:
    change = ("    checks: {max_hours: 240}", "    also: {session: {column: session_id, role: quasi}}")
    with pytest.raises(SourceError, match=r"'session_id'.*holds identifiers .composite_id"):
        make("acn_charging", change, ("visit: session_id, ", ""))


def test_acn_no_value_of_the_session_ids_leaves(make: Callable[..., Run], real_data: Path) -> None:
    run = make("acn_charging")
    sessions = pd.read_csv(real_data / "acn_charging" / "caltech__2019-05-01_2019-08-31.csv.gz", dtype=str)
    pieces = set(sessions["station_id"]) | set(sessions["session_id"].str[:10])
    for path in run.out.rglob("*.csv"):
        text = path.read_text(encoding="utf-8")
        assert not [piece for piece in pieces if piece in text]


# --- ev_workplace: visits of known persons, years 0014 ------------------------------------------------------------


def test_ev_workplace_by_kind_of_site_and_three_hours_of_the_day(make: Callable[..., Run]) -> None:
    run = make("ev_workplace")
    assert run.run["risk"]["before"]["persons"] == 85
    assert run.lines()["used"] == 3_395
    assert run.lines()["rejected"] == {"blank_line": 1}
    assert 0.76 < run.share("volumes:start") < 0.82


def test_ev_workplace_by_site_all_hours_together_tells_of_eleven_of_25_sites(
    make: Callable[..., Run], real_data: Path
) -> None:
    sites = pd.read_csv(real_data / "ev_workplace" / "sessions.csv", dtype=str)["locationId"].dropna().unique()
    run = make(
        "ev_workplace",
        ("ids: [1, 2, 3, 4]", f"ids: [{', '.join(sorted(sites))}]"),
        ("place: facilityType", "place: locationId"),
        ("bins: 3h of day", "bins: 1d of day"),
    )
    assert len(run.table("volumes")) == 11
    assert 0.74 < run.share("volumes:start") < 0.82


def test_ev_workplace_counts_persons_not_sessions(make: Callable[..., Run], real_data: Path) -> None:
    run = make("ev_workplace")
    sessions = pd.read_csv(real_data / "ev_workplace" / "sessions.csv", dtype=str).dropna(subset=["sessionId"])
    hour = sessions["created"].str[11:13].astype(int) // 3
    persons = sessions.groupby([sessions["facilityType"].astype(int), hour])["userId"].nunique()
    written = run.table("volumes").set_index(["cell", "bin"])["persons_at_least"]
    assert len(written) == 9
    assert int(persons.reindex(written.index).min()) >= 5
    assert bool((persons.reindex(written.index) >= written).all())


def test_ev_workplace_without_the_year_shift_is_refused_with_what_to_do(make: Callable[..., Run]) -> None:
    with pytest.raises(SourceError, match=r"clock_out_of_range[\s\S]*time\.shift_years mends"):
        make("ev_workplace", (", shift_years: 2000", ""))
