"""Efficient routes from published link speeds: fastest, shortest or most reliable, with an interval.

Travel times come from a published ``speeds`` product and the public network only. A link without a published speed in
an hour takes the rest of its day, else its twin's, else the pace of its class in that hour, relative to the public free
speed; every recommended route says which share of its length was measured. Intervals are those of one trip, not of the
mean. Where a caller stands and where a free vehicle should wait is asked in ``anonkit.coverage.positioning``.

Does not protect against: nothing is published here. Limits: no turn restrictions, no live traffic; delays at
junctions are part of the measured link times only.

Sources: Dijkstra 1959; Abraham et al. 2013, Alternative Routes in Road Networks (limited sharing, bounded stretch).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra

from anonkit.base.errors import SchemaError
from anonkit.geo.networks import Network
from anonkit.kanon.routes_product import RouteProduct, published

Floats = NDArray[np.float64]
Aim = Literal["fastest", "shortest", "reliable"]
DEPENDENCE = 0.4
"""Public assumption; on held-out trips see benchmarks/routes.py."""
Z85 = 1.0364
"""The 85th percentile of a normal variable."""


@dataclass(frozen=True, eq=False)
class LinkTimes:
    """Expected seconds and their standard deviation for every link and hour; from published speeds."""

    network: Network
    bins: NDArray[np.int64]
    mean_s: Floats
    """(bins + 1, links); the last row is for hours without a published speed."""
    sd_s: Floats
    measured: NDArray[np.bool_]
    """Whether the link has a published speed of its own (in that hour or its rest)."""
    dependence: float
    """Correlation between the deviations of two links of one trip: a slow driver is slow on all of them."""

    def row(self, hour: int | None) -> int:
        """Row of a time bin."""
        found = np.flatnonzero(self.bins == hour) if hour is not None else np.zeros(0, dtype=np.int64)
        return int(found[0]) if len(found) else len(self.bins)


def link_times(
    speeds: RouteProduct, network: Network, *, dependence: float = DEPENDENCE, variation: float = 0.35
) -> LinkTimes:
    """Seconds for every link and hour from a published speeds product.

    Parameters
    ----------
    speeds : ``link, bin, speed_kmh`` and, where published, ``median_kmh, slow_kmh``.
    dependence : correlation of deviations along one trip (public assumption).
    variation : coefficient of variation where too few percentiles are published to tell it.

    Privacy
    -------
    Reads a published table only.

    Raises
    ------
    PrivacyLeakError : ``speeds`` is no published product.
    """
    published(speeds, "speeds").check(network)
    table = speeds.table
    part = speeds.part
    hours = table[part].to_numpy(dtype=np.int64) if part else np.full(len(table), -1, dtype=np.int64)
    link = table["link"].to_numpy(dtype=np.int64)
    pace = network.speed_kmh[link] / table["speed_kmh"].to_numpy(dtype=float)  # 1 is free flow, 2 is half as fast
    bins = np.unique(hours[hours >= 0])
    of_link = pd.Series(pace).groupby(link).median().reindex(range(network.links)).to_numpy()
    rest = np.full(network.links, np.nan)
    rest[link[hours < 0]] = pace[hours < 0]
    rest = np.where(np.isfinite(rest), rest, of_link)
    shape = (len(bins) + 1, network.links)
    mean, sd, measured = np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=bool)
    own_spread, between = _variation(table, default=variation), _between_links(of_link, network)
    k = float(speeds.parameters.get("k") or 10.0)  # a published mean of k persons is itself uncertain
    for row, hour in enumerate([*bins.tolist(), None]):
        own = np.full(network.links, np.nan)
        if hour is not None:
            own[link[hours == hour]] = pace[hours == hour]
        value = np.where(np.isfinite(own), own, rest)
        measured[row] = np.isfinite(value)
        value = np.where(measured[row] | (network.twin < 0), value, value[network.twin])
        mean[row] = _filled(value, network) * network.free_time_s
        relative = np.where(measured[row], own_spread**2 * (1 + 1 / k), own_spread**2 + between**2)
        sd[row] = mean[row] * np.sqrt(relative)
    return LinkTimes(network, bins, mean, sd, measured, dependence)


def _filled(value: Floats, network: Network) -> Floats:
    """Missing paces by the length-weighted pace of the class, then of the whole network, then free flow."""
    known = np.isfinite(value)
    weight = np.where(known, network.length_m, 0.0)
    amount = np.bincount(network.link_class, weights=weight * np.where(known, value, 0), minlength=len(network.classes))
    length = np.bincount(network.link_class, weights=weight, minlength=len(network.classes))
    overall = amount.sum() / length.sum() if length.sum() > 0 else 1.0
    by_class = np.where(length > 0, amount / np.maximum(length, 1e-9), overall)
    return np.where(known, value, by_class[network.link_class])


def _between_links(pace: Floats, network: Network) -> float:
    """How much published paces differ between links of one class: what a guess for another link may be wrong by."""
    known = np.isfinite(pace)
    if known.sum() < 20:
        return 0.5
    logs = pd.Series(np.log(pace[known]))
    within = logs - logs.groupby(network.link_class[known]).transform("mean")
    return float(np.clip(within.std(), 0.05, 1.0))


def _variation(table: pd.DataFrame, *, default: float) -> float:
    if not {"median_kmh", "slow_kmh"} <= set(table):
        return default
    told = table.dropna(subset=["median_kmh", "slow_kmh"])
    if len(told) < 20:
        return default
    return float(np.clip(((told["median_kmh"] / told["slow_kmh"] - 1) / Z85).median(), 0.05, 1.0))


def route_time(times: LinkTimes, links: Any, *, hour: int | None = None, level: float = 0.9) -> dict[str, float]:
    """Expected seconds of a route and the interval in which one trip falls with probability ``level``.

    Returns
    -------
    ``time_s, low_s, high_s, measured`` (share of the length with a published speed).
    """
    links = np.asarray(links, dtype=np.int64)
    row = times.row(hour)
    mean, sd = times.mean_s[row, links], times.sd_s[row, links]
    spread = float(np.sqrt((1 - times.dependence) * (sd**2).sum() + times.dependence * sd.sum() ** 2))
    total, length = float(mean.sum()), times.network.length_m[links]
    log_sd = np.sqrt(np.log1p((spread / max(total, 1e-9)) ** 2))  # times are skewed: a log-normal of equal moments
    middle = np.log(max(total, 1e-9)) - log_sd**2 / 2
    z = float(np.sqrt(2.0)) * _inverse_erf(level)
    share = float(length[times.measured[row, links]].sum() / max(length.sum(), 1e-9))
    low, high = np.exp(middle - z * log_sd), np.exp(middle + z * log_sd)
    return {"time_s": total, "low_s": float(low), "high_s": float(high), "measured": share}


def _inverse_erf(level: float) -> float:
    from scipy.special import erfinv

    if not 0 < level < 1:
        raise SchemaError(f"The level of an interval is {level}.", hint="between 0 and 1, for example 0.9.")
    return float(erfinv(level))


def _weight(times: LinkTimes, hour: int | None, by: Aim, caution: float) -> Floats:
    row = times.row(hour)
    if by == "shortest":
        return times.network.length_m
    if by == "fastest":
        return times.mean_s[row]
    if by == "reliable":
        guess = np.where(times.measured[row], 1.0, 1.5)  # an unmeasured link is not a reliable one
        return np.asarray(times.mean_s[row] + caution * times.sd_s[row] * guess)
    raise SchemaError(f"Unknown aim {by!r}.", hint="fastest, shortest or reliable.")


def _path(network: Network, weight: Floats, origin: int, destination: int) -> NDArray[np.int64] | None:
    _, before = dijkstra(network.graph(weight), indices=origin, return_predecessors=True)
    links: list[int] = []
    node = destination
    while node != origin:
        previous = int(before[node])
        if previous < 0:
            return None
        out = network.out_links[network.out_offset[previous] : network.out_offset[previous + 1]]
        out = out[network.link_end[out] == node]
        links.append(int(out[np.argmin(weight[out])]))
        node = previous
    return np.asarray(links[::-1], dtype=np.int64)


def recommend(
    times: LinkTimes,
    *,
    origin: int,
    destination: int,
    hour: int | None = None,
    by: Aim = "fastest",
    alternatives: int = 0,
    level: float = 0.9,
    caution: float = 1.3,
    most_shared: float = 0.7,
    most_stretch: float = 1.5,
) -> gpd.GeoDataFrame:
    """The best route between two nodes at an hour, and real alternatives to it.

    Parameters
    ----------
    times : from ``link_times``.
    origin, destination : nodes, for example of ``nearest_nodes``.
    hour : time bin; None where it is not known.
    by : ``fastest`` (expected time), ``shortest`` (length), ``reliable`` (expected time plus ``caution`` standard
        deviations).
    alternatives : how many more routes; each shares at most ``most_shared`` of its length with a better one and costs
        at most ``most_stretch`` times the best.
    level : probability of the interval.

    Returns
    -------
    GeoDataFrame, best first: ``rank, by, length_m, time_s, low_s, high_s, measured, detour, links, geometry``.

    Raises
    ------
    SchemaError : there is no way, or nowhere to go.

    Privacy
    -------
    Reads published speeds and the public network. The answer holds nothing of any trip.
    """
    network = times.network
    if origin == destination:
        raise SchemaError(
            "There is no way from a node to itself.", hint="take positions that are at least a street apart."
        )
    base = _weight(times, hour, by, caution)
    best = _path(network, base, origin, destination)
    if best is None or not len(best):
        raise SchemaError(
            "There is no way between these nodes.",
            hint="take nodes of nearest_nodes(...): they are all connected.",
        )
    found, limit, penalised = [best], float(base[best].sum()) * most_stretch, base.copy()
    for _ in range(6 * alternatives):
        if len(found) > alternatives:
            break
        penalised[found[-1]] *= 1.15
        for links in found[:-1]:
            penalised[links] *= 1.05
        path = _path(network, penalised, origin, destination)
        if path is None:
            break
        new = all(network.length_m[np.intersect1d(path, other)].sum() <= most_shared * network.length_m[path].sum()
                  for other in found)  # fmt: skip
        if new and float(base[path].sum()) <= limit:
            found.append(path)
        else:
            penalised[path] *= 1.1
    shortest = _path(network, network.length_m, origin, destination)
    least = float(network.length_m[shortest].sum()) if shortest is not None else np.nan
    found[1:] = sorted(found[1:], key=lambda links: float(base[links].sum()))
    rows = []
    for rank, links in enumerate(found, start=1):
        length = float(network.length_m[links].sum())
        told = route_time(times, links, hour=hour, level=level)
        rows.append(
            {
                "rank": rank,
                "by": by,
                "length_m": round(length, 1),
                **{name: round(value, 2) for name, value in told.items()},
                "detour": round(length / max(least, 1e-9), 3),
                "links": " ".join(map(str, links.tolist())),
                "geometry": _line(network, links),
            }
        )
    return gpd.GeoDataFrame(rows, geometry="geometry", crs=None if network.plane.centre_lon is None else "EPSG:4326")


def _line(network: Network, links: NDArray[np.int64]) -> Any:
    points = np.concatenate([np.arange(network.shape_offset[i], network.shape_offset[i + 1]) for i in links])
    lon, lat = network.plane.to_degrees(network.shape_x[points], network.shape_y[points])
    return shapely.linestrings(np.column_stack([lon, lat]))
