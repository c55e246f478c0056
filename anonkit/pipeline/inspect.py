"""Look at an unknown export: its columns, what each seems to be, its times and places, its bad lines. Writes nothing.

Guesses come from names and from a sample of values; they are put to a person, who decides. What is shown are names,
counts and shares, never a value.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from anonkit.base.errors import SourceError
from anonkit.engine import CsvFile, JsonFile, Session
from anonkit.pipeline.guess import InspectedColumn, guess_column, settled
from anonkit.schema import Reason
from anonkit.sources.files import CSV_SUFFIXES, JSON_SUFFIXES, open_columns, require_header

SAMPLE = 20_000
"""Rows from which columns are guessed."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a file seems to hold."""

    path: Path
    form: str
    encoding: str
    delimiter: str | None
    lines: int
    sampled: int
    bad_lines: dict[str, int]
    columns: tuple[InspectedColumn, ...]

    def of(self, *guesses: str) -> tuple[InspectedColumn, ...]:
        """Columns with one of these guesses."""
        return tuple(column for column in self.columns if column.guess in guesses)

    @property
    def is_places(self) -> bool:
        """Whether it is a list of places: coordinates of one point, and no time."""
        timed = self.of("start", "end", "time", "start_date", "date", "polyline", "start_clock")
        return bool(self.of("lon") and self.of("lat")) and not timed

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**asdict(self), "path": self.path.name}


def inspect(
    path: str | Path, *, encoding: str | None = None, delimiter: str | None = None, records: str | None = None
) -> Inspection:
    """Look at a file without writing anything.

    Raises
    ------
    SourceError : it cannot be read at all, or has no header; the hint says what to do.

    Privacy
    -------
    Shows names, counts and shares; no value. Nothing is stored.
    """
    path = Path(path)
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    with Session() as session:
        if suffix in CSV_SUFFIXES:
            dialect = CsvFile.open(path, encoding=encoding, delimiter=delimiter).dialect
            form, names = "CSV", list(dialect.names)
            require_header(path, names)
        elif suffix in JSON_SUFFIXES:
            form, names, dialect = "JSON", list(JsonFile.open(path, records=records, encoding=encoding).names), None
        else:
            form, names, dialect = "Parquet", list(session.scan_parquet(path).collect_schema().names()), None
        opened = open_columns(
            path, tuple(names), session, encoding=encoding, delimiter=delimiter, records=records, owner="this file"
        )
        faults = dict(
            session.rows(
                "SELECT _fault, sum(_lines)::BIGINT FROM {f} WHERE _fault IS NOT NULL GROUP BY 1 ORDER BY 1",
                f=opened.frame,
            )
        )
        lines = opened.physical(session)
        if lines <= opened.header_lines:
            raise SourceError(f"{path.name} holds a header and nothing else", hint="export it again")
        sample = session.sql(f"SELECT * FROM {{f}} WHERE _fault IS NULL LIMIT {SAMPLE}", f=opened.frame)
        columns = tuple(guess_column(name, sample.column(name), session) for name in names)
    return Inspection(
        path=path,
        form=form,
        encoding=dialect.encoding if dialect is not None else "",
        delimiter=dialect.delimiter if dialect is not None else None,
        lines=lines,
        sampled=sample.num_rows,
        bad_lines=faults,
        columns=settled(columns),
    )


def bad_line_hints(inspection: Inspection) -> dict[str, str]:
    """What to do about each kind of bad line."""
    return {name: Reason(name).hint for name in inspection.bad_lines}
