"""Person-level origin–destination flows: two or three paid measurements, and an estimate made from nothing else.

What: (1) a paid histogram of activity chooses the cap T; (2) every trip weighs min(1, T/n) of its person's n trips, and
the cells get integer noise; (3) where the paid number of persons says it helps, origins and destinations are measured
again at a higher cap. Then post-processing only: gravity model raked to noisy margins and distance bands, likeness to
the reverse flow, posterior mean, scaled to the paid total. Why: half the divergence of clipped noise at the same
epsilon, and a total that is right. Source: conformance/README.md; Amin et al. 2019; Dwork, Roth 2014, 2.1. What it does
not protect against: correlated persons (a family that always rides together counts as several); the estimate leans on
the model where cells are small, so the signed noisy cells and their interval are kept beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from anonkit.base.errors import SchemaError
from anonkit.dp.activity import Activity, activity_bins
from anonkit.dp.bounding import integer_weights, trips_of, weighted_counts
from anonkit.dp.charge import Purse
from anonkit.dp.cost import Cost, noise_of
from anonkit.dp.gravity import distance_bands, positive_sums, rake, ratio_towards_one
from anonkit.dp.mechanisms import DiscreteGaussian, Noise
from anonkit.dp.postprocess import NoiseShape, posterior_cells
from anonkit.dp.public import PublicKeys, PublicZones, plain_int, require

HIGH_CAP = 16
MARGIN_NOISE = 0.05
DENSE_CELLS = 10_000


@dataclass(frozen=True, kw_only=True)
class Shares:
    """How a cost is divided. Public; the cells get the rest."""

    activity: Fraction = Fraction(10, 100)
    """For the histogram that chooses the cap and pays for the total."""
    margins: Fraction = Fraction(15, 100)
    """For origins and destinations at a higher cap, where persons are many; otherwise it goes to the cells."""

    @classmethod
    def of(cls, cells: int) -> Shares:
        """Shares for a table of so many public keys: a table that may turn out sparse pays more for its total."""
        return cls() if cells <= DENSE_CELLS else cls(activity=Fraction(12, 100))


@dataclass(frozen=True, kw_only=True, eq=False)
class FlowKeys:
    """Keys of a flow table with what the model needs: origin, destination, reverse flow, bands, further groups."""

    keys: PublicKeys
    origin: np.ndarray = field(repr=False)
    destination: np.ndarray = field(repr=False)
    reverse: np.ndarray = field(repr=False)
    """Index of the reverse flow in the same further group (hour, mode), −1 for none."""
    groups: tuple[np.ndarray, ...] = field(repr=False)
    """Further groupings of cells to rake to: distance band, hour, ….."""
    zones: int

    @classmethod
    def of(cls, keys: PublicKeys, zones: PublicZones | None = None) -> FlowKeys:
        """Work out the structure; the first two columns are origin and destination, others are further groups."""
        require(keys, PublicKeys, "keys")
        if len(keys.columns) < 2:
            raise SchemaError("flow keys need an origin and a destination column.", hint="keys=zones.pairs()")
        names, ends = np.unique(keys.values[:, :2], return_inverse=True)
        ends = ends.reshape(-1, 2)
        turned = keys.values.copy()
        turned[:, [0, 1]] = turned[:, [1, 0]]
        reverse = np.where(ends[:, 0] == ends[:, 1], -1, keys.locate(turned))
        groups = [np.unique(keys.values[:, part], return_inverse=True)[1] for part in range(2, len(keys.columns))]
        if zones is not None:
            require(zones, PublicZones, "zones")
            order = np.argsort(zones.zone)
            place = order[np.searchsorted(zones.zone, keys.values[:, :2], sorter=order)]
            apart = np.hypot(
                zones.x_m[place[:, 0]] - zones.x_m[place[:, 1]], zones.y_m[place[:, 0]] - zones.y_m[place[:, 1]]
            )
            groups.append(distance_bands(apart))
        else:
            groups.append((ends[:, 0] != ends[:, 1]).astype(np.int64))
        return cls(
            keys=keys,
            origin=ends[:, 0],
            destination=ends[:, 1],
            reverse=reverse,
            groups=tuple(groups),
            zones=len(names),
        )


def noise_shape(noise: Noise, scale: int) -> NoiseShape:
    """Noise of integer units as the likelihood of a figure in trips."""
    return NoiseShape(scale=noise.scale / scale, normal=isinstance(noise, DiscreteGaussian))


@dataclass(frozen=True, kw_only=True, eq=False)
class FlowMeasurement:
    """What was paid for: everything an estimate may look at."""

    activity: Activity | None
    """None where the cap was declared: then nothing is known of trips beyond it."""
    cap: int
    cells: np.ndarray = field(repr=False)
    """Noisy capped flows, in trips (whole numbers of 1/scale)."""
    units: np.ndarray = field(repr=False)
    """The same as drawn, int64 in units of 1/scale trip."""
    noise: Noise
    scale: int
    high_cap: int | None = None
    origins: np.ndarray | None = field(default=None, repr=False)
    destinations: np.ndarray | None = field(default=None, repr=False)
    margin_deviation: float = 0.0
    cost: Cost = Fraction(0)

    @property
    def cell_noise(self) -> NoiseShape:
        """Noise of a cell in trips."""
        return noise_shape(self.noise, self.scale)


def margins_pay(activity: Activity, *, zones: int, cost: Cost, share: Fraction) -> bool:
    """Whether margins at the higher cap are worth their share: noise of a zone's sum below a twentieth of its mean.

    Decided by the paid histogram and public numbers only.
    """
    deviation = noise_of(cost * share, l1=2 * HIGH_CAP, l2_squared=2 * HIGH_CAP**2).standard_deviation
    return deviation * zones < MARGIN_NOISE * activity.below(HIGH_CAP)


def draw_activity(codes: np.ndarray, *, cost: Cost, purse: Purse, most_trips: int | None = None) -> Activity:
    """Paid one-hot histogram of trips a person; one person changes one bin by one."""
    noise = noise_of(cost, l1=1)
    noisy = purse.add_noise(
        noise,
        activity_bins(trips_of(codes)),
        keys_hash="log2-activity-bins",
        bounds={"bins_a_person": 1},
        part="activity",
    )
    return Activity(noisy=noisy, standard_deviation=noise.standard_deviation, most_trips=most_trips)


def measure_flows(
    codes: np.ndarray,
    cell: np.ndarray,
    *,
    keys: FlowKeys,
    cost: Cost,
    purse: Purse,
    shares: Shares,
    max_trips: int | None = None,
    most_trips: int | None = None,
    activity: Activity | None = None,
) -> FlowMeasurement:
    """Draw the one, two or three noisy tables of a flow product.

    Parameters
    ----------
    codes : code of the privacy unit of each trip, −1 for nobody (``bounding.person_codes``).
    cell : index of the trip's key among ``keys``, −1 outside; such trips are left out before bounding.
    cost : of the product, epsilon or ``Rho``; charged in reservations that sum to it.
    purse : pays; each reservation is made before its noise is drawn.
    max_trips : cap T if it is declared; None buys it, and the total, with a share of epsilon.
    most_trips : more trips nobody makes, by public knowledge; only the estimate of the total looks at it.
    activity : histogram already drawn with ``shares.activity`` of this cost; None draws it.

    Returns
    -------
    FlowMeasurement.

    Privacy
    -------
    ``cost`` (epsilon-DP, or rho-zCDP) for adding or removing one person with any number of trips, by composition of the
    parts: one bin of the histogram changes by 1; cells change by at most T trips in sum (and so in length), margins by
    2 × their cap in sum and √2 × it in length.

    Sources
    -------
    conformance/README.md, last section.
    """
    if activity is None:
        purse.affords(cost)
    inside = (codes >= 0) & (cell >= 0)
    codes, cell = codes[inside], cell[inside]
    rest, high = cost, {}
    if max_trips is None:
        if activity is None:
            activity = draw_activity(codes, cost=cost * shares.activity, purse=purse, most_trips=most_trips)
        spent = shares.activity
        if keys.zones and margins_pay(activity, zones=keys.zones, cost=cost, share=shares.margins):
            spent += shares.margins
            high = _measure_margins(
                codes,
                cell,
                keys=keys,
                cost=cost * shares.margins,
                cap=max(HIGH_CAP, 4 * activity.cap()),
                purse=purse,
            )
        rest = cost * (1 - spent)
    cap = max_trips if activity is None else activity.cap()
    weights = integer_weights(codes, max_trips=plain_int(cap, "max_trips"))
    noise = noise_of(rest, l1=weights.sensitivity)
    units = purse.add_noise(
        noise,
        weighted_counts(cell, weights, size=len(keys.keys)),
        keys_hash=keys.keys.sha256,
        bounds={"max_trips": weights.max_trips, "weight_scale": weights.scale},
        part="cells",
    )
    return FlowMeasurement(
        activity=activity,
        cap=weights.max_trips,
        cells=units / float(weights.scale),
        units=units,
        noise=noise,
        scale=weights.scale,
        cost=cost,
        **high,
    )


def _measure_margins(
    codes: np.ndarray, cell: np.ndarray, *, keys: FlowKeys, cost: Cost, cap: int, purse: Purse
) -> dict[str, Any]:
    """Origins and destinations at a higher cap; a trip is in one of each: twice the cap in sum."""
    weights = integer_weights(codes, max_trips=cap)
    table = weighted_counts(cell, weights, size=len(keys.keys))
    both = np.concatenate([_sums(keys.origin, table, keys.zones), _sums(keys.destination, table, keys.zones)])
    noise = noise_of(cost, l1=2 * weights.sensitivity, l2_squared=2 * weights.sensitivity**2)
    drawn = purse.add_noise(noise, both, keys_hash=keys.keys.sha256, bounds={"max_trips": cap}, part="margins")
    return {
        "high_cap": cap,
        "origins": drawn[: keys.zones] / float(weights.scale),
        "destinations": drawn[keys.zones :] / float(weights.scale),
        "margin_deviation": noise.standard_deviation / weights.scale,
    }


def _sums(group: np.ndarray, table: np.ndarray, size: int) -> np.ndarray:
    """Exact integer sums of ``table`` over ``group``."""
    sums = np.zeros(size, np.int64)
    np.add.at(sums, group, table)
    return sums


@dataclass(frozen=True, kw_only=True, eq=False)
class FlowEstimate:
    """Estimates of one measurement; all post-processing."""

    trips: np.ndarray = field(repr=False)
    """All trips a cell, non-negative, summing to ``total``."""
    capped: np.ndarray = field(repr=False)
    """Posterior mean of the capped flow."""
    capped_variance: np.ndarray = field(repr=False)
    total: float
    """Estimated number of all trips with a person and public keys."""
    capped_total: float
    """Of these, trips inside the cap."""


def gravity_model(measurement: FlowMeasurement, keys: FlowKeys) -> np.ndarray:
    """Gravity table raked to the noisy cells' own margins, distance bands and further groups."""
    cells, deviation = measurement.cells, measurement.cell_noise.variance**0.5
    total = max(float(cells.sum()), 1.0)
    groups, targets = [], []
    for group in (keys.origin, keys.destination, *keys.groups):
        members = np.bincount(group)
        sums = np.bincount(group, weights=cells)
        if len(members) > 12:
            target = positive_sums(sums, deviation * float(members.mean()) ** 0.5)
        else:
            target = np.maximum(sums, 0.3 * deviation * members**0.5)
        groups.append(group)
        targets.append(target * total / target.sum())
    return np.maximum(rake(groups, targets), 1e-6 * total / len(cells))


