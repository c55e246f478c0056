"""Zones from a public file, with a hierarchy, as a tessellation beside the grid.

A file of polygons (GeoJSON, GeoPackage, GeoParquet), a table without shapes (CSV), or a bare list of ids; further columns
name the parents, from fine to coarse (tract, district, city). A cell's code is the path of ranks from the coarsest zone
down to it, in decimal digits, so that a parent is an integer quotient and every engine agrees; where the ids are whole
numbers without parents, the code is the id. Coarser levels carry ``level·10¹⁴`` as in the grid.

Zones must be a partition: polygons that overlap by more than a sliver are refused, holes are told, points that lie in
no zone are dropped by the rule ``outside_area`` and counted. A point on a border belongs to the zone of the lower code.

Does not protect against zones that are too small, or that single out one building: look at them before using them. The
file must be public: zones that were drawn around the trips leak them (ruling 18).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from anonkit.base.errors import PrivacyLeakError, SchemaError
from anonkit.engine import Session, identifier, sha256_of
from anonkit.geo.grid import LEVEL, Grid
from anonkit.geo.zones_check import ZoneCheck, check_partition
from anonkit.geo.zones_raster import ZoneRaster
from anonkit.geo.zones_read import read_zones

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

MAX_ZONES = 1_000_000
DIGITS = 14
MANY = 20_000
"""From so many points on, a raster pays for itself."""


@dataclass(frozen=True, kw_only=True)
class Zones:
    """Zones by id, with parents.

    >>> zones = Zones(ids=("4", "12", "113"))
    >>> zones.cells().tolist(), zones.code_of("12"), zones.level_name(0)
    ([4, 12, 113], 12, 'zone')
    """

    path: Path | str | None = None
    """GeoJSON, GeoPackage, GeoParquet or Shapefile; or a CSV of ids and parents, without shapes."""
    id: str = "zone"
    """Column of the zone's id; also the name of the finest level."""
    parents: tuple[str, ...] = ()
    """Columns of the coarser zones' ids, from fine to coarse; also the names of these levels."""
    ids: tuple[str, ...] = ()
    """The zones' ids, where there is no file."""
    max_overlap: float = 0.01
    """Largest share of a zone that may lie in another."""

    def __post_init__(self) -> None:
        if self.path is not None and not isinstance(self.path, str | Path):
            raise PrivacyLeakError(
                "the zones are not a file", hint="declare a public file; zones taken from the trips leak (ruling 18)"
            )
        if (self.path is None) == (not self.ids):
            raise SchemaError("zones need a file or a list of ids, one of the two", hint="give zones.path or zones.ids")
        if self.ids and self.parents:
            raise SchemaError("a bare list of ids has no parents", hint="give them in a CSV: zones.path, id, parents")
        if len(set(self.level_names)) < len(self.level_names):
            raise SchemaError("two levels have the same name", hint="name each column once in id and parents")

    # --- levels -------------------------------------------------------------------------------------------------

    @property
    def level_names(self) -> tuple[str, ...]:
        """Names of the levels, from fine to coarse."""
        return (self.id, *self.parents)

    @property
    def levels(self) -> int:
        """Number of levels."""
        return len(self.level_names)

    def level_of(self, name: str | int) -> int:
        """The level of a name.

        Raises
        ------
        SchemaError : there is no such level.
        """
        if name not in self.level_names:
            raise SchemaError(f"there is no level {name!r} of zones", hint=f"levels are {list(self.level_names)}")
        return self.level_names.index(str(name))

    def level_name(self, level: int) -> str:
        """Name of a level."""
        return self.level_names[level]

    def file_name(self, level: int) -> str:
        """Name of the level's table in a bundle."""
        return "zones_" + "".join(c if c.isascii() and c.isalnum() else "_" for c in self.level_name(level).lower())

    # --- codes --------------------------------------------------------------------------------------------------

    @cached_property
    def _frame(self) -> pd.DataFrame:
        """One row a zone: ``path`` columns of text ids (fine to coarse) and, where there are shapes, ``geometry``."""
        import pandas as pd

        if self.path is None:
            frame = pd.DataFrame({self.id: [str(value).strip() for value in self.ids]})
        else:
            frame = read_zones(Path(self.path), self.level_names)
        for name in self.level_names:
            if bool(frame[name].isna().any()) or bool((frame[name] == "").any()):
                raise SchemaError(f"some zones have no {name!r}", hint="fill the column, or leave it out of parents")
        for fine, coarse in zip(self.level_names, self.level_names[1:], strict=False):
            several = frame.groupby(fine)[coarse].nunique()
            if int(several.max()) > 1:
                raise SchemaError(
                    f"{int((several > 1).sum())} ids of {fine!r} lie in more than one {coarse!r}",
                    hint=f"make the ids of {fine!r} unique, for example by writing the {coarse!r} before them",
                )
        if bool(frame[self.id].duplicated().any()):
            if "geometry" not in frame:
                raise SchemaError("an id of the zones stands there twice", hint="list each zone once")
            frame = frame.dissolve(by=self.id, as_index=False)  # type: ignore[operator]
        if not 0 < len(frame) <= MAX_ZONES:
            raise SchemaError(f"there are {len(frame):,} zones", hint=f"between 1 and {MAX_ZONES:,} can be used")
        return frame

    @cached_property
    def _coded(self) -> pd.DataFrame:
        """``_frame`` with ``cell`` (int64), ascending by it."""
        frame = self._frame.copy()
        ids = frame[self.id]
        if not self.parents and bool(ids.str.fullmatch(r"[1-9][0-9]{0,8}").all()):
            frame["cell"] = ids.astype("int64")
        else:
            path = list(reversed(self.level_names))
            code = np.zeros(len(frame), dtype=np.int64)
            for depth, (name, width) in enumerate(zip(path, self._widths, strict=True)):
                above = path[:depth]
                ranked = frame.assign(_one=0).groupby([*above, "_one"])[name]
                rank = ranked.transform(lambda column: column.map({v: i for i, v in enumerate(sorted(set(column)))}))
                code = code * 10**width + rank.to_numpy().astype(np.int64) + 1
            frame["cell"] = code
        return frame.sort_values("cell", ignore_index=True)

    @cached_property
    def _widths(self) -> tuple[int, ...]:
        """Decimal digits of each level's rank, from coarse to fine."""
        path, widths = list(reversed(self.level_names)), []
        for depth, name in enumerate(path):
            counts = self._frame.assign(_one=0).groupby([*path[:depth], "_one"])[name].nunique()
            widths.append(len(str(int(counts.max()))))
        if sum(widths) > DIGITS:
            raise SchemaError("the zones' hierarchy is too wide to number", hint="leave out a level of parents")
        return tuple(widths)

    def digits_below(self, level: int) -> int:
        """Decimal digits of a base cell's code that say where it lies within its zone of ``level``."""
        return sum(self._widths[self.levels - level :]) if level else 0

    @cached_property
    def codes(self) -> Mapping[str, int]:
        """Id of the finest zone → cell."""
        return dict(zip(self._coded[self.id], self._coded["cell"].tolist(), strict=True))

    def code_of(self, zone: str) -> int:
        """The base cell of a zone's id.

        Raises
        ------
        SchemaError : there is no such zone.
        """
        if zone not in self.codes:
            raise SchemaError(f"there is no zone {zone!r}", hint="bring the file of zones up to date")
        return self.codes[zone]

    def parent(self, cell: int, level: int) -> int:
        """The zone at ``level`` that contains a base cell."""
        return int(level * LEVEL + cell // 10 ** self.digits_below(level))

    def coarsen(self, cell: nw.Expr, level: int, *, finer: int = 0) -> nw.Expr:
        """Zones at ``level`` of a column of zones at level ``finer``, base zones by default, on any engine."""
        if level == finer:
            return cell
        digits = self.digits_below(level) - self.digits_below(finer)
        return cell % LEVEL // 10**digits + level * LEVEL

    def cells(self, level: int = 0) -> np.ndarray:
        """Codes (int64, ascending) of all zones of a level. Public: made from the file alone."""
        base = self._base
        return base.copy() if level == 0 else np.unique(base // 10 ** self.digits_below(level) + level * LEVEL)

    @cached_property
    def _base(self) -> np.ndarray:
        return self._coded["cell"].to_numpy().astype(np.int64)

    def pairs(self, level: int = 0) -> np.ndarray:
        """All ordered pairs (origin, destination) of zones, shape (n², 2)."""
        cells = self.cells(level)
        return np.stack(np.meshgrid(cells, cells, indexing="ij"), -1).reshape(-1, 2)

    # --- shapes -------------------------------------------------------------------------------------------------

    @property
    def has_shapes(self) -> bool:
        """Whether the zones are polygons, or known by id only."""
        return "geometry" in self._frame

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """(west, south, east, north) in degrees; None without shapes."""
        if not self.has_shapes:
            return None
        return tuple(float(edge) for edge in self._coded.geometry.total_bounds)  # type: ignore[return-value]

    @property
    def area_sha256(self) -> str:
        """Hash of the file, or of the list of ids."""
        if self.path is not None:
            return sha256_of(Path(self.path))
        return hashlib.sha256("\n".join(self.ids).encode()).hexdigest()

    def check(self) -> ZoneCheck:
        """Overlaps and holes.

        Raises
        ------
        SchemaError : two zones overlap by more than ``max_overlap`` of the smaller one.
        """
        frame = self._coded
        shapes = frame.geometry.to_numpy() if self.has_shapes else None
        return check_partition(shapes, tuple(frame[self.id]), max_overlap=self.max_overlap)

    @cached_property
    def _tree(self) -> Any:
        import shapely

        if not self.has_shapes:
            raise SchemaError(
                "these zones have no polygons, yet the input gives coordinates",
                hint="map the columns of zone ids (start_place, end_place), or give a file with polygons",
            )
        self.check()
        shapes = self._coded.geometry.to_numpy()
        shapely.prepare(shapes)
        return shapely.STRtree(shapes)

    def find(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """Base cells (int64) of points; −1 outside all zones or where a coordinate is no number."""
        lon, lat = np.asarray(lon, dtype=float), np.asarray(lat, dtype=float)
        self._asked[0] += len(lon)
        if self._asked[0] >= MANY and self._raster is not None:
            at = self._raster.find(lon, lat)
        else:
            at = np.full(len(lon), -1, dtype=np.int64)
            whole = np.flatnonzero(np.isfinite(lon) & np.isfinite(lat))
            at[whole] = self._exact(lon[whole], lat[whole])
        return np.where(at < 0, -1, self._base[at])

    def _exact(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """Position in `cells` of the first zone that a point lies in or on, by geometry; −1 outside all."""
        import shapely

        found = np.full(len(lon), MAX_ZONES, dtype=np.int64)
        point, zone = self._tree.query(
            shapely.points(lon, lat)
        )  # by box; a predicate here would not use prepared polygons
        held = shapely.intersects_xy(self._tree.geometries[zone], lon[point], lat[point])
        np.minimum.at(found, point[held], zone[held])
        return np.where(found == MAX_ZONES, -1, found)

    @cached_property
    def _asked(self) -> list[int]:
        """How many points were looked for so far; a raster is laid when they are many."""
        return [0]

    @cached_property
    def _raster(self) -> ZoneRaster | None:
        """Lookup for many points; None for shapes that are no plain polygons."""
        import shapely

        _ = self._tree
        shapes = self._coded.geometry.to_numpy()
        plain = bool(np.isin(shapely.get_type_id(shapes), (3, 6)).all())  # Polygon, MultiPolygon
        return ZoneRaster.build(shapes, self._exact) if plain else None

    def locate(
        self, frame: nw.LazyFrame[Any], session: Session, points: Mapping[str, tuple[str, str]]
    ) -> nw.LazyFrame[Any]:
        """Add a column of base cells for each name → (column of longitudes, column of latitudes)."""
        _ = self._tree
        call = session.point_function(self.find)
        picks = ", ".join(
            f"{call}({identifier(lon)}::DOUBLE, {identifier(lat)}::DOUBLE) AS {identifier(name)}"
            for name, (lon, lat) in points.items()
        )
        return session.frame(f"SELECT *, {picks} FROM {{frame}}", frame=frame)

    def _positions(self, codes: np.ndarray, level: int) -> np.ndarray:
        own = self.cells(level)
        at = np.minimum(np.searchsorted(own, codes), len(own) - 1)
        if not np.array_equal(own[at], codes):
            raise SchemaError("some codes are no zones of this level", hint="use the file the release was made with")
        return np.asarray(at)

    def polygons(self, codes: np.ndarray) -> np.ndarray:
        """Polygons of zones, aligned to ``codes`` (any mix of levels)."""
        codes = np.asarray(codes, dtype=np.int64)
        result = np.empty(len(codes), dtype=object)
        for level in np.unique(codes // LEVEL):
            mine = codes // LEVEL == level
            shapes = self.to_geodataframe(int(level)).geometry.to_numpy()
            result[mine] = shapes[self._positions(codes[mine], int(level))]
        return result

    def centres(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Longitude and latitude of a point within each zone."""
        import shapely

        points = shapely.point_on_surface(self.polygons(codes))
        return shapely.get_x(points), shapely.get_y(points)

    def to_geodataframe(self, level: int = 0) -> gpd.GeoDataFrame:
        """The zones of a level with id and polygon."""
        import geopandas as gpd

        _ = self._tree
        frame = self._with_level(level)
        shapes = gpd.GeoDataFrame(frame[["cell", "id"]], geometry=list(frame["geometry"]), crs="EPSG:4326")
        return shapes.dissolve(by="cell", as_index=False)[["cell", "id", "geometry"]] if level else shapes

    def dictionary(self, level: int = 0) -> pd.DataFrame:
        """What a recipient gets: ``cell, id`` and, with shapes, ``lon, lat, geometry``."""
        if not self.has_shapes:
            frame = self._with_level(level)[["cell", "id"]].drop_duplicates()
            return frame.sort_values("cell", ignore_index=True)
        shapes = self.to_geodataframe(level)
        lon, lat = self.centres(shapes["cell"].to_numpy())
        shapes.insert(2, "lon", lon.round(6))
        shapes.insert(3, "lat", lat.round(6))
        return shapes

    def _with_level(self, level: int) -> pd.DataFrame:
        frame = self._coded
        cell = frame["cell"] // 10 ** self.digits_below(level) + level * LEVEL
        return frame.assign(cell=cell, id=frame[self.level_name(level)])

    def describe(self) -> str:
        """One line for schema and report."""
        return f"{len(self.codes):,} zones by {self.id}" + (f", in {', '.join(self.parents)}" if self.parents else "")

    def report(self) -> dict[str, Any]:
        """What a reviewer reads of the tessellation, overlaps and holes among it; inside."""
        return {**self.as_dict(), "sha256": self.area_sha256, **self.check().as_dict()}

    def level_dict(self, level: int) -> dict[str, Any]:
        """A level, for the bundle's description."""
        return {"level": self.level_name(level)}

    def as_dict(self) -> dict[str, Any]:
        """For the bundle's description."""
        return {"kind": "zones", "levels": list(self.level_names), "shapes": self.has_shapes}


Tessellation = Grid | Zones
"""What a release is cut into."""
