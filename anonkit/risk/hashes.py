"""Hashed identifiers are identifiers: a small domain is hashed whole and looked up.

Phone numbers, plates, card ranges and running numbers have 10⁴ … 10⁹ values; an unsalted hash of them is reversed in
minutes. The attack tries MD5, SHA-1, SHA-256 and MD5 of SHA-256 (hex), also with characters replaced by dashes at
8-4-4-4 as Louisville publishes them, on a declared domain. Control: the same number of keyed tokens, which nothing
reverses. Source: Article 29 Working Party, Opinion 05/2014, section 4; Tockar 2014; Louisville Dockless-Open-Data.
Does not find a salt, and says nothing about ids that stay linkable without being reversed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from anonkit.base.entropy import fresh_key
from anonkit.risk.result import RiskFigure, share_figure

DASHES = (8, 13, 18, 23)
_HEX = re.compile(r"^[0-9a-f]{16,128}$")
_DASHED = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{8,12}$")


def dashed(digest: str) -> str:
    """Louisville's trip id: four characters of a 32-digit hash are *replaced* by dashes.

    >>> dashed("0123456789abcdef0123456789abcdef")
    '01234567-9abc-ef01-3456-89abcdef'
    """
    return "".join("-" if place in DASHES else digit for place, digit in enumerate(digest))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


ALGORITHMS: dict[str, Callable[[str], str]] = {
    "md5": _md5,
    "sha1": _sha1,
    "sha256": _sha256,
    "md5 of sha256": lambda text: _md5(_sha256(text)),
    "md5, dashed": lambda text: dashed(_md5(text)),
    "md5 of sha256, dashed": lambda text: dashed(_md5(_sha256(text))),
}


@dataclass(frozen=True, kw_only=True)
class HashShape:
    """How a column of ids looks."""

    values: int
    hash_like: float
    """Share of distinct values that look like a hash or an id made from one."""
    lengths: tuple[int, ...]

    @property
    def flagged(self) -> bool:
        """Whether the column must be treated as identifiers."""
        return self.hash_like > 0.5


def hash_shape(values: Iterable[str]) -> HashShape:
    """Whether a column holds hashes or ids made from them; shape only, no value is kept.

    >>> hash_shape(["dc1289dd-5de4-6846-e953-66e72098", "a158e61b-0a9e-dac0-8b1e-b23a69c6"]).flagged
    True
    >>> hash_shape(["12", "13"]).flagged
    False
    """
    distinct = {str(value).strip().lower() for value in values}
    like = sum(bool(_HEX.match(v) or _DASHED.match(v)) for v in distinct)
    return HashShape(
        values=len(distinct),
        hash_like=like / max(1, len(distinct)),
        lengths=tuple(sorted({len(v) for v in distinct}))[:8],
    )


def reverse_hashes(published: Sequence[str], domain: Iterable[str]) -> RiskFigure:
    """Share of published ids that are hashes of something in ``domain``.

    Parameters
    ----------
    published : distinct ids as they stand in the release.
    domain : everything that may have been hashed: a number range, a plate format, a list of phones.

    Returns
    -------
    RiskFigure; control: as many HMAC tokens under a fresh key; baseline 0. ``details`` names the algorithm, never a
    value.

    Privacy
    -------
    Holds reversed ids only as a count.

    Sources
    -------
    Opinion 05/2014 of the Article 29 Working Party, section 4; Demir et al. 2018, The Pitfalls of Hashing for Privacy.

    Examples
    --------
    >>> ids = [ALGORITHMS["md5"](f"+99450{n:04d}") for n in (7, 77, 777)]
    >>> found = reverse_hashes(ids, (f"+99450{n:04d}" for n in range(1000)))
    >>> found.value, found.details["algorithm"], found.control
    (1.0, 'md5', 0.0)
    """
    wanted = {value.strip().lower() for value in published}
    key = fresh_key()
    tokens = {hmac.new(key, value.encode(), hashlib.sha256).hexdigest() for value in wanted}
    tokens |= {token[:32] for token in tokens}
    hits: dict[str, set[str]] = {name: set() for name in ALGORITHMS}
    token_hits: set[str] = set()
    tried = 0
    for candidate in domain:
        tried += 1
        for name, digest in ALGORITHMS.items():
            value = digest(candidate)
            if value in wanted:
                hits[name].add(value)
            if value in tokens:
                token_hits.add(value)
    best = max(hits, key=lambda name: len(hits[name]))
    found = np.zeros(len(wanted), bool)
    found[: len(hits[best])] = True
    control = np.zeros(len(wanted), bool)
    control[: len(token_hits)] = True
    return share_figure(
        "reversal of hashed ids",
        found,
        baseline=0.0,
        control_hits=control,
        assumptions=("the attacker guesses the domain of the id and tries common unsalted hashes",),
        details={"algorithm": best if hits[best] else None, "domain": tried},
    )
