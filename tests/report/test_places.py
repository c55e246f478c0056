"""Maps of what is rolled up and of named zones: what is told coarser is not called missing, names are names."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest
import shapely
from anonkit.geo import TimeBins
from anonkit.report import PartTable, ReportTables
from anonkit.report.places import missing, places

SQUARES: Any = lambda codes: shapely.box(codes % 10, 0, codes % 10 + 1, 1)  # noqa: E731


def rolled_up() -> ReportTables:
    # 8 + 3 + 2 trips; 8 are told, of the 5 others 3 in a coarser class: 2 of 13 are missing
    classes = pd.DataFrame(
        {
            "start_cell": [1, 2, 2],
            "end_cell": [2, 1, 2],
            "start_bin": [0, 0, 1],
            "before": [8, 3, 2],
            "after": [8, None, None],
            "rolled": [0, 3, 0],
        }
    )
    part = PartTable(
        classes=classes,
        bins=TimeBins("6h", zone="UTC"),
        bin="start_bin",
        cell="start_cell",
        rest=pd.DataFrame({"cell": [10**14 + 1], "trips": [3]}),
    )
    return ReportTables(parts={"flows": part}, shapes=SQUARES)


def test_r09_what_a_roll_up_tells_is_not_missing() -> None:
    page = str(missing(rolled_up()))
    assert "15 % of all trips are missing in flows; 23 % more are told rolled up only" in page  # 2 and 3 of 13
    # cell 2: 2 of 5 are missing, not 5 of 5
    assert "2: 40% of the trips suppressed" in page
    assert "2: 100% of" not in page


def test_r09_twin_without_the_column_all_of_it_would_be_missing() -> None:
    tables = rolled_up()
    part = tables.parts["flows"]
    blind = PartTable(
        classes=part.classes.drop(columns="rolled"), bins=part.bins, bin=part.bin, cell=part.cell, rest=None
    )
    page = str(missing(ReportTables(parts={"flows": blind}, shapes=SQUARES)))
    assert "38 % of all trips are missing in flows." in page  # 5 of 13
    assert "2: 100% of the trips suppressed" in page


def test_the_rest_has_a_map_of_its_own_with_its_own_cells() -> None:
    page = str(places(rolled_up()))
    assert "Leaves rolled up: starts in flows, level 1" in page
    assert "3 trips, told as the rest of a coarser cell" in page


def rolling(recipe: dict[str, Any]) -> None:
    recipe["products"] = {
        "flows": {"cell_m": 1000, "bins": "3h", "roll_up": [{"cell_m": 4000, "bins": "1d"}]},
    }


def test_the_page_of_a_release_counts_what_is_rolled_up(town: Any) -> None:
    # 8 riders tell (0,0) to (4,0); 2 and 2 and 2 are too few at 1 km, and 6 together between the same blocks of 4 km
    town.rides([f"P{number}" for number in range(8)], at=(0, 0), to=(4, 0))
    for pair, row in (("AB", 0), ("CD", 1), ("EF", 2)):
        town.rides(pair, at=(1, row), to=(5, row))
    town.rides([f"Q{number}" for number in range(6)], at=(0, 4), to=(4, 4))
    result = town.release(rolling)
    page = result.report.read_text(encoding="utf-8")
    shares = town.run()["products"][0]["share_by_level"]
    assert shares == [0.7, 0.3]
    assert "0 % of all trips are missing in flows; 30 % more are told rolled up only" in page
    assert "Leaves rolled up: starts in flows, 4000 m" in page
    assert "6 trips, told as the rest of a coarser cell" in page


def name_of(town: Any, row: dict[str, Any]) -> str:
    """District of a row's origin, by the tables of zones that are released."""
    for level in ("zone", "district"):
        zones = pd.read_parquet(town.folder / "out" / "zones" / f"zones_{level}.parquet").set_index("cell")
        if row["start_cell"] in zones.index:
            at = zones.loc[row["start_cell"]]
            return str(at["id"]) if level == "district" else ("west" if at["lon"] < 19.2140 + 4 * 0.012165 else "east")
    raise AssertionError(row)


@pytest.mark.parametrize("name", ["Old Harbour", "Əhmədli & Həzi <Aslanov>"])
def test_zones_are_called_by_their_names_on_the_page(town: Any, name: str) -> None:
    page = town.busy().release(town.in_zones({"z11": name})).report.read_text(encoding="utf-8")
    assert "Leaves: by the coarsest zones" in page
    # three pairs of 7 and one of 8 leave; (4,4) is the only origin in the east, and 7 + 3 more are rolled up or missing
    west = re.search(r"west: ([0-9]+) trips", page)
    assert west is not None
    assert int(west.group(1)) == sum(row["trips"] for row in town.table("flows") if name_of(town, row) == "west")
    told = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert f"{told}: 7 trips" in page
    assert f"{told} → z51: 7 trips" in page
    assert re.search(re.escape(told) + ": 0% of the trips suppressed", page)
    assert not re.search(r">[0-9]{4,}: [0-9]+ trips<", page)  # no zone is called by its code
