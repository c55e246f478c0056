"""Write the files of a bundle into a staging folder.

Rows are sorted by their released columns, so that no order of the input survives; nothing stands in a file that its
description does not name. Zones and bins are public: they are made from the area's file and the period's dates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import pyarrow as pa

from anonkit.base.progress import Progress
from anonkit.bundle import README, Field, Resource, describe_package, write_checksums
from anonkit.engine import Session, replace_file
from anonkit.geo import SensitivePlaces, TimeBins
from anonkit.geo.bins import DAY_S
from anonkit.geo.zones import Tessellation
from anonkit.kanon import Decision, Decisions, Product, class_statistics, suppression_bands
from anonkit.publish.printed import printed_resource, printed_table
from anonkit.publish.readme import readme
from anonkit.publish.spec import ReleaseSpec
from anonkit.publish.words import told_of

CELL = "code of a cell; zones/ tells where it lies (its level is code // 10^14)"
BIN = "time bin of the trip's start on the local clock; labels are in bins.csv"
COUNT = "number of trips"
UNITS = {"_s": "s", "_m": "m", "_kwh": "kWh"}
"""End of a measure's name and its unit."""
ROLLED = (
    "0: the class itself; n: the rest of a coarser class, over what finer rows leave, at the n-th roll-up of the table"
)
TITLES = {
    "trips": "Trips, one row each",
    "flows": "Trips between two cells in a time bin",
    "volumes": "Trips that start or end in a cell, by the time bin of their start",
}
VISITS = "Visits to a cell, by the time bin of their start (the column trips counts visits)"


def write_bundle(
    folder: Path, spec: ReleaseSpec, decisions: Decisions, *, session: Session, progress: Progress
) -> tuple[Resource, ...]:
    """Write data, zones, bins, README, description and checksums into ``folder``; return the tables written.

    Privacy
    -------
    Writes published classes only. The gate recounts what was written before anybody gets it.
    """
    resources = []
    for product in spec.products:
        resource = product_resource(product, spec)
        # rows of a class of trips agree in every column: as many of them as the count says
        times = "trips" if product.kind == "trips" else None
        write_table(folder, resource, _rows_of(product, decisions, spec, session), session, progress, times=times)
        resources.append(resource)
        if spec.printed is not None and product.kind != "trips":
            keys = tuple(column for column in resource.fields if column.name in product.keys)
            resource = printed_resource(product, spec.printed, keys)
            days = (spec.first, spec.last)
            full = printed_table(
                product, spec.printed, folder, grid=spec.grid, days=days, sensitive=spec.sensitive, session=session
            )
            write_table(folder, resource, full, session, progress)
            resources.append(resource)
    bands = suppression_bands(
        decisions,
        grid=spec.grid,
        base=spec.base,
        level=spec.suppression_level,
        protection=spec.protection,
        session=session,
    )
    for resource, frame in (
        (SUPPRESSION, bands),
        (BINS, bins_table((step.at.bins for step in spec.steps), spec.first, spec.last, session)),
    ):
        write_table(folder, resource, frame, session, progress)
        resources.append(resource)
    resources += write_zones(folder, spec.grid, _levels(spec), progress, sensitive=spec.sensitive)
    (folder / README).write_text(readme(spec, tuple(resources)), encoding="utf-8")
    progress.moment("write:readme")
    hashes = describe_package(
        folder,
        resources,
        name=spec.name,
        title=spec.title,
        licence=spec.licence,
        created=spec.created,
        version=spec.version,
        statement={
            "privacy": spec.privacy(),
            **told_of(spec, zone=spec.base.zone, operators=spec.operators),
            "tessellation": spec.grid.as_dict(),
        },
    )
    progress.moment("write:package")
    write_checksums(folder, hashes)
    progress.moment("write:checksums")
    return tuple(resources)


