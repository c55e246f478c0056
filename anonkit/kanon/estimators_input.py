"""Between tables and the search: coding columns, grouping in the engine, and writing what was released.

From a Table the engine's group-by is fetched, (base values, person, driver, count), never rows; ``plan_bytes`` tells
its size first, and above a quarter of the memory limit it is refused. Released rows are joined back in the engine and
sorted by their own values, so that no input order survives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from anonkit.base.errors import SchemaError
from anonkit.engine import Session
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.hierarchies_travel import clock_time, nested_grid
from anonkit.kanon.search_classes import NodeTable
from anonkit.kanon.search_tables import ClassTable, unit_numbers
from anonkit.schema import Role, Table

_LEVEL, _ROW = 10**14, 10**7
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_FACTORS = (2, 4, 8, 16, 32)
_DEFAULT_LIMIT = 4 * 2**30


@dataclass(frozen=True, kw_only=True)
class Coded:
    """A table as the search wants it."""

    table: ClassTable
    hierarchies: tuple[Hierarchy, ...]
    base: dict[str, np.ndarray]
    """Raw value of each base value number, by column."""
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
) -> Coded:
    """Code a table's quasi-identifiers, units and sensitive columns."""
    wanted = {"person": person, "driver": driver}
    beside = sensitive if among is None or among in (hierarchies or {}) else (*sensitive, among)
    names = list(data.schema.names) if is_table(data) else list(data.columns)
    missing = [wanted[u] for u in needed if u in wanted and wanted[u] not in names]
    if missing:
        raise SchemaError(
            f"the table lacks the columns {missing} that are protected",
            hint="name them, or say protect='row' and that k counts rows (ruling 1).",
        )
    if is_table(data):
        planned = plan_bytes(data, hierarchies, person, driver, beside)
        if planned["bytes"] > planned["limit"]:
            raise SchemaError(
                f"the search's input is {planned['groups']:,} groups, {planned['bytes'] / 2**20:,.0f} MiB; a quarter "
                f"of the memory limit is {planned['limit'] / 2**20:,.0f} MiB",
                hint=f"start from a coarser base level of {planned['widest']}, twice its side or width.",
                **planned,
            )
        frame, count = _grouped(data, hierarchies, person, driver, beside)
    else:
        frame, count = pd.DataFrame(data), None
    chosen = dict(hierarchies) if hierarchies is not None else _own(data, frame)
    absent = [name for name in [*chosen, *beside] if name not in frame.columns]
    if absent or not chosen:
        raise SchemaError(
            f"there are no columns {absent} to generalise" if absent else "no column has a hierarchy",
            hint=f"columns are {names}; give hierarchies={{column: Hierarchy}}.",
        )
    made = {}
    for name, hierarchy in chosen.items():
        made[name] = hierarchy.with_unknown() if frame[name].isna().any() else hierarchy
    codes = {name: h.encode(frame[name]) for name, h in made.items()}
    units = {u: unit_numbers(frame[column]) for u, column in wanted.items() if column in frame.columns}
    values: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name in sensitive:
        labels, number = np.unique(frame[name].astype(str).to_numpy(), return_inverse=True)
        values[name] = (number.ravel(), labels)
    table = ClassTable.of(
        codes,
        sizes=[h.sizes[0] for h in made.values()],
        person=units.get("person"),
        driver=units.get("driver"),
        among=None if among is None else unit_numbers(frame[among]),
        count=count,
        sensitive=values,
    )
    kept = {*made, *sensitive}
    return Coded(
        table=table,
        hierarchies=tuple(made.values()),
        base={name: _first_values(frame[name], codes[name], h.sizes[0]) for name, h in made.items()},
        dropped=tuple(n for n in names if n not in kept),
    )


