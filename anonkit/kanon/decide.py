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

from dataclasses import dataclass, replace
from typing import Any

import narwhals.stable.v2 as nw

from anonkit.classes import Protection, Tally, class_counts, coarser, is_safe, small_rests, tally_rows, thin_rows
from anonkit.engine import Session, identifier
from anonkit.geo import Tessellation, TimeBins
from anonkit.kanon.diversity import less_alike
from anonkit.kanon.operators import COUNTED, OPERATOR, less_alone, less_dominated, named_alone, tally_operators
from anonkit.kanon.products import Kind, Part, Product, Step, check_chain
from anonkit.kanon.system import PublishedStep, suppress_beside

NOTHING = -1
"""Of a row that a part does not tell."""


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
    """The used rows after thinning, with each part's ``told`` column. Inside only."""
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
class _Setting:
    grid: Tessellation
    base: TimeBins
    protection: Protection
    session: Session


@dataclass(frozen=True, kw_only=True)
class _Counted:
    """The tallies at one step's level, and what that step has told since they were made."""

    step: Step
    people: Tally
    drivers: Tally | None
    operators: Tally | None = None
    published: nw.LazyFrame[Any] | None = None

    @property
    def tallies(self) -> tuple[Tally, ...]:
        return (self.people,) if self.drivers is None else (self.people, self.drivers)


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
    setting = _Setting(grid=grid, base=base, protection=protection, session=session)
    steps = check_chain(products, base)
    decided: list[Decision] = []
    pairs: _Counted | None = None
    thinned = 0
    for step in (step for step in steps if step.part.end is None):
        before = pairs
        if before is None:
            pairs, rows, thinned = _first(rows, step, setting)
        else:
            pairs = _next(before, step, setting)
            _drop(before, session)
        decision, pairs = _decide(pairs, setting)
        decided.append(decision)
    for part in dict.fromkeys(step.part for step in steps if step.part.end is not None):
        counted = pairs  # each direction is held against trips and flows, not the other
        for step in part.steps():
            before = counted
            counted = _first(rows, step, setting)[0] if before is None else _next(before, step, setting)
            if before is not None and before is not pairs:
                _drop(before, session)
            decision, counted = _decide(counted, setting)
            decided.append(decision)
        if counted is not None:
            _drop(counted, session)
    told = session.table("SELECT * FROM {told}", told=_with_told(rows, decided, setting))
    published = tuple(PublishedStep(step=decision.step, published=decision.published) for decision in decided)
    beside = suppress_beside(told, published, grid=grid, base=base, protection=protection, session=session)
    standing = zip(decided, beside.published, beside.fallen, strict=True)
    decided = [replace(decision, published=kept, suppressed_system=fell) for decision, kept, fell in standing]
    return Decisions(steps=tuple(decided), rows=beside.rows, thinned=thinned)


def _first(rows: nw.LazyFrame[Any], step: Step, setting: _Setting) -> tuple[_Counted, nw.LazyFrame[Any], int]:
    """The tallies of the finest level, the rows they are of, and how many rows thinning dropped from the whole release."""
    protection, session, max_rows = setting.protection, setting.session, step.part.product.max_rows
    coarse = step.coarse(setting.grid, setting.base)
    names = rows.collect_schema().names()
    plain = [name for name in names if name not in coarse]

    def keyed() -> nw.LazyFrame[Any]:
        return rows.select(*plain, *(expression.alias(name) for name, expression in coarse.items()))

    people = tally_rows(
        keyed(),
        tuple(coarse),
        unit=protection.unit,
        among=protection.among,
        record="record" in plain,
        max_rows=max_rows,
        session=session,
    )
    thinned = 0
    if max_rows is not None:
        counting = "SELECT count(*) FROM {rows}"
        kept = session.value("SELECT coalesce(sum(n), 0)::BIGINT FROM {tally}", tally=people.frame)
        thinned = session.value(counting, rows=rows) - kept
    if thinned and max_rows is not None:
        heavy = thin_rows(
            step.keyed(rows, setting.grid, setting.base), step.keys, unit=protection.unit, max_rows=max_rows
        )
        rows = session.checkpoint(heavy.select(*names), "thinned")
    drivers = None
    if protection.k_driver is not None:
        drivers = tally_rows(keyed(), tuple(coarse), unit="driver", among=protection.among, session=session)
    operators = None
    if protection.operator_share is not None:
        rows_of = rows.with_columns(nw.col(OPERATOR).alias(COUNTED))
        named = rows_of.select(
            COUNTED, protection.unit, *(expression.alias(name) for name, expression in coarse.items())
        )
        operators = tally_operators(named, tuple(coarse), unit=protection.unit, session=session)
    return _Counted(step=step, people=people, drivers=drivers, operators=operators), rows, thinned


def _next(before: _Counted, step: Step, setting: _Setting) -> _Counted:
    """The tallies of a coarser step, less what the one before has told."""
    done, on = before.step, {column: name for name, column in before.step.sources.items()}
    left: dict[str, str] = {}
    for name in before.people.left:
        left[name] = f"{name}-told" if name == done.part.told else name
    if done.number == 0 and done.part.product.roll_up:
        left[done.part.told] = "n-told"
    if done.number == len(done.part.product.roll_up):
        left.pop(done.part.told, None)
    coarse = step.coarse(setting.grid, done.at.bins, level=done.at.level)

    def up(tally: Tally | None) -> Tally | None:
        if tally is None:
            return None
        return coarser(tally, coarse, told=before.published, on=on, left=left, session=setting.session)

    people = up(before.people)
    assert people is not None
    return _Counted(step=step, people=people, drivers=up(before.drivers), operators=up(before.operators))


