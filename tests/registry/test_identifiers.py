"""One person, one keyed hash, in whatever spelling the request comes."""

from __future__ import annotations

import random
from pathlib import Path

import phonenumbers
import pytest
from anonkit.base.errors import SourceError
from anonkit.registry import Identifier, normalise, read_list
from anonkit.registry import identifiers as module
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("kind", "spellings", "one"),
    [
        ("phone", ["050 123 45 67", "+994501234567", "00994 50 1234567", "(050)123-45-67", "994501234567", "0501234567"], "+994501234567"),
        ("phone", ["067/123-456", "+382 67 123 456", "00382 67/123456", "38267123456"], "+38267123456"),
        ("phone", ["012 404 12 34", "+994 12 404 12 34", "+994(12)404-12-34"], "+994124041234"),
        ("phone", ["+44 20 7946 0958", "0044 (0)20 7946 0958"], "+442079460958"),
        ("email", ["Leyla@Qmail.AZ", " leyla@qmail.az ", "mailto:LEYLA@qmail.az", "leyla @qmail.az"], "leyla@qmail.az"),
        ("card_number", ["4169 7389 9000 0004", "4169-7389-9000-0004", "4169738990000004"], "4169738990000004"),
        ("account_id", ["U0102", " U0102 ", "Ｕ０１０２"], "U0102"),
    ],
)  # fmt: skip
def test_spellings_become_one(kind: str, spellings: list[str], one: str) -> None:
    assert {normalise(kind, text) for text in spellings} == {one}


@pytest.mark.parametrize(
    ("kind", "value"),
    [("phone", "12345"), ("phone", "call me"), ("phone", "+99450123"), ("email", "leyla"), ("email", "a@b"), ("card_number", "12"), ("account_id", " "), ("name", "x")],
)  # fmt: skip
def test_value_that_matches_nobody_is_an_error_and_not_repeated(kind: str, value: str) -> None:
    with pytest.raises(SourceError, match=r"cannot be read as one|is not known") as caught:
        normalise(kind, value)
    assert value.strip() == "" or value not in str(caught.value) or value == "x"


@given(
    st.sampled_from([("994", 9, "AZ"), ("382", 8, "ME")]), st.integers(0, 10**9 - 1), st.randoms(use_true_random=False)
)
def test_fast_rule_gives_what_phonenumbers_gives(
    country: tuple[str, int, str], number: int, rng: random.Random
) -> None:
    code, length, _ = country
    national = f"{number:09d}"[:length]
    spelled = rng.choice(["+" + code, "00" + code, code, "0", "(0"]) + rng.choice(["", " ", "-"])
    text = (
        spelled + national[:2] + rng.choice([")", "", " "]) + national[2:5] + rng.choice(["", " ", "-"]) + national[5:]
    )
    plain = text.replace("00" + code, "+" + code, 1) if text.startswith("00") else text
    plain = "+" + plain if plain.startswith(code) else plain
    expected = None
    for trial in ("AZ", "ME"):
        try:
            parsed = phonenumbers.parse(plain, trial)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(parsed):
            expected = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
            break
    if expected is None:
        with pytest.raises(SourceError, match="cannot be read"):
            normalise("phone", text)
    else:
        assert normalise("phone", text) == expected


def test_fast_rule_is_used_for_the_countries_own_mobiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.phonenumbers, "parse", lambda *_: pytest.fail("the slow way was taken"))
    assert normalise("phone", "050 123 45 67") == "+994501234567"
    assert normalise("phone", "067/123-456") == "+38267123456"


def test_account_id_belongs_to_its_operator() -> None:
    ours, theirs = (
        Identifier(kind="account_id", value="U1", operator=name).message() for name in ("kontaktplus", "uklon")
    )
    assert ours != theirs
    with pytest.raises(SourceError, match="came without its operator"):
        Identifier(kind="account_id", value="U1").message()
    phones = {Identifier(kind="phone", value="050 123 45 67", operator=name).message() for name in ("", "uklon")}
    assert len(phones) == 1


def test_identifier_never_shows_its_value() -> None:
    assert "050" not in repr(Identifier(kind="phone", value="0501234567"))


def test_list_is_read_whole_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "erasure.csv"
    path.write_text(
        "request_id,operator,phone,email,account_id,card_number\nSR-1,uklon,050 123 45 67,,UK1,\nSR-2,,,a@b.az,,\n"
    )
    assert [[identifier.kind for identifier in subject] for subject in read_list(path)] == [
        ["phone", "account_id"],
        ["email"],
    ]
    path.write_text("phone,email\n050 123 45 67,\n12,\n")
    with pytest.raises(SourceError, match=r"erasure.csv, line 3: a value of kind phone cannot be read"):
        read_list(path)
    path.write_text("phone,email\n,\n")
    with pytest.raises(SourceError, match="line 2 names nobody"):
        read_list(path)
    path.write_text("name\nLeyla\n")
    with pytest.raises(SourceError, match="none of the columns"):
        read_list(path)
