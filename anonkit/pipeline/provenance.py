"""Which files a release was made from: name, size and SHA-256 of every input and list, for question 14.

Taken before anything is read. The hashes stand in ``run.json`` inside and say, years later, whether a file at hand is the
one that was used; they never leave with the bundle, as a hash of a small file can be guessed from its content. Source:
ISO/IEC 27559, provenance. Does not prove who made a file, nor that it is complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from anonkit.engine import sha256_of
from anonkit.recipe import AnyRecipe


def files_used(recipe: AnyRecipe) -> list[dict[str, Any]]:
    """One entry a file: where the recipe names it, name, bytes, SHA-256; ``sha256`` is None where it cannot be read.

    Privacy
    -------
    Inside only; no content.
    """
    found: dict[Path, dict[str, Any]] = {}
    for where, path in _named(recipe):
        if path not in found:
            there = path.is_file()
            found[path] = {
                "role": where,
                "name": path.name,
                "bytes": path.stat().st_size if there else None,
                "sha256": sha256_of(path) if there else None,
            }
    return list(found.values())


def _named(recipe: AnyRecipe) -> Iterator[tuple[str, Path]]:
    for number, entry in enumerate(recipe.inputs, start=1):
        role = f"input {number}:{entry.operator}"
        for name, path in _paths(entry):
            yield f"{role}{f', {name}' if name else ''}", path
    for key in ("lists", "requests"):
        for name, path in getattr(recipe, key, {}).items():
            yield f"{key}: {name}", path
    if recipe.sensitive_places is not None:
        yield "sensitive_places", recipe.sensitive_places.path


def _paths(part: BaseModel, name: str = "") -> Iterator[tuple[str, Path]]:
    """Every path that a part of the recipe names, and under which key."""
    for key in type(part).model_fields:
        value = getattr(part, key)
        if isinstance(value, Path):
            yield name, value
        elif isinstance(value, BaseModel):
            yield from _paths(value, f"{name} {key}".strip())
        elif isinstance(value, dict):
            for inner, entry in value.items():
                if isinstance(entry, BaseModel):
                    yield from _paths(entry, f"{name} {key} {inner}".strip())
