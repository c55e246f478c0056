"""Thinning keeps the same rows on every engine, whatever order they come in."""

from __future__ import annotations

import narwhals.stable.v2 as nw
import pandas as pd
import pyarrow as pa
import pytest
from anonkit.classes import thin_rows
from anonkit.engine import Session

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
