"""Between tables and the search: coding columns, grouping in the engine, and writing what was released.

From a Table the engine's groups are fetched as packed codes, never rows (`estimators_groups`); ``plan_bytes`` tells
their size first. Released rows are sorted by their own values, so that no input order survives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from anonkit.base.errors import SchemaError
from anonkit.engine import Session, identifier
from anonkit.kanon.estimators_frames import numbered
from anonkit.kanon.estimators_groups import Grouping, Values, fetch, grouping, occurring, planned, unpacked
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.hierarchies_travel import clock_time, nested_grid
from anonkit.kanon.search_classes import NodeTable
from anonkit.kanon.search_tables import ClassTable, unit_numbers
from anonkit.schema import Role, Table

_LEVEL, _ROW = 10**14, 10**7
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_FACTORS = (2, 4, 8, 16, 32)


@dataclass(frozen=True, kw_only=True)
class Coded:
    """A table as the search wants it."""

    table: ClassTable
    hierarchies: tuple[Hierarchy, ...]
    values: Mapping[str, Values]
    """Raw values of a Table's columns and their numbers; empty for data frames."""
    dropped: tuple[str, ...]


def is_table(data: Any) -> bool:
    """Whether ``data`` is anonkit's own table."""
    return isinstance(data, Table)


def code_table(
    data: Any,
    hierarchies: Mapping[str, Hierarchy] | None,
    *,
    person: str,
    driver: str,
    needed: tuple[str, ...],
    sensitive: tuple[str, ...],
    among: str | None = None,
    population: pd.DataFrame | None = None,
) -> Coded:
    """Code a table's quasi-identifiers, units and sensitive columns, and the same columns of a public population."""
    wanted = {"person": person, "driver": driver}
    names = list(data.schema.names) if is_table(data) else list(data.columns)
    missing = [wanted[u] for u in needed if u in wanted and wanted[u] not in names]
    if missing:
        raise SchemaError(
            f"the table lacks the columns {missing} that are protected",
            hint="name them, or say protect='row' and that k counts rows (ruling 1).",
        )
    beside = sensitive if among is None else tuple(dict.fromkeys((*sensitive, among)))
    if is_table(data):
        return _coded_groups(data, hierarchies, wanted, sensitive, among, population)
    frame = pd.DataFrame(data)
    if hierarchies is None:
        raise SchemaError("a data frame has no hierarchies of its own", hint="give hierarchies={column: Hierarchy}.")
    _check_columns([*hierarchies, *beside], hierarchies, names)
    made = {name: _with_nulls(h, frame[name], population) for name, h in hierarchies.items()}
    units = {u: unit_numbers(frame[column]) for u, column in wanted.items() if column in frame.columns}
    table = ClassTable.of(
        {name: h.encode(frame[name]) for name, h in made.items()},
        sizes=[h.sizes[0] for h in made.values()],
        person=units.get("person"),
        driver=units.get("driver"),
        among=None if among is None else unit_numbers(frame[among]),
        sensitive={name: numbered(frame[name]) for name in sensitive},
        population=_coded_population(population, made),
    )
    kept = {*made, *sensitive}
    dropped = tuple(n for n in names if n not in kept)
    return Coded(table=table, hierarchies=tuple(made.values()), values={}, dropped=dropped)


def _coded_groups(
    data: Table,
    hierarchies: Mapping[str, Hierarchy] | None,
    wanted: Mapping[str, str],
    sensitive: tuple[str, ...],
    among: str | None,
    population: pd.DataFrame | None,
) -> Coded:
    plan = _grouping(data, hierarchies, wanted, sensitive, among, population)
    made = tuple(plan.hierarchies.values())
    groups = fetch(plan)
    options: dict[str, Any] = {
        "sizes": [h.sizes[0] for h in made],
        "person": groups.units.get("person"),
        "driver": groups.units.get("driver"),
        "among": None if among is None else groups.beside[among],
        "count": groups.count,
        "sensitive": {name: (groups.beside[name], numbered(_series(plan.beside[name].raw))[1]) for name in sensitive},
    }
    people = _coded_population(population, plan.hierarchies)
    codes, packed = groups.codes, [] if groups.packed is None else [groups.packed]
    del groups
    if packed and people is None:  # nothing here holds the packed codes any more: they can go as soon as they are used
        table = ClassTable.of_packed([h.column for h in made], packed.pop(), **options)
    else:
        if packed:
            codes = unpacked(packed[0], plan.words[0], [plan.columns[name].size for name in plan.words[0]])
        table = ClassTable.of({name: codes[name] for name in plan.columns}, population=people, **options)
    kept = {*plan.columns, *sensitive}
    dropped = tuple(n for n in data.schema.names if n not in kept)
    return Coded(table=table, hierarchies=made, values=plan.columns, dropped=dropped)


