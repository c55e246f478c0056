"""SQL of the first two steps of a source: columns as written, then instants.

First every column becomes text, a number or local seconds, each with a flag that tells empty from unreadable; then local
seconds become instants of the zone. Nothing is judged here (`sources.checks` does).
"""

from __future__ import annotations

from datetime import date

from anonkit.engine import identifier
from anonkit.sources.rules import dropped_sql
from anonkit.sources.spec import IDS, InputSpec, point_names
from anonkit.sources.times import instant_sql, time_sql

NUMBER = r"(-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
KINDS = {"text": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE"}
TEXTS = (*IDS, "visit", "card", "mode")
NUMBERS = ("duration_s", "distance_m", "energy_kwh", "amount")


PEOPLE = ("person", "driver")
NOBODY = r"|null|none|nan|na|n/a|<na>|nil|undefined|\n|"
"""What exports write for an empty id, in small letters: nobody, never a person of that name (ruling 1)."""
LONGEST = max(len(word) for word in NOBODY.split("|"))
FIRST = "".join(sorted({letter for word in NOBODY.split("|") if word for letter in (word[0], word[0].upper())}))
"""Nothing longer is in the list, and nothing that begins otherwise: it need not be looked for."""
BLANKS = " \t\n\v\f\r\u00a0\u200b\ufeff"
"""What may stand around a text and is none of it."""


def _bare(column: str) -> str:
    """SQL of a column's text without blanks around it, tabs and non-breaking spaces included."""
    text = f"{column}::VARCHAR"
    plain = f"ascii({text}) BETWEEN 33 AND 126 AND ascii(({text})[-1]) BETWEEN 33 AND 126"  # trimming is slow
    return f"CASE WHEN {plain} THEN {text} ELSE trim({text}, '{BLANKS}') END"


def id_sql(column: str, *, somebody: bool) -> str:
    """SQL of an id without blanks around it; null where it is empty or, of somebody, one of the words for nobody."""
    text = _bare(column)
    if somebody:
        # one search in a text, not IN: the engine would make a join of a list
        listed = f"contains('{NOBODY}', '|' || lower({text}) || '|')"
        other = f"strlen({text}) > {LONGEST} OR NOT contains('{FIRST}', ({text})[1])"
        text = f"CASE WHEN {other} THEN {text} WHEN NOT {listed} THEN {text} END"
    return f"nullif({text}, '')"


def source_sql(spec: InputSpec, name: str, kinds: dict[str, str]) -> str:
    """SQL of a column as the operator wrote it, with the recipe's null texts taken out."""
    quoted = identifier(name)
    if kinds[name] != "VARCHAR":
        return quoted
    for text in spec.nulls:
        quoted = f"nullif({quoted}, {_literal(text)})"
    return quoted


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _number(spec: InputSpec, name: str, kinds: dict[str, str]) -> str:
    column = source_sql(spec, name, kinds)
    if kinds[name] != "VARCHAR":
        return f"CAST({column} AS DOUBLE)"
    text = f"replace(replace({column}, '.', ''), ',', '.')" if spec.decimal == "," else column
    return f"TRY_CAST({text} AS DOUBLE)"


def as_written(spec: InputSpec, kinds: dict[str, str]) -> str:
    """Columns as written, times as local seconds and offset, numbers as doubles with a flag for empty ones."""

    def as_text(name: str) -> str:
        return f"nullif(trim({source_sql(spec, name, kinds)}::VARCHAR), '')"

    dropped = dropped_sql(spec.rules, as_text, person=spec.columns.get("person"))
    picks = ["_line", "_lines", "_fault", f"{dropped} AS _dropped"]
    points = point_names(spec.kind)
    for canonical in (*TEXTS, *(place for _, _, place in points)):
        if canonical in spec.columns:
            column = source_sql(spec, spec.columns[canonical], kinds)
            picks.append(f"{id_sql(column, somebody=canonical in PEOPLE)} AS {canonical}")
    if spec.place is not None:
        picks.append(f"{_literal(spec.place)} AS place")
    for canonical in ("start", "end"):
        if canonical in spec.columns:
            column = source_sql(spec, spec.columns[canonical], kinds)
            how = time_sql(column, kinds[spec.columns[canonical]], spec.time)
            picks.append(f'{column} IS NULL AS "{canonical}_missing"')
            picks.append(f'{how.local} AS "{canonical}_local"')
            picks.append(f'{how.offset} AS "{canonical}_offset"')
    for canonical in (*NUMBERS, *(name for lon, lat, _ in points for name in (lon, lat))):
        if canonical in spec.columns:
            name = spec.columns[canonical]
            factor = f" * {spec.scale[canonical]!r}" if canonical in spec.scale else ""
            picks.append(f"{_number(spec, name, kinds)}{factor} AS {canonical}")
            picks.append(f"{source_sql(spec, name, kinds)} IS NULL AS {canonical}_missing")
    picks += [f"{as_text(column)} AS {name}" for name, column in spec.identifying.items()]
    if spec.polyline:
        picks += _of_polyline(spec)
    for name, extra in spec.also.items():
        column = source_sql(spec, extra.column, kinds)
        if extra.kind == "text":
            picks.append(f"nullif({_bare(column)}, '') AS {identifier(name)}")
        else:
            value = f"TRY_CAST({_number(spec, extra.column, kinds)} AS {KINDS[extra.kind]})"
            picks.append(f"{value} AS {identifier(name)}")
            picks.append(f"({column} IS NOT NULL AND {value} IS NULL) AS {identifier(name + '_unread')}")
    return ", ".join(picks)


def _of_polyline(spec: InputSpec) -> list[str]:
    """First and last point of a route that is written as JSON in one column, and the number of points."""
    assert spec.polyline is not None
    column = identifier(spec.polyline.column)
    last = rf"'\[\s*{NUMBER}\s*,\s*{NUMBER}\s*\]\s*\]\s*$'"
    first = rf"'^\s*\[\s*\[\s*{NUMBER}\s*,\s*{NUMBER}\s*\]'"
    one, two = (1, 2) if spec.polyline.order == "lon_lat" else (2, 1)
    picks = []
    for canonical, pattern, group in (
        ("start_lon", first, one),
        ("start_lat", first, two),
        ("end_lon", last, one),
        ("end_lat", last, two),
    ):
        picks.append(f"TRY_CAST(regexp_extract({column}, {pattern}, {group}) AS DOUBLE) AS {canonical}")
        picks.append(f"({column} IS NULL OR regexp_matches({column}, '^\\s*\\[\\s*\\]\\s*$')) AS {canonical}_missing")
    return [*picks, f"len({column}) - len(replace({column}, '[', '')) - 1 AS points", f"{column} AS _route"]


def instants(spec: InputSpec, kinds: dict[str, str], period: tuple[date, date] | None = None) -> str:
    """Instants from local seconds and offsets; the end from a duration or a number of points where no column says it."""
    picks = ["*"]
    for canonical in ("start", "end"):
        if canonical in spec.columns:
            how = time_sql("x", kinds[spec.columns[canonical]], spec.time)
            utc, fault = instant_sql(
                f'"{canonical}_local"',
                f'"{canonical}_offset"',
                spec.time,
                always_offset=how.offset == "0",
                period=period,
            )
            picks += [f"{utc} AS {canonical}_s", f"{fault} AS {canonical}_fault"]
    if "end" not in spec.columns:
        seconds, missing = "0", "false"
        if "duration_s" in spec.columns:
            seconds, missing = "duration_s", "duration_s_missing"
        elif spec.polyline is not None:
            seconds = f"(points - 1) * {spec.polyline.interval_s}"
        picks += [
            f"start_s + TRY_CAST(floor({seconds}) AS BIGINT) AS end_s",
            "NULL::VARCHAR AS end_fault",
            f"{missing} AS end_missing",
        ]
    return ", ".join(picks)
