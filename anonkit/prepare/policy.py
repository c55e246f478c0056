"""An operator's promises as data: permitted uses, clocks, age, consents, each with the clause that it comes from.

A policy is a short YAML file that a lawyer can read beside the operator's own text; five lie in ``anonkit/policies``.
Whatever is not listed under ``uses`` is denied (ruling 33). Here the file is read and asked; rules are carried out by
`prepare.people` and `prepare.retention`. Sources: the five operators' published policies, GDPR Art. 5, 17, 18, 21.

Does not protect against a wrong reading of the operator's text: quotes are there to be compared with it.
"""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from anonkit.base.errors import PermissionRefusedError, RecipeError

Use = Literal["service_improvement", "internal_study", "research", "share", "sell"]
"""What a release is for, in a recipe."""
Permission = Literal["service_improvement", "internal_study", "research", "share", "sell", "cross_operator_matching"]
Clause = str
RECIPIENTS: dict[str, tuple[str, ...]] = {
    "internal_study": ("internal",),
    "service_improvement": ("internal", "contract"),
    "research": ("internal", "contract", "public"),
    "share": ("internal", "contract", "public"),
    "sell": ("internal", "contract", "public"),
}
"""Kinds of recipients that a use can have; a study that leaves the house is no internal one."""
NAME = re.compile(r"[a-z0-9_]+")


class Rule(BaseModel):
    """Frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Retention(Rule):
    """How long, and what is allowed when the clock has run out."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    of: str
    """What it is about, in words."""
    since: Literal["event", "account_deleted", "order"] = Field(alias="from")
    years: int = Field(default=0, ge=0)
    months: int = Field(default=0, ge=0)
    days: int = Field(default=0, ge=0)
    then: Literal["anonymised_only", "drop", "never_released"]
    """``never_released``: not even before; such columns are never read."""
    uses: tuple[Use, ...] = ()
    """Of ``anonymised_only``: uses that overdue rows may still serve; all permitted ones if empty."""
    clause: Clause = Field(min_length=10)


class MinimumAge(Rule):
    """Nobody younger, at the time of the trip."""

    years: int = Field(ge=1)
    clause: Clause = Field(min_length=10)


class Consent(Rule):
    """A consent without which rows of a person are not used."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    uses: tuple[Use, ...] = ()
    """Uses that need it; all if empty."""
    clause: Clause = Field(min_length=10)


class Deadline(Rule):
    """How soon a request is carried out, or answered."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    lists: tuple[Literal["erasure", "restriction", "objection", "withdrawn_consent", "access", "correction"], ...]
    """Requests that it is about; ``access`` and ``correction`` take no rows away."""
    working_days: int = Field(default=0, ge=0)
    """Monday to Friday, without the policy's ``holidays``."""
    days: int = Field(default=0, ge=0)
    months: int = Field(default=0, ge=0)
    clause: Clause = Field(min_length=10)

    @model_validator(mode="after")
    def _one_span(self) -> Deadline:
        if sum(bool(span) for span in (self.working_days, self.days, self.months)) != 1:
            raise ValueError(f"deadline {self.name!r} needs one of working_days, days, months")
        return self

    @property
    def words(self) -> str:
        """``7 working days``, ``30 days``, ``1 month``."""
        number, what = next(
            (n, w) for n, w in ((self.working_days, "working day"), (self.days, "day"), (self.months, "month")) if n
        )
        return f"{number} {what}{'s' if number > 1 else ''}"


class Policy(Rule):
    """What one operator promised."""

    operator: str = Field(pattern=r"^[a-z0-9_]+$")
    title: str
    version: str
    territory: str
    uses: dict[Permission, Clause]
    denied: dict[Permission, Clause] = Field(default_factory=dict)
    """Clauses that speak against a use; what stands in neither is denied as well."""
    retention: tuple[Retention, ...] = ()
    minimum_age: MinimumAge | None = None
    consents: tuple[Consent, ...] = ()
    deadlines: tuple[Deadline, ...] = ()
    holidays: tuple[date, ...] = ()
    """Public holidays, which are no working days; none named: only weekends are."""
    withdrawal: Clause | None = None
    restriction: Clause | None = None
    erasure: Clause | None = None
    third_persons: Clause | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Policy:
        both = sorted(set(self.uses) & set(self.denied))
        if both:
            raise ValueError(f"{both} are permitted and denied")
        names = [rule.name for rule in self.retention]
        if len(set(names)) < len(names):
            raise ValueError("two retention rules have one name")
        if len({rule.name for rule in self.deadlines}) < len(self.deadlines):
            raise ValueError("two deadlines have one name")
        for rule in self.retention:
            if set(rule.uses) - set(self.uses):
                raise ValueError(f"retention {rule.name!r} allows uses that the policy does not permit")
        return self

    def permits(self, use: str) -> bool:
        """Whether the policy lists this use.

        >>> load_policy("bakikart").permits("sell")
        False
        """
        return use in self.uses

    def refusal(self, use: str) -> str:
        """Why a use is not permitted: the clause, or that there is none."""
        clause = self.denied.get(use)  # type: ignore[call-overload]
        return clause or "no clause permits it, and what is not permitted is denied"

    def clause_of(self, rule: str) -> str | None:
        """The clause behind a rule's name as runs count it."""
        kind, _, name = rule.partition(":")
        if kind == "retention":
            return next((entry.clause for entry in self.retention if entry.name == name), None)
        if kind == "consent":
            return next((entry.clause for entry in self.consents if entry.name == name), self.withdrawal)
        if kind == "minor":
            return self.minimum_age.clause if self.minimum_age else None
        named = {"erasure": self.erasure, "blocked": self.erasure, "withdrawn_consent": self.withdrawal}
        return named.get(kind, self.restriction if kind in ("restriction", "objection") else None)


