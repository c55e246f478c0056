"""Columns from a second file of the operator: who rode an MDS trip, whether an OCPI location is published.

A lookup is joined to the input by one column before anything is mapped; its columns are then mapped as if they stood in
the input. It is held in memory, never written: it may hold account ids (ruling 25). An id that the second file knows
twice with different answers is refused, since each row would come back twice.

Does not check that the second file is complete: rows it does not know get empty columns, and rules that say what to
``keep`` drop those.
"""

from __future__ import annotations

from dataclasses import replace

from anonkit.base.errors import SourceError
from anonkit.engine import Session, identifier
from anonkit.sources.files import OpenInput, open_columns
from anonkit.sources.spec import Lookup


def with_lookups(opened: OpenInput, lookups: dict[str, Lookup], *, session: Session) -> OpenInput:
    """The open input with the lookups' columns.

    Raises
    ------
    SourceError : a second file cannot be read, lacks a column, or answers an id in two ways.
    """
    for name, lookup in lookups.items():
        opened = _with_one(opened, name, lookup, session)
    return opened


def _with_one(opened: OpenInput, name: str, lookup: Lookup, session: Session) -> OpenInput:
    taken = sorted(set(lookup.columns) & {*opened.kinds, *opened.dropped_columns})
    if taken:
        raise SourceError(
            f"lookup {name!r} adds the columns {taken}, which {opened.path.name} has itself",
            hint=f"give them other names in the recipe: inputs[].lookups.{name}.columns",
        )
    second = open_columns(
        lookup.path,
        tuple(dict.fromkeys([lookup.id, *lookup.columns.values()])),
        session,
        encoding=lookup.encoding,
        delimiter=lookup.delimiter,
        records=lookup.records,
        owner=f"lookup {name!r}",
    )
    added = [identifier(new) for new in lookup.columns]
    picks = ", ".join(f"{_text(old)} AS {identifier(new)}" for new, old in lookup.columns.items())
    known = session.sql(
        f"SELECT DISTINCT {_text(lookup.id)} AS _looked_up, {picks} FROM {{file}} "
        f"WHERE _fault IS NULL AND {_text(lookup.id)} IS NOT NULL",
        file=second.frame,
    )
    if known.num_rows > len(known.column("_looked_up").unique()):
        raise SourceError(
            f"{lookup.path.name} answers some ids of lookup {name!r} in two ways", hint="keep one line an id"
        )
    frame = session.frame(
        f"SELECT f.*, {', '.join(f'l.{column}' for column in added)} FROM {{file}} f "
        f"LEFT JOIN {{known}} l ON {_text(lookup.on, 'f')} = l._looked_up",
        file=opened.frame,
        known=session.from_arrow(known),
    )
    return replace(opened, frame=frame, kinds={**opened.kinds, **dict.fromkeys(lookup.columns, "VARCHAR")})


def _text(name: str, table: str | None = None) -> str:
    column = f"{table}.{identifier(name)}" if table else identifier(name)
    return f"nullif(trim({column}::VARCHAR), '')"
