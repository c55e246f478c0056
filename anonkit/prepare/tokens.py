"""Identifiers become tokens of the run.

A token is the keyed hash (HMAC-SHA256, 60 bits of it) of an operator's own id, under a key that lives in memory for one
run and is written nowhere: without it a token can be neither reversed nor compared with another run's. Ids of two
operators never meet by accident, since the operator's name is part of the message; that the same person at two
operators is one person is the business of pooling.

Does not protect against linkage by behaviour: rows of one token are still rows of one person. Tokens stay inside.
"""

from __future__ import annotations

from dataclasses import replace

from anonkit.engine import identifier
from anonkit.schema import Column, Role, Table

TOKENS = ("trip", "person", "driver")
SEPARATOR = "\x1f"
RECORD_DIGITS = 10
"""Hexadecimal digits of a record key: 40 bits."""


def tokenise(table: Table, *, key: bytes, record_key: bytes | None = None) -> Table:
    """Replace ``trip``, ``person`` and ``driver`` by tokens; drop direct identifiers, vehicles and other pseudonyms.

    Parameters
    ----------
    table : trips as a source gives them, ids as the operator wrote them.
    key : 32 random bytes that live for the run only (``base.entropy.fresh_key``).
    record_key : 32 bytes that outlive the run and stay inside; adds ``record``, 40 bits by which counts are perturbed the
        same way in every release (``kanon.perturb``).

    Returns
    -------
    Table whose ``trip, person, driver`` are Int64 tokens. A null person stays null: no person (ruling 1). A row without
    a trip id has a token of its line number.

    Raises
    ------
    SchemaError : there is no ``person`` (or ``driver``, or ``trip``) column to count.

    Privacy
    -------
    Direct identifiers end here. The same id always gives the same token within a run, never across runs.
    """
    table.schema.require(table.schema.unit_column)
    session, names = table.session, table.frame.collect_schema().names()
    by_name = {column.name: column for column in table.schema}
    picks, columns = [], []
    prefix = SEPARATOR.join((table.schema.source or "", ""))
    for name in names:
        column = by_name.get(name)
        if name in TOKENS:
            text = f"{identifier(name)}::VARCHAR"
            if name == "trip" and "_line" in names:
                text = f"coalesce({text}, 'line{SEPARATOR}' || _line)"
            picks.append(
                f"{session.token_sql(text, key=key, prefix=f'{name}{SEPARATOR}{prefix}')} AS {identifier(name)}"
            )
            columns.append(by_name[name])
        elif column is None:
            picks.append(identifier(name))
        elif column.role not in (Role.DIRECT, Role.PSEUDONYM):
            picks.append(identifier(name))
            columns.append(column)
    if record_key is not None:
        unit = identifier(table.schema.unit_column) + "::VARCHAR"
        picks.append(f"{session.token_sql(unit, key=record_key, prefix=prefix, digits=RECORD_DIGITS)} AS record")
        columns.append(Column(name="record", role=Role.PSEUDONYM))
    frame = session.frame(f"SELECT {', '.join(picks)} FROM {{frame}}", frame=table.frame)
    return table.with_frame(frame, replace(table.schema, columns=tuple(columns)))
