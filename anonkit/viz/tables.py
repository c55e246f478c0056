"""Columns and shapes out of whatever table a figure was given: pandas, GeoDataFrame, narwhals, Arrow, ``ak.Table``.

Figures take tables, never result classes. Nothing here prints rows; a figure shows what its table holds, so a figure of
raw cells is as raw as they are and stays inside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from anonkit.base.errors import SchemaError


def as_pandas(table: Any) -> pd.DataFrame:
    """The table as a pandas frame (a GeoDataFrame stays one)."""
    if isinstance(table, pd.DataFrame):
        return table
    if hasattr(table, "to_pandas"):
        return table.to_pandas()
    try:
        frame: Any = nw.from_native(table)
    except TypeError:
        raise SchemaError(
            f"a figure cannot be drawn from a {type(table).__name__}",
            hint="give a pandas, GeoPandas, Arrow or narwhals table",
        ) from None
    return (frame.collect() if isinstance(frame, nw.LazyFrame) else frame).to_pandas()


def require(frame: pd.DataFrame, *names: str) -> None:
    """Raise ``SchemaError`` unless all columns are there."""
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise SchemaError(
            f"the table of this figure lacks the columns {missing}; it has {[str(name) for name in frame.columns]}",
            hint="name them: value='trips', cell='start_cell', …",
        )


def summed(frame: pd.DataFrame, by: Sequence[str], value: str | None) -> pd.DataFrame:
    """Sum of ``value`` (or the number of rows, where it is None) for each key; columns ``by`` and ``value``."""
    require(frame, *by, *([value] if value else []))
    plain = pd.DataFrame({name: frame[name].to_numpy() for name in by})
    plain["value"] = frame[value].to_numpy(dtype=float) if value else 1.0
    return pd.DataFrame(plain.groupby(list(by), sort=True, dropna=False)["value"].sum().reset_index())


def polygons_of(codes: np.ndarray, table: Any, shapes: Any, cell: str) -> np.ndarray:
    """The polygon of each code, from ``shapes``: a GeoDataFrame or a function; else from the table itself.

    Raises
    ------
    SchemaError : no shapes anywhere, or none for some of the codes.
    """
    found = shapes if shapes is not None else _own_shapes(table)
    if found is None:
        raise SchemaError(
            "this map has no shapes",
            hint="give shapes=grid.polygons, shapes=release.zones(level), or a GeoDataFrame",
        )
    if hasattr(found, "polygons"):
        found = found.polygons
    if isinstance(found, Callable):  # type: ignore[arg-type]
        return np.asarray(found(codes))
    key = cell if cell in found.columns else "cell"
    require(found, key)
    lookup = dict(zip(found[key], found.geometry, strict=True))
    lost = sum(code not in lookup for code in codes)
    if lost:
        raise SchemaError(f"{lost} of {len(codes)} codes have no shape", hint="give shapes of the same level")
    return np.array([lookup[code] for code in codes], dtype=object)


def _own_shapes(table: Any) -> Any:
    if hasattr(table, "geometry") and hasattr(table, "crs"):
        return table
    return getattr(table, "shapes", None)


def outline_of(area: Any) -> Any:
    """One shapely geometry of the public area, from a GeoDataFrame, a geometry or a file; None stays None."""
    if area is None:
        return None
    if isinstance(area, str | Path):
        import geopandas as gpd

        area = gpd.read_file(area)
    return area.geometry.union_all() if hasattr(area, "geometry") and hasattr(area, "crs") else area
