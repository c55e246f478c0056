"""Taps become trips: the next tap of the same card that local day, the last returns to the first."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from anonkit.schema import Accounting
from anonkit.sources import visits_as_trips
from anonkit.sources.chaining import inferred_share
from hypothesis import given, settings
from hypothesis import strategies as st

HEADER = "transaction_id,event_timestamp,fare_action,stop_id,token_id,mobile_number,balance"
STOPS = "stop_id,stop_lon,stop_lat\nA,49.84,40.38\nB,49.85,40.39\nC,49.86,40.40\n"
PLACES = {"A": (49.84, 40.38), "B": (49.85, 40.39), "C": (49.86, 40.40)}
# Baku is UTC+4: 20:30Z on 1 September is 00:30 on the 2nd.
TAPS = """\
1,2026-09-01T04:00:00Z,Enter,A,card1,P1,5.00
2,2026-09-01T04:20:00Z,Transfer entrance,B,card1,P1,5.00
3,2026-09-01T14:00:00Z,Enter,C,card1,P1,4.40
4,2026-09-01T20:30:00Z,Enter,B,card1,P1,3.80
5,2026-09-01T05:00:00Z,Enter,A,card2,P1,9.00
6,2026-09-01T06:00:00Z,Enter,A,card3,P2,2.00
7,2026-09-01T07:00:00Z,Enter,A,card3,P2,1.40
8,2026-09-01T15:00:00Z,Enter,C,card3,P2,0.80
9,2026-09-01T03:00:00Z,Add,B,card3,P2,2.60
10,2026-09-01T08:00:00Z,Enter,A,card4,,1.00
11,2026-09-01T18:00:00Z,Enter,C,card4,,0.40
"""
# card1, P1, 1 September: 1 A->B (tap 2), 2 B->C (tap 3), 3 C->A (back to the first). Tap 4 is the next local day: alone.
# card2, P1: one tap. card3, P2: 6 A->A: same stop; 7 A->C; 8 C->A. The top-up (9) chains nothing.
# card4 is anonymous: chained A->C, C->A, yet nobody's (null person).
EXPECTED: dict[str, tuple[str, str] | str] = {
    "1": ("A", "B"),
    "2": ("B", "C"),
    "3": ("C", "A"),
    "4": "alighting:one_tap",
    "5": "alighting:one_tap",
    "6": "alighting:same_stop",
    "7": ("A", "C"),
    "8": ("C", "A"),
    "9": "fare_action:not_tap_on",
    "10": ("A", "C"),
    "11": ("C", "A"),
}


@pytest.fixture
def chained(tmp_path: Path, of_source: Any) -> Any:
    """Trip id -> (from, to) or the rule, of these taps; and the reading."""

    def run(taps: str, **said: Any) -> tuple[dict[str, tuple[str, str] | str], Any]:
        (tmp_path / "taps.csv").write_text(f"{HEADER}\n{taps}", encoding="utf-8")
        (tmp_path / "stops.txt").write_text(STOPS, encoding="utf-8")
        reading = of_source(tmp_path / "taps.csv", "bakikart", places={"path": tmp_path / "stops.txt"}, **said)
        table = visits_as_trips(reading.table)
        found: dict[str, tuple[str, str] | str] = {}
        stops = {point: name for name, point in PLACES.items()}
        for row in sorted(table.session.collect(table.frame).to_pylist(), key=lambda row: row["_line"]):
            if row["_reason"] is None and row["trip"] not in found:  # a repeated line is a duplicate later on
                start, end = ((row[f"{side}_lon"], row[f"{side}_lat"]) for side in ("start", "end"))
                found[row["trip"]] = row["_rule"] or (stops[start], stops.get(end, "?"))
        return found, reading

    return run


def test_each_tap_ends_where_the_card_is_tapped_next_and_the_last_where_the_day_began(chained: Any) -> None:
    found, reading = chained(TAPS)
    assert found == EXPECTED
    assert reading.accounting.dropped == {
        "alighting:one_tap": 2,
        "alighting:same_stop": 1,
        "fare_action:not_tap_on": 1,
    }
    assert reading.accounting.used == 7


def test_two_cards_of_one_person_are_chained_apart_and_two_persons_with_one_card_too(chained: Any) -> None:
    found, _ = chained(
        "1,2026-09-01T04:00:00Z,Enter,A,k,P1,1\n2,2026-09-01T05:00:00Z,Enter,B,k,P2,1\n"
        "3,2026-09-01T06:00:00Z,Enter,C,j,P1,1\n"
    )
    assert set(found.values()) == {"alighting:one_tap"}


def test_order_is_that_of_time_not_of_lines_and_a_repeated_line_chains_nothing(chained: Any) -> None:
    late, early = "2,2026-09-01T09:00:00Z,Enter,B,k,P1,1\n", "1,2026-09-01T04:00:00Z,Enter,A,k,P1,1\n"
    found, reading = chained(late + early + late)
    assert found == {"1": ("A", "B"), "2": ("B", "A")}
    assert reading.accounting.rejected == {"duplicate": 1}


def test_a_tap_at_an_unknown_stop_is_rejected_and_chains_nothing(chained: Any) -> None:
    found, reading = chained(
        "1,2026-09-01T04:00:00Z,Enter,A,k,P1,1\n2,2026-09-01T05:00:00Z,Enter,X,k,P1,1\n"
        "3,2026-09-01T06:00:00Z,Enter,C,k,P1,1\n"
    )
    assert found == {"1": ("A", "C"), "3": ("C", "A")}
    assert reading.accounting.rejected == {"unknown_place": 1}


def test_neither_card_nor_balance_nor_stop_is_a_column_of_the_trips(chained: Any) -> None:
    _, reading = chained(TAPS)
    names = set(visits_as_trips(reading.table).frame.collect_schema().names())
    assert not {"card", "token_id", "balance", "place", "visit"} & names
    assert not {name for name in names if name.startswith("_id_")}  # identifiers do not travel with the rows


def test_the_end_time_is_not_inferred(chained: Any) -> None:
    _, reading = chained(TAPS)
    table = visits_as_trips(reading.table)
    rows = table.session.collect(table.frame).to_pylist()
    assert all(row["end_s"] == row["start_s"] and row["duration_s"] is None for row in rows)


def test_the_inferred_share_is_of_the_taps_that_could_be_trips() -> None:
    # 7 trips; 2 + 1 taps without one; 4 rows of nobody and 1 top-up could not be trips: 7 / 10
    dropped = {"alighting:one_tap": 2, "alighting:same_stop": 1, "no_person": 4, "fare_action:not_tap_on": 1}
    assert inferred_share(Accounting(source="x", physical=16, header=1, used=7, dropped=dropped)) == Fraction(7, 10)


@given(
    st.lists(
        st.tuples(st.sampled_from("AB"), st.sampled_from("kj"), st.sampled_from("ABC"), st.integers(0, 50)),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from("AB"),
)
@settings(max_examples=15)
def test_r17_removing_one_person_changes_no_other_persons_trips(
    tmp_path_factory: Any, taps: list[tuple[str, str, str, int]], gone: str
) -> None:
    def trips(without: str | None) -> dict[str, Any]:
        from anonkit.engine import Session
        from anonkit.sources import InputSpec, read_generic

        folder = tmp_path_factory.mktemp("taps")
        rows = [
            f"{number},2026-09-01T{hour % 24:02d}:{hour:02d}:00Z,Enter,{stop},{card},{person},1"
            for number, (person, card, stop, hour) in enumerate(taps)
            if person != without
        ]
        (folder / "t.csv").write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
        (folder / "s.txt").write_text(STOPS, encoding="utf-8")
        said = {"path": folder / "t.csv", "source": "bakikart", "places": {"path": folder / "s.txt"}}
        with Session(threads=1) as session:
            spec = InputSpec.model_validate({**said, "time": {"zone": "Asia/Baku"}})
            table = visits_as_trips(read_generic(spec, session=session, as_of_s=1_793_880_000)[0])
            found = session.collect(table.frame).to_pylist() if rows else []
        kept = ("start_lon", "end_lon", "_rule")
        return {row["trip"]: [row[name] for name in kept] for row in found if row["person"] != gone}

    assert trips(gone) == trips(None)
