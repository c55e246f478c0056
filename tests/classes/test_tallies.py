"""A coarser tally is what a fresh count of the rows would give, whatever was told before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd
import pyarrow as pa
import pytest
from anonkit.classes import Tally, class_counts, coarser, count_classes, small_rests, tally_rows
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


def table(rows: list[tuple[Any, ...]], session: Session) -> nw.LazyFrame[Any]:
    names = ("fine", "person", "driver", "grouped")
    columns = {name: pa.array([row[at] for row in rows], pa.int64()) for at, name in enumerate(names)}
    columns["record"] = pa.array([None if row[1] is None else 100 * row[1] for row in rows], pa.int64())
    return session.from_arrow(pa.table(columns))


def lines(frame: nw.LazyFrame[Any], session: Session, names: list[str]) -> list[tuple[Any, ...]]:
    collected: pd.DataFrame = session.collect(frame).to_pandas()[names]
    return sorted(collected.itertuples(index=False, name=None))


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=30), told=st.sets(st.integers(0, 5)), apart=st.booleans())
def test_coarser_tally_counts_as_the_rows_do(
    session: Session, rows: list[tuple[Any, ...]], told: set[int], apart: bool
) -> None:
    frame = table(rows, session)
    among = "grouped" if apart else None
    fine = tally_rows(frame, ("fine",), unit="person", among=among, record=True, session=session)
    drivers = tally_rows(frame, ("fine",), unit="driver", among=among, session=session)
    published = session.from_arrow(pa.table({"key": pa.array(sorted(told), pa.int64())}))

    def halved(tally: Tally) -> Tally:
        return coarser(
            tally,
            {"coarse": nw.col("fine") // 2},
            told=published,
            on={"fine": "key"},
            left={"untold": "n-told", "every": "n"},
            session=session,
        )

    people = halved(fine)
    counted = session.frame(
        class_counts(people, drivers=halved(drivers)), tally=people.frame, drivers=halved(drivers).frame
    )
    open_ = ~nw.col("fine").is_in([-1, *sorted(told)])
    keyed = frame.with_columns((nw.col("fine") // 2).alias("coarse"), open_.alias("open"))
    again = count_classes(keyed, ["coarse"], unit="person", driver="driver", rest="open", record="record", among=among)
    names = ["coarse", "rows", "persons", "top_rows", "record", "rest_rows", "rest_persons", "drivers", "rest_drivers"]
    assert lines(counted, session, names) == lines(again, session, names)

    # what the part has not told: the same count over the rows that are left
    left = session.frame(class_counts(people, left="untold"), tally=people.frame)
    untold = count_classes(keyed.filter(open_), ["coarse"], unit="person", rest="open", record="record", among=among)
    names = ["coarse", "rows", "persons", "top_rows", "record", "rest_rows", "rest_persons"]
    assert lines(left, session, names) == lines(untold, session, names)


@pytest.mark.parametrize(("most", "left"), [(None, [5, 1, 2]), (2, [2, 1, 2]), (1, [1, 1, 2])])
def test_r06_tally_holds_at_most_so_many_rows_of_a_person_and_all_of_nobody(
    session: Session, most: int | None, left: list[int]
) -> None:
    rows = [(0, 1, 1, 0)] * 5 + [(0, 2, 1, 0)] + [(0, None, 1, 0)] * 2
    tally = tally_rows(table(rows, session), ("fine",), unit="person", max_rows=most, session=session)
    found = {row[1]: row[2] for row in lines(tally.frame, session, ["fine", "person", "n"]) if row[1] == row[1]}
    nobody = session.value("SELECT n FROM {tally} WHERE person IS NULL", tally=tally.frame)
    assert [found[1], found[2], nobody] == left


def test_r11_bin_with_a_small_rest_is_found_in_persons_not_rows(session: Session) -> None:
    # class 0 is told of bin 0; beside it stay three rows of one person in class 1, of bin 1 nothing is told
    rows = [(0, 1, 1, 0), (0, 2, 1, 0), (1, 3, 1, 0), (1, 3, 1, 0), (1, 3, 1, 0), (5, 4, 1, 0)]
    frame = table(rows, session).with_columns((nw.col("fine") // 4).alias("bin"))
    tally = tally_rows(frame, ("fine", "bin"), unit="person", session=session)
    told = session.from_arrow(pa.table({"key": pa.array([0], pa.int64())}))
    query = small_rests(tally, "bin", {"fine": "key"}, 2)
    assert session.rows(query, tally=tally.frame, told=told) == [(0,)]
    assert session.rows(small_rests(tally, "bin", {"fine": "key"}, 1), tally=tally.frame, told=told) == []
