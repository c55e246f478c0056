"""The attacks that are run on a k-anonymous release, on the used rows before and on the rows that leave.

The attacker of each figure is told in its assumptions. Rows *before* are at the finest cells and bins; rows that *leave*
are those told at the first level of the finest product, with the keys that its file has. Persons are codes in memory and
stay in this process; at most a sample of them is attacked, everybody is what they are looked for among. Source: rulings 6,
7, 15, 35. Does not attack roll-ups and coarser products one by one: the gate's subtraction does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anonkit.base.entropy import seeded
from anonkit.engine import Session
from anonkit.kanon import Decisions
from anonkit.pipeline.attack_rows import PERSONS, SEED, SMALL, AttackRows, Rows
from anonkit.recipe import Recipe
from anonkit.risk.chains import ReleasedTrips, chain_risk
from anonkit.risk.incidence import combine, incidence
from anonkit.risk.membership import Worlds, membership_among
from anonkit.risk.places import home_work_risk, top_places_risk
from anonkit.risk.result import RiskFigure, share_figure
from anonkit.risk.trips import alone_in_class, inference_in, trip_risk_in, trip_risk_of, trip_uniqueness
from anonkit.risk.unicity import (
    SurfacePoint,
    drawn_points,
    persons_who_fit,
    unicity_figures,
    unicity_risk,
    unicity_surface,
)

Ints = NDArray[np.int64]
KNOWN = (1, 2, 4)
FEW, FEW_OF_MANY = 500, 200
"""Persons of the surface of resolutions, and where there are very many rows."""
LINKED = (
    "as if the rows of one person could be linked, which no column that leaves allows: what a leaked token would cost"
)
MOST_CELLS = 50
"""Cells of a target that a membership attacker looks at; more would only make him surer."""
FEW_WORLDS = Worlds(train=300, test=2_000)


@dataclass(frozen=True, kw_only=True)
class Attacks:
    """What the attacks found."""

    figures: tuple[RiskFigure, ...]
    surface: tuple[SurfacePoint, ...]
    alone: RiskFigure | None
    """Share of persons who are alone with one of their place-times in what leaves; None: nothing leaves."""
    advantage: float | None
    """Largest advantage of a membership attacker, the upper end of its interval."""


def run_attacks(decisions: Decisions, recipe: Recipe, folder: Path, *, session: Session) -> Attacks:
    """Attack the rows before and the rows that leave, the latter with the numbers that the files in ``folder`` tell.

    Privacy
    -------
    Figures about raw data: inside only, and of a k-anonymous release (ruling 19).
    """
    unit = recipe.privacy.unit.value
    source = AttackRows(decisions=decisions, recipe=recipe, folder=folder, session=session)
    many = int(source.loads.rows.sum()) > SMALL
    before = source.sample() if many else source.raw()
    after = source.leaving()
    figures = list(_named(_sampled_side(source, before) if many else _side(before, source), "before", unit))
    figures += _named(_side(after, source), "leaves", unit)
    alone = _alone(after) if len(after) else None
    members = _membership(after, recipe) if len(after) else ()
    surface: tuple[SurfacePoint, ...] = ()
    if unit != "trip" and len(before):
        surface = _sampled_surface(source, before) if many else _surface(before, recipe)
    given = [replace(found, unit=unit) for found in (*([alone] if alone else []), *members)]
    return Attacks(
        figures=(*figures, *given),
        surface=surface,
        alone=alone,
        advantage=max((float(found.details["advantage_high"]) for found in members), default=None),
    )


def _named(found: Iterator[RiskFigure], side: str, unit: str) -> Iterator[RiskFigure]:
    for one in found:
        yield replace(one, name=f"{one.name} ({side})", unit=unit, assumptions=_assumed(one, side))


def _assumed(found: RiskFigure, side: str) -> tuple[str, ...]:
    """Attacks that need a person's rows together are run on what leaves as if a token had leaked."""
    linked = side == "leaves" and not found.name.startswith(("unicity, 1 ", "trip", "destination", "origin", "chains"))
    return (*found.assumptions, *([LINKED] if linked else []))


