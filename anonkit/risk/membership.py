"""Membership inference on aggregates: was this person among the travellers of these flows and volumes?

Three attackers. *Known others*: knows every other person's trips, the worst case that differential privacy speaks of.
*Known group*: knows a population from which the released group is drawn (Pyrgelis et al. 2018). *Zero knowledge*: has
only the release and the target's own trips; it makes its own world from the release (Guan et al. 2024). Each uses a
threshold on one statistic and learned classifiers (scikit-learn) trained on simulated releases; the figure is the
AUC on fresh ones with DeLong's interval, baseline 1/2, control a target who is in no world. For an ε-DP release no
attacker exceeds e^ε / (1 + e^ε). Targets: the heaviest and the most outlying persons (ruling 36). Source: Pyrgelis,
Troncoso, De Cristofaro 2018 (Knock Knock); Guan et al. 2024. An attack at 1/2 proves no privacy: cleverer ones exist.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from anonkit.base.entropy import seeded
from anonkit.base.errors import SchemaError
from anonkit.risk.result import RiskFigure, auc_interval

if TYPE_CHECKING:  # SciPy takes a while to load, and the attack on a release does without it
    from scipy import sparse

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Release = Callable[[Floats, Floats, np.random.Generator], Floats]
"""Takes trips and persons of every cell, one world a row, and returns what is published (NaN or 0: suppressed)."""
Attacker = Literal["threshold", "logistic", "forest"]
CHUNK = 2000
"""Worlds held in memory at once."""
ATTACKERS: tuple[Attacker, ...] = ("threshold", "logistic", "forest")


@dataclass(frozen=True, kw_only=True)
class Worlds:
    """How many worlds are simulated."""

    train: int = 1000
    """Worlds with and as many without the target, for the learned attackers."""
    test: int = 2000
    """The same for the figure; 2,000 give a half-width of about .018 near 1/2."""
    group: int | None = None
    """Persons of the released group (known group and zero knowledge); default half of the population."""


def auc_limit(epsilon: float) -> float:
    """Largest AUC against an ε-DP release: e^ε / (1 + e^ε).

    >>> round(auc_limit(1.0), 4)
    0.7311
    """
    return 1 / (1 + math.exp(-epsilon))


def heaviest(contributions: sparse.csr_array, *, persons: int) -> Ints:
    """Persons with the most trips."""
    load = np.asarray(contributions.sum(axis=1)).ravel()
    return np.argsort(-load, kind="stable")[:persons]


def most_outlying(contributions: sparse.csr_array, *, persons: int) -> Ints:
    """Persons whose trips go where few others' do: the smallest mean log of other persons in their cells."""
    binary = contributions > 0
    others = np.asarray(binary.sum(axis=0)).ravel() - 1
    cells = np.asarray(binary.sum(axis=1)).ravel()
    mean = np.asarray(binary @ np.log1p(np.maximum(others, 0))).ravel() / np.maximum(1, cells)
    mean[cells == 0] = np.inf
    return np.argsort(mean, kind="stable")[:persons]


def membership_risk(
    contributions: sparse.csr_array,
    release: Release,
    *,
    targets: Ints,
    knowledge: Literal["others", "group", "none"],
    seed: int,
    worlds: Worlds | None = None,
    attackers: tuple[Attacker, ...] = ATTACKERS,
) -> tuple[RiskFigure, ...]:
    """AUC of membership of each target, the strongest attacker of each on test worlds.

    Parameters
    ----------
    contributions : persons × cells, trips of each person as the release counts them (bounded, if it bounds).
    release : what is done to the counts; for a DP product its own drawing code without the ledger, on worlds.
    targets : rows of ``contributions``; see `heaviest` and `most_outlying`.
    knowledge : ``others``, ``group`` or ``none`` (zero knowledge).
    seed : of worlds and learners; the release's own noise uses the generator it is given.
    worlds : how many are simulated.
    attackers : which are tried; the one with the largest AUC in validation worlds speaks for each target.

    Returns
    -------
    One RiskFigure a target, named by rank not by person. ``details`` holds the AUC of every attacker and the largest
    advantage (2·AUC − 1).

    Raises
    ------
    SchemaError : no targets, or a target without a contribution.

    Privacy
    -------
    Simulates releases with the real method; nothing of it is a draw that is published, and nothing is charged. The
    result stays inside (ruling 19).

    Sources
    -------
    Pyrgelis et al. 2018, doi 10.14722/ndss.2018.23183; Guan et al. 2024, A Zero Auxiliary Knowledge Membership
    Inference Attack on Aggregate Location Data.
    """
    from scipy import sparse

    plan = worlds or Worlds()
    table = sparse.csr_array(contributions, dtype=float)
    weight = np.diff(table.indptr)
    if not len(targets) or (weight[targets] == 0).any():
        raise SchemaError("membership needs targets that contribute.", hint="see heaviest and most_outlying.")
    figures = []
    for rank, target in enumerate(targets):
        rng = seeded(seed + rank)
        own = table[[int(target)]].toarray()[0]
        make = _world_maker(table, int(target), knowledge, plan, release, rng)
        figures.append(_attack(own, make, plan, attackers, rank, knowledge, seed + rank))
    return tuple(figures)


