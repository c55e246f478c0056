"""Read a recipe; errors name the line, what is wrong, and the nearest known key.

Paths in a recipe are relative to the recipe's own folder.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from anonkit.base.errors import AnonkitError, RecipeError
from anonkit.recipe.model import Recipe
from anonkit.recipe.noisy import NoisyRecipe
from anonkit.recipe.noisy_routes import NoisyRouteRecipe
from anonkit.recipe.routes import RouteRecipe

MAX_BYTES = 1_000_000
DECIDE = "DECIDE"
"""Stands in a drafted recipe where a person must write something; no release is made of it."""


def load_recipe(path: Path) -> tuple[Recipe | NoisyRecipe | RouteRecipe, str]:
    """A recipe and the SHA-256 of its file.

    Raises
    ------
    RecipeError : no file, no YAML, an unknown or missing key, parts that contradict each other.
    PermissionRefusedError : a policy does not permit the use (ruling 33).
    """
    if not path.is_file():
        raise RecipeError(f"there is no recipe {path.name}", hint="give the path of a YAML file")
    content = path.read_bytes()
    if len(content) > MAX_BYTES:
        raise RecipeError(f"{path.name} is larger than a recipe can be", hint="give the recipe, not the data")
    try:
        data, node = yaml.safe_load(content), yaml.compose(content.decode("utf-8"), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise RecipeError(
            f"{path.name}{where}: not valid YAML", hint="check indentation, colons and quotes there"
        ) from None
    _no_key_twice(node, path)
    _all_decided(content.decode("utf-8"), path)
    if not isinstance(data, dict):
        raise RecipeError(f"{path.name} holds no keys", hint="begin with release: a-name")
    privacy = data.get("privacy")
    noisy = isinstance(privacy, dict) and privacy.get("guarantee") == "differential_privacy"
    streets = "streets" in data
    kinds: dict[tuple[bool, bool], type[Recipe | NoisyRecipe | RouteRecipe]] = {
        (False, False): Recipe,
        (False, True): RouteRecipe,
        (True, False): NoisyRecipe,
        (True, True): NoisyRouteRecipe,
    }
    kind = kinds[noisy, streets]
    try:
        recipe = kind.model_validate(_resolved(data, path.parent))
    except ValidationError as error:
        raise _explained(error, path, node, kind) from None
    except AnonkitError as error:
        raise RecipeError(f"{path.name}: {error.message}", hint=error.hint) from error
    recipe.check_permitted()
    return recipe, hashlib.sha256(content).hexdigest()


def _all_decided(text: str, path: Path) -> None:
    """A drafted recipe says where a person must decide; a release is made of none that still does."""
    lines = [line.split("#")[0] for line in text.splitlines()]
    left = [str(number) for number, line in enumerate(lines, start=1) if re.search(rf"\b{DECIDE}\b", line)]
    if left:
        raise RecipeError(
            f"{path.name} still says {DECIDE} in line{'s' if len(left) > 1 else ''} {', '.join(left)}",
            hint="write there what the comment asks for; docs/RECIPE.md explains every key",
        )


def _no_key_twice(node: yaml.Node | None, path: Path) -> None:
    """YAML lets the last of two equal keys win in silence; a threshold must not be said twice."""
    waiting, known = [node], set()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in known:
            continue
        known.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    continue
                if key.value in seen:
                    raise RecipeError(
                        f"{path.name}, line {key.start_mark.line + 1}: the key {key.value!r} stands there a second time",
                        hint="keep one of the two",
                    )
                seen.add(key.value)
                waiting.append(value)


def _resolved(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Paths relative to the recipe become paths relative to here."""

    def full(value: Any) -> Any:
        return str(folder / value) if isinstance(value, str) else value

    def with_path(entry: Any) -> Any:
        if not isinstance(entry, dict):
            return entry
        entry = {**entry, **({"path": full(entry["path"])} if "path" in entry else {})}
        policy = entry.get("policy")
        if isinstance(policy, str) and policy.endswith((".yml", ".yaml")):
            entry["policy"] = full(policy)
        entry = {**entry, **{name: with_path(entry[name]) for name in ("places", "accounts", "fixes") if name in entry}}
        lookups = entry.get("lookups")
        if not isinstance(lookups, dict):
            return entry
        return {**entry, "lookups": {name: with_path(lookup) for name, lookup in lookups.items()}}

    data = dict(data)
    if isinstance(data.get("geo"), dict):
        geo = dict(data["geo"])
        if "area" in geo:
            geo["area"] = full(geo["area"])
        if isinstance(geo.get("zones"), dict) and "path" in geo["zones"]:
            geo["zones"] = {**geo["zones"], "path": full(geo["zones"]["path"])}
        data["geo"] = geo
    for key in ("streets", "sensitive_places"):
        if key in data:
            data[key] = with_path(data[key])
    for key in ("lists", "requests"):
        if isinstance(data.get(key), dict):
            data[key] = {name: full(path) for name, path in data[key].items()}
    if isinstance(data.get("products"), dict):
        data["products"] = _trees(data["products"], with_path)
    if isinstance(data.get("inputs"), list):
        data["inputs"] = [with_path(entry) for entry in data["inputs"]]
    return data


def _trees(products: dict[str, Any], with_path: Callable[[Any], Any]) -> dict[str, Any]:
    """Products with the paths of the columns' hierarchies resolved."""
    trips = products.get("trips")
    search = trips.get("k_anonymity") if isinstance(trips, dict) else None
    if not isinstance(trips, dict) or not isinstance(search, dict) or not isinstance(search.get("hierarchies"), dict):
        return products
    trees = {name: with_path(tree) for name, tree in search["hierarchies"].items()}
    return {**products, "trips": {**trips, "k_anonymity": {**search, "hierarchies": trees}}}


def _explained(error: ValidationError, path: Path, node: yaml.Node | None, kind: type[BaseModel]) -> RecipeError:
    details = error.errors(include_url=False)
    first = details[0]
    where = ".".join(str(part) for part in first["loc"])
    line = _line(node, first["loc"])
    place = f"{path.name}, line {line}" if line else path.name
    more = f" ({len(details) - 1} more)" if len(details) > 1 else ""
    if first["type"] == "extra_forbidden":
        known = sorted(_keys(first["loc"][:-1], kind))
        near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys are {known}"
        return RecipeError(f"{place}: there is no key {where!r}{more}", hint=hint)
    if first["type"] == "missing":
        return RecipeError(f"{place}: the key {where!r} is missing{more}", hint=f"add {first['loc'][-1]}: … there")
    message = str(first["msg"]).removeprefix("Value error, ")
    message, _, hint = message.partition("\nHint: ")
    subject = f"{where}: " if where else ""
    return RecipeError(f"{place}: {subject}{message}{more}", hint=hint or f"see docs/RECIPE.md on {where or 'recipes'}")


def _line(node: yaml.Node | None, where: tuple[Any, ...]) -> int | None:
    """The line of a key, or of the deepest part of its path that is there."""
    line = node.start_mark.line + 1 if node is not None else None
    for part in where:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if found is None:
                return line
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            return line
    return line


def _keys(where: tuple[Any, ...], kind: type[BaseModel]) -> set[str]:
    """Known keys at a place of the recipe."""
    models: list[Any] = [kind]
    for part in where:
        if isinstance(part, int):
            continue
        found = []
        for model in models:
            for name, info in model.model_fields.items():
                if part in (name, info.alias):
                    found += list(_models(info.annotation))
        models = found or models
    return {info.alias or name for model in models for name, info in model.model_fields.items()}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
