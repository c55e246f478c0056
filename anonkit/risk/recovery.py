"""Recovery of trajectories from aggregates: counts an hour and cell, turned back into people's days.

If every person of a fixed group is counted once a time slot, the counts of neighbouring slots can be matched like
taxis to riders: at night people stay where they are, by day they go on as they went; the cheapest assignment of all
returns their paths. Source: Xu, Tu, Li, Zhang, Fu, Jin 2017, Trajectory Recovery from Ash (doi 10.1145/3038912.3052620).
Baseline: the same counts linked at random. Control: paths of people who are not in the aggregate.
Needs a closed group counted in every slot; flows with suppression or noise take that away, which the tests show.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from anonkit.base.entropy import seeded
from anonkit.base.errors import SchemaError
from anonkit.risk.result import RiskFigure, value_figure

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def recover(counts: NDArray[np.number], cells_xy: Floats, *, night: NDArray[np.bool_], persons: int) -> Ints:
    """Paths (persons × slots, cell numbers) that explain counts of each slot at the least cost.

    Parameters
    ----------
    counts : slots × cells, people counted; NaN and negatives are read as 0, and each slot is brought to ``persons``.
    cells_xy : cells × 2, metres.
    night : slots in which people are taken to stay; in others they are taken to keep their direction.
    persons : how many people are assumed, known or the largest total.

    Returns
    -------
    Paths, one a row; −1 never occurs.

    Raises
    ------
    SchemaError : shapes do not fit.

    Privacy
    -------
    An attack; what it returns are guesses about people, to be judged and thrown away.

    Sources
    -------
    Xu et al. 2017, sections 3.2 and 3.3 (nights and days; linking over days is left to the same step).

    Examples
    --------
    Two people who stay at home, counted in three slots:

    >>> recover(np.array([[1, 1], [1, 1], [1, 1]]), np.array([[0., 0], [900, 0]]), night=np.ones(3, bool), persons=2).tolist()
    [[0, 0, 0], [1, 1, 1]]
    """
    if counts.shape[1] != len(cells_xy) or len(night) != len(counts):
        raise SchemaError("counts, cells and night differ in shape.", hint="counts is slots × cells.")
    slots = [_places(row, persons) for row in np.nan_to_num(np.asarray(counts, float))]
    paths = np.zeros((persons, len(slots)), np.int64)
    paths[:, 0] = slots[0]
    for t in range(1, len(slots)):
        here = cells_xy[paths[:, t - 1]]
        ahead = here if night[t] or t == 1 else here + (here - cells_xy[paths[:, t - 2]]) / 2
        cost = cdist(ahead, cells_xy[slots[t]])
        rows, columns = linear_sum_assignment(cost)
        paths[rows, t] = slots[t][columns]
    return paths


def recovery_risk(
    truth: Ints,
    counts: NDArray[np.number],
    cells_xy: Floats,
    *,
    night: NDArray[np.bool_],
    seed: int,
    outsiders: Ints | None = None,
) -> RiskFigure:
    """Share of a person's slots that the best recovered path has right, mean over persons.

    Parameters
    ----------
    truth : persons × slots, true cells; for judging only.
    counts, cells_xy, night : as `recover`.
    seed : of the random baseline and the interval.
    outsiders : paths of people not in the counts, for the control.

    Returns
    -------
    RiskFigure; recovered paths are assigned to people so that most slots are right, for attack, baseline and control
    alike. ``details`` has the share of persons recovered to nine tenths.

    Privacy
    -------
    As `recover`.

    Sources
    -------
    Xu et al. 2017, section 5 (recovery accuracy).
    """
    found = recover(counts, cells_xy, night=night, persons=len(truth))
    rng = seeded(seed)
    mixed = np.column_stack([rng.permutation(column) for column in found.T])
    right = _agreement(truth, found)
    control = _agreement(outsiders, found[: len(outsiders)]) if outsiders is not None and len(outsiders) else None
    return value_figure(
        "recovery of trajectories from aggregates",
        right,
        baseline=float(_agreement(truth, mixed).mean()),
        control=control,
        seed=seed,
        assumptions=("the attacker has counts of every slot and knows how many people there are",),
        details={"persons_recovered": float((right >= 0.9).mean())},
    )


def _places(row: Floats, persons: int) -> Ints:
    """Exactly ``persons`` places of one slot: rounded counts, filled up or cut in proportion."""
    row = np.maximum(row, 0)
    if row.sum() == 0:
        row = np.ones(len(row))
    share = row * persons / row.sum()
    whole = np.floor(share).astype(np.int64)
    left = persons - int(whole.sum())
    whole[np.argsort(-(share - whole), kind="stable")[:left]] += 1
    return np.repeat(np.arange(len(row)), whole)


def _agreement(truth: Ints, found: Ints) -> Floats:
    """Share of equal slots of each true path under the assignment that makes most of them equal."""
    equal = (truth[:, None, :] == found[None, :, :]).mean(axis=2)
    rows, columns = linear_sum_assignment(-equal)
    result = np.zeros(len(truth))
    result[rows] = equal[rows, columns]
    return result
