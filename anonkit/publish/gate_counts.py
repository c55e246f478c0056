"""The gate's own counting: distinct persons of groups, by sorting numbers.

Why: what the gate asks of a release is how many different people stand in a group. Group and person, written into one whole
number, lie together once the numbers are sorted; that is several times cheaper than a hash table of wide keys, and no code
that made the files counts like that. Rows arrive in lots; what is added up holds for all of them.

Does not protect against rows that were never given, nor against a person who has two numbers.
"""

from __future__ import annotations

import numpy as np

ROOM = 1 << 62
"""Numbers that are packed stay below it."""
MASK = 1 << 20
SEEN = 1 << 27
"""At most so many marks of one `Few`; where there would be more, everything is counted by sorting."""


def packed(*columns: tuple[np.ndarray, int]) -> np.ndarray:
    """One whole number for several, each with the number of values it may take; no two combinations get the same.

    ``columns`` : arrays of one length with values from 0 to below their size.

    Raises
    ------
    OverflowError : the combinations do not fit into 62 bits; no table that fits a machine has so many classes and people.
    """
    (first, size), *others = columns
    found = first.astype(np.int64)
    for column, width in others:
        size *= width
        if size >= ROOM:
            raise OverflowError("classes times people do not fit into whole numbers of 62 bits")
        found *= width
        found += column
    return found


def width(count: int) -> int:
    """The least power of two that is no smaller: numbers below it come out of a packed one without division."""
    return 1 << max(count - 1, 0).bit_length()


def sorted_unique(numbers: np.ndarray) -> np.ndarray:
    """Every number once, in order."""
    found = np.sort(numbers)
    return found[firsts(found)]


