"""Operators' exports become canonical tables: one module a way of writing trips down."""

from anonkit.sources.chaining import inferred_share
from anonkit.sources.files import OpenInput
from anonkit.sources.fixes import read_fixes, usable_fixes
from anonkit.sources.generic import read_generic
from anonkit.sources.people import others_of_rows, people_of_rows, read_accounts
from anonkit.sources.presets import HOME, preset_names, preset_of
from anonkit.sources.rules import Rule
from anonkit.sources.spec import AccountFile, Checks, ExtraColumn, InputSpec, Lookup, Places, Polyline, Times
from anonkit.sources.visits import visits_as_trips

__all__ = [
    "HOME",
    "AccountFile",
    "Checks",
    "ExtraColumn",
    "InputSpec",
    "Lookup",
    "OpenInput",
    "Places",
    "Polyline",
    "Rule",
    "Times",
    "inferred_share",
    "others_of_rows",
    "people_of_rows",
    "preset_names",
    "preset_of",
    "read_accounts",
    "read_fixes",
    "read_generic",
    "usable_fixes",
    "visits_as_trips",
]
