"""Rules by name and lookups: one way of saying, precedence over reasons, nothing lost, nothing doubled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anonkit.base.errors import SourceError
from anonkit.sources.rules import Rule
from pydantic import ValidationError

HEADER = "id,rider,start,end,slon,slat,elon,elat,state,refers"


def row(name: str, *, rider: str = "P1", state: str = "", refers: str = "", lon: str = "49.85") -> str:
    return f"{name},{rider},2026-03-03 08:00:00,2026-03-03 08:20:00,{lon},40.38,49.87,40.40,{state},{refers}"


def text(*rows: str) -> str:
    return "\n".join([HEADER, *rows]) + "\n"


@pytest.mark.parametrize(
    ("said", "used"),
    [
        ({"keep": ["done"]}, {"a"}),
        ({"drop": ["done"]}, {"b", "c"}),
        ({"empty": True}, {"a", "b"}),
    ],
)
def test_each_way_of_a_rule_drops_what_it_says_and_counts_it(read: Any, said: dict[str, Any], used: set[str]) -> None:
    rows = text(row("a", state="done"), row("b", state=" broken "), row("c"))
    reading = read(rows, rules=[{"name": "state:odd", "column": "state", **said}])
    assert {line["trip"] for line in reading.rows if line["_rule"] is None} == used
    assert reading.accounting.dropped == {"state:odd": 3 - len(used)}


def test_a_rule_goes_before_a_reason_and_the_first_rule_before_the_second(read: Any) -> None:
    rules = [
        {"name": "one", "column": "state", "drop": ["x"]},
        {"name": "two", "column": "state", "keep": ["done"]},
    ]
    rows = text(row("a", state="x", lon="nowhere"), row("b", state="y", lon="nowhere"), row("c", state="done", lon="?"))
    reading = read(rows, rules=rules)
    assert reading.accounting.dropped == {"one": 1, "two": 1}
    assert reading.accounting.rejected == {"bad_coordinates": 1}


def test_a_broken_line_is_rejected_not_dropped(read: Any) -> None:
    reading = read(text("a,b", "", row("c", state="done")), rules=[{"name": "n", "column": "state", "keep": ["done"]}])
    assert reading.accounting.dropped == {}
    assert reading.accounting.rejected == {"blank_line": 1, "ragged_line": 1}


def test_a_short_trip_is_dropped_only_when_nothing_is_wrong_with_it(read: Any) -> None:
    rules = [{"name": "shorter_than_20min", "shorter_than_s": 1_201}]
    reading = read(text(row("a"), row("b", lon="?")), rules=rules)
    assert reading.accounting.dropped == {"shorter_than_20min": 1}
    assert reading.accounting.rejected == {"bad_coordinates": 1}


def test_r17_a_row_is_taken_back_by_the_same_persons_rows_only(read: Any) -> None:
    rows = text(row("a"), row("b", rider="P2"), row("c", refers="a"), row("d", rider="P1", refers="b"))
    reading = read(rows, rules=[{"name": "taken_back", "column": "id", "referred_by": "refers"}])
    assert {line["trip"] for line in reading.rows if line["_rule"]} == {"a"}


@pytest.mark.parametrize(
    "said",
    [
        {"name": "n"},
        {"name": "n", "column": "a"},
        {"name": "n", "column": "a", "keep": ["x"], "empty": True},
        {"name": "n", "column": "a", "shorter_than_s": 60},
        {"name": "n", "keep": ["x"]},
        {"name": "Not a name", "column": "a", "empty": True},
    ],
)
def test_a_rule_says_one_thing(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"says one of|needs a column|should match pattern"):
        Rule.model_validate(said)


def test_a_rules_column_must_be_in_a_csv_and_may_be_absent_from_json(read: Any, tmp_path: Path) -> None:
    rules = [{"name": "n", "column": "credit", "drop": ["true"]}]
    with pytest.raises(SourceError, match=r"lacks the columns \['credit'\]"):
        read(text(row("a")), rules=rules)
    record = dict(zip(HEADER.split(","), row("a").split(","), strict=True))
    assert read(json.dumps(record) + "\n", name="rides.jsonl", rules=rules).accounting.used == 1


def test_values_of_a_rule_cannot_break_out_of_the_query(read: Any) -> None:
    rules = [{"name": "n", "column": "state", "keep": ["it's", "') OR true --"]}]
    reading = read(text(row("a", state="it's"), row("b", state="other")), rules=rules)
    assert reading.accounting.dropped == {"n": 1}


def test_a_lookup_adds_columns_that_are_mapped_like_any_other(read: Any, tmp_path: Path) -> None:
    (tmp_path / "kinds.csv").write_text("who,kind\nP1,bike\nP9,bus\n,tram\n", encoding="utf-8")
    columns = {"trip": "id", "person": "rider", "mode": "kind", "start": "start", "end": "end"}
    columns |= {"start_lon": "slon", "start_lat": "slat", "end_lon": "elon", "end_lat": "elat"}
    lookup = {"path": tmp_path / "kinds.csv", "id": "who", "on": "rider", "columns": {"kind": "kind"}}
    reading = read(text(row("a"), row("b", rider="P2"), row("c", rider="")), columns=columns, lookups={"k": lookup})
    assert [line["mode"] for line in reading.rows] == ["bike", None, None]
    assert reading.accounting.used == 3


def test_a_lookup_that_hides_a_column_of_the_input_is_refused(read: Any, tmp_path: Path) -> None:
    (tmp_path / "k.csv").write_text("who,state\nP1,x\n", encoding="utf-8")
    lookup = {"path": tmp_path / "k.csv", "id": "who", "on": "rider", "columns": {"id": "state"}}
    with pytest.raises(SourceError, match=r"adds the columns \['id'\], which rides.csv has itself"):
        read(text(row("a")), lookups={"k": lookup})


def test_numbers_are_scaled_to_metres(read: Any) -> None:
    rows = text(row("a", state="1.25"))
    columns = {"trip": "id", "person": "rider", "start": "start", "end": "end", "distance_m": "state"}
    columns |= {"start_lon": "slon", "start_lat": "slat", "end_lon": "elon", "end_lat": "elat"}
    assert read(rows, columns=columns, scale={"distance_m": 1000}).rows[0]["distance_m"] == 1250
