"""Where and when, as a recipe says it: a grid over a public area or public zones, the local clock, and levels of both.

Everything here is public: cells, zones and bins come from the recipe and its files, never from the trips (ruling 18).
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from anonkit.geo import Grid, SensitivePlaces, Tessellation, TimeBins, Zones
from anonkit.recipe.parts import Part


class ZoneFile(Part):
    """Public zones: a file with polygons (GeoJSON, GeoPackage), a CSV of ids and parents, or the ids themselves."""

    path: Path | None = None
    id: str = "zone"
    """Column of the finest zones' ids; also the name of that level."""
    parents: tuple[str, ...] = ()
    """Columns of coarser zones' ids, from fine to coarse; also the names of their levels."""
    ids: tuple[str, ...] = ()
    """Ids where there is no file; ``1-263`` stands for all whole numbers between."""
    max_overlap: float = Field(default=0.01, ge=0, le=1)

    @field_validator("ids", mode="before")
    @classmethod
    def _ranges(cls, value: Any) -> Any:
        found: list[str] = []
        for entry in value if isinstance(value, list | tuple) else [value]:
            span = re.fullmatch(r"([0-9]{1,7})-([0-9]{1,7})", str(entry))
            found += map(str, range(int(span[1]), int(span[2]) + 1)) if span else [str(entry)]
        return tuple(found)


class Place(Part):
    """The tessellation: a grid over a public area, or public zones."""

    cell_m: int | None = Field(default=None, ge=25)
    """Side of the finest cells, metres."""
    latitude: float | None = Field(default=None, gt=-85, lt=85)
    area: Path | None = None
    levels: int = Field(default=6, ge=1, le=12)
    zones: ZoneFile | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Place:
        missing = [name for name in ("cell_m", "latitude", "area") if getattr(self, name) is None]
        if self.zones is None and missing:
            raise ValueError(f"a grid lacks {missing}; give cell_m, latitude and area, or zones")
        if self.zones is not None and len(missing) < 3:
            raise ValueError("zones cannot stand beside cell_m, latitude or area; give one of the two")
        return self

    @cached_property
    def grid(self) -> Tessellation:
        """The tessellation for `geo`."""
        if self.zones is not None:
            return Zones(**self.zones.model_dump())
        assert self.cell_m is not None
        assert self.latitude is not None
        return Grid(cell_m=self.cell_m, latitude=self.latitude, area=self.area, levels=self.levels)


class Clock(Part):
    """The finest time bins and the zone of the local clock."""

    bins: str
    zone: str

    @property
    def time_bins(self) -> TimeBins:
        """The bins for `geo`."""
        return TimeBins(self.bins, zone=self.zone)


class Where(Part):
    """A level of the tessellation: the side of a grid's cells, or the name of a level of zones."""

    cell_m: int | None = None
    level: str | None = None

    @model_validator(mode="after")
    def _one_level(self) -> Where:
        if (self.cell_m is None) == (self.level is None):
            raise ValueError("say cell_m (a grid) or level (zones), one of the two")
        return self

    def level_in(self, grid: Tessellation) -> int:
        """Number of the level."""
        if isinstance(grid, Zones):
            if self.level is None:
                raise ValueError(f"these are zones: say level, one of {list(grid.level_names)}, not cell_m")
            return grid.level_of(self.level)
        if self.cell_m is None:
            raise ValueError("this is a grid: say cell_m, not level")
        return grid.level_of(self.cell_m)


class SensitiveList(Where):
    """A public list of sensitive places, and the level whose blocks around them are told as one (ruling 32)."""

    path: Path
    """CSV with ``lon, lat`` (or ``zone``) and, if it differs, ``radius_m``; or GeoJSON."""
    radius_m: float = Field(ge=0, le=5_000)
    """How far around a place its neighbourhood reaches, metres."""

    def places_in(self, grid: Tessellation) -> SensitivePlaces:
        """The list for `geo`."""
        return SensitivePlaces(path=self.path, level=self.level_in(grid), radius_m=self.radius_m)


class Coarseness(Where):
    """How coarse."""

    bins: str
