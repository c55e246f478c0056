"""The public areas in which simulated people move: outlines, districts and hot spots.

The outlines were drawn by hand for the demonstration: a few corners that follow coast and outskirts roughly, no
administrative borders. Districts share their corners with each other and with the outline, so they tile it exactly.
Scales (metres a degree) are constants, not computed, for the sake of bytes that are equal on every machine.
This module holds no data about anybody; it is public input, and the only place from which the city takes its keys.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anonkit.simulate.draws import Floats, Ints

Corner = tuple[float, float]
METRES_PER_LAT_DEGREE = 111_200.0
PLACE_LON, PLACE_LAT = 0.0024, 0.0018  # about 200 m × 200 m
MARGIN_M = 150.0  # places lie this far inside the outline, so that jitter stays in the area


@dataclass(frozen=True, kw_only=True)
class HotSpot:
    """A place that draws people: more trips end near it than elsewhere."""

    name: str
    lon: float
    lat: float
    weight: float
    radius_m: float


@dataclass(frozen=True, kw_only=True)
class Area:
    """A public area: one outline, its districts, its hot spots (the first is the centre), its time zone."""

    name: str
    zone: str
    metres_per_lon_degree: float
    outline: tuple[Corner, ...]
    hot_spots: tuple[HotSpot, ...]
    districts: tuple[tuple[str, tuple[Corner, ...]], ...] = ()

    def metres(self, lon: Floats, lat: Floats, to_lon: Floats | float, to_lat: Floats | float) -> Floats:
        """Straight distance on the plane of this area."""
        east = (lon - to_lon) * self.metres_per_lon_degree
        north = (lat - to_lat) * METRES_PER_LAT_DEGREE
        return np.asarray(np.sqrt(east * east + north * north))

    def contains(self, lon: Floats, lat: Floats) -> NDArray[np.bool_]:
        """Tell which points lie inside the outline (ray casting)."""
        inside = np.zeros(lon.shape, dtype=bool)
        corners = self.outline
        for (lon_a, lat_a), (lon_b, lat_b) in zip(corners, (*corners[1:], corners[0]), strict=True):
            if lat_a == lat_b:
                continue
            crossing = (lat_a > lat) != (lat_b > lat)
            inside ^= crossing & (lon < (lon_b - lon_a) * (lat - lat_a) / (lat_b - lat_a) + lon_a)
        return inside


@dataclass(frozen=True, kw_only=True)
class Places:
    """The squares of about 200 m in which trips may start and end, with whole-number weights."""

    west: Floats
    south: Floats
    homes: Ints
    visits: Ints


def places(area: Area, *, reach_m: float | None, background: float) -> Places:
    """Lay squares over the area and weigh them by the hot spots.

    Parameters
    ----------
    area : the public area.
    reach_m : only squares this near to the centre (the zone an operator serves); ``None`` is the whole area.
    background : weight of any square beside that of the hot spots; larger is flatter.
    """
    lons, lats = [corner[0] for corner in area.outline], [corner[1] for corner in area.outline]
    columns = int((max(lons) - min(lons)) / PLACE_LON) + 1
    rows = int((max(lats) - min(lats)) / PLACE_LAT) + 1
    west = np.tile(min(lons) + PLACE_LON * np.arange(columns), rows)
    south = np.repeat(min(lats) + PLACE_LAT * np.arange(rows), columns)
    margin_lon, margin_lat = MARGIN_M / area.metres_per_lon_degree, MARGIN_M / METRES_PER_LAT_DEGREE
    keep = np.ones(west.shape, dtype=bool)
    for lon in (west - margin_lon, west + PLACE_LON + margin_lon):
        for lat in (south - margin_lat, south + PLACE_LAT + margin_lat):
            keep &= area.contains(lon, lat)
    middle_lon, middle_lat = west + PLACE_LON / 2, south + PLACE_LAT / 2
    centre = area.hot_spots[0]
    if reach_m is not None:
        keep &= area.metres(middle_lon, middle_lat, centre.lon, centre.lat) <= reach_m
    west, south, middle_lon, middle_lat = west[keep], south[keep], middle_lon[keep], middle_lat[keep]
    pull = np.full(west.shape, background)
    for spot in area.hot_spots:
        far = area.metres(middle_lon, middle_lat, spot.lon, spot.lat) / spot.radius_m
        fall = 1.0 / (1.0 + far * far)
        pull = pull + spot.weight * fall * fall
    visits = (pull * 10_000.0).astype(np.int64)
    homes = ((np.minimum(pull, 0.6) + 2.0 * background) * 10_000.0).astype(np.int64)
    return Places(west=west, south=south, homes=homes, visits=visits)


def _districts(outline: tuple[Corner, ...]) -> tuple[tuple[str, tuple[Corner, ...]], ...]:
    # Inner corners; the numbers below are corners of the outline.
    inner: dict[str, Corner] = {
        "P": (49.815, 40.370),
        "Q": (49.825, 40.390),
        "R": (49.862, 40.393),
        "S": (49.900, 40.398),
        "T": (49.945, 40.392),
        "U": (49.880, 40.425),
        "V": (49.960, 40.425),
        "W": (49.820, 40.415),
    }
    faces: dict[str, tuple[int | str, ...]] = {
        "Səbail": (1, 2, 3, 4, 5, 6, 7, 8, "P"),
        "Yasamal": (0, 1, "P", "Q", "W", 24),
        "Nəsimi": ("P", 8, 9, "R", "Q"),
        "Nərimanov": ("Q", "R", "U", "W"),
        "Xətai": (9, 10, 11, 12, 13, "T", "S", "R"),
        "Nizami": ("R", "S", "T", "V", "U"),
        "Suraxanı": (13, 14, 15, 16, 17, 18, 19, "V", "T"),
        "Sabunçu": ("U", "V", 19, 20, 21, 22),
        "Binəqədi": ("W", "U", 22, 23, 24),
    }
    return tuple(
        (name, tuple(outline[key] if isinstance(key, int) else inner[key] for key in face))
        for name, face in faces.items()
    )


_BAKU: tuple[Corner, ...] = (
    *((49.750, 40.405), (49.760, 40.365), (49.790, 40.340), (49.815, 40.330), (49.832, 40.336)),
    *((49.836, 40.350), (49.834, 40.360), (49.842, 40.3675), (49.855, 40.3725), (49.870, 40.374)),
    *((49.890, 40.377), (49.915, 40.3785), (49.935, 40.374), (49.955, 40.364), (49.975, 40.352)),
    *((49.995, 40.345), (50.020, 40.352), (50.045, 40.370), (50.050, 40.400), (50.050, 40.440)),
    *((50.030, 40.470), (49.980, 40.480), (49.900, 40.480), (49.830, 40.470), (49.780, 40.445)),
)

BAKU = Area(
    name="Bakı",
    zone="Asia/Baku",
    metres_per_lon_degree=84_700.0,
    outline=_BAKU,
    hot_spots=(
        HotSpot(name="centre", lon=49.8385, lat=40.3740, weight=1.0, radius_m=650.0),
        HotSpot(name="station", lon=49.8489, lat=40.3797, weight=0.8, radius_m=450.0),
        HotSpot(name="university", lon=49.8130, lat=40.3735, weight=0.5, radius_m=400.0),
        HotSpot(name="waterfront", lon=49.8480, lat=40.3735, weight=0.9, radius_m=500.0),
        HotSpot(name="park", lon=49.8530, lat=40.4010, weight=0.35, radius_m=500.0),
        HotSpot(name="new quarter", lon=49.8960, lat=40.3830, weight=0.35, radius_m=600.0),
        HotSpot(name="bus terminal", lon=49.7950, lat=40.4180, weight=0.25, radius_m=500.0),
        HotSpot(name="eastern market", lon=49.9500, lat=40.4150, weight=0.25, radius_m=700.0),
    ),
    districts=_districts(_BAKU),
)

PODGORICA = Area(
    name="Podgorica",
    zone="Europe/Podgorica",
    metres_per_lon_degree=82_100.0,
    outline=(
        *((19.210, 42.425), (19.235, 42.405), (19.275, 42.405), (19.305, 42.425)),
        *((19.305, 42.455), (19.280, 42.475), (19.240, 42.475), (19.215, 42.455)),
    ),
    hot_spots=(
        HotSpot(name="centre", lon=19.2594, lat=42.4411, weight=1.0, radius_m=600.0),
        HotSpot(name="station", lon=19.2690, lat=42.4325, weight=0.8, radius_m=400.0),
        HotSpot(name="university", lon=19.2440, lat=42.4440, weight=0.5, radius_m=400.0),
        HotSpot(name="hospital", lon=19.2480, lat=42.4330, weight=0.3, radius_m=300.0),
    ),
)

BUDVA = Area(
    name="Budva",
    zone="Europe/Podgorica",
    metres_per_lon_degree=82_300.0,
    outline=(
        (18.815, 42.285),
        (18.836, 42.276),
        (18.850, 42.282),
        (18.872, 42.272),
        (18.880, 42.285),
        (18.850, 42.305),
    ),
    hot_spots=(
        HotSpot(name="centre", lon=18.8420, lat=42.2880, weight=1.0, radius_m=500.0),
        HotSpot(name="waterfront", lon=18.8560, lat=42.2850, weight=0.8, radius_m=400.0),
    ),
)


def _feature(properties: dict[str, str], corners: tuple[Corner, ...]) -> dict[str, Any]:
    ring = [list(corner) for corner in (*corners, corners[0])]
    return {"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": [ring]}}


def _geojson(features: list[dict[str, Any]]) -> str:
    lines = ",\n".join(json.dumps(feature, ensure_ascii=False) for feature in features)
    return f'{{"type": "FeatureCollection", "features": [\n{lines}\n]}}\n'


def area_geojson(*areas: Area) -> str:
    """Give the outlines as GeoJSON text, property ``name``."""
    return _geojson([_feature({"name": area.name}, area.outline) for area in areas])


def districts_geojson(area: Area) -> str:
    """Give the districts as GeoJSON text, properties ``district`` and its parent ``city``."""
    return _geojson([_feature({"district": name, "city": area.name}, corners) for name, corners in area.districts])


def write_areas(folder: str | Path) -> list[Path]:
    """Write the outlines and districts of the demonstration; the files of ``data/areas``."""
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    texts = {
        "baku.geojson": area_geojson(BAKU),
        "baku_districts.geojson": districts_geojson(BAKU),
        "montenegro.geojson": area_geojson(PODGORICA, BUDVA),
    }
    for name, text in texts.items():
        (root / name).write_text(text, encoding="utf-8", newline="\n")
    return [root / name for name in texts]
