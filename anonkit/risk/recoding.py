"""What the choice of a level tells: combinatorial refinement and minimality.

A greedy or adaptive generaliser publishes a class coarse *because* its fine parts were too small. Who knows k and the
method knows that each unpublished part holds fewer than k persons; with few parts this bounds them from below, and
may settle them (`refine`). Likewise a global level was chosen because the finer one failed somewhere (`minimality`).
Source: Chhillar, Righi, Sutter, Kornaropoulos 2025, arXiv 2509.03350; Wong, Fu, Wang, Pei 2007 (minimality).
Levels from the recipe (ruling 9) tell nothing by themselves, but a "rest of" row is adaptive and is attacked here too.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from anonkit.base.errors import SchemaError
from anonkit.risk.result import RiskFigure, share_figure

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Refinement:
    """What an attacker who knows k and the method learns of the unpublished parts of each coarse class."""

    low: Ints
    """Least persons each unpublished part of the class must hold."""
    high: Ints
    """Most persons it can hold."""
    remaining: NDArray[np.float64]
    """Share of the assignments of persons to parts that is left (1: nothing learned)."""
    figure: RiskFigure
    """Share of classes with a part that must be inhabited, against the same without knowing the method."""


def refine(rest_persons: NDArray[np.integer], open_parts: NDArray[np.integer], *, k: int) -> Refinement:
    """Bounds on the unpublished parts of coarse rows ("rest of …", or a locally recoded class).

    Parameters
    ----------
    rest_persons : persons in each coarse row.
    open_parts : fine parts each row covers that are not published themselves, >= 1, from the public hierarchy.
    k : the release's threshold; an adaptive method would have published a part of k persons or more.

    Returns
    -------
    Refinement; ``figure`` counts rows with a part forced above 0. Baseline: rows with one open part only, of which
    everybody knows that it is inhabited.

    Raises
    ------
    SchemaError : k below 2, or a row without parts.

    Privacy
    -------
    A part whose low equals its high is published, whatever the table says.

    Sources
    -------
    arXiv 2509.03350, section 4 (bounds by linear programme; here in closed form, as parts of one row bind only
    each other).

    Examples
    --------
    Eight persons over two parts of fewer than five: both hold exactly four.

    >>> found = refine(np.array([8, 8]), np.array([2, 9]), k=5)
    >>> found.low.tolist(), found.high.tolist(), found.figure.value
    ([4, 0], [4, 4], 0.5)
    """
    persons, parts = np.asarray(rest_persons, np.int64), np.asarray(open_parts, np.int64)
    if k < 2 or (len(parts) and parts.min() < 1):
        raise SchemaError("refinement needs k >= 2 and at least one open part a row.", hint="check the hierarchy.")
    cap = np.minimum(k - 1, persons)
    low = np.maximum(0, persons - (parts - 1) * cap)
    remaining = np.array(
        [
            _bounded(int(n), int(m), k - 1) / comb(int(n) + int(m) - 1, int(m) - 1)
            for n, m in zip(persons, parts, strict=True)
        ]
    )
    # A person may be in several parts; then persons of the parts exceed the row's, and the bounds hold all the more.
    forced = (low > 0) & (parts > 1)
    return Refinement(
        low=low,
        high=np.maximum(cap, low),
        remaining=remaining,
        figure=share_figure(
            "combinatorial refinement",
            forced | (parts == 1),
            baseline=float((parts == 1).mean()) if len(parts) else 0.0,
            assumptions=(f"the attacker knows k={k}, the hierarchy, and that a part of k persons would be published",),
            details={
                "settled_rows": int(((low == cap) & (parts > 1)).sum()),
                "forced_rows": int(forced.sum()),
                "mean_remaining": float(remaining.mean()) if len(remaining) else 1.0,
            },
        ),
    )


def _bounded(persons: int, parts: int, cap: int) -> int:
    """Ways to put ``persons`` into ``parts`` of at most ``cap``, by inclusion and exclusion."""
    return sum(
        (-1) ** j * comb(parts, j) * comb(persons - j * (cap + 1) + parts - 1, parts - 1)
        for j in range(min(parts, persons // (cap + 1)) + 1)
    )


def minimality(class_persons: NDArray[np.integer], parts: NDArray[np.integer], *, k: int) -> RiskFigure:
    """What "the finer level failed somewhere" tells about single classes.

    Parameters
    ----------
    class_persons : persons in each class of the published level.
    parts : classes of the next finer level each one covers.
    k : threshold that the finer level failed.

    Returns
    -------
    RiskFigure: the largest probability, over classes, that it is *this* class that has a part of 1 … k − 1 persons,
    knowing that at least one has; baseline and control: the same probability without that knowledge. Persons are
    taken to fall into parts evenly.

    Raises
    ------
    SchemaError : k below 2.

    Privacy
    -------
    Near the baseline for tables of many classes; certain for a table of one. Fixed levels avoid it (ruling 9).

    Sources
    -------
    Wong, Fu, Wang, Pei 2007, Minimality Attack in Privacy Preserving Data Publishing.

    Examples
    --------
    >>> figure = minimality(np.array([40]), np.array([2]), k=11)
    >>> figure.value, float(figure.baseline) < 0.01
    (1.0, True)
    """
    if k < 2:
        raise SchemaError("minimality needs k >= 2.", hint="give the release's k.")
    persons, split = np.asarray(class_persons, np.int64), np.asarray(parts, np.int64)
    pairs, inverse = np.unique(np.column_stack([persons, split]), axis=0, return_inverse=True)
    table = np.array([_small_part(int(n), int(m), k) for n, m in pairs])
    prior = table[inverse.ravel()] if len(table) else np.zeros(0)
    somewhere = 1 - np.prod(1 - prior)
    posterior = prior / somewhere if somewhere > 0 else prior
    worst = int(np.argmax(posterior)) if len(posterior) else 0
    value = float(min(1.0, posterior[worst])) if len(posterior) else 0.0
    before = float(prior[worst]) if len(prior) else 0.0
    return RiskFigure(
        name="minimality of the chosen level",
        value=value,
        low=value,
        high=value,
        baseline=before,
        control=before,
        control_low=before,
        control_high=before,
        persons=int(persons.sum()),
        trials=len(persons),
        assumptions=("the attacker knows that the next finer level failed k; persons fall into parts evenly",),
        details={"gain": value - before, "classes": len(persons)},
    )


def _small_part(persons: int, parts: int, k: int) -> float:
    """Probability that some part gets 1 … k − 1 of ``persons``, each part as likely: by exponential generating sums."""
    if parts < 2:
        return float(0 < persons < k)
    # ways[n]: weighted ways to fill the parts so far with n persons, none of them in 1 … k − 1.
    log_fact = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, persons + 1)))])
    single = np.exp(-log_fact)
    single[1 : min(k, persons + 1)] = 0.0
    ways = np.zeros(persons + 1)
    ways[0] = 1.0
    for _ in range(parts):
        ways = np.convolve(ways, single)[: persons + 1]
    if ways[persons] <= 0:
        return 1.0
    none_small = np.exp(np.log(ways[persons]) + log_fact[persons] - persons * np.log(parts))
    return float(min(1.0, max(0.0, 1.0 - none_small)))
