"""Raking: a gravity model of flows that agrees with noisy margins and distance bands, and nothing else.

What: iterative proportional fitting of a table to given sums over groups of its cells (origins, destinations, distance
bands, hours); sums themselves first drawn towards each other where noise would make them negative. Why: margins are
sums of dozens of cells and so a hundred times surer than one; a table that follows them tells where a noisy cell can be
believed. It is post-processing of paid figures: it costs nothing. Source: Deming, Stephan 1940; Wilson 1967 (gravity
model as maximum entropy); conformance/README.md. What it does not protect against: real structure beyond margins and
distance (two suburbs joined by a factory) is not in the model; `postprocess` weighs the model against the cells.
"""

from __future__ import annotations

import numpy as np

from anonkit.dp.postprocess import NoiseShape, gamma_evidence, gamma_posterior

SHAPES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 50.0)


def rake(
    groups: list[np.ndarray], targets: list[np.ndarray], *, start: np.ndarray | None = None, rounds: int = 200
) -> np.ndarray:
    """Table whose sums over each grouping come as near to ``targets`` as raking gets.

    Parameters
    ----------
    groups : one int array a grouping: the group of each cell, 0…len(target)−1.
    targets : wanted sums of each grouping, ≥ 0; brought to a common total, that of the first.
    start : table to start from; ones if None. A zero stays zero.
    rounds : at most so many rounds; ends when no factor is further than 1e-6 from one.

    Returns
    -------
    Non-negative float table.

    Privacy
    -------
    Post-processing of its arguments; spends nothing.

    Sources
    -------
    Deming, Stephan 1940, On a Least Squares Adjustment of a Sampled Frequency Table.

    Examples
    --------
    >>> row, column = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    >>> rake([row, column], [np.array([3.0, 1.0]), np.array([2.0, 2.0])]).tolist()
    [1.5, 1.5, 0.5, 0.5]
    """
    table = np.ones(len(groups[0])) if start is None else start.astype(float)
    total = float(np.maximum(targets[0], 0).sum())
    goals = [np.maximum(t, 0) * total / max(float(np.maximum(t, 0).sum()), 1e-300) for t in targets]
    for _ in range(rounds):
        furthest = 0.0
        for group, goal in zip(groups, goals, strict=True):
            sums = np.bincount(group, weights=table, minlength=len(goal))
            factor = np.where(sums > 0, goal / np.maximum(sums, 1e-300), 0.0)
            table = table * factor[group]
            live = (sums > 0) & (goal > 0)
            furthest = max(furthest, float(np.abs(factor[live] - 1).max(initial=0.0)))
        if furthest < 1e-6:
            break
    return table


def positive_sums(noisy: np.ndarray, standard_deviation: float) -> np.ndarray:
    """Posterior mean of non-negative sums seen under normal noise; the gamma prior's shape is the likeliest.

    A zone without a single trip gets a noisy sum that is often negative, and clipping would make it positive on average.
    """
    mean = max(float(noisy.mean()), 1e-3 * standard_deviation, 1e-9)
    noise = NoiseShape(scale=standard_deviation, normal=True)
    sample = noisy[:: max(len(noisy) // 512, 1)]
    evidence = [gamma_evidence(sample, mean=mean, shape=shape, noise=noise) for shape in SHAPES]
    shape = SHAPES[int(np.argmax(evidence))]
    ones = np.ones(len(noisy))
    return gamma_posterior(noisy, mean=mean * ones, shape=shape * ones, noise=noise)[0]


def distance_bands(distance_m: np.ndarray, *, bands: int = 10) -> np.ndarray:
    """Band of each pair: 0 for a zone with itself, the others by equal numbers of (public) pairs.

    >>> distance_bands(np.array([0.0, 1.0, 2.0, 3.0]), bands=4).tolist()
    [0, 1, 2, 3]
    """
    distance_m = np.asarray(distance_m, float)
    apart = distance_m[distance_m > 0]
    if not apart.size:
        return np.zeros(len(distance_m), np.int64)
    edges = np.unique(np.quantile(apart, np.linspace(0, 1, bands)[1:-1], method="inverted_cdf"))
    band = np.where(distance_m > 0, 1 + np.searchsorted(edges, distance_m, side="left"), 0)
    return np.unique(band, return_inverse=True)[1].astype(np.int64)


def ratio_towards_one(high: np.ndarray, low: np.ndarray, standard_deviation: float) -> np.ndarray:
    """How much larger each zone's share is at the higher cap than at the lower, drawn to 1 as far as noise explains it.

    Where activity does not depend on the zone, the ratios differ by noise only and come back as 1: nothing is harmed.
    """
    common = max(float(high.sum()), 1e-9) / max(float(low.sum()), 1e-9)
    expected = np.maximum(common * low, 1e-9)
    ratio, noise = high / expected, (standard_deviation / expected) ** 2
    spread = 0.01
    for _ in range(50):
        weight = 1 / (noise + spread) ** 2
        spread = max(float((weight * ((ratio - 1) ** 2 - noise)).sum() / weight.sum()), 1e-6)
    return np.clip(1 + (ratio - 1) * spread / (spread + noise), 0.1, 10.0)
