"""What a recipe may say. Every part is frozen; an unknown key is an error; privacy parameters have no default."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from anonkit.base.errors import RecipeError
from anonkit.classes import Protection
from anonkit.geo import Grid, Tessellation, TimeBins, Zones
from anonkit.kanon import CellKeyNoise, Level, Product, Statistic, check_chain
from anonkit.prepare import Member, Policy, Pooling, Use, bundled, check_permitted, load_policy, plan_pooling
from anonkit.risk.scorecard import questions
from anonkit.schema import PrivacyUnit
from anonkit.sources import InputSpec

EXTRA = re.compile(r"^(?!k\d+$|told_|open_|rest_)[a-z][a-z0-9_]{0,40}$")
WORKING = frozenset(
    (
        *("open", "hit", "mine", "rows", "persons", "drivers", "top_rows", "record", "rolled_up", "any", "n", "o"),
        *("units", "top", "rest", "band", "lines", "listed", "written", "area", "hour", "part", "suppressed_pct"),
    )
)
"""Names that decisions and gate use for their own columns."""
NAME = r"^[a-z0-9][a-z0-9._-]{1,62}$"


def _fraction(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a share is needed, such as 1/2")
    try:
        return Fraction(str(value)) if isinstance(value, str | int | float) else value
    except (ValueError, ZeroDivisionError):
        raise ValueError("a share is needed, such as 1/2") from None


Share = Annotated[Fraction, BeforeValidator(_fraction)]


def as_fraction(text: str) -> Fraction:
    """A threshold from the command line, exactly (ruling 34).

    Raises
    ------
    RecipeError : it is no share above 0 and up to 1.

    >>> as_fraction("1/11")
    Fraction(1, 11)
    """
    try:
        found = Fraction(text)
    except (ValueError, ZeroDivisionError):
        found = Fraction(0)
    if not 0 < found <= 1:
        raise RecipeError(f"{text!r} is no share above 0 and up to 1", hint="write 1/11 or 0.05")
    return found


class Part(BaseModel):
    """Frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Recipient(Part):
    """Who gets the release, and under what."""

    name: str = Field(min_length=2)
    kind: Literal["public", "contract", "internal"]
    """``public``: anybody; ``contract``: bound not to re-identify; ``internal``: the operator's own staff."""


class Period(Part):
    """First and last local date of the release, both included."""

    first: date = Field(alias="from")
    last: date = Field(alias="to")

    @model_validator(mode="after")
    def _in_order(self) -> Period:
        if self.last < self.first:
            raise ValueError("period.to lies before period.from")
        return self


class Privacy(Part):
    """The guarantee and whom it protects."""

    guarantee: Literal["k_anonymity"]
    protect: dict[Literal["person", "driver", "trip"], Annotated[int, Field(ge=2)]]
    """Least number of each in a class: ``{person: 11, driver: 5}``."""
    dominance: Share = Fraction(1, 2)
    """Largest share of a class's rows that one of them may have (ruling 6)."""
    l_places: int = Field(default=2, ge=1)
    """Least number of destinations that origin and time leave open, and the other way round (ruling 7)."""

    @model_validator(mode="after")
    def _whom(self) -> Privacy:
        if not self.protect:
            raise ValueError("protect names nobody; write protect: {person: 11}")
        if "trip" in self.protect and len(self.protect) > 1:
            raise ValueError("protect: trip is for sources that know nobody; it cannot stand beside person or driver")
        if not 0 < self.dominance <= 1:
            raise ValueError("dominance is a share above 0 and up to 1")
        return self

    @property
    def unit(self) -> PrivacyUnit:
        """What a class counts first."""
        return next(
            unit for unit in (PrivacyUnit.PERSON, PrivacyUnit.TRIP, PrivacyUnit.DRIVER) if unit.value in self.protect
        )

    @property
    def protection(self) -> Protection:
        """The thresholds for `classes`."""
        unit = self.unit
        beside = self.protect.get("driver") if unit is PrivacyUnit.PERSON else None
        return Protection(
            unit=unit.value,
            k=self.protect[unit.value],
            k_driver=beside,
            dominance=self.dominance,
            l_places=self.l_places,
        )


