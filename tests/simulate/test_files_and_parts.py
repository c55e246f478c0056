"""Accounts, ways, fleets and the writing of files: small rules with values worked out by hand."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from anonkit.base.errors import RecipeError
from anonkit.cli.simulate import simulate
from anonkit.simulate import BAKU, City, trip_parts
from anonkit.simulate.accounts import account, iban, luhn, spelled
from anonkit.simulate.draws import Draws
from anonkit.simulate.files import local_plain, money, utc_iso, write_csv, write_json
from anonkit.simulate.fleet import dispatch
from anonkit.simulate.ways import way_points
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(max_examples=50)
@given(digits=st.text("0123456789", min_size=4, max_size=18), place=st.integers(0, 17), change=st.integers(1, 9))
def test_luhn_digit_sees_any_single_wrong_digit(digits: str, place: int, change: int) -> None:
    card = luhn(digits)
    place %= len(digits)
    wrong = card[:place] + str((int(card[place]) + change) % 10) + card[place + 1 : -1]
    assert luhn(wrong)[-1] != card[-1]


def test_iban_is_valid_by_mod_97() -> None:
    text = iban("TEST", "00000000001234567890")
    assert int("".join(str(int(mark, 36)) for mark in text[4:] + text[:4])) % 97 == 1


@settings(max_examples=50)
@given(index=st.integers(0, 9_999), way=st.integers(0, 4))
def test_a_phone_stays_the_same_number_in_every_spelling(index: int, way: int) -> None:
    import phonenumbers

    phone = account(index).phone
    parsed = phonenumbers.parse(spelled(phone, way), "AZ")
    assert phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) == phone


def test_two_customers_never_share_a_phone_or_a_card() -> None:
    people = [account(index) for index in range(1_500)]
    assert len({person.phone for person in people}) == 1_500
    assert len({person.card for person in people}) == 1_500
    assert len({person.email for person in people}) == 1_500


def test_a_way_turns_once_and_ends_where_it_should() -> None:
    # Half of the time eastwards at the start's latitude, then northwards at the end's longitude.
    points = way_points((10.0, 50.0), (10.2, 50.2), start_s=0, end_s=100, every_s=25, draws=Draws(1))
    assert [point[0] for point in points] == [0, 25, 50, 75, 100]
    assert points[0][1:] == (10.0, 50.0)
    assert points[2][1:] == pytest.approx((10.2, 50.0), abs=1e-4)
    assert points[-1][1:] == (10.2, 50.2)


def test_a_fleet_of_one_serves_one_trip_at_a_time() -> None:
    (trips,) = trip_parts(City(persons=50, trips=300, days=1, start=date(2026, 9, 1), seed=2))
    sent = dispatch(trips, area=BAKU, fleet=1, pause_s=0)
    served = [row for row, driver in enumerate(sent) if driver == 0]
    ends = trips.end_s[served]
    assert (trips.start_s[served][1:] >= ends[:-1]).all()
    assert -1 in sent


def test_local_plain_is_the_same_text_for_both_halves_of_the_repeated_hour() -> None:
    zone = ZoneInfo("Europe/Podgorica")
    # 2026-10-25T00:30Z and 01:30Z are both 02:30 local.
    assert local_plain(1_792_888_200, zone) == local_plain(1_792_891_800, zone) == "2026-10-25 02:30:00"


def test_money_and_utc() -> None:
    assert [money(cents) for cents in (5, 120, -305)] == ["0.05", "1.20", "-3.05"]
    assert utc_iso(0) == "1970-01-01T00:00:00Z"


def test_csv_and_json_have_one_record_a_line(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", ("a", "b"), [{"a": "1", "b": 'x,"y"'}])
    assert (tmp_path / "a.csv").read_bytes() == b'a,b\n1,"x,""y"""\n'
    write_json(tmp_path / "a.json", {"version": "1"}, "rows", [{"a": 1}, {"a": 2}])
    assert (tmp_path / "a.json").read_bytes().count(b"\n") == 4
    assert json.loads((tmp_path / "a.json").read_text()) == {"version": "1", "rows": [{"a": 1}, {"a": 2}]}


def test_cli_writes_rides_and_parquet_and_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    simulate(out=tmp_path / "r.csv", trips=60, persons=20, days=2)
    simulate(out=tmp_path / "t.parquet", operator="city", trips=60, persons=20, days=2, format="parquet")
    simulate(out=tmp_path, operator="lists")
    said = capsys.readouterr().out
    assert "60 trips" in said
    assert (tmp_path / "lists" / "erasure.csv").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "xlsx"}, "--format 'xlsx' is not known"),
        ({"operator": "tram"}, "--operator 'tram' is not known"),
        ({"operator": "uklon", "format": "parquet"}, "is not written as parquet"),
        ({"operator": "city"}, "is not written as csv"),
        ({"start": "yesterday"}, "--start 'yesterday' is not a date"),
    ],
)
def test_cli_refuses_what_it_cannot_write(tmp_path: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        simulate(out=tmp_path / "x", **options)
