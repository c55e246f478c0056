"""What is left of rows and columns at once when groups of enough people are joined: small pieces, searched to the end.

Why: after `gate_system` has joined what no small cut parts, a few dozen groups of a time bin are left. A closed cut has a node
above and a node below, with it everything that leads to the one and everything that the other leads to, and so the people of
all groups from the former to the latter. Where they are enough no such cut is small; where not, the next node is tried on
either side. The search is complete, so its answer is exact; what is too large for it is asked by SciPy's maximum flow over a
network in which travel back is free, and at last as an integer programme over the groups.
Source: Gusfield 1988; docs/THREATS.md, "Rows and columns at once".

Does not protect against groups that are not among the given ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from anonkit.publish.gate_counts import firsts, sorted_unique, width

PARTS = 2520
TREE = 50_000
"""Nodes of the solver's tree; what is not settled by then is no pass."""
ENDLESS = 2**30
STEPS = 20_000
"""Looks at groups that the search of a piece may take for each of its groups, before the solver is asked."""


@dataclass(frozen=True)
class Counted:
    """Whose number counts: the distinct groups, persons and fleets, and the threshold."""

    group: np.ndarray
    person: np.ndarray
    fleet: np.ndarray
    """Groups of operators between which persons cannot be matched."""
    least: int

    @property
    def fleets(self) -> int:
        """Number of fleets."""
        return int(self.fleet.max(initial=0)) + 1

    def within(self, place: np.ndarray) -> Counted:
        """The same of merged groups; ``place`` is the merged group of each, -1 for none."""
        moved = place[self.group]
        keep = np.flatnonzero(moved >= 0)
        people, size = width(int(self.person.max(initial=0)) + 1), self.fleets
        codes = moved[keep].astype(np.int64) * people + self.person[keep]
        codes = sorted_unique(codes if size == 1 else codes * size + self.fleet[keep])
        rest, fleet = (codes, np.zeros(len(codes), dtype=np.int64)) if size == 1 else np.divmod(codes, size)
        return Counted(rest >> (people.bit_length() - 1), rest & (people - 1), fleet, self.least)

    def spread(self, groups: np.ndarray, at: np.ndarray) -> Counted:
        """The same of sets of groups: ``groups`` are taken into the sets ``at``, a group into as many as one likes."""
        start = np.searchsorted(self.group, np.arange(int(groups.max(initial=-1)) + 2))  # groups stand in order
        lines = start[groups + 1] - start[groups]
        rows = np.repeat(start[groups] - np.cumsum(lines) + lines, lines) + np.arange(int(lines.sum()))
        wide = Counted(np.arange(len(rows)), self.person[rows], self.fleet[rows], self.least)
        return wide.within(np.repeat(at, lines))

    def people(self, count: int) -> np.ndarray:
        """Persons of each group."""
        size = self.fleets
        found: np.ndarray = np.bincount(self.group * size + self.fleet, minlength=count * size)
        return found.reshape(count, size).max(axis=1)

    def shares(self, count: int) -> np.ndarray:
        """Of each group a number that adds up to no more than PARTS for each person and fleet."""
        owner = self.person * self.fleets + self.fleet
        share = PARTS // np.bincount(owner, minlength=1)[owner]
        found: np.ndarray = np.bincount(self.group, weights=share, minlength=count).astype(np.int64)
        return found


def small_pieces(
    tail: np.ndarray, head: np.ndarray, counted: list[Counted], piece: np.ndarray, known: tuple[np.ndarray, np.ndarray]
) -> int:
    """Number of pieces with a closed cut of fewer people than a threshold, or not proved to have none.

    Parameters
    ----------
    tail, head : nodes of each group; ``piece`` : its connected piece. counted : who is in the groups, of each threshold.
    known : pairs of nodes; with the second in a small cut, the first is in it.
    """
    follows: dict[int, list[int]] = {}
    for first, last in zip(known[0].tolist(), known[1].tolist(), strict=True):
        follows.setdefault(first, []).append(last)
    small = 0
    order = np.argsort(piece, kind="stable")
    shelves = [_shelves(one, len(tail)) for one in counted]
    for mine in np.split(order, firsts(piece[order])[1:]):
        first, last = tail[mine].tolist(), head[mine].tolist()
        nodes = dict.fromkeys([*first, *last])
        more = [(node, other) for node in nodes for other in follows.get(node, ()) if other in nodes]
        answers = [
            Piece(first, last, shelf, mine.tolist(), one, more).has_small_cut()
            for one, shelf in zip(counted, shelves, strict=True)
        ]
        if any(answers):
            small += 1
        elif None in answers:
            place = np.full(len(tail), -1)
            place[mine] = np.arange(len(mine))
            small += _large(tail[mine], head[mine], [one.within(place) for one in counted])
    return small