def membership_among(
    own: NDArray[np.number],
    trips: NDArray[np.number],
    persons: NDArray[np.number],
    release: Release,
    *,
    seed: int,
    worlds: Worlds | None = None,
    attackers: tuple[Attacker, ...] = ATTACKERS,
) -> RiskFigure:
    """AUC of membership of one target for somebody who knows everybody else's trips.

    Parameters
    ----------
    own : the target's trips in each of his cells, each at least 1.
    trips, persons : of everybody else in the same cells.
    release, seed, worlds, attackers : as in `membership_risk`.

    Returns
    -------
    One RiskFigure; see `membership_risk`.

    Privacy
    -------
    As `membership_risk`.

    Sources
    -------
    As `membership_risk`.

    Examples
    --------
    Exact counts tell him who knows the others.

    >>> figure = membership_among(np.array([2]), np.array([7]), np.array([5]), lambda t, p, rng: t, seed=1,
    ...     worlds=Worlds(train=9, test=90), attackers=("threshold",))
    >>> figure.value, figure.details["advantage"]
    (1.0, 1.0)
    """
    plan, rng = worlds or Worlds(), seeded(seed)
    mine = np.asarray(own, float)

    def make(count: int, member: bool, training: bool) -> Floats:
        table = np.repeat((np.asarray(trips, float) + member * mine)[None, :], count, axis=0)
        people = np.repeat((np.asarray(persons, float) + member)[None, :], count, axis=0)
        return release(table, people, rng)

    return _attack(mine, make, plan, attackers, 0, "others", seed)


_Maker = Callable[[int, bool, bool], Floats]


