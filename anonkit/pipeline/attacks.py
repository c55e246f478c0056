"""The attacks that are run on a k-anonymous release, on the used rows before and on the rows that leave.

The attacker of each figure is told in its assumptions. Rows *before* are at the finest cells and bins; rows that *leave*
are those told at the first level of the finest product, with the keys that its file has. Persons are codes in memory and
stay in this process; what one person's rows are needed for is tried on a sample of persons, looked for among everybody; who
is alone and whose places are his own is counted over everybody. Source: rulings 6, 7, 15, 35. Does not attack roll-ups and coarser products one by one: the gate's subtraction does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anonkit.base.entropy import seeded
from anonkit.engine import Session
from anonkit.kanon import Decisions
from anonkit.pipeline.attack_leaving import Leaving, leaving
from anonkit.pipeline.attack_rows import PERSONS, SEED, SMALL, AttackRows, Rows
from anonkit.recipe import Recipe
from anonkit.risk.chains import ReleasedClasses, ReleasedTrips, chain_risk, chain_risk_in
from anonkit.risk.incidence import Incidence, combine, incidence
from anonkit.risk.membership import Worlds, membership_among
from anonkit.risk.places import KNOWS_PAIR, alike_figure, home_work_risk, knows_top, top_places_risk
from anonkit.risk.result import RiskFigure, share_figure
from anonkit.risk.trips import inference_in, trip_risk_counted, trip_risk_in, trip_risk_of, trip_uniqueness
from anonkit.risk.unicity import (
    SurfacePoint,
    drawn_points,
    persons_who_fit_keys,
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
    many = int(session.value("SELECT count(*) FROM {rows}", rows=decisions.rows)) > SMALL
    source = AttackRows(decisions=decisions, recipe=recipe, folder=folder, session=session, many=many)
    before, after = source.sample() if many else source.raw(), leaving(source)
    figures = list(_named(_sampled_side(source, before) if many else _side(before, source), "before", unit))
    figures += _named(_leaving_side(after, source), "leaves", unit) if after else ()
    alone = _alone(after) if after else None
    members = _membership(after, recipe) if after else ()
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
    mine = np.where(chosen[rows.unit], rows.unit, -1)
    told = np.bincount(rows.code, minlength=len(rows.class_bin))
    for name in ("destination", "origin"):
        yield _inference(
            rows.class_start, rows.class_end, rows.class_bin, told, rows.class_told, incidence(mine, rows.code), name
        )
    if not trips_only:
        yield _chains(rows, mine)


def _inference(
    start: Ints, end: Ints | None, bin: Ints, rows: Ints, told: Ints, attacked: Incidence, name: str
) -> RiskFigure:
    """Destination from origin and time, or the other way round, by the classes and who of the attacked is in which."""
    assert end is not None
    known, asked = (start, end) if name == "destination" else (end, start)
    # Classes that differ in further columns only are one to this attacker.
    cell = combine(known, bin, asked)
    _, first = np.unique(cell, return_index=True)
    counts, shown = (np.bincount(cell, weights=size).astype(np.int64) for size in (rows, told))
    guess = inference_in(
        combine(known, bin)[first],
        asked[first],
        shown,
        counts,
        owner=np.repeat(attacked.person_code, np.diff(attacked.person_start)),
        cell=cell[attacked.item_code[attacked.item]],
        own=attacked.count,
        own_shown=attacked.count,
        seed=SEED,
    )
    knows = f"the attacker knows {'origin' if name == 'destination' else 'destination'} and time of a trip and takes the most frequent {name}"
    return replace(guess, name=f"{name} inference", assumptions=(knows,))


def _chains(rows: Rows, target: Ints) -> RiskFigure:
    """Rows that follow each other."""
    width = rows.bins.seconds
    time = rows.bin * width
    assert rows.end is not None
    seen = ReleasedTrips(start_cell=rows.start, end_cell=rows.end, start_s=time, end_s=time, traits=rows.more)
    return chain_risk(seen, target, max_gap_s=_gap(width), seed=SEED)


def _gap(width: int) -> int:
    """Longest pause between two rows that are taken to follow each other, seconds."""
    return max(2 * width, 2 * 3600)


def _chosen(unit: Ints) -> NDArray[np.bool_]:
    """At most ``PERSONS`` of the units, as a mask by their numbers."""
    there = np.flatnonzero(np.bincount(unit))
    chosen = np.zeros(int(there[-1]) + 1, bool)
    chosen[there if len(there) <= PERSONS else seeded(SEED).choice(there, PERSONS, replace=False)] = True
    return chosen


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
        yield trip_risk_of(*source.class_sizes(), persons=source.persons, seed=SEED)


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
    """Unicity of the sampled persons among everybody, at a coarser level and width."""
    grid = source.recipe.geo.grid
    cells = np.array([grid.parent(int(cell), level) for cell in rows.cells], np.int64)[rows.start]
    times = rows.bin * rows.bins.seconds // width

    def holders(places: Ints, bins: Ints) -> Ints:
        return source.holders(places, bins, level=level, width=width)

    return _unicity_among(rows.unit, cells, times, holders, known, persons=source.persons)


def _unicity_among(
    who: Ints,
    cells: Ints,
    times: Ints,
    holders: Callable[[Ints, Ints], Ints],
    known: tuple[int, ...],
    *,
    persons: int,
) -> tuple[RiskFigure, ...]:
    """Unicity of sampled persons among everybody: whoever was at one of the drawn points is fetched."""
    item = combine(np.unique(cells, return_inverse=True)[1], times - times.min(initial=0))
    own = incidence(who, item)
    points = drawn_points(own, np.arange(own.persons), max(known), seeded(SEED))
    told, first = np.unique(item, return_index=True)
    asked = own.item_code[np.unique(points[points >= 0])]
    row = first[np.searchsorted(told, asked)]
    place = np.searchsorted(asked, own.item_code[np.maximum(points, 0)])
    fits = persons_who_fit_keys(holders(cells[row], times[row]), np.where(points >= 0, place, -1))
    return unicity_figures([fits], known, persons_in_data=persons, seed=SEED)


# --- what leaves: classes, and a sample of persons ------------------------------------------------------------------------
def _leaving_side(after: Leaving, source: AttackRows) -> Iterator[RiskFigure]:
    """Every attack on what leaves."""
    trips_only = source.recipe.privacy.unit.value == "trip"
    bins, level = source.step.at.bins, source.step.at.level
    own, cls = after.who[after.mine], after.row_class[after.mine]

    def holders(places: Ints, times: Ints) -> Ints:
        return source.holders(places, times, level=level, bins_of=bins, told=True)

    known = (1,) if trips_only else KNOWN
    yield from _unicity_among(own, after.cells[after.start[cls]], after.bin[cls], holders, known, persons=after.people)
    for name, knows in (("top 2 places", knows_top(2)), ("home and work", KNOWS_PAIR)):
        if name in after.alike:
            yield alike_figure(name, *after.alike[name], knows)
    if after.end is None:
        return
    total = max(1, int(after.rows.sum()))
    shares = {
        "rows": total,
        "unique_rows": Fraction(int(after.rows[after.rows == 1].sum()), total),
        "rows_under_5": Fraction(int(after.rows[after.rows < 5].sum()), total),
    }
    mine = incidence(own, cls)
    fewest = np.minimum.reduceat(after.persons[mine.item_code][mine.item], mine.person_start[:-1])
    yield trip_risk_counted(after.alone, after.pairs, persons=after.people, sampled=fewest, seed=SEED, details=shares)
    for name in ("destination", "origin"):
        yield _inference(after.start, after.end, after.bin, after.rows, after.told, mine, name)
    if not trips_only:
        yield _chains_of_classes(after, source, own, cls)


def _chains_of_classes(after: Leaving, source: AttackRows, own: Ints, cls: Ints) -> RiskFigure:
    """Rows that follow each other; bins that pool days are taken as one week or day, as the recipient sees them."""
    bins = source.step.at.bins
    assert after.end is not None
    seen = ReleasedClasses(
        start_cell=after.start,
        end_cell=after.end,
        time_s=after.bin * bins.seconds,
        traits=after.more,
        rows=after.rows,
        few_class=after.few_class,
        few_owner=after.few_owner,
    )
    true_s = after.true_s[after.mine] if bins.pool != "none" else None
    found = chain_risk_in(seen, own, cls, max_gap_s=_gap(bins.seconds), seed=SEED, true_s=true_s)
    if bins.pool == "none":
        return found
    return replace(
        found, assumptions=(*found.assumptions, f"times are the released hours of a {bins.pool}; dates are pooled")
    )


def _alone(after: Leaving) -> RiskFigure:
    """Each place-time of each person by itself, as nothing that leaves says which rows belong together."""
    number = np.arange(after.people)
    return share_figure(
        "alone in a class (leaves)",
        number < after.alone,
        baseline=0.0,
        control_hits=number < after.pairs,
        control_excuses=False,
        assumptions=(
            "the attacker knows all true trips of his target; each is looked up by itself, as no column links two rows",
            "counted over everybody, nothing sampled",
        ),
    )


# --- membership -----------------------------------------------------------------------------------------------------------
def _membership(after: Leaving, recipe: Recipe) -> tuple[RiskFigure, ...]:
    """Whether the heaviest and the most outlying person is in, for somebody who knows all others' trips."""
    protection, noise = recipe.privacy.protection, recipe.counts.noise

    def release(trips: Any, persons: Any, rng: np.random.Generator) -> Any:
        told = trips
        if noise is not None:
            values = np.arange(-noise.largest, noise.largest + 1)
            told = trips + rng.choice(values, size=trips.shape, p=noise.probabilities)
        return np.where(persons >= protection.k, told, 0.0)

    found = []
    for name, who in after.targets.items():
        cells, own = np.unique(after.row_class[after.who == who], return_counts=True)
        cells, own = cells[:MOST_CELLS], own[:MOST_CELLS]
        trips, persons = after.rows[cells] - own, after.persons[cells] - 1
        figure = membership_among(own, trips, persons, release, seed=SEED, worlds=FEW_WORLDS, attackers=("threshold",))
        found.append(replace(figure, name=f"membership, {name} person (leaves)"))
    return tuple(found)
