"""The privacy figures of a table as it stands: its k, l, t, alpha, beta and delta, in rows or in persons.

Where the unit is the row the figures are those of pycanon 1.3.6 (k, l, entropy l, t, alpha, basic and enhanced beta,
delta), which its stored values confirm. They describe the worst class; a good figure is no proof of a safe release,
because it looks at one table alone (ruling 11).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.models import (
    AlphaK,
    BetaLikeness,
    DeltaDisclosure,
    EntropyDiversity,
    RecursiveDiversity,
    TCloseness,
)
from anonkit.kanon.search_tables import unit_numbers
from anonkit.kanon.search_visit import histogram


def privacy_figures(
    classes: np.ndarray,
    values: np.ndarray,
    *,
    protect: Literal["row", "person"],
    persons: np.ndarray | None = None,
    distance: Literal["equal", "ordered", "hierarchical"] = "equal",
    tree: Hierarchy | None = None,
) -> dict[str, float]:
    """k, l, entropy_l, c (for l), t, alpha, beta, beta_enhanced and delta of the worst class.

    Parameters
    ----------
    classes : any key of each row's class.
    values : the sensitive value of each row; natural order for ``distance="ordered"``.
    protect : count rows, or distinct persons a class and value.
    tree : for ``distance="hierarchical"``; has the values among its base values, in any order.
    persons : person of each row; null is no person (ruling 1).

    Privacy
    -------
    Figures of the data inside; not for release. Spends nothing.

    Sources
    -------
    Sáinz-Pardo Díaz and López García 2022, A Python library to check the level of anonymity of a dataset.

    >>> figures = privacy_figures(np.array([0, 0, 1, 1]), np.array(["a", "b", "a", "a"]), protect="row")
    >>> figures["k"], figures["l"], figures["t"], figures["alpha"]
    (2.0, 1.0, 0.25, 1.0)
    """
    group = np.unique(np.asarray(classes), return_inverse=True)[1].ravel()
    labels, value = np.unique(np.asarray(values), return_inverse=True)
    value = value.ravel()
    size, width = int(group.max(initial=-1)) + 1, len(labels)
    ones = np.ones(len(group), dtype=np.int64)
    if protect == "row":
        counts = histogram(group, value, None, ones, size, width)
        people = counts.sum(axis=1)
        overall = counts.sum(axis=0)
    else:
        number = unit_numbers(np.asarray(persons, dtype=object) if persons is None else persons)
        order = np.argsort(number, kind="stable")
        group, value, number = group[order], value[order], number[order]
        counts = histogram(group, value, number, ones, size, width)
        people = histogram(group, np.zeros_like(value), number, ones, size, 1)[:, 0]
        overall = histogram(np.zeros_like(group), value, number, ones, 1, width)[0]
    distinct = (counts > 0).sum(axis=1)
    least = int(distinct.min(initial=width))
    close = TCloseness(t=1, distance=distance, tree=tree, sensitive="").over(labels)
    gain = BetaLikeness(beta=1, enhanced=False, sensitive="").value(counts, overall)
    p = overall[overall > 0] / max(overall.sum(), 1)
    worst = float(gain.max(initial=0.0))
    return {
        "k": float(people.min(initial=np.inf)),
        "l": float(least),
        "entropy_l": float(EntropyDiversity(l=1, sensitive="").value(counts, overall).min()),
        "c": float(RecursiveDiversity(c=1, l=max(least, 1), sensitive="").value(counts, overall).max()),
        "t": float(close.value(counts, overall).max()),
        "alpha": float(AlphaK(alpha=1, sensitive="").value(counts, overall).max()),
        "beta": worst,
        "beta_enhanced": float(np.minimum(worst, -np.log(p)).max()),
        "delta": float(DeltaDisclosure(delta=1, sensitive="").value(counts, overall).max()),
    }
