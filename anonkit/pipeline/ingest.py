"""From the operators' files to one tokenised table of cells and bins.

Reading, tokens and cells are one lazy pass: the first thing that is ever stored (in the private folder of the run) holds
neither identifiers nor coordinates (ruling 25).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

import narwhals.stable.v2 as nw
import pyarrow as pa

from anonkit.base.errors import SourceError
from anonkit.engine import Session
from anonkit.geo import Zones, generalise
from anonkit.pipeline.promises import PromiseKeeper
from anonkit.pipeline.subjects import Subjects
from anonkit.prepare import (
    GROUP,
    RIDES,
    People,
    Together,
    account_for,
    count_together,
    keep_used,
    kept_out,
    mark_duplicates,
    rejected_lines,
    tokenise,
)
from anonkit.recipe import AnyRecipe
from anonkit.schema import Accounting, Reason
from anonkit.sources import InputSpec, inferred_share, read_generic, visits_as_trips

UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """The tokenised rows of all inputs, and where every line went."""

    rows: nw.LazyFrame[Any]
    accounting: tuple[Accounting, ...]
    rejected: pa.Table
    promises: tuple[dict[str, Any], ...] = ()
    """Of each input: its policy, the clause of the use, and what each rule kept and dropped."""
    people: tuple[tuple[str, People], ...] = ()
    """Operator and people of each input that needs to know them; in memory, with identifiers."""
    together: Together = field(default_factory=Together)
    """How many people rode together and count as one (ruling 3)."""
    stored: bool = False
    """Whether the rows are read from where they are kept, and only filtered."""

    def used(self, session: Session) -> nw.LazyFrame[Any]:
        """The rows, computed once: kept here, if they are not kept already."""
        return self.rows if self.stored else session.checkpoint(self.rows, "used")


def ingest(
    recipe: AnyRecipe,
    *,
    session: Session,
    key: bytes,
    record_key: bytes,
    as_of: datetime,
    subjects: Subjects | None = None,
) -> Ingested:
    """Read all inputs of a recipe and carry out the operators' promises on them.

    ``subjects`` is the subject register beside the releases; without it nobody is blocked and the pool has a passing key.

    Raises
    ------
    SourceError : an input cannot be read, or more of its lines are rejected than the recipe allows.
    """
    frames, accounts, rejected, promises, people = [], [], [], [], []
    stored = True
    keeper = PromiseKeeper(recipe, session=session, as_of=as_of, subjects=subjects or Subjects())
    for number, spec in enumerate(recipe.inputs, start=1):
        frame, plain, account, lines = _one(
            recipe, spec, number, session=session, key=key, record_key=record_key, as_of=as_of, keeper=keeper
        )
        promises.append(keeper.told(number - 1, frame, account))
        frames.append(keep_used(frame))
        stored &= plain
        accounts.append(account)
        rejected.append(lines)
        if keeper.people is not None:
            people.append((spec.operator, keeper.people))
    rows = nw.concat(frames) if len(frames) > 1 else frames[0]
    merged, together = count_together(rows, session, signs=recipe.together)
    return Ingested(
        rows=merged,
        stored=stored and merged is rows,
        together=together,
        accounting=tuple(accounts),
        rejected=pa.concat_tables(rejected),
        promises=tuple(promises),
        people=tuple(people),
    )


def _one(
    recipe: AnyRecipe,
    spec: InputSpec,
    number: int,
    *,
    session: Session,
    key: bytes,
    record_key: bytes,
    as_of: datetime,
    keeper: PromiseKeeper,
) -> tuple[nw.LazyFrame[Any], bool, Accounting, pa.Table]:
    grid, bins = recipe.geo.grid, recipe.time.time_bins
    if spec.time.zone is None:
        spec = spec.model_copy(update={"time": spec.time.model_copy(update={"zone": recipe.time.zone})})
    zones = grid.codes if isinstance(grid, Zones) and spec.in_zones else None
    period: tuple[date, date] = (recipe.period.first, recipe.period.last)
    table, opened = read_generic(
        spec, session=session, as_of_s=int(as_of.timestamp()), box=grid.box, zones=zones, period=period
    )
    table = visits_as_trips(table)
    table = keeper.keep(table, opened, number - 1, spec)
    table = tokenise(table, key=key, record_key=record_key, by_distinct=opened.stream is None, together=recipe.together)
    table = generalise(table, cells=grid, bins=bins, period=period, keep=recipe.measured)
    if recipe.sensitive is not None:
        table = replace(table, frame=recipe.sensitive.coarsened(table.frame, grid, session))
    frame = _emptied(_with_unknowns(table.frame, recipe, spec))
    stored = session.checkpoint(frame, f"input-{number}")
    frame = mark_duplicates(stored, session)
    physical = opened.physical(session)
    if physical <= opened.header_lines:
        raise SourceError(
            f"{spec.path.name} holds a header and nothing else", hint="export it again, or take it out of the inputs"
        )
    source = spec.operator if len(recipe.inputs) == 1 else f"{number}:{spec.operator}"
    account = account_for(
        frame,
        session,
        source=source,
        physical=physical,
        header=opened.header_lines,
        dropped_columns=opened.dropped_columns,
    )
    if spec.kind == "taps":
        account = replace(account, inferred=round(float(inferred_share(account)), 4))
    _not_too_many_rejected(account, spec)
    return frame, frame is stored, account, rejected_lines(frame, session, source=source)


def _emptied(frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Of rows that a promise keeps out, the rule and nothing else: no token, place or line of them is stored."""
    stays = ("_lines", "_reason", "_rule", "_note", "operator")
    names = [name for name in frame.collect_schema().names() if name not in stays]
    return frame.with_columns(*(nw.when(~kept_out()).then(nw.col(name)).alias(name) for name in names))


