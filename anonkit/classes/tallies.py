"""Who has how many rows of each class: one line a class and person, made once and then only made coarser.

Counting persons takes persons in the inner key. Those lines are much of the work, and levels of a release nest, so they
are made once from the rows at the finest level; the tally of a coarser level is the sum of the finer one's lines, never
another pass over rows. Beside ``n``, the person's rows in the class, a tally carries ``open``, those of them that nothing
has told yet, and for each part that may still roll up ``left``, those that this part has not told: what a level tells is
a set of whole classes, so both are sums over classes, and no row has to be marked on the way.

Exact counts about raw data: inside only. Source: ruling 1; two-level counting as in DESIGN's table of chosen parts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import narwhals.stable.v2 as nw

from anonkit.classes.counts import DRIVERS, PERSONS, RECORD, REST_DRIVERS, REST_PERSONS, REST_ROWS, ROWS, TOP
from anonkit.engine import Session, identifier

N, OPEN = "n", "open"


@dataclass(frozen=True, kw_only=True)
class Tally:
    """One line a class and unit: ``keys, unit[, among], n, open[, record][, left…]``, Int64."""

    frame: nw.LazyFrame[Any]
    keys: tuple[str, ...]
    """Columns of the class."""
    unit: str
    """Column whose values are counted; null counts as nobody."""
    among: str | None = None
    """Column of groups between which units cannot be matched (ruling 2)."""
    record: bool = False
    """Whether the unit's persistent key is carried."""
    left: tuple[str, ...] = ()
    """Names of the ``left`` columns."""

    @property
    def inner(self) -> list[str]:
        """What tells two lines apart, beside the class."""
        return [*((self.among,) if self.among is not None else ()), self.unit]


def tally_rows(
    rows: nw.LazyFrame[Any],
    keys: tuple[str, ...],
    *,
    unit: str,
    among: str | None = None,
    record: bool = False,
    max_rows: int | None = None,
    session: Session,
) -> Tally:
    """Count each unit's rows in each class, at most ``max_rows`` of them (ruling 6); all are open.

    Parameters
    ----------
    rows : one row a trip; columns ``keys``, ``unit`` and, where asked for, ``among`` and ``record``.

    Privacy
    -------
    Exact counts by person: inside only.
    """
    tally = Tally(frame=rows, keys=keys, unit=unit, among=among, record=record)
    grouped = _listed([*keys, *tally.inner])
    count = "count(*)"
    if max_rows is not None:
        count = f"CASE WHEN {identifier(unit)} IS NULL THEN count(*) ELSE least(count(*), {max_rows}) END"
    carried = f", max({RECORD}) AS {RECORD}" if record else ""
    frame = session.table(
        f"SELECT *, {N} AS {OPEN} FROM (SELECT {grouped}, {count} AS {N}{carried} FROM {{rows}} GROUP BY {grouped})",
        rows=rows,
    )
    return replace(tally, frame=frame)


def coarser(
    tally: Tally,
    coarse: dict[str, nw.Expr],
    *,
    told: nw.LazyFrame[Any] | None,
    on: dict[str, str],
    left: dict[str, str],
    session: Session,
) -> Tally:
    """The tally of coarser classes, after a level has told some of these.

    Parameters
    ----------
    coarse : the columns of the coarser class, each as an expression over the columns of this one.
    told : the classes that were told, one line each; None: none yet.
    on : column of the tally → column of ``told``.
    left : the ``left`` columns to carry, each with what it is made of: ``n``, an old one, or either with ``-told`` behind
        its name where this level's telling takes from it.

    Returns
    -------
    Tally with ``open`` less what was told.
    """
    fresh = {f"_to_{name}": expression for name, expression in coarse.items()}
    keyed = tally.frame.with_columns(*(expression.alias(name) for name, expression in fresh.items()))
    grouped = [f"t.{identifier(name)}" for name in fresh] + [f"t.{identifier(name)}" for name in tally.inner]
    sums = [f"sum(t.{N})::BIGINT AS {N}", f"sum({_less(OPEN, told is not None)})::BIGINT AS {OPEN}"]
    for name, source in left.items():
        column, _, taken = source.partition("-")
        sums.append(f"sum({_less(column, taken == 'told')})::BIGINT AS {identifier(name)}")
    if tally.record:
        sums.append(f"max(t.{RECORD}) AS {RECORD}")
    named = [f"t.{identifier(name)} AS {identifier(plain)}" for name, plain in zip(fresh, coarse, strict=True)]
    named += [f"t.{identifier(name)}" for name in tally.inner]
    joined, tables = ("", {"tally": keyed}) if told is None else (_joined(on), {"tally": keyed, "told": told})
    query = f"SELECT {', '.join(named)}, {', '.join(sums)} FROM {{tally}} t {joined} GROUP BY {', '.join(grouped)}"
    return replace(tally, frame=session.table(query, **tables), keys=tuple(coarse), left=tuple(left))


