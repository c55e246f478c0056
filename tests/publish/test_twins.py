"""Mutation twins: the maker does wrong, the gate must refuse. Each names the ruling that it breaks."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from anonkit.base.findings import Finding, finding
from anonkit.classes import is_safe, tally_rows
from anonkit.pipeline import release
from anonkit.pipeline.measure import measure_risk
from anonkit.prepare import keep_used
from anonkit.publish import gate_rows, run_gate, write_bundle
from anonkit.publish.gate_files import file_findings
from anonkit.publish.gate_printed import as_the_rule_says
from anonkit.sources.ids import refuse_identifying

PLENTY = [f"Q{number}" for number in range(12)]


def refused(town: Any, anonkit: Any, change: Any = None) -> set[str]:
    """Run the command line; it must refuse and hand over nothing. Names of the failed checks."""
    code = anonkit("release", town.recipe(change), "--out", town.folder / "out", "--quiet")
    assert code == 3
    assert not (town.folder / "out").exists()
    assert not list(town.folder.glob(".out.partial-*"))
    found: set[str] = town.failed()
    return found


def released(town: Any, anonkit: Any, change: Any = None) -> None:
    """The same without the fault is released: the twin and nothing else is what the gate refuses."""
    assert anonkit("release", town.recipe(change), "--out", town.folder / "sound", "--quiet") == 0


# --- the maker counts or compares wrongly --------------------------------------------------------------------------


def flows_only(recipe: dict[str, Any]) -> None:
    recipe["products"] = {"flows": {"cell_m": 1000, "bins": "3h"}}


def test_r01_rows_counted_for_persons_are_refused(town: Any, anonkit: Any, replace_everywhere: Any) -> None:
    # 12 riders from (0, 0) to (4, 0); A, B, C, D twice each from (0, 4) to (4, 4): 8 rows, 4 persons, another bin
    town.rides(PLENTY, to=(4, 0))
    town.rides(["A", "B", "C", "D"] * 2, at=(0, 4), to=(4, 4), start="2026-03-04T14:00:00")

    def rows_for_persons(of: Any, unit: Any, **more: Any) -> Any:
        return tally_rows(of, np.arange(len(unit), dtype=np.int32), **more)

    replace_everywhere(tally_rows, rows_for_persons)
    assert "class_size" in refused(town, anonkit, flows_only)


def test_r01_k_less_one_is_refused(town: Any, anonkit: Any, replace_everywhere: Any) -> None:
    town.rides(PLENTY, to=(4, 0))
    town.rides(["A", "B", "C", "D"], at=(0, 4), to=(4, 4), start="2026-03-04T14:00:00")
    released(town, anonkit, flows_only)
    replace_everywhere(is_safe, lambda protection, **more: is_safe(replace(protection, k=protection.k - 1), **more))
    assert "class_size" in refused(town, anonkit, flows_only)


def test_r01_null_as_a_person_is_refused(town: Any, anonkit: Any, replace_everywhere: Any) -> None:
    # A, B, C, D and nobody: five values, four persons
    town.rides(PLENTY, to=(4, 0))
    town.rides(["A", "B", "C", "D", None], at=(0, 4), to=(4, 4), start="2026-03-04T14:00:00")
    released(town, anonkit, flows_only)

    def keep_nobody(frame: Any) -> Any:
        rule = nw.when(nw.col("_rule") != "no_person").then(nw.col("_rule")).otherwise(nw.lit(None, dtype=nw.String))
        return keep_used(frame.with_columns(rule.alias("_rule")))

    def null_is_somebody(of: Any, unit: Any, **more: Any) -> Any:
        return tally_rows(of, np.where(unit < 0, unit.max() + 1, unit), **more)

    replace_everywhere(keep_used, keep_nobody)
    replace_everywhere(measure_risk, lambda *_, **__: {})  # stumbles over nobody before the gate can look
    replace_everywhere(tally_rows, null_is_somebody)
    assert "class_size" in refused(town, anonkit, flows_only)


def test_r04_drivers_left_uncounted_are_refused(town: Any, anonkit: Any, replace_everywhere: Any) -> None:
    # 12 riders of 6 drivers; 6 riders of one driver
    for number, rider in enumerate(PLENTY):
        town.ride(rider, to=(4, 0), driver=f"D{number % 6}")
    town.rides("ABCDEF", at=(0, 4), to=(4, 4), start="2026-03-04T14:00:00", driver="D1")

    def drivers_too(recipe: dict[str, Any]) -> None:
        flows_only(recipe)
        recipe["privacy"]["protect"] = {"person": 5, "driver": 3}
        recipe["inputs"][0]["columns"]["driver"] = "driver"

    replace_everywhere(is_safe, lambda protection, **more: is_safe(replace(protection, k_driver=None), **more))
    assert "class_size_drivers" in refused(town, anonkit, drivers_too)


def test_r06_dominance_left_out_is_refused(town: Any, anonkit: Any, replace_everywhere: Any) -> None:
    # A makes 9 of 13 trips of a class of five persons
    town.rides(PLENTY, to=(4, 0))
    town.rides(["A"] * 9 + ["B", "C", "D", "E"], at=(0, 4), to=(4, 4), start="2026-03-04T14:00:00")
    replace_everywhere(is_safe, lambda protection, **more: is_safe(replace(protection, dominance=1), **more))
    assert "dominance" in refused(town, anonkit, flows_only)


def test_r11_subtraction_leak_is_refused(town: Any, anonkit: Any, replace_everywhere: Any) -> None:
    # flows at 2 km hold the 12 riders that trips at 1 km publish and two more beside them: 14 - 12 = 2 persons
    town.rides(PLENTY, to=(4, 0))
    town.rides(["A", "B"], at=(1, 0), to=(5, 0))

    def two(recipe: dict[str, Any]) -> None:
        recipe["products"] = {
            "trips": {"cell_m": 1000, "bins": "3h", "rows_per_person": 9},
            "flows": {"cell_m": 2000, "bins": "3h"},
        }

    # with the guard: trips fall beside the two (the total of the bin is known), flows are published
    replace_everywhere(is_safe, lambda protection, *, rest=False: is_safe(protection))
    from anonkit.kanon import decide

    replace_everywhere(decide._bins_with_small_rest, lambda *_: [])
    assert {"subtraction", "bin_totals"} <= refused(town, anonkit, two)


# --- what is written is wrong ---------------------------------------------------------------------------------------


def rewrite(folder: Path, name: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change a table in both of its forms."""
    table = change(pq.read_table(folder / f"{name}.parquet"))
    pq.write_table(table, folder / f"{name}.parquet")
    pa.csv.write_csv(table, folder / f"{name}.csv", pa.csv.WriteOptions(quoting_style="needed"))


