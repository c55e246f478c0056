"""What a rule prints where little or nothing is told: every public place and bin, with a value for small and for none.

Some rules (MDS Reports) want a full table in which small counts and zeros show the same value, -1, so that an absent group is not
told from a small one. It stands beside the product as a table of its own, made of what was written already: the product's
file, the public cells and the public bins. So it tells nothing that the others do not; `gate_printed` looks at it with other SQL.
A printed value is no number of trips: do not add up what is negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import pyarrow as pa

from anonkit.bundle import Field, Resource
from anonkit.engine import Session
from anonkit.geo import SensitivePlaces, Tessellation
from anonkit.kanon import Product

MOST_ROWS = 20_000_000
"""A printed table lists every public combination; more of them than this are refused when the recipe is read."""


@dataclass(frozen=True, kw_only=True)
class Printed:
    """How small counts are printed."""

    below: int
    """Numbers of trips below this, and none, are printed as ``value``."""
    value: int
    """Negative, so that nobody takes it for a number of trips."""


def printed_rows(product: Product, grid: Tessellation, days: tuple[Any, Any]) -> int:
    """Rows that a printed table of this product has: public cells, bins and ends."""
    cells = len(grid.cells(product.level))
    return (cells**2 if product.kind == "flows" else cells * len(product.ends)) * len(product.bins.span(*days))


def printed_resource(product: Product, rule: Printed, keys: tuple[Field, ...]) -> Resource:
    """Name, columns and constraints of a product's printed table."""
    trips = Field(
        name="trips",
        type="integer",
        description=f"number of trips as in {product.kind}; {rule.value}: fewer than {rule.below}, suppressed, or none",
        constraints={"required": True, "minimum": rule.value},
    )
    return Resource(
        name=f"{product.kind}_printed",
        title=f"{product.kind} as the rule prints them",
        description=f"Every public place and bin; made of {product.kind}, zones and bins, and tells nothing beyond them",
        fields=(*keys, trips),
        key=product.keys,
    )


def printed_table(
    product: Product,
    rule: Printed,
    folder: Path,
    *,
    grid: Tessellation,
    days: tuple[Any, Any],
    sensitive: SensitivePlaces | None,
    session: Session,
) -> nw.LazyFrame[Any]:
    """All public keys of a product, with its written number of trips or the rule's value."""
    frame = grid.dictionary(product.level) if sensitive is None else sensitive.dictionary(grid, product.level)
    cells = session.from_arrow(pa.table({"cell": pa.array(frame["cell"].tolist(), pa.int64())}))
    bins = session.from_arrow(pa.table({"bin": pa.array(list(product.bins.span(*days)), pa.int64())}))
    if product.kind == "flows":
        public = "SELECT a.cell AS start_cell, b.cell AS end_cell, bin FROM {cells} a, {cells} b, {bins}"
    else:
        ends = ", ".join(f"('{end}')" for end in product.ends)
        public = f'SELECT cell, bin, "end" FROM {{cells}}, {{bins}}, (VALUES {ends}) AS ends("end")'
    names = ", ".join(f'"{name}"' for name in product.keys)
    return session.frame(
        f"SELECT {names}, CASE WHEN w.trips >= {rule.below} THEN w.trips ELSE {rule.value} END::BIGINT AS trips "
        f"FROM ({public}) LEFT JOIN {{written}} w USING ({names})",
        cells=cells,
        bins=bins,
        written=folder / f"{product.kind}.parquet",
    )