def class_counts(tally: Tally, *, left: str | None = None, drivers: Tally | None = None) -> str:
    """SQL of the sizes of all classes, over ``{tally}`` and, where drivers are protected, ``{drivers}``.

    Columns ``keys, rows, persons, top_rows, rest_rows, rest_persons`` and, where known, ``record, drivers,
    rest_drivers``. With ``left`` only rows are counted that the part has not told; ``rest`` are the open ones.
    """
    keys = _listed(tally.keys)
    sizes = _sizes(tally, left)
    if drivers is None:
        return sizes
    helpers = f"SELECT {keys}, {PERSONS} AS {DRIVERS}, {REST_PERSONS} AS {REST_DRIVERS} FROM ({_sizes(drivers, left, '{drivers}')})"
    same = " AND ".join(f"a.{identifier(name)} IS NOT DISTINCT FROM b.{identifier(name)}" for name in tally.keys)
    return f"SELECT a.*, b.{DRIVERS}, b.{REST_DRIVERS} FROM ({sizes}) a LEFT JOIN ({helpers}) b ON {same}"


def _sizes(tally: Tally, left: str | None, source: str = "{tally}") -> str:
    keys, unit = _listed(tally.keys), identifier(tally.unit)
    n = identifier(left) if left is not None else N
    where = f" WHERE {n} > 0" if left is not None else ""
    record = f", coalesce(sum({RECORD}) FILTER ({unit} IS NOT NULL), 0)::BIGINT AS {RECORD}" if tally.record else ""
    inner = keys + (f", {identifier(tally.among)}" if tally.among is not None else "")
    sizes = (
        f"SELECT {inner}, sum({n})::BIGINT AS {ROWS}, count({unit}) AS {PERSONS}, max({n}) AS {TOP}, "
        f"sum({OPEN})::BIGINT AS {REST_ROWS}, count({unit}) FILTER ({OPEN} > 0) AS {REST_PERSONS}{record} "
        f"FROM {source}{where} GROUP BY {inner}"
    )
    if tally.among is None:
        return sizes
    # The largest unit of each group may be the same person: their rows are summed. Persons: the most that one group has.
    record = f", sum({RECORD})::BIGINT AS {RECORD}" if tally.record else ""
    return (
        f"SELECT {keys}, sum({ROWS})::BIGINT AS {ROWS}, max({PERSONS}) AS {PERSONS}, sum({TOP})::BIGINT AS {TOP}, "
        f"sum({REST_ROWS})::BIGINT AS {REST_ROWS}, max({REST_PERSONS}) AS {REST_PERSONS}{record} FROM ({sizes}) GROUP BY {keys}"
    )


def small_rests(tally: Tally, bin: str, on: dict[str, str], threshold: int) -> str:
    """SQL of the values of ``bin`` of which ``{told}`` tells something, and leaves fewer than ``threshold`` units."""
    key, unit = identifier(bin), identifier(tally.unit)
    among = f", {identifier(tally.among)}" if tally.among is not None else ""
    by_unit = (
        f"SELECT {key}{among}, {unit}, bool_or(hit) AS hit, bool_or(NOT hit) AS rest FROM (SELECT t.*, p.hit IS NOT NULL AS hit "
        f"FROM {{tally}} t {_joined(on)} WHERE t.{OPEN} > 0) GROUP BY {key}{among}, {unit}"
    )
    return (
        f"SELECT {key} FROM (SELECT {key}, bool_or(hit) AS hit, bool_or(rest) AS rest, count({unit}) FILTER (rest) AS units "
        f"FROM ({by_unit}) GROUP BY {key}{among}) GROUP BY {key} "
        f"HAVING bool_or(hit) AND bool_or(rest) AND max(units) < {threshold} ORDER BY {key}"
    )


def _joined(on: dict[str, str]) -> str:
    """The join with what is told, whose lines get ``hit``."""
    right = ", ".join(f"{identifier(name)}" for name in on.values())
    same = " AND ".join(f"t.{identifier(one)} IS NOT DISTINCT FROM p.{identifier(other)}" for one, other in on.items())
    return f"LEFT JOIN (SELECT {right}, true AS hit FROM {{told}}) p ON {same}"


def _less(column: str, told: bool) -> str:
    return f"CASE WHEN p.hit THEN 0 ELSE t.{identifier(column)} END" if told else f"t.{identifier(column)}"


def _listed(names: Any) -> str:
    return ", ".join(identifier(name) for name in names)
