"""Lookup in a raster gives the zones of exact location, point for point: borders, corners, holes, overlaps, real points."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pytest
import shapely
from anonkit.engine import Session
from anonkit.geo import Zones
from anonkit.geo import zones as module
from anonkit.geo.zones_raster import OPEN, ZoneRaster
from hypothesis import given, settings
from hypothesis import strategies as st

BOX = (-8.72, 41.08, -8.50, 41.26)


def city(seeds: list[tuple[float, float]], *, wave: float = 0.0, box: tuple[float, ...] = BOX) -> np.ndarray:
    """Zones nearest to some seeds, with bent borders that neighbours share."""
    west, south, east, north = box
    width, height = east - west, north - south
    points = shapely.MultiPoint([(west + x * width, south + y * height) for x, y in seeds])
    found = shapely.get_parts(shapely.voronoi_polygons(points, extend_to=shapely.box(*box)))
    found = shapely.segmentize(shapely.intersection(found, shapely.box(*box)), width / 200)

    def bend(at: np.ndarray) -> np.ndarray:
        x, y = (at[:, 0] - west) / width, (at[:, 1] - south) / height
        return np.stack([at[:, 0] + wave * width * np.sin(40 * y), at[:, 1] + wave * height * np.sin(40 * x)], 1)

    return np.asarray(shapely.transform(found, bend))


def exact(shapes: np.ndarray) -> Any:
    """First polygon that a point lies in or on, one by one by GEOS, without tree or raster."""

    def find(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        found = np.full(len(x), -1, dtype=np.int64)
        for number in reversed(range(len(shapes))):
            found[shapely.intersects(shapes[number], shapely.points(x, y))] = number
        return found

    return find


def probes(shapes: np.ndarray, seed: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Points anywhere, on corners, on borders, and a hair beside them."""
    rng = np.random.default_rng(seed)
    west, south, east, north = shapely.total_bounds(shapes)
    anywhere = np.stack([rng.uniform(west - 0.01, east + 0.01, size), rng.uniform(south - 0.01, north + 0.01, size)], 1)
    corners = shapely.get_coordinates(shapes)
    corners = corners[rng.integers(0, len(corners), size)]
    lines = shapely.get_parts(shapely.boundary(shapes))
    line = lines[rng.integers(0, len(lines), size)]
    on = shapely.get_coordinates(shapely.line_interpolate_point(line, rng.uniform(0, 1, size), normalized=True))
    beside = np.nextafter(on, rng.choice([-np.inf, np.inf], on.shape))
    near = on + rng.normal(0, 1e-4, on.shape)
    odd = np.array([[np.nan, 41.1], [-8.6, np.nan], [np.inf, 41.1], [west, south], [east, north], [181.0, 95.0]])
    return tuple(np.concatenate([anywhere, corners, on, beside, near, odd]).T)


@settings(max_examples=40)
@given(
    seeds=st.lists(st.tuples(st.floats(0.02, 0.98), st.floats(0.02, 0.98)), min_size=2, max_size=25, unique=True),
    wave=st.sampled_from([0.0, 0.01, 0.05]),
    gone=st.integers(0, 3),
    grown=st.sampled_from([0.0, 1e-4, 5e-3]),
    cells=st.sampled_from([1, 7, 300, 20_000]),
    seed=st.integers(0, 10**6),
)
def test_lookup_and_geometry_agree_on_every_point(
    seeds: list[tuple[float, float]], wave: float, gone: int, grown: float, cells: int, seed: int
) -> None:
    """Zones may be missing (holes) or grown over their neighbours (overlaps), and the raster as coarse as one cell."""
    shapes = city(seeds, wave=wave)
    shapes = shapely.buffer(shapes, grown) if grown else shapes
    shapes = shapes[shapely.area(shapes) > 0][gone:] if len(shapes) > gone + 1 else shapes
    truth = exact(shapes)
    raster = ZoneRaster.build(shapes, truth, cells=cells)
    x, y = probes(shapes, seed, 150)
    whole = np.isfinite(x) & np.isfinite(y)
    expected = np.full(len(x), -1)
    expected[whole] = truth(x[whole], y[whole])
    assert raster.find(x, y).tolist() == expected.tolist()


