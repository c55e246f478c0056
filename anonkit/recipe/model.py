"""A recipe as a whole: its parts fit together, its policies permit it, its inputs can be counted together.

`parts`, `places`, `products` and `guarantee` hold what each key may say; here is what must hold between them. Every part is
frozen; an unknown key is an error; privacy parameters have no default. What it does not protect against: a purpose that is
not true.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from anonkit.base.errors import RecipeError
from anonkit.classes import Protection
from anonkit.geo import SensitivePlaces
from anonkit.kanon import Product, check_chain
from anonkit.prepare import Member, Policy, Pooling, Use, bundled, check_permitted, load_policy, plan_pooling
from anonkit.publish.printed import MOST_ROWS, printed_rows
from anonkit.recipe.guarantee import Privacy
from anonkit.recipe.parts import EngineLimits, Inside, Part, Period, Recipient, Share
from anonkit.recipe.places import Clock, Place, SensitiveList
from anonkit.recipe.preset import with_preset
from anonkit.recipe.products import Counts, Products, Suppression, candidate_products, products_of
from anonkit.risk.scorecard import PUBLIC_ADVANTAGE, questions
from anonkit.schema import PrivacyUnit
from anonkit.sources import InputSpec

EXTRA = re.compile(r"^(?!k\d+$|told_|open_|rest_)[a-z][a-z0-9_]{0,40}$")
WORKING = frozenset(
    (
        *("open", "hit", "mine", "individual", "ride_party", "ride_vehicle", "ride_trip"),
        *("rows", "persons", "drivers", "top_rows", "record", "rolled_up", "any", "n", "o"),
        *("units", "top", "rest", "band", "lines", "listed", "written", "area", "hour", "part", "suppressed_pct"),
    )
)
"""Names that decisions and gate use for their own columns."""
NAME = r"^[a-z0-9][a-z0-9._-]{1,62}$"


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
    requests: dict[Literal["access", "correction"], Path] = Field(default_factory=dict)
    """Further lists of requests, held against the policies' deadlines only."""
    registry_subjects: bool | None = None
    """Whether the subject register notes who is in the release; by default where identifiers or accounts are mapped."""
    inputs: tuple[InputSpec, ...] = Field(min_length=1)
    thresholds: dict[str, Share] = Field(default_factory=dict)
    """By key of one of the fifteen questions: a threshold that refuses the release when it is crossed."""
    sensitive_places: SensitiveList | None = None
    """Clinics, worship, shelters, embassies, home chargers: a public list, coarsened before counting (ruling 32)."""
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

    @cached_property
    def sensitive(self) -> SensitivePlaces | None:
        """The list of sensitive places for `geo`."""
        return None if self.sensitive_places is None else self.sensitive_places.places_in(self.geo.grid)

    @property
    def protects_drivers(self) -> bool:
        """Whether drivers are counted beside persons."""
        return False

    @property
    def together(self) -> tuple[str, ...]:
        """Signs by which people are known to have ridden together; none where persons are not what a class counts."""
        return ()

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

    @property
    def steps_of(self) -> Mapping[str, float]:
        """Published column → the public step that its numbers are rounded to."""
        return {}


