"""The subject register's two SQLite files and its head: opened, changed and verified in one place.

``subjects.sqlite`` holds HMACs and sealed rows, ``subject_keys.sqlite`` the wrapped keys that erasure destroys; keep the
second out of long backups. ``secure_delete`` and VACUUM leave no deleted bytes. The number of changes lies in a head file
outside the folder: files older than it, or with fewer suppression marks than they counted, are refused.

Does **not** protect against copies made by the file system, nor against head and files put back together.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from anonkit.base.errors import SourceError

SUBJECTS, KEYS = "subjects.sqlite", "subject_keys.sqlite"
_TABLES = {
    SUBJECTS: """
        CREATE TABLE names (id BLOB PRIMARY KEY, subject BLOB NOT NULL) STRICT, WITHOUT ROWID;
        CREATE INDEX names_of ON names (subject);
        CREATE TABLE rows (subject BLOB NOT NULL, until TEXT NOT NULL, sealed BLOB NOT NULL) STRICT;
        CREATE INDEX rows_of ON rows (subject);
        CREATE TABLE marks (id BLOB NOT NULL, kind TEXT NOT NULL, PRIMARY KEY (id, kind)) STRICT, WITHOUT ROWID;
        CREATE TABLE tally (changes INTEGER NOT NULL, marks INTEGER NOT NULL) STRICT;
        INSERT INTO tally VALUES (0, 0);
        CREATE TABLE log (number INTEGER PRIMARY KEY, day TEXT NOT NULL, action TEXT NOT NULL, subject BLOB, sealed BLOB) STRICT;
        CREATE INDEX log_of ON log (subject)
    """,
    KEYS: "CREATE TABLE keys (subject BLOB PRIMARY KEY, wrapped BLOB NOT NULL) STRICT, WITHOUT ROWID",
}


def create_files(folder: str | Path, *, head: str | Path | None, check: bytes) -> None:
    """Make empty files (folder 0700, files 0600) with the sealed ``check`` by which a wrong key is known."""
    folder = Path(folder).absolute()
    second = _second_place(folder, head)
    if folder in second.parents or second.exists():
        raise SourceError(f"head '{second.name}' exists already or lies in the folder", hint="name a second place.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name, tables in _TABLES.items():
        try:
            os.close(os.open(folder / name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError as error:
            raise SourceError(f"'{name}' exists already", hint="open the register instead.") from error
        with closing(sqlite3.connect(folder / name)) as connection:
            connection.executescript(tables)
    with closing(sqlite3.connect(folder / KEYS)) as connection, connection:
        connection.execute("INSERT INTO keys VALUES (x'00', ?)", (check,))
    _write_head(second, 0)


class Store:
    """Existing files, verified when opened."""

    def __init__(self, folder: str | Path, *, head: str | Path | None) -> None:
        self.folder = Path(folder).absolute()
        self.head = _second_place(self.folder, head)
        missing = [name for name in _TABLES if not (self.folder / name).is_file()]
        if missing:
            raise SourceError(f"the subject register lacks {missing}", hint="anonkit subjects create makes one.")
        with self.connected() as connection:
            damage = [row[0] for name in ("main", "keys") for row in connection.execute(f"PRAGMA {name}.quick_check")]
            tally = connection.execute("SELECT changes, marks FROM tally").fetchone()
            marks = connection.execute("SELECT count(*) FROM marks").fetchone()[0]
            keys = connection.execute("SELECT count(*) FROM keys.keys").fetchone()[0]
        if set(damage) != {"ok"} or tally is None or not keys:
            raise SourceError("a file of the subject register is damaged", hint="restore the last good copy.")
        try:
            changes = int(self.head.read_text())
        except (OSError, ValueError) as error:
            raise SourceError(
                f"the register's head '{self.head.name}' is missing", hint="restore it in its place."
            ) from error
        if tally[0] < changes or tally[1] != marks:
            raise SourceError(
                "the subject register is older than its head, or marks were removed: a copy was put back",
                hint="it holds erased people and would let them in; restore the newest copy.",
            )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def changing(self, *, compact: bool = False) -> Iterator[sqlite3.Connection]:
        """One change under the lock: files, then (after an erasure) their free pages, then the head."""
        with self._locked():
            with self.connected() as connection:
                yield connection
                connection.execute("UPDATE tally SET changes = changes + 1, marks = (SELECT count(*) FROM marks)")
                changes = connection.execute("SELECT changes FROM tally").fetchone()[0]
            if compact:
                self._compact()
            _write_head(self.head, changes)

    @contextmanager
    def connected(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.folder / SUBJECTS, timeout=60, isolation_level=None)) as connection:
                connection.execute("ATTACH ? AS keys", (str(self.folder / KEYS),))
                for name in ("main", "keys"):
                    connection.execute(f"PRAGMA {name}.secure_delete = ON")
                connection.execute("BEGIN")
                try:
                    yield connection
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise SourceError(
                f"a file of the subject register is damaged: {error}", hint="restore the last good copy."
            ) from error

    def _compact(self) -> None:
        for name in _TABLES:
            with closing(sqlite3.connect(self.folder / name, timeout=60, isolation_level=None)) as connection:
                connection.execute("PRAGMA secure_delete = ON")
                connection.execute("VACUUM")


def _second_place(folder: Path, head: str | Path | None) -> Path:
    return Path(head).absolute() if head is not None else folder.with_name(folder.name + ".head")


def _write_head(head: Path, changes: int) -> None:
    fresh = head.with_name(head.name + ".new")
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as stream:
        stream.write(f"{changes}\n")
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(fresh, head)
