"""Cells and their neighbours as a network, where no street file exists: squares or H3 hexagons.

All cells of the public area take part, not those that were visited; speeds are one public number. A path over cells is
coarser than one over streets and says nothing of which street was driven, yet one person alone in a cell is as alone
as on a link: the same thresholds apply.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from anonkit.base.errors import SchemaError
from anonkit.geo.networks import Floats, Ints, Network, Plane, network_from_streets


def network_from_cells(
    *, centre_x: Any, centre_y: Any, neighbours: Any, speed_kmh: float, plane: Plane, source: str = "cells"
) -> Network:
    """A network of cells where no street file exists: nodes are centres, links join neighbouring cells both ways.

    Parameters
    ----------
    centre_x, centre_y : centres of the public cells, metres in ``plane``.
    neighbours : (n, 2) cell positions of each neighbouring pair, once each.
    speed_kmh : public speed assumed on every link.

    Privacy
    -------
    All cells of the public area, not those that were visited.

    Examples
    --------
    >>> network_from_cells(centre_x=[0, 500], centre_y=[0, 0], neighbours=[[0, 1]], speed_kmh=20, plane=Plane())
    Network(2 nodes, 2 links, 0 km of street, source='cells')
    """
    x, y = np.asarray(centre_x, dtype=float), np.asarray(centre_y, dtype=float)
    pairs = np.asarray(neighbours, dtype=np.int64).reshape(-1, 2)
    lonely = np.setdiff1d(np.arange(len(x)), pairs)
    if len(lonely):
        raise SchemaError(
            f"{len(lonely)} of {len(x)} cells have no neighbour.",
            hint="use one connected public area, or the streets of a file.",
            lonely=len(lonely),
        )
    if len(pairs) and np.hypot(*(np.diff(axis[pairs], axis=1) for axis in (x, y))).max() < 1.0:
        raise SchemaError(
            "All neighbouring cells are less than a metre apart: these centres look like degrees.",
            hint="give metres, plane.to_metres(lon, lat); of H3 cells take network_from_hexes(...).",
        )
    always = np.ones(len(pairs), dtype=bool)
    return network_from_streets(
        shape_x=x[pairs].ravel(),
        shape_y=y[pairs].ravel(),
        shape_count=np.full(len(pairs), 2),
        node_start=pairs[:, 0],
        node_end=pairs[:, 1],
        forward=always,
        backward=always,
        speed_kmh=np.full(len(pairs), float(speed_kmh)),
        street_class=["cell"] * len(pairs),
        plane=plane,
        source=source,
    )


def square_cells(*, width: int, height: int, cell_m: float) -> tuple[Floats, Floats, Ints]:
    """Centres and neighbouring pairs of a block of square cells, row by row.

    >>> x, y, pairs = square_cells(width=2, height=2, cell_m=100)
    >>> x.tolist(), y.tolist(), pairs.tolist()
    ([50.0, 150.0, 50.0, 150.0], [50.0, 50.0, 150.0, 150.0], [[0, 1], [2, 3], [0, 2], [1, 3]])
    """
    number = np.arange(width * height).reshape(height, width)
    across = np.column_stack([number[:, :-1].ravel(), number[:, 1:].ravel()])
    along = np.column_stack([number[:-1].ravel(), number[1:].ravel()])
    column, row = np.meshgrid(np.arange(width), np.arange(height))
    centre_x, centre_y = (column.ravel() + 0.5) * cell_m, (row.ravel() + 0.5) * cell_m
    return centre_x.astype(float), centre_y.astype(float), np.vstack([across, along]).astype(np.int64)


def hex_cells(cells: Sequence[str]) -> tuple[Floats, Floats, Ints]:
    """Lon, lat of the centres and the neighbouring pairs of H3 cells, in the given order.

    >>> import h3
    >>> lon, lat, pairs = hex_cells(h3.grid_disk(h3.latlng_to_cell(40.4, 49.85, 8), 1))
    >>> len(lon), len(pairs)
    (7, 12)
    """
    import h3

    place = {cell: number for number, cell in enumerate(cells)}
    centres = np.array([h3.cell_to_latlng(cell) for cell in cells]).reshape(-1, 2)
    pairs = [
        (number, place[other])
        for cell, number in place.items()
        for other in h3.grid_disk(cell, 1)
        if other in place and place[other] > number
    ]
    return centres[:, 1], centres[:, 0], np.asarray(pairs, dtype=np.int64).reshape(-1, 2)


def network_from_hexes(cells: Sequence[str], *, speed_kmh: float, source: str = "H3 cells") -> Network:
    """A network of H3 cells around the middle of their public area; match on it with ``MatchSettings.on_cells``.

    Parameters
    ----------
    cells : all cells of the public area; node i is the i-th of them.
    speed_kmh : public speed assumed on every link.

    Privacy
    -------
    All cells of the public area, not those that were visited.

    Examples
    --------
    >>> import h3
    >>> network_from_hexes(h3.grid_disk(h3.latlng_to_cell(40.4, 49.85, 8), 2), speed_kmh=30)
    Network(19 nodes, 84 links, 40 km of street, source='H3 cells')
    """
    lon, lat, pairs = hex_cells(cells)
    if not len(lon):
        raise SchemaError("There are no cells.", hint="give all cells of the public area.")
    plane = Plane(centre_lon=float(lon.mean()), centre_lat=float(lat.mean()))
    x, y = plane.to_metres(lon, lat)
    return network_from_cells(centre_x=x, centre_y=y, neighbours=pairs, speed_kmh=speed_kmh, plane=plane, source=source)
