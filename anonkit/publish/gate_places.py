"""The gate's own look at sensitive places: whether any written file tells a block near one of them apart (ruling 32).

Written apart from `geo.sensitive`: the list is read again here, a place's blocks are found from its own point and from eight
points around it by integer arithmetic, and every written table is asked, in SQL, which cells of such a block it names. At
each level finer than the block there may be one, the same in all tables, and no base cell that holds a listed place.

Does not see places that are on no list, nor polygons but by their corners: a block that only the side of a polygon crosses
is looked at by the maker, not here.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from anonkit.base.findings import Finding, finding
from anonkit.bundle import Resource
from anonkit.engine import Session
from anonkit.geo import Zones
from anonkit.publish.spec import ReleaseSpec

LEVEL, ROW = 100_000_000_000_000, 10_000_000
CELLS = ("cell", "start_cell", "end_cell", "area")
AROUND = [(0.0, 0.0)] + [(math.cos(turn * math.pi / 4), math.sin(turn * math.pi / 4)) for turn in range(8)]


def sensitive_places(
    folder: Path, spec: ReleaseSpec, resources: tuple[Resource, ...], session: Session
) -> Iterator[Finding]:
    """A finding where the recipe names a list of sensitive places; nothing otherwise."""
    listed = spec.sensitive
    if listed is None:
        return
    exact, around = _base_cells(listed.path, listed.radius_m, spec)
    codes = session.from_arrow(pa.table({"cell": pa.array(sorted(exact | around), pa.int64())}))
    blocks = f"SELECT DISTINCT {_block('cell', spec, listed.level)} AS block FROM {{codes}}"
    named = [
        f"SELECT DISTINCT \"{column}\" AS cell FROM read_parquet('{_quoted(path)}')"
        for resource in resources
        for path in (folder / name for name in resource.paths if name.endswith(".parquet"))
        if path.is_file()
        for column in CELLS
        if column in pq.read_schema(path).names
    ]
    seen = " UNION ".join(named)
    finer = f"SELECT DISTINCT cell, {_block('cell', spec, listed.level)} AS block FROM ({seen}) WHERE cell // {LEVEL} < {listed.level}"
    apart = session.value(
        f"SELECT count(*) FROM (SELECT block, cell // {LEVEL} AS lvl FROM ({finer}) SEMI JOIN ({blocks}) USING (block) "
        "GROUP BY ALL HAVING count(*) > 1)",
        codes=codes,
    )
    holding = session.from_arrow(pa.table({"cell": pa.array(sorted(exact), pa.int64())}))
    told = session.value(
        f"SELECT count(*) FROM ({finer}) SEMI JOIN {{holding}} USING (cell)", holding=holding
    ) - _whole_blocks(exact, spec, listed.level)
    yield finding(
        "sensitive_places",
        "release",
        passed=apart == 0 and told <= 0,
        value=f"{apart + max(told, 0):,} blocks told apart",
        threshold="0",
        message=f"no file tells cells apart in the {len(exact):,} listed cells' blocks of {spec.grid.level_name(listed.level)}",
        ruling="32",
    )


def _base_cells(path: Path, radius_m: float, spec: ReleaseSpec) -> tuple[set[int], set[int]]:
    """Base cells that hold a listed place (or a corner of it), and those of the points around it; in the public area."""
    grid, area = spec.grid, set(spec.grid.cells().tolist())
    exact: set[int] = set()
    around: set[int] = set()
    for place in _places(path):
        if "zone" in place:
            exact.add(int(grid.codes[str(place["zone"])]))  # type: ignore[union-attr]
        elif not isinstance(grid, Zones):
            reach = float(place.get("radius_m") or radius_m)
            for corner in place["points"]:
                lon, lat = corner
                for number, (east, north) in enumerate(AROUND):
                    x = lon + east * reach * 0.99 / (111_320 * math.cos(math.radians(lat)))
                    y = lat + north * reach * 0.99 / 111_320
                    row = (math.floor(y * 1e6 + 0.5) + 90_000_000) // grid.lat_step
                    column = (math.floor(x * 1e6 + 0.5) + 180_000_000) // grid.lon_step
                    (exact if number == 0 else around).add(row * ROW + column)
    return exact & area, around & area


def _places(path: Path) -> Iterator[dict[str, Any]]:
    if path.suffix.lower() in (".json", ".geojson"):
        for feature in json.loads(path.read_text(encoding="utf-8"))["features"]:
            yield {**(feature.get("properties") or {}), "points": list(_corners(feature["geometry"]["coordinates"]))}
        return
    with path.open(encoding="utf-8-sig", newline="") as file:
        for line in csv.DictReader(file):
            if line.get("zone"):
                yield {"zone": line["zone"]}
            else:
                yield {"radius_m": line.get("radius_m"), "points": [(float(line["lon"]), float(line["lat"]))]}


def _corners(given: list[Any]) -> Iterator[tuple[float, float]]:
    if given and isinstance(given[0], int | float):
        yield float(given[0]), float(given[1])
        return
    for part in given:
        yield from _corners(part)


def _block(column: str, spec: ReleaseSpec, level: int) -> str:
    """SQL of the block of a code of any level."""
    if isinstance(spec.grid, Zones):
        below = " ".join(
            f"WHEN {at} THEN {spec.grid.digits_below(level) - spec.grid.digits_below(at)}" for at in range(level)
        )
        return f"(({column} % {LEVEL}) // (10 ** (CASE {column} // {LEVEL} {below} ELSE 0 END))::BIGINT)"
    up = f"greatest({level} - {column} // {LEVEL}, 0)"
    return f"((({column} % {LEVEL}) // {ROW} >> ({up})::INT) * {ROW} + (({column} % {ROW}) >> ({up})::INT))"


def _whole_blocks(exact: set[int], spec: ReleaseSpec, level: int) -> int:
    """Blocks all of whose base cells hold a place: there the one cell that stands for them is such a cell."""
    members: dict[int, list[int]] = {}
    for cell in spec.grid.cells().tolist():
        members.setdefault(spec.grid.parent(int(cell), level), []).append(cell)
    return sum(set(cells) <= exact for cells in members.values())


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