def with_column(table: pa.Table) -> pa.Table:
    return table.append_column("minute", pa.array([7] * table.num_rows, pa.int64()))


def reversed_rows(table: pa.Table) -> pa.Table:
    return table.take(list(range(table.num_rows - 1, -1, -1)))


def one_more(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table.slice(0, 1), table])


def first_value(table: pa.Table, column: str, value: Any) -> pa.Table:
    values = table.column(column).to_pylist()
    values[0] = value(values[0]) if callable(value) else value
    at = table.schema.get_field_index(column)
    return table.set_column(at, column, pa.array(values, table.schema.field(column).type))


def csv_differs(folder: Path) -> None:
    text = (folder / "flows.csv").read_text(encoding="utf-8").splitlines()
    fields = text[1].split(",")
    fields[3] = str(int(fields[3]) + 1)
    (folder / "flows.csv").write_text("\n".join([text[0], ",".join(fields), *text[2:]]) + "\n", encoding="utf-8")


FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "r05_extra_column": (lambda at: rewrite(at, "trips", with_column), "columns"),
    "r05_extra_column_in_one_form": (
        lambda at: pq.write_table(with_column(pq.read_table(at / "flows.parquet")), at / "flows.parquet"),
        "columns",
    ),
    "r05_extra_column_of_zones": (
        lambda at: pq.write_table(
            with_column(pq.read_table(at / "zones/cells_1000m.parquet")), at / "zones/cells_1000m.parquet"
        ),
        "columns",
    ),
    "r26_order_of_the_input": (lambda at: rewrite(at, "trips", reversed_rows), "order"),
    "r26_csv_differs_from_parquet": (csv_differs, "order"),
    "r26_csv_has_a_line_more": (
        lambda at: (at / "trips.csv").write_text((at / "trips.csv").read_text() + "1,2,3\n"),
        "order",
    ),
    "r26_extra_file": (lambda at: (at / "notes.txt").write_text("x"), "files"),
    "r26_hidden_file": (lambda at: (at / "zones" / ".cache").write_text("x"), "files"),
    "r26_missing_file": (lambda at: (at / "flows.csv").unlink(), "files"),
    "r26_a_row_more": (lambda at: rewrite(at, "trips", one_more), "rows"),
    "r26_a_row_less": (lambda at: rewrite(at, "trips", lambda table: table.slice(1)), "rows"),
    "r26_a_class_twice": (lambda at: rewrite(at, "flows", one_more), "rows"),
    "r26_a_count_changed": (
        lambda at: rewrite(at, "flows", lambda t: first_value(t, "trips", lambda n: n + 1)),
        "rows",
    ),
    "r26_a_class_nobody_travelled": (
        lambda at: rewrite(at, "flows", lambda table: first_value(table, "bin", 0)),
        "rows",
    ),
    "r26_a_size_overstated": (
        lambda at: rewrite(at, "flows", lambda table: first_value(table, "persons_at_least", 10_000)),
        "rows",
    ),
    "r26_an_empty_product": (lambda at: rewrite(at, "trips", lambda table: table.slice(0, 0)), "not_empty"),
    "r11_wrong_band": (
        lambda at: rewrite(
            at, "suppression", lambda t: first_value(t, "suppressed_pct", lambda band: ">50" if band == "0" else "0")
        ),
        "suppression",
    ),
    "r11_band_of_nobody": (
        lambda at: rewrite(at, "suppression", lambda table: first_value(table, "hour", 0)),
        "suppression",
    ),
    "r05_a_phone_in_a_text": (
        lambda at: rewrite(at, "bins", lambda table: first_value(table, "begins", "+994 50 123 45 67")),
        "identifiers",
    ),
    "r05_an_address_as_file_name": (lambda at: (at / "ana@example.org").write_text("x"), "identifiers"),
    "r26_altered_after_the_checksums": (lambda at: (at / "README.md").write_text("k is 500\n"), "checksums"),
}


