"""What rows and columns of a flow table give away together, and which volumes must fall so that they do not.

Departures are row totals of the flow table, arrivals its column totals. Taken from them what flows tell, they are totals of
the groups of trips (departures class, arrivals class) that no flow tells. Where all trips to some arrivals classes B come
from the departures classes A, the totals of A less those of B are the trips from A to elsewhere: a *closed cut* of the
bipartite graph of suppressed groups. One group alone is such a cut when it is a bridge of the graph (Gusfield 1988, A
graph theoretic approach to statistical data security). Every sum of untold groups that linear algebra gives exactly is a
union of closed cuts (docs/THREATS.md has the proof), so a release is safe against it when each holds k persons. Counting
distinct persons in the least cut is hard (it is a least label cut), so people are divided among their groups: the sum of
the shares is never more than the people, and least cuts of sums are found by flows; what they leave in doubt is settled as
an integer programme (`bridges_exact`). What cannot be proved safe, falls.

The recipient is taken to know which groups are empty, and the total of each bin of the coarsest volumes' width. Not
covered: bounds short of exact values, totals of finer bins combined with rows and columns, other releases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anonkit.classes import groups
from anonkit.kanon.bridges_exact import FEW, small_side
from anonkit.kanon.bridges_flow import Network
from anonkit.kanon.bridges_graph import (
    SHARES,
    Pairs,
    Threshold,
    components,
    edges_between,
    held,
    merged,
    on_edges,
    pieces_of,
    shares_of,
    united,
)

NOWHERE = -1
TRIES = 2_000
"""Edges of a piece that are tried before the piece is settled exactly."""


@dataclass(frozen=True, kw_only=True)
class OpenRows:
    """Trips that no flow tells, each between two published classes of volumes."""

    start: np.ndarray
    """Published departures class of each row, from 0; ``NOWHERE``: it is in none."""
    end: np.ndarray
    """Published arrivals class."""
    bin: np.ndarray
    """Bin of the coarsest volumes, from 0; rows outside all classes are one group of it, its total being known."""
    thresholds: tuple[Threshold, ...]


@dataclass(frozen=True, kw_only=True)
class Classes:
    """Published departures or arrivals classes, in the order of their numbers."""

    trips: np.ndarray
    """Trips of each, told ones included: what suppressing it costs."""
    bin: np.ndarray
    """Bin of the coarsest volumes that each lies in."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What flows and trips tell, as groups that can be suppressed by themselves; each holds the thresholds."""

    start: np.ndarray
    end: np.ndarray
    bin: np.ndarray
    trips: np.ndarray
    """What suppressing it costs."""


@dataclass(frozen=True, kw_only=True)
class Fallen:
    """What must not be published, that nothing small can be derived from the rest."""

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    told: tuple[int, ...]
    cuts: int
    """Small or unproved derivable groups that were met on the way."""


@dataclass(kw_only=True)
class _Graph:
    """Nodes: departures classes, arrivals classes, then for each bin its rest of each side."""

    departures: int
    classes: int
    bins: int
    ground: np.ndarray
    """Node of the rest that a class joins when it falls; of a rest, itself."""
    label: np.ndarray
    """Nodes that fell together have one label."""
    standing: np.ndarray
    """Whether a node is a class that is published."""
    tail: np.ndarray
    head: np.ndarray
    edge: np.ndarray
    """Edge of each row."""
    bin: np.ndarray
    """Bin of each node."""

    @classmethod
    def of(cls, rows: OpenRows, starts: Classes, ends: Classes) -> _Graph:
        first, classes = len(starts.trips), len(starts.trips) + len(ends.trips)
        bins = 1 + max(int(part.max(initial=-1)) for part in (rows.bin, starts.bin, ends.bin))
        nodes = classes + 2 * bins
        none = np.zeros(0, dtype=np.int64)
        graph = cls(
            departures=first,
            classes=classes,
            bins=bins,
            ground=np.concatenate([classes + starts.bin, classes + bins + ends.bin, np.arange(classes, nodes)]),
            label=np.arange(nodes),
            standing=np.arange(nodes) < classes,
            tail=none,
            head=none,
            edge=none,
            bin=np.concatenate([starts.bin, ends.bin, np.arange(bins), np.arange(bins)]),
        )
        tail, head = graph.between(rows)
        pairs = groups([(tail, nodes), (head, nodes)])
        graph.edge, graph.tail, graph.head = pairs.of, tail[pairs.first], head[pairs.first]
        return graph

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return len(self.ground)

    def between(self, rows: OpenRows | Told) -> tuple[np.ndarray, np.ndarray]:
        """Nodes at the two ends of rows or told groups."""
        tail = np.where(rows.start >= 0, rows.start, self.classes + rows.bin)
        head = np.where(rows.end >= 0, self.departures + rows.end, self.classes + self.bins + rows.bin)
        return tail.astype(np.int64), head.astype(np.int64)

    def join(self, one: int, other: int) -> None:
        """Two nodes lie on the same side of every cut from now on."""
        self.label[self.label == self.label[other]] = self.label[one]


