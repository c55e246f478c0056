"""Chosen levels in zones, with roll-ups, limits in people and a time budget; two zone levels of the invented town."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from anonkit.base.errors import RecipeError, ReleaseRefusedError
from anonkit.pipeline.plan import plan

RIDERS = [f"P{number}" for number in range(8)]


def levels(recipe: Path) -> dict[str, Any]:
    found = plan(recipe).levels
    assert found is not None
    return found


def zoned(town: Any, **search: Any) -> Any:
    in_zones = town.in_zones({})

    def change(recipe: dict[str, Any]) -> None:
        in_zones(recipe)
        wanted = {"max_suppressed": 0.1, "level": ["zone", "district"], "bins": ["1h", "3h"], **search}
        recipe["products"] = {"trips": {"rows_per_person": 9, "k_anonymity": wanted}}

    return change


def spread(town: Any) -> Any:
    """Eight riders from as many zones of the west to one of the east, and as many back."""
    for n, rider in enumerate(RIDERS):
        town.ride(rider, at=(n % 4, n // 4), to=(5, 5))
        town.ride(rider, at=(5, 5), to=(n % 4, n // 4), start="2026-03-04T14:10:00")
    return town


@pytest.mark.slow
def test_zones_are_coarsened_to_districts_and_told_in_metres(town: Any) -> None:
    made = spread(town).release(zoned(town))
    found = made.run["levels"]
    assert (found["chosen"]["cell"], found["chosen"]["bins"]) == ("district", "1h")
    # districts of 4 km x 8 km count as squares of 5.66 km: 0.3826 x 5657 m
    assert found["displacement_m_an_end"] == pytest.approx(2_164, rel=0.01)
    assert len(town.table("trips")) == 16
    assert "Trips are told at district, 1h" in (made.inside / "report.html").read_text(encoding="utf-8")


def test_zones_without_polygons_have_no_metres_and_other_measures(town: Any) -> None:
    change = zoned(spread(town))
    names = [f"z{column}{row}" for column in range(8) for row in range(8)]
    with (town.folder / "zones.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("zone", "district"), *((n, "west" if int(n[1]) < 4 else "east") for n in names)])
    lines = ["id,rider,start,end,from,to"]
    for row in town.rows:
        ends = [town_zone(row[f"{end}lon"], row[f"{end}lat"]) for end in "se"]
        lines.append(",".join([row["id"], row["rider"], row["start"], row["end"], *ends]))
    (town.folder / "by_zone.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def without_shapes(measure: str) -> Any:
        def say(recipe: dict[str, Any]) -> None:
            change(recipe)
            recipe["geo"]["zones"]["path"] = "zones.csv"
            recipe["inputs"][0]["path"] = "by_zone.csv"
            columns = {"trip": "id", "person": "rider", "start": "start", "end": "end"}
            recipe["inputs"][0]["columns"] = {**columns, "start_place": "from", "end_place": "to"}
            recipe["products"]["trips"]["k_anonymity"]["measure"] = measure

        return say

    with pytest.raises(RecipeError, match="zones have no polygons"):
        plan(town.recipe(without_shapes("displacement")))
    found = levels(town.recipe(without_shapes("discernibility")))
    assert found["chosen"]["cell"] == "district"
    assert found["displacement_m_an_end"] is None


def town_zone(lon: float, lat: float) -> str:
    column = int((lon + 180) * 1e6 // 12_165) - 16_376
    return f"z{column}{int((lat + 90) * 1e6 // 8_983) - 14_736}"


def gridded(search: dict[str, Any], **trips: Any) -> Any:
    def change(recipe: dict[str, Any]) -> None:
        wanted = {"max_suppressed": 0.1, "cell_m": [1000, 2000], "bins": ["1h", "3h"], **search}
        recipe["products"] = {"trips": {"rows_per_person": 9, "k_anonymity": wanted, **trips}}

    return change


@pytest.mark.slow
def test_roll_ups_gather_what_the_chosen_level_leaves(town: Any) -> None:
    # eight at 1 km; five of the next cells fall there and are the rest of 4 km
    town.rides([f"Q{n}" for n in range(24)], to=(4, 0))
    for n in range(6):
        town.ride(f"R{n}", at=(n % 3, 1 + n // 3), to=(4, 1))
    rolled = [{"cell_m": 4000, "bins": "3h"}]
    made = town.release(gridded({"max_suppressed": 0.3, "cell_m": [1000]}, roll_up=rolled))
    assert made.run["levels"]["chosen"]["cell"] == 1000
    told = [row["rolled_up"] for row in town.table("trips")]
    assert (told.count(0), told.count(1)) == (24, 6)
    with pytest.raises(RecipeError, match="may choose 4000 m and 3h, and then the roll-ups of trips"):
        plan(town.recipe(gridded({"cell_m": [1000, 4000]}, roll_up=rolled)))


def test_limit_in_people_counts_those_of_whom_nothing_is_left(town: Any) -> None:
    # two of ten ride in a cell of their own; everybody rides in the common one, so that nobody is lost
    people = [f"P{n}" for n in range(10)]
    town.rides(people, to=(4, 0))
    town.rides(people[:2], at=(7, 7), to=(6, 6), start="2026-03-04T14:10:00")
    found = levels(town.recipe(gridded({"max_suppressed": 0.0, "suppressed_unit": "persons"})))
    assert (found["chosen"]["cell"], found["lost_persons"], found["suppressed_trips"]) == (1000, 0, 2)
    with pytest.raises(ReleaseRefusedError, match="no generalisation"):
        plan(town.recipe(gridded({"max_suppressed": 0.0})))


def test_time_budget_that_is_ample_changes_nothing(town: Any) -> None:
    town.rides(RIDERS, to=(4, 0))
    found = levels(town.recipe(gridded({"time_budget_s": 600})))
    assert found["optimal"]
    assert found["bound"] == found["loss"]


@pytest.mark.slow
def test_all_products_publish_the_chosen_labels_and_a_column_that_was_left_out_is_nowhere(town: Any) -> None:
    # four of each kind from each of two places: bus and tram are public; who pays how is told of too few
    for n in range(24):
        kind, paid = ["bus", "tram", "taxi"][n % 3], ["cash", "card"][n % 2]
        town.ride(f"P{n}", at=(n // 12, 0), to=(4, 0), station=kind, driver=paid)

    def change(recipe: dict[str, Any]) -> None:
        tree = {"bus": ["public"], "tram": ["public"], "taxi": ["private"]}
        gridded(
            {
                "max_suppressed": 0.4,
                "cell_m": [1000],
                "measure": "discernibility",
                "hierarchies": {"kind": {"values": tree}},
            },
            columns=["kind", "paid"],
        )(recipe)
        recipe["inputs"][0]["also"] = {
            name: {"column": column, "role": "quasi"} for name, column in (("kind", "station"), ("paid", "driver"))
        }
        recipe["products"]["flows"] = {"cell_m": 4000, "bins": "3h", "columns": ["kind"]}
        recipe["products"]["volumes"] = {"cell_m": 4000, "bins": "3h"}

    made = town.release(change)
    assert made.run["levels"]["chosen"]["columns"] == ["kind"]
    assert [row["kind"] for row in town.table("trips")] == ["public"] * 16
    assert {row["kind"] for row in town.table("flows")} == {"public", "private"}
    assert sum(row["trips"] for row in town.table("flows")) == 24
    assert not [path for path in made.out.rglob("*.csv") if "cash" in path.read_text(encoding="utf-8")]
