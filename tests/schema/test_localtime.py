"""Local time equals zoneinfo's at any instant, both ways, over both changes of the clock, on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import narwhals.stable.v2 as nw
import pandas as pd
import pyarrow as pa
import pytest
from anonkit.base.errors import SchemaError
from anonkit.engine import Session
from anonkit.schema.localtime import FIRST_S, LAST_S, Ambiguous, LocalTime
from hypothesis import given, settings
from hypothesis import strategies as st

ZONES = (
    *("Asia/Baku", "Europe/Podgorica", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"),
    *("Asia/Kolkata", "Pacific/Apia", "America/St_Johns", "Europe/Dublin", "UTC", "Asia/Tehran", "America/Sao_Paulo"),
)
SHARED = settings(max_examples=40)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session(threads=1) as opened:
        yield opened


def offset(zone: str, epoch_s: int) -> int:
    delta = datetime.fromtimestamp(epoch_s, ZoneInfo(zone)).utcoffset()
    assert delta is not None
    return int(delta.total_seconds())


@settings(max_examples=400)
@given(zone=st.sampled_from(ZONES), epoch_s=st.integers(FIRST_S, LAST_S - 1))
def test_offset_equals_zoneinfo_at_any_instant(zone: str, epoch_s: int) -> None:
    assert LocalTime(zone).offset(epoch_s) == offset(zone, epoch_s)


@pytest.mark.parametrize("zone", ZONES)
def test_offset_equals_zoneinfo_on_both_sides_of_every_change(zone: str) -> None:
    for change in LocalTime(zone).segments[1:]:
        for epoch_s in (change.start_s - 1, change.start_s):
            assert LocalTime(zone).offset(epoch_s) == offset(zone, epoch_s)


@pytest.mark.parametrize("engine", ["pandas", "duckdb"])
@pytest.mark.parametrize("zone", ["Europe/Podgorica", "Australia/Lord_Howe", "Asia/Baku"])
def test_expression_and_sql_equal_zoneinfo(zone: str, engine: str, session: Session) -> None:
    clock = LocalTime(zone)
    instants = [s + d for segment in clock.segments[1:12] for s, d in ((segment.start_s, d) for d in (-1, 0, 3600))]
    instants += list(range(FIRST_S, LAST_S, 40_000_003))
    table = pa.table({"moment": pa.array(instants, pa.int64())})
    if engine == "pandas":
        found = nw.from_native(table.to_pandas()).with_columns(clock.to_local(nw.col("moment")).alias("local"))
        values = [int(value) for value in found["local"].to_list()]
    else:
        frame = session.from_arrow(table)
        rows = session.rows(f"SELECT moment, {clock.to_local_sql('moment')} FROM {{t}}", t=frame)
        assert sorted(
            session.rows("SELECT moment, l FROM {t}", t=frame.with_columns(clock.to_local(nw.col("moment")).alias("l")))
        ) == sorted(rows)
        by_instant = dict(rows)
        values = [by_instant[at] for at in instants]
    assert values == [at + offset(zone, at) for at in instants]


def to_utc(session: Session, zone: str, local_s: int, ambiguous: Ambiguous) -> tuple[int | None, str | None]:
    utc, fault = LocalTime(zone).to_utc_sql("l", ambiguous=ambiguous)
    row = session.rows(f"SELECT {utc}, {fault} FROM (SELECT {local_s}::BIGINT AS l)")[0]
    return row[0], row[1]


def seconds(text: str) -> int:
    """Seconds since 1970 of a clock reading."""
    return int((datetime.fromisoformat(text) - datetime(1970, 1, 1)).total_seconds())


@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        ("2026-03-29 01:59:59", "2026-03-29T00:59:59"),
        ("2026-03-29 02:00:00", "nonexistent_local_time"),
        ("2026-03-29 02:59:59", "nonexistent_local_time"),
        ("2026-03-29 03:00:00", "2026-03-29T01:00:00"),
        ("2026-10-25 01:59:59", "2026-10-24T23:59:59"),
        ("2026-10-25 02:00:00", "ambiguous_local_time"),
        ("2026-10-25 02:59:59", "ambiguous_local_time"),
        ("2026-10-25 03:00:00", "2026-10-25T02:00:00"),
    ],
)
def test_both_changes_of_the_clock_to_the_second(session: Session, reading: str, expected: str) -> None:
    utc, fault = to_utc(session, "Europe/Podgorica", seconds(reading), "reject")
    if fault is not None:
        assert (utc, fault) == (None, expected)
    else:
        assert utc == int(datetime.fromisoformat(expected).replace(tzinfo=UTC).timestamp())


def test_the_recipe_chooses_which_of_two_instants_an_autumn_hour_means(session: Session) -> None:
    reading = seconds("2026-10-25 02:30:00")
    first = to_utc(session, "Europe/Podgorica", reading, "first")
    second = to_utc(session, "Europe/Podgorica", reading, "second")
    assert first == (int(datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()), None)
    assert second == (int(datetime(2026, 10, 25, 1, 30, tzinfo=UTC).timestamp()), None)


@SHARED
@given(
    zone=st.sampled_from(ZONES),
    instants=st.lists(st.integers(FIRST_S + 2 * 86_400, LAST_S - 2 * 86_400), min_size=5, max_size=40),
)
def test_reading_the_clock_and_back_gives_the_instant(session: Session, zone: str, instants: list[int]) -> None:
    locals_ = [at + offset(zone, at) for at in instants]
    clock = ZoneInfo(zone)
    frame = session.from_arrow(pa.table({"l": pa.array(locals_, pa.int64()), "n": range(len(locals_))}))
    columns = []
    for how in ("first", "second"):
        utc, fault = LocalTime(zone).to_utc_sql("l", ambiguous=how)  # type: ignore[arg-type]
        columns.append(session.rows(f"SELECT {utc}, {fault} FROM {{t}} ORDER BY n", t=frame))
    for at, local, (first, no), (second, _) in zip(instants, locals_, *columns, strict=True):
        naive = datetime(1970, 1, 1) + timedelta(seconds=local)
        assert no is None
        assert first == int(naive.replace(tzinfo=clock, fold=0).timestamp())
        assert second == int(naive.replace(tzinfo=clock, fold=1).timestamp())
        assert at in (first, second)


def test_changes_of_a_span_are_listed() -> None:
    clock = LocalTime("Europe/Podgorica")
    year = [int(datetime(y, 1, 1, tzinfo=UTC).timestamp()) for y in (2026, 2027)]
    assert [change.offset_s for change in clock.changes(*year)] == [7200, 3600]
    assert LocalTime("Asia/Baku").changes(*year) == ()  # no summer time since 2016


@pytest.mark.parametrize("zone", ["Asia/Bakuu", "", "../etc/passwd", "/etc/localtime"])
def test_a_zone_that_does_not_exist_is_refused(zone: str) -> None:
    with pytest.raises(SchemaError, match="there is no time zone"):
        LocalTime(zone)


def test_pandas_agrees_for_a_whole_autumn_night() -> None:
    clock = LocalTime("America/New_York")
    night = pd.date_range("2026-11-01 03:00", "2026-11-01 09:00", freq="7min", tz="UTC")
    epochs = [int(at.timestamp()) for at in night]
    local = [int(at.tz_localize(None).timestamp()) for at in night.tz_convert("America/New_York")]
    assert [at + clock.offset(at) for at in epochs] == local
