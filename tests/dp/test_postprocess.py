"""Posterior means agree with brute-force integration, and beat clipping."""

from __future__ import annotations

import numpy as np
import pytest
from anonkit.dp.postprocess import NoiseShape, fit_spread, gamma_posterior, posterior_cells


@pytest.mark.parametrize(
    ("seen", "mean", "shape", "scale"),
    [(0, 10, 1, 2), (-5, 3, 0.3, 3), (50, 1, 0.1, 3), (2000, 1900, 40, 4), (30, 40, 1e4, 3), (5000, 100, 2, 3)],
)
def test_posterior_mean_is_the_integral(seen: float, mean: float, shape: float, scale: float) -> None:
    # brute force: x = e^t on 200,000 points, density of t ∝ x^k e^(−kx/m) e^(−|y−x|/b)
    t = np.linspace(-40, np.log(max(20 * mean, 3 * seen, 10)), 200_001)
    log_weight = shape * t - shape * np.exp(t) / mean - np.abs(seen - np.exp(t)) / scale
    weight = np.exp(log_weight - log_weight.max())
    weight[0] += weight[0] / shape / (t[1] - t[0])
    exact = (weight * np.exp(t)).sum() / weight.sum()
    got, _ = gamma_posterior(
        np.array([float(seen)]),
        mean=np.array([float(mean)]),
        shape=np.array([float(shape)]),
        noise=NoiseShape(scale=scale),
    )
    assert got[0] == pytest.approx(exact, rel=2e-3)


def test_spread_and_reverse_likeness_are_found() -> None:
    # 2,000 pairs of flows; deviation of a flow and of its reverse correlate at 0.8
    rng = np.random.default_rng(0)
    half = 2000
    reverse = np.concatenate([np.arange(half, 2 * half), np.arange(half)])
    common = rng.normal(0, 1, half)
    deviation = np.concatenate([np.sqrt(0.8) * common, np.sqrt(0.8) * common]) + np.sqrt(0.2) * rng.normal(
        0, 1, 2 * half
    )
    model = np.full(2 * half, 100.0)
    noisy = model + 20 * deviation + rng.laplace(0, 4, 2 * half)
    spread = fit_spread(noisy, model, 32.0, reverse)
    assert spread.variance(model)[0] == pytest.approx(400, rel=0.1)
    assert spread.reverse == pytest.approx(0.8, abs=0.06)


def test_estimates_are_not_negative_and_nearer_than_clipping() -> None:
    rng = np.random.default_rng(1)
    true = rng.gamma(0.3, 30, 1296)
    noisy = true + rng.laplace(0, 6, 1296)
    model = np.full(1296, 9.0)
    estimate, variance = posterior_cells(noisy, model, noise=NoiseShape(scale=6.0), reverse=None)
    assert (estimate >= 0).all()
    assert (variance >= 0).all()
    assert np.mean((estimate - true) ** 2) < 0.8 * np.mean((np.maximum(noisy, 0) - true) ** 2)
    assert estimate.sum() == pytest.approx(true.sum(), rel=0.1)
    assert np.maximum(noisy, 0).sum() > 1.1 * true.sum()