def _with_unknowns(frame: nw.LazyFrame[Any], recipe: AnyRecipe, spec: InputSpec) -> nw.LazyFrame[Any]:
    """Keep what later steps need; a null in a released column becomes a category; nobody's rows are dropped by rule."""
    unit = recipe.unit.value
    names = frame.collect_schema().names()
    extras = []
    for name in recipe.released_columns:
        column = nw.lit(None, dtype=nw.String)
        if name in names:
            step = recipe.steps_of.get(name)
            column = (nw.col(name) if step is None else rounded(nw.col(name), step)).cast(nw.String)
        extras.append(column.fill_null(UNKNOWN).alias(name))
    nobody = nw.col("_reason").is_null() & nw.col("_rule").is_null() & nw.col(unit).is_null()
    rule = nw.when(nobody).then(nw.lit(f"no_{unit}")).otherwise(nw.col("_rule")).alias("_rule")
    group = [nw.col("_operator_group").alias(GROUP)] if recipe.pooling.column is not None else []
    rides = [RIDES[sign] for sign in recipe.together if sign in RIDES]
    nothing = nw.lit(None, dtype=nw.Int64)
    group += [(nw.col(f"_{ride}") if f"_{ride}" in names else nothing).alias(ride) for ride in rides]
    kept = ["trip", "person", "driver", "start_cell", "end_cell", "start_bin", "_line", "_lines", "_reason", "_note"]
    kept += [name for name in ("record", "_mended", *recipe.measured) if name in names]
    plain = [name for name in (*kept, "operator") if name not in recipe.released_columns]
    return (
        frame.select(*plain, rule, *extras, *group)
        if "operator" not in recipe.released_columns
        else frame.select(*kept, rule, *extras, *group)
    )


def rounded(value: nw.Expr, step: float) -> nw.Expr:
    """Numbers to the nearest multiple of a step of whole hundredths, halves up; without decimals where the step has none."""
    hundredths = round(step * 100)
    whole = ((value * 100 + 0.5).floor().cast(nw.Int64) * 2 + hundredths) // (2 * hundredths) * hundredths
    return whole // 100 if hundredths % 100 == 0 else whole / 100


def _not_too_many_rejected(account: Accounting, spec: InputSpec) -> None:
    lines = account.physical - account.header
    rejected = sum(account.rejected.values())
    if lines and rejected > spec.checks.max_rejected * lines:
        worst = max(account.rejected, key=lambda name: account.rejected[name])
        raise SourceError(
            f"{spec.path.name}: {rejected:,} of {lines:,} lines cannot be used; most of them: {worst} "
            f"({account.rejected[worst]:,}; {Reason(worst).what})",
            hint=Reason(worst).hint,
        )
