"""Junctions at which what goes in minus what comes out would be a few people: their links are left out, their bins told together.

Volumes of links obey a law that tables do not: who goes into a junction comes out of it. What is missing there (on links or in bins
that are not told), and who appears or vanishes there (a piece of a journey begins or ends: cut, lost, driven against a sign; or
crosses the border of a time bin) can be had by subtraction, also through the noise, which is the same on both sides for the same
people. So at each junction it is nobody, or the thresholds hold (ruling 11): over the whole period, and in every bin.

Does not protect against: sums over several junctions (a whole quarter); combinations of bins of several links' rests.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from anonkit.classes import Protection
from anonkit.geo.matching import Walks
from anonkit.geo.networks import Network
from anonkit.kanon.routes_counting import REST, Bools, Ints, Riders, Tally, tally


class Events(NamedTuple):
    """Where somebody appears or vanishes: one value an event."""

    node: Ints
    part: Ints
    """Code of the bin (or mode) in which he does."""
    trip: Ints
    lasting: Bools
    """He does so over the whole period too; one who passes into another bin does in the bins alone."""


def junction_events(walks: Walks, part: Any, network: Network) -> Events:
    """Begins and ends of pieces, and at each change of the bin between two links an end in one and a begin in the other."""
    part = np.asarray(part, dtype=np.int64)
    link, trip = walks.link.astype(np.int64), walks.trip.astype(np.int64)
    if not len(link):
        nothing = np.zeros(0, np.int64)
        return Events(nothing, nothing, nothing, nothing > 0)
    fresh = (np.diff(walks.trip) != 0) | (np.diff(walks.piece) != 0)
    across = np.flatnonzero(~fresh & (np.diff(part) != 0))
    first, last = np.flatnonzero(np.r_[True, fresh]), np.flatnonzero(np.r_[fresh, True])
    into, gone = np.r_[first, across + 1], np.r_[last, across]
    rows = np.r_[into, gone]
    node = np.r_[network.link_start[link[into]], network.link_end[link[gone]]].astype(np.int64)
    crossing = np.zeros(len(across), dtype=bool)
    lasting = np.r_[np.ones(len(first), dtype=bool), crossing, np.ones(len(last), dtype=bool), crossing]
    return Events(node, part[rows], trip[rows], lasting)


def safe_junctions(
    place: Ints,
    part: Any,
    label: Ints,
    kept: Bools,
    trip: Ints,
    *,
    events: Events,
    riders: Riders,
    network: Network,
    protection: Protection,
    max_rows: int,
) -> tuple[Ints, Bools]:
    """Leave out links, and tell bins together, until who is missing at each junction is nobody or enough.

    Parameters
    ----------
    place, part, label, kept, trip : one value a passage: link, bin, the bin it is told in (``REST``: with others), whether at all.

    Returns
    -------
    ``label, kept``, changed.

    Privacy
    -------
    Every row still holds the thresholds: parts that are told together hold them together, or their link is left out.
    """
    part = np.asarray(part, dtype=np.int64)
    label, out, wide = label.copy(), ~kept, int(part.max(initial=0)) + 1
    start, stop = network.link_start[place].astype(np.int64), network.link_end[place].astype(np.int64)

    def counted(cells: Ints, trips: Ints) -> Tally:
        return tally(cells, trips, riders, max_rows=max_rows)

    def poor(rows: Ints, codes: tuple[Ints, Ints], own: Ints, whose: Ints) -> Ints:
        held = counted(np.r_[codes[0][rows], codes[1][rows], own], np.r_[trip[rows], trip[rows], whose])
        return held.cell[~held.safe(protection)]

    whole = (start, stop)
    by_part = (start * wide + part, stop * wide + part)
    while True:
        few = poor(np.flatnonzero(out), whole, events.node[events.lasting], events.trip[events.lasting])
        near = ~out & (np.isin(start, few) | np.isin(stop, few))
        if near.any():
            out |= np.isin(place, _smallest(counted(place[near], trip[near]), few, network, 1))
            continue
        few = poor(np.flatnonzero(out | (label != part)), by_part, events.node * wide + events.part, events.trip)
        near = ~out & (label == part) & (np.isin(by_part[0], few) | np.isin(by_part[1], few))
        if not near.any():
            return label, ~out
        cells = place * wide + part
        moved = _smallest(counted(cells[near], trip[near]), few, network, wide)
        label[near & np.isin(cells, moved)] = REST
        rest = np.flatnonzero(~out & (label == REST))
        held = counted(place[rest], trip[rest])
        out |= np.isin(place, held.cell[~held.safe(protection)])


def _smallest(left: Tally, few: Ints, network: Network, wide: int) -> list[int]:
    """For each junction (and bin) of ``few`` the told cell with the fewest people; cells are ``link * wide + bin``."""
    wanted, drop = set(few.tolist()), []
    done: set[int] = set()
    for cell in left.cell[np.lexsort((left.cell, left.persons))].tolist():
        link, part = divmod(cell, wide)
        touched = {int(node[link]) * wide + part for node in (network.link_start, network.link_end)} & wanted
        if touched - done:
            drop.append(cell)
            done |= touched
    return drop
