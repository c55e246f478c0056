"""Who was in which release, and who must not come back, without an identifier in clear (ruling 27).

For each release the pipeline records its people: every identifier becomes an HMAC under the register's own key, all of
one person point to one random subject, and what is known of that subject (releases, restrictions, log lines) is sealed
under a key of its own that lies, wrapped, in a second file. Erasing destroys that key and the rows, leaves one keyed
suppression mark for each identifier, and returns the releases whose recipients must be told. A later import asks
`SubjectRegister.blocked`. Rows end with their retention clock. The number of changes is kept in a second place, so that
an older copy put back (which would hold erased people again and have forgotten to block them) is refused.

Does **not** protect against backups of ``subject_keys.sqlite``, nor against one who holds files *and* key and asks for a
given phone: for a suppressed person that question is what the mark is for.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from anonkit.base.entropy import fresh_key
from anonkit.base.errors import SourceError
from anonkit.registry.identifiers import Identifier, message_prefix, normalise
from anonkit.registry.keys import derive, keyed_hash, seal, unseal
from anonkit.registry.recording import record_people
from anonkit.registry.store import Store, create_files

RESTRICTIONS = ("restriction", "objection", "withdrawn_consent")
ERASURE = "erasure"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the register knows of one person, without saying who."""

    known: bool
    releases: tuple[str, ...]
    """Names of the releases that hold the person's rows; their recipients are in the release register."""
    restrictions: tuple[str, ...]
    suppressed: bool
    """Erased earlier: whatever comes of this person is blocked."""


