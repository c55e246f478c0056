"""Anytime search of lattices too wide for one bound a node: branch and bound over boxes, best bound first.

A box is all nodes between two level tuples. Its coarsest node decides whether anything in it can be released; its
finest node's floor bounds its loss from below. The box with the smallest bound is split next, so that the smallest
bound among the open boxes is at every moment a proven bound on the optimum (docs/PRUNING.md, section 5). Source:
best-first branch and bound, Land and Doig 1960. Stopped early, the result satisfies the models but may not be the best.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable

import numpy as np

from anonkit.kanon.search_visit import Problem, Visit

_TIE = 1e-9
Node = tuple[int, ...]


def search_boxes(
    problem: Problem, deadline: float, on_visit: Callable[[Visit, float, float], None] | None = None
) -> tuple[Visit | None, float]:
    """Best visit and proven bound; the bound equals the best loss when the search ran to its end."""
    state = _Boxes(problem, on_visit)
    top = tuple(n - 1 for n in problem.shape)
    state.push(tuple(0 for _ in top), top, -np.inf)
    state.dive(top, deadline)
    while state.heap:
        bound, _, low, high = heapq.heappop(state.heap)
        if bound > state.limit():
            return state.best, state.best.loss if state.best is not None else np.inf
        if time.perf_counter() > deadline:
            return state.best, float(min(bound, state.limit()))
        state.split(low, high, bound)
    return state.best, np.inf if state.best is None else state.best.loss


class _Boxes:
    def __init__(self, problem: Problem, on_visit: Callable[[Visit, float, float], None] | None) -> None:
        self.problem, self.on_visit = problem, on_visit
        self.best: Visit | None = None
        self.heap: list[tuple[float, int, Node, Node]] = []
        self.order = itertools.count()
        self.hopeless: list[Node] = []
        self.weight = [np.diff(_spread(h.sizes)) for h in problem.hierarchies]

    def limit(self) -> float:
        return np.inf if self.best is None else self.best.loss * (1 + _TIE) + 1e-300

    def visit(self, levels: Node) -> Visit:
        from anonkit.kanon.search import better

        known = self.problem.visited.get(levels)
        if known is not None:
            return known
        seen = self.problem.visit(levels, best=self.limit())
        if better(seen, self.best):
            self.best = seen
        if seen.prunes_finer:
            self.hopeless = [h for h in self.hopeless if not _below(h, levels)] + [levels]
        if self.on_visit is not None:
            bound = self.heap[0][0] if self.heap else -np.inf
            self.on_visit(seen, np.inf if self.best is None else self.best.loss, bound)
        return seen

    def dead(self, high: Node) -> bool:
        return any(_below(high, h) for h in self.hopeless)

    def push(self, low: Node, high: Node, bound: float) -> None:
        bound = max(bound, self.problem.measure.floor(low))
        if bound <= self.limit() and not self.dead(high):
            heapq.heappush(self.heap, (bound, next(self.order), low, high))

    def dive(self, top: Node, deadline: float) -> None:
        """A first good table: from the top down, one level at a time, the cheapest that stays released."""
        node, steps = top, True
        self.visit(node)
        while steps and time.perf_counter() < deadline:
            steps = False
            order = sorted(
                (j for j in range(len(node)) if node[j] > 0), key=lambda j: -float(self.weight[j][node[j] - 1])
            )
            for j in order:
                down = (*node[:j], node[j] - 1, *node[j + 1 :])
                if not self.dead(down) and self.visit(down).verdict != "too many suppressed":
                    node, steps = down, True
                    break

    def split(self, low: Node, high: Node, bound: float) -> None:
        seen = self.visit(high)
        if seen.prunes_finer or seen.floor_finer[0] > self.limit():
            return
        floor = self.problem.measure.floor(low)
        split = float(self.problem.split_floors(seen, low).flat[0])  # no node of the box splits more than its finest
        bound = max(bound, seen.floor_finer[0], floor + seen.floor_finer[1], split)
        if bound > self.limit() or low == high:
            return
        widths = [
            (b - a) * (1 + float(self.weight[j][a:b].sum())) for j, (a, b) in enumerate(zip(low, high, strict=True))
        ]
        j = int(np.argmax(widths))
        middle = (low[j] + high[j]) // 2
        self.push(low, (*high[:j], middle, *high[j + 1 :]), bound)
        upper = (*low[:j], middle + 1, *low[j + 1 :])
        raised = bound
        if self.problem.measure.floors_need_classes and sum(upper) * 2 > sum(high):
            raised = max(bound, self.visit(upper).floor_coarser)
        self.push(upper, high, raised)


def _below(a: Node, b: Node) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True))


def _spread(sizes: tuple[int, ...]) -> np.ndarray:
    """Share of the column's resolution that each level has lost."""
    logs = np.log2(np.maximum(np.asarray(sizes, dtype=float), 1.0))
    return 1 - logs / max(float(logs[0]), 1e-9)
