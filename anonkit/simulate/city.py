"""A seeded city: people with home and work, their hours, and the trips they make.

What it is for: samples with invented people, tests that know the truth, benchmarks of any size. What it has of a real
city: home and work anchors with repeated commutes at a person's own hour, weekday and weekend profiles, hot spots, a
Pareto spread of activity, a few couriers who roam and make hundreds of trips, drivers with a vehicle. What it has not:
streets, weather, capacity; beyond ``CHUNK_TRIPS`` trips a person or driver may be in two places at once.
Nothing about the real riders of any operator is in here, and no figure measured on it says how safe a real release is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from anonkit.base.errors import SchemaError
from anonkit.simulate.areas import BAKU, METRES_PER_LAT_DEGREE, PLACE_LAT, PLACE_LON, Area, Places, places
from anonkit.simulate.draws import Draws, Floats, Ints

CHUNK_TRIPS = 1 << 19
COLUMNS = (
    *("trip", "person", "driver", "vehicle", "operator", "mode", "start_s", "end_s"),
    *("start_lon", "start_lat", "end_lon", "end_lat", "distance_m", "duration_s"),
)
_PEOPLE, _TRIPS = 1, 2
HOURS_WORKING = (3, 2, 1, 1, 1, 3, 12, 38, 62, 44, 30, 32, 40, 42, 38, 40, 52, 76, 92, 84, 60, 40, 22, 9)
HOURS_FREE = (8, 5, 3, 2, 1, 1, 3, 8, 16, 30, 44, 56, 64, 66, 66, 68, 72, 80, 88, 88, 74, 54, 36, 18)
# A leisure service of the waterfront: little before noon, most of it after work.
HOURS_EVENING = (4, 1, 0, 0, 0, 0, 1, 5, 12, 6, 3, 4, 10, 12, 9, 8, 16, 40, 96, 110, 84, 30, 14, 8)
_DAYS_OF_WEEK = (100, 101, 103, 105, 118, 124, 108)  # Monday first
_COMMUTER, _STROLLER, _COURIER = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class ModeShare:
    """One operator's part of the trips: ``share`` is a weight, ``speed_kmh`` door to door."""

    mode: str
    operator: str
    share: int
    speed_kmh: float
    driven: bool


SCOOTER = ModeShare(mode="scooter", operator="kontaktplus", share=45, speed_kmh=11.0, driven=False)
RIDE_HAIL = ModeShare(mode="ride_hail", operator="uklon", share=40, speed_kmh=23.0, driven=True)
TAXI = ModeShare(mode="taxi", operator="pokupi", share=15, speed_kmh=25.0, driven=True)


@dataclass(frozen=True, kw_only=True)
class City:
    """What to simulate; equal values give equal trips on every machine.

    Examples
    --------
    >>> city = City(persons=50, trips=400, days=7, start=date(2026, 9, 1), seed=7)
    >>> sorted(trip_arrays(city)) == sorted(COLUMNS)
    True
    """

    persons: int
    """How many people live there; more trips than people means that they come back."""
    trips: int
    """How many trips they make together."""
    days: int
    """How many local days, from ``start`` on."""
    start: date
    """First local day."""
    seed: int
    """Visible, recorded, and never used for anything that protects."""
    zone: str = "Asia/Baku"
    """The city's time zone (IANA)."""
    mix: tuple[ModeShare, ...] = (SCOOTER, RIDE_HAIL, TAXI)
    """Modes and operators; a ride-hail or taxi trip has a driver, a scooter has none."""
    area: Area = field(default=BAKU, repr=False)
    """The public area in which everything happens."""
    reach_m: float | None = None
    """Trips stay this near to the centre, as in a scooter operator's zone; None is the whole area."""
    background: float = 0.003
    """Weight of a place without any hot spot nearby; larger is flatter."""
    hours_working: tuple[int, ...] = field(default=HOURS_WORKING, repr=False)
    """24 weights, one a local hour of a working day."""
    hours_free: tuple[int, ...] = field(default=HOURS_FREE, repr=False)
    """24 weights, one a local hour of a Saturday or Sunday."""

    def __post_init__(self) -> None:
        for name in ("persons", "trips", "days"):
            if getattr(self, name) < 1:
                raise SchemaError(f"City.{name} must be 1 or more.", hint=f"give {name} as a positive whole number.")
        if not self.mix:
            raise SchemaError("City.mix is empty.", hint="give at least one ModeShare.")


@dataclass(frozen=True, kw_only=True)
class People:
    """The inhabitants, as arrays: anchors, kind, how active they are, and when they commute (seconds of the day)."""

    home_lon: Floats
    home_lat: Floats
    work_lon: Floats
    work_lat: Floats
    kind: Ints
    weight: Ints
    morning_s: Ints
    evening_s: Ints


