"""Recovery, differencing, suppression and the three tests: success on raw, baseline on guarded, twins caught."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from anonkit.base.errors import SchemaError
from anonkit.risk.differencing import derived_counts, differencing_risk, feasible
from anonkit.risk.incidence import combine, hold_out
from anonkit.risk.recovery import recover, recovery_risk
from anonkit.risk.three_tests import inference, linkability, one_row_a_person, singling_out


def days(persons: int, seed: int) -> tuple[Any, ...]:
    """Hourly cells of people who sleep at home and work a few cells off, at hours of their own; 15 × 15 cells."""
    rng = np.random.default_rng(seed)
    xy = np.stack(np.meshgrid(np.arange(15), np.arange(15)), -1).reshape(-1, 2) * 500.0
    home = rng.integers(0, 15, (persons, 2))
    work = np.clip(home + rng.integers(-3, 4, (persons, 2)), 0, 14)
    leave, back = rng.integers(5, 12, persons), rng.integers(14, 21, persons)
    hours = np.arange(24)
    away = (hours >= leave[:, None]) & (hours < back[:, None])
    paths = np.where(away, (work @ [1, 15])[:, None], (home @ [1, 15])[:, None])
    return paths, xy, (hours < 5) | (hours >= 21)


def counted(paths: Any, cells: int = 225) -> Any:
    return np.stack([np.bincount(column, minlength=cells) for column in paths.T])


def test_recovery_keeps_the_counts_of_every_slot() -> None:
    paths, xy, night = days(30, 1)
    found = recover(counted(paths), xy, night=night, persons=30)
    assert np.array_equal(counted(found), counted(paths))


def test_paths_are_recovered_from_exact_counts_and_not_from_noisy_blocks() -> None:
    paths, xy, night = days(60, 2)
    outside, _, _ = days(60, 3)
    raw = recovery_risk(paths, counted(paths), xy, night=night, seed=1, outsiders=outside)
    assert raw.succeeds
    assert raw.value > 0.6
    # Guard: suppressed below five and Laplace noise of scale 2.
    rng = np.random.default_rng(4)
    exact = counted(paths)
    noisy = np.where(exact >= 5, exact, 0) + rng.laplace(0, 2, exact.shape)
    safe = recovery_risk(paths, noisy, xy, night=night, seed=1, outsiders=outside)
    assert not safe.succeeds
    assert abs(safe.value - safe.reference) < 0.05
    assert safe.value < 0.2


def test_r13_a_person_between_two_releases_is_derived() -> None:
    # Release 1: rows 0–9. Release 2, a day later: rows 0–10; row 10 is one person.
    rows = np.arange(11)
    found = derived_counts([rows[:10], rows], [10, 11], person=rows, k=5)
    assert [(d.persons, d.value) for d in found] == [(1, 1)]


def test_r11_overlapping_zones_and_parents_are_subtracted() -> None:
    # A parent of twelve, two children of five and five: the rest is two persons; each alone leaves seven.
    person = np.arange(12)
    sets = [person, person[:5], person[5:10]]
    found = derived_counts(sets, [12, 5, 5], person=person, k=5)
    assert [(d.smaller, d.persons) for d in found] == [((1, 2), 2)]
    raw = differencing_risk(sets, [12, 5, 5], person=person, k=5)
    assert raw.value == pytest.approx(2 / 12)
    # As a partition (ruling 9) nothing is left to subtract; the twin with the full parent is the case above.
    safe = differencing_risk([person[:5], person[5:12]], [5, 7], person=person, k=5)
    assert safe.value == 0


def test_r01_rows_of_nobody_are_no_derived_person() -> None:
    person = np.array([0, 1, 2, -1])
    assert derived_counts([np.arange(4), np.arange(3)], [4, 3], person=person, k=3) == ()


def test_r11_one_blank_cell_is_settled_and_two_are_not() -> None:
    # 2 × 2 table with margins; one blank is known, a second in the same row and column pattern hides both.
    cells = np.array([3.0, 20, 30, 40])
    margins = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1]], float)
    totals = margins @ cells
    single = feasible(margins, totals, suppressed=np.array([0]), known=cells)
    assert single.exact.tolist() == [True]
    assert single.low.tolist() == [3]
    every = feasible(margins, totals, suppressed=np.arange(4), known=cells)
    assert not every.exact.any()
    assert every.protected(cells, width=10).all()
    # Knowing that blanks are below k = 5 narrows what is possible, here to a contradiction.
    with pytest.raises(SchemaError, match="contradict"):
        feasible(margins, totals, suppressed=np.arange(4), known=cells, below=5)


def test_r12_perturbed_totals_cannot_be_differenced_exactly() -> None:
    cells = np.array([3.0, 20, 30])
    wrong = feasible(np.ones((1, 3)), np.array([cells.sum() + 2]), suppressed=np.array([0]), known=cells)
    assert wrong.low[0] != 3


def tables(city: Any, columns: tuple[Any, ...]) -> tuple[Any, ...]:
    """Released rows of people inside, and one row a person inside and outside."""
    inside, outside = hold_out(city.person, share=0.5, seed=3)
    table = np.column_stack(columns)
    return (
        table[inside],
        one_row_a_person(city.person[inside], table[inside], seed=1),
        one_row_a_person(city.person[outside], table[outside], seed=1),
    )


def test_article_29_raw_rows_fail_all_three(city: Any) -> None:
    released, people, control = tables(city, (city.start_cell, city.end_cell, city.start_bin, city.start_s, city.end_s))
    assert singling_out(released, people, control, attacks=1500, columns=3, seed=1).succeeds
    assert linkability(released, people, control, left=(0, 3), right=(1, 4), seed=1).succeeds
    assert inference(released, people, control, known=(0, 2), secret=1, seed=1).succeeds


def test_article_29_classes_of_k_pass_singling_out_and_linkability(city: Any, guard: Callable[..., Any]) -> None:
    columns = city.coarse(12, 24)
    released, people, control = tables(city, columns)
    inside, _ = hold_out(city.person, share=0.5, seed=3)
    kept = guard(city.person[inside], *released.T, k=11)
    assert kept.mean() > 0.5
    released = released[kept]
    assert not singling_out(released, people, control, attacks=300, columns=3, seed=1).succeeds
    assert not linkability(released, people, control, left=(0,), right=(1, 2), seed=1).succeeds
    assert not inference(released, people, control, known=(0, 2), secret=1, seed=1).succeeds


def test_article_29_counts_persons_not_rows() -> None:
    rows = one_row_a_person(np.array([4] * 40 + [7, -1]), np.arange(42)[:, None], seed=1)
    assert len(rows) == 2


def test_article_29_needs_control_people() -> None:
    with pytest.raises(SchemaError, match="control"):
        inference(np.ones((3, 2)), np.ones((3, 2)), np.ones((0, 2)), known=(0,), secret=1, seed=1)  # type: ignore[arg-type]


def test_combined_codes_are_the_same_for_equal_rows() -> None:
    assert combine(np.array([7, 7, 8]), np.array([1, 1, 1])).tolist() == [0, 0, 1]
