"""Who drives: each ride goes to the nearest driver who is free, so a driver is in one place at a time.

Small samples only (each ride is matched in turn). Drivers carry papers, plates and phones, invented like the riders;
they are people whom a release has to protect too (ruling 4). Protects nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anonkit.simulate.accounts import Account, account, letters
from anonkit.simulate.areas import Area
from anonkit.simulate.city import TripNumbers
from anonkit.simulate.draws import Draws


@dataclass(frozen=True, kw_only=True)
class Driver:
    """An invented driver with invented papers."""

    driver: str
    person: Account
    licence: str
    fin: str
    plate: str


def drivers(size: int, *, seed: int, first_account: int, country: str) -> list[Driver]:
    """Invent drivers; the plates carry a district that does not exist (AZ ``00``, ME ``XX``)."""
    draws = Draws(seed, 51)
    plate = "00-AA-999" if country == "AZ" else "XX AA999"
    made = []
    for number in range(size):
        text = letters(draws, plate if country == "AZ" else "ZZ AA999").replace("ZZ", "XX")
        made.append(
            Driver(
                driver=f"D{number + 1:03d}",
                person=account(first_account + number, country=country),
                licence=letters(draws, "AA000999"),
                fin=letters(draws, "0XX9A9X"),
                plate=text,
            )
        )
    return made


def dispatch(trips: TripNumbers, *, area: Area, fleet: int, pause_s: int) -> list[int]:
    """Give each trip (sorted by start) the nearest free driver; −1 where all are busy.

    >>> from datetime import date
    >>> from anonkit.simulate.city import City, trip_parts
    >>> city = City(persons=9, trips=3, days=1, start=date(2026, 9, 1), seed=1)
    >>> dispatch(next(trip_parts(city)), area=city.area, fleet=1, pause_s=90_000)
    [0, -1, -1]
    """
    centre = area.hot_spots[0]
    lon, lat = np.full(fleet, centre.lon), np.full(fleet, centre.lat)
    free_s = np.full(fleet, np.iinfo(np.int64).min, dtype=np.int64)
    sent = []
    for row in range(len(trips)):
        start_s = int(trips.start_s[row])
        far = area.metres(lon, lat, float(trips.start_lon[row]), float(trips.start_lat[row]))
        far = np.where(free_s > start_s, np.inf, far)
        best = int(np.argmin(far))
        if not np.isfinite(far[best]):
            sent.append(-1)
            continue
        sent.append(best)
        lon[best], lat[best] = trips.end_lon[row], trips.end_lat[row]
        free_s[best] = int(trips.end_s[row]) + pause_s
    return sent
