"""Sparse flow tables: origins, destinations, blocks of zones and distance bands, and nothing spent on fine cells.

What: where a table has far more cells than persons, four coarse tables are measured and estimated together: trips by
origin, by destination, between blocks of zones, and by distance. Why: 160,000 cells of noise around 20,000 trips hold
nothing (clipped they sum to 1.2 million; thresholded, a dozen trips remain); the coarse tables hold what can be known.
Source: conformance/README.md, last paragraph; Qardaji et al. 2013 (choose the grid by size and epsilon). What it does
not protect against: the fine table that follows from the coarse ones is a model and is named so; it must not be read as
a measurement of any pair of zones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from anonkit.base.errors import SchemaError
from anonkit.dp.activity import Activity
from anonkit.dp.bounding import WEIGHT_SCALE, integer_weights
from anonkit.dp.charge import Purse
from anonkit.dp.cost import Cost, noise_of
from anonkit.dp.flow_kernel import noise_shape
from anonkit.dp.gravity import distance_bands, positive_sums, rake
from anonkit.dp.mechanisms import Noise
from anonkit.dp.postprocess import posterior_cells
from anonkit.dp.public import PublicZones, plain_int, require

ENDS, BANDS = Fraction(11, 100), Fraction(6, 100)
FINE_ENOUGH = 0.5
LARGEST_CAP = 2  # sparse tables lose more by noise than by the cap


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockKeys:
    """Zones with their blocks (public squares of several zones) and distance bands."""

    zones: PublicZones
    block: np.ndarray = field(repr=False)
    """Block of each zone, 0…blocks−1."""
    band: np.ndarray = field(repr=False)
    """Distance band of each pair of zones, in the order of ``zones.pairs()``."""
    blocks: int

    @classmethod
    def of(cls, zones: PublicZones, *, zones_a_side: int = 4) -> BlockKeys:
        """Blocks of about ``zones_a_side`` × ``zones_a_side`` zones, from the zones' public centres."""
        require(zones, PublicZones, "zones")
        side = plain_int(zones_a_side, "zones_a_side")

        def strip(centre: np.ndarray) -> np.ndarray:
            levels = np.unique(np.round(centre, 1))
            return np.searchsorted(levels, np.round(centre, 1)) // side

        if len(np.unique(zones.x_m)) * len(np.unique(zones.y_m)) > 4 * len(zones):
            raise SchemaError("blocks need zones on a grid.", hint="use ak.Grid cells for sparse flow tables.")
        both = np.stack([strip(zones.y_m), strip(zones.x_m)], 1)
        block = np.unique(both, axis=0, return_inverse=True)[1].reshape(-1)
        return cls(zones=zones, block=block, band=distance_bands(zones.distance_m()), blocks=int(block.max()) + 1)

    @property
    def pair(self) -> np.ndarray:
        """Block pair of each pair of zones."""
        return (self.block[:, None] * self.blocks + self.block).ravel()


def is_sparse(activity: Activity, *, cells: int, cost: Cost) -> bool:
    """Whether the mean fine cell would drown: below half the noise's deviation. From paid and public figures only."""
    cap = activity.cap()
    return activity.below(cap) / cells < FINE_ENOUGH * noise_of(cost, l1=cap).standard_deviation


@dataclass(frozen=True, kw_only=True, eq=False)
class SparseMeasurement:
    """The four noisy tables (in trips, capped) and their noise."""

    activity: Activity
    cap: int
    origins: np.ndarray = field(repr=False)
    destinations: np.ndarray = field(repr=False)
    blocks: np.ndarray = field(repr=False)
    bands: np.ndarray = field(repr=False)
    ends_noise: Noise
    blocks_noise: Noise
    bands_noise: Noise
    cost: Cost


@dataclass(frozen=True, kw_only=True, eq=False)
class SparseEstimate:
    """Post-processed tables of all trips, each summing to ``total``."""

    origins: np.ndarray = field(repr=False)
    destinations: np.ndarray = field(repr=False)
    blocks: np.ndarray = field(repr=False)
    """Trips between blocks, row-major."""
    bands: np.ndarray = field(repr=False)
    model: np.ndarray = field(repr=False)
    """Modelled fine table; not a measurement."""
    total: float


