"""Write and check a bundle of noisy products.

The gate of such a bundle looks at structure, public keys, the ledger and the noisy output only (ruling 19): true counts
never decide, suppress or repeat anything. A draw is charged whether its bundle is handed over or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from anonkit.base.findings import Finding, finding
from anonkit.base.progress import Progress
from anonkit.bundle import README, Field, Resource, describe_package, write_checksums
from anonkit.engine import Session
from anonkit.geo import Grid, TimeBins
from anonkit.publish.gate import file_findings
from anonkit.publish.write import BIN, BINS, CELL, bins_table, write_table, write_zones

DECIMALS = 4
MEANING = {
    "cell": CELL,
    "start_cell": CELL,
    "end_cell": CELL,
    "bin": BIN,
    "start_block": "code of a block of cells; which cells it has is in blocks.csv",
    "end_block": "code of a block of cells; which cells it has is in blocks.csv",
    "block": "code of a block of cells",
    "band": "number of a distance band, from near to far",
    "step": "number of a step",
    "distance_m": "lower edge of the step, metres",
    "persons": "noisy number of persons",
    "half_width": "of the 95 % interval of the number",
    "trips": "estimate of all trips, made from noisy figures only; never negative",
    "capped_noisy": "signed noisy number of trips after each person's were weighted to the cap; unbiased for that",
    "capped_low": "lower end of the 95 % noise interval of the capped number",
    "capped_high": "upper end of the 95 % noise interval of the capped number",
    "band_low": "lower end of the model's band for all trips",
    "band_high": "upper end of the model's band for all trips",
}
CAPPED = (
    "estimate of the trips that are left after each person's were weighted to the declared cap; never negative. "
    "People with more trips than the cap are counted as if they had made that many: the sum is below all trips"
)
"""What ``trips`` means where the cap is declared and no total is paid for."""


@dataclass(frozen=True, kw_only=True)
class NoisyTable:
    """One table to publish; ``keys`` are its public columns."""

    name: str
    title: str
    frame: pd.DataFrame
    keys: tuple[str, ...]
    expected: np.ndarray | None
    """All public keys, one row each; None where the table has no public keys of its own."""


@dataclass(frozen=True, kw_only=True)
class NoisySpec:
    """What a noisy release says of itself."""

    name: str
    title: str
    purpose: str
    recipient: str
    recipient_kind: str
    licence: str
    first: date
    last: date
    operator: str
    unit: str
    epsilon: float
    delta: float
    spent: dict[str, float]
    """Period → epsilon spent by all releases together, this one included."""
    total: float
    """Epsilon over all periods together."""
    grid: Grid
    zone: str
    bins: tuple[TimeBins, ...]
    levels: tuple[int, ...]
    created: str
    version: str

    @property
    def statement(self) -> str:
        """The guarantee in one sentence."""
        who = "a person" if self.unit == "person" else "a person within a period"
        delta = f", delta {self.delta:g}" if self.delta else ""
        spent = ", ".join(f"{period}: {epsilon:g}" for period, epsilon in self.spent.items())
        return (
            f"Differential privacy for {who} (added or removed): this release costs epsilon {self.epsilon:g}{delta}. "
            f"With all earlier releases of these trips the total is epsilon {self.total:g} ({spent})."
        )

    def privacy(self) -> dict[str, Any]:
        """The statement as data."""
        return {
            "guarantee": "differential_privacy",
            "statement": self.statement,
            "unit": self.unit,
            "neighbours": "add_or_remove",
            "epsilon": self.epsilon,
            "delta": self.delta,
            "spent": self.spent,
            "total": self.total,
        }


def write_noisy(
    folder: Path, spec: NoisySpec, tables: tuple[NoisyTable, ...], *, session: Session, progress: Progress
) -> tuple[Resource, ...]:
    """Write tables, zones, README, description and checksums into the staging folder."""
    resources = []
    for table in tables:
        resource = _resource(table)
        frame = table.frame.copy()
        for name in frame.columns:
            if frame[name].dtype.kind == "f":
                frame[name] = frame[name].round(DECIMALS)
        write_table(
            folder, resource, session.from_arrow(pa.Table.from_pandas(frame, preserve_index=False)), session, progress
        )
        resources.append(resource)
    if spec.bins:
        write_table(folder, BINS, bins_table(spec.bins, spec.first, spec.last, session), session, progress)
        resources.append(BINS)
    resources += write_zones(folder, spec.grid, spec.levels, progress)
    (folder / README).write_text(_readme(spec, tuple(resources)), encoding="utf-8")
    progress.moment("write:readme")
    describe_package(
        folder,
        resources,
        name=spec.name,
        title=spec.title,
        licence=spec.licence,
        created=spec.created,
        version=spec.version,
        statement={
            "privacy": spec.privacy(),
            "purpose": spec.purpose,
            "recipient": spec.recipient,
            "recipient_kind": spec.recipient_kind,
            "period": {"from": spec.first.isoformat(), "to": spec.last.isoformat(), "zone": spec.zone},
            "tessellation": spec.grid.as_dict(),
            "operators": [spec.operator],
        },
    )
    progress.moment("write:package")
    write_checksums(folder)
    progress.moment("write:checksums")
    return tuple(resources)


def check_noisy(
    folder: Path,
    tables: tuple[NoisyTable, ...],
    resources: tuple[Resource, ...],
    *,
    planned: float,
    charged: float,
    undrawn: int,
    session: Session,
) -> tuple[Finding, ...]:
    """The gate of a noisy bundle.

    Parameters
    ----------
    planned : epsilon that the recipe asks for. charged : epsilon that the ledger holds for this release.
    undrawn : reservations of this release that were not drawn exactly once.
    """
    return tuple(_findings(folder, tables, resources, planned, charged, undrawn, session))


def _findings(
    folder: Path,
    tables: tuple[NoisyTable, ...],
    resources: tuple[Resource, ...],
    planned: float,
    charged: float,
    undrawn: int,
    session: Session,
) -> Iterator[Finding]:
    yield from file_findings(folder, resources, session)
    for table in tables:
        path = folder / f"{table.name}.parquet"
        written = pq.read_table(path)
        if table.expected is not None:
            found = np.stack([written.column(name).to_numpy() for name in table.keys], 1)
            order = np.lexsort(table.expected.T[::-1])
            same = found.shape == table.expected.shape and bool((found == table.expected[order]).all())
            yield finding(
                "public_keys",
                table.name,
                passed=same,
                value=f"{len(found):,} rows",
                threshold=f"the {len(table.expected):,} declared keys, once each",
                message="every public key stands in the table, whether anybody travelled there or not",
                ruling="18",
            )
        numbers = [written.column(name).to_numpy() for name in written.column_names if name not in table.keys]
        finite = all(np.isfinite(values.astype(float)).all() for values in numbers)
        yield finding(
            "not_empty",
            table.name,
            passed=written.num_rows > 0 and finite,
            value=f"{written.num_rows:,} rows" + ("" if finite else ", some numbers missing"),
            threshold="more than 0, all numbers there",
            message="an empty product is no release",
            ruling="37",
        )
    yield finding(
        "charged",
        "release",
        passed=charged >= planned * (1 - 1e-9) and undrawn == 0,
        value=f"epsilon {charged:g} in the ledger, {undrawn} reservations not drawn once",
        threshold=f"epsilon {planned:g}, all drawn once",
        message="every draw was reserved, drawn once and charged",
        ruling="19, 24",
    )


def _resource(table: NoisyTable) -> Resource:
    fields = []
    for name in table.frame.columns:
        whole = table.frame[name].dtype.kind in "iu"
        meaning = MEANING.get(name, name)
        if name == "trips" and "band_low" not in table.frame.columns:
            meaning = CAPPED
        fields.append(Field(name=name, type="integer" if whole else "number", description=meaning))
    return Resource(
        name=table.name,
        title=table.title,
        description="Noisy figures for every public key; zero and suppressed do not differ, see the intervals",
        fields=tuple(fields),
        key=table.keys,
    )


def _readme(spec: NoisySpec, resources: tuple[Resource, ...]) -> str:
    lines = [
        f"# {spec.title}",
        "",
        f"**{spec.statement}**",
        "",
        f"- Release: {spec.name}, made {spec.created} with anonkit {spec.version}",
        f"- Period: {spec.first} to {spec.last}, local clock of {spec.zone}",
        f"- Operator: {spec.operator}",
        f"- For: {spec.recipient} ({spec.recipient_kind}); purpose: {spec.purpose}",
        f"- Licence: {spec.licence}",
        "",
        "| file | what | columns |",
        "|---|---|---|",
    ]
    for resource in resources:
        columns = ", ".join(column.name for column in resource.fields)
        lines.append(f"| {', '.join(resource.paths)} | {resource.title} | {columns} |")
    lines += [
        "",
        "`capped_noisy` is unbiased for the trips left after each person's were weighted to a cap; its interval covers the",
        "noise. Where a table has `band_low` and `band_high`, `trips` is a model's estimate of all trips from noisy figures,",
        "and its total may be off by tens of per cent where a few people make very many trips; elsewhere it estimates the",
        "capped trips only. Tables with different caps therefore have different sums. Use the signed column for sums and",
        "tests, the other for maps.",
        "",
    ]
    return "\n".join(lines)
