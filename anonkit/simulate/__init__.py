"""The seeded city and the sample exports of the operators: invented people, real formats.

See ``city`` for what is simulated and what is not. Nothing here protects anybody; the people do not exist.
"""

from __future__ import annotations

from anonkit.simulate.areas import BAKU, BUDVA, PODGORICA, Area, HotSpot, write_areas
from anonkit.simulate.city import COLUMNS, RIDE_HAIL, SCOOTER, TAXI, City, ModeShare, trip_arrays, trip_parts
from anonkit.simulate.rides import RIDE_COLUMNS, scooter_city, write_rides_csv
from anonkit.simulate.samples import SAMPLES, write_sample
from anonkit.simulate.tables import trip_table, trip_tables, write_trips_parquet

__all__ = [
    "BAKU",
    "BUDVA",
    "COLUMNS",
    "PODGORICA",
    "RIDE_COLUMNS",
    "RIDE_HAIL",
    "SAMPLES",
    "SCOOTER",
    "TAXI",
    "Area",
    "City",
    "HotSpot",
    "ModeShare",
    "scooter_city",
    "trip_arrays",
    "trip_parts",
    "trip_table",
    "trip_tables",
    "write_areas",
    "write_rides_csv",
    "write_sample",
    "write_trips_parquet",
]
