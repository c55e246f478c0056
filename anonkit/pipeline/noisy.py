"""The main job for noisy products: plan from public parameters, reserve, draw once, write, check, hand over.

The ledger is asked before anything is drawn, and the register before that: a period that went out as k-anonymous classes
does not go out under the name of differential privacy (ruling 14). What is drawn stays charged, handed over or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from anonkit.base.clock import now
from anonkit.base.entropy import fresh_key
from anonkit.base.findings import Finding
from anonkit.base.progress import Progress
from anonkit.dp.charge import Purse
from anonkit.dp.releasers import RELEASERS
from anonkit.engine import Session
from anonkit.geo import Grid
from anonkit.ledger import Ledger, periods_between
from anonkit.pipeline.ingest import ingest
from anonkit.pipeline.page import REPORT, noisy_tables
from anonkit.pipeline.register import Register
from anonkit.pipeline.review import review_noisy, write_review
from anonkit.pipeline.subjects import Subjects
from anonkit.prepare import deadline_findings
from anonkit.publish import Handover
from anonkit.publish.noisy import NoisySpec, NoisyTable, check_noisy, write_noisy
from anonkit.recipe import NoisyProduct, NoisyRecipe
from anonkit.report import write_report
from anonkit.version import __version__

TITLES = {
    "flows": "Trips between two cells in the period",
    "volumes": "Trips that start in a cell, by time bin",
    "lengths": "Trips by distance",
    "persons": "Number of persons",
    "flow_blocks": "Trips between two blocks of cells",
    "origins": "Trips by the cell that they start in",
    "destinations": "Trips by the cell that they end in",
    "distance_bands": "Trips by distance band",
    "blocks": "Which cells make up a block",
}


@dataclass(frozen=True, kw_only=True)
class Noisy:
    """What was made, before it is handed over."""

    findings: tuple[Finding, ...]
    run: dict[str, Any]
    ledger: Ledger


def make_noisy(
    recipe: NoisyRecipe,
    digest: str,
    places: Handover,
    register: Register,
    session: Session,
    progress: Progress,
    when: datetime,
) -> Noisy:
    """Everything up to the hand-over.

    Raises
    ------
    ReleaseRefusedError : the period went out under the other guarantee. BudgetExceededError : nothing was drawn.
    """
    assert places.staging is not None
    register.refuse_other_guarantee(recipe)
    ledger = register.open_ledger(recipe)
    periods = periods_between(recipe.period.first, recipe.period.last, period=ledger.terms.period)
    release = register.free_name(recipe)
    purse = Purse(ledger=ledger, product="release", release=release, periods=periods)
    purse.affords(recipe.epsilon)  # the whole release, before its first product is drawn
    with progress.stage("read"):
        ingested = ingest(
            recipe,
            session=session,
            key=fresh_key(),
            record_key=register.record_key,
            as_of=when,
            subjects=Subjects.open(register.folder),
        )
        rows = session.checkpoint(ingested.rows, "used")
        places.write_rejected(ingested.rejected)
    with progress.stage("draw"):
        tables: list[NoisyTable] = []
        for product in recipe.plans():
            progress.moment(f"draw:before {product.name}")
            tables += _drawn(product, recipe, rows, ledger, release, periods)
            progress.moment(f"draw:after {product.name}")
    events = [(event, draws) for event, draws, _ in ledger.events().values() if event.release == release]
    spec = _spec(recipe, ledger, periods)
    with progress.stage("write"):
        resources = write_noisy(places.staging, spec, tuple(tables), session=session, progress=progress)
    with progress.stage("gate"):
        findings = check_noisy(
            places.staging,
            tuple(tables),
            resources,
            planned=float(recipe.epsilon),
            charged=sum(event.loss.epsilon for event, _ in events),
            undrawn=sum(draws != event.draws for event, draws in events),
            session=session,
        )
        findings = (*findings, *deadline_findings(ingested.promises))
        progress.moment("gate:after")
    run = {
        "release": recipe.release,
        "title": recipe.title,
        "status": "gated",
        "made": now().isoformat(),
        "as_of": when.isoformat(),
        "delete_after": (now() + timedelta(days=recipe.inside.delete_after_days)).date().isoformat(),
        "anonkit": __version__,
        "recipe_sha256": digest,
        "area_sha256": recipe.geo.grid.area_sha256,
        "tessellation": recipe.geo.grid.report(),
        "purpose": recipe.purpose,
        "recipient": recipe.recipient.model_dump(),
        "use": recipe.use,
        "legal_basis": recipe.legal_basis,
        "policies": list(ingested.promises),
        "statement": spec.statement,
        "privacy": spec.privacy(),
        "lines": [account.as_dict() for account in ingested.accounting],
        "products": [
            {"part": table.name, "rows": len(table.frame), "columns": list(table.frame.columns)} for table in tables
        ],
        "findings": [found.as_dict() for found in findings],
        "seconds": {name: round(seconds, 3) for name, seconds in progress.seconds.items()},
    }
    with progress.stage("report"):
        review = review_noisy(recipe, run, findings, places.staging)
        write_review(places.inside, review)
        findings = (*findings, *review.refusing)
        run["findings"] = [found.as_dict() for found in findings]
        run["scorecard"] = review.document["scorecard"]
        status = "refused" if any(found.failed for found in findings) else "ready"
        page = {**run, "status": status, "review": review.document, "budget": _budget(recipe, spec)}
        write_report(places.inside / REPORT, page, noisy_tables(tuple(tables), recipe))
    run["seconds"] = {name: round(seconds, 3) for name, seconds in progress.seconds.items()}
    return Noisy(findings=findings, run=run, ledger=ledger)


def _budget(recipe: NoisyRecipe, spec: NoisySpec) -> dict[str, Any]:
    """What is spent of the ledger's cap, for the page."""
    return {"cap": recipe.privacy.epsilon_cap, "release": spec.epsilon, "spent": dict(spec.spent), "total": spec.total}


