"""Ruling 31: a published route was walked in full by k persons and k_driver drivers, and by subtraction nobody shows."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anonkit.classes import Protection
from anonkit.geo.matching import Walks
from anonkit.geo.networks import Plane
from anonkit.geo.networks_cells import network_from_cells, square_cells
from anonkit.kanon.perturb import CellKeyNoise
from anonkit.kanon.routes import RouteRule
from anonkit.kanon.routes_counting import Riders
from anonkit.kanon.routes_patterns import patterns
from hypothesis import given, settings
from hypothesis import strategies as st

REAL = Path(os.environ.get("ANONKIT_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
X, Y, PAIRS = square_cells(width=12, height=1, cell_m=100)
TOWN = network_from_cells(centre_x=X, centre_y=Y, neighbours=PAIRS, speed_kmh=36, plane=Plane())


def made(trips: list[list[int]]) -> Walks:
    link = np.array([i for path in trips for i in path], dtype=np.int32)
    trip = np.repeat(np.arange(len(trips)), [len(path) for path in trips]).astype(np.int32)
    clock = np.arange(len(link)) * 10.0
    length = TOWN.length_m[link]
    return Walks(trip, np.zeros(len(link), np.int32), link, clock, clock + 10, 0 * length, length, len(trips))


def find(trips: list[list[int]], person: list[Any], *, k: int = 2, driver: list[Any] | None = None, **more: Any) -> Any:
    protection = Protection(unit="person", k=k, k_driver=2 if driver else None, dominance=Fraction(1))
    settings_ = {"least_m": 100.0, "most_links": 20, "closed": False, "beside_volumes": False} | more
    who = Riders.of(person=person, driver=driver, operator=None, key=b"k" * 32)
    rule = RouteRule(protection=protection, max_rows=9, noise=CellKeyNoise(largest=1, variance=0.5))
    product = patterns(made(trips), who, TOWN, rule=rule, **settings_)
    return [tuple(links) for links in product.table["links"]]


def walkers(links: tuple[int, ...], trips: list[list[int]], who: list[Any]) -> set[Any]:
    """Persons who walked all the links one after the other: a plain recount."""
    size = len(links)
    return {
        one
        for trip, one in zip(trips, who, strict=True)
        if any(tuple(trip[i : i + size]) == links for i in range(len(trip) - size + 1))
    } - {None}


def inside(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    return any(large[i : i + len(small)] == small for i in range(len(large) - len(small) + 1))


def test_the_longest_route_that_k_persons_walked_is_found() -> None:
    assert find([[1, 2, 3, 4], [0, 1, 2, 3], [2, 3, 4]], ["a", "b", "c"]) == [(1, 2, 3), (2, 3, 4)]


def test_r31_a_unique_trip_stitched_from_popular_links_never_appears() -> None:
    """Mutation twin: "each short piece shared by k persons" publishes a path that one person walked."""
    trips = [[1, 2, 3], [1, 2, 3], [3, 4, 5], [3, 4, 5], [1, 2, 3, 4, 5]]
    person = list("abcde")
    whole = (1, 2, 3, 4, 5)
    found = find(trips, person)
    assert whole not in found
    assert all(len(walkers(links, trips, person)) >= 2 for links in found)
    pieces = [whole[i : i + 2] for i in range(4)]
    assert all(len(walkers(piece, trips, person)) >= 2 for piece in pieces)  # the unsafe rule would pass it
    assert walkers(whole, trips, person) == {"e"}


def test_r31_forty_trips_of_one_person_make_no_route() -> None:
    assert find([[1, 2, 3]] * 40, ["a"] * 40) == []
    assert find([[1, 2, 3]] * 40, [None] * 40) == []


def test_r31_two_persons_with_one_driver_make_no_route() -> None:
    trips = [[1, 2, 3]] * 3
    assert find(trips, list("abc"), driver=["x"] * 3) == []
    assert find(trips, list("abc"), driver=["x", "x", "y"]) == [(1, 2, 3)]


def test_a_gap_is_no_step() -> None:
    walks = made([[1, 2, 3, 4]] * 3)
    piece = np.tile([0, 0, 1, 1], 3).astype(np.int32)
    broken = Walks(**{**vars(walks), "piece": piece})
    rule = RouteRule(protection=Protection(unit="person", k=2), max_rows=9, noise=CellKeyNoise(largest=1, variance=0.5))
    who = Riders.of(person=list("abc"), driver=None, operator=None, key=b"k" * 32)
    found = patterns(broken, who, TOWN, rule=rule, least_m=1, most_links=9, closed=False, beside_volumes=False)
    assert found.table["links"].tolist() == [[1, 2], [3, 4]]


def test_r06_a_route_that_one_person_dominates_is_left_out() -> None:
    trips, person = [[1, 2]] * 6, ["a", "a", "a", "a", "b", "c"]
    rule = RouteRule(protection=Protection(unit="person", k=2), max_rows=9, noise=CellKeyNoise(largest=1, variance=0.5))
    who = Riders.of(person=person, driver=None, operator=None, key=b"k" * 32)
    found = patterns(made(trips), who, TOWN, rule=rule, least_m=1, most_links=9, closed=False, beside_volumes=False)
    assert len(found.table) == 0


trips_of = st.lists(
    st.tuples(
        st.lists(st.integers(0, 4), min_size=1, max_size=7), st.sampled_from([None, *"abcdef"]), st.sampled_from("xyz")
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=150)
@given(rows=trips_of, k=st.integers(2, 3), closed=st.booleans(), beside=st.booleans())
def test_r31_a_recount_finds_k_persons_and_drivers_for_every_route(
    rows: list[Any], k: int, closed: bool, beside: bool
) -> None:
    trips, person, driver = ([row[i] for row in rows] for i in range(3))
    found = find(trips, person, k=k, driver=driver, closed=closed, beside_volumes=beside)
    assert len(set(found)) == len(found)
    for links in found:
        mine = walkers(links, trips, person)
        assert len(mine) >= k
        assert len(walkers(links, trips, driver)) >= 2
        longer = [other for other in found if other != links and inside(links, other)]
        rest = mine - set().union(*(walkers(other, trips, person) for other in longer))
        assert len(rest) == 0 or len(rest) >= k  # ruling 31, second half
        if not closed:
            assert not longer
        if beside:  # ruling 11: a link's volume minus the route is nobody or k persons
            for place, link in enumerate(links):
                outside = {
                    one
                    for trip, one in zip(trips, person, strict=True)
                    for i, here in enumerate(trip)
                    if here == link and tuple(trip[max(i - place, 0) : i - place + len(links)]) != links
                }
                blank = any(
                    one is None and here == link and tuple(trip[max(i - place, 0) : i - place + len(links)]) != links
                    for trip, one in zip(trips, person, strict=True)
                    for i, here in enumerate(trip)
                )
                assert len(outside - {None}) >= k or (not outside - {None} and not blank)


@settings(max_examples=80)
@given(rows=trips_of, k=st.integers(2, 3))
def test_r10_the_search_misses_no_route_that_brute_force_finds(rows: list[Any], k: int) -> None:
    trips, person = ([row[i] for row in rows] for i in range(2))
    every = {tuple(trip[i:j]) for trip in trips for i in range(len(trip)) for j in range(i + 2, len(trip) + 1)}
    safe = {links for links in every if len(walkers(links, trips, person)) >= k}
    maximal = {links for links in safe if not any(other != links and inside(links, other) for other in safe)}
    assert set(find(trips, person, k=k)) == maximal


def test_r11_beside_volumes_a_route_that_leaves_one_person_out_is_not_told() -> None:
    trips, person = [[1, 2]] * 3 + [[1, 3]], list("abcd")
    assert find(trips, person) == [(1, 2)]
    assert find(trips, person, beside_volumes=True) == []  # volume of link 1 minus the route would be d alone
    assert find([*trips, [1, 3]], [*person, "e"], beside_volumes=True) == [(1, 2), (1, 3)]


def test_closed_routes_appear_where_the_difference_holds_k_persons() -> None:
    trips = [[1, 2, 3]] * 3 + [[1, 2]] * 2
    assert find(trips, list("abcde"), closed=True) == [(1, 2, 3), (1, 2)]
    assert find(trips[:-1], list("abcd"), closed=True) == [(1, 2, 3)]  # the difference would be d alone


def test_the_order_of_the_input_does_not_show() -> None:
    trips, person = [[3, 4, 5]] * 2 + [[0, 1, 2]] * 2, list("abcd")
    assert find(trips, person) == find(trips[::-1], person[::-1]) == [(0, 1, 2), (3, 4, 5)]


def test_r31_the_sub_trajectory_attack_finds_nobody() -> None:
    """An attacker who knows three links of a victim looks for published routes that hold them: each has k walkers."""
    rng = np.random.default_rng(5)
    trips = [list(range(a, a + n)) for a, n in zip(rng.integers(0, 15, 300), rng.integers(3, 8, 300), strict=True)]
    person = [f"p{i}" for i in rng.integers(0, 90, 300)]
    found = find(trips, person, k=5, closed=True)
    assert found
    unique_raw = hits = 0
    for trip, _ in zip(trips, person, strict=True):
        known = tuple(trip[:3])
        unique_raw += len(walkers(tuple(trip), trips, person)) < 5
        for links in found:
            if inside(known, links):
                hits += 1
                assert len(walkers(links, trips, person)) >= 5
    assert unique_raw > 0  # on the raw walks the attack singles people out
    assert hits > 0


@pytest.mark.real
@pytest.mark.skipif(not REAL.exists(), reason="needs the real datasets (ANONKIT_REAL_DATA)")
def test_r31_porto_routes_recount_to_k_drivers() -> None:
    import json

    import pandas as pd
    from anonkit.geo.matching import Matcher
    from anonkit.geo.networks_read import read_network
    from anonkit.geo.trimming import EndRule, end_cells, first_and_last, trim_walks

    network = read_network(REAL / "porto_roads" / "segments.csv")
    table = pd.read_csv(REAL / "porto_taxi" / "trips.csv")
    lines = [np.asarray(json.loads(text), dtype=float).reshape(-1, 2) for text in table["POLYLINE"]]
    offsets = np.r_[0, np.cumsum([len(line) for line in lines])]
    clock = np.concatenate([15 * np.arange(len(line)) for line in lines])
    lon, lat = np.vstack(lines).T
    walks = Matcher.of(network).match(offsets, clock, lon, lat).walks
    cut = EndRule(cell_m=250, minimum_m=200, settle_m=50)
    x, y = network.plane.to_metres(lon, lat)
    x0, y0, x1, y1 = first_and_last(offsets, x, y)
    who = Riders.of(person=range(len(table)), driver=table["TAXI_ID"].tolist(), operator=None, key=b"k" * 32)
    ends = end_cells(np.r_[x0, x1], np.r_[y0, y1], np.r_[who.person, who.person], rule=cut)
    walks = trim_walks(walks, network, start_cells=ends[: len(table)], end_cells=ends[len(table) :], rule=cut)
    rule = RouteRule(
        protection=Protection(unit="trip", k=5, k_driver=5), max_rows=2, noise=CellKeyNoise(largest=2, variance=1.0)
    )
    found = patterns(walks, who, network, rule=rule, least_m=300, most_links=80, closed=False, beside_volumes=False)
    assert len(found.table) > 100
    trips: dict[tuple[int, int], list[int]] = {}
    for trip, piece, link in zip(walks.trip.tolist(), walks.piece.tolist(), walks.link.tolist(), strict=True):
        trips.setdefault((trip, piece), []).append(link)
    for links in found.table["links"].map(tuple):
        text = f",{','.join(map(str, links))},"
        mine = {trip for (trip, _), path in trips.items() if text in f",{','.join(map(str, path))},"}
        assert len({table["TAXI_ID"].iat[trip] for trip in mine}) >= 5


def test_r11_two_routes_that_cover_a_link_together_are_each_checked_alone() -> None:
    # on link 2 are a (1, 2), b (1, 2, 3) and c (2, 3): all of it lies in a published route, yet its volume minus
    # (1, 2) would be c alone, and minus (2, 3) a alone
    trips, person = [[1, 2], [1, 2, 3], [2, 3]], list("abc")
    assert find(trips, person) == [(1, 2), (2, 3)]
    assert find(trips, person, beside_volumes=True) == []
