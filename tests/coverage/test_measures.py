"""Coverage measures on hand-made tables, worked out in comments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from anonkit.base.errors import SchemaError
from anonkit.coverage import (
    before_after,
    coverage,
    coverage_curve,
    detours,
    evenness,
    gaps,
    redundancy,
    to_cells,
    trips_needed,
)
from anonkit.geo.networks import Plane
from anonkit.geo.networks_cells import network_from_cells, square_cells
from anonkit.kanon.routes_product import RouteProduct

X, Y, PAIRS = square_cells(width=4, height=4, cell_m=100)
TOWN = network_from_cells(centre_x=X, centre_y=Y, neighbours=PAIRS, speed_kmh=36, plane=Plane())
LINKS = TOWN.links  # 48 links of 100 m


def links(trips: dict[int, float], **parameters: Any) -> RouteProduct:
    table = pd.DataFrame({"link": list(trips), "trips": list(trips.values())})
    return RouteProduct("link_volumes", table, TOWN.digest, parameters or {"k": 5, "noise_variance": 1.0})


def cells(rows: list[tuple[int, int, float]], *, by: str = "bin", **parameters: Any) -> RouteProduct:
    return RouteProduct(
        "cell_volumes",
        pd.DataFrame(rows, columns=["cell", by, "trips"]),
        "",
        parameters or {"k": 5, "noise_variance": 1.0},
    )


def test_coverage_is_a_share_of_the_whole_network_and_a_lower_bound() -> None:
    row = coverage(links({0: 10, 1: 5, 2: 5}), network=TOWN).iloc[0]
    assert row["share"] == row["low"] == pytest.approx(3 / LINKS)
    assert np.isnan(row["high"])  # what is missing is suppressed or empty: nobody can tell
    assert row["covered"] == pytest.approx(0.3)


def test_a_rest_counts_in_all_and_in_no_hour() -> None:
    table = coverage(cells([(1, 8, 10), (2, -1, 5)]), cells=[1, 2, 3, 4])
    assert table[["part", "share"]].values.tolist() == [["all", 0.5], ["8", 0.25]]


@pytest.mark.parametrize(("epsilon", "widest"), [(2.0, 0.06), (0.5, 0.12), (0.2, 0.4)])
def test_noisy_counts_give_an_expected_share_whose_interval_covers_the_truth(epsilon: float, widest: float) -> None:
    """Mutation twin: counting noisy values above the limit calls empty cells served."""
    rng = np.random.default_rng(2)
    truth = np.where(np.arange(400) < 100, rng.integers(12, 60, 400), 0)  # 100 of 400 cells have 12 trips or more
    scale, hits, naive, wide = 3 / epsilon, 0, [], []
    for _ in range(12):
        noisy = truth + np.round(rng.laplace(0, scale, 400))
        table = pd.DataFrame({"cell": np.arange(400), "trips": noisy, "noise_sd": scale * 2**0.5})
        made = RouteProduct("cell_volumes", table, "", {"epsilon": epsilon})
        row = coverage(made, cells=np.arange(400), least=10).iloc[0]
        hits += row["low"] <= 0.25 <= row["high"]
        wide.append(row["high"] - row["low"])
        naive.append((noisy >= 10).mean())
    assert hits >= 10
    assert np.mean(wide) < widest
    if epsilon < 0.5:
        assert np.mean(naive) > 0.35


def test_the_curve_agrees_with_drawing_trips() -> None:
    product = cells([(1, 0, 40), (2, 0, 10), (3, 0, 2)])
    curve = coverage_curve(product, cells=[1, 2, 3, 4])
    at = np.interp(0.2, curve["trip_share"], curve["covered_share"])
    # each trip is kept with chance 0.2: covered cells = Σ 1 − 0.8^v = 0.9999 + 0.8926 + 0.36, of 3
    assert at == pytest.approx((2 + 1 - 0.8**40 - 0.8**10 - 0.8**2) / 3, abs=0.003)
    assert curve["network_share"].max() == pytest.approx(0.75)
    needed = trips_needed(curve, trips=52)
    assert (needed["trip_share"].diff().dropna() > 0).all()
    assert needed["trips"].max() <= 52


def test_evenness_is_zero_for_even_and_near_one_for_one_street() -> None:
    assert evenness(links(dict.fromkeys(range(LINKS), 5)), network=TOWN)[0] == pytest.approx(0, abs=1e-9)
    assert evenness(links({0: 1000}), network=TOWN)[0] == pytest.approx(1 - 1 / LINKS)
    assert evenness(links({0: 1000}), network=TOWN, whole=False)[0] == pytest.approx(0)
    _, lorenz = evenness(links({0: 5, 1: 15}), network=TOWN, whole=False)
    assert lorenz.values.tolist() == [[0, 0], [0.5, 0.25], [1, 1]]


def test_redundancy_tells_how_often_and_by_how_many_operators_a_place_is_served() -> None:
    table = redundancy(cells([(1, 0, 10), (1, 1, 10), (2, 0, 5)], by="operator"), cells=[1, 2, 3])
    # 25 trips over 2 covered cells; one of the two has two operators
    assert table.iloc[0][["times_served", "shared"]].tolist() == [12.5, 0.5]
    assert table.iloc[1]["times_served"] == 7.5


def test_gaps_tell_demand_without_service_and_service_without_demand() -> None:
    table = gaps(cells([(1, 0, 20), (2, 0, 20)]), cells([(2, 0, 30), (3, 0, 30)]), cells=[1, 2, 3, 4], least=10)
    assert table["kind"].tolist() == ["demand without service", "both", "service without demand", "neither"]


def test_detours_compare_with_the_shortest_way_between_the_same_links() -> None:
    pair = {(int(a), int(b)): i for i, (a, b) in enumerate(zip(TOWN.link_start, TOWN.link_end, strict=True))}
    straight = [pair[0, 1], pair[1, 2]]
    round_about = [pair[0, 1], pair[1, 5], pair[5, 6], pair[6, 2], pair[2, 3]]  # 500 m where 300 m would do
    table = pd.DataFrame(
        {"pattern": [0, 1], "links": [straight, round_about], "length_m": [200.0, 500.0], "trips": [10, 5]}
    )
    found = detours(RouteProduct("patterns", table, TOWN.digest, {"k": 5}), network=TOWN)
    assert found["ratio"].round(4).tolist() == [1.0, 1.6667]


def test_a_change_is_clear_only_beyond_the_noise() -> None:
    table = before_after(links({0: 100, 1: 10, 2: 5}), links({0: 40, 1: 12, 3: 5}), network=TOWN)
    assert table["link"].tolist() == [0, 1, 2, 3]
    assert table["clear"].tolist() == [True, False, False, False]
    assert table["change"].isna().tolist() == [False, False, True, True]  # missing is not zero


def test_unlike_products_are_not_compared() -> None:
    with pytest.raises(SchemaError, match="cannot be compared"):
        before_after(links({0: 5}), cells([(1, 0, 5)]), network=TOWN, cells=[1])
    with pytest.raises(SchemaError, match="needs the network"):
        coverage(links({0: 5}))
    with pytest.raises(SchemaError, match="all cells of the public area"):
        coverage(cells([(1, 0, 5)]))


def test_link_volumes_add_up_to_cells_with_their_uncertainty() -> None:
    cell_of_link = np.arange(LINKS) // 2
    made = to_cells(links({0: 10, 1: 5, 2: 5}), cell_of_link=cell_of_link)
    assert made.table[["cell", "trips"]].values.tolist() == [[0, 15], [1, 5]]
    assert made.table["noise_sd"].round(2).tolist() == [1.41, 1.0]  # √2 and 1: cell-key noise of variance 1 each
    assert gaps(cells([(0, 0, 20)]), made, cells=[0, 1], least=10)["kind"].tolist() == ["both", "neither"]
