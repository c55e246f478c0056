"""The committed samples: made again byte for byte, small, and holding what the sources have to get right."""

from __future__ import annotations

import csv
import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import phonenumbers
import pytest
from anonkit.base.errors import SourceError
from anonkit.simulate import BAKU, BUDVA, PODGORICA, SAMPLES, write_sample
from anonkit.simulate.bakikart import FARE_COLUMNS

ROOT = Path(__file__).parents[2] / "data" / "samples"


def table(name: str) -> pd.DataFrame:
    return pd.read_csv(ROOT / name, dtype=str, keep_default_na=False)


def clean_rides() -> pd.DataFrame:
    """The rides that have the right number of fields, one a ride id."""
    with (ROOT / "kontaktplus" / "rides.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    return pd.DataFrame([row for row in rows if len(row) == len(head)], columns=head).drop_duplicates("ride_id")


def listed(name: str, key: str) -> list[dict[str, Any]]:
    return json.loads((ROOT / name).read_text(encoding="utf-8"))[key]


def e164(phone: str, region: str) -> str:
    parsed = phonenumbers.parse(phone, region)
    assert phonenumbers.is_valid_number(parsed)
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_committed_samples_are_what_the_generator_makes(name: str, tmp_path: Path) -> None:
    made = write_sample(name, tmp_path)
    assert {path.name for path in made} == {path.name for path in (ROOT / name).iterdir()}
    for path in made:
        assert (ROOT / name / path.name).read_bytes() == path.read_bytes(), path.name
        assert path.stat().st_size <= 1_000_000


def test_an_unknown_sample_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="There is no sample 'ubahn'"):
        write_sample("ubahn", tmp_path)


# KONTAKTPLUS as MDS 2.0


def test_mds_times_are_milliseconds_and_costs_minor_units() -> None:
    trips = listed("kontaktplus/mds_trips.json", "trips")
    rides = clean_rides().set_index("ride_id")
    join = table("kontaktplus/trip_accounts.csv").set_index("trip_id")["ride_id"]
    matched = 0
    for trip in trips:
        if trip["trip_type"] != "rider" or trip["standard_cost"] != trip["actual_cost"]:
            continue
        if join[trip["trip_id"]] not in rides.index:
            continue
        ride = rides.loc[join[trip["trip_id"]]]
        if ride["end_lon"] and ride["started_at"] < ride["ended_at"] and ride["started_at"] > "2026":
            assert trip["start_time"] // 1_000 == int(datetime.fromisoformat(ride["started_at"]).timestamp())
            if ride["price_azn"]:
                assert trip["actual_cost"] == round(float(ride["price_azn"]) * 100)
                matched += 1
    assert matched > 700
    assert {trip["currency"] for trip in trips} == {"AZN"}


def test_mds_has_trips_to_filter() -> None:
    trips = listed("kontaktplus/mds_trips.json", "trips")
    assert Counter(trip["trip_type"] for trip in trips) == {"rider": 900, "maintenance": 20}
    assert sum(trip["duration"] < 60 for trip in trips) == 11
    joined = set(table("kontaktplus/trip_accounts.csv")["trip_id"])
    assert joined == {trip["trip_id"] for trip in trips if trip["trip_type"] == "rider"}


def test_mds_telemetry_runs_from_start_to_end_and_goes_on_without_a_trip() -> None:
    trips = {trip["trip_id"]: trip for trip in listed("kontaktplus/mds_trips.json", "trips")}
    points = listed("kontaktplus/mds_telemetry.json", "telemetry")
    assert sum(point["trip_ids"] is None for point in points) == 110
    track = [point for point in points if point["trip_ids"] == [points[0]["trip_ids"][0]]]
    trip = trips[points[0]["trip_ids"][0]]
    assert track[0]["timestamp"] // 1_000 == trip["start_time"] // 1_000
    assert track[-1]["timestamp"] // 1_000 == trip["end_time"] // 1_000
    assert track[-1]["location"]["lng"] == pytest.approx(trip["end_location"]["lng"], abs=1e-6)


