"""Map matching: driven links are found again, and what is not there is not invented."""

from __future__ import annotations

import importlib
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from anonkit.base.errors import SchemaError
from anonkit.geo.matching import Matched, Matcher, MatchSettings
from anonkit.geo.matching_trial import places_along
from anonkit.geo.networks import Network, Plane, network_from_streets
from anonkit.geo.networks_cells import network_from_cells, network_from_hexes, square_cells
from anonkit.geo.networks_read import read_network
from hypothesis import given, settings
from hypothesis import strategies as st

REAL = Path(os.environ.get("ANONKIT_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
real = pytest.mark.skipif(not REAL.exists(), reason="needs the real datasets (ANONKIT_REAL_DATA)")


def town(width: int = 6, height: int = 6) -> Network:
    """Streets in a square pattern, 200 m apart."""
    x, y, pairs = square_cells(width=width, height=height, cell_m=200)
    return network_from_cells(centre_x=x, centre_y=y, neighbours=pairs, speed_kmh=36, plane=Plane())


TOWN = town()
MATCHER = Matcher.of(TOWN)


def walk(seed: int, *, links: int, step_m: float, noise_m: float) -> tuple[list[int], np.ndarray]:
    """A random drive without turning back, and its fixes; it starts and ends half-way along a link."""
    rng = np.random.default_rng(seed)
    path = [int(rng.integers(TOWN.links))]
    while len(path) < links:
        at = TOWN.link_end[path[-1]]
        onward = [i for i in np.flatnonzero(TOWN.link_start == at) if i != TOWN.twin[path[-1]] and i not in path]
        if not onward:
            break
        path.append(int(rng.choice(onward)))
    corner = np.array([[TOWN.node_x[n], TOWN.node_y[n]] for n in [TOWN.link_start[path[0]], *TOWN.link_end[path]]])
    total = 200.0 * len(path)
    at = np.arange(100.0, total - 99.0, step_m)
    at = np.unique(np.r_[at, total - 100.0])
    place = np.minimum((at // 200).astype(int), len(path) - 1)
    share = ((at - 200 * place) / 200)[:, None]
    return path, corner[place] * (1 - share) + corner[place + 1] * share + rng.normal(0, noise_m, (len(at), 2))


def match(points: np.ndarray, matcher: Matcher = MATCHER, every_s: int = 5) -> Matched:
    return matcher.match([0, len(points)], np.arange(len(points)) * every_s, points[:, 0], points[:, 1])


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), step=st.sampled_from([20.0, 50.0, 90.0]))
def test_a_clean_drive_is_found_link_by_link(seed: int, step: float) -> None:
    path, points = walk(seed, links=9, step_m=step, noise_m=0.0)
    found = match(points).walks
    assert found.link.tolist() == path
    assert (found.piece == 0).all()
    # what is driven is the whole but half of the first and half of the last link
    assert found.length_m()[0] == pytest.approx(200.0 * len(path) - 200.0, abs=0.5)


def test_noisy_drives_are_found_where_the_nearest_street_is_not() -> None:
    """Mutation twin: emission alone (the nearest link of each fix) claims side streets that nobody drove."""
    wrong_nearest = wrong_hmm = 0
    for seed in range(30):
        path, points = walk(seed, links=9, step_m=50, noise_m=12.0)
        found = match(points)
        streets = set(TOWN.street[path].tolist())
        middle = slice(2, -2)  # the ends of a drive are ambiguous, and cut off later
        wrong_hmm += len(set(TOWN.street[found.fix_link[middle]].tolist()) - streets)
        lines = np.array([_nearest(point) for point in points[middle]])
        wrong_nearest += len(set(TOWN.street[lines].tolist()) - streets)
    assert wrong_hmm == 0
    assert wrong_nearest > 5


def _nearest(point: np.ndarray) -> int:
    a = np.column_stack([TOWN.node_x[TOWN.link_start], TOWN.node_y[TOWN.link_start]])
    b = np.column_stack([TOWN.node_x[TOWN.link_end], TOWN.node_y[TOWN.link_end]])
    share = np.clip(((point - a) * (b - a)).sum(1) / ((b - a) ** 2).sum(1), 0, 1)[:, None]
    return int(np.argmin(np.hypot(*(point - a - share * (b - a)).T)))


def test_the_route_table_changes_speed_and_no_result() -> None:
    slow = Matcher.of(TOWN, table_m=0.0)
    for seed in range(12):
        _, points = walk(seed, links=8, step_m=190, noise_m=10)
        fast_walk, slow_walk = match(points).walks, match(points, slow).walks
        assert fast_walk.link.tolist() == slow_walk.link.tolist()
        np.testing.assert_allclose(fast_walk.exit_s, slow_walk.exit_s, atol=1e-3)


def test_threads_and_batches_change_no_result() -> None:
    drives = [walk(seed, links=7, step_m=60, noise_m=8)[1] for seed in range(260)]
    offsets = np.r_[0, np.cumsum([len(points) for points in drives])]
    points = np.vstack(drives)
    clock = np.concatenate([np.arange(len(drive)) * 5 for drive in drives])
    both = [Matcher.of(TOWN, threads=threads).match(offsets, clock, points[:, 0], points[:, 1]) for threads in (1, 2)]
    np.testing.assert_array_equal(both[0].walks.link, both[1].walks.link)
    np.testing.assert_array_equal(both[0].certainty, both[1].certainty)
    alone = match(drives[137])
    mine = both[0].walks.link[slice(*both[0].walks.offsets()[137:139])]
    assert alone.walks.link.tolist() == mine.tolist()


def test_one_outlier_is_skipped_and_counted() -> None:
    path, points = walk(3, links=8, step_m=50, noise_m=0)
    middle = len(points) // 2
    points[middle] += [450.0, 330.0]
    found = match(points)
    assert found.walks.link.tolist() == path
    assert found.fix_link[middle] == -1
    assert found.accounting()["outlier"] + found.accounting()["too far from any street"] == 1


def test_a_gap_makes_pieces_and_no_route_is_invented() -> None:
    _, points = walk(5, links=9, step_m=50, noise_m=0)
    clock = np.arange(len(points)) * 5
    clock[len(points) // 2 :] += 3600
    found = MATCHER.match([0, len(points)], clock, points[:, 0], points[:, 1]).walks
    assert found.piece.max() == 1
    # without the gap the two pieces would be joined by the links between them
    assert found.length_m()[0] < match(points).walks.length_m()[0]


def resting(fixes: int) -> np.ndarray:
    """Along 250 m of the first street, 50 m a step, with a rest half-way along its first link."""
    street = np.column_stack([np.arange(0.0, 300.0, 50.0) + TOWN.node_x[0], np.full(6, TOWN.node_y[0])])
    return np.vstack([street[:3], np.repeat(street[2:3], fixes, axis=0), street[3:]])


def test_a_long_rest_with_fixes_is_no_gap() -> None:
    points = resting(100)  # 500 s, and a silence of 300 s breaks a trip
    found = match(points)
    assert found.walks.piece.max() == 0
    assert found.unmatched_share == 0
    assert found.walks.length_m()[0] == pytest.approx(250)
    # the twin: the same standstill without fixes is a silence
    heard = np.r_[0:3, 103:106]
    silent = MATCHER.match([0, 6], heard * 5, points[heard, 0], points[heard, 1])
    assert silent.walks.piece.max() == 1


def test_time_at_rest_belongs_to_the_street_of_the_rest() -> None:
    found = match(resting(40)).walks  # 200 s at rest, then 100 m of that link and 50 m of the next, 50 m in 5 s
    assert len(found.link) == 2
    np.testing.assert_allclose(found.exit_s - found.enter_s, [10 + 200 + 10, 5], atol=0.1)


def test_without_streets_fixes_are_matched_to_cells_and_their_neighbours() -> None:
    import h3

    cells = sorted(h3.grid_disk(h3.latlng_to_cell(40.4, 49.85, 8), 6))
    area = network_from_hexes(cells, speed_kmh=30)
    cell_m = float(np.median(area.length_m))
    rng = np.random.default_rng(2)
    corners = rng.uniform(-3.2 * cell_m, 3.2 * cell_m, (30, 2))
    steps = [np.linspace(a, b, 2 + int(np.hypot(*(b - a)) // (cell_m / 3))) for a, b in pairwise(corners)]
    lon, lat = area.plane.to_degrees(*np.vstack(steps).T)
    clock = np.arange(len(lon)) * 30
    found, streets = (
        Matcher.of(area, settings=told).match([0, len(lon)], clock, lon, lat)
        for told in (MatchSettings.on_cells(cell_m), MatchSettings())
    )
    assert found.unmatched_share < 0.02
    own = np.array([cells.index(h3.latlng_to_cell(a, b, 8)) for a, b in zip(lat, lon, strict=True)])
    link = found.fix_link
    touched = (area.link_start[link] == own) | (area.link_end[link] == own)
    assert touched[link >= 0].mean() > 0.9
    assert streets.unmatched_share > 0.3  # the twin: cells are no streets


def test_one_way_streets_are_not_driven_against_the_sign() -> None:
    one_way = network_from_streets(
        shape_x=[0, 500], shape_y=[0, 0], shape_count=[2], node_start=[1], node_end=[2], forward=[True],
        backward=[False], speed_kmh=[30], street_class=["a"], plane=Plane(),
    )  # fmt: skip
    against = np.column_stack([np.arange(480.0, 20.0, -60.0), np.zeros(8)])
    along = against[::-1]
    assert len(match(along, Matcher.of(one_way)).walks.link) == 1
    assert len(match(against, Matcher.of(one_way)).walks.link) == 0


def wrong_sign(against: list[int]) -> Network:
    """The town with some streets one-way: each link of ``against`` is missing, its twin stays."""
    return TOWN.subset(~np.isin(np.arange(TOWN.links), against))


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_a_street_driven_against_its_sign_keeps_the_trip_together_and_is_not_counted(seed: int) -> None:
    path, points = walk(seed, links=7, step_m=50, noise_m=0.0)
    if len(path) < 7:
        return
    network = wrong_sign([path[3]])
    number = np.full(TOWN.links, -1)
    number[np.arange(TOWN.links) != path[3]] = np.arange(network.links)
    found = match(points, Matcher.of(network))
    assert found.route_m[0] == pytest.approx(200.0 * 6, abs=1)
    assert found.walks.link.tolist() == number[path[:3] + path[4:]].tolist()
    assert found.walks.piece.tolist() == [0] * 3 + [1] * 3
    assert found.walks.length_m()[0] == pytest.approx(200.0 * 5, abs=1)
    against = found.fix_against
    assert found.accounting()["against a one-way sign"] == against.sum() > 0
    assert (network.street[found.fix_link[against]] == number[TOWN.twin[path[3]]]).all()
    assert found.fix_distance_m[against].max() < 1e-6
    # without the mercy the drive goes around a block or breaks
    strict = match(points, Matcher.of(network, settings=MatchSettings(against_m=None)))
    assert not strict.fix_against.any()
    assert strict.walks.link.tolist() != found.walks.link.tolist()


def test_places_against_a_sign_are_told_on_the_streets_only_link() -> None:
    along = np.column_stack([np.arange(60.0, 560.0, 40.0), np.zeros(13)])
    one_way = network_from_streets(
        shape_x=[0, 200, 200, 400, 400, 600], shape_y=[0] * 6, shape_count=[2, 2, 2], node_start=[1, 2, 3],
        node_end=[2, 3, 4], forward=[True, False, True], backward=[True] * 3, speed_kmh=[30] * 3,
        street_class=["a"] * 3, plane=Plane(),
    )  # fmt: skip
    found = match(along, Matcher.of(one_way))
    x, y = places_along(one_way, found.fix_link.astype(np.int64), found.fix_offset_m)
    np.testing.assert_allclose(np.column_stack([x, y]), along, atol=1e-6)
    assert found.walks.piece.tolist() == [0, 1]


def test_a_trip_that_leaves_the_streets_is_broken_there() -> None:
    """A way that the file lacks: the detour over the streets that it has was not driven."""
    x, y, pairs = square_cells(width=4, height=4, cell_m=400)
    wide = network_from_cells(centre_x=x, centre_y=y, neighbours=pairs, speed_kmh=36, plane=Plane())
    diagonal = np.linspace(
        200.0, 600.0, 9
    )  # the second and the last but one lie 50 m from a street, those between farther
    across = np.column_stack([diagonal, diagonal])
    points = np.vstack([[[400.0, 200.0], [300.0, 200.0]], across, [[600.0, 680.0], [600.0, 760.0]]])
    found = match(points, Matcher.of(wide))
    assert found.fix_piece[found.fix_link >= 0].max() == 1
    assert found.route_m[0] == pytest.approx(250 + 210, abs=1)
    joined = match(points, Matcher.of(wide, settings=MatchSettings(off_m=1e9, limit_extra_m=400.0)))
    assert joined.route_m[0] > 1000  # the mutation: two sides of a block that nobody drove


def test_fixes_at_rest_and_lost_fixes_are_accounted_for() -> None:
    _, points = walk(8, links=6, step_m=50, noise_m=0)
    points = np.vstack([points[:4], np.repeat(points[4:5], 10, axis=0), points[4:], [[np.nan, np.nan]], [[9e5, 9e5]]])
    found = match(points)
    told = found.accounting()
    assert sum(told.values()) == len(points)
    assert told["at rest beside a matched fix"] == 10
    assert told["too far from any street"] == 2
    assert found.unmatched_share == pytest.approx(2 / len(points))


def test_times_on_links_add_up_and_never_run_backwards() -> None:
    _, points = walk(11, links=9, step_m=45, noise_m=9)
    found = match(points).walks
    assert (np.diff(found.enter_s) >= 0).all()
    np.testing.assert_allclose(found.exit_s[:-1], found.enter_s[1:])
    assert found.enter_s[0] == 0
    assert found.exit_s[-1] == (len(points) - 1) * 5


def test_certainty_falls_when_the_noise_grows() -> None:
    def mean(noise_m: float) -> float:
        drives = [walk(seed, links=8, step_m=60, noise_m=noise_m)[1] for seed in range(20)]
        return float(np.mean([match(points).certainty[0] for points in drives]))

    assert 0.9 < mean(3.0) <= 1.0
    assert mean(25.0) < mean(3.0) - 0.02


@pytest.mark.parametrize("points", [np.zeros((0, 2)), np.array([[100.0, 100.0]]), np.full((5, 2), np.nan)])
def test_a_trip_without_two_places_has_no_walk(points: np.ndarray) -> None:
    found = match(points)
    assert len(found.walks.link) == 0
    assert found.certainty.tolist() == [0.0]


def test_wrong_input_is_refused() -> None:
    with pytest.raises(SchemaError, match="Time runs backwards at 1 fixes"):
        MATCHER.match([0, 3], [0, 10, 5], [100, 150, 200], [100, 100, 100])
    with pytest.raises(SchemaError, match="Fixes disagree in number"):
        MATCHER.match([0, 3], [0, 10, 20], [100, 150], [100, 100])
    # the clock may start again with each trip
    MATCHER.match([0, 2, 4], [100, 200, 0, 50], [100.0, 200, 100, 200], [100.0] * 4)


def test_walks_and_matches_print_no_coordinates() -> None:
    found = match(walk(2, links=5, step_m=50, noise_m=0)[1])
    assert repr(found) == "Matched(1 trips, 0.0% of fixes unmatched; raw, inside only)"
    assert "raw, inside only" in repr(found.walks)


@pytest.mark.real
@real
@pytest.mark.parametrize(("seconds", "least"), [(5, 0.999), (15, 0.998), (30, 0.997), (60, 0.985)])
def test_oldenburg_links_are_recovered(seconds: int, least: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    bench = importlib.import_module("routes_truth")
    network = read_network(REAL / "oldenburg" / "oldenburgGen_edge.txt")
    case = bench.drive(network, trips=120, seconds=seconds, noise_m=10.0, seed=77)
    walks = Matcher.of(network, settings=MatchSettings(noise_m=10.0)).match(
        case["offsets"], case["time"], case["xy"][:, 0], case["xy"][:, 1]
    ).walks  # fmt: skip
    found = [part.tolist() for part in np.split(walks.link, walks.offsets()[1:-1])]
    recall, precision = bench.recovered(case["truth"], found, network.length_m)
    assert recall >= least
    assert precision >= 0.96
