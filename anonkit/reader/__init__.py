"""For the researcher: open a release, check it, use it. Needs the base install only."""

from anonkit.reader.open import ProductTable, Release, open_release
from anonkit.reader.verify import Verification, verify

__all__ = ["ProductTable", "Release", "Verification", "open_release", "verify"]
