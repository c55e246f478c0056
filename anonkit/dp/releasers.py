"""Releasers: objects that look like estimators, draw once when fitted, and charge the ledger for it.

What: ``DPFlows(...).fit(trips)`` and its sisters; results end in an underscore. Why: an analyst tunes them like other
estimators, and there is no ``transform`` to call twice by accident; a second ``fit`` is a second draw and spends again;
``fit`` without a ledger raises; ``clone`` shares the ledger. Source: DESIGN, one kernel, every face; rulings 18, 19, 24.
What it does not protect against: whoever keeps the object keeps only noisy figures, but picks among several fits at
the price of all of them.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.base import BaseEstimator

from anonkit.base.errors import LedgerError, SchemaError
from anonkit.dp.activity import Activity
from anonkit.dp.bounding import WEIGHT_SCALE
from anonkit.dp.charge import Purse
from anonkit.dp.columns import Unit, arrow_of, places, unit_codes
from anonkit.dp.flow_kernel import (
    FlowEstimate,
    FlowKeys,
    FlowMeasurement,
    Shares,
    draw_activity,
    estimate_flows,
    measure_flows,
)
from anonkit.dp.intervals import all_trips_band, noise_interval
from anonkit.dp.mechanisms import Noise
from anonkit.dp.plans import Plan
from anonkit.dp.public import PublicKeys, PublicZones
from anonkit.dp.sparse import BlockKeys, estimate_sparse, is_sparse, measure_sparse
from anonkit.dp.tables import estimate_table, measure_table, number_of_persons, profile_bins, table_keys

EVER = "all"
"""The period of a ledger that knows no other."""


class Releaser(BaseEstimator):
    """What all releasers share: plan, ledger, release, periods; ``fit`` draws and charges.

    Parameters
    ----------
    plan : from ``dp.plan``; holds every public and privacy parameter.
    ledger : ``ak.Ledger``. release : name of the release. periods : periods of event time that the trips cover; of a ledger
        whose only period is ``all``, that.
    period_column : column with the period's label, where several periods are read for a unit of person and period.
    columns : columns of the trips that make the key, in the order of the plan's keys.
    confidence : of the intervals.
    """

    def __init__(
        self,
        *,
        plan: Plan,
        ledger: Any = None,
        release: str = "",
        periods: tuple[str, ...] = (),
        period_column: str | None = None,
        columns: tuple[str, ...] | None = None,
        confidence: float = 0.95,
    ) -> None:
        self.plan = plan
        self.ledger = ledger
        self.release = release
        self.periods = periods
        self.period_column = period_column
        self.columns = columns
        self.confidence = confidence

    product = ""

    def fit(self, trips: Any, y: None = None) -> Any:
        """Draw once and charge once; results are in the attributes that end in an underscore."""
        if self.ledger is None:
            raise LedgerError(
                f"{type(self).__name__} draws noise and needs a ledger.", hint="ledger=ak.Ledger.open('city.ledger')"
            )
        if not isinstance(self.plan, Plan) or self.plan.product != self.product:
            raise SchemaError(
                f"{type(self).__name__} needs a plan of product '{self.product}'.",
                hint=f"plan=ak.dp.plan('{self.product}', epsilon=…)",
            )
        periods = tuple(self.periods)
        if not periods and getattr(getattr(self.ledger, "terms", None), "period", None) == EVER:
            periods = (EVER,)  # such a ledger has no other
        purse = Purse(ledger=self.ledger, product=self.product, release=self.release, periods=periods)
        unit = Unit(period=self.period_column, periods=periods)
        needed = ["person", *self._needed(), *([self.period_column] if self.period_column else [])]
        table = arrow_of(trips, tuple(needed))
        codes = unit_codes(table, unit, privacy_unit=self.ledger.terms.privacy_unit)
        self._draw(table, codes, purse)
        self.reservations_ = tuple(purse.reservations)
        return self

    def confirm(self) -> None:
        """Tell the ledger that the released folder is in place."""
        for reservation in self.reservations_:
            reservation.confirm()

    def _keys(self) -> PublicKeys:
        assert self.plan.keys is not None
        return self.plan.keys

    def _key_columns(self) -> tuple[str, ...]:
        return self.columns or self._keys().columns

    def _needed(self) -> tuple[str, ...]:
        return self._key_columns()

    def _draw(self, table: pa.Table, codes: np.ndarray, purse: Purse) -> None:
        raise NotImplementedError

    def _counts(self, measurement: FlowMeasurement, estimate: FlowEstimate) -> pd.DataFrame:
        """The released columns of a table of counts: estimate, signed noisy value, both intervals."""
        keys = self._keys()
        frame = pd.DataFrame(dict(zip(keys.columns, keys.values.T, strict=True)))
        low, high = noise_interval(
            measurement.units, measurement.noise, scale=measurement.scale, confidence=self.confidence
        )
        frame["trips"] = estimate.trips
        frame["capped_noisy"], frame["capped_low"], frame["capped_high"] = measurement.cells, low, high
        if measurement.activity is not None:
            band = all_trips_band(measurement, estimate, confidence=self.confidence)
            frame["band_low"], frame["band_high"] = band.low, band.high
        self.measurement_, self.estimate_ = measurement, estimate
        self.cap_, self.total_ = measurement.cap, estimate.total
        self.beyond_cap_ = None if measurement.activity is None else estimate.total - estimate.capped_total
        self.persons_ = None if measurement.activity is None else measurement.activity.persons
        return frame


class DPFlows(Releaser):
    """Origin–destination flows; ``flows_`` after ``fit``.

    ``flows_`` has the key columns, ``trips`` (estimate of all trips; of capped ones where the cap is declared),
    ``capped_noisy`` (signed) with its noise interval ``capped_low``, ``capped_high``, and the model band ``band_low``,
    ``band_high`` for all trips. Where the paid number of persons is too small for the table (``layout_`` is "sparse"),
    ``flows_`` holds pairs of blocks (``blocks_`` says which cell is in which), and ``origins_``, ``destinations_`` and
    ``bands_`` the other coarse tables: nothing was measured for single cells. ``beyond_cap_`` is the bounding bias in trips, ``persons_`` and ``total_`` paid figures.
    """

    product = "flows"

    def _draw(self, table: pa.Table, codes: np.ndarray, purse: Purse) -> None:
        cost, keys = self.plan.cost, FlowKeys.of(self._keys(), self.plan.zones)
        cell = places(table, keys.keys, self._key_columns())
        shares, zones, activity = Shares.of(len(keys.keys)), self.plan.zones, None
        self.layout_ = "cells"
        if self.plan.max_trips is None:
            purse.affords(cost)
            inside = np.where(cell >= 0, codes, -1)
            activity = draw_activity(inside, cost=cost * shares.activity, purse=purse, most_trips=self.plan.most_trips)
            whole = zones is not None and len(keys.keys) == len(zones) ** 2 and len(self._key_columns()) == 2
            if zones is not None and whole and is_sparse(activity, cells=len(keys.keys), cost=cost):
                self._draw_sparse(zones, cell, codes, purse, activity, shares.activity)
                return
        measurement = measure_flows(
            codes,
            cell,
            keys=keys,
            cost=cost,
            purse=purse,
            shares=shares,
            max_trips=self.plan.max_trips,
            activity=activity,
        )
        self.flows_ = self._counts(measurement, estimate_flows(measurement, keys))

    def _draw_sparse(
        self, zones: PublicZones, cell: np.ndarray, codes: np.ndarray, purse: Purse, activity: Activity, paid: Fraction
    ) -> None:
        """Four coarse tables instead of the fine one; ``flows_`` then holds block pairs."""
        keys = BlockKeys.of(zones)
        start, end = np.where(cell >= 0, cell // len(zones), -1), np.where(cell >= 0, cell % len(zones), -1)
        measured = measure_sparse(
            codes, start, end, keys=keys, cost=self.plan.cost, purse=purse, activity=activity, paid=paid
        )
        made = estimate_sparse(measured, keys)
        self.layout_, self.cap_, self.total_ = "sparse", measured.cap, made.total
        self.persons_, self.sparse_measurement_, self.sparse_estimate_ = activity.persons, measured, made
        self.beyond_cap_ = activity.beyond(measured.cap)
        pairs = np.stack(np.divmod(np.arange(keys.blocks**2), keys.blocks), 1)
        columns = {"start_block": pairs[:, 0], "end_block": pairs[:, 1]}
        self.flows_ = self._coarse(columns, made.blocks, measured.blocks, measured.blocks_noise)
        self.origins_ = self._coarse({"start_cell": zones.zone}, made.origins, measured.origins, measured.ends_noise)
        self.destinations_ = self._coarse(
            {"end_cell": zones.zone}, made.destinations, measured.destinations, measured.ends_noise
        )
        self.bands_ = self._coarse(
            {"band": np.arange(len(made.bands))}, made.bands, measured.bands, measured.bands_noise
        )
        self.blocks_ = pd.DataFrame({"cell": zones.zone, "block": keys.block})

    def _coarse(
        self, columns: dict[str, np.ndarray], trips: np.ndarray, noisy: np.ndarray, noise: Noise
    ) -> pd.DataFrame:
        half = noise.half_width(self.confidence) / WEIGHT_SCALE
        counts = {"trips": trips, "capped_noisy": noisy, "capped_low": noisy - half, "capped_high": noisy + half}
        return pd.DataFrame({**columns, **counts})


class DPVolumes(Releaser):
    """Trips by public keys (cell × bin, link × hour); ``volumes_`` after ``fit``."""

    product = "volumes"

    def _draw(self, table: pa.Table, codes: np.ndarray, purse: Purse) -> None:
        self.volumes_ = self._table(codes, places(table, self._keys(), self._key_columns()), purse)

    def _table(self, codes: np.ndarray, cell: np.ndarray, purse: Purse) -> pd.DataFrame:
        keys = table_keys(self._keys())
        measurement = measure_table(
            codes,
            cell,
            keys=keys,
            cost=self.plan.cost,
            purse=purse,
            max_trips=self.plan.max_trips,
            most_trips=self.plan.most_trips,
        )
        return self._counts(measurement, estimate_table(measurement, keys))


class DPProfile(DPVolumes):
    """Trips by hour of the day or week; ``columns`` names the column of local-clock seconds; ``profile_``."""

    product = "profile"

    def _key_columns(self) -> tuple[str, ...]:
        return self.columns or ("local_s",)

    def _draw(self, table: pa.Table, codes: np.ndarray, purse: Purse) -> None:
        local = table[self._key_columns()[0]].to_numpy()
        self.profile_ = self._table(codes, profile_bins(local, profile=self.plan.options["profile"]), purse)


class DPLengths(DPVolumes):
    """Trips by public steps of distance or duration; ``columns`` names the quantity; ``lengths_``."""

    product = "lengths"

    def _key_columns(self) -> tuple[str, ...]:
        return self.columns or ("distance_m",)

    def _draw(self, table: pa.Table, codes: np.ndarray, purse: Purse) -> None:
        steps = self.plan.options["steps"]
        value = table[self._key_columns()[0]].to_numpy().astype(float)
        cell = np.where(np.isfinite(value), steps.index(np.nan_to_num(value)), -1)
        frame = self._table(codes, cell, purse)
        frame.insert(1, self._key_columns()[0], steps.grid()[frame["step"]])
        self.lengths_ = frame


class DPPersons(Releaser):
    """Number of persons; ``persons_`` and ``half_width_`` after ``fit``."""

    product = "persons"

    def _needed(self) -> tuple[str, ...]:
        return ()

    def _draw(self, table: pa.Table, codes: np.ndarray, purse: Purse) -> None:
        self.persons_, noise = number_of_persons(codes, cost=self.plan.cost, purse=purse)
        self.half_width_ = noise.half_width(self.confidence)
