"""The generic source: any table of trips, by the column map of a recipe.

Reads CSV (also .gz) and Parquet. One pass gives every line either its canonical values or the reason why it cannot be
used; the order of the checks is the order of ``Reason``'s members, so a line has one reason. Columns that the recipe
does not name are never read; direct identifiers neither.

Does not protect anybody yet: the frame holds ids and coordinates as the operator wrote them, lazily, and is stored
nowhere until ``prepare`` has taken identifiers out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw

from anonkit.base.errors import SourceError
from anonkit.engine import CsvFile, Session, identifier
from anonkit.schema import TRIP_COLUMNS, Column, Role, Schema, Table
from anonkit.sources.spec import InputSpec
from anonkit.sources.times import instant_sql, time_sql

CSV_SUFFIXES = (".csv", ".txt", ".tsv", ".gz")
EXCEL_NUMBER = r"^\d(?:[.,]\d+)?[eE]\+\d+$"
NUMBER = r"(-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
KINDS = {"text": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE"}
DAY_S = 86_400


@dataclass(frozen=True, kw_only=True)
class OpenInput:
    """A file that is open for scanning; its frame has ``_line``, ``_lines`` and ``_fault`` beside the columns."""

    frame: nw.LazyFrame[Any]
    kinds: dict[str, str]
    """Column → engine type."""
    dropped_columns: tuple[str, ...]
    header_lines: int
    csv: CsvFile | None
    path: Path


def read_generic(
    spec: InputSpec, *, session: Session, as_of_s: int, box: tuple[float, float, float, float] | None = None
) -> tuple[Table, OpenInput]:
    """A lazy table of canonical trips with ``_line``, ``_lines``, ``_reason``, and the open file.

    Parameters
    ----------
    spec : the recipe's word on this input.
    as_of_s : the run's instant, epoch seconds; later times are clocks out of range.
    box : (west, south, east, north) in degrees of the public area; tells exchanged coordinates.

    Raises
    ------
    SourceError : the file cannot be read, or lacks a column that the recipe maps.

    Privacy
    -------
    Reads mapped columns only. Stores nothing.
    """
    opened = open_input(spec, session)
    first = _first_step(spec, opened.kinds)
    second = _second_step(spec, opened.kinds, first)
    third = _third_step(spec, as_of_s, box)
    query = f"SELECT {third} FROM (SELECT {second} FROM (SELECT {', '.join(first.values())} FROM {{file}}))"
    frame = session.frame(query, file=opened.frame)
    schema = _schema(spec)
    return Table(frame.select(*schema.names, "_line", "_lines", "_reason"), schema, session), opened


def open_input(spec: InputSpec, session: Session) -> OpenInput:
    """Open the file with exactly the columns that the recipe names.

    Raises
    ------
    SourceError : the file is missing or unreadable, or lacks a mapped column.
    """
    wanted = tuple(dict.fromkeys(_wanted(spec)))
    if spec.path.suffix == ".parquet":
        frame = session.scan_parquet(spec.path, row_numbers=True)
        names = tuple(name for name in frame.collect_schema().names() if name != "_line")
        _require(spec, names, wanted)
        kinds = dict(session.rows("SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {file})", file=frame))
        frame = frame.select(*wanted, "_line").with_columns(
            nw.lit(1, dtype=nw.Int64).alias("_lines"), nw.lit(None, dtype=nw.String).alias("_fault")
        )
        csv, header = None, 0
    elif spec.path.suffix in CSV_SUFFIXES:
        csv = CsvFile.open(spec.path, encoding=spec.encoding, delimiter=spec.delimiter)
        names = csv.dialect.names
        _require(spec, names, wanted)
        csv.columns = wanted
        frame = session.scan_stream(csv)
        kinds = dict.fromkeys(wanted, "VARCHAR")
        header = csv.dialect.header_lines
    else:
        raise SourceError(
            f"{spec.path.name}: files ending in {spec.path.suffix!r} are not read",
            hint="give .csv, .csv.gz or .parquet",
        )
    known = {*wanted, *spec.direct}
    return OpenInput(
        frame=frame,
        kinds=kinds,
        dropped_columns=tuple(name for name in names if name not in known),
        header_lines=header,
        csv=csv,
        path=spec.path,
    )


def _wanted(spec: InputSpec) -> list[str]:
    polyline = [spec.polyline.column] if spec.polyline else []
    return [*spec.columns.values(), *polyline, *(extra.column for extra in spec.also.values())]


def _require(spec: InputSpec, names: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    missing = [name for name in wanted if name not in names]
    if missing:
        raise SourceError(
            f"{spec.path.name} lacks the columns {missing} of source {spec.operator!r}; it has {list(names)[:40]}",
            hint="map the operator's names for them in the recipe: inputs[].columns",
        )


def _source(spec: InputSpec, name: str, kinds: dict[str, str]) -> str:
    """SQL of a column as the operator wrote it, with the recipe's null texts taken out."""
    quoted = identifier(name)
    if kinds[name] != "VARCHAR":
        return quoted
    for text in spec.nulls:
        quoted = "nullif({}, '{}')".format(quoted, text.replace("'", "''"))
    return quoted


