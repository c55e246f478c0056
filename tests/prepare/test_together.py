"""People who ride together count as one, wherever a source knows it (ruling 3)."""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from anonkit.base.errors import RecipeError, ReleaseRefusedError
from anonkit.engine import Session
from anonkit.pipeline.plan import plan
from anonkit.prepare import count_together
from anonkit.recipe import load_recipe
from hypothesis import given, settings
from hypothesis import strategies as st

SIGNS = ("party", "vehicle", "trip")


def mapped(*, k: int = 5, signs: tuple[str, ...] | None = None) -> Any:
    """The town's columns ``driver`` and ``station`` stand for the vehicle and the booking."""

    def change(recipe: dict[str, Any]) -> None:
        recipe["inputs"][0]["columns"] |= {"vehicle": "driver", "party": "station"}
        recipe["privacy"] |= {"protect": {"person": k}, "dominance": "1"}
        if signs is not None:
            recipe["privacy"]["together"] = list(signs)
        recipe["products"] = {"flows": {"cell_m": 1000, "bins": "3h"}}

    return change


def leaves(town: Any, **how: Any) -> bool:
    """Whether the one flow of the town would leave."""
    return bool(plan(town.recipe(mapped(**how))).products[0]["classes_released"])


def refused(town: Any, out: str) -> set[str]:
    """Checks of the gate that a release fails."""
    with pytest.raises(ReleaseRefusedError):
        town.release(mapped(), out=out)
    failed: set[str] = town.failed(out)
    return failed


def test_r03_a_family_of_five_in_one_car_is_no_class_of_five(town: Any) -> None:
    town.rides("ABCDE", station="booking-1")
    assert not leaves(town)
    town.rides("FGHI", station="")  # four more, each alone: five groups
    town.release(mapped(), out="nine")
    assert (
        "People known to have ridden together (by their booking, " in (town.folder / "nine" / "README.md").read_text()
    )
    assert town.run("nine")["together"] == {
        "signs": ["party", "vehicle", "trip"],
        "shared_rides": 1,
        "people": 5,
        "groups": 1,
        "largest_group": 5,
    }
    assert town.table("flows", "nine")[0]["persons_at_least"] == 5
    assert not leaves(town, k=6)


def test_r03_the_same_vehicle_with_the_same_start_and_end_is_one_ride(town: Any) -> None:
    town.rides("ABCDE", driver="V1")
    assert not leaves(town)
    town.rows.clear()
    for number, rider in enumerate("ABCDE"):  # one after the other in one vehicle: no companions
        town.ride(rider, driver="V1", start=f"2026-03-03T08:1{number}:00", end=f"2026-03-03T08:3{number}:00")
    assert leaves(town)


def test_r03_a_trip_id_that_several_people_share_is_one_ride(town: Any) -> None:
    town.rides("ABCDE", trip="X1")
    assert not leaves(town)
    town.rows.clear()
    for day, rider in enumerate("ABCDE", start=2):  # ids that begin again each day
        town.ride(rider, trip="1", start=f"2026-03-0{day}T08:10:00")

    def pooled(recipe: dict[str, Any]) -> None:
        mapped()(recipe)
        recipe["products"]["flows"]["bins"] = "3h of day"

    assert plan(town.recipe(pooled)).products[0]["classes_released"] == 1


def test_r03_the_recipe_says_which_signs_are_looked_at(town: Any) -> None:
    town.rides("ABCDE", station="booking-1", driver="V1", trip="X1")
    town.release(mapped(signs=()))
    text = (town.folder / "out" / "README.md").read_text(encoding="utf-8")
    assert "ridden together" not in text
    assert town.run()["together"]["signs"] == []
    for sign in SIGNS:
        assert not leaves(town, signs=(sign,))


def test_r03_who_rides_alone_and_in_company_counts_once(town: Any) -> None:
    # A and B share one ride on another day; in the class of four more people each rides alone
    town.rides("AB", station="booking-1", at=(3, 3), to=(5, 5), start="2026-03-09T18:10:00")
    town.rides("ABCDE")
    assert not leaves(town)  # A and B are one: four units
    town.rides("F")
    assert leaves(town)


