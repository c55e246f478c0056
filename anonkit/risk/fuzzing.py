"""Same-offset fuzzing: start and end of a trip moved by the same random vector keep their difference.

Louisville's SQL draws one pair of random numbers a row and adds it to start *and* end, so end − start survives up to
the grid step; who knows one end (a stop, a home) has the other. Its query also marks one trip of each rare pair only.
`louisville_fuzz` re-creates the procedure from the published SQL; `same_offset_attack` runs the inference.
Source: louisvillemetro-innovation/Dockless-Open-Data, README, steps 3 and 4.
Does not undo independent offsets (the control), and says nothing about the time of a trip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anonkit.base.entropy import seeded
from anonkit.risk.incidence import combine
from anonkit.risk.result import RiskFigure, share_figure

Floats = NDArray[np.float64]
STEP = 0.001
LATITUDE_RADIUS, LONGITUDE_RADIUS = 0.004, 0.005
RARE_PAIR = 4


@dataclass(frozen=True, kw_only=True)
class Ends:
    """Start and end of trips, degrees."""

    start_lat: Floats
    start_lon: Floats
    end_lat: Floats
    end_lon: Floats

    def columns(self) -> tuple[Floats, Floats, Floats, Floats]:
        """The four columns in the published order."""
        return self.start_lat, self.start_lon, self.end_lat, self.end_lon


def binned(ends: Ends) -> Ends:
    """Coordinates rounded to three decimal places, as the city does first."""
    return Ends(**dict(zip(_NAMES, (np.round(column, 3) for column in ends.columns()), strict=True)))


_NAMES = ("start_lat", "start_lon", "end_lat", "end_lon")


def rare_pairs(ends: Ends, *, one_of_each: bool = True) -> NDArray[np.bool_]:
    """Rows that the city's query marks: pairs of at most four trips, and of each only one row, as GROUP BY returns."""
    codes = [np.round(column / STEP).astype(np.int64) for column in ends.columns()]
    pair = combine(*(code - code.min(initial=0) for code in codes))
    counts = np.bincount(pair) if len(pair) else np.zeros(0, np.int64)
    rare = counts[pair] <= RARE_PAIR
    if one_of_each:
        first = np.zeros(len(pair), bool)
        first[np.unique(pair, return_index=True)[1]] = True
        rare &= first
    return rare


def louisville_fuzz(ends: Ends, *, seed: int, same_offset: bool = True, one_of_each: bool = True) -> Ends:
    """The city's procedure on binned ends; ``same_offset=False`` draws start and end apart, as it should have been.

    Parameters
    ----------
    ends : raw or binned ends.
    same_offset : True as published.
    one_of_each : True as published: of a rare pair one row is moved.

    Returns
    -------
    Ends as they would be published, truncated to three decimals where moved.

    Privacy
    -------
    A re-creation of a flawed method for attack and teaching; not a protection.

    Sources
    -------
    Dockless-Open-Data, README, "Anonymize start and end points with few trips".
    """
    ends = binned(ends)
    moved = rare_pairs(ends, one_of_each=one_of_each)
    rng = seeded(seed)
    first = _offsets(len(moved), rng)
    second = first if same_offset else _offsets(len(moved), rng)
    shifts = (first[0], first[1], second[0], second[1])
    columns = (
        np.where(moved, np.trunc((column + shift) / STEP) * STEP, column)
        for column, shift in zip(ends.columns(), shifts, strict=True)
    )
    return Ends(**dict(zip(_NAMES, columns, strict=True)))


def same_offset_attack(truth: Ends, released: Ends, *, seed: int, steps: int = 1) -> RiskFigure:
    """Share of moved trips whose true end cell is found by somebody who knows the true start.

    Parameters
    ----------
    truth : binned true ends, in the order of ``released``.
    released : what was published.
    steps : grid steps of tolerance; truncation alone moves an end by up to one.

    Returns
    -------
    RiskFigure over moved rows. Baseline: taking the released end as it is. Control: the same inference with the
    offset of another row, which is what independent offsets leave.

    Privacy
    -------
    An attack on a published method; needs the truth only to judge it.

    Sources
    -------
    As `louisville_fuzz`.
    """
    true, seen = binned(truth), released
    moved = (np.abs(true.start_lat - seen.start_lat) > STEP / 2) | (np.abs(true.start_lon - seen.start_lon) > STEP / 2)
    d_lat, d_lon = (seen.start_lat - true.start_lat)[moved], (seen.start_lon - true.start_lon)[moved]

    def found(lat_shift: Floats, lon_shift: Floats) -> NDArray[np.bool_]:
        off_lat = np.abs(seen.end_lat[moved] - lat_shift - true.end_lat[moved])
        off_lon = np.abs(seen.end_lon[moved] - lon_shift - true.end_lon[moved])
        return np.asarray((off_lat <= (steps + 0.5) * STEP) & (off_lon <= (steps + 0.5) * STEP))

    order = seeded(seed).permutation(len(d_lat))
    zero = np.zeros(len(d_lat))
    return share_figure(
        "same-offset fuzzing",
        found(d_lat, d_lon),
        baseline=float(found(zero, zero).mean()) if len(d_lat) else 0.0,
        control_hits=found(d_lat[order], d_lon[order]),
        seed=seed,
        assumptions=("the attacker knows the true start cell of a moved trip and looks for its end cell",),
        details={"moved_rows": int(moved.sum()), "rows": len(moved)},
    )


def _offsets(rows: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    a, b = rng.random((2, rows))
    turn = 2 * np.pi * a / np.maximum(b, 1e-12)
    return b * LATITUDE_RADIUS * np.cos(turn), b * LONGITUDE_RADIUS * np.sin(turn)
