"""The register's own key: never a run's, a pool's or the vault's (ruling 27).

Sub-keys for index, suppression and wrapping come from HKDF-SHA256. The file must be of mode 0600. Read here and not
taken from the vault's room, because what is published may reach the registry and must never reach the vault.
Does not protect against somebody who holds key and files: with both he can ask whether a given phone is in them.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

from anonkit.base.entropy import KEY_BYTES, fresh_key
from anonkit.base.errors import SourceError

ENVIRONMENT = "ANONKIT_REGISTER_KEY"
_NONCE = 12


def new_key_file(path: str | Path) -> Path:
    """Write a fresh key, mode 0600; refuse to overwrite."""
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as stream:
        stream.write(fresh_key().hex() + "\n")
    return Path(path)


def read_key(path: str | Path | None = None, *, environment: str = ENVIRONMENT) -> bytes:
    """The register's key from a file of mode 0600, or from the environment when no file is named."""
    if path is not None and Path(path).is_file() and Path(path).stat().st_mode & 0o077:
        raise SourceError(f"key file '{Path(path).name}' may be read by others", hint="chmod 600.")
    found = os.environ.get(environment, "") if path is None else Path(path).read_text() if Path(path).is_file() else ""
    if not re.fullmatch(rf"[0-9a-fA-F]{{{2 * KEY_BYTES}}}", found.strip()):
        where = f"environment variable {environment}" if path is None else f"key file '{Path(path).name}'"
        raise SourceError(
            f"{where} holds no key of {2 * KEY_BYTES} hexadecimal digits", hint="registry.new_key_file makes one."
        )
    return bytes.fromhex(found.strip())


def derive(master: bytes, purpose: str) -> bytes:
    """The sub-key for one purpose."""
    info = b"anonkit register 1 " + purpose.encode()
    # loaded when a register is used: most releases have none
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(master)


def keyed_hash(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256."""
    return hmac.digest(key, message, hashlib.sha256)


def seal(key: bytes, plain: bytes, *, bound_to: bytes) -> bytes:
    """Nonce, ciphertext and tag of AES-256-GCM."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, bound_to)


def unseal(key: bytes, sealed: bytes, *, bound_to: bytes) -> bytes:
    """The plain bytes; SourceError if the key is wrong or a bit was changed."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], bound_to)
    except (InvalidTag, ValueError) as error:
        raise SourceError(
            "the register was tampered with, or the key is wrong", hint="compare with the last good copy."
        ) from error
