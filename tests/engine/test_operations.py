"""Every narwhals operation that kernels may use, on pandas and on DuckDB, with nulls and negatives: the same rows.

A kernel that reaches for another operation fails the last test here: add it with its expected values first.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd
import pyarrow as pa
import pytest
from anonkit.engine import Session, count_rows, int_sum

ROOT = Path(__file__).resolve().parents[2]
KERNELS = (
    *("kanon/products.py", "kanon/decide.py", "kanon/suppression.py", "kanon/perturb.py"),
    *("classes/counts.py", "classes/thinning.py", "engine/operations.py", "schema/localtime.py"),
    *("geo/bins.py", "geo/generalise.py", "geo/grid.py", "prepare/account.py", "publish/write.py"),
    *("pipeline/ingest.py", "sources/files.py"),
)
DATA: dict[str, list[Any]] = {
    "person": [1, 1, 2, None, 3],
    "cell": [7, 7, 7, 8, None],
    "n": [-7, 7, 0, 12, 2_000_000_000_000],
    "lon": [49.5, -0.5, 0.25, -49.867, 2.0],
    "mode": ["bus", None, "bus", "scooter", "taxi"],
    "flag": [True, False, True, True, False],
}
TYPES = pa.schema(
    [
        ("person", pa.int64()),
        ("cell", pa.int64()),
        ("n", pa.int64()),
        ("lon", pa.float64()),
        ("mode", pa.string()),
        ("flag", pa.bool_()),
    ]
)
NULLABLE = {pa.int64(): pd.Int64Dtype(), pa.string(): pd.StringDtype(), pa.bool_(): pd.BooleanDtype()}
pytestmark = pytest.mark.filterwarnings("ignore:Found complex group-by:UserWarning")
Frame = Any
Operation = Callable[[Frame], Frame]


@pytest.fixture(params=["pandas", "duckdb"])
def engine(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Makes a lazy frame of an Arrow table on one of the engines."""
    if request.param == "duckdb":
        with Session(threads=1) as session:
            yield session.from_arrow
        return

    def pandas(table: pa.Table) -> Frame:
        return nw.from_native(table.to_pandas(types_mapper=NULLABLE.get)).lazy()

    yield pandas


def rows(frame: Frame) -> list[tuple[Any, ...]]:
    """All rows in an order of their own, as plain Python values."""
    native = frame.to_native()
    if hasattr(native, "to_arrow_table"):
        found = list(zip(*(column.to_pylist() for column in native.to_arrow_table().columns), strict=True))
    else:
        found = [tuple(None if pd.isna(value) else value for value in row) for row in frame.collect().rows()]
    return sorted(found, key=lambda row: [(value is None, str(type(value)), value or 0) for value in row])


def col(name: str) -> nw.Expr:
    return nw.col(name)


def select(**picks: nw.Expr) -> Operation:
    """A frame of named expressions."""
    return lambda frame: frame.select(*(expression.alias(name) for name, expression in picks.items()))


