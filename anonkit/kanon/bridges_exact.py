"""Whether a piece of the suppression graph holds a derivable group of few people: exactly, as an integer programme.

Least cuts of divided people (`bridges`) prove most pieces safe. Where people travel in several groups of a piece they may
prove too little; then the question itself is asked: is there a closed side whose leaving groups hold fewer people than the
threshold in every fleet? Of a piece of few nodes all sides are looked at; of others it is an integer programme, whose
variables are the side of each node and whether a person leaves, solved by HiGHS (Huangfu and Hall 2018). A piece that is too
large or not settled is not called safe.
"""

from __future__ import annotations

import numpy as np

FEW = 13
"""Nodes of a piece of which all sides are looked at: about a millisecond."""
PAIRS = 5_000
"""Pieces of more pairs (group, person) are not tried."""
NODES = 20_000
"""Of the solver's tree: a limit that does not hang on the machine."""


def small_side(
    tail: np.ndarray, head: np.ndarray, pairs: tuple[np.ndarray, np.ndarray, np.ndarray], least: int
) -> tuple[bool, np.ndarray | None]:
    """Whether the piece is settled; and the nodes of a closed side whose cut holds fewer than ``least`` people, if any.

    Parameters
    ----------
    tail, head : nodes of each edge, from 0.
    pairs : distinct edges, persons and fleets.
    least : the threshold; a cut holds the most people that one fleet has of it (ruling 2).
    """
    edges, people, fleets = pairs
    if max(tail.max(), head.max()) < FEW:
        return True, _of_all(tail, head, pairs, least)
    if len(edges) > PAIRS:
        return False, None
    if not len(edges):  # rows of nobody alone: no one is counted, and the number is known (ruling 1)
        return True, np.arange(int(max(tail.max(), head.max())) + 1) == np.setdiff1d(tail, head)[
            0
        ]  # nothing leads into it
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    nodes, count = int(max(tail.max(), head.max())) + 1, len(tail)
    persons, person = np.unique(people * (int(fleets.max(initial=0)) + 1) + fleets, return_inverse=True)
    own = persons % (int(fleets.max(initial=0)) + 1)
    first, width = nodes + count, nodes + count + len(persons)  # sides of nodes, cut edges, leaving people
    number, leave = np.arange(count), np.arange(len(edges))
    # an edge is cut where its tail is on the side and its head is not, never the other way round
    cut = coo_array(
        (np.repeat([1.0, -1.0, -1.0], count), (np.tile(number, 3), np.concatenate([tail, head, nodes + number]))),
        shape=(count, width),
    )
    # who is on an edge that is cut leaves
    leaving = coo_array(
        (
            np.repeat([1.0, -1.0], len(edges)),
            (np.tile(leave, 2), np.concatenate([first + person.ravel(), nodes + edges])),
        ),
        shape=(len(edges), width),
    )
    some = np.zeros((1, width))
    some[0, nodes:first] = 1.0
    constraints = [
        LinearConstraint(cut.tocsr(), 0.0, 0.0),
        LinearConstraint(leaving.tocsr(), 0.0, np.inf),
        LinearConstraint(some, 1.0, np.inf),  # something is cut
    ]
    for fleet in np.unique(own):
        few = np.concatenate([np.zeros(first), (own == fleet).astype(float)])
        constraints.append(LinearConstraint(few[None, :], 0.0, float(least - 1)))
    whole = np.zeros(width)
    whole[nodes:first] = 1.0
    found = milp(
        np.zeros(width),
        integrality=whole,
        bounds=Bounds(0.0, 1.0),
        constraints=constraints,
        options={"node_limit": NODES},
    )
    if found.x is None:
        return found.status == 2, None
    return True, np.asarray(found.x[:nodes] > 0.5)  # a cut edge leads from 1 to 0, any other is level


def _of_all(
    tail: np.ndarray, head: np.ndarray, pairs: tuple[np.ndarray, np.ndarray, np.ndarray], least: int
) -> np.ndarray | None:
    """The closed side whose cut holds fewest people, if these are too few; each side is a number of one bit a node."""
    nodes = int(max(tail.max(), head.max())) + 1
    sides = np.arange(1, 2**nodes - 1, dtype=np.int32)
    for start, end in zip(tail.tolist(), head.tolist(), strict=True):
        sides = sides[(sides >> end & ~sides >> start & 1) == 0]  # with an end, where its trips come from
    cut = (sides[:, None] >> tail & ~sides[:, None] >> head & 1).astype(bool)
    some = cut.any(axis=1)
    sides, cut = sides[some], cut[some]
    if not len(sides):
        return None
    edges, people, fleets = pairs
    held = np.zeros(len(sides), dtype=np.int64)
    for fleet in np.unique(fleets):
        mine = fleets == fleet
        names, person = np.unique(people[mine], return_inverse=True)
        on = np.zeros((len(tail), len(names)), dtype=np.float32)
        on[edges[mine], person.ravel()] = 1.0
        held = np.maximum(held, (cut.astype(np.float32) @ on > 0).sum(axis=1))
    place = int(np.argmin(held))
    found: np.ndarray | None = (sides[place] >> np.arange(nodes) & 1).astype(bool) if held[place] < least else None
    return found
