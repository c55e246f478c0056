"""Open an operator's file with exactly the columns that the recipe names: CSV, JSON, Parquet, plain or gzipped.

Columns that the recipe does not name are listed and never read (default deny); direct identifiers neither. Every frame
carries ``_line``, ``_lines`` and ``_fault`` beside the columns, so that no physical line is lost on the way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw

from anonkit.base.errors import SourceError
from anonkit.engine import CsvFile, JsonFile, Session
from anonkit.schema.patterns import scan_values
from anonkit.sources.spec import InputSpec

CSV_SUFFIXES = (".csv", ".txt", ".tsv", "")
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
LISTED = 40
"""Columns that an error names at most."""
VALUE = re.compile(r"[0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{1,4}[ T][0-9]{1,2}:[0-9]{2}.*|[-+]?[0-9]+[.,][0-9]{3,}")
"""A time or a coordinate, which no column is called."""


@dataclass(frozen=True, kw_only=True)
class OpenInput:
    """A file that is open for scanning; its frame has ``_line``, ``_lines`` and ``_fault`` beside the columns."""

    frame: nw.LazyFrame[Any]
    kinds: dict[str, str]
    """Column → engine type."""
    dropped_columns: tuple[str, ...]
    header_lines: int
    stream: CsvFile | JsonFile | None
    """What was opened, where it is text; None for Parquet."""
    path: Path

    def physical(self, session: Session) -> int:
        """Physical lines (rows of Parquet, records of a JSON document) of the last complete scan, header included."""
        if self.stream is not None:
            return self.stream.lines_seen
        return int(session.value("SELECT count(*) FROM {frame}", frame=self.frame))


def open_input(spec: InputSpec, session: Session) -> OpenInput:
    """Open the file with exactly the columns that the recipe names.

    Raises
    ------
    SourceError : the file is missing or unreadable, or lacks a mapped column.
    """
    opened = open_columns(
        spec.path,
        tuple(dict.fromkeys(part for name in _wanted(spec) for part in spec.joined.get(name, (name,)))),
        session,
        encoding=spec.encoding,
        delimiter=spec.delimiter,
        records=spec.records,
        owner=f"source {spec.operator!r}",
        optional=spec.rule_columns,
    )
    known = set(spec.direct)
    return OpenInput(
        frame=_with_joined(opened.frame, spec.joined),
        kinds=opened.kinds | dict.fromkeys(spec.joined, "VARCHAR"),
        dropped_columns=tuple(name for name in opened.dropped_columns if name not in known),
        header_lines=opened.header_lines,
        stream=opened.stream,
        path=opened.path,
    )


def _with_joined(frame: nw.LazyFrame[Any], joined: dict[str, tuple[str, ...]]) -> nw.LazyFrame[Any]:
    """Times that stand in two columns as one text with a space between; nothing where one of the two is empty."""
    for name, parts in joined.items():
        texts = [nw.col(part).cast(nw.String).str.strip_chars() for part in parts]
        filled = [nw.when(text != "").then(text) for text in texts]
        frame = frame.with_columns(nw.concat_str(*filled, separator=" ").alias(name))
    return frame


def _wanted(spec: InputSpec) -> list[str]:
    polyline = [spec.polyline.column] if spec.polyline else []
    joined = {name for lookup in spec.lookups.values() for name in lookup.columns}
    wanted = [*spec.columns.values(), *polyline, *(extra.column for extra in spec.also.values())]
    wanted += [
        *spec.identifiers.values(),
        *spec.identifying.values(),
        *spec.rule_columns,
        *(lookup.on for lookup in spec.lookups.values()),
    ]
    return [name for name in wanted if name not in joined]


def open_columns(
    path: Path,
    wanted: tuple[str, ...],
    session: Session,
    *,
    encoding: str | None,
    delimiter: str | None,
    records: str | tuple[str, ...] | None,
    owner: str,
    optional: tuple[str, ...] = (),
) -> OpenInput:
    """Open any file of a table with the columns ``wanted``; ``owner`` says in errors whose it is.

    What is ``optional`` may be absent from JSON, where an empty value mostly is no value at all; not from other files.

    Raises
    ------
    SourceError : the file is missing or unreadable, its kind is unknown, or it lacks a column.
    """
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    stream: CsvFile | JsonFile | None = None
    header = 0
    if suffix == ".parquet":
        frame = session.scan_parquet(path, row_numbers=True)
        names = tuple(name for name in frame.collect_schema().names() if name != "_line")
        _require(path, names, wanted, owner)
        kinds = dict(session.rows("SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {file})", file=frame))
        frame = frame.select(*wanted, "_line").with_columns(
            nw.lit(1, dtype=nw.Int64).alias("_lines"), nw.lit(None, dtype=nw.String).alias("_fault")
        )
    else:
        if suffix in JSON_SUFFIXES:
            stream = _open_json(path, records, encoding)
            names = stream.names
        elif suffix in CSV_SUFFIXES:
            stream = CsvFile.open(path, encoding=encoding, delimiter=delimiter)
            names, header = stream.dialect.names, stream.dialect.header_lines
        else:
            raise SourceError(
                f"{path.name}: files ending in {suffix!r} are not read",
                hint="give .csv, .json, .jsonl (each also .gz) or .parquet",
            )
        there = (*_with_inner(names, wanted), *optional) if isinstance(stream, JsonFile) else names
        _require(path, there, wanted, owner)
        stream.columns = wanted
        frame = session.scan_stream(stream)
        kinds = dict.fromkeys(wanted, "VARCHAR")
    return OpenInput(
        frame=frame,
        kinds=kinds,
        dropped_columns=tuple(name for name in names if name not in wanted),
        header_lines=header,
        stream=stream,
        path=path,
    )


def _open_json(path: Path, records: str | tuple[str, ...] | None, encoding: str | None) -> JsonFile:
    """Open by the first of several paths that leads to a list; the first one's error if none does."""
    if not isinstance(records, tuple):
        return JsonFile.open(path, records=records, encoding=encoding)
    first: SourceError | None = None
    for way in records:
        try:
            return JsonFile.open(path, records=way, encoding=encoding)
        except SourceError as error:
            first = first or error
    assert first is not None
    raise first


def _with_inner(names: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Paths of JSON that lead to whole objects or into lists are there as well."""
    inner = [want for want in wanted if any(n.startswith(f"{want}.") or want.startswith(f"{n}.") for n in names)]
    return (*names, *inner)


def require_header(path: Path, names: Sequence[str]) -> None:
    """Asked before the names of columns are told: a first line that holds a row must not be.

    Raises
    ------
    SourceError : some of the names look like values; none is told.
    """
    others = [name for name in names if not VALUE.fullmatch(name.strip())]
    values = len(names) - len(others) + max(scan_values(others).values(), default=0)
    if values:
        raise SourceError(
            f"{path.name}: {values} of {len(names)} names of its columns look like values, so none is told",
            hint="is there no header? put a line with the names of the columns before the first row",
        )


def _require(path: Path, names: tuple[str, ...], wanted: tuple[str, ...], owner: str) -> None:
    missing = [name for name in wanted if name not in names]
    if missing:
        require_header(path, names)
        more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        raise SourceError(
            f"{path.name} lacks the columns {missing} of {owner}; it has {list(names)[:LISTED]}{more}",
            hint="map the operator's names for them in the recipe: inputs[].columns",
        )
    alike = sorted({name for name in wanted if sum(other.lower() == name.lower() for other in wanted) > 1})
    if alike:
        raise SourceError(
            f"{path.name}: the columns {alike} differ in capitals only, which the engine cannot tell apart",
            hint="map one of them, or rename one in the export",
        )
