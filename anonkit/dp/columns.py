"""From a table to the arrays that kernels take: privacy units as codes, keys as places, and nothing kept.

What: reads the needed columns of an ``ak.Table`` (or any frame narwhals knows), numbers the privacy units, places rows
among public keys, and makes public zones from a ``Grid``. Why: every releaser does this the same way, and rows without a
person, outside the keys or outside the periods leave here, one by one, by rules local to a row (ruling 17). What it does
not protect against: it spends nothing and publishes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anonkit.base.errors import PrivacyLeakError, SchemaError
from anonkit.dp.bounding import person_codes
from anonkit.dp.public import PublicKeys, PublicZones
from anonkit.geo.grid import Grid

DEGREE_M = 111_320.0


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What differential privacy bounds in this product: columns of the person and, if it counts, of the period."""

    person: str = "person"
    period: str | None = None
    """Column with the period's label; needed where the unit is a person and period, and several periods are read."""
    periods: tuple[str, ...] = field(default=())


def arrow_of(trips: Any, columns: tuple[str, ...]) -> pa.Table:
    """The named columns of a Table or frame as Arrow."""
    frame = nw.from_native(getattr(trips, "frame", trips), pass_through=False)
    have = frame.collect_schema().names()
    missing = [name for name in dict.fromkeys(columns) if name not in have]
    if missing:
        raise SchemaError(f"the trips lack the columns {missing}; they have {have}.", hint="run ak.generalise first.")
    frame = frame.select(*dict.fromkeys(columns))
    return frame.collect(backend="pyarrow").to_native() if isinstance(frame, nw.LazyFrame) else frame.to_arrow()


def codes_of(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Codes of persons, −1 for null and for blank strings; by Arrow's dictionary, ten times faster than Python's."""
    if pa.types.is_floating(column.type):
        return person_codes(column.to_numpy())
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # several chunks that do not fit one array
        column = pa.concat_arrays(column.chunks)
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column)
    codes = np.asarray(pc.fill_null(column.indices, -1)).astype(np.int64)
    if pa.types.is_string(column.dictionary.type) or pa.types.is_large_string(column.dictionary.type):
        blank = np.asarray(pc.equal(pc.utf8_trim_whitespace(column.dictionary), ""))
        if blank.any():
            codes = np.where(np.append(blank, False)[codes], -1, codes)
    return codes


def unit_codes(table: pa.Table, unit: Unit, *, privacy_unit: str) -> np.ndarray:
    """Codes of what the ledger counts: persons, or persons and periods. Rows outside the periods are nobody's."""
    codes = codes_of(table[unit.person])
    if unit.period is None:
        if privacy_unit == "person_period" and len(unit.periods) > 1:
            raise SchemaError(
                "the ledger counts a person and period, and the product reads several periods.",
                hint="period_column='month', a column with the ledger's labels, so that each period is bounded.",
            )
        return codes
    label = pc.index_in(table[unit.period].cast(pa.string()), value_set=pa.array(list(unit.periods)))
    period = np.asarray(pc.fill_null(label.combine_chunks(), -1)).astype(np.int64)
    inside = (codes >= 0) & (period >= 0)
    if privacy_unit == "person_period":
        codes = codes * len(unit.periods) + period
    return np.where(inside, codes, -1)


def places(table: pa.Table, keys: PublicKeys, columns: tuple[str, ...]) -> np.ndarray:
    """Index of each row's key, −1 outside the public keys or where a part is null."""
    parts = [pc.fill_null(table[name].cast(pa.int64()), -(2**62)).to_numpy() for name in columns]
    return keys.locate(np.stack(parts, 1))


def public_zones(zones: PublicZones | Grid | None, *, level: int = 0) -> PublicZones | None:
    """Public zones as declared, or the cells of a grid over its public area, with centres in metres."""
    if zones is None or isinstance(zones, PublicZones):
        return zones
    if not isinstance(zones, Grid):
        raise PrivacyLeakError(
            f"zones must be PublicZones or a Grid with a public area, got {type(zones).__name__}.",
            hint="ak.Grid(cell_m=500, latitude=40.4, area='area.geojson')",
        )
    cells = zones.cells(level)
    lon, lat = zones.centres(cells)
    shrink = np.cos(np.radians(zones.latitude))
    return PublicZones.declared(
        cells,
        x_m=lon * DEGREE_M * shrink,
        y_m=lat * DEGREE_M,
        source=f"grid {zones.cell_m} m, area {zones.area_sha256}",
    )