# BakıKart as TIDES


def test_tides_columns_are_those_of_the_standard_and_one_of_the_operator() -> None:
    assert tuple(table("bakikart/fare_transactions.csv").columns) == FARE_COLUMNS
    assert FARE_COLUMNS[-1] == "mobile_number"
    assert len(FARE_COLUMNS) == 22  # 21 of TIDES


def test_tides_has_tap_on_only() -> None:
    taps = table("bakikart/fare_transactions.csv")
    assert set(taps["fare_action"]) == {"Enter", "Transfer entrance", "Add"}
    assert (taps.loc[taps["fare_action"] != "Add", "stop_id"] != "").all()


def test_balances_chain_the_taps_of_a_card() -> None:
    taps = table("bakikart/fare_transactions.csv")
    for _, card in taps.groupby("token_id", sort=False):
        balance = card["balance"].astype(float)
        signed = card["amount"].astype(float).where(card["fare_action"] == "Add", -card["amount"].astype(float))
        assert np.allclose(balance.diff().iloc[1:], signed.iloc[1:], atol=1e-9)
        assert (balance >= 0).all()


def test_most_taps_can_be_chained_to_a_next_one_that_day() -> None:
    taps = table("bakikart/fare_transactions.csv")
    rides = taps[taps["fare_action"] != "Add"]
    a_day = rides.groupby(["token_id", "service_date"])["stop_id"].transform("size")
    assert 0.55 < (a_day >= 2).mean() < 0.9


def test_some_cards_are_anonymous_and_some_people_have_two() -> None:
    taps = table("bakikart/fare_transactions.csv")
    cards = taps.groupby("token_id")["mobile_number"].first()
    assert 0.2 < (cards == "").mean() < 0.4
    assert (cards[cards != ""].value_counts() == 2).sum() > 10


def test_some_taps_are_older_than_the_active_year_and_stops_are_known() -> None:
    taps = table("bakikart/fare_transactions.csv")
    assert (taps["service_date"] < "2025-09-01").sum() > 100
    stops = set(table("bakikart/stops.txt")["stop_id"])
    assert set(taps["stop_id"]) - {""} <= stops


# Uklon


def test_uklon_riders_are_partly_those_of_kontaktplus_with_phones_spelled_otherwise() -> None:
    scooter = set(table("kontaktplus/accounts.csv")["phone"])
    orders = table("uklon/orders.csv")
    assert not set(orders["rider_phone"]) & scooter  # as written, nobody matches
    riders = {e164(phone, "AZ") for phone in orders["rider_phone"]}
    assert len(riders & scooter) > 150
    assert len(riders) == orders["rider_id"].nunique()


def test_cancelled_orders_have_no_ride_and_completed_ones_have_a_driver() -> None:
    orders = table("uklon/orders.csv")
    done = orders["status"] == "completed"
    assert (orders.loc[~done, ["pickup_at", "dropoff_at", "price_azn"]] == "").all().all()
    assert (orders.loc[~done, "cancelled_at"] != "").all()
    assert (orders.loc[done, ["pickup_at", "dropoff_at", "driver_fin", "vehicle_plate"]] != "").all().all()
    assert 100 < (~done).sum() < 300


def test_uklon_drivers_and_riders_are_in_one_place_at_a_time() -> None:
    orders = table("uklon/orders.csv")
    done = orders[orders["status"] == "completed"]
    for key in ("driver_id", "rider_id"):
        ordered = done.sort_values([key, "pickup_at"])
        same = ordered[key] == ordered[key].shift()
        assert (ordered["pickup_at"][same] >= ordered["dropoff_at"].shift()[same]).all()


def test_uklon_has_third_persons_stops_and_orders_of_deleted_accounts() -> None:
    orders, accounts = table("uklon/orders.csv"), table("uklon/accounts.csv").set_index("account_id")
    assert (
        (orders.loc[orders["service"] == "delivery", ["third_name", "third_phone", "third_address"]] != "").all().all()
    )
    assert ((orders["service"] == "ride") & (orders["third_phone"] != "")).sum() > 30
    halts = orders.loc[orders["stops"] != "", "stops"].map(json.loads)
    assert len(halts) > 100
    assert set(halts.iloc[0][0]) == {"lon", "lat", "address"}
    old = orders[orders["created_at"] < "2023"]
    assert len(old) == 60
    assert (accounts.loc[old["rider_id"], "deleted_on"].str[:4] == "2022").all()