def _grouping(
    data: Table,
    hierarchies: Mapping[str, Hierarchy] | None,
    wanted: Mapping[str, str],
    sensitive: tuple[str, ...],
    among: str | None,
    population: pd.DataFrame | None = None,
) -> Grouping:
    """How a Table is grouped: its lists of values, numbered."""
    names = list(data.schema.names)
    quasi = list(hierarchies) if hierarchies is not None else _own_columns(data)
    beside = sensitive if among is None else tuple(dict.fromkeys((*sensitive, among)))
    _check_columns([*quasi, *beside], quasi, names)
    found = occurring(data, list(dict.fromkeys([*quasi, *beside])))
    series = {name: _series(raw) for name, raw in found.items()}
    chosen = dict(hierarchies) if hierarchies is not None else _own(data, series)
    made = {name: _with_nulls(h, series[name], population) for name, h in chosen.items()}
    numbers = {name: _encoded(data, h, series[name]) for name, h in made.items()}
    others = {}
    for name in beside:
        number = unit_numbers(series[name]) if name == among and name not in sensitive else numbered(series[name])[0]
        others[name] = Values(raw=found[name], numbers=number, size=len(number))
    units = {unit: column for unit, column in wanted.items() if column in data.schema}
    return grouping(data, made, found, numbers, others, units)


def _with_nulls(hierarchy: Hierarchy, values: pd.Series, population: pd.DataFrame | None) -> Hierarchy:
    """The hierarchy, with a base value for null where a column of rows or population has one."""
    if population is not None and hierarchy.column not in population.columns:
        raise SchemaError(
            f"the population lacks the columns {[hierarchy.column]}",
            hint="one row a person, with every column that has a hierarchy.",
        )
    nulls = [values, *([] if population is None else [population[hierarchy.column]])]
    return hierarchy.with_unknown() if any(column.isna().any() for column in nulls) else hierarchy


def _coded_population(
    population: pd.DataFrame | None, hierarchies: Mapping[str, Hierarchy]
) -> dict[str, np.ndarray] | None:
    return None if population is None else {name: h.encode(population[name]) for name, h in hierarchies.items()}


def _encoded(data: Table, hierarchy: Hierarchy, values: pd.Series) -> np.ndarray:
    """Base value numbers of a column's distinct values; where one has none, the rows are asked, so that they are told."""
    try:
        return hierarchy.encode(values)
    except SchemaError:
        query = f"SELECT {identifier(hierarchy.column)} FROM {{rows}}"
        hierarchy.encode(_series(data.session.sql(query, rows=data.frame).column(0)))
        raise


def _check_columns(needed: Sequence[str], quasi: Sequence[str] | Mapping[str, Any], names: Sequence[str]) -> None:
    absent = [name for name in needed if name not in names]
    if absent or not quasi:
        raise SchemaError(
            f"there are no columns {absent} to generalise" if absent else "no column has a hierarchy",
            hint=f"columns are {names}; give hierarchies={{column: Hierarchy}}.",
        )


def _series(raw: Any) -> pd.Series:
    return pd.Series(raw.to_pandas())


def plan_bytes(
    data: Any,
    hierarchies: Mapping[str, Hierarchy] | None,
    person: str,
    driver: str,
    sensitive: tuple[str, ...],
    among: str | None,
) -> dict[str, Any]:
    """Groups and bytes that the engine would hand over, and the most it may."""
    if not is_table(data):
        return {"groups": len(data), "bytes": 0, "limit": 0, "widest": ""}
    return planned(_grouping(data, hierarchies, {"person": person, "driver": driver}, sensitive, among))


def released_rows(
    data: Any, coded: Coded, levels: tuple[int, ...], kept: np.ndarray, sensitive: tuple[str, ...], units: list[str]
) -> pd.DataFrame:
    """Released columns of a data frame in memory, sorted by themselves, with a fresh index."""
    frame = pd.DataFrame(data)
    place = coded.table.row_class
    assert place is not None
    rows = kept[place]
    out = {}
    for j, (h, level) in enumerate(zip(coded.hierarchies, levels, strict=True)):
        labels = h.labels[level][h.codes[level][coded.table.codes[j][place[rows]]]]
        out[h.column] = _tidy(labels)
    for name in [*sensitive, *(u for u in units if u in frame.columns)]:
        out[name] = frame[name].to_numpy()[rows]
    made = pd.DataFrame(out)
    order = [c for c in made.columns if c not in units]
    return made.sort_values(order, key=lambda s: s.astype(str), ignore_index=True)


