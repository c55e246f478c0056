"""Which classes of each product may be published.

Levels are decided from fine to coarse along one chain (`products.check_chain`). A class is published when it holds the
thresholds, and when what it holds beyond the finer classes already published is nothing or holds them too: otherwise
subtraction gives a few people away (ruling 11). What a product's level cannot publish is gathered at its next level as
the rest of a parent, which must hold the thresholds itself; a full parent never stands beside its children (ruling 9).
Telling the rest of a parent tells, with its children, the whole parent, so it is held against subtraction as such.
The total of a time bin is treated as known: where a part publishes something new in a bin and leaves too small a rest,
the smallest of its new classes there is suppressed beside it. Where all trips from a place at a time that a recipient
could know of lead to one destination, the destination is given away, and the class is suppressed (ruling 7).

Does not protect against: differences between two releases (the registry's business), linear combinations over several
origins and destinations at once (rows and columns of a flow table), what a class's members share beside destinations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw

from anonkit.classes import Protection, count_classes, is_safe, thin_rows
from anonkit.engine import Session
from anonkit.geo import Tessellation, TimeBins
from anonkit.kanon.products import Kind, Part, Product, Step, check_chain

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
    """Classes that fell because they gave a destination or an origin away."""

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
        ``record``, the persistent key of the unit, where counts are to be perturbed.
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
    Every published class, and every remainder by subtraction along the products, holds 0 rows or the thresholds.

    Sources
    -------
    Rulings 1, 4-7, 9, 11; Sweeney 2002 for k-anonymity; Fischetti and Salazar 2001 for complementary suppression.
    """
    setting = _Setting(grid=grid, base=base, protection=protection, session=session)
    steps = check_chain(products, base)
    rows, thinned = _thinned(rows, steps[0], setting)
    parts = tuple(dict.fromkeys(step.part for step in steps))
    rows = rows.with_columns(
        nw.lit(True).alias("_open"), *(nw.lit(NOTHING, dtype=nw.Int64).alias(part.told) for part in parts)
    )
    decided: list[Decision] = []
    for step in steps:
        if (
            step.part.end is not None and step.number == 0
        ):  # each direction is held against trips and flows, not the other
            rows = rows.with_columns(nw.col("_open").alias(step.part.open))
        decision, rows = _decide(rows, step, setting)
        decided.append(decision)
    names = [name for name in rows.collect_schema().names() if not name.startswith("_open")]
    return Decisions(steps=tuple(decided), rows=rows.select(*names), thinned=thinned)


def _thinned(rows: nw.LazyFrame[Any], finest: Step, setting: _Setting) -> tuple[nw.LazyFrame[Any], int]:
    """Thin to the finest product's classes; what goes is gone from all products."""
    max_rows = finest.part.product.max_rows
    if max_rows is None:
        return rows, 0
    names = rows.collect_schema().names()
    keyed = finest.keyed(rows, setting.grid, setting.base)
    kept = thin_rows(keyed, finest.keys, unit=setting.protection.unit, max_rows=max_rows).select(*names)
    kept = setting.session.checkpoint(kept, "thinned")
    count = "SELECT count(*) FROM {frame}"
    return kept, setting.session.value(count, frame=rows) - setting.session.value(count, frame=kept)


def _decide(rows: nw.LazyFrame[Any], step: Step, setting: _Setting) -> tuple[Decision, nw.LazyFrame[Any]]:
    """Decide one step; also the rows with what it tells noted, and no longer open."""
    protection, session, part = setting.protection, setting.session, step.part
    keyed = step.keyed(rows, setting.grid, setting.base)
    untold = keyed.filter(nw.col(part.told) == NOTHING) if step.number else keyed
    counted = count_classes(
        untold,
        step.keys,
        unit=protection.unit,
        driver="driver" if protection.k_driver is not None else None,
        rest=part.open,
        among=protection.among,
        record="record" if "record" in rows.collect_schema().names() else None,
    )
    name = f"{part.told}-{step.number}"
    classes = session.checkpoint(counted, f"classes{name}")
    published = session.checkpoint(classes.filter(is_safe(protection, rest=True)), f"published{name}")
    published, alike = _less_alike(classes, published, step, setting)
    marked = _mark(keyed, published, step, session)
    victims = _bins_with_small_rest(marked, step, protection, session)
    if victims:
        published = session.checkpoint(_less_victims(published, step, victims, session), f"published{name}")
        marked = _mark(keyed, published, step, session)
    names = dict(zip(step.keys, part.product.keys, strict=True))
    decision = Decision(
        step=step,
        classes=classes.rename(names),
        published=published.rename(names),
        suppressed_beside=len(victims),
        suppressed_alike=alike,
    )
    hit = nw.col("_hit")
    told = nw.when(hit).then(nw.lit(step.number, dtype=nw.Int64)).otherwise(nw.col(part.told))
    marked = marked.with_columns(told.alias(part.told), (nw.col(part.open) & ~hit).alias(part.open))
    return decision, marked.drop("_hit", step.bin_key)


