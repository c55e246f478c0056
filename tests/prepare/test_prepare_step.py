"""``ak.prepare(trips, policy=…, erase=…)`` keeps the promises that a release keeps, and tells what it came to."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import anonkit as ak
import pandas as pd
import pytest
import yaml
from anonkit.base.errors import PermissionRefusedError, RecipeError
from anonkit.pipeline.steps import generalise, prepare, read_trips
from anonkit.recipe import load_recipe
from anonkit.schema import Table

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "data" / "samples"
RIDES = SAMPLES / "kontaktplus" / "rides.csv"
ERASURE = SAMPLES / "lists" / "erasure.csv"


def test_the_listing_of_the_design_works_as_it_is_written() -> None:
    trips = ak.read_trips(RIDES, source="kontaktplus")
    assert "start_lon" in repr(trips)
    ready = ak.prepare(trips, policy="kontaktplus", as_of="2026-09-30", erase=ERASURE)
    account = ready.accounting
    assert account.physical == account.header + account.used + sum(account.dropped.values()) + sum(
        account.rejected.values()
    )
    assert account.dropped["erasure"] > 0
    told = {rule["rule"]: rule for rule in ready.promises["rules"]}
    assert told["erasure"]["dropped"] == account.dropped["erasure"]
    assert "databases and system logs" in told["erasure"]["clause"]
    grid = ak.Grid(cell_m=500, latitude=40.4, area=ROOT / "data/areas/baku.geojson")
    binned = ak.generalise(ready, cells=grid, bins=ak.TimeBins("1h", zone="Asia/Baku"))
    assert binned.accounting.dropped["erasure"] == account.dropped["erasure"]


def test_steps_drop_what_a_release_drops(tmp_path: Path) -> None:
    # the pooled recipe's first input: lists and accounts, as of the same day, beside the steps
    from anonkit.base.clock import as_of
    from anonkit.base.entropy import fresh_key
    from anonkit.engine import Session
    from anonkit.pipeline.ingest import ingest

    data = yaml.safe_load((ROOT / "data/recipes/baku_pooled.yml").read_text(encoding="utf-8"))
    data["inputs"] = data["inputs"][:1]
    text = yaml.safe_dump(data).replace("../", str(ROOT / "data") + "/")
    (tmp_path / "one.yml").write_text(text, encoding="utf-8")
    recipe, _ = load_recipe(tmp_path / "one.yml")
    with Session() as session:
        found = ingest(recipe, session=session, key=fresh_key(), record_key=fresh_key(), as_of=as_of("2026-10-15"))
        released = found.accounting[0].dropped
    trips = read_trips(RIDES, source="kontaktplus", recipe=tmp_path / "one.yml", as_of="2026-10-15")
    lists = {name: SAMPLES / "lists" / f"{name}.csv" for name in ("restriction", "withdrawn_consent")}
    ready = prepare(trips, policy="kontaktplus", use="research", as_of="2026-10-15", erase=ERASURE, lists=lists)
    kept_out = {rule: lines for rule, lines in released.items() if not rule.startswith("outside")}
    assert ready.accounting.dropped == kept_out
    assert {"erasure", "restriction", "withdrawn_consent", "retention:account_deleted"} <= set(kept_out)


def test_without_a_use_the_strictest_reading_holds(pool: Any) -> None:
    clause = "made up for this test"
    retention = {
        "name": "old",
        "of": "rides",
        "from": "event",
        "years": 1,
        "then": "anonymised_only",
        "uses": ["research"],
        "clause": clause,
    }
    pool.promise("alpha", retention=[retention], consents=[{"name": "location", "uses": ["sell"], "clause": clause}])
    for number in range(4):
        pool.account("alpha", f"account-{number}", consent_location="yes" if number else "no")
        day = "2025-03-01T08:10:00" if number == 3 else "2026-03-03T08:10:00"
        pool.ride("alpha", f"account-{number}", start=day)
    path = pool.recipe(lambda recipe: recipe["period"].update({"from": "2025-01-01"}))
    trips = read_trips(pool.folder / "alpha.csv", source="alpha", recipe=path)
    named = {"policy": pool.folder / "alpha.policy.yml", "as_of": "2026-04-01"}
    assert prepare(trips, **named).accounting.dropped == {"consent:location": 1, "retention:old": 1}
    research = prepare(trips, use="research", **named)
    assert research.accounting.dropped == {}
    told = {rule["rule"]: rule for rule in research.promises["rules"]}
    assert (told["retention:old"]["anonymised_only"], told["retention:old"]["kept"]) == (1, 3)


def test_a_use_that_the_policy_denies_is_refused() -> None:
    trips = read_trips(SAMPLES / "uklon" / "orders.csv", source="uklon")
    with pytest.raises(PermissionRefusedError, match="does not permit the use 'sell'"):
        prepare(trips, policy="uklon", use="sell")
    with pytest.raises(RecipeError, match="no policy 'acme'"):
        prepare(trips, policy="acme")
    with pytest.raises(RecipeError, match="no lists"):
        prepare(trips, lists={"everybody": ERASURE})


def test_a_frame_of_ones_own_is_held_against_lists_and_loses_its_identifiers(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "trip": ["1", "2", "3"],
            "person": ["A", "B", "C"],
            "phone": ["+994501234567", "050 765 43 21", "+994501111111"],
            "start_s": [1_772_500_000] * 3,
        }
    )
    with (tmp_path / "erasure.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["phone", "account_id"], ["+994 (50) 765-43-21", ""], ["", "C"]])
    ready = prepare(Table.of(frame), erase=tmp_path / "erasure.csv")
    assert ready.accounting.dropped == {"erasure": 2}
    left = ready.to_pandas()
    assert len(left) == 1
    assert "phone" not in left.columns
    assert "phone" not in repr(ready)


def test_r03_companions_are_one_in_the_steps_too(town: Any) -> None:
    town.rides("ABCDE", driver="V1")
    town.rides("FG")
    columns = {"person": "rider", "vehicle": "driver", "trip": "id", "start": "start", "end": "end"}
    columns |= {"start_lon": "slon", "start_lat": "slat", "end_lon": "elon", "end_lat": "elat"}
    trips = read_trips(town.write(), source="town", columns=columns, time={"zone": "UTC"})
    cells = ak.Grid(cell_m=1000, latitude=42.4, area=town.folder / "area.geojson", levels=3)
    binned = generalise(prepare(trips), cells=cells, bins=ak.TimeBins("1h", zone="UTC"))
    frame = binned.to_pandas()
    assert (len(frame), frame["person"].nunique()) == (7, 3)
    assert not [name for name in frame.columns if "ride" in name or name == "individual"]
