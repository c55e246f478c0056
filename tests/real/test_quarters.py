"""Two quarters of the bike share, one after the other: the overlap check and the differencing attack agree (ruling 13)."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from anonkit.base.errors import ReleaseRefusedError
from anonkit.engine import Session
from anonkit.pipeline import release
from anonkit.pipeline.ingest import ingest
from anonkit.recipe import load_recipe
from anonkit.risk import differencing_risk

pytestmark = [pytest.mark.real, pytest.mark.slow]
RECIPES = Path(__file__).parent / "recipes"
Q2, Q3 = ("2017-04-01", "2017-06-30"), ("2017-07-01", "2017-09-30")
K = 11


@pytest.fixture(scope="module")
def folder(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("quarters")
    shutil.copy(RECIPES / "pittsburgh.geojson", made)
    return made


def recipe(folder: Path, real_data: Path, name: str, period: tuple[str, str]) -> Path:
    """Flows of 1000 m and six hours of the week, without roll-up, of the two quarters of 2017 within a period."""
    text = (RECIPES / "healthy_ride.yml").read_text(encoding="utf-8").replace("DATA", str(real_data))
    body = yaml.safe_load(text)
    body["release"], body["period"] = name, {"from": period[0], "to": period[1]}
    body["products"] = {"flows": {"cell_m": 1000, "bins": "6h of week"}}
    body["inputs"] = body["inputs"][1:]
    path = folder / f"{name}.yml"
    path.write_text(yaml.safe_dump(body, sort_keys=False), encoding="utf-8")
    return path


def rows(path: Path) -> pd.DataFrame:
    """The trips behind a release, with the keys of its flows."""
    read, _ = load_recipe(path)
    step = read.kanon_products[0].parts()[0].steps()[0]
    with Session() as session:
        done = ingest(
            read, session=session, key=b"k" * 32, record_key=b"r" * 32, as_of=datetime(2026, 1, 1, tzinfo=UTC)
        )
        keyed = step.keyed(done.rows, read.geo.grid, read.time.time_bins).select("trip", *step.keys)
        frame: pd.DataFrame = session.collect(keyed).to_pandas()
    return frame.set_axis(["trip", "start_cell", "end_cell", "bin"], axis=1)


def published_sets(trips: pd.DataFrame, out: Path, number: dict[int, int]) -> list[np.ndarray]:
    """Row numbers behind each flow that stands in a bundle."""
    flows: Any = pq.read_table(out / "flows.parquet").to_pandas()
    keys = ["start_cell", "end_cell", "bin"]
    joined = trips.merge(flows[keys], on=keys)
    return [np.array([number[t] for t in group]) for _, group in joined.groupby(keys)["trip"]]


def test_r13_quarters_follow_one_another_and_their_sum_is_refused_and_would_leak(folder: Path, real_data: Path) -> None:
    registry = folder / "registry"
    q2 = recipe(folder, real_data, "q2", Q2)
    q3 = recipe(folder, real_data, "q3", Q3)
    both = recipe(folder, real_data, "both", (Q2[0], Q3[1]))
    when = "2026-01-01"
    release(q2, out=folder / "q2", registry=registry, as_of=when)
    release(q3, out=folder / "q3", registry=registry, as_of=when)  # other days: no overlap
    with pytest.raises(ReleaseRefusedError, match="overlap"):
        release(both, out=folder / "both", registry=registry, as_of=when)
    # what the refusal was for: made under a register that knows nothing of the quarters, the sum gives people away
    release(both, out=folder / "both", registry=folder / "elsewhere", as_of=when)
    all_trips = rows(both)
    number = {int(trip): position for position, trip in enumerate(all_trips["trip"])}
    quarters = [
        *published_sets(rows(q2), folder / "q2", number),
        *published_sets(rows(q3), folder / "q3", number),
    ]
    summed = published_sets(all_trips, folder / "both", number)
    person = np.arange(len(all_trips))  # k counts trips here
    alone = differencing_risk(quarters, [len(s) for s in quarters], person=person, k=K)
    together = differencing_risk([*quarters, *summed], [len(s) for s in (*quarters, *summed)], person=person, k=K)
    assert float(alone.value) == 0
    assert float(together.value) > 0.005  # hundreds of trips stand in a difference of fewer than eleven
