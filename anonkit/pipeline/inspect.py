"""Look at an unknown export: its columns, what each seems to be, its times and places, its bad lines. Writes nothing.

Guesses come from names and from a sample of values; they are put to a person, who decides. What is shown are names,
counts and shares, never a value.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from anonkit.base.errors import SourceError
from anonkit.engine import CsvFile, JsonFile, Session, identifier
from anonkit.schema import Reason
from anonkit.schema.patterns import scan_column
from anonkit.sources.files import CSV_SUFFIXES, JSON_SUFFIXES, open_columns

SAMPLE = 20_000
MANY = 30
"""Distinct values from which on a column may name people or things; fewer are categories."""
FORMATS = (
    *("%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d.%m.%Y %H:%M"),
    *(
        "%d.%m.%Y %H:%M:%S",
        "%d-%m-%Y %H:%M",
        "%d-%m-%Y %H:%M:%S",
        "%Y/%m/%d %H:%M",
        "%Y/%m/%d %H:%M:%S",
        "%Y%m%d%H%M%S",
    ),
    *("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p"),
)
STARTS = re.compile(
    r"start|begin|pick_?up|^pu|from|orig|depart|check_?out|created|arrival_time|tpep_pickup|connect", re.I
)
ENDS = re.compile(r"end|stop|drop_?off|^do|to_|_to$|dest|finish|arriv|return|tpep_dropoff|disconnect|done", re.I)
NAMES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "direct",
        re.compile(
            r"(^|_)(name|surname|first_?name|last_?name|full_?name|e?-?mail|phone|mobile|msisdn|card_?(number|no)?|iban|passport"
            r"|ip|mac|device|address|licen[cs]e|photo|comment|note|feedback|birth|tax|fin|cookie|gender|sex|url)(_|$)",
            re.I,
        ),
    ),
    ("driver", re.compile(r"driver|chauffeur|taxi_?id|courier", re.I)),
    (
        "person",
        re.compile(
            r"(user|rider|person|customer|client|account|member|caller|call$|passenger|card_?token|subscriber_?id)",
            re.I,
        ),
    ),
    (
        "vehicle",
        re.compile(r"(bike|vehicle|scooter|car|plate|medallion|charger|evse|port|space)_?(id|number|no)?$", re.I),
    ),
    (
        "trip",
        re.compile(r"(trip|ride|rental|order|journey|session|transaction|booking)_?-?\s?(id|number|no|uuid)?$", re.I),
    ),
)
PLACES = re.compile(r"(location|zone|station|stop|area|place|district|tract)_?\s?(id|number|no|code)?$", re.I)
MEASURES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("distance_m", re.compile(r"distance|length|miles|km$|metres|meters", re.I)),
    ("duration_s", re.compile(r"duration|seconds|elapsed", re.I)),
    ("amount", re.compile(r"^(fare|price|amount|cost|dollars|total)", re.I)),
    ("energy_kwh", re.compile(r"kwh|energy", re.I)),
)


@dataclass(frozen=True, kw_only=True)
class InspectedColumn:
    """One column and what it seems to be."""

    name: str
    guess: str
    """``start``, ``person``, ``direct``, ``category``, … or ``unknown``."""
    detail: str
    """How it is written, in words."""
    filled: float
    """Share of rows that say something."""
    distinct: int
    """Distinct values in the sample."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a file seems to hold."""

    path: Path
    form: str
    encoding: str
    delimiter: str | None
    lines: int
    sampled: int
    bad_lines: dict[str, int]
    columns: tuple[InspectedColumn, ...]

    def of(self, *guesses: str) -> tuple[InspectedColumn, ...]:
        """Columns with one of these guesses."""
        return tuple(column for column in self.columns if column.guess in guesses)

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**asdict(self), "path": self.path.name}


