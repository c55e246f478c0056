"""Arrow tables and Parquet of the city: ids, nulls, row groups, bounded parts."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from anonkit.simulate import COLUMNS, City, trip_table, write_trips_parquet
from anonkit.simulate import city as city_module
from anonkit.simulate.tables import ids

CITY = City(persons=300, trips=2_500, days=7, start=date(2026, 9, 1), seed=3)


def test_ids_are_padded_and_negative_numbers_are_null() -> None:
    assert ids("p", np.array([12_345, -1, 0]), width=7).to_pylist() == ["p0012345", None, "p0000000"]


def test_the_table_has_canonical_types_and_unique_trips() -> None:
    table = trip_table(CITY)
    assert tuple(table.column_names) == COLUMNS
    assert table.schema.field("start_s").type == pa.int64()
    assert table.schema.field("person").type == pa.string()
    assert len(set(table["trip"].to_pylist())) == 2_500
    assert table["driver"].null_count == table["mode"].to_pylist().count("scooter")


def test_parquet_holds_all_parts_in_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(city_module, "CHUNK_TRIPS", 1_000)
    assert write_trips_parquet(tmp_path / "trips.parquet", CITY, row_group_trips=400) == 2_500
    file = pq.ParquetFile(tmp_path / "trips.parquet")
    # Parts of 1000, 1000, 500 rows, in groups of 400, 400, 200 | 400, 400, 200 | 400, 100.
    assert [file.metadata.row_group(group).num_rows for group in range(8)] == [400, 400, 200, 400, 400, 200, 400, 100]
    assert len(set(file.read(["trip"])["trip"].to_pylist())) == 2_500


@pytest.mark.slow
def test_a_million_trips_take_seconds(tmp_path: Path) -> None:
    city = replace(CITY, persons=200_000, trips=1_000_000, days=30)
    assert write_trips_parquet(tmp_path / "trips.parquet", city) == 1_000_000
