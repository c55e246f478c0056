"""The tables behind the page of a routes release: passages of streets before and after, routes, coverage.

*Before* are the passages after the cut of the ends, exactly; *after* are the published tables. Both directions of a street are
added up, since a map cannot show them apart. About raw data: inside only, and nothing of it decides (ruling 19).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from anonkit.coverage import coverage
from anonkit.geo.matching import Walks
from anonkit.geo.networks import Network
from anonkit.kanon.routes_release import RouteRelease
from anonkit.report import ReportTables, StreetTables

ALL_BINS = -1


def route_tables_of_page(made: RouteRelease, walks: Walks, network: Network, kinds: tuple[str, ...]) -> ReportTables:
    """What the page draws.

    Privacy
    -------
    Exact counts before suppression: inside only.
    """
    shapes, street = network.to_geodataframe(), network.street
    base = shapes[shapes["link"] == shapes["street"]][["street", "length_m", "geometry"]].reset_index(drop=True)
    volumes = made["volumes"].table
    before = np.bincount(street[walks.link], minlength=network.links) if len(walks.link) else np.zeros(network.links)
    driven = np.flatnonzero(before)
    told = pd.DataFrame(
        {"street": street[volumes["link"]], "passages": volumes["trips"], "parted": volumes["bin"] != ALL_BINS}
    )
    listed: list[Any] = made["patterns"].table["links"].tolist() if "patterns" in kinds else []
    within = [np.unique(street[np.asarray(links)]) for links in listed]
    whole, times = np.unique(np.concatenate(within) if within else np.zeros(0, np.int64), return_counts=True)
    return ReportTables(
        streets=StreetTables(
            base=base,
            before=pd.DataFrame({"street": driven, "passages": before[driven]}),
            told=told.groupby("street", as_index=False).agg(passages=("passages", "sum"), parted=("parted", "any")),
            routes=pd.DataFrame({"street": whole, "routes": times}),
            coverage=coverage(made["volumes"], network=network),
        )
    )
