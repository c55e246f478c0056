"""Why a line is refused: one enum, one sentence and one thing to do for each.

A refused line is listed with its source, line number, reason and the names of the columns involved; its values are
never written (ruling 25). ``tests/sources`` holds one fixture for each member, docs/INPUT.md the same table.
"""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """Why a line was refused; the value is what ``rejected.parquet`` says. Checks run in this order."""

    BLANK_LINE = "blank_line"
    RAGGED_LINE = "ragged_line"
    STRAY_QUOTE = "stray_quote"
    LINE_TOO_LONG = "line_too_long"
    WRONG_ENCODING = "wrong_encoding"
    BAD_JSON = "bad_json"
    DESTROYED_ID = "destroyed_id"
    MISSING_KEY = "missing_key"
    MISSING_TIME = "missing_time"
    BAD_TIME = "bad_time"
    NONEXISTENT_LOCAL_TIME = "nonexistent_local_time"
    AMBIGUOUS_LOCAL_TIME = "ambiguous_local_time"
    CLOCK_OUT_OF_RANGE = "clock_out_of_range"
    MISSING_PLACE = "missing_place"
    UNKNOWN_PLACE = "unknown_place"
    MISSING_COORDINATES = "missing_coordinates"
    TOO_FEW_POINTS = "too_few_points"
    BAD_COORDINATES = "bad_coordinates"
    SWAPPED_COORDINATES = "swapped_coordinates"
    IMPOSSIBLE_COORDINATES = "impossible_coordinates"
    END_BEFORE_START = "end_before_start"
    ZERO_LENGTH = "zero_length"
    TRIP_TOO_LONG = "trip_too_long"
    ABSURD_SPEED = "absurd_speed"
    BAD_NUMBER = "bad_number"
    NEGATIVE_AMOUNT = "negative_amount"
    DUPLICATE = "duplicate"

    @property
    def what(self) -> str:
        """One sentence: what is wrong with such a line."""
        return _TEXT[self][0]

    @property
    def hint(self) -> str:
        """One thing to do."""
        return _TEXT[self][1]


_TEXT: dict[Reason, tuple[str, str]] = {
    Reason.BLANK_LINE: ("the line is empty", "nothing to do; empty lines hold no trip"),
    Reason.RAGGED_LINE: ("more or fewer fields than the header", "export again with delimiters inside fields quoted"),
    Reason.STRAY_QUOTE: ("a quote opens and never closes", "export again with quotes doubled inside fields"),
    Reason.LINE_TOO_LONG: ("longer than 16 MB", "look for a missing line break in the export"),
    Reason.WRONG_ENCODING: ("bytes that are not in the file's encoding", "name it in the recipe: encoding: cp1254"),
    Reason.BAD_JSON: ("not valid JSON, or not an object", "export again; one JSON object a line"),
    Reason.MISSING_TIME: ("no start or end time", "ask the operator for rows that were never closed"),
    Reason.BAD_TIME: ("a time that cannot be read", "name its format in the recipe: time.format: '%d.%m.%Y %H:%M'"),
    Reason.NONEXISTENT_LOCAL_TIME: ("a clock time that daylight saving skipped", "check the recipe's zone"),
    Reason.AMBIGUOUS_LOCAL_TIME: (
        "a clock time that happened twice in autumn",
        "say which in the recipe: time.ambiguous: first",
    ),
    Reason.CLOCK_OUT_OF_RANGE: (
        "a year that no trip can have, or a time in the future",
        "check the device's clock; the recipe's time.shift_years mends a constant error",
    ),
    Reason.END_BEFORE_START: ("the end lies before the start", "check the zones of both columns"),
    Reason.TRIP_TOO_LONG: (
        "longer than the recipe's checks.max_hours",
        "raise checks.max_hours if such trips are real",
    ),
    Reason.MISSING_COORDINATES: ("no start or end point", "nothing to do; the row cannot be placed"),
    Reason.BAD_COORDINATES: ("a coordinate that is no number", "check the decimal sign and the column map"),
    Reason.IMPOSSIBLE_COORDINATES: ("beyond ±90 or ±180 degrees, or exactly 0, 0", "check the column map"),
    Reason.SWAPPED_COORDINATES: (
        "longitude and latitude exchanged: only exchanged do they lie in the area",
        "swap the two columns in the recipe",
    ),
    Reason.TOO_FEW_POINTS: ("a route of fewer than two points", "nothing to do; a point is no trip"),
    Reason.MISSING_PLACE: ("no station or zone", "nothing to do; the row cannot be placed"),
    Reason.UNKNOWN_PLACE: ("a station or zone that the list of places lacks", "bring the list of places up to date"),
    Reason.MISSING_KEY: ("a column that the recipe requires is empty", "ask the operator, or do not require it"),
    Reason.DESTROYED_ID: (
        "an id that a spreadsheet has turned into a rounded number",
        "export again without opening the file in a spreadsheet",
    ),
    Reason.BAD_NUMBER: ("a number that cannot be read", "check the decimal sign: decimal: ','"),
    Reason.NEGATIVE_AMOUNT: (
        "a fare, distance or energy below zero",
        "refunds hold no trip; net them before the export",
    ),
    Reason.ZERO_LENGTH: (
        "start and end are the same instant",
        "nothing to do, or checks.min_seconds: 0 where the operator rounds its times",
    ),
    Reason.ABSURD_SPEED: ("faster than the recipe's checks.max_speed_kmh", "check the clock and the coordinates"),
    Reason.DUPLICATE: ("the same trip id stands in an earlier line", "nothing to do; the first line is used"),
}
