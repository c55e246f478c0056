"""Street networks from local files: OpenStreetMap (.osm.pbf, .osm), GeoPackage, GeoJSON, segment CSV, Brinkhoff text.

Reads public street files only; a file whose geometry was derived from trips would carry those trips into every
product, and nothing here can notice that. Ways are split where they share a vertex; bridges that merely cross share
none. No file is fetched: everything is local. Speeds that a file lacks come from a public table of classes.

Sources: OpenStreetMap wiki, Key:oneway, Key:maxspeed (implied values); Brinkhoff 2002, A Framework for Generating
Network-Based Moving Objects (node and edge text files).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely

from anonkit.base.errors import SourceError
from anonkit.geo.networks import Network, Plane, network_from_streets

SPEED_OF_CLASS: Mapping[str, float] = {
    "motorway": 100.0,
    "motorway_link": 60.0,
    "trunk": 80.0,
    "trunk_link": 50.0,
    "primary": 50.0,
    "primary_link": 40.0,
    "secondary": 50.0,
    "secondary_link": 40.0,
    "tertiary": 40.0,
    "tertiary_link": 35.0,
    "unclassified": 35.0,
    "residential": 30.0,
    "living_street": 15.0,
    "service": 15.0,
    "road": 30.0,
    "cycleway": 16.0,
    "track": 15.0,
    "pedestrian": 5.0,
    "footway": 5.0,
    "path": 5.0,
    "steps": 3.0,
}
"""Public default speeds by OpenStreetMap class, km/h; a class that is not named here gets 30."""
DEFAULT_SPEED_KMH = 30.0

_DRIVE = frozenset(name for name, speed in SPEED_OF_CLASS.items() if speed >= 30.0) | {"living_street", "service"}
_CYCLE = (_DRIVE - {"motorway", "motorway_link", "trunk", "trunk_link"}) | {"cycleway", "track", "path"}
_WALK = (_CYCLE | {"pedestrian", "footway", "steps"}) - {"cycleway"}
CLASSES_OF_MODE: Mapping[str, frozenset[str]] = {"drive": _DRIVE, "cycle": _CYCLE, "walk": _WALK}
"""Street classes that may be used by car, bicycle or scooter, and on foot."""

_TAG = re.compile(r'"([^"]+)"=>"([^"]*)"')
_MICRO = 1e7  # vertices are the same when equal to 1e-7 degree, about 1 cm


def read_network(
    path: str | Path, *, mode: str = "drive", speed_of_class: Mapping[str, float] | None = None
) -> Network:
    """Read a street network from a local public file; the kind is told by the file's name.

    Parameters
    ----------
    path : ``.osm.pbf``, ``.osm``, ``.gpkg``, ``.geojson``/``.json``, ``.shp``; a segment table ``.csv`` with
        ``coordinates`` ([[lon, lat], …] as text) of one direction a row; or Brinkhoff's ``*_edge.txt`` beside
        ``*_node.txt``.
    mode : ``drive``, ``cycle``, ``walk`` or ``all``: which classes of an OpenStreetMap file are kept, and whether
        one-way signs bind (they do not on foot).
    speed_of_class : km/h by class, over the public defaults.

    Returns
    -------
    Network in a local plane around the middle of the file's own bounding box.

    Raises
    ------
    SourceError : unknown kind of file, no lines, or no street of the mode.

    Privacy
    -------
    Reads no trip. The plane's centre and the set of links come from the public file.
    """
    path = Path(path)
    if not path.exists():
        raise SourceError(f"There is no street file {path.name}.", hint="give the path of a local file.")
    if mode not in {*CLASSES_OF_MODE, "all"}:
        raise SourceError(f"Unknown mode {mode!r}.", hint="one of drive, cycle, walk, all.")
    speeds = {**SPEED_OF_CLASS, **(speed_of_class or {})}
    if path.name.endswith("_edge.txt"):
        return _brinkhoff(path, speeds)
    if path.suffix == ".csv":
        return _segments(path, speeds)
    if path.suffix in {".pbf", ".osm", ".gpkg", ".geojson", ".json", ".shp", ".fgb"}:
        layer = "lines" if path.suffix in {".pbf", ".osm"} else None
        frame = pyogrio.read_dataframe(path, layer=layer) if layer else pyogrio.read_dataframe(path)
        return network_from_ways(frame, mode=mode, speed_of_class=speeds, source=path.name)
    raise SourceError(
        f"{path.name} is no street file that is known here.",
        hint="use .osm.pbf, .osm, .gpkg, .geojson, a segment .csv, or Brinkhoff's *_edge.txt.",
    )


def network_from_ways(
    ways: gpd.GeoDataFrame, *, mode: str = "drive", speed_of_class: Mapping[str, float] | None = None, source: str = ""
) -> Network:
    """Turn a table of street lines into a network: split at shared vertices, one-way and speed read from the tags.

    Columns that are understood: ``highway`` or ``class``, ``oneway``, ``maxspeed``, ``junction``, and GDAL's
    ``other_tags``. Lines without a class keep the class ``street``.

    Privacy
    -------
    Reads no trip.

    Examples
    --------
    >>> cross = gpd.GeoDataFrame({"highway": ["primary", "residential"]}, geometry=shapely.from_wkt(
    ...     ["LINESTRING (0 0, 0.001 0, 0.002 0)", "LINESTRING (0.001 -0.001, 0.001 0, 0.001 0.001)"]), crs=4326)
    >>> net = network_from_ways(cross)
    >>> net.nodes, net.links, net.classes
    (5, 8, ('primary', 'residential'))
    """
    speeds = {**SPEED_OF_CLASS, **(speed_of_class or {})}
    if ways.crs is not None and not ways.crs.is_geographic:
        ways = ways.to_crs("EPSG:4326")
    ways = ways[ways.geometry.notna() & ~ways.geometry.is_empty].explode(index_parts=False, ignore_index=True)
    ways = ways[ways.geom_type == "LineString"].reset_index(drop=True)
    tags = _tags(ways)
    kept = tags["class"].isin(CLASSES_OF_MODE[mode]) if mode != "all" else tags["class"] != ""
    kept |= tags["class"] == "street"
    ways, tags = ways[kept.to_numpy()].reset_index(drop=True), tags[kept].reset_index(drop=True)
    if not len(ways):
        raise SourceError(f"{source or 'The table'} has no street for mode {mode!r}.", hint="try mode='all'.")

    xy, owner = shapely.get_coordinates(ways.geometry.array, return_index=True)
    repeated = np.r_[False, (owner[1:] == owner[:-1]) & (np.abs(np.diff(xy, axis=0)).max(axis=1) < 1 / _MICRO)]
    xy, owner = xy[~repeated], owner[~repeated]
    long_enough = np.bincount(owner, minlength=len(ways)) >= 2
    xy, owner = xy[long_enough[owner]], owner[long_enough[owner]]
    whole = np.round(xy * _MICRO).astype(np.int64)
    _, key, times = np.unique(whole[:, 0] * (1 << 32) + whole[:, 1], return_inverse=True, return_counts=True)
    first, last = np.r_[True, owner[1:] != owner[:-1]], np.r_[owner[1:] != owner[:-1], True]
    cut = first | last | (times[key] > 1)

    begins = np.flatnonzero(cut & ~last)  # every piece runs from one cut to the next on the same way
    stops = np.flatnonzero(cut & ~first)
    count = stops - begins + 1
    offset = np.concatenate([[0], np.cumsum(count)])
    taken = np.arange(offset[-1]) - np.repeat(offset[:-1], count) + np.repeat(begins, count)
    way = owner[begins]
    plane = _plane(xy)
    x, y = plane.to_metres(xy[taken, 0], xy[taken, 1])
    names = tags["class"].to_numpy()[way]
    limit = tags["maxspeed"].to_numpy(dtype=float)[way]
    default = np.array([speeds.get(name, DEFAULT_SPEED_KMH) for name in names])
    return network_from_streets(
        shape_x=x,
        shape_y=y,
        shape_count=count,
        node_start=key[begins],
        node_end=key[stops],
        forward=(tags["direction"].to_numpy()[way] >= 0) | (mode == "walk"),
        backward=(tags["direction"].to_numpy()[way] <= 0) | (mode == "walk"),
        speed_kmh=np.where(np.isfinite(limit), limit, default),
        street_class=names.tolist(),
        plane=plane,
        source=source,
    )


def _plane(lon_lat: np.ndarray) -> Plane:
    low, high = lon_lat.min(axis=0), lon_lat.max(axis=0)
    centre = np.round((low + high) / 2, 3)
    return Plane(centre_lon=float(centre[0]), centre_lat=float(centre[1]))


def _tags(ways: gpd.GeoDataFrame) -> pd.DataFrame:
    """Class, direction (1 forward, −1 against the drawn line, 0 both) and maxspeed in km/h (or NaN), a way."""
    found: dict[str, pd.Series] = {}
    other = ways["other_tags"].fillna("") if "other_tags" in ways else pd.Series([""] * len(ways))
    parsed = [dict(_TAG.findall(text)) for text in other.tolist()]
    for name in ("oneway", "maxspeed", "junction"):
        own = ways[name].astype(object) if name in ways else pd.Series([None] * len(ways), dtype=object)
        spare = pd.Series([row.get(name) for row in parsed], dtype=object)
        found[name] = own.where(own.notna(), spare).fillna("").astype(str).str.lower()
    column = next((name for name in ("highway", "class", "fclass") if name in ways), None)
    classes = ways[column].astype(object).fillna("").astype(str) if column else pd.Series(["street"] * len(ways))
    oneway = found["oneway"]
    direction = np.where(oneway.isin(["yes", "1", "true", "1.0"]), 1, np.where(oneway.isin(["-1", "reverse"]), -1, 0))
    implied = (oneway == "") & (found["junction"].isin(["roundabout", "circular"]) | (classes == "motorway"))
    number = pd.to_numeric(found["maxspeed"].str.extract(r"^(\d+(?:\.\d+)?)")[0], errors="coerce")
    mph = found["maxspeed"].str.contains("mph")
    return pd.DataFrame(
        {
            "class": classes,
            "direction": np.where(implied, 1, direction),
            "maxspeed": number.where(number > 0) * np.where(mph, 1.609344, 1.0),
        }
    )


def _segments(path: Path, speeds: Mapping[str, float]) -> Network:
    """A segment table: ``coordinates`` as JSON text, one direction a row, ``highway`` an optional class."""
    table = pd.read_csv(path)
    if "coordinates" not in table:
        raise SourceError(f"{path.name} lacks the column 'coordinates'.", hint="one line a row, as [[lon, lat], …].")
    shapes = [np.asarray(json.loads(text), dtype=float)[:, :2] for text in table["coordinates"]]
    xy = np.vstack(shapes)
    count = np.array([len(shape) for shape in shapes])
    offset = np.concatenate([[0], np.cumsum(count)])
    whole = np.round(xy * _MICRO).astype(np.int64)
    key = whole[:, 0] * (1 << 32) + whole[:, 1]
    plane = _plane(xy)
    x, y = plane.to_metres(xy[:, 0], xy[:, 1])
    names = table["highway"].astype(str).tolist() if "highway" in table else ["street"] * len(table)
    always = np.ones(len(table), dtype=bool)
    return network_from_streets(
        shape_x=x,
        shape_y=y,
        shape_count=count,
        node_start=key[offset[:-1]],
        node_end=key[offset[1:] - 1],
        forward=always,
        backward=~always,
        speed_kmh=[speeds.get(name, DEFAULT_SPEED_KMH) for name in names],
        street_class=names,
        plane=plane,
        source=path.name,
    )


def _brinkhoff(path: Path, speeds: Mapping[str, float]) -> Network:
    """Node file ``id x y`` in metres and edge file ``id node node class``; every edge may be driven both ways."""
    nodes_path = path.with_name(path.name.replace("_edge.txt", "_node.txt"))
    if not nodes_path.exists():
        raise SourceError(f"{nodes_path.name} is missing beside {path.name}.", hint="keep both files in one folder.")
    nodes = pd.read_csv(nodes_path, sep=r"\s+", header=None, usecols=[0, 1, 2]).to_numpy()
    edges: Any = pd.read_csv(path, sep=r"\s+", header=None, usecols=[1, 2, 3])
    edges = edges[edges[1] != edges[2]].to_numpy()
    order = np.argsort(nodes[:, 0])
    ids = nodes[order, 0]
    ends = np.searchsorted(ids, edges[:, :2])
    if (ends >= len(ids)).any() or (ids[np.minimum(ends, len(ids) - 1)] != edges[:, :2]).any():
        raise SourceError(f"{path.name} names nodes that {nodes_path.name} lacks.", hint="use the pair of one network.")
    xy = nodes[order, 1:][ends].astype(float)
    names = [str(value) for value in edges[:, 2]]
    always = np.ones(len(edges), dtype=bool)
    return network_from_streets(
        shape_x=xy[:, :, 0].ravel(),
        shape_y=xy[:, :, 1].ravel(),
        shape_count=np.full(len(edges), 2),
        node_start=edges[:, 0],
        node_end=edges[:, 1],
        forward=always,
        backward=always,
        speed_kmh=[speeds.get(name, DEFAULT_SPEED_KMH) for name in names],
        street_class=names,
        plane=Plane(),
        source=path.name,
    )
