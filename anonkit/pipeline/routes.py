"""The main job for routes: trips and fixes in, streets matched, ends cut, one system of products out, recounted.

Fixes are read into memory and never stored: of the trips that are used (after erasure, clocks and rules) they are matched
to the public network, the ends are cut, and only then is anything counted (ruling 30). Passages with tokens stay in memory
too, for the gate; the private folder holds the tokenised trips alone. A fix of no used trip is dropped by rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pyarrow as pa

from anonkit.base.entropy import fresh_key
from anonkit.base.findings import Finding
from anonkit.base.progress import Progress
from anonkit.engine import Session, sha256_of
from anonkit.geo.matching import Matcher, Walks
from anonkit.geo.networks import Network
from anonkit.geo.networks_read import read_network
from anonkit.kanon.routes_counting import Riders
from anonkit.kanon.routes_release import RouteRelease, cut_walks, release_routes
from anonkit.pipeline.answers import write_review
from anonkit.pipeline.fixes import fixes_of_trips
from anonkit.pipeline.ingest import ingest
from anonkit.pipeline.journeys import who_drove, within_period
from anonkit.pipeline.page import REPORT
from anonkit.pipeline.page_routes import route_tables_of_page
from anonkit.pipeline.provenance import files_used
from anonkit.pipeline.record import run_head
from anonkit.pipeline.register import Register, product_hashes
from anonkit.pipeline.review_routes import review_routes
from anonkit.pipeline.subjects import Subjects
from anonkit.prepare import INDIVIDUAL, deadline_findings
from anonkit.publish import Handover
from anonkit.publish.gate_routes import run_route_gate
from anonkit.publish.gate_routes_rows import PASSAGES
from anonkit.publish.routes import RouteReleaseSpec, route_tables, write_routes
from anonkit.recipe.routes import RouteRecipe
from anonkit.report import write_report
from anonkit.version import __version__


@dataclass(frozen=True, kw_only=True)
class Routes:
    """What was made, before it is handed over."""

    findings: tuple[Finding, ...]
    run: dict[str, Any]


def make_routes(
    recipe: RouteRecipe,
    digest: str,
    places: Handover,
    register: Register,
    subjects: Subjects,
    session: Session,
    progress: Progress,
    when: datetime,
) -> Routes:
    """Everything up to the hand-over.

    Raises
    ------
    SourceError : trips, fixes or streets cannot be read, or no fix belongs to a used trip.
    """
    assert places.staging is not None
    with progress.stage("read"):
        files = files_used(recipe)
        key = fresh_key()
        ingested = ingest(
            recipe, session=session, key=key, record_key=register.record_key, as_of=when, subjects=subjects
        )
        progress.moment("read:before checkpoint")
        rows = ingested.used(session)
        progress.moment("read:after checkpoint")
        fixes, accounts, rejected = fixes_of_trips(recipe, rows, register.record_key, session, when)
        places.write_rejected(pa.concat_tables([ingested.rejected, *rejected]))
    with progress.stage("match"):
        network = read_network(recipe.streets.path, mode=recipe.streets.mode)
        who = who_drove(rows, fixes.trips, recipe.unit, session)
        riders = Riders.of_tokens(
            unit=who["unit"].tolist(), driver=who["driver"].tolist(), operator=None, record=who["record"]
        )
        walks, told = cut_walks(
            Matcher.of(network, threads=recipe.engine.threads or 2), offsets=fixes.offsets, time_s=fixes.time_s,
            lon=fixes.lon, lat=fixes.lat, riders=riders, ends=recipe.spec.ends,
        )  # fmt: skip
        walks = within_period(walks, recipe)
        progress.moment("match:after")
    with progress.stage("decide"):
        made = release_routes(walks, riders, network, spec=recipe.spec)
        if recipe.records_subjects:
            subjects.note(
                ingested.people, _published(made, walks, fixes.trips, rows, session), key=key, session=session
            )
        progress.moment("decide:after")
    spec = _spec(recipe)
    with progress.stage("write"):
        resources = write_routes(places.staging, spec, made, network, session=session, progress=progress)
    with progress.stage("gate"):
        progress.moment("gate:before")
        passages = session.from_arrow(passage_table(walks, who, network))
        findings = run_route_gate(places.staging, spec, resources, passages=passages, session=session)
        if not any(found.failed for found in findings):
            findings = (*findings, register.overlap(recipe, product_hashes(places.staging, recipe)))
        findings = (*findings, *deadline_findings(ingested.promises))
        progress.moment("gate:after")
    accounting = (*ingested.accounting, *accounts)
    head = run_head(
        recipe,
        digest=digest,
        files=files,
        when=when,
        policies=ingested.promises,
        statement=spec.statement,
        privacy=spec.privacy(made),
    )
    run = {
        **head,
        "streets_sha256": spec.streets_sha256,
        "together": ingested.together.as_dict(),
        "lines": [account.as_dict() for account in accounting],
        "routes": {name: round(value, 6) for name, value in told.items()},
        "products": [
            {"part": name, "rows": len(table), "columns": list(table.columns)}
            for name, table in route_tables(made, spec.kinds).items()
        ],
        "findings": [found.as_dict() for found in findings],
        "seconds": {name: round(seconds, 3) for name, seconds in progress.seconds.items()},
    }
    with progress.stage("review"):
        review = review_routes(recipe, run, findings, places.staging, made=made, walks=walks, riders=riders)
        write_review(places.inside, review)
        findings = (*findings, *review.refusing)
        run["findings"] = [found.as_dict() for found in findings]
        run["scorecard"] = review.document["scorecard"]
    with progress.stage("report"):
        status = "refused" if any(found.failed for found in findings) else "ready"
        tables = route_tables_of_page(made, walks, network, recipe.kinds)
        write_report(places.inside / REPORT, {**run, "status": status, "review": review.document}, tables)
    run["seconds"] = {name: round(seconds, 3) for name, seconds in progress.seconds.items()}
    return Routes(findings=findings, run=run)


def _published(
    made: RouteRelease, walks: Walks, trips: np.ndarray, rows: nw.LazyFrame[Any], session: Session
) -> nw.LazyFrame[Any]:
    """Tokens of all persons of a trip of whom a published link tells; companions each by his own."""
    told = np.unique(walks.trip[np.isin(walks.link, made["volumes"].table["link"])])
    shown = session.from_arrow(pa.table({"trip": pa.array(trips[told], pa.int64())}))
    own = INDIVIDUAL if INDIVIDUAL in rows.collect_schema().names() else "person"
    query = f"SELECT DISTINCT {own} AS person FROM {{rows}} SEMI JOIN {{shown}} USING (trip) WHERE {own} IS NOT NULL"
    return session.frame(query, rows=rows, shown=shown)


def passage_table(walks: Walks, who: pd.DataFrame, network: Network) -> pa.Table:
    """The passages as the gate takes them: tokens, links, seconds and metres, in order of travel. Raw, in memory only."""
    columns: dict[str, Any] = {
        "trip": walks.trip.astype(np.int64),
        "piece": walks.piece.astype(np.int64),
        "row": np.arange(len(walks.link), dtype=np.int64),
        "link": walks.link.astype(np.int64),
        "enter_s": walks.enter_s,
        "exit_s": walks.exit_s,
        "enter_m": walks.enter_m,
        "exit_m": walks.exit_m,
        "length_m": network.length_m[walks.link],
    }
    for name in ("unit", "driver", "record"):
        columns[name] = pa.array(who[name].iloc[walks.trip].tolist(), pa.int64(), from_pandas=True)
    return pa.table({name: columns[name] for name in PASSAGES})


def _spec(recipe: RouteRecipe) -> RouteReleaseSpec:
    return RouteReleaseSpec(
        name=recipe.release,
        title=recipe.title,
        purpose=recipe.purpose,
        recipient=recipe.recipient.name,
        recipient_kind=recipe.recipient.kind,
        licence=recipe.licence,
        first=recipe.period.first,
        last=recipe.period.last,
        operator=recipe.inputs[0].operator,
        unit=recipe.unit,
        routes=recipe.spec,
        kinds=recipe.kinds,
        streets=recipe.streets.path.name,
        streets_sha256=sha256_of(recipe.streets.path),
        legal_basis=recipe.legal_basis,
        created=datetime.now(UTC).replace(microsecond=0).isoformat(),
        version=__version__,
    )