def _shelves(one: Counted, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Persons and fleets in the order of their groups, and where each group begins."""
    order = np.argsort(one.group, kind="stable")
    start = np.searchsorted(one.group[order], np.arange(count + 1))
    return one.person[order], one.fleet[order], start


class Piece:
    """A connected piece of nodes and groups, searched for a closed cut of few people.

    Sets of nodes and of people are written as the bits of whole numbers.
    """

    def __init__(
        self,
        tail: list[int],
        head: list[int],
        shelf: tuple[np.ndarray, np.ndarray, np.ndarray],
        mine: list[int],
        one: Counted,
        known: list[tuple[int, int]],
    ) -> None:
        nodes = {node: number for number, node in enumerate(dict.fromkeys([*tail, *head]))}
        self.least, self.fleets = one.least, one.fleets
        self._tail, self._head = [nodes[node] for node in tail], [nodes[node] for node in head]
        self._left = STEPS * len(tail)
        people: dict[tuple[int, int], int] = {}
        persons, fleets, start = shelf
        self._held: list[int] = []
        self._of_fleet = [0] * self.fleets
        for group in mine:
            part = slice(start[group], start[group + 1])
            held = 0
            for key in zip(persons[part].tolist(), fleets[part].tolist(), strict=True):
                bit = 1 << people.setdefault(key, len(people))
                self._of_fleet[key[1]] |= bit
                held |= bit
            self._held.append(held)
        self._above = [1 << node for node in range(len(nodes))]
        self._below = list(self._above)
        for first, last in zip(self._tail, self._head, strict=True):
            self._lead(first, last)
        for first, last in known:
            self._lead(nodes[first], nodes[last])

    def has_small_cut(self) -> bool | None:
        """Whether some closed cut holds fewer people than the threshold; None where the search was given up."""
        order = sorted(range(len(self._tail)), key=lambda group: -self._held[group].bit_count())
        for group in order:
            first, last = self._tail[group], self._head[group]
            if self._below[last] >> first & 1:
                continue  # on one side of every cut that is still in question
            answer = self._parted(self._above[first], self._below[last])
            if answer is not False:
                return answer
            self._lead(last, first)
        return False

    def _lead(self, first: int, last: int) -> None:
        """From one node one comes to the other: what is above the former is above the latter."""
        if self._below[first] >> last & 1:
            return
        above, below = self._above[first], self._below[last]
        for node in range(len(self._above)):
            if below >> node & 1:
                self._above[node] |= above
            if above >> node & 1:
                self._below[node] |= below

    def _parted(self, above: int, below: int) -> bool | None:
        """Whether a small closed cut has these nodes above it and those below."""
        waiting = [(above, below)]
        while waiting:
            above, below = waiting.pop()
            if above & below:
                continue
            self._left -= len(self._tail)
            if self._left < 0:
                return None
            held, undecided = 0, -1
            for first, last, people in zip(self._tail, self._head, self._held, strict=True):
                if above >> first & 1:
                    if below >> last & 1:
                        held |= people
                    elif not above >> last & 1:
                        undecided = last
                elif below >> last & 1 and not below >> first & 1:
                    undecided = first
            if self._enough(held):
                continue
            if undecided < 0:
                return True
            waiting.append((above, below | self._below[undecided]))
            waiting.append((above | self._above[undecided], below))
        return False

    def _enough(self, held: int) -> bool:
        if self.fleets == 1:
            return held.bit_count() >= self.least
        return max((held & mine).bit_count() for mine in self._of_fleet) >= self.least


def _large(tail: np.ndarray, head: np.ndarray, counted: list[Counted]) -> int:
    """1 for a piece too large for the search that holds a small closed cut or is not settled, else 0."""
    places, at = np.unique(np.concatenate([tail, head]), return_inverse=True)
    tail, head, nodes = at[: len(tail)], at[len(tail) :], len(places)
    while True:
        merged, place = np.unique(np.where(tail == head, -1, tail * nodes + head), return_inverse=True)
        place = place.ravel() - int(merged[0] < 0)
        merged = merged[merged >= 0]
        if not len(merged):
            return 0
        counted = [one.within(place) for one in counted]
        tail, head = merged // nodes, merged % nodes
        joined = joined_nodes(tail, head, _proved(tail, head, counted, nodes), nodes)
        if np.array_equal(joined, np.arange(nodes)):
            return int(any(_few_may_leave(tail, head, one) for one in counted))
        tail, head = joined[tail], joined[head]


def _proved(tail: np.ndarray, head: np.ndarray, counted: list[Counted], nodes: int) -> np.ndarray:
    """Groups that are in no small cut: all that hold enough by themselves; where there are none, one that a flow proves."""
    count = len(tail)
    proved = np.ones(count, dtype=bool)
    for one in counted:
        proved &= one.people(count) >= one.least
    if proved.any():
        return proved  # what they join makes other groups larger
    shares = [one.shares(count) for one in counted]
    networks = [
        _Network(tail, head, share, PARTS * one.least * one.fleets, nodes)
        for one, share in zip(counted, shares, strict=True)
    ]
    leaves, enters = (np.bincount(part, weights=shares[0], minlength=nodes) for part in (tail, head))
    busy = np.minimum(leaves[tail], enters[head])  # no more can flow along an edge
    for number in np.argsort(-busy, kind="stable"):
        if all(network.carries(int(number)) for network in networks):
            proved[number] = True
            break  # joined, it may make neighbours large enough without further ado
    return proved


class _Network:
    """A piece of the graph with the way back free; the entry lets in no more than is needed."""

    def __init__(self, tail: np.ndarray, head: np.ndarray, room: np.ndarray, need: int, nodes: int) -> None:
        from scipy.sparse import csr_array

        count = len(tail)
        rows = np.concatenate([tail, head, np.full(nodes, nodes)])
        columns = np.concatenate([head, tail, np.arange(nodes)])
        order = np.lexsort((columns, rows))
        limits = [np.minimum(room, need), np.full(count, ENDLESS), np.zeros(nodes, dtype=np.int64)]
        offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=nodes + 1))])
        data = np.concatenate(limits).astype(np.int32)[order]
        self.graph = csr_array(
            (data, columns[order].astype(np.int32), offsets.astype(np.int32)), shape=(nodes + 1,) * 2
        )
        self.entry = np.argsort(order)[2 * count :]
        self.tail, self.head, self.need, self.nodes = tail, head, need, nodes
        doors = [np.bincount(part, weights=room, minlength=nodes) for part in (tail, head)]
        self.leaves = np.where(np.bincount(head, minlength=nodes) > 0, np.inf, doors[0])
        self.enters = np.where(np.bincount(tail, minlength=nodes) > 0, np.inf, doors[1])

    def carries(self, number: int) -> bool:
        """Whether each cut with this edge that is closed against the way back holds what is needed."""
        from scipy.sparse.csgraph import maximum_flow

        if min(self.leaves[self.tail[number]], self.enters[self.head[number]]) < self.need:
            return False  # all that leaves the one node, or enters the other, is such a cut
        place = self.entry[self.tail[number]]
        self.graph.data[place] = self.need
        flow = maximum_flow(self.graph, self.nodes, int(self.head[number])).flow_value
        self.graph.data[place] = 0
        return bool(flow >= self.need)


def _few_may_leave(tail: np.ndarray, head: np.ndarray, counted: Counted) -> bool:
    """Whether some groups follow from the totals and hold too few people of every fleet; also if not settled.

    Groups are chosen (0 or 1), nodes have a height: a chosen group falls by one from its start to its end, others are level.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    places, at = np.unique(np.concatenate([tail, head]), return_inverse=True)
    size = counted.fleets
    people, person = np.unique(counted.person * size + counted.fleet, return_inverse=True)
    groups, heights = len(tail), len(places)
    width = groups + heights + len(people)
    each = np.arange(groups)
    level = csr_array(
        (
            np.repeat([1.0, -1.0, 1.0], groups),
            (
                np.tile(each, 3),
                np.concatenate([each, groups + at[:groups], groups + at[groups:]]),
            ),
        ),
        shape=(groups, width),
    )
    told = np.arange(len(counted.group))
    seen = csr_array(
        (
            np.repeat([1.0, -1.0], len(told)),
            (np.tile(told, 2), np.concatenate([groups + heights + person.ravel(), counted.group])),
        ),
        shape=(len(told), width),
    )
    rules = [LinearConstraint(level, 0.0, 0.0)]
    if len(told):
        rules.append(LinearConstraint(seen, 0.0, np.inf))
    rules.append(LinearConstraint((np.arange(width) < groups).astype(float)[None, :], 1.0, np.inf))
    for fleet in range(size):
        own = np.zeros(width)
        own[groups + heights :] = people % size == fleet
        rules.append(LinearConstraint(own[None, :], 0.0, float(counted.least - 1)))
    answer = milp(
        np.zeros(width),
        integrality=(np.arange(width) < groups).astype(float),
        bounds=Bounds(0.0, 1.0),
        constraints=rules,
        options={"node_limit": TREE},
    )
    return bool(answer.status != 2)  # 2: there is none


def joined_nodes(tail: np.ndarray, head: np.ndarray, proved: np.ndarray, nodes: int) -> np.ndarray:
    """Least node of those that no small cut parts: along proved groups, and around rings of groups."""
    from scipy.sparse.csgraph import connected_components

    rows, columns = np.concatenate([tail, head[proved]]), np.concatenate([head, tail[proved]])
    count, label = connected_components(_graph(rows, columns, nodes), directed=True, connection="strong")
    least = np.full(count, nodes)
    least[label[::-1]] = np.arange(nodes)[::-1]
    found: np.ndarray = least[label]
    return found


def pieces(tail: np.ndarray, head: np.ndarray, nodes: int) -> np.ndarray:
    """Connected piece of each edge."""
    from scipy.sparse.csgraph import connected_components

    found: np.ndarray = connected_components(_graph(tail, head, nodes), directed=False)[1][tail]
    return found


def _graph(tail: np.ndarray, head: np.ndarray, nodes: int) -> Any:
    from scipy.sparse import csr_array

    order = np.argsort(tail, kind="stable")
    offsets = np.zeros(nodes + 1, dtype=np.int32)
    np.cumsum(np.bincount(tail, minlength=nodes), out=offsets[1:])
    ones = np.ones(len(tail), dtype=np.int8)
    return csr_array((ones, head[order].astype(np.int32), offsets), shape=(nodes, nodes))
