"""Who was erased is in nothing that is made afterwards, stays out when he is imported again, and recipients are known."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from anonkit.base.errors import ReleaseRefusedError
from anonkit.pipeline.subjects import Subjects
from anonkit.registry import Identifier, SubjectRegister, new_key_file, read_key
from hypothesis import given, settings
from hypothesis import strategies as st

SPELT = ("+99450{0:07d}", "050{0:07d}", "+994 (50) {0:07d}", "0099450{0:07d}")


def mail(number: int) -> str:
    return f"person{number}@erased.example"


def rides(pool: Any, numbers: Any, *, operator: str = "alpha", spelling: int = 0, **where: Any) -> None:
    """One ride of each person, with phone, e-mail and card."""
    for number in numbers:
        more = {"phone": SPELT[spelling].format(number), "email": mail(number), "card": f"41111100{number:08d}"}
        pool.ride(operator, f"account-{number}", more=more, at=(0, 0), to=(4, 0), **where)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_no_file_of_a_release_holds_an_identifier(pool: Any) -> None:
    rides(pool, range(8))
    pool.ask("erasure", phone="+994 50 000-00-03")
    pool.release()
    made = {
        name: data
        for folder in ("out", "out.inside", "anonkit.registry")
        for name, data in files(pool.folder / folder).items()
    }
    assert {"report.html", "run.json", "flows.csv", "subjects.sqlite"} <= {Path(name).name for name in made}
    for number in range(8):
        for planted in (f"50{number:07d}", mail(number), f"account-{number}", f"41111100{number:08d}"):
            assert not [name for name, data in made.items() if planted.encode() in data]
    assert pool.town.run()["lines"][0]["dropped"] == {"erasure": 1}


def test_r27_recipients_of_a_persons_rows_are_known_and_reimport_is_blocked(
    pool: Any, anonkit: Any, capsys: Any
) -> None:
    rides(pool, range(8))
    rides(pool, [9], start="2026-03-03T20:10:00")  # alone at that hour: suppressed, so nobody received a row of him
    pool.release()
    registry = pool.folder / "anonkit.registry"
    where = ("--register", registry / "subjects", "--key-file", registry / "subjects.key")
    told = (*where, "--releases", registry / "releases.chain")
    assert anonkit("subjects", "show", *told, "--email", mail(3).upper()) == 0
    assert "in 1 releases\n   town-2026-03: nobody at all" in capsys.readouterr().out
    assert anonkit("subjects", "show", *told, "--email", mail(9)) == 0
    assert "not known; in 0 releases" in capsys.readouterr().out
    # he writes with his phone; the account, the card and the e-mail are known to be his and stay blocked as well
    assert anonkit("subjects", "erase", *told, "--phone", "050 000 00 03", "--yes") == 0
    for more in ({"card": "4111 1100 0000 0003"}, {"email": mail(3)}, {}):
        pool.rows["alpha"] = []
        rides(pool, [number for number in range(8) if number != 3])
        pool.ride("alpha", "account-3", more=more, at=(0, 0), to=(4, 0))
        seen = pool.ingest(subjects=Subjects.open(registry))
        assert (seen.dropped(), seen.persons) == ({"blocked": 1}, 7)


def test_r27_a_refused_release_records_nobody(pool: Any) -> None:
    rides(pool, range(3))  # fewer than k
    with pytest.raises(ReleaseRefusedError):
        pool.release()
    assert not (pool.folder / "anonkit.registry" / "subjects").exists()


def test_subjects_are_not_recorded_where_the_recipe_says_so(pool: Any) -> None:
    rides(pool, range(8))
    pool.release(lambda recipe: recipe.update(registry_subjects=False))
    assert not (pool.folder / "anonkit.registry" / "subjects").exists()


def test_a_restriction_in_the_register_keeps_rows_out_until_it_is_lifted(pool: Any, tmp_path: Path) -> None:
    rides(pool, range(8))
    registry = register_in(tmp_path / "registry")
    him = (Identifier(kind="email", value=mail(5)),)
    registry.restrict(him, day=date(2026, 4, 1))
    assert pool.ingest(subjects=Subjects.open(tmp_path / "registry")).dropped() == {"blocked": 1}
    registry.lift(him, day=date(2026, 4, 2))
    assert pool.ingest(subjects=Subjects.open(tmp_path / "registry")).dropped() == {}


def register_in(folder: Path) -> SubjectRegister:
    folder.mkdir(mode=0o700)
    return SubjectRegister.create(folder / "subjects", key=read_key(new_key_file(folder / "subjects.key")))


requests = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(["phone", "email", "card_number", "account_id"]), st.integers(0, 3)),
    min_size=1,
    max_size=4,
)


@settings(max_examples=8)
@given(asked=requests, as_list=st.booleans(), spelling=st.integers(0, 3))
def test_random_subjects_are_in_nothing_that_is_stored(
    asked: Any, as_list: bool, spelling: int, pool_class: Any, tmp_path_factory: Any
) -> None:
    """Erased by any identifier, in the recipe's list or in the register; the import writes phones in another spelling.

    Each person rides at an hour of his own, so that a stored row of his would be known by its bin.
    """
    folder = tmp_path_factory.mktemp("erased")
    pool = pool_class(folder)
    for number in range(10):
        rides(pool, [number], spelling=spelling, start=f"2026-03-03T{number:02d}:10:00")
    registry = folder / "registry"
    register = register_in(registry)
    for number, kind, how in asked:
        value = {
            "phone": SPELT[how].format(number),
            "email": mail(number).upper(),
            "card_number": f"4111 1100 {number:08d}",
            "account_id": f"account-{number}",
        }[kind]
        if as_list:
            pool.ask("erasure", **{kind: value, "operator": "alpha"})
        else:
            register.erase((Identifier(kind=kind, value=value, operator="alpha"),), day=date(2026, 4, 1))
    gone = {number for number, _, _ in asked}
    seen = pool.ingest(subjects=Subjects.open(registry))
    first = int(date(2026, 3, 3).toordinal() - date(1970, 1, 1).toordinal()) * 24
    assert {row["start_bin"] - first for row in seen.rows} == set(range(10)) - gone
    assert {row["start_bin"] - first for row in seen.stored if row.get("start_bin")} == set(range(10)) - gone
    assert seen.dropped() == {"erasure" if as_list else "blocked": len(gone)}


clocks = st.tuples(
    st.sampled_from(["drop", "anonymised_only"]),
    st.integers(0, 400),
    st.integers(0, 500),
    st.sampled_from([(), ("research",), ("share",), ("research", "share")]),
    st.sampled_from(["research", "share"]),
)


@settings(max_examples=10)
@given(clock=clocks)
def test_r29_random_clocks_let_overdue_rows_into_permitted_products_only(
    clock: Any, pool_class: Any, tmp_path_factory: Any
) -> None:
    then, span, age, uses, use = clock
    pool = pool_class(tmp_path_factory.mktemp("clock"))
    rides(pool, range(6), start="2026-03-03T08:10:00")
    rule = {
        "name": "old",
        "of": "rides",
        "from": "event",
        "days": span,
        "then": then,
        "clause": "made up for this test",
    }
    pool.promise("alpha", retention=[{**rule, "uses": list(uses)}])
    day = date(2026, 3, 4) + timedelta(days=age)
    seen = pool.ingest(lambda recipe: recipe.update(use=use), as_of=day.isoformat())
    overdue = date(2026, 3, 3) < day - timedelta(days=span)
    allowed = then == "anonymised_only" and (not uses or use in uses)
    told = seen.rule("retention:old")
    assert len(seen.rows) == (6 if allowed or not overdue else 0)
    assert told["anonymised_only"] == (6 if overdue and allowed else 0)
    assert told["dropped"] == (6 if overdue and not allowed else 0)
    stored = [row for row in seen.stored if row.get("person") is not None]
    assert bool(stored) == bool(seen.rows)


def test_r29_tokens_are_in_no_file_when_the_run_ends(pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens of overdue rows are used, and gone with the private folder of the run."""
    from anonkit.engine import Session

    seen: set[int] = set()
    close = Session.close

    def noted(session: Session) -> None:
        import pyarrow.parquet as pq

        for path in session.folder.glob("input-*.parquet"):
            seen.update(value for value in pq.read_table(path).column("person").to_pylist() if value is not None)
        close(session)

    monkeypatch.setattr(Session, "close", noted)
    rides(pool, range(8))
    rule = {
        "name": "old",
        "of": "rides",
        "from": "event",
        "days": 1,
        "then": "anonymised_only",
        "clause": "made up here",
    }
    pool.promise("alpha", retention=[rule])
    pool.release(as_of="2026-06-01")
    assert len(seen) == 8
    assert pool.town.run()["policies"][0]["rules"][0]["anonymised_only"] == 8
    left = files(pool.folder)
    assert not [name for name in left if ".anonkit-" in name]
    for token in seen:
        for form in (str(token).encode(), token.to_bytes(8, "little")):
            assert not [name for name, data in left.items() if form in data]
