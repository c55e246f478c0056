"""A first recipe for a file that was inspected: complete where it can be guessed, marked where a person must decide.

Nothing in it comes from where the trips are: area, zones and period are public and are asked for, since an extent that
is taken from the data gives the data away (ruling 18).
"""

from __future__ import annotations

from anonkit.pipeline.inspect import Inspection
from anonkit.recipe.load import DECIDE

CANONICAL = (
    *(
        "trip",
        "person",
        "driver",
        "vehicle",
        "start",
        "end",
        "duration_s",
        "start_lon",
        "start_lat",
        "end_lon",
        "end_lat",
    ),
    *("start_place", "end_place", "distance_m", "amount"),
)


def draft_recipe(inspection: Inspection, *, relative: str | None = None) -> str:
    """The text of a commented recipe."""
    chosen = {column.guess: column for column in inspection.columns if column.guess in CANONICAL}
    person, driver = "person" in chosen, "driver" in chosen
    unit = "person" if person else "driver" if driver else "trip"
    by_place = "start_place" in chosen and "start_lon" not in chosen
    times = chosen.get("start")
    written = times.detail.split(" with")[0] if times is not None else "iso"
    protect = {"person": "{person: 11}", "driver": "{driver: 11}", "trip": "{trip: 11}"}[unit]
    stem = inspection.path.name.split(".")[0].lower().replace(" ", "-").replace("_", "-") or "trips"
    lines = [
        f"# A first recipe for {inspection.path.name}. Replace every {DECIDE}, read every line, then:",
        "#   anonkit release RECIPE --plan            what would be published; nothing leaves",
        "#   anonkit release RECIPE --out FOLDER      the release, recounted by the gate",
        f"release: {stem}",
        f"title: {DECIDE}",
        f"purpose: {DECIDE}             # what the recipient may use it for",
        f"recipient: {{name: {DECIDE}, kind: contract}}   # public, contract or internal",
        f"licence: {DECIDE}             # such as CC-BY-4.0",
        f"period: {{from: {DECIDE}, to: {DECIDE}}}   # local dates, both included; trips outside are dropped and counted",
        "",
        "privacy:",
        "  guarantee: k_anonymity",
        f"  protect: {protect}      # least number of different {unit}s in a class; 11 is usual for the public",
    ]
    if unit == "trip":
        lines.append("  # no column of riders was found: k counts trips, and the released folder says so (ruling 1)")
    lines.append("")
    if by_place:
        lines += [
            "# Trips name zones or stations by id. Zones: a public list, or the ids themselves (1-263 means all between).",
            "# Stations: name a file with their coordinates under inputs[].places, and a grid here instead.",
            f"geo: {{zones: {{ids: {DECIDE}}}}}",
        ]
    else:
        lines += [
            "# A public area, never the extent of the trips. Cells may be coarsened to 2, 4, 8 … times their side.",
            f"geo: {{cell_m: 500, latitude: {DECIDE}, area: {DECIDE}}}    # area: a GeoJSON file of the city",
        ]
    size = "level: zone" if by_place else "cell_m: 2000"
    lines += [
        f"time: {{bins: 1h, zone: {DECIDE}}}      # IANA name of the city's clock, such as Europe/Lisbon",
        "",
        "products:                       # each at least as coarse as the one above it",
        f"  flows:   {{{size}, bins: 3h of week}}",
        f"  volumes: {{{size}, bins: 6h of week}}",
        "",
        "inputs:",
        f"  - path: {relative or inspection.path.name}       # relative to this recipe",
        f"    operator: {stem}",
    ]
    if unit != "person":
        lines.append(f"    privacy_unit: {unit}")
    if inspection.encoding and inspection.encoding != "utf-8":
        lines.append(f"    encoding: {inspection.encoding}")
    if inspection.delimiter not in (None, ","):
        lines.append(f"    delimiter: {inspection.delimiter!r}")
    if inspection.bad_lines.get("wrong_encoding"):
        lines.append(f"    encoding: {DECIDE}      # some bytes are not UTF-8; often cp1252, cp1254 or cp1251")
    lines.append("    columns:")
    for name in CANONICAL:
        if name in chosen and not (name == "duration_s" and "end" in chosen):
            column = chosen[name]
            lines.append(f"      {name}: {_quoted(column.name)}      # {column.detail}")
    polylines = inspection.of("polyline")
    timed = "end" in chosen or "duration_s" in chosen
    for name, missing in (("start", "start" not in chosen), ("end", not timed and not polylines)):
        if missing:
            lines.append(f"      {name}: {DECIDE}      # no column was recognised")
    if polylines:
        every = "" if timed else f", interval_s: {DECIDE}"
        lines.append(f"    polyline: {{column: {_quoted(polylines[0].name)}, order: lon_lat{every}}}")
    elif not by_place:
        lines += [
            f"      {name}: {DECIDE}" for name in ("start_lon", "start_lat", "end_lon", "end_lat") if name not in chosen
        ]
    lines.append(f"    time: {{format: {_quoted(written)}, ambiguous: first}}")
    direct = [_quoted(column.name) for column in inspection.of("direct")]
    if direct:
        lines.append(f"    direct: [{', '.join(direct)}]      # identifiers: never read")
    other = [
        column
        for column in inspection.columns
        if column.guess not in CANONICAL and column.guess not in ("direct", "polyline")
    ]
    if other:
        lines.append(
            "    # Not mapped, so never read; a category can be published under also: {name: {column: …, role: quasi}}:"
        )
        lines += [f"    #   {column.name}: {column.guess} ({column.detail})" for column in other]
    return "\n".join(lines) + "\n"


def _quoted(name: str) -> str:
    plain = name.replace("_", "").replace("-", "").isalnum() and not name[0].isdigit()
    return name if plain else "'" + name.replace("'", "''") + "'"
