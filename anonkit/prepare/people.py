"""One table of the people of an input: who may not be used and why, from when, and by which key of the pool he is known.

Identifiers come once, in one spelling each (plain ones in SQL, odd ones by the registry's own rule, which is passed in); they
are held against lists of subjects, the register's marks and the operator's accounts. What remains of a person is a rule, a
note, the instant of coming of age and a pseudonym of the pool, joined to the rows in the pass that tokenises them, before
anything is stored (rulings 25, 27). The table lives in memory and ends with the run.

Does not find a person under identifiers that the operator does not have, nor a namesake's mistake in a list.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import narwhals.stable.v2 as nw
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from anonkit.base.errors import SourceError
from anonkit.engine import Session, identifier
from anonkit.prepare.policy import Policy
from anonkit.prepare.retention import Clock, midnight_s

Normalise = Callable[[str, str], str]
"""(kind, value) → the one spelling; raises SourceError for what is none of its kind."""
Blocked = Callable[[str, list[str]], list[bool]]
"""(kind, values) → which of them are marked in the register, for one operator."""
KINDS = ("phone", "email", "account_id", "card_number")
LISTS = ("erasure", "restriction", "objection", "withdrawn_consent")
"""Lists of subjects, in the order in which their rules are told."""
BLOCKED = "blocked"
YES = ("yes", "y", "true", "t", "1", "bəli", "hə", "да", "da")
_PLAIN_PHONE = r"regexp_replace(trim(value), '[ ()./\-]', '', 'g')"
_AZ = r"(?:(?:\+|00)?994|0)(?:[16]0|4[04]|5[015]|7[07]|99)[0-9]{7}"
_ME = r"(?:(?:\+|00)?382|0)6(?:[07-9][0-9]|3[024]|6[0-25])[0-9]{5}"
# What these do not read is read by the registry's own rule, value by value; a test holds the two against each other.
FAST = (
    f"CASE kind WHEN 'phone' THEN CASE WHEN regexp_full_match({_PLAIN_PHONE}, '{_AZ}') THEN '+994' || right({_PLAIN_PHONE}, 9) "
    f"WHEN regexp_full_match({_PLAIN_PHONE}, '{_ME}') THEN '+382' || right({_PLAIN_PHONE}, 8) END "
    r"WHEN 'email' THEN CASE WHEN regexp_full_match(value, '[A-Za-z0-9_.+\-]+@[A-Za-z0-9.\-]+\.[A-Za-z0-9\-]+') THEN lower(value) END "
    "WHEN 'card_number' THEN CASE WHEN regexp_full_match(value, '[0-9 -]+') AND length(replace(replace(value, ' ', ''), '-', '')) "
    "BETWEEN 6 AND 19 THEN replace(replace(value, ' ', ''), '-', '') END "
    "WHEN 'account_id' THEN CASE WHEN regexp_full_match(value, '[!-~]+') THEN value END END"
)


@dataclass(frozen=True, kw_only=True)
class People:
    """The people of one input, in memory."""

    frame: nw.LazyFrame[Any]
    """``person, _pool, _person_rule, _person_note, _adult_s``; one row a person."""
    others: nw.LazyFrame[Any] | None
    """``number, text, rule``: listed identifiers of further people."""
    names: pa.Table
    """``person, kind, norm``: every identifier of everybody, in one spelling."""
    unreadable: int
    """Distinct identifiers in the input that are none of their kind."""
    not_evaluated: tuple[str, ...]
    """Rules of the policy for which the input gives no data."""


def normalised(values: pa.Table, *, session: Session, normalise: Normalise) -> pa.Table:
    """Distinct ``kind, value`` with ``norm``, the one spelling, or null where it is none of its kind."""
    found = session.sql(
        f"SELECT kind, value, {FAST} AS norm FROM (SELECT DISTINCT kind, value FROM {{values}} WHERE value IS NOT NULL)",
        values=session.from_arrow(values.select(["kind", "value"])),
    )
    odd = found.filter(pc.is_null(found.column("norm")))
    if not odd.num_rows:
        return found
    spelt: list[str | None] = []
    for kind, value in zip(odd.column("kind").to_pylist(), odd.column("value").to_pylist(), strict=True):
        try:
            spelt.append(normalise(kind, value))
        except SourceError:
            spelt.append(None)
    odd = odd.set_column(2, "norm", pa.array(spelt, pa.string()))
    return pa.concat_tables([found.filter(pc.is_valid(found.column("norm"))), odd.cast(found.schema)])


def read_listed(lists: Mapping[str, Path], *, session: Session, normalise: Normalise) -> pa.Table:
    """All lists of subjects as ``rule, entry, operator, kind, norm``; CSV or Parquet with any of the identifiers' columns.

    An entry addressed to one ``operator`` counts for that operator's inputs; with an empty one for all.

    Raises
    ------
    SourceError : a list has no column of identifiers, an entry names nobody or cannot be read; never repeats a value.
    """
    tables = []
    for rule, path in lists.items():
        table = read_texts(path)
        here = [kind for kind in KINDS if kind in table.column_names]
        if not here:
            raise SourceError(f"{path.name} has none of the columns {list(KINDS)}", hint="name them in its first line")
        given = ", ".join(f"nullif(trim({kind}), '') AS {kind}" for kind in here)
        owner = "nullif(trim(operator), '')" if "operator" in table.column_names else "NULL::VARCHAR"
        numbered = table.append_column("_entry", pa.array(range(1, table.num_rows + 1), pa.int64()))
        long = session.sql(
            f"WITH entries AS (SELECT _entry, {owner} AS operator, {given} FROM {{list}}) "
            + " UNION ALL ".join(
                f"SELECT _entry, operator, '{kind}' AS kind, {kind} AS value FROM entries" for kind in here
            ),
            list=session.from_arrow(numbered),
        )
        spelt = normalised(long, session=session, normalise=normalise)
        joined = session.sql(
            "SELECT l._entry, l.operator, l.kind, l.value, s.norm FROM {long} l LEFT JOIN {spelt} s USING (kind, value)",
            long=session.from_arrow(long),
            spelt=session.from_arrow(spelt),
        )
        faults = session.rows(
            "SELECT _entry, any_value(CASE WHEN value IS NOT NULL AND norm IS NULL THEN kind END) FROM {joined} GROUP BY 1 "
            "HAVING count(value) = 0 OR count(*) FILTER (value IS NOT NULL AND norm IS NULL) > 0 ORDER BY 1 LIMIT 1",
            joined=session.from_arrow(joined),
        )
        if faults:
            entry, kind = faults[0]
            what = f"a value of kind {kind} cannot be read as one" if kind else "names nobody"
            raise SourceError(f"{path.name}, entry {entry}: {what}", hint="correct the list; it would match nobody")
        tables.append(
            session.sql(
                f"SELECT DISTINCT '{rule}' AS rule, _entry AS entry, operator, kind, norm FROM {{joined}} WHERE norm IS NOT NULL",
                joined=session.from_arrow(joined),
            )
        )
    types = {name: pa.string() for name in ("rule", "entry", "operator", "kind", "norm")} | {"entry": pa.int64()}
    empty = pa.table({name: pa.array([], type_) for name, type_ in types.items()})
    return pa.concat_tables([empty, *(table.cast(empty.schema) for table in tables)])


def gather_people(
    rows: pa.Table,
    accounts: pa.Table | None,
    others: pa.Table | None,
    *,
    other_kinds: tuple[str, ...],
    operator: str,
    listed: pa.Table,
    blocked: Blocked | None,
    policy: Policy | None,
    use: str | None,
    clocks: tuple[Clock, ...],
    as_of: datetime,
    zone: str,
    pool_key: bytes | None,
    normalise: Normalise,
    session: Session,
) -> People:
    """The table of people of one input.

    Parameters
    ----------
    rows : distinct ``person`` and identifiers of the rows. accounts : the operator's accounts; see `sources.people`.
    others, other_kinds : distinct identifiers of further people, and the kind of each numbered column.
    listed : from `read_listed`. blocked : asks the subject register. policy, use, clocks, as_of : the operator's promises.
    pool_key : the pool's; None: nobody of this input is matched.

    Privacy
    -------
    Identifiers in one spelling stay in ``names``, in memory. A person with several numbers has no pseudonym of the pool:
    nobody could say which of them another operator knows.
    """
    names, unreadable = _names(rows, accounts, session=session, normalise=normalise)
    marks = [_matches(names, listed, operator, session)]
    if blocked is not None:
        marks.append(_marked(names, blocked))
    ranks = {rule: rank for rank, rule in enumerate((*LISTS[:1], BLOCKED, *LISTS[1:]))}
    hits = pa.concat_tables(marks)
    facts, consents, missing = _facts(accounts, policy, use, session)
    adult_s, late = _ages(facts, policy, zone, session)
    today = as_of.astimezone(ZoneInfo(zone)).date().isoformat()
    cases = [f"WHEN h.rank = {rank} THEN '{rule}'" for rule, rank in ranks.items() if rule != "withdrawn_consent"]
    cases.append(
        f"WHEN h.rank = {ranks['withdrawn_consent']} OR a.withdrawn_on <= DATE '{today}' THEN 'withdrawn_consent'"
    )
    cases += [f"WHEN NOT coalesce(a.{identifier('consent_' + name)}, false) THEN 'consent:{name}'" for name in consents]
    account_clocks = [clock for clock in clocks if clock.of_account]
    cases += [f"WHEN {c.sql('a.deleted_on', zone)} THEN '{c.rule}'" for c in account_clocks if c.effect == "drop"]
    notes = [f"WHEN {c.sql('a.deleted_on', zone)} THEN '{c.rule}'" for c in account_clocks if c.effect == "note"]
    note = f"CASE {' '.join(notes)} END" if notes else "NULL::VARCHAR"
    pool = "NULL::VARCHAR"
    if pool_key is not None:
        pool = f"CASE WHEN n.phones = 1 THEN {session.hmac_sql('n.phone', key=pool_key)} END"
    rank = " ".join(f"WHEN '{rule}' THEN {number}" for rule, number in ranks.items())
    table = session.sql(
        "WITH everybody AS (SELECT person, count(DISTINCT norm) FILTER (kind = 'phone') AS phones, "
        "min(norm) FILTER (kind = 'phone') AS phone FROM {names} GROUP BY person), "
        f"h AS (SELECT person, min(CASE rule {rank} END) AS rank FROM {{hits}} GROUP BY person) "
        f"SELECT n.person, {pool} AS _pool, CASE {' '.join(cases)} END AS _person_rule, {note} AS _person_note, "
        "y.adult_s AS _adult_s FROM everybody n LEFT JOIN h USING (person) LEFT JOIN {facts} a USING (person) "
        "LEFT JOIN {ages} y ON a.birth_date = y.birth_date",
        names=session.from_arrow(names),
        hits=session.from_arrow(hits),
        facts=session.from_arrow(facts),
        ages=session.from_arrow(adult_s),
    )
    apart = None
    if others is not None and others.num_rows:
        apart = session.from_arrow(_listed_others(others, other_kinds, operator, listed, blocked, session, normalise))
    skipped = list(missing) + ([f"minor: {late}"] if late else [])
    for clock in account_clocks:
        if accounts is None or "deleted_on" not in accounts.column_names:
            skipped.append(f"{clock.rule}: no dates of deleted accounts are mapped")
    return People(
        frame=session.from_arrow(table), others=apart, names=names, unreadable=unreadable, not_evaluated=tuple(skipped)
    )


def _names(
    rows: pa.Table, accounts: pa.Table | None, *, session: Session, normalise: Normalise
) -> tuple[pa.Table, int]:
    """``person, kind, norm`` from rows and accounts; everybody has at least his account id."""
    parts, tables = [], {"rows": session.from_arrow(rows)}
    own = "account_id" if "account_id" in rows.column_names else "person"
    parts.append(f"SELECT person, 'account_id' AS kind, {own} AS value FROM {{rows}}")
    parts += [f"SELECT person, '{k}', {k} FROM {{rows}}" for k in KINDS if k in rows.column_names and k != "account_id"]
    if accounts is not None:
        tables["accounts"] = session.from_arrow(accounts)
        parts.append("SELECT a.person, 'account_id', a.person FROM {accounts} a SEMI JOIN {rows} r USING (person)")
        parts += [
            f"SELECT a.person, '{kind}', a.{kind} FROM {{accounts}} a SEMI JOIN {{rows}} r USING (person)"
            for kind in KINDS
            if kind in accounts.column_names
        ]
    long = session.sql(f"SELECT DISTINCT * FROM ({' UNION ALL '.join(parts)}) WHERE value IS NOT NULL", **tables)
    spelt = normalised(long, session=session, normalise=normalise)
    names = session.sql(
        "SELECT DISTINCT person, kind, norm FROM {long} JOIN {spelt} USING (kind, value) "
        "WHERE norm IS NOT NULL OR kind = 'account_id'",
        long=session.from_arrow(long),
        spelt=session.from_arrow(spelt),
    )
    return names, int(pc.sum(pc.is_null(spelt.column("norm")).cast(pa.int64())).as_py() or 0)


def _matches(names: pa.Table, listed: pa.Table, operator: str, session: Session) -> pa.Table:
    quoted = operator.replace("'", "''")
    return session.sql(
        "SELECT DISTINCT n.person, l.rule FROM {names} n JOIN {listed} l ON n.kind = l.kind AND n.norm = l.norm "
        f"WHERE l.operator IS NULL OR l.operator = '{quoted}'",
        names=session.from_arrow(names),
        listed=session.from_arrow(listed),
    )


def _marked(names: pa.Table, blocked: Blocked) -> pa.Table:
    """People of whom an identifier is marked in the register."""
    found: set[str] = set()
    for kind in KINDS:
        mine = names.filter(pc.equal(names.column("kind"), kind)).drop_null()
        values = mine.column("norm").to_pylist()
        people = mine.column("person").to_pylist()
        found |= {person for person, hit in zip(people, blocked(kind, values), strict=True) if hit}
    return pa.table(
        {"person": pa.array(sorted(found), pa.string()), "rule": pa.array([BLOCKED] * len(found), pa.string())}
    )


def _listed_others(
    others: pa.Table,
    kinds: tuple[str, ...],
    operator: str,
    listed: pa.Table,
    blocked: Blocked | None,
    session: Session,
    normalise: Normalise,
) -> pa.Table:
    """Texts of columns of further people that belong to somebody listed or marked: ``number, text, rule``."""
    kind = " ".join(f"WHEN {number} THEN '{name}'" for number, name in enumerate(kinds))
    long = session.sql(
        f"SELECT number, text, CASE number {kind} END AS kind, text AS value FROM {{others}}",
        others=session.from_arrow(others),
    )
    spelt = normalised(long, session=session, normalise=normalise)
    names = session.sql(
        "SELECT number || '/' || text AS person, kind, norm FROM {long} JOIN {spelt} USING (kind, value)",
        long=session.from_arrow(long),
        spelt=session.from_arrow(spelt),
    )
    hits = [_matches(names, listed, operator, session)]
    if blocked is not None:
        hits.append(_marked(names, blocked))
    return session.sql(
        "SELECT split_part(person, '/', 1)::BIGINT AS number, substr(person, strpos(person, '/') + 1) AS text, min(rule) AS rule "
        "FROM {hits} GROUP BY ALL",
        hits=session.from_arrow(pa.concat_tables(hits)),
    )


def _facts(
    accounts: pa.Table | None, policy: Policy | None, use: str | None, session: Session
) -> tuple[pa.Table, tuple[str, ...], list[str]]:
    """Dates and consents of each account, the consents that this use needs, and those that nothing tells."""
    names = accounts.column_names if accounts is not None else []
    asked = [
        entry.name
        for entry in (policy.consents if policy else ())
        if not entry.uses or use is None or use in entry.uses
    ]
    if use is not None and f"consent_{use}" in names:
        asked.append(use)
    asked = list(dict.fromkeys(asked))
    missing = [f"consent:{name}: no such consent is mapped" for name in asked if f"consent_{name}" not in names]
    consents = tuple(name for name in asked if f"consent_{name}" in names)
    picks = ["person"]
    yes = ", ".join(f"'{word}'" for word in YES)
    for name in ("birth_date", "deleted_on", "withdrawn_on"):
        value = f"coalesce(TRY_CAST({name} AS DATE), TRY_CAST({name} AS TIMESTAMP)::DATE)"
        chosen = "max" if name == "birth_date" else "min"
        picks.append(f"{chosen}({value}) AS {name}" if name in names else f"NULL::DATE AS {name}")
        if name in names and accounts is not None:
            bad = session.value(
                f"SELECT count(*) FROM {{a}} WHERE {name} IS NOT NULL AND {value} IS NULL",
                a=session.from_arrow(accounts),
            )
            if bad:
                raise SourceError(
                    f"the list of accounts has {bad:,} values of {name} that are no dates", hint="write YYYY-MM-DD"
                )
    for name in consents:
        column = identifier("consent_" + name)
        picks.append(f"bool_and(coalesce(lower({column}) IN ({yes}), false)) AS {column}")
    source = accounts if accounts is not None else pa.table({"person": pa.array([], pa.string())})
    facts = session.sql(f"SELECT {', '.join(picks)} FROM {{a}} GROUP BY person", a=session.from_arrow(source))
    return facts, consents, missing


def _ages(facts: pa.Table, policy: Policy | None, zone: str, session: Session) -> tuple[pa.Table, str | None]:
    """``birth_date, adult_s``: the epoch second from which somebody born that day may be used."""
    born: list[date] = []
    late = None
    if policy is not None and policy.minimum_age is not None:
        born = [day for day in pc.unique(facts.column("birth_date")).to_pylist() if day is not None]
        late = None if born else "no dates of birth are mapped"
        years = policy.minimum_age.years
        of_age = [midnight_s(_birthday(day, years), zone) for day in born]
    else:
        of_age = []
    return pa.table({"birth_date": pa.array(born, pa.date32()), "adult_s": pa.array(of_age, pa.int64())}), late


def _birthday(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # born on the 29th of February: of age on the 1st of March
        return date(day.year + years, 3, 1)


def read_texts(path: Path) -> pa.Table:
    """A list as a table of texts."""
    if not path.is_file():
        raise SourceError(f"there is no list {path.name}", hint="paths are relative to the recipe")
    try:
        if path.suffix == ".parquet":
            table = pq.read_table(path)
        else:
            with path.open(newline="", encoding="utf-8-sig") as stream:
                header = next(csv.reader(stream), [])
            types = dict.fromkeys(header, pa.string())
            table = pa.csv.read_csv(path, convert_options=pa.csv.ConvertOptions(column_types=types))
    except (pa.ArrowInvalid, UnicodeDecodeError):
        raise SourceError(f"{path.name} is not a readable list", hint="UTF-8, commas, one entry a line") from None
    return table.cast(pa.schema([(name, pa.string()) for name in table.column_names]))
