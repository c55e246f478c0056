"""What recommended routes would save on the routes that are driven today: both from published products only.

A published route is compared with the recommended one between its own ends, at the same published speeds, so that the
difference is the choice of streets and nothing else. It is an expectation: where many change over, speeds change too, and
a route that looks slow may be driven for a reason that no table tells (a stop, a turn that is forbidden).

Does not protect against: nothing is published here.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from anonkit.base.errors import SchemaError
from anonkit.coverage.efficient import Aim, LinkTimes, recommend, route_time
from anonkit.kanon.routes_product import RouteProduct, published


def savings(
    patterns: RouteProduct, times: LinkTimes, *, most: int = 20, hour: int | None = None, by: Aim = "fastest"
) -> pd.DataFrame:
    """The busiest published routes beside the recommended route between their ends.

    Parameters
    ----------
    patterns : published routes; those with most metres driven are compared.
    times : from ``link_times``.
    most : how many routes at most.
    hour : time bin; None for the whole day.
    by : what the recommended route is best in.

    Returns
    -------
    DataFrame ``pattern, trips, length_m, today_s, best_m, best_s, saved, measured``, most metres driven first. ``saved`` is
    the share of today's expected time; ``measured`` is the share of the recommended length with a published speed, and
    where it is low the saving is a guess. Routes that end where they begin are left out.

    Raises
    ------
    PrivacyLeakError : ``patterns`` is no published product.
    SchemaError : ``patterns`` refers to another network than ``times``.

    Privacy
    -------
    Reads published tables and the public network only.

    Examples
    --------
    >>> from anonkit.coverage import link_times
    >>> from anonkit.geo.networks import Plane
    >>> from anonkit.geo.networks_cells import network_from_cells, square_cells
    >>> x, y, pairs = square_cells(width=2, height=2, cell_m=100)
    >>> town = network_from_cells(centre_x=x, centre_y=y, neighbours=pairs, speed_kmh=36, plane=Plane())
    >>> link = {(int(a), int(b)): i for i, (a, b) in enumerate(zip(town.link_start, town.link_end))}
    >>> jam = pd.DataFrame({"link": [link[0, 1], link[1, 3], link[0, 2], link[2, 3]], "speed_kmh": [9.0, 18, 36, 36]})
    >>> times = link_times(RouteProduct("speeds", jam, town.digest, {"k": 5}), town)
    >>> route = pd.DataFrame({"pattern": [0], "links": [[link[0, 1], link[1, 3]]], "length_m": [200.0], "trips": [30]})
    >>> table = savings(RouteProduct("patterns", route, town.digest, {"k": 5}), times)
    >>> table[["today_s", "best_s", "saved", "measured"]].round(2).values.tolist()  # 40 + 20 s against 10 + 10 s
    [[60.0, 20.0, 0.67, 1.0]]
    """
    network = times.network
    published(patterns, "patterns").check(network)
    if most < 1:
        raise SchemaError(f"{most} routes are none.", hint="most is 1 or more.")
    table = patterns.table.assign(metres=patterns.table["length_m"] * patterns.table["trips"])
    first = np.array([links[0] for links in table["links"]], dtype=np.int64)
    last = np.array([links[-1] for links in table["links"]], dtype=np.int64)
    table = table.assign(origin=network.link_start[first], destination=network.link_end[last])
    table = table[table["origin"] != table["destination"]]
    rows = []
    chosen = table.sort_values(["metres", "pattern"], ascending=[False, True]).head(most)
    for row in chosen.to_dict("records"):
        links = np.asarray(row["links"], dtype=np.int64)
        today = route_time(times, links, hour=hour)["time_s"]
        best = recommend(times, origin=row["origin"], destination=row["destination"], hour=hour, by=by).iloc[0]
        told = route_time(times, np.array(best["links"].split(), dtype=np.int64), hour=hour)
        rows.append(
            {
                "pattern": row["pattern"],
                "trips": row["trips"],
                "length_m": float(network.length_m[links].sum()),
                "today_s": today,
                "best_m": best["length_m"],
                "best_s": told["time_s"],
                "saved": 1 - told["time_s"] / max(today, 1e-9),
                "measured": told["measured"],
            }
        )
    columns = ["pattern", "trips", "length_m", "today_s", "best_m", "best_s", "saved", "measured"]
    return pd.DataFrame(rows, columns=columns)