@pytest.fixture(scope="module")
def caught(town_class: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """One release; its gate looks at the sound folder, then at a copy of it with each fault."""
    from anonkit.pipeline import run

    made = town_class(tmp_path_factory.mktemp("twins")).busy()
    found: dict[str, set[str]] = {}

    def looking(folder: Path, *arguments: Any, **more: Any) -> Any:
        sound = run_gate(folder, *arguments, **more)
        found["sound"] = {one.check for one in sound if one.failed}
        with pytest.MonkeyPatch.context() as small:  # lots of a bin, and keys that fit into no number
            small.setattr(gate_rows, "AT_ONCE", 1)
            small.setattr(gate_rows, "ROOM", 64)
            assert run_gate(folder, *arguments, **more) == sound
        for name, (fault, _) in FAULTS.items():
            twin = made.folder / name
            shutil.copytree(folder, twin)
            fault(twin)
            found[name] = {one.check for one in run_gate(twin, *arguments, **more) if one.failed}
        return sound

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "run_gate", looking)
        release(made.recipe(), out=made.folder / "out")
    return found


def test_sound_folder_passes_every_check(caught: dict[str, set[str]]) -> None:
    assert caught["sound"] == set()


@pytest.mark.parametrize("name", FAULTS)
def test_gate_refuses(caught: dict[str, set[str]], name: str) -> None:
    assert FAULTS[name][1] in caught[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_faulty_files_end_with_exit_3(town: Any, anonkit: Any, replace_everywhere: Any, name: str) -> None:
    def faulty(folder: Path, *arguments: Any, **more: Any) -> Any:
        resources = write_bundle(folder, *arguments, **more)
        FAULTS[name][0](folder)
        return resources

    replace_everywhere(write_bundle, faulty)
    assert FAULTS[name][1] in refused(town.busy(), anonkit)


def test_r26_an_extra_column_ends_with_exit_3(town: Any, anonkit: Any, replace_everywhere: Any) -> None:
    def faulty(folder: Path, *arguments: Any, **more: Any) -> Any:
        resources = write_bundle(folder, *arguments, **more)
        FAULTS["r05_extra_column"][0](folder)
        return resources

    replace_everywhere(write_bundle, faulty)
    assert "columns" in refused(town.busy(), anonkit)


# --- identifiers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "station",
    [
        "Mall +994 50 123 45 67",
        pytest.param("ask ana@example.org", marks=pytest.mark.slow),
        pytest.param("lot 4111111111111111", marks=pytest.mark.slow),
    ],
)
def test_r05_identifier_planted_in_a_station_name_is_refused(
    town: Any, anonkit: Any, replace_everywhere: Any, station: str
) -> None:
    town.rides(PLENTY, to=(4, 0), station="North")
    town.rides(PLENTY, at=(0, 4), to=(4, 4), station=station)

    def stations(recipe: dict[str, Any]) -> None:
        recipe["inputs"][0]["also"] = {"station": {"column": "station", "role": "quasi"}}
        recipe["products"] = {"flows": {"cell_m": 1000, "bins": "3h", "columns": ["station"]}}

    # the loader looks at the first lines and refuses the recipe; the gate looks at all that is written
    assert anonkit("release", town.recipe(stations), "--out", town.folder / "early", "--quiet") == 2
    replace_everywhere(refuse_identifying, lambda *_, **__: None)
    assert refused(town, anonkit, stations) == {"identifiers"}


