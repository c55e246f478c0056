"""Requests are held against the time that the policy promises; who was not erased in time is told (issue: deadlines)."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from anonkit.base.errors import RecipeError, SourceError
from anonkit.prepare import due, load_policy
from anonkit.prepare.policy import Deadline, Policy
from hypothesis import given
from hypothesis import strategies as st

WEEK = {
    "name": "destruction",
    "lists": ["erasure", "withdrawn_consent"],
    "working_days": 7,
    "clause": "within 7 working days",
}
MONTH = {"name": "answer", "lists": ["access"], "months": 1, "clause": "answered within a month"}


def told(seen: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in seen.found.promises[0]["deadlines"] if one["list"] == name)
    return found


def riders(pool: Any) -> None:
    for number in range(8):
        more = {"phone": f"+99450{number:07d}"}
        pool.ride("alpha", f"account-{number}", more=more, at=(0, 0), to=(4, 0), start="2026-03-03T08:10:00")
    pool.promise("alpha", deadlines=[WEEK, MONTH])


def ask(pool: Any, number: int, received: str, done: str = "", rule: str = "erasure", **more: str) -> None:
    pool.ask(rule, received_on=received, done_on=done, phone=f"050 {number:07d}", **more)


def test_seven_working_days_leave_weekends_out() -> None:
    week = Deadline.model_validate(WEEK)
    # Wednesday the 4th: 5, 6, 9, 10, 11, 12, 13
    assert due(date(2026, 3, 4), week) == date(2026, 3, 13)
    # the same over Novruz, the 20th to the 24th: 19, 25, 26, 27, 30, 31, 1 April
    novruz = [date(2026, 3, day) for day in range(20, 25)]
    assert due(date(2026, 3, 18), week, novruz) == date(2026, 4, 1)
    assert due(date(2026, 3, 18), week) == date(2026, 3, 27)  # no holidays named: earlier, so more is overdue


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 60))
def test_working_days_are_counted_one_by_one(received: date, number: int) -> None:
    last = due(received, Deadline(name="x", lists=("erasure",), working_days=number, clause="a made-up one"))
    between = [date.fromordinal(n) for n in range(received.toordinal() + 1, last.toordinal() + 1)]
    assert sum(day.isoweekday() <= 5 for day in between) == number
    assert last.isoweekday() <= 5


def test_requests_are_in_time_late_open_or_overdue(pool: Any) -> None:
    riders(pool)
    ask(pool, 0, "2026-03-04")  # due on the 13th: overdue on the 20th
    ask(pool, 1, "2026-03-04", "2026-03-13")  # on its last day
    ask(pool, 2, "2026-03-04", "2026-03-14")  # a day late
    ask(pool, 3, "2026-03-16")  # due on the 25th: open
    ask(pool, 4, "")  # nobody knows when
    ask(pool, 5, "2026-03-04", "2026-03-30")  # carried out after the run's day: not yet
    ask(pool, 6, "2026-03-28")  # comes after the run's day
    seen = pool.ingest(as_of="2026-03-20")
    entry = told(seen, "erasure")
    assert {name: entry[name] for name in ("requests", "in_time", "late", "open", "overdue", "undated")} == {
        "requests": 6,
        "in_time": 1,
        "late": 1,
        "open": 1,
        "overdue": 2,
        "undated": 1,
    }
    assert entry["within"] == "7 working days"
    assert entry["clause"] == WEEK["clause"]
    # rows of 0 and 5 (overdue) and of 1 and 2 (said to be done) are still in the export; none of them is used
    assert entry["rows_here"] == 4
    assert seen.dropped() == {"erasure": 7}


def test_a_request_is_the_operators_to_whom_it_is_addressed(pool: Any) -> None:
    riders(pool)
    ask(pool, 0, "2026-03-04", operator="alpha")
    ask(pool, 1, "2026-03-04", operator="beta")
    ask(pool, 2, "2026-03-04", operator="")
    entry = told(pool.ingest(as_of="2026-03-20"), "erasure")
    assert (entry["requests"], entry["overdue"], entry["rows_here"]) == (2, 2, 2)


def test_questions_have_deadlines_and_take_no_rows(pool: Any) -> None:
    riders(pool)
    ask(pool, 0, "2026-02-27", rule="access")
    ask(pool, 1, "2026-03-01", "2026-03-02", rule="access")

    def lists(recipe: dict[str, Any]) -> None:
        recipe["requests"] = {"access": recipe["lists"].pop("access")}

    seen = pool.ingest(lists, as_of="2026-03-27")
    entry = told(seen, "access")
    assert (entry["open"], entry["in_time"], entry["within"]) == (1, 1, "1 month")
    assert told(pool.ingest(lists, as_of="2026-03-28"), "access")["overdue"] == 1
    assert (seen.persons, seen.dropped()) == (8, {})


def test_overdue_requests_are_told_in_run_report_and_findings(pool: Any) -> None:
    riders(pool)
    ask(pool, 0, "2026-03-04")
    made = pool.release(as_of="2026-03-20")
    found = [one for one in made.findings if one.check == "deadlines"]
    assert [one.status.value for one in found] == ["WARN"]
    assert found[0].value == "1 overdue, 0 carried out late, 0 without a date; rows of 1 still in the export"
    assert pool.town.run()["policies"][0]["deadlines"][0]["overdue"] == 1
    page = made.report.read_text(encoding="utf-8")
    assert "7 working days" in page
    assert "overdue" in page
    readme = (pool.folder / "out" / "README.md").read_text(encoding="utf-8")
    assert "overdue" not in readme  # the recipient is not told of the operator's requests


def test_twin_a_deadline_that_is_kept_is_no_warning(pool: Any) -> None:
    from anonkit.prepare import deadline_findings

    riders(pool)
    ask(pool, 0, "2026-03-16")
    seen = pool.ingest(as_of="2026-03-20")
    assert [one.status.value for one in deadline_findings(seen.found.promises)] == ["PASS"]
    pool.rows["alpha"] = pool.rows["alpha"][1:]  # carried out: no rows of him any more
    pool.lists.clear()
    ask(pool, 0, "2026-03-04", "2026-03-10")
    seen = pool.ingest(as_of="2026-03-20")
    assert [one.status.value for one in deadline_findings(seen.found.promises)] == ["PASS"]


def test_a_date_that_cannot_be_read_is_refused_without_its_value(pool: Any) -> None:
    riders(pool)
    ask(pool, 0, "the other day")
    with pytest.raises(SourceError, match="entry 1: a date cannot be read") as caught:
        pool.ingest()
    assert "other day" not in str(caught.value)


def test_deadlines_of_the_five_policies() -> None:
    found = {
        (name, deadline.name, rule): deadline.words
        for name in ("bakikart", "charge_az", "kontaktplus", "pokupi", "uklon")
        for deadline in load_policy(name).deadlines
        for rule in deadline.lists
    }
    assert found == {
        ("charge_az", "destruction", "erasure"): "7 working days",
        ("charge_az", "destruction", "withdrawn_consent"): "7 working days",
        ("charge_az", "correction", "correction"): "7 working days",
        ("charge_az", "answer", "access"): "30 days",
        ("pokupi", "deletion", "erasure"): "1 month",
        ("pokupi", "transfer", "access"): "1 month",
        ("uklon", "answer", "access"): "30 days",
    }


def test_a_deadline_needs_one_span(tmp_path: Any) -> None:
    path = tmp_path / "policy.yml"
    path.write_text(
        "{operator: x, title: x, version: x, territory: x, uses: {}, deadlines: [{name: a, lists: [erasure], clause: within some time}]}"
    )
    with pytest.raises(RecipeError, match="needs one of working_days, days, months"):
        load_policy(path)
    assert (
        Policy.model_validate({"operator": "x", "title": "x", "version": "x", "territory": "x", "uses": {}}).deadlines
        == ()
    )
