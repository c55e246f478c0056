"""Choose the levels of the row-level product by search, where a recipe says ``trips: k_anonymity``.

`ak.KAnonymizer` learns them: of all combinations of cells, bins and columns that the recipe names, the one that loses
least while persons (and drivers) hold k and no more is suppressed than allowed. Both ends of a trip get the same cells, so
that they are one column here, the pair. Levels are all that is taken from the search: what is published at them is decided,
thinned, held against subtraction and recounted as at levels named by hand. The choice was made on the raw trips; it and
its figures stay inside (ruling 21), and no noisy release may make one (ruling 18).

Does not protect against: what the chosen levels themselves tell, that finer ones would have lost too many trips.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pyarrow as pa

from anonkit.base.errors import RecipeError, ReleaseRefusedError
from anonkit.base.findings import finding
from anonkit.engine import Session, identifier
from anonkit.geo import Grid, Tessellation, TimeBins
from anonkit.kanon.estimators import KAnonymizer
from anonkit.kanon.hierarchies import SQUARE_MEAN_DISTANCE, UNKNOWN, Hierarchy
from anonkit.kanon.models import Dominance, Model
from anonkit.kanon.search import NoLevelsError
from anonkit.recipe import Recipe
from anonkit.recipe.levels import LevelSearch
from anonkit.schema import Column, PrivacyUnit, Role, Schema, Table

CELLS, BINS = "cells", "bins"
"""The pair of cells and the time bin, as the search names them."""
BEYOND = "the whole"
"""A last level like the one before, never the better one: what a suppressed trip is displaced by."""
FORGET_MIN = {"none": 0.0, "week": 15.0, "day": 30.0}
"""Minutes that losing the date is worth: as `kanon.hierarchies_travel.clock_time` counts it."""
DAY_MIN = 1440 / 4 + 30.0
"""Minutes by which a trip of unknown day and hour is displaced."""
LEARNT = (
    "The levels of trips were learnt from the raw trips by search. That is k-anonymity: each class that leaves was counted "
    "again at these levels. It is no differential privacy, and these figures stay inside."
)
SHOWN = 8
"""Further combinations that are told."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The recipe at the chosen levels, the rows in its labels, and what the choice cost."""

    recipe: Recipe
    rows: nw.LazyFrame[Any]
    told: dict[str, Any] | None = None
    """For run.json, inside only; None where nothing was chosen."""


def choose_levels(recipe: Recipe, rows: nw.LazyFrame[Any], *, session: Session, count_input: bool = False) -> Chosen:
    """Choose the levels of trips that a recipe leaves to the search.

    Parameters
    ----------
    recipe : with or without ``products.trips.k_anonymity``; without, nothing happens.
    rows : the used rows: base ``start_cell, end_cell, start_bin``, the recipe's columns, ``person, driver``.
    count_input : also tell how many groups and bytes the search takes from the engine; one more pass.

    Returns
    -------
    Chosen : the recipe with named levels, and rows whose columns carry the labels of the chosen levels.

    Raises
    ------
    ReleaseRefusedError : no combination holds the thresholds within the limit. SchemaError : a column has a value that its
        hierarchy lacks, or the base cells and bins are too many for the memory.

    Privacy
    -------
    Learns from raw rows. What is published afterwards is decided by k on the table that leaves. Spends nothing.

    Sources
    -------
    LeFevre et al. 2005, Incognito; Kohlmayer et al. 2012, Flash; SOUNDNESS rulings 1-4, 10, 18, 21.
    """
    trips = recipe.products.trips
    if trips is None or trips.k_anonymity is None:
        return Chosen(recipe=recipe, rows=rows)
    search = trips.k_anonymity
    table, pairs = _coded(recipe, search, rows, session)
    trees = {
        CELLS: pair_hierarchy(pairs, recipe.geo.grid, search),
        BINS: bin_hierarchy(recipe, search),
        **{name: _column(name, tree, search, table) for name, tree in search.columns_of(trips.columns).items()},
    }
    anon = _anonymizer(recipe, search, trees)
    fetched = {"input": anon.plan(table)} if count_input else {}
    try:
        anon.fit(table)
    except NoLevelsError as error:
        raise ReleaseRefusedError(
            f"release {recipe.release!r} is refused: of the levels that trips.k_anonymity names, {error.message}",
            hint="add coarser cells or bins to its lists, or allow a larger max_suppressed",
            findings=(
                finding(
                    "levels",
                    "trips",
                    passed=False,
                    value="none of the named levels",
                    threshold=f"at most {search.max_suppressed} of {search.suppressed_unit} in too small classes",
                    message="some combination of the levels that the recipe names holds the thresholds within its limit",
                    ruling="37",
                ),
            ),
        ) from None
    levels = dict(zip(anon.result_.columns, anon.result_.levels, strict=True))
    chosen = _in_words(search, trees, levels)
    labelled = {name: trees[name] for name in chosen["columns"] if name in search.hierarchies}
    return Chosen(
        recipe=recipe.at_levels(cell=chosen["cell"], bins=chosen["bins"], columns=tuple(chosen["columns"])),
        rows=_labelled(rows, labelled, levels, session),
        told={**_told(recipe, search, anon, trees, chosen), **fetched},
    )


