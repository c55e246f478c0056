"""What the README and the description of every bundle begin with: what it is, of when, for whom, and its files.

One place for k-anonymous, noisy and route bundles. What is particular to one stands in its own writer. `told` searches the
result for identifiers. Does not know persons or counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Protocol

from anonkit.bundle import Resource


class Told(Protocol):
    """What a release's specification tells of it."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def statement(self) -> str: ...
    @property
    def purpose(self) -> str: ...
    @property
    def recipient(self) -> str: ...
    @property
    def recipient_kind(self) -> str: ...
    @property
    def licence(self) -> str: ...
    @property
    def first(self) -> date: ...
    @property
    def last(self) -> date: ...
    @property
    def created(self) -> str: ...
    @property
    def version(self) -> str: ...


def opening(spec: Told, *, zone: str, operators: Sequence[str]) -> list[str]:
    """First lines of a README."""
    return [
        f"# {spec.title}",
        "",
        f"**{spec.statement}**",
        "",
        f"- Release: {spec.name}, made {spec.created} with anonkit {spec.version}",
        f"- Period: {spec.first} to {spec.last}, local clock of {zone}",
        f"- Operators: {', '.join(operators)}",
        f"- For: {spec.recipient} ({spec.recipient_kind}); purpose: {spec.purpose}",
        f"- Licence: {spec.licence}",
    ]


def table_of_files(resources: Sequence[Resource]) -> list[str]:
    """The files of a bundle, what each holds, and its columns."""
    lines = ["", "| file | what | columns |", "|---|---|---|"]
    for resource in resources:
        columns = ", ".join(column.name for column in resource.fields)
        lines.append(f"| {', '.join(resource.paths)} | {resource.title}. {resource.description} | {columns} |")
    return [*lines, ""]


def table_of_columns(resources: Sequence[Resource]) -> list[str]:
    """What each column means, in which unit; a meaning that tables share stands once."""
    meanings: dict[tuple[str, str], list[str]] = {}
    for resource in resources:
        for column in resource.fields:
            table = resource.name if resource.folder != "zones" else "zones"
            tables = meanings.setdefault((column.name, column.description), [])
            if table not in tables:
                tables.append(table)
    lines = ["| column | of | what it means |", "|---|---|---|"]
    lines += [f"| {name} | {', '.join(tables)} | {meaning} |" for (name, meaning), tables in meanings.items()]
    return [*lines, ""]


def told_of(spec: Told, *, zone: str, operators: Sequence[str]) -> dict[str, Any]:
    """The same for machines: part of the statement in datapackage.json."""
    return {
        "purpose": spec.purpose,
        "recipient": spec.recipient,
        "recipient_kind": spec.recipient_kind,
        "period": {"from": spec.first.isoformat(), "to": spec.last.isoformat(), "zone": zone},
        "operators": list(operators),
    }
