"""Where somebody stands on the network, and where a free vehicle should wait: from published products only.

The caller's own position is the only position that enters, and it is not kept. Demand and service are published counts by
cell, so a cell without a row is suppressed or empty, and nobody is sent there by it.

Does not protect against: nothing is published here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from anonkit.base.errors import SchemaError
from anonkit.coverage.efficient import LinkTimes
from anonkit.geo.networks import Network
from anonkit.kanon.routes_product import RouteProduct, published


def nearest_nodes(network: Network, lon: Any, lat: Any, *, most_m: float = np.inf) -> NDArray[np.int64]:
    """Nodes nearest to some positions (the asker's own, or public places) from which the network can be driven.

    Only nodes of the part in which every node reaches every other are taken: from a stub of a one-way street there is no way.

    Raises
    ------
    SchemaError : a position is farther than ``most_m`` from every such node, for example with lon and lat swapped.

    Privacy
    -------
    Reads the public network; the positions are not kept and not told in an error.

    Examples
    --------
    >>> from anonkit.geo.networks import Plane, network_from_streets
    >>> net = network_from_streets(shape_x=[0, 100, 100, 200], shape_y=[0, 0, 0, 0], shape_count=[2, 2],
    ...     node_start=[1, 2], node_end=[2, 3], forward=[True, True], backward=[True, False],
    ...     speed_kmh=[50, 30], street_class=["main", "side"], plane=Plane())
    >>> nearest_nodes(net, [10, 190], [0, 0]).tolist()  # the third node is a dead end that nobody leaves
    [0, 1]
    """
    x, y = network.plane.to_metres(np.atleast_1d(lon), np.atleast_1d(lat))
    known = np.isfinite(x) & np.isfinite(y)
    _, label = connected_components(network.graph(), directed=True, connection="strong")
    usable = np.flatnonzero(label == np.bincount(label).argmax())
    tree = cKDTree(np.column_stack([network.node_x, network.node_y])[usable])
    away, place = tree.query(np.column_stack([x, y])[known])
    far = int((~known).sum() + (away > most_m).sum())
    if far:
        raise SchemaError(
            f"{far} of {len(x)} positions are not on this network (nothing within {most_m:,.0f} m).",
            hint="positions are lon,lat in this order; take the network file of that city.",
        )
    return np.asarray(usable[place], dtype=np.int64)


def position(
    times: LinkTimes,
    demand: RouteProduct,
    *,
    at: int,
    cells: Any,
    cell_nodes: Any,
    hour: int | None = None,
    service: RouteProduct | None = None,
    reach_s: float = 900.0,
    settle_s: float = 60.0,
    most: int = 5,
) -> pd.DataFrame:
    """Where a free vehicle should go: unserved demand expected there, per minute of driving.

    Parameters
    ----------
    demand : cell volumes or flows, of departures; rows of ``hour`` count where the product has hours.
    at : the vehicle's node.
    cells, cell_nodes : public cells and the node nearest to each one's centre.
    service : cell volumes of what already drives there; subtracted, never below zero.
    reach_s : cells farther than this are left out.
    settle_s : seconds that any move costs, so that the own cell is not infinitely good.

    Returns
    -------
    DataFrame ``cell, minutes, demand, unserved, per_minute``, best first.

    Privacy
    -------
    Published products only. Recommending a cell because few trips start there tells nothing that the product does not.
    """
    published(demand, "cell_volumes", "flows")
    index = pd.Index(np.asarray(cells), name="cell")
    wanted = _at_hour(demand, hour).reindex(index, fill_value=0).to_numpy(dtype=float).clip(min=0)
    there = np.zeros(len(index))
    if service is not None:
        published(service, "cell_volumes")
        there = _at_hour(service, hour).reindex(index, fill_value=0).to_numpy(dtype=float).clip(min=0)
    seconds = times.network.distances([at], times.mean_s[times.row(hour)])[0][np.asarray(cell_nodes)]
    table = pd.DataFrame({"cell": index, "minutes": seconds / 60, "demand": wanted, "unserved": wanted - there})
    table["unserved"] = table["unserved"].clip(lower=0)
    table["per_minute"] = table["unserved"] / ((seconds + settle_s) / 60)
    table = table[(seconds <= reach_s) & (table["unserved"] > 0)]
    return table.sort_values(["per_minute", "cell"], ascending=[False, True]).head(most).reset_index(drop=True)


def _at_hour(product: RouteProduct, hour: int | None) -> pd.Series:
    table = product.table
    if hour is not None and product.part == "bin":
        table = table[table["bin"] == hour]
    return table.groupby("start_cell" if product.kind == "flows" else "cell")["trips"].sum()