class Recipe(AnyRecipe):
    """One k-anonymous release."""

    preset: str | None = None
    """A city's published rule by name, which the recipe is held to (`kanon.presets`)."""
    privacy: Privacy
    products: Products
    counts: Counts = Counts()
    rounding: dict[str, Annotated[float, Field(ge=0.01)]] = Field(default_factory=dict)
    """Published columns that hold numbers → the step that they are rounded to: ``{fare: 2.5}``; before classes are counted."""
    suppression: Suppression | None = None

    @property
    def unit(self) -> PrivacyUnit:
        """What a class counts first."""
        return self.privacy.unit

    @property
    def protects_drivers(self) -> bool:
        """Whether drivers are counted beside persons."""
        return self.privacy.protection.k_driver is not None

    @property
    def together(self) -> tuple[str, ...]:
        """Signs by which an input knows who rode together (ruling 3)."""
        mapped = {name for entry in self.inputs if entry.kind == "trips" for name in entry.columns}
        return tuple(sign for sign in self.privacy.together if sign in mapped and self.unit is PrivacyUnit.PERSON)

    @cached_property
    def protection(self) -> Protection:
        """The thresholds for `classes`, and the groups between which persons cannot be matched (ruling 2)."""
        share = self.privacy.operator_share(len({entry.operator for entry in self.inputs}))
        return replace(
            self.privacy.protection,
            among=self.pooling.column,
            operator_share=share,
            insiders=share is not None and self.privacy.insiders,
        )

    @model_validator(mode="before")
    @classmethod
    def _ruled(cls, said: Any) -> Any:
        return with_preset(said) if isinstance(said, dict) else said

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
        self._rounded_and_printed()
        check_chain(self.kanon_products, self.time.time_bins)
        self._whatever_is_chosen()
        if self.sensitive is not None:
            self.sensitive.stands_for(self.geo.grid)  # the list is readable and is of this city
        if self.pooling.column is not None and self.measured:
            raise ValueError(
                "statistics take one value a person, but somebody of these operators may be there twice (ruling 2); leave "
                "statistics out, or make one release for each operator"
            )
        if self.recipient.kind == "public" and self.thresholds.get("membership", PUBLIC_ADVANTAGE) > PUBLIC_ADVANTAGE:
            raise ValueError(
                f"thresholds.membership is above {PUBLIC_ADVANTAGE}, but anybody may get this release (recipient.kind: public); "
                "name a recipient under contract, or make a noisy release (privacy.guarantee: differential_privacy)"
            )
        if self.counts.noise is not None and self.counts.largest >= self.privacy.protection.k:
            raise ValueError("counts.largest must be below k, else a published class could show no trips")
        return self

    def _rounded_and_printed(self) -> None:
        """Steps for numbers that are published; a printed table is one of public keys, and of a bearable size."""
        idle = sorted(set(self.rounding) - set(self.released_columns))
        if idle:
            raise ValueError(f"rounding names {idle}; published columns are {sorted(self.released_columns)}")
        for name, step in self.rounding.items():
            texts = [
                entry.operator for entry in self.inputs if name not in entry.also or entry.also[name].kind == "text"
            ]
            if texts:
                raise ValueError(f"rounding names {name!r}, but {texts} give it as text; say kind: number under also")
            if abs(step * 100 - round(step * 100)) > 1e-9:
                raise ValueError(f"rounding: {name} has the step {step:g}; steps are whole hundredths, such as 0.25")
        if self.counts.printed is None:
            return
        for product in self.kanon_products:
            if product.kind == "trips":
                continue
            if product.columns or product.roll_up:
                raise ValueError(
                    f"counts.small prints every public place and bin of {product.kind}; leave its columns and roll_up out"
                )
            rows = printed_rows(product, self.geo.grid, (self.period.first, self.period.last))
            if rows > MOST_ROWS:
                raise ValueError(f"{product.kind} printed in full are {rows:,} rows; use coarser cells or bins")

    def _whatever_is_chosen(self) -> None:
        """All levels that a search may choose stand in one chain with the other products."""
        for products in candidate_products(self.products, grid=self.geo.grid, zone=self.time.zone):
            try:
                check_chain(products, self.time.time_bins)
            except RecipeError as error:
                trips = next(product for product in products if product.kind == "trips")
                cells = self.geo.grid.level_name(trips.level)
                columns = f" with {list(trips.columns)}" if trips.columns else ""
                raise RecipeError(
                    f"trips.k_anonymity may choose {cells} and {trips.bins.width}{columns}, and then {error.message}",
                    hint="shorten its lists, name columns under keep, or make the other products and roll-ups coarser",
                ) from None

    def at_levels(self, *, cell: str | int, bins: str, columns: tuple[str, ...]) -> Recipe:
        """The same recipe with trips at the levels that a search chose."""
        assert self.products.trips is not None
        trips = self.products.trips.chosen(cell=cell, bins=bins, columns=columns)
        fresh = self.model_copy(update={"products": self.products.model_copy(update={"trips": trips})})
        fresh.__dict__.pop("kanon_products", None)  # made of the finest levels before
        return fresh

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

    @property
    def chooses_levels(self) -> bool:
        """Whether the levels of trips are left to the search."""
        trips = self.products.trips
        return trips is not None and trips.k_anonymity is not None

    @cached_property
    def kanon_products(self) -> tuple[Product, ...]:
        """The products for `kanon`."""
        visits = self.inputs[0].gives == "visits"
        return products_of(self.products, grid=self.geo.grid, zone=self.time.zone, visits=visits)

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

    @property
    def steps_of(self) -> Mapping[str, float]:
        """Published column → the public step that its numbers are rounded to."""
        return self.rounding
