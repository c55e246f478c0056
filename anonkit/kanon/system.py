"""The release as one system: volumes against flows, rows and columns at once.

After all parts are decided, the trips that no trips or flows tell are looked at as the suppressed groups between
departures and arrivals classes (`bridges`). Where a small group of them can be derived from both together, classes of
volumes, or a group of what trips and flows tell, fall beside. A told class falls with everything published that covers or
lies within it, so that what stands is still a partition (ruling 9). Not covered: see `bridges`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anonkit.classes import Protection, groups
from anonkit.kanon.bridges import NOWHERE, Classes, Fallen, OpenRows, Told, complementary
from anonkit.kanon.bridges_graph import Threshold
from anonkit.kanon.lots import Lot, Placed
from anonkit.kanon.products import Part

UNTOLD = -1
"""Of a base class that a part does not tell."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The classes of one step in a lot, and which of them are to be published."""

    placed: Placed
    rows: np.ndarray
    """Rows of each class."""
    stands: np.ndarray

    @property
    def part(self) -> Part:
        """The part of the step."""
        return self.placed.step.part

    @property
    def covers(self) -> np.ndarray:
        """Class of each base class where it stands, else ``NOWHERE``."""
        return np.where(self.stands[self.placed.of], self.placed.of, NOWHERE)


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What falls beside, for the whole system's sake."""

    stands: tuple[np.ndarray, ...]
    """What of each step still stands, in the order of the steps."""
    fallen: tuple[int, ...]
    """Number of classes that fell, for each step."""
    cuts: int
    """Groups that could have been derived."""


def told_by(standing: Sequence[Standing]) -> dict[Part, np.ndarray]:
    """For each part the first of its levels that tells a base class, Int8, ``UNTOLD`` for none."""
    found: dict[Part, np.ndarray] = {}
    for one in standing:
        told = found.setdefault(one.part, np.full(len(one.placed.of), UNTOLD, dtype=np.int8))
        told[(told == UNTOLD) & one.stands[one.placed.of]] = one.placed.step.number
    return found


def suppress_beside(lot: Lot, standing: tuple[Standing, ...], *, protection: Protection) -> Beside:
    """Let fall what would give a small group away through rows and columns together.

    Parameters
    ----------
    lot : rows of some of the coarsest bins; others have no part in it.
    standing : all steps of the release in the order of the chain.

    Privacy
    -------
    See ``bridges.complementary``: afterwards no sum of untold groups that follows exactly from departures, arrivals,
    flows, trips and totals of bins holds fewer than the thresholds.
    """
    nothing = Beside(stands=tuple(one.stands for one in standing), fallen=(0,) * len(standing), cuts=0)
    if {one.part.end for one in standing} - {None} != {"start", "end"}:
        return nothing
    return _System(lot, standing, protection).beside() or nothing


