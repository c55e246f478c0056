"""The three tests of the Article 29 Working Party: singling out, linkability, inference; the person is the unit.

Each test takes two record tables of the same columns: people in the released data (or behind the synthetic data) and
control people who are not in it; both are attacked alike, and a success on control people is what anybody could know.
Singling out: a random predicate made from the release isolates exactly one person. Linkability: two halves of a
person's columns are tied together through the release. Inference: a secret column is guessed from the nearest
released record. For aggregates the three are membership, differencing and destination inference; see `ANSWERS`.
Source: Opinion 05/2014, section 3; Giomi et al. 2023 (Anonymeter). A test passed with these guesses is not a proof.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anonkit.base.entropy import seeded
from anonkit.base.errors import SchemaError
from anonkit.risk.result import RiskFigure, share_figure

Ints = NDArray[np.int64]
Codes = NDArray[np.integer]

ANSWERS = {
    "records": ("singling_out", "linkability", "inference"),
    "aggregates": ("membership_risk", "differencing_risk", "destination_inference"),
    "synthetic": ("singling_out", "linkability", "inference"),
}
"""Which attack answers which of the three tests for each kind of product."""


def one_row_a_person(person: Codes, columns: Codes, *, seed: int) -> Ints:
    """A random row of each person: the unit of the tests is the person, and 40 trips are not 40 people."""
    known = np.flatnonzero(person >= 0)
    order = known[np.argsort(seeded(seed).random(len(known)), kind="stable")]
    _, first = np.unique(person[order], return_index=True)
    return np.asarray(columns, np.int64)[order[first]]


def singling_out(
    released: Codes, people: Codes, control: Codes, *, attacks: int, columns: int, seed: int
) -> RiskFigure:
    """Share of guessed predicates that hold for exactly one person.

    Parameters
    ----------
    released : rows × columns of codes as published (a release or synthetic data).
    people : one row a person in the data (see `one_row_a_person`), same columns.
    control : one row a person not in the data.
    attacks : predicates guessed.
    columns : columns in a predicate, drawn anew for each.
    seed : of the guesses.

    Returns
    -------
    RiskFigure; a predicate is a combination of values that is unique in the release. Control: it isolates one of the
    control people. Baseline: values drawn from the release column by column, at random.

    Raises
    ------
    SchemaError : no rows, or more columns asked for than there are.

    Privacy
    -------
    An attack; predicates are forgotten.

    Sources
    -------
    Opinion 05/2014, section 3.2.1; Giomi et al. 2023, section 4.1.
    """
    _check(released, people, control, columns)
    rng = seeded(seed)
    same = min(len(people), len(control))
    # As many people as control people, or the larger group would look safer.
    inside = people[rng.permutation(len(people))[:same]]
    outside = control[rng.permutation(len(control))[:same]]
    hits, control_hits, chance = (np.zeros(attacks, bool) for _ in range(3))
    unique_rows: dict[tuple[int, ...], Ints] = {}
    for attack in range(attacks):
        chosen = np.sort(rng.permutation(released.shape[1])[:columns])
        part = released[:, chosen]
        if tuple(chosen) not in unique_rows:
            _, index, counts = np.unique(part, axis=0, return_index=True, return_counts=True)
            unique_rows[tuple(chosen)] = index[counts == 1]
        alone = unique_rows[tuple(chosen)]
        if len(alone):
            guess = part[rng.choice(alone)]
            hits[attack] = (inside[:, chosen] == guess).all(axis=1).sum() == 1
            control_hits[attack] = (outside[:, chosen] == guess).all(axis=1).sum() == 1
        mixed = part[rng.integers(0, len(part), columns), np.arange(columns)]
        chance[attack] = (inside[:, chosen] == mixed).all(axis=1).sum() == 1
    return share_figure(
        "Article 29: singling out",
        hits,
        baseline=float(chance.mean()),
        control_hits=control_hits,
        seed=seed,
        assumptions=(f"predicates of {columns} columns that are unique in the release",),
        details={"people": same},
    )


def linkability(
    released: Codes, people: Codes, control: Codes, *, left: tuple[int, ...], right: tuple[int, ...], seed: int
) -> RiskFigure:
    """Share of persons whose two halves of columns meet in the same released row, and in no other.

    Parameters
    ----------
    left, right : columns known to two sources that know no common id.
    seed : of the random baseline.

    Returns
    -------
    RiskFigure; control: the same for people not in the data; baseline: each half's nearest row drawn at random.

    Raises
    ------
    SchemaError : no rows or columns.

    Privacy
    -------
    An attack on records that stand for persons.

    Sources
    -------
    Opinion 05/2014, section 3.2.2; Giomi et al. 2023, section 4.2.
    """
    _check(released, people, control, 1)

    def linked(group: Codes) -> NDArray[np.bool_]:
        result = np.zeros(len(group), bool)
        for row, one in enumerate(group):
            first = _nearest(released[:, left], one[list(left)])
            second = _nearest(released[:, right], one[list(right)])
            both = first & second
            result[row] = (
                both.sum() == 1 and first.sum() * second.sum() > 0 and _exact(released, one, left, right, both)
            )
        return result

    return share_figure(
        "Article 29: linkability",
        linked(people),
        baseline=1 / max(1, len(released)),
        control_hits=linked(control),
        seed=seed,
        assumptions=("two sources hold disjoint columns and link through the nearest released row",),
    )


def _exact(released: Codes, one: Codes, left: tuple[int, ...], right: tuple[int, ...], both: NDArray[np.bool_]) -> bool:
    row = released[np.flatnonzero(both)[0]]
    known = [*left, *right]
    return bool((row[known] == one[known]).all())


def inference(
    released: Codes, people: Codes, control: Codes, *, known: tuple[int, ...], secret: int, seed: int
) -> RiskFigure:
    """Share of persons whose secret column is that of the nearest released row.

    Parameters
    ----------
    known : columns the attacker has.
    secret : column he wants.
    seed : of ties.

    Returns
    -------
    RiskFigure; control: the same for people not in the data, which is what the release teaches about anybody;
    baseline: always the most frequent released value.

    Raises
    ------
    SchemaError : no rows or columns.

    Privacy
    -------
    A difference to control is a privacy loss; a high value alone may be what the data is for.

    Sources
    -------
    Opinion 05/2014, section 3.2.3; Giomi et al. 2023, section 4.3.
    """
    _check(released, people, control, 1)
    rng = seeded(seed)
    values, counts = np.unique(released[:, secret], return_counts=True)
    usual = values[counts.argmax()]

    def right(group: Codes) -> NDArray[np.bool_]:
        result = np.zeros(len(group), bool)
        for row, one in enumerate(group):
            near = np.flatnonzero(_nearest(released[:, known], one[list(known)]))
            found, times = np.unique(released[near, secret], return_counts=True)
            best = found[times == times.max()]
            result[row] = rng.choice(best) == one[secret]
        return result

    return share_figure(
        "Article 29: inference",
        right(people),
        baseline=float((people[:, secret] == usual).mean()),
        control_hits=right(control),
        seed=seed,
        assumptions=(f"the attacker knows {len(known)} columns and takes the nearest released row",),
    )


def _nearest(table: Codes, one: Codes) -> NDArray[np.bool_]:
    """Rows that agree in the most columns."""
    agree = (table == one).sum(axis=1)
    return np.asarray(agree == agree.max())


def _check(released: Codes, people: Codes, control: Codes, columns: int) -> None:
    if not (len(released) and len(people) and len(control)):
        raise SchemaError(
            f"{len(released)} released rows, {len(people)} people, {len(control)} control people: none may be empty.",
            hint="keep some persons out of the data as control, see hold_out.",
        )
    if columns > released.shape[1]:
        raise SchemaError("more columns asked for than there are.", hint=f"at most {released.shape[1]}.")
