"""Operators' exports become canonical tables: one module a way of writing trips down."""

from anonkit.sources.files import OpenInput
from anonkit.sources.generic import read_generic
from anonkit.sources.people import others_of_rows, people_of_rows, read_accounts
from anonkit.sources.spec import AccountFile, Checks, ExtraColumn, InputSpec, Places, Polyline, Times
from anonkit.sources.visits import visits_as_trips

__all__ = [
    "AccountFile",
    "Checks",
    "ExtraColumn",
    "InputSpec",
    "OpenInput",
    "Places",
    "Polyline",
    "Times",
    "others_of_rows",
    "people_of_rows",
    "read_accounts",
    "read_generic",
    "visits_as_trips",
]
