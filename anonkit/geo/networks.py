"""Street networks as plain arrays: nodes, directed links, their shape, and a sparse graph for shortest paths.

A network is public reference data (a file with a name and a hash), never something learnt from trips: links that
nobody drove stay in it, and no speed is taken from fixes. Every two-way street is two links that are twins of each
other, so a direction is always part of a link's number. Where no street file exists, cells and their neighbours form a
network of the same type. Coordinates inside are metres of a local transverse Mercator plane (distortion below 1e-5 in
a city); files are read in ``anonkit.geo.networks_read``.

A network protects nobody: a sequence of links is as raw as the coordinates it was matched from (ruling 30).

Source of the half-edge layout: OpenStreetMap ways split at shared nodes, as in Boeing 2017 (OSMnx).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Proj
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

from anonkit.base.errors import SchemaError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Plane:
    """A local plane in metres around a public centre; without a centre x and y are metres already.

    >>> plane = Plane(centre_lon=49.85, centre_lat=40.4)
    >>> x, y = plane.to_metres(np.array([49.85, 49.86]), np.array([40.4, 40.4]))
    >>> [round(float(value)) for value in x], [round(float(value)) for value in y]
    ([0, 849], [0, 0])
    """

    centre_lon: float | None = None
    centre_lat: float | None = None

    @cached_property
    def _projection(self) -> Proj | None:
        if self.centre_lon is None or self.centre_lat is None:
            return None
        return Proj(proj="tmerc", lon_0=self.centre_lon, lat_0=self.centre_lat, ellps="WGS84", approx=True)

    def to_metres(self, lon: Any, lat: Any) -> tuple[Floats, Floats]:
        """Degrees to metres; null coordinates stay NaN."""
        lon, lat = np.asarray(lon, dtype=float), np.asarray(lat, dtype=float)
        if self._projection is None:
            return lon, lat
        x, y = self._projection(lon, lat)
        lost = ~np.isfinite(lon) | ~np.isfinite(lat)
        return np.where(lost, np.nan, x), np.where(lost, np.nan, y)

    def to_degrees(self, x: Any, y: Any) -> tuple[Floats, Floats]:
        """Metres to degrees (or to metres, where the plane has no centre)."""
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        if self._projection is None:
            return x, y
        lon, lat = self._projection(x, y, inverse=True)
        return np.asarray(lon), np.asarray(lat)


@dataclass(frozen=True, eq=False)
class Network:
    """Nodes and directed links of a street or cell network; arrays of one length per kind, never changed."""

    plane: Plane
    node_x: Floats
    """Metres in ``plane``, one value a node."""
    node_y: Floats
    link_start: NDArray[np.int32]
    """Node at which a link starts."""
    link_end: NDArray[np.int32]
    twin: NDArray[np.int32]
    """The link of the same street in the other direction, −1 on a one-way street."""
    length_m: Floats
    speed_kmh: Floats
    """Public free speed: the file's limit, or the default of the class."""
    link_class: NDArray[np.int16]
    classes: tuple[str, ...]
    """Names of the classes, in the order of their codes."""
    shape_offset: Ints
    """Link i has the shape points ``shape_offset[i]:shape_offset[i+1]``."""
    shape_x: Floats
    shape_y: Floats
    source: str = ""
    """Name of the public file."""

    def __repr__(self) -> str:
        return (
            f"Network({self.nodes:,} nodes, {self.links:,} links, {self.street_length_m / 1000:,.0f} km of street, "
            f"source={self.source!r})"
        )

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return len(self.node_x)

    @property
    def links(self) -> int:
        """Number of directed links."""
        return len(self.link_start)

    @property
    def oneway(self) -> NDArray[np.bool_]:
        """Whether a link has no twin."""
        return self.twin < 0

    @property
    def street(self) -> NDArray[np.int32]:
        """One number for both directions of a street: the smaller link number of the two."""
        own = np.arange(self.links, dtype=np.int32)
        return np.where(self.twin >= 0, np.minimum(own, self.twin), own).astype(np.int32)

    @property
    def street_length_m(self) -> float:
        """Length of the network, each two-way street once."""
        return float(self.length_m[self.street == np.arange(self.links)].sum())

    @property
    def free_time_s(self) -> Floats:
        """Seconds to drive a link at its public free speed."""
        return self.length_m / np.maximum(self.speed_kmh, 1.0) * 3.6

    @cached_property
    def digest(self) -> str:
        """SHA-256 of nodes and links: which network a product refers to (ruling 18)."""
        total = hashlib.sha256()
        for values in (np.round(self.node_x, 2), np.round(self.node_y, 2), self.link_start, self.link_end):
            total.update(np.ascontiguousarray(values).tobytes())
        return total.hexdigest()

    @cached_property
    def out_offset(self) -> Ints:
        """Links that leave node i are ``out_links[out_offset[i]:out_offset[i+1]]``."""
        return np.concatenate([[0], np.cumsum(np.bincount(self.link_start, minlength=self.nodes))]).astype(np.int64)

    @cached_property
    def out_links(self) -> NDArray[np.int32]:
        """Links ordered by the node they leave."""
        return np.argsort(self.link_start, kind="stable").astype(np.int32)

    def graph(self, weight: Floats | None = None) -> csr_array:
        """Node-to-node matrix for ``scipy.sparse.csgraph``; of parallel links the lightest counts.

        ``weight`` is one positive value a link, the length by default; a link of weight ``inf`` is left out.
        """
        weight = self.length_m if weight is None else np.asarray(weight, dtype=float)
        order = np.lexsort((weight, self.link_end, self.link_start))
        order = order[np.isfinite(weight[order])]
        pair = self.link_start[order].astype(np.int64) * self.nodes + self.link_end[order]
        first = np.r_[True, pair[1:] != pair[:-1]] if len(pair) else np.zeros(0, dtype=bool)
        keep = order[first]
        values = np.maximum(weight[keep], 1e-9)
        return csr_array((values, (self.link_start[keep], self.link_end[keep])), shape=(self.nodes, self.nodes))

    def distances(self, sources: Sequence[int] | Ints, weight: Floats | None = None) -> Floats:
        """Shortest distance from each source node to every node, ``inf`` where there is no way."""
        return np.atleast_2d(dijkstra(self.graph(weight), indices=np.asarray(sources)))

    def largest_component(self) -> Network:
        """The part in which every node reaches every other: what a router needs."""
        _, label = connected_components(self.graph(), directed=True, connection="strong")
        biggest = np.bincount(label).argmax()
        inside = label == biggest
        return self.subset(inside[self.link_start] & inside[self.link_end])

    def subset(self, keep: NDArray[np.bool_]) -> Network:
        """The network of the kept links; nodes and links are numbered afresh, in the old order."""
        links = np.flatnonzero(keep)
        used = np.zeros(self.nodes, dtype=bool)
        used[self.link_start[links]] = used[self.link_end[links]] = True
        node_number = np.cumsum(used) - 1
        link_number = np.full(self.links + 1, -1, dtype=np.int32)
        link_number[links] = np.arange(len(links), dtype=np.int32)
        count = np.diff(self.shape_offset)
        points = np.repeat(keep, count)
        return replace(
            self,
            node_x=self.node_x[used],
            node_y=self.node_y[used],
            link_start=node_number[self.link_start[links]].astype(np.int32),
            link_end=node_number[self.link_end[links]].astype(np.int32),
            twin=link_number[self.twin[links]],
            length_m=self.length_m[links],
            speed_kmh=self.speed_kmh[links],
            link_class=self.link_class[links],
            shape_offset=np.concatenate([[0], np.cumsum(count[links])]).astype(np.int64),
            shape_x=self.shape_x[points],
            shape_y=self.shape_y[points],
        )

    def lines(self) -> NDArray[Any]:
        """Shapely line of each link, in the plane's metres."""
        owner = np.repeat(np.arange(self.links), np.diff(self.shape_offset))
        return shapely.linestrings(np.column_stack([self.shape_x, self.shape_y]), indices=owner)

    def midpoints(self) -> tuple[Floats, Floats]:
        """x and y half-way along each link."""
        middle = shapely.line_interpolate_point(self.lines(), 0.5, normalized=True)
        return shapely.get_x(middle), shapely.get_y(middle)

    def to_geodataframe(self) -> gpd.GeoDataFrame:
        """One row a link, in WGS 84 degrees where the plane has a centre: public streets, nothing of any trip."""
        lon, lat = self.plane.to_degrees(self.shape_x, self.shape_y)
        owner = np.repeat(np.arange(self.links), np.diff(self.shape_offset))
        return gpd.GeoDataFrame(
            {
                "link": np.arange(self.links),
                "street": self.street,
                "from_node": self.link_start,
                "to_node": self.link_end,
                "class": np.asarray(self.classes, dtype=object)[self.link_class],
                "oneway": self.oneway,
                "length_m": self.length_m.round(1),
                "speed_kmh": self.speed_kmh,
            },
            geometry=shapely.linestrings(np.column_stack([lon, lat]), indices=owner),
            crs=None if self.plane.centre_lon is None else "EPSG:4326",
        )


