"""How the samples are written: UTF-8, LF, the same bytes everywhere; and times as operators write them.

Knows nothing of people or trips. It protects nothing: what it writes is raw, invented data.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo


def write_text(path: str | Path, text: str) -> None:
    """Write text as UTF-8 with LF, on every system."""
    Path(path).write_text(text, encoding="utf-8", newline="\n")


def quoted(value: str) -> str:
    """Quote a CSV field where RFC 4180 needs it.

    >>> quoted('a "b", c')
    '"a ""b"", c"'
    """
    return f'"{value.replace(chr(34), chr(34) * 2)}"' if any(mark in value for mark in ',"\n') else value


def write_csv(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write rows as CSV with a header line; every row has every column."""
    lines = [",".join(columns), *(",".join(quoted(row[name]) for name in columns) for row in rows)]
    write_text(path, "\n".join(lines) + "\n")


def write_json(path: str | Path, head: Mapping[str, Any], key: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a JSON object whose array ``key`` comes last, one element a line."""
    opening = json.dumps(dict(head), ensure_ascii=False, separators=(",", ":"))[:-1]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    write_text(path, f'{opening}{"," if head else ""}"{key}":[\n{lines}\n]}}\n')


def local_iso(seconds: int, zone: ZoneInfo) -> str:
    """Give local time with its offset, as in ``2026-09-01T08:15:03+04:00``."""
    return datetime.fromtimestamp(seconds, UTC).astimezone(zone).isoformat()


def local_plain(seconds: int, zone: ZoneInfo) -> str:
    """Give local time without a zone, as in ``2026-09-01 08:15:03``; ambiguous in the repeated hour of autumn."""
    return datetime.fromtimestamp(seconds, UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def utc_iso(seconds: int) -> str:
    """Give UTC, as in ``2026-09-01T04:15:03Z``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def money(cents: int) -> str:
    """Give an amount in major units, as in ``3.05``."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"
