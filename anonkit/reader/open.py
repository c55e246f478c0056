"""Open a release: lazy tables, data frames, maps, and what it says about privacy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from anonkit.base.errors import BundleError, SchemaError
from anonkit.bundle import read_package
from anonkit.engine import Session, identifier
from anonkit.reader.verify import verify

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

PRODUCTS = ("trips", "flows", "volumes")
CELLS = {"trips": "start_cell", "flows": "start_cell", "volumes": "cell", "suppression": "area"}
LEVEL = 10**14
STREETS, LINKS = "streets/links", ("link", "from_link")
"""The table of public links, and the columns by which tables of routes refer to it."""


@dataclass(frozen=True, repr=False)
class ProductTable:
    """One table of a release; its repr says what each column means."""

    name: str
    path: Path
    description: str
    columns: tuple[str, ...]
    session: Session = field(repr=False, compare=False)
    fields: dict[str, str] = field(default_factory=dict, compare=False)
    """Column → what it means, in which unit."""

    def __repr__(self) -> str:
        width = max(map(len, self.columns), default=0)
        told = [f"  {name:<{width}}  {self.fields.get(name, '')}".rstrip() for name in self.columns]
        return "\n".join([f"{self.name}: {self.description}", *told])

    def lazy(self) -> nw.LazyFrame[Any]:
        """The table as a narwhals lazy frame."""
        return self.session.scan_parquet(self.path)

    def to_pandas(self) -> pd.DataFrame:
        """The table as a pandas frame."""
        return self.session.collect(self.lazy()).to_pandas()

    def total(self, *, by: str | list[str]) -> pd.DataFrame:
        """Released trips summed by columns; suppressed trips are missing. Roll-ups stand apart, by ``rolled_up``."""
        names = [by] if isinstance(by, str) else by
        unknown = [name for name in names if name not in self.columns]
        if unknown:
            raise SchemaError(f"{self.name} has no columns {unknown}", hint=f"columns are {list(self.columns)}")
        if "rolled_up" in self.columns and "rolled_up" not in names:
            names = ["rolled_up", *names]  # cells and bins of different levels are never added up
        listed = ", ".join(identifier(name) for name in names)
        count = "sum(trips)::BIGINT" if "trips" in self.columns else "count(*)"
        query = f"SELECT {listed}, {count} AS trips FROM {{table}} GROUP BY ALL ORDER BY ALL"
        return self.session.sql(query, table=self.path).to_pandas()


class Release:
    """A released folder that was verified when it was opened."""

    def __init__(self, folder: Path, package: dict[str, Any]) -> None:
        self.folder = folder
        self.name: str = package["name"]
        self.title: str = package["title"]
        self._own: dict[str, Any] = package["anonkit"]
        self._session = Session()
        self._tables = {
            entry["path"].removesuffix(".parquet"): ProductTable(
                name=entry["path"].removesuffix(".parquet"),
                path=folder / entry["path"],
                description=entry["description"],
                columns=tuple(column["name"] for column in entry["anonkit:fields"]),
                session=self._session,
                fields={column["name"]: column.get("description", "") for column in entry["anonkit:fields"]},
            )
            for entry in package["resources"]
            if entry["path"].endswith(".parquet")
        }

    @property
    def privacy(self) -> dict[str, Any]:
        """The privacy statement: guarantee, unit, k, products."""
        return dict(self._own["privacy"])

    @property
    def period(self) -> dict[str, str]:
        """First and last local date, and the zone."""
        return dict(self._own["period"])

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of all tables."""
        return tuple(self._tables)

    def table(self, name: str) -> ProductTable:
        """One table by name."""
        if name not in self._tables:
            raise BundleError(f"the release has no table {name!r}", hint=f"it has {list(self._tables)}")
        return self._tables[name]

    @property
    def trips(self) -> ProductTable | None:
        """Trips, one row each; None if not released."""
        return self._tables.get("trips")

    @property
    def flows(self) -> ProductTable | None:
        """Trips between cells; None if not released."""
        return self._tables.get("flows")

    @property
    def volumes(self) -> ProductTable | None:
        """Trips that start or end in cells; None if not released."""
        return self._tables.get("volumes")

    @property
    def suppressed(self) -> pd.DataFrame:
        """Suppressed share by part, area and hour, in bands; empty for noisy releases, which suppress nothing."""
        if "suppression" not in self._tables:
            import pandas as pd

            return pd.DataFrame(columns=["part", "area", "hour", "suppressed_pct"])
        return self.table("suppression").to_pandas()

    @property
    def bins(self) -> pd.DataFrame:
        """The dictionary of time bins."""
        return self.table("bins").to_pandas()

    @property
    def links(self) -> gpd.GeoDataFrame:
        """All links of the public street network that a release of routes refers to, with their lines."""
        import geopandas as gpd

        return gpd.read_parquet(self.table(STREETS).path)

    def zones(self, level: int) -> gpd.GeoDataFrame:
        """All public cells of a level, with polygons."""
        import geopandas as gpd

        for name, entry in self._tables.items():
            if name.startswith("zones/"):
                frame = gpd.read_parquet(entry.path)
                if int(frame["cell"].iloc[0]) // LEVEL == level:
                    return frame
        raise BundleError(f"the release has no cells of level {level}", hint=f"it has {list(self._tables)}")

    def to_geodataframe(self, name: str, cell: str | None = None) -> gpd.GeoDataFrame:
        """A table with the polygon of its ``cell`` column (default: the first cell of the product), or its link's line.

        Each of the ``patterns`` has one line along all its links.

        Cells and links without a row are not added: absent is suppressed or zero.
        """
        import geopandas as gpd

        table = self.table(name)
        link = next((column for column in LINKS if column in table.columns), None)
        if cell is None and link is not None and STREETS in self._tables:
            lines = self.links.set_index("link").geometry
            rows = table.to_pandas()
            return gpd.GeoDataFrame(rows, geometry=lines.loc[rows[link]].to_numpy(), crs=lines.crs)
        if cell is None and name == "patterns" and STREETS in self._tables:
            return self._whole_routes(table.to_pandas())
        column = cell or CELLS.get(name)
        if column is None or column not in table.columns:
            raise SchemaError(f"{name} has no cell column {column!r}", hint=f"columns are {list(table.columns)}")
        frame = table.to_pandas()
        shapes = []
        for level in sorted({int(code) // LEVEL for code in frame[column]}):
            shapes.append(self.zones(level).set_index("cell")["geometry"])
        if not shapes:
            return gpd.GeoDataFrame(frame, geometry=[], crs="EPSG:4326")
        lookup = {code: shape for series in shapes for code, shape in series.items()}
        return gpd.GeoDataFrame(frame, geometry=[lookup[code] for code in frame[column]], crs="EPSG:4326")

    def _whole_routes(self, patterns: pd.DataFrame) -> gpd.GeoDataFrame:
        import geopandas as gpd
        import shapely

        lines = self.links.set_index("link").geometry
        steps = self.table("pattern_links").to_pandas().sort_values(["pattern", "step"])
        listed = steps.groupby("pattern")["link"].agg(list)
        shapes = [
            shapely.linestrings(shapely.get_coordinates(lines.loc[listed[pattern]].to_numpy()))
            for pattern in patterns["pattern"]
        ]
        return gpd.GeoDataFrame(patterns, geometry=shapes, crs=lines.crs)

    def __repr__(self) -> str:
        lines = [f"Release {self.name}: {self.title}", f"  {self.privacy['statement']}"]
        lines += [f"  {name}: {', '.join(table.columns)}" for name, table in self._tables.items()]
        return "\n".join(lines)


def open_release(path: str | Path) -> Release:
    """Open a released folder after verifying it.

    Raises
    ------
    BundleError : incomplete, altered, or not one of ours.

    Privacy
    -------
    Reads what was handed over; nothing else is needed or known here.
    """
    verify(path)
    folder = Path(path)
    return Release(folder, read_package(folder))
