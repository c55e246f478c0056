"""Releasers that choose: quantiles on public steps, the busiest places, and keys that enough persons share.

What: ``DPQuantiles``, ``DPHotSpots`` and ``DPSelectedFlows``, used as the releasers of counts are. Why: what they publish
is a choice among candidates (a step, a place, a list of keys), made by permute-and-flip or by a noisy threshold, never a
figure read from the trips. Source: ``quantiles`` and ``selection``. What it does not protect against: a list of busiest
places tells that they are busy; keys that are told exist, and the chance that one person's own key is told is delta.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from anonkit.base.entropy import fresh_key
from anonkit.dp.bounding import hash_order
from anonkit.dp.charge import Purse
from anonkit.dp.columns import places
from anonkit.dp.intervals import noise_interval
from anonkit.dp.quantiles import flow_quantiles
from anonkit.dp.releasers import Releaser
from anonkit.dp.selection import KEYS_SHARE, hot_spots, select_keys
from anonkit.dp.tables import estimate_table, measure_table, table_keys

PUBLISHED, SUPPRESSED = "published", "suppressed"


class DPQuantiles(Releaser):
    """Quantiles of a quantity by public keys, gated by a noisy number of persons; ``quantiles_`` after ``fit``.

    Keys below the gate stay in the table, as suppressed: suppressed is not zero. ``persons_off`` bounds the error in persons.

    ``columns`` names the key columns and, last, the quantity. ``trip`` must be there: it orders a person's keys.
    """

    product = "quantiles"

    def _key_columns(self) -> tuple[str, ...]:
        return self.columns or (*self._keys().columns, "duration_s")

    def _needed(self) -> tuple[str, ...]:
        return (*self._key_columns(), "trip")

    def _draw(self, table: pa.Table, codes: np.ndarray, purse: Purse) -> None:
        *columns, quantity = self._key_columns()
        options, keys = self.plan.options, self._keys()
        made = flow_quantiles(
            codes,
            places(table, keys, tuple(columns)),
            table[quantity].to_numpy().astype(float),
            hash_order(table["trip"].to_numpy(), key=fresh_key()),
            keys=keys,
            steps=options["steps"],
            percents=options["percents"],
            max_keys=options["max_keys"],
            min_persons=options["min_persons"],
            epsilon=self.plan.epsilon,
            purse=purse,
        )
        frame = pd.DataFrame(dict(zip(keys.columns, keys.values.T, strict=True)))
        frame["persons_noisy"] = made.persons
        frame["status"] = np.where(made.passed, PUBLISHED, SUPPRESSED)
        for place, percent in enumerate(made.percents):
            frame[f"{quantity}_p{percent}"] = made.values[:, place]
        frame["persons_off"] = made.persons_off
        self.quantiles_ = frame


class DPHotSpots(Releaser):
    """The busiest public keys by number of persons, without figures; ``hot_spots_`` after ``fit``."""

    product = "hot_spots"

    def _draw(self, table: pa.Table, codes: np.ndarray, purse: Purse) -> None:
        keys = self._keys()
        cell = places(table, keys, self._key_columns())
        chosen = hot_spots(codes, cell, keys=keys, top=self.plan.options["top"], epsilon=self.plan.epsilon, purse=purse)
        frame = pd.DataFrame(dict(zip(keys.columns, keys.values[chosen].T, strict=True)))
        frame.insert(0, "rank", np.arange(1, len(frame) + 1))
        self.hot_spots_ = frame


class DPSelectedFlows(Releaser):
    """Counts at keys that enough persons share; ``selected_flows_`` after ``fit``, ``threshold_`` the noisy count that named them.

    Half of epsilon and all of delta find the keys, the other half counts trips at them. ``trip`` must be there: it orders
    a person's keys. Trips at other keys are left out before the counts are bounded.
    """

    product = "selected_flows"

    def _key_columns(self) -> tuple[str, ...]:
        return self.columns or tuple(self.plan.options["columns"])

    def _needed(self) -> tuple[str, ...]:
        return (*self._key_columns(), "trip")

    def _draw(self, table: pa.Table, codes: np.ndarray, purse: Purse) -> None:
        names, options, epsilon = self._key_columns(), self.plan.options, self.plan.epsilon
        purse.affords(epsilon, delta=self.plan.delta)
        whole = np.ones(table.num_rows, bool)
        for name in names:
            whole &= np.asarray(pc.is_valid(table[name]))
        rows = np.stack([pc.fill_null(table[name].cast(pa.int64()), 0).to_numpy() for name in names], 1)
        made = select_keys(
            np.where(whole, codes, -1),
            rows,
            hash_order(table["trip"].to_numpy(), key=fresh_key()),
            columns=tuple(options["columns"]),
            max_keys=options["max_keys"],
            epsilon=epsilon * KEYS_SHARE,
            delta=self.plan.delta,
            purse=purse,
        )
        counted = ("trips", "capped_noisy", "capped_low", "capped_high")
        if made is None:
            kinds = dict.fromkeys((*options["columns"], "persons_noisy"), np.int64) | dict.fromkeys(counted, np.float64)
            self.threshold_ = None
            self.selected_flows_ = pd.DataFrame({name: np.zeros(0, kind) for name, kind in kinds.items()})
            return
        keys = table_keys(made.keys)
        measured = measure_table(
            codes,
            np.where(whole, made.keys.locate(rows), -1),
            keys=keys,
            cost=epsilon * (1 - KEYS_SHARE),
            purse=purse,
            max_trips=self.plan.max_trips,
        )
        frame = pd.DataFrame(dict(zip(made.keys.columns, made.keys.values.T, strict=True)))
        frame["persons_noisy"] = made.persons
        low, high = noise_interval(measured.units, measured.noise, scale=measured.scale, confidence=self.confidence)
        figures = (estimate_table(measured, keys).trips, measured.cells, low, high)
        for name, values in zip(counted, figures, strict=True):
            frame[name] = values
        self.threshold_, self.selected_flows_ = made.threshold, frame
