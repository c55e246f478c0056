"""An append-only file of hash-chained entries that many processes may use at once and no crash can rewind.

One SQLite file in WAL mode. Every entry's hash covers its number, kind, body and the hash before it; triggers refuse
UPDATE and DELETE; each append runs under a lock, re-reads and re-verifies what others wrote, and then decides. The newest
(number, hash), the *head*, is kept in a second file: a truncated or rolled-back database lies behind its head and is
refused. Connections live for one operation, so nothing is carried over a fork.

Does **not** protect against somebody who restores both files from one old copy, or rewrites both: the chain has no
secret. Print the head (``anonkit ledger check``) somewhere outside if that matters. Not for network file systems (WAL).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anonkit.base.clock import now
from anonkit.base.errors import LedgerError

_START = "0" * 64
_SCHEMA = """
CREATE TABLE entries (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, body TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL
) STRICT;
CREATE TRIGGER no_update BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'entries are never changed'); END;
CREATE TRIGGER no_delete BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'entries are never removed'); END;
"""


@dataclass(frozen=True)
class Entry:
    """One line of the chain."""

    number: int
    kind: str
    body: dict[str, Any]
    previous: str
    hash: str


def canonical(body: dict[str, Any]) -> str:
    """JSON with sorted keys and exact floats: equal values give equal text."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def entry_hash(number: int, kind: str, body: str, previous: str) -> str:
    """SHA-256 over an entry and the hash before it."""
    return hashlib.sha256(json.dumps([previous, number, kind, body], default=repr).encode()).hexdigest()


class Chain:
    """The file. ``what`` names it in messages; ``kinds`` are the entries it may hold."""

    def __init__(
        self, path: Path, *, what: str, kinds: tuple[str, ...], version: int, head: Path | None = None
    ) -> None:
        self.path = Path(path).absolute()
        self.head = Path(head).absolute() if head is not None else self.path.with_name(self.path.name + ".head")
        self.what, self.kinds, self.version = what, kinds, version
        self._known: list[Entry] = []

    def create(self, first: dict[str, Any]) -> None:
        """Make the file (mode 0600) with its first entry, kind ``terms``; refuse if it exists."""
        if self.path.exists() or self.head.exists():
            raise LedgerError(
                f"{self.what} '{self.path.name}' or its head exists already",
                hint="open it; terms are fixed for good.",
                path=self.path,
            )
        os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with self._locked(), self._connection() as connection:
            connection.executescript(f"PRAGMA journal_mode = WAL; PRAGMA user_version = {self.version}; {_SCHEMA}")
            connection.execute("BEGIN IMMEDIATE")
            entries = self._insert(connection, [], [("terms", first)])
            connection.execute("COMMIT")
            self._write_head(entries[-1])

    def read(self) -> list[Entry]:
        """All entries, verified from the first to the head."""
        if not self.path.exists():
            raise LedgerError(
                f"there is no {self.what} '{self.path.name}'",
                hint=f"create it first: anonkit {self.what} create {self.path.name}, with --help for its terms; in Python "
                f"ak.{self.what.capitalize()}.create(...).",
                path=self.path,
            )
        head = self._read_head()
        with self._connection() as connection:
            self._known = self._verified(connection, [])
        self._check_head(head)
        return list(self._known)

    def append(self, decide: Callable[[list[Entry]], Sequence[tuple[str, dict[str, Any]]]]) -> list[Entry]:
        """Let ``decide`` see all entries and name those to add, while no other process can write; it may raise."""
        with self._locked():
            head = self._read_head()
            with self._connection() as connection:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    self._known = self._verified(connection, self._known)
                    self._check_head(head)
                    made = self._insert(connection, self._known, decide(list(self._known)))
                except BaseException:
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
            self._known = [*self._known, *made]
            if made:
                self._write_head(made[-1])
        return made

    # --- inside -------------------------------------------------------------------------------------------------------
    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self.path.with_name(self.path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=60, isolation_level=None)) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                yield connection
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise self._damaged(f"SQLite says: {error}") from error
            raise LedgerError(
                f"{self.what} '{self.path.name}' is in use", hint="another process holds it; try again."
            ) from error
        except (sqlite3.Error, UnicodeDecodeError) as error:  # SQLite's own text may be damaged too
            raise self._damaged(f"SQLite says: {error}") from error

    def _damaged(self, why: str) -> LedgerError:
        return LedgerError(
            f"{self.what} '{self.path.name}' is damaged or was changed: {why}",
            hint="nothing can be spent from it; restore the newest copy of the file and of its head, and find out who touched it.",
            path=self.path,
        )

    def _verified(self, connection: sqlite3.Connection, known: list[Entry]) -> list[Entry]:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != self.version:
            raise self._damaged(f"its schema version is {version}, this anonkit writes {self.version}")
        entries = known[:-1]  # the last known one is read again: a file that grew anew after a rollback differs there
        previous = entries[-1].hash if entries else _START
        rows = connection.execute(
            "SELECT number, kind, body, previous, hash FROM entries WHERE number >= ? ORDER BY number", (len(entries),)
        )
        for number, kind, text, before, digest in rows:
            if number != len(entries) or before != previous or digest != entry_hash(number, kind, text, before):
                raise self._damaged(f"entry {len(entries)} does not fit the chain")
            if kind not in self.kinds:
                raise self._damaged(f"entry {number} is of the unknown kind {kind!r}")
            entries.append(Entry(number, kind, json.loads(text), before, digest))
            previous = digest
        if not entries or entries[0].kind != "terms":
            raise self._damaged("it has no terms")
        if known and (len(entries) < len(known) or entries[len(known) - 1].hash != known[-1].hash):
            raise self._damaged("entries that were there are gone")
        return entries

    def _insert(
        self, connection: sqlite3.Connection, known: list[Entry], bodies: Sequence[tuple[str, dict[str, Any]]]
    ) -> list[Entry]:
        made: list[Entry] = []
        previous = known[-1].hash if known else _START
        for kind, body in bodies:
            number = len(known) + len(made)
            body = {**body, "at": now().isoformat()}
            text = canonical(body)
            digest = entry_hash(number, kind, text, previous)
            connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", (number, kind, text, previous, digest))
            made.append(Entry(number, kind, json.loads(text), previous, digest))
            previous = digest
        return made

    def _write_head(self, entry: Entry) -> None:
        fresh = self.head.with_name(self.head.name + ".new")
        descriptor = os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(canonical({"number": entry.number, "hash": entry.hash}))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(fresh, self.head)

    def _read_head(self) -> dict[str, Any]:
        try:
            head = json.loads(self.head.read_text())
            return {"number": int(head["number"]), "hash": str(head["hash"])}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged(f"its head '{self.head.name}' is missing or unreadable") from error

    def _check_head(self, head: dict[str, Any]) -> None:
        number = head["number"]
        if number >= len(self._known) or self._known[number].hash != head["hash"]:
            raise self._damaged(f"it ends before entry {number} or differs there: truncated or rolled back")
