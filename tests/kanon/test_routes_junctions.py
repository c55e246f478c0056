"""Whatever is driven: at each junction, over the period and in each bin, who is missing is nobody or enough."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

import numpy as np
from anonkit.classes import Protection
from anonkit.geo.matching import Walks
from anonkit.geo.networks import Network, Plane
from anonkit.geo.networks_cells import network_from_cells, square_cells
from anonkit.kanon.perturb import CellKeyNoise
from anonkit.kanon.routes import RouteRule, volumes
from anonkit.kanon.routes_counting import Riders
from hypothesis import given, settings
from hypothesis import strategies as st

X, Y, PAIRS = square_cells(width=3, height=3, cell_m=100)
TOWN: Network = network_from_cells(centre_x=X, centre_y=Y, neighbours=PAIRS, speed_kmh=36, plane=Plane())
K = 3
RULE = RouteRule(
    protection=Protection(unit="person", k=K, dominance=Fraction(1)), max_rows=50,
    noise=CellKeyNoise(largest=2, variance=1.0),
)  # fmt: skip


def driven(seed: int, trips: int, persons: int) -> tuple[Walks, np.ndarray, list[str]]:
    """Random drives with a gap here and there; two bins that a drive may pass between."""
    rng = np.random.default_rng(seed)
    rows, who = [], [f"p{rng.integers(persons)}" for _ in range(trips)]
    for trip in range(trips):
        node, piece, part = int(rng.integers(TOWN.nodes)), 0, int(rng.integers(2))
        for _ in range(int(rng.integers(1, 7))):
            link = int(rng.choice(np.flatnonzero(TOWN.link_start == node)))
            rows.append((trip, piece, link, part))
            node = int(TOWN.link_end[link])
            piece += int(rng.random() < 0.1)
            part = max(part, int(rng.random() < 0.1))
    trip_, piece_, link_, part_ = (np.array(column) for column in zip(*rows, strict=True))
    nothing = np.zeros(len(rows))
    walks = Walks(
        trip_.astype(np.int32),
        piece_.astype(np.int32),
        link_.astype(np.int32),
        nothing,
        nothing,
        nothing,
        nothing,
        trips,
    )
    return walks, part_, who


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), trips=st.integers(5, 120), persons=st.integers(3, 25))
def test_r11_who_is_missing_at_a_junction_is_nobody_or_enough(seed: int, trips: int, persons: int) -> None:
    walks, part, who = driven(seed, trips, persons)
    riders = Riders.of(person=who, driver=None, operator=None, key=b"k" * 32)
    table = volumes(walks, riders, TOWN, rule=RULE, part=part).table
    listed = {(int(link), int(bin)) for link, bin in zip(table["link"], table["bin"], strict=True)}
    links = {link for link, _ in listed}
    whole, in_bin = defaultdict(set), defaultdict(set)
    for row in range(len(part)):
        trip, link, bin = int(walks.trip[row]), int(walks.link[row]), int(part[row])
        same = [
            0 <= other < len(part) and walks.trip[other] == trip and walks.piece[other] == walks.piece[row]
            for other in (row - 1, row + 1)
        ]
        for node, other, goes_on in (
            (TOWN.link_start[link], row - 1, same[0]),
            (TOWN.link_end[link], row + 1, same[1]),
        ):
            if link not in links or not goes_on:
                whole[int(node)].add(who[trip])
            if (link, bin) not in listed or not goes_on or part[other] != bin:
                in_bin[int(node), bin].add(who[trip])
    for link, bin in listed:
        for node in (int(TOWN.link_start[link]), int(TOWN.link_end[link])):
            assert len(whole[node]) == 0 or len(whole[node]) >= K
            assert bin < 0 or len(in_bin[node, bin]) == 0 or len(in_bin[node, bin]) >= K
