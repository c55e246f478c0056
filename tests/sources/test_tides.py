"""TIDES fare transactions: only boardings are taps, top-ups are visits, a card is no person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

HEADER = "transaction_id,event_timestamp,fare_action,stop_id,token_id,mobile_number,amount,balance"
ROWS = """\
1,2026-09-01T04:00:00Z,Enter,A,9000000000000001,+994500000001,0.60,5.00
2,2026-09-01T05:00:00Z,Transfer entrance,B,9000000000000001,+994500000001,0.00,5.00
3,2026-09-01T06:00:00Z,Exit,B,9000000000000001,+994500000001,0.00,5.00
4,2026-09-01T07:00:00Z,Add,A,9000000000000001,+994500000001,10.00,15.00
5,2026-09-01T07:10:00Z,Add,,9000000000000002,,10.00,15.00
6,2026-09-01T07:20:00Z,,A,9000000000000002,,0.60,14.40
"""


@pytest.fixture
def tides(tmp_path: Path, of_source: Any) -> Any:
    """Read the rows above, or others, by a source."""

    def run(source: str, rows: str = ROWS, **said: Any) -> Any:
        (tmp_path / "f.csv").write_text(f"{HEADER}\n{rows}", encoding="utf-8")
        (tmp_path / "stops.txt").write_text("stop_id,stop_lat,stop_lon\nA,40.38,49.84\nB,40.39,49.85\n")
        return of_source(tmp_path / "f.csv", source, places={"path": tmp_path / "stops.txt"}, **said)

    return run


def test_only_boardings_are_taps_and_what_no_rule_knows_is_dropped(tides: Any) -> None:
    reading = tides("bakikart_taps")
    # Exit, Add, Add and an empty action are no boardings
    assert reading.accounting.dropped == {"fare_action:not_tap_on": 4}
    assert [row["visit"] for row in reading.rows if row["_rule"] is None] == ["1", "2"]


def test_top_ups_are_visits_with_a_place_and_those_of_the_app_have_none(tides: Any) -> None:
    reading = tides("bakikart_topups")
    assert reading.accounting.dropped == {"fare_action:not_top_up": 4}
    assert reading.accounting.rejected == {"missing_place": 1}
    assert reading.accounting.used == 1


def test_r01_an_anonymous_card_is_no_person(tides: Any) -> None:
    reading = tides("bakikart", ROWS.replace("+994500000001", ""))
    assert {row["person"] for row in reading.rows} == {None}


def test_r01_plain_tides_counts_trips_and_knows_no_person(tides: Any) -> None:
    reading = tides("tides", operator="town")
    assert reading.table.schema.unit_column == "trip"
    with pytest.raises(ValueError, match="privacy_unit: trip counts trips, yet columns maps 'person'"):
        tides("tides", operator="town", columns={"person": "token_id"})


def test_a_card_that_a_spreadsheet_has_rounded_is_rejected(tides: Any) -> None:
    reading = tides("bakikart", ROWS.replace("9000000000000001", "9.00E+15"))
    assert reading.accounting.rejected == {"destroyed_id": 2}  # the two boardings; other rows fall by rule first


def test_taps_need_a_card_to_be_chained(tides: Any) -> None:
    with pytest.raises(ValueError, match="columns lacks 'card'"):
        tides("bakikart", columns={"card": None})


def test_the_balance_is_never_read(tides: Any) -> None:
    for source in ("bakikart", "bakikart_taps", "bakikart_topups"):
        assert "balance" not in tides(source).opened.kinds
