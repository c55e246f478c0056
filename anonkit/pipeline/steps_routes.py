"""Routes step by step, as a notebook calls them: ``read_fixes`` → ``match`` → ``release_routes`` → coverage.

The same kernels as in ``anonkit release`` of a recipe with ``streets``. What ``match`` returns is as raw as coordinates: its
repr shows columns and counts, every column is marked as not releasable, and what may leave is made of it by
``ak.release_routes`` under thresholds. Clocks, lists of subjects, the gate and the register are in the recipe's release only:
what is made here stays inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from anonkit.base.clock import as_of as instant
from anonkit.base.entropy import fresh_key
from anonkit.base.errors import SchemaError
from anonkit.engine import Session
from anonkit.geo.matching import Matcher, Walks
from anonkit.geo.networks import Network
from anonkit.geo.trimming import EndRule
from anonkit.kanon.routes_counting import Riders
from anonkit.kanon.routes_release import cut_walks
from anonkit.schema import Column, Role, Schema, Table
from anonkit.sources import fixes as formats

COLUMNS = ("trip", "person", "driver", "piece", "link", "enter_s", "exit_s")


@dataclass(frozen=True, repr=False)
class Passages(Table):
    """Passages over links after the cut of the ends, under codes: raw, inside only, one row a passage."""

    walks: Walks | None = field(default=None, repr=False, compare=False)
    riders: Riders | None = field(default=None, repr=False, compare=False)
    network: Network | None = field(default=None, repr=False, compare=False)
    told: Mapping[str, float] = field(default_factory=dict, compare=False)
    """Shares of what was unmatched and cut: inside only."""


def read_fixes(
    path: str | Path,
    *,
    operator: str,
    source: str = "generic",
    columns: Mapping[str, str] | None = None,
    as_of: str | date | datetime | None = None,
    session: Session | None = None,
    **more: Any,
) -> Table:
    """Open a file of GPS fixes as a lazy table of ``trip, time_s, lon, lat``; fixes outside trips are left out (ruling 33).

    Parameters
    ----------
    source : ``mds_telemetry``, ``uklon_positions``, or ``generic`` with ``columns``.
    columns : of ``generic``: ``{"trip": …, "time": …, "lon": …, "lat": …}``, the operator's names.
    **more : further keys of ``inputs[].fixes``, such as ``time={"format": "epoch_s"}``.

    Privacy
    -------
    The rawest data there is; nothing is stored, and the repr shows no row.
    """
    spec = formats.FixSpec.model_validate({"path": path, "source": source, "columns": dict(columns or {}), **more})
    table, _ = formats.read_fixes(
        spec.path, source=spec.source, operator=operator, session=session or Session(),
        as_of_s=int(instant(as_of).timestamp()), **spec.said(),
    )  # fmt: skip
    return formats.usable_fixes(table)


def match(trips: Table, fixes: Table, *, network: Network, ends: EndRule, key: bytes | None = None) -> Passages:
    """Match the fixes of trips to streets and cut the ends of the trips.

    Parameters
    ----------
    trips : of ``ak.read_trips``; ``trip``, ``person`` and, where known, ``driver``. Rows that cannot be used are left out.
    fixes : of ``read_fixes``, or any Table with ``trip, time_s, lon, lat``; ids as the trips write them.
    network : of ``ak.read_network``; public.
    ends : public numbers of the cut (ruling 30).
    key : the persistent key of counts, where the same persons should get the same noise again; else a passing one.

    Returns
    -------
    Passages: ``ak.release_routes(p.walks, p.riders, p.network, spec=…)`` makes the products that may leave.

    Raises
    ------
    SchemaError : a column is missing, or no fix belongs to a trip.

    Privacy
    -------
    Ids become codes of this call; coordinates end here. Links are as raw as coordinates until thresholded.

    Sources
    -------
    Newson and Krumm 2009; rulings 30, 31.
    """
    who = _used(trips, ("trip", "person"), ("driver",)).dropna(subset=["trip"])
    who = who.sort_values("trip").drop_duplicates("trip", keep="first")  # companions of a trip count as one (ruling 3)
    points = _used(fixes, ("trip", "time_s", "lon", "lat"), ())
    points = points[points["trip"].astype(str).isin(who["trip"].astype(str))]
    if not len(points):
        raise SchemaError("no fix belongs to a trip.", hint="fixes name their trip by the same id as the trips do.")
    points = points.assign(trip=points["trip"].astype(str)).sort_values(["trip", "time_s", "lon", "lat"])
    names, first = np.unique(points["trip"].to_numpy(dtype=str), return_index=True)
    order = who.assign(trip=who["trip"].astype(str)).set_index("trip").loc[names]
    riders = Riders.of(
        person=_ids(order["person"]), driver=_ids(order["driver"]) if "driver" in order else None, operator=None,
        key=key or fresh_key(),
    )  # fmt: skip
    walks, told = cut_walks(
        Matcher.of(network), offsets=np.r_[first, len(points)], time_s=points["time_s"].to_numpy(dtype=np.int64),
        lon=points["lon"].to_numpy(float), lat=points["lat"].to_numpy(float), riders=riders, ends=ends,
    )  # fmt: skip
    frame = trips.session.from_arrow(
        pa.table(
            {
                "trip": walks.trip.astype(np.int64),
                "person": _nullable(riders.person[walks.trip]),
                "driver": _nullable(riders.driver[walks.trip]),
                "piece": walks.piece.astype(np.int64),
                "link": walks.link.astype(np.int64),
                "enter_s": np.floor(walks.enter_s).astype(np.int64),
                "exit_s": np.floor(walks.exit_s).astype(np.int64),
            }
        )
    )
    ids = {"trip", "person", "driver"}
    columns = tuple(Column(name=name, role=Role.PSEUDONYM if name in ids else Role.PLAIN) for name in COLUMNS)
    schema = Schema(columns=columns, kind="passages", source=trips.schema.source, zone=trips.schema.zone,
                    privacy_unit=trips.schema.privacy_unit)  # fmt: skip
    return Passages(frame, schema, trips.session, walks=walks, riders=riders, network=network, told=told)


def _used(table: Table, must: tuple[str, ...], may: tuple[str, ...]) -> pd.DataFrame:
    """The named columns of rows that nothing rejects or drops."""
    have = table.frame.collect_schema().names()
    missing = [name for name in must if name not in have]
    if missing:
        raise SchemaError(f"the table lacks the columns {missing}", hint=f"it has {have}")
    picks = ", ".join([*must, *(name for name in may if name in have)])
    marks = [f"{name} IS NULL" for name in ("_reason", "_rule") if name in have]
    where = f"WHERE {' AND '.join(marks)}" if marks else ""
    return table.session.sql(f"SELECT {picks} FROM {{frame}} {where}", frame=table.frame).to_pandas()


def _ids(column: pd.Series[Any]) -> list[Any]:
    return [None if pd.isna(value) else value for value in column.tolist()]


def _nullable(codes: Any) -> pa.Array:
    return pa.array(codes.tolist(), pa.int64(), mask=np.asarray(codes) < 0)
