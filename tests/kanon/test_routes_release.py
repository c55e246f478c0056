"""From fixes to published routes in one go, recounted by plain code on drives whose truth is known."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from anonkit.base.errors import SchemaError
from anonkit.classes import Protection
from anonkit.geo.bins import TimeBins
from anonkit.geo.matching import Matcher
from anonkit.geo.matching_trial import Drives, simulate_drives
from anonkit.geo.networks import Network, Plane
from anonkit.geo.networks_cells import network_from_cells, square_cells
from anonkit.geo.trimming import EndRule
from anonkit.kanon.perturb import CellKeyNoise
from anonkit.kanon.routes import RouteRule
from anonkit.kanon.routes_attack import recount_patterns, sub_trajectory_risk
from anonkit.kanon.routes_counting import REST, Riders
from anonkit.kanon.routes_release import RouteRelease, RouteSpec, cut_walks, departures, release_routes

K, K_DRIVER = 5, 3
RULE = RouteRule(
    protection=Protection(unit="person", k=K, k_driver=K_DRIVER),
    max_rows=2,
    noise=CellKeyNoise(largest=2, variance=1.0),
)
ENDS = EndRule(cell_m=300, minimum_m=200, settle_m=60)
SPEC = RouteSpec(
    rule=RULE, ends=ENDS, bins=TimeBins("3h of day", zone="Asia/Baku"), speed_bounds_kmh=(3, 120), step_kmh=1,
    least_m=400, most_links=40,
)  # fmt: skip


@pytest.fixture(scope="module")
def made() -> tuple[Network, Drives, Riders, RouteRelease, dict[str, float]]:
    x, y, pairs = square_cells(width=16, height=16, cell_m=200)
    town = network_from_cells(centre_x=x, centre_y=y, neighbours=pairs, speed_kmh=36, plane=Plane())
    drives = simulate_drives(town, trips=900, persons=250, drivers=30, every_s=15, noise_m=8, seed=4)
    riders = Riders.of(person=drives.person, driver=drives.driver, operator=None, key=b"k" * 32)
    walks, told = cut_walks(
        Matcher.of(town), offsets=drives.offsets, time_s=drives.time_s, lon=drives.lon, lat=drives.lat,
        riders=riders, ends=ENDS,
    )  # fmt: skip
    return town, drives, riders, release_routes(walks, riders, town, spec=SPEC), told


def true_links(drives: Drives) -> dict[int, set[str]]:
    """Persons who really drove each link, by the simulation's truth; nothing of anonkit's counting is used."""
    found = defaultdict(set)
    for trip, link in zip(drives.truth.trip.tolist(), drives.truth.link.tolist(), strict=True):
        found[link].add(drives.person[trip])
    return found


def test_r37_the_release_is_useful_and_says_how_much_was_cut(made: tuple) -> None:
    town, _, _, release, told = made
    assert len(release["volumes"].table) > 200
    assert len(release["patterns"].table) > 3
    assert told["trips matched"] > 0.99
    assert 0.2 < told["length left after the cut"] < 0.9
    assert "unmatched" not in repr(release)  # the accounting is exact, and stays inside
    assert release["volumes"].table["link"].nunique() > 0.2 * town.links


def test_every_published_link_was_really_driven_by_k_persons(made: tuple) -> None:
    _, drives, _, release, _ = made
    truth = true_links(drives)
    for name in ("volumes", "speeds"):
        assert min(len(truth[link]) for link in release[name].table["link"]) >= K


def test_r31_every_published_route_was_really_driven_by_k_persons_and_drivers(made: tuple) -> None:
    _, drives, _, release, _ = made
    paths = defaultdict(list)
    for trip, link in zip(drives.truth.trip.tolist(), drives.truth.link.tolist(), strict=True):
        paths[trip].append(link)
    for links in release["patterns"].table["links"]:
        text = f",{','.join(map(str, links))},"
        mine = [trip for trip, path in paths.items() if text in f",{','.join(map(str, path))},"]
        assert len({drives.person[trip] for trip in mine}) >= K
        assert len({drives.driver[trip] for trip in mine}) >= K_DRIVER


def test_r30_nothing_is_published_from_the_cells_where_a_lonely_trip_starts(made: tuple) -> None:
    """The twin without a cut counts the links at a door; with it they are missing from that trip."""
    town, drives, riders, _, _ = made
    matcher = Matcher.of(town)
    fixes = {"offsets": drives.offsets, "time_s": drives.time_s, "lon": drives.lon, "lat": drives.lat}
    cut, _ = cut_walks(matcher, riders=riders, ends=ENDS, **fixes)
    whole = matcher.match(**fixes).walks
    first = np.searchsorted(cut.trip, np.arange(cut.trips))
    near = {"cut": 0, "whole": 0}
    for name, walks in (("cut", cut), ("whole", whole)):
        begin = drives.offsets[:-1][walks.trip]
        x = (town.node_x[town.link_start[walks.link]] + town.node_x[town.link_end[walks.link]]) / 2
        y = (town.node_y[town.link_start[walks.link]] + town.node_y[town.link_end[walks.link]]) / 2
        near[name] = int((np.hypot(x - drives.lon[begin], y - drives.lat[begin]) < ENDS.minimum_m).sum())
    assert near["cut"] == 0
    assert near["whole"] > 900
    assert len(first) == cut.trips


def test_volumes_of_cells_come_without_turns(made: tuple) -> None:
    town, drives, riders, _, _ = made
    walks, _ = cut_walks(
        Matcher.of(town), offsets=drives.offsets, time_s=drives.time_s, lon=drives.lon, lat=drives.lat,
        riders=riders, ends=ENDS,
    )  # fmt: skip
    x, y = town.midpoints()
    cells = (y // 600).astype(int) * 100 + (x // 600).astype(int)
    release = release_routes(walks, riders, town, spec=SPEC, cells=cells)
    assert sorted(release.products) == ["patterns", "speeds", "volumes"]
    assert set(release["volumes"].table["cell"]) <= set(cells.tolist())


def test_departures_hold_the_thresholds(made: tuple) -> None:
    town, drives, riders, _, _ = made
    first = drives.offsets[:-1]
    cell = (drives.lat[first] // 600).astype(int) * 100 + (drives.lon[first] // 600).astype(int)
    hour = drives.time_s[first] // 3600 % 24 // 6
    table = departures(cell, hour, riders, town, rule=RULE).table
    persons = defaultdict(set)
    for where, when, who in zip(cell.tolist(), hour.tolist(), drives.person, strict=True):
        persons[where, when].add(who)
    assert len(table) > 10
    for row in table.itertuples():
        if row.bin != REST:
            assert len(persons[row.cell, row.bin]) >= K


def test_r31_the_sub_trajectory_attack_works_on_walks_and_not_on_published_routes(made: tuple) -> None:
    town, drives, riders, release, _ = made
    raw = sub_trajectory_risk(drives.truth, riders, points=4, trials=300, seed=1)
    assert raw["risk"] - raw["half_width"] > 20 * raw["baseline"]  # on the raw walks it works
    walks, _ = cut_walks(
        Matcher.of(town), offsets=drives.offsets, time_s=drives.time_s, lon=drives.lon, lat=drives.lat,
        riders=riders, ends=ENDS,
    )  # fmt: skip
    recount = recount_patterns(release["patterns"], walks, riders)
    assert recount["persons"].min() >= K
    assert recount["drivers"].min() >= K_DRIVER
    more = sub_trajectory_risk(drives.truth, riders, points=8, trials=300, seed=1)
    assert more["risk"] >= raw["risk"]
    with pytest.raises(SchemaError, match="at least 1"):
        sub_trajectory_risk(drives.truth, riders, points=0, trials=1, seed=1)
