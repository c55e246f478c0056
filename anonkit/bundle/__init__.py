"""The folder that is handed over: its files, checksums and description."""

from anonkit.bundle.manifest import CHECKSUMS, PACKAGE, README, check_files, safe_path, write_checksums
from anonkit.bundle.package import Field, Resource, describe_package, read_package

__all__ = [
    "CHECKSUMS",
    "PACKAGE",
    "README",
    "Field",
    "Resource",
    "check_files",
    "describe_package",
    "read_package",
    "safe_path",
    "write_checksums",
]
