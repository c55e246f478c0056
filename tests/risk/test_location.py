"""The eight location attacks have scikit-mobility's values, and are right on tables worked out by hand."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anonkit.base.errors import SchemaError
from anonkit.risk.incidence import combine, hold_out
from anonkit.risk.location import ATTACKS, Visits, location_risk
from hypothesis import given, settings
from hypothesis import strategies as st

REAL = Path(os.environ.get("ANONKIT_REAL_DATA", Path(__file__).parents[2] / "../shared/data"))
TOY = REAL.parent / "conformance" / "skmob_toy.csv"

# scikit-mobility 1.3.1 on its toy table, two known points, users 1 … 7.
CONFORMANCE = {
    "location": [1 / 3, 0.5, 1 / 3, 1 / 3, 0.25, 0.25, 0.5],
    "location_sequence": [0.5, 0.5, 1, 0.5, 1, 1 / 3, 0.5],
    "location_time": [1, 1, 1, 1, 1, 0.5, 1],
    "unique_location": [1 / 3, 0.25, 1 / 3, 1 / 3, 0.25, 0.25, 0.25],
    "location_frequency": [1 / 3, 1, 1 / 3, 1 / 3, 1 / 3, 1 / 3, 1],
    "location_probability": [0.5, 1, 0.5, 1, 1, 1, 1],
    "location_proportion": [1 / 3, 1, 1 / 3, 1 / 3, 1 / 3, 1 / 3, 1],
    "home_and_work": [0.25, 0.25, 0.25, 0.25, 1, 1, 1],
}
# The toy table itself, as (user, place, day, hour), so that the values are tested where the file is missing:
# places by latitude F 43.54, P 43.70, X 43.78, A 43.84.
POINTS = [
    *("1A3.08", "1F3.09", "1P3.10", "1X4.10", "2A3.08", "2P3.09", "2A4.10", "2F4.11"),
    *("3F3.08", "3P3.09", "3A4.10", "3X4.11", "4P4.10", "4F4.11", "4X4.12", "5P4.10"),
    *("5X4.11", "5A5.12", "6A4.10", "6F4.11", "7A4.10", "7A4.11", "7X5.12"),
]


def toy() -> Visits:
    """The seven users of scikit-mobility's toy table."""
    return Visits(
        person=np.array([int(p[0]) for p in POINTS]),
        place=np.array(["FPXA".index(p[1]) for p in POINTS]),
        time_s=np.array([int(p[2]) * 86400 + int(p[4:]) * 3600 + 2044 for p in POINTS]),
    )


@pytest.mark.parametrize("attack", ATTACKS)
def test_values_equal_scikit_mobility_to_four_decimals(attack: str) -> None:
    # Its home and work sorts ascending and so takes the two least visited places; ours needs rule="least" for that.
    found = location_risk(toy(), attack=attack, known=2, rule="least")  # type: ignore[arg-type]
    assert found.worst.round(4).tolist() == np.round(CONFORMANCE[attack], 4).tolist()


@pytest.mark.real
def test_the_toy_table_here_is_the_file_of_the_reference_values() -> None:
    if not TOY.exists():
        pytest.skip("the reference table is missing (ANONKIT_REAL_DATA or ../shared/data)")
    table = pd.read_csv(TOY, parse_dates=["datetime"])
    place = table.groupby(["lat", "lng"]).ngroup().to_numpy()
    seconds = (table["datetime"] - pd.Timestamp("2011-01-31")).dt.total_seconds().to_numpy().astype(np.int64)
    here = toy()
    assert np.array_equal(here.person, table["uid"])
    assert np.array_equal(here.place, place)
    assert here.time_s is not None
    assert np.array_equal(here.time_s, seconds)


def test_known_three_and_tolerance_follow_the_documented_examples() -> None:
    # Documented by scikit-mobility for three known points, and for tolerance 0.5 with two.
    assert location_risk(toy(), attack="location", known=3).worst.round(3).tolist() == [
        0.5, 1, 0.5, 0.333, 0.333, 0.25, 1,
    ]  # fmt: skip
    tolerant = location_risk(toy(), attack="location_probability", known=2, tolerance=0.5)
    assert tolerant.worst.round(3).tolist() == [0.333, 0.5, 0.333, 0.333, 0.25, 1, 1]
    proportion = location_risk(toy(), attack="location_proportion", known=2, tolerance=0.5)
    assert proportion.worst.round(3).tolist() == [0.333, 0.25, 0.333, 0.333, 0.333, 0.333, 0.25]


