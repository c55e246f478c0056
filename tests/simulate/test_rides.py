"""KONTAKTPLUS rides: the format, the invented identifiers, the counted dirt, the scooters' chain."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anonkit.simulate.rides import DIRT, RIDE_COLUMNS, SAMPLE_CITY, rides, scooter_city, write_rides_csv

SAMPLE = Path(__file__).parents[2] / "data" / "samples" / "kontaktplus" / "rides.csv"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, int], bytes]:
    path = tmp_path_factory.mktemp("rides") / "rides.csv"
    counts = write_rides_csv(path, SAMPLE_CITY)
    return counts, path.read_bytes()


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    path = tmp_path_factory.mktemp("rides") / "clean.csv"
    write_rides_csv(path, SAMPLE_CITY, dirt=0)
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_the_committed_sample_is_what_the_generator_makes(made: tuple[dict[str, int], bytes]) -> None:
    assert SAMPLE.read_bytes() == made[1]
    assert len(made[1]) <= 1_000_000


def test_physical_lines_are_rides_and_known_dirt(made: tuple[dict[str, int], bytes]) -> None:
    counts, content = made
    assert content.count(b"\n") == counts["lines"]
    assert counts["lines"] == 1 + counts["rides"] + counts["duplicate_ride_id"] + counts["empty_line"]
    assert all(counts[kind] == 3 for kind in DIRT)


def test_each_kind_of_dirt_is_in_the_file_as_often_as_counted(made: tuple[dict[str, int], bytes]) -> None:
    rows = list(csv.reader(io.StringIO(made[1].decode("utf-8"))))[1:]
    full = [dict(zip(RIDE_COLUMNS, row, strict=True)) for row in rows if len(row) == len(RIDE_COLUMNS)]
    found = {
        "empty_line": sum(row == [] for row in rows),
        "too_few_fields": sum(0 < len(row) < 19 for row in rows),
        "too_many_fields": sum(len(row) > 19 for row in rows),
        "missing_coordinates": sum(row["end_lon"] == "" for row in full),
        "clock_of_2000": sum(row["started_at"].startswith("2000") for row in full),
        "not_a_time": sum(row["ended_at"].startswith("0000") for row in full),
        "no_user": sum(row["user_id"] == "" for row in full),
        "swapped_coordinates": sum(row["start_lon"].startswith("40.") for row in full),
        "end_before_start": sum(row["ended_at"] < row["started_at"] for row in full)
        - sum(row["ended_at"].startswith("0000") for row in full),
        "duplicate_ride_id": sum(count - 1 for count in Counter(row["ride_id"] for row in full).values()),
    }
    assert found == {kind: made[0][kind] for kind in DIRT}


def test_times_are_local_with_the_offset_of_baku(clean: pd.DataFrame) -> None:
    assert clean["started_at"].str.fullmatch(r"2026-(09|10)-\d\dT\d\d:\d\d:\d\d\+04:00").all()
    begin, end = (clean[name].map(datetime.fromisoformat) for name in ("started_at", "ended_at"))
    assert (begin < end).all()


def test_identifiers_are_invented_and_valid_in_form(clean: pd.DataFrame) -> None:
    assert clean["email"].str.fullmatch(r"[a-z]\.[a-z]+\d+@example\.(com|org)").all()
    digits = clean["phone"].str.replace(r"\D", "", regex=True)
    assert digits.str.contains("000").all()
    assert clean["ip"].str.match(r"192\.0\.2\.|198\.51\.100\.|203\.0\.113\.|2001:db8::").all()
    for card in clean["card_number"].unique():
        doubled = [int(c) * (2 - i % 2) for i, c in enumerate(card)]  # 16 digits: even places are doubled
        assert sum(value - 9 * (value > 9) for value in doubled) % 10 == 0


def test_names_have_the_letters_of_azerbaijani(clean: pd.DataFrame) -> None:
    assert set("əğışçöü") <= set("".join(clean["full_name"]).lower())


def test_a_rider_keeps_his_account_and_nobody_shares_one(clean: pd.DataFrame) -> None:
    accounts = clean.groupby("user_id")[["phone", "email", "card_number", "device_id"]].nunique()
    assert (accounts == 1).all().all()
    assert clean.groupby("card_number")["user_id"].nunique().max() == 1


def test_nobody_rides_two_scooters_and_no_scooter_carries_two(clean: pd.DataFrame) -> None:
    for key in ("user_id", "scooter_id"):
        ordered = clean.sort_values([key, "started_at"])
        same = ordered[key] == ordered[key].shift()
        assert (ordered["started_at"][same] >= ordered["ended_at"].shift()[same]).all()


def test_most_rides_begin_where_their_scooter_was_left() -> None:
    made = sorted(rides(SAMPLE_CITY), key=lambda ride: (ride.scooter, ride.start_s))
    pairs = [(one, two) for one, two in pairwise(made) if one.scooter == two.scooter]
    near = [abs(one.end[0] - two.start[0]) < 3e-4 and abs(one.end[1] - two.start[1]) < 3e-4 for one, two in pairs]
    assert np.mean(near) > 0.5


def test_some_rides_last_less_than_a_minute(clean: pd.DataFrame) -> None:
    lasted = clean["ended_at"].map(datetime.fromisoformat) - clean["started_at"].map(datetime.fromisoformat)
    assert 10 < (lasted < pd.Timedelta(60, "s")).sum() < 100


def test_r06_one_rider_has_hundreds_of_rides(clean: pd.DataFrame) -> None:
    counts = clean["user_id"].value_counts()
    assert counts.iloc[0] > 180
    assert counts.median() < 10


def test_r37_five_persons_at_two_kilometres_and_three_hours_keep_over_half_of_the_rides(clean: pd.DataFrame) -> None:
    # Plain pandas count on a planar grid, origin x destination x absolute 3-hour bin, averaged over 16 grid offsets,
    # because the answer depends on where the cells' borders fall.
    lon, lat, end_lon, end_lat = (clean[name].astype(float) for name in RIDE_COLUMNS[11:15])
    begin = clean["started_at"].str[:10] + clean["started_at"].str[11:13].astype(int).floordiv(3).astype(str)
    kept = []
    for east in (0, 0.25, 0.5, 0.75):
        for north in (0, 0.25, 0.5, 0.75):
            cells = pd.DataFrame(
                {
                    "a": (lon * 84_700 / 2_000 + east) // 1,
                    "b": (lat * 111_200 / 2_000 + north) // 1,
                    "c": (end_lon * 84_700 / 2_000 + east) // 1,
                    "d": (end_lat * 111_200 / 2_000 + north) // 1,
                    "t": begin,
                    "person": clean["user_id"],
                }
            )
            kept.append((cells.groupby(["a", "b", "c", "d", "t"])["person"].transform("nunique") >= 5).mean())
    assert np.mean(kept) > 0.6
    assert min(kept) > 0.4


def test_another_size_is_another_file_of_that_size(tmp_path: Path) -> None:
    counts = write_rides_csv(tmp_path / "small.csv", scooter_city(trips=200, persons=40, days=5, seed=9), dirt=0)
    assert 150 < counts["rides"] <= 200
    assert counts["lines"] == counts["rides"] + 1
