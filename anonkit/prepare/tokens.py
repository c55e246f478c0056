"""Identifiers become tokens of the run.

A token is the keyed hash (HMAC-SHA256, 60 bits of it) of an operator's own id, under a key that lives in memory for one
run and is written nowhere: without it a token can be neither reversed nor compared with another run's. Ids of two
operators never meet by accident, since the operator's name is part of the message; that the same person at two
operators is one person is the business of `prepare.pooling`.

Does not protect against linkage by behaviour: rows of one token are still rows of one person. Tokens stay inside.
"""

from __future__ import annotations

from dataclasses import replace

from anonkit.engine import Session, identifier
from anonkit.prepare.together import RIDES
from anonkit.schema import Column, Role, Table

TOKENS = ("trip", "person", "driver")
SEPARATOR = "\x1f"
POOL, IDENTIFYING = "_pool", "_id_"
"""Internal columns that end here: a person's pseudonym in the pool, and identifiers of people."""
RECORD_DIGITS = 10
"""Hexadecimal digits of a record key: 40 bits."""


def person_message(source: str, *, pooled: bool) -> str:
    """SQL of the text that a person's token hashes: his pseudonym in the pool, or his id under the operator's name.

    A pseudonym begins where no operator's name can, so the two never meet.
    """
    own = f"'{source.replace(chr(39), 2 * chr(39))}{SEPARATOR}' || person::VARCHAR"
    return f"CASE WHEN {POOL} IS NOT NULL THEN '{SEPARATOR}pool{SEPARATOR}' || {POOL} ELSE {own} END" if pooled else own


def trip_token_sql(session: Session, text: str, *, source: str, counted: bool, key: bytes) -> str:
    """SQL of the token of a trip's id, the same for trips and for the fixes that name them.

    ``counted`` : trips are what k counts, so a token is made; else an order is enough.
    """
    make = session.token_sql if counted else session.order_sql
    return make(text, key=key, prefix=SEPARATOR.join(("trip", source, "")))


def tokenise(
    table: Table,
    *,
    key: bytes,
    record_key: bytes | None = None,
    by_distinct: bool = False,
    together: tuple[str, ...] = (),
) -> Table:
    """Replace ``trip``, ``person`` and ``driver`` by tokens; drop direct identifiers, vehicles and other pseudonyms.

    Parameters
    ----------
    table : trips as a source gives them, ids as the operator wrote them.
    key : 32 random bytes that live for the run only (``base.entropy.fresh_key``). A column ``_pool`` (from
        `apply_promises`) stands for the person's id where it is not null, and makes him one person for all operators.
    record_key : 32 bytes that outlive the run and stay inside; adds ``record``, 40 bits by which counts are perturbed the
        same way in every release (``kanon.perturb``), and orders trips, so that thinning keeps the same ones.
    by_distinct : hash each distinct id once and join it back; pays where a second scan of the ids is cheap (Parquet).
    together : signs of `prepare.together` by which companions are known; adds ``_ride_party``, ``_ride_vehicle``, tokens of
        a booking and of a vehicle with its start and end, where the table has them and persons are counted.

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
    prefix = SEPARATOR.join((table.schema.source or "", ""))
    unit, pooled = table.schema.unit_column, POOL in names
    hashes: dict[str, dict[str, str]] = {}
    texts: dict[str, str] = {}
    for name in (name for name in TOKENS if name in names):
        text = f"{identifier(name)}::VARCHAR"
        if name == "trip":
            text = f"coalesce({text}, 'line{SEPARATOR}' || _line)" if "_line" in names else text
            source = table.schema.source or ""
            made = trip_token_sql(session, text, source=source, counted=unit == "trip", key=record_key or key)
            hashes[name] = {name: made}
        else:
            before = prefix
            if name == "person" and pooled:
                text, before = person_message(table.schema.source or "", pooled=True), ""
            texts[name] = text
            hashes[name] = {name: session.token_sql(text, key=key, prefix=f"{name}{SEPARATOR}{before}")}
            if name == unit and record_key is not None:
                hashes[name]["record"] = session.token_sql(text, key=record_key, prefix=before, digits=RECORD_DIGITS)
        if name == "trip" and name == unit and record_key is not None:
            hashes[name]["record"] = session.token_sql(text, key=record_key, prefix=prefix, digits=RECORD_DIGITS)
    joined = tuple(name for name in hashes if name != "trip") if by_distinct else ()
    picks, columns = [], []
    for name in names:
        column = by_name.get(name)
        if name in hashes:
            for kept, expression in hashes[name].items():
                picks.append(f"t_{name}._{kept} AS {kept}" if name in joined else f"{expression} AS {kept}")
                columns.append(by_name.get(kept, Column(name=kept, role=Role.PSEUDONYM)))
        elif name == POOL or name.startswith(IDENTIFYING):
            continue
        elif column is None:
            picks.append(f"f.{identifier(name)}")
        elif column.role not in (Role.DIRECT, Role.PSEUDONYM):
            picks.append(f"f.{identifier(name)}")
            columns.append(column)
    if unit == "person":
        picks += _rides(table, key, together)
    ids = "".join(f", {texts[name]} AS _id_{name}" for name in joined)
    query = f"SELECT {', '.join(picks)} FROM (SELECT *{ids} FROM {{frame}}) f"
    for name in joined:
        of_id = [expression.replace(f"({texts[name]})", "(id)") for expression in hashes[name].values()]
        made = ", ".join(f"{expression} AS _{alias}" for alias, expression in zip(hashes[name], of_id, strict=True))
        distinct = f"SELECT DISTINCT {texts[name]} AS id FROM {{frame}}"  # nobody is one of them, and meets nobody
        query += f" LEFT JOIN (SELECT id, {made} FROM ({distinct})) t_{name} ON f._id_{name} = t_{name}.id"
    frame = session.frame(query, frame=table.frame)
    return table.with_frame(frame, replace(table.schema, columns=tuple(columns)))


def _rides(table: Table, key: bytes, together: tuple[str, ...]) -> list[str]:
    """SQL of the tokens of rides that several people may share; null where one of their parts is."""
    names, prefix = table.frame.collect_schema().names(), f"ride{SEPARATOR}{table.schema.source or ''}{SEPARATOR}"
    parts = {"party": ("party",), "vehicle": ("vehicle", "start_s", "end_s")}
    picks = []
    for sign in (sign for sign in together if sign in parts and set(parts[sign]) <= set(names)):
        told = " AND ".join(f"{name} IS NOT NULL" for name in parts[sign])
        text = f" || '{SEPARATOR}' || ".join(f"{name}::VARCHAR" for name in parts[sign])
        token = table.session.order_sql(text, key=key, prefix=f"{prefix}{sign}{SEPARATOR}")
        picks.append(f"CASE WHEN {told} THEN {token} END AS _{RIDES[sign]}")
    return picks
