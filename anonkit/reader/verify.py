"""Is a bundle complete, unaltered and what its description says?

This proves integrity and schema. It cannot prove k: how many people stand behind a row can be recounted only by the
operator, from data that must never leave him (ruling 26).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from anonkit.base.errors import BundleError
from anonkit.bundle import check_files, read_package, safe_path

LIMITS = (
    "Integrity and schema hold. Whether every class holds its k can be verified only by the operator; "
    "a bundle alone cannot show it."
)


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was checked."""

    name: str
    files: int
    tables: int
    statement: str
    limits: str = LIMITS


def verify(folder: str | Path) -> Verification:
    """Check a released folder.

    Raises
    ------
    BundleError : a file is missing, altered or undeclared, or has other columns than described.
    """
    folder = Path(folder)
    files = check_files(folder)
    package = read_package(folder)
    declared = {resource["path"] for resource in package["resources"]} | {"README.md", "datapackage.json"}
    if set(files) != declared:
        raise BundleError("the folder holds other files than its description", hint="ask for the bundle again")
    for resource in package["resources"]:
        path = safe_path(folder, resource["path"])
        try:
            names = _columns(path)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise BundleError(f"{resource['path']} cannot be read", hint="ask for the bundle again") from error
        fields = resource["anonkit:fields"] if path.suffix == ".parquet" else resource["schema"]["fields"]
        if names != [field["name"] for field in fields]:
            raise BundleError(f"{resource['path']} has other columns than described", hint="ask for the bundle again")
    return Verification(
        name=package["name"],
        files=len(files),
        tables=len(package["resources"]),
        statement=package["anonkit"]["privacy"]["statement"],
    )


def _columns(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        return list(pq.read_schema(path).names)
    with path.open(encoding="utf-8") as file:
        return file.readline().rstrip("\r\n").split(",")