def test_r03_chains_of_companions_are_one_unit(town: Any) -> None:
    for first, second in ("AB", "BC", "CD", "DE"):
        town.rides(first + second, station=f"booking-{first}", at=(3, 3), to=(5, 5), start="2026-03-09T18:10:00")
    town.rides("ABCDE")
    assert not leaves(town)
    assert leaves(town, signs=())


def test_r03_companions_of_two_operators_are_matched_through_the_pool(pool: Any) -> None:
    # A rides with B at alpha and, under another account, with C at beta: A, B, C are one
    uses = {"research": "made up for this test", "cross_operator_matching": "made up for this test"}
    for operator, pairs in (("alpha", ("AB", "DD")), ("beta", ("AC", "EE"))):
        for number, pair in enumerate(pairs):
            for name in dict.fromkeys(pair):
                more = {"phone": f"+99450{ord(name):07d}"}
                pool.ride(operator, f"{operator}-{name}", more=more, trip=f"{operator}-{number}", at=(0, 0), to=(4, 0))
        pool.promise(operator, uses=uses)
    seen = pool.ingest()
    assert len(seen.rows) == 6
    assert seen.persons == 3  # A with B and C; D; E
    assert len({row["individual"] for row in seen.rows}) == 5


def test_r03_erased_companions_are_told_of_and_found_by_themselves(pool: Any) -> None:
    # the register notes persons, not groups: each can be erased, and recipients are known of each
    from anonkit.registry import Identifier, SubjectRegister, read_key

    for name in "ABCDEF":
        shared = "T1" if name in "AB" else f"T-{name}"
        pool.ride("alpha", f"account-{name}", trip=shared, more={"phone": f"+99450{ord(name):07d}"}, to=(4, 0))
    pool.release(lambda recipe: recipe["privacy"].update(dominance="1"))
    folder = pool.folder / "anonkit.registry"
    register = SubjectRegister(folder / "subjects", key=read_key(folder / "subjects.key"))
    for name in "ABCDEF":
        person = (Identifier(kind="account_id", value=f"account-{name}", operator="alpha"),)
        assert register.show(person).releases == ("town-2026-03",)


def test_party_needs_persons_to_count(town: Any) -> None:
    def trips(recipe: dict[str, Any]) -> None:
        columns = recipe["inputs"][0]["columns"] | {"party": "station"}
        recipe["inputs"][0] |= {"privacy_unit": "trip", "columns": columns}
        recipe["privacy"]["protect"] = {"trip": 5}
        del columns["person"]

    with pytest.raises(RecipeError, match="maps 'party'"):
        load_recipe(town.recipe(trips))


