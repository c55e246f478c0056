"""The same person at two operators is one person; who cannot be matched counts at most once, never twice (ruling 2)."""

from __future__ import annotations

import csv
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from anonkit.base.errors import RecipeError, ReleaseRefusedError
from anonkit.prepare import Member, load_policy, plan_pooling
from anonkit.recipe.model import Recipe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]


def k(number: int) -> Any:
    def change(recipe: dict[str, Any]) -> None:
        recipe["privacy"] |= {"protect": {"person": number}, "dominance": "1"}

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


def test_operator_column_of_several_operators_is_refused(pool: Any) -> None:
    both(pool, alpha=range(6), beta=range(6))
    with pytest.raises(RecipeError, match="'operator' of several operators is not published"):
        pool.ingest(lambda recipe: recipe["products"]["flows"].update(columns=["operator"]))


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


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
@pytest.mark.slow
def test_r02_porto_callers_who_phone_two_fleets_count_once(tmp_path: Path, real_data: Path) -> None:
    """Real Porto trips of callers, shared out to two fleets; each caller's planted phone is the same at both."""
    import yaml
    from anonkit.pipeline import release

    recipe = yaml.safe_load((ROOT / "tests/real/recipes/porto_callers.yml").read_text(encoding="utf-8"))
    source = recipe["inputs"][0]
    found = list(real_data.rglob(Path(source["path"]).name))
    if not found:
        pytest.skip("needs the Porto taxi trips")
    draw, caller = random.Random(7), source["columns"]["person"]
    fleets = {name: (tmp_path / f"{name}.csv").open("w", newline="", encoding="utf-8") for name in ("north", "south")}
    with found[0].open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        fields = [*(reader.fieldnames or ()), "phone"]
        writers = {name: csv.DictWriter(file, fields) for name, file in fleets.items()}
        for writer in writers.values():
            writer.writeheader()
        for number, row in enumerate(reader):
            if number == 60_000:
                break
            if row[caller] and row[caller] != "NA":
                digits = int(float(row[caller])) % 10_000_000
                fleet = draw.choice(["north", "south"])
                row[caller] = f"{fleet}-{row[caller]}"
                writers[fleet].writerow({**row, "phone": f"+99450{digits:07d}"})
    for file in fleets.values():
        file.close()
    policy = {"title": "t", "version": "1", "territory": "Porto"}
    uses = {"research": "made up for this test", "cross_operator_matching": "made up for this test"}
    area = ROOT / "tests/real/areas/porto.geojson"
    counts = {}
    for matched in (True, False):
        inputs = []
        for name in fleets:
            permitted = uses if matched else {"research": uses["research"]}
            (tmp_path / f"{name}.yml").write_text(yaml.safe_dump({"operator": name, **policy, "uses": permitted}))
            entry = {
                **source,
                "path": str(tmp_path / f"{name}.csv"),
                "operator": name,
                "policy": str(tmp_path / f"{name}.yml"),
            }
            inputs.append({**entry, "identifiers": {"phone": "phone"}})
        said = {**recipe, "use": "research", "inputs": inputs, "registry_subjects": False}
        said["geo"] = {**recipe["geo"], "area": str(area)}
        said["privacy"] = {**recipe["privacy"], "protect": {"person": 5}}
        path = tmp_path / f"pooled-{matched}.yml"
        path.write_text(yaml.safe_dump(said, sort_keys=False))
        result = release(path, out=tmp_path / f"out-{matched}", registry=tmp_path / f"registry-{matched}")
        counts[matched] = result.run
    persons = {name: run["risk"]["before"]["persons"] for name, run in counts.items()}
    released = {name: run["products"][0]["trips_released"] for name, run in counts.items()}
    assert persons[True] < persons[False]  # callers of both fleets are one person each
    assert 0 < released[False] <= released[True]  # and never fewer than that are certain
