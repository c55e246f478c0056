"""Write and check a bundle of noisy products.

The gate of such a bundle looks at structure, public keys, the ledger and the noisy output only (ruling 19): true counts
never decide, suppress or repeat anything. A draw is charged whether its bundle is handed over or not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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
from anonkit.geo.networks import Network
from anonkit.geo.trimming import EndRule
from anonkit.ledger.composition import Loss
from anonkit.publish.gate import file_findings
from anonkit.publish.routes import LINK, write_streets
from anonkit.publish.words import opening, table_of_columns, table_of_files, told_of
from anonkit.publish.write import BIN, BINS, CELL, bins_table, write_table, write_zones

DECIMALS = 4
MEANING = {
    "cell": CELL,
    "start_cell": CELL,
    "end_cell": CELL,
    "bin": BIN,
    "link": LINK,
    "start_block": "code of a block of cells; which cells it has is in blocks.csv",
    "end_block": "code of a block of cells; which cells it has is in blocks.csv",
    "block": "code of a block of cells",
    "band": "number of a distance band, from near to far",
    "step": "number of a step",
    "hour": "hour of the day, or of the week from Monday midnight, on the local clock",
    "rank": "1 is the busiest; neighbours in rank may be exchanged by the noise",
    "distance_m": "middle of the step, metres; the last holds all longer trips",
    "duration_s": "middle of the step, seconds; the last holds all longer trips",
    "persons_noisy": "noisy number of persons by which the row passed or failed; at most so many rows a person as the recipe says",
    "status": "published, or suppressed: too few persons by the noisy number; suppressed is not zero",
    "persons_off": "with 95 % probability at most so many persons lie between a quantile and the true one",
    "persons": "noisy number of persons",
    "half_width": "of the 95 % interval of the number",
    "trips": "estimate of all trips, made from noisy figures only; never negative",
    "capped_noisy": "signed noisy number of trips after each person's were weighted to the cap; unbiased for that",
    "capped_low": "lower end of the 95 % noise interval of the capped number",
    "capped_high": "upper end of the 95 % noise interval of the capped number",
    "noise_sd": "standard deviation of the noise of the capped number",
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
    public: dict[str, np.ndarray] = field(default_factory=dict)
    """Of chosen keys: the public values that each column may have."""
    least: int | None = None
    """Least noisy number of persons of a row that tells figures; None: rows are not gated."""


@dataclass(frozen=True, kw_only=True)
class NoisyStreets:
    """The public street network that links refer to, and how journeys were cut before anything was counted."""

    network: Network
    file: str
    sha256: str
    ends: EndRule
    max_passages: int

    @property
    def words(self) -> list[str]:
        """Lines of the README."""
        return [
            f"Links are those of {self.file} (SHA-256 {self.sha256}), every one of them, driven or not; `streets/links.parquet` has",
            f"their shapes. Both ends of every journey are cut: the public cells of {self.ends.cell_m} m around them, at least "
            f"{self.ends.minimum_m} m, are left",
            f"out. A person's passages are weighted to {self.max_passages} altogether: whoever drives more counts as if he had driven so",
            "many, so sums of `link_volumes` are below all passages.",
            "",
        ]


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
    operators: tuple[str, ...]
    unit: str
    who: str
    """The unit of protection in words."""
    epsilon: float
    delta: float
    prices: tuple[tuple[str, str], ...]
    """Product → what it costs, by which noise."""
    spent: dict[str, float]
    """Period → epsilon spent by all releases together, this one included."""
    total: float
    """Epsilon over all periods together."""
    total_delta: float
    grid: Grid
    zone: str
    bins: tuple[TimeBins, ...]
    levels: tuple[int, ...]
    created: str
    version: str
    streets: NoisyStreets | None = None
    """Where links are told."""

    @property
    def statement(self) -> str:
        """The guarantee in one sentence."""
        delta = f", delta {self.delta:g}" if self.delta else ""
        spent = ", ".join(f"{period}: {epsilon:g}" for period, epsilon in self.spent.items())
        both = f", delta {self.total_delta:g}" if self.total_delta else ""
        whose = " (the highest of the operators' ledgers)" if len(self.operators) > 1 else ""
        return (
            f"Differential privacy for {self.who} (added or removed): this release costs epsilon {self.epsilon:g}{delta}. "
            f"With all earlier releases of these trips the total{whose} is epsilon {self.total:g}{both} ({spent})."
        )

    def privacy(self) -> dict[str, Any]:
        """The statement as data."""
        return {
            "guarantee": "differential_privacy",
            "statement": self.statement,
            "unit": self.unit,
            "who": self.who,
            "neighbours": "add_or_remove",
            "epsilon": self.epsilon,
            "delta": self.delta,
            "spent": self.spent,
            "total": self.total,
            "prices": dict(self.prices),
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
            if frame[name].dtype.kind == "f":  # a missing number becomes a null, in both forms
                frame[name] = frame[name].round(DECIMALS)
        write_table(
            folder, resource, session.from_arrow(pa.Table.from_pandas(frame, preserve_index=False)), session, progress
        )
        resources.append(resource)
    if spec.bins:
        write_table(folder, BINS, bins_table(spec.bins, spec.first, spec.last, session), session, progress)
        resources.append(BINS)
    resources += write_zones(folder, spec.grid, spec.levels, progress)
    if spec.streets is not None:
        resources.append(write_streets(folder, spec.streets.network, progress))
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
            **told_of(spec, zone=spec.zone, operators=spec.operators),
            "tessellation": spec.grid.as_dict(),
            **(_network(spec.streets) if spec.streets is not None else {}),
        },
    )
    progress.moment("write:package")
    write_checksums(folder)
    progress.moment("write:checksums")
    return tuple(resources)


def _network(streets: NoisyStreets) -> dict[str, Any]:
    """The street network, as a routes release tells it."""
    return {"network": {"file": streets.file, "sha256": streets.sha256, "digest": streets.network.digest}}


def check_noisy(
    folder: Path,
    tables: tuple[NoisyTable, ...],
    resources: tuple[Resource, ...],
    *,
    planned: Loss,
    charged: Sequence[Loss],
    ledgers: int = 1,
    undrawn: int,
    session: Session,
) -> tuple[Finding, ...]:
    """The gate of a noisy bundle.

    Parameters
    ----------
    planned : what the recipe asks for. charged : losses that the ledgers hold for this release, one an event and ledger.
    ledgers : how many ledgers hold it; each must hold all of it.
    undrawn : reservations of this release that were not drawn exactly once.
    """
    return tuple(_findings(folder, tables, resources, planned, charged, ledgers, undrawn, session))


def _findings(
    folder: Path,
    tables: tuple[NoisyTable, ...],
    resources: tuple[Resource, ...],
    planned: Loss,
    charged: Sequence[Loss],
    ledgers: int,
    undrawn: int,
    session: Session,
) -> Iterator[Finding]:
    yield from file_findings(folder, resources)
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
        yield from _chosen(table, written)
        numbers = [c for c in written.column_names if c not in table.keys and pa.types.is_floating(written[c].type)]
        told = np.ones(written.num_rows, bool)
        if "status" in written.column_names:
            told = np.array(written["status"].to_pylist()) == "published"
        values = [np.asarray(written[name].to_numpy(zero_copy_only=False), float)[told] for name in numbers]
        finite = all(np.isfinite(part).all() for part in values)
        yield finding(
            "not_empty",
            table.name,
            passed=bool(told.any()) and finite,
            value=f"{int(told.sum()):,} rows" + ("" if finite else ", some numbers missing"),
            threshold="more than 0, all numbers there",
            message="an empty product is no release",
            ruling="37",
        )
    sums = Loss(
        epsilon=math.fsum(loss.epsilon for loss in charged),
        delta=math.fsum(loss.delta for loss in charged),
        rho=math.fsum(loss.rho for loss in charged),
    )
    enough = all(
        getattr(sums, name) >= ledgers * getattr(planned, name) * (1 - 1e-9) for name in ("epsilon", "delta", "rho")
    )
    yield finding(
        "charged",
        "release",
        passed=enough and undrawn == 0,
        value=f"{_loss(sums)} in {ledgers} ledger(s), {undrawn} reservations not drawn once",
        threshold=f"{_loss(planned)} in each, all drawn once",
        message="every draw was reserved, drawn once and charged",
        ruling="19, 24",
    )


def _loss(loss: Loss) -> str:
    parts = {"epsilon": loss.epsilon, "rho": loss.rho, "delta": loss.delta}
    return ", ".join(f"{name} {value:g}" for name, value in parts.items() if value or name == "epsilon")


def _chosen(table: NoisyTable, written: pa.Table) -> Iterator[Finding]:
    """Rows that were chosen: their keys are public values, once each, and their noisy number of persons passed the gate."""
    if table.public:
        keys = np.stack([written[name].to_numpy() for name in table.keys], 1)
        known = all(np.isin(written[name].to_numpy(), values).all() for name, values in table.public.items())
        once = len(np.unique(keys, axis=0)) == len(keys)
        yield finding(
            "public_keys",
            table.name,
            passed=known and once,
            value=f"{len(keys):,} rows" + ("" if known else ", of them keys that are not public"),
            threshold="cells of the public area and bins of the period, once each",
            message="keys are public values; which of them are told was chosen with charged noise",
            ruling="18",
        )
    if table.least is not None:
        persons = written["persons_noisy"].to_numpy()
        status = written["status"].to_pylist() if "status" in written.column_names else ["published"] * len(persons)
        told = np.array([one == "published" for one in status], bool)
        figures = [name for name in written.column_names if "_p" in name and name.rsplit("_p", 1)[1].isdigit()]
        empty = all(written[name].filter(pa.array(~told)).null_count == int((~told).sum()) for name in figures)
        passed = bool((told == (persons >= table.least)).all()) and empty
        yield finding(
            "noisy_gate",
            table.name,
            passed=passed,
            value=f"{int(told.sum()):,} rows told, {int((~told).sum()):,} suppressed",
            threshold=f"told from a noisy number of {table.least} persons on, and only then",
            message="the noisy number of persons decides which rows tell figures, and nothing else does",
            ruling="19",
        )


def _resource(table: NoisyTable) -> Resource:
    fields = []
    for name in table.frame.columns:
        kind = {"i": "integer", "u": "integer", "f": "number"}.get(table.frame[name].dtype.kind, "string")
        meaning = MEANING.get(name, name)
        if "_p" in name and name.rsplit("_p", 1)[1].isdigit():
            quantity, percent = name.rsplit("_p", 1)
            meaning = f"{percent} % of persons have a median {quantity} up to about this; a public step"
        if name == "trips" and "band_low" not in table.frame.columns:
            meaning = CAPPED.replace("trips", "passages") if "link" in table.keys else CAPPED
        fields.append(Field(name=name, type=kind, description=meaning))
    return Resource(
        name=table.name,
        title=table.title,
        description="Noisy figures for public keys; a row without trips is noise around zero, see the intervals",
        fields=tuple(fields),
        key=table.keys,
    )


def _readme(spec: NoisySpec, resources: tuple[Resource, ...]) -> str:
    lines = [
        *opening(spec, zone=spec.zone, operators=spec.operators),
        "",
        "| product | costs each person |",
        "|---|---|",
        *(f"| {name} | {price} |" for name, price in spec.prices),
        *table_of_files(resources),
        *table_of_columns(resources),
        *(spec.streets.words if spec.streets is not None else []),
    ]
    lines += [
        "`capped_noisy` is unbiased for the trips left after each person's were weighted to a cap; its interval covers the",
        "noise. Where a table has `band_low` and `band_high`, `trips` is a model's estimate of all trips from noisy figures,",
        "and its total may be off by a tenth, or by more where a few people make very many trips; elsewhere it estimates the",
        "capped trips only. Tables with different caps therefore have different sums. Use the signed column for sums and",
        "tests, the other for maps. Quantiles are of one value a person and pair of cells, chosen from public steps; a pair",
        "that is suppressed has too few persons by a noisy count, which is not the same as none.",
        "",
    ]
    return "\n".join(lines)
