"""Charge.az: a month of charging as OCPI 2.2.1 CDRs, Sessions and Locations, and the operator's customers.

What a reader must get right is in it: coordinates are strings, and one location has latitude and longitude
exchanged, as the standard's own example has; credit CDRs that cancel others; a session that is still running;
private chargers (``publish`` false) and CDRs with ``home_charging_compensation``, which are homes; one CDR whose
session id embeds station and time. ``user`` is the operator's own extension of the CDR. Invented; protects nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from anonkit.simulate.accounts import account, digits, iban, spelled
from anonkit.simulate.areas import BAKU
from anonkit.simulate.city import SCOOTER, City, people, trip_parts
from anonkit.simulate.draws import Draws
from anonkit.simulate.files import utc_iso, write_csv, write_json
from anonkit.simulate.uklon import street

SEED = 20260904
MONTH = City(persons=140, trips=620, days=30, start=date(2026, 9, 1), seed=SEED, mix=(SCOOTER,))
FIRST_ACCOUNT, SEEN_S = 100, 1_790_780_400  # exported at 2026-09-30T15:00Z
USER_COLUMNS = (
    *("contract_id", "surname", "name", "patronymic", "sex", "birth_date", "phone", "email", "passport", "address"),
    *("bank_account", "token_uid", "registered_on", "deleted_on", "consent_statistics"),
)
_PATRONYMS = ("Elçin", "Rəşad", "Vüqar", "Əli", "Samir", "Zaur")
_OWNER = {"country_code": "AZ", "party_id": "CHA"}


@dataclass(frozen=True, kw_only=True)
class Station:
    """A charging location; ``home_of`` is the number of the person who lives there."""

    location: str
    name: str
    lon: float
    lat: float
    publish: bool
    home_of: int = -1

    def coordinates(self) -> dict[str, str]:
        """Give OCPI's GeoLocation; that of LOC007 is exchanged."""
        latitude, longitude = f"{self.lat:.6f}", f"{self.lon:.6f}"
        if self.location == "LOC007":
            latitude, longitude = longitude, latitude
        return {"latitude": latitude, "longitude": longitude}


def stations() -> list[Station]:
    """Lay out 22 public locations near hot spots, 2 unpublished depots and 8 homes."""
    draws, folk = Draws(SEED, 71), people(MONTH)
    laid = []
    for number in range(24):
        spot = BAKU.hot_spots[number % len(BAKU.hot_spots)]
        far = (0.004 * draws.bell(2)).tolist() if number >= len(BAKU.hot_spots) else [0.0, 0.0]
        lon, lat = spot.lon + far[0], spot.lat + far[1]
        if not bool(BAKU.contains(np.array([lon]), np.array([lat]))[0]):
            lon, lat = spot.lon, spot.lat + 0.001
        public = number < 22
        name = f"{spot.name} {number // len(BAKU.hot_spots) + 1}" if public else f"depot {number - 21}"
        laid.append(Station(location=f"LOC{number + 1:03d}", name=name, lon=lon, lat=lat, publish=public))
    for number in range(8):
        person = number * 15 + 3
        lon, lat = float(folk.home_lon[person]), float(folk.home_lat[person])
        laid.append(Station(location=f"LOC{101 + number}", name="", lon=lon, lat=lat, publish=False, home_of=person))
    return laid


def _location(station: Station) -> dict[str, Any]:
    connector = {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE" if station.publish else "AC_1_PHASE",
        "max_voltage": 230,
        "max_amperage": 32,
        "last_updated": "2026-08-01T00:00:00Z",
    }
    evse = {
        "uid": f"E{station.location[3:]}",
        "evse_id": f"AZ*CHA*E{station.location[3:]}",
        "status": "AVAILABLE",
        "connectors": [connector],
        "last_updated": "2026-08-01T00:00:00Z",
    }
    return {
        **_OWNER,
        "id": station.location,
        "publish": station.publish,
        **({"name": station.name} if station.name else {}),
        "address": street(int(station.location[3:])),
        "city": "Bakı",
        "postal_code": "AZ1000",
        "country": "AZE",
        "coordinates": station.coordinates(),
        **({"parking_type": "ON_DRIVEWAY"} if station.home_of >= 0 else {}),
        "evses": [evse],
        "time_zone": "Asia/Baku",
        "last_updated": "2026-08-01T00:00:00Z",
    }


