"""JSON as a stream that the engine can scan again and again: lines of objects, or one document that holds a list.

``lines``: one object a physical line (JSON Lines, GeoJSON text sequences without the mark). ``document``: an array, or an
object in which ``records`` (a path such as ``data.trips``) leads to the array; it is read record by record, so that a
large document needs no more memory than its largest record. Columns are paths (``start.location.lat``, a number picks
from a list), each value arrives as text, nested values as JSON text. Only the asked paths are kept (default deny).

Each row carries ``_line``, ``_lines`` and ``_fault`` as in `engine.stream`. In a document the unit of accounting is the
record, since a record may share its line with a thousand others: ``_line`` is then its number, from 1.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal

import pyarrow as pa

from anonkit.base.errors import SourceError
from anonkit.engine.dialect import sample_of
from anonkit.engine.json_document import Record, records_of
from anonkit.engine.json_value import leaf_paths, load, path_of, text_at
from anonkit.engine.lines import LineFault, LineLimits
from anonkit.engine.stream import RowStream, utf8_chunks

CHUNK_BYTES = 4_000_000
BATCH_ROWS = 20_000
SAMPLE_RECORDS = 2_000
Layout = Literal["lines", "document"]


@dataclass
class JsonFile(RowStream):
    """A JSON file that can be scanned any number of times."""

    path: Path
    layout: Layout
    encoding: str
    mark_bytes: int
    records: tuple[str, ...]
    names: tuple[str, ...] = ()
    """Paths of the values seen in the first records."""
    columns: tuple[str, ...] = ()
    limits: LineLimits = field(default_factory=LineLimits)
    failure: SourceError | None = None
    lines_seen: int = 0
    """Physical lines (or records, in a document) of the last complete scan."""

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        records: str | None = None,
        encoding: str | None = None,
        limits: LineLimits | None = None,
    ) -> JsonFile:
        """Settle how ``path`` is laid out and which paths its first records have.

        Raises
        ------
        SourceError : the file is missing, empty, no JSON, or a document whose list was not named.
        """
        sample, chosen, mark = sample_of(path, encoding)
        text = codecs.getincrementaldecoder(chosen)("replace").decode(sample)
        file = cls(path, _layout(text, records, path), chosen, mark, path_of(records), limits=limits or LineLimits())
        seen: dict[str, None] = {}
        for record in islice(file._records(), SAMPLE_RECORDS):
            if record.value is not None:
                seen.update(dict.fromkeys(leaf_paths(record.value)))
        file.names = file.columns = tuple(seen)
        return file

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Record batches in file order."""
        paths = [path_of(name) for name in self.columns]
        source, count = self._records(), 0
        while batch := list(islice(source, BATCH_ROWS)):
            count += len(batch)
            yield self._batch(batch, paths)
        self.lines_seen = count

    def _batch(self, batch: list[Record], paths: list[tuple[str, ...]]) -> pa.RecordBatch:
        columns: list[list[str | None]] = [[] for _ in paths]
        faults: list[str | None] = []
        for record in batch:
            fault = record.fault
            values = [None if record.value is None else text_at(record.value, path) for path in paths]
            if any(value is not None and not _is_text(value) for value in values):  # a lone surrogate
                fault, values = LineFault.BAD_JSON, [None] * len(paths)
            faults.append(fault.value if fault is not None else None)
            for column, value in zip(columns, values, strict=True):
                column.append(value)
        arrays = [pa.array(column, pa.string()) for column in columns]
        arrays += [
            pa.array([record.line for record in batch], pa.int64()),
            pa.array([1] * len(batch), pa.int64()),
            pa.array(faults, pa.string()),
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _records(self) -> Iterator[Record]:
        if self.layout == "document":
            return records_of(self._text(), self.records, name=self.path.name, limit=self.limits.max_line_bytes)
        return self._line_records()

    def _chunks(self) -> Iterator[bytes]:
        return utf8_chunks(self.path, encoding=self.encoding, mark_bytes=self.mark_bytes, size=CHUNK_BYTES)

    def _text(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")("strict")
        try:
            for chunk in self._chunks():
                yield decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            raise SourceError(
                f"{self.path.name} holds bytes that are not UTF-8",
                hint="name its encoding: in a recipe encoding: cp1254, of inspect and init --encoding cp1254",
            ) from error

    def _line_records(self) -> Iterator[Record]:
        for number, line in enumerate(_physical_lines(self._chunks(), self.limits.max_line_bytes), start=1):
            yield _record(number, line)


def _record(number: int, line: bytes | None) -> Record:
    if line is None:
        return Record(number, None, LineFault.LINE_TOO_LONG)
    if not line.strip():
        return Record(number, None, LineFault.BLANK_LINE)
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return Record(number, None, LineFault.WRONG_ENCODING)
    if "\ufffd" in text:
        return Record(number, None, LineFault.WRONG_ENCODING)
    value = load(text)
    return Record(number, value, None) if value is not None else Record(number, None, LineFault.BAD_JSON)


def _physical_lines(chunks: Iterator[bytes], limit: int) -> Iterator[bytes | None]:
    """Lines without their ends; None for one that is longer than ``limit``, which is never held in memory."""
    rest, long = b"", False
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield None if long or len(line) > limit else line
            long = False
        if len(rest) > limit:
            rest, long = b"", True
    if long:
        yield None
    elif rest:
        yield rest


def _is_text(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= mark <= "\udfff" for mark in value)


def _layout(text: str, records: str | None, path: Path) -> Layout:
    body = text.lstrip()
    if body.startswith("[") or records is not None:
        return "document"
    if not body.startswith("{"):
        raise SourceError(f"{path.name} is no JSON: it begins with neither {{ nor [", hint="give JSON Lines or JSON")
    if load(body.split("\n", 1)[0].strip()) is None and "\n" in body:
        inner = load(text)
        lists = [name for name, value in inner.items() if isinstance(value, list)] if inner is not None else []
        known = f"; it has the lists {lists}" if lists else ""
        raise SourceError(
            f"{path.name} holds one JSON document, not one object a line{known}",
            hint="name the list of records in the recipe: inputs[].records: data",
        )
    return "lines"
