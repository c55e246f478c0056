"""Places, linkage, trips, destinations, routes and chains: each succeeds on raw rows and not on safe ones."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anonkit.pipeline import release
from anonkit.risk.chains import ReleasedTrips, chain_claims, chain_risk
from anonkit.risk.incidence import combine
from anonkit.risk.linkage import fresh_pseudonyms, link_periods
from anonkit.risk.places import home_and_work, home_work_risk, top_places_risk
from anonkit.risk.routes import circle_fit, patterns_walked_in_full, subpath_risk
from anonkit.risk.trips import class_risk, class_table, destination_inference, trip_risk, trip_uniqueness


def test_home_is_where_the_nights_are_and_work_where_weekdays_are() -> None:
    # Hours of the week: Monday 3 h, 22 h at place 5; Monday 10 h at 7 and at home once; Saturday 10 h at 9.
    hours = np.array([3, 22, 10, 11, 12, 5 * 24 + 10])
    pairs, told = home_and_work(np.zeros(6, int), np.array([5, 5, 7, 7, 5, 9]), hours)
    assert pairs.tolist() == [[5, 7]]
    assert told.tolist() == [True]


def test_home_and_work_pairs_name_people_on_raw_cells_and_not_on_coarse_ones(city: Any) -> None:
    hour = city.end_s // 3600 % 168
    raw = home_work_risk(city.person, city.end_cell, hour)
    assert raw.succeeds
    assert raw.value > 0.9
    coarse = home_work_risk(city.person, city.coarse(12, 1)[1], hour)
    assert coarse.is_at_baseline(margin=0.03)
    top = top_places_risk(city.person, city.end_cell, top=2)
    assert top.succeeds
    assert top_places_risk(city.person, city.coarse(24, 1)[1], top=2).value == 0


@pytest.mark.parametrize("profile", ["heat_map", "markov"])
def test_people_are_linked_across_periods_by_pseudonym_and_not_by_fresh_rows(city: Any, profile: str) -> None:
    middle = 6 * 86400
    order = np.argsort(city.start_s, kind="stable")
    person, cell, when = city.person[order], city.end_cell[order], city.start_s[order]
    first, second = when < middle, when >= middle
    # Some people travel in one period only: the control.
    first &= (person % 5 != 0) | (person % 2 == 0)
    other = np.random.default_rng(1).permutation(250)
    parts = (person[first], cell[first]), (other[person[second]], cell[second])
    raw = link_periods(*parts, truth=(person[first], person[second]), profile=profile, seed=3)  # type: ignore[arg-type]
    assert raw.value > 0.9
    assert raw.succeeds
    assert raw.control is not None
    # Twin: pseudonyms kept but places made coarse still link some; a fresh one a row and coarse cells link nobody.
    wide = city.coarse(12, 1)[1][order]
    fresh = link_periods(
        (fresh_pseudonyms(int(first.sum())), wide[first]), (fresh_pseudonyms(int(second.sum())), wide[second]),
        truth=(person[first], person[second]), profile="heat_map", seed=3,
    )  # fmt: skip
    assert not fresh.succeeds
    assert fresh.is_at_baseline(margin=0.03)


def test_trip_uniqueness_is_counted_in_rows() -> None:
    # Classes of 1, 2 and 5 rows: 1/8 unique, 3/8 under five.
    found = trip_uniqueness(np.array([1, 2, 2, 3, 3, 3, 3, 3]))
    assert (found.unique_rows, found.rows_under_5, found.largest_class) == (Fraction(1, 8), Fraction(3, 8), 5)


def test_trips_are_unique_raw_and_not_in_classes_of_k(city: Any, guard: Callable[..., Any]) -> None:
    raw = trip_risk(city.person, city.start_cell, city.end_cell, city.start_bin)
    assert raw.succeeds
    columns = city.coarse(12, 24)
    kept = guard(city.person, *columns, k=11)
    assert kept.mean() > 0.5
    safe = trip_risk(city.person[kept], *(c[kept] for c in columns))
    assert safe.value == 0
    assert safe.is_at_baseline(margin=0.02)
    assert class_risk(*class_table(city.person[kept], *(c[kept] for c in columns))).smallest >= 11
    # Mutation twin: k − 1 in the guard is seen by the recount.
    weak = guard(city.person, *columns, k=10)
    assert class_risk(*class_table(city.person[weak], *(c[weak] for c in columns))).smallest < 11


def test_r07_a_homogeneous_origin_gives_its_destination_away() -> None:
    # Three persons from 1 all to 9 (l = 1); from 2 they go to 7, 8, 9.
    person, origin = np.array([0, 1, 2, 0, 1, 2]), np.array([1, 1, 1, 2, 2, 2])
    found = destination_inference(person, origin, np.array([9, 9, 9, 7, 8, 9]), seed=1)
    assert found.details["smallest_l"] == 1
    assert found.details["rows_with_one_destination"] == 0.5
    # Origin 1: 3 of 3; origin 2: a tie of three, right in a third on average.
    assert found.value == pytest.approx(2 / 3)
    # Left out: origin 1 is guessed from the others, origin 2 never.
    assert found.control == pytest.approx(0.5)


def test_r07_destinations_are_inferred_from_raw_origins_and_not_from_diverse_classes(city: Any) -> None:
    raw = destination_inference(city.person, combine(city.start_cell, city.start_bin), city.end_cell, seed=1)
    assert raw.succeeds
    assert raw.value > 0.8
    # Everybody's origin is one cell of the whole city: what is left is the most frequent destination.
    origin, destination, _ = city.coarse(24, 24)[0], city.coarse(12, 1)[1], None
    safe = destination_inference(city.person, origin, destination, seed=1)
    assert not safe.succeeds
    assert safe.details["smallest_l"] >= 2


def test_r07_a_release_does_not_tell_the_only_destination_of_an_origin_and_time(town: Any) -> None:
    """Seven people from (0, 0), all to (6, 6); fourteen from (4, 4), half to (6, 6), half to (2, 2)."""
    for name, at, to in (("A", (0, 0), (6, 6)), ("B", (4, 4), (6, 6)), ("C", (4, 4), (2, 2)), ("D", (2, 6), (2, 2))):
        town.rides([f"{name}{number}" for number in range(7)], at=at, to=to)
    town.rides([f"E{number}" for number in range(7)], at=(2, 6), to=(6, 6))

    def diverse(recipe: dict[str, Any]) -> None:
        recipe["privacy"]["l_places"] = 2
        recipe["products"] = {"flows": recipe["products"]["flows"]}

    def careless(recipe: dict[str, Any]) -> None:
        diverse(recipe)
        recipe["privacy"]["l_places"] = 1

    for change, out in (
        (diverse, "diverse"),
        (careless, "careless"),
    ):  # two operators, so that neither overlaps the other
        release(town.recipe(change), out=town.folder / out, registry=town.folder / f"{out}.registry")

    def destinations(out: str) -> list[int]:
        found: dict[int, int] = {}
        for row in town.table("flows", out):
            found[row["start_cell"]] = found.get(row["start_cell"], 0) + 1
        return sorted(found.values())

    assert destinations("careless") == [1, 2, 2]  # twin: without the rule the only destination of (0, 0) is told
    assert destinations("diverse") == [2, 2]


def test_a_run_of_links_names_its_walker() -> None:
    rng = np.random.default_rng(5)
    persons, links = 120, 12
    person = np.repeat(np.arange(persons), links)
    raw = subpath_risk(person, person, rng.integers(0, 60, len(person)), length=4, seed=1)
    assert raw.succeeds
    assert raw.value > 0.95
    shared = np.tile(np.arange(links), persons)
    assert subpath_risk(person, person, shared, length=4, seed=1).is_at_baseline(margin=0.02)
    # Mutation twin: one person's own road among shared ones is found.
    own = np.where(person == 7, 1000 + shared, shared)
    assert subpath_risk(person, person, own, length=4, seed=1).details["runs_of_one_person"] == links - 3


def test_r31_pieces_shared_by_many_do_not_make_a_path_walked_by_one() -> None:
    # Persons 0–2 walk 1-2-3, persons 3–5 walk 3-4-5; only person 6 walks 1-2-3-4-5. Person 0 has driver 1, others 2.
    trips = [[1, 2, 3]] * 3 + [[3, 4, 5]] * 3 + [[1, 2, 3, 4, 5]]
    person = np.concatenate([[p] * len(t) for p, t in enumerate(trips)])
    link = np.concatenate(trips)
    driver = np.where(person == 0, 1, 2)
    found = patterns_walked_in_full([(1, 2, 3), (1, 2, 3, 4, 5)], person, person, link, driver=driver)
    assert [(f.persons, f.drivers) for f in found] == [(4, 2), (1, 1)]


def ring(cut: str, seed: int) -> tuple[Any, ...]:
    """Ends of 60 persons' trips around their homes, trimmed by a circle or by the border of a cell."""
    rng = np.random.default_rng(seed)
    home = rng.uniform(0, 20_000, (60, 2))
    person = np.repeat(np.arange(60), 12)
    turn = rng.uniform(0, 2 * np.pi, len(person))
    way = np.column_stack([np.cos(turn), np.sin(turn)])
    if cut == "circle":
        reach = np.full(len(person), 200.0)
    else:
        cell = 1000.0
        inside = home[person] % cell
        ahead = np.where(way > 0, cell - inside, inside)
        reach = (ahead / np.maximum(np.abs(way), 1e-9)).min(axis=1)
    ends = home[person] + way * reach[:, None] + rng.normal(0, 5, (len(person), 2))
    return person, ends[:, 0], ends[:, 1], home


