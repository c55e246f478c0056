"""No operator stands alone in a class of a pool (ruling 6), and none is named alone (the released column ``operator``).

A class of which one operator has nearly all trips is that operator's business report: whoever takes the class's number for the
operator's own is hardly wrong. So a class where one operator has more than ``Protection.operator_share`` of the rows is not
published at that level, and goes into the next roll-up like any other. Where the recipe publishes the operator itself, each
class has one; then a class stands only beside another operator's class of the same places and time, each with k persons:
nobody can read from the release who runs alone where.

Between **two** operators no limit hides the one's number from the other, who subtracts what he knows of himself; the limit is
against everybody else. Against that other it is the *people* who are kept: where a class has rows of several operators, the
second largest must have k people in it too, or an operator could subtract his own and find a few (``Protection.insiders``);
the same of what a class holds beyond finer published ones. Totals of time bins are not held against insiders. What falls last,
for rows and columns together (`system`), may leave a named operator alone; the gate then refuses.
Source: the p % rule of statistical offices (Hundepool et al. 2012, chapter 4.2): with a share s at most, the class's number
is off the largest contributor's own by at least 1/s - 1 of it; 9/10 is p = 11 %, usual are 10 to 20.
"""

from __future__ import annotations

import numpy as np

from anonkit.classes import NOBODY, Protection, Tally, groups
from anonkit.classes.arrays import most, packed, runs, sums
from anonkit.kanon.lots import Placed
from anonkit.kanon.products import Step

OPERATOR = "operator"


def named_alone(step: Step, protection: Protection) -> bool:
    """Whether the classes of a step name one operator each, in a pool."""
    return protection.operator_share is not None and OPERATOR in step.at.columns


def less_dominated(
    standing: np.ndarray, rows: np.ndarray, tally: Tally, *, left: str | None, protection: Protection
) -> np.ndarray:
    """Classes of which no operator has more than its share, and none has few people beside a larger one.

    Parameters
    ----------
    standing : whether each class is to be published. rows : rows of each.
    tally : of people among *operators*, at the same level. left : its column of rows that the part has not told, or None.
    """
    share = protection.operator_share
    assert share is not None
    assert tally.among is not None
    n = tally.n if left is None else tally.left[left]
    mine = np.flatnonzero(n > 0)
    of, n, open_, known = tally.of[mine], n[mine], tally.open[mine], tally.unit[mine] != NOBODY
    among = tally.among[mine]
    starts = runs(packed([(of, tally.classes), (among, int(among.max(initial=0)) + 1)]))
    at = of[starts]
    largest = np.zeros(tally.classes, dtype=np.int64)
    largest[at[runs(at)]] = most(sums(n, starts), runs(at))
    enough = largest * share.denominator <= rows * share.numerator
    if protection.insiders:
        for people in (sums(known, starts), sums(known & (open_ > 0), starts)):
            second = _second(at, people, tally.classes)
            enough &= (second == 0) | (second >= protection.k)
    found: np.ndarray = standing & enough
    return found


def _second(at: np.ndarray, people: np.ndarray, classes: int) -> np.ndarray:
    """The second largest number of each class, 0 where it has one."""
    order = np.lexsort((-people, at))
    place = runs(at[order]) + 1
    held = place[(place < len(order))]
    held = held[at[order][held] == at[order][held - 1]]
    found = np.zeros(classes, dtype=np.int64)
    found[at[order][held]] = people[order][held]
    return found


def less_alone(placed: Placed, standing: np.ndarray) -> tuple[np.ndarray, int]:
    """Classes that stand beside another operator's of the same places and time, and how many did not."""
    others = [column for key, column in placed.keys.items() if key != f"_key_{OPERATOR}"]
    of = groups(others).of
    operators = np.bincount(
        of[standing], minlength=len(of)
    )  # a class differs from its neighbours in the operator alone
    beside: np.ndarray = standing & (operators[of] > 1)
    return beside, int(standing.sum() - beside.sum())
