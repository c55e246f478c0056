"""Read a public file of zones: ids and parents as text, polygons in degrees where there are any.

Ids are text, whatever the file says, so that a leading zero survives and 12.0 is 12. Nothing is guessed: a missing column
or a shape that is no polygon is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anonkit.base.errors import SchemaError


def read_zones(path: Path, names: tuple[str, ...]) -> Any:
    """A frame of ``names`` (text, None where empty) and, with shapes, ``geometry`` in EPSG:4326.

    Raises
    ------
    SchemaError : no such file, unreadable, a column is missing, a shape is no polygon.
    """
    import geopandas as gpd
    import pandas as pd

    if not path.is_file():
        raise SchemaError(f"there is no file of zones {path.name}", hint="check the recipe's geo.zones.path")
    try:
        if path.suffix in (".csv", ".txt"):
            frame: Any = pd.read_csv(path, dtype=str, encoding="utf-8-sig")
        else:
            frame = gpd.read_parquet(path) if path.suffix == ".parquet" else gpd.read_file(path)
    except (ValueError, OSError, RuntimeError) as error:
        raise SchemaError(
            f"{path.name} is not a readable file of zones", hint="give GeoJSON, GeoPackage, GeoParquet or CSV"
        ) from error
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise SchemaError(f"{path.name} lacks the columns {missing}", hint=f"it has {list(frame.columns)}")
    shapes = isinstance(frame, gpd.GeoDataFrame)
    if shapes:
        frame = frame.set_geometry(frame.geometry.rename("geometry")) if frame.geometry.name != "geometry" else frame
        if frame.crs is not None and frame.crs.to_epsg() != 4326:
            frame = frame.to_crs(4326)
        kinds = sorted(set(frame.geometry.geom_type.fillna("nothing")) - {"Polygon", "MultiPolygon"})
        if kinds:
            raise SchemaError(f"{path.name} holds {kinds} among its zones", hint="give polygons only")
        frame["geometry"] = frame.geometry.make_valid()
    frame = frame[[*names, *(["geometry"] if shapes else [])]].copy()
    for name in names:
        frame[name] = [None if pd.isna(value) else _text(value) for value in frame[name]]
    return frame


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
