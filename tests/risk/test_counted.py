"""Attacks on classes and a sample of persons give what the same attacks give on everybody's rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from anonkit.risk.chains import ReleasedClasses, ReleasedTrips, chain_risk, chain_risk_in
from anonkit.risk.incidence import incidence
from anonkit.risk.unicity import KEY, drawn_points, persons_who_fit, persons_who_fit_keys

HOUR = 3600


@pytest.mark.parametrize("seed", range(12))
def test_chains_of_classes_are_those_of_their_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, persons = 60, 12
    start, end, mode = rng.integers(0, 4, rows), rng.integers(0, 4, rows), rng.integers(0, 2, rows)
    time_s, person = rng.integers(0, 9, rows) * HOUR, rng.integers(0, persons, rows)
    target = np.where(person < 7, person, -1)
    seen = ReleasedTrips(start_cell=start, end_cell=end, start_s=time_s, end_s=time_s, traits=mode)
    true_s = time_s + rng.permutation(rows)  # no two rows of a person at one time: their order is one
    whole = chain_risk(seen, target, max_gap_s=2 * HOUR, seed=1, true_s=true_s)
    _, first, number = np.unique(
        np.column_stack([start, end, time_s, mode]), axis=0, return_index=True, return_inverse=True
    )
    held = np.bincount(number)
    few = np.flatnonzero(held[number] <= 2)
    classes = ReleasedClasses(
        start_cell=start[first],
        end_cell=end[first],
        time_s=time_s[first],
        traits=mode[first],
        rows=held,
        few_class=number[few],
        few_owner=np.where(target[few] >= 0, target[few], -2),
    )
    mine = target >= 0
    found = chain_risk_in(classes, target[mine], number[mine], max_gap_s=2 * HOUR, seed=1, true_s=true_s[mine])
    assert whole.details["claims"] > 0
    for name in ("value", "low", "high", "baseline", "control", "persons", "details"):
        assert getattr(found, name) == getattr(whole, name), name


@pytest.mark.parametrize("seed", range(6))
def test_holders_as_keys_fit_as_those_of_a_table(seed: int) -> None:
    rng = np.random.default_rng(seed)
    person, item = rng.integers(0, 30, 400), rng.integers(0, 25, 400)
    table = incidence(person, item)
    targets = np.arange(table.persons)
    points = drawn_points(table, targets, 4, np.random.default_rng(seed))
    keys = rng.permutation(table.item_code.searchsorted(item) * KEY + person * 7_919)  # any code of a person will do
    assert persons_who_fit_keys(keys, points).tolist() == persons_who_fit(table, targets, points).tolist()


@pytest.mark.parametrize("bins", ["3h", "1h of week"])
def test_places_that_the_engine_compares_are_those_of_the_rows(
    town: Any, monkeypatch: pytest.MonkeyPatch, bins: str
) -> None:
    from anonkit.pipeline import attacks
    from anonkit.risk.places import home_work_risk, top_places_risk

    caught: list[Any] = []
    leaving = attacks.leaving

    def spied(source: Any) -> Any:
        found, step = leaving(source), source.step
        keyed = step.keyed(source.decisions.rows, source.recipe.geo.grid, source.recipe.time.time_bins)
        query = (
            f"SELECT person, _key_start_cell AS cell, {step.bin_key} AS bin FROM {{rows}} WHERE {step.part.told} = 0"
        )
        caught.append((step.at.bins, source.session.sql(query, rows=keyed).to_pydict(), found))
        return found

    def wide(recipe: dict[str, Any]) -> None:
        recipe["products"] = {"flows": {"cell_m": 1000, "bins": bins}}

    monkeypatch.setattr(attacks, "leaving", spied)
    for number in range(9):  # nights and office hours, two homes, three works, one who stays
        riders = [f"R{place}" for place in range(number, number + 9)]
        town.rides(riders, at=(number % 2 * 3, 0), to=(number % 3, 4), start=f"2026-03-0{2 + number % 5}T21:00:00")
        town.rides(riders, at=(number % 3, 4), to=(number % 2 * 3, 0), start=f"2026-03-0{2 + number % 5}T10:00:00")
    town.release(wide)
    width, table, found = caught[0]
    person = np.unique(table["person"], return_inverse=True)[1]
    place, hour = np.array(table["cell"]), np.array(table["bin"]) * width.seconds // HOUR
    hour = (hour + (72 if width.pool == "none" else 0)) % 168
    whole = {
        "top 2 places": top_places_risk(person, place, top=2),
        "home and work": home_work_risk(person, place, hour),
    }
    for name, figure in whole.items():
        size, groups = found.alike[name]
        assert int((size * groups).sum()) == figure.persons
        assert int(groups[size == 1].sum()) / figure.persons == figure.value
        assert int(2 * groups[size == 2].sum()) / figure.persons == figure.control
    assert whole["home and work"].persons > 5
    assert found.people == len(np.unique(person))
