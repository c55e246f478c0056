"""Recommended routes: the fastest by the hour, honest about what was measured, better than guessing on held-out trips."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from anonkit.base.errors import SchemaError
from anonkit.classes import Protection
from anonkit.coverage import link_times, nearest_nodes, position, recommend, route_time, savings
from anonkit.geo.matching import Walks
from anonkit.geo.networks import Plane
from anonkit.geo.networks_cells import network_from_cells, square_cells
from anonkit.kanon.perturb import CellKeyNoise
from anonkit.kanon.routes import RouteRule
from anonkit.kanon.routes import speeds as publish_speeds
from anonkit.kanon.routes_counting import Riders
from anonkit.kanon.routes_product import RouteProduct

SIDE = 7
X, Y, PAIRS = square_cells(width=SIDE, height=SIDE, cell_m=200)
TOWN = network_from_cells(centre_x=X, centre_y=Y, neighbours=PAIRS, speed_kmh=36, plane=Plane())
LINK = {(int(a), int(b)): i for i, (a, b) in enumerate(zip(TOWN.link_start, TOWN.link_end, strict=True))}


def told(speed: dict[int, float], *, bin: int = -1, slow: float | None = None) -> pd.DataFrame:
    table = pd.DataFrame({"link": list(speed), "bin": bin, "speed_kmh": list(speed.values())})
    if slow is not None:
        table["median_kmh"], table["slow_kmh"] = table["speed_kmh"], table["speed_kmh"] / slow
    return table


def product(*tables: pd.DataFrame) -> RouteProduct:
    return RouteProduct("speeds", pd.concat(tables, ignore_index=True), TOWN.digest, {"k": 5})


def test_without_any_published_speed_on_the_way_the_answer_says_so() -> None:
    times = link_times(product(told({LINK[47, 48]: 36.0})), TOWN)
    route = recommend(times, origin=0, destination=2).iloc[0]
    assert route["measured"] == 0.0
    assert route["length_m"] == 400.0
    assert route["time_s"] == pytest.approx(40.0)  # 400 m at the free speed of 36 km/h


def test_the_fastest_route_avoids_what_is_slow_at_that_hour() -> None:
    # straight from 0 to 2 takes 0 → 1 → 2; at hour 18 the links at node 1 crawl
    jam = {LINK[0, 1]: 4.0, LINK[1, 2]: 4.0}
    every = dict.fromkeys(range(TOWN.links), 36.0)
    times = link_times(product(told(every), told(jam, bin=18)), TOWN)
    calm, busy = (recommend(times, origin=0, destination=2, hour=hour).iloc[0] for hour in (None, 18))
    assert (calm["length_m"], busy["length_m"]) == (400.0, 800.0)
    assert busy["time_s"] < route_time(times, list(jam), hour=18)["time_s"]
    assert recommend(times, origin=0, destination=2, hour=18, by="shortest").iloc[0]["detour"] == 1.0
    assert busy["detour"] == 2.0


def test_the_rest_of_the_day_stands_in_for_an_hour_that_is_missing() -> None:
    times = link_times(product(told({3: 18.0}), told({5: 9.0}, bin=8)), TOWN)
    row = times.row(8)
    assert times.mean_s[row, 3] == pytest.approx(40.0)
    assert times.measured[row, [3, 5]].all()
    assert times.row(23) == len(times.bins)  # an hour that nobody published


def test_a_link_without_speed_takes_its_twins_and_then_its_class() -> None:
    times = link_times(product(told({LINK[0, 1]: 18.0})), TOWN)
    assert times.mean_s[0, LINK[1, 0]] == pytest.approx(40.0)
    assert not times.measured[0, LINK[1, 0]]
    assert times.mean_s[0, LINK[5, 6]] == pytest.approx(40.0)  # all links are of one class


def test_the_reliable_route_prefers_measured_links() -> None:
    top = {LINK[a, b]: 36.0 for a, b in ((0, 7), (7, 8), (8, 9), (9, 2))}
    times = link_times(product(told(top)), TOWN)
    straight = recommend(times, origin=0, destination=2, by="fastest").iloc[0]
    careful = recommend(times, origin=0, destination=2, by="reliable", caution=20.0).iloc[0]
    assert straight["measured"] == 0.0
    assert careful["measured"] >= 0.0
    assert careful["time_s"] >= straight["time_s"]


def test_alternatives_are_different_ways_and_not_much_longer() -> None:
    times = link_times(product(told(dict.fromkeys(range(TOWN.links), 36.0))), TOWN)
    routes = recommend(times, origin=0, destination=48, alternatives=2)
    assert routes["rank"].tolist() == [1, 2, 3]
    paths = [set(text.split()) for text in routes["links"]]
    for i, a in enumerate(paths):
        for b in paths[:i]:
            assert len(a & b) <= 0.7 * len(a) + 1e-9
    assert (routes["time_s"] <= 1.5 * routes["time_s"].iloc[0]).all()
    assert routes.geometry.iloc[0].length == pytest.approx(routes["length_m"].iloc[0])


def test_intervals_widen_with_the_published_spread_and_the_level() -> None:
    narrow, wide = (
        link_times(product(told(dict.fromkeys(range(TOWN.links), 36.0), slow=slow)), TOWN) for slow in (1.1, 2.0)
    )
    path = [LINK[0, 1], LINK[1, 2]]
    a, b = route_time(narrow, path), route_time(wide, path)
    assert b["high_s"] - b["low_s"] > 2 * (a["high_s"] - a["low_s"])
    assert route_time(wide, path, level=0.5)["high_s"] < b["high_s"]
    assert a["low_s"] < a["time_s"] < a["high_s"]


def test_no_way_is_an_error_with_a_hint() -> None:
    times = link_times(product(told({0: 36.0})), TOWN)
    with pytest.raises(SchemaError, match="There is no way"):
        recommend(times, origin=4, destination=4)
    with pytest.raises(SchemaError, match="Unknown aim"):
        recommend(times, origin=0, destination=4, by="prettiest")  # type: ignore[arg-type]


def test_positions_are_found_where_the_network_can_be_driven() -> None:
    one_way = TOWN.subset(~((TOWN.link_start == 0) | ((TOWN.link_end == 0) & (TOWN.link_start != 1))))
    corner = nearest_nodes(one_way, 0.0, 0.0)  # node 0 is entered and never left: its neighbours are 200 m away
    assert corner.tolist() != [0]
    times = link_times(RouteProduct("speeds", told({0: 36.0}), one_way.digest, {"k": 5}), one_way)
    assert len(recommend(times, origin=int(corner[0]), destination=one_way.nodes - 1)) == 1
    with pytest.raises(SchemaError, match="There is no way"):  # the twin: from the nearest node of all
        recommend(times, origin=0, destination=one_way.nodes - 1)


@pytest.mark.parametrize("position", [(5e5, 0.0), (np.nan, 0.0)])
def test_a_position_off_the_network_is_refused_without_being_told(position: tuple[float, float]) -> None:
    with pytest.raises(SchemaError, match="1 of 2 positions are not on this network") as found:
        nearest_nodes(TOWN, [0.0, position[0]], [0.0, position[1]], most_m=2000.0)
    assert "500000" not in str(found.value)


def test_a_free_vehicle_is_sent_where_unserved_demand_per_minute_is_highest() -> None:
    times = link_times(product(told(dict.fromkeys(range(TOWN.links), 36.0))), TOWN)
    nodes = nearest_nodes(TOWN, X, Y)
    assert nodes.tolist() == list(range(TOWN.nodes))
    cells = np.arange(TOWN.nodes) + 100
    demand = RouteProduct(
        "cell_volumes", pd.DataFrame({"cell": [101, 148, 103], "bin": 8, "trips": [10, 40, 30]}), "", {"k": 5}
    )
    service = RouteProduct("cell_volumes", pd.DataFrame({"cell": [103], "bin": 8, "trips": [30]}), "", {"k": 5})
    more: dict[str, Any] = {"at": 0, "cells": cells, "cell_nodes": nodes, "hour": 8}
    # 101: 10 a (20 + 60) s = 7.5 a minute; 148: 40 a (240 + 60) s = 8 a minute; 103 is served already
    table = position(times, demand, service=service, **more)
    assert table["cell"].tolist() == [148, 101]
    assert table["per_minute"].round(3).tolist() == [8.0, 7.5]
    assert position(times, demand, service=service, reach_s=60, **more)["cell"].tolist() == [101]
    assert position(times, demand, **(more | {"hour": 9})).empty


def city_walks(seed: int, trips: int) -> tuple[Walks, list[str], np.ndarray]:
    """Drives on streets with speeds of their own; person and driver vary."""
    rng = np.random.default_rng(seed)
    own = 20.0 * np.exp(np.random.default_rng(99).normal(0, 0.5, TOWN.links))  # seconds a link, the same in all seeds
    link: list[int] = []
    sizes, times = [], []
    for _ in range(trips):
        path = [int(rng.integers(TOWN.links))]
        while len(path) < 8:
            onward = np.flatnonzero(TOWN.link_start == TOWN.link_end[path[-1]])
            path.append(int(rng.choice(onward[onward != TOWN.twin[path[-1]]])))
        link += path
        sizes.append(8)
        times.append(own[path] * np.exp(rng.normal(0, 0.1)) * np.exp(rng.normal(0, 0.2, 8)))
    trip = np.repeat(np.arange(trips), sizes).astype(np.int32)
    seconds = np.concatenate(times)
    stop = np.cumsum(seconds)
    length = TOWN.length_m[link]
    walks = Walks(
        trip, np.zeros(len(link), np.int32), np.array(link, dtype=np.int32), stop - seconds, stop, 0 * length, length,
        trips,
    )  # fmt: skip
    return walks, [f"p{i}" for i in rng.integers(0, trips, trips)], own


def test_held_out_times_are_told_better_than_by_one_speed_and_the_interval_holds() -> None:
    walks, person, own = city_walks(1, 1500)
    rule = RouteRule(protection=Protection(unit="person", k=5), max_rows=2, noise=CellKeyNoise(largest=2, variance=1.0))
    riders = Riders.of(person=person, driver=None, operator=None, key=b"k" * 32)
    whole = np.zeros(len(walks.link), dtype=np.int64)
    made = publish_speeds(
        walks, riders, TOWN, rule=rule, part=whole, speed_bounds_kmh=(3, 120), step_kmh=1
    )  # fmt: skip
    times = link_times(made, TOWN)
    held, _, _ = city_walks(2, 200)
    error, plain, inside = [], [], []
    one_speed = own.mean()
    for trip in range(200):
        rows = held.trip == trip
        actual = held.exit_s[rows][-1] - held.enter_s[rows][0]
        guess = route_time(times, held.link[rows])
        error.append(abs(guess["time_s"] / actual - 1))
        plain.append(abs(one_speed * 8 / actual - 1))
        inside.append(guess["low_s"] <= actual <= guess["high_s"])
    assert np.median(error) < 0.7 * np.median(plain)
    assert np.median(error) < 0.12
    assert np.mean(inside) >= 0.9
    # the recommended way is really faster than a driven one, by the truth behind the simulation
    faster = []
    for trip in range(60):
        links = held.link[held.trip == trip]
        origin, destination = int(TOWN.link_start[links[0]]), int(TOWN.link_end[links[-1]])
        if origin != destination:
            best = recommend(times, origin=origin, destination=destination).iloc[0]
            faster.append(own[np.array(best["links"].split(), dtype=int)].sum() / own[links].sum())
    assert np.mean(np.array(faster) <= 1.02) > 0.9


def test_savings_compare_each_published_route_with_the_best_between_its_ends() -> None:
    every = dict.fromkeys(range(TOWN.links), 36.0)
    times = link_times(product(told(every | {LINK[0, 1]: 4.0})), TOWN)
    around = [LINK[0, 1], LINK[1, 2]]  # 180 + 20 s; around the slow link it is 4 links of 20 s
    loop = [LINK[3, 4], LINK[4, 3]]
    straight = [LINK[7, 8], LINK[8, 9], LINK[9, 10]]
    routes = pd.DataFrame(
        {
            "pattern": [0, 1, 2],
            "links": [around, loop, straight],
            "length_m": [400.0, 400.0, 600.0],
            "trips": [10, 99, 20],
        }
    )
    table = savings(RouteProduct("patterns", routes, TOWN.digest, {"k": 5}), times)
    assert table["pattern"].tolist() == [2, 0]  # most metres first; a route back to its start has no best route
    assert table["saved"].round(3).tolist() == [0.0, 0.6]
    assert table["best_m"].tolist() == [600.0, 800.0]
    assert len(savings(RouteProduct("patterns", routes, TOWN.digest, {"k": 5}), times, most=1)) == 1
    with pytest.raises(SchemaError, match="another street network"):
        savings(RouteProduct("patterns", routes, "other", {"k": 5}), times)
