"""Ruling 30: ends are cut at public cells, by at least a public distance, and one place always in the same way."""

from __future__ import annotations

import numpy as np
import pytest
from anonkit.base.errors import SchemaError
from anonkit.geo.matching import Walks
from anonkit.geo.networks import Plane
from anonkit.geo.networks_cells import network_from_cells, square_cells
from anonkit.geo.trimming import EndRule, end_cells, first_and_last, trim_fixes, trim_walks
from hypothesis import given, settings
from hypothesis import strategies as st

RULE = EndRule(cell_m=250, minimum_m=200, settle_m=50)
X, Y, PAIRS = square_cells(width=40, height=3, cell_m=100)
STREETS = network_from_cells(centre_x=X, centre_y=Y, neighbours=PAIRS, speed_kmh=30, plane=Plane())


def straight(first: int, last: int) -> list[int]:
    """Links along the lowest row, from node ``first`` to node ``last``."""
    pairs = {(int(a), int(b)): i for i, (a, b) in enumerate(zip(STREETS.link_start, STREETS.link_end, strict=True))}
    return [pairs[i, i + 1] for i in range(first, last)]


def walks(*trips: list[int]) -> Walks:
    link = np.array([i for trip in trips for i in trip], dtype=np.int32)
    trip = np.repeat(np.arange(len(trips)), [len(t) for t in trips]).astype(np.int32)
    clock = np.arange(len(link)) * 10.0
    return Walks(
        trip, np.zeros(len(link), np.int32), link, clock, clock + 10, np.zeros(len(link)), STREETS.length_m[link],
        len(trips),
    )  # fmt: skip


@settings(max_examples=80)
@given(
    x=st.lists(st.floats(-2000, 2000), min_size=2, max_size=12),
    y=st.lists(st.floats(-2000, 2000), min_size=12, max_size=12),
    person=st.integers(-1, 3),
)
def test_r30_no_kept_fix_is_nearer_to_its_trips_ends_than_promised(x: list[float], y: list[float], person: int) -> None:
    px, py = np.array(x), np.array(y[: len(x)])
    cells = end_cells([px[0], px[-1]], [py[0], py[-1]], [person, person], rule=RULE)
    kept = trim_fixes([0, len(px)], px, py, start_cells=cells[:1], end_cells=cells[1:], rule=RULE)
    for end in (0, -1):
        assert (np.hypot(px[kept] - px[end], py[kept] - py[end]) >= RULE.minimum_m - 1e-6).all()


def test_r30_kept_links_are_farther_from_the_ends_than_promised() -> None:
    path = straight(0, 39)
    cells = end_cells([50.0, 3950.0], [50.0, 50.0], [1, 1], rule=RULE)
    left = trim_walks(walks(path), STREETS, start_cells=cells[:1], end_cells=cells[1:], rule=RULE)
    # the start lies in column 0, its block ends at x = 500; the end in column 15, its block begins at 3500
    first, last = STREETS.link_start[left.link[0]], STREETS.link_end[left.link[-1]]
    assert (X[first], X[last]) == (550.0, 3450.0)


def test_r30_the_cut_is_the_same_for_everybody_in_a_cell() -> None:
    homes = np.array([10.0, 120.0, 240.0])
    cells = end_cells(homes, [50.0] * 3, [1, 2, 3], rule=RULE)
    assert len(np.unique(cells, axis=0)) == 1


def test_r30_noise_across_a_border_does_not_move_a_place() -> None:
    rng = np.random.default_rng(4)
    home = 250.0 + rng.uniform(-40, 40, 200)  # a home at the border of columns 0 and 1
    cells = end_cells(home, np.full(200, 50.0), np.full(200, 7), rule=RULE)
    assert len(np.unique(cells, axis=0)) == 1
    # mutation twin: without settling one home has two cuts, which together betray the border it lies at
    assert len(np.unique(np.floor(home / RULE.cell_m))) == 2


def test_r30_a_settled_end_still_keeps_the_promised_distance() -> None:
    rng = np.random.default_rng(9)
    x, y = rng.uniform(0, 1000, 4000), rng.uniform(0, 1000, 4000)
    cells = end_cells(x, y, rng.integers(0, 40, 4000), rule=RULE)
    to_border = np.minimum.reduce(
        [
            x - (cells[:, 0] - 1) * RULE.cell_m,
            (cells[:, 0] + 2) * RULE.cell_m - x,
            y - (cells[:, 1] - 1) * RULE.cell_m,
            (cells[:, 1] + 2) * RULE.cell_m - y,
        ]
    )
    assert to_border.min() >= RULE.minimum_m


def test_r17_another_persons_ends_do_not_move_mine() -> None:
    mine = end_cells([249.0, 260.0], [50.0, 50.0], [1, 1], rule=RULE)
    many = end_cells([249.0, 260.0, *[251.0] * 50], [50.0] * 52, [1, 1, *[2] * 50], rule=RULE)
    np.testing.assert_array_equal(mine, many[:2])


def test_a_null_person_settles_on_nothing() -> None:
    cells = end_cells([249.0, *[251.0] * 9], [50.0] * 10, [-1] * 10, rule=RULE)
    assert cells[:2].tolist() == [[0, 0], [1, 0]]


def test_r30_cells_finer_than_the_promised_distance_are_refused() -> None:
    """A block of nine fine cells has the true cell in its middle."""
    with pytest.raises(SchemaError, match="betray an end more finely than the 200 m"):
        EndRule(cell_m=100, minimum_m=200, settle_m=0)


def test_a_trip_that_never_left_its_blocks_has_no_passage() -> None:
    cells = end_cells([50.0, 450.0], [50.0, 50.0], [1, 1], rule=RULE)
    left = trim_walks(walks(straight(0, 4)), STREETS, start_cells=cells[:1], end_cells=cells[1:], rule=RULE)
    assert len(left.link) == 0
    assert left.trips == 1


def test_a_drive_past_the_place_of_its_own_end_becomes_two_pieces() -> None:
    # the block lies in the middle of the path: what is before and after it stays, and is not joined
    trip = walks(straight(10, 39))
    middle = np.array([[int(X[25] // 250), 0]])
    left = trim_walks(trip, STREETS, start_cells=middle, end_cells=middle, rule=RULE)
    assert left.piece.max() == 1
    assert (np.diff(left.piece) >= 0).all()


def test_pieces_are_numbered_afresh_in_each_trip() -> None:
    cells = np.array([[6, 0], [6, 0]])
    left = trim_walks(walks(straight(0, 39), straight(0, 39)), STREETS, start_cells=cells, end_cells=cells, rule=RULE)
    assert [sorted(set(left.piece[left.trip == i].tolist())) for i in (0, 1)] == [[0, 1], [0, 1]]


def test_first_and_last_skip_lost_fixes_and_empty_trips() -> None:
    x0, _, x1, _ = first_and_last([0, 0, 3], [np.nan, 4.0, 5.0], [np.nan, 1.0, 1.0])
    np.testing.assert_array_equal([x0, x1], [[np.nan, 4.0], [np.nan, 5.0]])
    assert np.isnan(first_and_last([0, 1], [np.nan], [np.nan])[0]).all()


def test_one_cell_a_trip_is_asked_for() -> None:
    with pytest.raises(SchemaError, match="1 end cells for 2 trips"):
        trim_walks(
            walks(straight(0, 2), straight(0, 2)), STREETS, start_cells=np.zeros((1, 2)), end_cells=np.zeros((1, 2)),
            rule=RULE,
        )  # fmt: skip
