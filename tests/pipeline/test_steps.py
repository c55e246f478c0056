from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anonkit import risk
from anonkit.base.errors import RecipeError, SchemaError, SourceError
from anonkit.classes import class_sizes
from anonkit.geo import Grid, TimeBins
from anonkit.kanon import decide
from anonkit.kanon.system import Beside
from anonkit.pipeline.steps import generalise, prepare, read_trips, safe_products
from anonkit.schema import Table

COLUMNS = {
    "trip": "id",
    "person": "rider",
    "start": "start",
    "end": "end",
    "start_lon": "slon",
    "start_lat": "slat",
    "end_lon": "elon",
    "end_lat": "elat",
}
BINS = TimeBins("1h", zone="UTC")
LEVEL = {"cell_m": 1000, "bins": "3h"}


def grid_of(town: Any) -> Grid:
    return Grid(cell_m=1000, latitude=42.4, area=town.folder / "area.geojson", levels=3)


def binned_of(town: Any) -> Table:
    path = town.write()
    ready = prepare(read_trips(path, source="town", columns=COLUMNS, time={"zone": "UTC"}))
    return generalise(ready, cells=grid_of(town), bins=BINS)


def test_every_line_is_accounted_for_through_all_steps(town: Any) -> None:
    town.rides(["A", "B", None])  # nobody: dropped
    town.ride("C", start="2026-03-03T09:00:00", end="2026-03-03T08:00:00")  # end before start: rejected
    town.ride("D", trip="T1")
    town.ride("A", trip="T1")  # A's own T1 again: duplicate; D's T1 is another person's
    town.ride("E", at=(20, 20))  # outside the area
    path = town.write()
    trips = read_trips(path, source="town", columns=COLUMNS, time={"zone": "UTC"})
    assert trips.rejected == {"end_before_start": 1}
    ready = prepare(trips)
    assert (ready.accounting.physical, ready.accounting.header, ready.accounting.used) == (8, 1, 4)
    assert ready.accounting.dropped == {"no_person": 1}
    assert ready.accounting.rejected == {"duplicate": 1, "end_before_start": 1}
    binned = generalise(ready, cells=grid_of(town), bins=BINS)
    assert binned.accounting.used == len(binned) == 3
    assert binned.accounting.dropped == {"no_person": 1, "outside_area": 1}
    assert "driver" in ready.accounting.dropped_columns


def test_no_id_and_no_coordinate_is_left(town: Any) -> None:
    town.rides(["SECRET1", "SECRET2"])
    binned = binned_of(town)
    frame = binned.to_pandas()
    assert not set(frame.columns) & {"start_lon", "start_lat", "end_lon", "end_lat", "start_s", "end_s", "vehicle"}
    assert "SECRET" not in frame.to_csv()
    assert "SECRET" not in repr(binned)


def test_tokens_of_two_calls_do_not_meet(town: Any) -> None:
    town.rides(["A", "B"])
    first, second = (set(binned_of(town).to_pandas()["person"]) for _ in range(2))
    assert len(first) == 2
    assert not first & second


def test_a_recipe_says_what_columns_mean(town: Any) -> None:
    town.rides(["A", "B"])
    recipe = town.recipe()
    trips = read_trips(town.folder / "rides.csv", source="town", recipe=recipe)
    assert len(prepare(trips)) == 2
    with pytest.raises(SourceError, match="no input of 'other'"):
        read_trips(town.folder / "rides.csv", source="other", recipe=recipe)
    with pytest.raises(SourceError, match="nothing says what the columns"):
        read_trips(town.folder / "rides.csv", source="town")


def test_a_pandas_frame_goes_the_same_way(town: Any) -> None:
    west, south, east, north = grid_of(town).box
    frame = pd.DataFrame(
        {
            "trip": ["1", "2", "3"],
            "person": ["A", "B", None],
            "start_s": [1_772_500_000] * 3,
            "start_lon": [(west + east) / 2] * 3,
            "start_lat": [(south + north) / 2] * 3,
            "end_lon": [(west + east) / 2, 0, 0],
            "end_lat": [(south + north) / 2, 0, 0],
        }
    )
    ready = prepare(Table.of(frame))
    assert (ready.accounting.used, ready.accounting.dropped) == (2, {"no_person": 1})
    assert generalise(ready, cells=grid_of(town), bins=BINS).accounting.dropped == {"no_person": 1, "outside_area": 1}