def bundled() -> tuple[str, ...]:
    """Names of the policies that come with anonkit.

    >>> bundled()
    ('bakikart', 'charge_az', 'kontaktplus', 'pokupi', 'uklon')
    """
    folder = resources.files("anonkit") / "policies"
    return tuple(sorted(entry.name.removesuffix(".yml") for entry in folder.iterdir() if entry.name.endswith(".yml")))


@cache
def load_policy(name: str | Path) -> Policy:
    """A bundled policy by its name, or one from a file.

    Raises
    ------
    RecipeError : there is none, or it says something that no policy can say.
    """
    if isinstance(name, str) and NAME.fullmatch(name):
        if name not in bundled():
            raise RecipeError(f"there is no policy {name!r}", hint=f"bundled are {list(bundled())}; or give a path")
        text = (resources.files("anonkit") / "policies" / f"{name}.yml").read_text(encoding="utf-8")
    else:
        if not Path(name).is_file():
            raise RecipeError(f"there is no policy file {Path(name).name}", hint="paths are relative to the recipe")
        text = Path(name).read_text(encoding="utf-8")
    try:
        return Policy.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        message = str(first["msg"]).removeprefix("Value error, ")
        raise RecipeError(f"policy {Path(name).name}: {where}: {message}", hint="see docs/OPERATORS.md") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise RecipeError(f"policy {Path(name).name} is not valid YAML", hint="check indentation and quotes") from None


def check_permitted(policy: Policy, use: str, *, recipient: str, legal_basis: str | None) -> str | None:
    """The clause that permits a use to this kind of recipient; None where only the further legal basis does.

    Raises
    ------
    PermissionRefusedError : the policy does not permit it and no further legal basis is given (ruling 33).
    """
    fits = recipient in RECIPIENTS[use]
    if policy.permits(use) and fits:
        return policy.uses[use]  # type: ignore[index]
    if legal_basis is not None:
        return None
    if policy.permits(use):
        raise PermissionRefusedError(
            f"{use} has recipients of kind {list(RECIPIENTS[use])}, not {recipient!r}",
            hint="name the use that it is: research, share or sell",
            operator=policy.operator,
        )
    raise PermissionRefusedError(
        f"the policy of {policy.operator!r} does not permit the use {use!r}: {' '.join(policy.refusal(use).split())}",
        hint=f"it permits {sorted(set(policy.uses) & set(get_args(Use)))}; or cite a further basis as legal_basis: …",
        operator=policy.operator,
    )


def before(day: date, *, years: int = 0, months: int = 0, days: int = 0) -> date:
    """The date that lies a span before another; the 29th of February becomes the 28th.

    >>> before(date(2028, 2, 29), years=3), before(date(2026, 3, 31), months=1), before(date(2026, 1, 10), days=21)
    (datetime.date(2025, 2, 28), datetime.date(2026, 2, 28), datetime.date(2025, 12, 20))
    """
    count = day.year * 12 + day.month - 1 - 12 * years - months
    year, month = divmod(count, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date.fromordinal(date(year, month + 1, min(day.day, last)).toordinal() - days)
        except ValueError:
            continue
    raise AssertionError(day)


def after(day: date, *, months: int = 0, days: int = 0) -> date:
    """The date that lies a span after another; where a month is shorter, its last day.

    >>> after(date(2028, 1, 31), months=1), after(date(2026, 12, 15), days=30)
    (datetime.date(2028, 2, 29), datetime.date(2027, 1, 14))
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date.fromordinal(date(year, month + 1, min(day.day, last)).toordinal() + days)
        except ValueError:
            continue
    raise AssertionError(day)
