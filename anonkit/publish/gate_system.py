"""The gate's own look at rows and columns together: what follows from departures, arrivals and flows at once.

Written apart from `kanon.bridges`: groups of untold trips come from the gate's SQL over the written files; single groups are
looked for by linear algebra (a group is derivable when every vector that all published totals leave unchanged is zero
there), sets of groups by SciPy's maximum flow over a network in which travel back is free: a set that follows from the
totals is a cut there. Sets are proved to hold k people by dividing each person among the groups that are still in doubt;
what that leaves open is asked as an integer programme over the groups.
Source: Gusfield 1988; ruling 11. The recipient is taken to know which groups are empty and the totals of the bins in which
volumes are published.

Does not protect against bounds that fall short of exact values, nor against totals of bins finer than the coarsest volumes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anonkit.base.findings import Finding, finding
from anonkit.publish.gate_sql import GateSql

PARTS = 2520
DENSE = 60
"""Pieces of up to so many groups are looked at by linear algebra as well."""
TREE = 50_000
"""Nodes of the solver's tree; what is not settled by then is no pass."""
ENDLESS = 2**30
AT_ONCE = 500_000
"""About so many lines (group, person) are looked at together."""


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
        keep = moved >= 0
        people = int(self.person.max(initial=0)) + 1
        codes = np.unique((moved[keep] * people + self.person[keep]) * self.fleets + self.fleet[keep])
        rest, fleet = codes // self.fleets, codes % self.fleets
        return Counted(rest // people, rest % people, fleet, self.least)

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


def system_findings(marked: nw.LazyFrame[Any], sql: GateSql) -> Iterator[Finding]:
    """One finding for the whole release; none where departures or arrivals are not published."""
    ends = {step.part.end for step in sql.spec.steps} - {None}
    if ends != {"start", "end"}:
        return
    small = sum(_small_groups(*groups) for groups in _groups(marked, sql))
    yield finding(
        "linear_system",
        "release",
        passed=small == 0,
        value=f"{small:,} derivable groups too small",
        threshold="each group that follows from all products together 0 or at the thresholds",
        message="departures, arrivals and flows taken together isolate nobody",
        ruling="11",
    )


def _groups(marked: nw.LazyFrame[Any], sql: GateSql) -> Iterator[tuple[np.ndarray, np.ndarray, list[Counted]]]:
    """Node at the start and at the end of each group of untold trips, and who is in it; some bins at a time.

    No trip joins nodes of two of the coarsest bins, so lots of bins can be asked one after the other.
    """
    steps = sql.spec.steps
    chain = [f"f{number}" for number, step in enumerate(steps) if step.part.end is None]
    volumes = [step for step in steps if step.part.end is not None]
    bin_ = sql.keys(volumes[-1])[volumes[-1].part.product.bin_column]
    nodes = []
    for end in ("start", "end"):
        cases = []
        for step in volumes:
            if step.part.end == end:
                listed = ", ".join(f"({key})::VARCHAR" for key in sql.keys(step).values())
                cases.append(f"WHEN {sql.hit(step)} THEN concat_ws('|', '{step.number}', {listed})")
        nodes.append(f"CASE {' '.join(cases)} ELSE 'rest|' || ({bin_})::VARCHAR END AS node_{end}")
    names = [sql.unit, *(["driver"] if sql.k_driver is not None else []), *([sql.among] if sql.among else [])]
    telling = " OR ".join(sql.hit(step) for step in volumes)
    table = sql.session.table(
        f"WITH live AS (SELECT {bin_} AS b FROM {{rows}} GROUP BY ALL HAVING bool_or({telling})) "
        f"SELECT DISTINCT b, node_start, node_end, {', '.join(dict.fromkeys(names))} FROM (SELECT *, {bin_} AS b, {', '.join(nodes)} "
        f"FROM {{rows}} WHERE NOT ({' OR '.join(chain) or 'false'})) SEMI JOIN live USING (b)",
        rows=marked,
    )
    lots = f"SELECT b, sum(count(*)) OVER (ORDER BY b) // {AT_ONCE} AS lot FROM {{rows}} GROUP BY b"
    for (lot,) in sql.session.rows(f"SELECT DISTINCT lot FROM ({lots}) ORDER BY lot", rows=table):
        query = f"SELECT * FROM {{rows}} SEMI JOIN (SELECT b FROM ({lots}) WHERE lot = {lot}) USING (b)"
        yield _of_lot(sql.session.sql(query, rows=table), sql)
    sql.session.drop(table)


def _of_lot(table: pa.Table, sql: GateSql) -> tuple[np.ndarray, np.ndarray, list[Counted]]:
    starts, ends = _numbers(table, "node_start"), _numbers(table, "node_end")
    ends = ends + int(starts.max(initial=-1)) + 1
    width = int(ends.max(initial=0)) + 1
    pairs, group = np.unique(starts * width + ends, return_inverse=True)
    fleet = _numbers(table, sql.among) if sql.among else np.zeros(len(group), dtype=np.int64)
    counted = []
    for name, least in ((sql.unit, sql.k), ("driver", sql.k_driver)):
        if least is not None:
            people = _numbers(table, name)
            known = people >= 0
            counted.append(Counted(group[known], people[known], fleet[known], least).within(np.arange(len(pairs))))
    return pairs // width, pairs % width, counted


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    column = table.column(name).combine_chunks()
    found: np.ndarray = pc.index_in(column, column.unique().drop_null()).fill_null(-1).to_numpy(zero_copy_only=False)
    return found.astype(np.int64)


def _small_groups(starts: np.ndarray, ends: np.ndarray, counted: list[Counted]) -> int:
    """Number of pieces in which a set of groups follows from the totals and is small, or cannot be proved large."""
    if not len(starts):
        return 0
    single = int(_singles(starts, ends, counted) > 0)
    nodes = int(ends.max()) + 1
    tail, head = starts, ends
    stuck = np.zeros(nodes, dtype=bool)
    while True:
        merged, place = np.unique(np.where(tail == head, -1, tail * nodes + head), return_inverse=True)
        place = place.ravel() - int(merged[0] < 0)
        merged = merged[merged >= 0]
        if not len(merged):
            return single
        counted = [one.within(place) for one in counted]
        tail, head = merged // nodes, merged % nodes
        joined = _joined(tail, head, _proved(tail, head, counted, stuck), nodes)
        if np.array_equal(joined, np.arange(nodes)):
            return max(single, _left(tail, head, counted, nodes))
        tail, head = joined[tail], joined[head]


def _proved(tail: np.ndarray, head: np.ndarray, counted: list[Counted], stuck: np.ndarray) -> np.ndarray:
    """Groups that are in no small cut: all that hold enough by themselves; where there are none, some of each piece.

    Nodes of a piece in which nothing more can be proved are noted as ``stuck``, and not asked again.
    """
    count = len(tail)
    proved = np.ones(count, dtype=bool)
    for one in counted:
        proved &= one.people(count) >= one.least
    if proved.any():
        return proved  # what they join makes other groups larger
    piece = _piece(tail, head, len(stuck))
    shares = [one.shares(count) for one in counted]
    order = np.argsort(piece, kind="stable")
    for mine in np.split(order, np.flatnonzero(np.diff(piece[order])) + 1):
        if stuck[tail[mine[0]]]:
            continue
        places, at = np.unique(np.concatenate([tail[mine], head[mine]]), return_inverse=True)
        networks = [
            _Network(at[: len(mine)], at[len(mine) :], share[mine], PARTS * one.least * one.fleets, len(places))
            for one, share in zip(counted, shares, strict=True)
        ]
        leaves, enters = (np.bincount(part, weights=shares[0][mine]) for part in (at[: len(mine)], at[len(mine) :]))
        busy = np.minimum(leaves[at[: len(mine)]], enters[at[len(mine) :]])  # no more can flow along an edge
        for number in np.argsort(-busy, kind="stable"):
            if all(network.carries(int(number)) for network in networks):
                proved[mine[number]] = True
                break  # joined, it may make neighbours large enough without further ado
        else:
            stuck[tail[mine]] = stuck[head[mine]] = True
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


def _left(tail: np.ndarray, head: np.ndarray, counted: list[Counted], nodes: int) -> int:
    """Pieces that hold a small derivable set, or are not settled."""
    piece, small = _piece(tail, head, nodes), 0
    for number in np.unique(piece):
        mine = piece == number
        place = np.where(mine, np.cumsum(mine) - 1, -1)
        small += any(_few_may_leave(tail[mine], head[mine], one.within(place)) for one in counted)
    return small


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


def _joined(tail: np.ndarray, head: np.ndarray, proved: np.ndarray, nodes: int) -> np.ndarray:
    """Least node of those that no small cut parts: along proved groups, and around rings of groups."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = np.concatenate([tail, head[proved]]), np.concatenate([head, tail[proved]])
    graph = csr_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(nodes, nodes))
    label = connected_components(graph, directed=True, connection="strong")[1]
    order = np.unique(label, return_index=True)[1]
    found: np.ndarray = order[label]
    return found


def _piece(tail: np.ndarray, head: np.ndarray, nodes: int) -> np.ndarray:
    """Connected piece of each edge."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    graph = csr_array((np.ones(len(tail), dtype=np.int8), (tail, head)), shape=(nodes, nodes))
    found: np.ndarray = connected_components(graph, directed=False)[1][tail]
    return found


def _singles(starts: np.ndarray, ends: np.ndarray, counted: list[Counted]) -> int:
    """Single small groups whose number follows, by the null space of the totals."""
    piece = _piece(starts, ends, int(ends.max()) + 1)
    small = np.zeros(len(starts), dtype=bool)
    for one in counted:
        small |= one.people(len(starts)) < one.least
    found = 0
    for number in np.unique(piece[small]):
        mine = np.flatnonzero(piece == number)
        if len(mine) > DENSE:
            continue
        places = np.unique(np.concatenate([starts[mine], ends[mine]]))
        totals = ((starts[mine] == places[:, None]) | (ends[mine] == places[:, None])).astype(float)
        _, values, right = np.linalg.svd(totals)
        free = right[int((values > 1e-9).sum()) :]
        fixed = np.abs(free).max(axis=0, initial=0) < 1e-9
        found += int((fixed & small[mine]).sum())
    return found