def estimate_flows(measurement: FlowMeasurement, keys: FlowKeys) -> FlowEstimate:
    """Best estimate of all trips a cell from what was paid for.

    With a declared cap nothing is known beyond it: the estimate is then of the capped flow and its total.

    Privacy
    -------
    Post-processing; spends nothing and may be repeated.
    """
    model = gravity_model(measurement, keys)
    capped, variance = posterior_cells(measurement.cells, model, noise=measurement.cell_noise, reverse=keys.reverse)
    trips, total = capped, float(measurement.cells.sum())
    if measurement.origins is not None and measurement.destinations is not None:
        trips = _to_high_margins(trips, measurement, keys)
        total = float(measurement.origins.sum() + measurement.destinations.sum()) / 2
    if measurement.activity is not None:
        total += measurement.activity.beyond(measurement.high_cap or measurement.cap)
    total = max(total, 1.0)
    return FlowEstimate(
        trips=trips * total / max(float(trips.sum()), 1e-300),
        capped=capped,
        capped_variance=variance,
        total=total,
        capped_total=min(max(float(measurement.cells.sum()), 1.0), total),
    )


def _to_high_margins(table: np.ndarray, measurement: FlowMeasurement, keys: FlowKeys) -> np.ndarray:
    """Rake the posterior table to the margins at the higher cap, as far as they differ by more than noise."""
    targets = []
    for group, high in ((keys.origin, measurement.origins), (keys.destination, measurement.destinations)):
        low = np.bincount(group, weights=table, minlength=keys.zones)
        targets.append(low * ratio_towards_one(np.asarray(high), low, measurement.margin_deviation))
    return rake([keys.origin, keys.destination], targets, start=table, rounds=50)
