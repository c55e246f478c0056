"""Keys, bounds and resolution are public, typed and hashed; whatever looks computed from trips is refused (ruling 18)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anonkit.base.errors import PrivacyLeakError, SchemaError
from anonkit.dp import PublicKeys, PublicSteps, PublicZones, plan
from anonkit.dp.flow_kernel import FlowKeys
from anonkit.dp.models import Feature
from anonkit.dp.public import plain_int
from anonkit.geo import Grid, TimeBins
from hypothesis import given
from hypothesis import strategies as st

TRIPS = pd.DataFrame({"person": ["a", "a", "b"], "start_cell": [1, 1, 2], "end_cell": [2, 3, 1]})
ZONES = PublicZones.declared([1, 2], x_m=[0, 500], y_m=[0, 0], source="grid")
STEPS = PublicSteps(low=0, high=60, step=1, unit="min", source="timetable")
KEYS = PublicKeys.declared([[1], [2]], columns=("start_cell",), source="grid")


@pytest.mark.parametrize("from_data", [TRIPS["start_cell"].unique(), TRIPS[["start_cell"]], [[1], [2]], {1, 2}])
@pytest.mark.parametrize("product", ["flows", "volumes", "quantiles", "hot_spots"])
def test_r18_keys_from_the_trips_raise_in_every_product(from_data: Any, product: str) -> None:
    with pytest.raises(PrivacyLeakError, match="keys must be PublicKeys"):
        plan(product, epsilon=1, keys=from_data, steps=STEPS, max_keys=2, min_persons=5, top=1)


@pytest.mark.parametrize("bound", [TRIPS.groupby("person").size().max(), np.int64(3), np.float64(3.0), 3.0])
@pytest.mark.parametrize("product", ["flows", "volumes", "lengths", "profile"])
def test_r18_a_computed_cap_raises_in_every_product(bound: Any, product: str) -> None:
    with pytest.raises(PrivacyLeakError, match="looks computed from the trips"):
        plan(
            product,
            epsilon=1,
            keys=KEYS,
            zones=ZONES if product == "flows" else None,
            steps=STEPS,
            profile="day",
            max_trips=bound,
        )


def test_r18_computed_bounds_and_resolution_raise() -> None:
    with pytest.raises(PrivacyLeakError, match="high must be a typed number"):
        PublicSteps(low=0, high=np.float64(812.5), step=1, unit="s", source="x")
    with pytest.raises(PrivacyLeakError, match="step must be a typed number"):
        PublicSteps(low=0, high=10, step=np.std([1, 2, 3]), unit="s", source="x")
    with pytest.raises(PrivacyLeakError, match="need a source"):
        PublicSteps(low=0, high=10, step=1, unit="s", source="")
    with pytest.raises(PrivacyLeakError, match="zones must be PublicZones"):
        plan("flows", epsilon=1, zones=TRIPS)  # type: ignore[arg-type]
    with pytest.raises(PrivacyLeakError, match="high must be a typed number"):
        Feature(column="distance_m", low=0, high=TRIPS["end_cell"].max(), source="x")
    with pytest.raises(PrivacyLeakError, match="max_keys must be a typed whole number"):
        plan("quantiles", epsilon=1, keys=KEYS, steps=STEPS, max_keys=np.int64(2), min_persons=5)
    with pytest.raises(PrivacyLeakError, match="source"):
        PublicKeys.declared([[1]], columns=("cell",), source=" ")


def test_keys_cannot_be_changed_after_they_are_declared() -> None:
    with pytest.raises(ValueError, match="read-only"):
        KEYS.values[0, 0] = 9


def test_keys_from_a_file_carry_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "zones.csv"
    path.write_text("zone,name\n7,a\n9,b\n")
    keys = PublicKeys.from_file(path, columns=("zone",))
    assert keys.values[:, 0].tolist() == [7, 9]
    assert "zones.csv sha256:" in keys.source
    with pytest.raises(SchemaError, match="lacks the columns"):
        PublicKeys.from_file(path, columns=("cell",))


def test_other_keys_have_another_hash() -> None:
    other = PublicKeys.declared([[1], [3]], columns=("start_cell",), source="grid")
    assert other.sha256 != KEYS.sha256


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=1, max_size=20, unique=True))
def test_locate_finds_each_key_and_nothing_else(pairs: list[tuple[int, int]]) -> None:
    keys = PublicKeys.declared(pairs, columns=("a", "b"), source="test")
    everything = np.stack(np.meshgrid(np.arange(-6, 7), np.arange(-6, 7)), -1).reshape(-1, 2)
    for row, place in zip(everything.tolist(), keys.locate(everything), strict=True):
        assert place == (pairs.index(tuple(row)) if tuple(row) in pairs else -1)


def test_flow_keys_know_the_reverse_and_the_bands() -> None:
    # two zones: pairs (1,1) (1,2) (2,1) (2,2); the reverse of 1 is 2; own cells have none; bands 0 (same) and 1
    keys = FlowKeys.of(ZONES.pairs(), ZONES)
    assert keys.reverse.tolist() == [-1, 2, 1, -1]
    assert keys.groups[0].tolist() == [0, 1, 1, 0]
    assert plain_int(2, "x") == 2


def test_r18_pairs_of_a_grid_are_public_and_what_is_picked_of_them_is_not(square: Path) -> None:
    grid = Grid(cell_m=1000, latitude=40.4, area=str(square))
    pairs, hours = grid.pairs(), TimeBins("1h", zone="Asia/Baku")
    made = plan("flows", keys=pairs, bins=hours, epsilon=1, max_trips=2)
    assert made.keys is not None
    assert len(made.keys) == len(grid.cells()) ** 2
    assert made.keys.sha256 == plan("flows", zones=grid, epsilon=1, max_trips=2).keys.sha256  # type: ignore[union-attr]
    for picked in (pairs[:3], pairs[pairs[:, 0] == pairs[0, 0]], np.asarray(pairs)):
        with pytest.raises(PrivacyLeakError, match="keys must be PublicKeys"):
            plan("flows", keys=picked, epsilon=1, max_trips=2)
    with pytest.raises(PrivacyLeakError, match="bins must be TimeBins"):
        plan("flows", keys=pairs, bins="1h", epsilon=1, max_trips=2)  # type: ignore[arg-type]


@pytest.fixture
def square(tmp_path: Path) -> Path:
    """A public area of a few kilometres."""
    corners = [[49.8, 40.38], [49.83, 40.38], [49.83, 40.4], [49.8, 40.4], [49.8, 40.38]]
    path = tmp_path / "area.geojson"
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [corners]}))
    return path
