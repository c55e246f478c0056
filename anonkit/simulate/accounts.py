"""Invented customers: names, addresses, phones, cards and devices that look real and belong to nobody.

Every value is from a range kept for examples or is clearly made up: e-mail at example.com and example.org, phones with
``000`` after the network code, cards that begin like the payment networks' test cards (with a valid Luhn digit, so that
a scan must find them), IP addresses from the documentation blocks (RFC 5737, RFC 3849), device ids from the seed.
The same number ``index`` is the same person in every operator's sample: this is how pooling can be tested.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

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
_MONTENEGRINS = (
    *("Ana Popović", "Marko Vuković", "Jelena Radović", "Nikola Đurović", "Milica Božović", "Luka Perović"),
    *("Ivana Kovačević", "Petar Šćepanović", "Maja Ćetković", "Stefan Žižić", "Tamara Jovanović", "Filip Raičević"),
    *("Sara Knežević", "Vuk Đukanić", "Dragana Lučić", "Bojan Mijović"),
)
_LATIN = str.maketrans("əğışçöüđšćčžİƏĞŞÇÖÜĐŠĆČŽ", "egiscoudscczIEGSCOUDSCCZ")
_NETWORKS = ("50", "51", "55", "70", "77", "99")
_MONTENEGRIN_NETWORKS = ("63", "67", "68", "69")
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
    given, family = draws.pick(_MONTENEGRINS, 1)[0].split(" ")
    return given, family, "F" if given.endswith("a") and given not in {"Luka", "Nikola"} else "M"


def account(index: int, *, seed: int, country: str = "AZ") -> Account:
    """Invent customer number ``index`` of a country (AZ or ME); the same numbers give the same person.

    >>> account(3, seed=1).phone
    '+994700000003'
    """
    draws = Draws(seed, 11, 0 if country == "AZ" else 1, index)
    given, family, sex = _azerbaijani(draws) if country == "AZ" else _montenegrin(draws)
    latin_given, latin_family = (text.translate(_LATIN).lower() for text in (given, family))
    host = draws.pick(("example.com", "example.org"), 1)[0]
    if country == "AZ":
        phone = f"+994{_NETWORKS[index % 6]}000{index // 6 * 6 + index % 6:04d}"
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
        birth=date(1962, 1, 1) + timedelta(days=int(draws.below(365 * 44, 1)[0])),
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
    return ways[way % len(ways)].strip()


def addresses(draws: Draws, size: int) -> list[str]:
    """Give IP addresses of the documentation blocks; one in ten is IPv6."""
    blocks = draws.pick(("192.0.2.", "198.51.100.", "203.0.113."), size)
    last, six = draws.below(254, size).tolist(), draws.chance(0.1, size).tolist()
    return [
        f"2001:db8::{number:x}" if is_six else f"{block}{number + 1}"
        for block, number, is_six in zip(blocks, last, six, strict=True)
    ]