def firsts(ordered: np.ndarray) -> np.ndarray:
    """Where a run of equal numbers begins."""
    new = np.empty(len(ordered), dtype=bool)
    new[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    found: np.ndarray = np.flatnonzero(new)
    return found


class Tally:
    """Distinct people of each class, the most rows that one of them has, and both for the rows that nothing finer tells.

    Parameters
    ----------
    classes : number of classes; people : number of persons; fleets : groups of operators between which persons cannot be matched.

    A class must not go on in a later lot: its people are counted within a lot.
    """

    def __init__(self, classes: int, people: int, fleets: int) -> None:
        self.classes, self.people, self.fleets = classes, width(people), max(fleets, 1)
        self._bits = self.people.bit_length() - 1
        cells = classes * self.fleets
        self._all, self._rest, self._top = (np.zeros(cells, dtype=np.int64) for _ in range(3))
        self.records = Sums(classes)

    def add(
        self,
        class_: np.ndarray,
        who: np.ndarray,
        fleet: np.ndarray | None,
        rest: np.ndarray,
        record: np.ndarray | None = None,
    ) -> None:
        """Rows of a lot: class, person (-1: nobody), fleet (-1: none), whether nothing finer tells the row; the person's record."""
        if record is not None:
            of_person = np.zeros(self.people, dtype=np.int64)
            of_person[who[who >= 0]] = record[who >= 0]
        known = who >= 0 if fleet is None else (who >= 0) & (fleet >= 0)
        if not known.all():
            class_, who, rest = class_[known], who[known], rest[known]
            fleet = None if fleet is None else fleet[known]
        columns = [(class_, self.classes), *([] if fleet is None else [(fleet, self.fleets)])]
        codes = np.sort(packed(*columns, (who, self.people), (rest, 2)))
        start = firsts(codes >> 1)
        pairs = codes[start] >> 1
        if not len(start):
            return
        cell = pairs >> self._bits
        if record is not None:
            self.records.add(cell // self.fleets, of_person[pairs & (self.people - 1)])
        rows = np.diff(start, append=len(codes))
        open_ = (codes[start + rows - 1] & 1).astype(bool)
        cells = len(self._all)
        self._all += np.bincount(cell, minlength=cells)
        self._rest += np.bincount(cell[open_], minlength=cells)
        first = firsts(cell)
        self._top[cell[first]] = np.maximum(self._top[cell[first]], np.maximum.reduceat(rows, first))

    @property
    def units(self) -> np.ndarray:
        """Persons of each class; of those who cannot be matched between fleets, the most that one fleet has."""
        return self._each(self._all).max(axis=1, initial=0)

    @property
    def rest(self) -> np.ndarray:
        """The same of the rows that nothing finer tells."""
        return self._each(self._rest).max(axis=1, initial=0)

    @property
    def top(self) -> np.ndarray:
        """The most rows that one person may have: one of each fleet may be the same one, so their sum."""
        return self._each(self._top).sum(axis=1)

    def _each(self, cells: np.ndarray) -> np.ndarray:
        return cells.reshape(self.classes, self.fleets)


class Few:
    """Which groups hold fewer people than a threshold, of rows that come in any order and lots.

    Some people leave a mark in one of a few places of their group; as many marks as the threshold prove as many people, since
    one person leaves one mark. Only where marks do not suffice are the people themselves kept and counted.
    """

    def __init__(self, groups: int, people: int, fleets: int, least: int) -> None:
        self.groups, self.people, self.fleets, self.least = groups, width(people), max(fleets, 1), least
        self._places = 1 << max(6, (4 * least - 1).bit_length())
        marks = groups * self.fleets * self._places
        self._seen = np.zeros(marks if marks <= SEEN else 0, dtype=bool)
        self._kept: list[np.ndarray] = []

    def add(self, group: np.ndarray, who: np.ndarray, fleet: np.ndarray | None) -> None:
        """Rows of a lot: group, person (-1: nobody) and fleet (-1: none)."""
        known = who >= 0 if fleet is None else (who >= 0) & (fleet >= 0)
        if not known.all():
            group, who, fleet = group[known], who[known], None if fleet is None else fleet[known]
        if len(self._seen):  # a part of the rows settles most groups; only the others' rows are looked at one by one
            step = max(len(group) // (self.groups * self._places), 1)
            cell = self._cells(group[::step], None if fleet is None else fleet[::step])
            self._seen[cell * self._places + (who[::step] & (self._places - 1))] = True
            doubt = np.flatnonzero(~self._proved()[group])
            group, who, fleet = group[doubt], who[doubt], None if fleet is None else fleet[doubt]
        if len(group):
            cells = (self._cells(group, fleet), self.groups * self.fleets)
            self._kept.append(sorted_unique(packed(cells, (who, self.people))))

    def _cells(self, group: np.ndarray, fleet: np.ndarray | None) -> np.ndarray:
        wide = group.astype(np.int64)
        return wide if fleet is None else wide * self.fleets + fleet

    def below(self) -> np.ndarray:
        """Of each group whether fewer people than the threshold were given (none among them)."""
        cells = np.zeros(self.groups * self.fleets, dtype=np.int64)
        if self._kept:
            codes = sorted_unique(np.concatenate(self._kept))
            cells += np.bincount(codes // self.people, minlength=len(cells))
        found: np.ndarray = cells.reshape(self.groups, self.fleets).max(axis=1, initial=0) < self.least
        return found & ~self._proved() if len(self._seen) else found

    def _proved(self) -> np.ndarray:
        marks = self._seen.reshape(self.groups, self.fleets, self._places).sum(axis=2)
        found: np.ndarray = marks.max(axis=1, initial=0) >= self.least
        return found


class Sums:
    """Exact sums modulo 2^40 of the record keys of a class's distinct persons: its noise is drawn by them."""

    def __init__(self, classes: int) -> None:
        self._low, self._high = np.zeros(classes), np.zeros(classes)

    def add(self, class_: np.ndarray, numbers: np.ndarray) -> None:
        """Numbers of a lot; two halves of 20 bits each add up exactly in double precision (up to 2^33 rows)."""
        count = len(self._low)
        self._low += np.bincount(class_, weights=numbers & (MASK - 1), minlength=count)
        self._high += np.bincount(class_, weights=(numbers >> 20) & (MASK - 1), minlength=count)

    def modulo(self) -> np.ndarray:
        """The sums modulo 2^40."""
        found: np.ndarray = (self._low.astype(np.int64) + ((self._high.astype(np.int64) % MASK) << 20)) % (1 << 40)
        return found
