"""Delimited text as a stream that the engine can scan again and again, with physical line numbers.

Dialect and encoding are settled on the bytes before anything is parsed: byte order mark, strict UTF-8 or the recipe's
encoding, the delimiter that cuts the first lines evenly. Then the text is cut into records (`engine.lines`), parsed
block by block by Arrow with every column as text, and handed on as a stream: nothing of the raw export is ever stored.
Only the columns that are asked for are converted; the others are never materialised (default deny).

Each row carries ``_line`` (first physical line), ``_lines`` (how many) and ``_fault`` (null, or why the record could
not be cut into columns; then all columns are null).
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv

from anonkit.base.errors import SourceError
from anonkit.engine.lines import Block, LineFault, LineLimits, RecordCutter, cut

CHUNK_BYTES = 8_000_000
SAMPLE_BYTES = 256_000
MAX_COLUMNS = 20_000
DELIMITERS = (",", ";", "\t", "|")
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
LINE, LINES, FAULT = "_line", "_lines", "_fault"


@dataclass(frozen=True, kw_only=True)
class CsvDialect:
    """How one file is written; settled on its bytes."""

    encoding: str
    mark_bytes: int
    """Length of the byte order mark, skipped."""
    delimiter: str
    names: tuple[str, ...]
    """The header's names, unique: a repeated name gets ``_2``, ``_3``."""
    header_lines: int
    """Physical lines before the first record: the header and blank lines above it."""
    compressed: bool
    damaged: bool = False
    """Some bytes of the sample are not in the encoding."""


