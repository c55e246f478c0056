"""Value patterns: planted identifiers are found whatever the column is called; harmless real columns stay silent."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from anonkit.base.errors import SchemaError
from anonkit.schema import patterns
from anonkit.schema.patterns import PATTERNS, Pattern, luhn, normalise, scan_column, scan_values
from hypothesis import given
from hypothesis import strategies as st

REAL = Path(os.environ.get("ANONKIT_REAL_DATA", Path(__file__).parents[2].parent / "shared" / "data"))

PLANTED = {
    "phone": [
        "050 123 45 67",
        "+994 50 123-45-67",
        "(050)1234567",
        "994501234567",
        "00994501234567",
        "00 994 50 123 45 67",
        "50-123-45-67",
        "(50) 123 45 67",
        "067/123-456",
        "+382 67 123 456",
        "067123456",
        "+351912345678",
        "0501234567",
        "+1 (415) 555-2671",
        "tel. 0501234567, Rəşad",
        "012 404 12 34",
        "020/123-456",
        "+44 20 7946 0958",
        "+994(12)404-12-34",
        "٠٥٠ ١٢٣ ٤٥ ٦٧",
        "０５０１２３４５６７",
        "050\u00a0123\u201345\u201367",
        "05\u200b01234567",
    ],
    "email": [
        "rider@mail.az",
        "A.B+c@sub.example.co.uk",
        "x_y (at) uklon.az",
        "mailto:leyla@qmail.com?x=1",
        "ü@müller.de",
    ],
    "iban": [
        "AZ21NABZ00000000137010001944",
        "az21 nabz 0000 0000 1370 1000 1944",
        "ME25505000012345678951",
        "IBAN DE89 3704 0044 0532 0130 00",
    ],
    "card": [
        "4111 1111 1111 1111",
        "5500-0000-0000-0004",
        "4169738990000006",
        "378282246310005",
        "pan=6011111111111117;",
    ],
    "ipv4": ["10.0.0.1", "from 185.30.88.12:443", "255.255.255.255"],
    "ipv6": ["fe80::1", "2001:0db8:85a3:0000:0000:8a2e:0370:7334", "::ffff:10.0.0.1"],
    "mac": ["00:1A:2B:3C:4D:5E", "00-1a-2b-3c-4d-5e", "001a.2b3c.4d5e", "001A2B3C4D5E"],
    "plate": [
        "10-AB-123",
        "10AB123",
        "99 OO 777",
        "PG AB123",
        "PG-AB 123",
        "pgab123",
        "BD CG001",
        "order 77-AA-001 late",
    ],
    "fin": ["5FGK1H2", "PIN: 1ABCD2E", "AA1BB2C"],
    "uuid": [
        "123e4567-e89b-12d3-a456-426614174000",
        "dc1289dd-5de4-6846-e953-66e72098",
        "123E4567E89B12D3A456426614174000",
    ],
    "hash": [
        "d41d8cd98f00b204e9800998ecf8427e",
        "9774d56d682e549c",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "dGhpcyBpcyBhIHNlY3JldCB0b2tlbg==",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    ],
    "composite_id": [
        "1_1_178_817_2019-05-01 01:15:23",
        "2_39_131_30_2019-05-01 08:18:44.595638",
        "CA-305_2019-05-01",
        "CA-305|20190501T0115",
        "2019-05-01T01:15_CA305",
        "st12-1556673323",
        "1372636858620000589",
    ],
    "coordinate": [
        "40.4093, 49.8671",
        "[-8.618643,41.141412]",
        "POINT (49.8 40.4)",
        "40°24'33\"N 49°52'E",
        "8HC7FVCJ+2X",
        '{"lat": 40.40931, "lon": 49.86712}',
        "40,40931; 49,86712",
        "geo:40.40931,49.86712",
        "?lat=40.409&lon=49.867",
    ],
}

HARMLESS = [
    "113034700229770",
    "1556673323",
    "1556673323000",
    "1372636858000000000",
    "617700169958293503",
    "8928308280fffff",
    "2019-05-01 01:18:45-07:00",
    "2019-05-01 01:18:44.595638",
    "0014-11-18 15:40:26",
    "2019-05-01/2019-05-02",
    "2019-05-01/P1D",
    "2019-05-01 00:00/01:00",
    "2019-05-01T08:00:00Z/PT1H",
    "20190501",
    "201905010115",
    "12:15:30",
    "10:11:12:13:14",
    "Asia/Baku",
    "Europe/Podgorica",
    "America/Argentina/ComodRivadavia",
    "S 27th St & Sidney St. (Southside Works)",
    "rest of 113034700229770",
    "CA-305",
    "CHARTER",
    "STATION",
    "00123456789",
    "-8.618643",
    "50.1234567",
    "55.55",
    "0.16.6",
    "weekday_08:00",
    "2026-q3",
    "baku-2026q3",
    "5-20",
    ">50 %",
    "12 345 678",
    "kontaktplus_2026-07-01",
    "flows_2019-05-01.csv",
    "Married-civ-spouse",
    "E-scooter",
    "2019MAY",
    "27THST",
    "unknown",
    "",
    "0",
    "-1",
    "1e9",
    "Nəriman Nərimanov m/st",
    "28 May",
    "Chicago Elite Cab Corp. (Chicago Carriag",
]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in PLANTED.items() for value in values])
def test_planted_identifier_is_found_in_a_text_column(name: str, value: str) -> None:
    assert scan_column("trips", [value, "Bakı", None], kind="text").get(name) == 1


@pytest.mark.parametrize("value", HARMLESS)
def test_harmless_value_matches_nothing(value: str) -> None:
    assert scan_values([value]) == {}


def test_every_pattern_has_a_planted_example_and_a_prefilter_that_lets_it_through() -> None:
    assert {pattern.name for pattern in PATTERNS} == set(PLANTED)
    for pattern in PATTERNS:
        for value in PLANTED[pattern.name]:
            assert pa.compute.match_substring_regex(pa.array([normalise(value)]), pattern.regex)[0].as_py(), (
                pattern.name
            )


def test_counts_are_of_values_and_never_hold_a_value() -> None:
    found = scan_values(["a@b.az", "a@b.az", "c@d.az", "free", None, float("nan")])
    assert found == {"email": 3}


@pytest.mark.parametrize("wrap", [list, np.array, pd.Series, pa.array, lambda v: pa.chunked_array([v[:1], v[1:]])])
def test_kind_of_container_does_not_matter(wrap: object) -> None:
    assert scan_values(wrap(["050 123 45 67", "Bakı", "a@b.az"])) == {"phone": 1, "email": 1}  # type: ignore[operator]
    assert scan_column("n", wrap([994501234567, 5]), kind="integer") == {"phone": 1}  # type: ignore[operator]
    assert scan_column("n", wrap([994501234567.0, 5.5]), kind="float") == {"phone": 1}  # type: ignore[operator]


@pytest.mark.parametrize("column", ["start_cell", "cell", "bin", "start_bin", "trips", "fare_cents"])
@pytest.mark.parametrize(("name", "number"), [("phone", 994501234567), ("card", 4169738990000006)])
def test_phone_or_card_number_is_found_in_any_integer_column(column: str, name: str, number: int) -> None:
    ordinary = {"start_cell": 113034700229770, "cell": 617700169958293503, "bin": 1556668800, "start_bin": 432408}
    values = [ordinary.get(column, 17)] * 5 + [number]
    assert scan_column(column, values, kind="integer") == {name: 1}
    assert scan_column(column, np.array(values, float), kind="float").get(name) == 1 or column == "cell"


def test_grid_cells_epochs_counts_and_h3_cells_are_no_cards() -> None:
    rng = np.random.default_rng(4)
    grid = (
        rng.integers(1, 10, 20_000) * 10**14
        + rng.integers(0, 1_800_000, 20_000) * 10**7
        + rng.integers(0, 3_600_000, 20_000)
    )
    h3 = (0x08 << 56) + rng.integers(0, 1 << 52, 20_000)
    epochs = rng.integers(10**9, 2 * 10**9, 20_000)
    for values in (grid, epochs, rng.integers(0, 10**6, 20_000)):
        assert scan_column("anything", values, kind="integer") == {}
        assert scan_values(values.astype(str)) == {}
    assert scan_column("cell", h3, kind="integer") == {}
    assert scan_column("h", h3, kind="integer", role="cell") == {}


def test_role_excuses_only_numbers_of_its_own_shape() -> None:
    amex = 378282246310005  # 15 digits: also the shape of a grid cell of level 3
    assert scan_column("x", [amex], kind="integer") == {"card": 1}
    assert scan_column("x", [amex], kind="integer", role="cell") == {}
    assert scan_column("x", [amex], kind="integer", role="count") == {"card": 1}


def test_column_of_national_numbers_that_lost_their_zero_is_found() -> None:
    assert scan_column("contact", [501234567, 551234567, 771234567], kind="integer") == {"phone": 3}
    assert scan_column("contact", [501234567, 12, 13, 14], kind="integer") == {}  # stated limit: not one by one
    assert scan_column("trips", [501234567, 551234567, 771234567], kind="integer") == {}


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(SchemaError, match="was given as kind 'date'"):
        scan_column("x", [], kind="date")  # type: ignore[arg-type]


@given(st.integers(0, 10**15 - 1))
def test_one_changed_digit_breaks_luhn(number: int) -> None:
    body = f"{number:015d}"
    check = next(digit for digit in "0123456789" if luhn(body + digit))
    changed = str((int(body[7]) + 1) % 10)
    assert not luhn(body[:7] + changed + body[8:] + check)


@given(
    st.sampled_from(["10", "40", "44", "50", "51", "55", "60", "70", "77", "99"]),
    st.integers(0, 9_999_999),
    st.randoms(use_true_random=False),
)
def test_azerbaijani_mobile_is_found_in_any_spelling(area: str, number: int, rng: random.Random) -> None:
    digits = f"{number:07d}"
    gaps = [rng.choice(["", " ", "-", ".", "/"]) for _ in range(4)]
    start = rng.choice(["+994", "00994", "994", "0", "(0", "+994 (", "tel:+994", "WhatsApp +994 "])
    shut = ")" if "(" in start else ""
    spelled = (
        f"{start}{'' if start.endswith('0') else gaps[0]}{area}{shut}{gaps[1]}"
        f"{digits[:3]}{gaps[2]}{digits[3:5]}{gaps[3]}{digits[5:]}"
    )
    assert scan_values([spelled]).get("phone") == 1, re.sub(r"\d", "9", spelled)


def test_twin_a_confirm_that_says_yes_to_all_raises_false_alarms(monkeypatch: pytest.MonkeyPatch) -> None:
    """The prefilter alone is not the rule: nine 16-digit numbers in ten would be called cards."""
    numbers = [f"4{number:015d}" for number in range(200)]
    honest = scan_values(numbers)["card"]
    lax = tuple(Pattern(p.name, p.what, p.regex, lambda _: True, p.numbers) for p in PATTERNS)
    monkeypatch.setattr(patterns, "PATTERNS", lax)
    assert honest == 20 < scan_values(numbers)["card"] == 200


def test_two_hundred_thousand_harmless_texts_raise_no_alarm() -> None:
    values = pa.array([f"Station {number} & Main St" for number in range(200_000)])
    assert scan_values(values) == {}


def _columns(folder: str) -> list[tuple[str, pd.Series]]:
    found = []
    for path in sorted((REAL / folder).glob("*.csv*")):
        options = {"sep": ";" if folder == "adult" else ",", "header": None if "hierarchy" in path.name else "infer"}
        table = pd.read_csv(path, low_memory=False, **options)
        found += [(f"{path.name}:{name}", table[name].dropna()) for name in table]
    return found


IDENTIFYING = {
    "session_id": "composite_id",
    "TRIP_ID": "composite_id",
    "TripID": "uuid",
    "POLYLINE": "coordinate",
    "coordinates": "coordinate",
}
FOLDERS = (
    *("acn_charging", "adult", "chicago_taxi", "ev_workplace", "healthy_ride"),
    *("louisville_dockless", "nyc_taxis", "porto_roads", "porto_taxi"),
)


@pytest.mark.real
@pytest.mark.skipif(not REAL.exists(), reason=f"real data not found at {REAL}")
@pytest.mark.parametrize("folder", FOLDERS)
def test_false_positive_rate_on_real_harmless_columns_is_nought_and_real_identifiers_are_all_found(folder: str) -> None:
    """Measured: 0 of 1.8 million values (192 columns), as typed and again as text; stated limit 1 in 100,000."""
    values = alarms = 0
    for where, column in _columns(folder):
        name = where.split(":")[1]
        kind = {"i": "integer", "u": "integer", "f": "float"}.get(column.dtype.kind, "text")
        found = scan_column(name, column, kind=kind)
        if name in IDENTIFYING:
            assert found[IDENTIFYING[name]] >= 0.998 * len(column), where  # one of Porto's 999 routes has no point
            continue
        values += len(column)
        alarms += sum(found.values()) + sum(scan_values(column.astype(str)).values())
    assert values > 0
    assert alarms <= values / 100_000, f"{alarms} false alarms in {values} values"
