"""Whose journeys matched walks are, and which of their passages fall into the period: raw, in memory only."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from anonkit.engine import Session
from anonkit.geo import TimeBins
from anonkit.geo.matching import Walks
from anonkit.kanon.routes import passage_bins
from anonkit.recipe import AnyRecipe
from anonkit.schema import PrivacyUnit


def who_drove(rows: nw.LazyFrame[Any], trips: np.ndarray, unit: PrivacyUnit, session: Session) -> pd.DataFrame:
    """Tokens of each trip, aligned to ``trips``; people who share a trip count as one (ruling 3)."""
    found = session.sql(
        f"SELECT trip, min({unit.value}) AS unit, arg_min(driver, {unit.value}) AS driver, "
        f"arg_min(record, {unit.value}) AS record FROM {{rows}} GROUP BY trip ORDER BY trip",
        rows=rows,
    )
    table = pd.DataFrame({name: pd.array(found.column(name).to_pylist(), dtype="Int64") for name in found.column_names})
    place = np.searchsorted(table["trip"].to_numpy(dtype=np.int64), trips)
    return table.iloc[place].reset_index(drop=True)


def within_period(walks: Walks, recipe: AnyRecipe) -> Walks:
    """Passages of the period's local days: the end of a trip past the last midnight is in no bin of the dictionary."""
    days = TimeBins("1d", zone=recipe.time.zone)
    span = days.span(recipe.period.first, recipe.period.last)
    day = passage_bins(walks, days)
    return walks.take((day >= span.start) & (day < span.stop))
