"""OCPI 2.2.1: charging sessions as CDRs (what was billed) and as Sessions (what the station saw).

Coordinates are strings. The standard's own example has latitude and longitude exchanged, and operators copy it: a
location that lies in the public area only when exchanged is put right, counted as mended and listed, where the area leaves
one reading, and rejected as ``swapped_coordinates`` elsewhere (``checks.mend: []`` rejects all). A credit CDR holds no
visit and takes back the one that it names (``credit_reference_id``): both are dropped, a new CDR stays. Locations that
are not published, or that the list of locations does not know, and CDRs with ``home_charging_compensation`` are homes
or depots and are dropped by rule (ruling 32); so are Sessions that are not completed. Ids of sessions may embed station
and start: they become tokens or are not read.

``lookups.locations.path`` names the Locations; Sessions need it as ``places.path`` too.
Source: EVRoaming Foundation, OCPI 2.2.1-d2, modules CDRs, Sessions, Locations; GeoLocation (coordinates as strings).
Does not find a private charger that is published.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RECORDS = ("data", "")
"""Under ``data`` in a response of the protocol; or the list itself."""
PUBLISHED = "location_published"
UNPUBLISHED = {"name": "unpublished_location", "column": PUBLISHED, "keep": ("true",)}
LOCATIONS = {"id": "id", "columns": {PUBLISHED: "publish"}, "records": RECORDS}

CDR: Mapping[str, Any] = {
    "kind": "visits",
    "mode": "charging",
    "records": RECORDS,
    "columns": {
        "visit": "id",
        "person": "cdr_token.contract_id",
        "start": "start_date_time",
        "end": "end_date_time",
        "lon": "cdr_location.coordinates.longitude",
        "lat": "cdr_location.coordinates.latitude",
        "energy_kwh": "total_energy",
        "amount": "total_cost.incl_vat",
    },
    "lookups": {"locations": {**LOCATIONS, "on": "cdr_location.id"}},
    "direct": ("session_id", "cdr_token.uid", "cdr_location.address", "authorization_reference"),
    "time": {"zone": "UTC"},
    "checks": {"max_hours": 72, "mend": ("swapped_coordinates",)},
    "rules": (
        {"name": "credit", "column": "credit", "drop": ("true",)},
        {"name": "credited", "column": "id", "referred_by": "credit_reference_id"},
        {"name": "home_charging", "column": "home_charging_compensation", "drop": ("true",)},
        UNPUBLISHED,
    ),
}
SESSION: Mapping[str, Any] = {
    "kind": "visits",
    "mode": "charging",
    "records": RECORDS,
    "columns": {
        "visit": "id",
        "person": "cdr_token.contract_id",
        "start": "start_date_time",
        "end": "end_date_time",
        "place": "location_id",
        "energy_kwh": "kwh",
        "amount": "total_cost.incl_vat",
    },
    "places": {"id": "id", "lon": "coordinates.longitude", "lat": "coordinates.latitude", "records": RECORDS},
    "lookups": {"locations": {**LOCATIONS, "on": "location_id"}},
    "direct": ("cdr_token.uid", "authorization_reference"),
    "time": {"zone": "UTC"},
    "checks": {"max_hours": 72, "mend": ("swapped_coordinates",)},
    "rules": (
        {"name": "not_completed", "column": "status", "keep": ("COMPLETED",)},
        UNPUBLISHED,
    ),
}
PRESETS: Mapping[str, Mapping[str, Any]] = {"ocpi_cdr": CDR, "ocpi_session": SESSION}
"""Source → what an input of it says unless the recipe says otherwise."""
