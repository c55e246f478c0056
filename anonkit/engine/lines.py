"""Cut a byte stream of delimited text into records and know each record's physical lines.

Parsers skip, merge and drop lines in their own ways; a count that must come out exactly cannot be left to them. This
module sees every line before a parser does. Lines with an even number of quotes are records; a line with an odd number
opens a quoted field that may span lines, and is joined with the next odd line only if the joined text has the right
number of fields; otherwise its quote is a stray one and that line alone is set aside. Lines that are too long are
passed over without being held in memory.

Works on UTF-8 bytes; other encodings are transcoded before (`engine.csv`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache

import numpy as np

REPLACEMENT = "\ufffd".encode()
NEWLINE, RETURN = 10, 13


class LineFault(Enum):
    """Why a line is no record; `schema.Reason` carries the same names."""

    BLANK_LINE = "blank_line"
    RAGGED_LINE = "ragged_line"
    STRAY_QUOTE = "stray_quote"
    LINE_TOO_LONG = "line_too_long"
    WRONG_ENCODING = "wrong_encoding"
    BAD_JSON = "bad_json"


@dataclass(frozen=True, kw_only=True)
class LineLimits:
    """How far a record may reach."""

    max_line_bytes: int = 16_000_000
    """Longer lines are set aside without being read into memory."""

    max_record_lines: int = 50
    """A quoted field that spans more physical lines is taken for a stray quote."""


@dataclass
class Block:
    """Whole records, ready for a parser, and the lines that are none."""

    data: bytes
    start: np.ndarray
    """First physical line of each record, from 1."""
    lines: np.ndarray
    """Number of physical lines of each record."""
    faults: list[tuple[int, int, LineFault]] = field(default_factory=list)
    """(first line, number of lines, fault)."""


class RecordCutter:
    """Feed chunks of bytes, get blocks of whole records."""

    def __init__(self, *, quote: bytes, delimiter: str, fields: int, first_line: int, limits: LineLimits) -> None:
        self._quote = quote
        self._delimiter = delimiter
        self._fields = fields
        self._limits = limits
        self._line = first_line
        self._rest = b""
        self._skipping = False
        self._pending: list[tuple[int, int, LineFault]] = []

    def feed(self, chunk: bytes) -> Block | None:
        """Add a chunk; the records that are complete by now."""
        if self._skipping:
            end = chunk.find(b"\n")
            if end < 0:
                return None
            self._close_long_line()
            chunk = chunk[end + 1 :]
        data = self._rest + chunk
        last = data.rfind(b"\n")
        if last < 0:
            self._rest = data
            if len(data) > self._limits.max_line_bytes:
                self._rest, self._skipping = b"", True
            return None
        self._rest = data[last + 1 :]
        block = self._cut(data[: last + 1], final=False)
        if len(self._rest) > self._limits.max_line_bytes and self._rest.count(b"\n") == 0:
            self._rest, self._skipping = b"", True
        return block

    def finish(self) -> Block | None:
        """The end of the stream: what is left is a record without its line break, or a fault."""
        if self._skipping:
            self._close_long_line()
        data, self._rest = self._rest, b""
        if not data and not self._pending:
            return None
        return self._cut(data if data.endswith(b"\n") or not data else data + b"\n", final=True)

    @property
    def lines_seen(self) -> int:
        """Physical lines so far, header included."""
        return self._line - 1

    def _close_long_line(self) -> None:
        self._pending.append((self._line, 1, LineFault.LINE_TOO_LONG))
        self._line += 1
        self._skipping = False

    def _cut(self, data: bytes, *, final: bool) -> Block:
        faults, self._pending = self._pending, []
        buffer = np.frombuffer(data, dtype=np.uint8)
        ends = np.flatnonzero(buffer == NEWLINE)
        begins = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else np.empty(0, dtype=np.int64)
        length = ends - begins
        drop = np.zeros(len(ends), dtype=bool)
        joined = np.zeros(len(ends), dtype=bool)  # this line continues the record of the one before

        returns = length == 1
        returns[returns] = buffer[begins[returns]] == RETURN
        blank = (length == 0) | returns
        long = length > self._limits.max_line_bytes
        keep_until = len(ends)
        if self._quote in data:
            keep_until = self._join_quoted(data, buffer, begins, ends, blank, drop, joined, faults, final=final)
        wrong = np.zeros(len(ends), dtype=bool)
        if REPLACEMENT in data:
            at = -1
            while (at := data.find(REPLACEMENT, at + 1)) >= 0:
                wrong[np.searchsorted(ends, at)] = True
        for mask, fault in (
            (blank & ~joined, LineFault.BLANK_LINE),
            (long, LineFault.LINE_TOO_LONG),
            (wrong, LineFault.WRONG_ENCODING),
        ):
            for index in np.flatnonzero(mask & ~drop):
                if index < keep_until:
                    self._set_aside(int(index), joined, drop, faults, fault, keep_until)

        if keep_until < len(ends):  # an open quote waits for the next chunk
            begin = int(begins[keep_until])
            self._rest = data[begin:] + self._rest
            data, ends, begins, drop, joined = (
                data[:begin],
                ends[:keep_until],
                begins[:keep_until],
                drop[:keep_until],
                joined[:keep_until],
            )
        heads = np.flatnonzero(~joined & ~drop)
        stops = np.flatnonzero(~joined | drop)
        following = np.searchsorted(stops, heads, side="right")
        next_head = np.concatenate((stops, [len(ends)]))[following]
        block = Block(
            data=data if not drop.any() else _without(data, begins, ends, drop),
            start=heads + self._line,
            lines=(next_head - heads).astype(np.int64),
            faults=faults,
        )
        self._line += len(ends)
        return block

    def _set_aside(
        self,
        index: int,
        joined: np.ndarray,
        drop: np.ndarray,
        faults: list[tuple[int, int, LineFault]],
        fault: LineFault,
        limit: int,
    ) -> None:
        """Drop the whole record that line ``index`` belongs to, one fault for it."""
        head = index
        while joined[head]:
            head -= 1
        stop = head + 1
        while stop < limit and joined[stop]:
            stop += 1
        drop[head:stop] = True
        joined[head:stop] = False
        faults.append((self._line + head, stop - head, fault))

    def _join_quoted(
        self,
        data: bytes,
        buffer: np.ndarray,
        begins: np.ndarray,
        ends: np.ndarray,
        blank: np.ndarray,
        drop: np.ndarray,
        joined: np.ndarray,
        faults: list[tuple[int, int, LineFault]],
        *,
        final: bool,
    ) -> int:
        """Pair lines with an odd number of quotes; returns the line from which to wait for more bytes."""
        quotes = np.searchsorted(np.flatnonzero(buffer == self._quote[0]), ends)
        odd = np.flatnonzero(np.diff(quotes, prepend=0) % 2 == 1)
        position = 0
        while position < len(odd):
            opening = int(odd[position])
            if position + 1 < len(odd):
                closing = int(odd[position + 1])
                near = closing - opening < self._limits.max_record_lines
                if near and self._well_formed(data[begins[opening] : ends[closing]]):
                    joined[opening + 1 : closing + 1] = True
                    position += 2
                    continue
            elif not final and self._may_go_on(len(ends) - opening, len(data) - int(begins[opening])):
                return opening
            drop[opening] = True
            faults.append((self._line + opening, 1, LineFault.STRAY_QUOTE))
            position += 1
        return len(ends)

    def _may_go_on(self, lines: int, size: int) -> bool:
        return lines < self._limits.max_record_lines and size < self._limits.max_line_bytes

    def _well_formed(self, record: bytes) -> bool:
        return fields_of(record, self._delimiter) == self._fields


def fields_of(record: bytes, delimiter: str) -> int | None:
    """Number of fields that a strict parser reads; None where quotes or line breaks do not make one record.

    >>> fields_of(b'a,"x ""y""\\nz"\\n', ","), fields_of(b'a","\\n', ","), fields_of(b"a,b,", ",")
    (2, None, 3)
    """
    field = _field(delimiter)
    position, found = 0, 0
    while True:
        match = field.match(record, position)
        if match is None:
            return None
        position, found = match.end(), found + 1
        if match[1] != delimiter.encode():
            return found if position == len(record) else None


@lru_cache(maxsize=16)
def _field(delimiter: str) -> re.Pattern[bytes]:
    """A quoted field, or one that does not begin with a quote; then the delimiter or the end of the record."""
    mark = re.escape(delimiter.encode())
    plain = rb'[^"' + mark + rb"\r\n][^" + mark + rb"\r\n]*+|"
    return re.compile(rb'(?:"(?:[^"]|"")*+"|' + plain + rb")(" + mark + rb"|\r?\n?\Z)")


def _without(data: bytes, begins: np.ndarray, ends: np.ndarray, drop: np.ndarray) -> bytes:
    """The bytes of the lines that stay."""
    edges = np.flatnonzero(np.diff(np.concatenate(([True], drop, [True])).astype(np.int8)))
    pieces = []
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        pieces.append(data[begins[first] : ends[last - 1] + 1])
    return b"".join(pieces)


def cut(chunks: Iterator[bytes], cutter: RecordCutter) -> Iterator[Block]:
    """All blocks of a stream of chunks."""
    for chunk in chunks:
        block = cutter.feed(chunk)
        if block is not None:
            yield block
    block = cutter.finish()
    if block is not None:
        yield block
