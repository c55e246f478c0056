"""Membership inference finds people in exact and thresholded counts, and stays under its bound on noisy ones."""

from __future__ import annotations

import numpy as np
import pytest
from anonkit.base.errors import SchemaError
from anonkit.risk.membership import Release, Worlds, auc_limit, heaviest, membership_risk, most_outlying
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]
CELLS, PERSONS, EPSILON, MAX_TRIPS = 48, 200, 1.0, 2
FEW = Worlds(train=400, test=2000)


def population(seed: int = 3) -> sparse.csr_array:
    """Trips of 200 persons over 48 flows: most make three, person 0 makes sixty, person 1 goes where nobody else does."""
    rng = np.random.default_rng(seed)
    table = np.zeros((PERSONS, CELLS))
    for p in range(PERSONS):
        np.add.at(table[p], rng.integers(0, CELLS - 2, 3), 1)
    table[0] = 0
    np.add.at(table[0], rng.integers(0, CELLS - 2, 60), 1)
    table[1] = 0
    table[1, CELLS - 1] = 2
    return sparse.csr_array(table)


def bounded(table: sparse.csr_array) -> sparse.csr_array:
    """At most two trips a person, the first ones by cell: a bound local to the person."""
    dense = table.toarray()
    left = np.maximum(0, MAX_TRIPS - (dense.cumsum(axis=1) - dense))
    return sparse.csr_array(np.minimum(dense, left))


def exact(trips: Floats, persons: Floats, rng: np.random.Generator) -> Floats:
    return trips


def thresholded(k: int) -> Release:
    return lambda trips, persons, rng: np.where(persons >= k, trips, 0)


def noisy(scale: float) -> Release:
    """Discrete Laplace noise of the given scale, as a difference of geometric draws."""

    def draw(trips: Floats, persons: Floats, rng: np.random.Generator) -> Floats:
        p = 1 - np.exp(-1 / scale)
        return trips + rng.geometric(p, trips.shape) - rng.geometric(p, trips.shape)

    return draw


def test_auc_limit_is_the_logistic_of_epsilon() -> None:
    # e / (1 + e) = 2.71828 / 3.71828.
    assert auc_limit(1) == pytest.approx(0.731059, abs=1e-6)
    assert auc_limit(0) == 0.5


def test_targets_are_the_heaviest_and_the_most_outlying() -> None:
    assert heaviest(population(), persons=1).tolist() == [0]
    assert most_outlying(population(), persons=1).tolist() == [1]


@pytest.mark.parametrize("knowledge", ["others", "group", "none"])
def test_heavy_and_outlying_people_are_found_in_exact_counts(knowledge: str) -> None:
    for figure in membership_risk(
        population(), exact, targets=np.array([0, 1]), knowledge=knowledge, seed=1,  # type: ignore[arg-type]
        worlds=Worlds(train=300, test=500), attackers=("threshold", "logistic"),
    ):  # fmt: skip
        assert figure.succeeds
        assert figure.value > 0.75


def test_r35_thresholds_of_k_do_not_stop_membership_of_heavy_people() -> None:
    figure = membership_risk(
        population(),
        thresholded(5),
        targets=np.array([0]),
        knowledge="group",
        seed=2,
        worlds=Worlds(train=300, test=500),
    )[0]
    assert figure.succeeds
    assert figure.details["advantage"] > 0.1


def test_r36_noise_keeps_every_attacker_under_the_bound_of_epsilon() -> None:
    table = bounded(population())
    # The heaviest of the raw table; the outlying one is in the next test.
    targets = heaviest(population(), persons=2)
    for figure in membership_risk(
        table, noisy(MAX_TRIPS / EPSILON), targets=targets, knowledge="group", seed=3, worlds=FEW
    ):
        assert figure.half_width <= 0.02
        assert figure.high <= auc_limit(EPSILON)