def product_resource(product: Product, spec: ReleaseSpec) -> Resource:
    """Name, columns and constraints of a product's table."""
    whole = {name: f"{name}, to the nearest multiple of {step:g}" for name, step in spec.rounded.items()}
    described = {"start_cell": CELL, "end_cell": CELL, "cell": CELL, "start_bin": BIN, "bin": BIN, "rolled_up": ROLLED}
    fields = [
        Field(
            name=name,
            type="integer" if name in described else "string",
            description=(described | whole).get(
                name, "start: trips that start in the cell; end: trips that end in it" if name == "end" else name
            ),
            constraints={"required": True},
        )
        for name in product.keys
    ]
    if product.kind != "trips":
        spread = (
            ", exact" if spec.noise is None else f", standard deviation of its noise {spec.noise.variance**0.5:.2f}"
        )
        required: dict[str, Any] = {"required": True, "minimum": 1}
        fields.append(Field(name="trips", type="integer", description=COUNT + spread, constraints=required))
        fields.append(
            Field(
                name=spec.at_least,
                type="integer",
                description=f"the class holds at least so many {spec.counted}; told in bands",
                constraints={"required": True, "minimum": spec.protection.k},
            )
        )
    for told in product.statistics:
        for name, what in zip(told.names, ("mean", "median"), strict=True):
            unit = next((f" {unit}" for end, unit in UNITS.items() if told.column.endswith(end)), "")
            text = f"{what} of the {spec.counted}' own medians of {told.column}, clipped to {told.low} to {told.high}{unit}"
            text += f", to the nearest {told.step}{unit}"
            fields.append(Field(name=name, type="integer", description=f"{text}; empty: too few to tell"))
    level = f"cells of {spec.grid.level_name(product.level)}, bins of {product.bins.width}"
    for number, at in enumerate(product.roll_up, start=1):
        level += f"; rolled_up {number}: cells of {spec.grid.level_name(at.level)}, bins of {at.bins.width}"
    return Resource(
        name=product.kind,
        title=VISITS if product.ends == ("start",) else TITLES[product.kind],
        description=f"{level}; classes below the thresholds are left out: absent is suppressed or zero, see suppression",
        fields=tuple(fields),
        key=() if product.kind == "trips" else product.keys,
    )


SUPPRESSION = Resource(
    name="suppression",
    title="How much is missing, by area and hour",
    description="Suppressed share of trips in bands; zone-hours that are too small to tell are left out",
    fields=(
        Field(name="part", type="string", description="product, with the direction for volumes"),
        Field(name="area", type="integer", description=CELL),
        Field(name="hour", type="integer", description="hour of the local day, all days pooled"),
        Field(name="suppressed_pct", type="string", description="0, <5, 5-20, 20-50 or >50 per cent of the trips"),
    ),
    key=("part", "area", "hour"),
)
BINS = Resource(
    name="bins",
    title="Time bins",
    description="Every time bin of the period, public: made from its dates alone",
    fields=(
        Field(name="width", type="string", description="as in the description of the products"),
        Field(name="bin", type="integer", description="code of the bin"),
        Field(name="begins", type="string", description="its beginning on the local clock"),
        Field(
            name="clock_change", type="string", description="repeated or skipped, where the clock was changed within it"
        ),
    ),
    key=("width", "bin"),
)
BIN_SCHEMA = pa.schema(
    [("width", pa.string()), ("bin", pa.int64()), ("begins", pa.string()), ("clock_change", pa.string())]
)


def bin_rows(widths: Iterable[TimeBins], first: date, last: date) -> Iterator[dict[str, Any]]:
    """The dictionary of time bins: all bins of a period of local dates, for each width that a product uses."""
    for bins in dict.fromkeys(widths):
        changed = _clock_changes(bins, first, last)
        for number in bins.span(first, last):
            yield {
                "width": bins.width,
                "bin": number,
                "begins": bins.label(number),
                "clock_change": changed.get(number),
            }


def bins_table(widths: Iterable[TimeBins], first: date, last: date, session: Session) -> nw.LazyFrame[Any]:
    """`bin_rows` as a frame, for the resource ``BINS``."""
    return session.from_arrow(pa.Table.from_pylist(list(bin_rows(widths, first, last)), schema=BIN_SCHEMA))


