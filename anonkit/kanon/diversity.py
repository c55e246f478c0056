"""Whether origin and time give the destination away, or destination and time the origin (ruling 7).

A class of many people still tells where somebody went if all who left his place at that time went there. Such classes
fall, until enough places stay open. Source: Machanavajjhala et al. 2007 (distinct l-diversity), on places; ruling 7. Does
not protect against a guess that is only likely: `risk.trips` measures it.
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw

from anonkit.classes import Protection
from anonkit.engine import Session
from anonkit.kanon.products import Step


def less_alike(
    classes: nw.LazyFrame[Any],
    published: nw.LazyFrame[Any],
    step: Step,
    *,
    protection: Protection,
    session: Session,
) -> tuple[nw.LazyFrame[Any], int]:
    """Suppress classes whose destination follows from origin and time, or whose origin from destination and time.

    Of an origin and bin the recipient sees the published destinations, and that something is missing. Distinct published
    destinations, and one more if something missing holds k units, must be at least ``protection.l_places``. One direction
    after the other, until nothing changes (suppressing for one may leave too few for the other).
    """
    least = protection.l_places
    if step.part.end is not None or least < 2:
        return published, 0
    counting = "SELECT count(*) FROM {published}"
    before = now = session.value(counting, published=published)
    last = -1
    while now != last:
        for given in ("start", "end"):
            query = _varied(step, given, least, protection.k)
            published = session.table(query, classes=classes, published=published)
        last, now = now, session.value(counting, published=published)
    return published, before - now


def _varied(step: Step, given: str, least: int, k: int) -> str:
    """SQL of the published classes from which enough places follow; unpublished ones are looked at beside them only."""
    keys = ", ".join(f'"{name}"' for name in step.keys)
    other = {"start": "_key_end_cell", "end": "_key_start_cell"}[given]
    group = ", ".join(f'"{name}"' for name in step.keys if name != other)
    return (
        f"WITH seen AS (SELECT {group}, count(*) AS places FROM {{published}} GROUP BY ALL), "
        f"few AS (SELECT * FROM seen WHERE places < {least}), "
        f"missing AS (SELECT DISTINCT {group} FROM (SELECT {keys} FROM {{classes}} WHERE persons >= {k}) "
        f"ANTI JOIN {{published}} USING ({keys}) SEMI JOIN few USING ({group})), "
        f"fallen AS (SELECT {group} FROM few WHERE places < {least - 1} UNION ALL "
        f"SELECT {group} FROM few ANTI JOIN missing USING ({group})) "
        f"SELECT * FROM {{published}} ANTI JOIN fallen USING ({group})"
    )
