"""Exit codes: 0 released, 2 bad recipe or input, 3 refused; and what each leaves on the disk."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from anonkit.base.errors import RecipeError
from anonkit.base.progress import Progress
from anonkit.engine import sha256_of
from anonkit.pipeline import release


def contents(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in folder.rglob("*") if path.is_file()}


def flows_only(recipe: dict[str, Any]) -> None:
    recipe["products"] = {"flows": {"cell_m": 1000, "bins": "3h"}}


def test_released_is_0_verified_is_0_and_json_tells_the_run(
    town: Any, anonkit: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, out = town.busy().recipe(flows_only), town.folder / "out"
    assert anonkit("release", recipe, "--out", out, "--json") == 0
    assert json.loads(capsys.readouterr().out)["status"] == "released"
    assert town.run()["status"] == "released"
    assert anonkit("verify", out, "--json") == 0
    assert json.loads(capsys.readouterr().out)["tables"] > 0

    # a second run never overwrites it, and a refused one beside it leaves it as it is
    before = contents(out)
    assert anonkit("release", recipe, "--out", out, "--quiet") == 2
    assert "never overwritten" in capsys.readouterr().err
    town.rows = town.rows[:3]
    assert anonkit("release", town.recipe(flows_only), "--out", town.folder / "second", "--quiet") == 3
    assert "refused" in capsys.readouterr().err
    assert contents(out) == before
    assert not (town.folder / "second").exists()

    # an altered bundle is 2
    (out / "README.md").write_text("k is 500\n", encoding="utf-8")
    assert anonkit("verify", out) == 2


def test_no_line_at_all_is_2_and_none_of_the_period_is_refused(town: Any, anonkit: Any) -> None:
    assert anonkit("release", town.recipe(flows_only), "--out", town.folder / "none", "--quiet") == 2
    town.rides("ABCDEFG", start="2026-02-03T08:10:00")
    assert anonkit("release", town.recipe(flows_only), "--out", town.folder / "out", "--quiet") == 3
    assert "not_empty" in town.failed()


def folders(town: Any) -> Path:
    (town.folder / "there").mkdir()
    (town.folder / "link").symlink_to(town.folder / "there")
    return Path(town.folder)


@pytest.mark.parametrize(
    ("out", "inside"),
    [
        ("there/out", "there/out"),
        ("there/out", "there/out/inside"),
        ("there/out", "there"),
        ("there/out", "there/../there/out/inside"),
        ("there/x/../out", "there/out/inside"),
        ("there/out", "link/out/inside"),
        ("link/out", "there/out/inside"),
    ],
)
def test_r25_inside_and_bundle_never_lie_in_one_another(town: Any, anonkit: Any, out: str, inside: str) -> None:
    folder = folders(town)
    recipe = town.busy().recipe(flows_only)
    assert anonkit("release", recipe, "--out", folder / out, "--inside", f"{folder}/{inside}", "--quiet") == 2
    assert not (folder / "there" / "out").exists()
    assert not list(folder.rglob("run.json"))


def test_out_that_exists_or_dangles_is_2(town: Any, anonkit: Any) -> None:
    recipe = town.busy().recipe(flows_only)
    (town.folder / "empty").mkdir()
    os.symlink(town.folder / "nowhere", town.folder / "dangling")
    (town.folder / "file").write_text("x", encoding="utf-8")
    for out in ("empty", "dangling", "file", "file/below"):
        assert anonkit("release", recipe, "--out", town.folder / out, "--quiet") == 2
    assert not (town.folder / "nowhere").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r["inputs"][0].update(path="nothing.csv"), "no file nothing.csv"),
        (lambda r: r["inputs"][0]["columns"].update(person="passenger"), "lacks the columns"),
        (lambda r: r["geo"].update(area="nothing.geojson"), "no area file"),
        (lambda r: r["geo"].update(area="rides.csv"), "rides.csv"),
        (lambda r: r["engine"].update(memory_limit="a lot"), "memory_limit"),
        (lambda r: r["engine"].update(memory_limit="1GB'; DROP"), "memory_limit"),
        (lambda r: r["time"].update(zone="Mars/Olympus"), "no time zone"),
        (lambda r: r["inputs"][0]["time"].update(zone="Mars") if "time" in r["inputs"][0] else r.update(x=1), "x"),
    ],
)
def test_bad_recipe_or_input_is_2_without_a_traceback(
    town: Any, anonkit: Any, capsys: pytest.CaptureFixture[str], change: Any, said: str
) -> None:
    def both(recipe: dict[str, Any]) -> None:
        flows_only(recipe)
        change(recipe)

    assert anonkit("release", town.busy().recipe(both), "--out", town.folder / "out", "--quiet") == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Hint:" in error
    assert "Traceback" not in error
    assert not (town.folder / "out").exists()


class Meeting(Progress):
    """Stops a run in its middle until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.there, self.go_on = threading.Event(), threading.Event()

    def moment(self, name: str) -> None:
        if name == "gate:before":
            self.there.set()
            assert self.go_on.wait(600)


@pytest.mark.parametrize("inside", ["out.inside", "another"])
def test_two_runs_of_one_release_at_once_the_second_is_refused(town: Any, anonkit: Any, inside: str) -> None:
    recipe, out, meeting = town.busy().recipe(flows_only), town.folder / "out", Meeting()
    failed: list[BaseException] = []

    def first() -> None:
        try:
            release(recipe, out=out, progress=meeting)
        except BaseException as error:
            failed.append(error)
            meeting.there.set()

    thread = threading.Thread(target=first)
    thread.start()
    assert meeting.there.wait(600)
    with pytest.raises(RecipeError, match="another run is making this release"):
        release(recipe, out=out, inside=town.folder / inside)
    meeting.go_on.set()
    thread.join(600)
    assert not failed
    assert anonkit("verify", out) == 0
