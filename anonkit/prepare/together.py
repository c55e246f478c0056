"""People who ride together count as one (ruling 3).

A family in one car is one secret: whoever knows its ride knows it of all of them, so five of a family are no crowd of five.
A source knows companions by a booking (column ``party``), by a vehicle with the same start and end, or by a trip id that
several people share. All people who are connected by such rides within the release, over whatever chain of companions,
become **one unit**: they carry one token, in every class of every product. That is the safe choice: in no class can there be
more units than groups of companions, and one who rides alone and in company is still counted once. A token for each ride
would be finer and wrong, since its people would count again where they ride alone.

What a class loses by it is resolution: strangers who share a ride, or companions who ride apart most of the time, count as
one everywhere. `privacy.together` in a recipe says which of the three signs are looked at.

Does not find companions that the source does not know: two people who book apart, or whose vehicle is not told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa

from anonkit.engine import Session
from anonkit.prepare.repeats import repeated

INDIVIDUAL = "individual"
"""Column of the persons' own tokens, beside those of their groups; inside only."""
SIGNS = ("party", "vehicle", "trip")
"""What tells companions: a booking, a vehicle with the same start and end, a trip id that several people share."""
RIDES = {"party": "ride_party", "vehicle": "ride_vehicle"}
"""Sign → column of the ride's token; a shared trip id is its own token."""


@dataclass(frozen=True, kw_only=True)
class Together:
    """What counting companions as one came to; counts only."""

    signs: tuple[str, ...] = ()
    """Which signs were looked at and are known to a source."""
    rides: int = 0
    """Rides of several people."""
    people: int = 0
    """People who shared a ride."""
    groups: int = 0
    """Groups that they count as."""
    largest: int = 0
    """People of the largest group."""

    def as_dict(self) -> dict[str, Any]:
        """For run.json."""
        return {
            "signs": list(self.signs),
            "shared_rides": self.rides,
            "people": self.people,
            "groups": self.groups,
            "largest_group": self.largest,
        }


def count_together(
    rows: nw.LazyFrame[Any], session: Session, *, signs: tuple[str, ...]
) -> tuple[nw.LazyFrame[Any], Together]:
    """Give all people who are connected by shared rides one token, and say how many there are.

    Parameters
    ----------
    rows : used rows of all inputs with ``trip, person, start_bin``, and ``ride_party, ride_vehicle`` where a source knows
        them. Read several times: give a checkpoint.
    signs : of `SIGNS`, those that are looked at.

    Returns
    -------
    The rows, and figures. Where anybody shared a ride, ``person`` (and ``record``) are those of the group,
    ``individual`` keeps the person's own token, trips that several people share have a token for each of them, and
    ``ride_trip`` keeps the one they shared.

    Privacy
    -------
    Units are unions of persons, so every class holds at most as many units as persons, and at most as many as groups of
    companions. Depends on other people's rows: not for noisy products, whose unit is a person (rulings 16, 17).

    Examples
    --------
    >>> session = Session()
    >>> rows = pa.table({"trip": [1, 2, 3, 4], "person": [11, 12, 12, 13], "start_bin": [0, 0, 5, 5], "ride_party": [7, 7, None, None]})
    >>> counted, told = count_together(session.from_arrow(rows), session, signs=("party",))
    >>> [(row["person"], row["individual"]) for row in session.collect(counted.sort("trip")).to_pylist()]
    [(11, 11), (11, 12), (11, 12), (13, 13)]
    >>> told.people, told.groups
    (2, 1)
    """
    names = rows.collect_schema().names()
    looked = tuple(sign for sign in signs if sign == "trip" or RIDES[sign] in names)
    shared = [_shared_trips(rows, session) if sign == "trip" else _shared(rows, session, sign) for sign in looked]
    if not any(table.num_rows for table in shared):
        return rows, Together(signs=looked)
    people, group, rides = _groups(shared)
    sizes = np.unique(group, return_counts=True)[1]
    found = Together(signs=looked, rides=rides, people=len(people), groups=len(sizes), largest=int(sizes.max()))
    return _merged(rows, session, people, group), found


def _shared(rows: nw.LazyFrame[Any], session: Session, sign: str) -> pa.Table:
    """``ride, piece, person`` of rides that several people share."""
    ride = RIDES[sign]
    return session.sql(
        f"SELECT DISTINCT {ride} AS ride, 0::BIGINT AS piece, person FROM {{rows}} SEMI JOIN (SELECT {ride} FROM {{rows}} "
        f"WHERE {ride} IS NOT NULL GROUP BY {ride} HAVING min(person) <> max(person)) USING ({ride}) WHERE person IS NOT NULL",
        rows=rows,
    )


