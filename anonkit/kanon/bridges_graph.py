"""The graph of suppressed groups as arrays: its edges, the people on each, its pieces, and how nodes are united.

What `bridges` does, it does to all pieces at once with the functions here. Numbers only; this protects nobody by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from anonkit.classes import distinct, in_order, runs

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Distinct edges, persons and groups of operators."""
SHARES = 2520
"""A person is divided into so many shares: the least number that 1 to 10 divide."""


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """Whose number counts, and how many of them a derivable group must hold."""

    codes: np.ndarray
    """Person (or driver) of each row, from 0; -1 is nobody."""
    least: int
    among: np.ndarray | None = None
    """Group of operators of each row; a set of rows holds the most that one group has (ruling 2)."""


def edges_between(tail: np.ndarray, head: np.ndarray, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Number of each edge among those between different nodes (else -1), and their codes."""
    between = np.flatnonzero(tail != head)
    order, ordered = in_order(tail[between] * nodes + head[between], nodes * nodes)
    first = runs(ordered)
    number = np.full(len(tail), -1, dtype=np.int64)
    number[between[order]] = np.repeat(np.arange(len(first)), np.diff(first, append=len(ordered)))
    return number, ordered[first]


def united(tail: np.ndarray, head: np.ndarray, both: np.ndarray, nodes: int) -> np.ndarray:
    """Nodes that lie on the same side of every small closed cut get one label."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = np.concatenate([tail, head[both]]), np.concatenate([head, tail[both]])
    matrix = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(nodes, nodes))
    labels: np.ndarray = connected_components(matrix.tocsr(), directed=True, connection="strong")[1]
    first = np.full(labels.max() + 1, nodes)
    np.minimum.at(first, labels, np.arange(nodes))
    return first[labels]


def components(tail: np.ndarray, head: np.ndarray, nodes: int) -> np.ndarray:
    """Connected piece of each node."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    matrix = coo_array((np.ones(len(tail), dtype=np.int8), (tail, head)), shape=(nodes, nodes))
    found: np.ndarray = connected_components(matrix.tocsr(), directed=False)[1]
    return found


def on_edges(edge: np.ndarray, one: Threshold) -> Pairs:
    """Distinct (edge, person, group); rows of nobody and within one node are left out."""
    group = np.zeros(len(edge), dtype=np.int64) if one.among is None else one.among
    keep = one.codes >= 0
    return merged((np.arange(int(keep.sum())), one.codes[keep], group[keep]), edge[keep])


def merged(pairs: Pairs, number: np.ndarray) -> Pairs:
    """The same of merged edges; ``number`` is the merged edge of each, -1 for none."""
    edge, person, group = number[pairs[0]], pairs[1], pairs[2]
    keep = edge >= 0
    of_group, of_person = (int(column.max(initial=0)).bit_length() for column in (group, person))
    codes = distinct((edge[keep] << of_person | person[keep]) << of_group | group[keep])
    return codes >> of_group + of_person, codes >> of_group & (1 << of_person) - 1, codes & (1 << of_group) - 1


def held(pairs: Pairs, count: int) -> np.ndarray:
    """Persons of each edge: the most that one group of operators has."""
    edges, _, group = pairs
    size = int(group.max(initial=0)) + 1
    table: np.ndarray = np.bincount(edges * size + group, minlength=count * size).reshape(count, size)
    return table.max(axis=1)


def shares_of(pairs: Pairs, count: int) -> np.ndarray:
    """Shares of the people on each edge: each person of a group of operators is divided over his edges."""
    edges, people, group = pairs
    owner = people * (int(group.max(initial=0)) + 1) + group
    share = SHARES // np.bincount(owner, minlength=1)[owner]
    found: np.ndarray = np.bincount(edges, weights=share, minlength=count).astype(np.int64)
    return found


def pieces_of(piece: np.ndarray, distinct: Sequence[Pairs]) -> Iterator[tuple[np.ndarray, list[Pairs]]]:
    """Edges of each piece, and the people on them with edges numbered within the piece."""
    order = np.argsort(piece, kind="stable")
    starts = np.flatnonzero(np.diff(piece[order], prepend=-1))
    place = np.empty(len(piece), dtype=np.int64)
    place[order] = np.arange(len(piece)) - np.repeat(starts, np.diff(starts, append=len(piece)))
    parts = []
    for edges, people, group in distinct:
        at = np.argsort(piece[edges], kind="stable")
        ends = np.searchsorted(piece[edges][at], piece[order][starts], side="right")
        parts.append([np.split(column[at], ends[:-1]) for column in (place[edges], people, group)])
    for number, mine in enumerate(np.split(order, starts[1:])):
        yield mine, [(edges[number], people[number], group[number]) for edges, people, group in parts]