def test_r01_safe_classes_hold_k_persons_not_rows(town: Any) -> None:
    for _ in range(9):
        town.ride("A", at=(3, 3), to=(5, 5), start="2026-03-05T20:10:00")
    town.rides([f"P{number}" for number in range(5)], at=(0, 0), to=(4, 4))
    binned = binned_of(town)
    setting: dict[str, Any] = {"cells": grid_of(town), "bins": BINS, "dominance": "1/2", "l_places": 1}
    safe = safe_products(binned, protect={"person": 5}, products={"flows": LEVEL}, **setting)
    assert safe.published("flows")["trips"].tolist() == [5]
    classes = safe.classes("flows")
    assert sorted(classes["persons"]) == [1, 5]
    assert classes.loc[classes["persons"] == 1, "after"].isna().all()
    assert class_sizes(binned, by=["start_cell"], protect="person").collect().to_pandas()["persons"].max() == 5


def test_r11_nothing_can_be_subtracted_and_the_twin_without_the_rule_leaks(
    town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # from (0,0): 6 riders to (4,0) and Q to (0,4): departures 7, flow 6: the rest is Q. S0…S4 keep the bin's rest large.
    town.rides([f"P{number}" for number in range(6)], at=(0, 0), to=(4, 0))
    town.ride("Q", at=(0, 0), to=(0, 4))
    for number, place in enumerate(((2, 2), (2, 5), (3, 6), (6, 1), (5, 3))):
        town.ride(f"S{number}", at=place, to=(0, 4))
    town.rides([f"R{number}" for number in range(12)], at=(7, 7), to=(1, 1))
    binned = binned_of(town)
    setting: dict[str, Any] = {"cells": grid_of(town), "bins": BINS, "dominance": "1", "l_places": 1}
    both = safe_products(binned, protect={"person": 5}, products={"flows": LEVEL, "volumes": LEVEL}, **setting)
    person, sets, counts = both.behind()
    assert len(sets) > 1
    assert risk.derived_counts(sets, counts, person=person, k=5) == ()
    monkeypatch.setattr(decide, "suppress_beside", _nothing_falls)  # it would protect volumes without flows as well
    apart = [
        safe_products(binned, protect={"person": 5}, products={kind: LEVEL}, **setting) for kind in ("flows", "volumes")
    ]
    naive = [entry for safe in apart for entry in safe.behind()[1]]
    found = risk.derived_counts(naive, [float(len(entry)) for entry in naive], person=person, k=5)
    assert min(entry.persons for entry in found) == 1


def _nothing_falls(lot: Any, standing: Any, **_: Any) -> Beside:
    return Beside(stands=tuple(one.stands for one in standing), fallen=(0,) * len(standing), cuts=0)


def test_behind_names_the_rows_of_every_published_count(town: Any) -> None:
    binned = binned_of(town.busy())
    setting: dict[str, Any] = {"cells": grid_of(town), "bins": BINS, "dominance": "1/2", "l_places": 1}
    safe = safe_products(binned, protect={"person": 5}, products={"flows": LEVEL}, **setting)
    person, sets, counts = safe.behind()
    assert sorted(counts) == sorted(safe.published("flows")["trips"])
    # busy(): 4 pairs of 7 riders and one of 3 in a bin, one of 8 in another; one of 7 falls to hide the rest of 3: 21 + 8
    assert sum(counts) == sum(map(len, sets)) == 29
    assert len(np.unique(np.concatenate(sets))) == 29
    assert min(len(np.unique(person[entry])) for entry in sets) >= 5


def test_wrong_products_and_parts_say_what_is_known(town: Any) -> None:
    binned = binned_of(town.busy())
    setting: dict[str, Any] = {"cells": grid_of(town), "bins": BINS, "dominance": "1/2", "l_places": 1}
    with pytest.raises(RecipeError, match="no product 'floes'"):
        safe_products(binned, protect={"person": 5}, products={"floes": LEVEL}, **setting)
    with pytest.raises(RecipeError, match=r"flows has the keys \['cells'\]"):
        safe_products(binned, protect={"person": 5}, products={"flows": {"cells": 1}}, **setting)
    with pytest.raises(RecipeError, match="protect names nobody"):
        safe_products(binned, protect={}, products={"flows": LEVEL}, **setting)
    safe = safe_products(binned, protect={"person": 5}, products={"flows": LEVEL}, **setting)
    with pytest.raises(SchemaError, match=r"parts are \['flows'\]"):
        safe.classes("volumes")
    assert safe.utility("flows").counts.classes_published == 4
    assert Path(town.folder).is_dir()


def test_a_result_tells_where_things_are_and_no_number_of_the_data(town: Any) -> None:
    result = town.busy().release()
    lines = repr(result).splitlines()
    assert len(lines) == 3
    assert "checks passed" in lines[0]
    assert f"{result.questions[1]} of 15 questions for the reviewer" in lines[0]
    assert lines[1].endswith("out")
    assert lines[2].endswith("report.html, stays inside>")
