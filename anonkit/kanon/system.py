"""The release as one system: volumes against flows, rows and columns at once.

After all parts are decided, the trips that no trips or flows tell are looked at as the suppressed groups between
departures and arrivals classes (`bridges`). Where a small group of them can be derived from both together, classes of
volumes, or a group of what trips and flows tell, fall beside. A told class falls with everything published that covers or
lies within it, so that what stands is still a partition (ruling 9). Not covered: see `bridges`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa

from anonkit.classes import Protection
from anonkit.engine import Session
from anonkit.geo import Tessellation, TimeBins
from anonkit.kanon.bridges import NOWHERE, Classes, Fallen, OpenRows, Threshold, Told, complementary
from anonkit.kanon.products import Part, Step

UNTOLD = -1
AT_ONCE = 500_000
"""About so many rows are looked at together: pieces never reach beyond one of the coarsest bins."""


@dataclass(frozen=True, kw_only=True)
class PublishedStep:
    """One part at one level, and the classes that it publishes: the product's keys and ``rows``."""

    step: Step
    published: nw.LazyFrame[Any]


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What falls beside, for the whole system's sake."""

    rows: nw.LazyFrame[Any]
    """The rows with what each part still tells."""
    published: tuple[nw.LazyFrame[Any], ...]
    """What each step still publishes, in the order of the steps."""
    fallen: tuple[int, ...]
    """Number of classes that fell, for each step."""
    cuts: int
    """Groups that could have been derived."""


def suppress_beside(
    rows: nw.LazyFrame[Any],
    steps: tuple[PublishedStep, ...],
    *,
    grid: Tessellation,
    base: TimeBins,
    protection: Protection,
    session: Session,
) -> Beside:
    """Let fall what would give a small group away through rows and columns together.

    Parameters
    ----------
    rows : the used rows after thinning, with each part's ``told`` column.
    steps : all steps of the release in the order of the chain.
    grid, base, protection : as in ``decide_products``.

    Privacy
    -------
    See ``bridges.complementary``: afterwards no sum of untold groups that follows exactly from departures, arrivals,
    flows, trips and totals of bins holds fewer than the thresholds.
    """
    nothing = Beside(rows=rows, published=tuple(one.published for one in steps), fallen=(0,) * len(steps), cuts=0)
    parts = tuple(dict.fromkeys(one.step.part for one in steps))
    if {part.end for part in parts} - {None} != {"start", "end"}:
        return nothing
    numbered = tuple(_numbered(one, session) for one in steps)
    system = _System(
        rows=rows, steps=numbered, parts=parts, grid=grid, base=base, protection=protection, session=session
    )
    return system.beside() or nothing


def _numbered(one: PublishedStep, session: Session) -> PublishedStep:
    keys = ", ".join(f'"{key}"' for key in one.step.part.product.keys)
    query = f"SELECT *, row_number() OVER (ORDER BY {keys}) - 1 AS _number FROM {{published}}"
    return PublishedStep(step=one.step, published=session.table(query, published=one.published))


