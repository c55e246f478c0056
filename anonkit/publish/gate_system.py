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
DENSE = 300
"""Pieces of up to so many groups are looked at by linear algebra as well."""
TREE = 50_000
"""Nodes of the solver's tree; what is not settled by then is no pass."""
ENDLESS = 2**30


@dataclass(frozen=True)
class Counted:
    """Whose number counts: the distinct (group, person, fleet) and the threshold."""

    table: np.ndarray
    least: int

    @property
    def fleets(self) -> int:
        """Groups of operators between which persons cannot be matched."""
        return int(self.table[:, 2].max(initial=0)) + 1

    def people(self, edge: np.ndarray, count: int) -> np.ndarray:
        """Persons of each merged group; ``edge`` is the merged group of each first one, -1 for none."""
        table = self.merged(edge)
        size = self.fleets
        found: np.ndarray = np.bincount(table[:, 0] * size + table[:, 2], minlength=count * size)
        return found.reshape(count, size).max(axis=1)

    def merged(self, edge: np.ndarray) -> np.ndarray:
        """Distinct (merged group, person, fleet)."""
        moved = self.table.copy()
        moved[:, 0] = edge[self.table[:, 0]]
        kept: np.ndarray = np.unique(moved[moved[:, 0] >= 0], axis=0)
        return kept

    def shares(self, edge: np.ndarray, count: int) -> np.ndarray:
        """Of each merged group a number that adds up to no more than PARTS for each person and fleet."""
        table = self.merged(edge)
        owner = table[:, 1] * self.fleets + table[:, 2]
        share = PARTS // np.bincount(owner, minlength=1)[owner]
        found: np.ndarray = np.bincount(table[:, 0], weights=share, minlength=count).astype(np.int64)
        return found


def system_findings(marked: nw.LazyFrame[Any], sql: GateSql) -> Iterator[Finding]:
    """One finding for the whole release; none where departures or arrivals are not published."""
    ends = {step.part.end for step in sql.spec.steps} - {None}
    if ends != {"start", "end"}:
        return
    small = _small_groups(*_groups(marked, sql))
    yield finding(
        "linear_system",
        "release",
        passed=small == 0,
        value=f"{small:,} derivable groups too small",
        threshold="each group that follows from all products together 0 or at the thresholds",
        message="departures, arrivals and flows taken together isolate nobody",
        ruling="11",
    )


def _groups(marked: nw.LazyFrame[Any], sql: GateSql) -> tuple[np.ndarray, np.ndarray, list[Counted]]:
    """Node at the start and at the end of each group of untold trips, and who is in it."""
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
    table = sql.session.sql(
        f"WITH live AS (SELECT {bin_} AS b FROM {{rows}} GROUP BY ALL HAVING bool_or({telling})) "
        f"SELECT DISTINCT node_start, node_end, {', '.join(dict.fromkeys(names))} FROM (SELECT *, {bin_} AS b, {', '.join(nodes)} "
        f"FROM {{rows}} WHERE NOT ({' OR '.join(chain) or 'false'})) SEMI JOIN live USING (b)",
        rows=marked,
    )
    starts, ends = _numbers(table, "node_start"), _numbers(table, "node_end")
    ends = ends + int(starts.max(initial=-1)) + 1
    pairs, group = np.unique(np.stack([starts, ends]), axis=1, return_inverse=True)
    group = group.ravel()
    fleet = _numbers(table, sql.among) if sql.among else np.zeros(len(group), dtype=np.int64)
    counted = []
    for name, least in ((sql.unit, sql.k), ("driver", sql.k_driver)):
        if least is not None:
            people = _numbers(table, name)
            rows = np.stack([group, people, fleet], axis=1)[people >= 0]
            counted.append(Counted(np.unique(rows, axis=0), least))
    return pairs[0], pairs[1], counted


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    column = table.column(name).combine_chunks()
    found: np.ndarray = pc.index_in(column, column.unique().drop_null()).fill_null(-1).to_numpy(zero_copy_only=False)
    return found.astype(np.int64)


