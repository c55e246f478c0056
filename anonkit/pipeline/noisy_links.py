"""Passages of links under the tokens of persons, as noisy links read them: one row a person, trip and link.

Fixes are read into memory, matched to the public streets, and the ends are cut by the person's own ends; of people who share a
trip each has its passages for himself, so that nobody's rows change when another leaves (ruling 17). What comes out is raw:
it goes to the draw and nowhere else (ruling 19). Does not protect anybody by itself.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa

from anonkit.engine import Session
from anonkit.geo import TimeBins
from anonkit.geo.matching import Matcher
from anonkit.kanon.routes import passage_bins
from anonkit.kanon.routes_counting import Riders
from anonkit.kanon.routes_release import cut_walks
from anonkit.pipeline.fixes import Fixes, fixes_of_trips
from anonkit.pipeline.journeys import within_period
from anonkit.pipeline.noisy_draw import PERIOD, period_of
from anonkit.recipe import NoisyRouteRecipe
from anonkit.schema import Accounting


def passages_of_people(
    recipe: NoisyRouteRecipe,
    rows: nw.LazyFrame[Any],
    *,
    record_key: bytes,
    periods: tuple[str, ...],
    session: Session,
    when: datetime,
) -> tuple[nw.LazyFrame[Any], list[Accounting], list[pa.Table]]:
    """Passages as ``DPVolumes`` reads them, the account of each file of fixes, and the lines that cannot be used.

    Parameters
    ----------
    rows : tokenised trips that are used.
    periods : of the ledger; a passage belongs to the period in which its trip starts.

    Returns
    -------
    Frame with ``person, link``, ``bin`` where bins are told, and the period's label where there are several.

    Privacy
    -------
    As raw as coordinates: in memory only. Each row depends on one person's own lines and on fixes of his own trips.
    """
    fixes, accounts, rejected = fixes_of_trips(recipe, rows, record_key, session, when)
    label = period_of(recipe.time.time_bins, periods) if len(periods) > 1 else nw.lit("").alias(PERIOD)
    mine = session.sql(
        "SELECT DISTINCT trip, person, label FROM {mine} WHERE person IS NOT NULL",
        mine=rows.select("trip", "person", label.alias("label")),
    )
    mine = mine.take(np.lexsort((mine.column("person").to_numpy(), mine.column("trip").to_numpy())))
    place = np.searchsorted(fixes.trips, mine.column("trip").to_numpy())
    has = place < len(fixes.trips)
    has[has] = fixes.trips[place[has]] == mine.column("trip").to_numpy()[has]
    mine, own = mine.filter(pa.array(has)), _each(fixes, place[has])
    tokens = mine.column("person").to_pylist()
    riders = Riders.of_tokens(unit=tokens, driver=None, operator=None, record=[0] * len(tokens))
    walks, _ = cut_walks(
        Matcher.of(recipe.network, threads=recipe.engine.threads or 2), offsets=own.offsets, time_s=own.time_s,
        lon=own.lon, lat=own.lat, riders=riders, ends=recipe.ends.rule,
    )  # fmt: skip
    walks = within_period(walks, recipe)
    columns: dict[str, Any] = {
        "person": mine.column("person").take(pa.array(walks.trip)),
        "link": walks.link.astype(np.int64),
    }
    if recipe.products.links.bins is not None:
        columns["bin"] = passage_bins(walks, TimeBins(recipe.products.links.bins, zone=recipe.time.zone))
    if len(periods) > 1:
        columns[PERIOD] = mine.column("label").take(pa.array(walks.trip))
    return session.from_arrow(pa.table(columns)), accounts, rejected


def _each(fixes: Fixes, place: np.ndarray) -> Fixes:
    """The fixes of the trips at ``place``, once for every time that a trip is named."""
    begin, size = fixes.offsets[place], np.diff(fixes.offsets)[place]
    ends = np.cumsum(size)
    taken = np.repeat(begin - (ends - size), size) + np.arange(ends[-1] if len(ends) else 0)
    return Fixes(
        trips=fixes.trips[place],
        offsets=np.r_[0, ends].astype(np.int64),
        time_s=fixes.time_s[taken],
        lon=fixes.lon[taken],
        lat=fixes.lat[taken],
    )