def _number(spec: InputSpec, name: str, kinds: dict[str, str]) -> str:
    column = _source(spec, name, kinds)
    if kinds[name] != "VARCHAR":
        return f"CAST({column} AS DOUBLE)"
    text = f"replace(replace({column}, '.', ''), ',', '.')" if spec.decimal == "," else column
    return f"TRY_CAST({text} AS DOUBLE)"


def _first_step(spec: InputSpec, kinds: dict[str, str]) -> dict[str, str]:
    """Columns as written, times as local seconds and offset, numbers as doubles with a flag for unreadable ones."""
    picks = {name: f"{name} AS {name}" for name in ("_line", "_lines", "_fault")}
    for canonical in ("trip", "person", "driver", "vehicle", "mode"):
        if canonical in spec.columns:
            column = _source(spec, spec.columns[canonical], kinds)
            picks[canonical] = f"nullif(trim({column}::VARCHAR), '') AS {canonical}"
    for canonical in ("start", "end"):
        if canonical in spec.columns:
            column = _source(spec, spec.columns[canonical], kinds)
            how = time_sql(column, kinds[spec.columns[canonical]], spec.time)
            picks[canonical] = f'{column} IS NULL AS "{canonical}_missing"'
            picks[f"{canonical}_local"] = f'{how.local} AS "{canonical}_local"'
            picks[f"{canonical}_offset"] = f'{how.offset} AS "{canonical}_offset"'
    for canonical in ("duration_s", "distance_m", "amount", "start_lon", "start_lat", "end_lon", "end_lat"):
        if canonical in spec.columns:
            name = spec.columns[canonical]
            picks[canonical] = f"{_number(spec, name, kinds)} AS {canonical}"
            picks[f"{canonical}_missing"] = f"{_source(spec, name, kinds)} IS NULL AS {canonical}_missing"
    if spec.polyline:
        column = identifier(spec.polyline.column)
        points = rf"'\[\s*{NUMBER}\s*,\s*{NUMBER}\s*\]\s*\]\s*$'"
        begin = rf"'^\s*\[\s*\[\s*{NUMBER}\s*,\s*{NUMBER}\s*\]'"
        one, two = (1, 2) if spec.polyline.order == "lon_lat" else (2, 1)
        for canonical, pattern, group in (
            ("start_lon", begin, one),
            ("start_lat", begin, two),
            ("end_lon", points, one),
            ("end_lat", points, two),
        ):
            picks[canonical] = f"TRY_CAST(regexp_extract({column}, {pattern}, {group}) AS DOUBLE) AS {canonical}"
            picks[f"{canonical}_missing"] = (
                f"({column} IS NULL OR regexp_matches({column}, '^\\s*\\[\\s*\\]\\s*$')) AS {canonical}_missing"
            )
        picks["points"] = f"len({column}) - len(replace({column}, '[', '')) - 1 AS points"
    for name, extra in spec.also.items():
        column = _source(spec, extra.column, kinds)
        picks[f"also {name}"] = f"{_extra(column, extra.kind)} AS {identifier(name)}"
    return picks


def _extra(column: str, kind: str) -> str:
    return f"nullif(trim({column}::VARCHAR), '')" if kind == "text" else f"TRY_CAST({column} AS {KINDS[kind]})"


def _second_step(spec: InputSpec, kinds: dict[str, str], first: dict[str, str]) -> str:
    """Instants from local seconds and offsets."""
    picks = ["*"]
    for canonical in ("start", "end"):
        if canonical in spec.columns:
            how = time_sql("x", kinds[spec.columns[canonical]], spec.time)
            utc, fault = instant_sql(
                f'"{canonical}_local"', f'"{canonical}_offset"', spec.time, always_offset=how.offset == "0"
            )
            picks += [f"{utc} AS {canonical}_s", f"{fault} AS {canonical}_fault"]
    if "end" not in spec.columns:
        if "duration_s" in spec.columns:
            seconds, missing = "duration_s", "duration_s_missing"
        else:
            assert spec.polyline is not None
            seconds, missing = f"(points - 1) * {spec.polyline.interval_s}", "false"
        start = picks[1].removesuffix(" AS start_s")
        picks += [
            f"{start} + CAST(floor({seconds}) AS BIGINT) AS end_s",
            "NULL AS end_fault",
            f"{missing} AS end_missing",
        ]
    return ", ".join(picks)


