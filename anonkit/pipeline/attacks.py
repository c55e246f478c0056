"""The attacks that are run on a k-anonymous release, on the used rows before and on the rows that leave.

The attacker of each figure is told in its assumptions. Rows *before* are at the finest cells and bins; rows that *leave*
are those told at the first level of the finest product, with the keys that its file has. Persons are codes in memory and
stay in this process; at most a sample of them is attacked, everybody is what they are looked for among. Source: rulings 6,
7, 15, 35. Does not attack roll-ups and coarser products one by one: the gate's subtraction does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from anonkit.base.entropy import seeded
from anonkit.engine import Session, identifier
from anonkit.geo import TimeBins
from anonkit.kanon import Decisions
from anonkit.kanon.products import Step
from anonkit.recipe import Recipe
from anonkit.risk.chains import ReleasedTrips, chain_risk
from anonkit.risk.incidence import combine, incidence
from anonkit.risk.membership import Worlds, heaviest, membership_risk, most_outlying
from anonkit.risk.places import home_work_risk, top_places_risk
from anonkit.risk.result import RiskFigure, share_figure
from anonkit.risk.trips import destination_inference, trip_risk, trip_uniqueness
from anonkit.risk.unicity import SurfacePoint, unicity_risk, unicity_surface

Ints = NDArray[np.int64]
PERSONS = 2_000
"""At most so many persons are attacked by what is sampled."""
KNOWN = (1, 2, 4)
SEED = 20_260_101
WEEK_H, EPOCH_DAY = 168, 3
"""The epoch was a Thursday: day 3 of a week that begins on Monday."""
SMALL = 200_000
"""Up to so many rows the surface has three levels of cells and bins; above it two of cells, and one of bins."""
LINKED = (
    "as if the rows of one person could be linked, which no column that leaves allows: what a leaked token would cost"
)
MOST_CELLS = 50
"""Cells of a target that a membership attacker looks at; more would only make him surer."""
FEW_WORLDS = Worlds(train=300, test=2_000)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows as codes: who, where from, where to, when, and what else a class tells."""

    unit: Ints
    start: Ints
    end: Ints | None
    """None: the product tells one place only."""
    bin: Ints
    more: Ints
    bins: TimeBins

    def __len__(self) -> int:
        return len(self.unit)

    @property
    def hour_of_week(self) -> Ints:
        """Local hour, 0 = Monday 0–1 h; bins that pool days count as a Monday's."""
        hour = self.bin * self.bins.seconds // 3600
        if self.bins.pool == "none":
            hour = hour + 24 * EPOCH_DAY
        return np.asarray(hour % WEEK_H)

    @cached_property
    def code(self) -> Ints:
        """The class of each row."""
        return combine(*self.keys)

    @cached_property
    def place_time(self) -> Ints:
        """Where and when each row begins."""
        return combine(self.start, self.bin)

    @property
    def keys(self) -> tuple[Ints, ...]:
        """The columns of a class."""
        return (self.start, *(() if self.end is None else (self.end,)), self.bin, self.more)


@dataclass(frozen=True, kw_only=True)
class Attacks:
    """What the attacks found."""

    figures: tuple[RiskFigure, ...]
    surface: tuple[SurfacePoint, ...]
    alone: RiskFigure | None
    """Share of persons who are alone with one of their place-times in what leaves; None: nothing leaves."""
    advantage: float | None
    """Largest advantage of a membership attacker."""


def run_attacks(decisions: Decisions, recipe: Recipe, *, session: Session) -> Attacks:
    """Attack the rows before and the rows that leave.

    Privacy
    -------
    Figures about raw data: inside only, and of a k-anonymous release (ruling 19).
    """
    step, unit = decisions.steps[0].step, recipe.privacy.unit.value
    before = _rows(decisions, step, recipe, session, released=False)
    after = _rows(decisions, step, recipe, session, released=True)
    figures: list[RiskFigure] = []
    for rows, side in ((before, "before"), (after, "leaves")):
        if len(rows):
            figures += [
                replace(found, name=f"{found.name} ({side})", unit=unit, assumptions=_assumed(found, side))
                for found in _side(rows, unit == "trip", raw=side == "before")
            ]
    alone = _alone(after) if len(after) else None
    members = _membership(after, recipe) if len(after) else ()
    surface = _surface(before, recipe) if unit != "trip" and len(before) else ()
    given = [replace(found, unit=unit) for found in (*([alone] if alone else []), *members)]
    return Attacks(
        figures=(*figures, *given),
        surface=surface,
        alone=alone,
        advantage=max((float(found.details["advantage"]) for found in members), default=None),
    )


def _assumed(found: RiskFigure, side: str) -> tuple[str, ...]:
    """Attacks that need a person's rows together are run on what leaves as if a token had leaked."""
    linked = side == "leaves" and not found.name.startswith(("unicity, 1 ", "trip", "destination", "origin", "chains"))
    return (*found.assumptions, *([LINKED] if linked else []))