# ---- the search's input
def _coded(
    recipe: Recipe, search: LevelSearch, rows: nw.LazyFrame[Any], session: Session
) -> tuple[Table, pd.DataFrame]:
    """Rows at the finest levels that may be chosen, cells as the number of their pair; and the pairs."""
    grid, base = recipe.geo.grid, recipe.time.time_bins
    finest, bins = search.cells_in(grid)[0], search.bins_in(recipe.time.zone)[0]
    assert recipe.products.trips is not None
    columns, unit = recipe.products.trips.columns, recipe.unit
    beside = [unit.value] if unit is not PrivacyUnit.TRIP else []
    beside += ["driver"] if recipe.protects_drivers else []
    beside += [recipe.protection.among] if recipe.protection.among is not None else []
    fine = rows.select(
        *dict.fromkeys((*columns, *beside)),
        grid.coarsen(nw.col("start_cell"), finest).alias("_from"),
        grid.coarsen(nw.col("end_cell"), finest).alias("_to"),
        bins.coarsen(nw.col("start_bin"), base).alias(BINS),
    )
    distinct = "SELECT *, row_number() OVER () - 1 AS _pair FROM (SELECT DISTINCT _from, _to FROM {fine})"
    pairs = session.table(distinct, fine=fine)
    listed = ", ".join(f"f.{identifier(name)}" for name in dict.fromkeys((*columns, *beside)))
    query = (
        f"SELECT p._pair AS {CELLS}, f.{BINS}{', ' if listed else ''}{listed} FROM {{fine}} f "
        "JOIN {pairs} p ON f._from = p._from AND f._to = p._to"
    )
    roles = {CELLS: Role.QUASI, BINS: Role.QUASI, **dict.fromkeys(columns, Role.QUASI)}
    schema = Schema(
        columns=tuple(
            Column(name=name, role=roles.get(name, Role.PSEUDONYM)) for name in dict.fromkeys((*roles, *beside))
        ),
        zone=recipe.time.zone,
        privacy_unit=unit,
    )
    known = session.sql("SELECT * FROM {pairs} ORDER BY _pair", pairs=pairs).to_pandas()
    return Table(session.frame(query, fine=fine, pairs=pairs), schema, session), known


def pair_hierarchy(pairs: pd.DataFrame, grid: Tessellation, search: LevelSearch) -> Hierarchy:
    """Pairs of cells (columns ``_from, _to`` at the finest level) and the same pairs at coarser ones.

    Displaced by both ends together: of a square of side a, 0.3826 a each; a zone counts as a square of its area.

    Raises
    ------
    RecipeError : metres are to be minimised, and the zones have no polygons.
    """
    numbers = search.cells_in(grid)
    levels: dict[str, np.ndarray] = {}
    named = nw.from_native(pairs, eager_only=True)
    for number in numbers[1:]:
        ends = [grid.coarsen(nw.col(name), number, finer=numbers[0]).alias(name) for name in ("_from", "_to")]
        coarse = named.select(*ends).to_native()
        levels[grid.level_name(number)] = coarse.groupby(["_from", "_to"], sort=False).ngroup().to_numpy()
    metres = _metres(grid, numbers)
    if metres is None and search.measure == "displacement":
        raise RecipeError(
            "trips.k_anonymity minimises metres, and these zones have no polygons",
            hint="give the zones a file with polygons, or name another measure: ncp, discernibility, class_size, entropy",
        )
    made = Hierarchy.from_levels(
        CELLS,
        np.arange(len(pairs)),
        _beyond(levels, len(pairs)),
        displacement=metres,
        unit=None if metres is None else "m",
    )
    return replace(made, names=(grid.level_name(numbers[0]), *made.names[1:]))


