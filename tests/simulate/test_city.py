"""The seeded city: equal seeds, anchors, profiles, couriers, drivers, and that it stays in its area."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from anonkit.base.errors import SchemaError
from anonkit.simulate import BAKU, COLUMNS, PODGORICA, SCOOTER, TAXI, City, trip_arrays, trip_parts
from anonkit.simulate import city as city_module
from anonkit.simulate.city import TripNumbers, couriers, people, without_overlaps
from shapely import contains_xy
from shapely.geometry import Polygon

CITY = City(persons=2_000, trips=30_000, days=14, start=date(2026, 9, 1), seed=3)


@pytest.fixture(scope="module")
def trips() -> TripNumbers:
    (part,) = trip_parts(CITY)
    return part


def test_equal_cities_give_equal_trips_and_other_seeds_do_not(trips: TripNumbers) -> None:
    (again,) = trip_parts(replace(CITY))
    (other,) = trip_parts(replace(CITY, seed=4))
    assert (again.start_lon == trips.start_lon).all()
    assert (again.start_s == trips.start_s).all()
    assert not (other.start_s == trips.start_s).all()


def test_known_first_trip() -> None:
    # A change of generator must be seen: committed samples would change with it.
    first = {name: values[0] for name, values in trip_arrays(CITY).items()}
    assert {key: first[key] for key in ("trip", "person", "start_s", "start_lon", "mode")} == {
        "trip": "t000000000",
        "person": "p0000823",
        "start_s": 1788206793,
        "start_lon": 49.853135,
        "mode": "scooter",
    }


def test_columns_are_the_canonical_ones_in_their_order() -> None:
    assert tuple(trip_arrays(replace(CITY, trips=50))) == COLUMNS


def test_every_trip_lies_in_the_public_area(trips: TripNumbers) -> None:
    outline = Polygon(BAKU.outline)
    assert contains_xy(outline, trips.start_lon, trips.start_lat).all()
    assert contains_xy(outline, trips.end_lon, trips.end_lat).all()


def test_days_are_local_days(trips: TripNumbers) -> None:
    zone = ZoneInfo("Asia/Baku")
    local = [datetime.fromtimestamp(int(second), UTC).astimezone(zone).date() for second in trips.start_s]
    assert min(local) == date(2026, 9, 1)
    assert max(local) == date(2026, 9, 14)


def test_ends_follow_starts_by_the_duration(trips: TripNumbers) -> None:
    assert (trips.end_s - trips.start_s == trips.duration_s).all()
    assert trips.duration_s.min() > 0


def test_working_days_have_a_morning_peak_and_weekends_have_none(trips: TripNumbers) -> None:
    hour = (trips.start_s + 4 * 3_600) // 3_600 % 24
    weekday = ((trips.start_s + 4 * 3_600) // 86_400 + 3) % 7  # 1970-01-01 was a Thursday
    free = weekday >= 5
    morning = (hour >= 7) & (hour < 9)
    assert morning[~free].mean() > 2 * morning[free].mean()


def test_couriers_make_hundreds_of_trips_and_the_tail_is_heavy() -> None:
    city = City(persons=2_000, trips=30_000, days=30, start=date(2026, 9, 1), seed=3)
    (part,) = trip_parts(city)
    counts = np.sort(np.bincount(part.person, minlength=city.persons))
    assert couriers(city) == 4
    assert (counts[-4:] > 180).all()
    assert np.median(counts) < counts.mean()


def test_commuters_ride_between_the_same_two_places_at_their_own_hour(trips: TripNumbers) -> None:
    folk = people(CITY)
    hour = (trips.start_s + 4 * 3_600) // 3_600 % 24
    weekday = ((trips.start_s + 4 * 3_600) // 86_400 + 3) % 7
    rush = (folk.kind[trips.person] == 0) & (weekday < 5) & (hour >= 7) & (hour < 9)
    who = trips.person[rush]
    to_work = BAKU.metres(trips.end_lon[rush], trips.end_lat[rush], folk.work_lon[who], folk.work_lat[who]) < 150
    own_hour = np.abs((trips.start_s[rush] + 4 * 3_600) % 86_400 - folk.morning_s[who]) < 1_100
    assert to_work.mean() > 0.75
    assert own_hour.mean() > 0.75


def test_scooters_have_no_driver_and_taxis_have_one(trips: TripNumbers) -> None:
    scooter = trips.mode == 0
    assert (trips.driver[scooter] == -1).all()
    assert (trips.driver[~scooter] >= 0).all()


def test_trips_in_the_repeated_hour_fall_on_both_of_its_halves() -> None:
    # Europe/Podgorica leaves summer time on 2026-10-25: 02:00–03:00 local happens twice, from 00:00 and from 01:00 UTC.
    night = City(
        persons=50,
        trips=3_000,
        days=1,
        start=date(2026, 10, 25),
        seed=1,
        zone="Europe/Podgorica",
        area=PODGORICA,
        mix=(TAXI,),
        hours_free=(0, 0, 1, *[0] * 21),
    )
    (part,) = trip_parts(night)
    midnight = int(datetime(2026, 10, 25, tzinfo=UTC).timestamp())
    first = ((part.start_s >= midnight) & (part.start_s < midnight + 3_600)).mean()
    second = ((part.start_s >= midnight + 3_600) & (part.start_s < midnight + 7_200)).mean()
    assert first + second == 1.0
    assert 0.4 < first < 0.6


def test_reach_keeps_trips_near_the_centre() -> None:
    (part,) = trip_parts(replace(CITY, reach_m=1_500.0, mix=(SCOOTER,)))
    centre = BAKU.hot_spots[0]
    assert BAKU.metres(part.start_lon, part.start_lat, centre.lon, centre.lat).max() < 1_900


def test_parts_are_bounded_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(city_module, "CHUNK_TRIPS", 10_000)
    parts = list(trip_parts(CITY))
    assert [len(part) for part in parts] == [10_000] * 3
    assert not (parts[0].start_s == parts[1].start_s).all()


def test_without_overlaps_keeps_one_trip_at_a_time() -> None:
    # Person 1: 0–100, 50–60 (overlaps), 110–120 (within the pause of 20), 130–140. Person 2: 55–58.
    begin, end = np.array([0, 50, 55, 110, 130]), np.array([100, 60, 58, 120, 140])
    zero = np.zeros(5)
    trips = TripNumbers(
        person=np.array([1, 1, 2, 1, 1]),
        driver=begin,
        vehicle=begin,
        mode=begin,
        start_s=begin,
        end_s=end,
        start_lon=zero,
        start_lat=zero,
        end_lon=zero,
        end_lat=zero,
        distance_m=zero,
        duration_s=end - begin,
    )
    assert without_overlaps(trips, pause_s=20).start_s.tolist() == [0, 55, 130]


@pytest.mark.parametrize("name", ["persons", "trips", "days"])
def test_an_empty_city_is_refused(name: str) -> None:
    with pytest.raises(SchemaError, match=f"City.{name} must be 1 or more"):
        replace(CITY, **{name: 0})