def test_r36_knowing_everybody_else_the_bound_is_nearly_reached_and_never_crossed() -> None:
    # The most outlying person has both trips in one cell of his own: a shift of the whole sensitivity. With
    # r = e^-1/2 the AUC is P(D < 2) + P(D = 2) / 2, D the difference of two discrete Laplace draws: .7260.
    # The bound is .7311, so the interval must be narrower than .0045: 60,000 worlds.
    table = bounded(population())
    figure = membership_risk(
        table, noisy(MAX_TRIPS / EPSILON), targets=most_outlying(table, persons=1), knowledge="others", seed=4,
        worlds=Worlds(train=2000, test=60_000), attackers=("threshold",),
    )[0]  # fmt: skip
    assert figure.low <= 0.7260 <= figure.high
    assert figure.high <= auc_limit(EPSILON)
    # A weak attack would prove nothing.
    assert figure.low >= 0.5 + 0.6 * (auc_limit(EPSILON) - 0.5)


def test_r36_twin_trips_that_are_not_bounded_cross_the_bound() -> None:
    figure = membership_risk(
        population(), noisy(MAX_TRIPS / EPSILON), targets=np.array([0]), knowledge="others", seed=5, worlds=FEW,
        attackers=("threshold",),
    )[0]  # fmt: skip
    assert figure.low > auc_limit(EPSILON)


def test_r36_twin_half_of_the_noise_crosses_the_bound() -> None:
    figure = membership_risk(
        bounded(population()), noisy(MAX_TRIPS / EPSILON / 2), targets=np.array([1]), knowledge="others", seed=6,
        worlds=FEW, attackers=("threshold",),
    )[0]  # fmt: skip
    assert figure.low > auc_limit(EPSILON)


def test_people_in_no_world_are_at_a_coin() -> None:
    figure = membership_risk(
        population(), exact, targets=np.array([0]), knowledge="group", seed=7, worlds=Worlds(train=300, test=1000)
    )[0]
    assert figure.control_low is not None
    assert figure.control_high is not None
    assert figure.control_low <= 0.5 <= figure.control_high


def test_forests_find_what_no_direction_separates() -> None:
    # Every count gets a random sign: the mean tells nothing, the size all. Person 1 alone is in his cell: ±1 or ±3.
    def signed(trips: Floats, persons: Floats, rng: np.random.Generator) -> Floats:
        return (trips + 1) * rng.choice([-1.0, 1.0], trips.shape)

    figure = membership_risk(
        population(), signed, targets=np.array([1]), knowledge="others", seed=8, worlds=Worlds(train=800, test=800)
    )[0]
    assert figure.details["auc"]["forest"] > 0.9
    assert figure.details["auc"]["logistic"] < 0.7
    assert figure.details["attacker"] == "forest"


def test_targets_must_contribute() -> None:
    table = population().tolil()
    table[5] = 0
    with pytest.raises(SchemaError, match="contribute"):
        membership_risk(sparse.csr_array(table), exact, targets=np.array([5]), knowledge="others", seed=1)


@pytest.mark.slow
@pytest.mark.usefixtures("seeded_noise")
@pytest.mark.parametrize("guarded", [True, False], ids=["bounded", "twin without the bound"])
def test_r36_the_vetted_noise_keeps_the_bound_on_the_heaviest_and_most_outlying(guarded: bool) -> None:
    from anonkit.dp.mechanisms import DiscreteLaplace, exact

    # At 150,000 worlds the bound is 3.5 standard errors above the half-width: with unseeded noise one run in 4,000 would fail.
    noise = DiscreteLaplace(sensitivity=MAX_TRIPS, epsilon=exact(EPSILON))
    raw = population()[:, [0, 1, CELLS - 1]]
    table = bounded(raw) if guarded else raw

    def release(trips: Floats, persons: Floats, rng: np.random.Generator) -> Floats:
        return noise.add(trips.astype(np.int64).ravel()).reshape(trips.shape).astype(float)

    targets = np.array([heaviest(raw, persons=1)[0], most_outlying(raw, persons=1)[0]])
    found = membership_risk(
        table, release, targets=targets, knowledge="others", seed=9, worlds=Worlds(train=1000, test=150_000 if guarded else 2000),
        attackers=("threshold",),
    )  # fmt: skip
    assert all(figure.half_width <= 0.02 for figure in found)
    if guarded:
        assert all(figure.high <= auc_limit(EPSILON) for figure in found)
    else:
        assert found[0].low > auc_limit(EPSILON)