class ZoneFile(Part):
    """Public zones: a file with polygons (GeoJSON, GeoPackage), a CSV of ids and parents, or the ids themselves."""

    path: Path | None = None
    id: str = "zone"
    """Column of the finest zones' ids; also the name of that level."""
    parents: tuple[str, ...] = ()
    """Columns of coarser zones' ids, from fine to coarse; also the names of their levels."""
    ids: tuple[str, ...] = ()
    """Ids where there is no file; ``1-263`` stands for all whole numbers between."""
    max_overlap: float = Field(default=0.01, ge=0, le=1)

    @field_validator("ids", mode="before")
    @classmethod
    def _ranges(cls, value: Any) -> Any:
        found: list[str] = []
        for entry in value if isinstance(value, list | tuple) else [value]:
            span = re.fullmatch(r"([0-9]{1,7})-([0-9]{1,7})", str(entry))
            found += map(str, range(int(span[1]), int(span[2]) + 1)) if span else [str(entry)]
        return tuple(found)


class Place(Part):
    """The tessellation: a grid over a public area, or public zones."""

    cell_m: int | None = Field(default=None, ge=25)
    """Side of the finest cells, metres."""
    latitude: float | None = Field(default=None, gt=-85, lt=85)
    area: Path | None = None
    levels: int = Field(default=6, ge=1, le=12)
    zones: ZoneFile | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Place:
        missing = [name for name in ("cell_m", "latitude", "area") if getattr(self, name) is None]
        if self.zones is None and missing:
            raise ValueError(f"a grid lacks {missing}; give cell_m, latitude and area, or zones")
        if self.zones is not None and len(missing) < 3:
            raise ValueError("zones cannot stand beside cell_m, latitude or area; give one of the two")
        return self

    @cached_property
    def grid(self) -> Tessellation:
        """The tessellation for `geo`."""
        if self.zones is not None:
            return Zones(**self.zones.model_dump())
        assert self.cell_m is not None
        assert self.latitude is not None
        return Grid(cell_m=self.cell_m, latitude=self.latitude, area=self.area, levels=self.levels)


class Clock(Part):
    """The finest time bins and the zone of the local clock."""

    bins: str
    zone: str

    @property
    def time_bins(self) -> TimeBins:
        """The bins for `geo`."""
        return TimeBins(self.bins, zone=self.zone)


class Where(Part):
    """A level of the tessellation: the side of a grid's cells, or the name of a level of zones."""

    cell_m: int | None = None
    level: str | None = None

    @model_validator(mode="after")
    def _one_level(self) -> Where:
        if (self.cell_m is None) == (self.level is None):
            raise ValueError("say cell_m (a grid) or level (zones), one of the two")
        return self

    def level_in(self, grid: Tessellation) -> int:
        """Number of the level."""
        if isinstance(grid, Zones):
            if self.level is None:
                raise ValueError(f"these are zones: say level, one of {list(grid.level_names)}, not cell_m")
            return grid.level_of(self.level)
        if self.cell_m is None:
            raise ValueError("this is a grid: say cell_m, not level")
        return grid.level_of(self.cell_m)


class Coarseness(Where):
    """How coarse."""

    bins: str


class RollUp(Coarseness):
    """Where the rest of a parent is gathered (ruling 9)."""

    columns: tuple[str, ...] | None = None
    """Columns still told apart; those of the level before unless said."""


class ProductLevel(Coarseness):
    """Where and how coarse a product is published."""

    columns: tuple[str, ...] = ()
    """Further columns to publish; they are part of the class (ruling 5)."""
    roll_up: tuple[RollUp, ...] = ()
    """Coarser levels for what this one cannot publish, from fine to coarse."""