@dataclass(frozen=True, kw_only=True)
class _System:
    rows: nw.LazyFrame[Any]
    steps: tuple[PublishedStep, ...]
    """Their published classes have a ``_number``."""
    parts: tuple[Part, ...]
    grid: Tessellation
    base: TimeBins
    protection: Protection
    session: Session

    def beside(self) -> Beside | None:
        """What falls and what stands; None where nothing falls."""
        bins: dict[int, int] = {}

        def bin_codes(values: np.ndarray) -> np.ndarray:
            own, place = np.unique(values, return_inverse=True)
            codes = np.array([bins.setdefault(int(value), len(bins)) for value in own], dtype=np.int64)
            return codes[place.ravel()]

        starts, ends = (self._classes(self._part(end), bin_codes) for end in ("start", "end"))
        found = [complementary(rows, starts, ends) for rows in self._open_rows(bin_codes)]
        if not any(one.cuts for one in found):
            return None
        covered = self.session.table("SELECT * FROM {rows}", rows=self._placed(self.rows, range(len(self.steps))))
        group: dict[int, dict[int, int]] = {}
        if self.protection.l_places <= 2 and self._chain:  # of three places, a fallen destination could leave two
            told, group = self._told(covered, bin_codes)
            found = [complementary(rows, starts, ends, told) for rows in self._open_rows(bin_codes)]
        return self._without(covered, _together(found), group)

    def _without(self, covered: nw.LazyFrame[Any], found: Fallen, group: dict[int, dict[int, int]]) -> Beside:
        """Rows and published classes without what falls."""
        fallen: list[set[int]] = [set() for _ in self.steps]
        for end, classes in (("start", found.starts), ("end", found.ends)):
            for number, (at, own) in self._offsets(self._part(end)).items():
                fallen[number] |= {code - at for code in classes if at <= code < at + own}
        for number, codes in group.items():
            fallen[number] |= {code for code, own in codes.items() if own in found.told}
        self._add_parents(covered, fallen)
        published = []
        changes: dict[str, str] = {}
        for number, one in enumerate(self.steps):
            listed = ", ".join(map(str, sorted(fallen[number])))
            where = f"WHERE _number NOT IN ({listed})" if listed else ""
            published.append(self.session.table(f"SELECT * EXCLUDE (_number) FROM {{p}} {where}", p=one.published))
            told = one.step.part.told
            if listed:
                changes[told] = (
                    f"{changes.get(told, '')} WHEN {told} = {one.step.number} AND _c{number} IN ({listed}) THEN {UNTOLD}"
                )
        replaced = ", ".join(f"CASE {cases} ELSE {told} END AS {told}" for told, cases in changes.items())
        names = ", ".join(f'"{name}"' for name in self.rows.collect_schema().names())
        rows = self.session.table(f"SELECT {names} FROM (SELECT * REPLACE ({replaced}) FROM {{rows}})", rows=covered)
        self.session.drop(covered)
        return Beside(
            rows=rows,
            published=tuple(published),
            fallen=tuple(len(codes) for codes in fallen),
            cuts=found.cuts,
        )

    # ---- classes of volumes
    def _part(self, end: str) -> Part:
        return next(part for part in self.parts if part.end == end)

    def _offsets(self, part: Part) -> dict[int, tuple[int, int]]:
        """Place of a part's step among all → first number of its classes, and how many they are."""
        found, at = {}, 0
        for number, one in enumerate(self.steps):
            if one.step.part == part:
                own = self.session.value("SELECT count(*) FROM {published}", published=one.published)
                found[number] = (at, own)
                at += own
        return found

    def _classes(self, part: Part, bin_codes: Any) -> Classes:
        coarsest = part.steps()[-1].at.bins
        trips, bins = [], []
        for one in self.steps:
            if one.step.part == part:
                bin_ = coarsest.coarsen(nw.col(part.product.bin_column), one.step.at.bins)
                frame = one.published.select("rows", "_number", bin_.alias("_bin"))
                table = self.session.sql("SELECT * FROM {frame} ORDER BY _number", frame=frame)
                trips.append(table.column("rows").to_numpy())
                bins.append(table.column("_bin").to_numpy())
        return Classes(trips=np.concatenate(trips).astype(np.int64), bin=bin_codes(np.concatenate(bins)))

    def _add_parents(self, covered: nw.LazyFrame[Any], fallen: list[set[int]]) -> None:
        """A class of volumes that falls takes with it the rest of its parent, which would gain its rows."""
        for part in self.parts:
            mine = list(self._offsets(part))
            if part.end is None or not any(fallen[number] for number in mine[:-1]):
                continue
            names = ", ".join(f"_c{number}" for number in mine)
            for row in self.session.rows(f"SELECT DISTINCT {names} FROM {{rows}}", rows=covered):
                for place, number in enumerate(mine):
                    if row[place] in fallen[number]:
                        for later, code in zip(mine[place + 1 :], row[place + 1 :], strict=True):
                            fallen[later] |= {code} - {None}

    # ---- rows
    def _covered(self, rows: nw.LazyFrame[Any], numbers: Iterable[int]) -> nw.LazyFrame[Any]:
        """Rows with ``_c0, _c1, …``: the published class of each of these steps that covers them, told there or before."""
        for number in numbers:
            step, published = self.steps[number].step, self.steps[number].published
            pairs = zip(step.keys, step.part.product.keys, strict=True)
            same = " AND ".join(f'r."{working}" = p."{name}"' for working, name in pairs)
            dropped = ", ".join(f'"{working}"' for working in step.keys)
            rows = self.session.frame(
                f"SELECT r.* EXCLUDE ({dropped}), p._number AS _c{number} FROM {{rows}} r LEFT JOIN {{published}} p "
                f"ON {same} AND r.{step.part.told} BETWEEN 0 AND {step.number}",
                rows=step.keyed(rows, self.grid, self.base),
                published=published,
            )
        return rows

    def _placed(self, rows: nw.LazyFrame[Any], numbers: Iterable[int]) -> nw.LazyFrame[Any]:
        """Covered rows with the numbers of the volumes classes that tell them (-1: none), and the coarsest bin."""
        rows = self._covered(rows, numbers)
        columns = []
        for end in ("start", "end"):
            part = self._part(end)
            cases = " ".join(
                f"WHEN {self.steps[number].step.number} THEN _c{number} + {at}"
                for number, (at, _) in self._offsets(part).items()
            )
            columns.append(f"coalesce(CASE {part.told} {cases} END, {NOWHERE}) AS _{end}")
        bins = self._part("start").steps()[-1].at.bins
        rows = self.session.frame(f"SELECT *, {', '.join(columns)} FROM {{rows}}", rows=rows)
        return rows.with_columns(bins.coarsen(nw.col("start_bin"), self.base).alias("_bin"))

    @property
    def _chain(self) -> list[int]:
        return [number for number, one in enumerate(self.steps) if one.step.part.end is None]

    @property
    def _is_told(self) -> str:
        """SQL of whether trips or flows tell a row."""
        return " OR ".join(f"{part.told} >= 0" for part in self.parts if part.end is None) or "false"

    def _open_rows(self, bin_codes: Any) -> Iterator[OpenRows]:
        """The rows that no trips or flows tell, some bins at a time."""
        protection = self.protection
        counted = [protection.unit] + (["driver"] if protection.k_driver is not None else [])
        counted += [protection.among] if protection.among is not None else []
        names = ", ".join(dict.fromkeys(f'"{name}"' for name in counted))
        untold = self.session.frame(f"SELECT * FROM {{rows}} WHERE NOT ({self._is_told})", rows=self.rows)
        volumes = [number for number, one in enumerate(self.steps) if one.step.part.end is not None]
        placed = self.session.table(
            f"SELECT DISTINCT _start, _end, _bin, {names} FROM {{rows}}", rows=self._placed(untold, volumes)
        )
        for some in self._bins_at_once(placed):
            query = f"SELECT * FROM {{rows}} WHERE _bin IN ({', '.join(map(str, some))})"
            table = self.session.sql(query, rows=placed)
            among = _codes(table, protection.among) if protection.among is not None else None
            thresholds = [Threshold(codes=_codes(table, protection.unit), least=protection.k, among=among)]
            if protection.k_driver is not None:
                thresholds.append(Threshold(codes=_codes(table, "driver"), least=protection.k_driver, among=among))
            start, end, bins = (table.column(name).to_numpy().astype(np.int64) for name in ("_start", "_end", "_bin"))
            yield OpenRows(start=start, end=end, bin=bin_codes(bins), thresholds=tuple(thresholds))
        self.session.drop(placed)

    def _bins_at_once(self, placed: nw.LazyFrame[Any]) -> list[list[int]]:
        """Bins in lots of about ``AT_ONCE`` rows."""
        counts = self.session.rows("SELECT _bin, count(*) FROM {rows} GROUP BY _bin ORDER BY _bin", rows=placed)
        lots: list[list[int]] = []
        room = 0
        for bin_, rows in counts:
            if room < rows:
                lots.append([])
                room = AT_ONCE
            lots[-1].append(bin_)
            room -= rows
        return lots

    def _told(self, covered: nw.LazyFrame[Any], bin_codes: Any) -> tuple[Told, dict[int, dict[int, int]]]:
        """Groups of told classes that fall together; and for each step its class → group."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        names = ", ".join(f"_c{number}" for number in self._chain)
        telling = " + ".join(f"({part.told} >= 0)::INT" for part in self.parts if part.end is None)
        table = self.session.sql(
            f"SELECT {names}, _start, _end, _bin, sum({telling})::BIGINT AS _trips FROM {{rows}} WHERE {self._is_told} "
            "GROUP BY ALL ORDER BY ALL",
            rows=covered,
        )
        codes, offsets, size = [], {}, 0
        for number in self._chain:
            found = table.column(f"_c{number}").to_numpy(zero_copy_only=False).astype(np.float64)
            codes.append(np.where(np.isnan(found), -1, found + size).astype(np.int64))
            offsets[number] = size
            size += int(np.nanmax(found, initial=-1)) + 1
        stacked = np.stack(codes)
        anchor = stacked.max(axis=0)
        ones = [(anchor[mine], code[mine]) for code in stacked for mine in [code >= 0]]
        left, right = (np.concatenate(part) for part in zip(*ones, strict=True))
        matrix = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(size, size)).tocsr()
        group: np.ndarray = connected_components(matrix, directed=False)[1]
        mine = group[anchor]
        trips = np.zeros(int(group.max(initial=-1)) + 1, dtype=np.int64)
        np.add.at(trips, mine, table.column("_trips").to_numpy())
        place = np.full(len(trips), 0)
        place[mine] = np.arange(len(mine))
        start, end, bins = (
            table.column(name).to_numpy().astype(np.int64)[place] for name in ("_start", "_end", "_bin")
        )
        lists = {
            number: {int(code - offsets[number]): int(group[code]) for code in np.unique(row[row >= 0])}
            for number, row in zip(self._chain, stacked, strict=True)
        }
        return Told(start=start, end=end, bin=bin_codes(bins), trips=trips), lists


def _together(found: list[Fallen]) -> Fallen:
    """What falls in any of the lots of bins."""
    return Fallen(
        starts=tuple(sorted({one for part in found for one in part.starts})),
        ends=tuple(sorted({one for part in found for one in part.ends})),
        told=tuple(sorted({one for part in found for one in part.told})),
        cuts=sum(part.cuts for part in found),
    )


def _codes(table: pa.Table, name: str) -> np.ndarray:
    """Values of a column as numbers from 0, null as ``NOWHERE``."""
    coded = table.column(name).combine_chunks().dictionary_encode()
    codes: np.ndarray = coded.indices.fill_null(NOWHERE).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes
