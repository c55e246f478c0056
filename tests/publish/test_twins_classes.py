"""Mutation twins of the maker of classes: destinations given away, rows for people in statistics, parents beside children."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pytest
from anonkit.base.errors import ReleaseRefusedError
from anonkit.kanon import class_statistics, decide
from anonkit.kanon.diversity import less_alike

PLENTY = [f"Q{number}" for number in range(12)]
LATER = "2026-03-04T14:00:00"


def failed(town: Any, change: Any) -> set[str]:
    """The sound release goes out, the twin does not; names of the checks that it fails."""
    with pytest.raises(ReleaseRefusedError, match="is refused"):
        town.release(change)
    assert not (town.folder / "out").exists()
    found: set[str] = town.failed()
    return found


def test_r07_twin_that_tells_the_only_destination_of_an_origin_is_refused(town: Any, replace_everywhere: Any) -> None:
    # two origins by two destinations at eight; at fourteen everybody rides from one place to one place
    for at in ((0, 4), (1, 5)):
        for to in ((4, 4), (5, 5)):
            town.rides(PLENTY, at=at, to=to)
    town.rides(PLENTY, to=(4, 0), start=LATER)

    def change(recipe: dict[str, Any]) -> None:
        recipe["privacy"]["l_places"] = 2
        recipe["products"] = {"flows": {"cell_m": 1000, "bins": "3h"}}

    town.release(change, out="sound")
    assert len(town.table("flows", out="sound")) == 4
    replace_everywhere(less_alike, lambda placed, stands, persons, *, protection: (stands, 0))
    assert "diversity" in failed(town, change)


@pytest.mark.slow
def test_r08_twin_that_takes_rows_for_people_in_statistics_is_refused(town: Any, replace_everywhere: Any) -> None:
    # eleven ride ten minutes, one rides thirty trips of forty: the mean of people's medians is 13, of rows 32
    for rider in PLENTY[:11]:
        town.ride(rider, to=(4, 0), start="2026-03-03T08:10:00", end="2026-03-03T08:20:00")
    for _ in range(11):
        town.ride("heavy", to=(4, 0), start="2026-03-03T08:10:00", end="2026-03-03T08:50:00")

    def change(recipe: dict[str, Any]) -> None:
        told = {"duration_s": {"step": 60, "high": 7200}}
        recipe["products"] = {"flows": {"cell_m": 1000, "bins": "3h", "statistics": told}}

    town.release(change, out="sound")
    row = town.table("flows", out="sound")[0]
    assert {name: value for name, value in row.items() if name.startswith("duration")} == {
        "duration_s_mean": 780,  # (11 * 600 + 2400) / 12 = 750, to the nearest minute
        "duration_s_median": 600,
    }

    def of_rows(rows: Any, keys: Any, statistics: Any, *, unit: str, k: int, session: Any) -> Any:
        return class_statistics(
            rows.with_columns(nw.col("trip").alias(unit)), keys, statistics, unit=unit, k=k, session=session
        )

    replace_everywhere(class_statistics, of_rows)
    assert "statistics" in failed(town, change)


def test_r09_twin_that_tells_a_full_parent_beside_its_children_is_refused(
    town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # at 1 km twelve are told; six who ride from the next cell are the rest of 2 km, not eighteen
    town.rides(PLENTY, to=(4, 0))
    town.rides([f"R{n}" for n in range(3)], at=(1, 0), to=(4, 0))
    town.rides([f"S{n}" for n in range(3)], at=(0, 1), to=(4, 0))

    def change(recipe: dict[str, Any]) -> None:
        rolled = [{"cell_m": 2000, "bins": "3h"}]
        recipe["products"] = {"flows": {"cell_m": 1000, "bins": "3h", "roll_up": rolled}}

    town.release(change, out="sound")
    told = {row["rolled_up"]: row["trips"] for row in town.table("flows", out="sound")}
    assert told == {0: 12, 1: 6}
    real = decide.coarser

    def forgets_what_was_told(tally: Any, up: Any, *, told: Any, **more: Any) -> Any:
        return real(tally, up, told=np.zeros_like(told), **more)

    monkeypatch.setattr(decide, "coarser", forgets_what_was_told)
    assert failed(town, change) & {"rows", "subtraction"}
