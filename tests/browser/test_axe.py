"""Accessibility of the reviewer's page by axe-core: no serious or critical fault, for classes and for noise."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]
VERSION = "4.10.2"
BAD = ("serious", "critical")


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, from npm."""
    if shutil.which("npm") is None:
        pytest.skip("needs npm: apt-get install npm")
    folder = tmp_path_factory.mktemp("axe")
    packed = subprocess.run(
        ["npm", "pack", f"axe-core@{VERSION}", "--silent"], cwd=folder, capture_output=True, text=True, timeout=600
    )
    if packed.returncode:
        pytest.skip("axe-core cannot be fetched from npm")
    archive = folder / packed.stdout.strip().splitlines()[-1]
    with tarfile.open(archive) as files:
        member = files.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode("utf-8")


def classes(recipe: dict[str, Any]) -> None:
    """The town as it is."""


def noise(recipe: dict[str, Any]) -> None:
    recipe.pop("counts")
    recipe["privacy"] = {
        "guarantee": "differential_privacy",
        "unit": "person_period",
        "period": "month",
        "epsilon_cap": 1.0,
    }
    recipe["products"] = {"flows": {"cell_m": 4000, "epsilon": 0.3, "max_trips": 3}}


def faults(browser: Any, axe: str, page: Path) -> list[tuple[str, str, list[Any]]]:
    """Rule, impact and first elements of each serious or critical fault."""
    context = browser.new_context(bypass_csp=True, color_scheme="light", viewport={"width": 1160, "height": 900})
    opened = context.new_page()
    opened.goto(page.as_uri())
    opened.add_script_tag(content=axe)
    found = opened.evaluate("axe.run(document, {resultTypes: ['violations']})")
    context.close()
    return [
        (one["id"], one["impact"], [node["target"] for node in one["nodes"]][:4])
        for one in found["violations"]
        if one["impact"] in BAD
    ]


@pytest.mark.parametrize("kind", [classes, noise])
def test_the_page_has_no_serious_fault_of_accessibility(
    browser: Any, axe: str, town: Any, kind: Callable[[dict[str, Any]], None]
) -> None:
    assert faults(browser, axe, town.busy().release(kind).report) == []


def test_axe_sees_a_fault_that_is_planted(browser: Any, axe: str, tmp_path: Path) -> None:
    """Twin: a picture without words, and grey on white."""
    page = tmp_path / "bad.html"
    page.write_text(
        '<!DOCTYPE html><html lang="en"><title>x</title><main><h1>x</h1><img src="data:,"><p style="color:#ccc">words</p></main>',
        encoding="utf-8",
    )
    assert {name for name, *_ in faults(browser, axe, page)} >= {"image-alt", "color-contrast"}
