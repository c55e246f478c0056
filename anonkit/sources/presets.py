"""``source: mds`` in a recipe: what an operator's format says of an input, so that the recipe need not.

A preset is data: columns, direct identifiers, time format, rules. What the recipe says goes first, key by key; a column
that it maps to null is not read. Paths are never part of a preset: a second file that a format needs (``places.path``,
``lookups.….path``) is the recipe's to name, and the input is refused without it.

Does not look at the file: an export that differs from its format is refused for the columns it lacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anonkit.sources import bakikart, charge_az, kontaktplus, mds, ocpi, pokupi, tides, uklon

FORMATS = (kontaktplus, mds, bakikart, tides, uklon, charge_az, ocpi, pokupi)
MERGED = ("columns", "also", "identifiers", "others", "lookups", "places", "accounts", "scale", "time", "checks")
"""Keys whose parts are overridden one by one."""
HOME: Mapping[str, str] = {"kontaktplus": "Asia/Baku", "bakikart": "Asia/Baku"}
"""Clock of an operator's times without offset, where no recipe says its zone."""
OFFERED = ("accounts",)
"""Keys that hold only where the recipe names their file; a preset knows its columns."""


def preset_names() -> tuple[str, ...]:
    """Names that ``source:`` knows.

    >>> "mds" in preset_names()
    True
    """
    return tuple(sorted(name for module in FORMATS for name in module.PRESETS))


def preset_of(source: str, path: Path) -> tuple[str, str | None] | None:
    """Preset and operator that a name stands for: the preset itself, or an operator's format of trips for this kind of file.

    >>> preset_of("kontaktplus", Path("rides.csv")), preset_of("mds", Path("trips.json")), preset_of("town", Path("x.csv"))
    (('kontaktplus_csv', 'kontaktplus'), ('mds', None), None)
    """
    known = {name: preset for module in FORMATS for name, preset in module.PRESETS.items()}
    if source in known:
        return source, known[source].get("operator")
    json = any(suffix in (".json", ".jsonl", ".ndjson") for suffix in path.suffixes)
    for name, preset in known.items():
        if preset.get("operator") == source and preset["kind"] != "visits" and ("records" in preset) == json:
            return name, source
    return None


def with_preset(said: Mapping[str, Any]) -> dict[str, Any]:
    """What an input says, completed by the preset that its ``source`` names.

    >>> said = with_preset({"source": "kontaktplus_csv", "path": "r.csv", "columns": {"amount": None, "trip": "id"}})
    >>> said["columns"]["trip"], "amount" in said["columns"], said["columns"]["person"]
    ('id', False, 'user_id')

    Raises
    ------
    ValueError : no preset bears that name.
    """
    source = said.get("source", "generic")
    if source == "generic":
        return dict(said)
    for module in FORMATS:
        if source in module.PRESETS:
            return merged(module.PRESETS[source], said)
    raise ValueError(f"there is no source {source!r}; sources are {['generic', *preset_names()]}")


def merged(preset: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """A preset under what was said."""
    result: dict[str, Any] = {**preset, **said}
    for name in OFFERED:
        if said.get(name) is None:
            result.pop(name, None)
    for name in MERGED:
        if name in preset and isinstance(said.get(name), Mapping):
            result[name] = _merged(preset[name], said[name])
    result["direct"] = tuple(dict.fromkeys([*preset.get("direct", ()), *said.get("direct", ())]))
    own = [rule for rule in preset.get("rules", ()) if not any(_says(other, rule) for other in said.get("rules", ()))]
    result["rules"] = (*own, *said.get("rules", ()))
    return result


def _says(said: Any, rule: Mapping[str, Any]) -> bool:
    """Whether a rule that was said is this one already."""
    known = said if isinstance(said, Mapping) else vars(said)
    return all(_plain(known.get(name)) == _plain(value) for name, value in rule.items())


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value


def _merged(preset: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = dict(preset)
    for name, value in said.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(preset.get(name), Mapping):
            result[name] = _merged(preset[name], value)
        else:
            result[name] = value
    return result
