"""What a recipe of routes would tell, and which of its choices costs how much. Nothing leaves and nothing is written.

Fixes are matched once; what follows (cut of the ends, thresholds, one system of products) is made afresh for each choice. The
figures are exact and about raw passages: for the analyst's eyes. Noisy links are never planned so (ruling 18).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from anonkit.base.entropy import fresh_key
from anonkit.base.errors import AnonkitError
from anonkit.base.progress import Progress
from anonkit.engine import Session
from anonkit.geo import TimeBins
from anonkit.geo.matching import Matched, Matcher, Walks
from anonkit.geo.networks import Network
from anonkit.geo.networks_read import read_network
from anonkit.kanon.routes import passage_bins, whole_passages
from anonkit.kanon.routes_counting import REST, Riders
from anonkit.kanon.routes_release import RouteRelease, RouteSpec, cut_matched, release_routes
from anonkit.pipeline.fixes import Fixes, fixes_of_trips
from anonkit.pipeline.ingest import ingest
from anonkit.pipeline.journeys import who_drove, within_period
from anonkit.recipe import RouteRecipe
from anonkit.schema import Accounting

WIDER = {"15min": "1h", "30min": "1h", "1h": "3h", "2h": "6h", "3h": "6h", "4h": "12h", "6h": "1d", "12h": "1d"}
K = (5, 11, 20)


@dataclass(frozen=True, kw_only=True)
class Journeys:
    """The matched trips of a recipe: raw, in memory only."""

    recipe: RouteRecipe
    network: Network
    fixes: Fixes
    matched: Matched
    riders: Riders
    lines: tuple[Accounting, ...]

    @classmethod
    def read(cls, recipe: RouteRecipe, session: Session, when: datetime, progress: Progress) -> Journeys:
        """Read and match everything, once.

        Raises
        ------
        SourceError : trips, fixes or streets cannot be read.
        """
        key = fresh_key()
        with progress.stage("read"):
            ingested = ingest(recipe, session=session, key=fresh_key(), record_key=key, as_of=when)
            rows: nw.LazyFrame[Any] = ingested.used(session)
            fixes, accounts, _ = fixes_of_trips(recipe, rows, key, session, when)
            network = read_network(recipe.streets.path, mode=recipe.streets.mode)
        with progress.stage("match"):
            who = who_drove(rows, fixes.trips, recipe.unit, session)
            riders = Riders.of_tokens(
                unit=who["unit"].tolist(), driver=who["driver"].tolist(), operator=None, record=who["record"]
            )
            matcher = Matcher.of(network, threads=recipe.engine.threads or 2)
            matched = matcher.match(fixes.offsets, fixes.time_s, fixes.lon, fixes.lat)
        lines = (*ingested.accounting, *accounts)
        return cls(recipe=recipe, network=network, fixes=fixes, matched=matched, riders=riders, lines=lines)

    def told(self, spec: RouteSpec) -> list[dict[str, Any]]:
        """What each product would tell under ``spec``: rows, passages, and the share of them."""
        walks, _ = cut_matched(
            self.matched, self.network, offsets=self.fixes.offsets, lon=self.fixes.lon, lat=self.fixes.lat,
            riders=self.riders, ends=spec.ends,
        )  # fmt: skip
        walks = within_period(walks, self.recipe)
        made = release_routes(walks, self.riders, self.network, spec=spec)
        return route_figures(made, walks, self.network, spec, self.recipe.kinds)


def alternatives(recipe: RouteRecipe) -> Iterator[tuple[str, RouteSpec]]:
    """The recipe, and each of its choices made otherwise."""
    spec = recipe.spec
    rule, own = spec.rule, spec.rule.protection
    yield "the recipe", spec
    for change, bins in (
        ("bins one step wider", _wider(spec.bins)),
        ("all hours together", "1d of day"),
    ):
        made = TimeBins(bins, zone=spec.bins.zone)
        if made.width != spec.bins.width:
            yield change, replace(spec, bins=made)
    yield "twice the passages a person", replace(spec, rule=replace(rule, max_rows=2 * rule.max_rows))
    least = spec.ends.minimum_m + spec.ends.settle_m
    if spec.ends.cell_m > least:
        yield f"ends cut by cells of {least} m", replace(spec, ends=replace(spec.ends, cell_m=least))
    if recipe.products.routes is not None:
        yield "routes of half the least length", replace(spec, least_m=spec.least_m / 2)
        if not spec.closed:
            yield "also shorter routes (closed)", replace(spec, closed=True)
    others = {f"k = {k}": replace(own, k=k) for k in sorted(set(K) - {own.k})}
    if own.k_driver is not None:
        others["no threshold of drivers"] = replace(own, k_driver=None)
    if own.dominance < 1:
        others["no limit on one person's share"] = replace(own, dominance=Fraction(1))
    for change, protection in others.items():
        try:
            yield change, replace(spec, rule=replace(rule, protection=protection))
        except AnonkitError:
            continue  # the noise of the recipe's counts is too large for this k


def route_figures(
    made: RouteRelease, walks: Walks, network: Network, spec: RouteSpec, kinds: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Rows and share of each product: of passages, of steps from link to link, of whole passages, of passages in routes.

    Privacy
    -------
    Exact: inside only.
    """
    part = passage_bins(walks, spec.bins)
    wide = int(part.max(initial=0)) + 2
    steps = np.flatnonzero((np.diff(walks.trip) == 0) & (np.diff(walks.piece) == 0))
    whole = whole_passages(walks, network)
    links = network.links + 1
    told = {
        "link_volumes": np.isin(walks.link, made["volumes"].table["link"]),
        "speeds": _labelled(walks.link.astype(np.int64), part, wide, made["speeds"].table)[whole],
        "patterns": _in_routes(walks, made["patterns"].table["links"].tolist()),
    }
    if "turns" in kinds:
        turns = made["turns"].table
        code = turns["from_link"].to_numpy(np.int64) * links + turns["to_link"].to_numpy(np.int64)
        told["turns"] = np.isin(walks.link[steps].astype(np.int64) * links + walks.link[steps + 1], code)
    found = []
    for kind in kinds:
        rows, share = len(made["volumes" if kind == "link_volumes" else kind].table), told[kind]
        found.append(
            {
                "part": kind,
                "unit": {"turns": "turns", "speeds": "whole passages"}.get(kind, "passages"),
                "rows": rows,
                "trips": len(share),
                "trips_released": int(share.sum()),
                "classes_released": rows,
                "share_released": float(share.mean()) if len(share) else 0.0,
                "share_by_level": [float(share.mean()) if len(share) else 0.0],
            }
        )
    return found