def test_a_multipolygon_with_a_hole_keeps_both(tmp_path: Path) -> None:
    ring = shapely.difference(shapely.box(0, 0, 1, 1), shapely.box(0.4, 0.4, 0.6, 0.6))
    shapes = np.array([shapely.union(ring, shapely.box(2, 0, 3, 1)), shapely.box(1.2, 0, 1.8, 1)])
    raster = ZoneRaster.build(shapes, exact(shapes), cells=10_000)
    x = np.array([0.2, 0.5, 1.1, 1.5, 2.5, 0.4])
    assert raster.find(x, np.full(6, 0.5)).tolist() == [0, -1, -1, 1, 0, 0]
    assert raster.open_share < 0.2


def test_twin_with_gaps_in_the_open_border_answers_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the margin, and with every third border cell trusted, patches run into each other; the comparison sees it."""
    from scipy import ndimage

    shapes = city([(0.3, 0.3), (0.7, 0.6), (0.2, 0.8)], wave=0.05)
    monkeypatch.setattr(
        ndimage, "binary_dilation", lambda mask, structure: mask & (np.indices(mask.shape).sum(0) % 3 > 0)
    )
    raster = ZoneRaster.build(shapes, exact(shapes), cells=400)
    x, y = (part[:900] for part in probes(shapes, 1, 900))
    assert (raster.find(x, y) != exact(shapes)(x, y)).any()


def zones_of(shapes: np.ndarray, folder: Path) -> Zones:
    frame = gpd.GeoDataFrame({"zone": [f"z{n:04d}" for n in range(len(shapes))]}, geometry=list(shapes), crs=4326)
    frame.to_parquet(folder / "zones.parquet")
    return Zones(path=folder / "zones.parquet", id="zone")


def test_zones_use_the_raster_for_many_points_and_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    zones = zones_of(city([tuple(pair) for pair in rng.uniform(0.01, 0.99, (60, 2))], wave=0.004), tmp_path)
    x, y = probes(zones._coded.geometry.to_numpy(), 5, 2_000)
    few = zones.find(x, y)
    assert "_raster" not in vars(zones)
    monkeypatch.setattr(module, "MANY", 1)
    assert zones.find(x, y).tolist() == few.tolist()
    assert vars(zones)["_raster"] is not None
    assert zones._raster is not None
    assert zones._raster.zone.nbytes <= 4 * (1 << 22)
    assert (zones._raster.zone == OPEN).mean() < 0.1


def test_the_engine_gives_the_same_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MANY", 5_000)
    rng = np.random.default_rng(4)
    zones = zones_of(city([tuple(pair) for pair in rng.uniform(0.01, 0.99, (30, 2))], wave=0.004), tmp_path)
    x, y = probes(zones._coded.geometry.to_numpy(), 6, 3_000)
    table = pa.table({"n": np.arange(len(x)), "x": x, "y": y})
    with Session(threads=2) as session:
        located = zones.locate(session.from_arrow(table), session, {"cell": ("x", "y")})
        found = session.collect(located).sort_by("n").column("cell").fill_null(-1).to_pylist()
    assert found == zones.find(x, y).tolist()
    assert vars(zones)["_raster"] is not None


@pytest.mark.real
def test_real_points_of_porto_lie_where_geometry_says(real_data: Path, tmp_path: Path) -> None:
    import pandas as pd

    lines = pd.read_csv(real_data / "porto_taxi" / "trips.csv", usecols=["POLYLINE"])["POLYLINE"]
    points = np.array([point for line in lines for point in json.loads(line)])
    assert len(points) > 40_000
    rng = np.random.default_rng(7)
    zones = zones_of(city([tuple(pair) for pair in rng.uniform(0.01, 0.99, (200, 2))], wave=0.004), tmp_path)
    found = zones.find(points[:, 0], points[:, 1])
    assert "_raster" in vars(zones)
    at = zones._exact(points[:, 0], points[:, 1])
    assert found.tolist() == np.where(at < 0, -1, zones.cells()[at]).tolist()
    assert 0.9 < (found >= 0).mean() <= 1
