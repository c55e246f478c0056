"""Sensitive places are coarsened before anything is counted (ruling 32).

A clinic, a house of worship, a shelter, an embassy or a home charger says something about whoever goes there. A public list
names such places; every block of a coarse level that a place (with its radius) touches is told as one: all its base cells
become one base cell, which stands for the block at every finer level. That is a partition of the base cells, made before
counting and from public files alone, so levels nest as before, products subtract as before, and no number of any product
tells the parts of a block apart. The bundle's table of cells shows the block's polygon under that one code.

Source: ruling 32. Does not protect places that are on no list, nor trips that a person makes to a whole block: k does.
That a block is told coarsely says that some listed place is in it; the list is public.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa

from anonkit.base.errors import SchemaError, SourceError
from anonkit.engine import Session, sha256_of
from anonkit.geo.grid import METRES_A_DEGREE
from anonkit.geo.zones import Tessellation, Zones


@dataclass(frozen=True, kw_only=True)
class SensitivePlaces:
    """A public list of sensitive places, and how coarsely cells near them are told."""

    path: Path
    """CSV with ``lon, lat`` and, if it differs, ``radius_m`` (or with ``zone``, an id of the tessellation's zones); or GeoJSON."""
    level: int
    """Level of the tessellation whose blocks are told as one."""
    radius_m: float
    """How far around a place its neighbourhood reaches, metres, where the list does not say."""

    def __post_init__(self) -> None:
        if self.level < 1:
            raise SchemaError(
                "sensitive places are coarsened to the finest cells: that is not coarser", hint="name a coarser level"
            )
        if not 0 <= self.radius_m <= 5_000:
            raise SchemaError(f"the radius of sensitive places is {self.radius_m} m", hint="between 0 and 5000")

    @cached_property
    def sha256(self) -> str:
        """Hash of the list's file."""
        return sha256_of(self.path)

    @cached_property
    def places(self) -> tuple[tuple[Any, float], ...]:
        """Shapes (degrees; text: a zone's id) and radii in metres.

        Raises
        ------
        SourceError : the list cannot be read, or names nothing.
        """
        if not self.path.is_file():
            raise SourceError(f"there is no list {self.path.name}", hint="check sensitive_places.path")
        try:
            found = self._features() if self.path.suffix.lower() in (".json", ".geojson") else self._lines()
        except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SourceError(
                f"{self.path.name} is no readable list of places",
                hint="CSV with lon, lat (or zone), or GeoJSON in degrees",
            ) from error
        if not found:
            raise SourceError(f"{self.path.name} names no place", hint="leave sensitive_places out, or give the list")
        return tuple(found)

    def _lines(self) -> list[tuple[Any, float]]:
        import shapely

        with self.path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.DictReader(file))
        found: list[tuple[Any, float]] = []
        for line in lines:
            radius = float(line.get("radius_m") or self.radius_m)
            if line.get("zone"):
                found.append((line["zone"], radius))
                continue
            lon, lat = float(line["lon"]), float(line["lat"])
            if not (-180 <= lon <= 180 and -90 <= lat <= 90 and radius >= 0):
                raise ValueError("not in degrees")
            found.append((shapely.Point(lon, lat), radius))
        return found

    def _features(self) -> list[tuple[Any, float]]:
        import shapely
        from shapely.geometry import shape

        features = json.loads(self.path.read_text(encoding="utf-8"))["features"]
        found = []
        for feature in features:
            given = shape(feature["geometry"])
            if given.is_empty or not shapely.is_valid(given) or max(map(abs, given.bounds)) > 180:
                raise ValueError("a shape is empty, crosses itself or is not in degrees")
            found.append((given, float((feature.get("properties") or {}).get("radius_m") or self.radius_m)))
        return found

    def touched(self, grid: Tessellation) -> np.ndarray:
        """Base cells of the public area that lie within a place's radius.

        Raises
        ------
        SchemaError : no place of the list lies in the area: the list or the area is the wrong one.
        """
        cells = grid.cells()
        zones = [text for text, _ in self.places if isinstance(text, str)]
        if zones and not isinstance(grid, Zones):
            raise SchemaError(f"{self.path.name} names zones, but the recipe has a grid", hint="give lon and lat")
        found = {grid.code_of(zone) for zone in zones} if isinstance(grid, Zones) else set()
        shapes = [(shape, radius) for shape, radius in self.places if not isinstance(shape, str)]
        if shapes:
            if not grid.has_shapes:
                raise SchemaError(
                    f"{self.path.name} gives coordinates, but the zones have no shapes", hint="give zone ids"
                )
            found |= self._near(cells, grid.polygons(cells), shapes)
        if not found:
            raise SchemaError(
                f"no place of {self.path.name} lies in the public area", hint="is it the list of this city?"
            )
        return np.array(sorted(found), np.int64)

    @staticmethod
    def _near(cells: np.ndarray, polygons: np.ndarray, shapes: list[tuple[Any, float]]) -> set[int]:
        import shapely

        middle = shapely.total_bounds(polygons)[[1, 3]].mean()
        scale = np.array([METRES_A_DEGREE * np.cos(np.radians(middle)), METRES_A_DEGREE])
        tree = shapely.STRtree(shapely.transform(polygons, lambda points: points * scale))
        found: set[int] = set()
        for shape, radius in shapes:
            near = tree.query(
                shapely.transform(shape, lambda points: points * scale), predicate="dwithin", distance=radius
            )
            found |= {int(cell) for cell in cells[near]}
        return found

    def stands_for(self, grid: Tessellation) -> tuple[np.ndarray, np.ndarray]:
        """Base cells of all blocks, and the one base cell that stands for each: the block's first without a place."""
        if self.level >= grid.levels:
            raise SchemaError(f"the tessellation has no level {self.level}", hint=f"it has {grid.levels} levels")
        cells, touched = grid.cells(), self.touched(grid)
        block = np.array([grid.parent(int(cell), self.level) for cell in cells], np.int64)
        blocks = np.unique([grid.parent(int(cell), self.level) for cell in touched])
        inside = np.isin(block, blocks)
        members, owner = cells[inside], block[inside]
        order = np.lexsort((members, np.isin(members, touched), owner))
        first = np.searchsorted(owner[order], blocks)
        return members, members[order][first][np.searchsorted(blocks, owner)]

    def coarsened(self, frame: nw.LazyFrame[Any], grid: Tessellation, session: Session) -> nw.LazyFrame[Any]:
        """The rows with each sensitive block told as one base cell, starts and ends alike.

        Privacy
        -------
        Afterwards no count of any level tells the cells of a block apart. Public files only: spends nothing.
        """
        members, standing = self.stands_for(grid)
        for end in ("start_cell", "end_cell"):
            listed = session.from_arrow(pa.table({f"_{end}": members, "_stands": standing}))
            frame = frame.join(listed, left_on=end, right_on=f"_{end}", how="left")
            stands = nw.when(~nw.col("_stands").is_null()).then(nw.col("_stands")).otherwise(nw.col(end))
            frame = frame.with_columns(stands.alias(end)).drop("_stands")
        return frame

    def dictionary(self, grid: Tessellation, level: int) -> Any:
        """`grid.dictionary` in which each block has one row, with the block's polygon under the code that stands for it."""
        frame = grid.dictionary(level)
        if level >= self.level:
            return frame
        members, standing = self.stands_for(grid)
        own, stands = (np.array([grid.parent(int(c), level) for c in codes], np.int64) for codes in (members, standing))
        cell = frame["cell"].to_numpy()
        frame = frame[~np.isin(cell, np.setdiff1d(own, stands))].reset_index(drop=True)
        block = {int(code): grid.parent(int(base), self.level) for code, base in zip(stands, standing, strict=True)}
        coarse = grid.dictionary(self.level).set_index("cell")
        for column in [name for name in ("lon", "lat", "geometry") if name in frame.columns]:
            told = frame[column].to_numpy(copy=True)
            for number, code in enumerate(frame["cell"]):
                if int(code) in block:
                    told[number] = coarse[column].loc[block[int(code)]]
            frame[column] = told
        return frame
