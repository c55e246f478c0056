"""OCPI CDRs and Sessions: coordinates as strings, exchanged ones, credits, homes, running sessions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anonkit.sources import visits_as_trips

NEAR, OTHER = ("40.38", "49.84"), ("40.39", "49.85")
SWAPPED = ("49.84", "40.38")


def cdr(
    name: str, *, person: str = "P1", at: str = "LOC1", where: tuple[str, str] = NEAR, **more: Any
) -> dict[str, Any]:
    return {
        "id": name,
        "start_date_time": "2026-09-01T08:00:00Z",
        "end_date_time": "2026-09-01T09:30:00Z",
        "session_id": f"CHA_{at}_2026-09-01T08:00:00Z",
        "cdr_token": {"uid": "04AA", "contract_id": person},
        "cdr_location": {"id": at, "coordinates": {"latitude": where[0], "longitude": where[1]}},
        "total_energy": 11.5,
        "total_cost": {"excl_vat": 1.0, "incl_vat": 1.18},
        **more,
    }


def location(name: str, publish: bool | None = True, where: tuple[str, str] = NEAR) -> dict[str, Any]:
    said = {} if publish is None else {"publish": publish}
    return {"id": name, "coordinates": {"latitude": where[0], "longitude": where[1]}, **said}


@pytest.fixture
def ocpi(tmp_path: Path, of_source: Any) -> Any:
    """Read records of one module with these locations."""

    def run(
        source: str, records: list[dict[str, Any]], locations: list[dict[str, Any]], *, bare: bool = False, **said: Any
    ) -> Any:
        path, listed = tmp_path / "records.json", tmp_path / "locations.json"
        path.write_text(json.dumps(records if bare else {"status_code": 1000, "data": records}), encoding="utf-8")
        listed.write_text(json.dumps({"data": locations}), encoding="utf-8")
        places = {"places": {"path": listed}} if source == "ocpi_session" else {}
        return of_source(path, source, operator="town", lookups={"locations": {"path": listed}}, **places, **said)

    return run


@pytest.mark.parametrize("bare", [False, True])
def test_coordinates_are_strings_and_the_list_may_stand_alone(ocpi: Any, bare: bool) -> None:
    row = ocpi("ocpi_cdr", [cdr("a")], [location("LOC1")], bare=bare).rows[0]
    assert (row["lon"], row["lat"], row["energy_kwh"], row["amount"]) == (49.84, 40.38, 11.5, 1.18)
    assert (row["visit"], row["person"], row["duration_s"]) == ("a", "P1", 5400)


def test_exchanged_coordinates_are_told_from_wrong_ones_and_put_right(ocpi: Any) -> None:
    records = [cdr("a"), cdr("b", where=SWAPPED), cdr("c", where=("49.84 N", "40.38"))]
    reading = ocpi("ocpi_cdr", records, [location("LOC1")])
    assert reading.accounting.rejected == {"bad_coordinates": 1}
    assert reading.accounting.mended == {"swapped_coordinates": 1}
    assert [(row["lon"], row["lat"]) for row in reading.rows if row["_reason"] is None] == [(49.84, 40.38)] * 2


def test_twin_an_input_that_mends_nothing_rejects_them(ocpi: Any) -> None:
    reading = ocpi("ocpi_cdr", [cdr("a"), cdr("b", where=SWAPPED)], [location("LOC1")], checks={"mend": []})
    assert (reading.accounting.rejected, reading.accounting.mended) == ({"swapped_coordinates": 1}, {})


def test_where_the_area_leaves_two_readings_nothing_is_mended(tmp_path: Path, of_source: Any) -> None:
    # an area around the diagonal: 10.2, 10.8 could be meant either way, and what lies in it as written stays as it is
    path, listed = tmp_path / "records.json", tmp_path / "locations.json"
    path.write_text(
        json.dumps({"data": [cdr("a", where=("10.2", "10.8")), cdr("b", where=("10.9", "12.0"))]}), encoding="utf-8"
    )
    listed.write_text(json.dumps({"data": [location("LOC1")]}), encoding="utf-8")
    said = {"operator": "town", "lookups": {"locations": {"path": listed}}}
    account = of_source(path, "ocpi_cdr", box=(10.0, 10.0, 11.0, 12.5), **said).accounting
    assert account.mended == {}


def test_the_standards_own_example_of_a_cdr_is_found_to_be_exchanged(tmp_path: Path, of_source: Any) -> None:
    # OCPI 2.2.1, CDR example, Gent: "latitude": "3.729944", "longitude": "51.047599"
    path, listed = tmp_path / "records.json", tmp_path / "locations.json"
    path.write_text(json.dumps({"data": [cdr("12345", where=("3.729944", "51.047599"))]}), encoding="utf-8")
    listed.write_text(json.dumps({"data": [location("LOC1")]}), encoding="utf-8")
    said = {"operator": "town", "lookups": {"locations": {"path": listed}}}
    assert of_source(path, "ocpi_cdr", box=(3.6, 51.0, 3.9, 51.2), **said).accounting.mended == {
        "swapped_coordinates": 1
    }


def test_a_credit_takes_back_its_cdr_and_a_new_one_stays(ocpi: Any) -> None:
    credit = cdr("a-C", credit=True, credit_reference_id="a", total_cost={"incl_vat": -1.18})
    reading = ocpi("ocpi_cdr", [cdr("a"), credit, cdr("a-N"), cdr("b")], [location("LOC1")])
    assert reading.accounting.dropped == {"credit": 1, "credited": 1}
    assert [row["visit"] for row in reading.rows if row["_rule"] is None] == ["a-N", "b"]


def test_r17_a_credit_takes_back_nobody_elses_cdr(ocpi: Any) -> None:
    credit = cdr("x-C", person="P2", credit=True, credit_reference_id="a")
    reading = ocpi("ocpi_cdr", [cdr("a", person="P1"), credit], [location("LOC1")])
    assert reading.accounting.dropped == {"credit": 1}
    assert reading.accounting.used == 1


def test_r32_homes_and_depots_and_unknown_locations_are_dropped_by_rule(ocpi: Any) -> None:
    records = [
        cdr("a"),
        cdr("home", home_charging_compensation=True),
        cdr("depot", at="LOC2"),
        cdr("nobody says", at="LOC3"),
        cdr("unknown", at="LOC4"),
        cdr("no", home_charging_compensation=False),
    ]
    listed = [location("LOC1"), location("LOC2", publish=False), location("LOC3", publish=None)]
    reading = ocpi("ocpi_cdr", records, listed)
    assert reading.accounting.dropped == {"home_charging": 1, "unpublished_location": 3}
    assert [row["visit"] for row in reading.rows if row["_rule"] is None] == ["a", "no"]


def test_a_home_with_exchanged_coordinates_is_a_home_first(ocpi: Any) -> None:
    reading = ocpi("ocpi_cdr", [cdr("a", at="LOC2", where=SWAPPED)], [location("LOC1"), location("LOC2", False)])
    assert reading.accounting.dropped == {"unpublished_location": 1}
    assert reading.accounting.rejected == {}


def test_the_locations_must_be_named(tmp_path: Path, of_source: Any) -> None:
    with pytest.raises(ValueError, match=r"lookups\.locations\.path"):
        of_source(tmp_path / "c.json", "ocpi_cdr", operator="town")


def session_of(name: str, status: str = "COMPLETED", *, at: str = "LOC1", end: bool = True) -> dict[str, Any]:
    return {
        "id": name,
        "start_date_time": "2026-09-01T08:00:00",  # OCPI: without an offset it is UTC
        **({"end_date_time": "2026-09-01T09:30:00"} if end else {}),
        "kwh": 4,
        "cdr_token": {"contract_id": "P1"},
        "location_id": at,
        "status": status,
        "total_cost": {"incl_vat": 1.0},
    }


def test_sessions_lie_where_their_location_lies_and_running_ones_are_dropped(ocpi: Any) -> None:
    records = [
        session_of("CHA_LOC1_2026-09-01T08:00:00Z"),
        session_of("b", "ACTIVE", end=False),
        session_of("c", "INVALID"),
        session_of("d", at="LOC2"),
        session_of("e", at="LOC9"),
        session_of("f", at="LOC5"),
        session_of("g", end=False),
    ]
    listed = [location("LOC1", where=OTHER), location("LOC2", False), location("LOC5", where=SWAPPED)]
    reading = ocpi("ocpi_session", records, listed)
    assert reading.accounting.dropped == {"not_completed": 2, "unpublished_location": 2}
    assert reading.accounting.rejected == {"missing_time": 1}
    assert reading.accounting.mended == {"swapped_coordinates": 1}
    used = [row for row in reading.rows if row["_rule"] is None]
    assert [(row["lon"], row["lat"]) for row in used] == [(49.85, 40.39), (49.84, 40.38)]
    assert {row["start_s"] for row in used} == {1_788_249_600}


def test_an_id_made_of_station_and_start_is_a_token_like_any_other(ocpi: Any) -> None:
    reading = ocpi("ocpi_session", [session_of("CHA_LOC1_2026-09-01T08:00:00Z")], [location("LOC1")])
    names = visits_as_trips(reading.table).schema
    assert names["trip"].role.value == "pseudonym"
    assert "session_id" not in reading.opened.kinds
