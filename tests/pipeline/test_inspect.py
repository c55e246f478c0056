"""An unknown export: what each column seems to be, the recipe that is drafted from it, and that the recipe can be read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from anonkit.base.errors import SourceError
from anonkit.pipeline.draft import draft_recipe
from anonkit.pipeline.inspect import Inspection, inspect
from anonkit.recipe.load import DECIDE, load_recipe

SQUARE = {"type": "Polygon", "coordinates": [[[49.7, 40.2], [50.2, 40.2], [50.2, 40.6], [49.7, 40.6], [49.7, 40.2]]]}
N = 40


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., Inspection]:
    """Inspect a CSV of columns and their values."""

    def run(columns: dict[str, Sequence[Any]], *, encoding: str = "utf-8", sep: str = ",") -> Inspection:
        path = tmp_path / "rides.csv"
        path.write_bytes(pd.DataFrame(columns).to_csv(index=False, sep=sep).encode(encoding))
        return inspect(path, encoding=None if encoding == "utf-8" else encoding)

    return run


def guesses(found: Inspection) -> dict[str, str]:
    return {column.name: column.guess for column in found.columns}


def degrees(middle: float, sign: str = ".") -> list[str]:
    return [f"{middle + n / 1000:.6f}".replace(".", sign) for n in range(N)]


def clock(n: int) -> str:
    return f"{8 + n % 10:02}:{n % 60:02}"


BAKU = {
    "Sifariş №": [f"S-{n}" for n in range(N)],
    "Müştəri telefonu": [f"+9945012345{n:02}" for n in range(N)],
    "Müştəri adı": ["Aysel", "Rəşad"] * (N // 2),
    "Başlama vaxtı": [f"{1 + n % 28:02}.05.2026 {clock(n)}" for n in range(N)],
    "Bitmə vaxtı": [f"{1 + n % 28:02}.05.2026 {clock(n + 1)}" for n in range(N)],
    "Başlanğıc enlik": degrees(40.3, ","),
    "Başlanğıc uzunluq": degrees(49.8, ","),
    "Son enlik": degrees(40.35, ","),
    "Son uzunluq": degrees(49.9, ","),
    "Qiymət": [f"{n},5" for n in range(N)],
    "Məsafə (km)": [f"{n % 12},4" for n in range(N)],
    "Tarif": ["Ekonom", "Biznes"] * (N // 2),
    "Qeyd": ["qapıda gözləyin", ""] * (N // 2),
}
ENGLISH = {
    "start_time": [f"2026-05-{1 + n % 28:02} {clock(n)}" for n in range(N)],
    "end_time": [f"2026-05-{1 + n % 28:02} {clock(n + 1)}" for n in range(N)],
    "start_lat": degrees(40.3),
    "start_lng": degrees(49.8),
    "end_lat": degrees(40.35),
    "end_lng": degrees(49.9),
}


def test_columns_named_in_azerbaijani_are_known(look: Any) -> None:
    assert guesses(look(BAKU, sep=";")) == {
        "Sifariş №": "trip",
        "Müştəri telefonu": "direct",
        "Müştəri adı": "direct",
        "Başlama vaxtı": "start",
        "Bitmə vaxtı": "end",
        "Başlanğıc enlik": "start_lat",
        "Başlanğıc uzunluq": "start_lon",
        "Son enlik": "end_lat",
        "Son uzunluq": "end_lon",
        "Qiymət": "amount",
        "Məsafə (km)": "distance_m",
        "Tarif": "category",
        "Qeyd": "direct",
    }


def test_columns_named_in_russian_are_known(look: Any) -> None:
    names = {"Номер заказа": "trip", "Телефон": "direct", "Начало поездки": "start", "Окончание": "end"}
    columns = dict(zip(names, list(BAKU.values())[0:2] + list(BAKU.values())[3:5], strict=True))
    assert guesses(look(columns, encoding="cp1251", sep=";")) == names


def test_phones_written_as_numbers_are_an_identifier_under_any_name(look: Any) -> None:
    plus = [f"+9945012345{n:02}" for n in range(N)]
    bare = [int(text[1:]) for text in plus]
    assert set(guesses(look({**ENGLISH, "x1": plus, "x2": bare})).values()) >= {"direct"}
    found = guesses(look({**ENGLISH, "x1": plus, "x2": bare}))
    assert (found["x1"], found["x2"]) == ("direct", "direct")


def test_free_text_is_an_identifier_and_a_category_is_not(look: Any) -> None:
    told = [f"call me at door {n} please" for n in range(N)]
    found = guesses(look({**ENGLISH, "remark": told, "plan": ["basic plan for all", "member plan"] * (N // 2)}))
    assert (found["remark"], found["plan"]) == ("direct", "category")


def test_names_of_stations_are_places_and_nobody(look: Any) -> None:
    found = guesses(look({**ENGLISH, "From station name": [f"Station {n}" for n in range(N)]}))
    assert found["From station name"] == "text"


def test_times_without_a_telling_name_are_start_and_end_in_their_order(look: Any) -> None:
    found = guesses(look({"first_time": ENGLISH["start_time"], "second_time": ENGLISH["end_time"]}))
    assert found == {"first_time": "start", "second_time": "end"}


def test_departure_and_arrival_are_start_and_end(look: Any) -> None:
    found = guesses(look({"departure_time": ENGLISH["start_time"], "arrival_time": ENGLISH["end_time"]}))
    assert found == {"departure_time": "start", "arrival_time": "end"}


def test_months_are_told_where_eleven_rows_lie_in_them(look: Any) -> None:
    # 30 rows of May, ten of June: June is too few to tell
    times = [f"2026-0{5 if n < 30 else 6}-03 {clock(n)}" for n in range(N)]
    assert look({"start_time": times}).columns[0].detail == "iso without offset; 2026-05"


def test_day_and_month_are_asked_for_where_no_value_tells_them_apart(look: Any) -> None:
    days = [f"{1 + n % 12:02}/09/2026 {clock(n)}" for n in range(N)]
    found = look({"start_time": days, "end_time": days})
    assert found.columns[0].detail == "%m/%d/%Y %H:%M or %d/%m/%Y %H:%M: no day is above 12"
    asked = f"time: {{format: {DECIDE}, ambiguous: first}}      # '%m/%d/%Y %H:%M' or '%d/%m/%Y %H:%M'"
    assert asked in draft_recipe(found)
    apart = look({"StartDate": [day[:10] for day in days], "StartTime": [day[11:] for day in days]})
    assert asked in draft_recipe(apart)
    # one end on the 13th tells both
    told = look({"start_time": days, "end_time": ["13/09/2026 00:05", *days[1:]]})
    assert "time: {format: '%d/%m/%Y %H:%M', ambiguous: first}" in draft_recipe(told)


def test_no_value_is_shown(look: Any) -> None:
    shown = json.dumps(look(BAKU, sep=";").as_dict(), ensure_ascii=False)
    values = {str(value) for name, column in BAKU.items() if name != "Tarif" for value in column if len(str(value)) > 4}
    assert not [value for value in values if value in shown]


@pytest.mark.parametrize(
    "value", ["+994501234567", "2026-05-03 08:15:00", "03.05.2026 08:15", "49.856920", "40,380227"]
)
def test_first_row_of_a_file_without_header_is_not_shown(value: str, look: Any) -> None:
    with pytest.raises(SourceError, match="1 of 3 names of its columns look like values") as refused:
        look({"S-1": ["S-2"] * N, value: ["x"] * N, "Ekonom": ["Biznes"] * N}, sep=";")
    assert value not in str(refused.value)


def test_clock_and_date_in_two_columns_are_one_time(look: Any) -> None:
    found = look(
        {
            "StartDate": ["2026-05-03"] * N,
            "StartTime": [clock(n) for n in range(N)],
            "EndDate": ["2026-05-03"] * N,
            "EndTime": [clock(n + 1) for n in range(N)],
            **{name: column for name, column in ENGLISH.items() if "time" not in name},
        }
    )
    columns = yaml.safe_load(draft_recipe(found))["inputs"][0]["columns"]
    assert columns["start"] == ["StartDate", "StartTime"]
    assert columns["end"] == ["EndDate", "EndTime"]


def test_draft_counts_people_by_a_phone_where_nothing_else_names_them(look: Any) -> None:
    said = yaml.safe_load(draft_recipe(look(BAKU, sep=";")))
    assert said["privacy"]["protect"] == {"person": 11}
    assert said["inputs"][0]["columns"]["person"] == "Müştəri telefonu"
    assert said["inputs"][0]["direct"] == ["Müştəri adı", "Qeyd"]


def test_draft_says_how_numbers_are_written_and_in_which_unit(look: Any) -> None:
    said = yaml.safe_load(draft_recipe(look(BAKU, sep=";")))["inputs"][0]
    assert (said["decimal"], said["delimiter"], said["scale"]) == (",", ";", {"distance_m": 1000})
    miles = {**ENGLISH, "trip_miles": [f"{n}.5" for n in range(N)]}
    assert yaml.safe_load(draft_recipe(look(miles)))["inputs"][0]["scale"]["distance_m"] == pytest.approx(
        1609.344, 1e-5
    )


def test_draft_asks_for_the_unit_of_a_duration_on_which_the_end_hangs(look: Any) -> None:
    columns = {name: column for name, column in ENGLISH.items() if name != "end_time"} | {"Duration": range(N)}
    assert yaml.safe_load(draft_recipe(look(columns)))["inputs"][0]["scale"] == {"duration_s": DECIDE}


def test_draft_says_once_where_a_row_is(look: Any) -> None:
    zones = {"pickup_zone": [n % 35 for n in range(N)], "dropoff_zone": [n % 33 for n in range(N)]}
    columns = yaml.safe_load(draft_recipe(look({**ENGLISH, **zones})))["inputs"][0]["columns"]
    assert {"start_lon", "end_lat"} <= set(columns)
    assert not {"start_place", "end_place"} & set(columns)


def test_name_of_several_lines_stays_a_name_in_the_draft(look: Any) -> None:
    odd, why = "tarif\nprivacy: {}", "comment\nno"
    found = look({**ENGLISH, odd: ["a", "b"] * (N // 2), why: [f"one two three {n}" for n in range(N)], "false": 1})
    drafted = yaml.safe_load(draft_recipe(found))
    assert drafted["privacy"]["protect"] == yaml.safe_load(draft_recipe(look(ENGLISH)))["privacy"]["protect"]
    assert why in drafted["inputs"][0]["direct"]
    assert '#   "tarif\\nprivacy: {}": category' in draft_recipe(found)


def test_list_of_stations_is_no_table_of_trips(look: Any) -> None:
    stations = look({"Station #": range(N), "Latitude": degrees(40.3), "Longitude": degrees(49.8)})
    assert stations.is_places
    with pytest.raises(SourceError, match=r"looks like a list of places[\s\S]*--places rides.csv"):
        draft_recipe(stations)


def test_draft_places_trips_by_a_list_of_stations(look: Any) -> None:
    stations = look({"Station #": range(N), "Latitude": degrees(40.3), "Longitude": degrees(49.8)})
    ids = {"from_station_id": [n % 35 for n in range(N)], "to_station_id": [n % 33 for n in range(N)]}
    trips = look({**{name: ENGLISH[name] for name in ("start_time", "end_time")}, **ids})
    said = yaml.safe_load(draft_recipe(trips, places=stations, places_relative="stations.csv"))
    assert said["inputs"][0]["places"] == {
        "path": "stations.csv",
        "id": "Station #",
        "lon": "Longitude",
        "lat": "Latitude",
    }
    assert said["geo"]["cell_m"] == 500


@pytest.mark.parametrize("columns", [BAKU, ENGLISH], ids=["baku", "english"])
def test_draft_is_a_recipe_once_everything_is_decided(columns: Any, look: Any, tmp_path: Path) -> None:
    text = draft_recipe(look(columns, sep=";"))
    (tmp_path / "city.geojson").write_text(json.dumps(SQUARE), encoding="utf-8")
    decided = {
        f"period: {{from: {DECIDE}, to: {DECIDE}": "period: {from: 2026-05-01, to: 2026-05-31",
        f"latitude: {DECIDE}": "latitude: 40.4",
        f"area: {DECIDE}": "area: city.geojson",
        f"zone: {DECIDE}": "zone: Asia/Baku",
        DECIDE: "decided",
    }
    for before, after in decided.items():
        text = text.replace(before, after)
    (tmp_path / "rides.yml").write_text(text, encoding="utf-8")
    recipe, _ = load_recipe(tmp_path / "rides.yml")
    assert recipe.inputs[0].columns["start"] in columns
