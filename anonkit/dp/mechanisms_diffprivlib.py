"""diffprivlib behind one door: selection, quantiles on public steps, and models; never noise for published counts.

What: permute-and-flip selection on whole-number utilities, quantiles chosen from a public grid, the three models whose
sensitivity was checked, and an accountant that charges our ledger. Why: diffprivlib is good at choosing and at models
that look like scikit-learn's; its float noise leaks true values by its low bits, two of its tools have wrong
sensitivities, and its accountant forgets. This is the only module that knows diffprivlib. Source: McKenna, Sheldon 2020
(permute and flip); Mironov 2012 (low bits); reading of diffprivlib 0.6.6. What it does not protect against: models use
floats and NumPy's generator (seeded here from the operating system), weaker than OpenDP's integer samplers.
"""

from __future__ import annotations

import secrets
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np
from diffprivlib.accountant import BudgetAccountant
from diffprivlib.mechanisms import PermuteAndFlip
from diffprivlib.models import GaussianNB, LogisticRegression, RandomForestClassifier

from anonkit.base.errors import PrivacyLeakError, SchemaError
from anonkit.dp.public import PublicSteps, require
from anonkit.ledger.accountant import LedgerAccountant

UNFIT_FOR_COUNTS = MappingProxyType(
    {
        "Laplace": "float noise: outputs near 0 that are no multiple of 2^-53 can come from a true 0 only",
        "LaplaceTruncated": "float noise as Laplace; truncation at bounds also puts mass on the bound",
        "LaplaceFolded": "float noise as Laplace, and folding is biased near the bounds",
        "LaplaceBoundedDomain": "float noise as Laplace, normalised by a constant found by bisection in floats",
        "LaplaceBoundedNoise": "float noise; spends delta for a bound that counts do not need",
        "Gaussian": "float noise: reachable outputs depend on the true value",
        "GaussianAnalytic": "float noise as Gaussian",
        "Uniform": "float noise; pure delta",
        "Staircase": "float noise as Laplace",
        "Snapping": "rounds as Mironov asks, but its scale and clamp are floats and it is no integer",
        "Vector": "made for objective perturbation, not for tables",
        "Wishart": "made for covariance matrices",
        "Bingham": "made for principal components",
        "Geometric": "integer, but its probabilities come from a float logarithm; OpenDP's sampler is exact",
        "GeometricTruncated": "as Geometric, and truncation hides the sign that an unbiased sum needs",
        "GeometricFolded": "as GeometricTruncated",
        "GaussianDiscrete": "integer, but delta is tuned in floats and a vector is drawn entry by entry in Python",
    }
)
"""Mechanisms of diffprivlib that must not make a published count, and why."""

REFUSED = MappingProxyType(
    {
        "LinearRegression": "applies its bounds twice, so that the noise is for a smaller sensitivity than the model has",
        "tools.histogram": "charges sensitivity 1 whatever weights= holds; a trip table of weights would leak",
        "tools.histogram2d": "charges sensitivity 1 whatever weights= holds",
        "tools.histogramdd": "charges sensitivity 1 whatever weights= holds",
        "tools.quantile": "returns a point between two raw values: its low bits tell them",
        "tools.median": "as tools.quantile",
        "KMeans": "labels_ and inertia_ are computed from raw rows without noise; its sensitivity was not shown right",
        "StandardScaler": "mean and variance are float Laplace; bounds are public, scale by them instead",
        "PCA": "centres by a float mean, and takes the data's norm unless told",
    }
)
"""Parts of diffprivlib that anonkit does not offer, and why."""

ROWS_CHANGED = MappingProxyType({"GaussianNB": 2, "RandomForestClassifier": 2, "LogisticRegression": 1})
"""Losses of one replaced row: a row that moves to another class (or leaf) is one removed and one added."""

_MODELS = MappingProxyType(
    {
        "GaussianNB": GaussianNB,
        "RandomForestClassifier": RandomForestClassifier,
        "LogisticRegression": LogisticRegression,
    }
)