def _third_step(spec: InputSpec, as_of_s: int, box: tuple[float, float, float, float] | None) -> str:
    """Canonical columns and the one reason why a line cannot be used."""
    checks, c = spec.checks, spec.columns
    cases: list[tuple[str, str]] = [("_fault IS NOT NULL", "_fault")]

    def case(condition: str, reason: str) -> None:
        cases.append((condition, f"'{reason}'"))

    for name in ("trip", "person", "driver"):
        if name in c:
            case(f"{name} IS NOT NULL AND regexp_matches({name}, '{EXCEL_NUMBER}')", "destroyed_id")
    for name in checks.require:
        case(f"{identifier(name)} IS NULL", "missing_key")
    case("start_missing OR end_missing", "missing_time")
    ends = ("start_fault", "end_fault")
    cases += [(f"{fault} IS NOT NULL", fault) for fault in ends]
    case("start_s IS NULL OR end_s IS NULL", "bad_time")
    first_s = f"epoch(TIMESTAMP '{checks.first_year:04d}-01-01')"
    case(
        f"start_s < {first_s} OR end_s < {first_s} OR greatest(start_s, end_s) > {as_of_s + DAY_S}",
        "clock_out_of_range",
    )
    points = ("start_lon", "start_lat", "end_lon", "end_lat")
    case(" OR ".join(f"{name}_missing" for name in points), "missing_coordinates")
    if spec.polyline:
        case("points < 2", "too_few_points")
    case(" OR ".join(f"{name} IS NULL OR isnan({name}) OR isinf({name})" for name in points), "bad_coordinates")
    if box is not None:
        west, south, east, north = box

        def inside(lon: str, lat: str) -> str:
            return f"({lon} BETWEEN {west} AND {east} AND {lat} BETWEEN {south} AND {north})"

        exchanged = " OR ".join(
            f"(NOT {inside(f'{end}_lon', f'{end}_lat')} AND {inside(f'{end}_lat', f'{end}_lon')})"
            for end in ("start", "end")
        )
        case(exchanged, "swapped_coordinates")
    beyond = " OR ".join(
        f"abs({end}_lon) > 180 OR abs({end}_lat) > 90 OR ({end}_lon = 0 AND {end}_lat = 0)" for end in ("start", "end")
    )
    case(beyond, "impossible_coordinates")
    case("end_s < start_s", "end_before_start")
    case(f"end_s - start_s < {checks.min_seconds}", "zero_length")
    case(f"end_s - start_s > {checks.max_hours * 3600}", "trip_too_long")
    metres = (
        "111195 * sqrt(pow(end_lat - start_lat, 2) "
        "+ pow((end_lon - start_lon) * cos(radians((start_lat + end_lat) / 2)), 2))"
    )
    case(f"{metres} * 3.6 > {checks.max_speed_kmh} * (end_s - start_s)", "absurd_speed")
    for name in ("distance_m", "amount"):
        if name in c:
            case(f"{name} IS NULL AND NOT {name}_missing", "bad_number")
            case(f"{name} < 0", "negative_amount")
    reason = "CASE " + " ".join(f"WHEN {condition} THEN {value}" for condition, value in cases) + " END AS _reason"
    operator = spec.operator.replace("'", "''")
    mode = "mode" if "mode" in c else ("'" + spec.mode.replace("'", "''") + "'" if spec.mode else "NULL::VARCHAR")
    picks = [
        *(name if name in c else f"NULL::VARCHAR AS {name}" for name in ("trip", "person", "driver", "vehicle")),
        f"'{operator}' AS operator",
        f"{mode} AS mode",
        *("start_s", "end_s", *points),
        "distance_m" if "distance_m" in c else "NULL::DOUBLE AS distance_m",
        "CAST(end_s - start_s AS DOUBLE) AS duration_s",
        *(identifier(name) for name in spec.also),
        *("_line", "_lines", reason),
    ]
    return ", ".join(picks)


def _schema(spec: InputSpec) -> Schema:
    extras = tuple(Column(name=name, role=Role(extra.role)) for name, extra in spec.also.items())
    return Schema(
        columns=(*TRIP_COLUMNS, *extras),
        source=spec.operator,
        zone=spec.time.zone,
        privacy_unit=spec.privacy_unit,
    )
