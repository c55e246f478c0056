"""What a city's rule asks for, carried out by a release: fares in steps, and one value for small and for none."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from anonkit.base.errors import ReleaseRefusedError
from anonkit.engine import Session
from anonkit.kanon.presets import preset
from anonkit.pipeline import ingest
from anonkit.publish import printed, write
from anonkit.publish.gate_printed import recount_printed
from anonkit.reader import open_release
from anonkit.recipe import load_recipe

RIDERS = [f"P{number}" for number in range(12)]


def test_fares_and_tips_leave_in_the_rule_s_steps_as_part_of_the_class(town: Any) -> None:
    # fares of 11.24 and less go to 10, from 11.25 to 12.50; tips to whole dollars; seven and five riders
    fares = [10.0, 9.1, 11.24, 8.75, 10.0, 9.99, 11.0, 11.25, 12.5, 13.74, 12.0, 11.5]
    for rider, fare in zip(RIDERS, fares, strict=True):
        town.ride(rider, to=(4, 0), station=fare)
    town.ride("other", to=(4, 0), station=212.4, start="2026-03-04T14:10:00")  # alone with 212.50: suppressed
    town.ride("another", to=(4, 0), start="2026-03-04T14:10:00")  # without a fare: its own category, alone

    def change(recipe: dict[str, Any]) -> None:
        recipe["preset"] = "chicago_tnp"
        recipe["time"]["bins"] = "15min"
        recipe["products"] = {"trips": {"cell_m": 1000, "rows_per_person": 1, "columns": ["fare"]}}
        recipe["inputs"][0]["also"] = {"fare": {"column": "station", "role": "quasi", "kind": "number"}}

    made = town.release(change)
    leave = [row["fare"] for row in town.table("trips")]
    assert sorted(leave) == ["10.0"] * 7 + ["12.5"] * 5
    rule = preset("chicago_tnp")
    assert sorted(str(rule.round_money("fare", fare)) for fare in fares) == sorted(leave)
    assert {found.check for found in made.findings} >= {"rounding"}
    described = (made.out / "datapackage.json").read_text(encoding="utf-8")
    assert "fare, to the nearest multiple of 2.5" in described


def test_r05_twin_without_rounding_is_refused_by_the_gate(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for rider in RIDERS:
        town.ride(rider, to=(4, 0), station=11.3)
    monkeypatch.setattr(ingest, "rounded", lambda value, step: value)

    def change(recipe: dict[str, Any]) -> None:
        recipe["products"] = {"trips": {"cell_m": 1000, "bins": "1h", "rows_per_person": 1, "columns": ["fare"]}}
        recipe["rounding"] = {"fare": 2.5}
        recipe["inputs"][0]["also"] = {"fare": {"column": "station", "role": "quasi", "kind": "number"}}

    with pytest.raises(ReleaseRefusedError, match="rounding of trips, fare: 12 values"):
        town.release(change)


@pytest.mark.slow
def test_whole_steps_have_no_decimals_and_halves_go_up(town: Any) -> None:
    for rider, tip in zip(RIDERS, [0.5, 1.49, 1, 0.75, 1.2, 1.0, 2.5, 3.49, 3, 2.75, 3.2, 3.0], strict=True):
        town.ride(rider, to=(4, 0), station=tip)

    def change(recipe: dict[str, Any]) -> None:
        recipe["products"] = {"flows": {"cell_m": 1000, "bins": "1h", "columns": ["tip"]}}
        recipe["rounding"] = {"tip": 1}
        recipe["inputs"][0]["also"] = {"tip": {"column": "station", "role": "quasi", "kind": "number"}}

    town.release(change)
    assert {row["tip"]: row["trips"] for row in town.table("flows")} == {"1": 6, "3": 6}


def month(recipe: dict[str, Any]) -> None:
    recipe["preset"] = "mds_reports"
    recipe["privacy"]["protect"] = {"person": 10}
    recipe["products"] = {"flows": {"cell_m": 4000}, "volumes": {"cell_m": 4000}}


def report(town: Any) -> Any:
    """Of the town's four blocks of 4 km: twelve riders to the east in the south, five on each of three other ways."""
    town.rides(RIDERS, at=(0, 0), to=(4, 0))
    for n, (at, to) in enumerate((((4, 0), (0, 0)), ((0, 4), (4, 4)), ((4, 4), (0, 4)))):
        town.rides([f"Q{n}{m}" for m in range(5)], at=at, to=to, start="2026-03-20T19:00:00")
    return town


