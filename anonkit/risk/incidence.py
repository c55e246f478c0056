"""Who was where: persons and the things known about them, as compressed rows in both directions.

Record attacks all ask the same two questions: what did this person do, and who else did that? ``Incidence`` answers
both from one sort of the (person, item) pairs, where an item is a place, a place-time, a trip or a link. Rows of
nobody are dropped first: they are no person (ruling 1). Source: own; the layout is that of a sparse matrix (CSR).
It holds exact traces of persons: never store or hand on, and it protects nobody by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anonkit.base.entropy import seeded
from anonkit.base.errors import SchemaError

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Incidence:
    """Distinct (person, item) pairs with their counts, by person and by item."""

    person_code: Ints
    """Code of each person, ascending; position in it is the person's number below."""
    person_start: Ints
    """Begin of each person in ``item`` and ``count``; one longer than the number of persons."""
    item: Ints
    """Items of each person, ascending within a person, as numbers 0 … items − 1."""
    count: Ints
    """How often the person has the item."""
    item_code: Ints
    """Code of each item, ascending."""
    item_start: Ints
    """Begin of each item in ``holder`` and ``holder_count``."""
    holder: Ints
    """Persons of each item, ascending."""
    holder_count: Ints

    @property
    def persons(self) -> int:
        """Number of persons."""
        return len(self.person_code)

    @property
    def items(self) -> int:
        """Number of distinct items."""
        return len(self.item_code)

    def items_of(self, person: int) -> Ints:
        """Distinct items of person number ``person``."""
        return self.item[self.person_start[person] : self.person_start[person + 1]]


def incidence(person_code: NDArray[np.integer], item_code: NDArray[np.integer]) -> Incidence:
    """Count (person, item) pairs; negative codes are nobody or unknown and are left out.

    Parameters
    ----------
    person_code, item_code : integer codes, one entry a row.

    Returns
    -------
    Incidence

    Raises
    ------
    SchemaError : the arrays differ in length.

    Privacy
    -------
    Exact: stays in memory of the attack. A row without a person counts nobody (ruling 1).

    Sources
    -------
    Own.

    Examples
    --------
    >>> table = incidence(np.array([5, 5, 9, -1]), np.array([1, 1, 1, 1]))
    >>> table.persons, table.count.tolist(), table.holder.tolist()
    (2, [2, 1], [0, 1])
    """
    if len(person_code) != len(item_code):
        raise SchemaError(
            f"{len(person_code)} persons and {len(item_code)} items: one each a row was expected.",
            hint="give both arrays from the same rows.",
        )
    kept = (person_code >= 0) & (item_code >= 0)
    persons, who = compact(person_code[kept])
    items, what = compact(item_code[kept])
    key, count = _counted(who * max(1, len(items)) + what)
    pair_person, pair_item = np.divmod(key, max(1, len(items)))
    by_item = np.argsort(pair_item, kind="stable")
    return Incidence(
        person_code=persons,
        person_start=starts(pair_person, len(persons)),
        item=pair_item,
        count=count,
        item_code=items,
        item_start=starts(pair_item[by_item], len(items)),
        holder=pair_person[by_item],
        holder_count=count[by_item],
    )


def compact(given: NDArray[np.integer]) -> tuple[Ints, Ints]:
    """Distinct codes ascending, and each entry's number among them; a table look-up where the codes are dense."""
    codes: Ints = np.asarray(given, dtype=np.int64)
    if not len(codes):
        return codes, codes
    low, high = int(codes.min()), int(codes.max())
    if high - low < 8 * len(codes) + 1_000_000:
        seen = np.zeros(high - low + 1, bool)
        seen[codes - low] = True
        number = np.cumsum(seen) - 1
        return (np.flatnonzero(seen) + low).astype(np.int64), number[codes - low].astype(np.int64)
    distinct, number = np.unique(codes, return_inverse=True)
    return distinct.astype(np.int64), number.astype(np.int64)


def starts(ascending: Ints, size: int) -> Ints:
    """Begin of each of ``size`` groups in an ascending array, and its length at the end."""
    return np.concatenate([[0], np.cumsum(np.bincount(ascending, minlength=size))]).astype(np.int64)


def combine(*columns: NDArray[np.integer]) -> Ints:
    """One code for each distinct combination of columns; a row with a negative code anywhere gets −1.

    >>> combine(np.array([1, 1, 2]), np.array([7, 7, -1])).tolist()
    [0, 0, -1]
    """
    unknown = np.zeros(len(columns[0]), bool)
    code = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        unknown |= column < 0
        distinct, number = compact(column)
        code = compact(code * len(distinct) + number)[1]
    code[~unknown] = compact(code[~unknown])[1]
    return np.where(unknown, -1, code)


def hold_out(
    person_code: NDArray[np.integer], *, share: float, seed: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Rows of the persons who stay in the data, and rows of those kept out of it as control; nobody's rows in neither.

    Whole persons change sides: a control whose other trips are in the data would be no control.
    """
    persons = np.unique(person_code[person_code >= 0])
    chosen = seeded(seed).random(len(persons)) < share
    outside = np.isin(person_code, persons[chosen])
    return (person_code >= 0) & ~outside, outside


def _counted(key: Ints) -> tuple[Ints, Ints]:
    if not len(key):
        return key, key
    key = np.sort(key)
    first = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    return key[first], np.diff(np.concatenate([first, [len(key)]])).astype(np.int64)
