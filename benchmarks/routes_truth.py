"""Trips whose links are known, for the benchmarks of map matching: simulated on a real network, seeded."""

from __future__ import annotations

import numpy as np
from anonkit.geo.matching_trial import places_along
from anonkit.geo.networks import Network
from scipy.sparse.csgraph import dijkstra


def drive(network: Network, *, trips: int, seconds: int, noise_m: float, seed: int, fixes: int | None = None) -> dict:
    """Trips whose links are known: each trip takes the shortest path under its own random link weights."""
    rng = np.random.default_rng(seed)
    speed = np.clip(network.speed_kmh, 20, None) / 3.6
    weights = 24
    forest = [network.graph(network.length_m * rng.uniform(0.6, 1.8, network.links)) for _ in range(weights)]
    pair_link = {}
    for link in np.argsort(-network.length_m):
        pair_link[int(network.link_start[link]), int(network.link_end[link])] = int(link)
    truth, traces, times, driven = [], [], [], []
    sources = rng.integers(0, network.nodes, size=(weights, max(1, trips // weights // 20 + 1)))
    while len(truth) < trips:
        w = int(rng.integers(weights))
        source = int(rng.choice(sources[w]))
        distance, before = dijkstra(forest[w], indices=source, return_predecessors=True)
        for target in rng.permutation(np.flatnonzero(np.isfinite(distance) & (distance > 1500)))[:40]:
            nodes = [int(target)]
            while nodes[-1] != source:
                nodes.append(int(before[nodes[-1]]))
            links = [pair_link[a, b] for a, b in zip(nodes[::-1][:-1], nodes[::-1][1:], strict=True)]
            pace = rng.uniform(0.6, 1.1)
            enter = np.r_[0.0, np.cumsum(network.length_m[links] / (speed[links] * pace))]
            at = np.arange(0.0, enter[-1], seconds)
            if fixes is not None:
                at = at[:fixes]
            if len(at) < 3:
                continue
            place = np.searchsorted(enter, at, side="right") - 1
            share = (at - enter[place]) / (enter[place + 1] - enter[place])
            link = np.asarray(links)[place]
            x, y = places_along(network, link, share * network.length_m[link])
            traces.append(np.column_stack([x, y]) + rng.normal(0, noise_m, (len(at), 2)))
            times.append(np.round(at).astype(np.int64))
            truth.append(links[: place[-1] + 1])
            before_m = network.length_m[links[: place[-1]]].sum()
            driven.append(float(before_m + share[-1] * network.length_m[links[place[-1]]]))
            if len(truth) == trips:
                break
    offsets = np.r_[0, np.cumsum([len(trace) for trace in traces])]
    return {
        "offsets": offsets,
        "xy": np.vstack(traces),
        "time": np.concatenate(times),
        "truth": truth,
        "driven_m": np.asarray(driven),
    }


def recovered(truth: list, found: list, length: np.ndarray) -> tuple[float, float]:
    """Recall and precision by length over all trips, directed links, each link once a trip."""
    hit = driven = claimed = 0.0
    for right, guess in zip(truth, found, strict=True):
        right, guess = set(right), set(guess)
        hit += length[list(right & guess)].sum() if right & guess else 0.0
        driven += length[list(right)].sum()
        claimed += length[list(guess)].sum() if guess else 0.0
    return hit / driven, hit / claimed if claimed else 0.0


def ahead(truth: list, ours: list, theirs: list, length: np.ndarray, *, seed: int) -> tuple[float, float]:
    """Recall of one matcher minus that of another: the 95 % interval, whole trips drawn again 2,000 times."""
    trips = [list(set(trip)) for trip in truth]
    driven = np.array([length[trip].sum() for trip in trips])
    more = np.array([
        length[[link for link in trip if link in ours[i]]].sum() - length[[link for link in trip if link in theirs[i]]].sum()
        for i, trip in enumerate(trips)
    ])  # fmt: skip
    drawn = np.random.default_rng(seed).integers(0, len(trips), size=(2000, len(trips)))
    low, high = np.quantile(more[drawn].sum(axis=1) / driven[drawn].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)
