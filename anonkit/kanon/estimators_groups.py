"""What the search fetches from the engine: groups of rows as packed codes, never rows and never raw values.

The engine looks each value up in a small list (value → base value number), packs the numbers of all columns into one
integer (more where 62 bits are too few), numbers the persons, and groups. One group costs 8 bytes for its class, 4 for
each unit, sensitive column and fleet, and 4 for its count. The groups are counted before they are fetched; above a
quarter of the memory limit they are refused with the coarser base level that would fit. The groups are as personal as
the rows: they stay inside.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from anonkit.base.errors import SchemaError
from anonkit.engine import Session, identifier
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.schema import Table

_KEY_LIMIT = 2**62
_DEFAULT_LIMIT = 4 * 2**30
_MARGIN = 1.1
"""Of estimated counts of groups."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Values:
    """The values of one column that occur, and their numbers."""

    raw: pa.ChunkedArray
    numbers: np.ndarray
    size: int
    """Number of base values."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Grouping:
    """How a table's columns become groups."""

    data: Table
    columns: Mapping[str, Values]
    hierarchies: Mapping[str, Hierarchy]
    beside: Mapping[str, Values]
    """Sensitive columns and the groups of operators."""
    units: Mapping[str, str]
    """``person``, ``driver`` → column."""
    words: tuple[tuple[str, ...], ...]
    """Columns packed into each integer, lowest part first."""
    lists: dict[str, Any] = field(default_factory=dict, repr=False)
    """Lists held in the engine."""

    @property
    def group_bytes(self) -> int:
        """Bytes of one group."""
        return 8 * len(self.words) + 4 * (len(self.units) + len(self.beside) + 1)


@dataclass(frozen=True, eq=False, kw_only=True)
class Groups:
    """What was fetched: codes by column (or packed), units, sensitive numbers and counts, aligned."""

    packed: np.ndarray | None
    codes: Mapping[str, np.ndarray]
    units: Mapping[str, np.ndarray]
    beside: Mapping[str, np.ndarray]
    count: np.ndarray


def occurring(data: Table, names: Sequence[str]) -> dict[str, pa.ChunkedArray]:
    """The distinct values of columns, a null among them, in one scan; in no order that tells of rows."""
    if not names:
        return {}
    listed = ", ".join(
        f"list(DISTINCT {identifier(n)}) AS v{i}, count(*) > count({identifier(n)}) AS n{i}"
        for i, n in enumerate(names)
    )
    answer = data.session.sql(f"SELECT {listed} FROM {{rows}}", rows=data.frame)
    found = {}
    for i, name in enumerate(names):
        values = answer.column(f"v{i}").combine_chunks().flatten()
        values = values.filter(values.is_valid()).sort()
        missing = pa.nulls(int(answer.column(f"n{i}")[0].as_py()), values.type)
        found[name] = pa.chunked_array([values, missing], values.type)
    return found


def grouping(
    data: Table,
    hierarchies: Mapping[str, Hierarchy],
    found: Mapping[str, pa.ChunkedArray],
    numbers: Mapping[str, np.ndarray],
    beside: Mapping[str, Values],
    units: Mapping[str, str],
) -> Grouping:
    """The plan of a group-by; ``numbers``: base value number of each value of ``found``."""
    words: list[list[str]] = []
    span = _KEY_LIMIT
    for name, hierarchy in hierarchies.items():
        size = max(hierarchy.sizes[0], 1)
        if span * size >= _KEY_LIMIT:
            words.append([])
            span = 1
        words[-1].append(name)
        span *= size
    columns = {name: Values(raw=found[name], numbers=numbers[name], size=h.sizes[0]) for name, h in hierarchies.items()}
    return Grouping(
        data=data,
        columns=columns,
        hierarchies=hierarchies,
        beside=beside,
        units=units,
        words=tuple(tuple(word) for word in words),
    )


def planned(plan: Grouping) -> dict[str, Any]:
    """Groups and bytes that the engine would hand over, and the most it may; nothing is fetched."""
    try:
        return _planned(plan)
    finally:
        _forget(plan)


