"""Value patterns: what looks like a phone, e-mail, card, plate, … whatever its column is called.

Role maps and default deny take identifiers out by *column*; this module looks at the *values* of what is about to leave
(and of what has just come in), because free text, a mis-mapped column or a composite id carries the same thing under
another name. A pattern is an RE2 expression, run vectorised over distinct values, and a ``confirm`` that decides
(mod 97, Luhn, calling code, calendar). Plain numbers (counts, epoch seconds, grid and H3 cells) are no match.

Sources: ISO 13616 (IBAN), ISO/IEC 7812 (card), ITU-T E.164 (phone), the numbering plans and plates of Azerbaijan and
Montenegro, RFC 4122; ACN-Data's ``session_id`` for ids that embed a station and a time.

Does **not** protect against: names and addresses (no pattern tells a street from a person), a FIN of letters only
(9 %), a single national phone number among integers, anything encrypted, spelled out, or split over two columns.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anonkit.base.errors import SchemaError

Kind = Literal["text", "integer", "float"]
Role = Literal["cell", "bin", "count"]


@dataclass(frozen=True)
class Pattern:
    """One kind of identifier: a quick RE2 test that may say yes too often, and ``confirm``, which decides."""

    name: str
    what: str
    regex: str
    confirm: Callable[[str], bool]
    numbers: bool = False
    """Also looked for in integer and float columns."""


def _any(find: re.Pattern[str], decide: Callable[[str], object]) -> Callable[[str], bool]:
    return lambda value: any(decide(found.group()) for found in find.finditer(value))


def _mixed(text: str) -> bool:
    return any(letter.isdigit() for letter in text) and any(letter.isalpha() for letter in text)


# --- phones -----------------------------------------------------------------------------------------------------------
# ITU calling codes of two digits; 1 and 7 have one, all others three.
_CODES_2 = re.compile(r"2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]")
_CODES_3 = re.compile(
    r"21[1-368]|2[2-69]\d|3[578]\d|37\d|42[013]|50\d|59\d|67\d|68\d|69[0-2]|8[05]\d|87[08]|88\d|96\d|97[0-79]|99[2-68]"
)
_AZ_AREA = r"(?:10|12|18|2[0-9]|36|40|44|46|50|51|55|60|70|77|99)"
_AZ_MOBILE = r"(?:10|40|44|50|51|55|60|70|77|99)"
_GAP = r"[ ()./\-]{0,3}"
_INTERNATIONAL = rf"(?:\+|00) ?\(?[1-9](?:{_GAP}[0-9]){{6,14}}"
_NATIONAL = (
    rf"994{_GAP}{_AZ_AREA}{_GAP}[0-9]{{3}}{_GAP}[0-9]{{2}}{_GAP}[0-9]{{2}}"  # 994 50 123 45 67
    rf"|\(?0{_AZ_AREA}{_GAP}[0-9]{{3}}{_GAP}[0-9]{{2}}{_GAP}[0-9]{{2}}"  # 050 123 45 67, (050)1234567
    rf"|\(?{_AZ_MOBILE}[ )/\-]{{1,2}}[0-9]{{3}}[ \-]?[0-9]{{2}}[ \-]?[0-9]{{2}}"  # 50-123-45-67
    rf"|382{_GAP}(?:6[0-9]|[2-5][0-9]){_GAP}[0-9]{{3}}{_GAP}[0-9]{{3}}"  # 382 67 123 456
    rf"|\(?06[0-9]{_GAP}[0-9]{{3}}{_GAP}[0-9]{{3}}"  # 067/123-456
    r"|\(?0[2-5][0-9][ )/\-]{1,2}[0-9]{3}[ \-]?[0-9]{3}"  # 020/123-456
)
# With calling code and no plus: the operators' countries, their neighbours and usual visitors.
_BARE = (
    rf"994{_AZ_AREA}[0-9]{{7}}|382(?:6[0-9]|[2-5][0-9])[0-9]{{6}}|905[0-9]{{9}}|7[79][0-9]{{9}}|9955[0-9]{{8}}|380[0-9]{{9}}"
    r"|38[15]6[0-9]{7,8}|3859[0-9]{7,8}|3876[0-9]{7}|3556[0-9]{8}|3519[0-9]{8}|447[0-9]{9}|491[567][0-9]{8,9}|33[67][0-9]{8}"
    r"|393[0-9]{9}|9715[0-9]{8}|989[0-9]{9}"
)
_INTERNATIONAL_FIND = re.compile(rf"(?<![\w+.\-])(?!\d{{4}}-\d\d-\d\d)(?:{_INTERNATIONAL})(?!\d)")
_NATIONAL_FIND = re.compile(rf"(?<![0-9A-Fa-f.\-+])(?:{_NATIONAL})(?![0-9A-Fa-f]|\.\d)")
_BARE_FULL = re.compile(_BARE)
_LOST_ZERO = re.compile(rf"{_AZ_MOBILE}[0-9]{{7}}|6[0-9]{{7}}")  # 050 123 45 67 read as the integer 501234567


def _is_phone(value: str) -> bool:
    if _BARE_FULL.fullmatch(value) or _NATIONAL_FIND.search(value):
        return True
    for found in _INTERNATIONAL_FIND.finditer(value):
        text = found.group()
        digits = re.sub(r"\D", "", text).removeprefix("" if "+" in text else "00")
        if text.isdecimal() and not _BARE_FULL.fullmatch(digits):
            continue  # 00123456789 without plus or gap is a padded number rather than a phone
        if 8 <= len(digits) <= 15 and (digits[0] in "17" or _CODES_2.match(digits) or _CODES_3.match(digits)):
            return True
    return False


# --- numbers with a check digit ---------------------------------------------------------------------------------------
_CARD = r"[0-9](?:[ \-]?[0-9]){12,18}"
_CARD_FIND = re.compile(rf"(?<![\w.])(?:{_CARD})(?!\w|\.\d)")
# Issuer and length. 15 digits are American Express only (grid cells have 15); 18 digits never (H3 cells have 18).
_ISSUER = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[0-8]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|35\d{14}"
    r"|6[0-9]\d{14}(?:\d{3})?|(?:9792|9860|8600)\d{12}"
)


def luhn(digits: str) -> bool:
    """Check digit of ISO/IEC 7812.

    >>> luhn("4111111111111111"), luhn("4111111111111112")
    (True, False)
    """
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0


def _checks(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    return _ISSUER.fullmatch(digits) is not None and luhn(digits)


_IBAN = r"[A-Za-z]{2}[0-9]{2}(?:[ \-]?[A-Za-z0-9]){11,30}"
_IBAN_FIND = re.compile(rf"(?<![A-Za-z0-9])(?:{_IBAN})")
_IBAN_LENGTHS = (
    "15NO16BE18DKFIFOGLNLSDFK19MKSI20ATBAEEKZLTLUXKMN21CHCRHRLILV22BGBHDEGBGEIEMERSVA23AEGIILIQOMTLSO24ADCZESMDPKROSASESKTN"
    "VGDZ25LYPTST26ISTRIR27FRGRITMCMRSM28ALAZBYCYDOGTHULBNIPLSV29BREGPSQAUA30JOKWMUYE31MTSC32LC33RU"
)
_IBAN_LENGTH = {
    country: int(length)
    for length, countries in re.findall(r"(\d\d)([A-Z]+)", _IBAN_LENGTHS)
    for country in re.findall("..", countries)
}


def _is_account(spelled: str) -> bool:
    text = re.sub(r"[ \-]", "", spelled).upper()
    length = _IBAN_LENGTH.get(text[:2], 99)
    moved = text[4:length] + text[:4]
    return len(text) >= length and int("".join(str(int(letter, 36)) for letter in moved)) % 97 == 1


# --- addresses of people and machines ---------------------------------------------------------------------------------
_EMAIL = r"[^\s@<>,;:\"'()\[\]]+ ?(?:@|\(at\)|\[at\]) ?[^\s@<>,;:\"'()\[\]]+\.[^\s\d@<>,;:\"'()\[\].]{2,}"
_IPV4 = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
_IPV6 = r"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*"
_MAC = (
    r"(?:[0-9A-Fa-f]{2}[:\-]){5}[0-9A-Fa-f]{2}|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}|[0-9A-F]{12}|[0-9a-f]{12}"
)
_IPV4_FIND = re.compile(rf"(?<![\w.])(?:{_IPV4})(?![\w])(?!\.\d)")
_IPV6_FIND = re.compile(rf"(?<![\w:.])(?:{_IPV6})(?![\w:])")
_MAC_FIND = re.compile(rf"(?<![\w:.\-])(?:{_MAC})(?![\w:\-])(?!\.\w)")
_CLOCK_PARTS = re.compile(r"[0-3]\d([:\-])[0-3]\d\1[0-3]\d\1[0-2]\d\1[0-5]\d\1[0-5]\d")


def _is_address(text: str) -> bool:
    try:
        return len(text) > 3 and ipaddress.ip_address(text.rstrip(".")) is not None
    except ValueError:
        return False


def _is_machine(text: str) -> bool:
    return _mixed(text) if text.isalnum() else not _CLOCK_PARTS.fullmatch(text)


# --- papers -----------------------------------------------------------------------------------------------------------
_PLATE = (
    r"[0-9]{2}[ \-]?[A-Z]{2}[ \-]?[0-9]{3}"  # Azerbaijan: region, series, number
    r"|(?:AN|BA|BP|BR|BD|CT|DG|GS|HN|KL|KO|MK|NK|PG|PT|PL|PV|PŽ|RO|ŠN|TV|TZ|UL|ŽB|ZT)[ \-·]?[A-Z]{2}[ \-]?[0-9]{3}"
)
_PLATE_FIND = re.compile(rf"(?<![\w\-])(?!00)(?:{_PLATE})(?![\w])(?!-\d)")
_FIN = r"[0-9A-HJ-NP-Z]{7}"
_FIN_FIND = re.compile(rf"(?<![\w\-./+])(?:{_FIN})(?![\w\-/+])")
_NOT_FIN = re.compile(r"\d+(?:ST|ND|RD|TH)[A-Z]*|(?:19|20)\d\d[A-Z]{3}|[A-Z]{3}(?:19|20)\d\d|\d{6}[A-Z]|[A-Z]+\d?")


def _is_plate(value: str) -> bool:
    return _PLATE_FIND.search(value) is not None or _PLATE_FIND.fullmatch(value.strip().upper()) is not None


def _is_code(text: str) -> bool:
    return _mixed(text) and not _NOT_FIN.fullmatch(text)


# --- ids --------------------------------------------------------------------------------------------------------------
_HEX = "[0-9A-Fa-f]"
_UUID = rf"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{8,12}}|{_HEX}{{32}}"
_UUID_FIND = re.compile(rf"(?<!\w)(?:{_UUID})(?!\w)")
_HASH = rf"{_HEX}{{16,128}}|[A-Za-z0-9+/_\-]{{22,512}}"
_HASH_FIND = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9+/_\-]{16,512}(?![A-Za-z0-9])")
_DATE = r"(?:19|20)[0-9]{2}[\-.]?(?:0[1-9]|1[0-2])[\-.]?(?:0[1-9]|[12][0-9]|3[01])"
_EPOCH = r"1[0-9]{9}(?:[0-9]{3})?"
_COMPOSITE = rf"[0-9A-Za-z][_\-|#:/]+(?:{_DATE}|{_EPOCH})|(?:{_DATE}|{_EPOCH}).*[_\-|#:/]+[0-9A-Za-z]|1[0-9]{{16,19}}"
_LONG_NUMBER = re.compile(r"1\d{16,19}")
_CLOCK = r"[T _\-]?(?:[01]\d|2[0-3]):?[0-5]\d(?::?[0-5]\d(?:[.,]\d+)?)?(?:Z|[+\-](?:0\d|1[0-4]):?[0-5]\d)?"
_MOMENT = re.compile(rf"(?<!\d)(?:{_DATE}(?:{_CLOCK})?|{_EPOCH})(?!\d)")
_TIME_ONLY = re.compile(r"(?<!\d)\d{1,2}:\d{2}(?::\d{2})?(?!\d)|\bP(?:\d+[YMWD])*(?:T(?:\d+[HMS])+)?(?![\w])")
_GLUED = re.compile(r"[0-9A-Za-z][_\-|#:/]+\0|\0[_\-|#:/]+[0-9A-Za-z]")


def _is_random(text: str) -> bool:
    letters = re.sub(r"[+/_\-]", "", text)
    if re.fullmatch(r"[0-9a-f]{16,128}|[0-9A-F]{16,128}", text):
        return _mixed(letters)
    kinds = ["d" if letter.isdigit() else "u" if letter.isupper() else "l" for letter in letters]
    # words and camel case change kind seldom, random letters four times in ten and more
    return len(text) >= 22 and _mixed(letters) and sum(a != b for a, b in pairwise(kinds)) >= 0.3 * len(kinds)


def _is_composite(value: str) -> bool:
    text = value.strip()
    if text.isdecimal():  # epoch seconds with a number glued on; a clock's nanoseconds end in zeros
        return _LONG_NUMBER.fullmatch(text) is not None and not text.endswith("000")
    rest = _TIME_ONLY.sub("", _MOMENT.sub("\0", text))
    return _GLUED.search(rest) is not None and any(letter.isdigit() for letter in rest)


# --- places -----------------------------------------------------------------------------------------------------------
_NUMBER = r"[+\-]?[0-9]{1,3}\.[0-9]{3,}"
_COMMA_NUMBER = r"[+\-]?[0-9]{1,3},[0-9]{3,}"
_NAME = r"(?i:lon|lng|lat|longitude|latitude|x|y)"
_BETWEEN = rf"(?:\s*[,;/|\s]\s*|[\"'\s,;&]*{_NAME}[\"']?\s*[:=]\s*)"
_PAIR = rf"{_NUMBER}{_BETWEEN}{_NUMBER}|{_COMMA_NUMBER}\s*[;/|\s]\s*{_COMMA_NUMBER}"
_SURE = (
    r"[0-9]{1,3}\s*[°º]\s*[0-9]{1,2}(?:[.,][0-9]+)?\s*['′’]|[0-9]{1,3}[.,][0-9]{2,}\s*[°º]\s*[NSEWnsew]"
    r"|(?i:\b(?:POINT|LINESTRING|POLYGON)\s*(?:Z|M|ZM)?\s*\(+\s*[+\-]?[0-9]+(?:\.[0-9]+)?\s+[+\-]?[0-9]+)"
    r"|\b[23456789CFGHJMPQRVWX]{4,8}\+[23456789CFGHJMPQRVWX]{2,3}\b"  # open location code
)
_PAIR_FIND = re.compile(rf"(?<![\d.,])(?:{_PAIR})(?!\d)")
_SURE_FIND = re.compile(_SURE)


def _is_coordinate(value: str) -> bool:
    if _SURE_FIND.search(value):
        return True
    for found in _PAIR_FIND.finditer(value):
        numbers = re.findall(rf"{_NUMBER}|{_COMMA_NUMBER}", found.group())
        small, large = sorted(abs(float(number.replace(",", "."))) for number in numbers[:2])
        if small <= 90 and large <= 180:
            return True
    return False


PATTERNS: tuple[Pattern, ...] = (
    Pattern("phone", "phone, national or with calling code", f"{_INTERNATIONAL}|{_NATIONAL}|{_BARE}", _is_phone, True),
    Pattern("email", "e-mail address", _EMAIL, _any(re.compile(_EMAIL), bool)),
    Pattern("iban", "bank account (mod 97)", _IBAN, _any(_IBAN_FIND, _is_account)),
    Pattern("card", "payment card (issuer, Luhn)", _CARD, _any(_CARD_FIND, _checks), True),
    Pattern("ipv4", "IPv4 address", _IPV4, _any(_IPV4_FIND, _is_address)),
    Pattern("ipv6", "IPv6 address", _IPV6, _any(_IPV6_FIND, _is_address)),
    Pattern("mac", "network card address", _MAC, _any(_MAC_FIND, _is_machine)),
    Pattern("plate", "number plate (AZ, ME)", f"(?i){_PLATE}", _is_plate),
    Pattern("fin", "personal code of Azerbaijan (7 characters)", _FIN, _any(_FIN_FIND, _is_code)),
    Pattern("uuid", "UUID or shortened UUID", _UUID, _any(_UUID_FIND, lambda text: "-" in text or _mixed(text))),
    Pattern("hash", "hash or random token", _HASH, _any(_HASH_FIND, _is_random)),
    Pattern("composite_id", "id that embeds a time beside a station, card or device", _COMPOSITE, _is_composite, True),
    Pattern("coordinate", "coordinates in text", f"{_PAIR}|{_SURE}", _is_coordinate),
)  # fmt: skip
"""All patterns, in the order of reports."""

_CANONICAL: dict[str, Role] = {
    **dict.fromkeys(("cell", "start_cell", "end_cell"), "cell"),
    **dict.fromkeys(("bin", "start_bin", "end_bin"), "bin"),
    **dict.fromkeys(("trips", "persons", "drivers", "count"), "count"),
}


def normalise(value: str) -> str:
    """One spelling of digits, gaps and dashes: full-width and Arabic digits, no-break spaces, hidden characters.

    >>> normalise("٠٥٠\\u00a0１２３–45\\u200b–67")
    '050 123-45-67'
    """
    text = "".join(letter for letter in unicodedata.normalize("NFKC", value) if unicodedata.category(letter) != "Cf")
    return re.sub(r"\d", lambda found: str(int(found.group())), re.sub("[‐-―−﹘﹣－]", "-", text))


def scan_values(values: Iterable[Any], *, numeric: bool = False) -> dict[str, int]:
    """How many of the values look like each kind of identifier.

    Parameters
    ----------
    values : texts (or numbers); a list, NumPy or Arrow array, or series. Nulls are passed over.
    numeric : bool. Only the patterns that make sense in a numeric column (phone, card, composite id).

    Returns
    -------
    dict of pattern name → number of values that match, names without a match left out; never a value.

    Privacy
    -------
    Counts only. A zero does not prove the absence of identifiers (see the module's first paragraph).

    Examples
    --------
    >>> scan_values(["call 050 123 45 67", "Liberty Ave & Stanwix St", "1_1_178_817_2019-05-01 01:15:23"])
    {'phone': 1, 'composite_id': 1}
    >>> scan_values(["113034700229770", "1556673323", "2019-05-01 01:18:45-07:00", "Asia/Baku", "42"])
    {}
    """
    counted = pc.value_counts(_texts(values))
    distinct, weights = counted.field("values"), counted.field("counts")
    found: dict[str, int] = {}
    for pattern in PATTERNS:
        if numeric and not pattern.numbers:
            continue
        likely = pc.match_substring_regex(distinct, pattern.regex)
        texts, often = distinct.filter(likely).to_pylist(), weights.filter(likely).to_pylist()
        number = sum(count for text, count in zip(texts, often, strict=True) if pattern.confirm(text))
        if number:
            found[pattern.name] = number
    return found


def scan_column(name: str, values: Iterable[Any], *, kind: Kind, role: Role | None = None) -> dict[str, int]:
    """Scan one column as what it is: text, whole numbers, or numbers with a fraction.

    Numbers are looked at as phones, cards and composite ids. A column that is declared (``role``), or named as in the
    canonical tables, to hold cells, bins or counts is excused only for numbers that have the shape of one: a grid cell
    (15 digits), a zone (up to 6), an H3 index; a bin below 10^10; a count below 10^9.

    Parameters
    ----------
    name, values, kind : the column, its name, and "text", "integer" or "float".
    role : "cell", "bin", "count", or None to go by the name.

    Returns
    -------
    dict as in `scan_values`.

    Privacy
    -------
    Counts only. National phone numbers that lost their zero (501234567) are seen when nine tenths of an undeclared
    column have that shape, not one by one.

    Examples
    --------
    >>> scan_column("trips", [12, 994501234567], kind="integer")
    {'phone': 1}
    >>> scan_column("start_cell", [113034700229770, 113034700229771], kind="integer")
    {}
    """
    if kind not in ("text", "integer", "float"):
        raise SchemaError(
            f"column '{name}' was given as kind {kind!r}; expected 'text', 'integer' or 'float'",
            hint="map dates and Booleans to text, or leave them out: they hold no identifier.",
        )
    if kind == "text":
        return scan_values(values)
    numbers = _whole_numbers(values)
    declared = role or _CANONICAL.get(name)
    numbers = numbers[~_shaped(numbers, declared)] if declared else numbers
    found = scan_values(numbers[numbers >= 10**7], numeric=True)
    if declared is None and len(numbers) and "phone" not in found:
        distinct = np.unique(numbers).astype(str).tolist()
        if len(distinct) >= 3 and sum(bool(_LOST_ZERO.fullmatch(text)) for text in distinct) >= 0.9 * len(distinct):
            found["phone"] = sum(bool(_LOST_ZERO.fullmatch(text)) for text in numbers.astype(str).tolist())
    return found


def _texts(values: Any) -> pa.Array:
    """Arrow array of the values as normalised text, nulls dropped."""
    values = values.to_arrow() if hasattr(values, "to_arrow") else values
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if not isinstance(values, pa.Array):
        listed = values.tolist() if hasattr(values, "tolist") else values
        present = (item for item in listed if item is not None and item == item)
        values = pa.array([item if isinstance(item, str) else str(item) for item in present], pa.large_string())
    values = values.drop_null().cast(pa.large_string())
    plain = pc.string_is_ascii(values)
    if pc.all(plain).as_py() is not False:
        return values
    other = pa.array([normalise(text) for text in values.filter(pc.invert(plain)).to_pylist()], pa.large_string())
    return pc.replace_with_mask(values, pc.invert(plain), other)


def _whole_numbers(values: Any) -> np.ndarray:
    """The values that are whole numbers, as int64 (or Python integers beyond it), without nulls."""
    values = values.to_arrow() if hasattr(values, "to_arrow") else values
    if isinstance(values, pa.Array | pa.ChunkedArray):
        values = values.drop_null().to_numpy()
    array = (
        values
        if isinstance(values, np.ndarray)
        else np.asarray([item for item in values if item == item and item is not None])
    )
    if array.dtype.kind == "f":
        array = array[np.isfinite(array) & (np.floor(array) == array) & (np.abs(array) < 2**63)]
    return array if array.dtype.kind == "O" else array.astype(np.int64)


def _shaped(numbers: np.ndarray, role: Role) -> np.ndarray:
    """Which numbers have the shape that their declared role allows."""
    if role == "cell":
        grid = (numbers >= 10**14) & (numbers < 10**15)
        h3 = (numbers >= 0x080 << 52) & (numbers < 0x090 << 52)
        return grid | h3 | (numbers < 10**6)
    return numbers < (10**10 if role == "bin" else 10**9)