def bin_hierarchy(recipe: Recipe, search: LevelSearch) -> Hierarchy:
    """All bins of the period, public, and coarser ones; displaced by a quarter of their width, and by the date's loss."""
    finest, *coarser = search.bins_in(recipe.time.zone)
    values = np.array(finest.span(recipe.period.first, recipe.period.last), dtype=np.int64)
    frame = nw.from_native(pd.DataFrame({BINS: values}), eager_only=True)
    levels = {
        bins.width: frame.select(bins.coarsen(nw.col(BINS), finest).alias(BINS))[BINS].to_numpy() for bins in coarser
    }
    shifts = np.maximum.accumulate([*(_mean_minutes(bins) for bins in (finest, *coarser)), DAY_MIN]).tolist()
    made = Hierarchy.from_levels(BINS, values, _beyond(levels, len(values)), displacement=shifts, unit="min")
    return replace(made, names=(finest.width, *made.names[1:]))


def _beyond(levels: Mapping[str, np.ndarray], base: int) -> dict[str, np.ndarray]:
    last = list(levels.values())[-1] if levels else np.arange(base)
    return {**levels, BEYOND: last}


def _mean_minutes(bins: TimeBins) -> float:
    return bins.seconds / 60 / 4 + FORGET_MIN[bins.pool]


def _metres(grid: Tessellation, numbers: tuple[int, ...]) -> tuple[float, ...] | None:
    """Metres by which levels displace both ends of a trip, and the whole area after them; None without polygons.

    A cell is a square; zones and the area count as squares of their size, larger zones for more.
    """
    if isinstance(grid, Grid):
        sides = [float(grid.side_m(number)) for number in numbers]
        sides.append(float(np.sqrt(len(grid.cells(0)))) * grid.cell_m)
    elif grid.has_shapes:
        sides = []
        for number in (*numbers, None):
            shapes = grid.to_geodataframe(number or 0)
            area = shapes.to_crs(shapes.estimate_utm_crs()).geometry.area.to_numpy()
            sides.append(float(np.sqrt(area.sum()) if number is None else (area**1.5).sum() / area.sum()))
    else:
        return None
    return tuple(float(x) for x in np.maximum.accumulate(sides) * 2 * SQUARE_MEAN_DISTANCE)


def _column(name: str, tree: Hierarchy | None, search: LevelSearch, table: Table) -> Hierarchy:
    """A further column: its own hierarchy, the values alone where it is to be kept, or value and nothing."""
    arrow = table.session.sql(f"SELECT DISTINCT {identifier(name)} AS v FROM {{rows}} ORDER BY v", rows=table.frame)
    values = [str(value) for value in arrow.column("v").to_pylist()]
    if tree is not None:
        return tree.with_unknown() if UNKNOWN in values else tree
    base = np.array(values, dtype=object)
    return Hierarchy.from_levels(name, base, {}) if name in search.keep else Hierarchy.flat(name, base)


def _anonymizer(recipe: Recipe, search: LevelSearch, trees: Mapping[str, Hierarchy]) -> KAnonymizer:
    protection, unit = recipe.protection, recipe.unit
    assert recipe.products.trips is not None
    units = [unit.value if unit is not PrivacyUnit.TRIP else "row"]
    units += ["driver"] if protection.k_driver is not None else []
    models: list[Model] = []
    rows = recipe.products.trips.rows_per_person
    # of a pool that cannot be matched no dominance is known to the search; what leaves is held against it all the same
    if (
        protection.among is None
        and unit is not PrivacyUnit.TRIP
        and Fraction(rows, rows + protection.k - 1) > protection.dominance
    ):
        models.append(Dominance(limit=float(protection.dominance), protect=unit.value))
    return KAnonymizer(
        k=protection.k,
        protect=units,
        k_driver=protection.k_driver,
        max_suppressed=search.limit,
        suppressed_unit=search.suppressed_unit,
        measure=search.measure,
        hierarchies=dict(trees),
        models=models,
        among=protection.among,
        time_budget_s=search.time_budget_s,
    )


# ---- what comes of it
def _in_words(search: LevelSearch, trees: Mapping[str, Hierarchy], levels: Mapping[str, int]) -> dict[str, Any]:
    """Levels as a recipe names them: ``cell, bins``, the ``columns`` that stay, and the level of each with a hierarchy."""
    kept = [name for name in trees if name not in (CELLS, BINS) and not _left_out(trees[name], levels[name])]
    return {
        "cell": (search.cell_m or search.level or ())[levels[CELLS]],
        "bins": search.bins[levels[BINS]],
        "columns": kept,
        "labels": {name: trees[name].names[levels[name]] for name in kept if name in search.hierarchies},
    }


def _left_out(tree: Hierarchy, level: int) -> bool:
    return level == tree.height - 1 and tree.height > 1 and tree.sizes[-1] == 1