class Measured(Part):
    """Bounds and step of a statistic; all public (ruling 8)."""

    step: int = Field(ge=1)
    low: int = 0
    high: int


class FlowLevel(ProductLevel):
    """Flows, with what is told of their times and distances."""

    statistics: dict[Literal["duration_s", "distance_m"], Measured] = Field(default_factory=dict)
    """One value a person: ``duration_s: {step: 60, high: 7200}`` gives mean and median."""


class TripLevel(ProductLevel):
    """The row-level product."""

    rows_per_person: int = Field(ge=1)
    """Rows a person and class (ruling 6); what is beyond is dropped from the whole release."""


class Products(Part):
    """What is published."""

    trips: TripLevel | None = None
    flows: FlowLevel | None = None
    volumes: ProductLevel | None = None

    @model_validator(mode="after")
    def _something(self) -> Products:
        if self.trips is None and self.flows is None and self.volumes is None:
            raise ValueError("products names none; give trips, flows or volumes")
        return self


class Counts(Part):
    """How numbers of trips are published (ruling 12)."""

    rule: Literal["cell_key", "exact"] = "cell_key"
    """``exact`` must be said: it lets recipients subtract without doubt."""
    largest: int = Field(default=2, ge=1)
    """No number is changed by more; below k."""
    variance: float = Field(default=1.0, gt=0)

    @property
    def noise(self) -> CellKeyNoise | None:
        """The table of noise for `kanon`."""
        return CellKeyNoise(largest=self.largest, variance=self.variance) if self.rule == "cell_key" else None


class Suppression(Where):
    """At what level the suppressed share is told."""


class Inside(Part):
    """The folder that stays."""

    delete_after_days: int = Field(default=90, ge=1)


class EngineLimits(Part):
    """Limits of the embedded engine."""

    threads: int | None = Field(default=None, ge=1)
    memory_limit: str | None = None


