"""SQL of the last step of a source: canonical columns, and the one reason why a line cannot be used.

The checks stand in the order of ``Reason``'s members, so a line has one reason: the first that holds.
"""

from __future__ import annotations

from anonkit.engine import identifier
from anonkit.schema import Reason
from anonkit.sources.rules import short_sql
from anonkit.sources.spec import IDS, InputSpec, point_names

Box = tuple[float, float, float, float]
EXCEL_NUMBER = r"^-?\d(?:[.,]\d+)?[eE]\+\d+$"
DAY_S = 86_400
DEGREE_M = 111_195


MENDED = "_mended"
"""Name of the internal column of what was put right in a row, or null."""


class Cases:
    """Conditions and reasons, in the order of ``Reason``'s members."""

    def __init__(self) -> None:
        self._cases: list[tuple[str, str]] = [("_fault IS NOT NULL", "_fault")]
        self._last = Reason.BAD_JSON

    def add(self, condition: str, reason: Reason) -> None:
        """The next check."""
        order = list(Reason)
        assert order.index(reason) >= order.index(self._last), f"{reason} stands before {self._last}"
        self._last = reason
        self._cases.append((condition, f"'{reason.value}'"))

    def add_named(self, condition: str, column: str) -> None:
        """A check whose reason a column holds."""
        self._cases.append((condition, column))

    def sql(self) -> str:
        """One CASE expression."""
        return "CASE " + " ".join(f"WHEN {condition} THEN {value}" for condition, value in self._cases) + " END"


def canonical_sql(spec: InputSpec, *, as_of_s: int, box: Box | None) -> str:
    """The canonical columns of the input's kind, with ``_line``, ``_lines``, ``_reason``."""
    cases = Cases()
    _keys(cases, spec)
    _times(cases, spec, as_of_s)
    _positions(cases, spec, box)
    _lengths(cases, spec)
    _numbers(cases, spec)
    operator, c = spec.operator.replace("'", "''"), spec.columns
    mode = "mode" if "mode" in c else ("'" + spec.mode.replace("'", "''") + "'" if spec.mode else "NULL::VARCHAR")
    ids = {"trips": IDS, "visits": ("visit", "person", "place"), "taps": ("visit", "person", "card", "place")}[
        spec.kind
    ]
    here = {*c, *(["place"] if spec.place is not None else [])}
    picks = [
        *(name if name in here else f"NULL::VARCHAR AS {name}" for name in ids),
        f"'{operator}' AS operator",
        f"{mode} AS mode",
        *("start_s", "end_s"),
        *(name if spec.in_zones else _on_earth(name) for name in position_names(spec)),
        *((name if name in c else f"NULL::DOUBLE AS {name}") for name in _measures(spec)),
        "CAST(end_s - start_s AS DOUBLE) AS duration_s",
        *(identifier(name) for name in spec.also),
        *spec.identifying,
        *("_line", "_lines", f"CASE WHEN _dropped IS NULL THEN {cases.sql()} END AS _reason"),
        f"CASE WHEN _dropped IS NOT NULL OR _reason IS NOT NULL THEN _dropped ELSE {short_sql(spec.rules)} END AS _rule",
    ]
    return ", ".join(picks)


def mended_sql(spec: InputSpec, box: Box | None) -> str | None:
    """Columns with exchanged longitudes and latitudes put back, and ``_mended``; None where nothing is to be mended.

    Only where the public area leaves one reading: as written the point lies outside its box, exchanged inside, and the box
    and its mirror image share no point. Of a row all points must be exchanged, or none outside.
    """
    points = [(lon, lat) for lon, lat, _ in point_names(spec.kind)]
    if "swapped_coordinates" not in spec.checks.mend or box is None or spec.in_zones:
        return None
    west, south, east, north = box
    if max(west, south) <= min(east, north):
        return None  # some point could be read both ways

    def inside(lon: str, lat: str) -> str:
        return f"({lon} BETWEEN {west} AND {east} AND {lat} BETWEEN {south} AND {north})"

    exchanged = " AND ".join(f"coalesce({inside(lat, lon)}, false)" for lon, lat in points)
    changed = ", ".join(
        f"CASE WHEN _exchanged THEN {other} ELSE {name} END AS {name}"
        for lon, lat in points
        for name, other in ((lon, lat), (lat, lon))
    )
    return (
        f"SELECT * EXCLUDE (_exchanged) REPLACE ({changed}), CASE WHEN _exchanged THEN 'swapped_coordinates' END AS {MENDED} "
        f"FROM (SELECT *, {exchanged} AS _exchanged FROM ({{query}}))"
    )


def _on_earth(name: str) -> str:
    """No cell is looked for at 1e12 degrees; the line is rejected for what stands there (``impossible_coordinates``)."""
    return f"CASE WHEN abs({name}) <= 360 THEN {name} END AS {name}"


