"""Files that appear whole or not at all, and folders that only their owner reads.

A file is written beside its place and renamed; a reader sees the old content or the new, never a half. Does not
protect against a disk that lies about having written.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def private_folder(path: Path) -> Path:
    """Make ``path`` (and its parents) a folder of mode 0700, also where it stood with another mode."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)
    return path


@contextmanager
def replace_file(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Give a temporary path beside ``path``; rename it onto ``path`` when the block ends without an error.

    With ``durable`` the bytes are on the disk before the name is; without, a loss of power may leave an empty file. What
    lies in a private or staging folder is not asked to outlive the run: see `to_disk`.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        if durable:
            to_disk(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def to_disk(path: Path) -> None:
    """Return when the bytes of a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
