"""Fixes of used trips: from a file of their own, or from the polyline that the trips hold; the same either way."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from anonkit.base.errors import RecipeError, SourceError
from anonkit.engine import Session
from anonkit.pipeline.fixes import Fixes, fixes_of_trips
from anonkit.pipeline.ingest import ingest
from anonkit.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[2]
KEY = bytes(range(32))
START = 1_790_000_000  # 21 September 2026
LINES = {  # trip → passenger, line; a is shared by two, c has one point, d is of another month
    "a": ("p1", [[19.26, 42.44], [19.261, 42.441], [19.262, 42.442]]),
    "b": ("p3", [[19.25, 42.43], [19.251, 42.431]]),
    "c": ("p4", [[19.25, 42.43]]),
    "d": ("p5", [[19.25, 42.43], [19.24, 42.42]]),
}


def recipe_in(folder: Path, entry: dict[str, Any], **more: Any) -> Path:
    data = yaml.safe_load((ROOT / "data" / "recipes" / "pokupi_routes.yml").read_text(encoding="utf-8"))
    data.pop("use")
    data["period"] = {"from": "2026-09-01", "to": "2026-09-30"}
    data["privacy"]["protect"] = {"person": 5}
    data["geo"]["area"] = str(ROOT / "data" / "areas" / "montenegro.geojson")
    data["streets"]["path"] = str(ROOT / "data" / "samples" / "pokupi_routes" / "streets.geojson")
    data["inputs"] = [{"path": str(folder / "trips.csv"), "operator": "taxi", "time": {"format": "epoch_s"}, **entry}]
    path = folder / "recipe.yml"
    path.write_text(yaml.safe_dump({**data, **more}), encoding="utf-8")
    return path


def write(folder: Path, *, order: str = "lon_lat") -> None:
    """The same trips with their route in a column, and with their fixes in a file beside."""
    rows, fixes = ["trip;who;start;end;route"], ["trip,at,lon,lat"]
    for name, (who, line) in LINES.items():
        begin = START + (40 * 86_400 if name == "d" else 0)
        text = str([point if order == "lon_lat" else point[::-1] for point in line])
        row = f"{begin};{begin + 10 * (len(line) - 1)};{text}"
        rows += [f"{name};{who};{row}", *([f"a;p2;{row}"] if name == "a" else [])]
        fixes += [f"{name},{begin + 10 * n},{lon},{lat}" for n, (lon, lat) in enumerate(line)]
    (folder / "trips.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "fixes.csv").write_text("\n".join(fixes) + "\n", encoding="utf-8")


COLUMNS = {"trip": "trip", "person": "who", "start": "start"}
POLYLINE = {"column": "route", "interval_s": 10}
FIXES = {"columns": {"trip": "trip", "time": "at", "lon": "lon", "lat": "lat"}, "time": {"format": "epoch_s"}}


def fixes_of(path: Path) -> tuple[Fixes, list[Any]]:
    recipe, _ = load_recipe(path)
    when = datetime(2026, 11, 1, tzinfo=UTC)
    with Session(threads=1, memory_limit="1GB") as session:
        rows = session.checkpoint(
            ingest(recipe, session=session, key=KEY, record_key=KEY, as_of=when).rows, "used"
        )  # fmt: skip
        fixes, accounts, _ = fixes_of_trips(recipe, rows, KEY, session, when)
    return fixes, accounts


@pytest.mark.parametrize("order", ["lon_lat", "lat_lon"])
def test_a_polyline_gives_the_same_fixes_as_a_file_of_them(tmp_path: Path, order: str) -> None:
    write(tmp_path, order=order)
    line = {**POLYLINE, "order": order}
    held, accounts = fixes_of(recipe_in(tmp_path, {"columns": COLUMNS, "polyline": line}))
    assert accounts == []  # the lines are those of the trips
    more = {"fixes": {"path": str(tmp_path / "fixes.csv"), **FIXES}}
    beside, accounts = fixes_of(recipe_in(tmp_path, {"columns": COLUMNS, "polyline": line, **more}))
    assert accounts[0].used == 5
    for name in ("trips", "offsets", "time_s", "lon", "lat"):
        np.testing.assert_array_equal(getattr(held, name), getattr(beside, name))
    # a of three fixes, once though two rode; b of two; c is no trip, d is of another month
    assert sorted(np.diff(held.offsets).tolist()) == [2, 3]


def test_points_that_are_no_place_are_left_out(tmp_path: Path) -> None:
    write(tmp_path)
    text = (tmp_path / "trips.csv").read_text(encoding="utf-8")
    (tmp_path / "trips.csv").write_text(text.replace("[19.261, 42.441]", "[19.261]"), encoding="utf-8")
    held, _ = fixes_of(recipe_in(tmp_path, {"columns": COLUMNS, "polyline": POLYLINE}))
    assert np.diff(held.time_s[held.lon > 19.255]).tolist() == [20]  # the clock goes on over the lost point


def test_lines_that_hold_no_route_are_an_error_of_the_input(tmp_path: Path) -> None:
    (tmp_path / "trips.csv").write_text(f"trip;who;start;route\na;p1;{START};[[x, [19.26, 42.44], [19.262, 42.442]]\n")
    entry = {"columns": COLUMNS, "polyline": POLYLINE, "checks": {"max_rejected": 1}}
    with pytest.raises(SourceError, match="trips"):
        fixes_of(recipe_in(tmp_path, entry))


def test_trips_without_fixes_and_without_a_timed_line_make_no_routes(tmp_path: Path) -> None:
    write(tmp_path)
    whole = {**COLUMNS, "end": "end"}
    for line in ({}, {"polyline": {"column": "route"}}):
        places = {} if line else {"start_lon": "x", "start_lat": "y", "end_lon": "x", "end_lat": "y"}
        with pytest.raises(RecipeError, match="fixes is missing: name the file of the trips' fixes, or a polyline"):
            load_recipe(recipe_in(tmp_path, {"columns": {**whole, **places}, **line}))
