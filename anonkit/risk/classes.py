"""Risk of the equivalence classes: how sure can somebody be who knows that a person is in one of them?

Input is one row a (class, person) with its number of rows, as three arrays; every count that decides is a count of
persons. Row-level prosecutor risk is the largest share of one person in his class's rows, because k persons do not
bound the risk of a heavy rider (ruling 6). Thresholds are compared as fractions (ruling 34). Source: El Emam 2013,
Guide to the De-Identification of Personal Health Information, chapters 16–17 (prosecutor, journalist, marketer);
Samarati 2001. Does not see what a class says about everybody in it (homogeneity), nor what two releases say together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from anonkit.base.errors import SchemaError
from anonkit.engine import identifier
from anonkit.risk.result import RiskFigure
from anonkit.schema import Role, Table

Codes = NDArray[np.integer]

HISTOGRAM_EDGES = (0, 1, 2, 3, 5, 11, 20, 50, 100)
"""Lower ends of the published histogram of class sizes in persons; the last group is open."""


@dataclass(frozen=True, kw_only=True)
class ClassRisk:
    """Sizes and risks of all classes of one product."""

    classes: int
    persons: int
    rows: int
    rows_without_person: int
    """Rows of nobody: they add no person and never dilute a person's share (ruling 1)."""
    smallest: int
    """Fewest persons in a class: the k that holds."""
    quartiles: tuple[float, float, float]
    """Lower quartile, median and upper quartile of class sizes in persons."""
    histogram: Mapping[str, int]
    """Classes by size in persons."""
    rows_in_classes_under: Mapping[int, int]
    """Rows in classes with fewer than 2, 5 and 11 persons."""
    unique_classes: int
    """Classes of exactly one person."""
    unique_persons: int
    """Persons who are alone in at least one class."""
    prosecutor_max: Fraction
    """Largest share of one person in his class's rows."""
    prosecutor_mean: Fraction
    """Mean of the same over rows (rows of nobody left out)."""
    prosecutor_by_persons: Fraction
    """1 / fewest persons: what k alone would claim; never above ``prosecutor_max``."""
    journalist_max: Fraction | None
    """1 / fewest persons of the population in a class; ``None`` without a population."""
    journalist_mean: float | None
    k_map: int | None
    """Fewest persons of the population in a class that is released."""
    marketer: Fraction
    """Expected share of (class, person) pairs matched rightly by one guess each: classes / pairs."""
    dominated_classes: int
    """Classes where one person holds more than half of the rows."""
    baseline: Fraction
    """Largest share of one person in all rows: guessing him without knowing the class."""

    def figures(self) -> tuple[RiskFigure, ...]:
        """The counted risks as figures; they are counted over everybody, so interval and value coincide."""
        counted: dict[str, Fraction | None] = {
            "prosecutor_max": self.prosecutor_max,
            "prosecutor_mean": self.prosecutor_mean,
            "marketer": self.marketer,
            "journalist_max": self.journalist_max,
        }
        return tuple(
            RiskFigure(
                name=name,
                value=value,
                low=value,
                high=value,
                baseline=self.baseline,
                control=Fraction(0),
                control_low=Fraction(0),
                control_high=Fraction(0),
                persons=self.persons,
                trials=self.rows,
                assumptions=("the attacker knows the class of his target; counted over everybody, nothing sampled",),
            )
            for name, value in counted.items()
            if value is not None
        )

    def passes(self, threshold: Fraction) -> bool:
        """Whether the largest risk is at most the threshold, e.g. ``Fraction(1, 11)``; an empty table does not pass."""
        return self.classes > 0 and self.prosecutor_max <= threshold


