"""The gate's recount in SQL and its counting by sorted numbers, beside counting by sets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from anonkit.engine import Session
from anonkit.publish import gate_counts
from anonkit.publish.gate_classes import Recounted
from anonkit.publish.gate_counts import Few, packed
from anonkit.publish.gate_rows import Places
from hypothesis import given, settings
from hypothesis import strategies as st

Row = tuple[int, int, int, bool]
"""Class, person (-1: nobody), operator (-1: none), whether nothing finer tells it."""
ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 6), st.integers(-1, 2), st.booleans()), max_size=40)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session(threads=1) as opened:
        yield opened


def arrays(rows: list[Row]) -> tuple[np.ndarray, ...]:
    columns = np.array([(c, w, f, int(o)) for c, w, f, o in rows], dtype=np.int64).reshape(-1, 4).T
    return columns[0], columns[1], columns[2], columns[3].astype(bool)


def people_of(rows: list[Row], class_: int, *, pooled: bool, rest: bool = False) -> int:
    """Persons of a class by sets: the most that one operator has."""
    found: dict[int, set[int]] = {0: set()}
    for at, who, fleet, open_ in rows:
        if at == class_ and who >= 0 and (fleet >= 0 or not pooled) and (open_ or not rest):
            found.setdefault(fleet if pooled else 0, set()).add(who)
    return max(len(people) for people in found.values())


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(ROWS, st.booleans())
def test_r01_persons_of_a_class_are_those_of_sets(session: Session, rows: list[Row], pooled: bool) -> None:
    class_, who, fleet, open_ = arrays(rows)
    tally = Recounted(session, 4)
    for part in (class_ < 2, class_ >= 2):  # two lots; no class goes on in the second
        tally.add(class_[part], who[part], fleet[part] if pooled else None, open_[part])
    for number in range(4):
        assert tally.units[number] == people_of(rows, number, pooled=pooled)
        assert tally.rest[number] == people_of(rows, number, pooled=pooled, rest=True)
        assert tally.trips[number] == sum(row[0] == number for row in rows)
        assert tally.rest_trips[number] == sum(row[0] == number and row[3] for row in rows)


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(ROWS, st.booleans())
def test_r06_the_most_rows_of_one_person_add_up_over_operators(session: Session, rows: list[Row], pooled: bool) -> None:
    class_, who, fleet, open_ = arrays(rows)
    tally = Recounted(session, 4)
    tally.add(class_, who, fleet if pooled else None, open_)
    for number in range(4):
        most: dict[int, int] = {}
        for group in range(3 if pooled else 1):
            mine = [w for c, w, f, _ in rows if c == number and w >= 0 and (f == group or not pooled)]
            most[group] = max((mine.count(one) for one in mine), default=0)
        assert tally.top[number] == sum(most.values())


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(st.lists(ROWS, max_size=3), st.booleans(), st.integers(1, 6), st.booleans())
def test_r01_groups_of_few_are_those_of_sets_over_all_lots(
    lots: list[list[Row]], pooled: bool, least: int, marked: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if not marked:
            patch.setattr(gate_counts, "SEEN", 0)
        few = Few(4, 7, 3 if pooled else 1, least)
    for rows in lots:
        class_, who, fleet, _ = arrays(rows)
        few.add(class_, who, fleet if pooled else None)
    everything = [row for rows in lots for row in rows]
    assert few.below().tolist() == [people_of(everything, number, pooled=pooled) < least for number in range(4)]


def test_r01_people_with_one_mark_are_still_counted_apart() -> None:
    # 64 places for marks: persons 3, 67 and 131 leave one mark; 3 persons they are
    few = Few(1, 200, 1, 3)
    few.add(np.zeros(3, dtype=np.int64), np.array([3, 67, 131]), None)
    assert few.below().tolist() == [False]


def test_r12_the_record_of_a_person_counts_once_in_a_class(session: Session) -> None:
    # class 0: person 1 three times and 2 once; class 1: person 2 and nobody; class 2: two of nearly 2^60
    tally = Recounted(session, 3)
    class_, who = np.array([0, 0, 0, 0, 1, 1, 2, 2]), np.array([1, 1, 1, 2, 2, -1, 1, 2])
    record = np.array([10, 10, 10, 2**40 - 1, 2**40 - 1, 77, 2**60 - 1, 2**59 + 12345])
    tally.add(class_, who, None, np.zeros(8, dtype=bool), record)
    assert tally.record.tolist() == [9, 2**40 - 1, (2**60 + 2**59 + 12344) % 2**40]


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(st.sets(st.integers(0, 2**62), max_size=60), st.lists(st.integers(0, 2**62), max_size=60))
def test_numbers_are_found_where_they_stand(known: set[int], wanted: list[int]) -> None:
    ordered = np.array(sorted(known), dtype=np.int64)
    asked = np.array([*wanted, *known], dtype=np.int64)
    places = {number: at for at, number in enumerate(ordered.tolist())}
    assert Places(ordered).of(asked).tolist() == [places.get(number, -1) for number in asked.tolist()]


def test_numbers_that_share_a_hashed_place_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    from anonkit.publish import gate_rows

    monkeypatch.setattr(gate_rows, "_hashed", lambda numbers, bits: np.zeros(len(numbers), dtype=np.int64))
    assert Places(np.array([2, 5, 9])).of(np.array([9, 3, 2, 5, 10])).tolist() == [2, -1, 0, 1, -1]


def test_too_many_combinations_are_refused_rather_than_counted_wrongly() -> None:
    one: Any = np.zeros(1, dtype=np.int64)
    with pytest.raises(OverflowError, match="62 bits"):
        packed((one, 2**40), (one, 2**40))