@dataclass(frozen=True, kw_only=True)
class TripNumbers:
    """Trips with numbers for names: ``person``, ``driver`` (−1: none), ``vehicle`` and ``mode`` (place in the mix)."""

    person: Ints
    driver: Ints
    vehicle: Ints
    mode: Ints
    start_s: Ints
    end_s: Ints
    start_lon: Floats
    start_lat: Floats
    end_lon: Floats
    end_lat: Floats
    distance_m: Floats
    duration_s: Ints

    def take(self, rows: Ints) -> TripNumbers:
        """Give the trips of these row numbers, in their order."""
        return TripNumbers(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})

    def __len__(self) -> int:
        return len(self.person)


def _points(city: City, ground: Places, weights: Ints, draws: Draws, size: int) -> tuple[Floats, Floats]:
    place = draws.weighted(weights, size)
    return ground.west[place] + PLACE_LON * draws.uniform(size), ground.south[place] + PLACE_LAT * draws.uniform(size)


def _near(
    city: City, ground: Places, draws: Draws, lon: Floats, lat: Floats, *, candidates: int
) -> tuple[Floats, Floats]:
    """Visit the nearest of some hot places: distance matters, but not alone."""
    best_lon, best_lat = _points(city, ground, ground.visits, draws, len(lon))
    best = city.area.metres(lon, lat, best_lon, best_lat)
    for _ in range(candidates - 1):
        other_lon, other_lat = _points(city, ground, ground.visits, draws, len(lon))
        far = city.area.metres(lon, lat, other_lon, other_lat)
        nearer = (far < best) & (far > 350.0)
        best_lon, best_lat = np.where(nearer, other_lon, best_lon), np.where(nearer, other_lat, best_lat)
        best = np.where(nearer, far, best)
    return best_lon, best_lat


