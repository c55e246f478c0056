"""The main job for noisy products: plan from public parameters, reserve, draw once, write, check, hand over.

The ledger is asked before anything is drawn, and the register before that: a period that went out as k-anonymous classes
does not go out under the name of differential privacy (ruling 14). What is drawn stays charged, handed over or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import narwhals.stable.v2 as nw
import pyarrow as pa

from anonkit.base.entropy import fresh_key
from anonkit.base.findings import Finding
from anonkit.base.progress import Progress
from anonkit.dp.charge import Purse
from anonkit.dp.cost import Rho
from anonkit.engine import Session, sha256_of
from anonkit.geo import Grid
from anonkit.ledger import JointLedger, Ledger, periods_between
from anonkit.ledger.composition import Loss, compose
from anonkit.pipeline.answers import write_review
from anonkit.pipeline.ingest import ingest
from anonkit.pipeline.noisy_draw import draw_product, price_of
from anonkit.pipeline.page import REPORT, noisy_tables
from anonkit.pipeline.provenance import files_used
from anonkit.pipeline.record import run_head
from anonkit.pipeline.register import Register
from anonkit.pipeline.review import review_noisy
from anonkit.pipeline.subjects import Subjects
from anonkit.prepare import deadline_findings
from anonkit.publish import Handover
from anonkit.publish.noisy import NoisySpec, NoisyStreets, NoisyTable, check_noisy, write_noisy
from anonkit.recipe import NoisyRecipe, NoisyRouteRecipe
from anonkit.report import write_report
from anonkit.schema import Accounting
from anonkit.version import __version__


@dataclass(frozen=True, kw_only=True)
class Noisy:
    """What was made, before it is handed over."""

    findings: tuple[Finding, ...]
    run: dict[str, Any]
    ledger: Ledger | JointLedger


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
    # the whole release, before its first product is drawn
    purse.affords(recipe.epsilon, Rho(recipe.rho), delta=recipe.delta)
    with progress.stage("read"):
        files = files_used(recipe)
        ingested = ingest(
            recipe,
            session=session,
            key=fresh_key(),
            record_key=register.record_key,
            as_of=when,
            subjects=Subjects.open(register.folder),
        )
        rows = ingested.used(session)
        passages, accounts, lost = _passages(recipe, rows, register.record_key, periods, session, when)
        places.write_rejected(pa.concat_tables([ingested.rejected, *lost]))
    with progress.stage("draw"):
        tables: list[NoisyTable] = []
        for product in recipe.plans():
            progress.moment(f"draw:before {product.name}")
            read = passages if product.name == "links" else rows
            tables += draw_product(product, recipe, read, ledger=ledger, release=release, periods=periods)
            progress.moment(f"draw:after {product.name}")
    events = [(event, draws) for event, draws, _ in ledger.events().values() if event.release == release]
    charged = [event.loss for event, _ in events]
    spec = _spec(recipe, ledger, periods, charged[: len(charged) // len(recipe.operators)])
    with progress.stage("write"):
        resources = write_noisy(places.staging, spec, tuple(tables), session=session, progress=progress)
    with progress.stage("gate"):
        findings = check_noisy(
            places.staging,
            tuple(tables),
            resources,
            planned=Loss(epsilon=float(recipe.epsilon), delta=float(recipe.delta), rho=float(recipe.rho)),
            charged=charged,
            ledgers=len(recipe.operators),
            undrawn=sum(draws != event.draws for event, draws in events),
            session=session,
        )
        findings = (*findings, *deadline_findings(ingested.promises))
        progress.moment("gate:after")
    head = run_head(
        recipe,
        digest=digest,
        files=files,
        when=when,
        policies=ingested.promises,
        statement=spec.statement,
        privacy=spec.privacy(),
    )
    run = {
        **head,
        "lines": [account.as_dict() for account in (*ingested.accounting, *accounts)],
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


def _passages(
    recipe: NoisyRecipe,
    rows: nw.LazyFrame[Any],
    record_key: bytes,
    periods: tuple[str, ...],
    session: Session,
    when: datetime,
) -> tuple[nw.LazyFrame[Any], list[Accounting], list[pa.Table]]:
    """What noisy links read, where the recipe asks for them."""
    if not isinstance(recipe, NoisyRouteRecipe):
        return rows, [], []
    from anonkit.pipeline.noisy_links import passages_of_people  # brings in Numba, SciPy and the street formats

    return passages_of_people(recipe, rows, record_key=record_key, periods=periods, session=session, when=when)


def _streets(recipe: NoisyRecipe) -> NoisyStreets | None:
    if not isinstance(recipe, NoisyRouteRecipe):
        return None
    return NoisyStreets(
        network=recipe.network,
        file=recipe.streets.path.name,
        sha256=sha256_of(recipe.streets.path),
        ends=recipe.ends.rule,
        max_passages=recipe.products.links.max_passages,
    )


def _budget(recipe: NoisyRecipe, spec: NoisySpec) -> dict[str, Any]:
    """What is spent of the ledger's cap, for the page."""
    return {"cap": recipe.privacy.epsilon_cap, "release": spec.epsilon, "spent": dict(spec.spent), "total": spec.total}


def _spec(recipe: NoisyRecipe, ledger: Ledger | JointLedger, periods: tuple[str, ...], losses: list[Loss]) -> NoisySpec:
    grid, terms, total = recipe.geo.grid, ledger.terms, ledger.total()
    assert isinstance(grid, Grid)
    plans = recipe.plans()
    epsilon, delta = float(recipe.epsilon), float(recipe.delta)
    if recipe.rho:
        composed = compose(losses, order=terms.order, delta=terms.delta_cap / 2)
        epsilon, delta = round(composed.epsilon, 9), composed.delta_declared + terms.delta_cap / 2
    return NoisySpec(
        name=recipe.release,
        title=recipe.title,
        purpose=recipe.purpose,
        recipient=recipe.recipient.name,
        recipient_kind=recipe.recipient.kind,
        licence=recipe.licence,
        first=recipe.period.first,
        last=recipe.period.last,
        operators=recipe.operators,
        unit=recipe.privacy.unit,
        who=recipe.who,
        epsilon=epsilon,
        delta=delta,
        prices=tuple((product.name, price_of(product.plan)) for product in plans),
        spent={period: round(ledger.spent(period).epsilon, 9) for period in periods},
        total=round(total.epsilon, 9),
        total_delta=total.delta,
        grid=grid,
        zone=recipe.time.zone,
        bins=tuple(dict.fromkeys(product.bins for product in plans if product.bins is not None)),
        streets=_streets(recipe),
        levels=tuple(sorted({product.level for product in plans if product.level is not None} or {0})),
        created=datetime.now(UTC).replace(microsecond=0).isoformat(),
        version=__version__,
    )