IN_ORDER = "a running number over a group in order"
EXPRESSIONS: dict[str, tuple[nw.Expr, list[Any]]] = {
    # name → expression, values in the order of DATA's rows
    "floor division rounds down, negatives too": (col("n") // 5, [-2, 1, 0, 2, 400_000_000_000]),
    "remainder has the sign of the divisor": (col("n") % 5, [3, 2, 0, 2, 0]),
    "plus, minus, times": (col("n") * 2 - col("n") + 1, [-6, 8, 1, 13, 2_000_000_000_001]),
    "comparison of null is null": (col("cell") == 7, [True, True, True, False, None]),
    "and, or, not": ((col("flag") & (col("n") > 0)) | ~col("flag"), [False, True, False, True, True]),
    "greater or equal": (col("n") >= 7, [False, True, False, True, True]),
    "less or equal, not equal": ((col("n") <= 7) & (col("n") != 0), [True, True, False, False, False]),
    "is_null": (col("person").is_null(), [False, False, False, True, False]),
    "fill_null with a number": (col("cell").fill_null(0), [7, 7, 7, 8, 0]),
    "fill_null with a text": (col("mode").fill_null(""), ["bus", "", "bus", "scooter", "taxi"]),
    "floor of x + 0.5 rounds half up": ((col("lon") + 0.5).floor().cast(nw.Int64), [50, 0, 0, -50, 2]),
    "cast integer to text": (col("cell").cast(nw.String), ["7", "7", "7", "8", None]),
    "cast Boolean to integer": (col("flag").cast(nw.Int64), [1, 0, 1, 1, 0]),
    "when, then, otherwise": (
        nw.when(col("flag")).then(nw.lit("a")).otherwise(nw.lit(None, dtype=nw.String)),
        ["a", None, "a", "a", None],
    ),
    "when of a null condition is otherwise": (
        nw.when(col("cell") == 7).then(nw.lit(1, dtype=nw.Int64)).otherwise(nw.lit(0, dtype=nw.Int64)),
        [1, 1, 1, 0, 0],
    ),
    "a literal": (col("n") * 0 + nw.lit(5, dtype=nw.Int64), [5, 5, 5, 5, 5]),
    IN_ORDER: (
        col("n").rank("ordinal").over("cell"),
        [1, 3, 2, 1, 1],
    ),
}


@pytest.mark.parametrize("name", list(EXPRESSIONS))
def test_expression_gives_the_same_values_on_each_engine(name: str, engine: Any) -> None:
    expression, expected = EXPRESSIONS[name]
    table = pa.table(DATA, schema=TYPES).append_column("row", pa.array(range(5), pa.int64()))
    found = rows(engine(table).with_columns(expression.alias("value")).select("row", "value"))
    assert found == list(enumerate(expected))


def test_person_counts_in_two_levels_leave_out_nulls(engine: Any) -> None:
    frame = engine(pa.table(DATA, schema=TYPES))
    inner = frame.group_by(["cell", "person"]).agg(count_rows("n_rows"))
    one = nw.when(~nw.col("person").is_null()).then(nw.lit(1, dtype=nw.Int64)).otherwise(nw.lit(0, dtype=nw.Int64))
    counted = (
        inner.with_columns(one.alias("one"))
        .group_by("cell")
        .agg(int_sum("n_rows").alias("rows"), int_sum("one").alias("persons"), nw.col("n_rows").max().alias("top"))
    )
    # cell 7: rows of persons 1, 1, 2; cell 8: nobody; no cell: person 3
    assert rows(counted.select("cell", "rows", "persons", "top")) == [(7, 3, 2, 2), (8, 1, 0, 1), (None, 1, 1, 1)]


def test_int_sum_is_a_64_bit_integer_on_each_engine(engine: Any) -> None:
    counted = engine(pa.table(DATA, schema=TYPES)).group_by("flag").agg(int_sum("n").alias("n"))
    assert counted.collect_schema()["n"] == nw.Int64
    assert rows(counted.select("flag", "n")) == [(False, 2_000_000_000_007), (True, 5)]


def test_count_rows_is_a_64_bit_integer_on_each_engine(engine: Any) -> None:
    counted = engine(pa.table(DATA, schema=TYPES)).group_by("mode").agg(count_rows("n"))
    assert counted.collect_schema()["n"] == nw.Int64
    assert rows(counted.select("mode", "n")) == [("bus", 2), ("scooter", 1), ("taxi", 1), (None, 1)]


def test_min_and_max_of_a_group(engine: Any) -> None:
    counted = engine(pa.table(DATA, schema=TYPES)).group_by("flag").agg(nw.col("n").max().alias("most"))
    assert rows(counted.select("flag", "most")) == [(False, 2_000_000_000_000), (True, 12)]


def test_filter_keeps_true_and_drops_null(engine: Any) -> None:
    frame = engine(pa.table(DATA, schema=TYPES)).filter(nw.col("cell") == 7).select("n")
    assert rows(frame) == [(-7,), (0,), (7,)]


def test_left_join_keeps_all_rows_and_null_keys_do_not_meet(engine: Any) -> None:
    table = pa.table(DATA, schema=TYPES)
    area = pa.table({"area": pa.array([7, None], pa.int64()), "inside": pa.array([1, 1], pa.int64())})
    joined = engine(table).join(_same_engine(engine, area), left_on="cell", right_on="area", how="left")
    assert rows(joined.select("n", "inside")) == [(-7, 1), (0, 1), (7, 1), (12, None), (2_000_000_000_000, None)]


def test_join_on_several_columns(engine: Any) -> None:
    table = pa.table(DATA, schema=TYPES)
    other = pa.table({"cell": pa.array([7], pa.int64()), "person": pa.array([1], pa.int64()), "hit": [True]})
    joined = engine(table).join(_same_engine(engine, other), on=["cell", "person"], how="left")
    assert [hit for _, hit in rows(joined.select("n", "hit"))] == [True, None, True, None, None]


def _same_engine(engine: Any, table: pa.Table) -> Frame:
    return engine(table)


def test_rename_drop_select_and_schema(engine: Any) -> None:
    frame = engine(pa.table(DATA, schema=TYPES)).rename({"cell": "start_cell"}).drop("lon", "flag")
    assert frame.collect_schema().names() == ["person", "start_cell", "n", "mode"]
    assert frame.collect_schema()["start_cell"].is_numeric()


def test_concat_of_lazy_frames(engine: Any) -> None:
    table = pa.table({"n": pa.array([1, None], pa.int64())})
    assert rows(nw.concat([engine(table), engine(table)])) == [(1,), (1,), (None,), (None,)]


TESTED = {
    *("alias", "cast", "fill_null", "floor", "is_null", "max", "over", "rank", "sum"),
    *(
        "agg",
        "len",
        "collect_schema",
        "drop",
        "filter",
        "group_by",
        "join",
        "rename",
        "select",
        "with_columns",
        "to_native",
    ),
}
NOT_OF_FRAMES = {
    *("explode", "any", "all", "unique", "min", "count", "head", "tail", "round", "mean", "abs", "cos", "exp"),
    *("schema", "sort", "replace_strict"),
}
"""Names that narwhals shares with NumPy and pandas, which some of these modules use on public tables."""


def test_kernels_use_no_operation_that_is_not_tested_here() -> None:
    known = {name for name in (*dir(nw.Expr), *dir(nw.LazyFrame)) if not name.startswith("_")}
    used: dict[str, set[str]] = {}
    for kernel in KERNELS:
        tree = ast.parse((ROOT / "anonkit" / kernel).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in known:
                used.setdefault(node.func.attr, set()).add(kernel)
    untested = {name: sorted(where) for name, where in used.items() if name not in TESTED | NOT_OF_FRAMES}
    assert untested == {}