# --- all rows of one side ------------------------------------------------------------------------------------------------
def _side(rows: Rows, source: AttackRows) -> Iterator[RiskFigure]:
    """Every attack on one side."""
    if not len(rows):
        return
    trips_only = source.recipe.privacy.unit.value == "trip"
    known = (1,) if trips_only else KNOWN
    yield from unicity_risk(rows.unit, rows.place_time, known=known, persons=PERSONS, seed=SEED)
    if not trips_only:
        yield top_places_risk(rows.unit, rows.start, top=2)
        yield home_work_risk(rows.unit, rows.start, rows.hour_of_week)
    if rows.end is None:
        return
    alone = trip_uniqueness(rows.code)
    shares = {"rows": alone.rows, "unique_rows": alone.unique_rows, "rows_under_5": alone.rows_under_5}
    risk = trip_risk_in(rows.table)
    yield replace(risk, details={**risk.details, **shares})
    chosen = _chosen(rows.unit)
    for name in ("destination", "origin"):
        yield _inference(rows, name, chosen)
    if not trips_only:
        yield _chains(rows, np.where(chosen[rows.unit], rows.unit, -1))


def _inference(rows: Rows, name: str, chosen: NDArray[np.bool_]) -> RiskFigure:
    """Destination from origin and time, or the other way round."""
    table, end = rows.table, rows.class_end
    assert end is not None
    known, asked = (rows.class_start, end) if name == "destination" else (end, rows.class_start)
    # Classes that differ in further columns only are one to this attacker.
    cell = combine(known, rows.class_bin, asked)
    _, first = np.unique(cell, return_index=True)
    held = np.bincount(table.item, weights=table.count, minlength=table.items)
    counts, told = (np.bincount(cell, weights=size).astype(np.int64) for size in (held, rows.class_told))
    owner = np.repeat(table.person_code, np.diff(table.person_start))
    mine = chosen[owner]
    own = table.count[mine]
    guess = inference_in(
        combine(known, rows.class_bin)[first],
        asked[first],
        told,
        counts,
        owner=owner[mine],
        cell=cell[table.item[mine]],
        own=own,
        own_shown=own,
        seed=SEED,
    )
    knows = f"the attacker knows {'origin' if name == 'destination' else 'destination'} and time of a trip and takes the most frequent {name}"
    return replace(guess, name=f"{name} inference", assumptions=(knows,))


def _chains(rows: Rows, target: Ints) -> RiskFigure:
    """Rows that follow each other; bins that pool days are taken as one week or day, as the recipient sees them."""
    width = rows.bins.seconds
    time = rows.bin * width
    assert rows.end is not None
    seen = ReleasedTrips(start_cell=rows.start, end_cell=rows.end, start_s=time, end_s=time, traits=rows.more)
    pooled = rows.bins.pool != "none"
    gap = max(2 * width, 2 * 3600)
    found = chain_risk(seen, target, max_gap_s=gap, seed=SEED, true_s=rows.true_s if pooled else None)
    if not pooled:
        return found
    return replace(
        found, assumptions=(*found.assumptions, f"times are the released hours of a {rows.bins.pool}; dates are pooled")
    )


def _chosen(unit: Ints) -> NDArray[np.bool_]:
    """At most ``PERSONS`` of the units, as a mask by their numbers."""
    there = np.flatnonzero(np.bincount(unit))
    chosen = np.zeros(int(there[-1]) + 1, bool)
    chosen[there if len(there) <= PERSONS else seeded(SEED).choice(there, PERSONS, replace=False)] = True
    return chosen


def _alone(rows: Rows) -> RiskFigure:
    """Each place-time of each person by itself, as nothing that leaves says which rows belong together."""
    alone, pair = alone_in_class(rows.table)
    return share_figure(
        "alone in a class (leaves)",
        alone,
        baseline=0.0,
        control_hits=pair,
        control_excuses=False,
        assumptions=(
            "the attacker knows all true trips of his target; each is looked up by itself, as no column links two rows",
            "counted over everybody, nothing sampled",
        ),
    )