def complementary(rows: OpenRows, starts: Classes, ends: Classes, told: Told | None = None) -> Fallen:
    """What falls beside, few trips first, until no small group of trips can be derived.

    A class of volumes falls into the rest of its bin; a told group that falls adds its k persons to the groups between
    its two classes, so that no cut between them is small any more.

    Parameters
    ----------
    rows : trips that no flow tells.
    starts, ends : the published departures and arrivals classes.
    told : groups of flows and trips that may fall; None: volumes alone may.

    Returns
    -------
    Fallen, empty where every derivable group holds the thresholds.

    Privacy
    -------
    Afterwards every exactly derivable sum of untold groups holds no rows or every threshold, whoever knows which
    groups are empty. The choice depends on the data; what falls is as suppressed as any other class.

    Sources
    -------
    Gusfield 1988; Kelly, Golden and Assad 1992 for complementary suppression; ruling 11.

    Examples
    --------
    Two people leave the island 0 for the town 1; all others stay. Departures less arrivals of the island are these two.

    >>> people = np.arange(14)
    >>> start = np.array([0] * 8 + [1] * 6); end = np.array([0] * 6 + [1] * 8)
    >>> rows = OpenRows(start=start, end=end, bin=start * 0, thresholds=(Threshold(codes=people, least=5),))
    >>> departures = Classes(trips=np.array([8, 6]), bin=np.zeros(2, dtype=int))
    >>> arrivals = Classes(trips=np.array([6, 8]), bin=np.zeros(2, dtype=int))
    >>> complementary(rows, departures, arrivals)
    Fallen(starts=(0, 1), ends=(), told=(), cuts=1)
    """
    graph = _Graph.of(rows, starts, ends)
    trips = np.concatenate([starts.trips, ends.trips]).astype(np.int64)
    nodes, fallen, cuts = set[int](), set[int](), 0
    while small := _small_cuts(graph, rows.thresholds):
        cuts += len(small)
        for side in small:
            classes, group = _victims(graph, side, trips, told)
            for node in classes:
                graph.standing[node] = False
                graph.join(graph.ground[node], node)
            nodes |= classes
            if group is not None and told is not None:
                tail, head = graph.between(told)
                graph.join(tail[group], head[group])
                fallen.add(group)
    return Fallen(
        starts=tuple(sorted(n for n in nodes if n < graph.departures)),
        ends=tuple(sorted(n - graph.departures for n in nodes if n >= graph.departures)),
        told=tuple(sorted(fallen)),
        cuts=cuts,
    )


def derivable(rows: OpenRows, starts: Classes, ends: Classes) -> list[np.ndarray]:
    """Groups of rows (Boolean masks) that can be derived and do not hold, or cannot be proved to hold, the thresholds."""
    graph = _Graph.of(rows, starts, ends)
    cuts = _small_cuts(graph, rows.thresholds)
    return [side[graph.tail[graph.edge]] & ~side[graph.head[graph.edge]] for side in cuts]


def _small_cuts(graph: _Graph, thresholds: Sequence[Threshold]) -> list[np.ndarray]:
    """Closed sides of cuts below a threshold or not proved above, one a connected piece."""
    label = graph.label.copy()
    number, edges = edges_between(label[graph.tail], label[graph.head], graph.nodes)
    tells = np.zeros(graph.bins, dtype=bool)  # bins in which a class is published: of others no total is known
    tells[graph.bin[graph.standing]] = True
    known = tells[graph.bin[graph.tail]]
    distinct = [on_edges(np.where(known, number, -1)[graph.edge], one) for one in thresholds]
    while len(edges):
        tail, head = edges // graph.nodes, edges % graph.nodes
        enough = ~tells[graph.bin[tail]]
        if not enough.any():  # groups at the thresholds are in no small cut: their ends stay together
            enough = np.ones(len(edges), dtype=bool)
            for pairs, one in zip(distinct, thresholds, strict=True):
                enough &= held(pairs, len(edges)) >= one.least
        if not enough.any():
            enough, small = _proved(tail, head, distinct, thresholds, graph.nodes)
            if not enough.any():
                return [side[label] for side in small]
        same = united(tail, head, enough, graph.nodes)
        label = same[label]
        number, edges = edges_between(same[tail], same[head], graph.nodes)
        distinct = [merged(pairs, number) for pairs in distinct]
    return []


