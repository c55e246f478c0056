"""Map matching measured: recall and speed beside leuvenmapmatching on Oldenburg, a day of trips, Porto's real taxis.

``python benchmarks/routes.py oldenburg --other-python /path/with/leuvenmapmatching/bin/python`` prints a table; the
truth is simulated here on the real network (routes that are not shortest paths, speeds by class, noise of 10 m), so
that every driven link is known. ``size`` times 100,000 trips of 50 fixes, ``porto`` reads the real taxis. All seeds
are arguments; figures of one run belong together, since the machine is shared.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from anonkit.geo.matching import Matcher, MatchSettings
from anonkit.geo.networks import Network
from anonkit.geo.networks_read import read_network
from scipy.sparse.csgraph import dijkstra

OTHER = """
import json, sys, time
from leuvenmapmatching.matcher.distance import DistanceMatcher
from leuvenmapmatching.map.inmem import InMemMap
import logging; logging.disable(logging.CRITICAL)
case = json.load(open(sys.argv[1]))
streets = InMemMap("streets", use_latlon=False, use_rtree=True, index_edges=True)
for node, (x, y) in enumerate(case["nodes"]):
    streets.add_node(node, (x, y))
for a, b in case["links"]:
    streets.add_edge(a, b)
best = (-1.0, [], 0.0)
for extra in ({"obs_noise": 10, "obs_noise_ne": 20, "max_lattice_width": 8},
              {"obs_noise": 10, "obs_noise_ne": 40, "dist_noise": 50, "max_lattice_width": 5},
              {"obs_noise": 10, "dist_noise": 30, "max_lattice_width": 5, "restrained_ne": False}):
    answer, start, reached = [], time.perf_counter(), 0
    for trace in case["traces"]:
        matcher = DistanceMatcher(streets, max_dist=200, min_prob_norm=0.0001, non_emitting_states=True, **extra)
        _, last = matcher.match([tuple(p) for p in trace])
        reached += (last + 1) / len(trace)
        answer.append([[a, b] for a, b in matcher.path_pred if a != b] if matcher.path_pred else [])
    if reached > best[0]:  # the settings under which the other tool gets farthest count
        best = (reached, answer, time.perf_counter() - start)
_, answer, seconds = best
json.dump({"paths": answer, "seconds": seconds}, open(sys.argv[2], "w"))
"""


def drive(network: Network, *, trips: int, seconds: int, noise_m: float, seed: int, fixes: int | None = None) -> dict:
    """Trips whose links are known: each trip takes the shortest path under its own random link weights."""
    rng = np.random.default_rng(seed)
    speed = np.clip(network.speed_kmh, 20, None) / 3.6
    weights = 24
    forest = [network.graph(network.length_m * rng.uniform(0.6, 1.8, network.links)) for _ in range(weights)]
    pair_link = {}
    for link in np.argsort(-network.length_m):
        pair_link[int(network.link_start[link]), int(network.link_end[link])] = int(link)
    truth, traces, times = [], [], []
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
            x, y = along(network, link, share * network.length_m[link])
            traces.append(np.column_stack([x, y]) + rng.normal(0, noise_m, (len(at), 2)))
            times.append(np.round(at).astype(np.int64))
            truth.append(links[: place[-1] + 1])
            if len(truth) == trips:
                break
    offsets = np.r_[0, np.cumsum([len(trace) for trace in traces])]
    return {"offsets": offsets, "xy": np.vstack(traces), "time": np.concatenate(times), "truth": truth}


def along(network: Network, link: np.ndarray, metres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates at some metres along links."""
    count = np.diff(network.shape_offset)
    owner = np.repeat(np.arange(network.links), count)
    step = np.r_[
        0.0, np.where(owner[1:] == owner[:-1], np.hypot(np.diff(network.shape_x), np.diff(network.shape_y)), 0)
    ]
    total = np.cumsum(step)
    position = total[network.shape_offset[link]] + np.clip(metres, 0, network.length_m[link])
    right = np.searchsorted(total, position, side="right")
    right = np.clip(right, network.shape_offset[link] + 1, network.shape_offset[link + 1] - 1)
    gap = np.maximum(total[right] - total[right - 1], 1e-9)
    share = np.clip((position - total[right - 1]) / gap, 0, 1)
    x, y = network.shape_x, network.shape_y
    return x[right - 1] + share * (x[right] - x[right - 1]), y[right - 1] + share * (y[right] - y[right - 1])


