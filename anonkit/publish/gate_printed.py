"""The gate's look at what a published rule asks for: rounded columns, and tables in which small and none look the same.

Other SQL than `printed` has: it counts and subtracts sets where that one joins. Does not know whether the rule is a good one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from anonkit.base.findings import Finding, finding
from anonkit.engine import Session
from anonkit.kanon import Product
from anonkit.publish.printed import Printed
from anonkit.publish.spec import ReleaseSpec


def as_the_rule_says(folder: Path, spec: ReleaseSpec, session: Session) -> Iterator[Finding]:
    """Rounded columns and printed tables, where a rule asks for them."""
    for product in spec.products:
        path = folder / f"{product.kind}.parquet"
        for name in (name for name in product.columns if name in spec.rounded):
            yield rounding(name, spec.rounded[name], product.kind, path, session)
        if spec.printed is not None and product.kind != "trips":
            levels = folder / "zones" / f"{spec.grid.file_name(product.level)}.parquet"
            cells = pq.read_metadata(levels).num_rows
            places = cells**2 if product.kind == "flows" else cells * len(product.ends)
            rows = places * len(product.bins.span(spec.first, spec.last))
            yield from recount_printed(product, spec.printed, folder, rows=rows, session=session)


def recount_printed(product: Product, rule: Printed, folder: Path, *, rows: int, session: Session) -> Iterator[Finding]:
    """Whether a printed table is the written product and nothing else; by counting, not by joining."""
    names = ", ".join(f'"{name}"' for name in product.keys)
    printed, written = folder / f"{product.kind}_printed.parquet", folder / f"{product.kind}.parquet"
    listed, distinct = session.rows(f"SELECT count(*), count(DISTINCT ({names})) FROM {{printed}}", printed=printed)[0]
    told = f"SELECT {names}, trips FROM"
    beyond = session.value(
        f"SELECT count(*) FROM ({told} {{printed}} WHERE trips <> {rule.value} EXCEPT {told} {{written}})",
        printed=printed,
        written=written,
    )
    lost = session.value(
        f"SELECT count(*) FROM ({told} {{written}} WHERE trips >= {rule.below} EXCEPT {told} {{printed}})",
        printed=printed,
        written=written,
    )
    small = session.value(
        f"SELECT count(*) FROM {{printed}} WHERE trips < {rule.below} AND trips <> {rule.value}", printed=printed
    )
    yield finding(
        "printed",
        f"{product.kind}_printed",
        passed=listed == distinct == rows and not beyond and not lost and not small,
        value=f"{listed:,} of {rows:,} places and bins; {beyond} beyond {product.kind}, {lost} missing, {small} too small",
        threshold=f"all public places and bins; {rule.value} for fewer than {rule.below} and for none",
        message="the printed table says what the product says, and the same of small and of none",
        ruling="11",
    )


def rounding(name: str, step: float, product: str, path: Path, session: Session) -> Finding:
    """Whether every value of a rounded column is a multiple of its public step, or unknown."""
    value = f'TRY_CAST("{name}" AS DECIMAL(18, 4))'
    wrong = session.value(
        f"SELECT count(*) FROM {{file}} WHERE \"{name}\" NOT IN ('unknown', 'any') "
        f"AND coalesce({value} % {step}::DECIMAL(18, 4), 1) <> 0",
        file=path,
    )
    return finding(
        "rounding",
        f"{product}, {name}",
        passed=wrong == 0,
        value=f"{wrong:,} values",
        threshold=f"multiples of {step:g}",
        message="a rounded column holds multiples of its public step and nothing finer",
        ruling="5, 8",
    )
