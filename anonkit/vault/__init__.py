"""The vault: token to account for disputes and fraud, two persons, every opening logged (ruling 28)."""

from __future__ import annotations

from anonkit.vault.keys import ENVIRONMENT, new_key_file, read_key
from anonkit.vault.log import Line
from anonkit.vault.vault import Summary, Vault

__all__ = ["ENVIRONMENT", "Line", "Summary", "Vault", "new_key_file", "read_key"]
