"""Every other table of counts: volumes by cell or link and hour, profiles, trip lengths, number of persons.

What: sums of bounded events over public keys with integer noise; where a table has several key columns (cell × hour) a
model of independent columns is weighed against the cells, as for flows. Why: one kernel, so that bounding, charging and
intervals are the same everywhere. Source: as ``flow_kernel``. What it does not protect against: an event table with two events
a trip (start and end) counts events, and the cap then counts events too; a profile's smooth shape is the estimate, its
signed values and intervals are beside it.
"""

from __future__ import annotations

import numpy as np

from anonkit.base.errors import SchemaError
from anonkit.dp.bounding import trips_of
from anonkit.dp.charge import Purse
from anonkit.dp.cost import Cost, noise_of
from anonkit.dp.flow_kernel import FlowEstimate, FlowKeys, FlowMeasurement, Shares, gravity_model, measure_flows
from anonkit.dp.gravity import positive_sums
from anonkit.dp.mechanisms import Noise
from anonkit.dp.postprocess import posterior_cells
from anonkit.dp.public import PublicKeys, require

HOURS_A_WEEK = 168


def table_keys(keys: PublicKeys) -> FlowKeys:
    """Structure of a table without origins and destinations: one grouping a key column, no reverse."""
    require(keys, PublicKeys, "keys")
    groups = [np.unique(keys.values[:, part], return_inverse=True)[1].reshape(-1) for part in range(len(keys.columns))]
    none = np.full(len(keys), -1)
    return FlowKeys(
        keys=keys,
        origin=groups[0],
        destination=groups[-1],
        reverse=none,
        groups=tuple(groups[1:-1]),
        zones=0,
    )


def measure_table(
    codes: np.ndarray,
    cell: np.ndarray,
    *,
    keys: FlowKeys,
    cost: Cost,
    purse: Purse,
    max_trips: int | None = None,
    most_trips: int | None = None,
) -> FlowMeasurement:
    """Noisy sums of bounded events over public keys.

    Parameters
    ----------
    codes : code of the privacy unit of each event, −1 for nobody.
    cell : index of the event's key, −1 outside.
    max_trips : most events of one unit, if declared; None buys the cap and the total with a share of the cost.
    most_trips : more events nobody makes, by public knowledge.

    Privacy
    -------
    ``cost`` (epsilon-DP, or rho-zCDP) for one person with any number of events.

    Sources
    -------
    As ``flow_kernel.measure_flows``, without margins.
    """
    return measure_flows(
        codes, cell, keys=keys, cost=cost, purse=purse, shares=Shares(), max_trips=max_trips, most_trips=most_trips
    )


def estimate_table(measurement: FlowMeasurement, keys: FlowKeys) -> FlowEstimate:
    """Posterior means, non-negative, scaled to the paid total (or to the capped sum). Post-processing."""
    cells, noise = measurement.cells, measurement.cell_noise
    if len(keys.keys.columns) > 1:
        model = gravity_model(measurement, keys)
        capped, variance = posterior_cells(cells, model, noise=noise, reverse=None)
    else:
        capped = positive_sums(cells, noise.variance**0.5)
        variance = np.full(len(cells), noise.variance)
    total = float(cells.sum())
    if measurement.activity is not None:
        total += measurement.activity.beyond(measurement.cap)
    total = max(total, 1.0)
    return FlowEstimate(
        trips=capped * total / max(float(capped.sum()), 1e-300),
        capped=capped,
        capped_variance=variance,
        total=total,
        capped_total=min(max(float(cells.sum()), 1.0), total),
    )


def number_of_persons(codes: np.ndarray, *, cost: Cost, purse: Purse) -> tuple[int, Noise]:
    """Noisy number of persons with at least one row, and its noise. One person changes it by one."""
    noise = noise_of(cost, l1=1)
    persons = np.array([int((trips_of(codes) > 0).sum())])
    drawn = purse.add_noise(noise, persons, keys_hash="one", bounds={"persons": 1}, part="persons")
    return int(drawn[0]), noise


def profile_bins(local_s: np.ndarray, *, profile: str) -> np.ndarray:
    """Hour of the day (0–23) or of the week (0–167, Monday first) of local-clock seconds since 1970-01-01.

    >>> profile_bins(np.array([0, 3600 * 25]), profile="day").tolist()
    [0, 1]
    >>> profile_bins(np.array([0]), profile="week").tolist()  # a Thursday
    [72]
    """
    hour = np.asarray(local_s, np.int64) // 3600
    if profile == "day":
        return hour % 24
    if profile == "week":
        return (hour + 72) % HOURS_A_WEEK
    raise SchemaError(f"profile {profile!r} is not known.", hint="profile='day' or 'week'")


def profile_keys(profile: str) -> PublicKeys:
    """The hours of a day or of a week; known without any data."""
    hours = {"day": 24, "week": HOURS_A_WEEK}.get(profile)
    if hours is None:
        raise SchemaError(f"profile {profile!r} is not known.", hint="profile='day' or 'week'")
    return PublicKeys.declared(np.arange(hours).reshape(-1, 1), columns=("hour",), source="the clock")