@dataclass
class CsvFile:
    """A delimited file that can be scanned any number of times (Arrow's stream protocol)."""

    path: Path
    dialect: CsvDialect
    columns: tuple[str, ...]
    limits: LineLimits = field(default_factory=LineLimits)
    failure: SourceError | None = None
    lines_seen: int = 0
    """Physical lines of the last complete scan."""

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        encoding: str | None = None,
        delimiter: str | None = None,
        columns: tuple[str, ...] | None = None,
        limits: LineLimits | None = None,
    ) -> CsvFile:
        """Settle the dialect of ``path``.

        Raises
        ------
        SourceError : the file is missing, empty, has no header, or is text in an encoding that was not named.
        """
        dialect = settle(path, encoding=encoding, delimiter=delimiter)
        return cls(path, dialect, dialect.names if columns is None else columns, limits or LineLimits())

    @property
    def schema(self) -> pa.Schema:
        """Text columns, then line number, number of lines, fault."""
        text = [(name, pa.string()) for name in self.columns]
        return pa.schema([*text, (LINE, pa.int64()), (LINES, pa.int64()), (FAULT, pa.string())])

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        reader = pa.RecordBatchReader.from_batches(self.schema, self._guarded())
        return reader.__arrow_c_stream__(requested_schema)

    def _guarded(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self.batches()
        except SourceError as error:
            self.failure = error
            raise

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Record batches in file order; parsing runs two blocks ahead."""
        cutter = RecordCutter(
            quote=b'"',
            delimiter=self.dialect.delimiter,
            fields=len(self.dialect.names),
            first_line=self.dialect.header_lines + 1,
            limits=self.limits,
        )
        with ThreadPoolExecutor(2) as pool:
            waiting: deque[Future[pa.RecordBatch]] = deque()
            for block in cut(self._chunks(), cutter):
                waiting.append(pool.submit(self._parse, block))
                if len(waiting) > 2:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        self.lines_seen = cutter.lines_seen

    def _chunks(self) -> Iterator[bytes]:
        """UTF-8 bytes after the header."""
        with _stream(self.path) as raw:
            raw.read(self.dialect.mark_bytes)
            decoder = codecs.getincrementaldecoder(self.dialect.encoding)("replace")
            plain = self.dialect.encoding == "utf-8"
            left, head = self.dialect.header_lines, b""
            while True:
                chunk = _read(raw, CHUNK_BYTES, self.path)
                done = not chunk
                if not plain:
                    chunk = decoder.decode(chunk, final=done).encode()
                while left and chunk:
                    end = (head + chunk).find(b"\n")
                    if end < 0:
                        head, chunk = head + chunk, b""
                    else:
                        chunk, head, left = (head + chunk)[end + 1 :], b"", left - 1
                if chunk:
                    yield chunk
                if done:
                    return

    def _parse(self, block: Block) -> pa.RecordBatch:
        data = block.data
        faults = list(block.faults)
        start, lines = block.start, block.lines
        if self.dialect.encoding == "utf-8":
            try:
                data.decode("utf-8")
            except UnicodeDecodeError:
                data, start, lines = self._without_bad_bytes(block, faults)
        table, bad = self._arrow(data, len(start)) if len(start) else (None, [])
        if bad:
            gone = np.asarray(bad)
            faults += [(int(start[i]), int(lines[i]), LineFault.RAGGED_LINE) for i in bad]
            start, lines = np.delete(start, gone), np.delete(lines, gone)
        if table is not None and table.num_rows != len(start):
            raise SourceError(
                f"{self.path.name}: {len(start)} records from line {int(start[0])} on, {table.num_rows} after parsing",
                hint="its quoting is inconsistent there; export it again with quotes doubled inside fields",
            )
        arrays = [
            _joined(table.column(name)) if table is not None else pa.nulls(0, pa.string()) for name in self.columns
        ]
        count = len(faults)
        arrays = [pa.concat_arrays([array, pa.nulls(count, pa.string())]) if count else array for array in arrays]
        arrays.append(pa.array(np.concatenate((start, np.array([f[0] for f in faults], dtype=np.int64))), pa.int64()))
        arrays.append(pa.array(np.concatenate((lines, np.array([f[1] for f in faults], dtype=np.int64))), pa.int64()))
        arrays.append(
            pa.concat_arrays([pa.nulls(len(start), pa.string()), pa.array([f[2].value for f in faults], pa.string())])
        )
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _without_bad_bytes(
        self, block: Block, faults: list[tuple[int, int, LineFault]]
    ) -> tuple[bytes, np.ndarray, np.ndarray]:
        """Set aside the records whose bytes are not UTF-8."""
        physical = block.data.split(b"\n")[:-1]
        stops = np.cumsum(block.lines)
        good, kept = [], []
        for index, (stop, count) in enumerate(zip(stops, block.lines, strict=True)):
            record = b"\n".join(physical[stop - count : stop]) + b"\n"
            try:
                record.decode("utf-8")
            except UnicodeDecodeError:
                faults.append((int(block.start[index]), int(count), LineFault.WRONG_ENCODING))
            else:
                good.append(record)
                kept.append(index)
        return b"".join(good), block.start[kept], block.lines[kept]

    def _arrow(self, data: bytes, records: int) -> tuple[pa.Table, list[int]]:
        bad: list[int] = []

        def note(row: Any) -> str:
            bad.append(row.number - 1)
            return "skip"

        table = pa.csv.read_csv(
            pa.BufferReader(data),
            read_options=pa.csv.ReadOptions(
                column_names=list(self.dialect.names), use_threads=False, block_size=max(len(data) + 1, 1024)
            ),
            parse_options=pa.csv.ParseOptions(
                delimiter=self.dialect.delimiter,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=note,
            ),
            convert_options=pa.csv.ConvertOptions(
                include_columns=list(self.columns) or None,
                column_types={name: pa.string() for name in self.dialect.names},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                check_utf8=False,
            ),
        )
        return table, [index for index in bad if index < records]


def _joined(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _stream(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")


def _read(raw: BinaryIO, size: int, path: Path) -> bytes:
    try:
        return raw.read(size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(
            f"{path.name} is a damaged or truncated gzip file", hint="copy the export again and compare its size"
        ) from error


def settle(path: Path, *, encoding: str | None = None, delimiter: str | None = None) -> CsvDialect:
    """Read the first bytes of ``path`` and decide encoding, delimiter and names.

    Raises
    ------
    SourceError : see ``CsvFile.open``.
    """
    if not path.is_file():
        raise SourceError(
            f"there is no file {path.name}", hint=f"check the recipe's path; looked in {path.parent.name}/"
        )
    with _stream(path) as raw:
        sample = _read(raw, SAMPLE_BYTES, path)
    if not sample:
        raise SourceError(f"{path.name} is empty", hint="export it again, or take it out of the recipe's inputs")
    mark, found = next(((m, e) for m, e in MARKS if sample.startswith(m)), (b"", None))
    if encoding is None and found is None and sample.count(0) > len(sample) // 4:
        raise SourceError(
            f"{path.name} is not UTF-8 text: every other byte is zero",
            hint="name its encoding in the recipe: encoding: utf-16-le",
        )
    chosen = codecs.lookup(found or encoding or "utf-8").name
    decoder = codecs.getincrementaldecoder(chosen)
    damaged = False
    try:
        text = decoder("strict").decode(sample[len(mark) :])
    except UnicodeDecodeError:
        text, damaged = decoder("replace").decode(sample[len(mark) :]), True
    header_lines, header = _header(text, path)
    choice = delimiter or _delimiter(header, text)
    names = next(csv.reader(io.StringIO(header), delimiter=choice))
    if len(names) > MAX_COLUMNS:
        raise SourceError(
            f"{path.name} has {len(names)} columns; at most {MAX_COLUMNS} are read",
            hint="name the delimiter in the recipe (delimiter: ';'), or export only the columns of trips",
        )
    return CsvDialect(
        encoding=chosen,
        mark_bytes=len(mark),
        delimiter=choice,
        names=_unique(names),
        header_lines=header_lines,
        compressed=path.suffix == ".gz",
        damaged=damaged,
    )


def _header(text: str, path: Path) -> tuple[int, str]:
    if "\n" not in text and "\r" in text:
        raise SourceError(
            f"{path.name} ends its lines with a carriage return only",
            hint="save it with line feeds (Unix or Windows text)",
        )
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            return number, line.rstrip("\r")
    raise SourceError(f"{path.name} holds blank lines only", hint="export it again with its header")


def _delimiter(header: str, text: str) -> str:
    """The delimiter that cuts the header into most fields, and the next lines into as many."""

    def score(mark: str) -> tuple[int, int]:
        lines = text.split("\n")[:30]
        rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=mark))
        width = len(next(csv.reader(io.StringIO(header), delimiter=mark)))
        agreeing = sum(len(row) == width for row in rows)
        return (agreeing if width > 1 else 0, width)

    return max(DELIMITERS, key=score)


def _unique(names: list[str]) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    result = []
    for position, raw in enumerate(names, start=1):
        name = raw.strip() or f"column_{position}"
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return tuple(result)
