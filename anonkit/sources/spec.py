"""What a recipe says of one input: where it lies, how it is written, which column is what.

Every column of the export is either mapped, named as a direct identifier, or dropped and listed (default deny).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from anonkit.schema import PrivacyUnit
from anonkit.schema.localtime import Ambiguous, LocalTime
from anonkit.sources.presets import with_preset
from anonkit.sources.rules import Rule


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
    mend: tuple[Literal["swapped_coordinates"], ...] = ()
    """Faults that are put right, counted and listed, where only one reading is possible; else they are rejected."""
    require: tuple[str, ...] = ()
    """Canonical columns that must not be empty, such as ``person``."""
    max_rejected: float = Field(default=0.5, ge=0, le=1)
    """A larger share of rejected lines refuses the whole input."""


class Places(Spec):
    """A second file that says where a station lies: its coordinates, or the zone that it is in."""

    path: Path
    id: str
    """Its column of the places' ids, as the input writes them."""
    lon: str | None = None
    lat: str | None = None
    zone: str | None = None
    """Its column of the zones' ids, as ``geo.zones`` writes them."""
    records: str | tuple[str, ...] | None = None
    """Of a JSON file: the path to its list."""
    encoding: str | None = None
    delimiter: str | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> Places:
        if (self.lon is None) != (self.lat is None) or (self.lon is None) == (self.zone is None):
            raise ValueError("places need lon and lat, or zone, one of the two")
        return self


class Lookup(Spec):
    """A second file that adds columns to the input's (`sources.lookups`)."""

    path: Path
    id: str
    """Its column of ids."""
    on: str
    """The input's column of the same ids."""
    columns: dict[str, str] = Field(min_length=1)
    """New name → its column."""
    records: str | tuple[str, ...] | None = None
    encoding: str | None = None
    delimiter: str | None = None


class AccountFile(Spec):
    """The operator's list of accounts: what clocks, ages, consents and lists of subjects need; read into memory only."""

    path: Path
    id: str
    """Its column of account ids, as the input's column of ``person`` writes them."""
    birth_date: str | None = None
    deleted_on: str | None = None
    withdrawn_on: str | None = None
    """Its column of the date at which consent was withdrawn."""
    consents: dict[str, str] = Field(default_factory=dict)
    """Consent → its column: ``location: consent_location``; ``yes``, ``true``, ``1`` are consent, all else is none."""
    phone: str | None = None
    email: str | None = None
    card_number: str | None = None
    records: str | None = None
    """Of a JSON file: the path to its list."""
    encoding: str | None = None
    delimiter: str | None = None


Kind = Literal["phone", "email", "account_id", "card_number"]
OTHER = "_id_other_"
"""Beginning of the names of internal columns with identifiers of further people."""
IDENTIFIERS: tuple[Kind, ...] = ("phone", "email", "account_id", "card_number")
"""Kinds of identifiers by which a person may write to an operator."""
IDS = ("trip", "person", "driver", "vehicle", "party")
POINTS = {"trips": ("start", "end"), "visits": ("",), "taps": ("",)}
"""Of each kind: what stands before ``lon, lat, place`` of its points."""
CANONICAL = {
    "trips": (
        *(*IDS, "mode", "start", "end", "duration_s", "distance_m", "amount"),
        *("start_lon", "start_lat", "end_lon", "end_lat", "start_place", "end_place"),
    ),
    "visits": (
        *("visit", "person", "mode", "start", "end", "duration_s", "lon", "lat", "place"),
        *("energy_kwh", "amount"),
    ),
    "taps": ("visit", "person", "card", "mode", "start", "lon", "lat", "place"),
}
"""Canonical names that each kind of table may map."""
RESERVED = frozenset({"operator", "bin", "trips", "cell", "start_cell", "end_cell", "start_bin"})


def point_names(kind: str) -> tuple[tuple[str, str, str], ...]:
    """(lon, lat, place) of each point of a kind's rows.

    >>> point_names("visits")
    (('lon', 'lat', 'place'),)
    """
    return tuple(
        (f"{end}_lon", f"{end}_lat", f"{end}_place") if end else ("lon", "lat", "place") for end in POINTS[kind]
    )


