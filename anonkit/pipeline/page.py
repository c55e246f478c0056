"""The tables behind the reviewer's page, and what the release is worth.

*Before* are the used rows after thinning at each product's first level; *after* is read back from the written files, so
noise and suppression are in it as the recipient sees them. What a roll-up tells only coarser stands beside: counted by the
first level's classes, so that the page does not call it missing, and as published by its own cells. The utility is that of
the first level. Everything here is about raw data and stays inside; nothing of it decides (ruling 19).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from anonkit.engine import Session, identifier
from anonkit.geo import Tessellation, Zones
from anonkit.geo.grid import LEVEL
from anonkit.kanon import Decision, Decisions
from anonkit.kanon.products import ROLLED, Step
from anonkit.publish.noisy import NoisyTable
from anonkit.recipe import NoisyRecipe, Recipe
from anonkit.report import PartTable, ReportTables
from anonkit.utility import (
    Profile,
    cell_displacement,
    displacement_min,
    length_profile,
    product_utility,
    trip_lengths,
)

REPORT = "report.html"
"""Name of the page in the inside folder."""


def noisy_tables(tables: tuple[NoisyTable, ...], recipe: NoisyRecipe) -> ReportTables:
    """What the page of a noisy release draws: the noisy tables as written, and nothing else (ruling 19)."""
    frames = {table.name: table.frame for table in tables}
    return ReportTables(noisy=frames, shapes=recipe.geo.grid, area=recipe.geo.area)


def report_tables(decisions: Decisions, recipe: Recipe, folder: Path, *, session: Session) -> ReportTables:
    """What the page draws, from the decisions and from the written files in ``folder``.

    Privacy
    -------
    Exact counts before suppression: inside only.
    """
    grid = recipe.geo.grid
    parts = {}
    for part in decisions.parts:
        step = part.steps()[0]
        keys = [name for name in part.product.keys if name != ROLLED]
        classes = _aligned(decisions.of_part(part)[0], keys, folder, session)
        cell, rest = "cell" if part.end else "start_cell", None
        if part.product.roll_up:
            rolled = _rolled(decisions, step, keys, recipe, session)
            classes = classes.merge(rolled, on=keys, how="left").fillna({"rolled": 0})
            rest = _rest(step, cell, folder, session)
        parts[part.name] = PartTable(
            classes=classes, bins=step.at.bins, bin=part.product.bin_column, cell=cell, rest=rest
        )
    starts = session.sql(
        "SELECT start_cell AS cell, count(*)::BIGINT AS trips FROM {rows} GROUP BY 1", rows=decisions.rows
    )
    suppression = folder / "suppression.parquet"
    names, zones = _named_zones(parts, grid)
    return ReportTables(
        parts=parts,
        names=names,
        zones=zones,
        starts=starts.to_pandas(),
        suppression=session.collect(session.scan_parquet(suppression)).to_pandas() if suppression.is_file() else None,
        shapes=grid if getattr(grid, "has_shapes", True) else None,
        area=grid.to_geodataframe(grid.levels - 1) if names and isinstance(grid, Zones) else recipe.geo.area,
    )


def measure_utility(
    decisions: Decisions, tables: ReportTables, recipe: Recipe, *, session: Session
) -> list[dict[str, Any]]:
    """The utility of every product, for run.json.

    Privacy
    -------
    Compares with raw counts: inside only.
    """
    grid, base = recipe.geo.grid, recipe.time.time_bins
    shaped = getattr(grid, "has_shapes", True)
    pairs = shaped and any(part.end is None for part in decisions.parts)
    fine_lengths = _fine_lengths(decisions, grid, session) if pairs else None
    found = []
    for part in decisions.parts:
        step = part.steps()[0]
        fine = f"{part.end or 'start'}_cell"
        told = decisions.rows.filter(nw.col(part.told) == 0)
        coarse = grid.coarsen(nw.col(fine), step.at.level).alias("coarse")
        cell, published, moved = _counted(told.select(nw.col(fine).alias("cell"), coarse), session)
        begin, trips = _counted(told.select("start_bin"), session)
        table = tables.parts[part.name]
        utility = product_utility(
            part.name,
            table.classes,
            keys=[name for name in part.product.keys if name != ROLLED],
            bins=step.at.bins,
            bin=table.bin,
            length=_lengths(fine_lengths, step, table, grid) if shaped and not part.end else None,
            metres=cell_displacement(cell, published, moved, centres=grid.centres) if shaped else None,
            minutes=displacement_min(begin * base.seconds, base.seconds, step.at.bins.seconds, trips),
        )
        found.append(utility.as_dict())
    return found


def _counted(frame: nw.LazyFrame[Any], session: Session) -> tuple[np.ndarray, ...]:
    """The distinct rows of a frame, column by column, and how many there are of each."""
    table = session.sql("SELECT *, count(*)::BIGINT AS n FROM {frame} GROUP BY ALL", frame=frame)
    return tuple(column.to_numpy().astype(np.int64) for column in table.columns)


def _fine_lengths(decisions: Decisions, grid: Any, session: Session) -> tuple[np.ndarray, np.ndarray]:
    """Lengths between the finest cells before, and the trips of each."""
    query = "SELECT start_cell, end_cell, count(*)::BIGINT AS n FROM {rows} GROUP BY ALL"
    table = session.sql(query, rows=decisions.rows)
    start, end, trips = (table.column(name).to_numpy().astype(np.int64) for name in ("start_cell", "end_cell", "n"))
    return trip_lengths(start, end, centres=grid.centres, side_m=_side_m(grid, 0)), trips


def _side_m(grid: Any, level: int) -> float:
    return grid.side_m(level) if hasattr(grid, "side_m") else 0.0


def _lengths(fine: tuple[np.ndarray, np.ndarray] | None, step: Step, table: PartTable, grid: Any) -> Profile:
    """Lengths between the finest cells before, between the published cells after."""
    assert fine is not None
    after = table.classes.dropna(subset=["after"])
    start, end = (after[name].to_numpy(np.int64) for name in ("start_cell", "end_cell"))
    lengths = trip_lengths(start, end, centres=grid.centres, side_m=_side_m(grid, step.at.level))
    return length_profile(*fine, lengths, after["after"].to_numpy())


def _aligned(decision: Decision, keys: list[str], folder: Path, session: Session) -> pd.DataFrame:
    """One row a class of the first level: ``before`` as decided, ``after`` as it stands in the file (nan: not there)."""
    step, listed = decision.step, ", ".join(identifier(name) for name in decision.part.product.keys if name != ROLLED)
    product = step.part.product
    conditions = ["true"]
    if product.roll_up:
        conditions.append(f"{ROLLED} = 0")
    if step.part.end:
        conditions.append(f"\"end\" = '{step.part.end}'")
    count = "count(*)" if product.kind == "trips" else "sum(trips)"
    query = (
        f"SELECT {listed}, coalesce(b.before, 0)::DOUBLE AS before, a.after::DOUBLE AS after FROM "
        f"(SELECT {listed}, sum(rows) AS before FROM {{classes}} GROUP BY ALL) b FULL JOIN "
        f"(SELECT {listed}, {count} AS after FROM {{file}} WHERE {' AND '.join(conditions)} GROUP BY ALL) a USING ({listed})"
    )
    file = folder / f"{product.kind}.parquet"
    return session.sql(query, classes=decision.classes, file=file).to_pandas()


def _rolled(decisions: Decisions, step: Step, keys: list[str], recipe: Recipe, session: Session) -> pd.DataFrame:
    """Trips of each class of the first level that only a coarser class tells, as ``rolled``."""
    told = decisions.rows.filter(nw.col(step.part.told) > 0)
    keyed = step.keyed(told, recipe.geo.grid, recipe.time.time_bins)
    listed = ", ".join(f'"_key_{name}" AS {identifier(name)}' for name in keys)
    query = f"SELECT {listed}, count(*)::DOUBLE AS rolled FROM {{rows}} GROUP BY ALL"
    return session.sql(query, rows=keyed).to_pandas()


def _rest(step: Step, cell: str, folder: Path, session: Session) -> pd.DataFrame:
    """``cell, trips`` of the rolled-up classes as they stand in the file."""
    product = step.part.product
    count = "count(*)" if product.kind == "trips" else "sum(trips)"
    end = f" AND \"end\" = '{step.part.end}'" if step.part.end else ""
    query = (
        f"SELECT {cell} AS cell, {count}::BIGINT AS trips FROM {{file}} WHERE {ROLLED} > 0{end} GROUP BY 1 ORDER BY 1"
    )
    return session.sql(query, file=folder / f"{product.kind}.parquet").to_pandas()


def _named_zones(parts: dict[str, PartTable], grid: Tessellation) -> tuple[dict[int, str], Any]:
    """Names of all zones by cell, and the coarsest zones with all that the first product tells of each; nothing on a grid."""
    if not isinstance(grid, Zones) or not grid.has_shapes:
        return {}, None
    names: dict[int, str] = {}
    for level in range(grid.levels):
        table = grid.to_geodataframe(level)
        names |= dict(zip(table["cell"].tolist(), table["id"].astype(str), strict=True))
    if grid.levels == 1 or not parts:
        return names, None
    part = next(iter(parts.values()))
    told = part.classes.dropna(subset=["after"])[[part.cell, "after"]].set_axis(["cell", "trips"], axis=1)
    both = pd.concat([told, *([] if part.rest is None else [part.rest])])
    if not len(both):
        return names, None
    sums = both["trips"].groupby([_coarsest(cell, grid) for cell in both["cell"].astype("int64")]).sum()
    zones = grid.to_geodataframe(grid.levels - 1)
    zones = zones[zones["cell"].isin(sums.index)].reset_index(drop=True)
    return names, zones.assign(name=zones["id"].astype(str), trips=zones["cell"].map(sums).astype("int64"))


def _coarsest(cell: int, grid: Zones) -> int:
    """The coarsest zone that a zone of any level lies in."""
    level, top = cell // LEVEL, grid.levels - 1
    return top * LEVEL + cell % LEVEL // 10 ** (grid.digits_below(top) - grid.digits_below(level))