def _shared_trips(rows: nw.LazyFrame[Any], session: Session) -> pa.Table:
    """The same of trip ids, cut where more than one bin lies between: ids that begin again each day are no rides together."""
    several = repeated(rows.select("trip"), "trip", session)
    if several is None:
        nothing = pa.array([], pa.int64())
        return pa.table({"ride": nothing, "piece": nothing, "person": nothing})
    return session.sql(
        "WITH mine AS (SELECT trip, person, start_bin FROM {rows} SEMI JOIN {several} USING (trip)), "
        "many AS (SELECT trip FROM mine GROUP BY trip HAVING min(person) <> max(person)), "
        "seen AS (SELECT trip, person, start_bin, start_bin - lag(start_bin) OVER (PARTITION BY trip ORDER BY start_bin) > 1 AS far "
        "FROM mine SEMI JOIN many USING (trip) WHERE person IS NOT NULL), "
        "cut AS (SELECT trip AS ride, person, count(*) FILTER (far) OVER (PARTITION BY trip ORDER BY start_bin) AS piece FROM seen) "
        "SELECT DISTINCT ride, piece, person FROM cut SEMI JOIN "
        "(SELECT ride, piece FROM cut GROUP BY ALL HAVING min(person) <> max(person)) USING (ride, piece)",
        rows=rows,
        several=several,
    )


def _groups(shared: list[pa.Table]) -> tuple[np.ndarray, np.ndarray, int]:
    """People who shared a ride, the number of the group of each, and how many rides there are."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    people, person = np.unique(
        np.concatenate([table.column("person").to_numpy() for table in shared]), return_inverse=True
    )
    rides, found = 0, []
    for table in shared:
        pairs = np.stack([table.column(name).to_numpy() for name in ("ride", "piece")])
        number = np.unique(pairs, axis=1, return_inverse=True)[1].ravel()
        count = int(number.max()) + 1 if len(number) else 0
        found.append(number + len(people) + rides)
        rides += count
    nodes = len(people) + rides
    edges = (np.ones(len(person), np.int8), (person, np.concatenate(found)))
    _, label = connected_components(coo_array(edges, shape=(nodes, nodes)), directed=False)
    return people, label[: len(people)], rides


def _merged(rows: nw.LazyFrame[Any], session: Session, people: np.ndarray, group: np.ndarray) -> nw.LazyFrame[Any]:
    """Rows under the tokens of groups: the least of its people's tokens, and of their persistent keys."""
    names = rows.collect_schema().names()
    of_group = pa.table({"person": pa.array(people, pa.int64()), "group": pa.array(group, pa.int64())})
    record = "any_value(record)" if "record" in names else "NULL::BIGINT"
    units = session.from_arrow(
        session.sql(
            'SELECT person, min(person) OVER g AS unit, min(record) OVER g AS record FROM (SELECT person, "group", '
            f'{record} AS record FROM {{of_group}} JOIN {{rows}} USING (person) GROUP BY ALL) WINDOW g AS (PARTITION BY "group")',
            of_group=session.from_arrow(of_group),
            rows=rows.select("person", *(["record"] if "record" in names else [])),
        )
    )
    order = "record, person" if "record" in names else "person"
    of_trip = session.from_arrow(
        session.sql(
            f"SELECT trip, person, row_number() OVER (PARTITION BY trip ORDER BY {order}) - 1 AS place FROM {{rows}} SEMI JOIN "
            "(SELECT trip FROM {rows} GROUP BY trip HAVING min(person) <> max(person)) USING (trip) WHERE person IS NOT NULL",
            rows=rows,
        )
    )
    ride = "CASE WHEN t.trip IS NOT NULL THEN r.trip END AS ride_trip"
    changed = ["coalesce(u.unit, r.person) AS person", "r.trip + coalesce(t.place, 0) AS trip"]
    changed += ["coalesce(u.record, r.record) AS record"] if "record" in names else []
    return session.frame(
        f"SELECT r.* REPLACE ({', '.join(changed)}), r.person AS {INDIVIDUAL}, {ride} FROM {{rows}} r LEFT JOIN {{units}} u "
        "ON r.person = u.person LEFT JOIN {of_trip} t ON r.trip = t.trip AND r.person = t.person",
        rows=rows,
        units=units,
        of_trip=of_trip,
    )
