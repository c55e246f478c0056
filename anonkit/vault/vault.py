"""The vault itself: store, open for a case, destroy for an erased subject.

Pokupi promises that geolocation is personal only in a dispute or fraud case; this is where that one way back lies. It
opens one token at a time, for a case number and a reason, with two distinct persons named, and writes the log *before*
it decrypts. No code of kanon, dp, risk, publish or report can reach it (import contract), and no released value derives
from it. Rulings 27 and 28.

Does **not** protect against two persons who agree to misuse it: it makes them known. After `Vault.destroy` nothing in
the vault's files yields the subject; copies of ``keys.sqlite`` in backups would.
"""

from __future__ import annotations

import fcntl
import json
import os
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anonkit.base.entropy import fresh_key
from anonkit.base.errors import VaultError
from anonkit.vault import store
from anonkit.vault.keys import derive, fresh_nonce, keyed_hash, seal, unseal
from anonkit.vault.log import Line, Log

_CHECK = b"anonkit vault 1"
SHORTEST_REASON = 10
_SIGNS = {"stored": 1, "destroyed": -1}


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What `Vault.check` counted; no identifiers."""

    entries: int
    subjects: int
    log_lines: int
    openings: int
    interrupted: str | None
    """A crash fell into the last change: ``stored`` (nothing was; do it again) or ``destroyed`` (it was; the log follows)."""


class Vault:
    """An existing vault, verified on opening.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from anonkit.base.entropy import fresh_key
    >>> place = pathlib.Path(tempfile.mkdtemp())
    >>> vault = Vault.create(place / "vault", key=fresh_key(), head=place / "vault.head", by="A. Quliyeva")
    >>> vault.store([("journey-17", "account-4")], by="A. Quliyeva")
    1
    >>> vault.open_case("journey-17", case="D-2026-004", reason="bag left in the car", by="A. Quliyeva", second="R. Əliyev")
    'account-4'
    >>> vault.destroy(accounts=["account-4"], by="A. Quliyeva")
    1
    """

    def __init__(self, folder: str | Path, *, key: bytes, head: str | Path) -> None:
        self.folder, self.head = Path(folder).absolute(), Path(head).absolute()
        _check_second_place(self.folder, self.head)
        self._wrap, self._index = derive(key, "wrap"), derive(key, "index")
        self._suppress = derive(key, "suppress")
        self._log = Log(self.folder / "log.jsonl", head=self.head, key=derive(key, "log"))
        self._check_key()
        self.check()

    @classmethod
    def create(cls, folder: str | Path, *, key: bytes, head: str | Path, by: str) -> Vault:
        """Make a vault (folder 0700, files 0600); ``head`` is the log's second place, outside the folder."""
        folder, head = Path(folder).absolute(), Path(head).absolute()
        _check_second_place(folder, head)
        if folder.exists() and any(folder.iterdir()):
            raise VaultError(f"folder '{folder.name}' is not empty", hint="name a new folder.")
        if head.exists():
            raise VaultError(f"head '{head.name}' exists already", hint="a head belongs to one vault.")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        nonce = fresh_nonce()
        check = {"version": 1, "nonce": nonce.hex()}
        check["sealed"] = seal(derive(key, "wrap"), _CHECK, nonce=nonce, bound_to=b"check").hex()
        store.create(folder)
        with store.connected(folder, write=True) as connection:
            store.remember_nonce(connection, nonce)
        with os.fdopen(os.open(folder / "vault.json", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as stream:
            json.dump(check, stream)
        log = Log(folder / "log.jsonl", head=head, key=derive(key, "log"))
        log.create()
        log.append(what="created", by=_name(by, "by"), count=0)
        return cls(folder, key=key, head=head)

    def store(self, pairs: Iterable[tuple[str, str]], *, by: str) -> int:
        """Store (token, account) pairs; those of destroyed subjects stay out. Returns how many are new.

        Privacy
        -------
        The token is a journey's id or one made for disputes, never a pool's or a run's token: nothing released may join.
        """
        new = 0
        by = _name(by, "by")
        with self._locked(), self._changing(by) as connection:
            for token, account in pairs:
                new += self._store_one(connection, token, account)
            line = self._log.append(what="stored", by=by, count=new)  # before the commit: what is stored is logged
            connection.execute("UPDATE keys.progress SET line = ?", (line.number,))
        return new

    def open_case(self, token: str, *, case: str, reason: str, by: str, second: str) -> str:
        """The account behind one token; logged before it is read.

        Parameters
        ----------
        token : the journey's token.
        case, reason : number of the dispute or fraud case, and why it needs the person (at least 10 characters).
        by, second : two distinct persons.
        """
        by, second = _name(by, "by"), _name(second, "second")
        if _same(by, second):
            raise VaultError(
                "the vault opens only with two persons; by and second are the same", hint="ask a colleague."
            )
        for name, text, least in (("case", case, 1), ("reason", reason, SHORTEST_REASON)):
            if len(text.strip()) < least:
                raise VaultError(f"the vault opens only with a {name}", hint=f"--{name}, at least {least} characters.")
        with self._locked():
            with self._changing(by) as connection:
                identity = keyed_hash(self._index, f"token {token}")
                row = connection.execute("SELECT subject FROM keys.entry_keys WHERE id = ?", (identity,)).fetchone()
                if row is None:
                    self._log.append(what="refused", by=by, second=second, count=0)
                    raise VaultError(
                        "the vault holds nothing for this token", hint="check it; erased subjects are gone for good."
                    )
                subject_key = self._subject_key(connection, row[0])
                sealed = self._seal_about(connection, subject_key, {"case": case, "reason": reason, "token": token})
                name = connection.execute("SELECT name FROM keys.subjects WHERE id = ?", row).fetchone()[0]
            self._log.append(what="opened", by=by, second=second, count=1, subject=name.hex(), sealed=sealed)
            with store.connected(self.folder, write=False) as connection:
                return self._account(connection, identity, subject_key)

    def destroy(self, *, accounts: Iterable[str] = (), tokens: Iterable[str] = (), by: str) -> int:
        """Erase subjects: their keys, entries and whatever the log says of them; later imports stay blocked.

        Returns the number of entries destroyed. A subject is named by account, or by the token of one journey.
        """
        by = _name(by, "by")
        with self._locked():
            with self._changing(by) as connection:
                subjects = {account: keyed_hash(self._index, f"account {account}") for account in accounts}
                for token in tokens:
                    identity = keyed_hash(self._index, f"token {token}")
                    row = connection.execute("SELECT subject FROM keys.entry_keys WHERE id = ?", (identity,)).fetchone()
                    if row is not None:
                        subjects[self._account(connection, identity, self._subject_key(connection, row[0]))] = row[0]
                gone = sum(self._destroy_one(connection, account, subject) for account, subject in subjects.items())
                connection.execute("UPDATE keys.progress SET line = ?", (len(self._log.read()),))
            self._log.append(what="destroyed", by=by, count=gone)  # after the commit: a logged erasure has happened
            store.compact(self.folder)
        return gone

    def log(self) -> list[tuple[Line, dict[str, str] | None]]:
        """Every line with its part about the subject, or None where there is none or the subject was erased."""
        with store.connected(self.folder, write=False) as connection:
            return [(line, self._read_about(connection, line)) for line in self._log.read()]

    def check(self) -> Summary:
        """Verify log, head, counts and nonces; VaultError if anything was altered, removed or used twice."""
        lines = self._log.read()
        with store.connected(self.folder, write=False) as connection:
            count = "SELECT count(*) FROM "
            entries, keys, subjects = (
                connection.execute(count + table).fetchone()[0]
                for table in ("entries", "keys.entry_keys", "keys.subjects")
            )
            tables = ("entries", "keys.entry_keys", "keys.subjects")
            nonces = " UNION ALL ".join(f"SELECT nonce FROM {table}" for table in tables)
            twice = connection.execute(f"SELECT count(*) - count(DISTINCT nonce) FROM ({nonces})").fetchone()[0]
            interrupted = self._interrupted(connection, lines)
        if twice:
            raise VaultError(
                "a nonce was used twice in the vault", hint="its machine's random numbers are broken; store anew."
            )
        expected = _accounted([line for line in lines if line is not interrupted])
        if entries != keys or (entries > expected if interrupted == "destroyed" else entries != expected):
            raise VaultError(
                f"the vault holds {entries} entries and {keys} keys; its log accounts for {expected}",
                hint="rows were removed or added behind its back; restore the last good copy.",
            )
        opened = sum(line.what == "opened" for line in lines)
        what = interrupted.what if isinstance(interrupted, Line) else interrupted
        return Summary(entries=entries, subjects=subjects, log_lines=len(lines), openings=opened, interrupted=what)

    def __repr__(self) -> str:
        return f"Vault '{self.folder.name}'"

    def __reduce__(self) -> tuple[Any, ...]:
        raise VaultError("a vault is not pickled: its key would travel", hint="open it where it is needed.")

    # --- inside -------------------------------------------------------------------------------------------------------
    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _changing(self, by: str) -> Iterator[Any]:
        """One transaction over entries and keys, after the log has been brought in line with a crash."""
        self._mend_log(by)
        with store.connected(self.folder, write=True) as connection:
            yield connection

    def _mend_log(self, by: str) -> None:
        """Write off a store that was logged and never committed; log a destruction that was committed and not logged."""
        summary = self.check()
        if summary.interrupted == "stored":
            self._log.append(what="interrupted", by=by, count=0)
        elif summary.interrupted == "destroyed":
            self._log.append(what="destroyed", by=by, count=_accounted(self._log.read()) - summary.entries)

    @staticmethod
    def _interrupted(connection: Any, lines: list[Line]) -> Line | str | None:
        """A store that was logged and not committed, or "destroyed" for the opposite; else old files were put back."""
        done = connection.execute("SELECT line FROM keys.progress").fetchone()[0]
        void = _void(lines)
        pending = [line for line in lines if line.what in _SIGNS and line.number > done and line.number not in void]
        if done > len(lines) or done in void or len(pending) > 1 or any(line.what == "destroyed" for line in pending):
            raise VaultError(
                "the vault's files are older or newer than its log: a copy was put back",
                hint="an erased subject may be in it again; restore the newest copy of both, or destroy this one.",
            )
        if done == len(lines):
            return "destroyed"
        return pending[0] if pending else None

    def _check_key(self) -> None:
        try:
            check = json.loads((self.folder / "vault.json").read_text())
            nonce, sealed = bytes.fromhex(check["nonce"]), bytes.fromhex(check["sealed"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise VaultError(f"'{self.folder.name}' is not a vault", hint="anonkit vault create makes one.") from error
        try:
            unseal(self._wrap, sealed, nonce=nonce, bound_to=b"check")
        except VaultError as error:
            raise VaultError(
                "this is the wrong key for this vault", hint="see which key file belongs to it."
            ) from error

    def _store_one(self, connection: Any, token: str, account: str) -> int:
        if not token or not account:
            raise VaultError("an entry needs a token and an account", hint="leave rows without one out.")
        mark = keyed_hash(self._suppress, f"account {account}")
        if connection.execute("SELECT 1 FROM keys.suppressed WHERE id = ?", (mark,)).fetchone():
            return 0
        identity = keyed_hash(self._index, f"token {token}")
        subject = keyed_hash(self._index, f"account {account}")
        known = connection.execute("SELECT subject FROM keys.entry_keys WHERE id = ?", (identity,)).fetchone()
        if known is not None:
            if known[0] != subject:
                raise VaultError(
                    "a token is stored already for another account", hint="tokens must be one journey's only."
                )
            return 0
        subject_key = self._subject_key(connection, subject, make=True)
        entry_key = fresh_key()
        nonce = store.remember_nonce(connection, fresh_nonce())
        wrapped = seal(subject_key, entry_key, nonce=nonce, bound_to=b"entry key" + identity)
        connection.execute("INSERT INTO keys.entry_keys VALUES (?, ?, ?, ?)", (identity, subject, nonce, wrapped))
        nonce = store.remember_nonce(connection, fresh_nonce())
        sealed = seal(entry_key, account.encode(), nonce=nonce, bound_to=b"entry" + identity)
        connection.execute("INSERT INTO entries VALUES (?, ?, ?)", (identity, nonce, sealed))
        return 1

    def _destroy_one(self, connection: Any, account: str, subject: bytes) -> int:
        ids = connection.execute("SELECT id FROM keys.entry_keys WHERE subject = ?", (subject,)).fetchall()
        connection.executemany("DELETE FROM entries WHERE id = ?", ids)
        connection.execute("DELETE FROM keys.entry_keys WHERE subject = ?", (subject,))
        connection.execute("DELETE FROM keys.subjects WHERE id = ?", (subject,))
        mark = keyed_hash(self._suppress, f"account {account}")
        connection.execute("INSERT OR IGNORE INTO keys.suppressed VALUES (?)", (mark,))
        return len(ids)

    def _subject_key(self, connection: Any, subject: bytes, *, make: bool = False) -> bytes:
        row = connection.execute("SELECT nonce, wrapped FROM keys.subjects WHERE id = ?", (subject,)).fetchone()
        if row is not None:
            return unseal(self._wrap, row[1], nonce=row[0], bound_to=b"subject" + subject)
        if not make:
            raise VaultError("a subject's key is missing", hint="rows were removed; restore the last good copy.")
        key, nonce = fresh_key(), store.remember_nonce(connection, fresh_nonce())
        wrapped = seal(self._wrap, key, nonce=nonce, bound_to=b"subject" + subject)
        connection.execute("INSERT INTO keys.subjects VALUES (?, ?, ?, ?)", (subject, os.urandom(16), nonce, wrapped))
        return key

    def _account(self, connection: Any, identity: bytes, subject_key: bytes) -> str:
        key = connection.execute("SELECT nonce, wrapped FROM keys.entry_keys WHERE id = ?", (identity,)).fetchone()
        row = connection.execute("SELECT nonce, sealed FROM entries WHERE id = ?", (identity,)).fetchone()
        if key is None or row is None:
            raise VaultError("an entry has lost its key or its content", hint="restore the last good copy.")
        entry_key = unseal(subject_key, key[1], nonce=key[0], bound_to=b"entry key" + identity)
        return unseal(entry_key, row[1], nonce=row[0], bound_to=b"entry" + identity).decode()

    def _seal_about(self, connection: Any, subject_key: bytes, said: dict[str, str]) -> str:
        nonce = store.remember_nonce(connection, fresh_nonce())
        return (nonce + seal(subject_key, json.dumps(said).encode(), nonce=nonce, bound_to=b"log")).hex()

    def _read_about(self, connection: Any, line: Line) -> dict[str, str] | None:
        if not line.sealed:
            return None
        row = connection.execute(
            "SELECT id FROM keys.subjects WHERE name = ?", (bytes.fromhex(line.subject),)
        ).fetchone()
        if row is None:
            return None
        nonce, sealed = bytes.fromhex(line.sealed)[:12], bytes.fromhex(line.sealed)[12:]
        said: dict[str, str] = json.loads(
            unseal(self._subject_key(connection, row[0]), sealed, nonce=nonce, bound_to=b"log")
        )
        return said


def _void(lines: list[Line]) -> set[int]:
    """Numbers of the lines that an ``interrupted`` line wrote off: the change before it."""
    void, last = set(), 0
    for line in lines:
        last = line.number if line.what in _SIGNS else last
        if line.what == "interrupted":
            void.add(last)
    return void


def _accounted(lines: list[Line]) -> int:
    """Entries that the lines account for."""
    void = _void(lines)
    return sum(_SIGNS.get(line.what, 0) * line.count for line in lines if line.number not in void)


def _check_second_place(folder: Path, head: Path) -> None:
    if folder == head.parent or folder in head.parents:
        raise VaultError(
            "the log's head lies inside the vault's folder", hint="keep it in a second place, on another disk."
        )


def _name(name: str, role: str) -> str:
    shown = " ".join(name.split())
    if len(shown) < 2:
        raise VaultError(f"the vault needs the name of a person as '{role}'", hint=f"--{role} 'Given Family'.")
    return shown


def _same(one: str, other: str) -> bool:
    first, second = (unicodedata.normalize("NFKD", name).casefold() for name in (one, other))
    bare = [sorted("".join(c if c.isalnum() else " " for c in name).split()) for name in (first, second)]
    return bare[0] == bare[1]
