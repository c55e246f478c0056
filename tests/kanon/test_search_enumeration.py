"""The search agrees with full enumeration by other code, for every model × limit × unit (ruling 10)."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict

import anonkit.kanon.search_cubes as search_cubes
import anonkit.kanon.search_workers as search_workers
import numpy as np
import pytest
from anonkit.base.errors import SchemaError
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.measures import MEASURES, Counted
from anonkit.kanon.models import (
    AlphaK,
    BetaLikeness,
    DeltaDisclosure,
    DistinctDiversity,
    Dominance,
    EntropyDiversity,
    KAnonymity,
    KMap,
    Model,
    RecursiveDiversity,
    ShareModel,
    TCloseness,
)
from anonkit.kanon.search import NoLevelsError, search
from anonkit.kanon.search_tables import ClassTable
from anonkit.kanon.search_visit import Problem
from anonkit.kanon.search_wide import search_boxes
from hypothesis import given, settings
from hypothesis import strategies as st

VALUES = Hierarchy.from_levels("s", np.array(["a", "b", "c"]), {"pair": ["ab", "ab", "c"], "any": ["*"] * 3})
EXTRA: dict[str, Model | None] = {
    "none": None,
    "distinct": DistinctDiversity(l=2, sensitive="s"),
    "entropy": EntropyDiversity(l=1.6, sensitive="s"),
    "recursive": RecursiveDiversity(c=2.0, l=2, sensitive="s"),
    "t_equal": TCloseness(t=0.35, distance="equal", sensitive="s"),
    "t_ordered": TCloseness(t=0.3, distance="ordered", sensitive="s"),
    "t_hierarchical": TCloseness(t=0.3, distance="hierarchical", tree=VALUES, sensitive="s"),
    "alpha": AlphaK(alpha=0.7, sensitive="s"),
    "alpha_of_one": AlphaK(alpha=0.5, value_number=1, sensitive="s"),
    "beta": BetaLikeness(beta=0.8, enhanced=False, sensitive="s"),
    "beta_enhanced": BetaLikeness(beta=0.8, enhanced=True, sensitive="s"),
    "delta": DeltaDisclosure(delta=0.8, sensitive="s"),
    "delta_strict": DeltaDisclosure(delta=1.0, absent="violates", sensitive="s"),
    "dominance": Dominance(limit=0.6),
    "k_map": KMap(k=3),
}
UNITS = {
    "rows": [KAnonymity(k=2, protect="row")],
    "persons": [KAnonymity(k=2, protect="person")],
    "persons+drivers": [KAnonymity(k=2, protect="person"), KAnonymity(k=2, protect="driver")],
}


@st.composite
def tables(draw: st.DrawFn) -> dict:
    columns = draw(st.integers(2, 3))
    hierarchies = []
    for c in range(columns):
        size = draw(st.integers(2, 5))
        levels = {}
        groups = list(range(size))
        for level in range(draw(st.integers(0, 2))):
            merge = draw(st.lists(st.integers(0, 2), min_size=5, max_size=5))
            groups = [merge[g] for g in groups]
            levels[f"g{level}"] = [f"{level}-{g}" for g in groups]
        levels["any"] = ["*"] * size
        shifts = sorted(draw(st.lists(st.integers(0, 20), min_size=len(levels) + 1, max_size=len(levels) + 1)))
        hierarchies.append(
            Hierarchy.from_levels(f"c{c}", np.arange(size), levels, displacement=shifts, unit=["m", "min", "m"][c])
        )
    rows = draw(st.integers(4, 24))
    pick = lambda top, low=0: draw(st.lists(st.integers(low, top), min_size=rows, max_size=rows))  # noqa: E731
    return {
        "hierarchies": hierarchies,
        "codes": [np.array(pick(h.sizes[0] - 1)) for h in hierarchies],
        "person": np.array(pick(5, -1)),
        "driver": np.array(pick(3, -1)),
        "s": np.array(pick(2)),
        "people": [
            np.array(draw(st.lists(st.integers(0, h.sizes[0] - 1), min_size=9, max_size=9))) for h in hierarchies
        ],
    }


def build(t: dict, unit: str) -> ClassTable:
    names = [h.column for h in t["hierarchies"]]
    return ClassTable.of(
        dict(zip(names, t["codes"], strict=True)),
        sizes=[h.sizes[0] for h in t["hierarchies"]],
        person=t["person"],
        driver=t["driver"],
        sensitive={"s": (t["s"], np.array(["a", "b", "c"]))},
        population=dict(zip(names, t["people"], strict=True)),
    )


def brute(t: dict, models: list[Model], unit: str, limit: float, limit_unit: str, measure: str) -> dict | None:
    """Dictionaries over rows: classes, verdicts and losses of every node."""
    hs, n = t["hierarchies"], len(t["person"])
    whole = counts(range(n), t, unit)
    best = None
    for levels in itertools.product(*[range(h.height) for h in hs]):
        keys = list(
            zip(*[h.codes[lv][c].tolist() for h, lv, c in zip(hs, levels, t["codes"], strict=True)], strict=True)
        )
        public = list(
            zip(*[h.codes[lv][c].tolist() for h, lv, c in zip(hs, levels, t["people"], strict=True)], strict=True)
        )
        classes: dict[tuple, list[int]] = defaultdict(list)
        for i, key in enumerate(keys):
            classes[key].append(i)
        kept = {k: m for k, m in classes.items() if all(holds(x, m, t, unit, whole, public.count(k)) for x in models)}
        rows = {i for m in kept.values() for i in m}
        if limit_unit == "rows":
            lost, total = n - len(rows), n
        else:
            people = {p for p in t["person"].tolist() if p >= 0}
            lost, total = len(people - {int(t["person"][i]) for i in rows}), len(people)
        if lost > limit * total + 1e-9 or lost == total:  # ruling 37: a table of nothing is none
            continue
        loss = loss_of(measure, t, levels, keys, classes, kept, n)
        if (
            best is None
            or loss < best["loss"] - 1e-9 * abs(best["loss"])
            or (
                abs(loss - best["loss"]) <= 1e-9 * abs(best["loss"])
                and (sum(levels), levels)
                < (
                    sum(best["levels"]),
                    best["levels"],
                )
            )
        ):
            best = {"loss": loss, "levels": levels, "classes": len(kept), "suppressed": n - len(rows)}
    return best


def counts(rows, t: dict, unit: str) -> np.ndarray:
    if unit == "rows":
        return np.bincount([t["s"][i] for i in rows], minlength=3).astype(float)
    pairs = {(int(t["s"][i]), int(t["person"][i])) for i in rows if t["person"][i] >= 0}
    return np.bincount([s for s, _ in pairs], minlength=3).astype(float)


def holds(model: Model, rows: list[int], t: dict, unit: str, whole: np.ndarray, public: int) -> bool:
    if isinstance(model, KAnonymity):
        if model.protect == "row":
            return len(rows) >= model.k
        return len({int(t[model.protect][i]) for i in rows} - {-1}) >= model.k
    if isinstance(model, KMap):
        return public >= model.k
    if isinstance(model, DistinctDiversity):
        return int((counts(rows, t, unit) > 0).sum()) >= model.l
    if isinstance(model, Dominance):
        own = [int(t["person"][i]) for i in rows if t["person"][i] >= 0]
        return max([own.count(p) for p in own], default=0) <= model.limit * len(own) + 1e-9
    assert isinstance(model, ShareModel)
    return bool(model.passes(counts(rows, t, unit)[None, :], whole)[0])


def loss_of(measure, t, levels, keys, classes, kept, n) -> float:
    hs = t["hierarchies"]
    lost = [i for key, m in classes.items() if key not in kept for i in m]
    if measure == "discernibility":
        return float(sum(len(m) ** 2 for m in kept.values()) + len(lost) * n)
    if measure == "class_size":
        return n / max(len(kept) + (1 if lost else 0), 1)
    out = set(lost)
    loss = 0.0
    for j, (h, lv) in enumerate(zip(hs, levels, strict=True)):
        codes = t["codes"][j]
        if measure == "ncp":
            size = [(h.codes[lv] == h.codes[lv][c]).sum() for c in codes]
            loss += sum(1.0 if i in out else (size[i] - 1) / max(h.sizes[0] - 1, 1) for i in range(n)) / (n * len(hs))
        elif measure == "displacement":
            worth = 1.0 if h.unit == "m" else 80.0
            loss += sum(h.displacement[-1] if i in out else h.displacement[lv] for i in range(n)) * worth / n
        else:
            leaf, coarse = codes.tolist(), h.codes[lv][codes].tolist()
            loss += sum(math.log2(coarse.count(coarse[i]) / leaf.count(leaf[i])) for i in range(n))
            gone = [coarse[i] for i in lost]
            loss += sum(math.log2(len(gone) / gone.count(v)) for v in gone)
    return loss


def agree(t: dict, models: list[Model], unit: str, limit: float, limit_unit: str, measure: str) -> None:
    expected = brute(t, models, unit, limit, limit_unit, measure)
    table = build(t, unit)
    options = {"measure": measure, "max_suppressed": limit, "suppressed_unit": limit_unit}
    if expected is None:
        with pytest.raises(NoLevelsError, match="no generalisation"):
            search(table, t["hierarchies"], models, **options)
        return
    found = search(table, t["hierarchies"], models, **options)
    assert found.loss == pytest.approx(expected["loss"], rel=1e-9, abs=1e-9)
    assert found.optimal
    assert found.bound <= found.loss
    assert (found.levels, found.classes, found.suppressed_rows) == (
        expected["levels"],
        expected["classes"],
        expected["suppressed"],
    )
    best, bound = search_boxes(Problem(table, t["hierarchies"], models, **options), np.inf)
    assert best is not None
    assert best.loss == pytest.approx(expected["loss"], rel=1e-9, abs=1e-9)
    assert bound == pytest.approx(best.loss)


few = settings(max_examples=12)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("extra", EXTRA)
@few
@given(data=st.data())
def test_r10_search_equals_enumeration_for_each_model_and_unit(extra: str, unit: str, data: st.DataObject) -> None:
    t = data.draw(tables())
    limit = data.draw(st.sampled_from([0.0, 0.1, 0.3, 0.6, 1.0]))
    limit_unit = data.draw(st.sampled_from(["rows", "persons"]))
    measure = data.draw(st.sampled_from(MEASURES))
    models = UNITS[unit] + ([EXTRA[extra]] if EXTRA[extra] is not None else [])
    if limit_unit == "persons" and (t["person"] < 0).all():
        limit_unit = "rows"
    agree(t, models, unit, limit, limit_unit, measure)


SHORT_WAYS = {
    "buckets for cells": {"_MOST_CELLS": 3, "_BUCKET_BITS": 2, "_BATCH": 5},
    "few cubes held": {"_HELD": 12},
    "always folded": {"_WALK_COST": 1e9},
    "never folded": {"_WALK_COST": 0.0},
    "threads": {"_FROM": -1},
    "threads and buckets": {"_FROM": -1, "_MOST_CELLS": 3, "_BATCH": 4, "_PHASES": (0.5, 1.0)},
}


@pytest.mark.parametrize("way", SHORT_WAYS)
@few
@given(t=tables(), limit=st.sampled_from([0.0, 0.2, 0.5, 1.0]), measure=st.sampled_from(MEASURES))
def test_r10_how_rows_are_counted_changes_no_result(way: str, t: dict, limit: float, measure: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SHORT_WAYS[way].items():
            patch.setattr(search_workers if name == "_FROM" else search_cubes, name, value)
        patch.setattr(search_workers, "_processors", lambda: 3)
        agree(t, UNITS["persons+drivers"], "persons", limit, "rows", measure)


@settings(max_examples=60)
@given(t=tables(), least=st.integers(1, 4), bits=st.integers(0, 6), batch=st.integers(1, 30))
def test_rows_in_small_buckets_are_in_small_classes(t: dict, least: int, bits: int, batch: int) -> None:
    # a bucket is a union of classes: what it shows as lost is lost, at any node
    table = build(t, "rows")
    counter = search_cubes.CubeCounter(table, t["hierarchies"], least, by_value=True)
    for levels in itertools.product(*[range(h.height) for h in t["hierarchies"]]):
        values = [h.codes[x][c] for h, x, c in zip(t["hierarchies"], levels, t["codes"], strict=True)]
        rows = Counter(zip(*values, strict=True))
        lost = sum(held for held in rows.values() if held < least)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(search_cubes, "_BUCKET_BITS", bits)
            patch.setattr(search_cubes, "_BATCH", batch)
            first = t["hierarchies"][counter._packed.columns[0]]
            blocks = first.sizes[levels[counter._packed.columns[0]]]
            found = counter._in_buckets(levels, blocks, np.inf)
            assert found <= lost
            if bits == 6 and lost == len(t["s"]) and batch == 30:  # few rows in many buckets: it does find some
                assert found > 0
        seen = counter.look(levels)
        assert (seen.lost_rows, seen.kept_classes) == (lost, sum(held >= least for held in rows.values()))
        assert seen.kept_squares == sum(held**2 for held in rows.values() if held >= least)


def test_a_search_that_took_a_bucket_for_a_class_would_miss_the_best() -> None:
    # the twin: rows in small buckets are a bound from below, so "few" says nothing and the classes are counted
    zone = Hierarchy.flat("zone", np.arange(64))
    table = ClassTable.of({"zone": np.arange(64)}, sizes=[64])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_cubes, "_MOST_CELLS", 1)
        patch.setattr(search_cubes, "_BUCKET_BITS", 2)
        counter = search_cubes.CubeCounter(table, [zone], 2, by_value=False)
        assert counter._in_buckets((0,), 64, 32) == 0  # 64 classes of one row in four buckets
        assert counter.look((0,), allowed=32) is None
        found = search(table, [zone], [KAnonymity(k=2, protect="row")], max_suppressed=0.5)
    assert (found.levels, found.suppressed_rows) == ((1,), 0)


def test_r10_twin_pruning_by_a_model_that_is_not_monotone_misses_the_best() -> None:
    """Entropy diversity under suppression: the coarser node fails although the finer one is released.

    zone a: 3 x and 3 y (diverse); zone b: 6 x (suppressed, 50 %). Merged: 9 x, 3 y: exp(H) = 1.75 < 1.9.
    A search that drops the finer nodes of a failing node would find nothing.
    """
    zone = Hierarchy.flat("zone", np.arange(2))
    table = ClassTable.of(
        {"zone": np.array([0] * 6 + [1] * 6)},
        sizes=[2],
        person=np.arange(12),
        sensitive={"s": (np.array([0, 0, 0, 1, 1, 1] + [0] * 6), np.array(["x", "y"]))},
    )
    models = [KAnonymity(k=2, protect="row"), EntropyDiversity(l=1.9, sensitive="s")]
    assert search(table, [zone], models, max_suppressed=0.5).levels == (0,)
    problem = Problem(table, [zone], models, measure="ncp", max_suppressed=0.5, suppressed_unit="rows")
    assert not problem.rest_prunes
    assert problem.visit((1,)).verdict == "fails a model"
    assert not problem.visit((1,)).prunes_finer


def test_r10_shares_of_persons_are_not_monotone_even_without_suppression() -> None:
    """A: x {1}, y {2}. B: x {3}, y {2}. Each has 1/2; together x {1, 3}, y {2}: 2/3 > alpha = 0.6."""
    zone = Hierarchy.flat("zone", np.arange(2))
    table = ClassTable.of(
        {"zone": np.array([0, 0, 1, 1])},
        sizes=[2],
        person=np.array([1, 2, 3, 2]),
        sensitive={"s": (np.array([0, 1, 0, 1]), np.array(["x", "y"]))},
    )
    models = [KAnonymity(k=2, protect="person"), AlphaK(alpha=0.6, sensitive="s")]
    problem = Problem(table, [zone], models, measure="ncp", max_suppressed=0.0, suppressed_unit="rows")
    assert not problem.rest_prunes
    assert search(table, [zone], models, max_suppressed=0.0, measure="ncp").levels == (0,)


def test_r01_a_row_without_a_person_adds_no_person() -> None:
    zone = Hierarchy.flat("zone", np.arange(2))
    table = ClassTable.of({"zone": np.array([0, 0, 0, 1, 1])}, sizes=[2], person=np.array([1, -1, -1, 2, 3]))
    found = search(table, [zone], [KAnonymity(k=2, protect="person")], max_suppressed=0.0)
    assert found.levels == (1,)  # zone 0 holds one person in three rows
    rows = search(table, [zone], [KAnonymity(k=2, protect="row")], max_suppressed=0.0)
    assert rows.levels == (0,)  # the twin: rows for persons would release it


def test_r04_each_protected_unit_has_its_own_threshold() -> None:
    zone = Hierarchy.flat("zone", np.arange(2))
    table = ClassTable.of(
        {"zone": np.array([0, 0, 1, 1])}, sizes=[2], person=np.arange(4), driver=np.array([5, 5, 6, 7])
    )
    only = [KAnonymity(k=2, protect="person")]
    both = [*only, KAnonymity(k=2, protect="driver")]
    assert search(table, [zone], only, max_suppressed=0.0).levels == (0,)
    assert search(table, [zone], both, max_suppressed=0.0).levels == (1,)


def test_a_suppression_limit_in_persons_counts_those_who_vanish() -> None:
    """Person 1 keeps a row in zone 0, so suppressing zone 1 (persons 1 and 4) loses one of four persons."""
    zone = Hierarchy.flat("zone", np.arange(2))
    table = ClassTable.of({"zone": np.array([0, 0, 0, 1, 1])}, sizes=[2], person=np.array([1, 2, 3, 1, 4]))
    models = [KAnonymity(k=3, protect="person")]
    found = search(table, [zone], models, max_suppressed=0.25, suppressed_unit="persons", measure="ncp")
    assert (found.levels, found.lost_persons) == ((0,), 1)
    assert search(table, [zone], models, max_suppressed=0.24, suppressed_unit="persons", measure="ncp").levels == (1,)


def test_a_time_budget_returns_a_released_table_and_a_proven_bound() -> None:
    g = np.random.default_rng(3)
    hs = [
        Hierarchy.from_levels(f"c{j}", np.arange(8), {"h": np.arange(8) // 2, "q": np.arange(8) // 4, "any": ["*"] * 8})
        for j in range(11)
    ]  # 4 ** 11 nodes: too wide for one bound a node
    table = ClassTable.of({h.column: g.integers(0, 8, 400) for h in hs}, sizes=[8] * 11, person=g.integers(0, 200, 400))
    found = search(table, hs, [KAnonymity(k=5, protect="person")], max_suppressed=0.1, measure="ncp", time_budget_s=0.5)
    assert found.nodes == 4**11
    assert 0 < found.bound <= found.loss
    assert 0 <= found.gap < 1
    assert found.suppressed_share <= 0.1


def test_the_explored_nodes_can_be_seen() -> None:
    zone = Hierarchy.flat("zone", np.arange(2))
    table = ClassTable.of({"zone": np.array([0, 0, 1])}, sizes=[2], person=np.arange(3))
    told: list[float] = []
    found = search(
        table,
        [zone],
        [KAnonymity(k=2, protect="person")],
        max_suppressed=0.0,
        on_visit=lambda v, loss, bound: told.append(bound),
    )
    assert found.explored()["verdict"].tolist() == ["released", "too many suppressed"]
    assert len(told) == 2


@pytest.mark.parametrize("limit_unit", ["rows", "persons"])
@settings(max_examples=40)
@given(t=tables(), k=st.integers(2, 3), limit=st.sampled_from([0.0, 0.3, 0.6]), measure=st.sampled_from(MEASURES))
def test_r02_of_fleets_that_cannot_be_matched_the_largest_counts(
    t: dict, k: int, limit: float, measure: str, limit_unit: str
) -> None:
    # the reference gives each fleet's people a threshold of their own, and a class needs one of them
    fleet = t["s"] % 2
    table = ClassTable.of(
        dict(zip([h.column for h in t["hierarchies"]], t["codes"], strict=True)),
        sizes=[h.sizes[0] for h in t["hierarchies"]],
        person=t["person"],
        among=fleet,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "holds", lambda model, rows, *_: most(rows, t["person"], fleet) >= model.k)
        expected = brute(t, [KAnonymity(k=k, protect="person")], "persons", limit, limit_unit, measure)
    options = {"measure": measure, "max_suppressed": limit, "suppressed_unit": limit_unit}
    models = [KAnonymity(k=k, protect="person")]
    if expected is None:
        with pytest.raises(NoLevelsError, match="no generalisation"):
            search(table, t["hierarchies"], models, **options)
        return
    found = search(table, t["hierarchies"], models, **options)
    assert found.loss == pytest.approx(expected["loss"], rel=1e-9, abs=1e-9)
    assert (found.levels, found.suppressed_rows) == (expected["levels"], expected["suppressed"])


def most(rows: list[int], person: np.ndarray, fleet: np.ndarray) -> int:
    """Distinct persons of the fleet that has most of them."""
    return max(len({int(person[i]) for i in rows if person[i] >= 0 and fleet[i] == one}) for one in (0, 1))


def test_r02_twin_who_adds_fleets_up_releases_too_much() -> None:
    # two callers of each of two fleets may be the same two
    zone = Hierarchy.from_mapping("zone", {"a": ["*"], "b": ["*"]})
    codes = {"zone": zone.encode(["a"] * 4 + ["b"] * 4)}
    person, fleet = np.arange(8), np.array([0, 0, 1, 1, 0, 0, 1, 1])
    models = [KAnonymity(k=4, protect="person")]
    options = {"measure": "ncp", "max_suppressed": 0.0}
    added = ClassTable.of(codes, sizes=[2], person=person)
    largest = ClassTable.of(codes, sizes=[2], person=person, among=fleet)
    assert search(added, [zone], models, **options).levels == (0,)
    assert search(largest, [zone], models, **options).levels == (1,)


def test_r02_shares_of_people_who_cannot_be_matched_are_refused() -> None:
    zone = Hierarchy.from_mapping("zone", {"a": ["*"], "b": ["*"]})
    table = ClassTable.of({"zone": zone.encode(["a", "b"])}, sizes=[2], person=np.arange(2), among=np.array([0, 1]))
    models = [KAnonymity(k=2, protect="person"), Dominance(limit=0.5)]
    with pytest.raises(SchemaError, match="cannot be matched"):
        search(table, [zone], models, max_suppressed=0.0)


@pytest.mark.parametrize("measure", ["discernibility", "class_size"])
def test_r10_twin_that_takes_each_node_for_one_that_splits_nothing_misses_the_best(
    measure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = np.arange(8)
    levels = {"pair": base // 2, "half": base // 4, "any": base // 8}
    hierarchies = [Hierarchy.from_levels(f"c{j}", base, levels) for j in range(3)]

    def loss(seed: int) -> float:
        codes = np.random.default_rng(seed).integers(0, 8, (3, 200))
        table = ClassTable.of({h.column: c for h, c in zip(hierarchies, codes, strict=True)}, sizes=[8] * 3)
        return search(table, hierarchies, [KAnonymity(k=3, protect="row")], max_suppressed=0.1, measure=measure).loss

    best = [loss(seed) for seed in range(12)]
    splits = Counted.splits
    monkeypatch.setattr(Counted, "splits", lambda *given: np.ones_like(splits(*given)))
    fooled = [loss(seed) for seed in range(12)]
    assert all(b <= f for b, f in zip(best, fooled, strict=True))
    assert any(b < f for b, f in zip(best, fooled, strict=True))
