"""Keys of the vault: read from a file of mode 0600 or the environment, divided by purpose, used through AES-256-GCM.

The master key is never stored beside what it locks: a key file inside the vault's folder is refused, and so is one that
others may read. Sub-keys for wrapping, indexing, the log and suppression come from HKDF-SHA256, so that none stands for
another. Sources: NIST SP 800-38D (GCM; a nonce must never come twice under one key), RFC 5869.

Does **not** protect against somebody who holds both the key and the folder; that is what two persons and the log are for.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from anonkit.base.entropy import KEY_BYTES, fresh_key
from anonkit.base.errors import VaultError

ENVIRONMENT = "ANONKIT_VAULT_KEY"
NONCE_BYTES = 12


def new_key_file(path: str | Path) -> Path:
    """Write a fresh master key (64 hexadecimal digits, mode 0600); refuse to overwrite."""
    path = Path(path)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError as error:
        raise VaultError(
            f"key file '{path.name}' exists already", hint="a lost key locks its vault for good."
        ) from error
    with os.fdopen(descriptor, "w") as stream:
        stream.write(fresh_key().hex() + "\n")
    return path


def read_key(path: str | Path | None = None, *, environment: str = ENVIRONMENT) -> bytes:
    """The master key from a file of mode 0600, or from the environment variable when no file is named."""
    if path is None:
        text = os.environ.get(environment, "")
        where = f"environment variable {environment}"
    else:
        path = Path(path)
        where = f"key file '{path.name}'"
        if not path.is_file():
            raise VaultError(
                f"{where} is missing", hint="anonkit vault create makes one; restore it from its own backup."
            )
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise VaultError(f"{where} may be read by others", hint="chmod 600, and think about who has read it.")
        text = path.read_text(errors="replace")
    if not re.fullmatch(rf"[0-9a-fA-F]{{{2 * KEY_BYTES}}}", text.strip()):
        raise VaultError(
            f"{where} does not hold a key of {2 * KEY_BYTES} hexadecimal digits", hint="use anonkit's own file."
        )
    return bytes.fromhex(text.strip())


def derive(master: bytes, purpose: str) -> bytes:
    """The sub-key for one purpose."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"anonkit vault 1 " + purpose.encode()).derive(
        master
    )


def keyed_hash(key: bytes, value: str) -> bytes:
    """HMAC-SHA256 of a text."""
    return hmac.new(key, value.encode(), hashlib.sha256).digest()


def fresh_nonce() -> bytes:
    """12 bytes from the operating system."""
    return secrets.token_bytes(NONCE_BYTES)


def seal(key: bytes, plain: bytes, *, nonce: bytes, bound_to: bytes) -> bytes:
    """Ciphertext and tag; ``bound_to`` is authenticated, so that a row cannot be moved to another place."""
    return AESGCM(key).encrypt(nonce, plain, bound_to)


def unseal(key: bytes, sealed: bytes, *, nonce: bytes, bound_to: bytes) -> bytes:
    """The plain bytes, or VaultError if the key is wrong or a bit was changed."""
    try:
        return AESGCM(key).decrypt(nonce, sealed, bound_to)
    except (InvalidTag, ValueError) as error:
        raise VaultError(
            "the vault was tampered with, or the key is wrong", hint="compare with the last good copy."
        ) from error
