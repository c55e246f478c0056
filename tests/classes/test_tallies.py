"""A coarser tally is what a fresh count of the rows would give, whatever was told before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from anonkit.classes import (
    NOBODY,
    Tally,
    arrays,
    class_counts,
    coarser,
    count_classes,
    distinct,
    groups,
    small_rests,
    tally_rows,
)
from anonkit.classes.coded import Coded
from anonkit.engine import Session
from hypothesis import given, settings
from hypothesis import strategies as st

ROW = st.tuples(
    st.integers(0, 5),  # a fine class
    st.one_of(st.none(), st.integers(1, 4)),  # a person, or nobody
    st.integers(1, 3),  # a driver
    st.integers(0, 1),  # a group of operators
)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session(threads=1) as opened:
        yield opened


def table(rows: list[tuple[Any, ...]]) -> pa.Table:
    names = ("fine", "person", "driver", "grouped")
    columns = {name: pa.array([row[at] for row in rows], pa.int64()) for at, name in enumerate(names)}
    columns["record"] = pa.array([None if row[1] is None else 100 * row[1] for row in rows], pa.int64())
    return pa.table(columns)


def tally_of(rows: pa.Table, unit: str, *, apart: bool = False, classes: int = 6) -> Tally:
    return tally_rows(
        rows.column("fine").to_numpy(),
        Coded.of(rows.column(unit)).known(),
        classes=classes,
        among=rows.column("grouped").to_numpy() if apart else None,
        record=rows.column("record").fill_null(0).to_numpy() if unit == "person" else None,
    )


def lines(counted: pd.DataFrame, names: list[str]) -> list[tuple[Any, ...]]:
    return sorted(counted[counted["rows"] > 0][names].itertuples(index=False, name=None))


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=30), told=st.sets(st.integers(0, 5)), apart=st.booleans())
def test_coarser_tally_counts_as_the_rows_do(
    session: Session, rows: list[tuple[Any, ...]], told: set[int], apart: bool
) -> None:
    frame = table(rows)
    hit = np.isin(np.arange(6), sorted(told))

    def halved(tally: Tally) -> Tally:
        up = np.arange(6) // 2
        return coarser(tally, up, classes=3, told=hit, left={"untold": "n-told", "every": "n"})

    people, drivers = halved(tally_of(frame, "person", apart=apart)), halved(tally_of(frame, "driver", apart=apart))
    counted = pd.DataFrame(class_counts(people, drivers=drivers)).rename_axis("coarse").reset_index()
    open_ = ~nw.col("fine").is_in([-1, *sorted(told)])
    keyed = session.from_arrow(frame).with_columns((nw.col("fine") // 2).alias("coarse"), open_.alias("open"))

    def counts(frame: Any, driver: str | None = None) -> pd.DataFrame:
        among = "grouped" if apart else None
        found = count_classes(
            frame, ["coarse"], unit="person", driver=driver, rest="open", record="record", among=among
        )
        return found.collect().to_pandas()

    names = ["coarse", "rows", "persons", "top_rows", "record", "rest_rows", "rest_persons"]
    helpers = [*names, "drivers", "rest_drivers"]
    assert lines(counted, helpers) == lines(counts(keyed, "driver"), helpers)

    # what the part has not told: the same count over the rows that are left
    left = pd.DataFrame(class_counts(people, left="untold")).rename_axis("coarse").reset_index()
    assert lines(left, names) == lines(counts(keyed.filter(open_)), names)


def test_r01_tally_holds_rows_of_nobody_as_rows_and_counts_no_person_for_them() -> None:
    tally = tally_of(table([(0, 1, 1, 0)] * 5 + [(0, 2, 1, 0)] + [(0, None, 1, 0)] * 2), "person")
    assert sorted(zip(tally.unit.tolist(), tally.n.tolist(), strict=True)) == [(NOBODY, 2), (0, 5), (1, 1)]
    counted = class_counts(tally)
    assert (counted["rows"][0], counted["persons"][0], counted["top_rows"][0]) == (8, 2, 5)


def test_r11_bin_with_a_small_rest_is_found_in_persons_not_rows() -> None:
    # class 0 is told of bin 0; beside it stay three rows of one person in class 1, of bin 1 nothing is told
    rows = [(0, 1, 1, 0), (0, 2, 1, 0), (1, 3, 1, 0), (1, 3, 1, 0), (1, 3, 1, 0), (5, 4, 1, 0)]
    tally, bins = tally_of(table(rows), "person"), np.arange(6) // 4
    told = np.arange(6) == 0
    assert small_rests(tally, bins, told, 2).tolist() == [0]
    assert small_rests(tally, bins, told, 1).tolist() == []


def test_r01_rest_of_nobody_is_a_rest_of_too_few() -> None:
    tally = tally_of(table([(0, 1, 1, 0), (0, 2, 1, 0), (1, None, 1, 0)]), "person")
    assert small_rests(tally, np.zeros(6, dtype=int), np.arange(6) == 0, 2).tolist() == [0]


@given(
    columns=st.integers(1, 4).flatmap(
        lambda width: st.lists(st.tuples(*[st.integers(0, 3)] * width), min_size=0, max_size=20)
    ),
    most=st.sampled_from([arrays.MOST, 20]),
)
def test_groups_are_those_of_equal_lines_in_the_order_of_their_columns(columns: Any, most: int) -> None:
    width = len(columns[0]) if columns else 1
    codes = [(np.array([line[at] for line in columns], dtype=np.int32), 4) for at in range(width)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays, "MOST", most)  # of 20: too wide to pack, ranked on the way
        found = groups(codes)
    places = {line: number for number, line in enumerate(sorted(set(columns)))}
    assert found.of.tolist() == [places[line] for line in columns]
    assert found.sizes.tolist() == [columns.count(line) for line in places]
    assert [columns[at] for at in found.first] == list(places)
    assert found.sum(np.ones(len(columns), dtype=np.int32)).tolist() == found.sizes.tolist()


def test_sizes_of_numpy_s_integers_do_not_overflow() -> None:
    # 2^40 · 2^40 and 2^61 with the places of three lines behind it are beyond 64 bits
    wide = [np.array([2**39, 0, 2**39]), np.array([1, 5, 0])]
    assert groups([(codes, np.int64(2**40)) for codes in wide]).of.tolist() == [2, 0, 1]  # type: ignore[misc]
    order, ordered = arrays.in_order(np.array([2**60, 3, 2**60]), np.int64(2**61))  # type: ignore[arg-type]
    assert (order.tolist(), ordered.tolist()) == ([1, 0, 2], [3, 2**60, 2**60])


def test_distinct_values_ascend() -> None:
    assert distinct(np.array([3, 1, 3, 2, 1])).tolist() == [1, 2, 3]
    assert distinct(np.zeros(0, dtype=np.int64)).tolist() == []


@pytest.mark.parametrize(
    "values",
    [[3, None, 1, 3], ["b", "a", None, "ə"], [None, None], [], [2.5, -1.0], [True, False, None]],
)
def test_codes_ascend_with_their_values_and_null_is_last(values: list[Any]) -> None:
    coded = Coded.of(pa.chunked_array([pa.array(values, None if any(v is not None for v in values) else pa.int64())]))
    assert coded.arrow().to_pylist() == values
    known = [value for value in values if value is not None]
    assert coded.values.to_pylist() == sorted(set(known)) + ([None] if None in values else [])
    assert coded.known().tolist() == [NOBODY if value is None else sorted(set(known)).index(value) for value in values]


def test_an_image_of_the_values_codes_the_lines_anew() -> None:
    coded = Coded.of(pa.array([10, 25, 31, None])).through(pa.array([1, 2, 1, None]))
    assert coded.arrow().to_pylist() == [1, 2, 1, None]
