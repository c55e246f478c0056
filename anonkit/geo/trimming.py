"""Trip ends cut off before anything is counted (ruling 30): whole public cells, never a circle around a home.

The first and the last place of a trip are a home, a workplace, a clinic. Around the public cell in which a trip starts
(or ends) the block of that cell and its eight neighbours is hidden: every point of the cell is then at least one cell's
side from the block's border, and what the cut betrays is the cell, the same for everybody in it. A circle around the
true point would betray its centre from three cuts; a block of finer cells would betray its middle cell, which is why
cells smaller than the promised distance are refused. Receivers' noise must not move one place between two cells, or the
two cuts together would betray the border it lies at: ends near a border settle on the cell their own person uses most.

What remains is still **raw**: links in the middle of a trip can be driven by one person alone. It does not hide that a
person lives somewhere in a cell that hardly anybody starts from; that takes the thresholds of ``anonkit.kanon.routes``.

Sources: Dai et al. 2018 (the risk of Strava's circular privacy zones); Hassan et al. 2018, USENIX Security.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anonkit.base.errors import SchemaError
from anonkit.geo.matching import Walks
from anonkit.geo.networks import Floats, Ints, Network


@dataclass(frozen=True, kw_only=True)
class EndRule:
    """How ends are cut: public numbers, no defaults.

    >>> EndRule(cell_m=250, minimum_m=200, settle_m=50).hidden_m
    750
    """

    cell_m: int
    """Side of the public cells, anchored at the plane's public centre."""
    minimum_m: int
    """At least this distance around every end is hidden."""
    settle_m: int
    """Receivers put one place at most this far apart; ends this near to a border settle on one cell."""

    def __post_init__(self) -> None:
        if self.minimum_m <= 0 or self.settle_m < 0:
            raise SchemaError("The distances of an EndRule must be positive.", hint="for example 200 m and 50 m.")
        if self.cell_m < self.minimum_m + self.settle_m:
            raise SchemaError(
                f"Cells of {self.cell_m} m betray an end more finely than the {self.minimum_m} m that are promised.",
                hint=f"use cells of at least {self.minimum_m + self.settle_m} m (minimum_m + settle_m).",
            )

    @property
    def hidden_m(self) -> int:
        """Side of the hidden block."""
        return 3 * self.cell_m