class SubjectRegister:
    """The two files of the register in one folder.

    Examples
    --------
    >>> import tempfile
    >>> register = SubjectRegister.create(tempfile.mkdtemp() + "/subjects", key=fresh_key())
    >>> person = (Identifier(kind="phone", value="+994501234567"), Identifier(kind="account_id", value="U1", operator="kontaktplus"))
    >>> register.record("baku-2026q3", [person], until=date(2029, 9, 30))
    1
    >>> letter = (Identifier(kind="phone", value="050 123 45 67"),)
    >>> register.erase(letter, day=date(2026, 10, 1)).releases
    ('baku-2026q3',)
    >>> register.blocked("account_id", ["U1", "U2"], operator="kontaktplus")
    [True, False]
    """

    def __init__(self, folder: str | Path, *, key: bytes, head: str | Path | None = None) -> None:
        self._store = Store(folder, head=head)
        self._index, self._suppress, self._wrap = (derive(key, purpose) for purpose in ("index", "suppress", "wrap"))
        with self._store.connected() as connection:
            row = connection.execute("SELECT wrapped FROM keys.keys WHERE subject = x'00'").fetchone()
        if row is None or unseal(self._wrap, row[0], bound_to=b"check") != b"check":
            raise SourceError("this is not the key of this register", hint="see which key file belongs to it.")

    @classmethod
    def create(cls, folder: str | Path, *, key: bytes, head: str | Path | None = None) -> SubjectRegister:
        """Make an empty register (folder 0700, files 0600); ``head`` is the second place, ``<folder>.head`` by default."""
        create_files(folder, head=head, check=seal(derive(key, "wrap"), b"check", bound_to=b"check"))
        return cls(folder, key=key, head=head)

    @property
    def folder(self) -> Path:
        """Where the two files lie."""
        return self._store.folder

    @property
    def head(self) -> Path:
        """The second place."""
        return self._store.head

    # --- what a run asks and writes -----------------------------------------------------------------------------------
    def record(self, release: str, subjects: Iterable[Sequence[Identifier]], *, until: date) -> int:
        """Write down the people of a release, each by all identifiers that are known, until their retention ends.

        Identifiers that were known of two subjects make them one. Erased and restricted people are refused: their
        rows should never have come this far. Returns the number of people.
        """
        people = [[self._name(identifier) for identifier in identifiers] for identifiers in subjects]
        with self._store.changing() as connection:
            marks = {row[0] for row in connection.execute("SELECT id FROM marks")}
            if marks and any(self._mark(name) in marks for names in people for name in names):
                raise SourceError(
                    f"release '{release}' holds rows of an erased or restricted person",
                    hint="block them first: SubjectRegister.blocked.",
                )
            record_people(
                connection, people, release=release.encode(), until=until, wrap=self._wrap, join=self._subject
            )
        return len(people)

    def blocked(self, kind: str, values: Iterable[str | None], *, operator: str = "") -> list[bool]:
        """Which values belong to an erased or restricted person; for distinct values of one column.

        A null is nobody. A value that cannot be read as its kind is not blocked: it cannot have been in a request.
        """
        with self._store.connected() as connection:
            marks = {row[0] for row in connection.execute("SELECT id FROM marks")}
        prefix = message_prefix(kind, operator)
        return [bool(marks) and value is not None and self._mark_of(kind, value, prefix) in marks for value in values]

    def expire(self, *, as_of: date) -> int:
        """Remove rows whose retention has ended, and subjects without any; returns the number of rows."""
        with self._store.changing(compact=True) as connection:
            gone = connection.execute("DELETE FROM rows WHERE until < ?", (as_of.isoformat(),)).rowcount
            connection.execute("DELETE FROM names WHERE subject NOT IN (SELECT subject FROM rows)")
            connection.execute(
                "DELETE FROM keys.keys WHERE subject <> x'00' AND subject NOT IN (SELECT subject FROM rows)"
            )
            connection.execute(
                "UPDATE log SET subject = NULL, sealed = NULL WHERE subject NOT IN (SELECT subject FROM rows)"
            )
            self._write_log(connection, as_of, "expired", None)
        return gone

    # --- what a person asks -------------------------------------------------------------------------------------------
    def show(self, identifiers: Sequence[Identifier]) -> Found:
        """What is known of a person; changes nothing."""
        with self._store.connected() as connection:
            return self._found(connection, [self._name(identifier) for identifier in identifiers])

    def restrict(self, identifiers: Sequence[Identifier], *, kind: str = "restriction", day: date) -> Found:
        """Block a person's rows until `lift`: restriction (Art. 18), objection or withdrawn consent."""
        _check_kind(kind)
        with self._store.changing() as connection:
            names = self._all_names(connection, [self._name(identifier) for identifier in identifiers])
            marks = [(self._mark(name), kind) for name in names]
            connection.executemany("INSERT OR IGNORE INTO marks VALUES (?, ?)", marks)
            self._write_log(connection, day, kind, self._subject_of(connection, names))
            return self._found(connection, names)

    def lift(self, identifiers: Sequence[Identifier], *, kind: str = "restriction", day: date) -> Found:
        """End a restriction, objection or withdrawn consent; an erasure is never lifted."""
        _check_kind(kind)
        with self._store.changing() as connection:
            names = self._all_names(connection, [self._name(identifier) for identifier in identifiers])
            connection.executemany(
                "DELETE FROM marks WHERE id = ? AND kind = ?", [(self._mark(name), kind) for name in names]
            )
            self._write_log(connection, day, f"{kind} lifted", self._subject_of(connection, names))
            return self._found(connection, names)

    def erase(self, identifiers: Sequence[Identifier], *, day: date) -> Found:
        """Forget a person and keep him out; returns what was known, so that recipients can be told.

        Privacy
        -------
        Key, names, rows and log parts of the subject are gone from both files. One keyed mark an identifier stays.
        """
        return self.erase_all([identifiers], day=day)[0]

    def erase_all(self, people: Iterable[Sequence[Identifier]], *, day: date) -> list[Found]:
        """`erase` for a list, all or none, with one clean-up of the files at the end."""
        with self._store.changing(compact=True) as connection:
            return [self._erase_one(connection, identifiers, day) for identifiers in people]

    def log(self) -> list[tuple[str, str, str | None]]:
        """(day, action, random name of the subject or None where it is gone) of everything that was done."""
        with self._store.connected() as connection:
            lines = connection.execute("SELECT day, action, subject, sealed FROM log ORDER BY number").fetchall()
            return [
                (day, action, self._read_log(connection, subject, sealed)) for day, action, subject, sealed in lines
            ]

    def __repr__(self) -> str:
        return f"SubjectRegister '{self.folder.name}'"

    def __reduce__(self) -> tuple[Any, ...]:
        raise SourceError("a subject register is not pickled: its key would travel", hint="open it where it is needed.")

    # --- inside -------------------------------------------------------------------------------------------------------
    def _name(self, identifier: Identifier) -> bytes:
        return keyed_hash(self._index, identifier.message().encode())

    def _mark(self, name: bytes) -> bytes:
        return keyed_hash(self._suppress, name)

    def _mark_of(self, kind: str, value: str, prefix: str) -> bytes:
        try:
            return self._mark(keyed_hash(self._index, (prefix + normalise(kind, value)).encode()))
        except SourceError:
            return b""

    def _erase_one(self, connection: sqlite3.Connection, identifiers: Sequence[Identifier], day: date) -> Found:
        names = self._all_names(connection, [self._name(identifier) for identifier in identifiers])
        found = self._found(connection, names)
        subjects = {
            row for name in names for row in connection.execute("SELECT subject FROM names WHERE id = ?", (name,))
        }
        for table in ("names", "rows", "keys.keys"):
            connection.executemany(f"DELETE FROM {table} WHERE subject = ?", subjects)
        connection.executemany("UPDATE log SET subject = NULL, sealed = NULL WHERE subject = ?", subjects)
        marks = [(self._mark(name),) for name in names]
        connection.executemany("DELETE FROM marks WHERE id = ?", marks)
        connection.executemany(f"INSERT INTO marks VALUES (?, '{ERASURE}')", marks)
        self._write_log(connection, day, "erased", None)
        return found

    def _subject(self, connection: sqlite3.Connection, names: Sequence[bytes]) -> tuple[bytes, bytes]:
        """The one subject of these names, made or joined if need be, and its key."""
        if not names:
            raise SourceError(
                "a person without any identifier cannot be recorded", hint="leave rows without a person out."
            )
        known = list(dict.fromkeys(row[0] for name in names for row in connection.execute(
            "SELECT subject FROM names WHERE id = ?", (name,))))  # fmt: skip
        subject = known[0] if known else secrets.token_bytes(16)
        key = self._key(connection, subject) if known else fresh_key()
        if not known:
            wrapped = seal(self._wrap, key, bound_to=b"subject" + subject)
            connection.execute("INSERT INTO keys.keys VALUES (?, ?)", (subject, wrapped))
        for other in known[1:]:
            self._join(connection, other, into=subject, key=key)
        connection.executemany("INSERT OR IGNORE INTO names VALUES (?, ?)", [(name, subject) for name in names])
        return subject, key

    def _join(self, connection: sqlite3.Connection, other: bytes, *, into: bytes, key: bytes) -> None:
        old = self._key(connection, other)
        for until, sealed in connection.execute(
            "SELECT until, sealed FROM rows WHERE subject = ?", (other,)
        ).fetchall():
            release = unseal(old, sealed, bound_to=b"release" + other)
            connection.execute(
                "INSERT INTO rows VALUES (?, ?, ?)", (into, until, seal(key, release, bound_to=b"release" + into))
            )
        for number, sealed in connection.execute(
            "SELECT number, sealed FROM log WHERE subject = ?", (other,)
        ).fetchall():
            about = seal(key, unseal(old, sealed, bound_to=b"log"), bound_to=b"log")
            connection.execute("UPDATE log SET subject = ?, sealed = ? WHERE number = ?", (into, about, number))
        connection.execute("DELETE FROM rows WHERE subject = ?", (other,))
        connection.execute("DELETE FROM keys.keys WHERE subject = ?", (other,))
        connection.execute("UPDATE names SET subject = ? WHERE subject = ?", (into, other))

    def _key(self, connection: sqlite3.Connection, subject: bytes) -> bytes:
        row = connection.execute("SELECT wrapped FROM keys.keys WHERE subject = ?", (subject,)).fetchone()
        if row is None:
            raise SourceError("a subject's key is missing", hint="rows were removed; restore the last good copy.")
        return unseal(self._wrap, row[0], bound_to=b"subject" + subject)

    def _all_names(self, connection: sqlite3.Connection, names: Sequence[bytes]) -> list[bytes]:
        """These names and all others of the same subjects."""
        if not names:
            raise SourceError("a request names nobody", hint="give at least one identifier.")
        places = ", ".join("?" * len(names))
        more = connection.execute(
            f"SELECT id FROM names WHERE subject IN (SELECT subject FROM names WHERE id IN ({places}))", list(names)
        )
        return list(dict.fromkeys([*names, *(row[0] for row in more)]))

    def _subject_of(self, connection: sqlite3.Connection, names: Sequence[bytes]) -> bytes | None:
        found = [row for name in names for row in connection.execute("SELECT subject FROM names WHERE id = ?", (name,))]
        return found[0][0] if found else None

    def _found(self, connection: sqlite3.Connection, names: Sequence[bytes]) -> Found:
        names = self._all_names(connection, names)
        subjects = dict.fromkeys(
            row[0] for name in names for row in connection.execute("SELECT subject FROM names WHERE id = ?", (name,))
        )
        releases = []
        for subject in subjects:
            key = self._key(connection, subject)
            rows = connection.execute("SELECT sealed FROM rows WHERE subject = ?", (subject,))
            releases += [unseal(key, row[0], bound_to=b"release" + subject).decode() for row in rows]
        kinds = {
            row[0]
            for name in names
            for row in connection.execute("SELECT kind FROM marks WHERE id = ?", (self._mark(name),))
        }
        return Found(
            known=bool(subjects),
            releases=tuple(sorted(set(releases))),
            restrictions=tuple(sorted(kinds - {ERASURE})),
            suppressed=ERASURE in kinds,
        )

    def _write_log(self, connection: sqlite3.Connection, day: date, action: str, subject: bytes | None) -> None:
        sealed = None
        if subject is not None:
            about = json.dumps({"subject": subject.hex()}).encode()
            sealed = seal(self._key(connection, subject), about, bound_to=b"log")
        connection.execute(
            "INSERT INTO log (day, action, subject, sealed) VALUES (?, ?, ?, ?)",
            (day.isoformat(), action, subject, sealed),
        )

    def _read_log(self, connection: sqlite3.Connection, subject: bytes | None, sealed: bytes | None) -> str | None:
        if subject is None or sealed is None:
            return None
        about: str = json.loads(unseal(self._key(connection, subject), sealed, bound_to=b"log"))["subject"]
        return about


def _check_kind(kind: str) -> None:
    if kind not in RESTRICTIONS:
        raise SourceError(
            f"restriction {kind!r} is not known; expected one of {RESTRICTIONS}", hint="erase is a verb of its own."
        )
