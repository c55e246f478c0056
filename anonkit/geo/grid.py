"""A nested grid of integer cells over a public area.

Coordinates become micro-degrees (integers), cells are their integer quotients, a coarser level halves row and column;
so levels nest exactly, and every engine and every recount agrees to the last cell. A cell's code can be read by eye:
``level·10¹⁴ + row·10⁷ + column``; it stays below 2⁵³, so no reader of CSV or JSON rounds it.

The area is a public file, never the extent of the trips (ruling 18). Cells are squares in metres only at the grid's
latitude; away from it they grow narrower (a cell of a city differs by well under one per cent).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from anonkit.base.errors import PrivacyLeakError, SchemaError
from anonkit.engine import Session, sha256_of

if TYPE_CHECKING:
    import geopandas as gpd

METRES_A_DEGREE = 111_320
MICRO = 1_000_000
LEVEL, ROW = 10**14, 10**7
MAX_CELLS = 5_000_000


class AreaPairs(np.ndarray):
    """Pairs of cells that know the public area they were made from; what is computed from them knows it no more.

    >>> pairs = np.zeros((4, 2), np.int64).view(AreaPairs)
    >>> pairs.grid = "an area"
    >>> pairs[:2].grid is None
    True
    """

    grid: Any = None
    """The grid whose area has been paired."""
    level: int = 0

    def __array_finalize__(self, made_from: Any) -> None:
        self.grid, self.level = None, 0


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Square cells of ``cell_m`` metres at ``latitude``, with coarser levels of 2, 4, 8, … times the side.

    >>> grid = Grid(cell_m=500, latitude=40.4)
    >>> grid.code(49.867, 40.409)
    290310038973
    >>> grid.parent(290310038973, 1), grid.side_m(1)
    (100145150019486, 1000)
    """

    cell_m: int
    latitude: float
    area: Path | str | None = None
    """GeoJSON or GeoPackage with the public polygon(s) that the release is about."""
    levels: int = 6
    """Number of levels, the finest included."""

    def __post_init__(self) -> None:
        if self.cell_m < 25:
            raise SchemaError(
                f"cell_m is {self.cell_m}", hint="cells of less than 25 m are no generalisation; use 100 or more"
            )
        if not -85 < self.latitude < 85:
            raise SchemaError(f"latitude is {self.latitude}", hint="give the city's latitude in degrees")
        if not 1 <= self.levels <= 12:
            raise SchemaError(f"levels is {self.levels}", hint="between 1 and 12")
        if self.area is not None and not isinstance(self.area, str | Path):
            raise PrivacyLeakError(
                "the grid's area is not a file",
                hint="declare a public file; an extent taken from the trips leaks (ruling 18)",
            )

    # --- sizes --------------------------------------------------------------------------------------------------

    @property
    def lat_step(self) -> int:
        """Height of a base cell in micro-degrees."""
        return round(self.cell_m / METRES_A_DEGREE * MICRO)

    @property
    def lon_step(self) -> int:
        """Width of a base cell in micro-degrees."""
        return round(self.cell_m / (METRES_A_DEGREE * math.cos(math.radians(self.latitude))) * MICRO)

    def side_m(self, level: int) -> int:
        """Side of a cell at a level, metres."""
        return int(self.cell_m * 2**level)

    @property
    def has_shapes(self) -> bool:
        """Whether cells are polygons: always."""
        return True

    def level_of(self, cell_m: int) -> int:
        """The level whose cells have side ``cell_m``.

        Raises
        ------
        SchemaError : it is not ``self.cell_m`` times 1, 2, 4, … within ``levels``.
        """
        sides = [self.side_m(level) for level in range(self.levels)]
        if cell_m not in sides:
            raise SchemaError(f"there are no cells of {cell_m} m in this grid", hint=f"its levels are {sides} m")
        return sides.index(cell_m)

    def level_name(self, level: int) -> str:
        """What a level is called in schema and report."""
        return f"{self.side_m(level)} m"

    def file_name(self, level: int) -> str:
        """Name of the level's table in a bundle."""
        return f"cells_{self.side_m(level)}m"

    # --- codes --------------------------------------------------------------------------------------------------

    def code(self, lon: float, lat: float) -> int:
        """The base cell of a point."""
        row = (math.floor(lat * MICRO + 0.5) + 90 * MICRO) // self.lat_step
        column = (math.floor(lon * MICRO + 0.5) + 180 * MICRO) // self.lon_step
        return row * ROW + column

    def parent(self, cell: int, level: int) -> int:
        """The cell at ``level`` that contains a base cell."""
        row, column = cell % LEVEL // ROW, cell % ROW
        return level * LEVEL + (row >> level) * ROW + (column >> level)

    def cell(self, lon: nw.Expr, lat: nw.Expr) -> nw.Expr:
        """Base cells of columns of coordinates, on any engine."""
        row = ((lat * MICRO + 0.5).floor().cast(nw.Int64) + 90 * MICRO) // self.lat_step
        column = ((lon * MICRO + 0.5).floor().cast(nw.Int64) + 180 * MICRO) // self.lon_step
        return row * ROW + column

    def locate(
        self, frame: nw.LazyFrame[Any], session: Session, points: Mapping[str, tuple[str, str]]
    ) -> nw.LazyFrame[Any]:
        """Add a column of base cells for each name → (column of longitudes, column of latitudes)."""
        return frame.with_columns(
            *(self.cell(nw.col(lon), nw.col(lat)).alias(name) for name, (lon, lat) in points.items())
        )

    def coarsen(self, cell: nw.Expr, level: int, *, finer: int = 0) -> nw.Expr:
        """Cells at ``level`` of a column of cells at level ``finer``, base cells by default."""
        if level == finer:
            return cell
        row, column, factor = cell % LEVEL // ROW, cell % ROW, 2 ** (level - finer)
        return (row // factor) * ROW + column // factor + level * LEVEL

    # --- the public area ----------------------------------------------------------------------------------------

    @cached_property
    def _polygon(self) -> Any:
        import geopandas as gpd
        import shapely

        if self.area is None:
            raise SchemaError(
                "this grid has no area", hint="name a public file: Grid(..., area='data/areas/baku.geojson')"
            )
        path = Path(self.area)
        if not path.is_file():
            raise SchemaError(f"there is no area file {path.name}", hint="check the recipe's geo.area")
        try:
            frame = gpd.read_file(path)
        except (OSError, RuntimeError, ValueError) as error:
            raise SchemaError(f"{path.name} is no readable map", hint="give GeoJSON or GeoPackage") from error
        if not isinstance(frame, gpd.GeoDataFrame):
            raise SchemaError(f"{path.name} holds no polygon", hint="give the area as one or more polygons")
        if frame.crs is not None and frame.crs.to_epsg() != 4326:
            frame = frame.to_crs(4326)
        polygon = frame.geometry.union_all()
        if polygon.is_empty or polygon.geom_type not in ("Polygon", "MultiPolygon"):
            raise SchemaError(f"{path.name} holds no polygon", hint="give the area as one or more polygons")
        shapely.prepare(polygon)
        return polygon

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) of the area, degrees."""
        return tuple(float(edge) for edge in self._polygon.bounds)  # type: ignore[return-value]

    @property
    def area_sha256(self) -> str:
        """Hash of the area's file, for the report and for public keys."""
        return sha256_of(Path(str(self.area)))

    def cells(self, level: int = 0) -> np.ndarray:
        """Codes (int64, ascending) of all cells at ``level`` that overlap the public area.

        Public: made from the area's file alone.
        """
        base = self._base_cells
        return np.unique(_parents(base, level)) if level else base

    @cached_property
    def _base_cells(self) -> np.ndarray:
        import shapely

        west, south, east, north = self.box
        low, high = self.code(west, south), self.code(east, north)
        rows = np.arange(low // ROW, high // ROW + 1, dtype=np.int64)
        columns = np.arange(low % ROW, high % ROW + 1, dtype=np.int64)
        if len(rows) * len(columns) > MAX_CELLS:
            raise SchemaError(
                f"the area has {len(rows) * len(columns):,} cells of {self.cell_m} m",
                hint="use larger cells or a smaller area",
            )
        codes = (rows[:, None] * ROW + columns[None, :]).ravel()
        shared = shapely.area(shapely.intersection(self.polygons(codes), self._polygon))
        return codes[shared > 0]

    def pairs(self, level: int = 0) -> AreaPairs:
        """All ordered pairs (origin, destination) of the area's cells, shape (n², 2); public, and knowing it."""
        cells = self.cells(level)
        found = np.stack(np.meshgrid(cells, cells, indexing="ij"), -1).reshape(-1, 2).view(AreaPairs)
        found.grid, found.level = self, level
        found.setflags(write=False)
        return found

    def polygons(self, codes: np.ndarray) -> np.ndarray:
        """Shapely boxes of cells of any level, aligned to ``codes``."""
        import shapely

        codes = np.asarray(codes, dtype=np.int64)
        factor = 2 ** (codes // LEVEL)
        row, column = codes % LEVEL // ROW, codes % ROW
        south = (row * factor * self.lat_step - 90 * MICRO) / MICRO
        north = ((row + 1) * factor * self.lat_step - 90 * MICRO) / MICRO
        west = (column * factor * self.lon_step - 180 * MICRO) / MICRO
        east = ((column + 1) * factor * self.lon_step - 180 * MICRO) / MICRO
        return np.asarray(shapely.box(west, south, east, north))

    def centres(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Longitude and latitude of the centres of cells."""
        codes = np.asarray(codes, dtype=np.int64)
        factor = 2.0 ** (codes // LEVEL)
        row, column = codes % LEVEL // ROW, codes % ROW
        lat = ((row + 0.5) * factor * self.lat_step - 90 * MICRO) / MICRO
        lon = ((column + 0.5) * factor * self.lon_step - 180 * MICRO) / MICRO
        return lon, lat

    def to_geodataframe(self, level: int = 0) -> gpd.GeoDataFrame:
        """The area's cells with their polygons."""
        import geopandas as gpd

        codes = self.cells(level)
        return gpd.GeoDataFrame({"cell": codes}, geometry=self.polygons(codes), crs="EPSG:4326")

    def dictionary(self, level: int = 0) -> gpd.GeoDataFrame:
        """What a recipient gets: ``cell, lon, lat, geometry`` of all cells of the area."""
        frame = self.to_geodataframe(level)
        lon, lat = self.centres(frame["cell"].to_numpy())
        frame.insert(1, "lon", lon.round(6))
        frame.insert(2, "lat", lat.round(6))
        return frame

    def report(self) -> dict[str, Any]:
        """What a reviewer reads of the tessellation; inside."""
        return {**self.as_dict(), "sha256": self.area_sha256, "cells": len(self.cells())}

    def level_dict(self, level: int) -> dict[str, Any]:
        """A level, for the bundle's description."""
        return {"cell_m": self.side_m(level)}

    def as_dict(self) -> dict[str, Any]:
        """For the bundle's description."""
        return {"kind": "grid", "cell_m": self.cell_m, "latitude": self.latitude}

    def describe(self) -> str:
        """One line for schema and report."""
        return f"grid of {self.cell_m} m at latitude {self.latitude}"


def _parents(cells: np.ndarray, level: int) -> np.ndarray:
    row, column = cells % LEVEL // ROW, cells % ROW
    return np.asarray(level * LEVEL + (row >> level) * ROW + (column >> level))
