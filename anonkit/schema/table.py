"""The one table type: a frozen pair of frame and schema.

Composition, no subclass of anybody's data frame. The repr shows columns, roles and source, never a row: a notebook
that ends a cell with a table must not print coordinates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import pyarrow as pa

from anonkit.base.errors import SchemaError
from anonkit.engine import Session
from anonkit.schema.accounting import Accounting
from anonkit.schema.columns import TRIP_COLUMNS, Column, Role, Schema

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd


@dataclass(frozen=True)
class Table:
    """A lazy frame, what its columns are, and the session that it belongs to."""

    frame: nw.LazyFrame[Any] = field(repr=False)
    schema: Schema
    session: Session = field(repr=False, compare=False)
    accounting: Accounting | tuple[Accounting, ...] | None = field(default=None, compare=False)
    """Where the physical lines of the input went; after ``prepare``."""
    shapes: Callable[[Any], Any] | None = field(default=None, repr=False, compare=False)
    """Turns cell codes into polygons; set by ``generalise``."""

    @classmethod
    def of(
        cls,
        data: Any,
        *,
        session: Session | None = None,
        roles: dict[str, str] | None = None,
        zone: str | None = None,
    ) -> Table:
        """Bring a pandas frame, a GeoDataFrame, an Arrow table or a Parquet file in.

        Point geometry is taken off at the door into ``lon`` and ``lat``. Canonical columns have their canonical role;
        every other column is ``plain`` (not releasable) unless ``roles`` says otherwise.

        Privacy
        -------
        Changes nothing and protects nobody; it only says what the columns are.
        """
        session = session or Session()
        if isinstance(data, str | Path):
            frame = session.scan_parquet(Path(data))
            names = frame.collect_schema().names()
        else:
            arrow = _to_arrow(data)
            frame, names = session.from_arrow(arrow), arrow.column_names
        known = {column.name: column for column in TRIP_COLUMNS}
        given = {name: Role(role) for name, role in (roles or {}).items()}
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise SchemaError(
                f"roles name the columns {unknown}, which are not there", hint=f"columns are {list(names)}"
            )
        columns = []
        for name in names:
            column = known.get(name, Column(name=name, role=Role.PLAIN))
            columns.append(replace(column, role=given.get(name, column.role)))
        return cls(frame, Schema(columns=tuple(columns), zone=zone), session)

    def with_frame(self, frame: nw.LazyFrame[Any], schema: Schema | None = None) -> Table:
        """The same table with another frame (and schema)."""
        return replace(self, frame=frame, schema=schema or self.schema)

    @property
    def rejected(self) -> dict[str, int]:
        """Physical lines that cannot be used, by reason; one pass over the input."""
        if "_reason" not in self.frame.collect_schema().names():
            return {}
        rows = self.session.rows(
            "SELECT _reason, sum(_lines)::BIGINT FROM {frame} WHERE _reason IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1",
            frame=self.frame,
        )
        return dict(rows)

    def __len__(self) -> int:
        return int(self.session.value("SELECT count(*) FROM {frame}", frame=self.frame))

    def __repr__(self) -> str:
        lines = [f"Table of {self.schema.kind}" + (f" from {self.schema.source}" if self.schema.source else "")]
        lines[0] += f", counted in {self.schema.privacy_unit.value}s" + (
            f", {self.schema.zone}" if self.schema.zone else ""
        )
        if self.accounting is not None:
            accounts = self.accounting if isinstance(self.accounting, tuple) else (self.accounting,)
            lines[0] += f", {sum(account.used for account in accounts):,} lines used"
        for column in self.schema:
            if not column.name.startswith("_"):
                detail = ", ".join(part for part in (column.unit, column.level) if part)
                lines.append(f"  {column.name:<14} {column.role.value:<10} {detail}".rstrip())
        return "\n".join(lines)

    def to_arrow(self) -> pa.Table:
        """All rows as an Arrow table; internal columns (``_…``) left out."""
        names = [name for name in self.frame.collect_schema().names() if not name.startswith("_")]
        return self.session.collect(self.frame.select(*names))

    def to_pandas(self) -> pd.DataFrame:
        """All rows as a pandas frame."""
        return self.to_arrow().to_pandas()

    def to_geodataframe(self, cell: str = "start_cell") -> gpd.GeoDataFrame:
        """Rows with the polygon of their ``cell`` put back from its code; only after ``generalise``."""
        import geopandas as gpd

        if self.shapes is None or cell not in self.schema:
            raise SchemaError(
                f"there is no tessellation for {cell!r} here",
                hint="call ak.generalise(table, cells=grid, bins=...) first",
            )
        frame = self.to_pandas()
        return gpd.GeoDataFrame(frame, geometry=self.shapes(frame[cell].to_numpy()), crs="EPSG:4326")


def _to_arrow(data: Any) -> pa.Table:
    if isinstance(data, pa.Table):
        return data
    if hasattr(data, "geometry") and hasattr(data, "crs"):
        points = data.geometry
        if not bool((points.geom_type == "Point").all()):
            raise SchemaError(
                f"the geometry column holds {sorted(set(points.geom_type))}", hint="give points, or lon and lat columns"
            )
        if data.crs is not None and data.crs.to_epsg() != 4326:
            points = points.to_crs(4326)
        plain = data.drop(columns=points.name)
        data = plain.assign(lon=points.x.to_numpy(), lat=points.y.to_numpy())
    frame: Any = nw.from_native(data)
    return (frame.collect() if isinstance(frame, nw.LazyFrame) else frame).to_arrow()