def released_table(
    data: Table,
    coded: Coded,
    levels: tuple[int, ...],
    node: NodeTable,
    released: np.ndarray,
    sensitive: tuple[str, ...],
    units: list[str],
) -> Table:
    """Released columns of a Table: of classes as often as they have rows, or row by row where other columns leave too.

    Row by row, labels and safe classes are joined in the engine.
    """
    session: Session = data.session
    others = [*sensitive, *(u for u in units if u in data.schema)]
    labels = [_tidy(h.labels[level]) for h, level in zip(coded.hierarchies, levels, strict=True)]
    listed = [identifier(h.column) for h in coded.hierarchies]
    numbers = {f"k{j}": node.codes[j][released] for j in range(len(labels))}
    order = ", ".join(listed)
    if not others:  # made of classes alone, so that no order of rows can be in it
        classes = {name: pa.array(labels[j][numbers[name]]) for j, name in enumerate(numbers)}
        counted = pa.table(classes | {"n": node.rows[released]}).sort_by([(name, "ascending") for name in classes])
        shown = ", ".join(f"k{j} AS {name}" for j, name in enumerate(listed))
        query = f"SELECT {shown} FROM (SELECT *, unnest(range(n)) FROM {{classes}})"
        frame = session.frame(query, classes=session.from_arrow(counted))
    else:
        tables: dict[str, Any] = {"rows": data.frame, "classes": session.from_arrow(pa.table(numbers))}
        joins, shown_rows, keys = [], [], []
        for j, (h, level) in enumerate(zip(coded.hierarchies, levels, strict=True)):
            values = coded.values[h.column]
            number = h.codes[level][values.numbers]  # not its label: two values may be told by one word
            listed_values = {"value": values.raw, "number": pa.array(number), "label": pa.array(labels[j][number])}
            tables[f"m{j}"] = session.from_arrow(pa.table(listed_values))
            joins.append(f"JOIN {{m{j}}} m{j} ON r.{listed[j]} IS NOT DISTINCT FROM m{j}.value")
            shown_rows.append(f"m{j}.label AS {listed[j]}")
            keys.append(f"m{j}.number = c.k{j}")
        shown_rows += [f"r.{identifier(name)}" for name in others]
        joins.append(f"JOIN {{classes}} c ON {' AND '.join(keys)}")
        query = f"SELECT {', '.join(shown_rows)} FROM {{rows}} r {' '.join(joins)} ORDER BY {order}"
        frame = session.frame(query, **tables)
    names = [h.column for h in coded.hierarchies]
    schema = data.schema.without(*(n for n in data.schema.names if n not in {*names, *others}))
    fresh = [
        replace(schema[h.column], role=Role.QUASI, level=h.names[level])
        for h, level in zip(coded.hierarchies, levels, strict=True)
    ]
    return replace(data, frame=frame, schema=schema.with_columns(*fresh))


# ---- parts
def _own_columns(data: Table) -> list[str]:
    found = [c.name for c in data.schema if c.role is Role.QUASI and c.unit in ("cell", "bin")]
    return [*found, *(c.name for c in data.schema if c.role is Role.QUASI and c.unit is None)]


def _own(data: Table, found: Mapping[str, pd.Series]) -> dict[str, Hierarchy]:
    """Hierarchies that a binned Table's columns have by themselves: nested cells, clock time, flat categories."""
    made: dict[str, Hierarchy] = {}
    for name in _own_columns(data):
        column = data.schema[name]
        values = np.sort(found[name].dropna().to_numpy())
        if column.unit == "cell" and (data.schema.tessellation or "").startswith("grid"):
            side = float((column.level or "1000 m").split()[0])
            row, place = values % _LEVEL // _ROW, values % _ROW
            first = int(values[0]) // _LEVEL if len(values) else 0
            own = {f: (first + i + 1) * _LEVEL + row // f * _ROW + place // f for i, f in enumerate(_FACTORS)}
            made[name] = nested_grid(name, values, rows=row, columns=place, cell_m=side, factors=_FACTORS, parents=own)
        elif column.unit == "bin":
            width = (column.level or "1h").split()[0]
            digits = "".join(c for c in width if c.isdigit())
            seconds = int(digits) * _SECONDS[width[len(digits) :]]
            steps = [f"{h}h" for h in (1, 3, 6) if h * 3600 > seconds and not (h * 3600) % seconds]
            pooled = "of" in (column.level or "")
            wide = [f"clock {steps[-1]}"] if steps and not pooled else []
            day = ["date"] if not pooled and not wide else []
            made[name] = clock_time(name, values, value_s=seconds, levels=[*steps, *wide, *day, "*"])
        else:
            made[name] = Hierarchy.flat(name, values)
    return made


def _tidy(labels: np.ndarray) -> np.ndarray:
    """Labels of one kind: whole numbers stay numbers, everything else is text."""
    if labels.dtype.kind in "iu":
        return labels.astype(np.int64)
    return np.array([str(label) for label in labels], dtype=object)