def recovered(truth: list, found: list, length: np.ndarray) -> tuple[float, float]:
    """Recall and precision by length over all trips, directed links, each link once a trip."""
    hit = driven = claimed = 0.0
    for right, guess in zip(truth, found, strict=True):
        right, guess = set(right), set(guess)
        hit += length[list(right & guess)].sum() if right & guess else 0.0
        driven += length[list(right)].sum()
        claimed += length[list(guess)].sum() if guess else 0.0
    return hit / driven, hit / claimed if claimed else 0.0


def oldenburg(data: Path, *, other_python: str | None, trips: int, seed: int, settings: MatchSettings) -> list[dict]:
    """Recall, precision and speed at 5, 15, 30 and 60 s, beside leuvenmapmatching where its Python is given."""
    network = read_network(data / "oldenburg" / "oldenburgGen_edge.txt")
    matcher = Matcher.of(network, settings=settings)
    pair_link = {}
    for link in np.argsort(-network.length_m):
        pair_link[int(network.link_start[link]), int(network.link_end[link])] = int(link)
    rows = []
    for seconds in (5, 15, 30, 60):
        case = drive(network, trips=trips, seconds=seconds, noise_m=10.0, seed=seed + seconds)
        x, y = case["xy"].T
        matcher.match(case["offsets"], case["time"], x, y)  # compiles on the first call
        start = time.perf_counter()
        walks = matcher.match(case["offsets"], case["time"], x, y).walks
        own = time.perf_counter() - start
        found = np.split(walks.link, walks.offsets()[1:-1])
        recall, precision = recovered(case["truth"], [part.tolist() for part in found], network.length_m)
        row = {
            "sampling_s": seconds,
            "fixes": len(x),
            "recall": recall,
            "precision": precision,
            "fixes_per_s": len(x) / own,
        }
        if other_python:
            few = min(trips, 40)
            with tempfile.TemporaryDirectory() as folder:
                question, answer, code = Path(folder) / "q.json", Path(folder) / "a.json", Path(folder) / "o.py"
                code.write_text(OTHER)
                traces = [case["xy"][a:b].tolist() for a, b in zip(case["offsets"], case["offsets"][1:], strict=False)]
                question.write_text(
                    json.dumps(
                        {
                            "nodes": np.column_stack([network.node_x, network.node_y]).tolist(),
                            "links": np.column_stack([network.link_start, network.link_end]).tolist(),
                            "traces": traces[:few],
                        }
                    )
                )
                subprocess.run([other_python, str(code), str(question), str(answer)], check=True)
                result = json.loads(answer.read_text())
            theirs = [[pair_link[a, b] for a, b in path if (a, b) in pair_link] for path in result["paths"]]
            row["other_recall"], row["other_precision"] = recovered(case["truth"][:few], theirs, network.length_m)
            row["own_recall_same"], row["own_precision_same"] = recovered(
                case["truth"][:few], [part.tolist() for part in found[:few]], network.length_m
            )
            row["other_fixes_per_s"] = case["offsets"][few] / result["seconds"]
            row["times_faster"] = row["fixes_per_s"] / row["other_fixes_per_s"]
        rows.append(row)
    return rows


def size(data: Path, *, trips: int, fixes: int, seed: int) -> dict:
    """Seconds for many trips of 50 fixes, index and route table included."""
    network = read_network(data / "oldenburg" / "oldenburgGen_edge.txt")
    base = drive(network, trips=4000, seconds=5, noise_m=10.0, seed=seed, fixes=fixes)
    long = np.flatnonzero(np.diff(base["offsets"]) == fixes)
    rng = np.random.default_rng(seed)
    chosen = rng.choice(long, size=trips)
    rows = (base["offsets"][chosen][:, None] + np.arange(fixes)).ravel()
    xy = base["xy"][rows] + rng.normal(0, 3.0, (len(rows), 2))
    clock = base["time"][rows]
    Matcher.of(network).match(np.arange(11) * fixes, clock[: 10 * fixes], *xy[: 10 * fixes].T)  # compile
    start = time.perf_counter()
    matched = Matcher.of(network).match(np.arange(trips + 1) * fixes, clock, xy[:, 0], xy[:, 1])
    seconds = time.perf_counter() - start
    return {"trips": trips, "fixes": len(xy), "seconds": seconds, "unmatched_share": matched.unmatched_share}


def main() -> None:
    """Run one benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["oldenburg", "size"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--other-python", default=None)
    parser.add_argument("--trips", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.what == "oldenburg":
        rows = oldenburg(
            given.data,
            other_python=given.other_python,
            trips=given.trips,
            seed=given.seed,
            settings=MatchSettings(noise_m=10.0),
        )
        print(pd.DataFrame(rows).round(4).to_string(index=False))
    else:
        print(size(given.data, trips=100_000, fixes=50, seed=given.seed))


if __name__ == "__main__":
    main()