# --- files are looked at while rows are counted ----------------------------------------------------------------------


def test_r26_what_is_wrong_with_the_files_is_told_first_and_refuses(
    town: Any, anonkit: Any, replace_everywhere: Any
) -> None:
    town.busy()
    late = Event()

    def twin(folder: Path, resources: Any) -> Iterator[Finding]:
        yield from file_findings(folder, resources)
        late.wait(60)  # until the rows have been counted
        yield finding("files", "late", passed=False, value=1, threshold=0, message="")

    def counted(*given: Any) -> Iterator[Finding]:
        yield from as_the_rule_says(*given)
        late.set()

    replace_everywhere(file_findings, twin)
    replace_everywhere(as_the_rule_says, counted)
    assert refused(town, anonkit) == {"files"}
    told = [(found["check"], found["product"]) for found in town.run()["findings"]]
    place = told.index(("files", "late"))
    assert {check for check, _ in told[:place]} == {"files", "checksums", "identifiers", "columns", "order"}
    assert "class_size" in {check for check, _ in told[place:]}


def test_r26_a_look_at_the_files_that_breaks_off_hands_nothing_over(town: Any, replace_everywhere: Any) -> None:
    town.busy()

    def twin(folder: Path, resources: Any) -> Iterator[Finding]:
        yield from file_findings(folder, resources)
        raise OSError("the disk is gone")

    replace_everywhere(file_findings, twin)
    with pytest.raises(OSError, match="the disk is gone"):
        town.release()
    assert not (town.folder / "out").exists()