def inspect(
    path: str | Path, *, encoding: str | None = None, delimiter: str | None = None, records: str | None = None
) -> Inspection:
    """Look at a file without writing anything.

    Raises
    ------
    SourceError : it cannot be read at all; the hint says what to do.

    Privacy
    -------
    Shows names, counts and shares; no value. Nothing is stored.
    """
    path = Path(path)
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    with Session() as session:
        if suffix in CSV_SUFFIXES:
            dialect = CsvFile.open(path, encoding=encoding, delimiter=delimiter).dialect
            form, names = "CSV", list(dialect.names)
        elif suffix in JSON_SUFFIXES:
            form, names, dialect = "JSON", list(JsonFile.open(path, records=records, encoding=encoding).names), None
        else:
            form, names, dialect = "Parquet", list(session.scan_parquet(path).collect_schema().names()), None
        opened = open_columns(
            path, tuple(names), session, encoding=encoding, delimiter=delimiter, records=records, owner="this file"
        )
        faults = dict(
            session.rows(
                "SELECT _fault, sum(_lines)::BIGINT FROM {f} WHERE _fault IS NOT NULL GROUP BY 1 ORDER BY 1",
                f=opened.frame,
            )
        )
        lines = opened.physical(session)
        if lines <= opened.header_lines:
            raise SourceError(f"{path.name} holds a header and nothing else", hint="export it again")
        sample = session.sql(f"SELECT * FROM {{f}} WHERE _fault IS NULL LIMIT {SAMPLE}", f=opened.frame)
        columns = tuple(_column(name, sample.column(name), session) for name in names)
    return Inspection(
        path=path,
        form=form,
        encoding=dialect.encoding if dialect is not None else "",
        delimiter=dialect.delimiter if dialect is not None else None,
        lines=lines,
        sampled=sample.num_rows,
        bad_lines=faults,
        columns=_settled(columns),
    )


def _column(name: str, values: pa.ChunkedArray, session: Session) -> InspectedColumn:
    table = pa.table({"v": values})
    quoted = identifier("v")
    text = f"nullif(trim({quoted}::VARCHAR), '')"
    n, filled, distinct = session.rows(
        f"SELECT count(*), count({text}), count(DISTINCT {text}) FROM {{t}}", t=session.from_arrow(table)
    )[0]
    guess, detail = ("empty", "no values") if not filled else _guess(name, table, session, filled, distinct)
    return InspectedColumn(name=name, guess=guess, detail=detail, filled=filled / max(n, 1), distinct=distinct)


def _share(condition: str, table: pa.Table, session: Session) -> float:
    query = f"SELECT avg(CASE WHEN {condition} THEN 1.0 ELSE 0 END) FROM {{t}} WHERE nullif(trim(v::VARCHAR), '') IS NOT NULL"
    return float(session.value(query, t=session.from_arrow(table)) or 0)


def _guess(name: str, table: pa.Table, session: Session, filled: int, distinct: int) -> tuple[str, str]:
    found = _by_value(name, table, session)
    if found is not None:
        return found
    distinct_values = session.sql(
        "SELECT DISTINCT v::VARCHAR AS v FROM {t} WHERE v IS NOT NULL", t=session.from_arrow(table)
    )
    texts = distinct_values.column("v").to_pylist()
    number = _share("TRY_CAST(v AS DOUBLE) IS NOT NULL", table, session) > 0.98
    many = distinct > MANY or distinct == filled
    for guess, form in NAMES:
        if form.search(_plain(name)) and (many or (guess == "direct" and not number)):
            return guess, f"by its name; {distinct:,} distinct in the sample"
    if not number:
        hits = scan_column(name, texts, kind="text")
        if hits:
            worst = max(hits, key=lambda key: hits[key])
            return "direct", f"{hits[worst]:,} values look like {worst}"
    if PLACES.search(_plain(name)):
        return "place", f"{distinct:,} places"
    for guess, form in MEASURES:
        if number and form.search(_plain(name)):
            return guess, "number"
    if number:
        return "number", f"{distinct:,} distinct"
    if distinct <= 30:
        return "category", f"{distinct} categories"
    return "unknown", f"text, {distinct:,} distinct"