def refuse(name: str) -> None:
    """Raise ``PrivacyLeakError`` with the reason if ``name`` is a part of diffprivlib that must not see trips.

    >>> refuse("GaussianNB")
    """
    reason = REFUSED.get(name) or UNFIT_FOR_COUNTS.get(name)
    if reason:
        raise PrivacyLeakError(
            f"diffprivlib's {name} is not used on trips: {reason}.",
            hint="counts: ak.dp.flows, ak.dp.volumes; models: GaussianNB, RandomForestClassifier, LogisticRegression.",
            reason=reason,
        )


def permute_and_flip(utility: np.ndarray, *, sensitivity: int, epsilon: Fraction, monotonic: bool) -> int:
    """Index of a candidate chosen with probability growing in its whole-number utility.

    Privacy: ``epsilon`` when one unit changes each utility by at most ``sensitivity`` (``monotonic``: all the same way).
    """
    if np.asarray(utility).dtype.kind not in "iu":
        raise SchemaError("utilities must be whole numbers.", hint="count persons, or scale to integers.")
    mechanism = PermuteAndFlip(
        epsilon=float(epsilon),
        sensitivity=sensitivity,
        utility=[int(value) for value in utility],
        monotonic=monotonic,
    )
    return int(mechanism.randomise())


def quantile_on_steps(steps: np.ndarray, *, grid: PublicSteps, percent: int, epsilon: Fraction) -> float:
    """Quantile of values that are already numbers of public steps, one value a unit; the answer is a grid value.

    Utility of a step: how far the share below (or above) it is from the wanted one, in hundredths of a person.
    Adding or removing a person changes it by at most max(percent, 100 − percent).

    Privacy: ``epsilon`` for one value added or removed. Diffprivlib's own quantile is refused (``REFUSED``).
    """
    require(grid, PublicSteps, "grid")
    size = len(grid.grid())
    count = np.bincount(np.asarray(steps), minlength=size)
    if len(count) != size:
        raise SchemaError("a value lies outside the public steps.", hint="use PublicSteps.index(values).")
    at_most = np.cumsum(count)
    below, above = at_most - count, at_most[-1] - at_most
    wanted = percent * int(at_most[-1])
    misfit = np.maximum(np.maximum(100 * below - wanted, 100 * above - (100 * int(at_most[-1]) - wanted)), 0)
    chosen = permute_and_flip(-misfit, sensitivity=max(percent, 100 - percent), epsilon=epsilon, monotonic=False)
    return float(grid.grid()[chosen])


class PersonAccountant(LedgerAccountant, BudgetAccountant):
    """``accountant=`` for diffprivlib: passes its type test, and charges persons at the ledger."""

    def __init__(self, ledger: Any, **event: Any) -> None:
        LedgerAccountant.__init__(self, ledger, **event)


def model(
    name: str, *, epsilon_row: float, accountant: PersonAccountant, features: int, classes: int, **options: Any
) -> Any:
    """An unfitted diffprivlib model for features scaled to 0…1 by public bounds and classes 0…n−1.

    Only what was checked is offered; everything data-dependent is set: bounds, norm, classes, generator.
    """
    refuse(name)
    if name not in _MODELS:
        raise SchemaError(f"unknown model {name!r}.", hint=f"one of {sorted(_MODELS)}.")
    forbidden = {"bounds", "data_norm", "classes", "accountant", "random_state", "epsilon", "warm_start", "shuffle"}
    if forbidden & set(options):
        raise PrivacyLeakError(
            f"{sorted(forbidden & set(options))} are set by anonkit from public inputs.", hint="leave them out."
        )
    generator = np.random.RandomState(np.random.MT19937(np.random.SeedSequence(secrets.randbits(256))))
    common = {"epsilon": epsilon_row, "accountant": accountant, "random_state": generator, **options}
    unit = (np.zeros(features), np.ones(features))
    if name == "GaussianNB":
        return GaussianNB(bounds=unit, **common)
    if name == "RandomForestClassifier":
        return RandomForestClassifier(bounds=unit, classes=np.arange(classes), **common)
    return LogisticRegression(data_norm=float(features) ** 0.5, **common)