def _labelled(
    rows: nw.LazyFrame[Any], trees: Mapping[str, Hierarchy], levels: Mapping[str, int], session: Session
) -> nw.LazyFrame[Any]:
    """Rows whose columns carry the labels of the chosen levels, in every product that publishes them."""
    if not trees:
        return rows
    tables: dict[str, nw.LazyFrame[Any]] = {"rows": rows}
    joins, shown = [], {}
    for number, (name, tree) in enumerate(trees.items()):
        base = [str(value) for value in tree.labels[0]]
        labels = [str(label) for label in tree.decode(np.arange(len(base)), level=levels[name])]
        tables[f"labels_{number}"] = session.from_arrow(pa.table({"value": base, "label": labels}))
        joins.append(f"JOIN {{labels_{number}}} m{number} ON r.{identifier(name)} = m{number}.value")
        shown[name] = f"m{number}.label AS {identifier(name)}"
    listed = ", ".join(shown.get(name, f"r.{identifier(name)}") for name in rows.collect_schema().names())
    return session.checkpoint(session.frame(f"SELECT {listed} FROM {{rows}} r {' '.join(joins)}", **tables), "labelled")


def _told(
    recipe: Recipe, search: LevelSearch, anon: KAnonymizer, trees: Mapping[str, Hierarchy], chosen: dict[str, Any]
) -> dict[str, Any]:
    result, protection = anon.result_, recipe.protection
    levels = dict(zip(result.columns, result.levels, strict=True))
    metres, minutes = (trees[name].displacement for name in (CELLS, BINS))
    return {
        "product": "trips",
        "statement": LEARNT,
        "chosen": chosen,
        "from": {
            "cells": list(search.cell_m or search.level or ()),
            "bins": list(search.bins),
            "columns": {name: list(tree.names) for name, tree in trees.items() if name not in (CELLS, BINS)},
        },
        "measure": search.measure,
        "max_suppressed": str(search.max_suppressed),
        "suppressed_unit": search.suppressed_unit,
        "protect": {recipe.unit.value: protection.k}
        | ({"driver": protection.k_driver} if protection.k_driver is not None else {}),
        "models": [repr(model) for model in anon.models],
        "trips": result.total_rows,
        "suppressed_trips": result.suppressed_rows,
        "suppressed_share": result.suppressed_share,
        "lost_persons": result.lost_persons,
        "classes": result.classes,
        "displacement_m_an_end": None if metres is None else metres[levels[CELLS]] / 2,
        "displacement_min": None if minutes is None else minutes[levels[BINS]],
        "loss": float(result.loss),
        "bound": float(result.bound),
        "optimal": bool(result.optimal),
        "nodes": math.prod(tree.height - (name in (CELLS, BINS)) for name, tree in trees.items()),
        "visited": sum(_nameable(visit.levels, result.columns, trees) for visit in result.visits),
        "by_column": _by_column(anon, trees, levels),
        "tried": _tried(search, anon, trees),
    }


def _tried(search: LevelSearch, anon: KAnonymizer, trees: Mapping[str, Hierarchy]) -> list[dict[str, Any]]:
    """The best combinations that the search looked at and that hold the limit, the chosen one first."""
    found = []
    for visit in sorted(anon.result_.visits, key=lambda visit: (visit.loss, sum(visit.levels), visit.levels)):
        levels = dict(zip(anon.result_.columns, visit.levels, strict=True))
        if visit.verdict == "released" and _nameable(visit.levels, anon.result_.columns, trees):
            share = visit.suppressed_rows / max(anon.result_.total_rows, 1)
            found.append({**_in_words(search, trees, levels), "suppressed_share": share, "loss": float(visit.loss)})
    return found[:SHOWN]


def _nameable(levels: tuple[int, ...], columns: tuple[str, ...], trees: Mapping[str, Hierarchy]) -> bool:
    """Whether these are levels that the recipe names, without the last one of cells and bins."""
    return all(
        level < trees[name].height - 1 for name, level in zip(columns, levels, strict=True) if name in (CELLS, BINS)
    )


def _by_column(anon: KAnonymizer, trees: Mapping[str, Hierarchy], levels: Mapping[str, int]) -> list[dict[str, Any]]:
    """Of each column its level, and what one level finer or coarser would suppress."""
    found = []
    for row in anon.explain().to_dict("records"):
        name = row["column"]
        last = name in (CELLS, BINS) and levels[name] >= trees[name].height - 2
        coarser = None if last or pd.isna(row["suppressed_if_coarser"]) else int(row["suppressed_if_coarser"])
        finer = None if pd.isna(row["suppressed_if_finer"]) else int(row["suppressed_if_finer"])
        found.append(
            {"column": name, "level": row["level"], "suppressed_if_coarser": coarser, "suppressed_if_finer": finer}
        )
    return found