class _System:
    def __init__(self, lot: Lot, standing: tuple[Standing, ...], protection: Protection) -> None:
        self.lot, self.standing, self.protection = lot, standing, protection
        self.told = told_by(standing)
        self.chain = [number for number, one in enumerate(standing) if one.part.end is None]
        self.starts, self.start = self._classes("start")
        self.ends, self.end = self._classes("end")

    def beside(self) -> Beside | None:
        """What falls and what stands; None where nothing falls."""
        rows = self._open_rows()
        found = complementary(rows, self.starts, self.ends)
        if not found.cuts:
            return None
        group: dict[int, np.ndarray] = {}
        if self.protection.l_places <= 2 and self.chain:  # of three places, a fallen destination could leave two
            told, group = self._groups()
            found = complementary(rows, self.starts, self.ends, told)
        return self._without(found, group)

    # ---- classes of volumes
    def _steps(self, end: str) -> list[int]:
        return [number for number, one in enumerate(self.standing) if one.part.end == end]

    def _numbers(self, end: str) -> list[tuple[int, np.ndarray]]:
        """Each step of an end, and its standing classes in the order of their numbers."""
        return [(number, np.flatnonzero(self.standing[number].stands)) for number in self._steps(end)]

    def _classes(self, end: str) -> tuple[Classes, np.ndarray]:
        """The published classes of an end, and the number of that which tells each base class."""
        trips, bins, at = [], [], 0
        number_of = np.full(len(self.lot.bins), NOWHERE, dtype=np.int64)
        for number, mine in self._numbers(end):
            one = self.standing[number]
            place = np.full(len(one.placed), NOWHERE, dtype=np.int64)
            place[mine] = np.arange(at, at + len(mine))
            here = self.told[one.part] == one.placed.step.number
            number_of[here] = place[one.placed.of[here]]
            trips.append(one.rows[mine])
            bins.append(self.lot.bins[one.placed.first[mine]])
            at += len(mine)
        return Classes(trips=np.concatenate(trips), bin=np.concatenate(bins)), number_of

    # ---- rows
    def _is_told(self) -> np.ndarray:
        """Whether trips or flows tell each base class."""
        found = np.zeros(len(self.lot.bins), dtype=bool)
        for part, told in self.told.items():
            if part.end is None:
                found |= told != UNTOLD
        return found

    def _open_rows(self) -> OpenRows:
        """The rows that no trips or flows tell."""
        protection, lot = self.protection, self.lot
        mine = np.flatnonzero(~self._is_told()[lot.of])
        of = lot.of[mine]
        among = lot.column(protection.among).codes[mine] if protection.among is not None else None
        counted = [(protection.unit, protection.k)]
        if protection.k_driver is not None:
            counted.append(("driver", protection.k_driver))
        return OpenRows(
            start=self.start[of],
            end=self.end[of],
            bin=lot.bins[of],
            thresholds=tuple(
                Threshold(codes=lot.column(name).known()[mine], least=least, among=among) for name, least in counted
            ),
        )

    # ---- what falls
    def _groups(self) -> tuple[Told, dict[int, np.ndarray]]:
        """Groups of told classes that fall together; and for each step of the chain the group of each class."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        mine = np.flatnonzero(self._is_told())
        offsets, codes, size = {}, [], 0
        for number in self.chain:
            covers = self.standing[number].covers[mine].astype(np.int64)
            codes.append(np.where(covers == NOWHERE, NOWHERE, covers + size))
            offsets[number] = size
            size += len(self.standing[number].placed)
        stacked = np.stack(codes)
        anchor = stacked.max(axis=0)
        ones = [(anchor[here], code[here]) for code in stacked for here in [code >= 0]]
        left, right = (np.concatenate(part) for part in zip(*ones, strict=True))
        matrix = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(size, size)).tocsr()
        label: np.ndarray = connected_components(matrix, directed=False)[1]
        times = sum((told[mine] != UNTOLD).astype(np.int64) for part, told in self.told.items() if part.end is None)
        found = groups([(label[anchor], size)])
        place = mine[found.first]  # a base class of each group
        told = Told(
            start=self.start[place],
            end=self.end[place],
            bin=self.lot.bins[place],
            trips=found.sum(self.lot.rows[mine] * times),
        )
        number_of = np.full(size, NOWHERE, dtype=np.int64)
        number_of[label[anchor[found.first]]] = np.arange(len(found))
        of_class = number_of[label]
        return told, {number: of_class[at : at + len(self.standing[number].placed)] for number, at in offsets.items()}

    def _without(self, found: Fallen, group: dict[int, np.ndarray]) -> Beside:
        """What stands without what falls."""
        stands = [one.stands.copy() for one in self.standing]
        for end, classes in (("start", found.starts), ("end", found.ends)):
            fallen, at = np.array(classes, dtype=np.int64), 0
            for number, mine in self._numbers(end):
                here = fallen[(fallen >= at) & (fallen < at + len(mine))] - at
                stands[number][mine[here]] = False
                at += len(mine)
            self._add_parents(end, stands)
        for number, of_class in group.items():
            stands[number] &= ~np.isin(of_class, found.told)
        fell = tuple(int(one.stands.sum() - left.sum()) for one, left in zip(self.standing, stands, strict=True))
        return Beside(stands=tuple(stands), fallen=fell, cuts=found.cuts)

    def _add_parents(self, end: str, stands: list[np.ndarray]) -> None:
        """A class of volumes that falls takes with it the rest of its parent, which would gain its rows."""
        mine = self._steps(end)
        for place, number in enumerate(mine):
            one = self.standing[number]
            fell = (one.stands & ~stands[number])[one.placed.of]
            for later in mine[place + 1 :]:
                stands[later][self.standing[later].placed.of[fell]] = False
