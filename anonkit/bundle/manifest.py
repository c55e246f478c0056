"""Checksums of a bundle, in the form that ``sha256sum --check`` reads, and paths that cannot leave the folder.

A bundle proves integrity against accident, and against change by anybody who does not also change the checksums; it
proves nothing about k, which only the operator can recount (ruling 26).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from anonkit.base.errors import BundleError

CHECKSUMS = "CHECKSUMS.sha256"
PACKAGE = "datapackage.json"
README = "README.md"
AT_ONCE = 2
"""Files that are hashed side by side."""
LINE = re.compile(r"^([0-9a-f]{64})  (.+)$")


def safe_path(folder: Path, name: str) -> Path:
    """The file ``name`` of a bundle.

    Raises
    ------
    BundleError : the name is absolute, climbs out of the folder, or is a link.
    """
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name or not name:
        raise BundleError("a file name of the bundle leads out of its folder", hint="do not use this bundle")
    path = folder.joinpath(*pure.parts)
    if any(part.is_symlink() for part in (path, *path.parents) if folder in part.parents or part == path):
        raise BundleError(f"{name} is a link", hint="ask for the bundle again; bundles hold plain files only")
    return path


def files_of(folder: Path) -> list[str]:
    """Relative names of all files of a folder, sorted, the checksums left out."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return sorted(name for name in found if name != CHECKSUMS)


def write_checksums(folder: Path, known: Mapping[str, str] | None = None) -> None:
    """Write the checksum of every file of ``folder``; ``known`` are those that were just computed, by relative name."""
    names, found = files_of(folder), dict(known or {})
    found |= sha256_of_files(folder, [name for name in names if name not in found])
    (folder / CHECKSUMS).write_text("".join(f"{found[name]}  {name}\n" for name in names), encoding="utf-8")


def sha256_of_files(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """SHA-256 of these files by name, each read once, a few at a time."""
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return dict(zip(names, pool.map(lambda name: _sha256(folder / name), names), strict=True))


def check_files(folder: Path) -> list[str]:
    """Names of the files, after comparing each with its checksum.

    Raises
    ------
    BundleError : no bundle, a file is missing, altered or not listed.
    """
    listing = folder / CHECKSUMS
    if not listing.is_file():
        raise BundleError(
            f"{folder.name} is no released folder: {CHECKSUMS} is missing", hint="give the folder that --out named"
        )
    expected: dict[str, str] = {}
    for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
        match = LINE.match(line)
        if match is None:
            raise BundleError(f"{CHECKSUMS} has a line that is no checksum", hint="ask for the bundle again")
        expected[match[2]] = match[1]
    present = files_of(folder)
    missing, unlisted = sorted(set(expected) - set(present)), sorted(set(present) - set(expected))
    if missing or unlisted:
        raise BundleError(f"files missing: {missing}; files not listed: {unlisted}", hint="ask for the bundle again")
    for name in expected:
        safe_path(folder, name)
    found = sha256_of_files(folder, list(expected))
    altered = [name for name, digest in expected.items() if found[name] != digest]
    if altered:
        raise BundleError(f"altered since the release: {altered}", hint="ask for the bundle again")
    return present


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
