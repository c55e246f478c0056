"""The main job: a recipe in, a checked release out, or a refusal.

The order is fixed: read, decide, measure, write, gate, hand over. Everything before the hand-over happens in the private
folder and in a staging folder; a kill at any point leaves no half release.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw

from anonkit.base.clock import as_of as instant
from anonkit.base.entropy import fresh_key
from anonkit.base.errors import ReleaseRefusedError
from anonkit.base.findings import Finding, Status
from anonkit.base.progress import Progress
from anonkit.bundle import CHECKSUMS
from anonkit.engine import Session
from anonkit.kanon import Decisions, decide_products
from anonkit.pipeline.ahead import load_ahead
from anonkit.pipeline.ingest import Ingested, ingest
from anonkit.pipeline.measure import measure_risk, product_figures
from anonkit.pipeline.page import REPORT, measure_utility, report_tables
from anonkit.pipeline.provenance import files_used
from anonkit.pipeline.record import run_head
from anonkit.pipeline.register import Register, product_hashes
from anonkit.pipeline.subjects import Subjects
from anonkit.prepare import INDIVIDUAL, deadline_findings
from anonkit.publish import Handover, ReleaseSpec, run_gate, write_bundle
from anonkit.recipe import NoisyRecipe, Recipe, RouteRecipe, load_recipe
from anonkit.report import write_report
from anonkit.version import __version__

REGISTRY = "anonkit.registry"
NAMED = 3
"""Further failed checks that a refusal names."""
STAGES = ("read", "decide", "measure", "write", "gate", "review", "report", "hand over")


@dataclass(frozen=True, kw_only=True, repr=False)
class ReleaseResult:
    """What a release came to."""

    out: Path
    """The folder that may be handed over."""
    inside: Path
    """The folder that stays: run.json, report.html, rejected.parquet."""
    findings: tuple[Finding, ...]
    run: dict[str, Any]

    @property
    def report(self) -> Path:
        """The reviewer's page."""
        return self.inside / REPORT

    @property
    def questions(self) -> tuple[int, int]:
        """Of the fifteen questions: how many there are, and how many the reviewer has to decide."""
        answers = self.run.get("scorecard") or []
        return len(answers), sum(answer["status"] != Status.PASS.value for answer in answers)

    def __repr__(self) -> str:
        statuses = [found.status for found in self.findings]
        asked, left = self.questions
        told = f"{statuses.count(Status.PASS)} checks passed, {statuses.count(Status.WARN)} warned; "
        told += f"{left} of {asked} questions for the reviewer to decide"
        return f"<release {self.run.get('release')}: {told}\n out {self.out}\n report {self.report}, stays inside>"