rides = st.lists(
    st.tuples(
        st.integers(1, 9),
        st.sampled_from([None, 1, 2, 3]),
        st.sampled_from([None, 1, 2]),
        st.integers(1, 25),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=25,
    unique_by=lambda row: (row[0], row[3]),
)


@settings(max_examples=60, deadline=None)
@given(rides)
def test_r03_units_are_the_groups_of_people_whom_rides_connect(table: list[tuple[Any, ...]]) -> None:
    # beside a union of sets written apart: person, party, vehicle's ride, trip, bin
    groups: list[set[int]] = [{row[0]} for row in table]
    for one in table:
        for other in table:
            same_trip = one[3] == other[3] and abs(one[4] - other[4]) <= 1
            if one[0] != other[0] and (None is not one[1] == other[1] or None is not one[2] == other[2] or same_trip):
                groups.append({one[0], other[0]})
    merged = True
    while merged:
        merged = False
        for i, left in enumerate(groups):
            for right in groups[i + 1 :]:
                if left & right and left is not right:
                    left |= right
                    groups.remove(right)
                    merged = True
                    break
            if merged:
                break
    names = ("person", "ride_party", "ride_vehicle", "trip", "start_bin")
    columns = {name: pa.array([row[number] for row in table], pa.int64()) for number, name in enumerate(names)}
    columns["trip"] = pa.array([row[3] * 1000 for row in table], pa.int64())
    columns["record"] = pa.array([row[0] * 7 for row in table], pa.int64())
    with Session(threads=1) as session:
        rows, told = count_together(session.from_arrow(pa.table(columns)), session, signs=SIGNS)
        found = session.collect(rows).to_pylist()
    by_unit: dict[int, set[int]] = defaultdict(set)
    for row in found:
        by_unit[row["person"]].add(row.get("individual", row["person"]))
        assert row["record"] == 7 * row["person"]  # the least of both belongs to one person here
    assert sorted(map(sorted, by_unit.values())) == sorted(map(sorted, groups))
    assert told.groups == sum(len(group) > 1 for group in groups)
    assert len({row["trip"] for row in found}) == len(found) or not told.people


def test_r03_twin_companions_who_count_apart_are_refused(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from anonkit.pipeline import ingest
    from anonkit.prepare import Together

    monkeypatch.setattr(ingest, "count_together", lambda rows, session, signs: (rows, Together()))
    for sign, where in (("party", {"station": "B1"}), ("vehicle", {"driver": "V1"}), ("trip", {"trip": "X1"})):
        town.rows.clear()
        town.rides("ABCDEF", **where)
        assert refused(town, sign) == {"companions"}


def test_r03_twin_a_token_for_each_ride_is_refused(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # companions of one row under a token of the ride, as themselves elsewhere: they would count twice
    from anonkit.pipeline import ingest

    honest = ingest.count_together

    def of_the_ride(rows: Any, session: Session, *, signs: tuple[str, ...]) -> Any:
        rows, told = honest(rows, session, signs=signs)
        ride = "CASE WHEN ride_party IS NULL THEN individual ELSE person END"
        return session.frame(f"SELECT * REPLACE ({ride} AS person) FROM {{rows}}", rows=rows), told

    monkeypatch.setattr(ingest, "count_together", of_the_ride)
    town.rides("AB", station="booking-1", at=(0, 0), to=(4, 0))
    town.rides("ABCDE")
    assert "companions" in refused(town, "out")


def test_r03_the_release_is_that_of_a_recount_from_the_raw_file(town: Any, recount: Any) -> None:
    draws = random.Random(3)
    for number in range(400):
        at, to = draws.choice([((0, 0), (4, 0)), ((1, 1), (5, 1)), ((0, 4), (4, 4))])
        first = 3 * draws.randrange(40)  # families of three
        company = [f"P{first + n}" for n in draws.sample(range(3), k=draws.choice([1, 1, 1, 2, 3]))]
        town.rides(
            company,
            at=at,
            to=to,
            station=f"B{number}" if len(company) > 1 else "",
            start=f"2026-03-{1 + number % 28:02d}T08:10:00",
        )

    def change(recipe: dict[str, Any]) -> None:
        mapped()(recipe)
        recipe["privacy"] |= {"dominance": "1/2"}
        recipe["products"] = {
            "trips": {"cell_m": 1000, "bins": "1d of week", "rows_per_person": 3},
            "flows": {"cell_m": 2000, "bins": "1d of week"},
        }

    path = town.recipe(change)
    from anonkit.pipeline import release

    release(path, out=town.folder / "out")
    counted = recount(path)
    figures = counted.check(town.folder / "out")
    assert counted.companions > 10
    assert figures["flows"]["classes"] > 3
    assert figures["flows"]["fewest"] >= 5


def test_r03_twin_the_recount_finds_a_release_that_counts_companions_apart(
    town: Any, recount: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.rides("ABCDE", station="booking-1")
    town.release(mapped(signs=()))
    path = town.recipe(mapped())  # the same, but the recipe now says that companions count as one
    with pytest.raises(AssertionError, match="too small"):
        recount(path).check(town.folder / "out")


def test_r03_the_sample_knows_companions_by_the_vehicle() -> None:
    # no two of its riders have one scooter at the same instants; the sign is looked at all the same
    root = Path(__file__).resolve().parents[2]
    recipe = yaml.safe_load((root / "data/recipes/kontaktplus.yml").read_text(encoding="utf-8"))
    assert "vehicle" in recipe["inputs"][0]["columns"]
    read, _ = load_recipe(root / "data/recipes/kontaktplus.yml")
    assert read.together == ("vehicle", "trip")
    with (root / "data/samples/kontaktplus/rides.csv").open(encoding="utf-8", newline="") as file:
        rides = [row for row in csv.DictReader(file) if row.get("scooter_id")]
    by_ride = defaultdict(set)
    for row in rides:
        by_ride[row["scooter_id"], row["started_at"], row["ended_at"]].add(row["user_id"])
    assert max(map(len, by_ride.values())) == 1
