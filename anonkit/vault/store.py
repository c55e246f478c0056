"""The vault's two SQLite files: sealed entries in one, wrapped keys in the other.

An entry is sealed under a key of its own; that key is wrapped under its subject's key, and the subject's key under the
master. ``keys.sqlite`` is the small file whose rows erasure destroys; it must not be kept in long backups, or the
crypto-shredding is undone by restoring it. Rows are indexed by HMACs, so neither file holds a token or an account in
clear. ``secure_delete`` and VACUUM leave no deleted bytes in the files; a rollback journal, not WAL, leaves none beside
them. Every nonce is remembered, and one that comes twice is refused.

Does **not** protect against copies made by the file system, the disk or a backup of ``keys.sqlite``.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from anonkit.base.errors import VaultError

ENTRIES, KEYS = "entries.sqlite", "keys.sqlite"
_TABLES = {
    ENTRIES: "CREATE TABLE entries (id BLOB PRIMARY KEY, nonce BLOB NOT NULL, sealed BLOB NOT NULL) STRICT",
    KEYS: """
        CREATE TABLE subjects (
            id BLOB PRIMARY KEY, name BLOB NOT NULL UNIQUE, nonce BLOB NOT NULL, wrapped BLOB NOT NULL
        ) STRICT;
        CREATE TABLE entry_keys (
            id BLOB PRIMARY KEY, subject BLOB NOT NULL, nonce BLOB NOT NULL, wrapped BLOB NOT NULL
        ) STRICT;
        CREATE INDEX by_subject ON entry_keys (subject);
        CREATE TABLE suppressed (id BLOB PRIMARY KEY) STRICT;
        CREATE TABLE nonces (nonce BLOB PRIMARY KEY) STRICT;
        CREATE TABLE progress (line INTEGER NOT NULL) STRICT;
        INSERT INTO progress VALUES (0)
    """,
}


def create(folder: Path) -> None:
    """Make both files, mode 0600."""
    for name, tables in _TABLES.items():
        os.close(os.open(folder / name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with closing(sqlite3.connect(folder / name)) as connection:
            connection.executescript(tables)


@contextmanager
def connected(folder: Path, *, write: bool) -> Iterator[sqlite3.Connection]:
    """One connection over both files (``keys`` attached), one transaction; SQLite's complaints become VaultError."""
    missing = [name for name in _TABLES if not (folder / name).is_file()]
    if missing:
        raise VaultError(
            f"the vault lacks {missing}", hint="restore the files; an empty vault is made by anonkit vault create."
        )
    try:
        with closing(sqlite3.connect(folder / ENTRIES, timeout=60, isolation_level=None)) as connection:
            connection.execute("ATTACH ? AS keys", (str(folder / KEYS),))
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA keys.secure_delete = ON")
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise VaultError(
            f"a file of the vault is damaged: {error}", hint="restore it from the last good copy."
        ) from error


def compact(folder: Path) -> None:
    """Rewrite both files without the pages of deleted rows."""
    for name in _TABLES:
        with closing(sqlite3.connect(folder / name, timeout=60, isolation_level=None)) as connection:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("VACUUM")


def remember_nonce(connection: sqlite3.Connection, nonce: bytes) -> bytes:
    """Write a nonce down before it is used; VaultError if it was used before."""
    try:
        connection.execute("INSERT INTO keys.nonces VALUES (?)", (nonce,))
    except sqlite3.IntegrityError as error:
        raise VaultError(
            "a nonce would be used twice; under one key that gives the plain text away",
            hint="the machine's random numbers are broken; stop and repair them.",
        ) from error
    return nonce