def release(
    recipe: str | Path,
    *,
    out: str | Path,
    inside: str | Path | None = None,
    registry: str | Path | None = None,
    as_of: str | date | datetime | None = None,
    progress: Progress | None = None,
) -> ReleaseResult:
    """Make the release that a recipe describes.

    Parameters
    ----------
    recipe : path of the YAML file.
    out : folder to hand over; must not exist yet.
    inside : folder that stays; default ``<out>.inside``.
    registry : folder of the operator's releases and of the persistent key; default ``anonkit.registry`` beside ``out``.
        All releases of an operator must share it, else overlaps between them cannot be seen.
    as_of : the instant at which clocks are evaluated; default now.

    Returns
    -------
    ReleaseResult

    Raises
    ------
    RecipeError, SourceError : exit code 2. ReleaseRefusedError : the gate refused, exit code 3; nothing is handed over.

    Privacy
    -------
    What leaves is exactly what the gate recounted. Exact counts and reasons stay in ``inside``.
    """
    when = instant(as_of)
    read, digest = load_recipe(Path(recipe))
    progress = progress or Progress()
    with Handover(Path(out), Path(inside) if inside is not None else None) as places:
        with Session(
            threads=read.engine.threads, memory_limit=read.engine.memory_of_engine, folder=places.inside
        ) as session:
            register = Register.open(Path(registry) if registry is not None else places.out.with_name(REGISTRY))
            subjects = Subjects.open(register.folder)
            if isinstance(read, NoisyRecipe):
                from anonkit.pipeline.noisy import make_noisy  # brings in opendp and scikit-learn

                noisy = make_noisy(read, digest, places, register, session, progress, when)
                result = ReleaseResult(out=places.out, inside=places.inside, findings=noisy.findings, run=noisy.run)
            elif isinstance(read, RouteRecipe):
                from anonkit.pipeline.routes import make_routes  # brings in Numba, SciPy and the street formats

                routes = make_routes(read, digest, places, register, subjects, session, progress, when)
                result = ReleaseResult(out=places.out, inside=places.inside, findings=routes.findings, run=routes.run)
            else:
                result = _make(read, digest, places, register, subjects, session, progress, when)
        failed = [found for found in result.findings if found.failed]
        if failed:
            places.write_run({**result.run, "status": "refused"})
            raise _refusal(read.release, failed, result)
        with progress.stage("hand over"):
            places.write_run({**result.run, "status": "ready"})
            assert places.staging is not None
            entries = register.record(read, product_hashes(places.staging, read))
            subjects.record(entries, read)
            progress.moment("hand over:before rename")
            places.hand_over()
            progress.moment("hand over:after rename")
            register.issue(entries, places.out / CHECKSUMS)
            if isinstance(read, NoisyRecipe):
                noisy.ledger.confirm(entries[0])
            places.write_run({**result.run, "status": "released"})
    progress.close()
    return result


def _refusal(name: str, failed: list[Finding], result: ReleaseResult) -> ReleaseRefusedError:
    first, others = failed[0], [f"{found.check} of {found.product}" for found in failed[1:]]
    more = f"; also {', '.join(others[:NAMED])}" if others else ""
    more += f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
    page = REPORT if result.report.is_file() else "run.json"
    return ReleaseRefusedError(
        f"release {name!r} is refused: {len(failed)} of {len(result.findings)} checks failed, "
        f"first {first.check} of {first.product}: {first.value} ({first.threshold}){more}",
        hint=f"read the findings in {result.inside.name}/{page}; nothing was handed over",
        findings=result.findings,
        inside=result.inside,
    )