def network_from_streets(
    *,
    shape_x: Any,
    shape_y: Any,
    shape_count: Any,
    node_start: Any,
    node_end: Any,
    forward: Any,
    backward: Any,
    speed_kmh: Any,
    street_class: Sequence[str],
    plane: Plane,
    source: str = "",
) -> Network:
    """Build a network from undirected streets with a shape, a direction flag each way, a speed and a class.

    Parameters
    ----------
    shape_x, shape_y, shape_count : all shape points one street after the other, in metres, and how many each has.
    node_start, node_end : any integer keys of the two ends; equal keys are one node.
    forward, backward : whether a street may be driven in and against the order of its points.
    speed_kmh, street_class : one value a street.

    Returns
    -------
    Network, link numbers in the order of the streets, forward before backward. Streets that are each other's reverse
    (files that list each direction on its own) become twins.

    Privacy
    -------
    Public reference data; reads no trip.

    Examples
    --------
    >>> net = network_from_streets(shape_x=[0, 100, 100, 200], shape_y=[0, 0, 0, 0], shape_count=[2, 2],
    ...     node_start=[1, 2], node_end=[2, 3], forward=[True, True], backward=[True, False],
    ...     speed_kmh=[50, 30], street_class=["main", "side"], plane=Plane())
    >>> net.nodes, net.links, net.twin.tolist(), net.length_m.tolist()
    (3, 3, [1, 0, -1], [100.0, 100.0, 100.0])
    """
    x, y = np.asarray(shape_x, dtype=float), np.asarray(shape_y, dtype=float)
    count = np.asarray(shape_count, dtype=np.int64)
    if count.size and count.min() < 2:
        raise SchemaError("A street needs at least two points.", hint="drop streets of one point from the file.")
    offset = np.concatenate([[0], np.cumsum(count)])
    keys, numbers = np.unique(np.r_[np.asarray(node_start), np.asarray(node_end)], return_inverse=True)
    start, end = numbers[: len(count)], numbers[len(count) :]
    node_x, node_y = np.zeros(len(keys)), np.zeros(len(keys))
    node_x[start], node_y[start] = x[offset[:-1]], y[offset[:-1]]
    node_x[end], node_y[end] = x[offset[1:] - 1], y[offset[1:] - 1]

    forward, backward = np.asarray(forward, dtype=bool), np.asarray(backward, dtype=bool)
    street = np.repeat(np.arange(len(count)), forward.astype(int) + backward)
    reverse = np.r_[False, street[1:] == street[:-1]] if len(street) else np.zeros(0, dtype=bool)
    reverse |= ~forward[street]
    link_start, link_end = np.where(reverse, end[street], start[street]), np.where(reverse, start[street], end[street])

    points = count[street]
    link_offset = np.concatenate([[0], np.cumsum(points)])
    place = np.arange(link_offset[-1]) - np.repeat(link_offset[:-1], points)
    backwards = np.repeat(reverse, points)
    taken = np.repeat(offset[street], points) + np.where(backwards, np.repeat(points, points) - 1 - place, place)
    shape_x, shape_y = x[taken], y[taken]
    piece = np.hypot(np.diff(shape_x), np.diff(shape_y))
    length = np.add.reduceat(np.r_[piece, 0.0], link_offset[:-1]) if len(street) else np.zeros(0)
    if len(street):  # the step from one link's last point to the next link's first is no part of either
        length[:-1] -= piece[link_offset[1:-1] - 1]
    classes, code = np.unique(np.asarray([str(name) for name in street_class], dtype=object), return_inverse=True)
    return Network(
        plane=plane,
        node_x=node_x,
        node_y=node_y,
        link_start=link_start.astype(np.int32),
        link_end=link_end.astype(np.int32),
        twin=_twins(link_start, link_end, length, len(keys)),
        length_m=np.maximum(length, 0.01),
        speed_kmh=np.asarray(speed_kmh, dtype=float)[street],
        link_class=code[street].astype(np.int16),
        classes=tuple(classes.tolist()),
        shape_offset=link_offset.astype(np.int64),
        shape_x=shape_x,
        shape_y=shape_y,
        source=source,
    )


def _twins(start: Ints, end: Ints, length: Floats, nodes: int) -> NDArray[np.int32]:
    """Pair each link with a link of the same ends reversed and the same length to 10 cm; −1 where there is none."""
    twin = np.full(len(start), -1, dtype=np.int32)
    low, high = np.minimum(start, end), np.maximum(start, end)
    decimetres = np.round(length * 10).astype(np.int64)
    direction = start > end
    order = np.lexsort((direction, decimetres, high, low))
    i, j = order[:-1], order[1:]
    same = (low[i] == low[j]) & (high[i] == high[j]) & (np.abs(decimetres[i] - decimetres[j]) <= 1)
    same &= (direction[i] != direction[j]) | (start[i] == end[i])
    taken = np.zeros(len(start), dtype=bool)
    for a, b in zip(i[same].tolist(), j[same].tolist(), strict=True):
        if not taken[a] and not taken[b]:
            twin[a], twin[b] = b, a
            taken[a] = taken[b] = True
    return twin