def _pairs_of(table: Table) -> tuple[Codes, Codes, Codes]:
    """Class, person (-1: nobody) and rows of each pair of a table."""
    unit, keys = table.schema.unit_column, table.schema.of_role(Role.QUASI)
    table.schema.require(unit)
    if not keys:
        raise SchemaError(
            "the table has no quasi-identifier", hint="generalise it first, or name roles with Table.of(...)"
        )
    listed = ", ".join(identifier(name) for name in keys)
    pairs = table.session.sql(
        f"SELECT dense_rank() OVER (ORDER BY {listed}) AS class, dense_rank() OVER (ORDER BY {unit}) AS person, "
        f"{unit} IS NULL AS nobody, n FROM (SELECT {listed}, {unit}, count(*) AS n FROM {{frame}} GROUP BY ALL)",
        frame=table.frame,
    )
    of_class, person, nobody, rows = (column.to_numpy(zero_copy_only=False) for column in pairs.itercolumns())
    return of_class, np.where(nobody, -1, person), rows


def class_risk(
    class_code: Codes | Table,
    person_code: Codes | None = None,
    rows: Codes | None = None,
    *,
    population: Mapping[int, int] | None = None,
) -> ClassRisk:
    """Prosecutor, journalist and marketer risk of every class, in persons and with dominance.

    Parameters
    ----------
    class_code : class of each (class, person) pair; a pair that occurs twice is summed. Or a table with its persons still
        in it: its classes are those of its quasi-identifiers, its persons those of its privacy unit.
    person_code : the person; a negative code is a row without a person, which counts nobody (ruling 1).
    rows : int >= 1, rows of this person in this class.
    population : persons of the whole population in each class code (k-map, journalist); a class that is missing in it
        is taken at its own size.

    Returns
    -------
    ClassRisk

    Raises
    ------
    SchemaError : the three arrays differ in length, or a row count is below 1; a table has nobody to count or no class.

    Privacy
    -------
    Counts against raw data: the result stays inside (ruling 19). A class of rows without any person has risk 1.
    Does not show homogeneity of sensitive columns or differences between releases.

    Sources
    -------
    El Emam 2013, chapters 16–17; rulings 1, 6, 34.

    Examples
    --------
    Class 0: person 7 has 3 of 4 rows. Class 1: persons 7, 8, 9 have a row each.

    >>> risk = class_risk(np.array([0, 0, 1, 1, 1]), np.array([7, 8, 7, 8, 9]), np.array([3, 1, 1, 1, 1]))
    >>> risk.prosecutor_max, risk.prosecutor_by_persons, risk.prosecutor_mean, risk.smallest
    (Fraction(3, 4), Fraction(1, 2), Fraction(4, 7), 2)
    """
    if isinstance(class_code, Table):
        class_code, person_code, rows = _pairs_of(class_code)
    class_code, person_code, rows = (np.asarray(a) for a in (class_code, person_code, rows))
    if not len(class_code) == len(person_code) == len(rows):
        raise SchemaError(
            f"class, person and row counts differ in length: {len(class_code)}, {len(person_code)}, {len(rows)}.",
            hint="give one entry for each (class, person).",
        )
    if len(rows) and rows.min() < 1:
        raise SchemaError("a (class, person) pair has fewer than one row.", hint="drop pairs without rows.")
    names, codes = np.unique(class_code, return_inverse=True)
    known = person_code >= 0
    without = int(rows[~known].sum())
    pair_class, pair_person, pair_rows = _sum_pairs(codes[known], person_code[known], rows[known])
    persons = np.bincount(pair_class, minlength=len(names))
    class_rows = np.bincount(pair_class, weights=pair_rows, minlength=len(names)).astype(np.int64)
    all_rows = np.bincount(codes, weights=rows, minlength=len(names)).astype(np.int64)
    heaviest = np.zeros(len(names), np.int64)
    np.maximum.at(heaviest, pair_class, pair_rows)
    empty = persons == 0
    # A class of nobody's rows protects nobody: risk 1, as if all were one person's.
    heaviest[empty], class_rows[empty] = all_rows[empty], all_rows[empty]

    total = int(all_rows.sum())
    load = np.bincount(np.unique(pair_person, return_inverse=True)[1], weights=pair_rows) if len(pair_rows) else None
    in_population = _population(names, persons, population)
    return ClassRisk(
        classes=len(names),
        persons=len(np.unique(pair_person)),
        rows=total,
        rows_without_person=without,
        smallest=int(persons.min()) if len(names) else 0,
        quartiles=weighted_quartiles(persons, np.ones(len(persons), np.int64)),
        histogram=class_histogram(persons, np.ones(len(persons), np.int64)),
        rows_in_classes_under={k: int(all_rows[persons < k].sum()) for k in (2, 5, 11)},
        unique_classes=int((persons == 1).sum()),
        unique_persons=len(np.unique(pair_person[persons[pair_class] == 1])),
        prosecutor_max=largest_share(heaviest, class_rows),
        prosecutor_mean=Fraction(int(heaviest.sum()), int(class_rows.sum())) if total else Fraction(0),
        prosecutor_by_persons=Fraction(1, max(1, int(persons.min()))) if len(names) else Fraction(0),
        journalist_max=None if in_population is None else Fraction(1, max(1, int(in_population.min()))),
        journalist_mean=None if in_population is None else _mean_inverse(in_population, all_rows),
        k_map=None if in_population is None else int(in_population.min()),
        marketer=Fraction(len(names), max(len(names), len(pair_class))) if len(names) else Fraction(0),
        dominated_classes=int((2 * heaviest > class_rows).sum()),
        baseline=Fraction(int(load.max()), int(load.sum())) if load is not None else Fraction(0),
    )


