"""Least cuts that are closed against the direction of travel, in one connected piece of the suppression graph.

Nodes are published classes of departures and arrivals, edges the groups of trips between two of them. A set W of nodes
is closed when with each arrivals class it has every departures class that sends trips there; the edges that leave W are
then known in sum. Edges carry a lower bound of the people in them. Source: Ford and Fulkerson 1956, augmenting paths, the
way back being free. Plain Python on purpose: one edge that is proved joins two nodes, and what it joins proves most of the
rest without further search. Numbers only; this protects nobody by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np


class Network:
    """One piece: edges from ``tail`` to ``head``, nodes from 0."""

    def __init__(self, tail: np.ndarray, head: np.ndarray, nodes: int) -> None:
        self.tail, self.head, self.nodes = tail.tolist(), head.tolist(), nodes
        ends = np.stack([tail, head], axis=1).ravel()
        order = np.argsort(ends, kind="stable")
        self.edges = (order // 2).tolist()
        """Edges at node 0, then those at node 1, and so on."""
        self.begin = np.searchsorted(ends[order], np.arange(nodes + 1)).tolist()

    def small_side(self, edge: int, capacity: Sequence[int], need: int) -> np.ndarray | None:
        """The closed side of a cut with ``edge`` that carries less than ``need``; None where each carries it."""
        source, sink = self.tail[edge], self.head[edge]
        flow: dict[int, int] = {}
        total = 0
        while total < need:
            came = self._reached(source, sink, capacity, flow)
            if sink not in came:
                side = np.zeros(self.nodes, dtype=bool)
                side[list(came)] = True
                return side
            room, node, path = need - total, sink, []
            while node != source:
                step = came[node]
                forward = self.head[step] == node
                path.append((step, 1 if forward else -1))
                if forward:
                    room = min(room, capacity[step] - flow.get(step, 0))
                node = self.tail[step] if forward else self.head[step]
            for step, sign in path:
                flow[step] = flow.get(step, 0) + sign * room
            total += room
        return None

    def _reached(self, source: int, sink: int, capacity: Sequence[int], flow: dict[int, int]) -> dict[int, int]:
        """Nodes that more can flow to, and the edge by which each was reached; ends early at the sink."""
        came = {source: -1}
        waiting = deque([source])
        while waiting:
            node = waiting.popleft()
            for edge in self.edges[self.begin[node] : self.begin[node + 1]]:
                forward = self.tail[edge] == node
                other = self.head[edge] if forward else self.tail[edge]
                if other in came or (forward and capacity[edge] <= flow.get(edge, 0)):
                    continue
                came[other] = edge
                if other == sink:
                    return came
                waiting.append(other)
        return came
