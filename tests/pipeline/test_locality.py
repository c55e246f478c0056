"""Ruling 17: take any one person out of the raw file, same keys: no other person's rows change."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from anonkit.engine import Session
from anonkit.pipeline.ingest import ingest
from anonkit.recipe import load_recipe
from hypothesis import given, settings
from hypothesis import strategies as st

WHEN = datetime(2026, 4, 1, tzinfo=UTC)
RIDES = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", "C", "D", None]),
        st.tuples(st.integers(0, 9), st.integers(0, 9)),  # two cells beyond the area
        st.tuples(st.integers(0, 7), st.integers(0, 7)),
        st.sampled_from(["2026-03-03T08:10:00", "2026-03-29T02:30:00", "2026-02-01T10:00:00", "nonsense", None]),
        st.sampled_from(["T1", "T2", "T3", None]),  # ids are shared between people, and repeat within one
    ),
    max_size=12,
)


def prepared(town: Any, rides: Any, leave_out: str | None) -> Counter[tuple[Any, ...]]:
    """Rows after everything that comes before noise, without the person who is left out."""
    town.rows.clear()
    for rider, at, to, start, trip in rides:
        if leave_out is None or rider != leave_out:
            town.ride(rider, at=at, to=to, start=start or "", end="2026-03-29T23:50:00", trip=trip or "")
    town.ride("Z", trip="ZZ")  # a file is never empty

    def anybody(recipe: dict[str, Any]) -> None:
        recipe["inputs"][0]["checks"] = {"max_rejected": 1, "max_hours": 10_000}
        recipe["time"]["zone"] = "Europe/Podgorica"

    recipe, _ = load_recipe(town.recipe(anybody))
    with Session(threads=1) as session:
        done = ingest(recipe, session=session, key=b"k" * 32, record_key=b"r" * 32, as_of=WHEN)
        names = ["person", "record", "start_cell", "end_cell", "start_bin"]
        table = session.collect(done.rows.select(*names))
    return Counter(zip(*(table.column(name).to_pylist() for name in names), strict=True))


@settings(max_examples=25)
@given(rides=RIDES, person=st.sampled_from(["A", "B", "C"]))
def test_r17_removing_a_person_changes_no_other_persons_rows(town_class: Any, rides: Any, person: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        town = town_class(Path(folder))
        whole, without = prepared(town, rides, None), prepared(town, rides, person)
        only = prepared(town, [ride for ride in rides if ride[0] == person], None)
    town_row = prepared_alone(town_class)
    assert whole - (only - town_row) == without


def prepared_alone(town_class: Any) -> Counter[tuple[Any, ...]]:
    with tempfile.TemporaryDirectory() as folder:
        return prepared(town_class(Path(folder)), [], None)


def test_r17_twin_a_rule_over_all_rows_is_seen(town_class: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deduplicating across persons makes one person's row depend on another's: the property must fail."""
    import anonkit.pipeline.ingest as module

    honest = module.mark_duplicates

    def across(frame: Any, session: Session) -> Any:
        marked = honest(frame, session)
        return session.frame(
            "SELECT * EXCLUDE (_reason), CASE WHEN _reason IS NULL AND row_number() OVER (PARTITION BY start_cell ORDER BY _line) > 1 "
            "THEN 'duplicate' ELSE _reason END AS _reason FROM {f}",
            f=marked,
        )

    monkeypatch.setattr(module, "mark_duplicates", across)
    rides = [("A", (1, 1), (2, 2), "2026-03-03T08:10:00", "T1"), ("B", (1, 1), (3, 3), "2026-03-03T08:10:00", "T2")]
    with tempfile.TemporaryDirectory() as folder:
        town = town_class(Path(folder))
        whole, without = prepared(town, rides, None), prepared(town, rides, "A")
        only = prepared(town, rides[:1], None)
    assert whole - (only - prepared_alone(town_class)) != without
