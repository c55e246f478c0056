"""The k-anonymous products: trips, flows and volumes, and which classes of each may be published.

Products are decided from fine to coarse. A class is published when it holds the thresholds, and when what it holds
beyond the finer classes already published is nothing or holds them too: otherwise subtraction gives a few people away
(ruling 11). The total of a time bin is treated as known to the recipient: where a part publishes something new in a bin
and leaves too small a rest, the smallest of its new classes there is suppressed beside it.

Does not protect against: what the members of a class have in common (diversity), differences between two releases
(the registry's business), linear combinations over several rows and columns of a flow table at once (`derivability`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import narwhals.stable.v2 as nw

from anonkit.base.errors import RecipeError
from anonkit.classes import Protection, count_classes, is_safe, thin_rows
from anonkit.engine import Session
from anonkit.geo import Grid, TimeBins

Kind = Literal["trips", "flows", "volumes"]
ORDER: tuple[Kind, ...] = ("trips", "flows", "volumes")
OPEN, PUBLISHED = "_open", "_published"


@dataclass(frozen=True, kw_only=True)
class Product:
    """One product: its kind and the levels it is published at."""

    kind: Kind
    level: int
    """Level of the grid."""
    bins: TimeBins
    columns: tuple[str, ...] = ()
    """Further released columns; they are part of the class (ruling 5)."""
    max_rows: int | None = None
    """Of ``trips``: rows a person and class (ruling 6)."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the class's columns, in the order they are released and sorted by."""
        by_kind = {
            "trips": ("start_cell", "end_cell", "start_bin"),
            "flows": ("start_cell", "end_cell", "bin"),
            "volumes": ("cell", "bin", "end"),
        }
        return (*by_kind[self.kind], *self.columns)

    @property
    def bin_column(self) -> str:
        """Which of the keys is the time bin."""
        return "start_bin" if self.kind == "trips" else "bin"

    def parts(self) -> tuple[Part, ...]:
        """What is decided by itself: departures and arrivals for volumes, the whole for the others."""
        ends = ("start", "end") if self.kind == "volumes" else (None,)
        return tuple(Part(product=self, end=end) for end in ends)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Part:
    """A product, or one direction of volumes."""

    product: Product
    end: Literal["start", "end"] | None

    @property
    def name(self) -> str:
        """``trips``, ``flows``, ``volumes:start``, ``volumes:end``."""
        return self.product.kind + (f":{self.end}" if self.end else "")

    def keyed(self, rows: nw.LazyFrame[Any], grid: Grid, base: TimeBins) -> nw.LazyFrame[Any]:
        """Rows with the class's columns added as ``_key_…``; ``grid`` and ``base`` are those of the rows."""
        product = self.product
        bins = product.bins.coarsen(nw.col("start_bin"), base)
        if self.end is not None:
            keys = {
                "cell": grid.coarsen(nw.col(f"{self.end}_cell"), product.level),
                "bin": bins,
                "end": nw.lit(self.end),
            }
        else:
            cells = {name: grid.coarsen(nw.col(name), product.level) for name in ("start_cell", "end_cell")}
            keys = {**cells, product.bin_column: bins}
        keys |= {name: nw.col(name) for name in product.columns}
        return rows.with_columns(*(expression.alias(f"_key_{name}") for name, expression in keys.items()))

    @property
    def hit(self) -> str:
        """Name of the flag that a row is published by this part."""
        return f"_hit_{self.name.replace(':', '_')}"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What may be published of one part."""

    part: Part
    classes: nw.LazyFrame[Any]
    """All classes: keys, ``rows, persons, top_rows, rest_…`` and ``_published``. Inside only."""
    suppressed_beside: int
    """Classes that hold the thresholds and fell to protect the rest of their bin."""

    @property
    def published(self) -> nw.LazyFrame[Any]:
        """Keys and counts of the classes that are published."""
        return self.classes.filter(nw.col(PUBLISHED)).drop(PUBLISHED)


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What a release publishes, and the rows it comes from."""

    parts: tuple[Decision, ...]
    rows: nw.LazyFrame[Any]
    """The used rows after thinning. Inside only."""
    thinned: int
    """Rows that thinning dropped from the whole release."""

    def of(self, kind: Kind) -> tuple[Decision, ...]:
        """The decisions of one product."""
        return tuple(decision for decision in self.parts if decision.part.product.kind == kind)


def check_chain(products: tuple[Product, ...], base: TimeBins) -> tuple[Product, ...]:
    """Products from fine to coarse; each must nest in the one before.

    Raises
    ------
    RecipeError : two products neither of which is finer: their differences could not be bounded.
    """
    ordered = tuple(sorted(products, key=lambda product: ORDER.index(product.kind)))
    if len({product.kind for product in ordered}) < len(ordered):
        raise RecipeError("a product is named twice", hint="name trips, flows and volumes once each")
    for product in ordered:
        if not product.bins.contains(base):
            raise RecipeError(
                f"the bins of {product.kind} ({product.bins.width}) are finer than the release's ({base.width})",
                hint="choose a multiple of it",
            )
    for finer, coarser in pairwise(ordered):
        if (
            coarser.level < finer.level
            or not coarser.bins.contains(finer.bins)
            or set(coarser.columns) - set(finer.columns)
        ):
            raise RecipeError(
                f"{coarser.kind} are finer than {finer.kind} in cells, bins or columns",
                hint=f"give {coarser.kind} cells and bins at least as coarse as those of {finer.kind}, or leave one out",
            )
    return ordered


