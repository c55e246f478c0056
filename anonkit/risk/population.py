"""Population uniqueness: of the people alone in the sample, how many are alone in the city?

An operator sees a share of the city; who is unique among his riders need not be unique among all. Two models that say
what they assume: Pitman's (two parameters, sizes fall by a power law; Hoshino 2001) and the Poisson–gamma model
(Bethlehem, Keller, Pannekoek 1990: every possible class is alike before counting). Fitted by maximum likelihood to
class sizes in persons; intervals by the delta method, so only sampling error, never the model's error, is in them.
Does not protect a sample that is not a simple random one, and a heavy user is nearly always in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.special import expit, gammaln, logit

from anonkit.base.errors import SchemaError
from anonkit.risk.result import RiskFigure

Floats = NDArray[np.float64]
Sizes = NDArray[np.integer]


@dataclass(frozen=True, kw_only=True)
class PopulationModel:
    """A fitted superpopulation model."""

    name: str
    parameters: tuple[float, ...]
    expected_uniques: float
    """Expected classes of one person in the population."""
    low: float
    high: float


def population_uniqueness(
    class_persons: Sizes, *, population: int, model: Literal["pitman", "poisson_gamma"], classes: int | None = None
) -> RiskFigure:
    """Probability that a person unique in the sample is unique in the population.

    Parameters
    ----------
    class_persons : persons in each class of the sample, each >= 1.
    population : persons in the population the sample was drawn from at random.
    model : ``pitman`` or ``poisson_gamma``.
    classes : possible classes (``poisson_gamma`` only), e.g. cells × hours of the public grid.

    Returns
    -------
    RiskFigure; baseline is the sampling fraction, the share that is right if every person of the sample's unique
    classes had the rest of the city spread evenly.

    Raises
    ------
    SchemaError : sizes below 1, a population smaller than the sample, or no number of classes.

    Privacy
    -------
    A model's figure beside the counted one, never instead of it: it decides nothing by itself.

    Sources
    -------
    Hoshino 2001, Applying Pitman's Sampling Formula to Microdata Disclosure Risk Assessment; Bethlehem et al. 1990.
    """
    sizes = np.asarray(class_persons, np.int64)
    sample = int(sizes.sum())
    if not len(sizes) or sizes.min() < 1 or population < sample:
        raise SchemaError(
            "population uniqueness needs class sizes of at least 1 and a population not below the sample.",
            hint="give persons of each class, and the number of inhabitants or riders.",
        )
    if model == "poisson_gamma" and (classes is None or classes < len(sizes)):
        raise SchemaError("the Poisson–gamma model needs the number of possible classes.", hint="cells × bins.")
    fitted = pitman(sizes, population) if model == "pitman" else poisson_gamma(sizes, population, int(classes or 0))
    unique = int((sizes == 1).sum())
    fraction = sample / population
    # A population unique is in the sample with probability fraction; those are among the sample's uniques.
    share = [min(1.0, fraction * n / max(1, unique)) for n in (fitted.expected_uniques, fitted.low, fitted.high)]
    return RiskFigure(
        name=f"population uniqueness, {model.replace('_', '–')} model",
        value=share[0],
        low=share[1],
        high=share[2],
        baseline=fraction,
        persons=sample,
        trials=unique,
        assumptions=(
            f"simple random sample of {fraction:.3g} of the population; {model.replace('_', '–')} superpopulation",
            "the interval holds sampling error only, not the error of the model",
        ),
        details={"sample_uniques": unique, "expected_population_uniques": fitted.expected_uniques},
    )


def pitman(sizes: Sizes, population: int) -> PopulationModel:
    """Pitman's sampling formula by maximum likelihood; parameters discount (0 … 1) and concentration."""
    n, u = int(sizes.sum()), len(sizes)
    size, times = np.unique(sizes, return_counts=True)

    def loss(free: Floats) -> float:
        discount, theta = float(expit(free[0])), float(np.exp(free[1]))
        classes = gammaln(theta / discount + u) - gammaln(theta / discount + 1) + (u - 1) * math.log(discount)
        rows = gammaln(theta + n) - gammaln(theta + 1)
        inside = (times * (gammaln(size - discount) - gammaln(1 - discount))).sum()
        return -float(classes - rows + inside)

    def uniques(free: Floats) -> float:
        discount, theta = float(expit(free[0])), float(np.exp(free[1]))
        # log expected singletons among `population` draws of the process
        return float(
            math.log(population)
            + gammaln(theta + discount + population - 1)
            - gammaln(theta + discount)
            + gammaln(theta + 1)
            - gammaln(theta + population)
        )

    start = np.array([float(logit(min(0.9, max(0.1, (sizes == 1).sum() / u)))), math.log(max(1.0, u / 2))])
    return _fitted("pitman", loss, uniques, start, population, lambda f: (float(expit(f[0])), float(np.exp(f[1]))))


def poisson_gamma(sizes: Sizes, population: int, classes: int) -> PopulationModel:
    """Counts of all ``classes`` are negative binomial; parameter: the gamma's shape, the mean is given."""
    n = int(sizes.sum())
    size, times = np.unique(sizes, return_counts=True)
    empty = classes - len(sizes)

    def log_probability(value: Sizes | float, shape: float, mean: float) -> Floats:
        count = np.asarray(value, float)
        return np.asarray(
            gammaln(count + shape) - gammaln(shape) - gammaln(count + 1)
            + shape * np.log(shape / (shape + mean)) + count * np.log(mean / (shape + mean))
        )  # fmt: skip

    def loss(free: Floats) -> float:
        shape = float(np.exp(free[0]))
        rows = (times * log_probability(size, shape, n / classes)).sum()
        return -float(rows + empty * log_probability(0.0, shape, n / classes))

    def uniques(free: Floats) -> float:
        return float(math.log(classes) + log_probability(1.0, float(np.exp(free[0])), population / classes))

    return _fitted(
        "poisson_gamma", loss, uniques, np.array([0.0]), population, lambda f: (float(np.exp(f[0])), n / classes)
    )


def _fitted(name, loss, uniques, start, population, parameters) -> PopulationModel:  # type: ignore[no-untyped-def]
    """Maximise, and carry the curvature of the likelihood to the logarithm of the expected uniques."""
    best = optimize.minimize(
        loss, start, method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-8, "maxiter": 4000}
    ).x
    step = 1e-3
    size = len(best)
    unit = np.eye(size) * step
    hessian = np.array(
        [
            [
                (
                    loss(best + unit[i] + unit[j])
                    - loss(best + unit[i] - unit[j])
                    - loss(best - unit[i] + unit[j])
                    + loss(best - unit[i] - unit[j])
                )
                / (4 * step**2)
                for j in range(size)
            ]
            for i in range(size)
        ]
    )
    slope = np.array([(uniques(best + unit[i]) - uniques(best - unit[i])) / (2 * step) for i in range(size)])
    variance = float(slope @ np.linalg.pinv(hessian) @ slope)
    half = 1.96 * math.sqrt(max(0.0, variance))
    middle = uniques(best)
    return PopulationModel(
        name=name,
        parameters=parameters(best),
        expected_uniques=min(float(population), math.exp(middle)),
        low=min(float(population), math.exp(middle - half)),
        high=min(float(population), math.exp(middle + half)),
    )
