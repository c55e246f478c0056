"""Adaptive recoding: coarsen only where people are few, as a partition, along steps that the recipe names.

The steps (level tuples, finest first) are public. A class of the first step that holds k persons is released; the rows
of the others go on together to the next step, where what is left of a class is released as "rest of …" if it holds k
persons itself (ruling 9): no full parent stands beside its children, and every row lies in one released class at most.
What was not released on a finer step had fewer than k persons there, and whoever knows the rule can count with that:
the combinatorial refinement attack (adaptive_attack) is run on every output and its verdict is part of the result. The
default of the library stays global recoding.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anonkit.base.errors import SchemaError
from anonkit.kanon.adaptive_attack import RefinementVerdict, attack_rests
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.parameters import whole
from anonkit.kanon.search_tables import group_codes


@dataclass(frozen=True, kw_only=True)
class Adapted:
    """Where each row is released, and what the attack makes of it."""

    step: np.ndarray
    """Step on which a row is released, -1 for suppressed rows."""
    group: np.ndarray
    """Released class of each row, -1 for suppressed rows."""
    steps: tuple[tuple[int, ...], ...]
    rests: np.ndarray
    """For each class: True where it is the rest of a class whose other rows are released finer, or may be."""
    persons: np.ndarray
    """Persons a class. Inside only."""
    attack: RefinementVerdict

    def labels(self, hierarchies: Sequence[Hierarchy], codes: Sequence[np.ndarray]) -> list[tuple[str, ...] | None]:
        """Released labels of each row, "rest of …" where a class is a remainder; None where it is suppressed."""
        out: list[tuple[str, ...] | None] = []
        for i, (step, group) in enumerate(zip(self.step.tolist(), self.group.tolist(), strict=True)):
            if step < 0:
                out.append(None)
                continue
            levels = self.steps[step]
            texts = [str(h.labels[lv][h.codes[lv][c[i]]]) for h, lv, c in zip(hierarchies, levels, codes, strict=True)]
            if self.rests[group]:
                texts = [
                    t if lv == self.steps[0][j] else f"rest of {t}"
                    for j, (t, lv) in enumerate(zip(texts, levels, strict=True))
                ]
            out.append(tuple(texts))
        return out


def adapt(
    hierarchies: Sequence[Hierarchy],
    codes: Sequence[np.ndarray],
    person: np.ndarray,
    *,
    k: int,
    steps: Sequence[Sequence[int]],
    refuse_refined: bool = True,
) -> Adapted:
    """Release each row on the first step where what is left of its class holds ``k`` persons.

    Parameters
    ----------
    codes : base value numbers of each column, aligned with ``hierarchies``.
    person : number of each row's person, negative = none.
    k : least persons a released class; no default.
    steps : level tuples from the recipe, each at least as coarse as the one before.
    refuse_refined : where the attack shows a small class inside a rest, that rest goes on to the next step.

    Privacy
    -------
    Each released class, rests included, holds k persons; with ``refuse_refined`` no finer class inside a rest can be
    shown to hold 1 to k-1 persons by counting. Spends nothing.

    Sources
    -------
    SOUNDNESS ruling 9; Chhillar et al. 2025, arXiv 2509.03350.

    >>> zone = Hierarchy.from_levels("zone", np.arange(8), {"any": ["city"] * 8})
    >>> made = adapt([zone], [np.array([0, 0, 1, 2, 3])], np.arange(5), k=2, steps=[(0,), (1,)])
    >>> made.step.tolist()
    [0, 0, 1, 1, 1]
    """
    plan = tuple(tuple(int(x) for x in step) for step in steps)
    heights = [h.height for h in hierarchies]
    if any(
        len(step) != len(heights) or any(not 0 <= x < n for x, n in zip(step, heights, strict=True)) for step in plan
    ):
        raise SchemaError("an adaptive step has one level of each hierarchy", hint=f"levels below {heights}.")
    for finer, coarser in itertools.pairwise(plan):
        if any(b < a for a, b in zip(finer, coarser, strict=True)):
            raise SchemaError("adaptive steps must grow coarser", hint="level tuples, finest first.")
    if not plan or not whole(k, least=2):
        raise SchemaError(
            "adaptive recoding needs a whole number k >= 2 and at least one step", hint="steps=[(0, 0), (1, 1), …]."
        )
    rows = len(person)
    where, group = np.full(rows, -1, dtype=np.int64), np.full(rows, -1, dtype=np.int64)
    persons: list[int] = []
    rest: list[bool] = []
    verdicts: list[RefinementVerdict] = []
    for number, levels in enumerate(plan):
        left = np.flatnonzero(where < 0)
        if not len(left):
            break
        coded = np.stack([h.codes[lv][c[left]] for h, lv, c in zip(hierarchies, levels, codes, strict=True)])
        classes, first = group_codes(
            coded.astype(np.int32), [h.sizes[lv] for h, lv in zip(hierarchies, levels, strict=True)]
        )
        pairs = np.unique(np.stack([classes, person[left]])[:, person[left] >= 0], axis=1)
        held = np.bincount(pairs[0], minlength=len(first))
        good = held >= k
        if number:
            verdict = attack_rests(
                hierarchies,
                plan,
                number,
                coded[:, first],
                held,
                good,
                _released(hierarchies, codes, where, plan, number),
                k=k,
            )
            if refuse_refined:
                good &= ~verdict.refined
                verdict = verdict.only(good)
            verdicts.append(verdict)
        fresh = np.full(len(first), -1, dtype=np.int64)
        fresh[good] = len(persons) + np.arange(int(good.sum()))
        taken = good[classes]
        where[left[taken]], group[left[taken]] = number, fresh[classes[taken]]
        persons += held[good].tolist()
        rest += [number > 0] * int(good.sum())
    return Adapted(
        step=where,
        group=group,
        steps=plan,
        rests=np.array(rest, dtype=bool),
        persons=np.array(persons, dtype=np.int64),
        attack=RefinementVerdict.joined(verdicts),
    )


def _released(
    hierarchies: Sequence[Hierarchy],
    codes: Sequence[np.ndarray],
    where: np.ndarray,
    plan: tuple[tuple[int, ...], ...],
    number: int,
) -> np.ndarray:
    """Classes of the step before that are released on it (distinct columns of codes): what the recipient sees."""
    rows = np.flatnonzero(where == number - 1)
    levels = plan[number - 1]
    coded = np.stack([h.codes[lv][c[rows]] for h, lv, c in zip(hierarchies, levels, codes, strict=True)])
    return np.unique(coded, axis=1)
