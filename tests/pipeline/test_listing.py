"""What an analyst types: the listing of the design, line by line on the sample; no result shows a row by itself."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import anonkit as ak
import pytest

DATA = Path(__file__).resolve().parents[2] / "data"
TERMS: dict[str, Any] = {"privacy_unit": "person", "period": "all", "epsilon_cap": 2, "delta_cap": 1e-6}


@pytest.mark.slow
def test_every_line_of_the_listing_runs_and_no_repr_shows_a_cell(tmp_path: Path, monkeypatch: Any) -> None:
    shutil.copytree(DATA, tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    trips = ak.read_trips("data/samples/kontaktplus/rides.csv", source="kontaktplus")
    assert trips.rejected["ragged_line"] == 6
    ready = ak.prepare(trips, policy="kontaktplus", as_of="2026-09-30", erase="data/samples/lists/erasure.csv")
    assert ready.accounting.check().dropped["erasure"] > 0
    grid = ak.Grid(cell_m=500, latitude=40.4, area="data/areas/baku.geojson")
    hours = ak.TimeBins("1h", zone="Asia/Baku")
    binned = ak.generalise(ready, cells=grid, bins=hours)
    sizes = ak.class_sizes(binned, by=["start_cell", "end_cell", "start_bin"], protect="person")
    anon = ak.KAnonymizer(k=11, protect="person", measure="displacement", max_suppressed=0.05).fit(binned)
    safe = anon.transform(binned)
    assert anon.levels_["start_cell"].endswith(" m")
    assert set(anon.explain()["column"]) >= {"start_cell", "start_bin"}
    risk = ak.risk.class_risk(safe)
    assert risk.smallest >= 11
    ledger = ak.Ledger.create("baku.ledger", dataset="kontaktplus", neighbours="add_or_remove", **TERMS)
    ledger = ak.Ledger.open("baku.ledger")
    plan = ak.dp.plan("flows", keys=grid.pairs(), bins=hours, epsilon=0.5, max_trips=2)
    flows = ak.dp.flows(binned, plan=plan, ledger=ledger)
    assert ak.viz.flow_map(flows, shapes=grid.polygons) is not None
    result = ak.release("data/recipes/kontaktplus.yml", out="build/baku-2026q3")
    assert result.report.is_file()
    assert all("PASS" in repr(finding) or "WARN" in repr(finding) for finding in result.findings)
    city = ak.open_release("build/baku-2026q3")
    assert city.privacy["k"] == 5
    assert len(city.suppressed) > 0
    assert city.flows.total(by="bin")["trips"].sum() > 2000
    assert len(city.to_geodataframe("volumes")) == len(city.volumes.to_pandas())
    cells = {str(cell) for cell in sizes.to_pandas()["start_cell"]}
    shown = " ".join(map(repr, (trips, ready, binned, sizes, anon, safe, risk, plan, flows, city, city.flows)))
    assert not [cell for cell in cells if cell in shown]
