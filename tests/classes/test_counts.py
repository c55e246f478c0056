"""Class sizes count persons; nobody is nobody; who dominates is known."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pandas as pd
import pytest
from anonkit.base.errors import RecipeError, SchemaError
from anonkit.classes import Protection, class_sizes, count_classes, is_safe, thin_rows
from anonkit.schema import Table
from hypothesis import given, settings
from hypothesis import strategies as st


def counted(rows: list[tuple[Any, ...]], **more: Any) -> pd.DataFrame:
    """Counts of rows (class, person[, driver]), by class."""
    names = ["class", "person", "driver"][: len(rows[0])]
    data = pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names[1:], "Int64"))
    frame = count_classes(Table.of(data).frame, ["class"], unit="person", **more)
    return frame.collect().to_pandas().sort_values("class", na_position="last").set_index("class")


def test_r01_class_size_counts_persons_not_trips() -> None:
    # a: persons 1, 1, 1, 2 → 4 rows, 2 persons, the first has 3
    found = counted([("a", 1), ("a", 1), ("a", 1), ("a", 2)])
    assert found.loc["a", ["rows", "persons", "top_rows"]].tolist() == [4, 2, 3]


def test_r01_row_without_a_person_adds_none() -> None:
    found = counted([("a", 1), ("a", None), ("a", None)])
    assert found.loc["a", ["rows", "persons"]].tolist() == [3, 1]


def test_r04_drivers_are_counted_beside_persons_and_nulls_are_no_driver() -> None:
    found = counted([("a", 1, 7), ("a", 2, 7), ("a", 3, None), ("b", 4, None)], driver="driver")
    assert found["drivers"].tolist() == [1, 0]


def test_null_in_a_class_key_is_a_category_of_its_own() -> None:
    found = counted([(None, 1, 7), (None, 2, 8), ("b", 3, 7)], driver="driver")
    assert found["persons"].tolist() == [1, 2]
    assert found["drivers"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("rows", "k", "k_driver", "safe"),
    [
        ([("a", p, 1) for p in range(5)], 5, None, True),
        ([("a", p, 1) for p in range(4)], 5, None, False),
        ([("a", 1, 1)] * 40 + [("a", p, 1) for p in (2, 3, 4, 5)], 5, None, False),  # one has 40 of 44 rows
        ([("a", 1, 1)] * 4 + [("a", p, 1) for p in (2, 3, 4, 5)], 5, None, True),  # exactly one half
        ([("a", p, p % 2) for p in range(5)], 5, 2, True),
        ([("a", p, 1) for p in range(5)], 5, 2, False),
    ],
)
def test_r06_class_is_safe_with_k_persons_k_drivers_and_no_one_above_half(
    rows: Any, k: int, k_driver: int | None, safe: bool
) -> None:
    data = pd.DataFrame(rows, columns=["class", "person", "driver"])
    frame = count_classes(Table.of(data).frame, ["class"], unit="person", driver="driver")
    protection = Protection(unit="person", k=k, k_driver=k_driver, dominance=Fraction(1, 2))
    assert frame.with_columns(is_safe(protection).alias("safe")).collect().to_pandas()["safe"].tolist() == [safe]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.integers(0, 4))), min_size=1, max_size=30))
@settings(max_examples=8, database=None)
def test_counts_are_those_of_plain_python(rows: list[tuple[str, int | None]]) -> None:
    found = counted(rows)
    for key in {name for name, _ in rows}:
        persons = [person for name, person in rows if name == key]
        assert found.loc[key, "rows"] == len(persons)
        assert found.loc[key, "persons"] == len(set(persons) - {None})


def test_r06_thinning_keeps_at_most_m_rows_of_a_person_and_class() -> None:
    # person 1: five rows in a, one in b; two of the five stay, whichever order they come in
    rows = [("a", 1, number) for number in range(5)] + [("b", 1, 9), ("a", 2, 10)]
    data = pd.DataFrame(rows, columns=["class", "person", "trip"])
    kept = [
        thin_rows(Table.of(part).frame, ["class"], unit="person", max_rows=2).collect().to_pandas()
        for part in (data, data[::-1].reset_index(drop=True))
    ]
    assert kept[0].groupby(["class", "person"]).size().tolist() == [2, 1, 1]
    assert set(kept[0]["trip"]) == set(kept[1]["trip"])


@pytest.mark.parametrize("k", [1, 0])
def test_thresholds_below_two_are_refused(k: int) -> None:
    with pytest.raises(RecipeError, match="k is"):
        Protection(unit="person", k=k)
    with pytest.raises(RecipeError, match="k for drivers"):
        Protection(unit="person", k=5, k_driver=k)
    with pytest.raises(RecipeError, match="dominance"):
        Protection(unit="person", k=5, dominance=Fraction(0))


def test_class_sizes_of_a_column_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SchemaError, match="lacks the columns"):
        class_sizes(Table.of(pd.DataFrame({"person": [1]})), by=["start_cell"], protect="person")
