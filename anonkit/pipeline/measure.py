"""The first risk figures of a release: class sizes in persons and row-level risk, before and after suppression.

Exact figures about raw data: they stay inside.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from anonkit.engine import Session
from anonkit.kanon import Decision, Decisions
from anonkit.recipe import Recipe
from anonkit.risk.classes import class_risk


def measure_risk(decisions: Decisions, recipe: Recipe, *, session: Session) -> dict[str, Any]:
    """Class risk of the finest product at its first level, for all rows and for the published ones."""
    step, unit = decisions.steps[0].step, recipe.privacy.unit.value
    part = step.part
    keyed = step.keyed(decisions.rows, recipe.geo.grid, recipe.time.time_bins)
    keys = ", ".join(f'"{name}"' for name in step.keys)
    table = session.sql(
        f"SELECT dense_rank() OVER (ORDER BY {keys}) AS class, {unit} AS unit, count(*) AS n, bool_and({part.told} = 0) AS hit "
        f"FROM {{rows}} GROUP BY {keys}, {unit}",
        rows=keyed,
    )
    code, person, rows = (table.column(name).to_numpy().astype(np.int64) for name in ("class", "unit", "n"))
    hit = table.column("hit").to_numpy(zero_copy_only=False).astype(bool)
    before = class_risk(code, person, rows)
    after = class_risk(code[hit], person[hit], rows[hit]) if hit.any() else None
    return {"product": part.name, "before": _figures(before), "after": _figures(after) if after is not None else None}


def _figures(risk: Any) -> dict[str, Any]:
    return {
        "classes": risk.classes,
        "persons": risk.persons,
        "rows": risk.rows,
        "class_size_min": risk.smallest,
        "class_size_quartiles": list(risk.quartiles),
        "class_size_histogram": dict(risk.histogram),
        "unique_classes": risk.unique_classes,
        "unique_persons": risk.unique_persons,
        "row_risk_max": str(risk.prosecutor_max),
        "row_risk_mean": float(risk.prosecutor_mean),
        "dominated_classes": risk.dominated_classes,
        "marketer": float(risk.marketer),
    }


def product_figures(decisions: Decisions, *, session: Session) -> list[dict[str, Any]]:
    """Classes, trips and shares published of each part, by roll-up."""
    return [_product(decisions.of_part(part), session) for part in decisions.parts]


def _product(decided: tuple[Decision, ...], session: Session) -> dict[str, Any]:
    query = "SELECT count(*), coalesce(sum(rows), 0)::BIGINT FROM {frame}"
    classes, trips = session.rows(query, frame=decided[0].classes)[0]
    counts = [session.rows(query, frame=decision.published)[0] for decision in decided]
    released = sum(count[1] for count in counts)
    return {
        "part": decided[0].part.name,
        "classes": classes,
        "classes_released": sum(count[0] for count in counts),
        "trips": trips,
        "trips_released": released,
        "share_released": round(released / trips, 4) if trips else 0.0,
        "share_by_level": [round(count[1] / trips, 4) if trips else 0.0 for count in counts],
        "suppressed_beside": sum(decision.suppressed_beside for decision in decided),
        "suppressed_alike": sum(decision.suppressed_alike for decision in decided),
    }
