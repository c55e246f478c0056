"""What the matcher looks things up in: a cell index of street segments and a table of short routes.

The index answers "which streets lie within the search radius of this fix" from one cell; the table answers "how far is
it from node a to node b, and over which link first" for all pairs within a bound, so that the millions of transitions
of a day of trips cost a binary search each (the idea of FMM's upper-bounded origin-destination table; Yang and
Gidofalvi 2018, Fast map matching). Beyond the bound a bounded Dijkstra search gives the same answer, only slower: the
bound decides speed, never results. Both are made from the public network alone and hold nothing of any trip.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from anonkit.geo.networks import Network

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SegmentIndex:
    """Segments of each street (one direction) by the cells within ``radius_m`` of them."""

    radius_m: float
    cell_m: float
    origin_x: float
    origin_y: float
    columns: int
    rows: int
    cell_offset: Ints
    cell_segment: NDArray[np.int32]
    x0: Floats
    y0: Floats
    x1: Floats
    y1: Floats
    link: NDArray[np.int32]
    """Link that a segment belongs to; the twin is derived."""
    begin_m: Floats
    """Distance from the link's start to the segment's start."""

    def arrays(self) -> tuple[Any, ...]:
        """The index as the kernels take it."""
        return (
            *(self.radius_m, self.cell_m, self.origin_x, self.origin_y, self.columns, self.rows),
            *(self.cell_offset, self.cell_segment, self.x0, self.y0, self.x1, self.y1, self.link, self.begin_m),
        )


@dataclass(frozen=True, eq=False)
class RouteTable:
    """Routes between all pairs of nodes at most ``bound_m`` apart, sorted by source, then target."""

    bound_m: float
    offset: Ints
    target: NDArray[np.int32]
    metres: NDArray[np.float32]
    first: NDArray[np.int32]
    """First link of the route."""

    def arrays(self) -> tuple[Any, ...]:
        """The table as the kernels take it."""
        return (self.bound_m, self.offset, self.target, self.metres, self.first)


def segment_index(network: Network, *, radius_m: float) -> SegmentIndex:
    """Index the segments of all streets; a fix then looks into one cell only.

    Privacy
    -------
    Made from the public network; reads no trip.
    """
    count = np.diff(network.shape_offset)
    owner = np.repeat(np.arange(network.links, dtype=np.int32), count)
    x, y = network.shape_x, network.shape_y
    inside = owner[1:] == owner[:-1]
    step = np.where(inside, np.hypot(np.diff(x), np.diff(y)), 0.0)
    along = np.r_[0.0, np.cumsum(step)]
    along -= along[network.shape_offset[:-1]][owner]
    use = np.flatnonzero(inside & (network.street[owner[:-1]] == owner[:-1]))
    cell_m = max(float(radius_m), 25.0)
    origin_x, origin_y = float(x.min() - 2 * radius_m), float(y.min() - 2 * radius_m)
    columns = int((x.max() + 2 * radius_m - origin_x) // cell_m) + 1
    rows = int((y.max() + 2 * radius_m - origin_y) // cell_m) + 1
    x0, y0, x1, y1 = x[use], y[use], x[use + 1], y[use + 1]
    offset, segment = _cells_of_segments(x0, y0, x1, y1, float(radius_m), cell_m, origin_x, origin_y, columns, rows)
    return SegmentIndex(
        radius_m=float(radius_m),
        cell_m=cell_m,
        origin_x=origin_x,
        origin_y=origin_y,
        columns=columns,
        rows=rows,
        cell_offset=offset,
        cell_segment=segment,
        x0=x0,
        y0=y0,
        x1=x1,
        y1=y1,
        link=owner[use],
        begin_m=along[use],
    )


def route_table(
    network: Network, *, bound_m: float, toll_m: Floats | None = None, max_pairs: int = 25_000_000, threads: int = 2
) -> RouteTable:
    """All routes of at most ``bound_m`` metres; the bound shrinks where more than ``max_pairs`` would be needed.

    Privacy
    -------
    Made from the public network; reads no trip.
    """
    cost = network.length_m if toll_m is None else network.length_m + toll_m
    search = (network.out_offset, network.out_links, network.link_end, cost)
    probe = np.linspace(0, network.nodes - 1, num=min(64, network.nodes)).astype(np.int64)
    bound = float(bound_m)
    for _ in range(6):
        sizes = _routes_from(probe, bound, *search)[0]
        expected = float(sizes.mean()) * network.nodes
        if expected <= max_pairs:
            break
        bound *= max(0.5, (max_pairs / expected) ** 0.5 * 0.95)
    parts = np.array_split(np.arange(network.nodes, dtype=np.int64), max(1, threads) * 4)
    with ThreadPoolExecutor(max(1, threads)) as pool:
        found = list(pool.map(lambda part: _routes_from(part, bound, *search), parts))
    sizes = np.concatenate([part[0] for part in found])
    return RouteTable(
        bound_m=bound,
        offset=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        target=np.concatenate([part[1] for part in found]),
        metres=np.concatenate([part[2] for part in found]),
        first=np.concatenate([part[3] for part in found]),
    )


@njit(cache=True, nogil=True)
def _cells_of_segments(x0, y0, x1, y1, radius, cell, origin_x, origin_y, columns, rows):  # type: ignore[no-untyped-def]
    """Cells that lie within ``radius`` of each segment, as offsets and segment numbers by cell."""
    counts = np.zeros(columns * rows + 1, dtype=np.int64)
    segments = np.zeros(0, dtype=np.int32)
    reach = radius + cell * 0.7072
    for fill in range(2):
        if fill == 1:
            for i in range(columns * rows):
                counts[i + 1] += counts[i]
            segments = np.zeros(counts[columns * rows], dtype=np.int32)
            place = counts[:-1].copy()
        for s in range(len(x0)):
            left = int((min(x0[s], x1[s]) - radius - origin_x) // cell)
            right = int((max(x0[s], x1[s]) + radius - origin_x) // cell)
            low = int((min(y0[s], y1[s]) - radius - origin_y) // cell)
            high = int((max(y0[s], y1[s]) + radius - origin_y) // cell)
            dx, dy = x1[s] - x0[s], y1[s] - y0[s]
            square = dx * dx + dy * dy
            for column in range(max(left, 0), min(right, columns - 1) + 1):
                for row in range(max(low, 0), min(high, rows - 1) + 1):
                    mx = origin_x + (column + 0.5) * cell - x0[s]
                    my = origin_y + (row + 0.5) * cell - y0[s]
                    share = 0.0 if square == 0.0 else min(1.0, max(0.0, (mx * dx + my * dy) / square))
                    ex, ey = mx - share * dx, my - share * dy
                    if ex * ex + ey * ey <= reach * reach:
                        number = row * columns + column
                        if fill == 0:
                            counts[number + 1] += 1
                        else:
                            segments[place[number]] = s
                            place[number] += 1
    return counts, segments


@njit(cache=True, nogil=True)
def heap_push(keys, values, size, key, value):  # type: ignore[no-untyped-def]
    """Add to a binary heap of ``size`` entries; returns the new size. A full heap keeps what it has."""
    i = size
    while i > 0:
        parent = (i - 1) >> 1
        if keys[parent] <= key:
            break
        keys[i], values[i] = keys[parent], values[parent]
        i = parent
    keys[i], values[i] = key, value
    return size + 1


@njit(cache=True, nogil=True)
def heap_pop(keys, values, size):  # type: ignore[no-untyped-def]
    """Drop the smallest entry (which is at 0 before the call); returns the new size."""
    size -= 1
    key, value = keys[size], values[size]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size and keys[child + 1] < keys[child]:
            child += 1
        if keys[child] >= key:
            break
        keys[i], values[i] = keys[child], values[child]
        i = child
    keys[i], values[i] = key, value
    return size


@njit(cache=True, nogil=True)
def search_routes(  # type: ignore[no-untyped-def]
    source, bound, out_offset, out_links, link_end, length, metres, first, last, stamp, mark, keys, values, reached
):
    """Dijkstra from ``source`` up to ``bound`` metres; returns how many nodes were settled, in ``reached``.

    ``metres``, ``first`` (link from the source) and ``last`` (link into the node) are valid where ``stamp == mark``.
    """
    metres[source], first[source], last[source], stamp[source] = 0.0, -1, -1, mark
    keys[0], values[0] = 0.0, source
    size, settled = 1, 0
    while size > 0:
        key, node = keys[0], values[0]
        size = heap_pop(keys, values, size)
        if key > metres[node]:
            continue
        reached[settled] = node
        settled += 1
        for i in range(out_offset[node], out_offset[node + 1]):
            link = out_links[i]
            other = link_end[link]
            total = key + length[link]
            if total <= bound and (stamp[other] != mark or total < metres[other]):
                metres[other], stamp[other], last[other] = total, mark, link
                first[other] = link if node == source else first[node]
                size = heap_push(keys, values, size, total, other)
    return settled


@njit(cache=True, nogil=True)
def _routes_from(sources, bound, out_offset, out_links, link_end, length):  # type: ignore[no-untyped-def]
    """Sizes, targets (ascending), metres and first links of the routes from each source."""
    nodes = len(out_offset) - 1
    metres, stamp = np.zeros(nodes), np.zeros(nodes, dtype=np.int64)
    first, last = np.zeros(nodes, dtype=np.int32), np.zeros(nodes, dtype=np.int32)
    keys, values = np.zeros(len(length) + 2), np.zeros(len(length) + 2, dtype=np.int32)
    reached = np.zeros(nodes, dtype=np.int64)
    sizes = np.zeros(len(sources), dtype=np.int64)
    room = 1024
    target, table, start = np.zeros(room, np.int32), np.zeros(room, np.float32), np.zeros(room, np.int32)
    used = 0
    for number in range(len(sources)):
        settled = search_routes(
            sources[number], bound, out_offset, out_links, link_end, length,
            metres, first, last, stamp, number + 1, keys, values, reached,
        )  # fmt: skip
        sizes[number] = settled
        if used + settled > room:
            room = max(2 * room, used + settled)
            target_, table_, start_ = np.zeros(room, np.int32), np.zeros(room, np.float32), np.zeros(room, np.int32)
            target_[:used], table_[:used], start_[:used] = target[:used], table[:used], start[:used]
            target, table, start = target_, table_, start_
        ordered = np.sort(reached[:settled])
        for i in range(settled):
            target[used] = ordered[i]
            table[used] = metres[ordered[i]]
            start[used] = first[ordered[i]]
            used += 1
    return sizes, target[:used].copy(), table[:used].copy(), start[:used].copy()
