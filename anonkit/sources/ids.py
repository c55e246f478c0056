"""Refuse to release what identifies: patterns of identifiers, row ids, and ids that are made of other columns.

An operator's session id such as ``<station>_<start time>`` looks like a category to nobody but the person who maps it by
mistake. Before anything is read, the first lines of each column that the recipe wants to release are looked at; an
identifier among them refuses the input. Errors name columns, never values.

Looks at the first lines only: the gate scans the written files whole.
"""

from __future__ import annotations

from typing import Any

from anonkit.base.errors import SourceError
from anonkit.engine import Session, identifier
from anonkit.schema.patterns import scan_column
from anonkit.sources.files import OpenInput
from anonkit.sources.spec import InputSpec

SAMPLE_ROWS, FEWEST_ROWS = 2_000, 50
UNIQUE_SHARE, MADE_SHARE = 0.9, 0.5
PARTS = ("trip", "visit", "person", "driver", "vehicle", "party", "place", "start_place", "end_place", "start", "end")
SHORTEST_PART = 3


def refuse_identifying(spec: InputSpec, opened: OpenInput, *, session: Session) -> None:
    """Look at the first lines of what the recipe wants to release.

    Raises
    ------
    SourceError : a column holds phones, cards, …; is an id of the row; or is made of other columns.
    """
    released = {name: extra.column for name, extra in spec.also.items()}
    if "mode" in spec.columns:
        released["mode"] = spec.columns["mode"]
    if not released:
        return
    parts = {name: spec.columns[name] for name in PARTS if name in spec.columns}
    columns = list(dict.fromkeys([*released.values(), *parts.values()]))
    picks = ", ".join(f"{identifier(column)}::VARCHAR AS c{number}" for number, column in enumerate(columns))
    table = session.sql(f"SELECT {picks} FROM {{file}} WHERE _fault IS NULL LIMIT {SAMPLE_ROWS}", file=opened.frame)
    values = {column: table.column(number).to_pylist() for number, column in enumerate(columns)}
    for name, column in released.items():
        numeric = name in spec.also and spec.also[name].kind != "text"
        found = _fault(column, values[column], {p: values[c] for p, c in parts.items() if c != column}, numeric=numeric)
        if found is not None:
            raise SourceError(
                f"{spec.path.name}: column {column!r}, mapped to {name!r} to be released, {found}",
                hint="take it out of inputs[].also; an id may be mapped as trip, visit or person, which become tokens",
            )


def _fault(column: str, values: list[Any], parts: dict[str, list[Any]], *, numeric: bool) -> str | None:
    known = [value for value in values if value is not None and value != ""]
    if not numeric:
        patterns = scan_column(column, sorted(set(known)), kind="text")
        if patterns:
            return f"holds identifiers ({', '.join(sorted(patterns))})"
    if len(known) < FEWEST_ROWS:
        return None
    for name, others in parts.items():
        pairs = [(str(v), str(o).strip()) for v, o in zip(values, others, strict=True) if v and o]
        pairs = [(v, _core(o, name)) for v, o in pairs if len(o) >= SHORTEST_PART]
        if len(pairs) >= FEWEST_ROWS and sum(o in v for v, o in pairs) > MADE_SHARE * len(pairs):
            return f"is made of the column of {name!r}"
    if not numeric and len(set(known)) > UNIQUE_SHARE * len(known):
        return "has a different value in almost every row: it is an id"
    return None


def _core(text: str, name: str) -> str:
    """Of a time: its date, which survives another zone's clock or a finer fraction."""
    return text[:10] if name in ("start", "end") else text
