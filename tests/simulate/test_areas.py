"""The public areas: closed, valid, tiled without gap or overlap; the committed files are what the code draws."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from anonkit.simulate.areas import BAKU, BUDVA, PODGORICA, Area, places, write_areas
from shapely import contains_xy
from shapely.geometry import Polygon, shape
from shapely.ops import unary_union

AREAS = Path(__file__).parents[2] / "data" / "areas"


@pytest.mark.parametrize("area", [BAKU, BUDVA, PODGORICA], ids=lambda area: area.name)
def test_an_outline_is_valid_counter_clockwise_and_holds_its_hot_spots(area: Area) -> None:
    polygon = Polygon(area.outline)
    assert polygon.is_valid
    assert polygon.exterior.is_ccw
    lon, lat = np.array([(spot.lon, spot.lat) for spot in area.hot_spots]).T
    assert area.contains(lon, lat).all()


def test_districts_tile_the_area_exactly() -> None:
    faces = [Polygon(corners) for _, corners in BAKU.districts]
    assert all(face.is_valid for face in faces)
    assert sum(face.area for face in faces) == pytest.approx(Polygon(BAKU.outline).area, rel=1e-12)
    assert all(one.intersection(other).area < 1e-15 for one, other in combinations(faces, 2))
    assert unary_union(faces).symmetric_difference(Polygon(BAKU.outline)).area < 1e-12


def test_own_ray_casting_agrees_with_shapely() -> None:
    random = np.random.default_rng(1)
    lon, lat = random.uniform(49.7, 50.1, 5_000), random.uniform(40.3, 40.5, 5_000)
    assert (BAKU.contains(lon, lat) == contains_xy(Polygon(BAKU.outline), lon, lat)).all()


def test_places_lie_inside_with_a_margin() -> None:
    ground = places(BAKU, reach_m=None, background=0.01)
    inner = Polygon(BAKU.outline).buffer(-0.001)  # 85 m at least
    assert len(ground.west) > 3_000
    for lon in (ground.west, ground.west + 0.0024):
        assert contains_xy(inner, lon, ground.south).all()


def test_committed_areas_are_what_the_code_draws(tmp_path: Path) -> None:
    for path in write_areas(tmp_path):
        assert (AREAS / path.name).read_bytes() == path.read_bytes()


def test_geojson_is_closed_and_named() -> None:
    read = json.loads((AREAS / "baku_districts.geojson").read_text(encoding="utf-8"))
    for feature in read["features"]:
        ring = feature["geometry"]["coordinates"][0]
        assert ring[0] == ring[-1]
        assert set(feature["properties"]) == {"district", "city"}
        assert shape(feature["geometry"]).is_valid
