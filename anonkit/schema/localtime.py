"""Local clock time from epoch seconds, and back, without an engine's own time zones.

Engines disagree about zones, truncation and casts; integers they agree about. A zone is a short list of segments (from
this instant on, this offset), taken from ``zoneinfo``; local seconds are epoch seconds plus the offset, found by a
balanced tree of comparisons that every engine can evaluate. A bin is integer division of local seconds, so it is a
label of the local clock: the repeated hour in autumn is one bin of two hours.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import narwhals.stable.v2 as nw

from anonkit.base.errors import SchemaError

FIRST_S = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp())
LAST_S = int(datetime(2050, 1, 1, tzinfo=UTC).timestamp())
STEP_S = 6 * 3600
Ambiguous = Literal["first", "second", "reject"]


@dataclass(frozen=True)
class Segment:
    """From ``start_s`` (UTC epoch seconds) on, local time is UTC plus ``offset_s``."""

    start_s: int
    offset_s: int


@dataclass(frozen=True)
class LocalTime:
    """The clock of one zone between 2000 and 2050, or within a shorter span."""

    zone: str
    first_s: int = FIRST_S
    last_s: int = LAST_S
    """UTC epoch seconds between which it is right; a short span makes a short tree of comparisons."""

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise SchemaError(f"there is no time zone {self.zone!r}", hint=_nearest(self.zone)) from error

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The zone's offsets in order of time, those of the span."""
        return _segments(self.zone, self.first_s, self.last_s)

    def within(self, first: date, last: date) -> LocalTime:
        """The same clock for a period of local dates and a week on either side; beyond it may be an hour off."""
        days = [(day - date(1970, 1, 1)).days for day in (first, last)]
        return replace(self, first_s=(days[0] - 7) * 86_400, last_s=(days[1] + 8) * 86_400)

    def offset(self, epoch_s: int) -> int:
        """Seconds to add to UTC at an instant.

        >>> LocalTime("Asia/Baku").offset(1_788_220_800)
        14400
        """
        return _offset(self.zone, min(max(epoch_s, self.first_s), self.last_s))

    def to_local(self, epoch_s: nw.Expr) -> nw.Expr:
        """Local seconds of a column of epoch seconds, on any engine."""
        return epoch_s + _tree_expr(epoch_s, self.segments)

    def to_local_sql(self, epoch_s: str) -> str:
        """The same as SQL text."""
        return f"({epoch_s} + {_tree_sql(epoch_s, [(s.start_s, str(s.offset_s)) for s in self.segments])})"

    def to_utc_sql(self, local_s: str, *, ambiguous: Ambiguous) -> tuple[str, str]:
        """SQL of epoch seconds from local seconds, and of its fault: null, or a reason's name.

        ``first`` and ``second`` choose one of the two instants that an autumn hour may mean; ``reject`` refuses it.
        """
        edges: list[tuple[int, str, str]] = [(-(2**62), str(self.segments[0].offset_s), "NULL")]
        for before, after in zip(self.segments, self.segments[1:], strict=False):
            old, new = after.start_s + before.offset_s, after.start_s + after.offset_s
            if new > old:  # clocks go forward: [old, new) never happened
                edges += [(old, "NULL", "'nonexistent_local_time'"), (new, str(after.offset_s), "NULL")]
            elif new < old:  # clocks go back: [new, old) happened twice
                choice = {"first": before.offset_s, "second": after.offset_s}.get(ambiguous)
                fault = "NULL" if choice is not None else "'ambiguous_local_time'"
                edges += [(new, "NULL" if choice is None else str(choice), fault), (old, str(after.offset_s), "NULL")]
        offset = _tree_sql(local_s, [(edge, value) for edge, value, _ in edges])
        fault = _tree_sql(local_s, [(edge, value) for edge, _, value in edges])
        return f"({local_s} - {offset})", fault

    def changes(self, first_s: int, last_s: int) -> tuple[Segment, ...]:
        """The changes of the clock within a span, for the data dictionary."""
        begin, end = max(first_s - 1, self.first_s), min(last_s, self.last_s)
        return _segments(self.zone, begin, end)[1:] if begin < end else ()


@lru_cache(maxsize=256)
def _segments(zone: str, first_s: int, last_s: int) -> tuple[Segment, ...]:
    """Offsets within a span; the first one begins with the span."""
    found = [Segment(first_s, _offset(zone, first_s))]
    before = first_s
    for instant in (*range(first_s + STEP_S, last_s, STEP_S), last_s):
        low, high, before = before, instant, instant
        if _offset(zone, instant) == found[-1].offset_s:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _offset(zone, middle) == found[-1].offset_s else (low, middle)
        found.append(Segment(high, _offset(zone, high)))
    return tuple(found)


def _offset(zone: str, epoch_s: int) -> int:
    delta = datetime.fromtimestamp(epoch_s, ZoneInfo(zone)).utcoffset()
    return int(delta.total_seconds()) if delta is not None else 0


def _tree_expr(column: nw.Expr, segments: tuple[Segment, ...]) -> nw.Expr:
    if len(segments) == 1:
        return nw.lit(segments[0].offset_s, dtype=nw.Int64)
    middle = len(segments) // 2
    late = _tree_expr(column, segments[middle:])
    early = _tree_expr(column, segments[:middle])
    return nw.when(column >= segments[middle].start_s).then(late).otherwise(early)


def _tree_sql(column: str, edges: list[tuple[int, str]]) -> str:
    if len({value for _, value in edges}) == 1:
        return edges[0][1]
    middle = len(edges) // 2
    late, early = _tree_sql(column, edges[middle:]), _tree_sql(column, edges[:middle])
    return f"CASE WHEN {column} >= {edges[middle][0]} THEN {late} ELSE {early} END"


def _nearest(zone: str) -> str:
    """The zone that may have been meant.

    >>> _nearest("New York"), _nearest("baku")
    ('did you mean America/New_York?', 'did you mean Asia/Baku?')
    """
    cities = {name.rpartition("/")[2].lower(): name for name in sorted(available_timezones()) if "/" in name}
    asked = zone.rpartition("/")[2].strip().replace(" ", "_").lower()
    near = difflib.get_close_matches(asked, cities, n=1)
    return f"did you mean {cities[near[0]]}?" if near else "use an IANA name such as Asia/Baku"
