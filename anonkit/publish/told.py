"""Whether the words of a bundle hold an identifier: ``README.md`` and ``datapackage.json``, beside the tables.

Why: tables are scanned column by column, but title, purpose, recipient, licence, names of operators and zones pass from the
recipe and its files into the description, and somebody writes a phone or a licence plate there sooner or later (ruling 5).
Every text of the description and every line of the README is held against the value patterns of `schema.patterns`. Hashes,
which are made here and are no words, are left out when they are whole.

Does not protect against names and addresses of people, which no pattern can tell from those of streets: read what you hand
over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anonkit.base.findings import Finding, finding
from anonkit.schema.patterns import scan_values

README, PACKAGE = "README.md", "datapackage.json"
_HASH = re.compile(r"\b(?:sha256:)?[0-9a-f]{64}\b")


def word_findings(folder: Path) -> Iterator[Finding]:
    """A finding for each of the two files of words; a file that is missing or no JSON is told by ``files`` and ``verify``.

    Parameters
    ----------
    folder : the bundle as it is written.

    Yields
    ------
    Finding ``identifiers`` of README.md and of datapackage.json, with counts of patterns and never a value.

    Privacy
    -------
    Counts only. A zero does not prove the absence of identifiers.
    """
    for name, texts in ((README, _lines(folder / README)), (PACKAGE, _texts(folder / PACKAGE))):
        found = scan_values([_HASH.sub("", text) for text in texts])
        yield finding(
            "identifiers",
            name,
            passed=not found,
            value=", ".join(f"{count} like {kind}" for kind, count in sorted(found.items())) or "0",
            threshold="0",
            message="no word looks like a phone, e-mail, card, plate, id or coordinate: take it out of the recipe's texts",
            ruling="5",
        )


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def _texts(path: Path) -> list[str]:
    try:
        return list(_leaves(json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError):
        return []


def _leaves(value: Any) -> Iterator[str]:
    """Every text of a JSON value, keys among them, and every whole number as it is written."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield name
            yield from _leaves(part)
    elif isinstance(value, list):
        for part in value:
            yield from _leaves(part)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value)
