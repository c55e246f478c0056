"""The gate's recount: one look at the rows in numbers, and what every check asks of them.

Each class of a written file is compared with the rows that belong to it: their number, the persons and drivers in it, the
most rows of one person, and the people of what finer products leave. Beside the classes: what each time bin leaves, whether
destinations and origins stay open, and the suppression table. Rulings 1, 5, 6, 7, 11, 26.

Does not protect against a fault in the tokenised table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from anonkit.kanon import Part, Step
from anonkit.publish.gate_classes import Recounted
from anonkit.publish.gate_counts import Few, packed, sorted_unique
from anonkit.publish.gate_rows import GateRows, Lookup, Lot, Places, Written
from anonkit.publish.gate_sql import ROW_RISK, GateSql


class Told:
    """Which rows of a lot the written files tell, step by step."""

    def __init__(self, lot: Lot, lookups: dict[Step, Lookup]) -> None:
        self.classes: dict[Step, np.ndarray] = {}
        self.hit: dict[Step, np.ndarray] = {}
        self.rows: dict[Step, np.ndarray] = {}
        self.open: dict[Step, np.ndarray] = {}
        self.mine: dict[Step, np.ndarray] = {}
        self.part: dict[Part, np.ndarray] = {}
        none = np.zeros(lot.count, dtype=bool)
        self.chain = none
        by_end: dict[str | None, np.ndarray] = {}
        for step, lookup in lookups.items():
            self.classes[step] = lookup.of(lot)
            listed = self.classes[step] >= 0
            end, before = step.part.end, self.part.get(step.part, none)
            self.mine[step] = ~before
            self.hit[step] = listed & ~before
            self.rows[step] = np.flatnonzero(self.hit[step])
            self.open[step] = ~(self.chain if end is None else self.chain | by_end.get(end, none))
            self.part[step.part] = before | listed
            by_end[end] = by_end.get(end, none) | listed
            self.chain = by_end.get(None, none)


class StepCount:
    """What is counted of one step, lot by lot."""

    def __init__(self, step: Step, rows: GateRows, written: Written) -> None:
        spec, people = rows.sql.spec, rows.people
        self.step, self.written = step, written
        fleets = people.get("fleet", 1)
        self.counts = {name: Recounted(rows.sql.session, len(written.trips)) for name in thresholds(rows.sql)}
        self._noisy = spec.noise is not None
        bins, self._column = rows.values(
            step.part.product.bin_column, rows.sql.keys(step)[step.part.product.bin_column], step
        )
        self._bins, size = bins, bins.size
        self.told_in, self.left_in = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
        self.left = {name: Few(size, people[name], fleets, least) for name, least in thresholds(rows.sql).items()}

    def add(self, lot: Lot, told: Told) -> None:
        """The rows of a lot."""
        class_, hit, open_ = told.classes[self.step], told.hit[self.step], told.open[self.step]
        mine = told.rows[self.step]
        at, fresh = class_[mine], open_[mine]
        fleet = None if lot.fleet is None else lot.fleet[mine]
        record = lot.columns["record"][mine] if self._noisy else None
        for name, count in self.counts.items():
            count.add(at, lot.columns[name][mine], fleet, fresh, record if name == "unit" else None)
        bins = lot.take(self._bins, self._column)
        left = np.flatnonzero(open_ & ~hit)
        self.told_in += np.bincount(bins[mine[fresh]], minlength=len(self.told_in))
        self.left_in += np.bincount(bins[left], minlength=len(self.left_in))
        for name, few in self.left.items():
            few.add(bins[left], lot.columns[name][left], None if lot.fleet is None else lot.fleet[left])


class Recount:
    """All that the gate counts of one release.

    ``few_told`` : of each step, places and times with too few counterparts; filled while the lots pass.
    """

    def __init__(self, sql: GateSql, rows: GateRows, folder: Path) -> None:
        self.sql, self.spec, self._rows = sql, sql.spec, rows
        self._written = {step: rows.written(step) for step in rows.steps}
        self._steps = {step: StepCount(step, rows, self._written[step]) for step in rows.steps}
        self._lookups = {step: rows.lookup(step, one) for step, one in self._written.items()}
        self._alike = dict.fromkeys(rows.steps, 0)
        self._bands = Bands(sql, rows, folder / "suppression.parquet")

    def add(self, lot: Lot, told: Told) -> None:
        """The rows of a lot."""
        for step, count in self._steps.items():
            count.add(lot, told)
            self._alike[step] += self._few_counterparts(step, lot, told)
        self._bands.add(lot, told)

    def told(self, lot: Lot) -> Told:
        """What the files tell of a lot's rows."""
        return Told(lot, self._lookups)

    def compare(self, step: Step) -> dict[str, Any]:
        """The released classes beside the recount."""
        count = self._steps[step]
        file, units = count.written, count.counts["unit"]
        k, k_driver = self.sql.k, self.sql.k_driver
        share, risk = self.spec.protection.dominance, ROW_RISK[self.spec.recipient_kind]
        held, trips = units.units, units.trips
        wrong = (trips == 0) | (file.trips != trips + self._noise(count)) | (file.lines != 1)
        if file.bands is not None:
            band = self._band(held)  # none for a class below k, which falls for its size
            wrong |= (band >= 0) & (file.bands != band)
        leaks = (units.rest_trips > 0) & (units.rest < k)
        fewest_drivers = None
        if k_driver is not None:
            drivers = count.counts["driver"]
            fewest_drivers = int(drivers.units.min()) if len(trips) else None
            leaks |= (units.rest_trips > 0) & (drivers.rest < k_driver)
        return {
            "mismatches": int(wrong.sum()),
            "released_rows": int(file.trips.sum()),
            "released_classes": len(file.trips),
            "fewest": int(held.min()) if len(held) else None,
            "fewest_drivers": fewest_drivers,
            "dominated": int((units.top * share.denominator > trips * share.numerator).sum()),
            "leaks": int(leaks.sum()),
            "risky": int((units.top * risk.denominator > trips * risk.numerator).sum()),
        }

    def small_bins(self, step: Step) -> int:
        """Time bins in which this step tells something new and leaves a few people's rows."""
        count = self._steps[step]
        both = (count.told_in > 0) & (count.left_in > 0)
        return sum(int((both & few.below()).sum()) for few in count.left.values())

    def alike(self, step: Step) -> int:
        """Origins and bins that give a destination away, and destinations and bins that give an origin away."""
        return self._alike[step]

    def wrong_bands(self) -> int:
        """Lines of the suppression table that are wrong, or about zone-hours that are too small."""
        return self._bands.wrong()

    def _noise(self, count: StepCount) -> np.ndarray | int:
        noise = self.spec.noise
        if noise is None:
            return 0
        edges = np.array(noise.thresholds)
        first = np.searchsorted(edges, count.counts["unit"].record, side="right")
        return np.where(first < len(edges), first - noise.largest, noise.largest)

    def _band(self, units: np.ndarray) -> np.ndarray:
        bands = np.array([-1, *sorted(self.spec.bands)])
        return bands[np.searchsorted(bands[1:], units, side="right")]

    def _few_counterparts(self, step: Step, lot: Lot, told: Told) -> int:
        least = self.spec.protection.l_places
        if step.part.end is not None or least < 2:
            return 0
        keys, total = self._rows.keys(step), 0
        numbers = self._written[step].numbers
        present = sorted_unique(told.classes[step][told.rows[step]])
        missing = np.flatnonzero(told.mine[step] & ~told.hit[step])
        for other in ("end_cell", "start_cell"):
            group = [number for number, (name, _, _) in enumerate(keys) if name != other]
            asked = next(number for number, (name, _, _) in enumerate(keys) if name == other)
            listed = packed(*((numbers[at][present], keys[at][1].size) for at in group))
            groups, places = np.unique(listed, return_counts=True)
            few, places = groups[places < least], places[places < least]
            mine = packed(*((lot.take(keys[at][1], keys[at][2])[missing], keys[at][1].size) for at in group))
            found = Places(few).of(mine).astype(np.int64)
            rows = missing[found >= 0]
            values = keys[asked][1]
            cell = packed((found[found >= 0], len(few)), (lot.take(values, keys[asked][2])[rows], values.size))
            possible = self._many(cell, lot, rows) // values.size
            total += int((places + np.isin(np.arange(len(few)), possible) < least).sum())
        return total

    def _many(self, cell: np.ndarray, lot: Lot, rows: np.ndarray) -> np.ndarray:
        """Cells that hold k persons."""
        names = sorted_unique(cell)
        fleet = None if lot.fleet is None else lot.fleet[rows]
        found = Recounted(self.sql.session, len(names))
        found.add(np.searchsorted(names, cell), lot.columns["unit"][rows], fleet, np.zeros(len(rows), dtype=bool))
        return names[found.units >= self.sql.k]


