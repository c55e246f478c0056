"""The bundle's description: a Frictionless Data Package (version 2) with anonkit's own statement beside it.

Tools that know data packages read columns, units and constraints from it; `reader` reads the privacy statement. A
constraint such as ``minimum`` documents a threshold, it proves nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anonkit.base.errors import BundleError
from anonkit.bundle.manifest import PACKAGE, safe_path, sha256_of_files

PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"
FORMAT = 1
"""Version of anonkit's part of the description."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One column of a resource."""

    name: str
    type: str
    """``integer``, ``number``, ``string`` or ``date``."""
    description: str
    constraints: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For datapackage.json."""
        body: dict[str, Any] = {"name": self.name, "type": self.type, "description": self.description}
        return {**body, "constraints": self.constraints} if self.constraints else body


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One table of the bundle, as CSV and as Parquet."""

    name: str
    title: str
    description: str
    fields: tuple[Field, ...]
    key: tuple[str, ...] = ()
    """Columns that are unique together."""
    parquet: bool = True
    parquet_only: bool = False
    folder: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        """Relative paths of its files."""
        stem = f"{self.folder}/{self.name}" if self.folder else self.name
        if self.parquet_only:
            return (f"{stem}.parquet",)
        return (f"{stem}.csv", f"{stem}.parquet") if self.parquet else (f"{stem}.csv",)


def describe_package(
    folder: Path,
    resources: Sequence[Resource],
    *,
    name: str,
    title: str,
    licence: str,
    created: str,
    version: str,
    statement: dict[str, Any],
) -> dict[str, str]:
    """Write ``datapackage.json`` into ``folder``, after its data files; return their checksums by relative name."""
    hashes = sha256_of_files(folder, [path for resource in resources for path in resource.paths])
    entries: list[dict[str, Any]] = []
    for resource in resources:
        for path in resource.paths:
            file = folder / path
            entry: dict[str, Any] = {
                "name": resource.name if path.endswith(".csv") else f"{resource.name}-parquet",
                "title": resource.title,
                "description": resource.description,
                "path": path,
                "hash": f"sha256:{hashes[path]}",
            }
            fields = [column.as_dict() for column in resource.fields]
            if path.endswith(".csv"):
                schema: dict[str, Any] = {"fields": fields}
                if resource.key:
                    schema["primaryKey"] = list(resource.key)
                entry |= {
                    "bytes": file.stat().st_size,
                    "type": "table",
                    "format": "csv",
                    "mediatype": "text/csv",
                    "encoding": "utf-8",
                    "schema": schema,
                }
            else:
                entry |= {"format": "parquet", "mediatype": "application/vnd.apache.parquet", "anonkit:fields": fields}
            entries.append(entry)
    package = {
        "$schema": PROFILE,
        "name": name,
        "title": title,
        "licenses": [_licence(licence)],
        "created": created,
        "resources": entries,
        "anonkit": {"format": FORMAT, "version": version, **statement},
    }
    text = json.dumps(package, indent=2, ensure_ascii=False) + "\n"
    (folder / PACKAGE).write_text(text, encoding="utf-8")
    return hashes


def _licence(licence: str) -> dict[str, str]:
    return {"path": licence, "name": "other"} if licence.startswith("http") else {"name": licence}


def read_package(folder: Path) -> dict[str, Any]:
    """The description of a bundle.

    Raises
    ------
    BundleError : not one of ours, or of a later format.
    """
    path = folder / PACKAGE
    if not path.is_file():
        raise BundleError(
            f"{folder.name} is no released folder: {PACKAGE} is missing", hint="give the folder that --out named"
        )
    try:
        package: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        own = int(package["anonkit"]["format"])
        complete = all(isinstance(text, str) for text in _texts(package))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError(f"{PACKAGE} is no description of a release", hint="ask for the bundle again") from error
    if not complete:
        raise BundleError(f"{PACKAGE} is no description of a release", hint="ask for the bundle again")
    for resource in package["resources"]:
        safe_path(folder, resource["path"])
    if own > FORMAT:
        raise BundleError(f"the bundle has format {own}, this anonkit reads {FORMAT}", hint="install a newer anonkit")
    return package


def _texts(package: dict[str, Any]) -> Iterator[Any]:
    """What a reader relies on: names, statement, paths, columns."""
    yield from (package["name"], package["title"], package["anonkit"]["privacy"]["statement"])
    for resource in package["resources"]:
        yield from (resource["path"], resource["description"])
        fields = resource["anonkit:fields"] if resource["path"].endswith(".parquet") else resource["schema"]["fields"]
        yield from (column["name"] for column in fields)
