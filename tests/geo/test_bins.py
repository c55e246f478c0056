"""Time bins are labels of the local clock: against zoneinfo, nested exactly, the repeated hour one bin."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import narwhals.stable.v2 as nw
import pandas as pd
import pyarrow as pa
import pytest
from anonkit.base.errors import SchemaError
from anonkit.engine import Session
from anonkit.geo import TimeBins
from anonkit.schema.localtime import FIRST_S, LAST_S
from hypothesis import given, settings
from hypothesis import strategies as st

ZONE = "Europe/Podgorica"
WIDTHS = (
    "15min",
    "1h",
    "3h",
    "6h",
    "1d",
    "15min of week",
    "1h of week",
    "6h of week",
    "1d of week",
    "1h of day",
    "3h of day",
    "1d of day",
)
INSTANTS = st.integers(FIRST_S, LAST_S - 1)


def by_hand(width: str, epoch_s: int) -> int:
    """The bin from zoneinfo's clock."""
    clock = datetime.fromtimestamp(epoch_s, ZoneInfo(ZONE))
    seconds = {"15": 900, "1h": 3600, "3h": 10_800, "6h": 21_600, "1d": 86_400}[width[:2]]
    of_day = clock.hour * 3600 + clock.minute * 60 + clock.second
    if width.endswith("of day"):
        return of_day // seconds
    if width.endswith("of week"):
        return (clock.weekday() * 86_400 + of_day) // seconds
    return ((clock.date() - date(1970, 1, 1)).days * 86_400 + of_day) // seconds


@settings(max_examples=300)
@given(width=st.sampled_from(WIDTHS), epoch_s=INSTANTS)
def test_a_bin_is_what_the_local_clock_says(width: str, epoch_s: int) -> None:
    assert TimeBins(width, zone=ZONE).bin_of(epoch_s) == by_hand(width, epoch_s)


@pytest.mark.parametrize("width", WIDTHS)
def test_engines_agree_with_the_clock(width: str) -> None:
    bins = TimeBins(width, zone=ZONE)
    instants = [FIRST_S + n * 3_999_971 for n in range(300)]
    expected = [by_hand(width, at) for at in instants]
    expression = bins.expr(nw.col("s")).alias("bin")
    assert nw.from_native(pd.DataFrame({"s": instants})).with_columns(expression)["bin"].to_list() == expected
    with Session(threads=1) as session:
        frame = session.from_arrow(pa.table({"s": instants, "n": range(300)})).with_columns(expression)
        assert [row[0] for row in session.rows("SELECT bin FROM {t} ORDER BY n", t=frame)] == expected


@settings(max_examples=300)
@given(fine=st.sampled_from(WIDTHS), coarse=st.sampled_from(WIDTHS), epoch_s=INSTANTS)
def test_coarsening_a_bin_equals_binning_the_instant(fine: str, coarse: str, epoch_s: int) -> None:
    finer, coarser = TimeBins(fine, zone=ZONE), TimeBins(coarse, zone=ZONE)
    frame = nw.from_native(pd.DataFrame({"bin": [finer.bin_of(epoch_s)]}))
    if not coarser.contains(finer):
        with pytest.raises(SchemaError, match="do not nest"):
            coarser.coarsen(nw.col("bin"), finer)
        return
    found = frame.with_columns(coarser.coarsen(nw.col("bin"), finer).alias("c"))["c"].to_list()
    assert found == [coarser.bin_of(epoch_s)]


def test_contains_is_width_and_pool_and_zone() -> None:
    assert TimeBins("3h of week", zone=ZONE).contains(TimeBins("1h", zone=ZONE))
    assert TimeBins("3h of day", zone=ZONE).contains(TimeBins("1h of week", zone=ZONE))
    assert not TimeBins("3h of week", zone=ZONE).contains(TimeBins("1h of day", zone=ZONE))
    assert not TimeBins("3h", zone=ZONE).contains(TimeBins("2h", zone=ZONE))
    assert not TimeBins("3h", zone=ZONE).contains(TimeBins("1h", zone="Asia/Baku"))


def test_the_repeated_hour_is_one_bin_of_two_hours_and_the_skipped_one_is_empty() -> None:
    hours = TimeBins("1h", zone=ZONE)
    autumn = int(datetime(2026, 10, 25, 0, tzinfo=UTC).timestamp())  # 02:00 summer time
    assert len({hours.bin_of(autumn + minutes * 60) for minutes in range(120)}) == 1
    spring = int(datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC).timestamp())  # 01:59:59
    assert hours.bin_of(spring + 1) - hours.bin_of(spring) == 2


def test_labels_are_the_beginning_on_the_local_clock() -> None:
    at = int(datetime(2026, 9, 1, 5, 20, tzinfo=UTC).timestamp())  # 07:20 in Podgorica, a Tuesday
    for width, label in (
        ("1h", "2026-09-01 07:00"),
        ("15min", "2026-09-01 07:15"),
        ("3h of week", "Tue 06:00"),
        ("6h of day", "06:00"),
        ("1d", "2026-09-01 00:00"),
    ):
        bins = TimeBins(width, zone=ZONE)
        assert bins.label(bins.bin_of(at)) == label


def test_r18_the_bins_of_a_period_come_from_its_dates_alone() -> None:
    first, last = date(2026, 3, 28), date(2026, 3, 30)
    assert len(TimeBins("1h", zone=ZONE).span(first, last)) == 72
    assert len(TimeBins("1h of week", zone=ZONE).span(first, last)) == 168
    assert len(TimeBins("6h of day", zone=ZONE).span(first, last)) == 4
    span = TimeBins("1h", zone=ZONE).span(first, last)
    noon = int(datetime(2026, 3, 28, 11, tzinfo=UTC).timestamp())
    assert TimeBins("1h", zone=ZONE).bin_of(noon) in span
    assert TimeBins("1h", zone=ZONE).bin_of(noon + 3 * 86_400) not in span


@pytest.mark.parametrize("width", ["7h", "50min", "2d"])
def test_widths_that_do_not_divide_a_day_are_refused(width: str) -> None:
    with pytest.raises(SchemaError, match="do not divide a day"):
        TimeBins(width, zone=ZONE)


@pytest.mark.parametrize("width", ["", "hour", "0h", "1h of month", "-1h", "1.5h"])
def test_words_that_are_no_width_are_refused(width: str) -> None:
    with pytest.raises(SchemaError, match="no width of a bin"):
        TimeBins(width, zone=ZONE)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(SchemaError, match="no time zone"):
        TimeBins("1h", zone="Mars/Olympus")
