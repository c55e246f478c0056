"""Delimited text as a stream that the engine can scan again and again, with physical line numbers.

Dialect and encoding are settled on the bytes before anything is parsed (`engine.dialect`). Then the text is cut into records (`engine.lines`), parsed
block by block by Arrow with every column as text, and handed on as a stream: nothing of the raw export is ever stored.
Only the columns that are asked for are converted; the others are never materialised (default deny).

Each row carries ``_line``, ``_lines`` and ``_fault`` as in `engine.stream`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from anonkit.base.errors import SourceError
from anonkit.engine.dialect import CsvDialect, settle
from anonkit.engine.lines import Block, LineFault, LineLimits, RecordCutter, cut, fields_of
from anonkit.engine.stream import RowStream, utf8_chunks

CHUNK_BYTES = 8_000_000


@dataclass
class CsvFile(RowStream):
    """A delimited file that can be scanned any number of times."""

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
        dialect, head = self.dialect, b""
        left = dialect.header_lines
        for chunk in utf8_chunks(self.path, encoding=dialect.encoding, mark_bytes=dialect.mark_bytes, size=CHUNK_BYTES):
            while left and chunk:
                end = (head + chunk).find(b"\n")
                if end < 0:
                    head, chunk = head + chunk, b""
                else:
                    chunk, head, left = (head + chunk)[end + 1 :], b"", left - 1
            if chunk:
                yield chunk

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
        if table is not None and (table.num_rows + len(bad) != len(start) or self._ends_open(data, int(lines[-1]))):
            # the parser cut elsewhere than the cutter
            data, start, lines = self._without_odd_records(Block(data, start, lines), faults)
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

    def _ends_open(self, data: bytes, lines: int) -> bool:
        """Whether the block's last record leaves a quote open, which no later record can betray."""
        begin = len(data) - 1
        for _ in range(lines):
            begin = data.rfind(b"\n", 0, begin)
        last = data[begin + 1 :]
        return b'"' in last and fields_of(last, self.dialect.delimiter) is None

    def _without_bad_bytes(
        self, block: Block, faults: list[tuple[int, int, LineFault]]
    ) -> tuple[bytes, np.ndarray, np.ndarray]:
        """Set aside the records whose bytes are not UTF-8."""

        def fault(record: bytes) -> LineFault | None:
            try:
                record.decode("utf-8")
            except UnicodeDecodeError:
                return LineFault.WRONG_ENCODING
            return None

        return _sift(block, faults, fault)

    def _without_odd_records(
        self, block: Block, faults: list[tuple[int, int, LineFault]]
    ) -> tuple[bytes, np.ndarray, np.ndarray]:
        """Set aside the records that a strict parser does not read as one row of the right width."""
        delimiter, fields = self.dialect.delimiter, len(self.dialect.names)

        def fault(record: bytes) -> LineFault | None:
            found = fields_of(record, delimiter)
            if found == fields:
                return None
            return LineFault.STRAY_QUOTE if found is None and b'"' in record else LineFault.RAGGED_LINE

        return _sift(block, faults, fault)

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


def _sift(
    block: Block, faults: list[tuple[int, int, LineFault]], fault: Callable[[bytes], LineFault | None]
) -> tuple[bytes, np.ndarray, np.ndarray]:
    """The records of a block that have no fault; those that have one are added to ``faults``."""
    physical = block.data.split(b"\n")[:-1]
    stops = np.cumsum(block.lines)
    good, kept = [], []
    for index, (stop, count) in enumerate(zip(stops, block.lines, strict=True)):
        record = b"\n".join(physical[stop - count : stop]) + b"\n"
        found = fault(record)
        if found is None:
            good.append(record)
            kept.append(index)
        else:
            faults.append((int(block.start[index]), int(count), found))
    return b"".join(good), block.start[kept], block.lines[kept]


def _joined(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
