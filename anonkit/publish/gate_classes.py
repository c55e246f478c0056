"""The gate's recount of classes, in SQL: rows, persons, drivers, the most rows of one, and what finer products leave.

Each row of a lot comes with the number of the written class that it belongs to. The engine groups them twice, the person in
the inner key, as one would do by hand; nothing here is shared with what decided the classes. Rulings 1, 2, 6, 11, 26.

Does not protect against a row that is given to the wrong class: then numbers of trips differ, and the gate refuses.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from anonkit.engine import Session

RECORDS = 1 << 40
"""Record keys of a class are summed modulo this."""
COUNTS = ("trips", "rest_trips", "units", "rest", "top", "record")


class Recounted:
    """What a recount gives for each written class: ``trips, units, top`` and, of rows nothing finer tells, ``rest_trips, rest``.

    Parameters
    ----------
    classes : how many there are. A class must not go on in a later lot: its people are counted within a lot.

    ``units`` : distinct people; of those who cannot be matched between fleets, the most that one fleet has. ``top`` : the most
    rows that one person may have: one of each fleet may be the same one, so their sum. ``record`` : the sum of the record keys
    of its people, modulo 2^40.
    """

    def __init__(self, session: Session, classes: int) -> None:
        self._session = session
        self.trips, self.rest_trips, self.units, self.rest, self.top, self.record = (
            np.zeros(classes, dtype=np.int64) for _ in COUNTS
        )

    def add(
        self,
        class_: np.ndarray,
        who: np.ndarray,
        fleet: np.ndarray | None,
        rest: np.ndarray,
        record: np.ndarray | None = None,
    ) -> None:
        """Rows of a lot: class, person (-1: nobody), fleet (-1: none), whether nothing finer tells the row; the person's record."""
        columns = {"class": class_.astype(np.int32), "who": who.astype(np.int32), "rest": rest.astype(bool)}
        columns |= {"fleet": fleet.astype(np.int32)} if fleet is not None else {}
        columns |= {"record": record} if record is not None else {}
        rows = self._session.from_arrow(pa.table(columns))
        found = self._session.sql(_recount(pooled=fleet is not None, records=record is not None), rows=rows)
        self._session.drop(rows)
        at = found.column("class").to_numpy()
        for name in COUNTS:
            getattr(self, name)[at] = found.column(name).to_numpy()


def _recount(*, pooled: bool, records: bool) -> str:
    """SQL over ``{rows}``; a person without a fleet is nobody."""
    fleet = ", fleet" if pooled else ""
    somebody = "who >= 0 AND fleet >= 0" if pooled else "who >= 0"
    record = "any_value(record) FILTER (who IS NOT NULL)" if records else "0"
    return (
        "SELECT class, sum(n)::BIGINT AS trips, sum(o)::BIGINT AS rest_trips, max(units) AS units, max(rest) AS rest, "
        f"sum(top)::BIGINT AS top, (sum(record) % {RECORDS})::BIGINT AS record FROM "
        f"(SELECT class{fleet}, sum(n) AS n, sum(o) AS o, count(who) AS units, count(who) FILTER (o > 0) AS rest, "
        "coalesce(max(n) FILTER (who IS NOT NULL), 0) AS top, coalesce(sum(record), 0) AS record FROM "
        f"(SELECT class{fleet}, who, count(*) AS n, count(*) FILTER (rest) AS o, {record} AS record FROM "
        f"(SELECT * REPLACE (CASE WHEN {somebody} THEN who END AS who) FROM {{rows}}) "
        f"GROUP BY class{fleet}, who) GROUP BY class{fleet}) GROUP BY class"
    )