def measure_sparse(
    codes: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    *,
    keys: BlockKeys,
    cost: Cost,
    purse: Purse,
    activity: Activity,
    paid: Fraction,
) -> SparseMeasurement:
    """Draw origins, destinations, block pairs and distance bands, beside the activity that was drawn before.

    Parameters
    ----------
    codes : person code a trip, −1 for nobody.
    start, end : index of the zone, −1 outside; trips with an end outside are left out before bounding.
    cost : of all five tables together, epsilon or ``Rho``.
    purse : pays before anything is drawn.
    activity : the paid histogram (``flow_kernel.draw_activity``), and ``paid``, the share of ``cost`` that it took.

    Privacy
    -------
    ``cost`` for one person with any number of trips, the histogram included: each table changes by at most T in sum.

    Sources
    -------
    conformance/README.md.
    """
    inside = (codes >= 0) & (start >= 0) & (end >= 0)
    codes, start, end = codes[inside], start[inside], end[inside]
    cap = min(activity.cap(), LARGEST_CAP)
    weights = integer_weights(codes, max_trips=cap)
    pair = start * len(keys.zones) + end
    groups = {
        "origins": (start, len(keys.zones), ENDS),
        "destinations": (end, len(keys.zones), ENDS),
        "bands": (keys.band[pair], int(keys.band.max()) + 1, BANDS),
        "blocks": (keys.pair[pair], keys.blocks**2, 1 - paid - 2 * ENDS - BANDS),
    }
    drawn, noises = {}, {}
    for name, (group, size, share) in groups.items():
        sums = np.zeros(size, np.int64)
        np.add.at(sums, group, weights.row)
        noises[name] = noise_of(cost * share, l1=weights.sensitivity)
        drawn[name] = purse.add_noise(
            noises[name], sums, keys_hash=keys.zones.sha256, bounds={"max_trips": cap}, part=name
        ) / float(weights.scale)
    return SparseMeasurement(
        activity=activity,
        cap=cap,
        ends_noise=noises["origins"],
        blocks_noise=noises["blocks"],
        bands_noise=noises["bands"],
        cost=cost,
        **drawn,
    )


def estimate_sparse(measurement: SparseMeasurement, keys: BlockKeys) -> SparseEstimate:
    """Estimates of all trips from the four noisy tables. Post-processing; spends nothing."""
    zones, blocks = len(keys.zones), keys.blocks
    origin, destination = np.repeat(np.arange(zones), zones), np.tile(np.arange(zones), zones)
    capped_total = _capped_total(measurement, zones)
    table = measurement.blocks.reshape(blocks, blocks)
    margins = [
        _fine_ends(measurement.origins, table.sum(1), measurement, keys),
        _fine_ends(measurement.destinations, table.sum(0), measurement, keys),
        np.maximum(measurement.bands, 0.3 * _deviation(measurement.bands_noise)),
    ]
    margins = [part * capped_total / part.sum() for part in margins]
    model = rake([origin, destination, keys.band], margins, rounds=60)
    prior = np.maximum(np.bincount(keys.pair, weights=model, minlength=blocks**2), 1e-6 * capped_total / blocks**2)
    numbers = np.arange(blocks**2)
    reverse = (numbers % blocks) * blocks + numbers // blocks
    estimate, _ = posterior_cells(
        measurement.blocks,
        prior,
        noise=noise_shape(measurement.blocks_noise, WEIGHT_SCALE),
        reverse=np.where(reverse == numbers, -1, reverse),
    )
    total = capped_total + measurement.activity.beyond(measurement.cap)
    fine = rake([keys.pair, origin, destination], [estimate, margins[0], margins[1]], start=model, rounds=30)
    scale = total / capped_total
    return SparseEstimate(
        origins=margins[0] * scale,
        destinations=margins[1] * scale,
        bands=margins[2] * scale,
        blocks=estimate * total / estimate.sum(),
        model=fine * total / max(float(fine.sum()), 1e-300),
        total=total,
    )


def _capped_total(measurement: SparseMeasurement, zones: int) -> float:
    """Capped trips: each of the four tables sums to it; weighted by how sure they are."""
    tables = [
        (measurement.origins, measurement.ends_noise),
        (measurement.destinations, measurement.ends_noise),
        (measurement.blocks, measurement.blocks_noise),
        (measurement.bands, measurement.bands_noise),
    ]
    sums = np.array([table.sum() for table, _ in tables])
    sure = np.array([1 / (len(table) * _deviation(noise) ** 2) for table, noise in tables])
    return max(float(sums @ sure / sure.sum()), 1.0)


def _fine_ends(fine: np.ndarray, coarse: np.ndarray, measurement: SparseMeasurement, keys: BlockKeys) -> np.ndarray:
    """Trips by zone: what its block has by both tables, divided by the zones' own noisy figures."""
    members = np.bincount(keys.block, minlength=keys.blocks)
    own = np.bincount(keys.block, weights=fine, minlength=keys.blocks)
    sure_own = 1 / (members * _deviation(measurement.ends_noise) ** 2)
    sure_table = 1 / (keys.blocks * _deviation(measurement.blocks_noise) ** 2)
    both = (own * sure_own + coarse * sure_table) / (sure_own + sure_table)
    blocks = positive_sums(both, float(np.mean(sure_own + sure_table)) ** -0.5)
    zones = positive_sums(fine, _deviation(measurement.ends_noise))
    inside = np.bincount(keys.block, weights=zones, minlength=keys.blocks)
    return zones * (blocks / np.maximum(inside, 1e-300))[keys.block]


def _deviation(noise: Noise) -> float:
    return noise.standard_deviation / WEIGHT_SCALE
