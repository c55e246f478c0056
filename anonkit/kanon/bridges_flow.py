"""The inner loop of `bridges`: least cuts that are closed against the direction of travel.

Nodes are published classes of departures and arrivals, edges the groups of trips between two of them. A set W of nodes
is closed when with each arrivals class it has every departures class that sends trips there; the edges that leave W are
then known in sum. Edges carry a lower bound of the people in them; an edge that no cut below the threshold contains is
made uncuttable, which makes later searches short. Source: Ford and Fulkerson 1956, augmenting paths, the way back being
free. Compiled with Numba where there is much to do: loading it takes longer than a small graph. Numbers and codes only;
the loop protects nobody by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

FREE = 1 << 60
"""Capacity of an edge that is in no small cut."""
SMALL = 400
"""Up to so many edges are looked at without compiled code."""


def adjacency(tail: np.ndarray, head: np.ndarray, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Edges by node: offsets, and numbers of the edges that begin or end there."""
    ends = np.concatenate([tail, head])
    offsets = np.concatenate([[0], np.cumsum(np.bincount(ends, minlength=nodes))]).astype(np.int64)
    return offsets, (np.argsort(ends, kind="stable") % max(len(tail), 1)).astype(np.int64)


def kernel(edges: int) -> Callable[..., int]:
    """``next_small_cut``, compiled where there are many edges."""
    return next_small_cut if edges <= SMALL else _compiled()


@cache
def _compiled() -> Any:
    import numba

    return numba.njit(cache=True, nogil=True)(next_small_cut)


def next_small_cut(tail, head, offsets, edges, capacities, needs, order, begin, side):  # type: ignore[no-untyped-def]
    """Go on from place ``begin`` of ``order``; edges whose cuts all carry every need are made uncuttable.

    Returns the place of the first edge that has a cut below a need, its closed side in ``side``; or the end.
    """
    nodes = offsets.shape[0] - 1
    flow = np.zeros(tail.shape[0], dtype=np.int64)
    of = np.zeros(tail.shape[0], dtype=np.int64)  # the search that a flow is of: those of earlier ones are none
    run = 0
    seen = np.zeros(nodes, dtype=np.int64)
    came = np.zeros(nodes, dtype=np.int64)
    queue = np.zeros(nodes, dtype=np.int64)
    mark = 0
    for place in range(begin, order.shape[0]):
        edge = order[place]
        if capacities[0, edge] >= FREE:
            continue
        source, sink = tail[edge], head[edge]
        for kind in range(capacities.shape[0]):
            capacity, need, total = capacities[kind], needs[kind], 0
            run += 1
            while total < need:
                mark += 1
                queue[0] = source
                seen[source] = mark
                low, high = 0, 1
                while low < high and seen[sink] != mark:
                    node = queue[low]
                    low += 1
                    for at in range(offsets[node], offsets[node + 1]):
                        e = edges[at]
                        forward = tail[e] == node
                        other = head[e] if forward else tail[e]
                        if of[e] != run:
                            of[e] = run
                            flow[e] = 0
                        if seen[other] != mark and not (forward and capacity[e] <= flow[e]):
                            seen[other] = mark
                            came[other] = e
                            queue[high] = other
                            high += 1
                if seen[sink] != mark:
                    for n in range(nodes):
                        side[n] = seen[n] == mark
                    return place
                room, node = need - total, sink
                while node != source:
                    e = came[node]
                    if head[e] == node:
                        room = min(room, capacity[e] - flow[e])
                        node = tail[e]
                    else:
                        node = head[e]
                total += room
                node = sink
                while node != source:
                    e = came[node]
                    if head[e] == node:
                        flow[e] += room
                        node = tail[e]
                    else:
                        flow[e] -= room
                        node = head[e]
        for kind in range(capacities.shape[0]):
            capacities[kind, edge] = FREE
    return order.shape[0]