class InputSpec(Spec):
    """One input of a recipe."""

    path: Path
    source: str = "generic"
    operator: str
    kind: Literal["trips", "visits", "taps"] = "trips"
    """``visits``: top-ups, charging sessions; one place each, they give volumes. ``taps``: boardings, which become trips
    by chaining (`sources.chaining`)."""
    mode: str | None = None
    """The mode of all rows, where no column says it."""
    place: str | None = None
    """Of visits: the place of all rows, where no column says it."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Canonical name → the operator's name; in JSON a path such as ``start.location.lat``. A time that stands in a column
    of dates and one of clocks is a list of both: ``start: [StartDate, StartTime]``."""
    joined: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Made of such lists: the name of the joined column → the columns that it holds, with a space between."""
    scale: dict[Literal["distance_m", "amount", "energy_kwh", "duration_s"], float] = Field(default_factory=dict)
    """What a number is multiplied by: ``distance_m: 1000`` where the operator writes kilometres."""
    lookups: dict[str, Lookup] = Field(default_factory=dict)
    """Second files that add columns, such as the operator's own join of trip and account."""
    rules: tuple[Rule, ...] = ()
    """Rows that are dropped, by name; those of a ``source`` always hold, the recipe's come after them."""
    also: dict[str, ExtraColumn] = Field(default_factory=dict)
    """Further columns under the name that a product releases them by."""
    direct: tuple[str, ...] = ()
    """Direct identifiers that this export is known to hold; never read."""
    policy: str | None = None
    """The operator's promises: name of a bundled policy or path of a file; the bundled one of that operator by default."""
    accounts: AccountFile | None = None
    identifiers: dict[Kind, str] = Field(default_factory=dict)
    """Columns of the rows that hold the person's identifiers: ``phone: rider_phone``; read into memory only, for lists of
    subjects and for matching between operators."""
    others: dict[Kind, tuple[str, ...]] = Field(default_factory=dict)
    """Columns with identifiers of further people in a row (third persons, drivers); a row falls when one of them is listed."""
    polyline: Polyline | None = None
    places: Places | None = None
    """Where the stations of ``start_place, end_place`` or ``place`` lie; without it they are zones' ids."""
    records: str | tuple[str, ...] | None = None
    """Of a JSON document: the path to its list of records, such as ``data.trips``; of several, the first that is there."""
    time: Times = Times()
    checks: Checks = Checks()
    privacy_unit: PrivacyUnit = PrivacyUnit.PERSON
    encoding: str | None = None
    delimiter: str | None = None
    nulls: tuple[str, ...] = ()
    """Texts that mean nothing, beside the empty one, such as ``NA``."""
    decimal: Literal[".", ","] = "."

    @property
    def identifying(self) -> dict[str, str]:
        """Internal column → the operator's column of an identifier of further people; they end in `prepare`."""
        return {f"{OTHER}{number}": column for number, (_, column) in enumerate(self.other_columns)}

    @property
    def other_columns(self) -> tuple[tuple[Kind, str], ...]:
        """Kind and column of the identifiers of further people."""
        return tuple((kind, column) for kind, columns in self.others.items() for column in columns)

    @property
    def gives(self) -> Literal["trips", "visits"]:
        """What comes of the rows: taps become trips."""
        return "visits" if self.kind == "visits" else "trips"

    @property
    def rule_columns(self) -> tuple[str, ...]:
        """The operator's columns that rules read, each once."""
        return tuple(dict.fromkeys(name for rule in self.rules for name in rule.columns))

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, said: Any) -> Any:
        return _with_joined(with_preset(said)) if isinstance(said, dict) else said

    @property
    def by_place(self) -> bool:
        """Whether rows say where they are by a place's id, not by coordinates."""
        names = [place for _, _, place in point_names(self.kind)]
        return self.place is not None or any(name in self.columns for name in names)

    @property
    def in_zones(self) -> bool:
        """Whether places lead to zones' ids, without coordinates."""
        return self.by_place and (self.places is None or self.places.zone is not None)

    @model_validator(mode="after")
    def _complete(self) -> InputSpec:
        canonical = CANONICAL[self.kind]
        unknown = sorted(set(self.columns) - set(canonical))
        if unknown:
            raise ValueError(f"columns maps {unknown}; canonical names of {self.kind} are {list(canonical)}")
        if "start" not in self.columns:
            raise ValueError("columns lacks 'start', the column of the start time")
        ends = [name for name in ("end", "duration_s") if name in self.columns]
        if self.kind == "trips" and not ends and not (self.polyline and self.polyline.interval_s):
            raise ValueError("columns lacks 'end' (or 'duration_s', or polyline.interval_s)")
        self._placed()
        self._counted()
        taken = set(self.also) & {*canonical, *CANONICAL["trips"], *RESERVED}
        if taken:
            raise ValueError(f"also uses the names {sorted(taken)}, which are canonical; choose others")
        if (self.accounts or self.identifiers) and "person" not in self.columns:
            raise ValueError("accounts and identifiers are a person's, but columns maps no 'person'")
        loose = sorted(set(self.joined) - {self.columns.get("start"), self.columns.get("end")})
        if loose:
            raise ValueError(
                f"joined makes {loose}, which are no times; write start: [StartDate, StartTime] in columns"
            )
        released = {part for extra in self.also.values() for part in self.joined.get(extra.column, (extra.column,))}
        both = {*self.direct, *self.identifiers.values(), *self.identifying.values()} & released
        if both:
            raise ValueError(f"{sorted(both)} are direct identifiers and cannot be released")
        return self

    def _placed(self) -> None:
        """One way of saying where a row is, complete."""
        points = point_names(self.kind)
        coordinates = [name for lon, lat, _ in points for name in (lon, lat)]
        stations = [place for _, _, place in points]
        if self.place is not None and (self.kind == "trips" or "place" in self.columns):
            raise ValueError("place: is for visits without a column 'place'")
        ways = [self.polyline is not None, any(name in self.columns for name in coordinates), self.by_place]
        if sum(ways) > 1:
            raise ValueError(
                "columns says twice where a row is: by coordinates, by places or by a polyline, one of them"
            )
        wanted = [] if self.polyline or self.place is not None else stations if self.by_place else coordinates
        missing = [name for name in wanted if name not in self.columns]
        if missing:
            raise ValueError(f"columns lacks {missing} (or name a polyline, or columns of places)")
        if self.places is not None and not self.by_place:
            raise ValueError(f"places are given, but columns maps no {stations}")
        if self.polyline and self.kind != "trips":
            raise ValueError(f"a polyline is a trip's; {self.kind} have one place")
        if self.kind == "taps" and "card" not in self.columns:
            raise ValueError("columns lacks 'card', by which taps are chained into trips")

    def _counted(self) -> None:
        """Somebody to count."""
        if self.privacy_unit is PrivacyUnit.PERSON and "person" not in self.columns:
            raise ValueError("columns lacks 'person'; a source without persons must say privacy_unit: trip (ruling 1)")
        if self.privacy_unit is PrivacyUnit.DRIVER and "driver" not in self.columns:
            raise ValueError("columns lacks 'driver', yet privacy_unit: driver counts drivers")
        if "party" in self.columns and self.privacy_unit is not PrivacyUnit.PERSON:
            raise ValueError(
                "columns maps 'party', who rode together, but privacy_unit does not count persons (ruling 3)"
            )
        if self.privacy_unit is PrivacyUnit.TRIP and "person" in self.columns:
            raise ValueError("privacy_unit: trip counts trips, yet columns maps 'person'; leave out one of the two")


def _with_joined(said: dict[str, Any]) -> dict[str, Any]:
    """Lists of columns become one name, and what it is made of."""
    columns = said.get("columns")
    if not isinstance(columns, dict):
        return said
    lists = {name: parts for name, parts in columns.items() if isinstance(parts, list)}
    wrong = [name for name in lists if name not in ("start", "end")]
    if wrong:
        raise ValueError(f"columns gives several columns for {wrong}; only start and end may stand in two")
    if any(len(parts) != 2 or not all(isinstance(part, str) for part in parts) for parts in lists.values()):
        raise ValueError("a time in two columns is a list of their names: start: [StartDate, StartTime]")
    names = {name: " + ".join(parts) for name, parts in lists.items()}
    made = {names[name]: tuple(parts) for name, parts in lists.items()}
    return {**said, "columns": {**columns, **names}, **({"joined": made} if made else {})}
