"""The gate's numbers: several packed into one, and groups that hold fewer people than a threshold.

Why: what the gate asks of a release beside its classes is which bins, zone-hours and derivable groups hold few different
people. Group and person, written into one whole number, lie together once the numbers are sorted; that is several times
cheaper than a hash table of wide keys. Rows arrive in lots; what is added up holds for all of them. Classes themselves are
recounted in SQL (`gate_classes`).

Does not protect against rows that were never given, nor against a person who has two numbers.
"""

from __future__ import annotations

import numpy as np

ROOM = 1 << 62
"""Numbers that are packed stay below it."""
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
