"""Randomness: keys come from the operating system; seeds exist in tests, simulation and attack sampling only.

A key made here lives in memory for one run and is written nowhere (ruling 25).
"""

from __future__ import annotations

import secrets

import numpy as np

KEY_BYTES = 32


def fresh_key() -> bytes:
    """32 bytes from the operating system. Never write, log or pickle the result."""
    return secrets.token_bytes(KEY_BYTES)


def seeded(seed: int) -> np.random.Generator:
    """A reproducible generator for simulation and attack sampling; never for noise that protects somebody."""
    return np.random.default_rng(seed)
