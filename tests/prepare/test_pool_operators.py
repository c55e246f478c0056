"""No operator stands alone in a class of a pool, and none is named alone (ruling 6; the released column ``operator``)."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest
from anonkit.base.errors import RecipeError, ReleaseRefusedError
from anonkit.classes import Protection
from anonkit.engine import Session
from anonkit.geo import Grid, TimeBins
from anonkit.kanon import Product, decide_products
from anonkit.pipeline.plan import plan
from anonkit.recipe import load_recipe
from anonkit.recipe.model import Recipe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ONE, TWO, THREE = ((0, 0), (4, 0)), ((1, 1), (5, 1)), ((0, 4), (4, 4))


def people(pool: Any, operator: str, numbers: range, pair: Any = ONE) -> None:
    for number in numbers:
        pool.ride(operator, f"{operator}-{number}", at=pair[0], to=pair[1])


def said(**privacy: Any) -> Any:
    def change(recipe: dict[str, Any]) -> None:
        recipe["privacy"] |= {"protect": {"person": 5}, "dominance": "1", "insiders": False, **privacy}
        recipe["products"] = {"flows": {"cell_m": 1000, "bins": "3h"}}

    return change


def named(**privacy: Any) -> Any:
    def change(recipe: dict[str, Any]) -> None:
        said(**privacy)(recipe)
        recipe["products"]["flows"]["columns"] = ["operator"]

    return change


def classes(pool: Any, change: Any) -> int:
    """How many classes of flows would leave."""
    return int(plan(pool.recipe(change)).products[0]["classes_released"])


def failed(pool: Any, change: Any, out: str) -> set[str]:
    with pytest.raises(ReleaseRefusedError):
        pool.release(change, out=out)
    found: set[str] = pool.town.failed(out)
    return found


def test_r06_a_class_that_one_operator_dominates_is_suppressed(pool: Any) -> None:
    people(pool, "alpha", range(19))  # 19 of 21: more than 9/10
    people(pool, "beta", range(2))
    people(pool, "alpha", range(18), TWO)  # 18 of 20: exactly 9/10
    people(pool, "beta", range(2), TWO)
    people(pool, "alpha", range(8), THREE)  # one operator alone
    assert classes(pool, said()) == 1
    assert classes(pool, said(operator_dominance="19/21")) == 2
    assert classes(pool, said(operator_dominance="1")) == 3
    assert classes(pool, said(operator_dominance="1/2")) == 0
    pool.release(said())
    text = (pool.folder / "out" / "README.md").read_text(encoding="utf-8")
    assert "No operator has more than 9/10 of the trips of a class." in text
    checks = {one["check"]: one["status"] for one in pool.town.run()["findings"]}
    assert checks["operator_dominance"] == "PASS"


def test_r06_of_three_operators_the_default_is_half(pool: Any) -> None:
    for operator, number in (("alpha", 8), ("beta", 5), ("gamma", 3)):
        people(pool, operator, range(number))  # 8 of 16
    people(pool, "alpha", range(9), TWO)  # 9 of 17
    people(pool, "beta", range(5), TWO)
    people(pool, "gamma", range(3), TWO)
    assert classes(pool, said()) == 1
    read, _ = load_recipe(pool.recipe(said()))
    assert read.protection.operator_share == Fraction(1, 2)


def test_r06_a_dominated_class_goes_into_the_rest_of_its_parent(pool: Any) -> None:
    # at 1 km alpha has 11 of 12 of one flow; its neighbour in the same 2 km cell brings beta's share up
    people(pool, "alpha", range(11), ((0, 0), (4, 0)))
    people(pool, "beta", range(1), ((0, 0), (4, 0)))
    people(pool, "beta", range(10, 14), ((1, 0), (4, 0)))
    people(pool, "alpha", range(6), ((4, 4), (7, 7)))  # told at 1 km, since a first level must not be empty
    people(pool, "beta", range(6), ((4, 4), (7, 7)))

    def rolled(recipe: dict[str, Any]) -> None:
        said()(recipe)
        recipe["products"]["flows"]["roll_up"] = [{"cell_m": 2000, "bins": "3h"}]

    pool.release(rolled)
    rows = pool.town.table("flows")
    assert sorted((row["rolled_up"], row["trips"]) for row in rows) == [(0, 12), (1, 16)]


def test_one_operators_release_has_no_such_limit(pool: Any) -> None:
    people(pool, "alpha", range(6))
    pool.release(said())
    assert "No operator has more" not in (pool.folder / "out" / "README.md").read_text(encoding="utf-8")
    assert "operator_dominance" not in {one["check"] for one in pool.town.run()["findings"]}


def test_the_operator_is_published_beside_another_only(pool: Any) -> None:
    people(pool, "alpha", range(7))  # both hold k: both are told
    people(pool, "beta", range(20, 25))
    people(pool, "alpha", range(7), TWO)  # beta has four people there: neither is told
    people(pool, "beta", range(20, 24), TWO)
    people(pool, "alpha", range(7), THREE)  # alpha alone
    pool.release(named())
    assert Counter((row["operator"], row["trips"]) for row in pool.town.table("flows")) == {
        ("alpha", 7): 1,
        ("beta", 5): 1,
    }
    text = (pool.folder / "out" / "README.md").read_text(encoding="utf-8")
    assert "A class that names its operator stands beside another operator's" in text


def test_the_operator_may_be_given_up_on_the_way_up(pool: Any) -> None:
    # named at 1 km, and at 2 km the rest of both without a name
    people(pool, "alpha", range(7), ((0, 0), (4, 0)))
    people(pool, "beta", range(20, 25), ((0, 0), (4, 0)))
    people(pool, "alpha", range(30, 34), ((1, 0), (5, 0)))
    people(pool, "beta", range(40, 43), ((1, 0), (5, 0)))
    people(pool, "alpha", range(34, 36), ((0, 1), (5, 0)))

    def change(recipe: dict[str, Any]) -> None:
        named(protect={"person": 5})(recipe)
        recipe["products"]["flows"]["roll_up"] = [{"cell_m": 2000, "bins": "3h", "columns": []}]

    pool.release(change)
    rows = {(row["rolled_up"], row["operator"]): row["trips"] for row in pool.town.table("flows")}
    assert rows == {(0, "alpha"): 7, (0, "beta"): 5, (1, "any"): 9}


def test_r06_twin_a_maker_without_the_limit_is_refused(pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from anonkit.kanon import decide

    people(pool, "alpha", range(19))
    people(pool, "beta", range(2))
    monkeypatch.setattr(decide, "less_dominated", lambda classes, *_, **__: classes)
    assert failed(pool, said(), "out") == {"operator_dominance"}


def test_r06_twin_a_maker_who_names_an_operator_alone_is_refused(pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from anonkit.kanon import decide

    people(pool, "alpha", range(7))
    people(pool, "beta", range(20, 25))
    people(pool, "alpha", range(7), THREE)
    monkeypatch.setattr(decide, "less_alone", lambda placed, standing: (standing, 0))
    assert failed(pool, named(), "out") == {"operator_dominance"}


def test_r06_twin_without_the_recipes_limit_the_class_would_leave(pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    people(pool, "alpha", range(19))
    people(pool, "beta", range(2))
    monkeypatch.setattr(Recipe, "protection", property(lambda r: replace(r.privacy.protection, among=r.pooling.column)))
    assert classes(pool, said()) == 1  # so the guard can fail


def test_r06_an_operator_who_subtracts_his_own_finds_k_people_or_nobody(pool: Any) -> None:
    people(pool, "alpha", range(9))  # beta's four would be found by alpha
    people(pool, "beta", range(4))
    people(pool, "alpha", range(9), TWO)
    people(pool, "beta", range(5), TWO)
    assert classes(pool, said(insiders=True)) == 1
    assert classes(pool, said()) == 2
    pool.release(said(insiders=True))
    assert [row["trips"] for row in pool.town.table("flows")] == [14]
    text = (pool.folder / "out" / "README.md").read_text(encoding="utf-8")
    assert "An operator who subtracts his own finds at least 5 persons of others, or nobody." in text
    read, _ = load_recipe(pool.recipe(lambda recipe: recipe["products"].pop("trips", None)))
    assert read.protection.insiders  # by default


def test_r06_a_remainder_hides_no_few_people_from_an_operator(pool: Any) -> None:
    # flows publish both operators at TWO; departures of the same cell at 2 km would add alpha's 6 and beta's 2 of another flow
    people(pool, "alpha", range(6), ((0, 0), (4, 0)))
    people(pool, "beta", range(6), ((0, 0), (4, 0)))
    people(pool, "alpha", range(10, 16), ((0, 0), (4, 4)))
    people(pool, "beta", range(10, 12), ((0, 0), (4, 4)))
    people(pool, "alpha", range(20, 26), ((6, 6), (2, 6)))
    people(pool, "beta", range(20, 26), ((6, 6), (2, 6)))

    def volumes(recipe: dict[str, Any]) -> None:
        said(insiders=True)(recipe)
        recipe["products"]["volumes"] = {"cell_m": 2000, "bins": "3h"}

    pool.release(volumes)
    starts = [row["trips"] for row in pool.town.table("volumes") if row["end"] == "start"]
    assert starts == [12]  # not 20, of which alpha would know that two of beta went elsewhere


def test_r06_twin_a_maker_who_forgets_insiders_is_refused(pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from anonkit.kanon import decide

    people(pool, "alpha", range(9))
    people(pool, "beta", range(4))
    honest = decide.less_dominated

    def forgetful(*classes: Any, protection: Protection, **named: Any) -> Any:
        return honest(*classes, protection=replace(protection, insiders=False), **named)

    monkeypatch.setattr(decide, "less_dominated", forgetful)
    assert failed(pool, said(insiders=True), "out") == {"insiders"}


def test_a_share_is_above_nothing_and_up_to_one(pool: Any) -> None:
    people(pool, "alpha", range(2))
    with pytest.raises(RecipeError, match="operator_dominance is a share"):
        load_recipe(pool.recipe(said(operator_dominance="3/2")))


rides = st.lists(
    st.tuples(st.sampled_from(["alpha", "beta", "gamma"]), st.integers(0, 8), st.integers(1, 3)),
    min_size=12,
    max_size=60,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=rides, limit=st.sampled_from(["1/2", "2/3", "9/10"]), with_name=st.booleans(), insiders=st.booleans())
def test_r06_published_classes_are_those_of_a_count_by_hand(
    table: list[tuple[str, int, int]], limit: str, with_name: bool, insiders: bool, town: Any
) -> None:
    # twelve people of each operator in classes of one make a rest that is large enough: k, the operators and the limit decide
    rows = [*table, *((name, 100 + n, 10 + n) for name in ("alpha", "beta", "gamma") for n in range(12))]
    cell = 10_000_000
    columns = {
        "trip": list(range(len(rows))),
        "person": [hash_of(operator) + number for operator, number, _ in rows],
        "start_cell": [cell * 14_736 + 16_376 + place for _, _, place in rows],
        "end_cell": [cell * 14_736 + 16_376] * len(rows),
        "start_bin": [490_000] * len(rows),
        "operator": [operator for operator, _, _ in rows],
    }
    bins = TimeBins("1h", zone="UTC")
    told = ("operator",) if with_name else ()
    with Session(threads=1) as session:
        found = decide_products(
            session.from_arrow(pa.table(columns)),
            (Product(kind="flows", level=0, bins=bins, columns=told),),
            grid=Grid(cell_m=1000, latitude=42.4, area=town.folder / "area.geojson", levels=3),
            base=bins,
            protection=Protection(
                unit="person", k=5, dominance=Fraction(1), operator_share=Fraction(limit), insiders=insiders
            ),
            session=session,
        )
        published = session.collect(found.steps[0].published).to_pylist()
    by_class: dict[int, Counter[str]] = defaultdict(Counter)
    persons: dict[int, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for operator, number, place in table:
        by_class[place][operator] += 1
        persons[place][operator].add(number)
    expected = 0
    for place, counts in by_class.items():
        large = [operator for operator, who in persons[place].items() if len(who) >= 5]
        if with_name:
            expected += len(large) if len(large) >= 2 else 0
        else:
            whole = sum(len(who) for who in persons[place].values()) >= 5
            second = sorted((len(who) for who in persons[place].values()), reverse=True)[1:2]
            hidden = not insiders or not second or second[0] >= 5
            expected += whole and hidden and max(counts.values()) <= Fraction(limit) * sum(counts.values())
    assert len(published) == expected


def hash_of(operator: str) -> int:
    """Persons of three operators who are not matched and, here, not counted apart."""
    return {"alpha": 0, "beta": 1000, "gamma": 2000}[operator]