def _make(
    recipe: Recipe,
    digest: str,
    places: Handover,
    register: Register,
    subjects: Subjects,
    session: Session,
    progress: Progress,
    when: datetime,
) -> ReleaseResult:
    assert places.staging is not None
    load_ahead()
    with progress.stage("read"):
        files = files_used(recipe)
        key = fresh_key()
        ingested = ingest(
            recipe, session=session, key=key, record_key=register.record_key, as_of=when, subjects=subjects
        )
        progress.moment("read:before checkpoint")
        rows = ingested.used(session)
        progress.moment("read:after checkpoint")
        places.write_rejected(ingested.rejected)
    with progress.stage("decide"):
        levels = None
        if recipe.chooses_levels:
            from anonkit.pipeline.levels import choose_levels  # brings in scikit-learn and Numba

            try:
                chosen = choose_levels(recipe, rows, session=session)
            except ReleaseRefusedError as error:
                told = [found.as_dict() for found in error.fields["findings"]]
                begun = _begun(recipe, digest, files, when, ingested)
                places.write_run({**begun, "status": "refused", "findings": told})
                raise
            recipe, rows, levels = chosen.recipe, chosen.rows, chosen.told
        progress.moment("decide:before checkpoint")
        decisions = decide_products(
            rows,
            recipe.kanon_products,
            grid=recipe.geo.grid,
            base=recipe.time.time_bins,
            protection=recipe.protection,
            session=session,
        )
        progress.moment("decide:after checkpoint")
        if recipe.records_subjects:
            subjects.note(ingested.people, _published(decisions), key=key, session=session)
    with progress.stage("measure"):
        figures = product_figures(decisions, session=session)
        risk = measure_risk(decisions, recipe, session=session)
    spec = release_spec(recipe)
    with progress.stage("write"):
        resources = write_bundle(places.staging, spec, decisions, session=session, progress=progress)
        places.begin_saving()
    with progress.stage("gate"):
        progress.moment("gate:before")
        findings = run_gate(places.staging, spec, resources, used=rows, session=session)
        if not any(found.failed for found in findings):
            findings = (*findings, register.overlap(recipe, product_hashes(places.staging, recipe)))
        findings = (*findings, *deadline_findings(ingested.promises))
        progress.moment("gate:after")
    run = {
        **_begun(recipe, digest, files, when, ingested),
        "levels": levels,
        "thinned": decisions.thinned,
        "products": figures,
        "risk": risk,
        "findings": [found.as_dict() for found in findings],
        "seconds": {name: round(seconds, 3) for name, seconds in progress.seconds.items()},
    }
    with progress.stage("review"):
        from anonkit.pipeline.answers import write_review
        from anonkit.pipeline.review import review_release  # the attacks are loaded when they are run

        tables = report_tables(decisions, recipe, places.staging, session=session)
        run["utility"] = measure_utility(decisions, tables, recipe, session=session)
        progress.moment("review:before attacks")
        review = review_release(decisions, recipe, run, findings, places.staging, session=session)
        write_review(places.inside, review)
        findings = (*findings, *review.refusing)
        run["findings"] = [found.as_dict() for found in findings]
        run["scorecard"] = review.document["scorecard"]
    with progress.stage("report"):
        status = "refused" if any(found.failed for found in findings) else "ready"
        write_report(places.inside / REPORT, {**run, "status": status, "review": review.document}, tables)
    run["seconds"] = {name: round(seconds, 3) for name, seconds in progress.seconds.items()}
    return ReleaseResult(out=places.out, inside=places.inside, findings=findings, run=run)


def _begun(recipe: Recipe, digest: str, files: Any, when: datetime, ingested: Ingested) -> dict[str, Any]:
    """What run.json tells before anything is decided."""
    spec = release_spec(recipe)
    head = run_head(
        recipe,
        digest=digest,
        files=files,
        when=when,
        policies=ingested.promises,
        statement=spec.statement,
        privacy=spec.privacy(),
    )
    return {
        **head,
        "pooling": {"statement": recipe.pooling.statement, "why": list(recipe.pooling.why)},
        "together": ingested.together.as_dict(),
        "lines": [account.as_dict() for account in ingested.accounting],
    }


def _published(decisions: Decisions) -> nw.LazyFrame[Any]:
    """Tokens of persons of whom a product tells at least one row."""
    told = nw.any_horizontal(*(nw.col(part.told) >= 0 for part in decisions.parts), ignore_nulls=True)
    person = INDIVIDUAL if INDIVIDUAL in decisions.rows.collect_schema().names() else "person"
    return decisions.rows.filter(told).select(nw.col(person).alias("person"))


def release_spec(recipe: Recipe) -> ReleaseSpec:
    """The part of a recipe that bundle and gate need."""
    return ReleaseSpec(
        name=recipe.release,
        title=recipe.title,
        purpose=recipe.purpose,
        recipient=recipe.recipient.name,
        recipient_kind=recipe.recipient.kind,
        licence=recipe.licence,
        first=recipe.period.first,
        last=recipe.period.last,
        unit=recipe.privacy.unit,
        protection=recipe.protection,
        grid=recipe.geo.grid,
        base=recipe.time.time_bins,
        products=recipe.kanon_products,
        suppression_level=recipe.suppression_level,
        noise=recipe.counts.noise,
        operators=tuple(dict.fromkeys(entry.operator for entry in recipe.inputs)),
        legal_basis=recipe.legal_basis,
        pooling=recipe.pooling.statement,
        together=recipe.together,
        rounded=recipe.rounding,
        printed=recipe.counts.printed,
        sensitive=recipe.sensitive,
        created=datetime.now(UTC).replace(microsecond=0).isoformat(),
        version=__version__,
    )
