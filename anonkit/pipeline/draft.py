"""A first recipe for a file that was inspected: complete where it can be guessed, marked where a person must decide.

Nothing in it comes from where the trips are: area, zones and period are public and are asked for, since an extent that
is taken from the data gives the data away (ruling 18).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from anonkit.base.errors import SourceError
from anonkit.pipeline.guess import InspectedColumn
from anonkit.pipeline.inspect import Inspection
from anonkit.pipeline.vocabulary import DRIVERS, factor, fold
from anonkit.recipe.load import DECIDE

COORDINATES = ("start_lon", "start_lat", "end_lon", "end_lat")
CANONICAL = (
    *("trip", "person", "driver", "vehicle", "start", "end", "duration_s"),
    *(*COORDINATES, "start_place", "end_place", "distance_m", "amount"),
)
REACHABLE = re.compile(r"phone|telefon|msisdn|e_?mail|e_?post|e_?poct|телефон|почт")
"""Names of identifiers that stand for one person each."""


def draft_recipe(
    inspection: Inspection,
    *,
    relative: str | None = None,
    places: Inspection | None = None,
    places_relative: str | None = None,
) -> str:
    """The text of a commented recipe; ``places`` is a list of stations with their coordinates.

    Raises
    ------
    SourceError : the file is a list of places, and no trips.
    """
    if inspection.is_places:
        raise SourceError(
            f"{inspection.path.name} looks like a list of places: coordinates, and no time",
            hint=f"give the file of trips, and this one beside it: anonkit init TRIPS --places {inspection.path.name}",
        )
    chosen = _chosen(inspection)
    unit = "person" if "person" in chosen else "driver" if "driver" in chosen else "trip"
    stem = re.sub(r"[^a-z0-9.-]+", "-", fold(inspection.path.name.split(".")[0]).replace("_", "-")).strip("-")
    by_place = "start_place" in chosen
    lines = _head(inspection.path.name, stem or "trips")
    lines += _privacy(unit, chosen)
    lines += _geo(by_place, places is not None)
    size = "level: zone" if by_place and places is None else "cell_m: 2000"
    lines += [
        f"time: {{bins: 1h, zone: {DECIDE}}}      # IANA name of the city's clock, such as Europe/Lisbon",
        "",
        "# Each at least as coarse as the one above it. 3h of week: the same three hours of all weeks together; 1h of day: of",
        "# all days; 1h alone: dated. Where too few are left: coarser, or what `anonkit explain` shows.",
        "products:",
        f"  flows:   {{{size}, bins: 3h of week}}",
        f"  volumes: {{{size}, bins: 6h of week}}",
        *(
            []
            if size.startswith("level")
            else ["suppression: {cell_m: 4000}      # cells by which the missing share is told"]
        ),
        "",
        "inputs:",
        f"  - path: {_quoted(relative or inspection.path.name)}       # relative to this recipe",
        f"    operator: {stem or 'trips'}",
    ]
    lines += _input(inspection, chosen, unit)
    if places is not None and by_place:
        lines.append(_places(places, places_relative or places.path.name))
    lines += _unused(inspection, chosen)
    return "\n".join(lines) + "\n"


def _chosen(inspection: Inspection) -> dict[str, InspectedColumn]:
    """Canonical name → column. One way of saying where a row is; people by their phone where nothing else names them."""
    chosen = {column.guess: column for column in inspection.columns if column.guess in CANONICAL}
    placed = all(name in chosen for name in COORDINATES) or bool(inspection.of("polyline"))
    for name in ("start_place", "end_place") if placed else COORDINATES if "start_place" in chosen else ():
        chosen.pop(name, None)
    if not {"person", "driver"} & set(chosen):
        for column in inspection.of("direct"):
            if REACHABLE.search(fold(column.name)) or column.detail.endswith((" phone", " email")):
                chosen["driver" if DRIVERS.search(fold(column.name)) else "person"] = column
                break
    return chosen


def _head(name: str, stem: str) -> list[str]:
    return [
        f"# A first recipe for {name}. Replace every {DECIDE}, read every line, then:",
        "#   anonkit release RECIPE --plan            what would be published; nothing leaves",
        "#   anonkit explain RECIPE                   what each choice costs",
        "#   anonkit release RECIPE --out FOLDER      the release, recounted by the gate",
        f"release: {stem}",
        f"title: {DECIDE}",
        f"purpose: {DECIDE}             # what the recipient may use it for",
        f"recipient: {{name: {DECIDE}, kind: contract}}   # public, contract or internal",
        f"licence: {DECIDE}             # such as CC-BY-4.0",
        f"period: {{from: {DECIDE}, to: {DECIDE}}}   # local dates such as 2026-09-01, both included; trips outside are dropped; a noisy release takes them from the calendar, never from the trips",
        "",
    ]


def _privacy(unit: str, chosen: dict[str, InspectedColumn]) -> list[str]:
    lines = [
        "privacy:",
        "  guarantee: k_anonymity",
        f"  protect: {{{unit}: 11}}      # least number of different {unit}s in a class; 11 is usual for the public",
    ]
    if unit == "trip":
        lines.append("  # no column of riders was found: k counts trips, and the released folder says so (ruling 1)")
    elif unit == "person" and "driver" in chosen:
        lines.append("  # drivers can be protected too: protect: {person: 11, driver: 5}")
    return [*lines, ""]


def _geo(by_place: bool, listed: bool) -> list[str]:
    if by_place and not listed:
        return [
            "# Trips name zones or stations by id. Zones: a public list, or the ids themselves (1-263 means all between).",
            "# Stations with coordinates: begin again with `anonkit init FILE --places STATIONS.csv`.",
            f"geo: {{zones: {{ids: {DECIDE}}}}}",
        ]
    return [
        "# A public area, never the extent of the trips: a GeoJSON file with the city's polygon. latitude: of its middle, for",
        "# the width of cells. Cells may be coarsened to 2, 4, 8 … times their side.",
        f"geo: {{cell_m: 500, latitude: {DECIDE}, area: {DECIDE}}}",
    ]


def _input(inspection: Inspection, chosen: dict[str, InspectedColumn], unit: str) -> list[str]:
    lines = [] if unit == "person" else [f"    privacy_unit: {unit}"]
    if inspection.encoding and inspection.encoding != "utf-8":
        lines.append(f"    encoding: {inspection.encoding}")
    elif inspection.bad_lines.get("wrong_encoding"):
        lines.append(f"    encoding: {DECIDE}      # some bytes are not UTF-8; often cp1252, cp1254 or cp1251")
    if inspection.delimiter not in (None, ","):
        lines.append(f"    delimiter: {inspection.delimiter!r}")
    if any(column.decimal == "," for column in chosen.values()):
        lines.append("    decimal: ','")
    lines.append("    columns:")
    joined = _joined(inspection)
    formats = {name: column.format for name, column in chosen.items() if name in ("start", "end")}
    formats |= {name: written for name, (_, written) in joined.items() if name not in formats}
    timed = "end" in formats or "duration_s" in chosen
    for name in CANONICAL:
        if name in chosen and not (name == "duration_s" and "end" in formats):
            lines.append(f"      {name}: {_quoted(chosen[name].name)}      # {_why(name, chosen[name])}")
        elif name in joined and name in formats:
            lines.append(f"      {name}: [{joined[name][0]}]      # a date and a clock")
    polylines = inspection.of("polyline")
    for name, missing in (("start", "start" not in formats), ("end", not timed and not polylines)):
        if missing:
            lines.append(f"      {name}: {DECIDE}      # no column was recognised")
    if polylines:
        every = "" if timed else f", interval_s: {DECIDE}"
        lines.append(f"    polyline: {{column: {_quoted(polylines[0].name)}, order: lon_lat{every}}}")
    elif "start_place" not in chosen:
        lines += [
            f"      {name}: {DECIDE}      # no column was recognised" for name in COORDINATES if name not in chosen
        ]
    elif "end_place" not in chosen:
        lines.append(f"      end_place: {DECIDE}      # no column was recognised")
    lines.append(_time(inspection, formats.get("start") or "iso"))
    return lines + _scale(chosen, ends="end" in formats)


def _time(inspection: Inspection, written: str) -> str:
    """How times are written; asked for where the file does not tell day from month."""
    dated = [column for column in inspection.of("start", "end", "start_date", "end_date") if "/%" in column.format]
    rivals = [column for column in dated if column.rival]
    if not rivals:
        return f"    time: {{format: {_quoted(written)}, ambiguous: first}}"
    other = written.replace(rivals[0].format, rivals[0].rival)
    told = next((column.format for column in dated if not column.rival), "")  # the other time may tell it
    if told in (rivals[0].format, rivals[0].rival):
        return f"    time: {{format: {_quoted(written.replace(rivals[0].format, told))}, ambiguous: first}}"
    return f"    time: {{format: {DECIDE}, ambiguous: first}}      # {_quoted(written)} or {_quoted(other)}: no day is above 12"


def _joined(inspection: Inspection) -> dict[str, tuple[str, str]]:
    """Times in two columns: start and end → the list of both, and the format of the two together."""
    found = {}
    for name in ("start", "end"):
        dates, clocks = inspection.of(f"{name}_date"), inspection.of(f"{name}_clock")
        if dates and clocks:
            date, clock = dates[0], clocks[0]
            iso = date.format == "iso" and "%p" not in clock.format
            written = "iso" if iso else f"{date.format.replace('iso', '%Y-%m-%d')} {clock.format}"
            found[name] = (f"{_quoted(date.name)}, {_quoted(clock.name)}", written)
    return found


def _why(name: str, column: InspectedColumn) -> str:
    if name in ("person", "driver") and column.guess == "direct":
        return f"becomes a token of the run, never released; thresholds count these {name}s"
    if name == "distance_m" and factor(name, column.name) is None:
        return f"{column.detail}; in metres? else below: scale: {{distance_m: 1000}}"
    return column.detail


def _scale(chosen: dict[str, InspectedColumn], *, ends: bool) -> list[str]:
    """Factors to metres and seconds, where the name tells the unit; asked for where the end of trips hangs on it."""
    scales = {}
    for name in ("distance_m", "duration_s"):
        if name in chosen and not (name == "duration_s" and ends):
            times = factor(name, chosen[name].name)
            if times not in (None, 1.0):
                scales[name] = f"{times:g}"
            elif times is None and name == "duration_s":
                scales[name] = DECIDE
    if not scales:
        return []
    why = "seconds: 1, minutes: 60" if DECIDE in scales.values() else "to metres and seconds"
    return [f"    scale: {{{', '.join(f'{name}: {times}' for name, times in scales.items())}}}      # {why}"]


def _places(places: Inspection, relative: str) -> str:
    """The second file of an input: which of its columns is the id, and where a place lies."""
    ids = places.of("place", "start_place", "end_place", "trip", "unknown")
    told = {"id": ids[0] if ids else None}
    told |= {axis: next(iter(places.of(axis, f"start_{axis}")), None) for axis in ("lon", "lat")}
    listed = ", ".join(f"{name}: {_quoted(column.name) if column else DECIDE}" for name, column in told.items())
    return f"    places: {{path: {_quoted(relative)}, {listed}}}"


def _unused(inspection: Inspection, chosen: dict[str, InspectedColumn]) -> list[str]:
    used = {column.name for column in chosen.values()}
    used |= {column.name for column in inspection.of("polyline", "start_date", "start_clock", "end_date", "end_clock")}
    direct = [_quoted(column.name) for column in inspection.of("direct") if column.name not in used]
    lines = [f"    direct: [{', '.join(direct)}]      # identifiers: never read"] if direct else []
    other = [column for column in inspection.columns if column.name not in used and column.guess != "direct"]
    if other:
        lines += [
            "    # Not mapped, so never read. A category can be published:",
            "    #   also: {NAME: {column: COLUMN, role: quasi}} here, and columns: [NAME] at a product.",
        ]
        lines += [f"    #   {on_one_line(column.name)}: {column.guess} ({column.detail})" for column in other]
    return lines


def on_one_line(name: str) -> str:
    """A name as it is; one with line breaks or other signs that nobody sees as a text with escapes.

    >>> on_one_line("Qeyd"), on_one_line("from\\nwhere")
    ('Qeyd', '"from\\\\nwhere"')
    """
    return name if name.isprintable() else json.dumps(name)


def _quoted(name: str) -> str:
    if not name.isprintable():
        return on_one_line(name)  # YAML reads such a text as JSON does
    if Path(name).name != name or re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", name):
        plain = re.fullmatch(r"[A-Za-z0-9_./-]+", name) and name.lower() not in (
            "yes",
            "no",
            "on",
            "off",
            "true",
            "false",
            "null",
        )
        if plain:
            return name
    return "'" + name.replace("'", "''") + "'"
