"""Whether origin and time give the destination away, or destination and time the origin (ruling 7).

A class of many people still tells where somebody went if all who left his place at that time went there. Such classes
fall, until enough places stay open. Source: Machanavajjhala et al. 2007 (distinct l-diversity), on places; ruling 7. Does
not protect against a guess that is only likely: `risk.trips` measures it.
"""

from __future__ import annotations

import numpy as np

from anonkit.classes import Protection, groups
from anonkit.kanon.lots import Placed

GIVEN = {"start": "_key_end_cell", "end": "_key_start_cell"}
"""What is known beside the time → the key that must stay open."""


def less_alike(
    placed: Placed, standing: np.ndarray, persons: np.ndarray, *, protection: Protection
) -> tuple[np.ndarray, int]:
    """Suppress classes whose destination follows from origin and time, or whose origin from destination and time.

    Of an origin and bin the recipient sees the published destinations, and that something is missing. Distinct published
    destinations, and one more if something missing holds k units, must be at least ``protection.l_places``. One direction
    after the other, until nothing changes (suppressing for one may leave too few for the other).

    Parameters
    ----------
    standing : whether each class is to be published. persons : units of each class.

    Returns
    -------
    What of them stands, and how many fell.
    """
    least = protection.l_places
    if placed.step.part.end is not None or least < 2:
        return standing, 0
    mine = np.flatnonzero(standing | (persons >= protection.k))  # smaller ones neither stand nor are missed
    stands, large = standing[mine], persons[mine] >= protection.k
    of = [_given(placed, other, mine) for other in GIVEN.values()]
    before = now = int(stands.sum())
    last = -1
    while now != last:
        for group in of:
            places = np.bincount(group[stands], minlength=int(group.max(initial=-1)) + 1)
            missing = np.zeros(len(places), dtype=bool)
            missing[group[large & ~stands]] = True
            stands &= (places + missing)[group] >= least
        last, now = now, int(stands.sum())
    left = np.zeros(len(standing), dtype=bool)
    left[mine[stands]] = True
    return left, before - now


def _given(placed: Placed, other: str, mine: np.ndarray) -> np.ndarray:
    """Classes that agree in all keys but one have one number."""
    return groups([(codes[mine], size) for key, (codes, size) in placed.keys.items() if key != other]).of
