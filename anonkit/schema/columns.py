"""What a column is to privacy: its role, unit and level; and what a table of trips holds.

The role decides what may happen to a column: a ``direct`` identifier never leaves the loader, a ``pseudonym`` becomes
a token of the run, a ``quasi``-identifier may be released only inside a class, a ``sensitive`` one needs a diversity
rule, a ``plain`` one is never released. Canonical names are fixed; other rooms rely on them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from anonkit.base.errors import SchemaError


class Role(Enum):
    """What a column is to privacy."""

    DIRECT = "direct"
    PSEUDONYM = "pseudonym"
    QUASI = "quasi"
    SENSITIVE = "sensitive"
    PLAIN = "plain"


class PrivacyUnit(Enum):
    """What a class counts: persons; drivers, where only they are protected; or trips, where nobody is known (ruling 1)."""

    PERSON = "person"
    DRIVER = "driver"
    TRIP = "trip"


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table."""

    name: str
    role: Role
    unit: str | None = None
    """``s``, ``m``, ``degree``, ``cell``, ``bin``, …"""
    level: str | None = None
    """What one value stands for, such as ``1000 m`` or ``1 h``."""


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The columns of a table and what they refer to."""

    columns: tuple[Column, ...]
    kind: str = "trips"
    source: str | None = None
    zone: str | None = None
    """IANA name of the local clock, such as ``Asia/Baku``."""
    tessellation: str | None = None
    privacy_unit: PrivacyUnit = PrivacyUnit.PERSON

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SchemaError(f"columns {twice} are named twice", hint="map each column once")

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __contains__(self, name: object) -> bool:
        return any(column.name == name for column in self.columns)

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise SchemaError(f"there is no column {name!r}", hint=f"columns are {list(self.names)}")

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    @property
    def unit_column(self) -> str:
        """The column whose distinct values a class counts: ``person``, ``driver`` or ``trip``."""
        return self.privacy_unit.value

    def of_role(self, *roles: Role) -> tuple[str, ...]:
        """Names of the columns that have one of these roles."""
        return tuple(column.name for column in self.columns if column.role in roles)

    def with_columns(self, *columns: Column) -> Schema:
        """The schema with columns added or replaced by name."""
        new = {column.name: column for column in columns}
        kept = tuple(new.pop(column.name, column) for column in self.columns)
        return replace(self, columns=(*kept, *new.values()))

    def without(self, *names: str) -> Schema:
        """The schema less some columns."""
        return replace(self, columns=tuple(column for column in self.columns if column.name not in names))

    def require(self, *names: str) -> None:
        """Raise ``SchemaError`` unless all of ``names`` are columns."""
        missing = [name for name in names if name not in self]
        if missing:
            raise SchemaError(
                f"{self.source or self.kind} lacks the columns {missing}",
                hint="map the operator's names for them in the recipe: inputs[].columns",
            )


TRIP_COLUMNS: tuple[Column, ...] = (
    Column(name="trip", role=Role.PSEUDONYM),
    Column(name="person", role=Role.PSEUDONYM),
    Column(name="driver", role=Role.PSEUDONYM),
    Column(name="vehicle", role=Role.PSEUDONYM),
    Column(name="party", role=Role.PSEUDONYM),
    Column(name="operator", role=Role.QUASI),
    Column(name="mode", role=Role.QUASI),
    Column(name="start_s", role=Role.PLAIN, unit="s"),
    Column(name="end_s", role=Role.PLAIN, unit="s"),
    Column(name="start_lon", role=Role.PLAIN, unit="degree"),
    Column(name="start_lat", role=Role.PLAIN, unit="degree"),
    Column(name="end_lon", role=Role.PLAIN, unit="degree"),
    Column(name="end_lat", role=Role.PLAIN, unit="degree"),
    Column(name="distance_m", role=Role.PLAIN, unit="m"),
    Column(name="duration_s", role=Role.PLAIN, unit="s"),
)
"""Canonical columns of trips, with the role each has before anything is generalised."""

VISIT_COLUMNS: tuple[Column, ...] = (
    Column(name="visit", role=Role.PSEUDONYM),
    Column(name="person", role=Role.PSEUDONYM),
    Column(name="place", role=Role.PLAIN),
    Column(name="operator", role=Role.QUASI),
    Column(name="mode", role=Role.QUASI),
    Column(name="start_s", role=Role.PLAIN, unit="s"),
    Column(name="end_s", role=Role.PLAIN, unit="s"),
    Column(name="lon", role=Role.PLAIN, unit="degree"),
    Column(name="lat", role=Role.PLAIN, unit="degree"),
    Column(name="energy_kwh", role=Role.PLAIN, unit="kWh"),
    Column(name="amount", role=Role.PLAIN),
    Column(name="duration_s", role=Role.PLAIN, unit="s"),
)
"""Canonical columns of visits: card taps, top-ups, charging sessions."""
