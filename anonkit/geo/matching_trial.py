"""Simulated drives whose links are known: the truth that map matching, cuts and route products are tried on.

People with a home and a few popular places drive on a real or invented network, each trip by the shortest way under
its own random weights (so routes are not shortest paths), on streets with speeds of their own and a slow evening hour.
Fixes come at even steps with Gaussian noise. Everything is seeded, nothing is read from any trip, and nobody exists.
It protects nothing; real drives turn back, stop and lose signal more often.

Source of the idea of perturbed weights: Bekhor, Ben-Akiva and Ramming 2006, link penalties for route choice sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse.csgraph import dijkstra

from anonkit.base.entropy import seeded
from anonkit.geo.matching import Walks
from anonkit.geo.networks import Floats, Ints, Network

RUSH_HOUR, RUSH = 18, 1.6
TREES = 16


@dataclass(frozen=True, eq=False)
class Drives:
    """Fixes with the links behind them, and invented persons and drivers."""

    offsets: Ints
    time_s: Ints
    lon: Floats
    """Degrees, or metres on a network without a centre."""
    lat: Floats
    person: list[str]
    driver: list[str]
    truth: Walks
    """What was really driven, with true times."""
    link_s: Floats
    """True mean seconds of each link outside the rush hour."""


def simulate_drives(
    network: Network,
    *,
    trips: int,
    persons: int,
    drivers: int,
    every_s: int,
    noise_m: float,
    seed: int,
    places: int = 12,
    least_m: float = 1500.0,
    spread: float = 0.35,
) -> Drives:
    """Invent trips of some persons between their homes and popular places of a network.

    Parameters
    ----------
    network : every node should reach every other (``largest_component``).
    every_s, noise_m : step of the receiver and standard deviation of its fixes.
    places : popular nodes that trips start from; a few of them draw most.
    least_m : shortest trip, crow-fly.
    spread : log standard deviation of the streets' own speeds around the public ones.

    Privacy
    -------
    Invented; a visible seed is allowed here.

    Examples
    --------
    >>> from anonkit.geo.networks import Plane
    >>> from anonkit.geo.networks_cells import network_from_cells, square_cells
    >>> x, y, pairs = square_cells(width=12, height=12, cell_m=200)
    >>> town = network_from_cells(centre_x=x, centre_y=y, neighbours=pairs, speed_kmh=36, plane=Plane())
    >>> made = simulate_drives(town, trips=20, persons=9, drivers=4, every_s=15, noise_m=8, seed=1)
    >>> made.truth.trips, len(made.person), len(made.lon) == int(made.offsets[-1])
    (20, 20, True)
    """
    rng = seeded(seed)
    own = network.free_time_s * np.exp(rng.normal(0, spread, network.links))
    hubs = rng.choice(network.nodes, size=min(places, network.nodes), replace=False)
    homes = rng.integers(0, network.nodes, persons)
    popularity = 1.0 / np.arange(1, len(hubs) + 1)
    popularity /= popularity.sum()
    who = rng.integers(0, persons, trips)
    hub = rng.choice(len(hubs), size=trips, p=popularity)
    onward = rng.choice(len(hubs), size=trips, p=popularity)
    target = np.where(rng.random(trips) < 0.5, homes[who], hubs[onward])
    tree = rng.integers(0, TREES, trips)
    hour = rng.choice(24, size=trips, p=_hours())
    link_of = {}
    for link in np.argsort(-network.length_m).tolist():
        link_of[int(network.link_start[link]), int(network.link_end[link])] = link
    graphs = [network.graph(own * rng.uniform(0.7, 1.6, network.links)) for _ in range(TREES)]
    before = [dijkstra(graph, indices=hubs, return_predecessors=True)[1] for graph in graphs]

    rows: list[tuple[int, Ints, Floats, Floats]] = []
    lon, lat, clock, sizes = [], [], [], []
    kept: list[int] = []
    for trip in range(trips):
        path = _links(before[tree[trip]][hub[trip]], int(hubs[hub[trip]]), int(target[trip]), link_of)
        start, stop = int(hubs[hub[trip]]), int(target[trip])
        apart = np.hypot(network.node_x[start] - network.node_x[stop], network.node_y[start] - network.node_y[stop])
        if path is None or apart < least_m:
            other = np.argsort(
                -np.hypot(network.node_x - network.node_x[start], network.node_y - network.node_y[start])
            )
            stop = int(other[rng.integers(0, max(network.nodes // 4, 1))])
            path = _links(before[tree[trip]][hub[trip]], start, stop, link_of)
        if path is None or len(path) < 2:
            continue
        slow = RUSH if hour[trip] == RUSH_HOUR else 1.0
        seconds = own[path] * slow * np.exp(rng.normal(0, 0.12)) * np.exp(rng.normal(0, 0.2, len(path)))
        enter = np.r_[0.0, np.cumsum(seconds)]
        at = np.arange(0.0, enter[-1], every_s)
        place = np.minimum(np.searchsorted(enter, at, side="right") - 1, len(path) - 1)
        share = (at - enter[place]) / (enter[place + 1] - enter[place])
        x, y = places_along(network, path[place], share * network.length_m[path[place]])
        x, y = x + rng.normal(0, noise_m, len(at)), y + rng.normal(0, noise_m, len(at))
        begin = int(rng.integers(0, 28)) * 86_400 + int(hour[trip]) * 3600 + int(rng.integers(0, 2400))
        degrees = network.plane.to_degrees(x, y)
        lon.append(degrees[0])
        lat.append(degrees[1])
        clock.append(begin + at.astype(np.int64))
        sizes.append(len(at))
        rows.append((len(kept), path, begin + enter[:-1], begin + enter[1:]))
        kept.append(trip)
    link = np.concatenate([row[1] for row in rows]).astype(np.int32)
    truth = Walks(
        trip=np.repeat([row[0] for row in rows], [len(row[1]) for row in rows]).astype(np.int32),
        piece=np.zeros(len(link), np.int32),
        link=link,
        enter_s=np.concatenate([row[2] for row in rows]),
        exit_s=np.concatenate([row[3] for row in rows]),
        enter_m=np.zeros(len(link)),
        exit_m=network.length_m[link],
        trips=len(kept),
    )
    driver = rng.integers(0, drivers, len(kept))
    return Drives(
        offsets=np.r_[0, np.cumsum(sizes)].astype(np.int64),
        time_s=np.concatenate(clock),
        lon=np.concatenate(lon),
        lat=np.concatenate(lat),
        person=[f"person {number}" for number in who[kept]],
        driver=[f"driver {number}" for number in driver],
        truth=truth,
        link_s=own,
    )


def _hours() -> Floats:
    weight = np.array([1, 1, 1, 1, 1, 2, 4, 8, 9, 6, 5, 5, 6, 6, 5, 6, 7, 9, 9, 7, 5, 4, 3, 2], dtype=float)
    return np.asarray(weight / weight.sum())


def _links(before: Ints, start: int, stop: int, link_of: dict[tuple[int, int], int]) -> Ints | None:
    nodes = [stop]
    while nodes[-1] != start:
        previous = int(before[nodes[-1]])
        if previous < 0:
            return None
        nodes.append(previous)
    nodes.reverse()
    return np.array([link_of[a, b] for a, b in pairwise(nodes)], dtype=np.int64)


def places_along(network: Network, link: Ints, metres: Floats) -> tuple[Floats, Floats]:
    """Coordinates (metres) at some metres along links."""
    count = np.diff(network.shape_offset)
    owner = np.repeat(np.arange(network.links), count)
    step = np.hypot(np.diff(network.shape_x), np.diff(network.shape_y))
    total = np.cumsum(np.r_[0.0, np.where(owner[1:] == owner[:-1], step, 0)])
    position = total[network.shape_offset[link]] + np.clip(metres, 0, network.length_m[link])
    right = np.searchsorted(total, position, side="right")
    right = np.clip(right, network.shape_offset[link] + 1, network.shape_offset[link + 1] - 1)
    share = np.clip((position - total[right - 1]) / np.maximum(total[right] - total[right - 1], 1e-9), 0, 1)
    x, y = network.shape_x, network.shape_y
    return x[right - 1] + share * (x[right] - x[right - 1]), y[right - 1] + share * (y[right] - y[right - 1])


def trace_length_m(group: Any, x: Any, y: Any, *, curved: bool) -> Floats:
    """Length of the trace through the points of each group, by straight lines or by the corners that they cut.

    A street that turns between two fixes is longer than the straight line between them. With ``curved`` each line is
    replaced by two that leave and reach its ends in the directions in which the trace passes there (the heading at a point
    is the mean of its two lines' headings, the nearer weighing more), or by a cubic where the two do not bend the same way.
    Uses the points alone, no street: it is what a match can be compared with.

    Parameters
    ----------
    group : whole numbers from 0, ascending: the trip or piece of each point.
    x, y : metres.

    Returns
    -------
    Metres of each group, from 0 to the largest.

    Privacy
    -------
    A figure about raw points: inside only.

    Examples
    --------
    >>> corner = ([0, 0, 0, 0], [0.0, 100, 100, 200], [0.0, 0, 100, 100])
    >>> trace_length_m(*corner, curved=False).round(1), trace_length_m([0, 0, 0], [0.0, 50, 99], [0.0, 0, 0], curved=True)
    (array([300.]), array([99.]))
    >>> around = ([0, 0, 0, 0], [0.0, 80, 100, 100], [0.0, 0, 20, 100])  # cuts a corner of 100 and 100 m
    >>> [float(trace_length_m(*around, curved=way)[0].round(1)) for way in (False, True)]
    [188.3, 192.5]
    """
    group, x, y = np.asarray(group, dtype=np.int64), np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    dx, dy, own = np.diff(x), np.diff(y), np.diff(group) == 0
    line = np.hypot(dx, dy)
    used = own & (line > 0)
    line, owner, heading = line[used], group[1:][used], np.arctan2(dy, dx)[used]
    if curved and len(line):
        turn = np.where(np.diff(owner) == 0, (np.diff(heading) + np.pi) % (2 * np.pi) - np.pi, 0.0)
        nearer = line[:-1] / (line[:-1] + line[1:])
        leave, reach = np.r_[0.0, turn * (1 - nearer)], np.r_[turn * nearer, 0.0]
        a, b = np.abs(leave), np.abs(reach)
        corner = (leave * reach > 0) & (a + b < 2.4)
        legs = (np.sin(a) + np.sin(b)) / np.sin(np.where(corner, a + b, 1.0))
        cubic = 1 + (2 * a * a - leave * reach + 2 * b * b) / 30
        line = line * np.clip(np.where(corner, legs, cubic), 1.0, 1.6)
    return np.bincount(owner, weights=line, minlength=int(group[-1]) + 1 if len(group) else 0).astype(float)
