"""Which zone a point lies in, by lookup where that is certain and by exact geometry where it is not.

A raster is laid over the zones' box. Cells that a border touches, and their neighbours, are *open*: points in them are
located exactly (a tree of polygons, point in polygon). All other cells hang together in patches that no border crosses, so
one exact location of one point of a patch holds for all of it, and a point there is a lookup. The answers are those of exact
location, point for point; the margin of a neighbour is far wider than any rounding of coordinates.

Why: a tree of polygons costs 5 µs a point, most of it to find again that a point is in the middle of a zone. Memory is
bounded by the number of cells (5 bytes each), whatever the zones. Source: conservative rasterisation with a margin; patches
are connected components (Rosenfeld, Pfaltz 1966) of the cells that are not open.

Does not protect against anything: zones are public, points never leave this module.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

CELLS = 1 << 22
"""Cells of a raster; 2048 × 2048 over a square box."""
OPEN = np.iinfo(np.int32).min
_TOGETHER = 1024
"""Zones whose borders are sampled at a time."""

Exact = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Positions of zones (int64, −1 outside all) of points that are numbers."""


@dataclass(frozen=True, kw_only=True)
class ZoneRaster:
    """Positions of zones in a raster; ``OPEN`` where only exact location can tell.

    >>> import shapely
    >>> halves = shapely.box([0, 1], [0, 0], [1, 2], [1, 1])
    >>> def exact(x, y):
    ...     return np.where((x < 0) | (x > 2) | (y < 0) | (y > 1), -1, np.where(x <= 1, 0, 1))
    >>> raster = ZoneRaster.build(halves, exact)
    >>> raster.find(np.array([0.5, 1.0, 1.7, 9.0]), np.array([0.5, 0.5, 0.2, 0.5])).tolist()
    [0, 0, 1, -1]
    """

    west: float
    south: float
    east: float
    north: float
    step: tuple[float, float]
    """Width and height of a cell, degrees."""
    zone: np.ndarray
    """int32, shape (rows, columns): position of the zone, −1 outside all, or ``OPEN``."""
    exact: Exact

    @classmethod
    def build(cls, shapes: np.ndarray, exact: Exact, *, cells: int = CELLS) -> ZoneRaster:
        """Lay the raster over polygons in degrees.

        Parameters
        ----------
        shapes : polygons, two-dimensional, of positive area.
        exact : where a point lies, by geometry; asked once a patch here, and for points of open cells afterwards.
        cells : about how many cells; more cells leave fewer points to geometry.

        Sources
        -------
        Borders are sampled at most half a cell apart, so each cell that they touch is the cell of a sample or one beside it.
        """
        import shapely
        from scipy import ndimage

        west, south, east, north = (float(edge) for edge in shapely.total_bounds(shapes))
        width, height = max(east - west, 1e-9), max(north - south, 1e-9)
        columns = int(np.clip(np.sqrt(cells * width / height), 1, cells))
        rows = max(cells // columns, 1)
        step = (width / columns, height / rows)
        is_open = np.zeros((rows, columns), dtype=bool)
        for first in range(0, len(shapes), _TOGETHER):
            borders = shapely.boundary(shapes[first : first + _TOGETHER])
            in_cells = shapely.transform(borders, lambda at: (at - (west, south)) / step)
            at = shapely.get_coordinates(shapely.segmentize(in_cells, 0.5)).astype(np.int64)
            is_open[np.clip(at[:, 1], 0, rows - 1), np.clip(at[:, 0], 0, columns - 1)] = True
        is_open = ndimage.binary_dilation(is_open, structure=np.ones((3, 3), dtype=bool))
        patch = ndimage.label(~is_open)[0]  # four neighbours: patches that meet at a corner are two
        label, sample = np.unique(patch, return_index=True)
        zone = np.full(int(label[-1]) + 1, OPEN, dtype=np.int32)
        if len(zone) > 1:
            row, column = np.divmod(sample[label > 0], columns)
            zone[label[label > 0]] = exact(west + (column + 0.5) * step[0], south + (row + 0.5) * step[1])
        return cls(west=west, south=south, east=east, north=north, step=step, zone=zone[patch], exact=exact)

    @property
    def open_share(self) -> float:
        """Share of the cells in which points are located by geometry."""
        return float((self.zone == OPEN).mean())

    def find(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """Positions of zones (int64); −1 outside all zones or where a coordinate is no number."""
        rows, columns = self.zone.shape
        found = np.full(len(lon), -1, dtype=np.int64)
        within = (lon >= self.west) & (lon <= self.east) & (lat >= self.south) & (lat <= self.north)  # NaN is not
        inside = np.flatnonzero(within)
        x, y = lon[inside], lat[inside]
        at = self.zone[_index(y, self.south, self.step[1], rows), _index(x, self.west, self.step[0], columns)]
        found[inside] = at
        unsure = np.flatnonzero(at == OPEN)
        if len(unsure):
            found[inside[unsure]] = self.exact(x[unsure], y[unsure])
        return found


def _index(value: np.ndarray, start: float, step: float, size: int) -> np.ndarray:
    return np.clip(((value - start) / step).astype(np.int64), 0, size - 1)
