"""What an attack found: a value with its 95 % interval, beside guessing and beside people who are not in the data.

A share without a baseline means nothing (a coin is right half the time), and a share without a control blames a
release for what anybody could have inferred. So every attack of this room returns a ``RiskFigure``: value, interval,
baseline (guessing), control (the same attack on people not in the data) with its own interval, the number of persons
behind it, the seed of its sampling and its assumptions in words. Intervals take the *person* as the sampled unit.
Source: Giomi et al. 2023 (Anonymeter), section 3; Wilson 1927; Clopper and Pearson 1934; DeLong et al. 1988.
Does not protect against an attack that was not run: a figure at baseline speaks for this attacker's knowledge only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anonkit.base.entropy import seeded
from anonkit.risk.binomial import clopper_pearson, normal_quantile

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A value and its two-sided 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2


@dataclass(frozen=True, kw_only=True)
class RiskFigure:
    """One measured risk, as the report, the scorecard and the gate read it.

    >>> figure = RiskFigure(name="guess", value=0.5, low=0.4, high=0.6, baseline=0.5, persons=90)
    >>> figure.succeeds, figure.is_at_baseline(margin=0.11), figure.is_at_baseline(margin=0.02)
    (False, True, False)
    """

    name: str
    """Name of the attack, in words of the vocabulary, e.g. ``unicity``."""
    value: float | Fraction
    """The share, probability or AUC; a Fraction where it was counted exactly (ruling 34)."""
    low: float | Fraction
    """Lower end of the 95 % interval; the value itself where it was counted over everybody."""
    high: float | Fraction
    """Upper end of the 95 % interval."""
    baseline: float | Fraction
    """What guessing without the release reaches."""
    control: float | Fraction | None = None
    """The same attack on people who are not in the data; ``None`` where no such people exist for this attack."""
    control_low: float | Fraction | None = None
    control_high: float | Fraction | None = None
    persons: int = 0
    """Distinct persons attacked (never rows)."""
    trials: int = 0
    """Attempts, where one person was attacked more than once."""
    seed: int | None = None
    """Seed of the attack's sampling; ``None`` where nothing was sampled."""
    mean: float | None = None
    """Mean over persons, and below the 95th percentile and the maximum over persons."""
    percentile95: float | None = None
    maximum: float | None = None
    unit: str = "person"
    control_excuses: bool = True
    """False where a success is a fact about the data (a person *is* alone in it), however often guesses also hit."""
    assumptions: tuple[str, ...] = ()
    """What the attacker is taken to know, and what was not tried."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Further counts and shares; never identifiers, coordinates or the content of a small class."""

    @property
    def half_width(self) -> float:
        """Half of the interval's width."""
        return (float(self.high) - float(self.low)) / 2

    @property
    def reference(self) -> float:
        """What counts as nothing learned: the larger of baseline and control, or the baseline alone."""
        if not self.control_excuses:
            return float(self.baseline)
        return max(float(self.baseline), float(self.control if self.control is not None else self.baseline))

    @property
    def succeeds(self) -> bool:
        """The interval lies above the baseline and above the control's interval."""
        above_control = self.control is None or self.low > _or(self.control_high, self.control)
        return bool(self.low > self.baseline and above_control)

    def is_at_baseline(self, *, margin: float) -> bool:
        """Not above the reference, with an interval narrow enough to mean it (ruling 35)."""
        return self.half_width <= margin and float(self.high) <= self.reference + 2 * margin and not self.succeeds

    def exceeds(self, threshold: Fraction) -> bool:
        """Whether the value is above a threshold, compared as fractions (ruling 34)."""
        return Fraction(self.value) > threshold

    def as_json(self) -> dict[str, Any]:
        """Plain numbers and texts for ``risk.json``; fractions also as text."""
        numbers = {
            name: plain(getattr(self, name))
            for name in ("value", "low", "high", "baseline", "control", "control_low", "control_high")
        }
        exact = str(self.value) if isinstance(self.value, Fraction) else None
        return {
            "name": self.name,
            **numbers,
            "exact": exact,
            "persons": self.persons,
            "trials": self.trials,
            "seed": self.seed,
            "mean": plain(self.mean),
            "percentile95": plain(self.percentile95),
            "maximum": plain(self.maximum),
            "unit": self.unit,
            "assumptions": list(self.assumptions),
            "details": {key: plain(value) for key, value in self.details.items()},
        }


def _or(value: float | Fraction | None, other: float | Fraction) -> float | Fraction:
    return other if value is None else value


