"""What a recipe would publish, and which of its choices costs how much. Nothing leaves and nothing is written.

The figures are exact and about raw data: for the analyst's eyes. A resolution chosen by looking at them is a choice that
the data has influenced; for k-anonymous products that is the field's practice, for noisy ones it is not allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anonkit.base.clock import as_of as instant
from anonkit.base.entropy import fresh_key
from anonkit.base.errors import AnonkitError, RecipeError
from anonkit.base.progress import Progress
from anonkit.classes import Protection
from anonkit.engine import Session
from anonkit.geo import TimeBins
from anonkit.kanon import Product, decide_products
from anonkit.pipeline.ingest import Ingested, ingest
from anonkit.pipeline.measure import product_figures
from anonkit.pipeline.register import overlapping
from anonkit.recipe import Recipe, RouteRecipe, load_recipe
from anonkit.report.levels import levels_text

if TYPE_CHECKING:
    from anonkit.pipeline.plan_routes import Journeys

WIDER = {"1h": "3h", "3h": "6h", "6h": "1d", "15min": "1h", "30min": "1h", "2h": "6h", "4h": "12h", "12h": "1d"}


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
        for change, products, protection in (*_alternatives(read), *_other_levels(read, levels)):
            with progress.stage(change):
                try:
                    decided = _decided(products, read, ingested, session, protection)
                except AnonkitError:
                    continue  # the change breaks the chain of levels
                figures = product_figures(decided, session=session)
            found.append(Alternative(change=change, shares={f["part"]: f["share_released"] for f in figures}))
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
    from anonkit.pipeline.plan_routes import alternatives

    found = []
    for change, spec in alternatives(journeys.recipe):
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
            if self._searches:
                from anonkit.pipeline.levels import choose_levels  # brings in scikit-learn and Numba

                chosen = choose_levels(self._recipe, rows, session=self._session, count_input=True)
                return chosen.recipe, replace(ingested, rows=chosen.rows), self._session, chosen.told
        return self._recipe, replace(ingested, rows=rows), self._session, None

    @property
    def _searches(self) -> bool:
        trips = self._recipe.products.trips
        return trips is not None and trips.k_anonymity is not None

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


def _alternatives(recipe: Recipe) -> Iterator[tuple[str, tuple[Product, ...], Protection]]:
    products, own = recipe.kanon_products, recipe.protection
    trips = recipe.products.trips
    searched = trips is not None and trips.k_anonymity is not None
    yield "the recipe at the levels that were chosen" if searched else "the recipe", products, own
    levels = recipe.geo.grid.levels

    def coarser_cells(product: Product) -> Product:
        up = tuple(replace(at, level=min(at.level + 1, levels - 1)) for at in product.roll_up)
        return replace(product, level=min(product.level + 1, levels - 1), roll_up=_distinct(product, up, 1))

    def wider_bins(product: Product) -> Product:
        up = tuple(replace(at, bins=_wider(at.bins)) for at in product.roll_up)
        return replace(product, bins=_wider(product.bins), roll_up=_distinct(product, up, 0))

    def pooled(product: Product) -> Product:
        up = tuple(replace(at, bins=_pooled(at.bins)) for at in product.roll_up)
        return replace(product, bins=_pooled(product.bins), roll_up=up)

    changes: list[tuple[str, Callable[[Product], Product]]] = [
        ("cells one level coarser", coarser_cells),
        ("bins one step wider", wider_bins),
        ("bins pooled over weeks or days", pooled),
    ]
    for name in recipe.released_columns:

        def without(product: Product, name: str = name) -> Product:
            up = tuple(replace(at, columns=tuple(c for c in at.columns if c != name)) for at in product.roll_up)
            return replace(product, columns=tuple(c for c in product.columns if c != name), roll_up=up)

        changes.append((f"without column {name}", without))
    if any(product.roll_up for product in products):
        changes.append(("without roll-up", lambda product: replace(product, roll_up=())))
    if any(product.max_rows for product in products):
        changes.append(
            ("twice the rows a person", lambda p: replace(p, max_rows=p.max_rows * 2 if p.max_rows else None))
        )
    for change, make in changes:
        changed = tuple(make(product) for product in products)
        if changed != products:
            yield change, changed, own
    if own.l_places > 1:
        yield "destinations need not differ (l_places: 1)", products, replace(own, l_places=1)
    if own.dominance < 1:
        yield "no limit on one person's share", products, replace(own, dominance=Fraction(1))
    if own.operator_share is not None and own.operator_share < 1:
        yield "no limit on one operator's share", products, replace(own, operator_share=Fraction(1))
    for k in sorted({5, 11, 20} - {own.k}):
        yield f"k = {k}", products, replace(own, k=k)


def _other_levels(
    recipe: Recipe, levels: dict[str, Any] | None
) -> Iterator[tuple[str, tuple[Product, ...], Protection]]:
    """What the search passed over for levels that lose less, labels as chosen."""
    if levels is None:
        return
    for other in levels["tried"]:
        if other["labels"] == levels["chosen"]["labels"] and levels_text(other) != levels_text(levels["chosen"]):
            at = recipe.at_levels(cell=other["cell"], bins=other["bins"], columns=tuple(other["columns"]))
            yield f"trips at {levels_text(other)}", at.kanon_products, recipe.protection


def _distinct(product: Product, up: tuple[Any, ...], step: int) -> tuple[Any, ...]:
    """Roll-ups that are still coarser than the level before, after a change."""
    found, last = [], (product.level + step, product.bins.width)
    for at in up:
        if (at.level, at.bins.width) != last:
            found.append(at)
            last = (at.level, at.bins.width)
    return tuple(found)


def _wider(bins: TimeBins) -> TimeBins:
    width, _, pool = bins.width.partition(" of ")
    wider = WIDER.get(width.replace(" ", ""), width)
    return TimeBins(f"{wider} of {pool}" if pool else wider, zone=bins.zone)


def _pooled(bins: TimeBins) -> TimeBins:
    width, _, pool = bins.width.partition(" of ")
    return TimeBins(f"{width} of {'day' if pool else 'week'}", zone=bins.zone)
