from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from anonkit.base.errors import ReleaseRefusedError


def test_the_inside_folder_holds_the_page_and_the_bundle_does_not(town: Any) -> None:
    result = town.busy().release()
    assert result.report.is_file()
    assert not list(Path(result.out).rglob("*.html"))
    text = result.report.read_text(encoding="utf-8")
    assert re.search(r"All checks passed; \d+ questions for you to decide", text)
    assert text.count("<figure>") >= 12


def test_a_refusal_has_a_page_that_says_so_even_where_nothing_is_published(town: Any) -> None:
    def impossible(recipe: dict[str, Any]) -> None:
        recipe["privacy"]["protect"]["person"] = 50

    with pytest.raises(ReleaseRefusedError, match="not_empty"):
        town.busy().release(impossible)
    page = (town.folder / "out.inside" / "report.html").read_text(encoding="utf-8")
    assert "Refused: nothing was handed over" in page
    assert "Passed" not in page


def test_r19_utility_is_inside_only(town: Any) -> None:
    result = town.busy().release()
    run = town.run()
    assert {entry["part"] for entry in run["utility"]} == {"trips", "flows", "volumes:start", "volumes:end"}
    package = json.loads((Path(result.out) / "datapackage.json").read_text(encoding="utf-8"))
    assert "utility" not in json.dumps(package)


def test_utility_is_measured_on_the_written_files(town: Any) -> None:
    # busy(): 4 pairs of 7 riders and one of 3 in a bin, one of 8 in another; one of 7 falls to hide the rest of 3: 21 + 8
    town.busy().release()
    trips = next(entry for entry in town.run()["utility"] if entry["part"] == "trips")
    assert (trips["counts"]["trips"], trips["counts"]["trips_published"]) == (39, 29)
    assert trips["counts"]["classes_published"] == 4
    assert trips["counts"]["median_relative_error"] == 0
    assert trips["metres"]["mean"] == 0  # published at the finest cells
    # rides at 08:10 and 13:05 in bins of 3 h: hour middles 08:30 and 13:30, bin middles 07:30 and 13:30: 60 and 0 min
    assert trips["minutes"]["mean"] == pytest.approx(60 * 21 / 29, abs=0.01)


def test_noise_shows_in_the_utility(town: Any) -> None:
    def noisy(recipe: dict[str, Any]) -> None:
        recipe["counts"] = {"rule": "cell_key"}

    town.busy().release(noisy)
    flows = next(entry for entry in town.run()["utility"] if entry["part"] == "flows")
    table = {(row["start_cell"], row["end_cell"]): row["trips"] for row in town.table("flows")}
    assert flows["counts"]["trips_published"] == sum(table.values())