def plan_bytes(
    data: Any, hierarchies: Mapping[str, Hierarchy] | None, person: str, driver: str, sensitive: tuple[str, ...]
) -> dict[str, Any]:
    """Groups and bytes that the engine would hand over, and the most it may."""
    if not is_table(data):
        return {"groups": len(data), "bytes": 0, "limit": _DEFAULT_LIMIT, "widest": ""}
    columns = _columns(data, hierarchies, person, driver, sensitive)
    listed = ", ".join(_quoted(c) for c in columns)
    groups = int(data.session.value(f"SELECT count(*) FROM (SELECT DISTINCT {listed} FROM {{rows}})", rows=data.frame))
    quasi = [c for c in columns if c not in (person, driver, *sensitive)]
    distinct = {
        c: int(data.session.value(f"SELECT count(DISTINCT {_quoted(c)}) FROM {{rows}}", rows=data.frame)) for c in quasi
    }
    limit = _memory_bytes(str(data.session.value("SELECT current_setting('memory_limit')"))) // 4
    widest = max(distinct, key=lambda c: distinct[c]) if distinct else ""
    return {"groups": groups, "bytes": groups * 8 * (len(columns) + 1), "limit": limit, "widest": widest}


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
    """Released columns of a Table: labels and safe classes are joined in the engine."""
    session: Session = data.session
    tables: dict[str, Any] = {"rows": data.frame}
    joins, shown, keys = [], [], []
    classes = {}
    for j, (h, level) in enumerate(zip(coded.hierarchies, levels, strict=True)):
        seen = np.unique(coded.table.codes[j])
        labels = _tidy(h.labels[level])
        mapping = pd.DataFrame({"value": coded.base[h.column][seen], "label": labels[h.codes[level][seen]]})
        tables[f"m{j}"] = session.from_arrow(_arrow(mapping))
        joins.append(f"JOIN {{m{j}}} m{j} ON r.{_quoted(h.column)} IS NOT DISTINCT FROM m{j}.value")
        shown.append(f"m{j}.label AS {_quoted(h.column)}")
        classes[f"k{j}"] = labels[node.codes[j][released]]
        keys.append(f"m{j}.label = c.k{j}")
    tables["classes"] = session.from_arrow(_arrow(pd.DataFrame(classes)))
    others = [*sensitive, *(u for u in units if u in data.schema)]
    listed = ", ".join([*shown, *(f"r.{_quoted(name)}" for name in others)])
    order = ", ".join(_quoted(h.column) for h in coded.hierarchies)
    frame = session.frame(
        f"SELECT {listed} FROM {{rows}} r {' '.join(joins)} JOIN {{classes}} c ON {' AND '.join(keys)} ORDER BY {order}",
        **tables,
    )
    names = [h.column for h in coded.hierarchies]
    schema = data.schema.without(*(n for n in data.schema.names if n not in {*names, *others}))
    fresh = [
        replace(schema[h.column], role=Role.QUASI, level=h.names[level])
        for h, level in zip(coded.hierarchies, levels, strict=True)
    ]
    return replace(data, frame=frame, schema=schema.with_columns(*fresh))


# ---- parts
def _memory_bytes(text: str) -> int:
    """Bytes of a setting such as ``3.7 GiB``."""
    number, _, unit = text.partition(" ")
    scale = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
    return int(float(number) * scale[unit]) if unit in scale else _DEFAULT_LIMIT


def _columns(
    data: Table, hierarchies: Mapping[str, Hierarchy] | None, person: str, driver: str, sensitive: tuple[str, ...]
) -> list[str]:
    quasi = list(hierarchies) if hierarchies is not None else _own_columns(data)
    return [*quasi, *sensitive, *(u for u in (person, driver) if u in data.schema)]


def _grouped(
    data: Table, hierarchies: Mapping[str, Hierarchy] | None, person: str, driver: str, sensitive: tuple[str, ...]
) -> tuple[pd.DataFrame, np.ndarray]:
    listed = ", ".join(_quoted(c) for c in _columns(data, hierarchies, person, driver, sensitive))
    arrow = data.session.sql(f"SELECT {listed}, count(*)::BIGINT AS _n FROM {{rows}} GROUP BY ALL", rows=data.frame)
    frame = arrow.to_pandas()
    return frame.drop(columns="_n"), frame["_n"].to_numpy()


def _own_columns(data: Table) -> list[str]:
    found = [c.name for c in data.schema if c.role is Role.QUASI and c.unit in ("cell", "bin")]
    return [*found, *(c.name for c in data.schema if c.role is Role.QUASI and c.unit is None)]


def _own(data: Any, frame: pd.DataFrame) -> dict[str, Hierarchy]:
    """Hierarchies that a binned Table's columns have by themselves: nested cells, clock time, flat categories."""
    if not is_table(data):
        raise SchemaError("a data frame has no hierarchies of its own", hint="give hierarchies={column: Hierarchy}.")
    made: dict[str, Hierarchy] = {}
    for name in _own_columns(data):
        column = data.schema[name]
        values = np.sort(frame[name].dropna().unique())
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


def _first_values(column: pd.Series, codes: np.ndarray, size: int) -> np.ndarray:
    values = np.full(size, None, dtype=object)
    unique, first = np.unique(codes, return_index=True)
    values[unique] = column.to_numpy(dtype=object)[first]
    return values


def _tidy(labels: np.ndarray) -> np.ndarray:
    """Labels of one kind: whole numbers stay numbers, everything else is text."""
    if labels.dtype.kind in "iu":
        return labels.astype(np.int64)
    return np.array([str(label) for label in labels], dtype=object)


def _arrow(frame: pd.DataFrame) -> Any:
    import pyarrow as pa

    columns = {name: pa.array([None if v is None or v != v else v for v in frame[name].tolist()]) for name in frame}
    return pa.table(columns)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
