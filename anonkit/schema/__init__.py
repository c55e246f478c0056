"""Columns and their roles, the one table type, local time, and why a line was refused."""

from anonkit.schema.accounting import Accounting
from anonkit.schema.columns import TRIP_COLUMNS, VISIT_COLUMNS, Column, PrivacyUnit, Role, Schema
from anonkit.schema.localtime import LocalTime, Segment
from anonkit.schema.reasons import Reason
from anonkit.schema.table import Table

__all__ = [
    "TRIP_COLUMNS",
    "VISIT_COLUMNS",
    "Accounting",
    "Column",
    "LocalTime",
    "PrivacyUnit",
    "Reason",
    "Role",
    "Schema",
    "Segment",
    "Table",
]
