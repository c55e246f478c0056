"""Operators' exports become canonical tables: one module a way of writing trips down."""

from anonkit.sources.files import OpenInput
from anonkit.sources.generic import read_generic
from anonkit.sources.spec import Checks, ExtraColumn, InputSpec, Places, Polyline, Times
from anonkit.sources.visits import visits_as_trips

__all__ = [
    "Checks",
    "ExtraColumn",
    "InputSpec",
    "OpenInput",
    "Places",
    "Polyline",
    "Times",
    "read_generic",
    "visits_as_trips",
]