class Bands:
    """The suppression table beside the rows: of each part, area and hour the share of trips that the part does not tell."""

    def __init__(self, sql: GateSql, rows: GateRows, path: Path) -> None:
        spec, self._rows = sql.spec, rows
        self._parts = [part for product in spec.products for part in product.parts()]
        hour = sql.hour
        query = "SELECT part, area::BIGINT AS area, hour::BIGINT AS hour, suppressed_pct AS told FROM {file}"
        self._table = sql.session.sql(query, file=path)
        self._hours = rows.formula(f"({hour})::BIGINT", "start_bin")
        self._areas = {
            end: rows.formula(sql.cell(f"{end}_cell", spec.suppression_level), "cells") for end in ("start", "end")
        }
        fleets = rows.people.get("fleet", 1)
        self._rows_in: dict[str, np.ndarray] = {}
        self._hidden: dict[Part, np.ndarray] = {}
        self._few: dict[tuple[Any, str], Few] = {}
        for part in self._parts:
            end = part.end or "start"
            groups = self._areas[end].size * self._hours.size
            self._rows_in.setdefault(end, np.zeros(groups, dtype=np.int64))
            self._hidden[part] = np.zeros(groups, dtype=np.int64)
            for name, least in thresholds(sql).items():
                self._few.setdefault((end, name), Few(groups, rows.people[name], fleets, least))
                self._few[part, name] = Few(groups, rows.people[name], fleets, least)

    def add(self, lot: Lot, told: Told) -> None:
        """The rows of a lot."""
        hours = lot.take(self._hours, "start_bin")
        groups = {
            end: lot.take(self._areas[end], f"{end}_cell") * np.int64(self._hours.size) + hours for end in self._rows_in
        }
        for end, group in groups.items():
            self._rows_in[end] += np.bincount(group, minlength=len(self._rows_in[end]))
        for part in self._parts:
            hidden = np.flatnonzero(~told.part[part])
            group = groups[part.end or "start"][hidden]
            self._hidden[part] += np.bincount(group, minlength=len(self._hidden[part]))
            for (of, name), few in self._few.items():
                if of == part:
                    few.add(group, lot.columns[name][hidden], None if lot.fleet is None else lot.fleet[hidden])
        for (of, name), few in self._few.items():
            if isinstance(of, str):
                few.add(groups[of], lot.columns[name], lot.fleet)

    def wrong(self) -> int:
        """Lines that are wrong, or about zone-hours that are too small."""
        part_of = self._table.column("part").to_pylist()
        parts = {part.name: part for part in self._parts}
        total = sum(name not in parts for name in part_of)
        said = np.array(self._table.column("told").to_pylist(), dtype=object)
        hours = self._hours.of(self._table.column("hour"))
        names = np.array(part_of, dtype=object)
        for name, part in parts.items():
            end = part.end or "start"
            lines = np.flatnonzero(names == name)
            areas = self._areas[end].of(self._table.column("area"))
            known = (areas[lines] >= 0) & (hours[lines] >= 0)
            at = (areas * self._hours.size + hours)[lines][known]
            rows, hidden = self._rows_in[end][at], self._hidden[part][at]
            right = np.select(
                [hidden == 0, 20 * hidden < rows, 5 * hidden < rows, 2 * hidden < rows],
                ["0", "<5", "5-20", "20-50"],
                ">50",
            )
            wrong = (rows == 0) | (said[lines][known] != right)
            for (of, _), few in self._few.items():
                if of == end:
                    wrong |= few.below()[at]
                elif of == part:
                    wrong |= (hidden > 0) & few.below()[at]
            total += int(wrong.sum()) + int((~known).sum())
        return total


def thresholds(sql: GateSql) -> dict[str, int]:
    """Whose number counts, and from how many on."""
    return {"unit": sql.k} | ({"driver": sql.k_driver} if sql.k_driver is not None else {})
