"""How sure a noisy flow is: a noise interval that is exact, a band for all trips that is honest, a bias that is named.

What: (1) the interval of the *capped* flow, from the noise alone, in whole units, valid for the signed value whatever
the data; (2) a band for *all* trips, which adds what the cap hides; (3) the bounding bias, trips beyond the cap. Why: an
interval around a clipped or shrunk value does not cover, and noise alone says nothing of trips that were never counted
(ruling 20). Source: exact tail of the discrete Laplace; conformance/README.md (two intervals, both named). What it does
not protect against: the band is a model (calibrated on simulated populations, no guarantee); one person with a thousand
trips between two zones lies outside it, as he must.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtri

from anonkit.base.errors import SchemaError
from anonkit.dp.activity import READ_TO
from anonkit.dp.flow_kernel import FlowEstimate, FlowMeasurement
from anonkit.dp.mechanisms import Noise

CONCENTRATION = 0.25  # share of a heavy person's trips that one of his usual flows gets
UNEVEN = 0.45  # relative spread, between flows, of trips beyond the cap
UNEVEN_WITH_MARGINS = 0.12  # the same where margins at a higher cap correct each zone


def noise_interval(units: np.ndarray, noise: Noise, *, scale: int, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Interval of the true capped sum: signed noisy value ± the smallest whole h that covers.

    Parameters
    ----------
    units : noisy whole numbers, as drawn.
    noise : what was added.
    scale : units that make one trip.
    confidence : 0.5…0.999; the interval covers with at least this probability, for selected cells only if the
        selection did not look at the noisy value (see ``selected_interval``).

    Returns
    -------
    (low, high) in trips; low may be negative, and must be: it belongs to the signed value.

    Privacy
    -------
    Post-processing; spends nothing.

    Sources
    -------
    P(|z| ≤ h) of the discrete Laplace, mechanisms.DiscreteLaplace.half_width.
    """
    half = noise.half_width(_checked(confidence))
    return (units - half) / float(scale), (units + half) / float(scale)


def selected_interval(
    units: np.ndarray, noise: Noise, *, scale: int, confidence: float, candidates: int
) -> tuple[np.ndarray, np.ndarray]:
    """Interval that also holds for cells picked *by their noisy value* out of ``candidates``: all cells at once.

    Bonferroni: with probability ``confidence`` no interval among the candidates fails, so none of the chosen does.
    """
    return noise_interval(units, noise, scale=scale, confidence=1 - (1 - _checked(confidence)) / max(candidates, 1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Band:
    """Band for all trips of a cell; a model, named so."""

    low: np.ndarray = field(repr=False)
    high: np.ndarray = field(repr=False)
    confidence: float
    """Nominal share of cells covered."""


def total_deviation(measurement: FlowMeasurement) -> float:
    """Standard deviation of the estimated total: noise of the read bins, and the tail's level."""
    activity = measurement.activity
    if activity is None:
        return 0.0
    cap = measurement.high_cap or measurement.cap
    sizes = np.maximum(1.5 * 2.0 ** np.arange(READ_TO) - cap, 0)
    noise = activity.standard_deviation * float(np.sqrt((sizes[:5] ** 2).sum()))
    return math.hypot(noise, 0.15 * activity.beyond(max(cap, 32)))


def all_trips_band(measurement: FlowMeasurement, estimate: FlowEstimate, *, confidence: float) -> Band:
    """Band for all trips, the capped ones and those beyond the cap.

    Adds up: posterior variance of the capped flow; persons whose trips beyond the cap fall on few flows (second moment
    of the paid histogram up to 1,024 trips); flows whose users are busier than others; error of the total.

    Privacy
    -------
    Post-processing; spends nothing.
    """
    z = float(ndtri((1 + _checked(confidence)) / 2))
    trips, capped = estimate.trips, np.maximum(estimate.capped, 1e-9)
    ratio = trips / capped
    uneven = UNEVEN if measurement.high_cap is None else UNEVEN_WITH_MARGINS
    beyond = np.maximum(trips - capped, 0)
    if measurement.activity is None:
        raise SchemaError(
            "a band for all trips needs the paid activity histogram; a declared cap tells nothing of trips beyond it.",
            hint="leave max_trips out, or use the noise interval of the capped flow.",
        )
    heavy = measurement.activity.heavy_square(measurement.cap)
    idiosyncratic = CONCENTRATION * trips / estimate.total * heavy
    relative = total_deviation(measurement) / estimate.total
    variance = ratio**2 * estimate.capped_variance + idiosyncratic + (uneven * beyond) ** 2 + (relative * trips) ** 2
    safe = np.maximum(trips, 1e-9)
    spread = np.sqrt(np.log1p(variance / safe**2))
    spread = np.where(variance > safe**2, np.log1p(z * np.sqrt(variance) / safe) / z, spread)
    low = np.where(z * np.sqrt(variance) < 0.9 * trips, trips * np.exp(-z * spread), 0.0)
    return Band(low=low, high=trips * np.exp(z * spread), confidence=confidence)


def _checked(confidence: float) -> float:
    if not 0.5 <= confidence < 1:
        raise SchemaError(f"confidence must be in [0.5, 1), got {confidence}.", hint="confidence=0.95")
    return confidence
