"""SQL that reads a column of times as epoch seconds, and says what is wrong with it.

Text with an offset is an instant; text without is a time of the recipe's zone. A year shift mends a constant error of
the operator's clock before anything else looks at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from anonkit.base.errors import RecipeError
from anonkit.schema.localtime import LocalTime
from anonkit.sources.spec import Times

OFFSET = r"(?:Z|[+-]\d{2}(?::?\d{2})?)$"
CLOCK = r"\d{1,2}:\d{2}"


@dataclass(frozen=True)
class TimeSql:
    """SQL of a time column as written; ``instant_sql`` makes an instant of it."""

    local: str
    """Seconds since 1970 as written, null where unreadable."""
    offset: str
    """Offset in seconds as written, null where none stands there."""


def time_sql(column: str, kind: str, times: Times) -> TimeSql:
    """How to read ``column`` (SQL), whose engine type is ``kind``."""
    if kind in ("BIGINT", "INTEGER", "UBIGINT", "UINTEGER", "HUGEINT", "SMALLINT", "DOUBLE", "FLOAT"):
        divisor = 1000 if times.format == "epoch_ms" else 1
        return TimeSql(
            f"CAST(floor({column} / {divisor}) AS BIGINT)" if divisor > 1 else f"CAST({column} AS BIGINT)", "0"
        )
    if kind.startswith("TIMESTAMP WITH TIME ZONE"):
        return TimeSql(f"CAST(floor(epoch({column})) AS BIGINT)", "0")
    if kind.startswith(("TIMESTAMP", "DATE")):
        return TimeSql(_seconds(_shifted(f"CAST({column} AS TIMESTAMP)", times)), "NULL::BIGINT")
    if times.format in ("epoch_s", "epoch_ms"):
        divisor = 1000 if times.format == "epoch_ms" else 1
        return TimeSql(f"CAST(floor(TRY_CAST({column} AS DOUBLE) / {divisor}) AS BIGINT)", "0")
    text = f"trim({column})"
    if times.format == "iso":
        has = f"(regexp_matches({text}, '{CLOCK}') AND regexp_matches({text}, '{OFFSET}'))"
        bare = f"CASE WHEN {has} THEN regexp_replace({text}, '{OFFSET}', '') ELSE {text} END"
        stamp = f"TRY_CAST({bare} AS TIMESTAMP)"
        digits = f"regexp_extract({text}, '([+-])(\\d{{2}}):?(\\d{{2}})?$', "
        seconds = (
            f"CASE WHEN {text} LIKE '%Z' THEN 0 ELSE "
            f"(CASE {digits}1) WHEN '-' THEN -1 ELSE 1 END) * (TRY_CAST({digits}2) AS BIGINT) * 3600 "
            f"+ coalesce(TRY_CAST(nullif({digits}3), '') AS BIGINT), 0) * 60) END"
        )
        return TimeSql(_seconds(_shifted(stamp, times)), f"CASE WHEN {has} THEN {seconds} END")
    pattern = times.format.replace("'", "''")
    return TimeSql(_seconds(_shifted(f"try_strptime({text}, '{pattern}')", times)), "NULL::BIGINT")


def instant_sql(
    local: str, offset: str, times: Times, *, always_offset: bool, period: tuple[date, date] | None = None
) -> tuple[str, str]:
    """SQL of the epoch seconds and of the fault, from the two columns that ``time_sql`` gave; right within ``period``."""
    if always_offset:
        return f"({local} - {offset})", "NULL"
    if times.zone is None:
        raise RecipeError("times without an offset need a zone", hint="name it in the recipe: time.zone: Asia/Baku")
    clock = LocalTime(times.zone) if period is None else LocalTime(times.zone).within(*period)
    utc, fault = clock.to_utc_sql(local, ambiguous=times.ambiguous)
    return (
        f"CASE WHEN {offset} IS NOT NULL THEN {local} - {offset} ELSE {utc} END",
        f"CASE WHEN {offset} IS NULL THEN {fault} END",
    )


def _shifted(stamp: str, times: Times) -> str:
    return f"{stamp} + INTERVAL {times.shift_years} YEAR" if times.shift_years else stamp


def _seconds(stamp: str) -> str:
    return f"CAST(floor(epoch({stamp})) AS BIGINT)"
