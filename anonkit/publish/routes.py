"""Write the bundle of a routes release: volumes of links, turns, speeds, routes, and the public streets they refer to.

Tables are sorted by their columns; a route is told link by link in ``pattern_links``, so that every column is a number of a
public link or a count. The streets are written whole, driven or not: which links are missing from a table is then no
secret of the file's, only of the thresholds. Writes published tables only; ``publish.gate_routes`` recounts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from anonkit.base.progress import Progress
from anonkit.bundle import README, Field, Resource, describe_package, write_checksums
from anonkit.classes import Protection
from anonkit.engine import Session, replace_file
from anonkit.geo import TimeBins
from anonkit.geo.networks import Network
from anonkit.geo.trimming import EndRule
from anonkit.kanon import CellKeyNoise
from anonkit.kanon.routes_release import RouteRelease, RouteSpec
from anonkit.publish.spec import WORDS
from anonkit.publish.words import opening, table_of_columns, table_of_files, told_of
from anonkit.publish.write import BINS, bins_table, write_table
from anonkit.schema import PrivacyUnit

LINK = "number of a link of the public street network; streets/links.parquet tells where it lies"
BIN = (
    "time bin in which the link was entered, on the local clock; -1: all other bins of the link together; see bins.csv"
)


@dataclass(frozen=True, kw_only=True)
class RouteReleaseSpec:
    """What a routes release says of itself."""

    name: str
    title: str
    purpose: str
    recipient: str
    recipient_kind: str
    licence: str
    first: date
    last: date
    operator: str
    unit: PrivacyUnit
    routes: RouteSpec
    kinds: tuple[str, ...]
    streets: str
    """Name of the public street file, and its SHA-256 beside."""
    streets_sha256: str
    legal_basis: str | None
    created: str
    version: str

    @property
    def protection(self) -> Protection:
        """The thresholds."""
        return self.routes.rule.protection

    @property
    def noise(self) -> CellKeyNoise:
        """The noise of counts; a recipe knows no exact ones."""
        noise = self.routes.rule.noise
        assert noise is not None
        return noise

    @property
    def bins(self) -> TimeBins:
        """The time bins of links and speeds."""
        return self.routes.bins

    @property
    def ends(self) -> EndRule:
        """How trip ends were cut."""
        return self.routes.ends

    @property
    def statement(self) -> str:
        """The guarantee in one sentence, first in the README and in the report."""
        k, drivers, counted = self.protection.k, self.protection.k_driver, WORDS[self.unit]
        beside = f" and at least {drivers} different drivers" if drivers is not None else ""
        text = f"Further legal basis: {self.legal_basis.rstrip('.')}. " if self.legal_basis else ""
        text += (
            f"k-anonymity, no differential privacy: every published link, turn, speed and route was driven by at least {k} "
            f"different {counted}{beside}, a route in full, and none of them made more than "
            f"{float(self.protection.dominance):.0%} of its passages. Trip ends are cut: the public cells of {self.ends.cell_m} m "
            f"around both ends are left out, at least {self.ends.minimum_m} m. Numbers of trips are perturbed by up to "
            f"{self.noise.largest} (variance {self.noise.variance:g})."
        )
        if self.unit is PrivacyUnit.TRIP:
            text += " The source knows no persons: k counts trips, and one person may have made several of them."
        if self.unit is PrivacyUnit.DRIVER:
            text += " k counts drivers; passengers are not known to the source and are not counted."
        return text

    def privacy(self, release: RouteRelease) -> dict[str, Any]:
        """The statement as data."""
        volumes = release["volumes"]
        return {
            "guarantee": "k_anonymity",
            "statement": self.statement,
            "unit": self.unit.value,
            "k": self.protection.k,
            "k_driver": self.protection.k_driver,
            "dominance": str(self.protection.dominance),
            "counts": "cell_key",
            "noise": {"largest": self.noise.largest, "variance": self.noise.variance},
            "ends": {"cell_m": self.ends.cell_m, "minimum_m": self.ends.minimum_m},
            "rows_per_person": self.routes.rule.max_rows,
            "products": [{"kind": kind, **self._of(kind)} for kind in self.kinds],
            "suppressed_pct": volumes.suppressed_pct,
        }

    def _of(self, kind: str) -> dict[str, Any]:
        routes = self.routes
        if kind == "speeds":
            low, high = routes.speed_bounds_kmh
            return {"bins": self.bins.width, "low_kmh": low, "high_kmh": high, "step_kmh": routes.step_kmh}
        if kind == "patterns":
            return {"least_m": routes.least_m, "most_links": routes.most_links, "closed": routes.closed}
        return {"bins": self.bins.width} if kind == "link_volumes" else {}


def _count(spec: RouteReleaseSpec, what: str) -> Field:
    text = f"{what}, with noise of standard deviation {spec.noise.variance**0.5:.2f}"
    return Field(name="trips", type="integer", description=text, constraints={"required": True, "minimum": 1})


def _whole(name: str, description: str) -> Field:
    return Field(name=name, type="integer", description=description, constraints={"required": True})


def route_resources(spec: RouteReleaseSpec) -> tuple[Resource, ...]:
    """The tables of counts and speeds, by what the recipe asks for."""
    absent = "absent: suppressed or nobody; which of the two is not told"
    speed = f"kilometres an hour, one value of each of the {WORDS[spec.unit]}, to {spec.routes.step_kmh:g}"
    found = {
        "link_volumes": Resource(
            name="link_volumes",
            title="Passages of links by time bin",
            description=f"bins of {spec.bins.width}; a link's rows add up to all its passages; {absent}",
            fields=(_whole("link", LINK), _whole("bin", BIN), _count(spec, "passages of the link")),
            key=("link", "bin"),
        ),
        "turns": Resource(
            name="turns",
            title="Passages from one link straight to another",
            description=f"of the whole period; two turns in a row are no route of anybody; {absent}",
            fields=(_whole("from_link", LINK), _whole("to_link", LINK), _count(spec, "passages of the turn")),
            key=("from_link", "to_link"),
        ),
        "speeds": Resource(
            name="speeds",
            title="Speeds of links by time bin",
            description=f"of passages from a link's start to its end; {absent}",
            fields=(
                _whole("link", LINK),
                _whole("bin", BIN),
                Field(name="speed_kmh", type="number", description=f"length over the mean time; {speed}"),
                Field(name="median_kmh", type="number", description="length over the median time; empty: too few to tell"),
                Field(name="slow_kmh", type="number", description="length over the 85th percentile of time; empty: too few"),
            ),
            key=("link", "bin"),
        ),
        "patterns": Resource(
            name="patterns",
            title="Routes that enough people drove in full",
            description=f"of the whole period, longest first; links in pattern_links; {absent}",
            fields=(
                _whole("pattern", "number of the route within this release; another release numbers afresh"),
                _whole("links", "how many links it has"),
                Field(name="length_m", type="number", description="metres, of the public network"),
                _count(spec, "times that the route was driven in full"),
            ),
            key=("pattern",),
        ),
    }  # fmt: skip
    links = Resource(
        name="pattern_links",
        title="Links of each route, in order",
        description="steps count from 0",
        fields=(_whole("pattern", "as in patterns"), _whole("step", "place within the route"), _whole("link", LINK)),
        key=("pattern", "step"),
    )
    tables = [found[kind] for kind in spec.kinds]
    return (*tables, links) if "patterns" in spec.kinds else tuple(tables)


STREETS = Resource(
    name="links",
    folder="streets",
    title="The public street network",
    description="every directed link, driven or not; with its shape as GeoParquet",
    fields=(
        Field(name="link", type="integer", description="number of the link"),
        Field(name="street", type="integer", description="one number for both directions"),
        Field(name="from_node", type="integer", description="node at which it begins"),
        Field(name="to_node", type="integer", description="node at which it ends"),
        Field(name="class", type="string", description="class in the public file"),
        Field(name="oneway", type="string", description="whether it has no other direction"),
        Field(name="length_m", type="number", description="metres"),
        Field(name="speed_kmh", type="number", description="public free speed"),
        Field(name="geometry", type="string", description="line, WKB"),
    ),
    key=("link",),
    parquet_only=True,
)


def route_tables(release: RouteRelease, kinds: tuple[str, ...]) -> dict[str, pd.DataFrame]:
    """The tables as they are written, by file name."""
    found = {kind: release["volumes" if kind == "link_volumes" else kind].table for kind in kinds}
    if "patterns" in found:
        patterns = found["patterns"]
        sizes = patterns["links"].map(len).to_numpy(dtype=np.int64) if len(patterns) else np.zeros(0, np.int64)
        steps = [np.arange(size) for size in sizes.tolist()]
        found["pattern_links"] = pd.DataFrame(
            {
                "pattern": np.repeat(patterns["pattern"].to_numpy(np.int64), sizes),
                "step": np.concatenate(steps) if steps else sizes,
                "link": np.concatenate(patterns["links"].to_list()) if steps else sizes,
            }
        )
        found["patterns"] = patterns.assign(links=sizes)
    return found


def write_routes(
    folder: Path,
    spec: RouteReleaseSpec,
    release: RouteRelease,
    network: Network,
    *,
    session: Session,
    progress: Progress,
) -> tuple[Resource, ...]:
    """Write tables, streets, bins, README, description and checksums into ``folder``; return the tables written.

    Privacy
    -------
    Writes published tables and public streets only. The gate recounts what was written before anybody gets it.
    """
    resources = list(route_resources(spec))
    tables = route_tables(release, spec.kinds)
    for resource in resources:
        frame = tables[resource.name].reset_index(drop=True)
        schema = pa.schema(
            [(field.name, pa.int64() if field.type == "integer" else pa.float64()) for field in resource.fields]
        )
        arrow = pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False)
        write_table(folder, resource, session.from_arrow(arrow), session, progress)
    write_table(folder, BINS, bins_table([spec.bins], spec.first, spec.last, session), session, progress)
    resources += [BINS, write_streets(folder, network, progress)]
    (folder / README).write_text(_readme(spec, release, tuple(resources)), encoding="utf-8")
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
            "privacy": spec.privacy(release),
            **told_of(spec, zone=spec.bins.zone, operators=[spec.operator]),
            "network": {"file": spec.streets, "sha256": spec.streets_sha256, "digest": network.digest},
        },
    )
    progress.moment("write:package")
    write_checksums(folder)
    progress.moment("write:checksums")
    return tuple(resources)


def write_streets(folder: Path, network: Network, progress: Progress) -> Resource:
    """Write the public street network, every link, driven or not.

    Privacy
    -------
    Public reference data.
    """
    (folder / "streets").mkdir()
    with replace_file(folder / STREETS.paths[0], durable=False) as partial:
        streets = network.to_geodataframe()
        streets.assign(oneway=np.where(streets["oneway"], "yes", "no")).to_parquet(partial, index=False)
    progress.moment("write:streets")
    return STREETS


def _readme(spec: RouteReleaseSpec, release: RouteRelease, resources: tuple[Resource, ...]) -> str:
    lines = [
        *opening(spec, zone=spec.bins.zone, operators=[spec.operator]),
        f"- Streets: {spec.streets}, SHA-256 {spec.streets_sha256}",
        f"- Share of passages that is missing from link_volumes: {release['volumes'].suppressed_pct}"
        + (
            " per cent" if release["volumes"].suppressed_pct != "withheld" else ", since it would be about a few people"
        ),
        *table_of_files(resources),
        *table_of_columns(resources),
    ]
    lines += [
        "A link that is absent was driven by nobody or by too few. Links, turns, speeds and routes refer to journeys without",
        "their ends, so the sums say nothing of where trips begin. Rows carry no identifier; nothing links two rows to one",
        "person, and two rows that touch are no route of anybody unless `patterns` says so.",
        "",
        "    import anonkit",
        f'    release = anonkit.open_release("{spec.name}")',
        '    release.to_geodataframe("link_volumes")',
        "",
        "`anonkit verify FOLDER` checks that the files are complete and unaltered. Whether every row holds its k can be",
        "recounted only by the operator, who did so before handing the folder over.",
        "",
    ]
    return "\n".join(lines)