def test_driver_positions_go_on_outside_of_orders() -> None:
    positions = table("uklon/driver_positions.csv")
    assert set(positions["state"]) == {"on_trip", "idle", "background"}
    assert (positions.loc[positions["state"] != "on_trip", "order_id"] == "").all()
    assert (positions["recorded_at"] == positions["recorded_at"].sort_values().to_numpy()).all()


# Charge.az as OCPI 2.2.1

CDR_REQUIRED = {
    *("country_code", "party_id", "id", "start_date_time", "end_date_time", "cdr_token", "auth_method"),
    *("cdr_location", "currency", "charging_periods", "total_cost", "total_energy", "total_time", "last_updated"),
}


def test_ocpi_cdrs_have_the_required_fields_and_coordinates_as_strings() -> None:
    for cdr in listed("charge_az/cdrs.json", "data"):
        assert set(cdr) >= CDR_REQUIRED
        place = cdr["cdr_location"]["coordinates"]
        assert isinstance(place["latitude"], str)
        assert isinstance(place["longitude"], str)


def test_ocpi_one_location_has_its_coordinates_exchanged() -> None:
    for location in listed("charge_az/locations.json", "data"):
        exchanged = float(location["coordinates"]["latitude"]) > 45
        assert exchanged == (location["id"] == "LOC007")


def test_ocpi_credit_cdrs_cancel_a_cdr_that_is_there() -> None:
    cdrs = {cdr["id"]: cdr for cdr in listed("charge_az/cdrs.json", "data")}
    credits = [cdr for cdr in cdrs.values() if cdr.get("credit")]
    assert len(credits) >= 10
    for credit in credits:
        assert cdrs[credit["credit_reference_id"]]["total_cost"]["excl_vat"] == -credit["total_cost"]["excl_vat"]


def test_ocpi_homes_are_unpublished_and_their_cdrs_marked() -> None:
    published = {location["id"]: location["publish"] for location in listed("charge_az/locations.json", "data")}
    cdrs = listed("charge_az/cdrs.json", "data")
    home = [cdr for cdr in cdrs if cdr.get("home_charging_compensation")]
    assert len(home) >= 15
    assert not any(published[cdr["cdr_location"]["id"]] for cdr in home)
    # Depots are unpublished without being homes: publish=false alone has to do.
    assert any(not published[cdr["cdr_location"]["id"]] for cdr in cdrs if cdr not in home)


def test_ocpi_some_sessions_still_run() -> None:
    sessions = listed("charge_az/sessions.json", "data")
    active = [session for session in sessions if session["status"] == "ACTIVE"]
    assert active
    assert not any("end_date_time" in session for session in active)
    billed = {cdr["session_id"] for cdr in listed("charge_az/cdrs.json", "data")}
    assert not {session["id"] for session in active} & billed


def test_ocpi_some_session_ids_embed_station_and_time() -> None:
    ids = {cdr["session_id"] for cdr in listed("charge_az/cdrs.json", "data")}
    assert sum(name.startswith("CHA_E") for name in ids) >= 10


# Pokupi


def test_pokupi_times_have_no_zone_and_cross_the_repeated_hour() -> None:
    journeys = table("pokupi/journeys.csv")
    assert journeys["departure_time"].str.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d").all()
    assert journeys["departure_time"].str.startswith("2026-10-25 02:").sum() == 5
    assert journeys["departure_time"].str.startswith("2026-03-29 02:").sum() == 2


def test_pokupi_has_journeys_older_than_three_years_and_a_few_disputes() -> None:
    journeys = table("pokupi/journeys.csv")
    assert (journeys["departure_time"] < "2023-10").sum() > 100
    assert 3 < (journeys["dispute"] == "yes").sum() < 30


