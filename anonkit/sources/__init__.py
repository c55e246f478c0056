"""Operators' exports become canonical tables: one module a way of writing trips down."""

from anonkit.sources.generic import read_generic
from anonkit.sources.spec import Checks, ExtraColumn, InputSpec, Polyline, Times

__all__ = ["Checks", "ExtraColumn", "InputSpec", "Polyline", "Times", "read_generic"]
