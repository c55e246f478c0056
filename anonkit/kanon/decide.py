"""Which classes of each product may be published.

Levels are decided from fine to coarse along one chain (`products.check_chain`). A class is published when it holds the
thresholds, and when what it holds beyond the finer classes already published is nothing or holds them too: otherwise
subtraction gives a few people away (ruling 11). What a product's level cannot publish is gathered at its next level as
the rest of a parent, which must hold the thresholds itself; a full parent never stands beside its children (ruling 9).
Telling the rest of a parent tells, with its children, the whole parent, so it is held against subtraction as such.
The total of a time bin is treated as known: where a part publishes something new in a bin and leaves too small a rest,
the smallest of its new classes there is suppressed beside it. Where all trips from a place at a time that a recipient
could know of lead to one destination, the destination is given away, and the class is suppressed (ruling 7).

Last, volumes are held against trips and flows as rows and columns of one table (`system`): what they give away together
falls beside.

Rows are counted once, by class and person; coarser levels are sums of that tally (`classes.tallies`), and what each row
is told by is noted once, at the end.

Does not protect against: differences between two releases (the registry's business), bounds short of exact values, what a
class's members share beside destinations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa

from anonkit.classes import Counts, Protection, Tally, class_counts, coarser, is_safe, small_rests, tally_rows
from anonkit.classes.counts import PERSONS, RECORD, REST_ROWS, ROWS
from anonkit.engine import Session
from anonkit.geo import Tessellation, TimeBins
from anonkit.kanon.diversity import less_alike
from anonkit.kanon.lots import Lot, Placed, Setting, in_turn, lot_of, read_rows
from anonkit.kanon.operators import OPERATOR, less_alone, less_dominated, named_alone
from anonkit.kanon.products import Kind, Part, Product, Step, check_chain
from anonkit.kanon.system import Standing, suppress_beside, told_by

DRIVER = "driver"
ALONE = "_alone"
"""Of a row: whether its class at the first step of all holds one person."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What may be published of one part at one level."""

    step: Step
    classes: nw.LazyFrame[Any]
    """All classes: keys, ``rows, persons, top_rows, record, rest_…``. Inside only."""
    published: nw.LazyFrame[Any]
    """Those of them that are published."""
    suppressed_beside: int
    """Bins in which a class that holds the thresholds fell to protect the rest."""
    suppressed_alike: int
    """Classes that fell because they gave a destination or an origin away, or named an operator alone."""
    suppressed_system: int = 0
    """Classes that fell because rows and columns together gave a few people away."""

    @property
    def part(self) -> Part:
        """The part that this decides."""
        return self.step.part


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What a release publishes, and the rows it comes from."""

    steps: tuple[Decision, ...]
    rows: nw.LazyFrame[Any]
    """The used rows after thinning without record keys, with each part's ``told`` column and ``_alone``. Inside only."""
    thinned: int
    """Rows that thinning dropped from the whole release."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts in the order they were first decided."""
        return tuple(dict.fromkeys(decision.part for decision in self.steps))

    def of(self, kind: Kind) -> tuple[Decision, ...]:
        """The decisions of one product."""
        return tuple(decision for decision in self.steps if decision.part.product.kind == kind)

    def of_part(self, part: Part) -> tuple[Decision, ...]:
        """The decisions of one part, first level first."""
        return tuple(decision for decision in self.steps if decision.part == part)


@dataclass(frozen=True, kw_only=True)
class _Counted:
    """The tallies at one step's level, and which classes that step tells since they were made."""

    placed: Placed
    people: Tally
    drivers: Tally | None = None
    operators: Tally | None = None
    told: np.ndarray | None = None

    @property
    def tallies(self) -> tuple[Tally, ...]:
        return (self.people,) if self.drivers is None else (self.people, self.drivers)


@dataclass(frozen=True, kw_only=True)
class _Decided:
    """One step in one lot."""

    placed: Placed
    counts: Counts
    standing: np.ndarray
    beside: int
    alike: int


