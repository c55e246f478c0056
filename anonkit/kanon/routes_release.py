"""From fixes to the route products of one release: match, cut the ends, count, publish together.

The order is the point: ends are cut before anything is counted (ruling 30), and products that could be subtracted from
each other are made by one call under one rule (ruling 11). Volumes come on links **or** on cells, never both: a cell
that holds two links would give the small one away. The matched walks stay inside this call.

Does not protect against: what each product's own module names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from anonkit.geo.bins import TimeBins
from anonkit.geo.matching import Matched, Matcher, Walks
from anonkit.geo.networks import Network
from anonkit.geo.trimming import EndRule, end_cells, first_and_last, trim_walks
from anonkit.kanon.routes import RouteRule, _product, _rows, passage_bins, speeds, turns, volumes
from anonkit.kanon.routes_counting import Ints, Riders, partition, perturbed
from anonkit.kanon.routes_patterns import patterns
from anonkit.kanon.routes_product import RouteProduct


@dataclass(frozen=True, kw_only=True)
class RouteSpec:
    """What a release says about routes: public numbers, to be written in the recipe."""

    rule: RouteRule
    ends: EndRule
    bins: TimeBins
    speed_bounds_kmh: tuple[float, float]
    step_kmh: float
    least_m: float
    """Shortest published route."""
    most_links: int
    closed: bool = False


@dataclass(frozen=True, eq=False)
class RouteRelease:
    """The products of one release, and an accounting that stays inside."""

    products: Mapping[str, RouteProduct]
    accounting: Mapping[str, float] = field(repr=False, default_factory=dict)
    """Exact shares of what was unmatched and cut: **inside only**."""

    def __getitem__(self, name: str) -> RouteProduct:
        return self.products[name]


def cut_walks(
    matcher: Matcher, *, offsets: Any, time_s: Any, lon: Any, lat: Any, riders: Riders, ends: EndRule
) -> tuple[Walks, dict[str, float]]:
    """Match trips and cut their ends: the walks that may be counted. Raw, inside only.

    Privacy
    -------
    Ruling 30: whole public cells around both ends, the same for one place of one person every time.
    """
    matched = matcher.match(offsets, time_s, lon, lat)
    return cut_matched(matched, matcher.network, offsets=offsets, lon=lon, lat=lat, riders=riders, ends=ends)


def cut_matched(
    matched: Matched, network: Network, *, offsets: Any, lon: Any, lat: Any, riders: Riders, ends: EndRule
) -> tuple[Walks, dict[str, float]]:
    """The cut of ``cut_walks`` alone, for trips that are matched already; also the shares that stay inside."""
    x, y = network.plane.to_metres(lon, lat)
    x0, y0, x1, y1 = first_and_last(offsets, x, y)
    trips = len(x0)
    cells = end_cells(np.r_[x0, x1], np.r_[y0, y1], np.r_[riders.person, riders.person], rule=ends)
    left = trim_walks(matched.walks, network, start_cells=cells[:trips], end_cells=cells[trips:], rule=ends)
    told = {
        "fixes unmatched": matched.unmatched_share,
        "trips matched": len(np.unique(matched.walks.trip)) / max(trips, 1),
        "trips left after the cut": len(np.unique(left.trip)) / max(trips, 1),
        "length left after the cut": _share(left.length_m().sum(), matched.walks.length_m().sum()),
        "length against one-way signs": _share(
            matched.route_m.sum() - matched.walks.length_m().sum(), matched.route_m.sum()
        ),
        "mean certainty": float(matched.certainty.mean()) if trips else 0.0,
    }
    return left, told


def _share(part: float, whole: float) -> float:
    return float(part / max(whole, 1e-9))


def release_routes(
    walks: Walks, riders: Riders, network: Network, *, spec: RouteSpec, cells: Any = None
) -> RouteRelease:
    """Volumes, turns, speeds and patterns of one set of walks, made together.

    Parameters
    ----------
    walks : of ``cut_walks``.
    cells : public cell of each link; then volumes are of cells, and turns are left out.

    Returns
    -------
    RouteRelease with ``volumes``, ``speeds``, ``patterns`` and (on links) ``turns``.

    Privacy
    -------
    One rule and one system (ruling 11): what is missing at a junction holds nobody or the thresholds; turns, speeds and
    patterns are of links that the volumes tell, so that none of them completes what was left out; patterns are chosen
    so that no volume or turn minus a pattern is fewer than k persons.
    """
    part, rule = passage_bins(walks, spec.bins), spec.rule
    told = volumes(walks, riders, network, rule=rule, part=part, cells=cells)
    links = None if cells is not None else np.unique(told.table["link"].to_numpy())
    open_rows = np.isin(walks.link, links) if links is not None else np.ones(len(walks.link), dtype=bool)
    found = {
        "volumes": told,
        "speeds": speeds(
            walks.take(open_rows), riders, network, rule=rule, part=part[open_rows],
            speed_bounds_kmh=spec.speed_bounds_kmh, step_kmh=spec.step_kmh,
        ),
        "patterns": patterns(
            walks, riders, network, rule=rule, least_m=spec.least_m, most_links=spec.most_links,
            closed=spec.closed, beside_volumes=True, links=links,
        ),
    }  # fmt: skip
    if links is not None:
        found["turns"] = turns(walks, riders, network, rule=rule, links=links)
    return RouteRelease(found)


def departures(cell: Any, bin: Any, riders: Riders, network: Network, *, rule: RouteRule) -> RouteProduct:
    """Trips that start in each public cell by hour: the demand that coverage compares with service.

    Parameters
    ----------
    cell, bin : one code a trip; cells of the area, coarse enough that a start in them may be told.

    Privacy
    -------
    Thresholds, partition and noise as for ``volumes``; the unpublished rest of a cell is nobody or k persons.
    """
    place, part = np.asarray(cell, dtype=np.int64), np.asarray(bin, dtype=np.int64)
    trip: Ints = np.arange(len(place))
    label, kept = partition(place, part, trip, riders, protection=rule.protection, max_rows=rule.max_rows)
    keys, counted = _rows(np.column_stack([place, label])[kept], trip[kept], riders, rule)
    trips = perturbed(counted.rows, counted.key, rule.noise)
    table = pd.DataFrame({"cell": keys[:, 0], "bin": keys[:, 1], "trips": trips})
    return _product("cell_volumes", table, network, rule, kept, trip, riders)