def decide_products(
    rows: nw.LazyFrame[Any],
    products: tuple[Product, ...],
    *,
    grid: Grid,
    base: TimeBins,
    protection: Protection,
    session: Session,
) -> Decisions:
    """Decide, from fine to coarse, which classes of each product are published.

    Parameters
    ----------
    rows : one row a trip: ``trip``, the unit's column, ``driver``, base ``start_cell, end_cell, start_bin``, extras.
    products : in any order; see ``check_chain``.
    grid, base : what the base cells and bins are.
    protection : thresholds.

    Returns
    -------
    Decisions with exact counts, which stay inside; only keys and rows of published classes may leave.

    Raises
    ------
    RecipeError : products do not nest.

    Privacy
    -------
    Every published class, and every remainder by subtraction along the products, holds 0 rows or the thresholds.

    Sources
    -------
    Rulings 1, 4-6, 11; Sweeney 2002 for k-anonymity; Fischetti and Salazar 2001 for complementary suppression.
    """
    ordered = check_chain(products, base)
    rows, thinned = _thinned(rows, ordered, grid, base, protection, session)
    rows = rows.with_columns(nw.lit(True).alias(OPEN))
    decided: list[Decision] = []
    for product in ordered:
        before = rows
        for part in product.parts():
            decision, marked = _decide(before, part, grid=grid, base=base, protection=protection, session=session)
            decided.append(decision)
            before = marked if product.kind == "volumes" else before
        rows = marked
    return Decisions(parts=tuple(decided), rows=rows.drop(OPEN), thinned=thinned)


def _thinned(
    rows: nw.LazyFrame[Any],
    products: tuple[Product, ...],
    grid: Grid,
    base: TimeBins,
    protection: Protection,
    session: Session,
) -> tuple[nw.LazyFrame[Any], int]:
    """Thin to the finest product's classes; what goes is gone from all products."""
    product = products[0]
    if product.max_rows is None:
        return rows, 0
    names = rows.collect_schema().names()
    keys = [f"_key_{name}" for name in product.keys]
    keyed = product.parts()[0].keyed(rows, grid, base)
    kept = thin_rows(keyed, keys, unit=protection.unit, max_rows=product.max_rows).select(*names)
    kept = session.checkpoint(kept, "thinned")
    count = "SELECT count(*) FROM {frame}"
    return kept, session.value(count, frame=rows) - session.value(count, frame=kept)


def _decide(
    rows: nw.LazyFrame[Any], part: Part, *, grid: Grid, base: TimeBins, protection: Protection, session: Session
) -> tuple[Decision, nw.LazyFrame[Any]]:
    """Decide one part; also the rows with its flag, and ``_open`` false where a part up to here publishes them."""
    keys = [f"_key_{name}" for name in part.product.keys]
    driver = "driver" if protection.k_driver is not None else None
    keyed = part.keyed(rows, grid, base)
    counted = count_classes(keyed, keys, unit=protection.unit, driver=driver, rest=OPEN)
    counted = counted.with_columns(is_safe(protection, rest=True).alias(PUBLISHED))
    classes = session.checkpoint(counted, f"classes-{part.hit}")
    marked = _mark(keyed, classes, part, session)
    victims = _bins_with_small_rest(marked, part, protection, session)
    if victims:
        classes = session.checkpoint(_less_victims(classes, part, victims, session), f"classes-{part.hit}")
        marked = _mark(keyed, classes, part, session)
    names = dict(zip(keys, part.product.keys, strict=True))
    decision = Decision(part=part, classes=classes.rename(names), suppressed_beside=len(victims))
    if part.product.kind != "volumes":  # departures do not cover arrivals: each is held against trips and flows
        marked = marked.with_columns((nw.col(OPEN) & ~nw.col(part.hit)).alias(OPEN))
    return decision, marked.drop(*keys)


def _mark(keyed: nw.LazyFrame[Any], classes: nw.LazyFrame[Any], part: Part, session: Session) -> nw.LazyFrame[Any]:
    keys = [f"_key_{name}" for name in part.product.keys]
    hits = classes.filter(nw.col(PUBLISHED)).select(*keys, nw.lit(True).alias(part.hit))
    joined = keyed.join(hits, on=keys, how="left").with_columns(nw.col(part.hit).fill_null(False))
    return session.checkpoint(joined, f"marked-{part.hit}")


def _bins_with_small_rest(marked: nw.LazyFrame[Any], part: Part, protection: Protection, session: Session) -> list[int]:
    """Time bins whose unpublished rest is neither nothing nor large enough, though this part publishes more of them."""
    key = f"_key_{part.product.bin_column}"
    bins: set[int] = set()
    for column, threshold in ((protection.unit, protection.k), ("driver", protection.k_driver)):
        if threshold is not None:
            query = (
                f"SELECT {key} FROM (SELECT {key}, {column}, bool_or({part.hit}) AS hit, bool_or(NOT {part.hit}) AS rest "
                f"FROM {{rows}} WHERE {OPEN} GROUP BY ALL) GROUP BY 1 "
                f"HAVING bool_or(hit) AND bool_or(rest) AND count({column}) FILTER (rest) < {threshold}"
            )
            bins |= {row[0] for row in session.rows(query, rows=marked)}
    return sorted(bins)


def _less_victims(classes: nw.LazyFrame[Any], part: Part, bins: list[int], session: Session) -> nw.LazyFrame[Any]:
    """Suppress the smallest published class that adds to the rest of each of these bins."""
    keys = ", ".join(f'"_key_{name}"' for name in part.product.keys)
    key = f"_key_{part.product.bin_column}"
    listed = ", ".join(str(number) for number in bins)
    return session.frame(
        f"SELECT * REPLACE (({PUBLISHED} AND NOT ({key} IN ({listed}) AND rest_rows > 0 AND row_number() OVER "
        f"(PARTITION BY {key}, {PUBLISHED} AND rest_rows > 0 ORDER BY rows, {keys}) = 1)) AS {PUBLISHED}) FROM {{classes}}",
        classes=classes,
    )