def _by_value(name: str, table: pa.Table, session: Session) -> tuple[str, str] | None:
    """Times, coordinates and routes are known by their values."""
    if _share("v::VARCHAR LIKE '[[%'", table, session) > 0.9:
        return "polyline", "JSON list of points"
    kind = str(table.schema.field("v").type)
    if kind.startswith("timestamp"):
        return _time(name), "time of the engine"
    if re.search(r"(^|_|\b)(lon|lng|long|longitude)(_|\b|$)|longitude|lng", name, re.I):
        return f"{_side(name)}lon", "degrees"
    if re.search(r"(^|_|\b)(lat|latitude)(_|\b|$)|latitude", name, re.I):
        return f"{_side(name)}lat", "degrees"
    if _share("regexp_matches(v::VARCHAR, '[0-9][-/.:T ][0-9]')", table, session) > 0.9:
        stamp = (
            r"TRY_CAST(regexp_replace(trim(v::VARCHAR), '(Z|[+-][0-9]{2}(:?[0-9]{2})?)$', '') AS TIMESTAMP) IS NOT NULL"
        )
        clock = "regexp_matches(v::VARCHAR, ':[0-9]')"
        if _share(f"{stamp} AND {clock}", table, session) > 0.9:
            offset = r"regexp_matches(trim(v::VARCHAR), ':[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)$')"
            with_offset = _share(offset, table, session) > 0.9
            return _time(name), "iso" + (" with offset" if with_offset else " without offset")
        parsed = {
            form: _share(f"try_strptime(trim(v::VARCHAR), '{form}') IS NOT NULL", table, session) for form in FORMATS
        }
        best = max(parsed, key=lambda form: parsed[form])
        if parsed[best] > 0.9:
            return _time(name), best
    named = re.search(r"time|date|_at$|timestamp|created|ended|started|_s$", name, re.I)
    if named and not re.search(r"duration", name, re.I):
        if _share("TRY_CAST(v AS BIGINT) BETWEEN 1000000000 AND 2500000000", table, session) > 0.9:
            return _time(name), "epoch_s"
        if _share("TRY_CAST(v AS BIGINT) BETWEEN 1000000000000 AND 2500000000000", table, session) > 0.9:
            return _time(name), "epoch_ms"
    return None


def _plain(name: str) -> str:
    """A column's name in small letters with underscores.

    >>> _plain("From station id"), _plain("PULocationID"), _plain("startLat")
    ('from_station_id', 'pulocation_id', 'start_lat')
    """
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()).strip("_")


def _time(name: str) -> str:
    if STARTS.search(_plain(name)) and not re.search(r"end|stop|drop", _plain(name)):
        return "start"
    return "end" if ENDS.search(_plain(name)) else "time"


def _side(name: str) -> str:
    if STARTS.search(_plain(name)) and not re.search(r"end|stop|drop", _plain(name)):
        return "start_"
    return "end_" if ENDS.search(_plain(name)) else ""


def _settled(columns: tuple[InspectedColumn, ...]) -> tuple[InspectedColumn, ...]:
    """One column for each guess that can have but one: the fullest; places become start and end."""
    result, taken = [], set()
    single = ("start", "end", "trip", "person", "driver", "vehicle", "start_lon", "start_lat", "end_lon", "end_lat")
    for column in sorted(columns, key=lambda column: -column.filled):
        guess = column.guess
        if guess == "place":
            guess = (
                "start_place"
                if _side(column.name) == "start_"
                else "end_place"
                if _side(column.name) == "end_"
                else guess
            )
        if guess == "time":
            guess = "start" if "start" not in taken and not any(c.guess == "start" for c in columns) else "unknown"
        if guess in (*single, "start_place", "end_place", "distance_m", "duration_s", "amount"):
            if guess in taken:
                guess = "unknown"
            taken.add(guess)
        result.append(InspectedColumn(**{**asdict(column), "guess": guess}))
    order = {column.name: position for position, column in enumerate(columns)}
    return tuple(sorted(result, key=lambda column: order[column.name]))


def bad_line_hints(inspection: Inspection) -> dict[str, str]:
    """What to do about each kind of bad line."""
    return {name: Reason(name).hint for name in inspection.bad_lines}