def plain(value: Any) -> Any:
    """A value that JSON can hold: Fractions and NumPy numbers become Python's own."""
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def share_interval(successes: int, trials: int) -> Interval:
    """Clopper–Pearson interval of a share: at least 95 % coverage at every sample size.

    >>> interval = share_interval(0, 20)
    >>> interval.low, round(interval.high, 4)
    (0.0, 0.1684)
    """
    if trials <= 0:
        return Interval(value=math.nan, low=0.0, high=1.0)
    low, high = clopper_pearson(successes, trials, confidence=CONFIDENCE)
    return Interval(value=successes / trials, low=low, high=high)


def mean_interval(per_person: NDArray[np.float64], *, seed: int, draws: int = 1000) -> Interval:
    """Percentile bootstrap over persons of a mean of per-person values; widened to Hoeffding's where all are equal.

    A bootstrap of twenty equal values has no width at all; the range bound keeps the interval honest there.
    """
    count = len(per_person)
    if count == 0:
        return Interval(value=math.nan, low=0.0, high=1.0)
    value = float(per_person.mean())
    if np.ptp(per_person) == 0:
        share = share_interval(round(value * count), count)
        return Interval(value=value, low=min(value, share.low), high=max(value, share.high))
    rng = seeded(seed)
    # Drawing persons with replacement is a multinomial draw of how often each distinct value comes.
    distinct, times = np.unique(per_person, return_counts=True)
    means = rng.multinomial(count, times / count, draws) @ distinct / count
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(value=value, low=float(low), high=float(high))


def auc_interval(members: NDArray[np.float64], others: NDArray[np.float64]) -> Interval:
    """Area under the ROC curve of two samples of scores, with DeLong's interval; ties count half.

    >>> area = auc_interval(np.array([2.0, 3.0, 4.0]), np.array([0.0, 1.0, 2.0]))
    >>> round(area.value, 4)
    0.9444
    """
    m, n = len(members), len(others)
    if not m or not n:
        return Interval(value=math.nan, low=0.0, high=1.0)
    ranks = mean_ranks(np.concatenate([members, others]))
    within_members, within_others = mean_ranks(members), mean_ranks(others)
    value = float((ranks[:m].sum() - m * (m + 1) / 2) / (m * n))
    above = (ranks[:m] - within_members) / n
    below = 1 - (ranks[m:] - within_others) / m
    variance = (above.var(ddof=1) / m if m > 1 else 0.25) + (below.var(ddof=1) / n if n > 1 else 0.25)
    # A perfect or hopeless score has no DeLong variance; the worst case of one further pair bounds it.
    half = max(normal_quantile((1 + CONFIDENCE) / 2) * math.sqrt(variance), 3 / min(m, n) if variance == 0 else 0.0)
    return Interval(value=value, low=max(0.0, value - half), high=min(1.0, value + half))


def mean_ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Ranks from 1, ties at their mean.

    >>> mean_ranks(np.array([7.0, 3.0, 7.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, number, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray(((2 * last - count + 1) / 2)[number], np.float64)


def share_figure(
    name: str,
    hits: NDArray[np.bool_],
    *,
    baseline: float,
    control_hits: NDArray[np.bool_] | None = None,
    seed: int | None = None,
    control_excuses: bool = True,
    assumptions: tuple[str, ...] = (),
    details: Mapping[str, Any] | None = None,
) -> RiskFigure:
    """A figure from one yes or no a person, with control from people who are not in the data."""
    found = share_interval(int(hits.sum()), len(hits))
    control = share_interval(int(control_hits.sum()), len(control_hits)) if control_hits is not None else None
    return RiskFigure(
        name=name,
        value=found.value,
        low=found.low,
        high=found.high,
        baseline=baseline,
        control=control.value if control else None,
        control_low=control.low if control else None,
        control_high=control.high if control else None,
        persons=len(hits),
        trials=len(hits),
        seed=seed,
        control_excuses=control_excuses,
        assumptions=assumptions,
        details=dict(details or {}),
    )


def value_figure(
    name: str,
    per_person: NDArray[np.float64],
    *,
    baseline: float,
    control: NDArray[np.float64] | None = None,
    seed: int,
    control_excuses: bool = True,
    assumptions: tuple[str, ...] = (),
    details: Mapping[str, Any] | None = None,
) -> RiskFigure:
    """A figure from one risk in [0, 1] a person: mean with bootstrap interval, 95th percentile and maximum."""
    found = mean_interval(per_person, seed=seed)
    other = mean_interval(control, seed=seed + 1) if control is not None else None
    return RiskFigure(
        name=name,
        value=found.value,
        low=found.low,
        high=found.high,
        baseline=baseline,
        control=other.value if other else None,
        control_low=other.low if other else None,
        control_high=other.high if other else None,
        persons=len(per_person),
        trials=len(per_person),
        seed=seed,
        control_excuses=control_excuses,
        mean=found.value,
        percentile95=float(np.quantile(per_person, 0.95)) if len(per_person) else None,
        maximum=float(per_person.max()) if len(per_person) else None,
        assumptions=assumptions,
        details=dict(details or {}),
    )