def _clock_changes(bins: TimeBins, first: date, last: date) -> dict[int, str]:
    if bins.pool != "none":
        return {}
    epoch = first.toordinal() - 719_163
    begin, end = (epoch - 1) * DAY_S, (epoch + bins.days(first, last) + 1) * DAY_S
    changed: dict[int, str] = {}
    for change in bins.clock.changes(begin, end):
        before = bins.clock.offset(change.start_s - 1)
        low, high = sorted((change.start_s + before, change.start_s + change.offset_s))
        word = "skipped" if change.offset_s > before else "repeated"
        changed |= dict.fromkeys(range(low // bins.seconds, -(-high // bins.seconds)), word)
    return changed


def _rows_of(product: Product, decisions: Decisions, spec: ReleaseSpec, session: Session) -> nw.LazyFrame[Any]:
    frames = []
    for decision in decisions.of(product.kind):
        count = nw.col("rows").cast(nw.Int64)
        if spec.noise is not None:
            count = count + spec.noise.expr("record")
        band = nw.lit(spec.bands[0], dtype=nw.Int64)
        for edge in spec.bands[1:]:
            band = nw.when(nw.col("persons") >= edge).then(nw.lit(edge, dtype=nw.Int64)).otherwise(band)
        classes = decision.published.select(*product.keys, count.alias("trips"), band.alias(spec.at_least))
        if product.statistics:
            classes = classes.join(_told_of(decision, decisions, spec, session), on=list(product.keys), how="left")
        frames.append(classes)
    return nw.concat(frames) if len(frames) > 1 else frames[0]


def _told_of(decision: Decision, decisions: Decisions, spec: ReleaseSpec, session: Session) -> nw.LazyFrame[Any]:
    """Statistics of the classes that a step publishes."""
    step, product = decision.step, decision.part.product
    rows = step.keyed(decisions.rows.filter(nw.col(step.part.told) == step.number), spec.grid, spec.base)
    told = class_statistics(
        rows, step.keys, product.statistics, unit=spec.protection.unit, k=spec.protection.k, session=session
    )
    return told.rename(dict(zip(step.keys, product.keys, strict=True)))


def write_table(
    folder: Path,
    resource: Resource,
    frame: nw.LazyFrame[Any],
    session: Session,
    progress: Progress,
    *,
    times: str | None = None,
) -> None:
    """Write a table sorted by all its columns, Parquet first, the CSV from the Parquet; each row ``times`` times."""
    names = tuple(column.name for column in resource.fields)
    csv, parquet = (folder / path for path in resource.paths)
    more = () if times is None else (times,)
    session.write_parquet(frame.select(*names, *more), parquet, order=names, times=times)
    progress.moment(f"write:{parquet.name}")
    session.write_csv(session.scan_parquet(parquet), csv)
    progress.moment(f"write:{csv.name}")


def _levels(spec: ReleaseSpec) -> tuple[int, ...]:
    return tuple(sorted({step.at.level for step in spec.steps} | {spec.suppression_level}))


def write_zones(
    folder: Path,
    grid: Tessellation,
    levels: tuple[int, ...],
    progress: Progress,
    *,
    sensitive: SensitivePlaces | None = None,
) -> list[Resource]:
    """Write all public cells of these levels as GeoParquet."""
    (folder / "zones").mkdir()
    resources = []
    for level in levels:
        frame = grid.dictionary(level) if sensitive is None else sensitive.dictionary(grid, level)
        name = grid.level_name(level)
        resource = Resource(
            name=grid.file_name(level),
            folder="zones",
            title=f"Cells of {name}",
            description="All cells of the public area; with polygons as GeoParquet (EPSG:4326)",
            fields=tuple(field for field in ZONE_FIELDS if field.name in frame.columns),
            key=("cell",),
            parquet_only=True,
        )
        with replace_file(folder / resource.paths[0], durable=False) as partial:
            frame.to_parquet(partial, index=False)
        progress.moment(f"write:{resource.name}")
        resources.append(resource)
    return resources


ZONE_FIELDS = (
    Field(name="cell", type="integer", description=CELL),
    Field(name="id", type="string", description="the zone's id in the public file"),
    Field(name="lon", type="number", description="longitude of a point within the cell, degrees"),
    Field(name="lat", type="number", description="latitude of that point, degrees"),
    Field(name="geometry", type="string", description="polygon of the cell, WKB"),
)
