"""From an unknown file to a release by what the commands say: each message leads to the next step."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml


def three_hours(recipe: dict[str, Any]) -> None:
    recipe["products"] = {"flows": {"cell_m": 1000, "bins": "3h"}, "volumes": {"cell_m": 1000, "bins": "3h"}}


def next_command(said: str) -> list[str]:
    """The command that the last ``Next:`` names."""
    line = [line for line in said.splitlines() if line.startswith("Next:")][-1]
    found = re.search(r"anonkit (.*?)(?: shows| writes| with | and |$)", line)
    assert found is not None
    return shlex.split(found[1])


def test_inspect_leads_to_init_with_the_same_options(town: Any, anonkit: Any, capsys: Any) -> None:
    path = town.busy().write()
    path.write_bytes(path.read_text(encoding="utf-8").replace(",", ";").encode("utf-16"))
    assert anonkit("inspect", path, "--delimiter", ";") == 0
    command = next_command(capsys.readouterr().out)
    assert command[0] == "init"
    assert anonkit(*command) == 0
    said = capsys.readouterr().out
    assert f"release {path.with_suffix('.yml')} --plan" in said
    assert yaml.safe_load(path.with_suffix(".yml").read_text(encoding="utf-8"))["inputs"][0]["delimiter"] == ";"


def test_file_in_another_encoding_is_told_the_option_to_give(tmp_path: Path, anonkit: Any, capsys: Any) -> None:
    (tmp_path / "rides.csv").write_bytes("Başlama;Bitmə\n1;2\n".replace("ə", "e").encode("cp1254"))
    assert anonkit("inspect", tmp_path / "rides.csv") == 2
    assert "--encoding cp1254" in capsys.readouterr().err
    assert anonkit("inspect", tmp_path / "rides.csv", "--encoding", "cp1254") == 0
    assert next_command(capsys.readouterr().out)[-2:] == ["--encoding", "cp1254"]


def test_list_of_stations_leads_to_the_file_of_trips(tmp_path: Path, anonkit: Any, capsys: Any) -> None:
    rows = "".join(f"{n},40.{400 + n},49.{800 + n}\n" for n in range(40))
    (tmp_path / "stations.csv").write_text(f"station_id,lat,lon\n{rows}", encoding="utf-8")
    assert anonkit("inspect", tmp_path / "stations.csv") == 0
    assert f"--places {tmp_path / 'stations.csv'}" in capsys.readouterr().out
    assert anonkit("init", tmp_path / "stations.csv") == 2
    assert "--places stations.csv" in capsys.readouterr().err
    assert not (tmp_path / "stations.yml").exists()


def test_plan_names_the_product_that_would_be_empty_and_what_takes_most_lines(
    town: Any, anonkit: Any, capsys: Any
) -> None:
    town.rides("ABCDEFG")
    town.rides("ABC", at=(30, 30))  # three of ten lines lie outside the area
    town.rides("AB", to=(4, 4))
    recipe = town.recipe(lambda recipe: recipe["privacy"].update(protect={"person": 50}))
    assert anonkit("release", recipe, "--plan", "--quiet") == 0
    said = capsys.readouterr().out
    assert re.search(r"flows.* would be empty", said)
    assert "outside_area: starts or ends outside the public area of this release; check geo.area" in said


def test_explain_says_what_to_write_for_each_choice_and_it_can_be_written(town: Any, anonkit: Any, capsys: Any) -> None:
    recipe = town.busy().recipe(three_hours)
    assert anonkit("explain", recipe, "--quiet", "--json") == 0
    found = {one["change"]: one for one in json.loads(capsys.readouterr().out)}
    assert found["the recipe"]["write"] == ""
    written = yaml.safe_load(f"{{{found['bins one step wider']['write']}}}")
    assert written == {"flows": {"bins": "6h"}, "volumes": {"bins": "6h"}}

    def wider(said: dict[str, Any]) -> None:
        three_hours(said)
        for name, keys in written.items():
            said["products"][name].update(keys)

    assert anonkit("release", town.recipe(wider), "--plan", "--quiet", "--json") == 0
    planned = json.loads(capsys.readouterr().out)["products"]
    shares = {product["part"]: product["share_released"] for product in planned}
    assert shares == pytest.approx(found["bins one step wider"]["shares"])


def test_explain_says_how_a_threshold_is_written_and_what_comes_next(town: Any, anonkit: Any, capsys: Any) -> None:
    recipe = town.busy().recipe(three_hours)
    assert anonkit("explain", recipe, "--quiet") == 0
    said = capsys.readouterr().out
    assert "k = 11: privacy.protect: {person: 11}" in said
    assert next_command(said) == ["release", str(recipe), "--plan", "after", "a", "change;"]


def test_release_leads_to_the_page_and_the_decision(town: Any, anonkit: Any, capsys: Any) -> None:
    out = town.folder / "out"
    assert anonkit("release", town.busy().recipe(three_hours), "--out", out) == 0
    said = capsys.readouterr().out
    assert f"read {out}.inside/report.html and decide: anonkit review sign {out}.inside" in said


def test_zone_that_nobody_knows_is_told_the_nearest(town: Any, anonkit: Any, capsys: Any) -> None:
    town.busy()
    assert anonkit("release", town.recipe(lambda said: said["time"].update(zone="Bakou")), "--plan") == 2
    assert "did you mean Asia/Baku?" in capsys.readouterr().err


def test_file_that_is_not_there_and_a_folder_are_told_apart(tmp_path: Path, anonkit: Any, capsys: Any) -> None:
    assert anonkit("inspect", tmp_path / "nope.csv") == 2
    assert "there is no file nope.csv" in capsys.readouterr().err
    (tmp_path / "exports").mkdir()
    assert anonkit("inspect", tmp_path / "exports") == 2
    assert "exports is a folder\nHint: give one file" in capsys.readouterr().err
