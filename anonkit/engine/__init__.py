"""The one place that knows DuckDB: sessions, scans, checkpoints, keyed hashes, SQL for the gate.

Kernels above are pure functions on narwhals lazy frames; they reach the engine only through the names below.
"""

from anonkit.engine.csv import CsvFile
from anonkit.engine.dialect import CsvDialect
from anonkit.engine.files import private_folder, replace_file, sha256_of, to_disk
from anonkit.engine.json import JsonFile
from anonkit.engine.lines import LineFault
from anonkit.engine.operations import count_rows, int_sum
from anonkit.engine.session import EngineError, Session, identifier

__all__ = [
    "CsvDialect",
    "CsvFile",
    "EngineError",
    "JsonFile",
    "LineFault",
    "Session",
    "count_rows",
    "identifier",
    "int_sum",
    "private_folder",
    "replace_file",
    "sha256_of",
    "to_disk",
]