def largest_share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> Fraction:
    """The largest ``part / whole`` as an exact fraction; 0 for an empty table.

    >>> largest_share(np.array([1, 3]), np.array([3, 7]))
    Fraction(3, 7)
    """
    if not len(part):
        return Fraction(0)
    ratio = part / whole
    # Rounding is monotone, so the exact maximum is among the largest floats.
    top = ratio == ratio.max()
    pairs = np.unique(np.column_stack([part[top], whole[top]]), axis=0)
    return max(Fraction(int(a), int(b)) for a, b in pairs)


def _sum_pairs(
    class_code: Codes, person: Codes, rows: Codes
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    order = np.lexsort((person, class_code))
    c, p, r = class_code[order].astype(np.int64), person[order].astype(np.int64), rows[order].astype(np.int64)
    if not len(c):
        return c, p, r
    first = np.flatnonzero(np.concatenate([[True], (c[1:] != c[:-1]) | (p[1:] != p[:-1])]))
    return c[first], p[first], np.add.reduceat(r, first)


def _population(
    names: Codes, persons: NDArray[np.int64], population: Mapping[int, int] | None
) -> NDArray[np.int64] | None:
    if population is None or not len(names):
        return None
    given = np.array([population.get(int(name), 0) for name in names], np.int64)
    return np.maximum(given, persons)


def _mean_inverse(size: NDArray[np.int64], weight: NDArray[np.int64]) -> float:
    return float((weight / np.maximum(size, 1)).sum() / weight.sum())


def weighted_quartiles(size: NDArray[np.int64], many: NDArray[np.int64]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile of sizes that occur ``many`` times each, as `numpy.quantile` has them.

    >>> weighted_quartiles(np.array([5, 1]), np.array([1, 3]))
    (1.0, 1.0, 2.0)
    """
    if not len(size):
        return 0.0, 0.0, 0.0
    order = np.argsort(size, kind="stable")
    last = np.cumsum(many[order])
    found = []
    for share in (0.25, 0.5, 0.75):
        place = share * float(last[-1] - 1)
        low, high = (size[order][np.searchsorted(last, at, side="right")] for at in (np.floor(place), np.ceil(place)))
        found.append(float(low + (high - low) * (place - np.floor(place))))
    return found[0], found[1], found[2]


def class_histogram(persons: NDArray[np.int64], many: NDArray[np.int64]) -> dict[str, int]:
    """Classes by size in persons, each size occurring ``many`` times."""
    group = np.searchsorted(HISTOGRAM_EDGES, persons, side="right") - 1
    counts = np.bincount(group, weights=many, minlength=len(HISTOGRAM_EDGES))
    ends = [*(edge - 1 for edge in HISTOGRAM_EDGES[1:]), None]
    labels = [
        f"{low}+" if high is None else str(low) if low == high else f"{low}–{high}"
        for low, high in zip(HISTOGRAM_EDGES, ends, strict=True)
    ]
    return {label: int(n) for label, n in zip(labels, counts, strict=True)}
