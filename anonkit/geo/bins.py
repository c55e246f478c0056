"""Time bins on the local clock: dated, or pooled over days or weeks.

``1h`` is an hour of one date; ``1h of week`` pools the same hour of all weeks, ``1h of day`` of all days. A bin is
integer division of local seconds, so coarser bins contain finer ones exactly: 1h in 3h in 3h of week in 3h of day.
The repeated hour in autumn is one bin of two hours; `describe` says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

import narwhals.stable.v2 as nw

from anonkit.base.errors import SchemaError
from anonkit.schema.localtime import LocalTime

DAY_S, WEEK_S = 86_400, 604_800
MONDAY_S = 3 * DAY_S
"""1970-01-01 was a Thursday; three days on, weeks begin on a Monday."""
FORM = re.compile(r"^(\d+)\s*(min|m|h|d)(?:\s+of\s+(day|week))?$")
UNITS = {"min": 60, "m": 60, "h": 3600, "d": DAY_S}
POOLS = ("none", "week", "day")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True)
class TimeBins:
    """Bins of one width on the clock of one zone.

    >>> hours = TimeBins("1h", zone="Asia/Baku")
    >>> hours.bin_of(1_788_220_800), hours.label(hours.bin_of(1_788_220_800))
    (496732, '2026-09-01 04:00')
    >>> TimeBins("3h of week", zone="Asia/Baku").label(9)
    'Tue 03:00'
    """

    width: str
    zone: str

    def __post_init__(self) -> None:
        LocalTime(self.zone)
        if DAY_S % self.seconds:
            raise SchemaError(
                f"bins of {self.width!r} do not divide a day", hint="use 15min, 30min, 1h, 2h, 3h, 4h, 6h, 12h, 1d"
            )

    @property
    def seconds(self) -> int:
        """Width in seconds."""
        match = FORM.match(self.width)
        if match is None or int(match[1]) == 0:
            raise SchemaError(
                f"{self.width!r} is no width of a bin", hint="write 15min, 1h, 1d, '1h of week' or '1h of day'"
            )
        return int(match[1]) * UNITS[match[2]]

    @property
    def pool(self) -> Literal["none", "week", "day"]:
        """Over what the same clock time is pooled."""
        match = FORM.match(self.width)
        return match[3] or "none" if match else "none"  # type: ignore[return-value]

    @property
    def clock(self) -> LocalTime:
        """The zone's clock."""
        return LocalTime(self.zone)

    def contains(self, finer: TimeBins) -> bool:
        """Whether each bin of ``finer`` lies in one bin of this."""
        nested = self.seconds % finer.seconds == 0 and self.zone == finer.zone
        return nested and POOLS.index(self.pool) >= POOLS.index(finer.pool)

    def bin_of(self, epoch_s: int) -> int:
        """The bin of one instant."""
        return self._of_local(epoch_s + self.clock.offset(epoch_s))

    def _of_local(self, local_s: int) -> int:
        if self.pool == "week":
            return (local_s + MONDAY_S) % WEEK_S // self.seconds
        return (local_s % DAY_S if self.pool == "day" else local_s) // self.seconds

    def expr(self, epoch_s: nw.Expr, *, clock: LocalTime | None = None) -> nw.Expr:
        """Bins of a column of epoch seconds, on any engine; ``clock`` may be this zone's for a shorter span."""
        local = (clock or self.clock).to_local(epoch_s)
        if self.pool == "week":
            local = (local + MONDAY_S) % WEEK_S
        elif self.pool == "day":
            local = local % DAY_S
        return local // self.seconds

    def coarsen(self, bins: nw.Expr, finer: TimeBins) -> nw.Expr:
        """Bins of this width from bins of a finer one.

        Raises
        ------
        SchemaError : ``finer`` does not nest in this.
        """
        if not self.contains(finer):
            raise SchemaError(
                f"bins of {finer.width!r} do not nest in {self.width!r}", hint="choose a multiple, dated to pooled"
            )
        ratio = self.seconds // finer.seconds
        if self.pool == finer.pool:
            return bins // ratio if ratio > 1 else bins
        if self.pool == "day":
            return bins % (DAY_S // finer.seconds) // ratio
        return (bins + MONDAY_S // finer.seconds) % (WEEK_S // finer.seconds) // ratio

    def label(self, number: int) -> str:
        """A bin as a person reads it: its beginning on the local clock."""
        begin = number * self.seconds
        clock = f"{begin % DAY_S // 3600:02d}:{begin % 3600 // 60:02d}"
        if self.pool == "day":
            return clock
        if self.pool == "week":
            return f"{DAYS[begin // DAY_S]} {clock}"
        return f"{datetime.fromtimestamp(begin - begin % DAY_S, UTC):%Y-%m-%d} {clock}"

    def span(self, first: date, last: date) -> range:
        """All bins of a period of local dates, both included; public, made from the dates alone."""
        if self.pool == "day":
            return range(DAY_S // self.seconds)
        if self.pool == "week":
            return range(WEEK_S // self.seconds)
        begin = (first - date(1970, 1, 1)).days * DAY_S
        end = ((last - date(1970, 1, 1)).days + 1) * DAY_S
        return range(begin // self.seconds, end // self.seconds)

    def days(self, first: date, last: date) -> int:
        """Number of local days that a period has."""
        return (last - first).days + 1
