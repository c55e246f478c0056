"""What a recipe would publish, and which of its choices costs how much. Nothing leaves and nothing is written.

The figures are exact and about raw data: for the analyst's eyes. A resolution chosen by looking at them is a choice that
the data has influenced; for k-anonymous products that is the field's practice, for noisy ones it is not allowed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anonkit.base.clock import as_of as instant
from anonkit.base.entropy import fresh_key
from anonkit.base.errors import AnonkitError, RecipeError
from anonkit.base.progress import Progress
from anonkit.classes import Protection
from anonkit.engine import Session
from anonkit.kanon import Product, decide_products
from anonkit.pipeline.alternatives import alternatives, other_levels, written
from anonkit.pipeline.ingest import Ingested, ingest
from anonkit.pipeline.measure import product_figures
from anonkit.pipeline.register import overlapping
from anonkit.recipe import Recipe, RouteRecipe, load_recipe

if TYPE_CHECKING:
    from anonkit.pipeline.plan_routes import Journeys


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What would be published."""

    lines: list[dict[str, Any]]
    products: list[dict[str, Any]]
    levels: dict[str, Any] | None = None
    """What the search chose and what it costs, where the recipe leaves the levels of trips to it."""
    overlapping: tuple[str, ...] = ()
    """Earlier releases in the register that share people, days and zones: other numbers than theirs would be refused."""


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """One choice made otherwise, and the share of trips that would then be published, by part."""

    change: str
    shares: dict[str, float]
    write: str = ""
    """What to write in the recipe for it."""


def plan(
    recipe: str | Path,
    *,
    as_of: str | date | datetime | None = None,
    registry: str | Path | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Classes and suppression that a recipe would give, and what the register of releases would refuse.

    ``registry`` : folder of all releases of the operator, read only; None: nothing is held against earlier ones.

    Raises
    ------
    RecipeError, SourceError : as `release`.

    Privacy
    -------
    Nothing is written but the run's private folder, which is removed. The figures are exact: keep them inside.
    """
    journeys = _journeys(recipe, as_of, progress or Progress())
    if journeys is not None:
        wanted = journeys.recipe
        earlier = overlapping(Path(registry), wanted) if registry is not None else ()
        lines = [account.as_dict() for account in journeys.lines]
        return Plan(lines=lines, products=journeys.told(wanted.spec), overlapping=earlier)
    with _opened(recipe, as_of, progress or Progress()) as (read, ingested, session, levels):
        figures = product_figures(_decided(read.kanon_products, read, ingested, session), session=session)
        earlier = overlapping(Path(registry), read) if registry is not None else ()
        lines = [account.as_dict() for account in ingested.accounting]
        return Plan(lines=lines, products=figures, levels=levels, overlapping=earlier)


def explain(
    recipe: str | Path, *, as_of: str | date | datetime | None = None, progress: Progress | None = None
) -> tuple[Alternative, ...]:
    """What suppression would be, were one choice of the recipe made otherwise; the recipe itself comes first.

    Raises, Privacy: as `plan`.
    """
    progress = progress or Progress()
    journeys = _journeys(recipe, as_of, progress)
    if journeys is not None:
        return _explained(journeys, progress)
    with _opened(recipe, as_of, progress) as (read, ingested, session, levels):
        found = []
        for change, products, protection in (*alternatives(read), *other_levels(read, levels)):
            with progress.stage(change):
                try:
                    decided = _decided(products, read, ingested, session, protection)
                except AnonkitError:
                    continue  # the change breaks the chain of levels
                figures = product_figures(decided, session=session)
            shares = {f["part"]: f["share_released"] for f in figures}
            found.append(Alternative(change=change, shares=shares, write=written(read, products, protection)))
        return tuple(found)


def _journeys(recipe: str | Path, as_of: str | date | datetime | None, progress: Progress) -> Journeys | None:
    """The matched trips of a recipe of routes; None where it is of another kind."""
    read, _ = load_recipe(Path(recipe))
    if not isinstance(read, RouteRecipe):
        return None
    from anonkit.pipeline.plan_routes import Journeys  # brings in Numba, SciPy and the street formats

    with Session(threads=read.engine.threads, memory_limit=read.engine.memory_of_engine) as session:
        return Journeys.read(read, session, instant(as_of), progress)


def _explained(journeys: Journeys, progress: Progress) -> tuple[Alternative, ...]:
    from anonkit.pipeline.plan_routes import alternatives as of_routes

    found = []
    for change, spec in of_routes(journeys.recipe):
        with progress.stage(change):
            shares = {figures["part"]: figures["share_released"] for figures in journeys.told(spec)}
        found.append(Alternative(change=change, shares=shares))
    progress.close()
    return tuple(found)


class _opened:  # noqa: N801  (reads as a function at its one kind of use)
    def __init__(self, recipe: str | Path, as_of: str | date | datetime | None, progress: Progress) -> None:
        read, _ = load_recipe(Path(recipe))
        if not isinstance(read, Recipe):
            raise RecipeError(
                "a noisy release is never planned by looking at the trips (ruling 18)",
                hint=f"anonkit dp plan {Path(recipe).name} shows cost and expected error without the data",
            )
        self._recipe = read
        self._when = instant(as_of)
        self._progress = progress
        limits = self._recipe.engine
        self._session = Session(threads=limits.threads, memory_limit=limits.memory_of_engine)

    def __enter__(self) -> tuple[Recipe, Ingested, Session, dict[str, Any] | None]:
        with self._progress.stage("read"):
            ingested = ingest(
                self._recipe, session=self._session, key=fresh_key(), record_key=fresh_key(), as_of=self._when
            )
            rows = ingested.used(self._session)
            if self._recipe.chooses_levels:
                from anonkit.pipeline.levels import choose_levels  # brings in scikit-learn and Numba

                chosen = choose_levels(self._recipe, rows, session=self._session, count_input=True)
                return chosen.recipe, replace(ingested, rows=chosen.rows), self._session, chosen.told
        return self._recipe, replace(ingested, rows=rows), self._session, None

    def __exit__(self, *_: object) -> None:
        self._session.close()
        self._progress.close()


def _decided(
    products: tuple[Product, ...],
    recipe: Recipe,
    ingested: Ingested,
    session: Session,
    protection: Protection | None = None,
) -> Any:
    return decide_products(
        ingested.rows,
        products,
        grid=recipe.geo.grid,
        base=recipe.time.time_bins,
        protection=protection or recipe.protection,
        session=session,
    )
