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
from anonkit.classes import Protection
from anonkit.coverage import (
    before_after,
    coverage,
    coverage_curve,
    evenness,
    link_times,
    recommend,
    redundancy,
    route_time,
    trips_needed,
)
from anonkit.geo import TimeBins
from anonkit.geo.matching import Matcher, MatchSettings, Walks
from anonkit.geo.matching_trial import simulate_drives
from anonkit.geo.networks import Network
from anonkit.geo.networks_read import read_network
from anonkit.kanon.perturb import CellKeyNoise
from anonkit.kanon.routes import RouteRule, passage_bins, speeds, volumes, whole_passages
from anonkit.kanon.routes_counting import Riders
from anonkit.kanon.routes_patterns import patterns
from routes_porto import porto
from routes_truth import ahead, drive, recovered

NOISE = CellKeyNoise(largest=2, variance=1.0)
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


def oldenburg(
    data: Path,
    *,
    other_python: str | None,
    trips: int,
    shared: int,
    every: list[int],
    seed: int,
    settings: MatchSettings,
) -> list[dict]:
    """Recall, precision and speed at some samplings, beside leuvenmapmatching where its Python is given.

    ``ahead_low`` and ``ahead_high`` say within which recall here is ahead of recall there, with 95 % (trips drawn again).
    """
    network = read_network(data / "oldenburg" / "oldenburgGen_edge.txt")
    matcher = Matcher.of(network, settings=settings)
    pair_link = {}
    for link in np.argsort(-network.length_m):
        pair_link[int(network.link_start[link]), int(network.link_end[link])] = int(link)
    rows = []
    for seconds in every:
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
            few = min(trips, shared)
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
            ours = [part.tolist() for part in found[:few]]
            row["other_recall"], row["other_precision"] = recovered(case["truth"][:few], theirs, network.length_m)
            row["own_recall_same"], row["own_precision_same"] = recovered(case["truth"][:few], ours, network.length_m)
            row["ahead_low"], row["ahead_high"] = ahead(case["truth"][:few], ours, theirs, network.length_m, seed=seed)
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
    person = [str(value) for value in rng.integers(0, trips // 5, trips)]
    riders = Riders.of(person=person, driver=None, operator=None, key=b"benchmark-key-of-32-bytes-length")
    later = quick_coverage(network, matched.walks, riders)
    start = time.perf_counter()
    rule = RouteRule(protection=Protection(unit="person", k=11), max_rows=2, noise=NOISE)
    found = patterns(
        matched.walks, riders, network, rule=rule, least_m=500, most_links=60, closed=False, beside_volumes=False
    )
    later |= {"patterns": len(found.table), "patterns s": time.perf_counter() - start}
    return {"trips": trips, "fixes": len(xy), "seconds": seconds, "unmatched": matched.unmatched_share, **later}


def efficient(
    walks: Walks, person: list, driver: list, network: Network, *, k: int, seed: int, truth_s: np.ndarray | None = None
) -> dict:
    """Speeds published from half of the persons; travel times of the other half's walks told by them."""
    rng = np.random.default_rng(seed)
    names = pd.factorize(pd.Series(person))[0]
    learn = rng.random(names.max() + 2)[names] < 0.6
    learn_rows = learn[walks.trip]
    riders = Riders.of(person=person, driver=driver, operator=None, key=b"benchmark-key-of-32-bytes-length")
    rule = RouteRule(protection=Protection(unit="person", k=k, k_driver=min(k, 3)), max_rows=2, noise=NOISE)
    part = passage_bins(walks, TimeBins("3h of day", zone="UTC"))
    known = walks.take(learn_rows)
    told = speeds(known, riders, network, rule=rule, part=part[learn_rows], speed_bounds_kmh=(3, 120), step_kmh=1)
    times = link_times(told, network)
    whole = whole_passages(walks, network) & ~learn_rows
    errors, plain, inside, better, really, measured = [], [], [], [], [], []
    free = network.free_time_s * np.median(
        (walks.exit_s - walks.enter_s)[learn_rows & whole_passages(walks, network)]
        / network.free_time_s[walks.link[learn_rows & whole_passages(walks, network)]]
    )
    for trip in np.unique(walks.trip[whole]):
        rows = np.flatnonzero(whole & (walks.trip == trip))
        rows = rows[walks.piece[rows] == walks.piece[rows[0]]]
        if len(rows) < 8 or network.length_m[walks.link[rows]].sum() < 800:
            continue
        links, hour = walks.link[rows], int(part[rows[0]])
        actual = walks.exit_s[rows[-1]] - walks.enter_s[rows[0]]
        guess = route_time(times, links, hour=hour)
        errors.append(guess["time_s"] / actual - 1)
        plain.append(free[links].sum() / actual - 1)
        inside.append(guess["low_s"] <= actual <= guess["high_s"])
        measured.append(guess["measured"])
        origin, destination = int(network.link_start[links[0]]), int(network.link_end[links[-1]])
        if origin != destination and len(better) < 300:
            best = recommend(times, origin=origin, destination=destination, hour=hour).iloc[0]
            better.append(best["time_s"] / guess["time_s"])
            if truth_s is not None:
                really.append(truth_s[np.array(best["links"].split(), dtype=int)].sum() / truth_s[links].sum())
    errors, better, really = np.asarray(errors), np.asarray(better), np.asarray(really)
    return {
        "held-out trips": len(errors),
        "median |error|": np.median(np.abs(errors)),
        "median |error|, one speed for all": np.median(np.abs(plain)),
        "median error": np.median(errors),
        "inside the 90 % interval": np.mean(inside),
        "share of length measured": np.mean(measured),
        "trips with a route faster by 5 % or more": (better <= 0.95).mean(),
        "median time of the recommended route": np.median(better),
        **({"really faster": (really < 1).mean(), "really, median": np.median(really)} if len(really) else {}),
    }


def quick_coverage(network: Network, walks: Walks, riders: Riders) -> dict:
    """Seconds for all coverage measures of a day, from the published volumes on."""
    rule = RouteRule(protection=Protection(unit="person", k=5), max_rows=2, noise=NOISE)
    start = time.perf_counter()
    product = volumes(walks, riders, network, rule=rule, part=passage_bins(walks, TimeBins("1h of day", zone="UTC")))
    made = time.perf_counter() - start
    start = time.perf_counter()
    coverage(product, network=network)
    trips_needed(coverage_curve(product, network=network))
    evenness(product, network=network)
    redundancy(product, network=network)
    before_after(product, product, network=network)
    return {"volumes s": made, "coverage s": time.perf_counter() - start, "passages": len(walks.link)}


def main() -> None:
    """Run one benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", default="oldenburg", choices=["oldenburg", "size", "porto", "efficient"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--other-python", default=None)
    parser.add_argument("--trips", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shared", type=int, default=40, help="trips that the other tool matches too")
    parser.add_argument("--every", type=int, nargs="+", default=[5, 15, 30, 60], help="seconds between fixes")
    given = parser.parse_args()
    if given.what == "oldenburg":
        rows = oldenburg(
            given.data,
            other_python=given.other_python,
            trips=given.trips,
            shared=given.shared,
            every=given.every,
            seed=given.seed,
            settings=MatchSettings(noise_m=10.0),
        )
        print(pd.DataFrame(rows).round(5).to_string(index=False))
    elif given.what == "porto":
        print(pd.Series(porto(given.data, settings=MatchSettings())[0]).to_string())
    elif given.what == "efficient":
        _, made = porto(given.data, settings=MatchSettings())
        walks = made["matched"].walks
        print("Porto, k counts trips\n", pd.Series(
            efficient(walks, made["trip"], made["driver"], made["network"], k=5, seed=given.seed)).to_string())  # fmt: skip
        network = read_network(given.data / "oldenburg" / "oldenburgGen_edge.txt")
        made = simulate_drives(
            network, trips=given.trips, persons=given.trips // 3, drivers=max(given.trips // 20, 5), every_s=15,
            noise_m=10, seed=given.seed,
        )  # fmt: skip
        walks = Matcher.of(network).match(made.offsets, made.time_s, made.lon, made.lat).walks
        print(
            "simulated\n",
            pd.Series(
                efficient(walks, made.person, made.driver, network, k=5, seed=given.seed, truth_s=made.link_s)
            ).to_string(),
        )
    else:
        print(size(given.data, trips=100_000, fixes=50, seed=given.seed))


if __name__ == "__main__":
    main()