def _rows(decisions: Decisions, step: Step, recipe: Recipe, session: Session, *, released: bool) -> Rows:
    """All rows at base cells and bins, or the published ones with their class's keys."""
    unit, end = recipe.privacy.unit.value, step.part.end
    frame = decisions.rows
    names: tuple[str, str | None]
    if released:
        frame = step.keyed(frame, recipe.geo.grid, recipe.time.time_bins)
        names, time = ("_key_cell", None) if end else ("_key_start_cell", "_key_end_cell"), step.bin_key
        more = [f"_key_{name}" for name in step.part.product.columns]
        where = f"WHERE {step.part.told} = 0"
    else:
        names, time = (f"{end or 'start'}_cell", None if end else "end_cell"), "start_bin"
        more, where = list(step.part.product.columns), ""
    listed = [f'"{names[0]}" AS s', f'"{time}" AS t', f"(hash({identifier(unit)}) // 2)::BIGINT AS u"]
    listed += [f'"{names[1]}" AS e'] if names[1] else []
    listed += [
        f"(hash({', '.join(identifier(name) for name in more)}) // 2)::BIGINT AS m" if more else "0::BIGINT AS m"
    ]
    table = session.sql(f"SELECT {', '.join(listed)} FROM {{rows}} {where}", rows=frame)
    column = {name: table.column(name).to_numpy().astype(np.int64) for name in table.column_names}
    return Rows(
        unit=np.unique(column["u"], return_inverse=True)[1].astype(np.int64),
        start=column["s"],
        end=column.get("e"),
        bin=column["t"],
        more=np.unique(column["m"], return_inverse=True)[1].astype(np.int64),
        bins=step.at.bins if released else recipe.time.time_bins,
    )


def _side(rows: Rows, trips_only: bool, *, raw: bool) -> list[RiskFigure]:
    """Every attack on one side; on very many raw rows not those that only repeat that raw trips give people away."""
    known = (1,) if trips_only else KNOWN
    found = list(unicity_risk(rows.unit, rows.place_time, known=known, persons=PERSONS, seed=SEED))
    target = np.where(np.isin(rows.unit, _sampled(rows.unit)), rows.unit, -1)
    if not trips_only and not (raw and len(rows) > SMALL):
        found += [top_places_risk(rows.unit, rows.start, top=2)]
        found += [home_work_risk(rows.unit, rows.start, rows.hour_of_week)]
    if rows.end is None:
        return found
    alone = trip_uniqueness(rows.code)
    shares = {"rows": alone.rows, "unique_rows": alone.unique_rows, "rows_under_5": alone.rows_under_5}
    risk = trip_risk(rows.unit, rows.code)
    found.append(replace(risk, details={**risk.details, **shares}))
    if raw and len(rows) > SMALL:
        return found
    for name, given, asked in (("destination", rows.start, rows.end), ("origin", rows.end, rows.start)):
        known_part = rows.place_time if name == "destination" else combine(given, rows.bin)
        guess = destination_inference(target, known_part, asked, seed=SEED)
        knows = f"the attacker knows {'origin' if name == 'destination' else 'destination'} and time of a trip and takes the most frequent {name}"
        found.append(replace(guess, name=f"{name} inference", assumptions=(knows,)))
    if not trips_only and rows.bins.pool == "none":
        width = rows.bins.seconds
        seen = ReleasedTrips(
            start_cell=rows.start, end_cell=rows.end, start_s=rows.bin * width, end_s=rows.bin * width, traits=rows.more
        )
        found.append(chain_risk(seen, target, max_gap_s=max(2 * width, 2 * 3600), seed=SEED))
    return found


def _sampled(unit: Ints) -> Ints:
    codes = np.unique(unit)
    if len(codes) <= PERSONS:
        return codes
    return np.sort(seeded(SEED).choice(codes, PERSONS, replace=False))


def _alone(rows: Rows) -> RiskFigure:
    """Each place-time of each person by itself, as nothing that leaves says which rows belong together."""
    table = incidence(rows.unit, rows.code)
    owner = np.repeat(np.arange(table.persons), np.diff(table.person_start))
    holders = np.diff(table.item_start)[table.item]
    alone, pair = np.zeros(table.persons, bool), np.zeros(table.persons, bool)
    alone[owner[holders == 1]] = True
    pair[owner[holders == 2]] = True
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
    levels = range(min(grid.levels, 3 if len(rows) <= SMALL else 2))
    places = {grid.level_name(level): np.asarray(_coarser(rows.start, grid, level)) for level in levels}
    widths = [base.seconds, 21_600, 86_400] if len(rows) <= SMALL else [86_400]
    times = {
        _width(width): rows.bin * base.seconds // width for width in dict.fromkeys(widths) if width % base.seconds == 0
    }
    return unicity_surface(rows.unit, places, times, known=KNOWN, persons=500, seed=SEED)


def _coarser(cells: Ints, grid: Any, level: int) -> Ints:
    codes, number = np.unique(cells, return_inverse=True)
    return np.array([grid.parent(int(code), level) for code in codes], np.int64)[number]


def _width(seconds: int) -> str:
    return f"{seconds // 86_400} d" if seconds % 86_400 == 0 else f"{seconds / 3600:g} h"


def _membership(rows: Rows, recipe: Recipe) -> tuple[RiskFigure, ...]:
    """Whether the heaviest and the most outlying person is in, for somebody who knows all others' trips."""
    protection, noise = recipe.privacy.protection, recipe.counts.noise
    table = incidence(rows.unit, rows.code)
    whole = sparse.csr_array(
        (table.count.astype(float), table.item, table.person_start), shape=(table.persons, table.items)
    )
    found = []
    for name, choose in (("heaviest", heaviest), ("most outlying", most_outlying)):
        target = choose(whole, persons=1)
        cells = np.sort(table.items_of(int(target[0])))[:MOST_CELLS]
        part = sparse.csr_array(whole[:, cells])

        def release(trips: Any, persons: Any, rng: np.random.Generator) -> Any:
            told = trips
            if noise is not None:
                values = np.arange(-noise.largest, noise.largest + 1)
                told = trips + rng.choice(values, size=trips.shape, p=noise.probabilities)
            return np.where(persons >= protection.k, told, 0.0)

        figure = membership_risk(
            part, release, targets=target, knowledge="others", seed=SEED, worlds=FEW_WORLDS, attackers=("threshold",)
        )[0]
        found.append(replace(figure, name=f"membership, {name} person (leaves)"))
    return tuple(found)