def _mark(keyed: nw.LazyFrame[Any], published: nw.LazyFrame[Any], step: Step, session: Session) -> nw.LazyFrame[Any]:
    """Rows with the step's time bin and ``_hit``: their class is published at this step."""
    hits = published.select(*step.keys, nw.lit(True).alias("_hit"))
    hit = nw.col("_hit").fill_null(False)
    if step.number:
        hit = hit & (nw.col(step.part.told) == NOTHING)
    joined = keyed.join(hits, on=step.keys, how="left").with_columns(hit.alias("_hit"))
    joined = joined.drop(*(key for key in step.keys if key != step.bin_key))
    return session.checkpoint(joined, f"marked{step.part.told}-{step.number}")


def _bins_with_small_rest(marked: nw.LazyFrame[Any], step: Step, protection: Protection, session: Session) -> list[int]:
    """Time bins whose untold rest is neither nothing nor large enough, though this step tells more of them."""
    key, open_ = step.bin_key, step.part.open
    bins: set[int] = set()
    for column, threshold in ((protection.unit, protection.k), ("driver", protection.k_driver)):
        if threshold is not None:
            among = f", {protection.among}" if protection.among is not None else ""
            query = (
                f"SELECT {key} FROM (SELECT {key}, bool_or(hit) AS hit, bool_or(rest) AS rest, count({column}) FILTER (rest) AS n "
                f"FROM (SELECT {key}{among}, {column}, bool_or(_hit) AS hit, bool_or(NOT _hit) AS rest FROM {{rows}} "
                f"WHERE {open_} GROUP BY ALL) GROUP BY {key}{among}) GROUP BY {key} "
                f"HAVING bool_or(hit) AND bool_or(rest) AND max(n) < {threshold}"
            )
            bins |= {row[0] for row in session.rows(query, rows=marked)}
    return sorted(bins)


def _less_victims(published: nw.LazyFrame[Any], step: Step, bins: list[int], session: Session) -> nw.LazyFrame[Any]:
    """Suppress the smallest published class that adds to the rest of each of these bins."""
    keys, key = ", ".join(f'"{name}"' for name in step.keys), step.bin_key
    listed = ", ".join(str(number) for number in bins)
    return session.frame(
        f"SELECT * FROM {{published}} QUALIFY NOT ({key} IN ({listed}) AND rest_rows > 0 AND row_number() OVER "
        f"(PARTITION BY {key}, rest_rows > 0 ORDER BY rows, {keys}) = 1)",
        published=published,
    )


def _less_alike(
    classes: nw.LazyFrame[Any], published: nw.LazyFrame[Any], step: Step, setting: _Setting
) -> tuple[nw.LazyFrame[Any], int]:
    """Suppress classes whose destination follows from origin and time, or whose origin from destination and time.

    Of an origin and bin the recipient sees the published destinations, and that something is missing. Distinct published
    destinations, and one more if something missing holds k units, must be at least ``protection.l_places``. One direction
    after the other, until nothing changes (suppressing for one may leave too few for the other).
    """
    session, least = setting.session, setting.protection.l_places
    if step.part.end is not None or least < 2:
        return published, 0
    before = session.value("SELECT count(*) FROM {published}", published=published)
    now, last = before, -1
    while now != last:
        for given in ("start", "end"):
            query = _varied(step, given, least, setting.protection.k)
            varied = session.frame(query, classes=classes, published=published)
            published = session.checkpoint(varied, f"varied{step.part.told}-{step.number}")
        last, now = now, session.value("SELECT count(*) FROM {published}", published=published)
    return published, before - now


def _varied(step: Step, given: str, least: int, k: int) -> str:
    """SQL of the published classes from which enough places follow; unpublished ones are looked at beside them only."""
    keys = ", ".join(f'"{name}"' for name in step.keys)
    other = {"start": "_key_end_cell", "end": "_key_start_cell"}[given]
    group = ", ".join(f'"{name}"' for name in step.keys if name != other)
    return (
        f"WITH seen AS (SELECT {group}, count(*) AS places FROM {{published}} GROUP BY ALL), "
        f"few AS (SELECT * FROM seen WHERE places < {least}), "
        f"missing AS (SELECT DISTINCT {group} FROM (SELECT {keys} FROM {{classes}} WHERE persons >= {k}) "
        f"ANTI JOIN {{published}} USING ({keys}) SEMI JOIN few USING ({group})), "
        f"fallen AS (SELECT {group} FROM few WHERE places < {least - 1} UNION ALL "
        f"SELECT {group} FROM few ANTI JOIN missing USING ({group})) "
        f"SELECT * FROM {{published}} ANTI JOIN fallen USING ({group})"
    )
