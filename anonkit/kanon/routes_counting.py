"""Who is counted on a link: distinct persons and drivers, the largest share of one of them, partitions, rounding.

The arithmetic under every route product, on plain arrays: one row a passage, a code for the released cell (a link, a
link and hour, a turn, a pattern), and one code a trip for person, driver and operator. A null person (code −1) adds
nobody (ruling 1). Counts leave only perturbed by the cell-key noise that trips, flows and volumes have too
(``anonkit.kanon.perturb``): the same persons in a cell get the same noise in every table and release (ruling 12).

It does not hide who is in a safe cell from somebody who knows all others in it; that takes differential privacy.

Sources: Australian Bureau of Statistics, cell-key perturbation (Fraser and Wooton 2005); Hundepool et al. 2012,
Statistical Disclosure Control, section 4.3 (complementary suppression).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from anonkit.base.errors import SchemaError
from anonkit.classes import Protection
from anonkit.kanon.perturb import KEY_BITS, KEY_SPACE, CellKeyNoise
from anonkit.kanon.suppression import BANDS

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
REST = -1
"""Bin of a row that covers the rest of its link (ruling 9)."""


@dataclass(frozen=True, eq=False)
class Riders:
    """Who made each trip, as codes; −1 is nobody known. Inside only."""

    person: Ints
    driver: Ints
    operator: Ints
    record_key: Ints
    """Record key of each trip's person, 40 bits under the key that outlives runs: what a cell's noise is drawn from."""

    @classmethod
    def of(
        cls, *, person: Sequence[Any], driver: Sequence[Any] | None, operator: Sequence[Any] | None, key: bytes
    ) -> Riders:
        """Codes from tokens; ``key`` is the persistent key of the dataset, kept inside, never a run key.

        Privacy
        -------
        Codes number the persons of one run and are written nowhere.
        """
        if len(key) < 16:
            raise SchemaError("The key of counts is shorter than 16 bytes.", hint="use the dataset's 32-byte key.")
        codes, tokens = pd.factorize(pd.Series(list(person), dtype=object), use_na_sentinel=True)
        hashed = [
            int.from_bytes(
                hashlib.blake2b(str(token).encode(), key=key[:64], digest_size=KEY_BITS // 8).digest(), "little"
            )
            for token in tokens
        ]
        record = np.where(codes >= 0, np.asarray([*hashed, 0], dtype=np.int64)[codes], 0)
        return cls(codes.astype(np.int64), _coded(driver, len(codes)), _coded(operator, len(codes)), record)

    @classmethod
    def of_tokens(
        cls, *, unit: Sequence[Any], driver: Sequence[Any] | None, operator: Sequence[Any] | None, record: Any
    ) -> Riders:
        """Codes from the tokens of a run, with the record keys that ``prepare.tokenise`` gave (null: nobody).

        ``unit`` is whom k counts: the person's token, or the trip's or driver's where the source knows no persons.
        """
        codes = _coded(unit, len(unit))
        keys = pd.array(list(record), dtype="Int64").to_numpy(dtype=np.int64, na_value=0)
        return cls(codes, _coded(driver, len(codes)), _coded(operator, len(codes)), np.where(codes >= 0, keys, 0))


def _coded(values: Sequence[Any] | None, size: int) -> Ints:
    if values is None:
        return np.full(size, -1, dtype=np.int64)
    if len(values) != size:
        raise SchemaError(f"{len(values)} values for {size} trips.", hint="one value a trip.")
    return pd.factorize(pd.Series(list(values), dtype=object), use_na_sentinel=True)[0].astype(np.int64)


@dataclass(frozen=True, eq=False)
class Tally:
    """Exact counts of each cell: **inside only**. ``cell`` is sorted; the other arrays are aligned to it."""

    cell: Ints
    rows: Ints
    """Passages, at most ``max_rows`` of each person."""
    persons: Ints
    drivers: Ints
    top_person: Ints
    top_driver: Ints
    top_operator: Ints
    raw_rows: Ints
    operators: int
    """Operators in the whole pool."""
    key: Ints
    """Cell key: sum of its persons' record keys, each person once."""

    def safe(self, protection: Protection) -> Bools:
        """Whether a cell holds the thresholds: persons, drivers, and nobody owns more than the dominance limit."""
        share = protection.dominance
        ok = (self.persons >= protection.k) & (self.top_person * share.denominator <= self.rows * share.numerator)
        if protection.k_driver is not None:
            ok &= self.drivers >= protection.k_driver
            ok &= self.top_driver * share.denominator <= self.raw_rows * share.numerator
        if self.operators > 1:
            ok &= self.top_operator * share.denominator <= self.raw_rows * share.numerator
        return ok

    def at(self, cells: Ints) -> Ints:
        """Positions of cells that are known to be there."""
        return np.searchsorted(self.cell, cells)


