"""What has left, to whom, and who was in it: the release register and the subject register (rulings 13, 27)."""

from __future__ import annotations

from anonkit.registry.identifiers import KINDS, Identifier, normalise, read_list
from anonkit.registry.keys import ENVIRONMENT, new_key_file, read_key
from anonkit.registry.releases import Release, ReleaseRegister, span
from anonkit.registry.subjects import Found, SubjectRegister

__all__ = [
    "ENVIRONMENT",
    "KINDS",
    "Found",
    "Identifier",
    "Release",
    "ReleaseRegister",
    "SubjectRegister",
    "new_key_file",
    "normalise",
    "read_key",
    "read_list",
    "span",
]
