"""The combinatorial refinement attack: what the rule of an adaptive recoding tells without any outside data.

A row that is released coarser than it could have been tells that its finer class held fewer than k persons. A rest
with n persons whose public finer classes number c (those not released on the finer step) therefore has, in each of
them, at least n - (c-1)(k-1) persons and at most k-1. Where the lower end is positive, a class of 1 to k-1 persons is
shown to exist in a known place, which ruling 11 forbids; where c = 1 the row is pinned to its finer class. A person may
be in several classes, so that the sum is at least n and the bound holds. Source: Chhillar, Righi, Sutter and
Kornaropoulos 2025, Exposing privacy risks in anonymizing clinical data, arXiv 2509.03350: its linear program falls
apart into these intervals here, because a partition's finer classes lie in one rest each (docs/PRUNING.md, section 6).
It counts; it does not use plausibility or outside knowledge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.mondrian import Boxes


@dataclass(frozen=True, kw_only=True)
class RefinementVerdict:
    """For each attacked class: candidates, the fewest and most persons each of them must hold, and the verdict."""

    persons: np.ndarray
    candidates: np.ndarray
    fewest: np.ndarray
    most: np.ndarray

    @property
    def refined(self) -> np.ndarray:
        """Classes inside which a place with 1 to k-1 persons is certain."""
        return np.asarray(self.fewest > 0)

    @property
    def passed(self) -> bool:
        """No class is refined. True also where nothing was released coarser; see ``attacked``."""
        return not bool(self.refined.any())

    @property
    def attacked(self) -> int:
        """Classes that were attacked."""
        return len(self.persons)

    def only(self, which: np.ndarray) -> RefinementVerdict:
        """The verdict on some of the classes."""
        return RefinementVerdict(
            persons=self.persons[which],
            candidates=self.candidates[which],
            fewest=self.fewest[which],
            most=self.most[which],
        )

    @classmethod
    def joined(cls, parts: Sequence[RefinementVerdict]) -> RefinementVerdict:
        """One verdict over several steps."""
        empty = np.zeros(0, dtype=np.int64)

        def all_of(name: str) -> np.ndarray:
            return np.concatenate([empty, *(getattr(part, name) for part in parts)])

        return cls(
            persons=all_of("persons"), candidates=all_of("candidates"), fewest=all_of("fewest"), most=all_of("most")
        )

    def summary(self) -> dict[str, float]:
        """Counts for the reviewer's report."""
        return {
            "attacked_classes": self.attacked,
            "refined_classes": int(self.refined.sum()),
            "pinned_classes": int((self.candidates == 1).sum()),
            "median_candidates": float(np.median(self.candidates)) if self.attacked else 0.0,
        }


def interval(persons: np.ndarray, candidates: np.ndarray, *, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Fewest and most persons that each of ``candidates`` classes, all below ``k``, must hold of ``persons`` together.

    >>> interval(np.array([6, 6]), np.array([2, 4]), k=5)
    (array([2, 0]), array([4, 4]))
    """
    fewest = np.maximum(0, persons - (candidates - 1) * (k - 1))
    return fewest, np.minimum(persons, k - 1)


def attack_rests(
    hierarchies: Sequence[Hierarchy],
    plan: Sequence[tuple[int, ...]],
    number: int,
    classes: np.ndarray,
    persons: np.ndarray,
    which: np.ndarray,
    released: np.ndarray,
    *,
    k: int,
) -> RefinementVerdict:
    """Attack the classes of step ``number`` (columns of codes); ``released``: classes released on the step before."""
    finer, levels = plan[number - 1], plan[number]
    inside = np.ones(classes.shape[1], dtype=np.int64)
    for j, h in enumerate(hierarchies):
        parent = np.zeros(h.sizes[finer[j]], dtype=np.int64)
        parent[h.codes[finer[j]]] = h.codes[levels[j]]
        inside *= np.bincount(parent, minlength=h.sizes[levels[j]])[classes[j]]
    up = []
    for j, h in enumerate(hierarchies):
        parent = np.zeros(h.sizes[finer[j]], dtype=np.int64)
        parent[h.codes[finer[j]]] = h.codes[levels[j]]
        up.append(parent[released[j]] if released.size else np.zeros(0, dtype=np.int64))
    gone: dict[tuple[int, ...], int] = {}
    for key in zip(*(u.tolist() for u in up), strict=True):
        gone[key] = gone.get(key, 0) + 1
    taken = np.array([gone.get(key, 0) for key in zip(*classes.tolist(), strict=True)], dtype=np.int64)
    candidates = np.maximum(inside - taken, 1)
    fewest, most = interval(persons, candidates, k=k)
    fewest = np.where(which, fewest, 0)
    return RefinementVerdict(persons=persons, candidates=candidates, fewest=fewest, most=most)


def attack_boxes(boxes: Boxes, steps: Sequence[float], *, k: int) -> RefinementVerdict:
    """Attack Mondrian's boxes: an uncut box of 2k persons or more tells that its halves could not both hold k.

    With n >= 2k persons in a box that could be cut (two raster lines or more in some column), one half of the median
    cut held fewer than k: the recipient knows that n-k+1 or more lie in the other half, without knowing which.
    Candidates are the raster cells of the box; the verdict counts boxes of a single raster cell as pinned.
    """
    width = np.round((boxes.upper - boxes.lower) / np.asarray(steps))
    cells = np.maximum(width.prod(axis=1), 1).astype(np.int64)
    fewest = np.where((cells > 1) & (boxes.persons >= 2 * k), boxes.persons - k + 1, 0)
    # the crowded half is not named: it is refinement only where a box has two cells, so that a half is one cell
    fewest = np.where(cells == 2, fewest, 0)
    return RefinementVerdict(persons=boxes.persons, candidates=cells, fewest=fewest, most=boxes.persons)