def _drop(counted: _Counted, session: Session) -> None:
    """Give back the memory of tallies that nobody needs any more."""
    for tally in (*counted.tallies, counted.operators):
        if tally is not None:
            session.drop(tally.frame)


def _decide(counted: _Counted, setting: _Setting) -> tuple[Decision, _Counted]:
    """Decide one step."""
    protection, session, step = setting.protection, setting.session, counted.step
    left = step.part.told if step.number else None
    tables = {"tally": counted.people.frame}
    if counted.drivers is not None:
        tables["drivers"] = counted.drivers.frame
    counts = class_counts(counted.people, left=left, drivers=counted.drivers)
    classes = session.table(_named(counts, step), **tables)
    safe = classes.filter(is_safe(protection, rest=True))
    published = session.table("SELECT * FROM {safe}", safe=safe)
    alone = named_alone(step, protection)
    if counted.operators is not None and not alone:
        published = less_dominated(
            published, counted.operators, left=left, sources=step.sources, protection=protection, session=session
        )
    alike = beside = 0
    while True:
        published, fallen = _settled(classes, published, step, setting)
        alike += fallen
        victims = _bins_with_small_rest(counted, published, setting)
        beside += len(victims)
        if not victims:
            break
        published = session.table(_less_victims(step, victims), published=published)
        if not alone and (
            step.part.end is not None or protection.l_places < 2
        ):  # what fell holds the thresholds, so the rest now does
            break
    names = dict(zip(step.keys, step.part.product.keys, strict=True))
    decision = Decision(
        step=step,
        classes=classes.rename(names),
        published=published.rename(names),
        suppressed_beside=beside,
        suppressed_alike=alike,
    )
    return decision, replace(counted, published=published)


def _named(counts: str, step: Step) -> str:
    """Class counts under the working names of the step's keys, in their order."""
    sources, constants = step.sources, step.constants
    listed = [
        f"{identifier(sources[name]) if name in sources else _literal(constants[name])} AS {identifier(name)}"
        for name in step.keys
    ]
    spent = ", ".join(identifier(column) for column in sources.values())
    return f"SELECT {', '.join(listed)}, * EXCLUDE ({spent}) FROM ({counts})"


def _literal(value: str | int) -> str:
    return f"{value}::BIGINT" if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def _bins_with_small_rest(counted: _Counted, published: nw.LazyFrame[Any], setting: _Setting) -> list[int]:
    """Time bins whose untold rest is neither nothing nor large enough, though this step tells more of them."""
    protection, on = setting.protection, {column: name for name, column in counted.step.sources.items()}
    bins: set[int] = set()
    for tally, threshold in zip(counted.tallies, (protection.k, protection.k_driver), strict=False):
        assert threshold is not None
        query = small_rests(tally, "start_bin", on, threshold)
        bins |= {row[0] for row in setting.session.rows(query, tally=tally.frame, told=published)}
    return sorted(bins)


def _with_told(rows: nw.LazyFrame[Any], decided: list[Decision], setting: _Setting) -> nw.LazyFrame[Any]:
    """Rows with each part's ``told``: the first of its levels that publishes the row's class, or nothing."""
    names = rows.collect_schema().names()
    fresh: dict[str, nw.Expr] = {}
    tables: dict[str, nw.LazyFrame[Any]] = {}
    joins: list[str] = []
    cases: dict[str, list[str]] = {}
    for number, decision in enumerate(decided):
        step, part = decision.step, decision.part
        coarse, wanted = step.coarse(setting.grid, setting.base), dict(zip(step.keys, part.product.keys, strict=True))
        on = []
        for key, column in step.sources.items():
            name = column if column in names and column in part.product.columns else f"_{column}_{number}"
            if name not in names:
                fresh[name] = coarse[column]
            on.append(f"r.{identifier(name)} = p{number}.{identifier(wanted[key])}")
        right = ", ".join(identifier(wanted[key]) for key in step.sources)
        tables[f"published_{number}"] = decision.published
        joins.append(
            f"LEFT JOIN (SELECT {right}, true AS hit FROM {{published_{number}}}) p{number} ON {' AND '.join(on)}"
        )
        cases.setdefault(part.told, []).append(f"WHEN p{number}.hit THEN {step.number}")
    told = [
        f"(CASE {' '.join(whens)} ELSE {NOTHING} END)::BIGINT AS {identifier(name)}" for name, whens in cases.items()
    ]
    plain = [f"r.{identifier(name)}" for name in names]
    keyed = rows.with_columns(*(expression.alias(name) for name, expression in fresh.items()))
    query = f"SELECT {', '.join([*plain, *told])} FROM {{rows}} r {' '.join(joins)}"
    return setting.session.frame(query, rows=keyed, **tables)


def _less_victims(step: Step, bins: list[int]) -> str:
    """SQL of ``{published}`` less the smallest class that adds to the rest of each of these bins."""
    keys, key = ", ".join(identifier(name) for name in step.keys), identifier(step.bin_key)
    listed = ", ".join(str(number) for number in bins)
    return (
        f"SELECT * FROM {{published}} QUALIFY NOT ({key} IN ({listed}) AND rest_rows > 0 AND row_number() OVER "
        f"(PARTITION BY {key}, rest_rows > 0 ORDER BY rows, {keys}) = 1)"
    )


def _settled(
    classes: nw.LazyFrame[Any], published: nw.LazyFrame[Any], step: Step, setting: _Setting
) -> tuple[nw.LazyFrame[Any], int]:
    """Classes that neither give a destination away nor name an operator alone, and how many fell for it."""
    fallen, alone = 0, 1
    while alone:
        published, alike = less_alike(classes, published, step, protection=setting.protection, session=setting.session)
        alone = 0
        if named_alone(step, setting.protection):
            published, alone = less_alone(published, step, setting.session)
        fallen += alike + alone
    return published, fallen
