"""What a recipe says of one input: where it lies, how it is written, which column is what.

Every column of the export is either mapped, named as a direct identifier, or dropped and listed (default deny).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from anonkit.schema import PrivacyUnit
from anonkit.schema.localtime import Ambiguous, LocalTime


class Spec(BaseModel):
    """Frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Times(Spec):
    """How times are written."""

    format: str = "iso"
    """``iso``, ``epoch_s``, ``epoch_ms``, or a strptime format such as ``%m/%d/%Y %H:%M``."""
    zone: str | None = None
    """IANA zone of times that carry no offset, and of the local clock of all bins."""
    ambiguous: Ambiguous = "reject"
    """Which of the two instants an autumn hour without offset means."""
    shift_years: int = 0
    """Added to every year; mends a constant error such as 0014 for 2014."""

    @model_validator(mode="after")
    def _known_zone(self) -> Times:
        if self.zone is not None:
            LocalTime(self.zone)
        return self


class Polyline(Spec):
    """A column that holds the whole route as JSON, of which start and end are taken."""

    column: str
    order: Literal["lon_lat", "lat_lon"] = "lon_lat"
    interval_s: int | None = Field(default=None, ge=1)
    """Seconds between points; gives the end time where no column does."""


class ExtraColumn(Spec):
    """A further column that a product may release."""

    column: str
    role: Literal["quasi", "sensitive"]
    kind: Literal["text", "integer", "number"] = "text"


class Checks(Spec):
    """What a row must pass; a row that does not is rejected with its reason."""

    first_year: int = 2005
    max_hours: float = Field(default=24, gt=0)
    min_seconds: int = Field(default=1, ge=0)
    """Shorter trips are rejected as of zero length."""
    max_speed_kmh: float = Field(default=250, gt=0)
    """Along the straight line from start to end."""
    require: tuple[str, ...] = ()
    """Canonical columns that must not be empty, such as ``person``."""
    max_rejected: float = Field(default=0.5, ge=0, le=1)
    """A larger share of rejected lines refuses the whole input."""


CANONICAL = (
    *("trip", "person", "driver", "vehicle", "mode", "start", "end", "duration_s", "distance_m", "amount"),
    *("start_lon", "start_lat", "end_lon", "end_lat"),
)


class InputSpec(Spec):
    """One input of a recipe."""

    path: Path
    source: str = "generic"
    operator: str
    mode: str | None = None
    """The mode of all rows, where no column says it."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Canonical name → the operator's name."""
    also: dict[str, ExtraColumn] = Field(default_factory=dict)
    """Further columns under the name that a product releases them by."""
    direct: tuple[str, ...] = ()
    """Direct identifiers that this export is known to hold; never read."""
    polyline: Polyline | None = None
    time: Times = Times()
    checks: Checks = Checks()
    privacy_unit: PrivacyUnit = PrivacyUnit.PERSON
    encoding: str | None = None
    delimiter: str | None = None
    nulls: tuple[str, ...] = ()
    """Texts that mean nothing, beside the empty one, such as ``NA``."""
    decimal: Literal[".", ","] = "."

    @model_validator(mode="after")
    def _complete(self) -> InputSpec:
        unknown = sorted(set(self.columns) - set(CANONICAL))
        if unknown:
            raise ValueError(f"columns maps {unknown}; canonical names are {list(CANONICAL)}")
        if "start" not in self.columns:
            raise ValueError("columns lacks 'start', the column of the start time")
        ends = [name for name in ("end", "duration_s") if name in self.columns]
        if not ends and not (self.polyline and self.polyline.interval_s):
            raise ValueError("columns lacks 'end' (or 'duration_s', or polyline.interval_s)")
        if self.polyline is None:
            missing = [name for name in CANONICAL[-4:] if name not in self.columns]
            if missing:
                raise ValueError(f"columns lacks {missing} (or name a polyline)")
        if self.privacy_unit is PrivacyUnit.PERSON and "person" not in self.columns:
            raise ValueError("columns lacks 'person'; a source without persons must say privacy_unit: trip (ruling 1)")
        if self.privacy_unit is PrivacyUnit.DRIVER and "driver" not in self.columns:
            raise ValueError("columns lacks 'driver', yet privacy_unit: driver counts drivers")
        if self.privacy_unit is PrivacyUnit.TRIP and "person" in self.columns:
            raise ValueError("privacy_unit: trip counts trips, yet columns maps 'person'; leave out one of the two")
        taken = set(self.also) & {*CANONICAL, "operator", "bin", "trips", "cell", "start_cell", "end_cell", "start_bin"}
        if taken:
            raise ValueError(f"also uses the names {sorted(taken)}, which are canonical; choose others")
        both = set(self.direct) & ({extra.column for extra in self.also.values()})
        if both:
            raise ValueError(f"{sorted(both)} are direct identifiers and cannot be released")
        return self
