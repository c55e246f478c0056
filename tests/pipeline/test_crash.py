"""A run that is killed leaves nothing half handed over, spoils nothing, and can be repeated."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from anonkit.engine import sha256_of
from anonkit.pipeline import release
from anonkit.reader import verify

CHILD = Path(__file__).with_name("crash_child.py")


def run_child(*arguments: object) -> Any:
    done = subprocess.run(
        [sys.executable, str(CHILD), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        timeout=3600,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


def contents(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in folder.rglob("*") if path.is_file()}


def two_products(recipe: dict[str, Any]) -> None:
    del recipe["products"]["trips"]


@pytest.fixture
def moments(town: Any) -> list[str]:
    """Names of all moments; the sound run that tells them is the earlier release that must stay as it is."""
    return list(run_child(town.busy().recipe(two_products), town.folder / "earlier")["moments"])


def check_wreck(town: Any, number: int, name: str) -> None:
    """What a killed run left behind, and that the next one sets it right."""
    folder = town.folder / "killed" / str(number)
    out = folder / "out"
    if out.exists():
        verify(out)
        assert name == "hand over:after rename"
        assert not list(folder.glob(".out.partial-*"))
        return
    assert out.with_name("out.inside").stat().st_mode & 0o777 == 0o700
    for left in folder.glob(".out.partial-*"):
        assert left.stat().st_mode & 0o077 == 0 or name.startswith("hand over")
    made = release(town.folder / "recipe.yml", out=out)
    verify(made.out)
    assert not list(folder.glob(".out.partial-*"))
    inside = {path.name for path in made.inside.iterdir()}
    assert not {name for name in inside if name.endswith(".partial") or name.startswith(".anonkit-")}


def check_all(town: Any, moments: list[str], numbers: list[int]) -> None:
    earlier = contents(town.folder / "earlier")
    ends = run_child(town.folder / "recipe.yml", town.folder / "killed", *numbers)["ends"]
    assert set(ends.values()) == {-signal.SIGKILL}
    for number in numbers:
        check_wreck(town, number, moments[number])
    assert contents(town.folder / "earlier") == earlier


@pytest.mark.slow
def test_r26_kill_before_and_after_the_hand_over_leaves_all_or_nothing(town: Any, moments: list[str]) -> None:
    check_all(town, moments, [len(moments) - 2, len(moments) - 1])
    assert moments[-2:] == ["hand over:before rename", "hand over:after rename"]


@pytest.mark.slow
def test_r26_kill_at_any_moment_leaves_nothing_half_handed_over(town: Any, moments: list[str]) -> None:
    stages = {name.split(":")[0] for name in moments}
    assert {"read", "decide", "write", "gate", "hand over"} <= stages
    files = {name.removeprefix("write:") for name in moments if name.startswith("write:")}
    assert {"flows.parquet", "flows.csv", "volumes.parquet", "package", "checksums", "readme"} <= files
    check_all(town, moments, list(range(len(moments))))


@pytest.mark.slow
def test_r26_kill_at_any_time_leaves_nothing_half_handed_over(town: Any) -> None:
    """Between the moments too: the command is killed after so many tenths of a second."""
    import time

    recipe = town.busy().recipe(two_products)
    for number, seconds in enumerate((1.5, 2.5, 3.5, 4.5, 5.5)):
        out = town.folder / "killed" / str(number) / "out"
        command = [
            sys.executable,
            "-c",
            "from anonkit.cli import main; main()",
            "release",
            str(recipe),
            "--out",
            str(out),
        ]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        time.sleep(seconds)
        process.kill()
        process.wait()
        if out.exists():
            verify(out)
        else:
            made = release(recipe, out=out)
            verify(made.out)
            assert not list(out.parent.glob(".out.partial-*"))
            assert not [path for path in made.inside.iterdir() if path.name.startswith(".anonkit-")]


def test_refused_run_leaves_no_staging_and_no_private_folder(town: Any, anonkit: Any) -> None:
    town.rides("ABC")
    assert anonkit("release", town.recipe(two_products), "--out", town.folder / "out", "--quiet") == 3
    assert sorted(path.name for path in town.folder.iterdir() if path.name.startswith((".", "out"))) == ["out.inside"]
    assert not list((town.folder / "out.inside").glob(".anonkit-*"))
    assert town.run()["status"] == "refused"