def _world_maker(
    table: sparse.csr_array, target: int, knowledge: str, plan: Worlds, release: Release, rng: np.random.Generator
) -> _Maker:
    """A function (worlds, with the target, for training) → releases."""
    from scipy import sparse

    population, cells = table.shape
    others = np.setdiff1d(np.arange(population), [target])
    own, own_once = table[[target]].toarray(), (table[[target]] > 0).astype(float).toarray()
    group = plan.group or max(1, population // 2)
    base = np.asarray(table[others].sum(axis=0)).ravel(), np.asarray((table[others] > 0).sum(axis=0)).ravel()

    def known_others(count: int, member: bool, training: bool) -> Floats:
        trips = np.repeat(base[0][None, :], count, axis=0) + member * own
        persons = np.repeat(base[1][None, :].astype(float), count, axis=0) + member * own_once
        return release(trips, persons, rng)

    def of_group(count: int, member: bool, source: sparse.csr_array) -> Floats:
        size = min(group, source.shape[0])
        pick = np.argsort(rng.random((count, source.shape[0])), axis=1)[:, :size]
        # A member takes the place of another, so that the size of the group tells nothing.
        pick = pick[:, 1:] if member and size > 1 else pick
        chosen = sparse.csr_array(
            (np.ones(pick.size), pick.ravel(), np.arange(count + 1) * pick.shape[1]), shape=(count, source.shape[0])
        )
        trips = (chosen @ source).toarray() + member * own
        persons = (chosen @ (source > 0).astype(float)).toarray() + member * own_once
        return release(trips, persons, rng)

    if knowledge == "others":
        return known_others
    real = table[others]
    if knowledge == "group":
        return lambda count, member, training: of_group(count, member, real)
    # Zero knowledge: one release is seen; from its own counts a population is made up to train on.
    seen = np.nan_to_num(np.maximum(of_group(1, False, real)[0], 0))
    trips_each = max(1, round(float(table.sum()) / population))
    share = seen / seen.sum() if seen.sum() > 0 else np.full(cells, 1 / cells)
    made = min(population - 1, 4 * group)
    drawn = rng.choice(cells, size=made * trips_each, p=share)
    invented = sparse.coo_array(
        (np.ones(len(drawn)), (np.repeat(np.arange(made), trips_each), drawn)), shape=(made, cells)
    ).tocsr()
    return lambda count, member, training: of_group(count, member, invented if training else real)


def _attack(
    own: Floats, make: _Maker, plan: Worlds, attackers: tuple[Attacker, ...], rank: int, knowledge: str, seed: int
) -> RiskFigure:
    cells = np.flatnonzero(own)

    def features(worlds: Floats) -> Floats:
        filled = np.nan_to_num(worlds)
        return np.column_stack([filled[:, cells], filled[:, cells] @ own[cells], filled.sum(axis=1)])

    def worlds_of(count: int, member: bool, training: bool) -> Floats:
        sizes = [min(CHUNK, count - begin) for begin in range(0, count, CHUNK)]
        return np.vstack([features(make(size, member, training)) for size in sizes])

    train = [worlds_of(plan.train, member, True) for member in (True, False)]
    test = [worlds_of(plan.test, member, False) for member in (True, False)]
    # People in no world: two independent sets of worlds without the target.
    absent = worlds_of(plan.test, False, False)
    x, y = np.vstack(train), np.repeat([1, 0], plan.train)
    half = np.random.default_rng(seed).random(len(y)) < 0.7
    scores: dict[str, Callable[[Floats], Floats]] = {}
    for name in attackers:
        scores[name] = _threshold(train[0], train[1]) if name == "threshold" else _learned(name, x[half], y[half], seed)
    valid = {n: auc_interval(s(x[~half & (y == 1)]), s(x[~half & (y == 0)])).value for n, s in scores.items()}
    best = max(valid, key=lambda n: valid[n])
    found = {name: auc_interval(score(test[0]), score(test[1])) for name, score in scores.items()}
    control = auc_interval(scores[best](absent), scores[best](test[1]))
    chosen = found[best]
    return RiskFigure(
        name=f"membership inference, target {rank + 1}, knowledge: {knowledge}",
        value=chosen.value,
        low=chosen.low,
        high=chosen.high,
        baseline=0.5,
        control=control.value,
        control_low=control.low,
        control_high=control.high,
        persons=1,
        trials=2 * plan.test,
        seed=seed,
        assumptions=(
            {"others": "the attacker knows the trips of everybody else", "group": "the attacker knows the population",
             "none": "the attacker has the release and the target's own trips only"}[knowledge],
            "attackers: " + ", ".join(attackers) + "; chosen in validation worlds",
        ),
        details={
            "attacker": best,
            "auc": {name: one.value for name, one in found.items()},
            "advantage": 2 * chosen.value - 1,
            "advantage_high": 2 * chosen.high - 1,
            "trips_of_target": float(own.sum()),
        },
    )  # fmt: skip


def _threshold(members: Floats, others: Floats) -> Callable[[Floats], Floats]:
    """Fisher's direction on the target's cells: one number a release, the larger the more likely a member."""
    gap = members.mean(axis=0) - others.mean(axis=0)
    spread = (members.var(axis=0) + others.var(axis=0)) / 2
    weight = np.divide(gap, spread, out=np.sign(gap) * 1e6 * (gap != 0), where=spread > 1e-12)
    cells = members.shape[1] - 2
    return lambda worlds: worlds[:, :cells] @ weight[:cells]


def _learned(name: str, x: Floats, y: Ints, seed: int) -> Callable[[Floats], Floats]:
    if name == "logistic":  # scikit-learn takes seconds to import, and few releases need a learned attacker
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        model: Any = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    else:
        from sklearn.ensemble import RandomForestClassifier

        model = RandomForestClassifier(n_estimators=100, min_samples_leaf=20, random_state=seed)
    model.fit(x, y)
    return lambda worlds: np.asarray(model.predict_proba(worlds)[:, 1])