def fetch(plan: Grouping) -> Groups:
    """Group in the engine and fetch; refused where it does not fit, which is known before."""
    try:
        return _fetched(plan)
    finally:
        _forget(plan)


def _planned(plan: Grouping) -> dict[str, Any]:
    query, tables = _coded_sql(plan)
    distinct = f"SELECT count(*) FROM (SELECT DISTINCT * FROM ({query}))"
    return _told(plan, int(plan.data.session.value(distinct, **tables)))


def _fetched(plan: Grouping) -> Groups:
    session = plan.data.session
    told = _told(plan, int(session.value("SELECT count(*) FROM {rows}", rows=plan.data.frame)))
    if told["bytes"] > told["limit"]:  # there are no more groups than rows, often far fewer
        told = _planned(plan)
    if told["bytes"] > told["limit"]:
        raise SchemaError(
            f"the search's input is {told['groups']:,} groups, {told['bytes'] / 2**20:,.0f} MiB; a quarter of the memory "
            f"limit is {told['limit'] / 2**20:,.0f} MiB",
            hint=coarser_base(plan, told),
            **told,
        )
    query, tables = _coded_sql(plan)
    arrow = session.sql(f"SELECT *, count(*)::INTEGER AS n FROM ({query}) GROUP BY ALL", **tables)
    words = [arrow.column(f"w{i}").to_numpy() for i in range(len(plan.words))]
    codes: dict[str, np.ndarray] = {}
    if len(words) != 1:
        for word, names in zip(words, plan.words, strict=True):
            codes |= unpacked(word, names, [plan.columns[name].size for name in names])
    return Groups(
        packed=words[0] if len(words) == 1 else None,
        codes={name: codes[name] for name in plan.columns} if codes else {},
        units={unit: arrow.column(f"u_{unit}").to_numpy() for unit in plan.units},
        beside={name: arrow.column(f"b{i}").to_numpy() for i, name in enumerate(plan.beside)},
        count=arrow.column("n").to_numpy(),
    )


