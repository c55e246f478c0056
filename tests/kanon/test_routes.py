"""Route products: every published row is recounted from the raw walks by other code than the code that made it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from anonkit.base.errors import PrivacyLeakError, SchemaError
from anonkit.classes import Protection
from anonkit.geo.bins import TimeBins
from anonkit.geo.matching import Walks
from anonkit.geo.networks import Network, Plane
from anonkit.geo.networks_cells import network_from_cells, square_cells
from anonkit.kanon.perturb import KEY_SPACE, CellKeyNoise
from anonkit.kanon.routes import RouteRule, passage_bins, speeds, turns, volumes, whole_passages
from anonkit.kanon.routes_counting import REST, Riders, band, partition, perturbed, tally
from anonkit.kanon.routes_junctions import Events, junction_events
from anonkit.kanon.routes_product import RouteProduct
from hypothesis import given, settings
from hypothesis import strategies as st

LITTLE = CellKeyNoise(largest=1, variance=0.5)
KEY = b"a persistent key of 32 bytes ...".ljust(32)


def row_of_streets(width: int) -> Network:
    """Cells in one row: link i → i + 1 and back."""
    x, y, pairs = square_cells(width=width, height=1, cell_m=100)
    return network_from_cells(centre_x=x, centre_y=y, neighbours=pairs, speed_kmh=36, plane=Plane())


TOWN = row_of_streets(8)


def made(trips: list[list[int]], *, pace: list[float] | None = None) -> Walks:
    """Walks of link lists, 10 s a link, or ``pace[trip]`` seconds; trip i starts at second 3600·i."""
    link = np.array([i for path in trips for i in path], dtype=np.int32)
    trip = np.repeat(np.arange(len(trips)), [len(path) for path in trips]).astype(np.int32)
    begin = np.concatenate([np.arange(len(path)) for path in trips]) if len(link) else np.zeros(0)
    seconds = np.array(pace or [10.0] * len(trips))[trip]
    enter = trip * 3600.0 + begin * seconds
    length = TOWN.length_m[link]
    return Walks(trip, np.zeros(len(link), np.int32), link, enter, enter + seconds, 0 * length, length, len(trips))


def riders(person: list[Any], driver: list[Any] | None = None, operator: list[Any] | None = None) -> Riders:
    return Riders.of(person=person, driver=driver, operator=operator, key=KEY)


def rule(k: int = 2, *, k_driver: int | None = None, dominance: Fraction = Fraction(1), **more: Any) -> RouteRule:
    protection = Protection(unit="person", k=k, k_driver=k_driver, dominance=dominance)
    return RouteRule(**{"protection": protection, "max_rows": 10, "noise": LITTLE} | more)


def linked(product: Any) -> set[int]:
    return set(product.table["link"].tolist())


def plain(*given: Any, **more: Any) -> Any:
    """Volumes without the rule of junctions, which has tests of its own."""
    return volumes(*given, **{"junctions": False} | more)


NONE = np.zeros(1000, dtype=np.int64)


def test_r01_volumes_count_persons_not_trips_and_a_null_person_is_nobody() -> None:
    # link 0: persons a, a, a and two unknown ones = 1 person; link 2: persons a, b
    walks = made([[0], [0], [0], [0], [0], [2], [2]])
    who = riders(["a", "a", "a", None, None, "a", "b"])
    assert linked(plain(walks, who, TOWN, rule=rule(2), part=NONE[:7])) == {2}


def test_r04_drivers_have_a_threshold_of_their_own() -> None:
    walks = made([[0], [0], [2], [2]])
    who = riders(["a", "b", "c", "d"], driver=["x", "x", "x", "y"])
    assert linked(plain(walks, who, TOWN, rule=rule(2, k_driver=2), part=NONE[:4])) == {2}


@pytest.mark.parametrize("who", ["person", "driver", "operator"])
def test_r06_nobody_owns_more_than_the_dominance_limit(who: str) -> None:
    # 4 of 5 passages of link 0 belong to one; on link 2 at most 2 of 4
    walks = made([[0]] * 5 + [[2]] * 4)
    heavy = ["h", "h", "h", "h", "i", "h", "h", "i", "j"]
    many = list("abcdefghi")
    columns: dict[str, Any] = {"person": many, "driver": many, "operator": None} | {who: heavy}
    k_driver = 2 if who == "driver" else None
    limit = rule(2, k_driver=k_driver, dominance=Fraction(1, 2))
    assert linked(plain(walks, riders(**columns), TOWN, rule=limit, part=NONE[:9])) == {2}
    free = rule(2, k_driver=k_driver)
    if who != "operator":
        assert linked(plain(walks, riders(**columns), TOWN, rule=free, part=NONE[:9])) == {0, 2}


def test_r06_a_person_counts_at_most_max_rows_passages() -> None:
    walks = made([[0]] * 12)
    who = riders(["a"] * 10 + ["b", "c"])
    table = plain(walks, who, TOWN, rule=rule(3, max_rows=2, noise=None, exact=True), part=NONE[:12]).table
    assert table["trips"].tolist() == [4]


def test_one_operator_in_the_whole_pool_is_no_dominance() -> None:
    who = riders(["a", "b"], operator=["o", "o"])
    assert linked(plain(made([[0], [0]]), who, TOWN, rule=rule(2, dominance=Fraction(1, 2)), part=NONE[:2])) == {0}


def test_r09_hours_that_are_too_small_join_a_rest_that_holds_the_thresholds() -> None:
    # link 0: hour 8 has a b c, hour 9 has d, hour 10 has e: 9 and 10 make a rest of 2 persons
    walks = made([[0]] * 5)
    table = plain(walks, riders(list("abcde")), TOWN, rule=rule(2), part=[8, 8, 8, 9, 10]).table
    assert table["bin"].tolist() == [REST, 8]


def test_r11_a_rest_that_is_too_small_takes_the_smallest_hour_with_it() -> None:
    # hours 8: a b c, 9: d e, 10: f. A rest of f alone could be had from the day's total, so 9 joins it
    walks = made([[0]] * 6)
    table = plain(walks, riders(list("abcdef")), TOWN, rule=rule(2), part=[8, 8, 8, 9, 9, 10]).table
    assert table["bin"].tolist() == [REST, 8]


partings = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from([None, *"abcdefgh"]), st.sampled_from("xyz")),
    min_size=1,
    max_size=60,
)


@settings(max_examples=150)
@given(rows=partings, k=st.integers(2, 4), k_driver=st.sampled_from([None, 2, 3]))
def test_r09_r11_every_part_holds_the_thresholds_and_a_place_is_whole_or_missing(
    rows: list[Any], k: int, k_driver: int | None
) -> None:
    who = riders([row[2] for row in rows], driver=[row[3] for row in rows])
    limit = rule(k, k_driver=k_driver, dominance=Fraction(2, 3)).protection
    place, part = [row[0] for row in rows], [row[1] for row in rows]
    label, kept = partition(place, part, np.arange(len(rows)), who, protection=limit, max_rows=99)
    found: dict[Any, list[Any]] = defaultdict(list)
    for row, name, stays in zip(rows, label.tolist(), kept.tolist(), strict=True):
        found[row[0], name if stays else "gone"].append(row)
    for (where, name), held in found.items():
        if name == "gone":
            assert not [key for key in found if key[0] == where and key[1] != "gone"]
            continue
        persons, drivers = {row[2] for row in held} - {None}, {row[3] for row in held}
        assert len(persons) >= k
        assert k_driver is None or len(drivers) >= k_driver
        assert max(sum(row[2] == one for row in held) for one in persons) * 3 <= len(held) * 2


@settings(max_examples=100)
@given(
    paths=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3), st.sampled_from("abcdef")), min_size=2, max_size=40)
)
def test_r11_what_does_not_go_on_by_a_published_turn_is_nobody_or_k_persons(paths: list[Any]) -> None:
    pairs = {(int(a), int(b)): i for i, (a, b) in enumerate(zip(TOWN.link_start, TOWN.link_end, strict=True))}
    trips = [[pairs[n, n + 1] for n in range(first, min(first + size, 7))] for first, size, _ in paths]
    person = [path[2] for path in paths]
    table = turns(made(trips), riders(person), TOWN, rule=rule(2)).table
    told = set(zip(table["from_link"], table["to_link"], strict=True))
    for link in range(TOWN.links):
        onward, inward, out, into = set(), set(), set(), set()
        for trip, who in zip(trips, person, strict=True):
            for place, here in enumerate(trip):
                if here != link:
                    continue
                if (here, trip[place + 1] if place + 1 < len(trip) else None) in told:
                    out.add(here)
                else:
                    onward.add(who)
                if (trip[place - 1] if place else None, here) in told:
                    into.add(here)
                else:
                    inward.add(who)
        assert not out or len(onward) != 1
        assert not into or len(inward) != 1
    for a, b in told:
        walked = {who for trip, who in zip(trips, person, strict=True) if (a, b) in set(pairwise(trip))}
        assert len(walked) >= 2


def test_r08_speeds_take_one_value_a_person() -> None:
    # a: 40 passages of 5 s (72 km/h), b and c: one of 20 s (18 km/h) each. 100 m links.
    walks = made([[0]] * 42, pace=[5.0] * 40 + [20.0, 20.0])
    who = riders(["a"] * 40 + ["b", "c"])
    wide = {"speed_bounds_kmh": (3.0, 120.0), "step_kmh": 1.0}
    table = speeds(walks, who, TOWN, rule=rule(3), part=NONE[:42], **wide).table
    assert table["speed_kmh"].tolist() == [24.0]  # 100 m in (5 + 20 + 20) / 3 s; by trips it would be 63 km/h


def test_r08_a_quantile_needs_k_persons_on_each_side() -> None:
    wide = {"speed_bounds_kmh": (3.0, 120.0), "step_kmh": 1.0}
    for persons, median, slow in ((5, False, False), (6, True, False), (19, True, False), (20, True, True)):
        walks = made([[0]] * persons, pace=[10.0 + i for i in range(persons)])
        table = speeds(walks, riders(list(range(persons))), TOWN, rule=rule(3), part=NONE[:persons], **wide).table
        assert table["median_kmh"].notna().tolist() == [median]
        assert table["slow_kmh"].notna().tolist() == [slow]


def test_r08_speeds_are_clipped_to_public_bounds_and_rounded() -> None:
    walks = made([[0]] * 3, pace=[0.1, 0.1, 0.1])
    table = speeds(
        walks, riders(list("abc")), TOWN, rule=rule(3), part=NONE[:3], speed_bounds_kmh=(3, 90), step_kmh=20
    ).table
    assert table["speed_kmh"].tolist() == [80.0]


def test_a_passage_that_is_not_whole_has_no_speed() -> None:
    walks = made([[0, 1]])
    cut = Walks(**{**vars(walks), "enter_m": np.array([40.0, 0.0])})
    assert whole_passages(cut, TOWN).tolist() == [False, True]


def test_r12_the_same_persons_get_the_same_noise_in_every_order_and_release() -> None:
    walks, back = made([[0]] * 7), made([[0]] * 7)
    names = [f"p{i}" for i in range(7)]
    wide = rule(5, noise=CellKeyNoise(largest=4, variance=6.0))
    one = plain(walks, riders(names), TOWN, rule=wide, part=NONE[:7]).table["trips"]
    two = volumes(back, riders(names[::-1]), TOWN, rule=wide, part=NONE[:7]).table["trips"]
    assert one.tolist() == two.tolist()


def test_r12_noise_of_links_is_the_noise_of_flows() -> None:
    # the same formula on plain arrays as CellKeyNoise.of on one number: one key for trips, flows, volumes and routes
    noise = CellKeyNoise(largest=3, variance=2.0)
    keys = np.random.default_rng(1).integers(0, KEY_SPACE, 2_000)
    assert perturbed(np.full(2_000, 12), keys, noise).tolist() == [12 + noise.of(int(key)) for key in keys]
    over = perturbed([12], [int(keys[0]) + 3 * KEY_SPACE], noise)  # sums of record keys leave the space of one key
    assert over.tolist() == [12 + noise.of(int(keys[0]))]


def test_r12_the_key_of_a_cell_is_the_sum_of_its_persons_keys_each_once() -> None:
    who = riders(["a", "a", "b", None])
    counted = tally([5, 5, 5, 5], [0, 1, 2, 3], who, max_rows=9)
    assert counted.key.tolist() == [(who.record_key[0] + who.record_key[2]) % KEY_SPACE]
    given = Riders.of_tokens(unit=[11, 11, 12, None], driver=None, operator=None, record=[7, 7, 9, None])
    assert tally([5, 5, 5, 5], [0, 1, 2, 3], given, max_rows=9).key.tolist() == [16]


def test_r12_exact_counts_must_be_asked_for() -> None:
    with pytest.raises(PrivacyLeakError, match="explicit option"):
        rule(2, noise=None)
    with pytest.raises(PrivacyLeakError, match="explicit option"):
        rule(2, exact=True)
    with pytest.raises(SchemaError, match="below k"):
        rule(2, noise=CellKeyNoise(largest=2, variance=1.0))


def test_r11_volumes_leave_no_junction_with_a_few_missing() -> None:
    # 0→1 by ten, of whom nine go on to 2 and one turns back: in minus out would give him away
    pairs = {(int(a), int(b)): i for i, (a, b) in enumerate(zip(TOWN.link_start, TOWN.link_end, strict=True))}
    trips = [[pairs[0, 1], pairs[1, 2]]] * 9 + [[pairs[0, 1], pairs[1, 0]]]
    who = riders([f"p{i}" for i in range(10)])
    told = volumes(made(trips), who, TOWN, rule=rule(2), part=NONE[:20])
    exact = plain(made(trips), who, TOWN, rule=rule(2, noise=None, exact=True), part=NONE[:20])
    twin = plain(made(trips), who, TOWN, rule=rule(2), part=NONE[:20])
    assert linked(twin) == {pairs[0, 1], pairs[1, 2]}  # without the rule of junctions
    assert len(linked(told)) <= 1
    gone = ~np.isin(made(trips).link, list(linked(told)))
    assert told.suppressed_pct in (band(float(gone.mean())), "withheld")  # what the rule took is missing, and told so
    assert len(linked(exact)) <= 1  # exact counts are never without it


def test_r11_a_lonely_end_at_a_junction_is_not_what_goes_in_and_never_comes_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # ten drive 0→1; nine go on to 2, the tenth is cut (or lost, or drove against a sign) at 1: in minus out is him alone
    pairs = {(int(a), int(b)): i for i, (a, b) in enumerate(zip(TOWN.link_start, TOWN.link_end, strict=True))}
    walks = made([[pairs[0, 1], pairs[1, 2]]] * 9 + [[pairs[0, 1]]])
    who = riders([f"p{i}" for i in range(10)])
    assert len(linked(volumes(walks, who, TOWN, rule=rule(2), part=NONE[:19]))) <= 1
    two = made([[pairs[0, 1], pairs[1, 2]]] * 8 + [[pairs[0, 1]]] * 2)
    assert linked(volumes(two, who, TOWN, rule=rule(2), part=NONE[:18])) == {pairs[0, 1], pairs[1, 2]}  # two are enough
    nowhere = np.zeros(0, np.int64)
    monkeypatch.setattr(
        "anonkit.kanon.routes.junction_events", lambda *_: Events(nowhere, nowhere, nowhere, nowhere > 0)
    )
    twin = volumes(walks, who, TOWN, rule=rule(2), part=NONE[:19])
    assert linked(twin) == {pairs[0, 1], pairs[1, 2]}  # the rule without ends tells him


def test_r11_bins_are_told_together_where_a_junction_loses_one_person_in_one_of_them() -> None:
    # three drive 0→1→2 in each of two bins; a and b end at 1 in the first bin, a alone in the second
    pairs = {(int(a), int(b)): i for i, (a, b) in enumerate(zip(TOWN.link_start, TOWN.link_end, strict=True))}
    on, off = [pairs[0, 1], pairs[1, 2]], [pairs[0, 1]]
    walks = made([on] * 6 + [off] * 3)
    part = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 1])
    who = riders(["x", "y", "z", "x", "y", "z", "a", "b", "a"])
    told = volumes(walks, who, TOWN, rule=rule(2), part=part).table
    rows = set(map(tuple, told[["link", "bin"]].to_numpy().tolist()))
    # in the second bin one of the two links joins its rest: its own first bin with it, if that alone were too few
    assert not {(pairs[0, 1], 1), (pairs[1, 2], 1)} <= rows
    assert linked(volumes(walks, who, TOWN, rule=rule(2), part=part)) == {pairs[0, 1], pairs[1, 2]}
    twin = plain(walks, who, TOWN, rule=rule(2), part=part).table
    assert {(pairs[0, 1], 1), (pairs[1, 2], 1)} <= set(map(tuple, twin[["link", "bin"]].to_numpy().tolist()))


def test_r11_somebody_who_passes_a_junction_from_one_bin_to_the_next_alone_is_missing_there() -> None:
    pairs = {(int(a), int(b)): i for i, (a, b) in enumerate(zip(TOWN.link_start, TOWN.link_end, strict=True))}
    events = junction_events(made([[pairs[0, 1], pairs[1, 2]], [pairs[0, 1]]]), [0, 1, 1], TOWN)
    # begin of both at 0 and ends at 2 and 1; between bins the first ends at 1 in bin 0 and begins there in bin 1
    found = sorted(zip(events.node.tolist(), events.part.tolist(), events.trip.tolist(), strict=True))
    assert found == [(0, 0, 0), (0, 1, 1), (1, 0, 0), (1, 1, 0), (1, 1, 1), (2, 1, 0)]
    # over the whole period he passes: there he does not make a crowd with those who end
    assert sorted(events.node[events.lasting].tolist()) == [0, 0, 1, 2]


def test_r11_turns_and_patterns_do_not_complete_what_was_left_out_at_a_junction() -> None:
    # 0→1 by ten, of whom nine go on to 2: one of the two links is missing, and a turn between them would tell it again
    pairs = {(int(a), int(b)): i for i, (a, b) in enumerate(zip(TOWN.link_start, TOWN.link_end, strict=True))}
    walks = made([[pairs[0, 1], pairs[1, 2]]] * 9 + [[pairs[0, 1], pairs[1, 0]]])
    who = riders([f"p{i}" for i in range(10)])
    open_links = [pairs[0, 1]]
    assert len(turns(walks, who, TOWN, rule=rule(2)).table) >= 0
    assert len(turns(walks, who, TOWN, rule=rule(2), links=open_links).table) == 0


def test_cells_count_a_trip_once_however_many_of_its_links_lie_there() -> None:
    walks = made([[0, 2, 4], [0, 2, 4]])
    cell_of_link = np.full(TOWN.links, 77)
    table = volumes(
        walks, riders(["a", "b"]), TOWN, rule=rule(2, noise=None, exact=True), part=NONE[:6], cells=cell_of_link
    ).table
    assert table[["cell", "trips"]].to_numpy().tolist() == [[77, 2]]


def test_bins_are_on_the_local_clock() -> None:
    walks = made([[0], [0]])  # 00:00 and 01:00 UTC on 1 January 1970: 04:00 and 05:00 in Baku
    assert passage_bins(walks, TimeBins("1h of day", zone="Asia/Baku")).tolist() == [4, 5]


def test_a_product_tells_its_parameters_and_only_a_band_of_what_is_missing() -> None:
    walks = made([[0]] * 9 + [[2]])
    product = plain(walks, riders(list("abcdefghij")), TOWN, rule=rule(3), part=NONE[:10])
    assert product.parameters["k"] == 3
    assert product.suppressed_pct == "withheld"  # one person is missing: even the band would be about him
    full = plain(walks, riders(list("abcdefghij")), TOWN, rule=rule(2), part=np.r_[NONE[:9], 0])
    assert band(0.3) == "20-50"
    assert "suppressed" in repr(full)


def test_products_refuse_other_networks_and_other_things_than_walks() -> None:
    product = plain(made([[0], [0]]), riders(["a", "b"]), TOWN, rule=rule(2), part=NONE[:2])
    with pytest.raises(SchemaError, match="another street network"):
        product.to_geodataframe(row_of_streets(5))
    with pytest.raises(SchemaError, match="counted from matched walks"):
        turns([[0, 1]], riders(["a"]), TOWN, rule=rule(2))  # type: ignore[arg-type]
    assert product.to_geodataframe(TOWN).columns.tolist() == ["link", "bin", "trips", "street", "class", "geometry"]


def test_whole_routes_have_one_line_each_and_can_be_exported(tmp_path: Path) -> None:
    town = replace(TOWN, plane=Plane(centre_lon=49.85, centre_lat=40.4))
    table = pd.DataFrame({"pattern": [0, 1], "links": [[0, 2], [2]], "length_m": [200.0, 100.0], "trips": [7, 9]})
    routes = RouteProduct("patterns", table, town.digest, {"k": 3}).to_geodataframe(town)
    lines = town.to_geodataframe().geometry
    assert routes.geometry.geom_type.tolist() == ["LineString"] * 2
    np.testing.assert_allclose(
        shapely.length(routes.geometry), [shapely.length(lines[[0, 2]]).sum(), shapely.length(lines[2])]
    )
    routes.to_file(tmp_path / "routes.gpkg")
    routes.to_parquet(tmp_path / "routes.parquet")
    for again in (gpd.read_file(tmp_path / "routes.gpkg"), gpd.read_parquet(tmp_path / "routes.parquet")):
        assert again["links"].tolist() == ["0 2", "2"]
        assert again.crs.to_epsg() == 4326
        np.testing.assert_allclose(shapely.length(again.geometry), shapely.length(routes.geometry))


def test_the_tally_agrees_with_a_plain_count() -> None:
    rng = np.random.default_rng(3)
    person = [None if value == 0 else int(value) for value in rng.integers(0, 9, 200)]
    cell, trip = rng.integers(0, 5, 600), rng.integers(0, 200, 600)
    counted = tally(cell, trip, riders(person), max_rows=3)
    for number, where in enumerate(counted.cell.tolist()):
        rows = [person[t] for t in trip[cell == where]]
        named = {one: rows.count(one) for one in set(rows) - {None}}
        assert counted.persons[number] == len(named)
        assert counted.rows[number] == sum(min(n, 3) for n in named.values()) + rows.count(None)
        assert counted.top_person[number] == max(min(n, 3) for n in named.values())
