"""Class sizes in persons, not in rows.

A class is the set of rows that agree in all released columns. Its size is the number of distinct persons (tokens) in
it; a row without a person adds none (ruling 1). Counting goes in two levels, persons in the inner key: exact, bounded
in memory, and the inner level tells how many rows each person has, from which dominance follows (ruling 6).

k persons do not bound what is learned of them: a class may agree in what is sensitive, and a heavy rider may own most
of its rows. See ``Protection.dominance`` and the room ``risk``.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import narwhals.stable.v2 as nw

from anonkit.base.errors import RecipeError
from anonkit.engine import int_sum
from anonkit.schema import Table

PERSONS, DRIVERS, ROWS, TOP = "persons", "drivers", "rows", "top_rows"
RECORD = "record"
REST_ROWS, REST_PERSONS, REST_DRIVERS = "rest_rows", "rest_persons", "rest_drivers"


@dataclass(frozen=True, kw_only=True)
class Protection:
    """Whom the thresholds of a release protect."""

    unit: str
    """Column whose distinct values are counted: ``person``, ``driver`` or ``trip``."""
    k: int
    """Least number of units a released class holds."""
    k_driver: int | None = None
    """Least number of distinct drivers beside, where drivers are protected too (ruling 4)."""
    dominance: Fraction = Fraction(1, 2)
    """Largest share of a class's rows that one unit may have (ruling 6)."""
    among: str | None = None
    """Column of groups of operators between which persons cannot be matched; a class then holds the most that one group
    has of it, never the sum (ruling 2). None: everybody is matched."""
    operator_share: Fraction | None = None
    """Of a pool: largest share of a class's rows that one operator may have (ruling 6); None: one operator's release."""
    insiders: bool = False
    """Of a pool: whether the second largest operator of a class must have k people in it too (or none), since an operator
    subtracts his own."""
    l_places: int = 1
    """Least number of destinations that an origin and time leave open, and the other way round (ruling 7); 1: not asked."""

    def __post_init__(self) -> None:
        if self.k < 2:
            raise RecipeError(f"k is {self.k}", hint="a class of one person is that person; k is at least 2")
        if self.k_driver is not None and self.k_driver < 2:
            raise RecipeError(f"k for drivers is {self.k_driver}", hint="it is at least 2")
        if not 0 < self.dominance <= 1:
            raise RecipeError(f"dominance is {self.dominance}", hint="a share above 0 and up to 1")
        if self.operator_share is not None and not 0 < self.operator_share <= 1:
            raise RecipeError(f"operator_dominance is {self.operator_share}", hint="a share above 0 and up to 1")


def count_classes(
    frame: nw.LazyFrame[Any],
    by: list[str],
    *,
    unit: str,
    driver: str | None = None,
    rest: str | None = None,
    record: str | None = None,
    among: str | None = None,
) -> nw.LazyFrame[Any]:
    """Rows, distinct units and drivers, and the rows of the largest unit, of each class.

    Parameters
    ----------
    frame : one row a trip; columns ``by``, ``unit`` (null: nobody) and, where given, ``driver`` and ``rest``.
    by : the released columns; a null in one of them is a category of its own.
    rest : a Boolean column; rows where it is true are counted apart as ``rest_rows, rest_persons, rest_drivers``.
    record : an Int64 column that is constant for a unit; its sum over the distinct units comes as ``record``.
    among : a column of groups between which units cannot be matched: units are counted in each, the largest count holds.

    Returns
    -------
    LazyFrame ``by, rows, persons, top_rows`` and, where asked for, ``drivers`` and the ``rest_…``; Int64, no order.

    Privacy
    -------
    Exact counts: they stay inside.
    """
    inner = [*by, among] if among is not None else by
    counted = _per_unit(frame, inner, unit, rest, record)
    known = ~nw.col(unit).is_null()
    one, zero = nw.lit(1, dtype=nw.Int64), nw.lit(0, dtype=nw.Int64)
    sums = [int_sum("_n").alias(ROWS), int_sum("_one").alias(PERSONS), nw.col("_top").max().cast(nw.Int64).alias(TOP)]
    extra = [nw.when(known).then(one).otherwise(zero).alias("_one")]
    if rest is not None:
        extra.append(nw.when(known & (nw.col("_rest") > 0)).then(one).otherwise(zero).alias("_rest_one"))
        sums += [int_sum("_rest").alias(REST_ROWS), int_sum("_rest_one").alias(REST_PERSONS)]
    if record is not None:
        extra.append(nw.when(known).then(nw.col("_record")).otherwise(zero).alias("_record"))
        sums.append(int_sum("_record").alias(RECORD))
    classes = counted.with_columns(nw.col("_n").alias("_top"), *extra).group_by(inner).agg(*sums)
    if among is not None:
        largest = {
            PERSONS,
            REST_PERSONS,
        }  # rows of the largest unit are summed: he may be the same person in each group
        counts = (ROWS, PERSONS, TOP, REST_ROWS, REST_PERSONS, RECORD)
        present = [name for name in counts if name in classes.collect_schema().names()]
        classes = classes.group_by(by).agg(
            *(nw.col(name).max().cast(nw.Int64).alias(name) if name in largest else int_sum(name) for name in present)
        )
    if driver is None:
        return classes
    drivers = count_classes(frame, by, unit=driver, rest=rest, among=among)
    names = {PERSONS: DRIVERS} | ({REST_PERSONS: REST_DRIVERS} if rest is not None else {})
    drivers = drivers.select(*by, *names).rename(names)
    return join_classes(classes, drivers, by)