def tally(cell: Any, trip: Any, riders: Riders, *, max_rows: int) -> Tally:
    """Count each cell: rows thinned to ``max_rows`` a person, distinct persons and drivers, largest shares.

    Parameters
    ----------
    cell : code of each passage's cell, int64 >= 0.
    trip : position of its trip among ``riders``.
    max_rows : int >= 1; passages of one person that count in one cell (ruling 6).

    Privacy
    -------
    Exact counts: they decide what may leave and stay inside.

    Examples
    --------
    >>> who = Riders(np.array([0, 0, 1, -1]), np.array([5, 5, 6, 6]), np.full(4, -1), np.zeros(4, np.int64))
    >>> found = tally([3, 3, 3, 3, 9], [0, 1, 2, 3, 0], who, max_rows=1)
    >>> found.cell.tolist(), found.rows.tolist(), found.persons.tolist(), found.drivers.tolist()
    ([3, 9], [3, 1], [2, 1], [2, 1])
    """
    cell = np.asarray(cell, dtype=np.int64)
    trip = np.asarray(trip, dtype=np.int64)
    cells, place = np.unique(cell, return_inverse=True)
    raw = np.bincount(place, minlength=len(cells)).astype(np.int64)
    by_person = _pairs(place, riders.person[trip])
    counted = np.where(by_person.unit >= 0, np.minimum(by_person.rows, max_rows), by_person.rows)
    somebody = by_person.unit >= 0
    record = np.zeros(int(riders.person.max(initial=-1)) + 2, dtype=np.int64)
    record[riders.person] = riders.record_key
    key = np.zeros(len(cells), dtype=np.int64)
    np.add.at(key, by_person.cell[somebody], record[by_person.unit[somebody]])
    key %= KEY_SPACE
    by_driver, by_operator = _pairs(place, riders.driver[trip]), _pairs(place, riders.operator[trip])
    return Tally(
        cell=cells,
        rows=np.bincount(by_person.cell, weights=counted, minlength=len(cells)).astype(np.int64),
        persons=np.bincount(by_person.cell[somebody], minlength=len(cells)).astype(np.int64),
        drivers=np.bincount(by_driver.cell[by_driver.unit >= 0], minlength=len(cells)).astype(np.int64),
        top_person=_top(by_person.cell[somebody], counted[somebody], len(cells)),
        top_driver=_top(by_driver.cell[by_driver.unit >= 0], by_driver.rows[by_driver.unit >= 0], len(cells)),
        top_operator=_top(by_operator.cell, by_operator.rows, len(cells)),
        raw_rows=raw,
        operators=len(np.unique(riders.operator[riders.operator >= 0])),
        key=key,
    )


@dataclass(frozen=True, eq=False)
class _Pairs:
    cell: Ints
    unit: Ints
    rows: Ints


