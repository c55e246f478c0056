"""The attacks against the written files of a real release of the sample, with the raw rides as the truth."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import anonkit as ak
import numpy as np
import pandas as pd
import pytest
from anonkit.risk.chains import ReleasedTrips, chain_risk
from anonkit.risk.classes import class_risk
from anonkit.risk.incidence import combine
from anonkit.risk.trips import class_table, destination_inference, trip_risk, trip_uniqueness
from anonkit.risk.unicity import unicity_risk

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "data/recipes/kontaktplus.yml"
K, ROWS_A_PERSON = 5, 2


@dataclass(frozen=True)
class Released:
    """Raw rides with the class each falls into, and whether that class was published."""

    person: Any
    origin: Any
    destination: Any
    block: Any
    start_s: Any
    raw_cells: tuple[Any, Any]
    published: Any
    files: Path


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Released:
    from anonkit.recipe import load_recipe

    recipe, _ = load_recipe(RECIPE)
    out = tmp_path_factory.mktemp("attack") / "release"
    ak.release(RECIPE, out=out)
    grid, product = recipe.geo.grid, recipe.kanon_products[0]
    rides = pd.read_csv(ROOT / "data/samples/kontaktplus/rides.csv", dtype=str, on_bad_lines="skip")
    rides = rides.dropna(subset=["user_id", "started_at", "start_lon", "start_lat", "end_lon", "end_lat"])
    rides = rides.drop_duplicates("ride_id")
    start = pd.to_datetime(rides["started_at"], utc=True, errors="coerce", format="ISO8601")
    rides, start = rides[start.notna()], start[start.notna()]
    seconds = start.dt.tz_localize(None).astype("datetime64[s]").astype(np.int64).to_numpy()

    def cells(end: str) -> Any:
        points = zip(rides[f"{end}_lon"].astype(float), rides[f"{end}_lat"].astype(float), strict=True)
        return np.array([grid.code(lon, lat) for lon, lat in points], np.int64)

    fine = cells("start"), cells("end")
    level = product.level
    coarse = [np.array([grid.parent(int(c), level) for c in one], np.int64) for one in fine]
    block = np.array([product.bins.bin_of(int(s)) for s in seconds], np.int64)
    table = pd.read_parquet(out / "trips.parquet")
    keys = set(zip(table["start_cell"], table["end_cell"], table["start_bin"], strict=True))
    published = np.array([key in keys for key in zip(*coarse, block, strict=True)])
    person = rides["user_id"].astype("category").cat.codes.to_numpy(np.int64)
    return Released(person, coarse[0], coarse[1], block, seconds, fine, published, out)


@pytest.mark.slow
def test_r37_the_release_is_worth_attacking(released: Released) -> None:
    rows = len(pd.read_parquet(released.files / "trips.parquet"))
    assert rows > 1000
    assert released.published.sum() >= rows


@pytest.mark.slow
def test_published_classes_hold_k_persons_and_raw_trips_do_not(released: Released) -> None:
    hit = released.published
    person = released.person[hit]
    classes = class_table(person, released.origin[hit], released.destination[hit], released.block[hit])
    found = class_risk(*classes)
    assert found.smallest >= K
    # Thinned to two rows a person: nobody has more than 2 of at least 2 + (k − 1) rows.
    thinned = class_risk(classes[0], classes[1], np.minimum(classes[2], ROWS_A_PERSON))
    assert thinned.prosecutor_max <= Fraction(ROWS_A_PERSON, ROWS_A_PERSON + K - 1)
    hour = released.start_s // 3600
    assert trip_risk(released.person, *released.raw_cells, hour).succeeds
    assert trip_risk(person, released.origin[hit], released.destination[hit], released.block[hit]).value == 0
    assert float(trip_uniqueness(*released.raw_cells, hour).unique_rows) > 0.5


@pytest.mark.slow
def test_one_known_place_time_singles_out_raw_riders_and_nobody_in_the_release(released: Released) -> None:
    hit = released.published
    raw = unicity_risk(
        released.person, combine(released.raw_cells[0], released.start_s // 3600), known=(1,), persons=2000, seed=1
    )[0]
    safe = unicity_risk(
        released.person[hit], combine(released.origin[hit], released.block[hit]), known=(1,), persons=2000, seed=1
    )[0]
    assert raw.succeeds
    assert safe.value == 0
    assert safe.is_at_baseline(margin=0.02)


@pytest.mark.slow
def test_r07_r15_destinations_and_chains_are_not_given_away(released: Released) -> None:
    hit = released.published
    person = released.person[hit]
    raw = destination_inference(
        released.person, combine(released.raw_cells[0], released.start_s // 3600), released.raw_cells[1], seed=1
    )
    safe = destination_inference(
        released.person, combine(released.origin, released.block), released.destination, seed=1, published=hit
    )
    assert raw.succeeds
    assert not safe.succeeds
    assert safe.is_at_baseline(margin=0.03)
    time_s = released.block[hit] * 3 * 3600
    chain = chain_risk(
        ReleasedTrips(start_cell=released.origin[hit], end_cell=released.destination[hit], start_s=time_s, end_s=time_s),
        person, max_gap_s=6 * 3600, seed=1,
    )  # fmt: skip
    assert not chain.succeeds
    assert chain.is_at_baseline(margin=0.02)
