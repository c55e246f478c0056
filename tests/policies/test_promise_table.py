"""Every test that docs/OPERATORS.md names beside a promise exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py|…|test_cli\.py)::(\w+)(\*?)(?:\[\w+\])?`")
SHORT = {"…": "tests/policies/test_promises.py", "test_cli.py": "tests/registry/test_cli.py"}
FILES = re.compile(r"`(tests/[\w/]+(?:\.py|/))`")


def test_each_promise_names_tests_that_exist() -> None:
    text = (ROOT / "docs" / "OPERATORS.md").read_text(encoding="utf-8")
    named = [(SHORT.get(found[1], found[1]), found[2], found[3]) for found in NAMED.finditer(text)]
    assert len(named) >= 20
    for file, name, more in named:
        source = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {name}{'' if more else '[(]'}", source, re.M), f"{file} has no {name}"
    assert [path for path in FILES.findall(text) if not (ROOT / path).exists()] == []


def test_each_operator_and_row_has_a_test() -> None:
    text = (ROOT / "docs" / "OPERATORS.md").read_text(encoding="utf-8")
    rows = [
        line
        for line in text.splitlines()
        if (line.startswith("| ") and line.count(" | ") >= 2 and "tests/" in line) or "`…::" in line
    ]
    assert {"KONTAKTPLUS", "BakıKart", "Uklon", "Charge.az", "Pokupi"} <= {line.split("|")[1].strip() for line in rows}
    table = text[text.index("## The operators' rows") : text.index("## What this does not do")]
    lines = [
        line
        for line in table.splitlines()
        if line.startswith("|") and not line.startswith(("|---", "| operator |", "| promise |"))
    ]
    assert [line for line in lines if "tests/" not in line and "`…::" not in line] == []