def position_names(spec: InputSpec) -> tuple[str, ...]:
    """Names of the columns that say where a row is: cells of zones, or longitudes and latitudes."""
    points = point_names(spec.kind)
    if spec.in_zones:
        return tuple(place.replace("place", "cell") for _, _, place in points)
    return tuple(name for lon, lat, _ in points for name in (lon, lat))


def _measures(spec: InputSpec) -> tuple[str, ...]:
    return ("distance_m",) if spec.kind == "trips" else ("energy_kwh", "amount")


def _keys(cases: Cases, spec: InputSpec) -> None:
    for name in ("trip", "visit", "person", "driver", "card"):
        if name in spec.columns:
            # most ids have no plus sign, and are not searched by the slow pattern
            destroyed = f"contains({name}, '+') AND regexp_matches({name}, '{EXCEL_NUMBER}')"
            cases.add(destroyed, Reason.DESTROYED_ID)
    for name in spec.checks.require:
        cases.add(f"{identifier(name)} IS NULL", Reason.MISSING_KEY)


def _times(cases: Cases, spec: InputSpec, as_of_s: int) -> None:
    cases.add("start_missing OR end_missing", Reason.MISSING_TIME)
    readable = "start_s IS NULL AND start_fault IS NULL OR end_s IS NULL AND end_fault IS NULL AND start_fault IS NULL"
    cases.add(readable, Reason.BAD_TIME)
    for fault in ("start_fault", "end_fault"):
        cases.add_named(f"{fault} IS NOT NULL", fault)
    first_s = f"epoch(TIMESTAMP '{spec.checks.first_year:04d}-01-01')"
    early = f"start_s < {first_s} OR end_s < {first_s}"
    cases.add(f"{early} OR greatest(start_s, end_s) > {as_of_s + DAY_S}", Reason.CLOCK_OUT_OF_RANGE)


def _positions(cases: Cases, spec: InputSpec, box: Box | None) -> None:
    points = point_names(spec.kind)
    if spec.by_place:
        places = [place for _, _, place in points]
        cases.add(" OR ".join(f"{place} IS NULL" for place in places), Reason.MISSING_PLACE)
        cases.add(" OR ".join(f"NOT {place}_known" for place in places), Reason.UNKNOWN_PLACE)
    if spec.in_zones:
        return
    names = [name for lon, lat, _ in points for name in (lon, lat)]
    if not spec.by_place:
        cases.add(" OR ".join(f"{name}_missing" for name in names), Reason.MISSING_COORDINATES)
    if spec.polyline:
        cases.add("points < 2", Reason.TOO_FEW_POINTS)
    bad = " OR ".join(f"{name} IS NULL OR isnan({name}) OR isinf({name})" for name in names)
    cases.add(bad, Reason.BAD_COORDINATES)
    if box is not None:
        west, south, east, north = box

        def inside(lon: str, lat: str) -> str:
            return f"({lon} BETWEEN {west} AND {east} AND {lat} BETWEEN {south} AND {north})"

        exchanged = " OR ".join(f"(NOT {inside(lon, lat)} AND {inside(lat, lon)})" for lon, lat, _ in points)
        cases.add(exchanged, Reason.SWAPPED_COORDINATES)
    beyond = " OR ".join(f"abs({lon}) > 180 OR abs({lat}) > 90 OR ({lon} = 0 AND {lat} = 0)" for lon, lat, _ in points)
    cases.add(beyond, Reason.IMPOSSIBLE_COORDINATES)


def _lengths(cases: Cases, spec: InputSpec) -> None:
    checks = spec.checks
    cases.add("end_s < start_s", Reason.END_BEFORE_START)
    if spec.kind == "trips":
        cases.add(f"end_s - start_s < {checks.min_seconds}", Reason.ZERO_LENGTH)
    cases.add(f"end_s - start_s > {checks.max_hours * 3600}", Reason.TRIP_TOO_LONG)
    if spec.kind == "trips" and not spec.in_zones:
        north = "end_lat - start_lat"
        east = "(end_lon - start_lon) * cos(radians((start_lat + end_lat) / 2))"
        metres = f"{DEGREE_M} * sqrt(pow({north}, 2) + pow({east}, 2))"
        most = f"{checks.max_speed_kmh} * (end_s - start_s)"
        longest = f"{DEGREE_M} * (abs({north}) + abs(end_lon - start_lon))"  # never less, and without a cosine
        cases.add(f"{longest} * 3.6 > {most} AND {metres} * 3.6 > {most}", Reason.ABSURD_SPEED)


def _numbers(cases: Cases, spec: InputSpec) -> None:
    measured: list[str] = [name for name in ("distance_m", "energy_kwh", "amount") if name in spec.columns]
    for name in measured:
        cases.add(f"({name} IS NULL OR isnan({name})) AND NOT {name}_missing", Reason.BAD_NUMBER)
    for name, extra in spec.also.items():
        if extra.kind != "text":
            cases.add(identifier(name + "_unread"), Reason.BAD_NUMBER)
    for name in measured:
        cases.add(f"{name} < 0", Reason.NEGATIVE_AMOUNT)
