"""What the largest node of each piece settles at once: which nodes lie on its side of every small cut.

Why: searched node by node, the pieces of a large city take minutes. Nearly all of their nodes are small ones around a hub, and
of these four counts of people, taken for all pieces together, tell enough. A cut W is closed: with a node everything that
leads to it is in W, and without a node nothing that it leads to. Let H be the hub.

*Above without the hub.* If u is in W and H is not, then u and what leads to u are in W, and what H leads to is not: all groups
from the former to the latter leave W. Where they hold enough people, every small cut with u has H as well.
*The hub without a node.* If H is in W and u is not, all groups from what leads to H, to u and what u leads to, leave W. Where
they hold enough people, every small cut with H has u as well.

Each such consequence is kept as a lead without people (from H to u, from u to H): it is true of every small cut, so what it
leads to may be used in the next round, and where there are both, u and H are one. Only sets that are counted in full lead to a
consequence, of every threshold; fewer groups than there are give fewer people, never more. `docs/THREATS.md` has the frame.

Does not settle what lies between two small nodes: that is searched by `gate_cuts`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anonkit.publish.gate_cuts import Counted, joined_nodes, pieces

WIDE = 64
"""Neighbours with more groups than these are left out of what leads to a node, or it leads to: fewer people, the safe side."""


@dataclass(frozen=True)
class Leads:
    """Consequences that hold for every small closed cut: with ``head`` in it, ``tail`` is in it."""

    tail: np.ndarray
    head: np.ndarray

    def moved(self, joined: np.ndarray) -> Leads:
        """The same of joined nodes."""
        tail, head = joined[self.tail], joined[self.head]
        return Leads(tail[tail != head], head[tail != head])

    def and_also(self, tail: np.ndarray, head: np.ndarray) -> Leads:
        """With more of them."""
        return Leads(np.concatenate([self.tail, tail]), np.concatenate([self.head, head]))


NO_LEADS = Leads(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def with_hubs(
    tail: np.ndarray, head: np.ndarray, counted: list[Counted], leads: Leads, nodes: int
) -> tuple[np.ndarray, Leads]:
    """Least node of those that no small cut parts, as far as hubs tell, and all that is known to follow.

    Parameters
    ----------
    tail, head : nodes of each group, between different nodes. counted : who is in the groups, of each threshold.
    leads : what is known already. nodes : number of nodes.
    """
    piece = pieces(tail, head, nodes)
    hub = _hubs(tail, head, piece, nodes)
    near = True
    while True:
        rows, columns = np.concatenate([tail, leads.tail]), np.concatenate([head, leads.head])
        below, above = _reached(rows, columns, hub, nodes), _reached(columns, rows, hub, nodes)
        own = np.full(nodes, -1)
        own[tail], own[head] = hub[piece], hub[piece]
        known = own < 0
        known |= own == np.arange(nodes)
        first, second = ~known & ~below, ~known & ~above
        first &= _enough(tail, head, below[head], counted, first, near=near)
        second &= _enough(head, tail, above[tail], counted, second, near=near)
        if not (first.any() or second.any()):
            joined = joined_nodes(rows, columns, np.zeros(len(rows), dtype=bool), nodes)
            if not near or not np.array_equal(joined, np.arange(nodes)):
                return joined, leads
            near = False  # a node's own groups tell no more: those of its neighbours as well
            continue
        up, down = np.flatnonzero(first), np.flatnonzero(second)
        leads = leads.and_also(np.concatenate([own[up], down]), np.concatenate([up, own[down]]))


def _hubs(tail: np.ndarray, head: np.ndarray, piece: np.ndarray, nodes: int) -> np.ndarray:
    """Of each piece the node with most groups."""
    many = np.bincount(tail, minlength=nodes) + np.bincount(head, minlength=nodes)
    found = np.zeros(int(piece.max(initial=-1)) + 1, dtype=np.int64)
    ends, of = np.concatenate([tail, head]), np.concatenate([piece, piece])
    order = np.argsort(many[ends], kind="stable")
    found[of[order]] = ends[order]  # the last one stays
    return found


def _reached(rows: np.ndarray, columns: np.ndarray, hub: np.ndarray, nodes: int) -> np.ndarray:
    """Nodes that are hubs or to which a hub leads."""
    found = np.zeros(nodes, dtype=bool)
    found[hub] = True
    while True:
        new = found[rows] & ~found[columns]
        if not new.any():
            return found
        found[columns[new]] = True


def _enough(
    here: np.ndarray, there: np.ndarray, far: np.ndarray, counted: list[Counted], asked: np.ndarray, *, near: bool
) -> np.ndarray:
    """Nodes of which the groups at their own end, or also at that of what is before them, hold enough people.

    ``here`` : node of each group on the node's own side; ``there`` : on the other; ``far`` : whether the group reaches the far set;
    ``asked`` : of each node whether it is asked for.
    """
    found = asked.copy()
    if near:
        place = np.where(far & asked[here], here, -1)
        for one in counted:
            found &= one.within(place).people(len(asked)) >= one.least
        return found
    # what is before a node: the other end of groups that come to it; with their groups that reach the far set
    order = np.flatnonzero(far)
    order = order[np.argsort(here[order], kind="stable")]
    start = np.searchsorted(here[order], np.arange(len(asked) + 1))
    width = np.diff(start)
    come = np.flatnonzero(asked[there] & (width[here] > 0) & (width[here] <= WIDE))
    repeats = width[here[come]]
    offset = np.arange(int(repeats.sum())) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    own = np.flatnonzero(far & asked[here])
    groups = np.concatenate([own, order[np.repeat(start[here[come]], repeats) + offset]])
    at = np.concatenate([here[own], np.repeat(there[come], repeats)])
    for one in counted:
        found &= one.spread(groups, at).people(len(asked)) >= one.least
    return found
