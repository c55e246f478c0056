"""The same person at two operators is one person; who cannot be matched counts at most once, never twice (ruling 2)."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from anonkit.base.errors import RecipeError, ReleaseRefusedError
from anonkit.prepare import Member, load_policy, plan_pooling
from anonkit.recipe.model import Recipe
from hypothesis import given, settings
from hypothesis import strategies as st

SPELT = {"north": "+99450{:07d}", "south": "050-{:07d}"}
ROOT = Path(__file__).resolve().parents[2]


def k(number: int) -> Any:
    def change(recipe: dict[str, Any]) -> None:
        recipe["privacy"] |= {"protect": {"person": number}, "dominance": "1"}
        recipe["privacy"] |= {"operator_dominance": "1", "insiders": False}  # see test_pool_operators.py

    return change


def both(pool: Any, *, alpha: range, beta: range, matched: bool = True) -> None:
    """People by number: at each operator another account, the phone (in another spelling) is the same."""
    for operator, numbers in (("alpha", alpha), ("beta", beta)):
        for number in numbers:
            phone = f"+99450{number:07d}" if operator == "alpha" else f"0 50-{number:07d}"
            pool.ride(operator, f"{operator}-{number}", more={"phone": phone}, at=(0, 0), to=(4, 0))
        uses = {"research": "made up for this test"}
        if matched:
            uses["cross_operator_matching"] = "made up for this test"
        pool.promise(operator, uses=uses)


def published(pool: Any, number: int, out: str = "out") -> bool:
    """Whether the one flow leaves at k = number."""
    try:
        pool.release(k(number), out=out)
    except ReleaseRefusedError:
        return False
    return True


def test_r02_six_people_who_ride_with_both_are_six_of_eleven(pool: Any) -> None:
    both(pool, alpha=range(6), beta=range(6))
    assert not published(pool, 11)
    assert published(pool, 6, "six")


def test_r02_twin_twelve_people_of_two_matched_operators_are_twelve(pool: Any) -> None:
    both(pool, alpha=range(6), beta=range(6, 12))
    assert published(pool, 11)
    text = (pool.folder / "out" / "README.md").read_text(encoding="utf-8")
    assert "Persons of alpha and beta are matched by phone number" in text


def test_r02_persons_who_cannot_be_matched_count_as_the_larger_operator(pool: Any) -> None:
    # 7 and 5 persons: between 7 and 12 different ones; 7 is certain
    both(pool, alpha=range(7), beta=range(20, 25), matched=False)
    assert not published(pool, 8)
    assert published(pool, 7, "seven")
    text = (pool.folder / "seven" / "README.md").read_text(encoding="utf-8")
    assert "cannot be matched" in text
    assert "never the sum" in text
    assert "cannot be matched" in pool.town.run("seven")["statement"]


def test_r02_twin_a_sum_over_operators_would_be_released(pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    both(pool, alpha=range(7), beta=range(20, 25), matched=False)
    monkeypatch.setattr(Recipe, "protection", property(lambda recipe: replace(recipe.privacy.protection, among=None)))
    assert published(pool, 8)  # so the guard above can fail


def test_matching_is_denied_unless_every_policy_permits_it(pool: Any) -> None:
    both(pool, alpha=range(6), beta=range(6))
    pool.promise("beta", uses={"research": "made up for this test"})
    assert pool.ingest().persons == 12
    both_permit = [Member(operator=name, policy=load_policy("kontaktplus"), phones=True) for name in ("a", "b")]
    assert plan_pooling(both_permit, unit="person", drivers=False).matched == ("a", "b")
    silent = [*both_permit[:1], Member(operator="b", policy=load_policy("uklon"), phones=True)]
    assert plan_pooling(silent, unit="person", drivers=False).matched == ()
    unknown = [*both_permit[:1], Member(operator="b", policy=None, phones=True)]
    assert plan_pooling(unknown, unit="person", drivers=False).matched == ()


def test_who_gave_no_phone_is_counted_apart(pool: Any) -> None:
    # alpha: 3 with phones, 2 without; beta: the same 3, and 1 without: matched 3; groups of 3, 2 and 1
    both(pool, alpha=range(3), beta=range(3))
    for operator, names in (("alpha", ("X", "Y")), ("beta", ("Z",))):
        for name in names:
            pool.ride(operator, name, at=(0, 0), to=(4, 0))
    seen = pool.ingest()
    groups: dict[str, set[int]] = {}
    for row in seen.rows:
        groups.setdefault(row["operator_group"], set()).add(row["person"])
    assert {name: len(people) for name, people in groups.items()} == {"(matched)": 3, "alpha": 2, "beta": 1}


def test_a_person_with_two_numbers_is_not_matched(pool: Any) -> None:
    both(pool, alpha=range(2), beta=range(2))
    pool.ride("alpha", "alpha-0", more={"phone": "+994509999999"})
    rows = pool.ingest().rows
    mine = {row["person"] for row in rows if row["operator_group"] == "alpha"}
    assert (len(mine), len({row["person"] for row in rows})) == (1, 3)


def test_protected_drivers_are_never_summed_with_matched_riders() -> None:
    members = [Member(operator=name, policy=load_policy("kontaktplus"), phones=True) for name in ("a", "b")]
    found = plan_pooling(members, unit="person", drivers=True)
    assert (found.matched, found.column) == ((), "operator_group")
    assert plan_pooling(members, unit="trip", drivers=False).column is None
    assert plan_pooling(members[:1], unit="person", drivers=False).column is None


def test_r06_one_persons_share_is_bounded_over_operators_that_cannot_be_matched(pool: Any) -> None:
    # at each operator 5 persons, one with 8 of 12 rows: 8 of 24 if they are two people, 16 of 24 if he is one
    both(pool, alpha=range(5), beta=range(20, 25), matched=False)
    for operator, number in (("alpha", 0), ("beta", 20)):
        for _ in range(7):
            pool.ride(operator, f"{operator}-{number}", at=(0, 0), to=(4, 0))

    def limit(share: str) -> Any:
        return lambda recipe: recipe["privacy"].update(dominance=share)

    with pytest.raises(ReleaseRefusedError):
        pool.release(limit("1/2"))
    pool.release(limit("2/3"), out="two_thirds")


def test_r02_statistics_of_people_who_may_be_there_twice_are_refused(pool: Any) -> None:
    both(pool, alpha=range(6), beta=range(6))
    told = {"duration_s": {"step": 60, "high": 3600}}
    with pytest.raises(RecipeError, match="one value a person"):
        pool.ingest(lambda recipe: recipe["products"]["flows"].update(statistics=told))


def test_r27_the_pools_key_stays_in_the_folder_of_releases(pool: Any) -> None:
    both(pool, alpha=range(6), beta=range(6))
    assert published(pool, 6)
    registry = pool.folder / "anonkit.registry"
    key = registry / "pool.key"
    assert key.stat().st_mode & 0o777 == 0o600
    secret = key.read_text().strip()
    for folder in ("out", "out.inside"):
        for path in (pool.folder / folder).rglob("*"):
            assert not path.is_file() or secret.encode() not in path.read_bytes()


people = st.dictionaries(st.integers(0, 30), st.sampled_from(["alpha", "beta", "both"]), min_size=2, max_size=12)


@settings(max_examples=8)
@given(who=people)
def test_r02_matched_persons_are_the_distinct_phones(
    who: dict[int, str], pool_class: Any, tmp_path_factory: Any
) -> None:
    pool = pool_class(tmp_path_factory.mktemp("pool"))
    alpha = [number for number, where in who.items() if where != "beta"] or [99]
    beta = [number for number, where in who.items() if where != "alpha"] or [98]
    both(pool, alpha=alpha, beta=beta)
    assert pool.ingest().persons == len({*alpha, *beta})


@pytest.mark.real
def test_r02_porto_callers_who_phone_two_fleets_count_once(tmp_path: Path, real_data: Path) -> None:
    """Real trips of callers shared out to two fleets, trip by trip; each caller's planted phone is the same at both."""
    from anonkit.pipeline import release

    recipe = yaml.safe_load((ROOT / "tests/real/recipes/porto_callers.yml").read_text(encoding="utf-8"))
    with (real_data / "porto_taxi" / "trips.csv").open(newline="", encoding="utf-8") as stream:
        trips = [row for row in csv.DictReader(stream) if row["ORIGIN_CALL"] not in ("", "NA")]
    callers = {row["ORIGIN_CALL"]: number for number, row in enumerate(trips)}
    fleets = {"north": trips[::2], "south": trips[1::2]}
    twice = set.intersection(*({row["ORIGIN_CALL"] for row in rows} for rows in fleets.values()))
    assert len(twice) >= 10
    for fleet, rows in fleets.items():
        with (tmp_path / f"{fleet}.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, [*rows[0], "phone"])
            writer.writeheader()
            for row in rows:
                phone = SPELT[fleet].format(callers[row["ORIGIN_CALL"]])
                writer.writerow({**row, "ORIGIN_CALL": f"{fleet}-{row['ORIGIN_CALL']}", "phone": phone})
    runs = {}
    for uses in (("research", "cross_operator_matching"), ("research",)):
        inputs = []
        for fleet in fleets:
            policy = {"operator": fleet, "title": fleet, "version": "1", "territory": "Porto"}
            policy["uses"] = dict.fromkeys(uses, "made up for this test")
            (tmp_path / f"{fleet}-{len(uses)}.yml").write_text(yaml.safe_dump(policy))
            entry = {
                **recipe["inputs"][0],
                "path": f"{fleet}.csv",
                "operator": fleet,
                "identifiers": {"phone": "phone"},
            }
            inputs.append({**entry, "policy": f"{fleet}-{len(uses)}.yml"})
        said = {**recipe, "use": "research", "inputs": inputs}
        said["geo"] = {**recipe["geo"], "area": str(ROOT / "tests/real/areas/porto.geojson")}
        said["privacy"] = {**recipe["privacy"], "protect": {"person": 5}}
        said["products"] = {"volumes": {"cell_m": 4000, "bins": "6h"}}
        path = tmp_path / f"pooled-{len(uses)}.yml"
        path.write_text(yaml.safe_dump(said, sort_keys=False))
        runs[uses[-1]] = release(
            path, out=tmp_path / f"out-{len(uses)}", registry=tmp_path / f"registry-{len(uses)}"
        ).run
    matched, apart = runs["cross_operator_matching"], runs["research"]
    used = sum(lines["used"] for lines in matched["lines"])
    persons, tokens = matched["risk"]["before"]["persons"], apart["risk"]["before"]["persons"]
    assert used == sum(lines["used"] for lines in apart["lines"]) == 265
    assert (
        persons <= len(callers) < tokens
    )  # a caller of both fleets is one person, and two tokens where he is not matched
    certain, known = (run["products"][0]["trips_released"] for run in (apart, matched))
    assert 0 < certain <= known <= used  # the larger fleet's callers are certain; never more than matching finds