def _labelled(link: np.ndarray, part: np.ndarray, wide: int, table: Any) -> np.ndarray:
    """Which passages a table of links and bins tells, by their bin or in the link's rest."""
    listed = table["link"].to_numpy(np.int64) * wide + table["bin"].to_numpy(np.int64) + 1
    return np.asarray(np.isin(link * wide + part + 1, listed) | np.isin(link * wide + REST + 1, listed))


def _in_routes(walks: Walks, routes: list[list[int]]) -> np.ndarray:
    """Which passages are part of somebody's driving a published route in full."""
    covered = np.zeros(len(walks.link), dtype=bool)
    piece = (
        np.cumsum(np.r_[True, (np.diff(walks.trip) != 0) | (np.diff(walks.piece) != 0)]) if len(covered) else covered
    )
    order = np.argsort(walks.link, kind="stable")
    ordered = walks.link[order]
    for links in routes:
        low, high = np.searchsorted(ordered, [links[0], links[0] + 1])
        start = order[low:high]
        start = start[start + len(links) <= len(covered)]
        for place, link in enumerate(links[1:], start=1):
            start = start[(walks.link[start + place] == link) & (piece[start + place] == piece[start])]
        for place in range(len(links)):
            covered[start + place] = True
    return covered


def _wider(bins: TimeBins) -> str:
    width, _, pool = bins.width.partition(" of ")
    wider = WIDER.get(width.replace(" ", ""), width)
    if wider == "1d" and pool == "day":
        return bins.width
    return f"{wider} of {pool}" if pool else wider
