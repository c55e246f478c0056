"""The first risk figures of a release: class sizes in persons and row-level risk, before and after suppression.

Taken from the counted classes of the finest product at its first level; rows are looked at only for how many different
persons there are. Exact figures about raw data: they stay inside.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from anonkit.engine import Session, identifier
from anonkit.kanon import Decision, Decisions
from anonkit.kanon.decide import ALONE
from anonkit.recipe import Recipe
from anonkit.risk.classes import class_histogram, largest_share, weighted_quartiles


def measure_risk(decisions: Decisions, recipe: Recipe, *, session: Session) -> dict[str, Any]:
    """Class risk of the finest product at its first level, for all rows and for the published ones.

    The same figures as `risk.classes.class_risk`, which takes every (class, person) pair; a test compares them.
    """
    decision, unit = decisions.steps[0], identifier(recipe.privacy.unit.value)
    part = decision.part
    persons = session.rows(
        f"SELECT count(*), count(*) FILTER (told) FROM (SELECT bool_or({part.told} = 0) AS told FROM {{rows}} "
        f"WHERE {unit} IS NOT NULL GROUP BY {unit})",
        rows=decisions.rows,
    )[0]
    figures = [_figures(decision.classes, persons[0], session), _figures(decision.published, persons[1], session)]
    for found, told in zip(figures, ("true", f"{part.told} = 0"), strict=True):
        query = f"SELECT count(DISTINCT {unit}) FROM {{rows}} WHERE {ALONE} AND {told}"
        found["unique_persons"] = int(session.value(query, rows=decisions.rows)) if found["unique_classes"] else 0
    before, after = figures
    return {"product": part.name, "before": before, "after": after if after["classes"] else None}


def _figures(classes: nw.LazyFrame[Any], persons: int, session: Session) -> dict[str, Any]:
    """Of these classes of one step, as counted when they were decided."""
    table = session.sql(
        "SELECT persons::BIGINT AS persons, top_rows::BIGINT AS top, rows::BIGINT AS rows, count(*) AS n "
        "FROM {classes} GROUP BY ALL",
        classes=classes,
    )
    size, top, held, many = (table.column(name).to_numpy().astype(np.int64) for name in ("persons", "top", "rows", "n"))
    total, classes_total, alone = int((held * many).sum()), int(many.sum()), int(many[size == 1].sum())
    return {
        "classes": classes_total,
        "persons": persons,
        "rows": total,
        "class_size_min": int(size.min()) if len(size) else 0,
        "class_size_quartiles": list(weighted_quartiles(size, many)),
        "class_size_histogram": class_histogram(size, many),
        "unique_classes": alone,
        "row_risk_max": str(largest_share(top, held)),
        "row_risk_mean": float(Fraction(int((top * many).sum()), total)) if total else 0.0,
        "dominated_classes": int(many[2 * top > held].sum()),
        "marketer": float(Fraction(classes_total, max(classes_total, int((size * many).sum())))) if len(size) else 0.0,
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
        "suppressed_system": sum(decision.suppressed_system for decision in decided),
    }