def couriers(city: City) -> int:
    """How many people roam for a living: about one in 500, with at most an eighth of all trips, eight a day each."""
    return min(max(2, city.persons // 500), city.trips // (8 * 8 * city.days), city.persons // 10)


def people(city: City) -> People:
    """Settle the inhabitants; the same for every part of the city's trips."""
    draws, size = Draws(city.seed, _PEOPLE), city.persons
    ground = places(city.area, reach_m=city.reach_m, background=city.background)
    home_lon, home_lat = _points(city, ground, ground.homes, draws, size)
    work_lon, work_lat = _near(city, ground, draws, home_lon, home_lat, candidates=2)
    kind = np.where(draws.chance(0.6, size), _COMMUTER, _STROLLER).astype(np.int64)
    weight = (draws.pareto(size, cap=25.0) * 1_000.0).astype(np.int64)
    roaming = couriers(city)
    if roaming:
        kind[:roaming] = _COURIER
        # Eight trips a day out of all trips: w / (rest + roaming · w) = 8 · days / trips.
        rest, share = int(weight[roaming:].sum()), 8.0 * city.days / city.trips
        weight[:roaming] = int(rest * share / (1.0 - roaming * share))
    morning_s = (29_700.0 + 2_400.0 * draws.bell(size)).astype(np.int64)
    evening_s = (65_400.0 + 3_600.0 * draws.bell(size)).astype(np.int64)
    moved = draws.order(size)  # number 0 is not always a courier
    return People(
        home_lon=home_lon,
        home_lat=home_lat,
        work_lon=work_lon,
        work_lat=work_lat,
        kind=kind[moved],
        weight=weight[moved],
        morning_s=morning_s,
        evening_s=evening_s,
    )


def _hour_starts(city: City) -> tuple[Ints, Ints, Ints]:
    """UTC epoch of each local hour of each day, the extra second of a repeated hour, and the weight of each hour."""
    zone = ZoneInfo(city.zone)
    starts, repeats, weights = [], [], []
    for number in range(city.days):
        day = city.start + timedelta(days=number)
        profile = city.hours_free if day.weekday() >= 5 else city.hours_working
        for hour in range(24):
            first = datetime(day.year, day.month, day.day, hour, tzinfo=zone)
            starts.append(int(first.timestamp()))
            repeats.append(max(int(first.replace(fold=1).timestamp() - first.timestamp()), 0))
            weights.append(profile[hour] * 10_000 // sum(profile) * _DAYS_OF_WEEK[day.weekday()])
    return np.array(starts), np.array(repeats), np.array(weights)


def _part(city: City, folk: People, ground: Places, number: int, size: int) -> TripNumbers:
    draws = Draws(city.seed, _TRIPS, number)
    person = draws.weighted(folk.weight, size)
    kind = folk.kind[person]
    starts, repeats, weights = _hour_starts(city)
    slot = draws.weighted(weights, size)
    hour = slot % 24
    working = (np.array([(city.start + timedelta(days=day)).weekday() for day in range(city.days)]) < 5)[slot // 24]
    second = draws.below(3_600, size)
    # A commuter's rides in the rush hours of a working day are commutes, at his own hour.
    commute = (kind == _COMMUTER) & working & draws.chance(0.8, size)
    outward, inward = commute & (hour >= 6) & (hour < 10), commute & (hour >= 16) & (hour < 21)
    usual = np.where(outward, folk.morning_s[person], folk.evening_s[person]) + (300.0 * draws.bell(size)).astype(
        np.int64
    )
    slot = np.where(outward | inward, slot - hour + usual // 3_600, slot)
    second = np.where(outward | inward, usual % 3_600, second)
    start_s = starts[slot] + second + np.where(draws.chance(0.5, size), repeats[slot], 0)

    home = folk.home_lon[person], folk.home_lat[person]
    work = folk.work_lon[person], folk.work_lat[person]
    spot = _points(city, ground, ground.visits, draws, size)
    choice = draws.uniform(size)
    roams = kind == _COURIER
    from_home, from_work = outward | (~roams & (choice < 0.35)), inward | (~roams & (choice >= 0.35) & (choice < 0.5))
    begin = [np.where(from_home & ~inward, home[i], np.where(from_work, work[i], spot[i])) for i in (0, 1)]
    visit = _near(city, ground, draws, begin[0], begin[1], candidates=3)
    homeward = inward | (~roams & ~outward & (choice >= 0.5) & (choice < 0.78))
    finish = [np.where(outward, work[i], np.where(homeward, home[i], visit[i])) for i in (0, 1)]
    jitter_lon, jitter_lat = 25.0 / city.area.metres_per_lon_degree, 25.0 / METRES_PER_LAT_DEGREE
    ends = [
        end + scale * draws.bell(size)
        for end, scale in zip((*begin, *finish), (jitter_lon, jitter_lat, jitter_lon, jitter_lat), strict=True)
    ]
    start_lon, start_lat, end_lon, end_lat = (np.floor(end * 1e6 + 0.5) / 1e6 for end in ends)

    mode = draws.weighted(np.array([part.share for part in city.mix]), size)
    speed = np.array([part.speed_kmh for part in city.mix])[mode] / 3.6
    way = city.area.metres(start_lon, start_lat, end_lon, end_lat) * (1.2 + 0.3 * draws.uniform(size)) + 60.0
    distance_m = np.floor(way)
    duration_s = np.maximum(distance_m / speed * (0.8 + 0.5 * draws.uniform(size)), 20.0).astype(np.int64)
    driven = np.array([part.driven for part in city.mix])[mode]
    drivers = max(2, city.trips // (12 * city.days)) if any(part.driven for part in city.mix) else 1
    scooters = max(5, city.trips // (4 * city.days))
    busy = np.sqrt(draws.uniform(size))  # some drivers work more than others
    driver = np.where(driven, (busy * drivers).astype(np.int64), -1)
    vehicle = np.where(driven, driver, draws.below(scooters, size))
    part = TripNumbers(
        person=person,
        driver=driver,
        vehicle=vehicle,
        mode=mode,
        start_s=start_s,
        end_s=start_s + duration_s,
        start_lon=start_lon,
        start_lat=start_lat,
        end_lon=end_lon,
        end_lat=end_lat,
        distance_m=distance_m,
        duration_s=duration_s,
    )
    return part.take(np.argsort(start_s, kind="stable"))


def trip_parts(city: City) -> Iterator[TripNumbers]:
    """Make the trips in parts of at most ``CHUNK_TRIPS``, each sorted by start; memory does not grow with the trips."""
    folk = people(city)
    ground = places(city.area, reach_m=city.reach_m, background=city.background)
    for number, first in enumerate(range(0, city.trips, CHUNK_TRIPS)):
        yield _part(city, folk, ground, number, min(CHUNK_TRIPS, city.trips - first))


def without_overlaps(trips: TripNumbers, *, pause_s: int) -> TripNumbers:
    """Leave out trips that begin before their person's last one has ended (and ``pause_s`` more has gone by)."""
    free: dict[int, int] = {}
    keep = []
    for row, (who, begin, end) in enumerate(
        zip(trips.person.tolist(), trips.start_s.tolist(), trips.end_s.tolist(), strict=True)
    ):
        if begin >= free.get(who, begin):
            keep.append(row)
            free[who] = end + pause_s
    return trips.take(np.array(keep, dtype=np.int64))


def trip_arrays(city: City) -> dict[str, np.ndarray]:
    """Give all trips of the city as canonical columns in NumPy; for cities that fit into memory.

    Parameters
    ----------
    city : what to simulate.

    Returns
    -------
    dict of arrays ``trip, person, driver, vehicle, operator, mode, start_s, end_s, start_lon, start_lat, end_lon,
    end_lat, distance_m, duration_s``; a scooter's driver is ``None``.

    Privacy
    -------
    Invented people; spends nothing.

    Sources
    -------
    The canonical columns are those of the project's trips table.
    """
    from anonkit.simulate.tables import trip_table

    table = trip_table(city)
    return {name: table.column(name).to_numpy() for name in table.column_names}
