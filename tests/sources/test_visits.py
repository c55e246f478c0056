"""Visits: one place, one time; they become rows that give volumes, without the place's id."""

from __future__ import annotations

from typing import Any

import pytest
from anonkit.base.errors import RecipeError

TAPS = "tap,card,at,stop,paid\n" + "".join(
    f"V{n},C{n % 6},2026-03-03 08:{n:02d}:00,stop{n % 2},0.6\n" for n in range(12)
)
COLUMNS = {"visit": "tap", "person": "card", "start": "at", "place": "stop", "amount": "paid"}


def test_a_tap_has_one_time_and_one_place(read: Any) -> None:
    reading = read(TAPS, kind="visits", columns=COLUMNS, zones={"stop0": 1, "stop1": 2})
    row = reading.rows[1]
    assert (row["visit"], row["person"], row["place"], row["cell"], row["amount"]) == ("V1", "C1", "stop1", 2, 0.6)
    assert row["start_s"] == row["end_s"]  # a tap is no trip of zero length
    assert reading.accounting.used == 12


def test_a_session_has_an_end_that_must_not_lie_before_its_start(read: Any) -> None:
    text = "id,card,a,b,lon,lat\nV1,C1,2026-03-03 08:00,2026-03-03 07:00,49.85,40.38\nV2,C1,2026-03-03 08:00,2026-03-03 12:00,49.85,40.38\n"
    columns = {"visit": "id", "person": "card", "start": "a", "end": "b", "lon": "lon", "lat": "lat"}
    reading = read(text, kind="visits", columns=columns)
    assert reading.accounting.rejected == {"end_before_start": 1}
    assert reading.rows[0]["duration_s"] == 4 * 3600


def test_as_rows_of_products_the_place_and_the_sums_are_gone(read: Any) -> None:
    from anonkit.sources import visits_as_trips

    reading = read(TAPS, kind="visits", columns=COLUMNS, zones={"stop0": 1, "stop1": 2})
    names = visits_as_trips(reading.table).frame.collect_schema().names()
    assert {"trip", "person", "driver", "start_cell"} <= set(names)
    assert not {"place", "visit", "amount", "energy_kwh", "cell"} & set(names)


def test_a_visit_listed_twice_is_a_duplicate(read: Any) -> None:
    text = TAPS + "V3,C3,2026-03-03 08:03:00,stop1,0.6\n"
    reading = read(text, kind="visits", columns=COLUMNS, zones={"stop0": 1, "stop1": 2})
    assert reading.accounting.rejected == {"duplicate": 1}


def _recipe(recipe: dict[str, Any]) -> None:
    recipe["geo"] = {"zones": {"ids": ["stop0", "stop1"]}}
    recipe["products"] = {"volumes": {"level": "zone", "bins": "6h"}}
    recipe["suppression"] = {"level": "zone"}
    recipe["inputs"] = [{"path": "taps.csv", "operator": "town", "kind": "visits", "columns": COLUMNS}]


def test_visits_are_released_as_volumes_of_starts_counted_in_persons(town: Any) -> None:
    taps = [f"V{n},C{n % 6 if n % 2 else n % 3},2026-03-03 08:{n:02d}:00,stop{n % 2},0.6" for n in range(24)]
    (town.folder / "taps.csv").write_text("\n".join(["tap,card,at,stop,paid", *taps]), encoding="utf-8")

    def change(recipe: dict[str, Any]) -> None:
        _recipe(recipe)
        recipe["privacy"]["protect"] = {"person": 3}
        recipe["privacy"]["dominance"] = "1/2"

    town.release(change)
    # stop1: odd n, cards 1, 3, 5; stop0: even n, cards 0, 2, 1: twelve taps of three persons each
    found = {(row["cell"], row["end"], row["trips"], row["persons_at_least"]) for row in town.table("volumes")}
    assert found == {(1, "start", 12, 3), (2, "start", 12, 3)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r["products"].update(flows={"level": "zone", "bins": "6h"}), "neither trips nor flows"),
        (lambda r: r.update(geo={"cell_m": 500, "latitude": 42.4, "area": "area.geojson"}), "geo names no zones"),
    ],
    ids=["flows", "grid"],
)
def test_what_visits_cannot_give_is_refused(town: Any, change: Any, message: str) -> None:
    from anonkit.recipe import load_recipe

    def both(recipe: dict[str, Any]) -> None:
        _recipe(recipe)
        change(recipe)

    with pytest.raises(RecipeError, match=message):
        load_recipe(town.recipe(both))