def _pairs(place: Ints, unit: Ints) -> _Pairs:
    wide = int(unit.max(initial=-1)) + 2
    both, rows = np.unique(place * wide + unit + 1, return_counts=True)
    return _Pairs(both // wide, both % wide - 1, rows.astype(np.int64))


def _top(cell: Ints, rows: Ints, cells: int) -> Ints:
    most = np.zeros(cells, dtype=np.int64)
    np.maximum.at(most, cell, rows)
    return most


def perturbed(counts: Any, key: Any, noise: CellKeyNoise | None) -> Ints:
    """Counts with the cell-key noise of their persons; as they are where ``noise`` is None (exact, must be asked for).

    Privacy
    -------
    A difference of two published counts no longer tells whether one person was there. The noise depends on the persons
    in the cell and the persistent key only, so asking again gives the same answer (ruling 12).

    Examples
    --------
    >>> perturbed([10, 10, 12], [0, KEY_SPACE // 2, 0], CellKeyNoise(largest=2, variance=1.0)).tolist()
    [8, 10, 10]
    """
    counts = np.asarray(counts, dtype=np.int64)
    if noise is None:
        return counts.copy()
    edges = np.asarray(noise.thresholds, dtype=np.int64)
    drawn = np.searchsorted(edges, np.asarray(key, dtype=np.int64) % KEY_SPACE, side="right") - noise.largest
    return np.asarray(counts + drawn, dtype=np.int64)


def partition(
    place: Any, part: Any, trip: Any, riders: Riders, *, protection: Protection, max_rows: int
) -> tuple[Ints, Bools]:
    """Split each place into the parts that hold the thresholds and one rest that holds them too (rulings 9, 11).

    A part that is too small goes into the rest of its place; while the rest is too small the place's smallest part
    joins it; a place whose all is too small is not published. So what is published of a place always adds up to the
    whole of it or is nothing, and subtracting parts from a whole known by another product gives a safe rest.

    Parameters
    ----------
    place, part, trip : one value a passage, codes >= 0.

    Returns
    -------
    The part of each passage (``REST`` where it went into the rest) and whether the passage is published.
    """
    place = np.asarray(place, dtype=np.int64)
    label = np.asarray(part, dtype=np.int64).copy()
    if label.size and label.min() < 0:
        raise SchemaError("A part has a negative code.", hint="codes start at 0; -1 is the rest.")
    wide = int(label.max(initial=0)) + 2
    trip = np.asarray(trip, dtype=np.int64)
    counted = tally(place * wide + label + 1, trip, riders, max_rows=max_rows)
    bad = counted.cell[~counted.safe(protection)]
    label[np.isin(place * wide + label + 1, bad)] = REST
    dead = [np.zeros(0, dtype=np.int64)]
    active = np.flatnonzero(np.isin(place, place[label == REST]))
    while len(active):
        rest = active[label[active] == REST]
        held = tally(place[rest], trip[rest], riders, max_rows=max_rows)
        poor = held.cell[~held.safe(protection)]
        active = active[np.isin(place[active], poor)]
        open_rows = active[label[active] != REST]
        dead.append(np.setdiff1d(poor, place[open_rows]))
        active = active[np.isin(place[active], place[open_rows])]
        if not len(open_rows):
            break
        left = tally(place[open_rows] * wide + label[open_rows] + 1, trip[open_rows], riders, max_rows=max_rows)
        order = np.lexsort((left.cell, left.persons, left.cell // wide))
        smallest = left.cell[order][np.r_[True, np.diff(left.cell[order] // wide) != 0]]
        label[active[np.isin(place[active] * wide + label[active] + 1, smallest)]] = REST
    return label, ~np.isin(place, np.concatenate(dead))


def band(share: float) -> str:
    """A suppressed share in per cent as it may be told (ruling 11).

    >>> band(0.0), band(0.031), band(0.7)
    ('0', '<5', '>50')
    """
    return BANDS[int(np.searchsorted([0.0, 0.05, 0.2, 0.5], share, side="left" if share <= 0 else "right"))]
