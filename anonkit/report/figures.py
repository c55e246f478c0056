"""The tables that figures of the page are drawn from, beside run.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from anonkit.geo import TimeBins
from anonkit.utility import ClassSums


@dataclass(frozen=True, kw_only=True)
class PartTable:
    """All classes of one product."""

    classes: pd.DataFrame
    """``keys`` (of them the places at least), ``before`` (trips), ``after`` (published trips; nan where not published), and where the product rolls up,
    ``rolled``: trips that only a coarser class tells. Inside only."""
    bins: TimeBins
    bin: str
    """Which column is the time bin."""
    cell: str
    """Which column is the cell that maps show: the origin."""
    by_bin: pd.DataFrame | None = None
    """The same summed by time bin; default: ``classes`` themselves, if they tell it."""
    rest: pd.DataFrame | None = None
    """``cell, trips`` of rolled-up classes as published, cells of coarser levels; None where nothing is rolled up."""

    @property
    def weeks(self) -> pd.DataFrame:
        """What figures by time are drawn from."""
        return self.classes if self.by_bin is None else self.by_bin

    def told(self, classes: pd.DataFrame) -> pd.DataFrame:
        """``classes`` with ``after`` as all trips that are told, at the first level or rolled up; nothing is nan."""
        return classes.assign(after=classes["after"].fillna(0) + classes.get("rolled", 0))


@dataclass(frozen=True, kw_only=True)
class StreetTables:
    """What is told of streets; both directions of a street together."""

    base: Any
    """GeoDataFrame of all public streets: ``street, length_m``, lines in degrees."""
    before: pd.DataFrame
    """``street, passages`` exactly, after the cut of the ends. Inside only."""
    told: pd.DataFrame
    """``street, passages, parted``: as published; ``parted``: also by time bins."""
    routes: pd.DataFrame
    """``street, routes``: in how many published routes a street is."""
    coverage: pd.DataFrame
    """``part, share, covered, total``: length of the network that is told, altogether and by bin."""


@dataclass(frozen=True, kw_only=True)
class ReportTables:
    """What the page draws."""

    parts: Mapping[str, PartTable] = field(default_factory=dict)
    starts: pd.DataFrame | None = None
    """``cell, trips`` at the finest cells: where trips start before anything is coarsened. Inside only."""
    suppression: pd.DataFrame | None = None
    """``part, area, hour, suppressed_pct``, as released."""
    shapes: Any = None
    """Polygons of cells: a ``Grid``, a function, or a GeoDataFrame with ``cell``."""
    area: Any = None
    """The public area: a file, a GeoDataFrame or a geometry."""
    noisy: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Noisy tables as they are written, by name; no true counts."""
    names: Mapping[int, str] = field(default_factory=dict)
    """Names of zones by cell, of all levels; empty on a grid."""
    sums: Mapping[str, ClassSums] = field(default_factory=dict)
    """What the utility of each part is measured from. Inside only."""
    streets: StreetTables | None = None
    """Of a release of routes."""
    network: Any = None
    """GeoDataFrame of all public links in the order of their numbers, where noisy links are drawn."""
    zones: Any = None
    """A GeoDataFrame of the coarsest named public zones with ``name`` and ``trips``, where the recipe has zones in a hierarchy."""