def test_r30_a_circle_gives_the_home_away_and_a_cell_border_does_not() -> None:
    person, x, y, home = ring("circle", 1)
    found = circle_fit(person, x, y, home_x_m=home[:, 0], home_y_m=home[:, 1], within_m=25, guess_m=200, seed=1)
    assert found.value > 0.95
    assert found.succeeds
    person, x, y, home = ring("border", 1)
    cut = circle_fit(person, x, y, home_x_m=home[:, 0], home_y_m=home[:, 1], within_m=25, guess_m=500, seed=1)
    assert not cut.succeeds
    assert cut.value < 0.05


def released(city: Any, columns: tuple[Any, Any, Any], seconds: int) -> ReleasedTrips:
    origin, destination, block = columns
    return ReleasedTrips(
        start_cell=origin, end_cell=destination, start_s=block * seconds, end_s=city.end_s // seconds * seconds
    )


def test_r15_rows_without_ids_are_chained_raw_and_not_in_coarse_classes(city: Any, guard: Callable[..., Any]) -> None:
    raw = ReleasedTrips(start_cell=city.start_cell, end_cell=city.end_cell, start_s=city.start_s, end_s=city.end_s)
    found = chain_risk(raw, city.person, max_gap_s=16 * 3600, seed=1)
    assert found.value > 0.6
    assert found.succeeds
    origin, destination, block = city.coarse(12, 6)
    kept = guard(city.person, origin, destination, block, k=11)
    safe = chain_risk(
        ReleasedTrips(
            start_cell=origin[kept], end_cell=destination[kept], start_s=block[kept] * 21_600,
            end_s=(city.end_s // 21_600 * 21_600)[kept],
        ),
        city.person[kept], max_gap_s=16 * 3600, seed=1,
    )  # fmt: skip
    assert kept.sum() > 1000
    assert not safe.succeeds
    assert safe.value <= safe.baseline + 0.02


def test_r15_a_rare_mode_links_what_places_alone_do_not() -> None:
    # Two rows start where row 0 ended at the same time; only the mode tells which of them is the chain.
    seen = {
        "start_cell": np.array([1, 2, 2]), "end_cell": np.array([2, 3, 4]),
        "start_s": np.array([0, 900, 900]), "end_s": np.array([600, 1500, 1500]),
    }  # fmt: skip
    assert chain_claims(ReleasedTrips(**seen), max_gap_s=3600)[0] == -1
    assert chain_claims(ReleasedTrips(**seen, traits=np.array([1, 1, 0])), max_gap_s=3600)[0] == 1


@pytest.mark.real
def test_bike_trips_by_station_pair_and_hour_are_mostly_unique(real_data: Path) -> None:
    table = pd.read_csv(real_data / "healthy_ride/healthyride-rentals-2016-q3.csv")
    hour = pd.to_datetime(table["Starttime"], format="%m/%d/%Y %H:%M").dt.floor("h")
    ends = [table[c].fillna(-1).to_numpy(np.int64) for c in ("From station id", "To station id")]
    seconds = hour.astype("datetime64[s]").astype(np.int64).to_numpy()
    found = trip_uniqueness(*ends, seconds // 3600)
    assert found.rows == 28_841
    assert round(float(found.unique_rows), 2) == 0.55
    assert round(float(found.rows_under_5), 2) == 0.95


def test_r07_suppressed_trips_are_targets_and_the_guess_knows_published_ones_only() -> None:
    # From 1: two published rows to 9, two suppressed to 8. The guess 9 is right for two of four persons.
    person, origin, where = np.arange(4), np.ones(4, np.int64), np.array([9, 9, 8, 8])
    shown = np.array([True, True, False, False])
    found = destination_inference(person, origin, where, seed=1, published=shown)
    assert found.value == 0.5
    assert found.details["smallest_l"] == 1
    assert destination_inference(person, origin, where, seed=1).details["smallest_l"] == 2
