"""What every part of a recipe is made of: frozen models, exact shares, who receives, which days, limits.

Why apart: the k-anonymous and the noisy recipe, products and places all stand on these. An unknown key is an error, so that
a misspelt promise is never silently left out. What it does not protect against: a well-formed recipe that asks too little.
"""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from anonkit.base.errors import RecipeError


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


class Inside(Part):
    """The folder that stays."""

    delete_after_days: int = Field(default=90, ge=1)


ENGINE_SHARE = 0.6
"""Of the memory that a recipe allows; the rest is for what is counted outside the engine."""


class EngineLimits(Part):
    """Limits of a run."""

    threads: int | None = Field(default=None, ge=1)
    memory_limit: str | None = None

    @property
    def memory_of_engine(self) -> str | None:
        """What the embedded engine may take before it spills.

        >>> EngineLimits(memory_limit="3GB").memory_of_engine
        '1.8GB'
        """
        if self.memory_limit is None:
            return None
        number = re.match(r"\s*\d+(\.\d+)?", self.memory_limit)
        if number is None:
            return self.memory_limit  # the engine says what is wrong with it
        return f"{float(number[0]) * ENGINE_SHARE:g}{self.memory_limit[number.end() :]}"
