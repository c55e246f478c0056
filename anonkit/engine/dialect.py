"""How a text file is written, settled on its first bytes before anything is parsed.

Byte order mark, strict UTF-8 or the recipe's encoding, the delimiter that cuts the first lines evenly, the header's names.
A guess that goes wrong here would swallow lines later, so whatever is not plain is refused with what to write into the
recipe.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from anonkit.base.errors import SourceError

SAMPLE_BYTES = 256_000
MAX_COLUMNS = 20_000
DELIMITERS = (",", ";", "\t", "|")
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
LINE, LINES, FAULT = "_line", "_lines", "_fault"


@dataclass(frozen=True, kw_only=True)
class CsvDialect:
    """How one file is written; settled on its bytes."""

    encoding: str
    mark_bytes: int
    """Length of the byte order mark, skipped."""
    delimiter: str
    names: tuple[str, ...]
    """The header's names, unique: a repeated name gets ``_2``, ``_3``."""
    header_lines: int
    """Physical lines before the first record: the header and blank lines above it."""
    compressed: bool
    damaged: bool = False
    """Some bytes of the sample are not in the encoding."""


def open_bytes(path: Path) -> BinaryIO:
    """A file's bytes, unpacked where its name ends in ``.gz``."""
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")


def read_bytes(raw: BinaryIO, size: int, path: Path) -> bytes:
    """The next bytes; a damaged gzip file is a ``SourceError``."""
    try:
        return raw.read(size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(
            f"{path.name} is a damaged or truncated gzip file", hint="copy the export again and compare its size"
        ) from error


def settle(path: Path, *, encoding: str | None = None, delimiter: str | None = None) -> CsvDialect:
    """Read the first bytes of ``path`` and decide encoding, delimiter and names.

    Raises
    ------
    SourceError : see ``CsvFile.open``.
    """
    sample, chosen, mark_bytes = sample_of(path, encoding)
    decoder = codecs.getincrementaldecoder(chosen)
    damaged = False
    try:
        text = decoder("strict").decode(sample)
    except UnicodeDecodeError:
        text, damaged = decoder("replace").decode(sample), True
    header_lines, header = _header(text, path)
    if "\ufffd" in header:
        raise SourceError(
            f"{path.name}: the names of its columns are not written in {chosen}",
            hint="name the file's encoding (Turkish and Azerbaijani cp1254, Cyrillic cp1251, western cp1252): in a recipe encoding: cp1254, of inspect and init --encoding cp1254",
        )
    choice = delimiter or _delimiter(header, text)
    try:
        names = next(csv.reader(io.StringIO(header, newline=""), delimiter=choice))
    except csv.Error as error:
        raise SourceError(
            f"{path.name}: its first line is no header",
            hint="export it again with the columns' names in the first line",
        ) from error
    if len(names) > MAX_COLUMNS:
        raise SourceError(
            f"{path.name} has {len(names)} columns; at most {MAX_COLUMNS} are read",
            hint="name the delimiter in the recipe (delimiter: ';'), or export only the columns of trips",
        )
    return CsvDialect(
        encoding=chosen,
        mark_bytes=mark_bytes,
        delimiter=choice,
        names=_unique(names),
        header_lines=header_lines,
        compressed=path.suffix == ".gz",
        damaged=damaged,
    )


def sample_of(path: Path, encoding: str | None) -> tuple[bytes, str, int]:
    """The first bytes of a text file after its byte order mark, the encoding's name, and the mark's length.

    Raises
    ------
    SourceError : no such file, empty, an encoding that nobody knows, or UTF-16 without a word about it.
    """
    if not path.is_file():
        raise SourceError(
            f"{path.name} is a folder" if path.is_dir() else f"there is no file {path.name}",
            hint="give one file" if path.is_dir() else "check the path; a recipe's paths begin at its own folder",
        )
    with open_bytes(path) as raw:
        sample = read_bytes(raw, SAMPLE_BYTES, path)
    if not sample:
        raise SourceError(f"{path.name} is empty", hint="export it again, or take it out of the recipe's inputs")
    mark, found = next(((m, e) for m, e in MARKS if sample.startswith(m)), (b"", None))
    if encoding is None and found is None and sample.count(0) > len(sample) // 4:
        raise SourceError(
            f"{path.name} is not UTF-8 text: every other byte is zero",
            hint="name its encoding: in a recipe encoding: utf-16-le, of inspect and init --encoding utf-16-le",
        )
    try:
        chosen = codecs.lookup(found or encoding or "utf-8").name
        codecs.getincrementaldecoder(chosen)("replace").decode(b"")
    except (LookupError, TypeError) as error:
        raise SourceError(
            f"{path.name}: there is no encoding {encoding!r} of text",
            hint="use a name such as utf-8, cp1254, utf-16-le",
        ) from error
    return sample[len(mark) :], chosen, len(mark)


def _header(text: str, path: Path) -> tuple[int, str]:
    if "\n" not in text and "\r" in text:
        raise SourceError(
            f"{path.name} ends its lines with a carriage return only",
            hint="save it with line feeds (Unix or Windows text)",
        )
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            last = number
            while line.count('"') % 2 and last < min(len(lines), number + 20):  # a name may hold a line break
                line, last = f"{line}\n{lines[last]}", last + 1
            if line.count('"') % 2:
                line, last = lines[number - 1], number
            return last, line.rstrip("\r")
    raise SourceError(f"{path.name} holds blank lines only", hint="export it again with its header")


def _delimiter(header: str, text: str) -> str:
    """The delimiter that cuts the header into most fields, and the next lines into as many."""

    whole = [line for line in text[: SAMPLE_BYTES // 2].split("\n")[:30] if len(line) < csv.field_size_limit()]

    def score(mark: str) -> tuple[int, int]:
        try:
            rows = list(csv.reader(io.StringIO("\n".join(whole)), delimiter=mark))
            width = len(next(csv.reader(io.StringIO(header, newline=""), delimiter=mark)))
        except csv.Error:
            return (0, 0)
        return (sum(len(row) == width for row in rows) if width > 1 else 0, width)

    return max(DELIMITERS, key=score)


def _unique(names: list[str]) -> tuple[str, ...]:
    taken, result = {LINE, LINES, FAULT}, []
    for position, raw in enumerate(names, start=1):
        name = plain = raw.strip() or f"column_{position}"
        number = 1
        while name in taken:
            number += 1
            name = f"{plain}_{number}"
        taken.add(name)
        result.append(name)
    return tuple(result)