def _price(cents: int) -> dict[str, float]:
    return {"excl_vat": cents / 100, "incl_vat": (cents * 118 + 50) // 100 / 100}


def _users() -> list[dict[str, str]]:
    draws, rows = Draws(SEED, 72), []
    for number in range(MONTH.persons):
        person = account(FIRST_ACCOUNT + number)
        patronym = draws.pick(_PATRONYMS, 1)[0]
        rows.append(
            {
                "contract_id": f"AZ-CHA-C{person.index:08d}",
                "surname": person.family,
                "name": person.given,
                "patronymic": f"{patronym} {'qızı' if person.sex == 'F' else 'oğlu'}",
                "sex": person.sex,
                "birth_date": person.birth.isoformat(),
                "phone": spelled(person.phone, person.index % 3),
                "email": person.email,
                "passport": f"AZE0000{digits(draws, 4)}",
                "address": street(person.index),
                "bank_account": iban("TEST", digits(draws, 20)),
                "token_uid": f"04{draws.hexadecimal(8, 1)[0].upper()}",
                "registered_on": f"2025-{1 + number % 12:02d}-{1 + number % 28:02d}",
                "deleted_on": "2026-09-20" if number % 47 == 5 else "",
                "consent_statistics": "no" if number % 19 == 4 else "yes",
            }
        )
    return rows


def write_charge_az(folder: Path) -> None:
    """Write ``cdrs.json``, ``sessions.json``, ``locations.json`` and ``users.csv``."""
    draws, users, laid = Draws(SEED, 73), _users(), stations()
    home = {station.home_of: station for station in laid if station.home_of >= 0}
    trips = next(trip_parts(MONTH))
    names, at_home, depot = draws.uuids(len(trips)), draws.uniform(len(trips)), draws.uniform(len(trips))
    minutes = (25 + draws.below(200, len(trips))).tolist()
    cdrs: list[dict[str, Any]] = []
    sessions: list[dict[str, Any]] = []
    free: dict[str, int] = {}
    for row in range(len(trips)):
        person, begin = int(trips.person[row]), int(trips.end_s[row])
        end = begin + 60 * minutes[row]
        far = [
            float(BAKU.metres(trips.end_lon[row : row + 1], trips.end_lat[row : row + 1], s.lon, s.lat)[0])
            for s in laid[:22]
        ]
        station = laid[int(np.argmin(np.array(far)))]
        if person in home and at_home[row] < 0.6:
            station = home[person]
        elif depot[row] < 0.03:
            station = laid[22 + row % 2]
        evse = f"E{station.location[3:]}"
        if begin < max(free.get(evse, 0), free.get(f"person {person}", 0)) or begin > SEEN_S:
            continue
        free[evse] = free[f"person {person}"] = end + 300
        user = users[person]
        energy = minutes[row] * (11 if station.publish else 7) * 10 // 60 / 10
        hours = round(minutes[row] / 60, 4)
        cents = int(energy * 10) * 4 if station.publish else 0
        token = {
            **_OWNER,
            "uid": user["token_uid"],
            "type": "APP_USER" if person % 3 else "RFID",
            "contract_id": user["contract_id"],
        }
        session = names[row] if len(cdrs) % 40 else f"CHA_{evse}_{utc_iso(begin)}"
        periods = [
            {
                "start_date_time": utc_iso(begin),
                "dimensions": [{"type": "ENERGY", "volume": energy}, {"type": "TIME", "volume": hours}],
            }
        ]
        running = end > SEEN_S
        # Sessions are kept for the last twelve days only.
        if begin > SEEN_S - 12 * 86_400:
            sessions.append(
                {
                    **_OWNER,
                    "id": session,
                    "start_date_time": utc_iso(begin),
                    **({} if running else {"end_date_time": utc_iso(end)}),
                    "kwh": energy,
                    "cdr_token": token,
                    "auth_method": "WHITELIST" if token["type"] == "RFID" else "COMMAND",
                    "location_id": station.location,
                    "evse_uid": evse,
                    "connector_id": "1",
                    "currency": "AZN",
                    "charging_periods": periods,
                    "total_cost": _price(cents),
                    "status": "ACTIVE" if running else "COMPLETED",
                    "last_updated": utc_iso(min(end + 30, SEEN_S)),
                }
            )
        if running:
            continue
        cdr = {
            **_OWNER,
            "id": f"CDR-{row:06d}",
            "start_date_time": utc_iso(begin),
            "end_date_time": utc_iso(end),
            "session_id": session,
            "cdr_token": token,
            "auth_method": "WHITELIST" if token["type"] == "RFID" else "COMMAND",
            "cdr_location": {
                "id": station.location,
                **({"name": station.name} if station.name else {}),
                "address": street(int(station.location[3:])),
                "city": "Bakı",
                "postal_code": "AZ1000",
                "country": "AZE",
                "coordinates": station.coordinates(),
                "evse_uid": evse,
                "evse_id": f"AZ*CHA*{evse}",
                "connector_id": "1",
                "connector_standard": "IEC_62196_T2",
                "connector_format": "SOCKET",
                "connector_power_type": "AC_3_PHASE" if station.publish else "AC_1_PHASE",
            },
            "currency": "AZN",
            "charging_periods": periods,
            "total_cost": _price(cents),
            "total_energy": energy,
            "total_time": hours,
            **({"home_charging_compensation": True} if station.home_of >= 0 else {}),
            "last_updated": utc_iso(end + 60),
            "user": {"name": f"{user['surname']} {user['name']}", "phone": user["phone"], "email": user["email"]},
        }
        cdrs.append(cdr)
        if len(cdrs) % 37 == 0:
            # Wrongly billed: cancelled by a credit CDR; every second one is billed anew.
            cdrs.append(
                {
                    **cdr,
                    "id": f"{cdr['id']}-C",
                    "total_cost": {key: -value for key, value in _price(cents).items()},
                    "credit": True,
                    "credit_reference_id": cdr["id"],
                    "last_updated": utc_iso(end + 86_400),
                }
            )
            if row % 2:
                cdrs.append({**cdr, "id": f"{cdr['id']}-N", "last_updated": utc_iso(end + 86_460)})
    head = {"status_code": 1000, "status_message": "Success", "timestamp": utc_iso(SEEN_S)}
    write_json(folder / "cdrs.json", head, "data", cdrs)
    write_json(folder / "sessions.json", head, "data", sessions)
    write_json(folder / "locations.json", head, "data", [_location(station) for station in laid])
    write_csv(folder / "users.csv", USER_COLUMNS, users)
