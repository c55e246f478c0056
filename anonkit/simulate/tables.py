"""The city's trips as Arrow tables and Parquet files, at any size.

Parts of about half a million trips are made and written one after another, so 100 million need little more memory than one
million. Ids are strings such as ``p0012345``, made from numbers in Arrow. Input for benchmarks and tests, with invented
people; not a release, and not protected.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from anonkit.simulate.city import COLUMNS, City, TripNumbers, trip_parts
from anonkit.simulate.draws import Ints


def ids(prefix: str, numbers: Ints, *, width: int) -> pa.Array:
    """Turn numbers into ids such as ``p0012345``; a negative number is null."""
    text = pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), width, "0")
    named = pc.binary_join_element_wise(pa.scalar(prefix), text, pa.scalar(""))
    return pc.if_else(pa.array(numbers >= 0), named, pa.scalar(None, pa.string()))


def as_table(city: City, part: TripNumbers, *, first: int) -> pa.Table:
    """Give a part of the trips as an Arrow table with canonical columns; ``first`` is the number of its first trip."""
    mode = pa.array(part.mode)
    vehicle = pc.if_else(pa.array(part.driver >= 0), ids("v", part.vehicle, width=6), ids("s", part.vehicle, width=6))
    columns = {
        "trip": ids("t", first + np.arange(len(part), dtype=np.int64), width=9),
        "person": ids("p", part.person, width=7),
        "driver": ids("d", part.driver, width=6),
        "vehicle": vehicle,
        "operator": pa.array([share.operator for share in city.mix]).take(mode),
        "mode": pa.array([share.mode for share in city.mix]).take(mode),
        **{name: pa.array(getattr(part, name)) for name in COLUMNS[6:]},
    }
    return pa.table({name: columns[name] for name in COLUMNS})


def trip_tables(city: City) -> Iterator[pa.Table]:
    """Make the trips part by part, as Arrow tables."""
    first = 0
    for part in trip_parts(city):
        yield as_table(city, part, first=first)
        first += len(part)


def trip_table(city: City) -> pa.Table:
    """Give all trips as one Arrow table; for cities that fit into memory."""
    return pa.concat_tables(list(trip_tables(city))).combine_chunks()


def write_trips_parquet(path: str | Path, city: City, *, row_group_trips: int = 1 << 18) -> int:
    """Write the city's trips to one Parquet file, a part at a time.

    Parameters
    ----------
    path : the file; replaced if it exists.
    city : what to simulate; ``City.trips`` may be larger than memory.
    row_group_trips : rows a row group.

    Returns
    -------
    int, the number of trips written.

    Privacy
    -------
    Invented people; spends nothing.

    Sources
    -------
    Apache Parquet, row groups.
    """
    written, writer = 0, None
    try:
        for table in trip_tables(city):
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table, row_group_size=row_group_trips)
            written += table.num_rows
    finally:
        if writer is not None:
            writer.close()
    return written
