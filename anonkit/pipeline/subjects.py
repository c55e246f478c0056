"""What a run asks of lists and of the subject register, and what it writes there.

The subject register lies in the folder of releases: ``subjects/`` with the key ``subjects.key`` (mode 0600) and the head
``subjects.head``; `anonkit subjects … --register REGISTRY/subjects --key-file REGISTRY/subjects.key` works on the same
files. It is asked before rows are prepared (who was erased or restricted stays out) and told, before the hand-over, who is in
the release, so that recipients can be named when somebody asks to be erased (ruling 27). ``pool.key`` beside it is the
key under which phones become pseudonyms of the pool; operators never hold it.

Does not know people by identifiers that the inputs do not map.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import pyarrow as pa

from anonkit.base.entropy import fresh_key
from anonkit.engine import Session
from anonkit.prepare import People, longest, person_message, read_listed, read_requests
from anonkit.prepare.people import Blocked
from anonkit.prepare.tokens import SEPARATOR
from anonkit.recipe import AnyRecipe
from anonkit.registry import Identifier, SubjectRegister, new_key_file, normalise, read_key

FOLDER, KEY, POOL_KEY = "subjects", "subjects.key", "pool.key"


@dataclass(kw_only=True)
class Subjects:
    """The register beside the releases, if there is one, and the key of the pool."""

    folder: Path | None = None
    """The folder of releases; None: nothing is asked or written (``plan``)."""
    register: SubjectRegister | None = None
    present: dict[str, list[list[Identifier]]] = field(default_factory=dict, repr=False)
    """Operator → who of his is in the release that is being made, each by all identifiers; in memory until `record`."""

    @classmethod
    def open(cls, folder: Path | None) -> Subjects:
        """Open the subject register if it exists."""
        if folder is None:
            return cls(folder=None, register=None)
        place = folder / FOLDER
        there = place.is_dir() or place.with_name(place.name + ".head").exists()
        return cls(folder=folder, register=SubjectRegister(place, key=_key(folder)) if there else None)

    def blocked(self, operator: str) -> Blocked | None:
        """Asks the register about one operator's identifiers; None where nobody is marked."""
        register = self.register
        if register is None:
            return None
        return lambda kind, values: register.blocked(kind, values, operator=operator)

    def pool_key(self) -> bytes:
        """The key of the pool, made when it is first needed."""
        if self.folder is None:
            return fresh_key()
        path = self.folder / POOL_KEY
        if not path.is_file():
            new_key_file(path)
        return read_key(path)

    def note(
        self, people: Iterable[tuple[str, People]], tokens: nw.LazyFrame[Any], *, key: bytes, session: Session
    ) -> None:
        """Keep in mind who is published: people of each operator's inputs whose token is among ``tokens`` (``person``)."""
        self.present = {}
        for operator, known in people:
            made = session.token_sql(person_message(operator, pooled=True), key=key, prefix=f"person{SEPARATOR}")
            names = session.sql(
                f"SELECT n.person, n.kind, n.norm FROM {{names}} n SEMI JOIN (SELECT person FROM (SELECT person, {made} AS token "
                "FROM {people}) SEMI JOIN (SELECT person AS token FROM {tokens}) USING (token)) USING (person) "
                "WHERE norm IS NOT NULL",
                names=session.from_arrow(known.names),
                people=known.frame,
                tokens=tokens,
            )
            subjects: dict[str, list[Identifier]] = {}
            for person, kind, norm in zip(
                *(names.column(name).to_pylist() for name in names.column_names), strict=True
            ):
                subjects.setdefault(person, []).append(Identifier(kind=kind, value=norm, operator=operator))
            self.present.setdefault(operator, []).extend(subjects.values())

    def record(self, entries: Sequence[str], recipe: AnyRecipe) -> int:
        """Write down who is in the release, until the longest clock of its policies has run out; the number of people.

        ``entries`` : names in the release register, one an operator in the recipe's order.
        """
        if self.folder is None or not self.present:
            return 0
        register = self.register
        if register is None:
            register = SubjectRegister.create(self.folder / FOLDER, key=_key(self.folder))
        years, months, days = longest(tuple(policy for policy in recipe.policies if policy is not None))
        until = _after(recipe.period.last, years, months, days)
        names = dict(zip(dict.fromkeys(entry.operator for entry in recipe.inputs), entries, strict=True))
        number = sum(register.record(names[operator], people, until=until) for operator, people in self.present.items())
        self.present = {}
        return number


def listed(recipe: AnyRecipe, *, session: Session) -> pa.Table:
    """All lists of a recipe in one spelling; see `prepare.read_listed`."""
    return read_listed({str(name): path for name, path in recipe.lists.items()}, session=session, normalise=normalise)


def requested(recipe: AnyRecipe, *, session: Session) -> pa.Table:
    """When each request of a recipe's lists came and was carried out; see `prepare.read_requests`."""
    paths = {str(name): path for name, path in recipe.lists.items()}
    return read_requests(paths | {str(name): path for name, path in recipe.requests.items()}, session=session)


def _key(folder: Path) -> bytes:
    path = folder / KEY
    place = folder / FOLDER
    if not path.is_file() and not place.is_dir():
        new_key_file(path)
    return read_key(path if path.is_file() else None)


def _after(day: date, years: int, months: int, days: int) -> date:
    count = day.year * 12 + day.month - 1 + 12 * years + months
    year, month = divmod(count, 12)
    return date.fromordinal(date(year, month + 1, min(day.day, 28)).toordinal() + days + 3)
