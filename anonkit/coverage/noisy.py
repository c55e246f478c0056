"""How much is really served when the counts are noisy: deconvolution of a published table, with an interval.

Counting noisy values above a limit would call half of all empty places served. Instead the distribution of true counts
is estimated from the published ones and the known noise by maximum likelihood over a grid of values (Kiefer and
Wolfowitz 1956; EM), and the share at or above the limit is read from it; a parametric bootstrap of the whole step gives
the interval. Only post-processing: it spends nothing and reads no trip. Its random draws protect nobody and are seeded.

It does not make noise go away: with noise far above the limit the interval is wide, and says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anonkit.base.entropy import seeded
from anonkit.geo.networks import Network
from anonkit.kanon.routes_product import RouteProduct

Floats = NDArray[np.float64]
WIDE = 1.959964
BINS_A_DEVIATION = 3
STEPS, DRAWS = 120, 30


def noisy_links(releaser: Any, network: Network) -> RouteProduct:
    """The links of a fitted ``DPLinks`` as a product that coverage takes: signed counts with the noise of each.

    Privacy
    -------
    Post-processing of published figures.
    """
    told = releaser.links_
    names = [name for name in ("link", "bin") if name in told]
    table = told[names].assign(trips=told["capped_noisy"], noise_sd=told["noise_sd"])
    cost = float(releaser.plan.epsilon or 0) or float(releaser.plan.rho or 0)
    return RouteProduct("link_volumes", table, network.digest, {"epsilon": cost, "max_trips": releaser.plan.max_trips})


def noisy_share(
    counts: Floats, deviation: Floats, size: Floats, *, least: float, laplace: bool = True, seed: int = 0
) -> tuple[float, float, float]:
    """Expected size of the places whose true count is at least ``least``, and a 95 % interval.

    Parameters
    ----------
    counts, deviation, size : published count, standard deviation of its noise, and public size of each place.
    laplace : noise is (discrete) Laplace; otherwise Gaussian.
    seed : of the bootstrap; it hides nothing.

    Privacy
    -------
    Post-processing of published counts.

    Examples
    --------
    >>> truth = np.repeat([0.0, 40.0], 200)
    >>> noise = np.random.default_rng(1).laplace(0, 5, 400)
    >>> share, low, high = noisy_share(truth + noise, np.full(400, 5 * 2**0.5), np.ones(400), least=20)
    >>> low < 200 < high, high - low < 20
    (True, True)
    """
    total = float(size.sum())
    if not len(counts) or total <= 0:
        return 0.0, 0.0, 0.0
    spread = max(float(np.sqrt(np.average(deviation**2, weights=size))), 1e-6)
    grid = _grid(counts, spread, least)
    served, start = grid >= least, np.full(len(grid), 1.0 / len(grid))
    share, prior = _share(counts, size, grid, served, spread, laplace, start, STEPS)
    rng = seeded(seed)
    shares = []
    for _ in range(DRAWS):
        truth = rng.choice(grid, size=len(counts), p=prior)
        noise = rng.laplace(0, spread / np.sqrt(2), len(counts)) if laplace else rng.normal(0, spread, len(counts))
        real = float(size[truth >= least].sum()) / total
        shares.append(_share(truth + noise, size, grid, served, spread, laplace, start, STEPS)[0] - real)
    error = np.asarray(shares)
    half = WIDE * float(np.sqrt((error**2).mean())) + 0.5 / len(counts)
    return share * total, max(share - half, 0.0) * total, min(share + half, 1.0) * total


def _grid(counts: Floats, spread: float, least: float) -> Floats:
    top = max(float(counts.max()), least + 1, 2.0)
    near = np.linspace(0, min(top, least + 6 * spread), 30)
    far = np.geomspace(max(near[-1], 1.0), max(top, near[-1] + 1), 12)
    return np.unique(np.r_[near, least, far])


def _share(
    counts: Floats, size: Floats, grid: Floats, served: NDArray[np.bool_], spread: float, laplace: bool,
    prior: Floats, steps: int,
) -> tuple[float, Floats]:  # fmt: skip
    """Share of size at or above the limit, and the estimated distribution of true counts on the grid."""
    width = spread / BINS_A_DEVIATION
    code = np.floor((counts - counts.min()) / width).astype(np.int64)
    used, place = np.unique(code, return_inverse=True)
    weight = np.bincount(place, weights=size)
    middle = counts.min() + (used + 0.5) * width
    apart = np.abs(middle[:, None] - grid[None, :]) / spread
    likely = np.exp(-np.sqrt(2.0) * apart) if laplace else np.exp(-0.5 * apart**2)
    likely = np.maximum(likely, 1e-300)
    for _ in range(steps):
        posterior = likely * prior
        posterior /= posterior.sum(axis=1, keepdims=True)
        prior = (weight[:, None] * posterior).sum(axis=0) / weight.sum()
    return float(prior[served].sum()), prior / prior.sum()