def test_pokupi_routes_begin_and_end_at_the_addresses_inside_the_areas() -> None:
    journeys = table("pokupi/journeys.csv")
    for end, place in (("departure", 0), ("arrival", -1)):
        lon, lat = (journeys[f"{end}_{axis}"].astype(float).to_numpy() for axis in ("lon", "lat"))
        assert (PODGORICA.contains(lon, lat) | BUDVA.contains(lon, lat)).all()
        point = np.array([json.loads(route)[place] for route in journeys["route"]])
        assert np.allclose(point, np.stack([lon, lat], axis=1), atol=1e-5)


# All of them


@pytest.mark.parametrize(
    ("name", "column", "region"),
    [
        ("kontaktplus/accounts.csv", "phone", "AZ"),
        ("bakikart/accounts.csv", "phone", "AZ"),
        ("uklon/accounts.csv", "phone", "AZ"),
        ("charge_az/users.csv", "phone", "AZ"),
        ("pokupi/accounts.csv", "phone", "ME"),
    ],
)
def test_phones_are_valid_and_clearly_invented(name: str, column: str, region: str) -> None:
    for phone in table(name)[column]:
        number = e164(phone, region)
        assert number[6:9] == "000"


def test_the_same_phone_is_the_same_person_everywhere() -> None:
    names: dict[str, str] = {}
    for operator in ("kontaktplus", "uklon", "bakikart"):
        for row in table(f"{operator}/accounts.csv").itertuples():
            if row.full_name:
                assert names.setdefault(e164(row.phone, "AZ"), row.full_name) == row.full_name


def test_every_list_of_accounts_has_minors_deleted_and_withdrawn() -> None:
    for operator in ("kontaktplus", "uklon", "bakikart", "pokupi"):
        accounts = table(f"{operator}/accounts.csv")
        assert (accounts["birth_date"] > "2008-09-30").sum() >= 2, operator
        assert (accounts["deleted_on"] != "").sum() >= 2, operator
        assert (accounts["consent_withdrawn_on"] != "").sum() >= 2, operator


def test_subjects_of_the_lists_are_in_the_samples_and_one_is_not() -> None:
    known: dict[str, set[str]] = {"AZ": set(), "ME": set()}
    for operator, region in (("kontaktplus", "AZ"), ("uklon", "AZ"), ("bakikart", "AZ"), ("pokupi", "ME")):
        known[region] |= {e164(phone, region) for phone in table(f"{operator}/accounts.csv")["phone"]}
    known["AZ"] |= {e164(phone, "AZ") for phone in table("charge_az/users.csv")["phone"]}
    unknown = []
    for name in ("erasure", "restriction", "withdrawn_consent"):
        for row in table(f"lists/{name}.csv").itertuples():
            region = "ME" if row.operator == "pokupi" else "AZ"
            if row.phone and e164(row.phone, region) not in known[region]:
                unknown.append(row.request_id)
            assert row.phone or row.email or row.account_id or row.card_number
    assert unknown == ["SR-010"]
    rides = clean_rides()
    erasure = table("lists/erasure.csv").set_index("request_id")
    assert erasure.loc["SR-003", "card_number"].replace(" ", "") in set(rides["card_number"])
    assert erasure.loc["SR-004", "email"].lower() in set(rides["email"])
    assert erasure.loc["SR-005", "account_id"] in set(rides["user_id"])


def test_every_csv_but_the_dirty_one_is_rectangular() -> None:
    for path in ROOT.rglob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            widths = {len(row) for row in csv.reader(file)}
        assert (len(widths) == 1) == (path.name != "rides.csv"), path.name


def test_trips_of_the_baku_samples_lie_in_the_public_area() -> None:
    orders = table("uklon/orders.csv")
    for end in ("pickup", "dropoff"):
        lon, lat = (orders[f"{end}_{axis}"].astype(float).to_numpy() for axis in ("lon", "lat"))
        assert BAKU.contains(lon, lat).all()
