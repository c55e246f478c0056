"""The errors of anonkit: what is wrong, what was expected, one thing to do.

Every error has the root ``AnonkitError`` and a builtin beside it, carries its figures as attributes, and ends in a
``Hint:``. Messages name columns, files and counts; never values, coordinates or identifiers.
"""

from __future__ import annotations

from typing import Any


class AnonkitError(Exception):
    """Root of all errors; ``hint`` is the one thing to do."""

    def __init__(self, message: str, *, hint: str | None = None, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.fields = fields
        for name, value in fields.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        return f"{self.message}\nHint: {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.hint, self.fields))


def _rebuild(kind: type[AnonkitError], message: str, hint: str | None, fields: dict[str, Any]) -> AnonkitError:
    return kind(message, hint=hint, **fields)


class SchemaError(AnonkitError, ValueError):
    """A table lacks a column, or a column has the wrong type, role or unit."""


class SourceError(AnonkitError, ValueError):
    """An export cannot be read as what the recipe says it is."""


class RecipeError(AnonkitError, ValueError):
    """A recipe is wrong: unknown key, missing part, or parts that contradict each other."""


class PermissionRefusedError(AnonkitError, PermissionError):
    """A policy does not permit this use of its data (ruling 33)."""


class PrivacyLeakError(AnonkitError, ValueError):
    """A bound, key or level was taken from the data that it must protect (ruling 18)."""


class BudgetExceededError(AnonkitError, ValueError):
    """The ledger has not enough left."""


class LedgerError(AnonkitError, RuntimeError):
    """The ledger's file is damaged, or a draw differs from its reservation (ruling 24)."""


class VaultError(AnonkitError, RuntimeError):
    """The vault stays shut: wrong key, tampered file, missing reason or person (ruling 28)."""


class ReleaseRefusedError(AnonkitError, RuntimeError):
    """The gate refused: the written files fail their own recipe. Nothing was handed over."""


class BundleError(AnonkitError, ValueError):
    """A released folder is incomplete, altered, or not one of ours."""


class MissingExtraError(AnonkitError, ImportError):
    """A part of anonkit that is not installed was asked for."""
