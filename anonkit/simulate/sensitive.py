"""A public list of sensitive places for the samples: where a trip's end says something about the traveller.

In real life such a list is taken from public registers (clinics, houses of worship, shelters, embassies). These places are
invented: round coordinates in the demonstration area, no address of anything. Used by ``sensitive_places`` of a recipe
(ruling 32); it is about places, never about people.
"""

from __future__ import annotations

from pathlib import Path

from anonkit.simulate.files import write_csv

COLUMNS = ("kind", "lon", "lat", "radius_m")
PLACES = (
    ("clinic", "49.850", "40.400", "250"),
    ("clinic", "49.935", "40.412", "250"),
    ("worship", "49.832", "40.366", "200"),
    ("shelter", "49.885", "40.436", "400"),
    ("embassy", "49.842", "40.376", "150"),
    ("home charger", "49.960", "40.390", "100"),
)


def write_places(folder: Path) -> None:
    """Write ``sensitive.csv``."""
    lines = [dict(zip(COLUMNS, place, strict=True)) for place in PLACES]
    write_csv(folder / "sensitive.csv", COLUMNS, lines)
