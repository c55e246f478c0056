"""The vault's log: one line an event, chained under a key, its head kept in a second place (ruling 28).

Each line's HMAC covers the line and the one before it; the head (number of lines, last HMAC) lies in a file outside the
vault's folder. A shortened, reordered or altered log, or one without its head, is refused. What a line says of a subject
is sealed under that subject's key: when the subject is erased the key goes, and the line stays as proof that *somebody*
opened *something*. Names of the persons who open are in clear: they are accountable, and told so.

Does **not** protect against somebody who holds the key and can write in both places.
"""

from __future__ import annotations

import hmac
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from anonkit.base.clock import now
from anonkit.base.errors import VaultError
from anonkit.vault.keys import keyed_hash

_START = "0" * 64


@dataclass(frozen=True, kw_only=True)
class Line:
    """One event: what happened, who did it, and a sealed part about the subject."""

    number: int
    at: str
    what: str
    """created, stored, opened, refused, destroyed, or interrupted (the store or destroy before it never happened)."""
    by: str
    second: str
    count: int
    """Entries stored, opened or destroyed."""
    subject: str
    """Random name of the subject's key; means nothing once the key is gone."""
    sealed: str
    previous: str
    mac: str


class Log:
    """The file and its head."""

    def __init__(self, path: Path, *, head: Path, key: bytes) -> None:
        self.path, self.head, self._key = path, head, key

    def create(self) -> None:
        """Make an empty log and its head; refuse if either exists."""
        if self.head.exists() or self.path.exists():
            raise VaultError(
                f"log '{self.path.name}' or head '{self.head.name}' exists already", hint="a head belongs to one vault."
            )
        os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        self._write_head(0, _START)

    def read(self) -> list[Line]:
        """All lines, verified against the chain and the head."""
        try:
            head = json.loads(self.head.read_text())
            number, mac = int(head["lines"]), str(head["mac"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise VaultError(
                f"the log's head '{self.head.name}' is missing or unreadable",
                hint="it lies in the second place; restore it there.",
            ) from error
        try:
            lines = [Line(**json.loads(text)) for text in self.path.read_text().splitlines()]
        except (OSError, ValueError, TypeError) as error:
            raise VaultError(
                "the vault's log is missing or unreadable", hint="restore it, and find out who touched it."
            ) from error
        previous = _START
        for place, line in enumerate(lines):
            good = line.number == place and line.previous == previous and hmac.compare_digest(line.mac, self._mac(line))
            if not good:
                raise VaultError(
                    f"line {place} of the vault's log does not fit the chain", hint="somebody altered the log."
                )
            previous = line.mac
        if number > len(lines) or (lines[number - 1].mac if number else _START) != mac:
            raise VaultError(
                f"the vault's log has {len(lines)} lines and its head knows {number}: truncated or replaced",
                hint="restore the log, and find out who shortened it.",
            )
        return lines

    def append(self, *, what: str, by: str, second: str = "", count: int, subject: str = "", sealed: str = "") -> Line:
        """Add a line and move the head; both are on disk when this returns."""
        lines = self.read()
        previous = lines[-1].mac if lines else _START
        said: dict[str, Any] = {
            "what": what,
            "by": by,
            "second": second,
            "count": count,
            "subject": subject,
            "sealed": sealed,
        }
        line = Line(**said, number=len(lines), at=now().isoformat(), previous=previous, mac="")
        line = Line(**{**asdict(line), "mac": self._mac(line)})
        with self.path.open("a") as stream:
            stream.write(json.dumps(asdict(line), sort_keys=True) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        self._write_head(len(lines) + 1, line.mac)
        return line

    def _mac(self, line: Line) -> str:
        return keyed_hash(self._key, json.dumps({**asdict(line), "mac": ""}, sort_keys=True)).hex()

    def _write_head(self, lines: int, mac: str) -> None:
        fresh = self.head.with_name(self.head.name + ".new")
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as stream:
            stream.write(json.dumps({"lines": lines, "mac": mac}))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(fresh, self.head)