def _surface(rows: Rows, recipe: Recipe) -> tuple[SurfacePoint, ...]:
    """Unicity of raw starts over coarser cells and bins."""
    grid, base = recipe.geo.grid, recipe.time.time_bins
    cells = {level: np.array([grid.parent(int(c), level) for c in rows.cells], np.int64) for level in _levels(grid, 3)}
    places = {
        grid.level_name(level): np.unique(codes, return_inverse=True)[1][rows.start] for level, codes in cells.items()
    }
    times = {_width(width): rows.bin * base.seconds // width for width in _widths(base.seconds, (21_600, 86_400))}
    return unicity_surface(rows.unit, places, times, known=KNOWN, persons=FEW, seed=SEED)


def _levels(grid: Any, most: int) -> range:
    return range(min(grid.levels, most))


def _widths(seconds: int, more: tuple[int, ...]) -> list[int]:
    return [width for width in dict.fromkeys((seconds, *more)) if width % seconds == 0]


def _width(seconds: int) -> str:
    return f"{seconds // 86_400} d" if seconds % 86_400 == 0 else f"{seconds / 3600:g} h"


# --- many raw rows: a sample of persons ---------------------------------------------------------------------------------
def _sampled_side(source: AttackRows, rows: Rows) -> Iterator[RiskFigure]:
    """On very many raw rows not those attacks that only repeat that raw trips give people away."""
    trips_only = source.recipe.privacy.unit.value == "trip"
    yield from _sampled_unicity(source, rows, (1,) if trips_only else KNOWN, level=0, width=rows.bins.seconds)
    if rows.end is not None:
        yield trip_risk_of(*source.class_sizes(), persons=len(source.loads.unit), seed=SEED)


def _sampled_surface(source: AttackRows, rows: Rows) -> tuple[SurfacePoint, ...]:
    grid, base = source.recipe.geo.grid, source.recipe.time.time_bins
    few = rows.of(np.unique(rows.unit)[:FEW_OF_MANY])
    width = _widths(base.seconds, (21_600,))[-1]
    return tuple(
        SurfacePoint(
            place=grid.level_name(level),
            time=_width(width),
            figures=_sampled_unicity(source, few, KNOWN, level=level, width=width),
        )
        for level in _levels(grid, 2)
    )


def _sampled_unicity(
    source: AttackRows, rows: Rows, known: tuple[int, ...], *, level: int, width: int
) -> tuple[RiskFigure, ...]:
    """Unicity of the sampled persons among everybody: whoever was at one of the drawn points is fetched."""
    grid = source.recipe.geo.grid
    cells = np.array([grid.parent(int(cell), level) for cell in rows.cells], np.int64)[rows.start]
    times = rows.bin * rows.bins.seconds // width
    item = combine(np.unique(cells, return_inverse=True)[1], times)
    own = incidence(rows.unit, item)
    points = drawn_points(own, np.arange(own.persons), max(known), seeded(SEED))
    told, first = np.unique(item, return_index=True)
    asked = own.item_code[np.unique(points[points >= 0])]
    row = first[np.searchsorted(told, asked)]
    unit, number = source.holders(cells[row], times[row], level=level, width=width)
    everybody = incidence(unit, number)
    place = np.searchsorted(asked, own.item_code[np.maximum(points, 0)])
    fits = persons_who_fit(everybody, np.arange(own.persons), np.where(points >= 0, place, -1))
    return unicity_figures([fits], known, persons_in_data=len(source.loads.unit), seed=SEED)


# --- membership -----------------------------------------------------------------------------------------------------------
def _membership(rows: Rows, recipe: Recipe) -> tuple[RiskFigure, ...]:
    """Whether the heaviest and the most outlying person is in, for somebody who knows all others' trips."""
    protection, noise = recipe.privacy.protection, recipe.counts.noise
    table = rows.table
    load, others = np.add.reduceat(table.count, table.person_start[:-1]), np.diff(table.item_start)[table.item] - 1
    lonely = np.add.reduceat(np.log1p(others), table.person_start[:-1]) / np.diff(table.person_start)

    def release(trips: Any, persons: Any, rng: np.random.Generator) -> Any:
        told = trips
        if noise is not None:
            values = np.arange(-noise.largest, noise.largest + 1)
            told = trips + rng.choice(values, size=trips.shape, p=noise.probabilities)
        return np.where(persons >= protection.k, told, 0.0)

    found = []
    for name, target in (("heaviest", int(np.argmax(load))), ("most outlying", int(np.argmin(lonely)))):
        mine = slice(table.person_start[target], table.person_start[target + 1])
        cells, own = table.item[mine][:MOST_CELLS], table.count[mine][:MOST_CELLS]
        trips = np.bincount(table.item, weights=table.count, minlength=table.items)[cells] - own
        persons = np.diff(table.item_start)[cells] - 1
        figure = membership_among(own, trips, persons, release, seed=SEED, worlds=FEW_WORLDS, attackers=("threshold",))
        found.append(replace(figure, name=f"membership, {name} person (leaves)"))
    return tuple(found)
