"""Lines in = header + used + dropped + rejected, on files that are as dirty as they come."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import pyarrow.parquet as pq
import pytest
from anonkit.base.entropy import fresh_key
from anonkit.base.errors import AnonkitError
from anonkit.engine import Session
from anonkit.prepare import account_for, keep_used, mark_duplicates, tokenise
from anonkit.recipe import load_recipe
from anonkit.sources import read_generic
from hypothesis import given, settings
from hypothesis import strategies as st

HEADER = "id,rider,driver,start,end,slon,slat,elon,elat,station"
GOOD = "T1,P1,,2026-03-03T08:10:00Z,2026-03-03T08:40:00Z,19.23,42.38,19.25,42.39,"
pieces = st.sampled_from(
    [GOOD, GOOD, GOOD.replace("P1", ""), GOOD.replace("19.23", "x"), '"', '""', ",", "\r", "a", "é", " ", "1e400"]
)
lines = st.lists(st.lists(pieces, max_size=3).map("".join), max_size=25)


def account(path: Path, town: Any) -> tuple[Any, int]:
    recipe, _ = load_recipe(town.recipe(lambda r: r["inputs"][0].update(checks={"max_rejected": 1.0})))
    spec = recipe.inputs[0].model_copy(update={"path": path, "time": recipe.inputs[0].time})
    spec = spec.model_copy(update={"time": spec.time.model_copy(update={"zone": "UTC"})})
    with Session(threads=1) as session:
        table, opened = read_generic(spec, session=session, as_of_s=1_790_000_000)
        frame = tokenise(table, key=fresh_key()).frame.with_columns(nw.lit(None, dtype=nw.String).alias("_rule"))
        frame = mark_duplicates(session.checkpoint(frame, "input"), session)
        physical = opened.physical(session)
        found = account_for(frame, session, source="town", physical=physical, header=opened.header_lines)
        return found, int(session.value("SELECT count(*) FROM {f}", f=keep_used(frame)))


@given(lines, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
@settings(max_examples=10, database=None)
def test_every_physical_line_is_accounted_for(
    town_class: Any, body: list[str], ending: str, last: bool, zipped: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        town = town_class(Path(folder))
        text = ending.join([HEADER, *body]) + (ending if last else "")
        data = text.encode()
        path = Path(folder) / ("dirty.csv.gz" if zipped else "dirty.csv")
        path.write_bytes(gzip.compress(data) if zipped else data)
        try:
            found, used = account(path, town)
        except AnonkitError:
            return  # refused whole, which loses nothing in silence
        physical = data.count(b"\n") + (0 if data.endswith(b"\n") else 1)
        assert found.physical == physical
        assert found.header + found.used + sum(found.dropped.values()) + sum(found.rejected.values()) == physical
        assert used <= sum(GOOD.split(",")[3] in line for line in body)


def test_duplicates_are_looked_for_within_a_person_and_the_first_line_stays(town: Any) -> None:
    # T1 of P1 twice, T1 of P2 once, two of P1 without a trip id: one duplicate
    for rider, trip in (("P1", "T1"), ("P1", "T1"), ("P2", "T1"), ("P1", ""), ("P1", "")):
        town.ride(rider, trip=trip)
    found, used = account(town.write("some.csv"), town)
    assert found.rejected == {"duplicate": 1}
    assert used == 4


def test_r25_rejected_lines_are_listed_without_values(town: Any) -> None:
    town.busy()
    town.ride("Ana Secret", start="tomorrow morning", end="2026-03-03T09:00:00")
    made = town.release()
    rows = pq.read_table(made.inside / "rejected.parquet").to_pylist()
    assert [(row["line"], row["reason"]) for row in rows] == [(len(town.rows) + 1, "bad_time")]
    for path in (made.inside / "rejected.parquet", made.inside / "run.json"):
        assert b"Secret" not in path.read_bytes()
        assert b"tomorrow" not in path.read_bytes()


def test_r25_no_identifier_or_coordinate_is_ever_stored(
    town: Any, replace_everywhere: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # every Parquet file that a run writes, in the private folder too, is searched for riders' names and coordinates
    town.busy()
    for row in town.rows:
        row["rider"] = f"Rider-{row['rider']}"
    seen: list[str] = []
    write = Session.write_parquet

    def watched(self: Session, frame: Any, path: Path, **more: Any) -> None:
        write(self, frame, path, **more)
        seen.append(path.name)
        table = pq.read_table(path)
        text = str([table.column(name).unique().to_pylist()[:500] for name in table.column_names if "zone" not in name])
        assert "Rider-" not in text
        assert not {"start_lon", "start_lat", "end_lon", "end_lat", "start_s", "end_s"} & set(table.column_names)

    monkeypatch.setattr(Session, "write_parquet", watched)
    town.release()
    assert len(seen) > 5


def test_r01_what_exports_write_for_nobody_is_nobody(town: Any) -> None:
    # four riders and nobody, in nine spellings, are four persons: the class is not released
    blanks = ["", " ", "\t", "\u00a0", "NULL", "None", "nan", "\\N", "n/a"]
    town.rides([f"P{number}" for number in range(9)], to=(4, 0), start="2026-03-04T14:00:00")
    town.rides([*"ABCD", *blanks])

    def flows_only(recipe: dict[str, Any]) -> None:
        recipe["products"] = {"flows": {"cell_m": 1000, "bins": "3h"}}

    made = town.release(flows_only)
    assert made.run["lines"][0]["dropped"] == {"no_person": len(blanks)}
    assert [row["trips"] for row in town.table("flows")] == [9]
