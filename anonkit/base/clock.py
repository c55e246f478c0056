"""The run's date: policies and deletion dates are evaluated at one instant, given or now."""

from __future__ import annotations

from datetime import UTC, date, datetime, time


def now() -> datetime:
    """Aware UTC time of this moment, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def as_of(value: str | date | datetime | None) -> datetime:
    """Turn ``--as-of`` into an aware UTC instant; ``None`` is now, a bare date is its midnight in UTC.

    >>> as_of("2026-09-30").isoformat()
    '2026-09-30T00:00:00+00:00'
    """
    if value is None:
        return now()
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
