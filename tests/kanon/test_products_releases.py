"""What is published holds persons: riders with many trips, drivers, heavy riders, remainders; on whole releases."""

from __future__ import annotations

from typing import Any

RIDERS = [f"P{number}" for number in range(9)]
LATER = "2026-03-04T14:00:00"


def flows(cell_m: int = 1000, bins: str = "3h") -> Any:
    def change(recipe: dict[str, Any]) -> None:
        recipe["products"] = {"flows": {"cell_m": cell_m, "bins": bins}}

    return change


def sums(town: Any, kind: str = "flows") -> list[int]:
    return sorted(row["trips"] for row in town.table(kind))


def test_r01_rider_with_forty_identical_trips_is_suppressed_at_k_5(town: Any) -> None:
    town.rides(RIDERS, to=(4, 0))
    town.rides(["commuter"] * 40, at=(0, 4), to=(4, 4), start=LATER)
    town.release(flows())
    assert sums(town) == [9]


def test_r06_rider_with_forty_of_forty_four_trips_is_suppressed_beside_four_others(town: Any) -> None:
    # five persons, yet one has 40/44 > 1/2; with four trips of 8 he has exactly one half
    town.rides(RIDERS, to=(4, 0))
    town.rides(["commuter"] * 40 + list("ABCD"), at=(0, 4), to=(4, 4), start=LATER)
    town.rides(["other"] * 4 + list("ABCD"), at=(4, 0), to=(0, 0), start="2026-03-05T14:00:00")
    town.release(flows())
    assert sums(town) == [8, 9]


def test_r06_rows_beyond_m_a_person_leave_the_whole_release(town: Any) -> None:
    # commuter's 40 trips become 2; with four others that is a class of 6 rows and 5 persons, in every product
    town.rides(["commuter"] * 40 + list("ABCD"), to=(4, 0))

    def change(recipe: dict[str, Any]) -> None:
        recipe["products"] = {
            "trips": {"cell_m": 1000, "bins": "3h", "rows_per_person": 2},
            "flows": {"cell_m": 2000, "bins": "6h"},
            "volumes": {"cell_m": 4000, "bins": "1d"},
        }

    made = town.release(change)
    assert made.run["thinned"] == 38
    assert len(town.table("trips")) == 6
    assert sums(town) == [6]
    assert sums(town, "volumes") == [6, 6]


def test_r04_class_of_one_driver_is_suppressed_however_many_riders_it_has(town: Any) -> None:
    for number, rider in enumerate(RIDERS):
        town.ride(rider, to=(4, 0), driver=f"D{number % 3}")
        town.ride(rider, at=(0, 4), to=(4, 4), start=LATER, driver="D1" if number else None)

    def change(recipe: dict[str, Any]) -> None:
        flows()(recipe)
        recipe["privacy"]["protect"] = {"person": 5, "driver": 2}
        recipe["inputs"][0]["columns"]["driver"] = "driver"

    town.release(change)
    assert sums(town) == [9]


def test_r11_coarser_cell_that_would_give_two_away_by_subtraction_is_suppressed(town: Any) -> None:
    # bin 8 o'clock: trips at 1 km can tell 9 + 5, a rest of 2 is too small, so the 5 fall beside them: 9 told, 7 not.
    # flows at 2 km: the class of the 9 holds 11, and 11 - 9 = 2 gives two away: suppressed. The 5 are new, but
    # would leave the bin a rest of 2 again: suppressed. bin 14 o'clock has 9 and nothing else.
    town.rides(RIDERS, to=(4, 0))
    town.rides("AB", at=(1, 0), to=(5, 0))
    town.rides("CDEFG", at=(0, 4), to=(4, 4))
    town.rides(RIDERS, to=(4, 0), start=LATER)

    def change(recipe: dict[str, Any]) -> None:
        recipe["products"] = {
            "trips": {"cell_m": 1000, "bins": "3h", "rows_per_person": 9},
            "flows": {"cell_m": 2000, "bins": "3h"},
        }

    town.release(change)
    assert len(town.table("trips")) == 18
    assert sums(town) == [9]


def test_r01_trips_are_counted_where_nobody_is_known_and_the_folder_says_so(town: Any) -> None:
    town.rides([None] * 9, to=(4, 0))
    town.rides([None] * 4, at=(0, 4), to=(4, 4), start=LATER)

    def change(recipe: dict[str, Any]) -> None:
        flows()(recipe)
        recipe["privacy"]["protect"] = {"trip": 5}
        recipe["inputs"][0]["privacy_unit"] = "trip"
        del recipe["inputs"][0]["columns"]["person"]

    town.release(change)
    assert sums(town) == [9]
    readme = (town.folder / "out" / "README.md").read_text(encoding="utf-8")
    assert "k counts trips" in readme


def test_rows_come_sorted_and_without_order_of_the_input(town: Any) -> None:
    # the same rides in another order: byte for byte the same trips
    town.busy()
    town.release()
    town.rows.reverse()
    town.release(out="again")
    for name in ("trips.csv", "flows.csv", "volumes.csv", "suppression.csv"):
        assert (town.folder / "out" / name).read_bytes() == (town.folder / "again" / name).read_bytes()
        lines = (town.folder / "out" / name).read_text(encoding="utf-8").splitlines()[1:]
        keys = [tuple(int(f) if f.isdigit() else f for f in line.split(",")) for line in lines]
        assert keys == sorted(keys)