def unpacked(word: np.ndarray, names: Sequence[str], sizes: Sequence[int]) -> dict[str, np.ndarray]:
    """Base value numbers by column of packed codes.

    >>> {name: codes.tolist() for name, codes in unpacked(np.array([7, 4]), ["zone", "hour"], [3, 4]).items()}
    {'zone': [1, 1], 'hour': [2, 1]}
    """
    found, span = {}, 1
    for name, size in zip(names, sizes, strict=True):
        found[name] = (word // span % size).astype(np.int32)
        span *= max(size, 1)
    return found


def coarser_base(plan: Grouping, told: Mapping[str, Any]) -> str:
    """The least coarse base level with which the groups would fit, by an estimate of their numbers in one scan."""
    session = plan.data.session
    query, tables = _coded_sql(plan)
    others = [*(f"u_{unit}" for unit in plan.units), *(f"b{i}" for i in range(len(plan.beside)))]
    joins: list[str] = []
    for i, (name, hierarchy) in enumerate(plan.hierarchies.items()):
        word = next(w for w, names in enumerate(plan.words) if name in names)
        lower = plan.words[word][: plan.words[word].index(name)]
        span = math.prod(max(plan.columns[n].size, 1) for n in lower)
        levels = {f"l{level}": codes for level, codes in enumerate(hierarchy.codes)}
        tables[f"h{i}"] = session.from_arrow(pa.table({"code": np.arange(hierarchy.sizes[0])} | levels))
        joins.append(f"JOIN {{h{i}}} h{i} ON h{i}.code = w{word} // {span} % {max(plan.columns[name].size, 1)}")
    heights = {name: h.height for name, h in plan.hierarchies.items()}
    tries = [{name: level} for name, height in heights.items() for level in range(1, height)]
    tries += [{n: min(level, h - 1) for n, h in heights.items()} for level in range(1, max(heights.values()))]
    counted = []
    for number, chosen in enumerate(tries):
        keys = [f"h{i}.l{chosen.get(name, 0)}" for i, name in enumerate(plan.hierarchies)]
        counted.append(f"approx_count_distinct(hash({', '.join([*keys, *others])})) AS t{number}")
    answer = session.rows(f"SELECT {', '.join(counted)} FROM ({query}) t {' '.join(joins)}", **tables)[0]
    room = told["limit"] / (_MARGIN * plan.group_bytes)
    fitting = [(sum(t.values()), -groups, t) for t, groups in zip(tries, answer, strict=True) if groups <= room]
    if not fitting:
        return "no level of these hierarchies would fit: a higher memory_limit, or fewer columns."
    _, groups, best = min(fitting, key=lambda fit: fit[:2])
    named = ", ".join(f"'{plan.hierarchies[name].names[level]}' of {name}" for name, level in best.items() if level)
    size = -groups * plan.group_bytes / 2**20
    return f"start from the coarser base level {named}: about {-groups:,} groups, {size:,.0f} MiB."


# ---- parts
def _told(plan: Grouping, groups: int) -> dict[str, Any]:
    limit = memory_bytes(plan.data.session) // 4
    widest = max(plan.columns, key=lambda name: len(plan.columns[name].numbers), default="")
    return {"groups": groups, "bytes": groups * plan.group_bytes, "limit": limit, "widest": widest}


def memory_bytes(session: Session) -> int:
    """The engine's memory limit; settings read such as ``3.7 GiB``."""
    number, _, unit = str(session.value("SELECT current_setting('memory_limit')")).partition(" ")
    scale = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
    return int(float(number) * scale[unit]) if unit in scale else _DEFAULT_LIMIT


def _coded_sql(plan: Grouping) -> tuple[str, dict[str, Any]]:
    """The rows as codes; the lists of values are made once and held with the plan."""
    session, rows = plan.data.session, plan.data.frame
    if not plan.lists:
        for i, values in enumerate(plan.columns.values()):
            plan.lists[f"c{i}"] = session.from_arrow(_list(values))
        for i, values in enumerate(plan.beside.values()):
            plan.lists[f"s{i}"] = session.from_arrow(_list(values))
        for unit, column in plan.units.items():
            plan.lists[f"p_{unit}"] = session.table(
                f"SELECT v AS value, (row_number() OVER () - 1)::INTEGER AS number FROM "
                f"(SELECT DISTINCT {identifier(column)} AS v FROM {{rows}} WHERE {identifier(column)} IS NOT NULL)",
                rows=rows,
            )
    joins, shown = [], []
    places = {name: i for i, name in enumerate(plan.columns)}
    for i, names in enumerate(plan.words):
        parts, span = [], 1
        for name in names:
            parts.append(f"c{places[name]}.number::BIGINT * {span}")
            span *= max(plan.columns[name].size, 1)
        shown.append(f"{' + '.join(parts)} AS w{i}")
    for unit, column in plan.units.items():
        joins.append(f"LEFT JOIN {{p_{unit}}} p_{unit} ON r.{identifier(column)} = p_{unit}.value")
        shown.append(f"coalesce(p_{unit}.number, -1) AS u_{unit}")
    for short, group in (("c", plan.columns), ("s", plan.beside)):
        for i, (name, values) in enumerate(group.items()):
            same = "IS NOT DISTINCT FROM" if values.raw.null_count else "="
            joins.append(f"JOIN {{{short}{i}}} {short}{i} ON r.{identifier(name)} {same} {short}{i}.value")
    shown += [f"s{i}.number AS b{i}" for i in range(len(plan.beside))]
    query = f"SELECT {', '.join(shown)} FROM {{rows}} r {' '.join(joins)}"
    return query, {"rows": rows, **plan.lists}


def _forget(plan: Grouping) -> None:
    """Give the numbers of persons back to the engine."""
    for table in plan.lists.values():
        plan.data.session.drop(table)
    plan.lists.clear()


def _list(values: Values) -> pa.Table:
    return pa.table({"value": values.raw, "number": pa.array(values.numbers.astype(np.int32))})
