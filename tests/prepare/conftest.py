"""Two invented operators in the invented town, with phones, accounts, lists and policies."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

PERMITTED = {
    use: f"clause about {use}, made up for this test"
    for use in ("service_improvement", "internal_study", "research", "share", "sell", "cross_operator_matching")
}
FIELDS = ("id", "rider", "driver", "start", "end", "slon", "slat", "elon", "elat", "phone", "email", "card", "third")


class Pool:
    """Rides of several operators and everything that a recipe says of their people."""

    def __init__(self, folder: Path, town_class: Any) -> None:
        self.folder, self.town = folder, town_class(folder)
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.accounts: dict[str, list[dict[str, str]]] = {}
        self.lists: dict[str, list[dict[str, str]]] = {}
        self.policies: dict[str, dict[str, Any]] = {}

    def ride(self, operator: str, rider: str | None, *, more: dict[str, str] | None = None, **where: Any) -> None:
        """One ride; ``more``: phone, email, card, third."""
        self.town.ride(rider, **where)
        self.rows.setdefault(operator, []).append({**self.town.rows.pop(), **(more or {})})

    def account(self, operator: str, person: str, **facts: str) -> None:
        """One line of the list of accounts."""
        self.accounts.setdefault(operator, []).append({"id": person, **facts})

    def ask(self, rule: str, **entry: str) -> None:
        """One entry of a list of subjects."""
        self.lists.setdefault(rule, []).append(entry)

    def promise(self, operator: str, **parts: Any) -> None:
        """A policy that permits all uses, changed by ``parts``."""
        base = {"operator": operator, "title": operator, "version": "1", "territory": "nowhere", "uses": PERMITTED}
        self.policies[operator] = {**base, **parts}

    def recipe(self, change: Callable[[dict[str, Any]], Any] | None = None, name: str = "pool.yml") -> Path:
        """Write all files; the recipe's path."""
        inputs = []
        for operator, rows in self.rows.items():
            self._write(f"{operator}.csv", FIELDS, rows)
            columns = {"trip": "id", "person": "rider", "start": "start", "end": "end"}
            columns |= {"start_lon": "slon", "start_lat": "slat", "end_lon": "elon", "end_lat": "elat"}
            entry: dict[str, Any] = {"path": f"{operator}.csv", "operator": operator, "columns": columns}
            entry["identifiers"] = {"phone": "phone", "email": "email", "card_number": "card"}
            entry["others"] = {"phone": ["third"]}
            if operator in self.accounts:
                entry["accounts"] = self._account_file(operator)
            if operator in self.policies:
                path = self.folder / f"{operator}.policy.yml"
                path.write_text(yaml.safe_dump(self.policies[operator]), encoding="utf-8")
                entry["policy"] = path.name
            inputs.append(entry)
        for rule, entries in self.lists.items():
            self._write(f"{rule}.csv", tuple(dict.fromkeys(key for entry in entries for key in entry)), entries)

        def written(recipe: dict[str, Any]) -> None:
            recipe["inputs"] = inputs
            recipe["use"] = "research"
            recipe["lists"] = {rule: f"{rule}.csv" for rule in self.lists}
            recipe["products"] = {"flows": {"cell_m": 1000, "bins": "3h"}}
            if change is not None:
                change(recipe)

        path: Path = self.town.recipe(written, name=name)
        return path

    def ingest(self, change: Any = None, *, as_of: str = "2026-04-01", subjects: Any = None) -> Any:
        """Read the inputs as a release does: used rows, accounting, promises, and every file that was stored on the way."""
        import pyarrow.parquet as pq
        from anonkit.base.clock import as_of as instant
        from anonkit.base.entropy import fresh_key
        from anonkit.engine import Session
        from anonkit.pipeline.ingest import ingest
        from anonkit.recipe import load_recipe

        recipe, _ = load_recipe(self.recipe(change))
        with Session(threads=1) as session:
            found = ingest(
                recipe, session=session, key=fresh_key(), record_key=b"r" * 32, as_of=instant(as_of), subjects=subjects
            )
            rows = session.collect(found.rows).to_pylist()
            stored = [pq.read_table(path).to_pylist() for path in sorted(session.folder.glob("*.parquet"))]
        return Seen(rows, found, [row for table in stored for row in table])

    def release(self, change: Any = None, *, out: str = "out", as_of: str = "2026-04-01") -> Any:
        """Make the release."""
        from anonkit.pipeline import release

        return release(self.recipe(change), out=self.folder / out, as_of=as_of)

    def _account_file(self, operator: str) -> dict[str, Any]:
        rows = self.accounts[operator]
        fields = tuple(dict.fromkeys(key for row in rows for key in row))
        self._write(f"{operator}.accounts.csv", fields, rows)
        known = ("birth_date", "deleted_on", "withdrawn_on", "phone", "email", "card_number")
        said: dict[str, Any] = {name: name for name in known if name in fields}
        consents = {name.removeprefix("consent_"): name for name in fields if name.startswith("consent_")}
        return {"path": f"{operator}.accounts.csv", "id": "id", **said, **({"consents": consents} if consents else {})}

    def _write(self, name: str, fields: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
        with (self.folder / name).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, fields, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)


class Seen:
    """What ingesting came to."""

    def __init__(self, rows: list[dict[str, Any]], found: Any, stored: list[dict[str, Any]]) -> None:
        self.rows, self.found, self.stored = rows, found, stored

    @property
    def persons(self) -> int:
        """Distinct tokens among the used rows."""
        return len({row["person"] for row in self.rows})

    def dropped(self, number: int = 0) -> dict[str, int]:
        """Rule → lines of one input."""
        dropped: dict[str, int] = self.found.accounting[number].dropped
        return dropped

    def rule(self, name: str, number: int = 0) -> dict[str, Any]:
        """What is told of one rule."""
        told: dict[str, Any] = next(r for r in self.found.promises[number]["rules"] if r["rule"] == name)
        return told


@pytest.fixture
def pool(tmp_path: Path, town_class: Any) -> Pool:
    """No rides yet."""
    return Pool(tmp_path, town_class)


@pytest.fixture
def pool_class(town_class: Any) -> Callable[[Path], Pool]:
    """For property tests, which need a new one for each example."""
    return lambda folder: Pool(folder, town_class)
