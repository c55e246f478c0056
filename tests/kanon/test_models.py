"""Each model on hand-made classes, with values worked out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from anonkit.kanon.closeness import class_distances
from anonkit.kanon.figures import privacy_figures
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.models import (
    AlphaK,
    BetaLikeness,
    DeltaDisclosure,
    Dominance,
    EntropyDiversity,
    KAnonymity,
    RecursiveDiversity,
)
from anonkit.kanon.search import search
from anonkit.kanon.search_tables import ClassTable
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

ALL = np.array([50.0, 30.0, 20.0])


def test_entropy_diversity_of_two_equal_values_is_two() -> None:
    model = EntropyDiversity(l=2, sensitive="s")
    assert model.value(np.array([[5.0, 5.0, 0.0]]), ALL)[0] == pytest.approx(2)
    assert model.passes(np.array([[5.0, 5.0, 0.0], [6.0, 4.0, 0.0]]), ALL).tolist() == [True, False]


def test_recursive_diversity_compares_the_commonest_with_the_tail() -> None:
    """Counts 5, 3, 2: r1 = 5, tail from the 2nd = 5: 5 < c·5 holds for c = 1.1, not for 1."""
    counts = np.array([[5.0, 3.0, 2.0]])
    assert RecursiveDiversity(c=1.1, l=2, sensitive="s").passes(counts, ALL).all()
    assert not RecursiveDiversity(c=1.0, l=2, sensitive="s").passes(counts, ALL).any()


def test_alpha_bounds_the_commonest_value() -> None:
    assert AlphaK(alpha=0.5, sensitive="s").passes(np.array([[5, 3, 2], [6, 2, 2]]), ALL).tolist() == [True, False]


def test_beta_likeness_bounds_the_gain_and_enhanced_bounds_common_values_more() -> None:
    """Third value: p = 0.2, q = 0.4: gain 1. First: p = 0.5, q = 0.6: gain 0.2; -ln 0.5 = 0.69."""
    counts = np.array([[4.0, 2.0, 4.0], [9.0, 1.0, 0.0]])
    assert BetaLikeness(beta=1.0, enhanced=False, sensitive="s").passes(counts, ALL).tolist() == [True, True]
    assert BetaLikeness(beta=0.9, enhanced=False, sensitive="s").passes(counts, ALL).tolist() == [False, True]
    assert BetaLikeness(beta=1.0, enhanced=True, sensitive="s").passes(counts, ALL).tolist() == [True, False]


def test_delta_disclosure_can_count_an_absent_value_as_told() -> None:
    counts = np.array([[5.0, 5.0, 0.0]])
    assert DeltaDisclosure(delta=1, sensitive="s").value(counts, ALL)[0] == pytest.approx(math.log(0.5 / 0.3))
    assert not DeltaDisclosure(delta=1, absent="violates", sensitive="s").passes(counts, ALL).any()


def test_hierarchical_distance_is_the_cheapest_transport() -> None:
    """Checked against a linear program: ground distance = height of the lowest common ancestor / height of the tree."""
    tree = Hierarchy.from_levels("s", np.arange(4), {"pair": [0, 0, 1, 1], "any": [0] * 4})
    ground = np.array([[0, 0.5, 1, 1], [0.5, 0, 1, 1], [1, 1, 0, 0.5], [1, 1, 0.5, 0]])
    g = np.random.default_rng(0)
    for _ in range(20):
        p, q = g.dirichlet(np.ones(4)), g.dirichlet(np.ones(4))
        equal = np.zeros((8, 16))
        for i in range(4):
            equal[i, i * 4 : i * 4 + 4] = 1
            equal[4 + i, i::4] = 1
        best = linprog(ground.ravel(), A_eq=equal, b_eq=np.concatenate([q, p]), bounds=(0, None)).fun
        assert class_distances(q[None, :], p, kind="hierarchical", tree=tree)[0] == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("order", [["a", "b", "c"], ["c", "a", "b"], ["c", "d", "a", "b"]])
def test_figures_look_at_a_tree_in_any_order(order: list[str]) -> None:
    # class 0: a, a, b; class 1: c, c, c; all: 1/3, 1/6, 1/2. Half of each class goes over the root: 1/2
    part = {"a": "ab", "b": "ab", "c": "cd", "d": "cd"}
    tree = Hierarchy.from_mapping("s", {value: [part[value], "*"] for value in order})
    classes, values = np.array([0, 0, 0, 1, 1, 1]), np.array(["a", "a", "b", "c", "c", "c"])
    found = privacy_figures(classes, values, protect="row", distance="hierarchical", tree=tree)
    assert found["t"] == pytest.approx(0.5)


def test_r06_dominance_releases_no_class_that_one_person_holds() -> None:
    """Zone 0: person 1 has 3 of 5 rows (0.6 > 0.5). Zone 1: 2 of 4."""
    zone = Hierarchy.flat("zone", np.arange(2))
    person = np.array([1, 1, 1, 2, 3, 4, 4, 5, 6])
    table = ClassTable.of({"zone": np.array([0] * 5 + [1] * 4)}, sizes=[2], person=person)
    k = KAnonymity(k=3, protect="person")
    assert search(table, [zone], [k], max_suppressed=0.6).suppressed_rows == 0
    found = search(table, [zone], [k, Dominance(limit=0.5)], max_suppressed=0.6, measure="class_size")
    assert (found.levels, found.suppressed_rows) == ((0,), 5)


def test_r01_figures_count_persons_not_rows() -> None:
    """One person, three rows: k is 1 in persons and 3 in rows."""
    classes, values = np.zeros(3), np.array(["a", "a", "b"])
    assert privacy_figures(classes, values, protect="row")["k"] == 3
    assert privacy_figures(classes, values, protect="person", persons=np.array(["x", "x", "x"]))["k"] == 1
    assert (
        privacy_figures(classes, values, protect="person", persons=np.array(["x", None, "y"], dtype=object))["k"] == 2
    )


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(0, 6), min_size=3, max_size=3), min_size=2, max_size=2))
def test_r10_in_rows_two_passing_classes_pass_together(pair: list[list[int]]) -> None:
    """What the search may use where nothing is suppressed (docs/PRUNING.md, section 4); delta "ignore" is left out."""
    counts = np.array(pair, dtype=float)
    both = counts.sum(axis=0, keepdims=True)
    for model in (
        EntropyDiversity(l=1.7, sensitive="s"),
        RecursiveDiversity(c=1.5, l=2, sensitive="s"),
        AlphaK(alpha=0.6, sensitive="s"),
        BetaLikeness(beta=0.5, enhanced=True, sensitive="s"),
    ):
        if model.passes(counts, ALL).all():
            assert model.passes(both, ALL).all()


def test_r10_delta_disclosure_that_ignores_absent_values_is_not_monotone() -> None:
    """q = 0 is ignored, q = p passes; together q = p/2, |ln 1/2| = 0.69 > 0.6."""
    model, whole = DeltaDisclosure(delta=0.6, sensitive="s"), np.array([50.0, 50.0])
    counts = np.array([[10.0, 0.0], [5.0, 5.0]])
    lone = DeltaDisclosure(delta=0.7, sensitive="s")
    assert lone.passes(counts, whole).all()
    assert lone.passes(np.array([[30.0, 10.0]]), whole).tolist() == [True]
    many = np.array([[60.0, 0.0], [5.0, 5.0]])
    assert lone.passes(many, whole).all()
    assert not lone.passes(many.sum(axis=0, keepdims=True), whole).any()
    assert not model.monotone_unsuppressed
