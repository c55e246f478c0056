from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from anonkit import viz
from anonkit.base.errors import SchemaError
from anonkit.geo import TimeBins
from anonkit.viz.charts import week_fields

ZONE = "Asia/Baku"


@pytest.mark.parametrize("width", ["1h", "1h of week", "3h", "3h of week", "1d"])
def test_weekday_and_hour_are_those_of_the_label(width: str) -> None:
    bins = TimeBins(width, zone=ZONE)
    codes = np.array([bins.bin_of(1_788_220_800 + 86_400 * day + 3600 * 5 * day) for day in range(7)])
    days, fields = week_fields(codes, bins)
    for code, day, field in zip(codes, days, fields, strict=True):
        label = bins.label(int(code))
        clock = f"{field * bins.seconds // 3600:02d}:00"
        assert label.endswith(clock)
        if bins.pool == "week":
            assert label.startswith(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[day])
        else:
            assert pd.Timestamp(label[:10]).dayofweek == day


def test_a_field_without_a_row_has_no_colour_and_is_not_zero() -> None:
    bins = TimeBins("12h of week", zone=ZONE)
    picture = viz.hour_week_map(pd.DataFrame({"bin": [0, 1], "trips": [0, 5]}), bins=bins, form="file").text
    assert picture.count('fill="#ffffff" stroke') == 12  # 14 fields, one holds 0, one holds 5
    assert "<title>Mon 00:00: 0 trips</title>" in picture
    assert "<title>Tue 00:00: – trips</title>" in picture
    assert "no colour: none, or suppressed" in picture


def test_bins_pooled_over_days_make_one_row() -> None:
    bins = TimeBins("6h of day", zone=ZONE)
    picture = viz.hour_week_map(pd.DataFrame({"bin": [3], "trips": [5]}), bins=bins, form="file").text
    assert "all days" in picture
    assert "Mon" not in picture


def test_class_sizes_are_counted_in_groups() -> None:
    sizes = pd.DataFrame({"persons": [1, 1, 2, 3, 4, 5, 10, 11, 500], "rows": [1] * 9})
    picture = viz.class_size_chart(sizes, k=5, form="file").text
    counts = dict(re.findall(r"<title>before, ([^:]+): (\d+)</title>", picture))
    assert counts == {
        "1": "2",
        "2": "1",
        "3–4": "2",
        "5–10": "2",
        "11–19": "1",
        "20–49": "0",
        "50–99": "0",
        "100+": "1",
    }
    assert "k = 5" in picture


def test_a_threshold_within_a_group_draws_no_line() -> None:
    sizes = pd.DataFrame({"persons": [1, 7]})
    assert "k = 7" not in viz.class_size_chart(sizes, k=7, form="file").text


def test_the_same_sizes_from_run_json_and_from_a_table() -> None:
    histogram = {"0": 0, "1": 2, "2": 0, "3–4": 0, "5–10": 1, "11–19": 0, "20–49": 0, "50–99": 0, "100+": 0}
    table = pd.DataFrame({"persons": [1, 1, 6]})
    assert viz.class_size_chart(histogram, form="file").text == viz.class_size_chart(table, form="file").text


def test_sides_with_other_groups_are_refused() -> None:
    with pytest.raises(SchemaError, match="other groups"):
        viz.class_size_chart({"1": 1}, {"2": 1})
    with pytest.raises(SchemaError, match="differ in length"):
        viz.profile_chart(["a"], [1], [1, 2])


def test_suppressed_share_by_time_is_of_that_time() -> None:
    classes = pd.DataFrame({"bin": [0, 0, 1], "before": [6, 4, 5], "after": [6, 0, 5]})
    bins = TimeBins("12h of week", zone=ZONE)
    picture = viz.suppression_week_map(classes, bins=bins, before="before", after="after", form="file").text
    assert "<title>Mon 00:00: 40% of 10 trips suppressed</title>" in picture
    assert "<title>Mon 12:00: 0% of 5 trips suppressed</title>" in picture


def test_both_forms_of_a_week_have_the_same_fields() -> None:
    bins = TimeBins("6h of week", zone=ZONE)
    table = pd.DataFrame({"bin": [0, 9, 27], "trips": [5, 12, 1]})
    figure = viz.hour_week_map(table, bins=bins)
    texts = [text for row in figure.data[0].text for text in row]
    titles = re.findall(r"<title>([^<]*)</title>", viz.hour_week_map(table, bins=bins, form="file").text)
    assert texts == titles


def test_bars_of_both_forms_have_the_same_heights() -> None:
    before, after = {"1": 3, "2": 8}, {"1": 0, "2": 8}
    figure = viz.class_size_chart(before, after, k=2)
    assert [list(trace.y) for trace in figure.data] == [[3, 8], [0, 8]]
    assert [trace.name for trace in figure.data] == ["before", "after"]