def _proved(
    tail: np.ndarray, head: np.ndarray, distinct: Sequence[Pairs], thresholds: Sequence[Threshold], nodes: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Edges that are in no small cut, at least one of each piece that has one; and small cuts of the other pieces."""
    proved = np.zeros(len(tail), dtype=bool)
    spread = [1 if one.among is None else int(one.among.max(initial=0)) + 1 for one in thresholds]
    needs = [SHARES * one.least * parts for one, parts in zip(thresholds, spread, strict=True)]
    shares = [shares_of(pairs, len(tail)) for pairs in distinct]
    small = []
    for mine, pairs in pieces_of(components(tail, head, nodes)[tail], distinct):
        places, at = np.unique(np.concatenate([tail[mine], head[mine]]), return_inverse=True)
        first, last = at[: len(mine)], at[len(mine) :]
        doubt: np.ndarray | None = None
        if len(places) > FEW:
            network = Network(first, last, len(places))
            capacities = [share[mine].tolist() for share in shares]
            for number in _busiest(first, last, shares[0][mine])[:TRIES].tolist():
                sides = [network.small_side(number, own, need) for own, need in zip(capacities, needs, strict=True)]
                doubt = next((side for side in sides if side is not None), None)
                if doubt is None:
                    proved[mine[number]] = True
                    break
            if doubt is None:
                continue
        side = _settled(first, last, pairs, thresholds, len(places))
        if side is None:
            proved[mine] = True
        else:
            found = np.zeros(nodes, dtype=bool)
            found[places[side if side.any() else doubt]] = True
            small.append(found)
    return proved, small


def _busiest(tail: np.ndarray, head: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Edges in the order of what can flow along them at most: what leaves their tail, what enters their head."""
    leaves, enters = np.bincount(tail, weights=share), np.bincount(head, weights=share)
    order: np.ndarray = np.argsort(-np.minimum(leaves[tail], enters[head]), kind="stable")
    return order


def _settled(
    first: np.ndarray, last: np.ndarray, distinct: Sequence[Pairs], thresholds: Sequence[Threshold], nodes: int
) -> np.ndarray | None:
    """The exact answer for one piece: a small closed side, None where there is none, no node where it is not settled."""
    unsettled = False
    for pairs, one in zip(distinct, thresholds, strict=True):
        settled, side = small_side(first, last, pairs, one.least)
        if side is not None:
            return side
        unsettled |= not settled
    return np.zeros(nodes, dtype=bool) if unsettled else None


def _victims(graph: _Graph, side: np.ndarray, trips: np.ndarray, told: Told | None) -> tuple[set[int], int | None]:
    """What falls, fewest trips first, so that both sides of a cut become one: classes, or a told group between them."""
    tail, head = graph.label[graph.tail], graph.label[graph.head]
    pieces = components(tail, head, graph.nodes)
    mine = pieces[graph.label] == pieces[tail[np.flatnonzero(side[graph.tail] & ~side[graph.head])[0]]]
    standing = np.flatnonzero(mine & graph.standing)
    choices: list[tuple[int, set[int], int | None]] = []
    for classes in (standing[standing < graph.departures], standing[standing >= graph.departures]):
        sides = [
            part[np.argmin(trips[part])] for part in (classes[side[classes]], classes[~side[classes]]) if len(part)
        ]
        if not sides:
            continue
        rest = graph.ground[sides[0]]
        if mine[rest]:
            sides = [node for node in sides if side[node] != side[rest]]
        elif len(sides) < 2:
            continue  # all on one side, and nothing has fallen on the other: nothing to join
        if sides:
            choices.append((int(trips[sides].sum()), {int(node) for node in sides}, None))
    if told is not None:
        one, other = graph.between(told)
        crossing = np.flatnonzero(mine[one] & mine[other] & (side[one] != side[other]))
        if len(crossing):
            cheapest = int(crossing[np.argmin(told.trips[crossing])])
            choices.append((int(told.trips[cheapest]), set(), cheapest))
    if choices:
        _, classes_, group = min(choices, key=lambda choice: choice[0])
        return classes_, group
    if not len(standing):  # nothing but the rests of a bin: let a class of it join them
        standing = np.flatnonzero(graph.standing & (graph.bin == graph.bin[np.flatnonzero(mine)[0]]))
    return {int(standing[np.argmin(trips[standing])])}, None
