"""One DuckDB connection with its limits, its private folder, and the few verbs that other rooms use.

Frames are narwhals lazy frames over relations of this one connection; frames of two sessions cannot be joined. The
private folder (mode 0700) holds checkpoints and spilled data and is removed when the session closes.

Does not protect against somebody who reads this process's memory while it runs: tokens and coordinates are there.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import duckdb
import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa

from anonkit.base.errors import AnonkitError, SchemaError, SourceError
from anonkit.engine.files import private_folder, replace_file

BLOCK = 64
VALUES = re.compile(r"[0-9]{4,}|'[^']*'")
"""What in an engine's message could be a value."""
LENT = 2**28
"""Bytes of a gathered table that may stay where they are."""
TOKEN_DIGITS = 15
"""Hexadecimal digits of a keyed hash that make a token: 60 bits, a positive Int64."""


class ArrowStream(Protocol):
    """Anything that can be scanned again and again by Arrow's stream protocol."""

    failure: SourceError | None

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


class Session:
    """The embedded engine.

    Parameters
    ----------
    threads : int, optional. Worker threads; all processors by default.
    memory_limit : str, optional. Such as ``"3GB"``; beyond it the engine spills into ``folder``.
    folder : Path, optional. Parent of the private run folder; the system's temporary folder by default.
    """

    def __init__(
        self, *, threads: int | None = None, memory_limit: str | None = None, folder: Path | None = None
    ) -> None:
        if folder is not None:
            private_folder(folder)
        self.folder = Path(tempfile.mkdtemp(prefix=".anonkit-", dir=folder))
        self._numbers = itertools.count()
        self._streams: list[ArrowStream] = []
        self._tables: dict[int, tuple[duckdb.DuckDBPyRelation, str]] = {}
        self._arrows: dict[int, tuple[duckdb.DuckDBPyRelation, str]] = {}
        self._views: dict[int, tuple[duckdb.DuckDBPyRelation, str]] = {}
        self._connection = duckdb.connect(":memory:")
        settings: dict[str, Any] = {
            "temp_directory": str(private_folder(self.folder / "spill")),
            "preserve_insertion_order": False,
            "TimeZone": "UTC",
            "enable_progress_bar": False,
        }
        if threads is not None:
            settings["threads"] = threads
        if memory_limit is not None:
            settings["memory_limit"] = memory_limit
        for name, value in settings.items():
            try:
                self._connection.execute(f"SET {name} = {_text(str(value))}")
            except duckdb.Error:
                self.close()
                raise EngineError(
                    f"the engine does not accept {name}: {value}", hint="write threads: 2 and memory_limit: 3GB"
                ) from None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return "Session(duckdb)"

    def close(self) -> None:
        """Drop the connection and remove the private folder."""
        self._connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- scans -------------------------------------------------------------------------------------------------

    def scan_parquet(self, path: Path, *, row_numbers: bool = False) -> nw.LazyFrame[Any]:
        """A Parquet file as a lazy frame; ``row_numbers`` adds ``_line``, from 1."""
        if not path.is_file():
            raise SourceError(
                f"{path.name} is a folder" if path.is_dir() else f"there is no file {path.name}",
                hint="give one file" if path.is_dir() else "check the path; a recipe's paths begin at its own folder",
            )
        quoted = _text(str(path))
        if row_numbers:
            query = (
                "SELECT * EXCLUDE (file_row_number), file_row_number + 1 AS _line "
                f"FROM read_parquet({quoted}, file_row_number=true)"
            )
        else:
            query = f"SELECT * FROM read_parquet({quoted})"
        try:
            return nw.from_native(self._connection.sql(query))
        except duckdb.Error as error:
            raise SourceError(f"{path.name} is not a readable Parquet file", hint="export it again") from error

    def scan_stream(self, stream: ArrowStream) -> nw.LazyFrame[Any]:
        """A re-readable Arrow stream (such as ``CsvFile``) as a lazy frame; nothing is stored."""
        self._streams.append(stream)
        name = f"stream_{next(self._numbers)}"
        self._connection.register(name, stream)
        return nw.from_native(self._connection.sql(f"SELECT * FROM {name}"))

    def from_arrow(self, table: pa.Table) -> nw.LazyFrame[Any]:
        """A small Arrow table as a lazy frame of this session."""
        name = f"arrow_{next(self._numbers)}"
        self._connection.register(name, table)
        relation = self._connection.sql(f"SELECT * FROM {name}")
        self._arrows[id(relation)] = (relation, name)
        return nw.from_native(relation)

    def point_function(self, work: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> str:
        """Register a function of two arrays of doubles that gives int64; returns its name in SQL.

        Works batch by batch, in many threads. A null argument arrives as NaN; a negative result becomes null.
        """
        name = f"points_{next(self._numbers)}"

        def batch(x: Any, y: Any) -> Any:
            found = work(*(np.asarray(part.to_numpy(zero_copy_only=False), dtype=float) for part in (x, y)))
            return pa.array(found, pa.int64(), mask=found < 0)

        kind: Any = "arrow"
        nulls: Any = "special"
        self._connection.create_function(name, batch, ["DOUBLE", "DOUBLE"], "BIGINT", type=kind, null_handling=nulls)
        return name

    # --- queries -----------------------------------------------------------------------------------------------

    def frame(self, query: str, **tables: nw.LazyFrame[Any] | Path) -> nw.LazyFrame[Any]:
        """A lazy frame from SQL; ``{name}`` in the query stands for the frame or Parquet file given as ``name``."""
        return nw.from_native(self._connection.sql(self._with_names(query, tables)))

    def sql(self, query: str, **tables: nw.LazyFrame[Any] | Path) -> pa.Table:
        """The answer of a query as an Arrow table; names as in ``frame``."""
        return self._run(lambda: _arrow(self._connection.sql(self._with_names(query, tables))))

    def rows(self, query: str, **tables: nw.LazyFrame[Any] | Path) -> list[tuple[Any, ...]]:
        """The answer of a query as Python tuples."""
        table = self.sql(query, **tables)
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True)) if table.num_columns else []

    def value(self, query: str, **tables: nw.LazyFrame[Any] | Path) -> Any:
        """The first field of the first row."""
        return self.rows(query, **tables)[0][0]

    def collect(self, frame: nw.LazyFrame[Any]) -> pa.Table:
        """A lazy frame of this session as an Arrow table."""
        return self._run(lambda: _arrow(_relation(frame)))

    # --- kept results --------------------------------------------------------------------------------------------

    def table(self, query: str, **tables: nw.LazyFrame[Any] | Path) -> nw.LazyFrame[Any]:
        """The answer of a query as a table of the engine, computed once; in memory, spilled into the private folder.

        Cheaper than `checkpoint` for what is read a few times and then dropped; names as in ``frame``.
        """
        name = f"table_{next(self._numbers)}"
        text = self._with_names(query, tables)
        self._run(lambda: self._connection.execute(f"CREATE TEMP TABLE {name} AS {text}"))
        relation = self._connection.table(name)
        self._tables[id(relation)] = (relation, name)
        return nw.from_native(relation)

    def drop(self, frame: nw.LazyFrame[Any]) -> None:
        """Give the memory of a `table` or of `from_arrow` back; anything else is left alone."""
        found = self._tables.pop(id(frame.to_native()), None)
        if found is not None:
            self._connection.execute(f"DROP TABLE {found[1]}")
        lent = self._arrows.pop(id(frame.to_native()), None)
        if lent is not None:
            self._connection.unregister(lent[1])

    def gather(self) -> Gathered:
        """A table of the engine that grows by Arrow tables of one schema."""
        return Gathered(self)

    # --- writes ------------------------------------------------------------------------------------------------

    def checkpoint(self, frame: nw.LazyFrame[Any], name: str) -> nw.LazyFrame[Any]:
        """Write a frame into the private folder and scan it back, so that it is computed once."""
        path = self.folder / f"{name}-{next(self._numbers)}.parquet"
        self.write_parquet(frame, path)
        return self.scan_parquet(path)

    def write_parquet(
        self, frame: nw.LazyFrame[Any], path: Path, *, order: tuple[str, ...] = (), times: str | None = None
    ) -> None:
        """Write a frame as Parquet, whole or not at all; ``order`` sorts the rows by these columns.

        With ``times``, a column of whole numbers, each row is written so many times and that column not at all: rows that
        agree in everything are sorted once.
        """
        options = "FORMAT parquet, COMPRESSION zstd" if order else "FORMAT parquet, COMPRESSION snappy"
        query = f"SELECT * FROM {self._view(frame)}{_ordered(order)}"
        if times is not None:
            query = f"SELECT * EXCLUDE ({identifier(times)}, _n) FROM (SELECT *, unnest(range({identifier(times)})) AS _n FROM ({query}))"
        self._copy(query, path, options, in_order=bool(order))

    def write_csv(self, frame: nw.LazyFrame[Any], path: Path, *, order: tuple[str, ...] = ()) -> None:
        """Write a frame as UTF-8 CSV with a header, whole or not at all; without ``order`` as its rows stand in its files."""
        query = f"SELECT * FROM {self._view(frame)}{_ordered(order)}"
        self._copy(query, path, "FORMAT csv, HEADER true, DELIMITER ','", in_order=True)

    def _copy(self, query: str, path: Path, options: str, *, in_order: bool) -> None:
        with replace_file(path, durable=False) as partial:  # whoever keeps the file brings it to the disk
            self._connection.execute(f"SET preserve_insertion_order = {in_order}")
            try:
                self._run(lambda: self._connection.execute(f"COPY ({query}) TO {_text(str(partial))} ({options})"))
            finally:
                self._connection.execute("SET preserve_insertion_order = false")

    # --- keyed hashes ------------------------------------------------------------------------------------------

    def hmac(
        self, frame: nw.LazyFrame[Any], column: str, *, key: bytes, name: str, prefix: str = ""
    ) -> nw.LazyFrame[Any]:
        """Add ``name``: HMAC-SHA256 (hexadecimal) of ``prefix`` and the text of ``column``; null stays null.

        The key is bound as a variable of the connection and never part of the SQL text. Equal to Python's ``hmac``.
        """
        expression = self.hmac_sql(identifier(column), key=key, prefix=prefix)
        return self.frame(f"SELECT *, {expression} AS {identifier(name)} FROM {{frame}}", frame=frame)

    def hmac_sql(self, text: str, *, key: bytes, prefix: str = "") -> str:
        """The SQL expression of the HMAC of a text expression; the key hides behind two variables."""
        short = key if len(key) <= BLOCK else hashlib.sha256(key).digest()
        padded = short.ljust(BLOCK, b"\0")
        inner = self._variable(bytes(byte ^ 0x36 for byte in padded))
        outer = self._variable(bytes(byte ^ 0x5C for byte in padded))
        message = f"encode({_text(prefix)} || ({text})::VARCHAR)"
        return f"sha256({outer} || unhex(sha256({inner} || {message})))"

    def token_sql(self, text: str, *, key: bytes, prefix: str = "", digits: int = TOKEN_DIGITS) -> str:
        """The SQL expression of a token: the first 60 bits of the HMAC as a positive Int64.

        Two persons share a token with probability about persons² / 2⁶¹; then they count as one, the safe side.
        """
        return f"('0x' || left({self.hmac_sql(text, key=key, prefix=prefix)}, {digits}))::BIGINT"

    def order_sql(self, text: str, *, key: bytes, prefix: str = "") -> str:
        """The SQL expression of 60 bits of SHA-256 over key, prefix and text, as a positive Int64.

        Half the price of a token, for ids by which rows are told apart and put in a secret order but never counted. The
        result is cut to less than a quarter of the hash, so that nothing can be appended to a known one.
        """
        message = f"encode({_text(prefix)} || ({text})::VARCHAR)"
        return f"('0x' || left(sha256({self._variable(key)} || {message}), {TOKEN_DIGITS}))::BIGINT"

    def _variable(self, value: bytes) -> str:
        name = f"pad_{next(self._numbers)}"
        self._connection.execute(f"SET VARIABLE {name} = $1::BLOB", [value])
        return f"getvariable('{name}')"

    # --- inside ------------------------------------------------------------------------------------------------

    def _view(self, frame: nw.LazyFrame[Any]) -> str:
        native = id(frame.to_native())
        kept = self._tables.get(native) or self._arrows.get(native)
        if kept is not None:
            return kept[1]
        seen = self._views.get(native)
        if seen is not None:
            return seen[1]
        name = f"view_{next(self._numbers)}"
        relation = _relation(frame)
        relation.create_view(name)
        self._views[native] = (relation, name)
        return name

    def _with_names(self, query: str, tables: dict[str, Any]) -> str:
        for name, table in tables.items():
            view = f"read_parquet({_text(str(table))})" if isinstance(table, Path) else self._view(table)
            query = query.replace("{" + name + "}", view)
        return query

    def _run(self, work: Any) -> Any:
        for stream in self._streams:
            stream.failure = None
        try:
            return work()
        except duckdb.Error as error:
            for stream in self._streams:
                if stream.failure is not None:
                    raise stream.failure from None
            raise EngineError("the embedded engine could not answer", hint=_safe(error)) from None