@pytest.fixture(scope="module")
def month_told(tmp_path_factory: pytest.TempPathFactory, town_class: Any) -> Any:
    """A town whose month was released under the rule; read only."""
    town = report(town_class(tmp_path_factory.mktemp("month")))
    town.release(month)
    return town


def test_small_and_zero_are_printed_alike_over_all_public_places(month_told: Any) -> None:
    town, out = month_told, month_told.folder / "out"
    flows = town.table("flows_printed")
    assert len(flows) == 4 * 4  # pairs of blocks, one month
    told = {(row["start_cell"], row["end_cell"]): row["trips"] for row in flows}
    south_west, south_east = sorted(cell for pair in told for cell in pair)[0], town.table("flows")[0]["end_cell"]
    assert told.pop((south_west, south_east)) == 12
    assert set(told.values()) == {-1}  # three ways of five riders, and twelve that nobody rode, look alike
    assert len(town.table("flows")) == 1
    volumes = town.table("volumes_printed")
    assert len(volumes) == 4 * 2
    assert sorted(row["trips"] for row in volumes) == [-1] * 6 + [12, 12]
    assert "flows_printed" in open_release(out).tables
    assert "-1: fewer than 10, suppressed, or none" in (out / "datapackage.json").read_text(encoding="utf-8")


def test_nothing_is_printed_that_is_not_told_already(month_told: Any) -> None:
    town = month_told
    for kind in ("flows", "volumes"):
        keys = [name for name in town.table(kind)[0] if name not in ("trips", "persons_at_least")]
        written = {tuple(row[key] for key in keys): row["trips"] for row in town.table(kind)}
        shown = {tuple(row[key] for key in keys): row["trips"] for row in town.table(f"{kind}_printed")}
        assert {key: trips for key, trips in shown.items() if trips != -1} == written


@pytest.mark.slow
def test_r11_twin_that_tells_small_from_none_is_refused(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = printed.printed_table

    def with_zero(product: Any, rule: Any, folder: Path, *, session: Any, **more: Any) -> Any:
        frame = session.collect(real(product, rule, folder, session=session, **more)).to_pandas()
        frame.loc[frame["trips"] == -1, "trips"] = 0
        frame.loc[frame.index[-1], "trips"] = -1
        return session.from_arrow(pa.Table.from_pandas(frame, preserve_index=False))

    monkeypatch.setattr(write, "printed_table", with_zero)
    with pytest.raises(ReleaseRefusedError, match="printed of flows_printed"):
        report(town).release(month)


@pytest.mark.parametrize("fault", ["nothing", "a row less", "a row twice", "another number", "a number below"])
def test_gate_sees_each_fault_of_a_printed_table(month_told: Any, tmp_path: Path, fault: str) -> None:
    shutil.copy(month_told.folder / "out" / "flows.parquet", tmp_path)
    table = pq.read_table(month_told.folder / "out" / "flows_printed.parquet").to_pandas()
    high = table.index[table["trips"] > 0]
    if fault == "a row less":
        table = table.drop(index=high)
    elif fault == "a row twice":
        table = pd.concat([table, table.loc[high]])
    else:
        table.loc[high, "trips"] = {"another number": 13, "a number below": 4, "nothing": 12}[fault]
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), tmp_path / "flows_printed.parquet")
    recipe, _ = load_recipe(month_told.folder / "recipe.yml")
    product, rule = recipe.kanon_products[0], recipe.counts.printed
    with Session() as session:
        found = next(recount_printed(product, rule, tmp_path, rows=16, session=session))
    assert found.failed == (fault != "nothing")


@pytest.mark.slow
def test_perturbed_numbers_below_the_rule_s_threshold_are_printed_as_small(town: Any) -> None:
    # ten riders may be told as eight to twelve; what is printed is never below ten
    def change(recipe: dict[str, Any]) -> None:
        month(recipe)
        recipe["counts"] = {"rule": "cell_key"}
        recipe["products"] = {"flows": {"cell_m": 4000}}

    for at in ((0, 0), (4, 0), (0, 4), (4, 4)):
        for to in ((0, 0), (4, 0), (0, 4), (4, 4)):
            town.rides([f"R{sum(at)}{at[0]}{sum(to)}{to[0]}{n}" for n in range(10)], at=at, to=to)
    town.release(change)
    shown = [row["trips"] for row in town.table("flows_printed")]
    assert all(trips == -1 or trips >= 10 for trips in shown)
    assert sorted(trips for trips in shown if trips >= 10) == sorted(
        row["trips"] for row in town.table("flows") if row["trips"] >= 10
    )