class AnyRecipe(Part):
    """What every release says, whatever its guarantee."""

    release: str = Field(pattern=NAME)
    """Name of the release: small letters, digits, dots and dashes."""
    title: str = Field(min_length=3)
    purpose: str = Field(min_length=3)
    """What the recipient may use it for."""
    recipient: Recipient
    licence: str = Field(min_length=2)
    period: Period
    geo: Place
    time: Clock
    use: Use | None = None
    """What the release is for; every input's policy must permit it (ruling 33)."""
    legal_basis: str | None = Field(default=None, min_length=10)
    """A further legal basis for a use that a policy does not permit; the report prints it first."""
    lists: dict[Literal["erasure", "restriction", "objection", "withdrawn_consent"], Path] = Field(default_factory=dict)
    """Lists of subjects whose rows are left out before anything is stored."""
    registry_subjects: bool | None = None
    """Whether the subject register notes who is in the release; by default where identifiers or accounts are mapped."""
    inputs: tuple[InputSpec, ...] = Field(min_length=1)
    thresholds: dict[str, Share] = Field(default_factory=dict)
    """By key of one of the fifteen questions: a threshold that refuses the release when it is crossed."""
    inside: Inside = Inside()
    engine: EngineLimits = EngineLimits()

    @field_validator("thresholds")
    @classmethod
    def _asked(cls, value: dict[str, Fraction]) -> dict[str, Fraction]:
        known = [one.key for one in questions(k=2, recipient="public", sensitive=False)]
        unknown = sorted(set(value) - set(known))
        if unknown:
            raise ValueError(f"thresholds name no question: {unknown}; the questions are {known}")
        return value

    @model_validator(mode="after")
    def _promised(self) -> AnyRecipe:
        """Policies that exist, a use to hold them against, and people on whom lists can be found."""
        if any(policy is not None for policy in self.policies) and self.use is None:
            named = sorted({policy.operator for policy in self.policies if policy is not None})
            raise ValueError(
                f"use is missing: the policies of {named} permit some uses only; say one of {get_args(Use)}"
            )
        nobody = [entry.operator for entry in self.inputs if "person" not in entry.columns and not entry.others]
        if self.lists and nobody:
            raise ValueError(f"lists are given, but the inputs of {nobody} map no person and no others to find them by")
        operators = dict.fromkeys(entry.operator for entry in self.inputs)
        if len(operators) > 1 and "operator" in self.released_columns:
            raise ValueError(
                "the column 'operator' of several operators is not published: no class of it holds two of them, and a rival "
                "would read the other's business from it; make one release for each, or leave the column out"
            )
        return self

    @cached_property
    def policies(self) -> tuple[Policy | None, ...]:
        """The policy of each input: the named one, or the bundled one of its operator; None: none is known."""
        known = bundled()
        names = [entry.policy or (entry.operator if entry.operator in known else None) for entry in self.inputs]
        return tuple(load_policy(name) if name is not None else None for name in names)

    def check_permitted(self) -> None:
        """Refuse a use that a policy does not permit.

        Raises
        ------
        PermissionRefusedError : naming the clause; a ``legal_basis`` is a way out that the report prints first.
        """
        for policy in self.policies:
            if policy is not None and self.use is not None:
                check_permitted(policy, self.use, recipient=self.recipient.kind, legal_basis=self.legal_basis)

    @cached_property
    def pooling(self) -> Pooling:
        """Who is matched between operators, and what a class counts where nobody can be (ruling 2)."""
        members = [
            Member(
                operator=entry.operator,
                policy=policy,
                phones="phone" in entry.identifiers
                or (entry.accounts is not None and entry.accounts.phone is not None),
            )
            for entry, policy in zip(self.inputs, self.policies, strict=True)
        ]
        drivers = any("driver" in entry.columns for entry in self.inputs) and self.protects_drivers
        return plan_pooling(members, unit=self.unit.value, drivers=drivers)

    @property
    def protects_drivers(self) -> bool:
        """Whether drivers are counted beside persons."""
        return False

    @property
    def records_subjects(self) -> bool:
        """Whether the subject register notes who is in the release."""
        mapped = any(entry.identifiers or entry.accounts for entry in self.inputs)
        return mapped if self.registry_subjects is None else self.registry_subjects

    @property
    def unit(self) -> PrivacyUnit:
        """Whom the guarantee protects."""
        raise NotImplementedError

    @property
    def measured(self) -> tuple[str, ...]:
        """Measured columns that a product needs."""
        return ()

    @property
    def released_columns(self) -> tuple[str, ...]:
        """Further columns that any product publishes."""
        return ()


