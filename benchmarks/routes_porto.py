"""Porto's real taxis on Porto's real streets: what is matched, and how long the routes are beside the point traces.

``python benchmarks/routes.py porto`` prints the table that ``docs/ROUTES.md`` explains.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import shapely
from anonkit.geo.matching import MATCHED, Matched, Matcher, MatchSettings
from anonkit.geo.matching_trial import places_along, trace_length_m
from anonkit.geo.networks import Network
from anonkit.geo.networks_read import read_network
from routes_truth import drive


def porto(data: Path, *, settings: MatchSettings) -> tuple[dict, dict]:
    """Porto's taxis on Porto's streets: fixes within 30 m, median error, matched length against the point trace.

    A street is longer than the straight lines between fixes 15 s apart: even an error-free matcher has two thirds of its
    lengths within 5 %. So length is told in four readings, each beside what an error-free matcher gets (``ceiling``): as it
    stands; of the parts of a trip that were matched; of those parts with the corners that straight lines cut
    (``trace_length_m``, from the fixes alone); and that over the error-free ratio. The denominator is always every trip
    inside the box: one that was not matched counts as failed.
    """
    network = read_network(data / "porto_roads" / "segments.csv")
    trips = read_porto(data)
    lon, lat, offsets = trips["lon"], trips["lat"], trips["offsets"]
    matched = Matcher.of(network, settings=settings).match(offsets, trips["time"], lon, lat)
    x, y = network.plane.to_metres(lon, lat)
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    inside = (lon > -8.689) & (lon < -8.556) & (lat > 41.140) & (lat < 41.186)
    in_box = np.array([bool(inside[a:b].all()) and b - a >= 5 for a, b in pairwise(offsets)])
    known = matched.fix_link >= 0
    whole = np.bincount(owner, weights=~known, minlength=len(in_box)) == 0
    place = np.full((2, len(x)), np.nan)
    place[:, known] = places_along(network, matched.fix_link[known].astype(np.int64), matched.fix_offset_m[known])
    readings = lengths(matched, owner, x, y)
    alike = trace_length_m(owner[known], *place[:, known], curved=False)
    alike = np.r_[alike, np.zeros(len(in_box) - len(alike))]
    within = matched.fix_distance_m <= 30
    top, bias = error_free(network)
    found, seen = left_out(network, trips, in_box, settings=settings)
    same = same_routes(matched, owner, place, in_box & whole)
    readings["over the error-free ratio"] = readings["with corners"] * bias
    told = {
        "fixes within 30 m of their link": within.mean(),
        "of fixes inside the box": within[inside].mean(),
        "median error m": np.nanmedian(matched.fix_distance_m),
        "trips with a route": (matched.route_m > 0).mean(),
        "length against a one-way sign": 1 - matched.walks.length_m().sum() / matched.route_m.sum(),
        "trips inside the box": int(in_box.sum()),
        "of them with every fix matched": whole[in_box].mean(),
        "of their trace matched": readings["parts that were matched"][in_box].sum()
        / readings["as it stands"][in_box].sum(),
    }
    right = {name: close(matched.route_m, length) for name, length in readings.items()}
    for name, good in right.items():
        told[f"within 5 %, {name}"] = good[in_box].mean()
        told[f"ceiling, {name}"] = top[name]
    told["within 5 %, as it stands, every fix matched"] = right["as it stands"][in_box & whole].mean()
    told["within 5 %, with corners, every fix matched"] = right["with corners"][in_box & whole].mean()
    told |= {f"ceiling on the routes that were found, {name}": share for name, share in same.items()}
    told["fixes left out"] = found
    told["fixes left out: within 30 m of the route between their neighbours"] = seen
    told["within 5 %, straight lines between the places, every fix matched"] = close(
        alike, readings["as it stands"]
    )[in_box & whole].mean()  # fmt: skip
    left = in_box & ~right["as it stands"]
    for cause, name in (
        ("a part left the network", "parts that were matched"),
        ("straight lines cut corners", "with corners"),
        ("corners cut beyond that", "over the error-free ratio"),
    ):
        told[f"beyond 5 %: {cause}"] = int((left & right[name]).sum())
        left &= ~right[name]
    short = readings["as it stands"] < 500
    told["beyond 5 %: shorter than 500 m"] = int((left & short).sum())
    told["beyond 5 %: a missing street or a wrong route"] = int((left & ~short).sum())
    return told, {"network": network, "matched": matched, **trips}


def lengths(matched: Matched, owner: np.ndarray, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """The trace of each trip in three readings; the parts are those between the fixes that the matcher used."""
    trips = len(matched.route_m)
    used = np.flatnonzero(matched.fix_state == MATCHED)
    _, part = np.unique(owner[used] * 10_000 + matched.fix_piece[used], return_inverse=True)
    trip_of = np.zeros(part.max() + 1, dtype=np.int64)
    trip_of[part] = owner[used]
    found = {"as it stands": np.r_[trace_length_m(owner, x, y, curved=False), np.zeros(trips)][:trips]}
    for name, curved in (("parts that were matched", False), ("with corners", True)):
        length = trace_length_m(part, x[used], y[used], curved=curved)
        found[name] = np.bincount(trip_of, weights=length, minlength=trips)
    return found


def close(route_m: np.ndarray, trace_m: np.ndarray) -> np.ndarray:
    """Whether a route is within 5 % of a trace; where there is no route it is not."""
    return (route_m > 0) & (np.abs(route_m - trace_m) <= 0.05 * trace_m)


def error_free(network: Network, *, noise_m: float = 5.0) -> tuple[dict, float]:
    """What an error-free matcher would get on the same streets, and its median ratio: true length over the 15 s trace."""
    best = network.largest_component()
    case = drive(best, trips=600, seconds=15, noise_m=noise_m, seed=3)
    owner = np.repeat(np.arange(len(case["driven_m"])), np.diff(case["offsets"]))
    lines, corners = (trace_length_m(owner, *case["xy"].T, curved=curved) for curved in (False, True))
    bias = float(np.median(case["driven_m"] / corners))
    readings = {
        "as it stands": lines,
        "parts that were matched": lines,
        "with corners": corners,
        "over the error-free ratio": corners * bias,
    }
    return {name: close(case["driven_m"], length).mean() for name, length in readings.items()}, bias


def same_routes(
    matched: Matched, owner: np.ndarray, place: np.ndarray, chosen: np.ndarray, *, noise_m: float = 5.0
) -> dict[str, float]:
    """What an error-free matcher would get had the taxis driven exactly the routes that were found.

    The places on the street of all fixes used, with noise again, are the trace; the route is known. Independent of how an
    invented driver turns, but not of the matcher: whether its routes are right is asked by ``left_out``.
    """
    used = np.flatnonzero((matched.fix_state == MATCHED) & chosen[owner])
    x, y = place[:, used] + np.random.default_rng(5).normal(0, noise_m, (2, len(used)))
    told = {}
    for name, curved in (("as it stands", False), ("with corners", True)):
        length = trace_length_m(owner[used], x, y, curved=curved)
        length = np.r_[length, np.zeros(len(chosen) - len(length))]
        told[name] = close(matched.route_m, length)[chosen].mean()
    return told


def left_out(network: Network, trips: dict, chosen: np.ndarray, *, settings: MatchSettings) -> tuple[int, float]:
    """Every second fix is kept from the matcher: how many lie within 30 m of the route between their neighbours.

    Of fixes whose neighbours were matched in one piece and whose step was not driven against a sign (such passages are not
    told). A route that was invented, or a way around that nobody drove, is not where the fix was.
    """
    offsets, time = trips["offsets"], np.asarray(trips["time"])
    keep = np.zeros(len(time), dtype=bool)
    for a, b in pairwise(offsets):
        keep[a:b:2] = True
    few = np.r_[0, np.cumsum(keep)][offsets]
    matched = Matcher.of(network, settings=settings).match(few, time[keep], trips["lon"][keep], trips["lat"][keep])
    piece = np.full(len(time), -1)
    piece[keep] = np.where((matched.fix_link >= 0) & ~matched.fix_against, matched.fix_piece, -1)
    walks, first = matched.walks, matched.walks.offsets()
    x, y = network.plane.to_metres(trips["lon"], trips["lat"])
    fix, link = [], []
    for trip in np.flatnonzero(chosen):
        rows = slice(first[trip], first[trip + 1])
        for i in range(offsets[trip] + 1, offsets[trip + 1] - 1, 2):
            if piece[i - 1] < 0 or piece[i - 1] != piece[i + 1]:
                continue
            between = (walks.exit_s[rows] >= time[i - 1] - 0.5) & (walks.enter_s[rows] <= time[i + 1] + 0.5)
            link.append(walks.link[rows][between])
            fix.append(np.full(int(between.sum()), i))
    fixes, links = np.concatenate(fix), np.concatenate(link)
    away = shapely.distance(shapely.points(x[fixes], y[fixes]), network.lines()[links])
    nearest = pd.Series(away).groupby(fixes).min()
    return len(nearest), float((nearest <= 30).mean())


def read_porto(data: Path) -> dict:
    """Fixes, persons and drivers of Porto's trips."""
    table = pd.read_csv(data / "porto_taxi" / "trips.csv")
    lines = [np.asarray(json.loads(text), dtype=float).reshape(-1, 2) for text in table["POLYLINE"]]
    count = np.array([len(line) for line in lines])
    points = np.vstack(lines)
    clock = np.concatenate([t + 15 * np.arange(n) for t, n in zip(table["TIMESTAMP"], count, strict=True)])
    return {
        "offsets": np.r_[0, np.cumsum(count)],
        "lon": points[:, 0],
        "lat": points[:, 1],
        "time": clock,
        "person": [None if pd.isna(value) else str(value) for value in table["ORIGIN_CALL"]],
        "driver": table["TAXI_ID"].astype(str).tolist(),
        "trip": [str(value) for value in range(len(table))],
    }
