"""Rows and columns at once: what the recipient's linear algebra finds, `bridges` finds; afterwards nothing small is left.

The attacker here shares no code with the library: he writes down every published total as an equation over the groups of
untold trips, computes the null space, and tries every set of groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import numpy as np
import pytest
from anonkit.kanon import bridges, bridges_exact
from anonkit.kanon.bridges import Classes, Fallen, OpenRows, Told, complementary, derivable
from anonkit.kanon.bridges_graph import Threshold
from anonkit.publish import gate_cuts, gate_system
from hypothesis import given, settings
from hypothesis import strategies as st

Row = tuple[int, int, int, int, int]
"""Departures class, arrivals class, bin, person, operator."""


def derived(rows: list[Row], starts: set[int], ends: set[int], k: int, *, pooled: bool = False) -> list[set[int]]:
    """Sets of untold rows with fewer than k persons whose number follows from the totals of classes and bins."""
    groups = sorted({(s if s in starts else -1, e if e in ends else -1, b) for s, e, b, _, _ in rows})
    if not groups or not starts | ends:
        return []
    telling = {number % 2 for number in starts | ends}  # bins where something is published
    equations = [[g[0] == s for g in groups] for s in sorted(starts)]
    equations += [[g[1] == e for g in groups] for e in sorted(ends)]
    equations += [[g[2] == b for g in groups] for b in sorted(telling)] or [[False] * len(groups)]
    matrix = np.array(equations, dtype=float)
    _, values, right = np.linalg.svd(matrix)
    free = right[int((values > 1e-9).sum()) :]
    sets = np.array(list(product([0, 1], repeat=len(groups))), dtype=float)[1:]
    known = sets[np.abs(sets @ free.T).max(axis=1, initial=0) < 1e-9] if len(free) else sets
    found = []
    for one in known:
        inside = {n for n, row in enumerate(rows) if one[groups.index(_group(row, starts, ends))]}
        operators: dict[int, set[int]] = {}
        for n in inside:
            operators.setdefault(rows[n][4] if pooled else 0, set()).add(rows[n][3])
        if max(len(people) for people in operators.values()) < k:
            found.append(inside)
    return found


def _group(row: Row, starts: set[int], ends: set[int]) -> tuple[int, int, int]:
    return (row[0] if row[0] in starts else -1, row[1] if row[1] in ends else -1, row[2])


def opened(rows: list[Row], starts: int, ends: int, k: int, *, pooled: bool = False) -> tuple[Any, Any, Any]:
    """The same as the library takes it; classes 0, 1 lie in bin 0, 2, 3 in bin 1."""
    columns = np.array(rows, dtype=np.int64).reshape(-1, 5).T
    among = columns[4] if pooled else None
    open_ = OpenRows(
        start=columns[0],
        end=columns[1],
        bin=columns[2],
        thresholds=(Threshold(codes=columns[3], least=k, among=among),),
    )
    return open_, _classes(starts), _classes(ends)


def _classes(count: int) -> Classes:
    return Classes(trips=np.arange(10, 10 + count), bin=np.arange(count) % 2)


@contextmanager
def looked_at(few: int) -> Iterator[None]:
    """All sides of pieces of so many nodes are looked at; larger ones go to cuts and the integer programme."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bridges, "FEW", few)
        patch.setattr(bridges_exact, "FEW", few)
        yield


WAYS = st.sampled_from([0, bridges_exact.FEW])


@st.composite
def tables(draw: Any) -> list[Row]:
    """Up to 11 groups in two bins; a class number is even in bin 0 and odd in bin 1."""
    rows: list[Row] = []
    for _ in range(draw(st.integers(1, 11))):
        bin_ = draw(st.integers(0, 1))
        place = st.sampled_from([-1, *range(bin_, 6, 2)])
        start, end = draw(place), draw(place)
        for person in draw(st.lists(st.integers(0, 9), min_size=1, max_size=4)):
            rows.append((start, end, bin_, person, person % 2))
    return rows


@settings(max_examples=120, deadline=None, derandomize=True, database=None)
@given(tables(), st.integers(2, 4), st.booleans(), WAYS)
def test_r11_attacker_with_linear_algebra_derives_only_what_was_found(
    rows: list[Row], k: int, pooled: bool, few: int
) -> None:
    alone = set(range(6))
    leaks = derived(rows, alone, alone, k, pooled=pooled)
    with looked_at(few):
        found = derivable(*opened(rows, 6, 6, k, pooled=pooled))
    assert bool(leaks) == bool(found)
    for mask in found:
        inside = set(np.flatnonzero(mask))
        everything = derived(rows, alone, alone, 99, pooled=pooled)
        assert inside in everything


@settings(max_examples=120, deadline=None, derandomize=True, database=None)
@given(tables(), st.integers(2, 4), st.booleans(), st.booleans(), WAYS)
def test_r11_nothing_small_can_be_derived_from_what_stands(
    rows: list[Row], k: int, pooled: bool, may: bool, few: int
) -> None:
    told = Told(start=np.array([0, 1, 2]), end=np.array([2, 3, 0]), bin=np.array([0, 1, 0]), trips=np.array([1, 9, 2]))
    with looked_at(few):
        fallen = complementary(*opened(rows, 6, 6, k, pooled=pooled), told if may else None)
    alone = set(range(6))
    after = list(rows)
    for group in fallen.told:  # a told group holds k persons
        after += [(int(told.start[group]), int(told.end[group]), group % 2, 100 + n, 0) for n in range(k)]
    assert not derived(after, alone - set(fallen.starts), alone - set(fallen.ends), k, pooled=pooled)
    if not derivable(*opened(rows, 6, 6, k, pooled=pooled)):
        assert fallen == Fallen(starts=(), ends=(), told=(), cuts=0)


