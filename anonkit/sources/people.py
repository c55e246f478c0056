"""Who is in an input, by which identifiers, and what the operator's list of accounts says of them.

Read beside the rows, distinct and into memory only, because lists of subjects, ages, consents and the matching of persons
between operators need identifiers that must not travel with the rows. Nothing of it is stored; it ends with the run.

Does not protect anybody by itself: these are the direct identifiers. `prepare.people` turns them into rules and keys.
"""

from __future__ import annotations

import pyarrow as pa

from anonkit.engine import Session, identifier
from anonkit.schema import Table
from anonkit.sources.columns import id_sql, source_sql
from anonkit.sources.files import OpenInput, open_columns
from anonkit.sources.spec import IDENTIFIERS, OTHER, AccountFile, InputSpec

DATES = ("birth_date", "deleted_on", "withdrawn_on")
CONSENT = "consent_"


def people_of_rows(
    spec: InputSpec, opened: OpenInput, *, session: Session, kinds: frozenset[str] | None = None
) -> pa.Table:
    """Distinct ``person`` and identifiers of an input's rows; one column of text for each kind that is mapped.

    ``kinds`` : identifiers that anybody asks for; None: all.

    Privacy
    -------
    Direct identifiers, in memory. ``person`` is the operator's own id, written as the rows write it.
    """
    wanted: dict[str, str] = {"person": spec.columns["person"]}
    wanted.update((kind, column) for kind, column in spec.identifiers.items() if kinds is None or kind in kinds)
    picks = ", ".join(
        f"{id_sql(source_sql(spec, column, opened.kinds), somebody=name == 'person')} AS {name}"
        for name, column in wanted.items()
    )
    return session.sql(
        f"SELECT * FROM (SELECT DISTINCT {picks} FROM {{rows}} WHERE _fault IS NULL) WHERE person IS NOT NULL",
        rows=opened.frame,
    )


def others_of_rows(table: Table) -> pa.Table | None:
    """Distinct identifiers of further people: ``number`` of the column, ``text``; None where no such column is mapped."""
    here = [name for name in table.frame.collect_schema().names() if name.startswith(OTHER)]
    if not here:
        return None
    each = " UNION ".join(
        f"SELECT {name.removeprefix(OTHER)}::BIGINT AS number, {name} AS text FROM seen" for name in here
    )
    return table.session.sql(
        f"WITH seen AS MATERIALIZED (SELECT DISTINCT {', '.join(here)} FROM {{rows}}) "
        f"SELECT * FROM ({each}) WHERE text IS NOT NULL",
        rows=table.frame,
    )


def read_accounts(accounts: AccountFile, *, session: Session) -> pa.Table:
    """The list of accounts as texts: ``person``, identifiers, dates, and ``consent_<name>`` for each consent.

    Raises
    ------
    SourceError : the file cannot be read or lacks a column.
    """
    wanted = {"person": accounts.id}
    wanted |= {name: getattr(accounts, name) for name in (*IDENTIFIERS, *DATES) if getattr(accounts, name, None)}
    wanted |= {CONSENT + name: column for name, column in accounts.consents.items()}
    opened = open_columns(
        accounts.path,
        tuple(dict.fromkeys(wanted.values())),
        session,
        encoding=accounts.encoding,
        delimiter=accounts.delimiter,
        records=accounts.records,
        owner="the list of accounts",
    )
    picks = ", ".join(
        f"{id_sql(identifier(column), somebody=name == 'person')} AS {identifier(name)}"
        for name, column in wanted.items()
    )
    return session.sql(
        f"SELECT * FROM (SELECT {picks} FROM {{file}} WHERE _fault IS NULL) WHERE person IS NOT NULL", file=opened.frame
    )
