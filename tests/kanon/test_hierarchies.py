"""Hierarchies are complete and monotone, or they are refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from anonkit.base.errors import SchemaError
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.hierarchies_travel import clock_time, h3_cells, intervals, nested_grid, zones


def test_a_hierarchy_that_splits_a_value_again_is_refused() -> None:
    with pytest.raises(SchemaError, match="not monotone: 1 base values"):
        Hierarchy.from_levels("zone", [1, 2, 3], {"a": ["x", "x", "y"], "b": ["p", "q", "q"]})


def test_a_line_with_a_missing_level_is_refused() -> None:
    with pytest.raises(SchemaError, match="not complete: 1 lines"):
        Hierarchy.from_csv(io.StringIO("bus;public;*\ntaxi;private"), column="mode")


def test_a_base_value_given_twice_is_refused() -> None:
    with pytest.raises(SchemaError, match="lists a base value twice"):
        Hierarchy.from_csv(io.StringIO("bus;*\nbus;*"), column="mode")


def test_a_value_outside_the_hierarchy_is_told_by_number_only() -> None:
    mode = Hierarchy.flat("mode", ["bus", "taxi"])
    with pytest.raises(SchemaError, match="2 rows whose value is not") as told:
        mode.encode(["bus", "secret", "secret"])
    assert "secret" not in str(told.value)


def test_a_null_is_its_own_category_and_no_wildcard() -> None:
    mode = Hierarchy.from_mapping("mode", {"bus": ["public", "*"], "taxi": ["private", "*"]}).with_unknown()
    assert mode.labels_of(["bus", None], level=0).tolist() == ["bus", "unknown"]
    assert mode.labels_of(["bus", None], level=1).tolist() == ["public", "unknown"]
    assert mode.labels_of(["bus", None], level=2).tolist() == ["*", "*"]
    with pytest.raises(SchemaError, match="1 nulls"):
        Hierarchy.flat("mode", ["bus"]).encode(["bus", None])


def test_intervals_must_nest() -> None:
    with pytest.raises(SchemaError, match="not a whole multiple"):
        intervals("age", lower=0, upper=60, widths=[10, 15])


def test_interval_borders_belong_to_the_upper_interval() -> None:
    minutes = intervals("duration", lower=0, upper=30, widths=[10], unit="min")
    assert minutes.encode(np.array([-1, 0, 9.99, 10, 29.9, 30, 99])).tolist() == [0, 1, 1, 2, 3, 4, 4]
    assert minutes.displacement == (2.5, 7.5)


def test_clock_levels_tell_date_type_of_day_and_hour() -> None:
    """1970-01-01 was a Thursday; bin 8 of hours is 08:00, two days later is a Saturday."""
    time = clock_time("start_bin", np.arange(72), value_s=3600, levels=["3h", "day_type 3h", "day_type", "*"])
    assert time.labels_of([8], level=1).tolist() == ["1970-01-01 06:00-09:00"]
    assert time.labels_of([8, 56], level=2).tolist() == ["workday 06:00-09:00", "weekend 06:00-09:00"]
    assert time.labels_of([8, 56], level=3).tolist() == ["workday", "weekend"]


def test_clock_levels_that_grow_finer_again_are_refused() -> None:
    with pytest.raises(SchemaError, match="not monotone"):
        clock_time("start_bin", np.arange(72), value_s=3600, levels=["day_type", "clock 3h", "*"])


def test_grid_parents_are_floor_divisions_also_of_negative_numbers() -> None:
    grid = nested_grid("cell", [10, 11, 12, 13], rows=[-2, -1, 0, 1], columns=[0, 0, 0, 0], cell_m=500, factors=[2])
    assert grid.codes[1].tolist() == [0, 0, 1, 1]


def test_h3_parents_form_a_tree() -> None:
    h3 = pytest.importorskip("h3")
    cell = h3.latlng_to_cell(40.4, 49.87, 9)
    made = h3_cells("cell", sorted(h3.grid_disk(cell, 3)), resolutions=[8, 7])
    assert made.sizes[0] == 37
    assert made.sizes[-1] == 1
    assert made.labels_of([cell], level=1).tolist() == [h3.cell_to_parent(cell, 8)]


def test_zones_and_their_drawing() -> None:
    made = zones("tract", {1: ["a", "city"], 2: ["a", "city"], 3: ["b", "city"]}, names=["area", "city"])
    edges = made.edges()
    assert edges["leaves"].tolist() == [3, 2, 1, 1, 1, 1]
    assert edges.set_index("id").loc["0:2", "parent"] == "1:1"
    assert made.describe()["values"].tolist() == [3, 2, 1]


@pytest.mark.parametrize("text", ["bus;;*\ntaxi;private;*", "bus;public;\ntaxi;private;*", ";public;*\ntaxi;private;*"])
def test_a_csv_with_an_empty_field_is_not_complete(text: str) -> None:
    with pytest.raises(SchemaError, match="is not complete: 1 fields are empty"):
        Hierarchy.from_csv(io.StringIO(text), column="mode")


def test_a_csv_read_with_the_wrong_separator_is_told_so() -> None:
    with pytest.raises(SchemaError, match="one field a line"):
        Hierarchy.from_csv(io.StringIO("bus,public,*\ntaxi,private,*"), column="mode")


def test_numbers_beside_a_hierarchy_of_texts_are_told_apart_from_missing_values() -> None:
    ages = Hierarchy.from_csv(io.StringIO("39;30s;*\n40;40s;*"), column="age")
    with pytest.raises(SchemaError, match="2 rows") as told:
        ages.encode([39, 40])
    assert "one is text and the other numbers" in str(told.value)
    with pytest.raises(SchemaError, match="1 rows") as told:
        ages.encode(["39", "41"])
    assert "add the values" in str(told.value)


def test_intervals_need_numbers_and_widths_that_are_some() -> None:
    with pytest.raises(SchemaError, match="no numbers"):
        intervals("fare", lower=0, upper=10, widths=[5]).encode(["1", "x"])
    with pytest.raises(SchemaError, match="lower < upper and a width"):
        intervals("fare", lower=0, upper=10, widths=[-5])


def test_a_null_and_a_district_of_that_name_are_told_by_one_word_and_are_one() -> None:
    """Zone c lies in the district "unknown"; a null is a zone of its own and joins that district, and its city."""
    paths = {"a": ["north", "east"], "b": ["north", "east"], "c": ["unknown", "west"]}
    zone = Hierarchy.from_mapping("zone", paths).with_unknown()
    assert zone.sizes == (4, 2, 2)
    assert zone.labels_of([None, "c"], level=0).tolist() == ["unknown", "c"]
    assert zone.labels_of([None, "c"], level=1).tolist() == ["unknown", "unknown"]
    assert zone.labels_of([None, "c"], level=2).tolist() == ["west", "west"]


def test_bounds_of_seven_digits_are_told_apart() -> None:
    wide = intervals("epoch_s", lower=1_700_000_000, upper=1_700_000_300, widths=[100])
    assert wide.labels[0].tolist()[1:3] == ["[1700000000, 1700000100)", "[1700000100, 1700000200)"]