def _small_groups(starts: np.ndarray, ends: np.ndarray, counted: list[Counted]) -> int:
    """Number of pieces in which a set of groups follows from the totals and is small, or cannot be proved large."""
    if not len(starts):
        return 0
    single = _singles(starts, ends, counted)
    nodes = int(ends.max()) + 1
    label = np.arange(nodes)
    while True:
        codes = np.where(label[starts] == label[ends], -1, label[starts] * nodes + label[ends])
        merged, edge = np.unique(codes, return_inverse=True)
        if merged[0] < 0:
            merged, edge = merged[1:], edge - 1
        if not len(merged):
            return int(single > 0)
        proved = _proved(merged // nodes, merged % nodes, edge.ravel(), counted, nodes)
        joined = _joined(merged // nodes, merged % nodes, proved, nodes)
        if np.array_equal(joined, np.arange(nodes)):
            return max(int(single > 0), _left(merged // nodes, merged % nodes, edge.ravel(), counted, nodes))
        label = joined[label]


def _proved(tail: np.ndarray, head: np.ndarray, edge: np.ndarray, counted: list[Counted], nodes: int) -> np.ndarray:
    """Groups that are in no small cut."""
    proved = np.ones(len(tail), dtype=bool)
    for one in counted:
        proved &= one.people(edge, len(tail)) >= one.least
    if proved.any():
        return proved  # first those that need no network: it grows smaller
    proved = np.ones(len(tail), dtype=bool)
    piece = _piece(tail, head, nodes)
    for one in counted:
        shares, need = one.shares(edge, len(tail)), PARTS * one.least * one.fleets
        for number in np.unique(piece):
            mine = np.flatnonzero(piece == number)
            places, at = np.unique(np.concatenate([tail[mine], head[mine]]), return_inverse=True)
            ends = at[: len(mine)], at[len(mine) :]
            proved[mine] &= _carries(*ends, np.minimum(shares[mine], need), need, len(places))
    return proved


def _carries(tail: np.ndarray, head: np.ndarray, room: np.ndarray, need: int, nodes: int) -> np.ndarray:
    """Edges of a network for which every cut that is closed against the way back carries ``need``."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_flow

    count = len(tail)
    back, entry = np.full(count, ENDLESS), np.zeros(nodes, dtype=np.int64)  # the entry lets in no more than is needed
    rows = np.concatenate([tail, head, np.full(nodes, nodes)])
    columns = np.concatenate([head, tail, np.arange(nodes)])
    order = np.lexsort((columns, rows))
    place = np.argsort(order)
    data = np.concatenate([room, back, entry]).astype(np.int32)[order]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=nodes + 1))])
    graph = csr_array((data, columns[order], offsets), shape=(nodes + 1, nodes + 1))
    proved, together = np.zeros(count, dtype=bool), np.arange(nodes)
    for number in np.argsort(-room, kind="stable"):
        start, end = int(tail[number]), int(head[number])
        if together[start] != together[end]:
            graph.data[place[2 * count + start]] = need
            enough = maximum_flow(graph, nodes, end).flow_value >= need
            graph.data[place[2 * count + start]] = 0
            if not enough:
                continue
            graph.data[place[number]] = ENDLESS
            together[together == together[end]] = together[start]
        proved[number] = True
    return proved


def _left(tail: np.ndarray, head: np.ndarray, edge: np.ndarray, counted: list[Counted], nodes: int) -> int:
    """Pieces that hold a small derivable set, or are not settled."""
    piece, small = _piece(tail, head, nodes), 0
    for number in np.unique(piece):
        mine = piece == number
        renumbered = np.where(mine, np.cumsum(mine) - 1, -1)
        within = np.where(edge >= 0, renumbered[edge], -1)
        small += any(_few_may_leave(tail[mine], head[mine], one.merged(within), one.least) for one in counted)
    return small


def _few_may_leave(tail: np.ndarray, head: np.ndarray, table: np.ndarray, least: int) -> bool:
    """Whether some groups follow from the totals and hold fewer than ``least`` people of every fleet; also if not settled.

    Groups are chosen (0 or 1), nodes have a height: a chosen group falls by one from its start to its end, others are level.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    places, at = np.unique(np.concatenate([tail, head]), return_inverse=True)
    size = int(table[:, 2].max(initial=0)) + 1
    people, person = np.unique(table[:, 1] * size + table[:, 2], return_inverse=True)
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
    told = np.arange(len(table))
    seen = csr_array(
        (
            np.repeat([1.0, -1.0], len(table)),
            (np.tile(told, 2), np.concatenate([groups + heights + person.ravel(), table[:, 0]])),
        ),
        shape=(len(table), width),
    )
    rules = [LinearConstraint(level, 0.0, 0.0)]
    if len(table):
        rules.append(LinearConstraint(seen, 0.0, np.inf))
    rules.append(LinearConstraint((np.arange(width) < groups).astype(float)[None, :], 1.0, np.inf))
    for fleet in range(size):
        own = np.zeros(width)
        own[groups + heights :] = people % size == fleet
        rules.append(LinearConstraint(own[None, :], 0.0, float(least - 1)))
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
    edges = np.arange(len(starts))
    piece = _piece(starts, ends, int(ends.max()) + 1)
    small = np.zeros(len(starts), dtype=bool)
    for one in counted:
        small |= one.people(edges, len(starts)) < one.least
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