def test_home_and_work_takes_the_most_visited_places_by_default() -> None:
    # Person 0: home 1 (3), work 2 (2), a shop 9 (1). Person 1: 1, 3 and the same shop. Pairs {1,2} and {1,3}: unique.
    seen = Visits(person=np.array([0] * 6 + [1] * 6), place=np.array([1, 1, 1, 2, 2, 9, 1, 1, 1, 3, 3, 9]))
    assert location_risk(seen, attack="home_and_work", known=2).worst.tolist() == [1, 1]
    # Least visited: {9, 2} and {9, 3}.
    assert location_risk(seen, attack="home_and_work", known=2, rule="least").worst.tolist() == [1, 1]


def test_time_step_is_the_step_asked_for() -> None:
    # Same place an hour apart: two persons in one day, one in one hour.
    seen = Visits(person=np.array([0, 1]), place=np.array([4, 4]), time_s=np.array([3600, 7200]))
    assert location_risk(seen, attack="location_time", known=1, time_step_s=3600).worst.tolist() == [1, 1]
    assert location_risk(seen, attack="location_time", known=1, time_step_s=86400).worst.tolist() == [0.5, 0.5]


def brute_force(visits: Visits, known: int, *, times: bool) -> list[float]:
    """Multiset inclusion by definition, for small tables."""
    traces = {
        int(p): sorted(
            zip(visits.place[visits.person == p], (visits.time_s // 3600)[visits.person == p], strict=True)  # type: ignore[index, operator]
            if times
            else visits.place[visits.person == p].tolist()
        )
        for p in np.unique(visits.person)
    }
    worst = []
    for trace in traces.values():
        risk = 0.0
        for background in itertools.combinations(trace, min(known, len(trace))):
            fit = sum(all(other.count(b) >= background.count(b) for b in background) for other in traces.values())
            risk = max(risk, 1 / fit)
        worst.append(risk)
    return worst


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=20))
def test_risk_is_one_over_the_fewest_who_fit_by_definition(points: list[tuple[int, int, int]]) -> None:
    table = np.array(points)
    seen = Visits(person=table[:, 0], place=table[:, 1], time_s=table[:, 2] * 3600)
    for known in (1, 2, 3):
        assert location_risk(seen, attack="location", known=known).worst.tolist() == brute_force(
            seen, known, times=False
        )
        assert location_risk(seen, attack="location_time", known=known).worst.tolist() == brute_force(
            seen, known, times=True
        )


def test_sampled_backgrounds_never_exceed_the_worst_and_repeat_with_the_seed() -> None:
    rng = np.random.default_rng(3)
    seen = Visits(person=np.repeat(np.arange(30), 8), place=rng.integers(0, 12, 240))
    every = location_risk(seen, attack="location", known=3)
    some = location_risk(seen, attack="location", known=3, samples=20, seed=5)
    again = location_risk(seen, attack="location", known=3, samples=20, seed=5)
    assert (some.worst <= every.worst).all()
    assert np.array_equal(some.mean, again.mean)
    many = location_risk(seen, attack="location", known=3, samples=4000, seed=6)
    assert np.array_equal(many.worst, every.worst)


def test_people_not_in_the_data_are_found_less_often_than_people_in_it() -> None:
    rng = np.random.default_rng(4)
    person = np.repeat(np.arange(200), 20)
    home = rng.integers(0, 400, 200)
    place = np.where(rng.random(4000) < 0.5, home[person], rng.integers(0, 400, 4000))
    inside, outside = hold_out(person, share=0.5, seed=1)
    data = Visits(person=person[inside], place=place[inside])
    members = location_risk(data, attack="location", known=3, samples=50, seed=1)
    others = location_risk(
        data, attack="location", known=3, samples=50, seed=1,
        targets=Visits(person=person[outside], place=place[outside]),
    )  # fmt: skip
    figure = members.figure(control=others)
    assert figure.succeeds
    # Mutation twin: places coarsened to one leave everybody alike, and the attack at guessing.
    blurred = Visits(person=data.person, place=np.zeros(len(data.person), np.int64))
    after = location_risk(blurred, attack="unique_location", known=3).figure()
    assert after.value == pytest.approx(after.baseline)


def test_r01_points_of_nobody_fit_nobody() -> None:
    seen = Visits(person=np.array([0, 1, -1]), place=np.array([4, 4, 4]))
    assert location_risk(seen, attack="location", known=1).worst.tolist() == [0.5, 0.5]


def test_parameters_are_checked() -> None:
    with pytest.raises(SchemaError, match="unknown location attack"):
        location_risk(toy(), attack="wizard", known=2)  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match="at least 1"):
        location_risk(toy(), attack="location", known=0)
    with pytest.raises(SchemaError, match="seed"):
        location_risk(toy(), attack="location", known=2, samples=10)
    with pytest.raises(SchemaError, match="needs the time"):
        location_risk(Visits(person=np.zeros(1), place=np.zeros(1)), attack="location_time", known=1)  # type: ignore[arg-type]


def test_combining_keeps_unknown_unknown() -> None:
    assert combine(np.array([3, -1, 3]), np.array([1, 1, 2])).tolist() == [0, -1, 1]
