"""The tables behind the reviewer's page, and what the release is worth.

*Before* are the used rows after thinning at each product's first level; *after* is read back from the written files, so
noise and suppression are in it as the recipient sees them. What a roll-up tells only coarser stands beside: counted by the
first level's classes, so that the page does not call it missing, and as published by its own cells. The utility is that of
the first level. Everything here is about raw data and stays inside; nothing of it decides (ruling 19).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pyarrow as pa

from anonkit.engine import Session, identifier
from anonkit.geo import Tessellation, Zones
from anonkit.geo.grid import LEVEL
from anonkit.kanon import Decision, Decisions
from anonkit.kanon.products import ROLLED, Part, Step
from anonkit.recipe import NoisyRecipe, NoisyRouteRecipe, Recipe
from anonkit.report import PartTable, ReportTables
from anonkit.utility import (
    LENGTH_EDGES_KM,
    MEAN_IN_SQUARE,
    METRES_A_DEGREE,
    ClassSums,
    Profile,
    cell_displacement,
    displacement_min,
    length_profile,
    trip_lengths,
    utility_of_sums,
)

if TYPE_CHECKING:  # streets, Numba and SciPy come with it
    from anonkit.publish.noisy import NoisyTable

REPORT = "report.html"
"""Name of the page in the inside folder."""


def noisy_tables(tables: tuple[NoisyTable, ...], recipe: NoisyRecipe) -> ReportTables:
    """What the page of a noisy release draws: the noisy tables as written, and nothing else (ruling 19)."""
    frames = {table.name: table.frame for table in tables}
    network = recipe.network.to_geodataframe() if isinstance(recipe, NoisyRouteRecipe) else None
    return ReportTables(noisy=frames, shapes=recipe.geo.grid, area=recipe.geo.area, network=network)


def report_tables(decisions: Decisions, recipe: Recipe, folder: Path, *, session: Session) -> ReportTables:
    """What the page draws, from the decisions and from the written files in ``folder``.

    Privacy
    -------
    Exact counts before suppression: inside only.
    """
    grid = recipe.geo.grid
    parts, sums = {}, {}
    starts = _places(decisions, "start", session)
    for part in decisions.parts:
        step = part.steps()[0]
        keys = [name for name in part.product.keys if name != ROLLED]
        sums[part.name] = found = part_sums(decisions.of_part(part)[0], keys, folder, session)
        cell, rest = "cell" if part.end else "start_cell", None
        cells, bins = found.cells, found.bins
        if part.product.roll_up:
            cells, bins = (_with_rolled(frame, decisions, step, recipe, session) for frame in (cells, bins))
            rest = _rest(step, cell, folder, session)
        parts[part.name] = PartTable(
            classes=cells, by_bin=bins, bins=step.at.bins, bin=part.product.bin_column, cell=cell, rest=rest
        )
    suppression = folder / "suppression.parquet"
    names, zones = _named_zones(parts, grid)
    return ReportTables(
        parts=parts,
        names=names,
        zones=zones,
        starts=starts[["cell", "trips"]],
        suppression=session.collect(session.scan_parquet(suppression)).to_pandas() if suppression.is_file() else None,
        shapes=grid if getattr(grid, "has_shapes", True) else None,
        area=grid.to_geodataframe(grid.levels - 1) if names and isinstance(grid, Zones) else recipe.geo.area,
        sums=sums,
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
    before = _fine_lengths(decisions, grid, session) if pairs else None
    places = {end: _places(decisions, end, session) for end in {part.end or "start" for part in decisions.parts}}
    times = _counted("start_bin", decisions, decisions.parts, session)
    found = []
    for part in decisions.parts:
        step = part.steps()[0]
        at, told = places[part.end or "start"], part.told
        fine = at[at[told] > 0]
        cell, moved = fine["cell"].to_numpy(np.int64), fine[told].to_numpy(np.int64)
        published = np.array([grid.parent(int(one), step.at.level) for one in cell], np.int64)
        utility = utility_of_sums(
            part.name,
            tables.sums[part.name],
            bins=step.at.bins,
            length=_lengths(before, step, tables.parts[part.name], grid)
            if before is not None and not part.end
            else None,
            metres=cell_displacement(cell, published, moved, centres=grid.centres) if shaped else None,
            minutes=displacement_min(
                times["value"].to_numpy(np.int64) * base.seconds,
                base.seconds,
                step.at.bins.seconds,
                times[told].to_numpy(np.int64),
            ),
        )
        found.append(utility.as_dict())
    return found


def _places(decisions: Decisions, end: str, session: Session) -> pd.DataFrame:
    """Of each finest cell at this end: ``cell``, its ``trips``, and how many of them each part tells at its first level."""
    parts = [part for part in decisions.parts if (part.end or "start") == end]
    return _counted(f"{end}_cell", decisions, parts, session).rename(columns={"value": "cell"})


def _counted(column: str, decisions: Decisions, parts: Iterable[Part], session: Session) -> pd.DataFrame:
    """``value, trips``, and for each part how many trips it tells at its first level, by the values of a column."""
    told = "".join(f", count(*) FILTER ({part.told} = 0)::BIGINT AS {part.told}" for part in parts)
    query = f"SELECT {column} AS value, count(*)::BIGINT AS trips{told} FROM {{rows}} GROUP BY 1"
    return session.sql(query, rows=decisions.rows).to_pandas()


def _fine_lengths(decisions: Decisions, grid: Any, session: Session) -> tuple[np.ndarray, np.ndarray]:
    """Representative lengths of the public groups before, between the finest cells, and the trips of each group.

    The straight line of every trip is worked out by the engine from the middles of its cells; see ``trip_lengths``.
    """
    cells = session.sql(
        "SELECT DISTINCT cell FROM (SELECT start_cell AS cell FROM {rows} UNION ALL SELECT end_cell FROM {rows})",
        rows=decisions.rows,
    ).column("cell")
    lon, lat = grid.centres(cells.to_numpy().astype(np.int64))
    centres = session.from_arrow(pa.table({"cell": cells, "lon": lon, "lat": lat}))
    edges = [edge * 1000 for edge in LENGTH_EDGES_KM]
    group = " + ".join(f"(metres >= {edge})::INTEGER" for edge in edges[1:])
    table = session.sql(
        f"SELECT {group} AS place, count(*) AS n FROM (SELECT CASE WHEN start_cell = end_cell THEN {MEAN_IN_SQUARE * _side_m(grid, 0)} "
        f"ELSE {METRES_A_DEGREE} * sqrt(((e.lon - s.lon) * cos(radians((s.lat + e.lat) / 2))) ** 2 + (e.lat - s.lat) ** 2) END AS metres "
        "FROM {rows} JOIN {starts} s ON s.cell = start_cell JOIN {ends} e ON e.cell = end_cell) GROUP BY 1",
        rows=decisions.rows,
        starts=centres,
        ends=centres,
    )
    place, trips = (table.column(name).to_numpy().astype(np.int64) for name in ("place", "n"))
    return np.asarray(edges, float)[place], trips


def _side_m(grid: Any, level: int) -> float:
    return grid.side_m(level) if hasattr(grid, "side_m") else 0.0


def _lengths(fine: tuple[np.ndarray, np.ndarray] | None, step: Step, table: PartTable, grid: Any) -> Profile:
    """Lengths between the finest cells before, between the published cells after."""
    assert fine is not None
    after = table.classes.dropna(subset=["after"])
    start, end = (after[name].to_numpy(np.int64) for name in ("start_cell", "end_cell"))
    lengths = trip_lengths(start, end, centres=grid.centres, side_m=_side_m(grid, step.at.level))
    return length_profile(*fine, lengths, after["after"].to_numpy())


def part_sums(decision: Decision, keys: list[str], folder: Path, session: Session) -> ClassSums:
    """Sums of the classes of the first level: as decided before, as they stand in the file after (nan: not there)."""
    step = decision.step
    product = step.part.product
    listed = ", ".join(identifier(name) for name in keys)
    conditions = ["true"]
    if product.roll_up:
        conditions.append(f"{ROLLED} = 0")
    if step.part.end:
        conditions.append(f"\"end\" = '{step.part.end}'")
    count, grouped = ("count(*) AS n", " GROUP BY ALL") if product.kind == "trips" else ("trips AS n", "")
    cells, bin_ = [name for name in keys if name.endswith("cell")], product.bin_column
    places = ", ".join(cells)
    table = session.sql(
        f"SELECT {places}, {bin_}, b AS before, a AS after, count(*)::BIGINT AS classes, sum(b)::DOUBLE AS sum_before, sum(a)::DOUBLE AS sum_after, "
        f"grouping({cells[0]}, {bin_})::BIGINT AS side FROM (SELECT {listed}, coalesce(b.rows, 0)::BIGINT AS b, a.n::BIGINT AS a FROM "
        "{classes} b FULL JOIN "
        f"(SELECT {listed}, {count} FROM {{file}} WHERE {' AND '.join(conditions)}{grouped}) a USING ({listed})) "
        f"GROUP BY GROUPING SETS (({places}), ({bin_}), (b, a))",
        classes=decision.classes,
        file=folder / f"{product.kind}.parquet",
    )
    side = table.column("side").to_numpy()

    def only(which: int, names: list[str], sums: tuple[str, str]) -> pd.DataFrame:
        kept = np.flatnonzero(side == which)
        columns = {name: table.column(name).to_numpy(zero_copy_only=False)[kept] for name in (*names, *sums)}
        frame = pd.DataFrame({name: columns[name] for name in names})
        return frame.assign(before=columns[sums[0]].astype(float), after=columns[sums[1]].astype(float))

    sums = ("sum_before", "sum_after")
    return ClassSums(
        cells=only(1, cells, sums).astype(dict.fromkeys(cells, "int64")),
        bins=only(2, [bin_], sums).astype({bin_: "int64"}),
        counts=only(3, ["classes"], ("before", "after")),
        bin=bin_,
    )


def _with_rolled(
    frame: pd.DataFrame, decisions: Decisions, step: Step, recipe: Recipe, session: Session
) -> pd.DataFrame:
    """The sums with ``rolled``: trips that only a coarser class tells."""
    keys = [name for name in frame.columns if name not in ("before", "after")]
    rolled = _rolled(decisions, step, keys, recipe, session)
    return frame.merge(rolled, on=keys, how="left").fillna({"rolled": 0})


def _rolled(decisions: Decisions, step: Step, keys: list[str], recipe: Recipe, session: Session) -> pd.DataFrame:
    """Trips by these keys of the first level that only a coarser class tells, as ``rolled``."""
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
