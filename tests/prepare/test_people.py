"""Rules that keep a person's rows out, each by each; one row of OPERATORS.md's table of promises a group."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from anonkit.base.errors import RecipeError, SourceError
from anonkit.engine import Session
from anonkit.prepare.people import normalised, read_listed
from anonkit.registry import normalise
from hypothesis import given, settings
from hypothesis import strategies as st

RIDERS = {"A": "+994500000001", "B": "050 000 00 02", "C": "+994 (50) 000-00-03", "D": "00994500000004"}


def busy(pool: Any, operator: str = "alpha") -> None:
    """Four riders, two rides each on one pair of cells, with phone, e-mail and card."""
    for number, (rider, phone) in enumerate(RIDERS.items(), start=1):
        more = {"phone": phone, "email": f"{rider}@example.com", "card": f"411111000000000{number}"}
        for day in (3, 4):
            pool.ride(operator, rider, more=more, start=f"2026-03-{day:02d}T08:10:00")


digits = st.text("0123456789", min_size=6, max_size=12)
spelt = st.builds(
    lambda start, body, gap: start + gap.join(body),
    st.sampled_from(["+994", "00994", "994", "0", "+382", "+351", " +994", "٠"]),
    st.lists(digits, min_size=1, max_size=2),
    st.sampled_from(["", " ", "-", "/", ") ", "."]),
)
mobiles = st.builds(
    lambda start, code, body: f"{start}{code} {body:07d}",
    st.sampled_from(["+994 ", "0", "(0)", "00994-"]),
    st.sampled_from(["50", "51", "55", "70", "77", "99", "10", "60", "40", "44", "12", "90"]),
    st.integers(0, 9_999_999),
)
mails = st.from_regex(r"[ a-zA-Z0-9._+-]{1,8}@[a-zA-Z0-9.-]{1,8}\.[a-zA-Z]{2,3} ?", fullmatch=True)
cards = st.text("0123456789 -x", min_size=4, max_size=24)


@settings(max_examples=25)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("phone"), spelt | mobiles),
            st.tuples(st.just("email"), mails),
            st.tuples(st.just("card_number"), cards),
            st.tuples(st.just("account_id"), st.text(min_size=1, max_size=6)),
        ),
        min_size=5,
        max_size=30,
    )
)
def test_fast_spelling_is_the_registrys_own(values: list[tuple[str, str]]) -> None:
    table = pa.table({"kind": [kind for kind, _ in values], "value": [value for _, value in values]})
    with Session(threads=1) as session:
        found = normalised(table, session=session, normalise=normalise).to_pylist()
    assert {(row["kind"], row["value"]) for row in found} == set(values)
    for row in found:
        try:
            expected = normalise(row["kind"], row["value"])
        except SourceError:
            expected = None
        assert row["norm"] == expected


@pytest.mark.parametrize(
    "entry",
    [
        {"phone": "+994 50 000-00-02"},
        {"email": "b@EXAMPLE.com"},
        {"card_number": "4111 1100 0000 0002"},
        {"account_id": "B", "operator": "alpha"},
        {"phone": "", "email": "B@example.com", "operator": ""},
    ],
)
def test_erasure_by_any_identifier_in_any_spelling(pool: Any, entry: dict[str, str]) -> None:
    busy(pool)
    pool.ask("erasure", **entry)
    seen = pool.ingest()
    assert seen.dropped() == {"erasure": 2}  # both rides of B
    assert seen.persons == 3


def test_erasure_of_account_ids_stays_with_their_operator(pool: Any) -> None:
    busy(pool, "alpha")
    busy(pool, "beta")
    pool.ask("erasure", account_id="B", operator="beta")
    seen = pool.ingest()
    assert (seen.dropped(0), seen.dropped(1)) == ({}, {"erasure": 2})


@pytest.mark.parametrize("rule", ["restriction", "objection", "withdrawn_consent"])
def test_lists_of_each_kind_keep_rows_out(pool: Any, rule: str) -> None:
    busy(pool)
    pool.ask(rule, phone="0500000003")
    pool.ask("erasure", phone="0500000001")
    assert pool.ingest().dropped() == {rule: 2, "erasure": 2}


def test_erasure_of_a_third_person_takes_the_order_away(pool: Any) -> None:
    # A orders for somebody whose phone is on the list; A's other ride stays
    pool.ride("alpha", "A", more={"phone": RIDERS["A"], "third": "(050) 999 00 09"})
    pool.ride("alpha", "A", more={"phone": RIDERS["A"]})
    pool.ask("erasure", phone="+994509990009")
    seen = pool.ingest()
    assert (seen.dropped(), len(seen.rows)) == ({"erasure": 1}, 1)


def test_a_list_that_cannot_be_read_is_an_error_without_its_values(pool: Any) -> None:
    busy(pool)
    pool.ask("erasure", phone="+994500000001")
    pool.ask("erasure", phone="12-34-nobody")
    with pytest.raises(SourceError, match=r"erasure.csv, entry 2: a value of kind phone cannot be read") as caught:
        pool.ingest()
    assert "nobody" not in caught.value.message


def test_an_entry_that_names_nobody_is_an_error(pool: Any) -> None:
    busy(pool)
    pool.ask("erasure", phone="+994500000001", email="")
    pool.ask("erasure", phone="", email=" ")
    with pytest.raises(SourceError, match="entry 2: names nobody"):
        pool.ingest()


def test_lists_may_be_parquet(tmp_path: Any) -> None:
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"phone": ["050 000 00 01", None], "account_id": [None, "7"]}), tmp_path / "list.parquet")
    with Session(threads=1) as session:
        found = read_listed({"erasure": tmp_path / "list.parquet"}, session=session, normalise=normalise).to_pylist()
    assert {(row["kind"], row["norm"]) for row in found} == {("phone", "+994500000001"), ("account_id", "7")}


def test_lists_on_an_input_that_knows_nobody_are_refused(pool: Any) -> None:
    busy(pool)
    pool.ask("erasure", phone="+994500000001")

    def nobody(recipe: dict[str, Any]) -> None:
        entry = recipe["inputs"][0]
        entry |= {"privacy_unit": "trip"}
        entry.pop("identifiers"), entry.pop("others"), entry["columns"].pop("person")
        recipe["privacy"]["protect"] = {"trip": 5}

    with pytest.raises(RecipeError, match="map no person"):
        pool.ingest(nobody)


# --- consents, age, clocks ---------------------------------------------------------------------------------------------


def consent(name: str) -> dict[str, Any]:
    return {"consents": [{"name": name, "clause": "made up for this test"}]}


def test_consent_that_was_not_given_keeps_rows_out(pool: Any) -> None:
    # A said yes, B no, C nothing; D has no account: no consent is known of him
    busy(pool)
    pool.promise("alpha", **consent("location"))
    for person, said in (("A", "yes"), ("B", "no"), ("C", "")):
        pool.account("alpha", person, consent_location=said)
    seen = pool.ingest()
    assert (seen.dropped(), seen.persons) == ({"consent:location": 6}, 1)
    assert seen.rule("consent:location")["clause"] == "made up for this test"


def test_consent_named_as_the_use_is_asked_without_a_policy_naming_it(pool: Any) -> None:
    busy(pool)
    pool.promise("alpha")
    for person, said in zip(RIDERS, ("yes", "no", "true", "1"), strict=True):
        pool.account("alpha", person, consent_research=said)
    assert pool.ingest().dropped() == {"consent:research": 2}
    assert pool.ingest(lambda recipe: recipe.update(use="share")).dropped() == {}


def test_withdrawn_consent_holds_from_its_day_for_all_rows(pool: Any) -> None:
    busy(pool)
    pool.promise("alpha")
    pool.account("alpha", "A", withdrawn_on="2026-03-20")
    pool.account("alpha", "B", withdrawn_on="2026-04-20")
    assert pool.ingest(as_of="2026-04-01").dropped() == {"withdrawn_consent": 2}
    assert pool.ingest(as_of="2026-05-01").dropped() == {"withdrawn_consent": 4}


def test_minors_at_the_time_of_the_trip(pool: Any) -> None:
    # A turns 18 on 2026-03-04: the ride of the 3rd is a minor's, that of the 4th is not; B is a leap-day child: of age 2026-03-01
    busy(pool)
    pool.promise("alpha", minimum_age={"years": 18, "clause": "nobody under 18"})
    for person, born in (("A", "2008-03-04"), ("B", "2008-02-29"), ("C", "2008-03-05"), ("D", "")):
        pool.account("alpha", person, birth_date=born)
    assert pool.ingest().dropped() == {"minor": 3}  # A once, C twice


def test_unreadable_dates_are_an_error(pool: Any) -> None:
    busy(pool)
    pool.account("alpha", "A", birth_date="4 March")
    with pytest.raises(SourceError, match="1 values of birth_date that are no dates"):
        pool.ingest()


def clock(then: str, **more: Any) -> dict[str, Any]:
    rule = {"name": "old", "of": "rides", "from": "event", "then": then, "clause": "made up for this test"}
    return {"retention": [{**rule, **more}]}


def test_retention_drops_rows_past_their_clock(pool: Any) -> None:
    # rides of 3 and 4 March; a clock of 7 days at 11 March (UTC) reaches back to 4 March: the 3rd is overdue
    busy(pool)
    pool.promise("alpha", **clock("drop", days=7))
    seen = pool.ingest(as_of="2026-03-11")
    assert seen.dropped() == {"retention:old": 4}
    assert seen.rule("retention:old") == {
        "rule": "retention:old",
        "clause": "made up for this test",
        "kept": 4,
        "anonymised_only": 0,
        "dropped": 4,
    }


def test_r29_overdue_rows_serve_only_the_uses_that_the_clause_allows(pool: Any) -> None:
    busy(pool)
    pool.promise("alpha", **clock("anonymised_only", days=7, uses=["research"]))
    seen = pool.ingest(as_of="2026-03-11")
    assert (seen.dropped(), seen.rule("retention:old")["anonymised_only"]) == ({}, 4)
    shared = pool.ingest(lambda recipe: recipe.update(use="share"), as_of="2026-03-11")
    assert shared.dropped() == {"retention:old": 4}


def test_retention_after_the_account_was_deleted(pool: Any) -> None:
    busy(pool)
    pool.promise("alpha", **clock("drop", months=1, **{"from": "account_deleted"}))
    pool.account("alpha", "A", deleted_on="2026-03-01")
    pool.account("alpha", "B", deleted_on="2026-03-02")
    assert pool.ingest(as_of="2026-04-01").dropped() == {"retention:old": 2}  # one month back: 1 March


def test_rules_without_data_are_told_as_not_evaluated(pool: Any) -> None:
    busy(pool)
    pool.promise("alpha", minimum_age={"years": 18, "clause": "nobody under 18"}, **consent("location"))
    told = pool.ingest().found.promises[0]
    assert told["not_evaluated"] == [
        "consent:location: no such consent is mapped",
        "minor: no dates of birth are mapped",
    ]
    assert told["rules"] == []


def test_r25_identifiers_are_in_nothing_that_is_stored(pool: Any) -> None:
    busy(pool)
    pool.ask("erasure", phone="0500000001")
    seen = pool.ingest()
    assert seen.stored
    # texts and numbers apart: among the digits of random tokens a short piece of a card number turns up by chance
    values = [value for row in seen.stored for value in row.values()]
    text = repr([value for value in values if isinstance(value, str)])
    for planted in ("50000000", "000-00", "@example", "41111", "'A'", "'B'"):
        assert planted not in text
    numbers = {value for value in values if isinstance(value, int)}
    assert not numbers & {
        number for n in range(1, 5) for number in (994500000000 + n, 500000000 + n, 4111110000000000 + n)
    }
    names = {name for row in seen.stored for name in row}
    assert not {name for name in names if name.startswith(("_id_", "_pool"))}


def test_r25_of_an_erased_row_only_the_rule_is_stored(pool: Any) -> None:
    busy(pool)
    pool.ask("erasure", phone="0500000001")
    gone = [row for row in pool.ingest().stored if row.get("_rule") == "erasure"]
    assert len(gone) == 2
    kept = {name for row in gone for name, value in row.items() if value is not None}
    assert kept == {"operator", "_lines", "_rule"}