class Recipe(AnyRecipe):
    """One k-anonymous release."""

    privacy: Privacy
    products: Products
    counts: Counts = Counts()
    suppression: Suppression | None = None

    @property
    def unit(self) -> PrivacyUnit:
        """What a class counts first."""
        return self.privacy.unit

    @property
    def protects_drivers(self) -> bool:
        """Whether drivers are counted beside persons."""
        return self.privacy.protection.k_driver is not None

    @cached_property
    def protection(self) -> Protection:
        """The thresholds for `classes`, and the groups between which persons cannot be matched (ruling 2)."""
        return replace(self.privacy.protection, among=self.pooling.column)

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        unit = self.privacy.unit
        self._one_kind()
        for entry in self.inputs:
            if entry.privacy_unit is not unit:
                raise ValueError(
                    f"protect counts {unit.value}s, but input {entry.operator!r} says privacy_unit: {entry.privacy_unit.value}"
                )
            if self.privacy.protection.k_driver is not None and "driver" not in entry.columns:
                raise ValueError(f"protect names drivers, but input {entry.operator!r} maps no column 'driver'")
        for entry in self.inputs:
            odd = sorted(name for name in entry.also if not EXTRA.match(name) or name in WORKING)
            if odd:
                raise ValueError(
                    f"also uses the names {odd}; write small letters, digits and _, and none of the gate's own words"
                )
        known = {
            "operator",
            "mode",
            *(name for entry in self.inputs for name, extra in entry.also.items() if extra.role == "quasi"),
        }
        for product in self.kanon_products:
            unknown = sorted(set(product.columns) - known)
            if unknown:
                raise ValueError(
                    f"{product.kind} publishes {unknown}; columns that may be published are {sorted(known)}"
                )
        check_chain(self.kanon_products, self.time.time_bins)
        if self.pooling.column is not None and self.measured:
            raise ValueError(
                "statistics take one value a person, but somebody of these operators may be there twice (ruling 2); leave "
                "statistics out, or make one release for each operator"
            )
        if self.counts.noise is not None and self.counts.largest >= self.privacy.protection.k:
            raise ValueError("counts.largest must be below k, else a published class could show no trips")
        return self

    def _one_kind(self) -> None:
        """Inputs that can be counted together, in a tessellation that can place them."""
        kinds = {entry.gives for entry in self.inputs}
        if len(kinds) > 1:
            raise ValueError("inputs are of two kinds; a release holds trips or visits, not both")
        if kinds == {"visits"} and (self.products.trips or self.products.flows):
            raise ValueError("visits have one place: they give volumes, neither trips nor flows")
        told = self.products.flows.statistics if self.products.flows else {}
        if told and any(entry.kind == "taps" for entry in self.inputs):
            raise ValueError(
                f"flows tell {sorted(told)}, but of card taps neither end time nor distance is known; leave statistics out"
            )
        for entry in self.inputs:
            if entry.in_zones and self.geo.zones is None:
                raise ValueError(f"input {entry.operator!r} says places by zone, but geo names no zones")
            if entry.places is not None and entry.places.zone is not None and self.geo.zones is None:
                raise ValueError(f"the places of {entry.operator!r} lie in zones, but geo names no zones")

    @cached_property
    def kanon_products(self) -> tuple[Product, ...]:
        """The products for `kanon`."""
        grid = self.geo.grid
        result = []
        for kind in ("trips", "flows", "volumes"):
            level: ProductLevel | None = getattr(self.products, kind)
            if level is not None:
                result.append(
                    Product(
                        kind=kind,
                        level=level.level_in(grid),
                        bins=TimeBins(level.bins, zone=self.time.zone),
                        columns=level.columns,
                        max_rows=level.rows_per_person if isinstance(level, TripLevel) else None,
                        roll_up=self._rolled(level, grid),
                        statistics=_statistics(level),
                        ends=("start",) if self.inputs[0].gives == "visits" else ("start", "end"),
                    )
                )
        return tuple(result)

    def _rolled(self, level: ProductLevel, grid: Tessellation) -> tuple[Level, ...]:
        columns, result = level.columns, []
        for coarser in level.roll_up:
            columns = columns if coarser.columns is None else coarser.columns
            bins = TimeBins(coarser.bins, zone=self.time.zone)
            result.append(Level(level=coarser.level_in(grid), bins=bins, columns=columns))
        return tuple(result)

    @property
    def suppression_level(self) -> int:
        """Level of the cells by which suppression is told: the recipe's, or the coarsest."""
        grid = self.geo.grid
        return self.suppression.level_in(grid) if self.suppression else grid.levels - 1

    @property
    def measured(self) -> tuple[str, ...]:
        """Measured columns that a product tells of its classes."""
        return tuple(dict.fromkeys(told.column for product in self.kanon_products for told in product.statistics))

    @property
    def released_columns(self) -> tuple[str, ...]:
        """Further columns that any product publishes."""
        return tuple(dict.fromkeys(name for product in self.kanon_products for name in product.columns))


def _statistics(level: ProductLevel) -> tuple[Statistic, ...]:
    if not isinstance(level, FlowLevel):
        return ()
    return tuple(
        Statistic(column=name, step=told.step, low=told.low, high=told.high) for name, told in level.statistics.items()
    )
