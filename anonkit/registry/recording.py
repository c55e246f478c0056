"""Who was in a release, written down for hundreds of thousands of people in one go.

What is known of their names is read in blocks, what is new is written in blocks, all within the register's one transaction.
Somebody whose names were known of two subjects is left to the register, which joins them; that is rare. The files hold what
they would hold if people came one by one: see `subjects`.

Holds the keyed names and unwrapped keys of the release's people in memory until it is done.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Sequence
from datetime import date

from anonkit.base.entropy import fresh_key
from anonkit.base.errors import SourceError
from anonkit.registry.keys import seal, unseal

CACHE_KB = 65_536
BLOCK = 900
"""Names asked for at once; SQLite takes so many parameters everywhere."""
Join = Callable[[sqlite3.Connection, Sequence[bytes]], tuple[bytes, bytes]]
"""Makes one subject of names; the subject and its key."""


def record_people(
    connection: sqlite3.Connection,
    people: Sequence[Sequence[bytes]],
    *,
    release: bytes,
    until: date,
    wrap: bytes,
    join: Join,
) -> None:
    """Write one row a person and whatever of their names is new.

    Parameters
    ----------
    people : keyed names of each person, at least one. release : what is sealed for each. wrap : key around subjects' keys.
    join : asked for people whose names belong to two subjects or more.

    Raises
    ------
    SourceError : somebody without a name, or a subject whose key is missing.
    """
    for part in ("main", "keys"):
        connection.execute(f"PRAGMA {part}.cache_size = -{CACHE_KB}")
    owner = _owners(connection, sorted({name for names in people for name in names}))
    keys = _keys(connection, sorted(set(owner.values())), wrap)
    fresh: list[tuple[bytes, bytes]] = []
    new_names: list[tuple[bytes, bytes]] = []
    rows: list[tuple[bytes, str, bytes]] = []

    def flush() -> None:
        # in the order of their indexes, so that each page is written once
        connection.executemany("INSERT INTO keys.keys VALUES (?, ?)", sorted(fresh))
        connection.executemany("INSERT OR IGNORE INTO names VALUES (?, ?)", sorted(new_names))
        connection.executemany("INSERT INTO rows VALUES (?, ?, ?)", sorted(rows))
        for waiting in (fresh, new_names, rows):
            waiting.clear()

    for names in people:
        if not names:
            raise SourceError(
                "a person without any identifier cannot be recorded", hint="leave rows without a person out."
            )
        known = {owner[name] for name in names if name in owner}
        if len(known) > 1:
            flush()
            subject, key = join(connection, names)
            keys[subject] = key
            for name, old in owner.items():
                if old in known:
                    owner[name] = subject
        elif known:
            subject = known.pop()
            key = keys[subject]
        else:
            subject, key = secrets.token_bytes(16), fresh_key()
            keys[subject] = key
            fresh.append((subject, seal(wrap, key, bound_to=b"subject" + subject)))
        new_names += [(name, subject) for name in names if name not in owner]
        owner.update(dict.fromkeys(names, subject))
        rows.append((subject, until.isoformat(), seal(key, release, bound_to=b"release" + subject)))
    flush()


def _owners(connection: sqlite3.Connection, names: list[bytes]) -> dict[bytes, bytes]:
    """Name → subject of those that are known."""
    found: dict[bytes, bytes] = {}
    for start in range(0, len(names), BLOCK):
        block = names[start : start + BLOCK]
        found.update(connection.execute(f"SELECT id, subject FROM names WHERE id IN ({_places(block)})", block))
    return found


def _keys(connection: sqlite3.Connection, subjects: list[bytes], wrap: bytes) -> dict[bytes, bytes]:
    """Subject → its key, unwrapped."""
    found: dict[bytes, bytes] = {}
    for start in range(0, len(subjects), BLOCK):
        block = subjects[start : start + BLOCK]
        query = f"SELECT subject, wrapped FROM keys.keys WHERE subject IN ({_places(block)})"
        for subject, wrapped in connection.execute(query, block):
            found[subject] = unseal(wrap, wrapped, bound_to=b"subject" + subject)
    if len(found) < len(subjects):
        raise SourceError("a subject's key is missing", hint="rows were removed; restore the last good copy.")
    return found


def _places(block: list[bytes]) -> str:
    return ", ".join("?" * len(block))
