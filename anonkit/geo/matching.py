"""Map matching: from GPS fixes to the links that were driven, with a certainty a trip and what could not be matched.

A hidden Markov model after Newson and Krumm 2009 (emission by distance from the street, transition by how much longer
the route is than the crow flies), with a table of short routes (Yang and Gidofalvi 2018). Fixes at rest are merged,
single outliers are skipped, and a gap breaks a trip into pieces instead of inventing a route. Links, times and pieces
that come out are **as raw as coordinates** (ruling 30): cut their ends with ``anonkit.geo.trimming`` and count persons
with ``anonkit.kanon.routes`` before anything leaves. A trip alone on a side street is found again from its links as
easily as from its fixes.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anonkit.base.errors import SchemaError
from anonkit.geo.matching_index import RouteTable, SegmentIndex, route_table, segment_index
from anonkit.geo.matching_kernels import FAR, MATCHED, OUTLIER, STILL, match_trips, trace_trips
from anonkit.geo.matching_signs import both_ways, signed
from anonkit.geo.networks import Floats, Ints, Network


@dataclass(frozen=True, kw_only=True)
class MatchSettings:
    """What the model believes about receivers and drivers; public numbers, none is fitted to the trips."""

    noise_m: float = 10.0
    """Standard deviation of a fix around the street."""
    radius_m: float = 50.0
    """Streets farther than this from a fix are no candidates."""
    detour_m: float = 8.0
    """Scale of |route − crow-fly| for short steps."""
    detour_share: float = 0.1
    """How much that scale grows with each metre of the step: long steps turn more corners."""
    still_m: float = 10.0
    """A fix nearer than this to the last one used adds noise, not knowledge, and is merged with it."""
    limit_ratio: float = 2.0
    """A route longer than ``limit_ratio`` × crow-fly + ``limit_extra_m`` is not believed: the file lacks a street there."""
    limit_extra_m: float = 100.0
    top_speed_kmh: float = 180.0
    """A step that needs more than this speed is an outlier."""
    gap_s: float = 300.0
    """A longer silence breaks the trip into pieces; a vehicle at rest that sends fixes is not silent."""
    skips: int = 3
    """Fixes in a row that may be skipped as outliers before the trip is broken."""
    off_m: float = 150.0
    """A trip that goes farther than this where no street is has left the network, and is broken there."""
    turn_back_m: float = 40.0
    """What a turn on the spot costs, in metres of detour."""
    against_m: float | None = 80.0
    """What driving a one-way street against its sign costs, in metres of detour; None: signs are never wrong."""
    beam: float = 25.0
    """Candidates this many nats behind the best one are dropped."""

    @classmethod
    def on_cells(cls, cell_m: float) -> MatchSettings:
        """What is believed on a network of cells, whose links join centres that are ``cell_m`` metres apart.

        A fix lies anywhere in its cell, not beside a line between centres, and a path over centres turns at each of them.
        With the settings for streets most fixes would be called too far from any street.
        """
        return cls(
            noise_m=cell_m / 3,
            radius_m=0.6 * cell_m,
            detour_m=cell_m / 2,
            detour_share=0.3,
            still_m=cell_m / 3,
            turn_back_m=cell_m / 2,
            limit_extra_m=2 * cell_m,
            off_m=2 * cell_m,
        )

    def values(self) -> tuple[float, ...]:
        """The settings as the kernels take them."""
        return (
            *(self.noise_m, self.detour_m, self.detour_share, self.still_m, self.limit_ratio, self.limit_extra_m),
            *(self.top_speed_kmh / 3.6, self.gap_s, float(self.skips), self.turn_back_m, self.beam, self.off_m),
        )


@dataclass(frozen=True, eq=False)
class Walks:
    """Which links each trip drove, in order: **raw**, inside only. One row a link and passage, all arrays equally long.

    ``person`` and ``driver`` are one code a trip, −1 where there is none: a null person counts for nobody (ruling 1).
    """

    trip: NDArray[np.int32]
    """Position of the trip in the table of trips; rows are ordered by trip, then by time."""
    piece: NDArray[np.int32]
    """A gap starts a new piece; pieces are not continuous with each other."""
    link: NDArray[np.int32]
    enter_s: Floats
    exit_s: Floats
    enter_m: Floats
    """Metre of the link at which the trip got on it (0 unless it is a piece's first link)."""
    exit_m: Floats
    trips: int

    def __repr__(self) -> str:
        return f"Walks({self.trips:,} trips, {len(self.link):,} passages; raw, inside only)"

    def take(self, rows: Any) -> Walks:
        """The same trips with some of the passages."""
        arrays = ("trip", "piece", "link", "enter_s", "exit_s", "enter_m", "exit_m")
        return replace(self, **{name: getattr(self, name)[rows] for name in arrays})

    def without(self, gone: NDArray[np.bool_]) -> Walks:
        """The same trips without some passages; where passages in the middle fall out a new piece begins."""
        keep = np.flatnonzero(~gone)
        left = self.take(keep)
        if not len(keep):
            return left
        fresh = np.r_[True, (np.diff(keep) > 1) | (np.diff(left.piece) != 0) | (np.diff(left.trip) != 0)]
        running = np.cumsum(fresh) - 1
        first_of_trip = np.r_[True, np.diff(left.trip) != 0]
        base = running[np.flatnonzero(first_of_trip)][np.cumsum(first_of_trip) - 1]
        return replace(left, piece=(running - base).astype(np.int32))

    def offsets(self) -> Ints:
        """Passages of trip i are the rows ``offsets()[i]:offsets()[i+1]``."""
        return np.searchsorted(self.trip, np.arange(self.trips + 1)).astype(np.int64)

    def length_m(self) -> Floats:
        """Metres driven by each trip."""
        return np.bincount(self.trip, weights=self.exit_m - self.enter_m, minlength=self.trips).astype(float)


@dataclass(frozen=True, eq=False)
class Matched:
    """Result of ``match``: the walks, the fate of every fix, and a certainty a trip. Raw, inside only."""

    walks: Walks
    fix_link: NDArray[np.int32]
    """−1 where a fix was not matched."""
    fix_offset_m: Floats
    fix_distance_m: Floats
    fix_state: NDArray[np.int8]
    fix_piece: NDArray[np.int32]
    """Piece of the trip that a matched fix belongs to, before passages against signs were left out."""
    certainty: Floats
    """Probability a fix of the chosen path among all paths of the model (geometric mean), times the share matched."""
    route_m: Floats
    """Metres of each trip's whole route, also where it went against a sign."""
    fix_against: NDArray[np.bool_]
    """Matched on a street driven against its one-way sign: the place is on the street's only link, its passage is not counted."""

    def __repr__(self) -> str:
        return f"Matched({self.walks.trips:,} trips, {self.unmatched_share:.1%} of fixes unmatched; raw, inside only)"

    @property
    def unmatched_share(self) -> float:
        """Share of fixes that no link was found for: outside the network, outliers, lonely pieces."""
        return float((self.fix_link < 0).mean()) if len(self.fix_link) else 0.0

    def accounting(self) -> dict[str, int]:
        """Fixes by fate; the sum is the number of fixes that came in."""
        matched = self.fix_link >= 0
        return {
            "matched": int(((self.fix_state == MATCHED) & ~self.fix_against).sum()),
            "at rest beside a matched fix": int(((self.fix_state == STILL) & matched & ~self.fix_against).sum()),
            "against a one-way sign": int(self.fix_against.sum()),
            "too far from any street": int(((self.fix_state == FAR) & ~matched).sum()),
            "outlier": int(((self.fix_state == OUTLIER) | (self.fix_state == STILL) & ~matched).sum()),
        }


@dataclass(frozen=True, eq=False)
class Matcher:
    """A network made ready for matching: its segment index and route table; make it once, use it for every batch."""

    network: Network
    settings: MatchSettings
    roads: Network
    """The network as it may have been driven: with links against one-way signs, unless ``against_m`` is None."""
    toll_m: Floats
    """What it costs to enter each link of ``roads``."""
    index: SegmentIndex
    table: RouteTable
    threads: int = 2

    @classmethod
    def of(
        cls, network: Network, *, settings: MatchSettings | None = None, table_m: float = 3000.0, threads: int = 2
    ) -> Matcher:
        """Index the network; ``table_m`` trades memory for speed and changes no result."""
        settings = settings or MatchSettings()
        roads = network if settings.against_m is None else both_ways(network)
        toll = np.where(np.arange(roads.links) < network.links, 0.0, settings.against_m or 0.0)
        return cls(
            network=network,
            settings=settings,
            roads=roads,
            toll_m=toll,
            index=segment_index(roads, radius_m=settings.radius_m),
            table=route_table(roads, bound_m=table_m, toll_m=toll, threads=threads),
            threads=threads,
        )

    def match(self, offsets: Any, time_s: Any, lon: Any, lat: Any) -> Matched:
        """Match trips to links.

        Parameters
        ----------
        offsets : fixes of trip i are ``offsets[i]:offsets[i+1]``, ordered by time within the trip.
        time_s, lon, lat : one value a fix; on a network without a centre lon and lat are metres. NaN is no fix.

        Returns
        -------
        Matched, in the order of the input; deterministic, the number of threads changes nothing.

        Raises
        ------
        SchemaError : arrays of different lengths, or time that runs backwards within a trip.

        Privacy
        -------
        The result is as raw as the fixes (ruling 30): never released, never kept outside the inside folder.

        Sources
        -------
        Newson and Krumm 2009, Hidden Markov map matching through noise and sparseness, sections 4.1–4.4.

        Examples
        --------
        >>> from anonkit.geo.networks import Plane, network_from_streets
        >>> net = network_from_streets(shape_x=[0, 100, 100, 200], shape_y=[0, 0, 0, 0], shape_count=[2, 2],
        ...     node_start=[1, 2], node_end=[2, 3], forward=[True, True], backward=[True, True],
        ...     speed_kmh=[50, 50], street_class=["main", "main"], plane=Plane())
        >>> found = Matcher.of(net).match([0, 3], [0, 10, 20], [10, 90, 190], [4, -6, 3])
        >>> found.walks.link.tolist(), found.walks.length_m().tolist(), found.unmatched_share
        ([0, 2], [180.0], 0.0)
        """
        fixes = np.asarray(offsets, dtype=np.int64)
        time = np.asarray(time_s, dtype=np.int64)
        x, y = self.network.plane.to_metres(lon, lat)
        if not (len(time) == len(x) == len(y) == (fixes[-1] if len(fixes) else 0)):
            raise SchemaError(
                f"Fixes disagree in number: {len(time)} times, {len(x)} lon, {len(y)} lat.",
                hint="give one value a fix and offsets that end at their number.",
            )
        trips = len(fixes) - 1
        backwards = np.diff(time) < 0
        backwards[fixes[1:-1][(fixes[1:-1] > 0) & (fixes[1:-1] < len(time))] - 1] = False
        if backwards.any():
            raise SchemaError(
                f"Time runs backwards at {int(backwards.sum())} fixes.", hint="sort fixes by trip and time_s."
            )
        roads = self.roads
        street = (
            *(roads.out_offset, roads.out_links, roads.link_start, roads.link_end),
            *(roads.twin, roads.length_m, self.toll_m),
        )
        settings, table, index = self.settings.values(), self.table.arrays(), self.index.arrays()
        fix_link, fix_piece = np.full(len(x), -1, np.int32), np.zeros(len(x), np.int32)
        fix_offset, fix_distance = np.zeros(len(x)), np.full(len(x), np.nan)
        fix_state = np.zeros(len(x), np.int8)
        certainty = np.zeros(trips)

        def run(part: NDArray[np.int64]) -> tuple[Any, Any]:
            match_trips(
                part[0], part[-1] + 1, fixes, x, y, time, index, table, street, settings,
                fix_link, fix_offset, fix_distance, fix_state, fix_piece, certainty,
            )  # fmt: skip
            traced: tuple[Any, Any] = trace_trips(
                part[0], part[-1] + 1, fixes, x, y, time, table, street, settings,
                fix_link, fix_offset, fix_state, fix_piece,
            )  # fmt: skip
            return traced

        pieces = max(1, min(trips, self.threads * 8 if trips > 200 else 1))
        parts = [part for part in np.array_split(np.arange(trips), pieces) if len(part)]
        with ThreadPoolExecutor(self.threads) as pool:
            found = list(pool.map(run, parts))
        whole = np.concatenate([part[0] for part in found]) if found else np.zeros((0, 3), np.int32)
        real = np.concatenate([part[1] for part in found]) if found else np.zeros((0, 4))
        walks = Walks(
            trip=whole[:, 0].copy(),
            piece=whole[:, 1].copy(),
            link=whole[:, 2].copy(),
            enter_s=real[:, 0].copy(),
            exit_s=real[:, 1].copy(),
            enter_m=real[:, 2].copy(),
            exit_m=real[:, 3].copy(),
            trips=trips,
        )
        sizes = np.maximum(np.diff(fixes), 1)
        owner = np.repeat(np.arange(trips), np.diff(fixes))
        share = np.bincount(owner, weights=fix_link >= 0, minlength=trips) / sizes
        against = fix_link >= self.network.links
        place_link, place_m = signed(self.network, roads, fix_link, fix_offset)
        return Matched(
            walks=walks.without(walks.link >= self.network.links),
            fix_link=place_link,
            fix_offset_m=place_m,
            fix_distance_m=fix_distance,
            fix_state=fix_state,
            fix_piece=fix_piece,
            certainty=certainty * share,
            route_m=walks.length_m(),
            fix_against=against,
        )
