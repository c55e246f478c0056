"""The gate's search for closed cuts of few people, beside every set of nodes, and beside flow and integer programme.

A search that cleared a system with a small derivable set would let it out: none of these may ever happen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from anonkit.publish import gate_cuts, gate_hubs, gate_system
from anonkit.publish.gate_cuts import Counted
from anonkit.publish.gate_hubs import NO_LEADS, with_hubs
from hypothesis import given, settings
from hypothesis import strategies as st

Group = tuple[int, int, list[tuple[int, int]]]
"""Start node, end node, (person, operator) of each who is in it."""
PEOPLE = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1)), max_size=3)
SYSTEMS = st.lists(st.tuples(st.integers(0, 4), st.integers(5, 9), PEOPLE), min_size=1, max_size=14)


def small_sets(groups: list[Group], k: int, *, pooled: bool) -> list[set[int]]:
    """Every set of nodes that no group enters and that groups of fewer than k persons leave: all sets are tried."""
    found = []
    nodes = sorted({node for start, end, _ in groups for node in (start, end)})
    for bits in range(1, 2 ** len(nodes) - 1):
        above = {node for number, node in enumerate(nodes) if bits >> number & 1}
        if any(start not in above and end in above for start, end, _ in groups):
            continue
        leaving = [people for start, end, people in groups if start in above and end not in above]
        if leaving:
            fleets: dict[int, set[int]] = {0: set()}
            for person, operator in (one for people in leaving for one in people):
                fleets.setdefault(operator if pooled else 0, set()).add(person)
            if max(len(people) for people in fleets.values()) < k:
                found.append(above)
    return found


def system(groups: list[Group], k: int, *, pooled: bool) -> tuple[np.ndarray, np.ndarray, list[Counted]]:
    """The same as the gate takes it: rows with a node at each end."""
    ends: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for start, end, people in groups:
        ends.setdefault((start, end), []).extend([*people, (-1, 0)])
    rows = [(s, e, who, fleet) for (s, e), people in ends.items() for who, fleet in people]
    start, end, who, fleet = np.array(rows, dtype=np.int64).T
    return gate_system.groups_of((start, 10), (end, 10), [(who, 10, fleet if pooled else None, 2 if pooled else 1, k)])


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(SYSTEMS, st.integers(1, 6), st.booleans())
def test_r11_what_the_gate_clears_holds_no_small_closed_cut(groups: list[Group], k: int, pooled: bool) -> None:
    found = gate_system._small_groups(*system(groups, k, pooled=pooled))
    assert bool(found) == bool(small_sets(groups, k, pooled=pooled))


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(SYSTEMS, st.integers(1, 6), st.booleans())
def test_r11_a_search_that_is_given_up_is_settled_by_the_solver(groups: list[Group], k: int, pooled: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gate_cuts, "STEPS", 0)
        found = gate_system._small_groups(*system(groups, k, pooled=pooled))
    assert bool(found) == bool(small_sets(groups, k, pooled=pooled))


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(SYSTEMS, st.integers(1, 4), st.booleans())
def test_r11_what_follows_from_a_hub_is_true_of_every_small_closed_cut(
    groups: list[Group], k: int, pooled: bool
) -> None:
    tail, head, counted = system(groups, k, pooled=pooled)
    named = {int(at): pair[0] for at, pair in zip(tail, sorted(pairs(groups)), strict=True)}
    named |= {int(at): pair[1] for at, pair in zip(head, sorted(pairs(groups)), strict=True)}
    joined, leads = with_hubs(tail, head, counted, NO_LEADS, int(head.max()) + 1)
    for above in small_sets(groups, k, pooled=pooled):
        for first, last in zip(leads.tail.tolist(), leads.head.tolist(), strict=True):
            assert named[last] not in above or named[first] in above
        for node, least in enumerate(joined.tolist()):
            assert (named[node] in above) == (named[least] in above)


def pairs(groups: list[Group]) -> set[tuple[int, int]]:
    return {(start, end) for start, end, _ in groups}


@pytest.mark.slow
@settings(max_examples=1_500, deadline=None, derandomize=True, database=None)
@given(SYSTEMS, st.integers(1, 6), st.booleans())
def test_r11_search_and_every_set_of_nodes_agree_on_many(groups: list[Group], k: int, pooled: bool) -> None:
    found = gate_system._small_groups(*system(groups, k, pooled=pooled))
    assert bool(found) == bool(small_sets(groups, k, pooled=pooled))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_r11_hubs_of_many_nodes_change_no_answer(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(seed)
    rows: list[tuple[int, int, int]] = []
    for node in range(1, 25):  # small departures and arrivals around 0 and 25, and some groups between them
        rows += [(node, 25, person) for person in draw.integers(0, 200, draw.integers(0, 4)).tolist()]
        rows += [(0, 25 + node, person) for person in draw.integers(0, 200, draw.integers(0, 4)).tolist()]
        rows += [(node, int(draw.integers(26, 50)), int(draw.integers(0, 200))) for _ in range(draw.integers(1, 4))]
    rows += [(0, 25, person) for person in range(9)]
    table = np.array(rows, dtype=np.int64).T
    for k in (2, 3, 5):
        made = gate_system.groups_of((table[0], 50), (table[1], 50), [(table[2], 200, None, 1, k)])
        with_them = gate_system._small_groups(*made)
        with monkeypatch.context() as patch:
            patch.setattr(gate_system, "with_hubs", lambda t, h, c, leads, nodes: (np.arange(nodes), leads))
            assert bool(gate_system._small_groups(*made)) == bool(with_them)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_r11_search_and_solver_agree_on_pieces_too_large_to_try_every_set(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(seed)
    rows: dict[tuple[int, int], set[int]] = {}
    for _ in range(60):
        people = set(draw.integers(0, 80, draw.integers(1, 4)).tolist())
        rows.setdefault((int(draw.integers(0, 20)), int(draw.integers(20, 40))), set()).update(people)
    groups = [(start, end, [(person, 0) for person in people]) for (start, end), people in rows.items()]
    for k in (2, 3, 4, 5):
        table = np.array([(s, e, who) for s, e, people in groups for who, _ in people], dtype=np.int64).T
        made = gate_system.groups_of((table[0], 40), (table[1], 40), [(table[2], 80, None, 1, k)])
        searched = gate_system._small_groups(*made)
        with monkeypatch.context() as patch:
            patch.setattr(gate_cuts, "STEPS", 0)
            assert bool(gate_system._small_groups(*made)) == bool(searched)


def test_r11_people_of_both_sides_count_for_groups_that_must_fall_together() -> None:
    # 0 leads to 5 (A, B) and 6 (C), 1 leads to 5 (D) and 6 (E): whoever parts 0 from 5 and leaves 6 below parts 0 from 6
    groups: list[Group] = [(0, 5, [(0, 0), (1, 0)]), (0, 6, [(2, 0)]), (1, 5, [(3, 0)]), (1, 6, [(4, 0)])]
    assert gate_system._small_groups(*system(groups, 3, pooled=False)) == 1  # {D, E} leave 1
    assert small_sets(groups, 3, pooled=False)
    assert gate_system._small_groups(*system(groups, 2, pooled=False)) == 0
    assert not small_sets(groups, 2, pooled=False)


def test_r11_twin_that_takes_rows_for_persons_clears_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    # person 3 alone leaves 0 for 5 and for 6: two groups, one person
    groups: list[Group] = [(0, 5, [(3, 0)]), (0, 6, [(3, 0)]), (1, 5, [(4, 0), (5, 0)]), (1, 6, [(6, 0), (7, 0)])]
    assert gate_system._small_groups(*system(groups, 2, pooled=False)) == 1

    def rows(self: Any, held: int) -> bool:
        return True

    monkeypatch.setattr(gate_cuts.Piece, "_enough", rows)
    assert gate_system._small_groups(*system(groups, 2, pooled=False)) == 0


def test_r11_twin_whose_hubs_ask_nobody_clears_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    # 0 to 5 is the hub's; 1 leads to 5 (A) and 6 (B), 0 to 6 (C, D): A and B are all that leaves 1
    groups: list[Group] = [(0, 5, [(0, 0), (1, 0)]), (1, 5, [(2, 0)]), (1, 6, [(3, 0)]), (0, 6, [(4, 0), (5, 0)])]
    assert gate_system._small_groups(*system(groups, 3, pooled=False)) == 1
    monkeypatch.setattr(gate_hubs, "_enough", lambda here, there, far, counted, asked, near: asked)
    assert gate_system._small_groups(*system(groups, 3, pooled=False)) == 0