def decide_products(
    rows: nw.LazyFrame[Any],
    products: tuple[Product, ...],
    *,
    grid: Tessellation,
    base: TimeBins,
    protection: Protection,
    session: Session,
) -> Decisions:
    """Decide, from fine to coarse, which classes of each product are published.

    Parameters
    ----------
    rows : one row a trip: ``trip``, the unit's column, ``driver``, base ``start_cell, end_cell, start_bin``, extras; and
        ``record``, the persistent key of the unit, where counts are to be perturbed. It is read more than once.
    products : in any order; see ``check_chain``.
    grid, base : what the base cells and bins are.
    protection : thresholds.

    Returns
    -------
    Decisions with exact counts, which stay inside; only keys and (perturbed) counts of published classes may leave.

    Raises
    ------
    RecipeError : products do not nest.

    Privacy
    -------
    Every published class, every remainder by subtraction along the products, and every group that rows and columns give
    together, holds 0 rows or the thresholds.

    Sources
    -------
    Rulings 1, 4-7, 9, 11; Sweeney 2002 for k-anonymity; Fischetti and Salazar 2001 for complementary suppression.
    """
    setting = Setting(grid=grid, base=base, protection=protection, session=session)
    steps = check_chain(products, base)
    told, thinned = session.gather(), 0
    classes, published = [session.gather() for _ in steps], [session.gather() for _ in steps]
    numbers = np.zeros((len(steps), 3), dtype=np.int64)
    for lot in in_turn(lambda table: _settle_lot(table, steps, setting), read_rows(rows, steps, setting)):
        for number, (every, some) in enumerate(lot.tables):
            classes[number].add(every)
            published[number].add(some)
        numbers += lot.numbers
        told.add(lot.rows)
        thinned += lot.thinned
    decisions = tuple(
        Decision(
            step=step,
            classes=classes[number].frame(),
            published=published[number].frame(),
            suppressed_beside=int(numbers[number, 0]),
            suppressed_alike=int(numbers[number, 1]),
            suppressed_system=int(numbers[number, 2]),
        )
        for number, step in enumerate(steps)
    )
    return Decisions(steps=decisions, rows=told.frame(), thinned=thinned)


@dataclass(frozen=True, kw_only=True)
class _Settled:
    """What a lot comes to."""

    tables: list[tuple[pa.Table, pa.Table]]
    """For each step all classes, and those that are published."""
    numbers: np.ndarray
    """For each step what fell beside, alike, and for the system's sake."""
    rows: pa.Table
    thinned: int


def _settle_lot(table: pa.Table, steps: tuple[Step, ...], setting: Setting) -> _Settled:
    """All of one lot; touches no engine."""
    lot = lot_of(table, steps, setting)
    decided = _decide_lot(lot, steps, setting)
    standing = tuple(Standing(placed=one.placed, rows=one.counts[ROWS], stands=one.standing) for one in decided)
    beside = suppress_beside(lot, standing, protection=setting.protection)
    left = tuple(replace(one, stands=stands) for one, stands in zip(standing, beside.stands, strict=True))
    return _Settled(
        tables=[
            (
                one.placed.table(np.flatnonzero(one.counts[ROWS] > 0), one.counts),
                one.placed.table(np.flatnonzero(stands), one.counts),
            )
            for one, stands in zip(decided, beside.stands, strict=True)
        ],
        numbers=np.array(
            [(one.beside, one.alike, fell) for one, fell in zip(decided, beside.fallen, strict=True)], dtype=np.int64
        ).reshape(-1, 3),
        rows=_with_told(lot, left).append_column(ALONE, pa.array(_alone(decided[0])[lot.of])),
        thinned=lot.thinned,
    )


def _decide_lot(lot: Lot, steps: tuple[Step, ...], setting: Setting) -> list[_Decided]:
    """All steps of one lot, from fine to coarse."""
    decided: list[_Decided] = []
    pairs: _Counted | None = None
    for step in (step for step in steps if step.part.end is None):
        pairs = _first(step, lot, setting) if pairs is None else _next(pairs, step, lot, setting)
        one, pairs = _decide(pairs, setting)
        decided.append(one)
    for part in dict.fromkeys(step.part for step in steps if step.part.end is not None):
        counted = pairs  # each direction is held against trips and flows, not the other
        for step in part.steps():
            counted = _first(step, lot, setting) if counted is None else _next(counted, step, lot, setting)
            one, counted = _decide(counted, setting)
            decided.append(one)
    return decided


def _first(step: Step, lot: Lot, setting: Setting) -> _Counted:
    """The tallies of the finest level."""
    protection, placed = setting.protection, lot.place(step, setting)
    of, size = placed.of[lot.of], len(placed)
    among = lot.column(protection.among).codes if protection.among is not None else None
    record = lot.table.column(RECORD).fill_null(0).to_numpy() if RECORD in lot.table.column_names else None
    unit = lot.column(protection.unit).known()
    people = tally_rows(of, unit, classes=size, among=among, record=record)
    drivers = operators = None
    if protection.k_driver is not None:
        drivers = tally_rows(of, lot.column(DRIVER).known(), classes=size, among=among)
    if protection.operator_share is not None:
        operators = tally_rows(of, unit, classes=size, among=lot.column(OPERATOR).codes)
    return _Counted(placed=placed, people=people, drivers=drivers, operators=operators)


