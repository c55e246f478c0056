"""The sub-trajectory attack on routes, and the recount of published patterns: for reviewers, inside only.

Somebody saw a person at a few places of one trip and looks for the trips that went over all of them. On matched walks
without names a few links usually leave one person; a published pattern always leaves k. The recount walks every
published pattern through the raw walks by plain code, apart from the search that found it.

A success rate is shown beside guessing (one of all persons). It says nothing of attackers who know more than places of
one trip, nor of what is learnt about all walkers of a pattern at once.

Source: de Montjoye et al. 2013, Unique in the Crowd.
"""

from __future__ import annotations

from collections import defaultdict
from functools import reduce

import numpy as np
import pandas as pd

from anonkit.base.entropy import seeded
from anonkit.base.errors import SchemaError
from anonkit.geo.matching import Walks
from anonkit.kanon.routes_counting import Riders
from anonkit.kanon.routes_product import RouteProduct, published


def sub_trajectory_risk(walks: Walks, riders: Riders, *, points: int, trials: int, seed: int) -> dict[str, float]:
    """How often some links of one trip leave a single person among all walks.

    Parameters
    ----------
    points : links of the victim's trip that the attacker knows.
    trials : victims' trips, drawn with a visible seed.

    Returns
    -------
    ``risk`` (share of victims singled out), ``half_width`` (95 %), ``baseline`` (guessing), ``trials``.

    Privacy
    -------
    A result on raw walks: inside only.
    """
    if points < 1 or trials < 1:
        raise SchemaError("points and trials are at least 1.", hint="for example points=3, trials=500.")
    rng = seeded(seed)
    pairs = np.unique(np.column_stack([walks.link, walks.trip]), axis=0)
    known = pairs[riders.person[pairs[:, 1]] >= 0]
    begin = np.searchsorted(known[:, 0], np.arange(int(walks.link.max(initial=-1)) + 2))
    by_trip = pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))]
    bounds = np.searchsorted(by_trip[:, 1], np.arange(walks.trips + 1))
    able = np.flatnonzero((np.diff(bounds) >= points) & (riders.person[: walks.trips] >= 0))
    if not len(able):
        return {"risk": 0.0, "half_width": 1.0, "baseline": 0.0, "trials": 0.0}
    hits = 0
    for trip in rng.choice(able, size=trials).tolist():
        links = rng.choice(by_trip[bounds[trip] : bounds[trip + 1], 0], size=points, replace=False).tolist()
        trips = reduce(np.intersect1d, [known[begin[link] : begin[link + 1], 1] for link in links])
        hits += len(np.unique(riders.person[trips])) == 1
    risk = hits / trials
    persons = len(np.unique(riders.person[riders.person >= 0]))
    half = 1.96 * float(np.sqrt(max(risk * (1 - risk), 1 / trials) / trials))
    return {"risk": risk, "half_width": half, "baseline": 1 / persons, "trials": float(trials)}


def recount_patterns(product: RouteProduct, walks: Walks, riders: Riders) -> pd.DataFrame:
    """Persons and drivers that walked each published pattern in full, counted apart from the search.

    Returns
    -------
    DataFrame ``pattern, persons, drivers``, aligned to the product's rows.

    Privacy
    -------
    Exact counts: inside only. Every row of ``persons`` must reach k (ruling 31).
    """
    published(product, "patterns")
    pieces: dict[tuple[int, int], list[str]] = defaultdict(list)
    for trip, piece, link in zip(walks.trip.tolist(), walks.piece.tolist(), walks.link.tolist(), strict=True):
        pieces[trip, piece].append(str(link))
    texts = [(trip, f",{','.join(links)},") for (trip, _), links in pieces.items()]
    holders: dict[str, list[int]] = defaultdict(list)
    for number, (_, text) in enumerate(texts):
        for link in set(text.strip(",").split(",")):
            holders[link].append(number)
    rows = []
    for pattern, links in zip(product.table["pattern"].tolist(), product.table["links"].tolist(), strict=True):
        wanted = f",{','.join(map(str, links))},"
        rarest = min((holders[str(link)] for link in links), key=len)
        trips = {texts[number][0] for number in rarest if wanted in texts[number][1]}
        persons = {int(riders.person[trip]) for trip in trips} - {-1}
        drivers = {int(riders.driver[trip]) for trip in trips} - {-1}
        rows.append((pattern, len(persons), len(drivers)))
    return pd.DataFrame(rows, columns=["pattern", "persons", "drivers"])
