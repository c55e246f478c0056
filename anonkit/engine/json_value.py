"""One JSON value: strict loading, paths into it, and its text.

Numbers with a fraction or exponent keep the text they were written with, so that an id which a spreadsheet turned into
1.2E+12 is still seen as what it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


class WrittenFloat(float):
    """A number that remembers how it was written."""

    text: str

    def __new__(cls, text: str) -> WrittenFloat:
        number = super().__new__(cls, text)
        number.text = text
        return number


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


DECODER = json.JSONDecoder(parse_float=WrittenFloat, parse_constant=_no_constant)


def load(text: str) -> dict[str, Any] | None:
    """The object that a text holds; None if it is no JSON, or no object.

    >>> load('{"a": 1}'), load('[1]'), load('{"a": NaN}')
    ({'a': 1}, None, None)
    """
    try:
        value = DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def path_of(name: str | None) -> tuple[str, ...]:
    """The steps of a dotted path."""
    return tuple(name.split(".")) if name else ()


def text_at(value: Any, path: tuple[str, ...]) -> str | None:
    """The text of what stands at a path; None where nothing does. A key that itself holds the dots goes first.

    >>> text_at({"start": {"lat": 40.50}, "a.b": "x", "ends": [{"id": 7}]}, ("start", "lat"))
    '40.5'
    >>> text_at({"a.b": "x"}, ("a", "b")), text_at({"ends": [{"id": 7}]}, ("ends", "0", "id"))
    ('x', '7')
    """
    if len(path) > 1 and isinstance(value, dict) and (whole := ".".join(path)) in value:
        return _text(value[whole])
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return _text(value)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, WrittenFloat):
        return value.text
    return json.dumps(value, ensure_ascii=False)


def leaf_paths(value: dict[str, Any], before: str = "") -> Iterator[str]:
    """Dotted paths of all values that are no objects; a list is one value.

    >>> list(leaf_paths({"id": 1, "at": {"lat": 2, "lon": 3}, "stops": [1]}))
    ['id', 'at.lat', 'at.lon', 'stops']
    """
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from leaf_paths(inner, f"{before}{key}.")
        else:
            yield f"{before}{key}"