def _next(before: _Counted, step: Step, lot: Lot, setting: Setting) -> _Counted:
    """The tallies of a coarser step, less what the one before has told."""
    done, told = before.placed.step, before.told
    left: dict[str, str] = {}
    for name in before.people.left:
        left[name] = f"{name}-told" if name == done.part.told else name
    if done.number == 0 and done.part.product.roll_up:
        left[done.part.told] = "n-told"
    if done.number == len(done.part.product.roll_up):
        left.pop(done.part.told, None)
    placed = lot.place(step, setting)
    up = placed.of[before.placed.first]
    assert told is not None

    def coarse(tally: Tally | None) -> Tally | None:
        return None if tally is None else coarser(tally, up, classes=len(placed), told=told, left=left)

    people = coarse(before.people)
    assert people is not None
    return _Counted(placed=placed, people=people, drivers=coarse(before.drivers), operators=coarse(before.operators))


def _decide(counted: _Counted, setting: Setting) -> tuple[_Decided, _Counted]:
    """Decide one step."""
    protection, placed = setting.protection, counted.placed
    step = placed.step
    left = step.part.told if step.number else None
    counts = class_counts(counted.people, left=left, drivers=counted.drivers)
    frame = nw.from_native(pa.table(counts)).select(is_safe(protection, rest=True).alias("safe"))
    stands = frame["safe"].to_numpy().astype(bool)
    alone = named_alone(step, protection)
    if counted.operators is not None and not alone:
        stands = less_dominated(stands, counts[ROWS], counted.operators, left=left, protection=protection)
    alike = beside = 0
    while True:
        stands, fallen = _settled(placed, stands, counts, protection)
        alike += fallen
        bins = _bins_with_small_rest(counted, stands, setting)
        beside += len(bins)
        if not len(bins):
            break
        stands = _less_victims(placed, stands, counts, bins)
        if not alone and (
            step.part.end is not None or protection.l_places < 2
        ):  # what fell holds the thresholds, so the rest now does
            break
    decided = _Decided(placed=placed, counts=counts, standing=stands, beside=beside, alike=alike)
    return decided, replace(counted, told=stands)


def _bins_with_small_rest(counted: _Counted, stands: np.ndarray, setting: Setting) -> np.ndarray:
    """Time bins whose untold rest is neither nothing nor large enough, though this step tells more of them."""
    protection = setting.protection
    found = [
        small_rests(tally, counted.placed.bins, stands, threshold)
        for tally, threshold in zip(counted.tallies, (protection.k, protection.k_driver or 0), strict=False)
    ]
    return np.unique(np.concatenate(found))


def _less_victims(placed: Placed, stands: np.ndarray, counts: Counts, bins: np.ndarray) -> np.ndarray:
    """What stands less the smallest class that adds to the rest of each of these bins."""
    mine = np.flatnonzero(stands & (counts[REST_ROWS] > 0) & np.isin(placed.bins, bins))
    order = mine[np.lexsort((mine, counts[ROWS][mine], placed.bins[mine]))]
    _, first = np.unique(placed.bins[order], return_index=True)
    left = stands.copy()
    left[order[first]] = False
    return left


def _settled(placed: Placed, stands: np.ndarray, counts: Counts, protection: Protection) -> tuple[np.ndarray, int]:
    """Classes that neither give a destination away nor name an operator alone, and how many fell for it."""
    fallen, alone = 0, 1
    while alone:
        stands, alike = less_alike(placed, stands, counts[PERSONS], protection=protection)
        alone = 0
        if named_alone(placed.step, protection):
            stands, alone = less_alone(placed, stands)
        fallen += alike + alone
    return stands, fallen


def _alone(first: _Decided) -> np.ndarray:
    """Whether the class of each base class at the first step holds one person."""
    found: np.ndarray = (first.counts[PERSONS] == 1)[first.placed.of]
    return found


def _with_told(lot: Lot, standing: Sequence[Standing]) -> pa.Table:
    """Rows with each part's ``told``: the first of its levels that publishes the row's class, or nothing."""
    table = lot.table.drop_columns([name for name in (RECORD,) if name in lot.table.column_names])
    for part, told in told_by(standing).items():
        table = table.append_column(part.told, pa.array(told[lot.of]))
    return table
