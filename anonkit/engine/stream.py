"""What CSV and JSON files have in common as streams: Arrow's protocol, the columns of the account, UTF-8 from any encoding.

A stream can be scanned any number of times and stores nothing: the engine asks for batches, and each row carries ``_line``
(first physical line), ``_lines`` (how many) and ``_fault`` (null, or why the row could not be read; then all columns are
null). A refusal in the middle of a scan is kept in ``failure``, since the engine would tell it as an error of its own.
What it does not protect against: columns that were asked for and hold identifiers; that is for the layers above.
"""

from __future__ import annotations

import codecs
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from anonkit.base.errors import SourceError
from anonkit.engine.dialect import FAULT, LINE, LINES, open_bytes, read_bytes


class RowStream(ABC):
    """A file of rows that can be scanned again and again (Arrow's stream protocol)."""

    columns: tuple[str, ...]
    """Columns that are converted; every value is text."""
    failure: SourceError | None = None
    """Why the last scan broke off."""

    @property
    def schema(self) -> pa.Schema:
        """Text columns, then line number, number of lines, fault."""
        text = [(name, pa.string()) for name in self.columns]
        return pa.schema([*text, (LINE, pa.int64()), (LINES, pa.int64()), (FAULT, pa.string())])

    @abstractmethod
    def batches(self) -> Iterator[pa.RecordBatch]:
        """Record batches in file order, of ``schema``."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        reader = pa.RecordBatchReader.from_batches(self.schema, self._guarded())
        return reader.__arrow_c_stream__(requested_schema)

    def _guarded(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self.batches()
        except SourceError as error:
            self.failure = error
            raise


def utf8_chunks(path: Path, *, encoding: str, mark_bytes: int, size: int) -> Iterator[bytes]:
    """UTF-8 bytes of a file after its mark, ``size`` at a time, and last what the decoder still held, often nothing.

    Bytes that are UTF-8 already pass as they are, sound or not; those of another encoding are transcoded, and what it cannot
    read becomes U+FFFD, by which the caller knows the line.
    """
    with open_bytes(path) as raw:
        raw.read(mark_bytes)
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        while True:
            chunk = read_bytes(raw, size, path)
            yield chunk if encoding == "utf-8" else decoder.decode(chunk, final=not chunk).encode()
            if not chunk:
                return