def end_cells(x: Any, y: Any, person: Any, *, rule: EndRule) -> Ints:
    """Public cell of each trip end, the same for one place of one person every time.

    Parameters
    ----------
    x, y : ends in metres of the network's plane; all ends of the source together, starts and ends.
    person : code of each end's person, −1 for none (such an end keeps its own cell).

    Returns
    -------
    (n, 2) columns and rows. Depends on the same person's ends only (ruling 17).

    Privacy
    -------
    The cells are raw: they say where somebody starts. They are used to cut, not published.

    Examples
    --------
    >>> rule = EndRule(cell_m=250, minimum_m=200, settle_m=50)
    >>> end_cells([240, 255, 245, 100], [10, 10, 10, 10], [7, 7, 7, 8], rule=rule).tolist()
    [[0, 0], [0, 0], [0, 0], [0, 0]]
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    code = np.asarray(person, dtype=np.int64)
    own = np.column_stack([np.floor(x / rule.cell_m), np.floor(y / rule.cell_m)])
    own = np.where(np.isfinite(own), own, 0).astype(np.int64)
    number = _number(own)
    pairs, count = np.unique(np.column_stack([code, number]), axis=0, return_counts=True)
    wide = _joined(pairs[:, 0], pairs[:, 1])
    best, best_count, best_number = own.copy(), np.full(len(x), -1), np.zeros(len(x), dtype=np.int64)
    for column in (-1, 0, 1):
        for row in (-1, 0, 1):
            other = own + np.array([column, row])
            away_x = np.maximum.reduce([other[:, 0] * rule.cell_m - x, x - (other[:, 0] + 1) * rule.cell_m, 0 * x])
            away_y = np.maximum.reduce([other[:, 1] * rule.cell_m - y, y - (other[:, 1] + 1) * rule.cell_m, 0 * y])
            near = np.maximum(away_x, away_y) <= (rule.settle_m if (column, row) != (0, 0) else np.inf)
            near &= (code >= 0) | ((column, row) == (0, 0))
            key = _joined(code, _number(other))
            at = np.minimum(np.searchsorted(wide, key), len(wide) - 1) if len(wide) else np.zeros(0, dtype=np.int64)
            uses = np.where(wide[at] == key, count[at], 0)
            better = near & ((uses > best_count) | ((uses == best_count) & (_number(other) < best_number)))
            best[better], best_count[better] = other[better], uses[better]
            best_number[better] = _number(other)[better]
    return best


def _number(cells: Ints) -> Ints:
    return (cells[:, 1] + (1 << 15)) * (1 << 16) + cells[:, 0] + (1 << 15)


def _joined(person: Ints, cell: Ints) -> Ints:
    return (person + 1) * (1 << 33) + cell


def trim_walks(walks: Walks, network: Network, *, start_cells: Ints, end_cells: Ints, rule: EndRule) -> Walks:
    """Drop every passage over a link that touches the hidden block of its own trip's start or end.

    Parameters
    ----------
    walks : as matched.
    start_cells, end_cells : (trips, 2) from ``end_cells``, one row a trip.

    Returns
    -------
    Walks of the same trips; where passages in the middle fell out a new piece begins. A trip that never left its
    blocks has no passage left. Distance and duration of what remains refer to the cut path.

    Privacy
    -------
    A link that touches the block falls out whole, so the cut depends on public cells and public streets only. The
    result is raw until it is thresholded.
    """
    low_column, high_column, low_row, high_row = link_boxes(network, cell_m=rule.cell_m)
    hidden = np.zeros(len(walks.link), dtype=bool)
    for cells in (np.asarray(start_cells), np.asarray(end_cells)):
        if len(cells) != walks.trips:
            raise SchemaError(
                f"{len(cells)} end cells for {walks.trips} trips.", hint="give one start and one end cell a trip."
            )
        column, row = cells[walks.trip, 0], cells[walks.trip, 1]
        across = (low_column[walks.link] <= column + 1) & (high_column[walks.link] >= column - 1)
        hidden |= across & (low_row[walks.link] <= row + 1) & (high_row[walks.link] >= row - 1)
    return walks.without(hidden)


def trim_fixes(offsets: Any, x: Any, y: Any, *, start_cells: Ints, end_cells: Ints, rule: EndRule) -> NDArray[np.bool_]:
    """Which fixes lie outside the hidden blocks of their own trip's ends; for work on cells, where no street is known.

    Parameters
    ----------
    offsets : fixes of trip i are ``offsets[i]:offsets[i+1]``.
    x, y : metres of the same plane as the cells.

    Privacy
    -------
    What is kept is raw. A straight line between two kept fixes may cross a block: use cells, not lines.
    """
    fixes = np.asarray(offsets, dtype=np.int64)
    owner = np.repeat(np.arange(len(fixes) - 1), np.diff(fixes))
    column = np.floor(np.asarray(x, dtype=float) / rule.cell_m)
    row = np.floor(np.asarray(y, dtype=float) / rule.cell_m)
    keep = np.isfinite(column) & np.isfinite(row)
    for cells in (np.asarray(start_cells), np.asarray(end_cells)):
        inside = (np.abs(column - cells[owner, 0]) <= 1) & (np.abs(row - cells[owner, 1]) <= 1)
        keep &= ~inside
    return keep


def link_boxes(network: Network, *, cell_m: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Lowest and highest column, lowest and highest row of the cells that each link's shape touches (its box)."""
    column = np.floor(network.shape_x / cell_m).astype(np.int64)
    row = np.floor(network.shape_y / cell_m).astype(np.int64)
    begins = network.shape_offset[:-1]
    return (
        np.minimum.reduceat(column, begins),
        np.maximum.reduceat(column, begins),
        np.minimum.reduceat(row, begins),
        np.maximum.reduceat(row, begins),
    )


def first_and_last(offsets: Any, x: Any, y: Any) -> tuple[Floats, Floats, Floats, Floats]:
    """Coordinates of the first and the last finite fix of each trip; NaN where a trip has none.

    >>> first_and_last([0, 3], [np.nan, 1.0, 2.0], [np.nan, 5.0, 6.0])
    (array([1.]), array([5.]), array([2.]), array([6.]))
    """
    fixes = np.asarray(offsets, dtype=np.int64)
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    good = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    first = np.searchsorted(good, fixes[:-1])
    last = np.searchsorted(good, fixes[1:]) - 1
    some = last >= first
    a = good[np.minimum(first, len(good) - 1)] if len(good) else np.zeros(len(first), dtype=np.int64)
    b = good[np.maximum(last, 0)] if len(good) else a
    if not len(good):
        nothing = np.full(len(first), np.nan)
        return nothing, nothing, nothing, nothing
    return tuple(np.where(some, values, np.nan) for values in (x[a], y[a], x[b], y[b]))  # type: ignore[return-value]
