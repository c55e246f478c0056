"""The gate's own look at rows and columns together: what follows from departures, arrivals and flows at once.

Written apart from `kanon.bridges`: groups of untold trips come from the gate's SQL over the written files; single groups are
looked for by linear algebra (a group is derivable when every vector that all published totals leave unchanged is zero
there), sets of groups as closed cuts: nodes that a group of k people joins, and rings of groups, lie on one side of every
small one, which leaves little; that is searched to the end by `gate_cuts`.
Source: Gusfield 1988; ruling 11. The recipient is taken to know which groups are empty and the totals of the bins in which
volumes are published.

Does not protect against bounds that fall short of exact values, nor against totals of bins finer than the coarsest volumes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from anonkit.base.findings import Finding, finding
from anonkit.publish.gate_counts import firsts, packed, sorted_unique, width
from anonkit.publish.gate_cuts import Counted, joined_nodes, pieces, small_pieces
from anonkit.publish.gate_hubs import NO_LEADS, with_hubs
from anonkit.publish.gate_recount import Told, thresholds
from anonkit.publish.gate_rows import GateRows, Lot, Places
from anonkit.publish.gate_sql import GateSql

DENSE = 60
"""Pieces of up to so many groups are looked at by linear algebra as well."""


class System:
    """What follows from all products together, lot by lot; nothing where departures or arrivals are not published.

    No trip joins nodes of two of the coarsest bins, so lots of bins can be asked one after the other.
    """

    def __init__(self, sql: GateSql, rows: GateRows) -> None:
        self._rows, self._least = rows, thresholds(sql)
        self._volumes = [step for step in rows.steps if step.part.end is not None]
        self._asked = {step.part.end for step in self._volumes} == {"start", "end"}
        self._small = 0
        if self._asked:
            last = self._volumes[-1]
            name = last.part.product.bin_column
            self._bins, self._column = rows.values(name, sql.keys(last)[name], last)

    def findings(self) -> Iterator[Finding]:
        """One finding for the whole release."""
        if self._asked:
            yield finding(
                "linear_system",
                "release",
                passed=self._small == 0,
                value=f"{self._small:,} derivable groups too small",
                threshold="each group that follows from all products together 0 or at the thresholds",
                message="departures, arrivals and flows taken together isolate nobody",
                ruling="11",
            )

    def add(self, lot: Lot, told: Told) -> None:
        """The rows of a lot."""
        if not self._asked:
            return
        bins = lot.take(self._bins, self._column)
        live = np.zeros(self._bins.size, dtype=bool)
        for step in self._volumes:
            live[bins[told.rows[step]]] = True
        untold = np.flatnonzero(~told.chain & live[bins])
        if not len(untold):
            return
        starts, ends = (self._nodes(end, told, bins, untold) for end in ("start", "end"))
        fleet = None if lot.fleet is None else lot.fleet[untold]
        people = [
            (lot.columns[name][untold], self._rows.people[name], fleet, self._rows.people.get("fleet", 1), least)
            for name, least in self._least.items()
        ]
        self._small += _small_groups(*groups_of(starts, ends, people))

    def _nodes(self, end: str, told: Told, bins: np.ndarray, untold: np.ndarray) -> tuple[np.ndarray, int]:
        """Node of each untold row at one end: its published class, else the rest of its bin; and how many there may be."""
        found, size = bins.astype(np.int64), self._bins.size
        for step in self._volumes:
            if step.part.end == end:
                rows = told.rows[step]
                found[rows] = size + told.classes[step][rows].astype(np.int64)
                size += int(told.classes[step].max(initial=-1)) + 1
        return found[untold], size


def groups_of(
    starts: tuple[np.ndarray, int],
    ends: tuple[np.ndarray, int],
    people: list[tuple[np.ndarray, int, np.ndarray | None, int, int]],
) -> tuple[np.ndarray, np.ndarray, list[Counted]]:
    """Node at the start and at the end of each group of untold trips, and who is in it.

    Parameters
    ----------
    starts, ends : node of each row, and how many there may be. people : of each threshold the person of each row (-1: nobody),
        the number of persons, the fleet of each row or None, the number of fleets, and the threshold.
    """
    pair = packed(starts, (ends[0], width(ends[1])))
    known = sorted_unique(pair)
    places, counted = Places(known), []
    for who, count, fleet, fleets, least in people:
        mine = np.flatnonzero(who >= 0 if fleet is None else (who >= 0) & (fleet >= 0))
        at = places.of(pair[mine])
        columns = [(at, len(known)), (who[mine], width(count)), *([] if fleet is None else [(fleet[mine], fleets)])]
        codes = sorted_unique(packed(*columns))
        rest, group_of = (codes, np.zeros(len(codes), dtype=np.int64)) if fleet is None else np.divmod(codes, fleets)
        bits = width(count).bit_length() - 1
        counted.append(Counted(rest >> bits, rest & (width(count) - 1), group_of, least))
    first = _dense(known // width(ends[1]), starts[1])
    last = _dense(known % width(ends[1]), ends[1])
    return first, last + int(first.max(initial=-1)) + 1, counted


def _dense(nodes: np.ndarray, size: int) -> np.ndarray:
    """Nodes numbered without gaps."""
    present = np.zeros(size, dtype=bool)
    present[nodes] = True
    found: np.ndarray = (np.cumsum(present) - 1)[nodes]
    return found


def _small_groups(starts: np.ndarray, ends: np.ndarray, counted: list[Counted]) -> int:
    """Number of pieces in which a set of groups follows from the totals and is small, or cannot be proved large."""
    if not len(starts):
        return 0
    single = int(_singles(starts, ends, counted) > 0)
    nodes = int(ends.max()) + 1
    tail, head, leads = starts, ends, NO_LEADS
    while True:
        merged, at = _merged(np.where(tail == head, -1, tail * nodes + head))
        if not len(merged):
            return single
        counted = [one.within(at) for one in counted]
        tail, head = np.divmod(merged, nodes)
        enough = np.ones(len(tail), dtype=bool)
        for one in counted:
            enough &= one.people(len(tail)) >= one.least
        joined = joined_nodes(tail, head, enough, nodes)
        if np.array_equal(joined, np.arange(nodes)):  # nothing holds enough by itself any more
            joined, leads = with_hubs(tail, head, counted, leads, nodes)
        if np.array_equal(joined, np.arange(nodes)):
            piece = pieces(tail, head, nodes)
            return max(single, small_pieces(tail, head, counted, piece, (leads.tail, leads.head)))
        tail, head, leads = joined[tail], joined[head], leads.moved(joined)


def _merged(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Different codes in order, and which of them each one is; -1 is none."""
    order = np.argsort(codes)
    ordered = codes[order]
    start = firsts(ordered)
    number = np.repeat(np.arange(len(start)), np.diff(start, append=len(codes)))
    least = int(ordered[0] < 0)
    at = np.empty(len(codes), dtype=np.int64)
    at[order] = number - least
    return ordered[start][least:], at


def _singles(starts: np.ndarray, ends: np.ndarray, counted: list[Counted]) -> int:
    """Single small groups whose number follows, by the null space of the totals."""
    piece = pieces(starts, ends, int(ends.max()) + 1)
    small = np.zeros(len(starts), dtype=bool)
    for one in counted:
        small |= one.people(len(starts)) < one.least
    looked = np.zeros(int(piece.max()) + 1, dtype=bool)
    looked[piece[small]] = True
    looked &= np.bincount(piece) <= DENSE
    asked = np.flatnonzero(looked[piece])
    order = asked[np.argsort(piece[asked], kind="stable")]
    found = 0
    for mine in np.split(order, firsts(piece[order])[1:]) if len(order) else []:
        places = np.unique(np.concatenate([starts[mine], ends[mine]]))
        totals = ((starts[mine] == places[:, None]) | (ends[mine] == places[:, None])).astype(float)
        _, values, right = np.linalg.svd(totals)
        free = right[int((values > 1e-9).sum()) :]
        fixed = np.abs(free).max(axis=0, initial=0) < 1e-9
        found += int((fixed & small[mine]).sum())
    return found
