"""Small expressions that differ between engines, wrapped once.

``sum`` over 64-bit integers is a 128-bit number on DuckDB and lands in Parquet as a decimal or a double; here it is
cast back. ``tests/engine/test_operations.py`` holds every operation that kernels may use, on pandas and on DuckDB.
"""

from __future__ import annotations

import narwhals.stable.v2 as nw


def int_sum(column: str) -> nw.Expr:
    """Sum of an integer column as Int64; the name is kept."""
    return nw.col(column).sum().cast(nw.Int64)


def count_rows(name: str) -> nw.Expr:
    """Number of rows of a group as Int64, called ``name``."""
    return nw.len().cast(nw.Int64).alias(name)
