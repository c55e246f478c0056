"""The records of one JSON document, one at a time.

A walker goes down the path to the array, skips what stands beside it, and decodes the array's elements one by one from a
buffer that holds no more than the current one. A document cannot be resumed behind a fault in its syntax, so such a file
is refused as a whole, with the line; a document that ends early too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from anonkit.base.errors import SourceError
from anonkit.engine.json_value import DECODER
from anonkit.engine.lines import LineFault

SPACE = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True)
class Record:
    """One record, or why there is none."""

    line: int
    value: dict[str, Any] | None
    fault: LineFault | None


class _Walker:
    """A window over the text that grows as values need it and forgets what is done."""

    def __init__(self, chunks: Iterator[str], name: str, limit: int) -> None:
        self._chunks = chunks
        self._name = name
        self._limit = limit
        self._text = ""
        self._at = 0
        self._line = 1
        self._ended = False

    def error(self, message: str, hint: str) -> SourceError:
        return SourceError(f"{self._name}, line {self._line}: {message}", hint=hint)

    def _more(self) -> bool:
        self._line += self._text.count("\n", 0, self._at)
        self._text, self._at = self._text[self._at :], 0
        for chunk in self._chunks:
            if chunk:
                self._text += chunk
                return True
        self._ended = True
        return False

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            self._at = SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self, mark: str) -> None:
        if self.peek() != mark:
            raise self.error(
                "the document ends early" if self._ended else f"{mark!r} was expected",
                "the export was cut off or is damaged: export it again",
            )
        self._at += 1

    def value(self) -> Any:
        """Decode the next value."""
        self.peek()
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except RecursionError:
                raise self.error("values are nested too deeply", "export it again, flatter") from None
            except ValueError:
                value, end = None, len(self._text)
            if end < len(self._text) or (self._ended and end > self._at and value is not None):
                self._at = end
                return value
            if len(self._text) - self._at > self._limit:
                raise self.error(
                    "one value is no JSON, or longer than 16 MB", "name the list of records: inputs[].records"
                )
            if not self._more():
                self._ended = True
                try:
                    value, self._at = DECODER.raw_decode(self._text, self._at)
                except ValueError:
                    raise self.error("no valid JSON", "the export was cut off or is damaged: export it again") from None
                return value


def records_of(chunks: Iterator[str], path: tuple[str, ...], *, name: str, limit: int) -> Iterator[Record]:
    """The elements of the array that ``path`` leads to; an element that is no object is a fault.

    Raises
    ------
    SourceError : no array there, a fault in the syntax, or the document ends early.
    """
    walker = _Walker(chunks, name, limit)
    for step in path:
        _enter(walker, step, path)
    if walker.peek() != "[":
        raise walker.error(
            f"{'.'.join(path) or 'the document'} is no list", "name the list of records: inputs[].records: data"
        )
    walker.take("[")
    number = 0
    if walker.peek() == "]":
        walker.take("]")
    else:
        while True:
            value, number = walker.value(), number + 1
            yield Record(number, value, None) if isinstance(value, dict) else Record(number, None, LineFault.BAD_JSON)
            if walker.peek() != ",":
                walker.take("]")
                break
            walker.take(",")
    for _ in path:
        while walker.peek() == ",":
            walker.take(",")
            walker.value()
            walker.take(":")
            walker.value()
        walker.take("}")
    if walker.peek():
        raise walker.error("something follows the document", "give one JSON document, or JSON Lines")


def _enter(walker: _Walker, step: str, path: tuple[str, ...]) -> None:
    """Go into an object up to the value of key ``step``."""
    walker.take("{")
    while walker.peek() == '"':
        key = walker.value()
        walker.take(":")
        if key == step:
            return
        walker.value()
        if walker.peek() == ",":
            walker.take(",")
    raise walker.error(f"there is no key {step!r} of {'.'.join(path)!r}", "name the list of records: inputs[].records")