class Gathered:
    """A table that is made piece by piece. Little is read where it is; more than `LENT` goes into the engine, which may spill."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pieces: list[pa.Table] = []
        self._frame: nw.LazyFrame[Any] | None = None

    def add(self, piece: pa.Table) -> None:
        """Put the rows of an Arrow table behind those there are; all have one schema."""
        self._pieces.append(piece)
        if sum(one.nbytes for one in self._pieces) > LENT:
            self._into_engine()

    def _into_engine(self) -> None:
        session = self._session
        added = session.from_arrow(pa.concat_tables(self._pieces))
        self._pieces = []
        if self._frame is None:
            self._frame = session.table("SELECT * FROM {added}", added=added)
        else:
            query = session._with_names("INSERT INTO {whole} FROM {added}", {"whole": self._frame, "added": added})
            session._run(lambda: session._connection.execute(query))
        session.drop(added)

    def frame(self) -> nw.LazyFrame[Any]:
        """The whole as a lazy frame of the session; nothing is added afterwards."""
        pieces = self._pieces
        if self._frame is None:
            if not pieces:
                raise EngineError("nothing was put into a table", hint="this is a fault of anonkit: report it")
            self._frame = self._session.from_arrow(pa.concat_tables(pieces))
        elif pieces:
            self._into_engine()
        self._pieces = []
        return self._frame


class EngineError(AnonkitError, RuntimeError):
    """The engine failed; its own message is shortened so that it cannot carry values."""


def _safe(error: duckdb.Error) -> str:
    kind = type(error).__name__
    if isinstance(error, duckdb.OutOfMemoryException):
        return "give the run more memory (memory_limit) or free space for spilling"
    first = str(error).splitlines()[0] if str(error) else ""
    return f"{kind}: {VALUES.sub('…', first)[:200]}"


def identifier(name: str) -> str:
    """A column name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def _ordered(columns: tuple[str, ...]) -> str:
    return f" ORDER BY {', '.join(identifier(name) for name in columns)}" if columns else ""


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _relation(frame: nw.LazyFrame[Any]) -> duckdb.DuckDBPyRelation:
    native = frame.to_native()
    if not isinstance(native, duckdb.DuckDBPyRelation):
        raise SchemaError(
            f"the engine was given a frame of {type(native).__module__}, not one of its own",
            hint="bring the data in with ak.Table.of(...) or a scan",
        )
    return native


def _arrow(relation: duckdb.DuckDBPyRelation) -> pa.Table:
    return relation.to_arrow_table()