def test_r11_bridge_between_two_districts_is_found() -> None:
    # rows 0, 2 and columns 0, 2 in bin 0: 0→0 five people, 2→2 five, 0→2 two: departures of 0 less arrivals at 0 are the two
    rows = (
        [(0, 0, 0, n, 0) for n in range(5)]
        + [(2, 2, 0, n + 5, 0) for n in range(5)]
        + [(0, 2, 0, n, 0) for n in (20, 21)]
    )
    found = derivable(*opened(rows, 6, 6, 5))
    assert [set(np.flatnonzero(mask)) for mask in found] == [{10, 11}]


def test_r11_ring_of_small_groups_is_no_leak() -> None:
    # 0→0 three people, 0→2 three, 2→0 three, 2→2 three: each may grow by what its neighbours lose
    rows = [(s, e, 0, 10 * s + 3 * e + n, 0) for s in (0, 2) for e in (0, 2) for n in range(3)]
    assert not derivable(*opened(rows, 6, 6, 5))


def test_r11_set_of_groups_of_the_same_few_people_is_found_though_it_has_many_trips() -> None:
    # from district 0 two people go to both of the others, four groups of them in all; persons count, not rows
    rows = [(0, 0, 0, n, 0) for n in range(5)] + [(2, 2, 0, n + 5, 0) for n in range(5)]
    rows += [(4, 4, 0, n + 10, 0) for n in range(5)] + [(0, e, 0, 30 + n, 0) for e in (2, 4) for n in (0, 1)] * 3
    found = derivable(*opened(rows, 6, 6, 5))
    assert found
    for mask in found:
        assert {rows[n][3] for n in np.flatnonzero(mask)} <= {30, 31}


def test_r02_two_of_each_of_two_fleets_are_two() -> None:
    rows = [(0, 0, 0, 2 * n, 0) for n in range(5)] + [(2, 2, 0, 2 * n + 10, 0) for n in range(5)]
    rows += [(0, 2, 0, 40, 0), (0, 2, 0, 42, 0), (0, 2, 0, 41, 1), (0, 2, 0, 43, 1)]
    assert not derivable(*opened(rows, 6, 6, 4))
    assert derivable(*opened(rows, 6, 6, 4, pooled=True))


def test_r04_drivers_of_a_derivable_group_count_too() -> None:
    rows = (
        [(0, 0, 0, n, 0) for n in range(5)]
        + [(2, 2, 0, n + 5, 0) for n in range(5)]
        + [(0, 2, 0, n, 0) for n in range(20, 26)]
    )
    open_, starts, ends = opened(rows, 6, 6, 5)
    assert not derivable(open_, starts, ends)
    drivers = np.array([n % 5 for n in range(10)] + [7] * 6)
    both = OpenRows(
        start=open_.start,
        end=open_.end,
        bin=open_.bin,
        thresholds=(*open_.thresholds, Threshold(codes=drivers, least=3)),
    )
    assert derivable(both, starts, ends)


def test_r11_rows_of_nobody_alone_are_a_leak() -> None:
    rows = [(0, 0, 0, n, 0) for n in range(5)] + [(2, 2, 0, n + 5, 0) for n in range(5)] + [(0, 2, 0, -1, 0)] * 9
    assert derivable(*opened(rows, 6, 6, 5))


def test_r11_twin_who_counts_trips_for_persons_misses_the_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(0, 0, 0, n, 0) for n in range(5)] + [(2, 2, 0, n + 5, 0) for n in range(5)] + [(0, 2, 0, 20, 0)] * 9
    assert derivable(*opened(rows, 6, 6, 5))
    assert derived(rows, set(range(6)), set(range(6)), 5)
    monkeypatch.setattr(bridges, "held", lambda pairs, count: np.full(count, 9))
    assert not derivable(*opened(rows, 6, 6, 5))


@settings(max_examples=120, deadline=None, derandomize=True, database=None)
@given(tables(), st.integers(2, 4), st.booleans())
def test_r11_the_gate_finds_what_the_attacker_finds_and_passes_what_stands(
    rows: list[Row], k: int, pooled: bool
) -> None:
    every = set(range(6))
    leaks = derived(rows, every, every, k, pooled=pooled)
    assert bool(leaks) == bool(_gate(rows, every, every, k, pooled))
    fallen = complementary(*opened(rows, 6, 6, k, pooled=pooled))
    assert _gate(rows, every - set(fallen.starts), every - set(fallen.ends), k, pooled) == 0


def _gate(rows: list[Row], starts: set[int], ends: set[int], k: int, pooled: bool) -> int:
    live = {number % 2 for number in starts | ends}
    groups: dict[tuple[int, int, int], int] = {}
    table = []
    for row in rows:
        if row[2] in live:
            number = groups.setdefault(_group(row, starts, ends), len(groups))
            table.append((number, row[3], row[4] if pooled else 0))
    if not groups:
        return 0
    first = np.array([6 + b if s < 0 else s for s, _, b in groups])
    last = np.array([14 + b if e < 0 else 8 + e for _, e, b in groups])
    group, person, fleet = (np.array(column, dtype=np.int64) for column in zip(*table, strict=True))
    known = person >= 0
    counted = gate_cuts.Counted(group[known], person[known], fleet[known], k).within(np.arange(len(groups)))
    return gate_system._small_groups(first, last, [counted])