def _per_unit(
    frame: nw.LazyFrame[Any], by: list[str], unit: str, rest: str | None, record: str | None
) -> nw.LazyFrame[Any]:
    counts = [nw.len().cast(nw.Int64).alias("_n")]
    if record is not None:
        counts.append(nw.col(record).max().cast(nw.Int64).alias("_record"))
    if rest is not None:
        frame = frame.with_columns(nw.col(rest).cast(nw.Int64).alias("_rest_flag"))
        counts.append(int_sum("_rest_flag").alias("_rest"))
    return frame.group_by([*by, unit]).agg(*counts)


def join_classes(left: nw.LazyFrame[Any], right: nw.LazyFrame[Any], by: list[str]) -> nw.LazyFrame[Any]:
    """Left join on class keys in which a null equals a null; ``right`` has each class once."""
    nulls = {name: f"_null_{name}" for name in by}

    def keyed(frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        dtypes = frame.collect_schema()
        return frame.with_columns(
            *(nw.col(name).is_null().alias(mark) for name, mark in nulls.items()),
            *(nw.col(name).fill_null(_blank(dtypes[name])).alias(f"_key_{name}") for name in by),
        )

    keys = [*nulls.values(), *(f"_key_{name}" for name in by)]
    joined = keyed(left).join(keyed(right).drop(*by), on=keys, how="left")
    return joined.drop(*keys)


def _blank(dtype: Any) -> Any:
    if dtype.is_numeric():
        return 0
    return False if dtype == nw.Boolean else ""


def is_safe(protection: Protection, *, rest: bool = False) -> nw.Expr:
    """Whether a counted class may be released, as an expression over the columns of ``count_classes``.

    With ``rest``, what remains of the class beyond what finer products publish must be no row or hold the thresholds
    too: otherwise subtraction gives it away (ruling 11).
    """
    share = protection.dominance
    safe = (nw.col(PERSONS) >= protection.k) & (nw.col(TOP) * share.denominator <= nw.col(ROWS) * share.numerator)
    if protection.k_driver is not None:
        safe = safe & (nw.col(DRIVERS) >= protection.k_driver)
    if rest:
        enough = nw.col(REST_PERSONS) >= protection.k
        if protection.k_driver is not None:
            enough = enough & (nw.col(REST_DRIVERS) >= protection.k_driver)
        safe = safe & ((nw.col(REST_ROWS) == 0) | enough)
    return safe


def class_sizes(table: Table, *, by: list[str], protect: str) -> nw.LazyFrame[Any]:
    """Class sizes of a table: rows, distinct ``protect`` values, rows of the largest one.

    Raises
    ------
    SchemaError : a column is not there.

    Privacy
    -------
    Exact counts of small classes: for the analyst's eyes, inside.
    """
    table.schema.require(*by, protect)
    return count_classes(table.frame, by, unit=protect)
