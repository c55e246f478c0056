"""The one place that knows DuckDB: sessions, scans, checkpoints, keyed hashes, SQL for the gate.

Kernels above are pure functions on narwhals lazy frames; they reach the engine only through the names below.
"""

from anonkit.engine.csv import CsvDialect, CsvFile
from anonkit.engine.files import private_folder, replace_file, sha256_of
from anonkit.engine.lines import LineFault
from anonkit.engine.operations import count_rows, int_sum
from anonkit.engine.session import EngineError, Session, identifier

__all__ = [
    "CsvDialect",
    "CsvFile",
    "EngineError",
    "LineFault",
    "Session",
    "count_rows",
    "identifier",
    "int_sum",
    "private_folder",
    "replace_file",
    "sha256_of",
]
