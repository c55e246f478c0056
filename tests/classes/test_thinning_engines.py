"""Thinning keeps the same rows on every engine, whatever order they come in."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from anonkit.classes import thin_rows, thinned
from anonkit.engine import Session
from hypothesis import given
from hypothesis import strategies as st

ROWS = pd.DataFrame({"cell": [1, 1, 1, 1, 2], "person": [7, 7, 7, 8, None], "trip": [30, 10, 20, 5, 9]})
# of person 7's three rows in cell 1 the smallest token stays (10); 8 has one row; nobody's row stays
KEPT = {5, 9, 10}


@pytest.mark.parametrize("engine", ["pandas", "duckdb"])
@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 1, 4, 3]])
def test_r06_the_same_rows_stay_on_both_engines_in_any_order(engine: str, order: list[int]) -> None:
    rows = ROWS.iloc[order].reset_index(drop=True)
    with Session(threads=1) as session:
        frame = nw.from_native(rows).lazy() if engine == "pandas" else session.from_arrow(pa.Table.from_pandas(rows))
        kept = thin_rows(frame, ["cell"], unit="person", max_rows=1).collect()
        assert set(kept["trip"].to_list()) == KEPT
    people = np.array([-1 if pd.isna(one) else int(one) for one in rows["person"]])
    stays = thinned(rows["cell"].to_numpy(), people, rows["trip"].to_numpy(), max_rows=1)
    assert set(rows["trip"][stays]) == KEPT


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(-1, 2)), min_size=1, max_size=25),
    st.integers(1, 3),
    st.randoms(use_true_random=False),
)
def test_r06_arrays_keep_what_the_frame_keeps(rows: list[tuple[int, int]], most: int, draw: Any) -> None:
    of, unit = (np.array(column) for column in zip(*rows, strict=True))
    trip = np.array(draw.sample(range(1000), len(rows)))
    stays = thinned(of, unit, trip, max_rows=most)
    people = pd.array([None if one < 0 else one for one in unit], dtype="Int64")
    frame = nw.from_native(pd.DataFrame({"cell": of, "person": people, "trip": trip})).lazy()
    kept = thin_rows(frame, ["cell"], unit="person", max_rows=most).collect()
    assert set(trip[stays]) == set(kept["trip"].to_list())
