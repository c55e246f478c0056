"""What every notebook of the project keeps to; whether they run is asked by nbmake."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
CASES = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code(path: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def tags(cell: dict[str, Any]) -> list[str]:
    found: list[str] = cell["metadata"].get("tags", [])
    return found


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@CASES
def test_no_output_is_kept(path: Path) -> None:
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code(path))


@CASES
def test_first_cell_holds_parameters_and_last_checks(path: Path) -> None:
    cells = code(path)
    assert tags(cells[0]) == ["parameters"]
    assert tags(cells[-1]) == ["check"]
    assert "assert" in "".join(cells[-1]["source"])


@CASES
def test_no_function_is_longer_than_five_lines(path: Path) -> None:
    for cell in code(path):
        for node in ast.walk(ast.parse("".join(cell["source"]))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                last = node.end_lineno or node.lineno
                assert last - node.lineno < 5, node.name


@CASES
def test_the_story_ends_in_what_is_not_protected(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    words = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown").lower()
    assert "not protect against" in words