def _drawn(
    product: NoisyProduct,
    recipe: NoisyRecipe,
    rows: nw.LazyFrame[Any],
    ledger: Ledger,
    release: str,
    periods: tuple[str, ...],
) -> list[NoisyTable]:
    """Draw one product; its tables."""
    grid = recipe.geo.grid
    assert isinstance(grid, Grid)
    columns: tuple[str, ...] | None = None
    frame = rows
    if product.name == "flows":
        cells = [grid.coarsen(nw.col(name), product.level).alias(name) for name in ("start_cell", "end_cell")]
        frame = rows.select("person", *cells)
    elif product.name == "volumes":
        assert product.bins is not None
        bins = product.bins.coarsen(nw.col("start_bin"), recipe.time.time_bins).alias("bin")
        frame = rows.select("person", grid.coarsen(nw.col("start_cell"), product.level).alias("cell"), bins)
    elif product.name == "lengths":
        columns = ("distance_m",)
    releaser = RELEASERS[product.plan.product](
        plan=product.plan, ledger=ledger, release=release, periods=periods, columns=columns
    )
    releaser.fit(frame)
    keys = product.plan.keys.values if product.plan.keys is not None else None
    if product.name == "persons":
        made = pd.DataFrame({"persons": [round(releaser.persons_ or 0)], "half_width": [float(releaser.half_width_)]})
        return [_table("persons", made, (), None)]
    if product.name == "flows" and releaser.layout_ == "sparse":
        own = (("start_block", "end_block"), ("start_cell",), ("end_cell",), ("band",))
        names = ("flow_blocks", "origins", "destinations", "distance_bands")
        made_of = (releaser.flows_, releaser.origins_, releaser.destinations_, releaser.bands_)
        tables = [_table(name, made, key, None) for name, made, key in zip(names, made_of, own, strict=True)]
        return [*tables, _table("blocks", releaser.blocks_, ("cell",), None)]
    made = getattr(releaser, f"{product.name}_")
    return [_table(product.name, made, product.plan.keys.columns if product.plan.keys is not None else (), keys)]


def _table(name: str, frame: pd.DataFrame, keys: tuple[str, ...], expected: np.ndarray | None) -> NoisyTable:
    return NoisyTable(name=name, title=TITLES[name], frame=frame.reset_index(drop=True), keys=keys, expected=expected)


def _spec(recipe: NoisyRecipe, ledger: Ledger, periods: tuple[str, ...]) -> NoisySpec:
    grid = recipe.geo.grid
    assert isinstance(grid, Grid)
    plans = recipe.plans()
    return NoisySpec(
        name=recipe.release,
        title=recipe.title,
        purpose=recipe.purpose,
        recipient=recipe.recipient.name,
        recipient_kind=recipe.recipient.kind,
        licence=recipe.licence,
        first=recipe.period.first,
        last=recipe.period.last,
        operator=recipe.inputs[0].operator,
        unit=recipe.privacy.unit,
        epsilon=float(recipe.epsilon),
        delta=0.0,
        spent={period: round(ledger.spent(period).epsilon, 9) for period in periods},
        total=round(ledger.total().epsilon, 9),
        grid=grid,
        zone=recipe.time.zone,
        bins=tuple(product.bins for product in plans if product.bins is not None),
        levels=tuple(sorted({product.level for product in plans if product.name in ("flows", "volumes")} or {0})),
        created=datetime.now(UTC).replace(microsecond=0).isoformat(),
        version=__version__,
    )
