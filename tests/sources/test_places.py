"""Stations and zones from a second file: joined by id, nothing guessed, contradictions refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anonkit.base.errors import SourceError
from anonkit.sources import InputSpec
from pydantic import ValidationError

RIDES = """id,rider,start,end,from,to
T1,P1,2026-03-03 08:00:00,2026-03-03 08:20:00,S1,S2
T2,P2,2026-03-03 08:00:00,2026-03-03 08:20:00,S2, S1
T3,P3,2026-03-03 08:00:00,2026-03-03 08:20:00,S1,S9
T4,P4,2026-03-03 08:00:00,2026-03-03 08:20:00,,S1
T5,P5,2026-03-03 08:00:00,2026-03-03 08:20:00,S3,S1
"""
STATIONS = "station;name;lon;lat\nS1;Ə;49.85;40.38\nS2;b;49.87;40.40\nS3;without position;;\nS2;b again;49.87;40.40\n"
COLUMNS = {"trip": "id", "person": "rider", "start": "start", "end": "end", "start_place": "from", "end_place": "to"}


@pytest.fixture
def stations(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def write(text: str = STATIONS, name: str = "stations.csv", **said: Any) -> dict[str, Any]:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return {"path": tmp_path / name, "id": "station", "lon": "lon", "lat": "lat", **said}

    return write


def test_trips_get_the_coordinates_of_their_stations(read: Any, stations: Any) -> None:
    rows = read(RIDES, columns=COLUMNS, places=stations()).rows
    found = [(row["trip"], row["start_lon"], row["start_lat"], row["end_lon"], row["end_lat"]) for row in rows]
    assert found == [("T1", 49.85, 40.38, 49.87, 40.40), ("T2", 49.87, 40.40, 49.85, 40.38)]


def test_missing_and_unknown_stations_are_told_apart_and_none_is_guessed(read: Any, stations: Any) -> None:
    accounting = read(RIDES, columns=COLUMNS, places=stations()).accounting
    # S9 is not in the list, S3 stands there without a position
    assert accounting.rejected == {"missing_place": 1, "unknown_place": 2}
    assert accounting.used == 2


def test_a_list_in_json_is_read_as_well(read: Any, stations: Any) -> None:
    text = '{"data": [{"id": "S1", "at": {"lon": "49.85", "lat": 40.38}}, {"id": "S2", "at": {"lon": 49.87, "lat": 40.4}}]}'
    places = stations(text, "stations.json", id="id", lon="at.lon", lat="at.lat", records="data")
    assert len(read(RIDES, columns=COLUMNS, places=places).rows) == 2


def test_a_place_with_two_positions_is_refused(read: Any, stations: Any) -> None:
    with pytest.raises(SourceError, match="gives some places two positions"):
        read(RIDES, columns=COLUMNS, places=stations(STATIONS + "S1;moved;49.9;40.4\n"))


def test_exchanged_coordinates_of_the_list_are_refused(read: Any, stations: Any) -> None:
    with pytest.raises(SourceError, match=r"2 of 2 places lie in the area only with longitude and latitude exchanged"):
        read(RIDES, columns=COLUMNS, places=stations(lon="lat", lat="lon"))


def test_a_list_without_the_columns_is_refused(read: Any, stations: Any) -> None:
    with pytest.raises(SourceError, match=r"lacks the columns \['Station #'\] of places"):
        read(RIDES, columns=COLUMNS, places=stations(id="Station #"))


def test_a_list_without_any_position_is_refused(read: Any, stations: Any) -> None:
    with pytest.raises(SourceError, match=r"no place of stations\.csv has a readable position"):
        read(RIDES, columns=COLUMNS, places=stations("station;lon;lat\nS1;x;y\n"))


def test_places_may_lead_to_zones(read: Any, stations: Any) -> None:
    text = "station,zone\nS1,North\nS2,South\nS3,Sea\n"
    places = {key: value for key, value in stations(text).items() if key not in ("lon", "lat")} | {"zone": "zone"}
    reading = read(RIDES, columns=COLUMNS, places=places, zones={"North": 11, "South": 12})
    assert [(row["start_cell"], row["end_cell"]) for row in reading.rows] == [(11, 12), (12, 11)]
    assert reading.accounting.rejected == {"missing_place": 1, "unknown_place": 2}


def test_places_may_be_zones_themselves(read: Any) -> None:
    reading = read(RIDES, columns=COLUMNS, zones={"S1": 1, "S2": 2, "S3": 3})
    assert [(row["start_cell"], row["end_cell"]) for row in reading.rows] == [(1, 2), (2, 1), (3, 1)]
    assert "start_lon" not in reading.table.schema


def test_places_without_any_position_are_refused(read: Any) -> None:
    with pytest.raises(SourceError, match="have no position"):
        read(RIDES, columns=COLUMNS)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"columns": {**COLUMNS, "start_lon": "x"}}, "says twice where a row is"),
        ({"columns": {k: v for k, v in COLUMNS.items() if k != "end_place"}}, r"lacks \['end_place'\]"),
        ({"places": {"path": "p", "id": "i"}}, "lon and lat, or zone"),
        ({"places": {"path": "p", "id": "i", "lon": "x"}}, "lon and lat, or zone"),
        ({"places": {"path": "p", "id": "i", "lon": "x", "lat": "y", "zone": "z"}}, "lon and lat, or zone"),
        ({"place": "here"}, "place: is for visits"),
    ],
)
def test_recipes_that_contradict_themselves_are_refused(said: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        InputSpec.model_validate({"path": "x.csv", "operator": "town", "columns": COLUMNS, **said})
