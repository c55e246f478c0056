from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anonkit.base.errors import SchemaError
from anonkit.geo import Grid, TimeBins
from anonkit.utility import (
    align,
    cell_displacement,
    day_profile,
    displacement_m,
    displacement_min,
    distance_m,
    length_profile,
    product_utility,
    trip_lengths,
)


def test_day_profile_pools_days_and_weights_by_trips() -> None:
    # 06:00 on day 0 (3 trips) and on day 5 (1 trip) are the same field of 6 h; 18:00 holds the other 4
    begin = [6 * 3600, 5 * 86_400 + 6 * 3600, 18 * 3600]
    found = day_profile(begin, [3, 1, 4], begin[:1], [3], width_s=21_600)
    assert found.labels == ("00:00", "06:00", "12:00", "18:00")
    assert found.before == (0, 0.5, 0, 0.5)
    assert found.after == (0, 1, 0, 0)
    assert found.divergence > 0


def test_length_groups_are_half_open_and_the_last_is_open() -> None:
    found = length_profile([999.9, 1000, 5000], [1, 1, 2], [], [], edges_km=(0, 1, 2))
    assert found.labels == ("0–1", "1–2", "2+")
    assert found.before == (0.25, 0.25, 0.5)
    assert found.after == (0, 0, 0)


def test_edges_and_fields_must_be_public_and_regular() -> None:
    with pytest.raises(SchemaError, match="ascend from 0"):
        length_profile([1], [1], [1], [1], edges_km=(1, 2))
    with pytest.raises(SchemaError, match="do not divide a day"):
        day_profile([0], [1], [0], [1], width_s=7000)


def test_displacement_in_minutes_is_between_the_middles_of_bins() -> None:
    # one-hour bins at 0, 1, 2 h in a three-hour bin whose middle is 1.5 h: middles .5, 1.5, 2.5 h: 60, 0, 60 min
    found = displacement_min([0, 3600, 7200], 3600, 10_800, [1, 2, 1])
    assert (found.mean, found.median, found.most) == (30, 0, 60)
    with pytest.raises(SchemaError, match="no multiple"):
        displacement_min([0], 3600, 5400, [1])


def test_displacement_is_weighted_and_its_tail_holds_95_of_100_trips() -> None:
    # 0.01 degrees of latitude are 1113.2 m; 96 of 100 trips do not move
    found = displacement_m([0, 0], [0, 0], [0, 0], [0, 0.01], [96, 4])
    assert found.mean == pytest.approx(0.04 * 1113.2)
    assert (found.median, found.most) == (0, 0)
    assert displacement_m([0, 0], [0, 0], [0, 0], [0, 0.01], [94, 6]).most == pytest.approx(1113.2)
    assert displacement_m([], [], [], [], []).trips == 0


def test_distance_shrinks_degrees_of_longitude_by_latitude() -> None:
    assert distance_m(0, 60, 0.01, 60) == pytest.approx(1113.2 / 2, rel=1e-3)


def test_nothing_moves_when_fine_cells_are_published() -> None:
    grid = Grid(cell_m=500, latitude=40.4)
    cells = np.array([grid.code(49.85, 40.4), grid.code(49.9, 40.41)])
    assert cell_displacement(cells, cells, np.array([1, 1]), centres=grid.centres).mean == 0
    coarse = np.array([grid.parent(int(cell), 2) for cell in cells])
    moved = cell_displacement(cells, coarse, np.array([1, 1]), centres=grid.centres)
    assert 0 < moved.most <= 2000 * 0.75 * 2**0.5  # at most three quarters of half a diagonal


def test_a_trip_within_a_cell_is_as_long_as_the_mean_of_a_square() -> None:
    grid = Grid(cell_m=1000, latitude=40.4)
    cell = np.array([grid.code(49.85, 40.4)])
    assert trip_lengths(cell, cell, centres=grid.centres, side_m=1000)[0] == pytest.approx(521.4)


def test_align_keeps_classes_of_either_side_and_nulls_as_a_category() -> None:
    before = pd.DataFrame({"cell": [1, 2], "mode": ["a", None], "trips": [5, 3]})
    after = pd.DataFrame({"cell": [1, 3], "mode": ["a", "b"], "trips": [6, 2]})
    found = align(before, after, keys=["cell", "mode"]).set_index("cell")
    assert found["before"].to_dict() == {1: 5, 2: 3, 3: 0}
    assert found["after"].fillna(-1).to_dict() == {1: 6, 2: -1, 3: 2}
    with pytest.raises(SchemaError, match="lacks the columns"):
        align(before, after, keys=["zone"])


def test_product_utility_sums_cells_over_time() -> None:
    # cell 1 loses its small bin, cell 2 everything: by class 2 of 4 are published, by cell 1 of 2
    classes = pd.DataFrame(
        {"cell": [1, 1, 2, 2], "bin": [0, 1, 0, 1], "before": [6, 2, 1, 1], "after": [6, np.nan, np.nan, np.nan]}
    )
    bins = TimeBins("6h of week", zone="Asia/Baku")
    found = product_utility("volumes:start", classes, keys=["cell", "bin"], bins=bins, bin="bin")
    assert found.counts.classes_published == 1
    assert (found.cells.classes, found.cells.classes_published) == (2, 1)
    assert found.cells.mean_error == 2  # |8-6| and |2-0|
    assert found.day.after == (1, 0, 0, 0)
    assert found.as_dict()["length"] is None
