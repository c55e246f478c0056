"""One spelling for every identifier, so that the same person has the same keyed hash in whatever letter he writes.

Phones become E.164 (``phonenumbers``, default regions Azerbaijan and Montenegro; the two countries' usual spellings by a
fast rule that gives the same result), e-mails lose case and spaces, card numbers keep their digits, account ids are
trimmed and belong to their operator. What cannot be read is an error, not a silent miss: a request that matches nobody
because of a typing slip would be a broken promise. Sources: ITU-T E.164; RFC 5321 on e-mail case; ISO/IEC 7812.

Does not know that two spellings of a name, or ``a.b@gmail`` and ``ab@gmail``, are one person.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import phonenumbers

from anonkit.base.errors import SourceError

KINDS = ("phone", "email", "account_id", "card_number")
REGIONS = ("AZ", "ME")
# The two countries' mobile plans (phonenumbers' own), national or with code: read without the library, same result.
_FAST = (
    ("AZ", re.compile(r"(?:(?:\+|00)?994|0)((?:[16]0|4[04]|5[015]|7[07]|99)\d{7})"), "+994"),
    ("ME", re.compile(r"(?:(?:\+|00)?382|0)(6(?:[07-9]\d|3[024]|6[0-25])\d{5})"), "+382"),
)


@dataclass(frozen=True, kw_only=True)
class Identifier:
    """One identifier as somebody wrote it; ``operator`` is needed for account ids, which mean nothing elsewhere."""

    kind: str
    value: str
    operator: str = ""

    def message(self) -> str:
        """The text that is hashed: kind, operator where it matters, one spelling."""
        return message_prefix(self.kind, self.operator) + normalise(self.kind, self.value)

    def __repr__(self) -> str:
        return f"Identifier(kind={self.kind!r}, operator={self.operator!r})"  # never the value


def message_prefix(kind: str, operator: str) -> str:
    """What stands before the value in the hashed text; account ids belong to their operator, all else to the person."""
    if kind == "account_id" and not operator:
        raise SourceError("an account id came without its operator", hint="add the column or option operator.")
    return f"{kind}\x1f{operator if kind == 'account_id' else ''}\x1f"


def normalise(kind: str, value: str, *, regions: Sequence[str] = REGIONS) -> str:
    """The one spelling of an identifier.

    >>> {normalise("phone", text) for text in ("050 123 45 67", "+994 (50) 123-45-67", "00994501234567", "٠٥٠١٢٣٤٥٦٧")}
    {'+994501234567'}
    >>> normalise("phone", "067/123-456", regions=("ME",)), normalise("email", " Leyla@QMAIL.com ")
    ('+38267123456', 'leyla@qmail.com')

    Raises
    ------
    SourceError : the kind is unknown or the value is not one of its kind; the message never holds the value.
    """
    text = value
    if not value.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKC", value) if unicodedata.category(c) != "Cf")
    text = text.strip()
    if kind == "phone":
        return _phone(text, tuple(regions))
    if kind == "email":
        text = re.sub(r"\s", "", text.removeprefix("mailto:")).casefold()
        good = re.fullmatch(r"[^@]+@[^@]+\.[^@.]+", text) is not None
    elif kind == "card_number":
        text = "".join(str(unicodedata.digit(c)) for c in text if c.isdigit())
        good = re.fullmatch(r"\d{6,19}", text) is not None
    elif kind == "account_id":
        good = text != ""
    else:
        raise SourceError(f"identifier kind {kind!r} is not known; expected one of {KINDS}", hint="rename the column.")
    if not good:
        raise SourceError(
            f"a value of kind {kind} cannot be read as one", hint="correct the list; it would match nobody."
        )
    return text


def _phone(text: str, regions: tuple[str, ...]) -> str:
    plain = re.sub(r"[ ()./\-]", "", text)
    for region, pattern, code in _FAST:
        found = pattern.fullmatch(plain) if region in regions and plain.isascii() else None
        if found is not None:
            return code + found.group(1)
    text = "+" + text[2:] if text.startswith("00") else text
    candidates = [text, f"+{text}"] if re.fullmatch(r"(?:994|382)[\d\s()./\-]{8,}", text) else [text]
    for candidate in candidates:
        for region in regions:
            try:
                number = phonenumbers.parse(candidate, region)
            except phonenumbers.NumberParseException:
                continue
            if phonenumbers.is_valid_number(number):
                return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    raise SourceError("a value of kind phone cannot be read as one", hint="write it with + and the country's code.")


def read_list(path: str | Path) -> list[tuple[Identifier, ...]]:
    """Read a list of subjects: one a line, any of the columns phone, email, account_id, card_number, and operator."""
    path = Path(path)
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        if not set(KINDS) & set(reader.fieldnames or ()):
            raise SourceError(f"{path.name} has none of the columns {list(KINDS)}", hint="name them in its first line.")
        subjects = []
        for line, row in enumerate(reader, start=2):
            given = [(kind, row.get(kind) or "", (row.get("operator") or "").strip()) for kind in KINDS]
            named = tuple(Identifier(kind=k, value=v, operator=o) for k, v, o in given if v.strip())
            if not named:
                raise SourceError(f"{path.name}, line {line} names nobody", hint="give at least one identifier.")
            for identifier in named:
                try:
                    identifier.message()
                except SourceError as error:
                    raise SourceError(f"{path.name}, line {line}: {error.message}", hint=error.hint) from None
            subjects.append(named)
    return subjects
