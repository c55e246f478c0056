"""Invented customers: names, addresses, phones, cards and devices that look real and belong to nobody.

Every value is from a range kept for examples or is clearly made up: e-mail at example.com and example.org, phones with
``000`` after the network code, cards that begin like the payment networks' test cards (with a valid Luhn digit, so that
a scan must find them), IP addresses from the documentation blocks (RFC 5737, RFC 3849), device ids from the seed.
The same number ``index`` is the same person in every operator's sample: this is how pooling can be tested.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from anonkit.simulate.draws import Draws

_WOMEN = (
    *("Aysel", "Günel", "Leyla", "Nigar", "Sevinc", "Aytən", "Fidan", "Gülşən", "Könül", "Ləman", "Nərmin", "Səbinə"),
    *("Şəbnəm", "Türkan", "Ülviyyə", "Xəyalə", "Zəhra", "Arzu", "Çinarə", "Jalə", "Məryəm", "Ilahə"),
)
_MEN = (
    *("Elçin", "Rəşad", "Orxan", "Tural", "Vüqar", "Əli", "Fərid", "Cavid", "Kənan", "Murad", "Nicat", "Pərviz"),
    *("Ramil", "Samir", "Şahin", "Toğrul", "Ülvi", "Xəyal", "Zaur", "Anar", "Babək", "İlqar"),
)
_FAMILIES = (
    *("Məmməd", "Əli", "Hüseyn", "Həsən", "Quli", "İbrahim", "Rəhim", "Kərim", "Abbas", "Cəfər", "Ağa", "Tağı"),
    *("Nəcəf", "Vəli", "Şirin", "Süleyman", "Musta", "Baba", "Novruz", "Sadıq", "Ələkbər", "Göz", "Çələb", "Paşa"),
)
_MONTENEGRIN_WOMEN = ("Ana", "Jelena", "Milica", "Ivana", "Maja", "Tamara", "Sara", "Dragana", "Anđela", "Željka")
_MONTENEGRIN_MEN = ("Marko", "Nikola", "Luka", "Petar", "Stefan", "Filip", "Vuk", "Bojan", "Đorđe", "Miloš")
_MONTENEGRIN_FAMILIES = (
    *("Popović", "Vuković", "Radović", "Đurović", "Božović", "Perović", "Kovačević", "Šćepanović", "Ćetković"),
    *("Žižić", "Jovanović", "Raičević", "Knežević", "Đukanić", "Lučić", "Mijović"),
)
_LATIN = str.maketrans("əğışçöüđšćčžİƏĞŞÇÖÜĐŠĆČŽ", "egiscoudscczIEGSCOUDSCCZ")
_PEOPLE_SEED = 20260901
_NETWORKS = ("50", "51", "55", "70", "77", "99")
_MONTENEGRIN_NETWORKS = ("60", "67", "68", "69")
_TEST_CARDS = ("411111", "424242", "555555", "510510")


@dataclass(frozen=True, kw_only=True)
class Account:
    """One invented customer, as an operator would hold him."""

    index: int
    given: str
    family: str
    sex: str
    email: str
    phone: str
    """E.164."""
    card: str
    device: str
    birth: date
    """A few are under 18 in 2026."""

    @property
    def name(self) -> str:
        """Given and family name."""
        return f"{self.given} {self.family}"


def luhn(digits: str) -> str:
    """Append the check digit of ISO/IEC 7812.

    >>> luhn("411111111111111")
    '4111111111111111'
    """
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return digits + str(-total % 10)


def _azerbaijani(draws: Draws) -> tuple[str, str, str]:
    woman = bool(draws.chance(0.45, 1)[0])
    given = draws.pick(_WOMEN if woman else _MEN, 1)[0]
    stem = draws.pick(_FAMILIES, 1)[0]
    ending = "yev" if stem[-1] in "aıəeiou" else "ov"
    return given, stem + ending + ("a" if woman else ""), "F" if woman else "M"


def _montenegrin(draws: Draws) -> tuple[str, str, str]:
    woman = bool(draws.chance(0.5, 1)[0])
    given = draws.pick(_MONTENEGRIN_WOMEN if woman else _MONTENEGRIN_MEN, 1)[0]
    return given, draws.pick(_MONTENEGRIN_FAMILIES, 1)[0], "F" if woman else "M"


def account(index: int, *, country: str = "AZ") -> Account:
    """Invent customer number ``index`` of a country (AZ or ME); the same number gives the same person everywhere.

    >>> account(3).phone
    '+994700000003'
    """
    draws = Draws(_PEOPLE_SEED, 11, 0 if country == "AZ" else 1, index)
    given, family, sex = _azerbaijani(draws) if country == "AZ" else _montenegrin(draws)
    latin_given, latin_family = (text.translate(_LATIN).lower() for text in (given, family))
    host = draws.pick(("example.com", "example.org"), 1)[0]
    if country == "AZ":
        phone = f"+994{_NETWORKS[index % 6]}000{index:04d}"
    else:
        phone = f"+382{_MONTENEGRIN_NETWORKS[index % 4]}000{index % 1000:03d}"
    prefix = draws.pick(_TEST_CARDS, 1)[0]
    return Account(
        index=index,
        given=given,
        family=family,
        sex=sex,
        email=f"{latin_given[0]}.{latin_family}{index}@{host}",
        phone=phone,
        card=luhn(prefix + f"{int(draws.below(10**9, 1)[0]):09d}"),
        device=draws.hexadecimal(10, 1)[0],
        birth=date(1962, 1, 1) + timedelta(days=int(draws.below(365 * 48, 1)[0])),
    )


def spelled(phone: str, way: int) -> str:
    """Spell an E.164 number as people do: national, with spaces, brackets, 00.

    >>> [spelled("+994501234567", way) for way in range(5)]
    ['+994501234567', '050 123 45 67', '+994 (50) 123-45-67', '00994501234567', '994 50 1234567']
    """
    country, rest = phone[1:4], phone[4:]
    network, number = rest[:2], rest[2:]
    groups = f"{number[:3]} {number[3:5]} {number[5:]}"
    ways = (
        phone,
        f"0{network} {groups}",
        f"+{country} ({network}) {groups.replace(' ', '-')}",
        f"00{country}{rest}",
        f"{country} {network} {number}",
    )
    return ways[way % len(ways)]


def addresses(draws: Draws, size: int) -> list[str]:
    """Give IP addresses of the documentation blocks; one in ten is IPv6."""
    blocks = draws.pick(("192.0.2.", "198.51.100.", "203.0.113."), size)
    last, six = draws.below(254, size).tolist(), draws.chance(0.1, size).tolist()
    return [
        f"2001:db8::{number:x}" if is_six else f"{block}{number + 1}"
        for block, number, is_six in zip(blocks, last, six, strict=True)
    ]


def digits(draws: Draws, length: int) -> str:
    """Give ``length`` decimal digits."""
    return "".join(str(number) for number in draws.below(10, length).tolist())


def letters(draws: Draws, pattern: str) -> str:
    """Fill a pattern: ``A`` a letter, ``9`` a digit, ``X`` either (without I and O); all else stays.

    >>> len(letters(Draws(1), "00-AA-999"))
    9
    """
    alphabet = {"A": "ABCDEFGHJKLMNPQRSTUVWXYZ", "9": "0123456789", "X": "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"}
    places = draws.uniform(len(pattern)).tolist()
    return "".join(
        alphabet[mark][int(place * len(alphabet[mark]))] if mark in alphabet else mark
        for mark, place in zip(pattern, places, strict=True)
    )


def iban(bank: str, number: str) -> str:
    """Give an Azerbaijani IBAN with valid check digits (ISO 7064 mod 97-10).

    >>> iban("TEST", "00000000001234567890")
    'AZ80TEST00000000001234567890'
    """
    plain = "".join(str(int(mark, 36)) for mark in f"{bank}{number}AZ00")
    return f"AZ{98 - int(plain) % 97:02d}{bank}{number}"


ACCOUNT_COLUMNS = (
    *("account_id", "full_name", "email", "phone", "birth_date", "registered_on", "deleted_on"),
    *("consent_location", "consent_research", "consent_withdrawn_on"),
)


def account_rows(
    people: Mapping[str, Account], *, seed: int, deleted_from: date, phone_ways: int = 1, no_phone: float = 0.0
) -> list[dict[str, str]]:
    """Give an operator's list of accounts, with a few deleted ones and a few that withdrew a consent.

    Parameters
    ----------
    people : account id of the operator → invented customer.
    seed : names the stream.
    deleted_from : accounts are deleted in the 60 days from here on.
    phone_ways : in how many ways this operator's phones are spelled; 1 is E.164 alone.
    no_phone : share of accounts without a phone.
    """
    draws, size = Draws(seed, 12), len(people)
    deleted, withdrawn = draws.chance(0.03, size), draws.chance(0.04, size)
    located, research, mute = draws.chance(0.95, size), draws.chance(0.9, size), draws.chance(no_phone, size)
    days, registered = draws.below(60, size), draws.below(900, size)
    order = np.argsort(np.array(list(people)), kind="stable").tolist()
    keys = list(people)
    rows = []
    for row in order:
        person = people[keys[row]]
        day = deleted_from + timedelta(days=int(days[row]))
        rows.append(
            {
                "account_id": keys[row],
                "full_name": person.name,
                "email": person.email,
                "phone": "" if mute[row] else spelled(person.phone, person.index % phone_ways),
                "birth_date": person.birth.isoformat(),
                "registered_on": (deleted_from - timedelta(days=60 + int(registered[row]))).isoformat(),
                "deleted_on": day.isoformat() if deleted[row] else "",
                "consent_location": "yes" if located[row] else "no",
                "consent_research": "yes" if research[row] and not withdrawn[row] else "no",
                "consent_withdrawn_on": day.isoformat() if withdrawn[row] else "",
            }
        )
    return rows
