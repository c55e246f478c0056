"""The gate's own look at companions: whether everybody who shared a ride counts as one (ruling 3).

Written apart from `prepare.together`: that one finds groups by a graph, this one asks of the finished rows what must hold of
any right answer. All people of a ride carry one token, and nobody carries two; then two people whom any chain of rides
connects carry the same, and no class can count them twice.

Does not find companions whom the rows do not show, nor groups that are larger than they need to be: that is the safe side.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from anonkit.base.findings import Finding, finding
from anonkit.engine import Session
from anonkit.publish.spec import ReleaseSpec


def companions(used: nw.LazyFrame[Any], spec: ReleaseSpec, session: Session) -> Iterator[Finding]:
    """A finding where a source knows companions; nothing otherwise.

    ``used`` : rows before thinning with ``trip, person, start_bin``, and ``ride_…``, ``individual`` where there are companions.
    """
    if not spec.together:
        return
    names = used.collect_schema().names()
    apart = 0
    for ride in (f"ride_{sign}" for sign in spec.together if sign != "trip"):
        apart += session.value(
            f"SELECT count(*) FROM (SELECT 1 FROM {{used}} WHERE {ride} IS NOT NULL AND person IS NOT NULL GROUP BY {ride} "
            "HAVING count(DISTINCT person) > 1)",
            used=used,
        )
    if "trip" in spec.together:
        trip = "coalesce(ride_trip, trip)" if "ride_trip" in names else "trip"
        if _told_twice(trip, used, session):
            apart += session.value(
                f"WITH one AS (SELECT {trip} AS ride, person, start_bin FROM {{used}} WHERE person IS NOT NULL), "
                "many AS (SELECT * FROM one SEMI JOIN (SELECT ride FROM one GROUP BY ride HAVING max(person) > min(person)) USING (ride)) "
                "SELECT count(DISTINCT a.ride) FROM many a JOIN many b ON a.ride = b.ride AND a.person < b.person "
                "AND b.start_bin BETWEEN a.start_bin - 1 AND a.start_bin + 1",
                used=used,
            )
    twice = 0
    if "individual" in names:
        twice = session.value(
            "SELECT count(*) FROM (SELECT 1 FROM {used} GROUP BY individual HAVING count(DISTINCT person) > 1)",
            used=used,
        )
    yield finding(
        "companions",
        "release",
        passed=not apart and not twice,
        value=f"{apart:,} rides whose people count apart, {twice:,} people who count twice",
        threshold="0 and 0",
        message="people known to have ridden together count as one, in every class",
        ruling="3",
    )


def _told_twice(trip: str, used: nw.LazyFrame[Any], session: Session) -> bool:
    """Whether two rows may share a trip id: equal ids have equal hashes, and those lie together when they are sorted."""
    query = f"SELECT hash({trip}) AS h FROM {{used}} WHERE person IS NOT NULL AND {trip} IS NOT NULL"
    found = np.sort(session.sql(query, used=used).column("h").to_numpy())
    return bool((found[1:] == found[:-1]).any())
