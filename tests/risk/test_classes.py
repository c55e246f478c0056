"""Class risk counts persons, knows dominance, and compares fractions exactly."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from anonkit.base.errors import SchemaError
from anonkit.risk.classes import ClassRisk, class_risk, largest_share
from anonkit.schema import Table
from hypothesis import given
from hypothesis import strategies as st


def risk(pairs: list[tuple[int, int, int]], **options: object) -> ClassRisk:
    """Class risk of (class, person, rows) triples."""
    table = np.array(pairs, np.int64).reshape(-1, 3)
    return class_risk(table[:, 0], table[:, 1], table[:, 2], **options)  # type: ignore[arg-type]


def test_class_size_counts_persons_not_trips() -> None:
    # One person with 40 trips is one person: smallest class 1, risk 1.
    found = risk([(0, 1, 40)])
    assert (found.smallest, found.rows, found.prosecutor_max) == (1, 40, Fraction(1))
    assert found.unique_classes == found.unique_persons == 1


def test_r06_risk_is_the_heaviest_share_not_one_over_k() -> None:
    # Class 0 has five persons with 6, 1, 1, 1, 1 rows: k claims 1/5, the heavy rider is guessed with 6/10.
    found = risk([(0, 1, 6), (0, 2, 1), (0, 3, 1), (0, 4, 1), (0, 5, 1)])
    assert found.prosecutor_by_persons == Fraction(1, 5)
    assert found.prosecutor_max == Fraction(6, 10)
    assert found.dominated_classes == 1
    assert not found.passes(Fraction(1, 5))


def test_r01_rows_without_person_add_nobody_and_do_not_dilute() -> None:
    # Nine rows of nobody beside one row of one person: still one person with share 1.
    found = risk([(0, -1, 9), (0, 4, 1)])
    assert (found.smallest, found.rows_without_person, found.prosecutor_max) == (1, 9, Fraction(1))


def test_r01_a_class_of_nobody_has_no_person_and_risk_one() -> None:
    found = risk([(0, -1, 30), (1, 1, 1), (1, 2, 1)])
    assert (found.smallest, found.prosecutor_max) == (0, Fraction(1))
    assert not found.passes(Fraction(1, 2))


def test_r34_one_in_eleven_passes_exactly_and_one_in_ten_does_not() -> None:
    eleven = risk([(0, person, 1) for person in range(11)])
    ten = risk([(0, person, 1) for person in range(10)])
    assert eleven.prosecutor_max == Fraction(1, 11)
    assert eleven.passes(Fraction(1, 11))
    assert not ten.passes(Fraction(1, 11))


def test_r37_an_empty_release_does_not_pass() -> None:
    assert not risk([]).passes(Fraction(1, 11))


def test_pairs_that_occur_twice_are_summed() -> None:
    # Person 1: 2 + 1 rows of 4.
    assert risk([(0, 1, 2), (0, 2, 1), (0, 1, 1)]).prosecutor_max == Fraction(3, 4)


def test_mean_is_over_rows_and_marketer_over_pairs() -> None:
    # Class 0: shares 3/4 of 4 rows; class 1: 1/3 of 3 rows. Mean (3 + 1)/7. Pairs 5, classes 2: 2/5.
    found = risk([(0, 7, 3), (0, 8, 1), (1, 7, 1), (1, 8, 1), (1, 9, 1)])
    assert found.prosecutor_mean == Fraction(4, 7)
    assert found.marketer == Fraction(2, 5)
    # Person 7 has 4 of 7 rows: guessing him without the class.
    assert found.baseline == Fraction(4, 7)


def test_journalist_and_k_map_count_the_population() -> None:
    found = risk([(0, 1, 1), (1, 2, 1), (1, 3, 1)], population={0: 20, 1: 5})
    assert (found.k_map, found.journalist_max) == (5, Fraction(1, 5))
    # Row-weighted mean: (1/20 + 2/5) / 3.
    assert found.journalist_mean == pytest.approx((1 / 20 + 2 / 5) / 3)


def test_a_population_smaller_than_the_class_is_not_believed() -> None:
    assert risk([(0, 1, 1), (0, 2, 1)], population={0: 1}).k_map == 2


def test_sizes_are_told_as_quartiles_and_histogram() -> None:
    found = risk([(0, 1, 1)] + [(1, p, 1) for p in range(4)] + [(2, p, 1) for p in range(12)])
    assert found.quartiles == (2.5, 4.0, 8.0)
    assert found.histogram["1"] == found.histogram["3–4"] == found.histogram["11–19"] == 1
    assert sum(found.histogram.values()) == 3
    assert found.rows_in_classes_under == {2: 1, 5: 5, 11: 5}


def test_lengths_and_counts_are_checked() -> None:
    with pytest.raises(SchemaError, match="differ in length"):
        class_risk(np.array([1]), np.array([1, 2]), np.array([1]))
    with pytest.raises(SchemaError, match="fewer than one row"):
        risk([(0, 1, 0)])


def test_figures_carry_value_interval_baseline_and_control() -> None:
    largest = risk([(0, 1, 3), (0, 2, 1), (1, 2, 9), (1, 3, 9)]).figures()[0]
    assert largest.name == "prosecutor_max"
    assert largest.low == largest.value == largest.high == Fraction(3, 4)
    assert largest.baseline == Fraction(10, 22)
    assert largest.control == 0
    assert largest.succeeds


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 5), st.integers(1, 9)), max_size=30), st.randoms())
def test_row_order_does_not_matter_and_risk_is_a_share(pairs: list[tuple[int, int, int]], shuffle: object) -> None:
    found = risk(pairs)
    other = list(pairs)
    shuffle.shuffle(other)  # type: ignore[attr-defined]
    assert risk(other) == found
    assert 0 <= found.prosecutor_mean <= found.prosecutor_max <= 1
    if found.smallest:
        assert found.prosecutor_max >= found.prosecutor_by_persons


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)), min_size=1, max_size=20))
def test_largest_share_is_exact(pairs: list[tuple[int, int]]) -> None:
    part = np.array([min(p) for p in pairs])
    whole = np.array([max(p) for p in pairs])
    assert largest_share(part, whole) == max(Fraction(min(p), max(p)) for p in pairs)


def test_table_is_counted_by_its_quasi_identifiers_and_its_unit() -> None:
    # class a: person 7 has 3 of 4 rows and 8 one; class b: a row of nobody and one of 9
    frame = pd.DataFrame(
        {"mode": list("aaaabb"), "person": pd.array([7, 7, 7, 8, None, 9], dtype="Int64"), "trip": range(6)}
    )
    table = Table.of(frame, roles={"mode": "quasi", "person": "pseudonym", "trip": "pseudonym"})
    found = class_risk(table)
    assert (found.classes, found.persons, found.rows, found.rows_without_person) == (2, 3, 6, 1)
    assert (found.smallest, found.prosecutor_max) == (1, Fraction(1))
    with pytest.raises(SchemaError, match="no quasi-identifier"):
        class_risk(Table.of(frame[["person", "trip"]], roles={"person": "pseudonym", "trip": "pseudonym"}))
