"""Mutation twins of a routes release: the maker does wrong or a file is planted, the gate must see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anonkit.base.progress import Progress
from anonkit.bundle import write_checksums
from anonkit.classes import Protection
from anonkit.engine import Session
from anonkit.geo.bins import TimeBins
from anonkit.geo.matching import Walks
from anonkit.geo.networks import Plane
from anonkit.geo.networks_cells import network_from_cells, square_cells
from anonkit.geo.trimming import EndRule
from anonkit.kanon import CellKeyNoise
from anonkit.kanon import routes as makers
from anonkit.kanon.routes import RouteRule
from anonkit.kanon.routes_counting import Riders
from anonkit.kanon.routes_junctions import Events
from anonkit.kanon.routes_release import RouteRelease, RouteSpec, release_routes
from anonkit.pipeline.routes import passage_table
from anonkit.publish.gate_routes import run_route_gate
from anonkit.publish.routes import RouteReleaseSpec, write_routes
from anonkit.schema import PrivacyUnit

X, Y, PAIRS = square_cells(width=9, height=2, cell_m=100)
TOWN = network_from_cells(
    centre_x=X, centre_y=Y, neighbours=PAIRS, speed_kmh=36, plane=Plane(centre_lon=19.26, centre_lat=42.44)
)
LINK = {(int(a), int(b)): i for i, (a, b) in enumerate(zip(TOWN.link_start, TOWN.link_end, strict=True))}
K, K_DRIVER = 5, 3
NOISE = CellKeyNoise(largest=2, variance=1.0)


def road(first: int, last: int, *, row: int = 0) -> list[int]:
    """Links along a row of cells, either way; the two rows share no junction."""
    step = 1 if last > first else -1
    return [LINK[9 * row + n, 9 * row + n + step] for n in range(first, last, step)]


@dataclass
class Case:
    """Trips by hand: a path of links, who, which driver, at what second of a day; 10 s a link."""

    trips: list[tuple[list[int], int | None, int, int]] = field(default_factory=list)

    def drive(self, path: list[int], persons: Any, *, drivers: int = 9, at: int = 8 * 3600) -> Case:
        for number, person in enumerate(persons):
            self.trips.append((path, person, number % drivers, at))
        return self

    def walks(self) -> Walks:
        sizes = [len(path) for path, *_ in self.trips]
        link = np.array([i for path, *_ in self.trips for i in path], dtype=np.int32)
        trip = np.repeat(np.arange(len(sizes)), sizes).astype(np.int32)
        begin = np.array([at for *_, at in self.trips], dtype=float)[trip]
        enter = begin + 10.0 * np.concatenate([np.arange(size) for size in sizes])
        length = TOWN.length_m[link]
        seconds = 10.0 + np.array([who or 0 for _, who, *_ in self.trips], dtype=float)[trip] % 7
        return Walks(trip, np.zeros(len(link), np.int32), link, enter, enter + seconds, 0 * length, length, len(sizes))

    def who(self) -> pd.DataFrame:
        unit = pd.array([None if who is None else 1000 + who for _, who, *_ in self.trips], dtype="Int64")
        driver = pd.array([50 + driver for _, _, driver, _ in self.trips], dtype="Int64")
        record = pd.array([None if who is None else 7919 * (who + 1) ** 3 for _, who, *_ in self.trips], dtype="Int64")
        return pd.DataFrame({"unit": unit, "driver": driver, "record": record})


def spec_of(protection: Protection) -> RouteSpec:
    return RouteSpec(
        rule=RouteRule(protection=protection, max_rows=9, noise=NOISE),
        ends=EndRule(cell_m=300, minimum_m=200, settle_m=60), bins=TimeBins("3h of day", zone="Europe/Podgorica"),
        speed_bounds_kmh=(3, 120), step_kmh=1, least_m=200, most_links=20,
    )  # fmt: skip


ASKED = Protection(unit="person", k=K, k_driver=K_DRIVER, dominance=Fraction(1, 2))
SPEC = RouteReleaseSpec(
    name="twin-routes", title="Twins", purpose="tests", recipient="nobody", recipient_kind="contract", licence="CC0-1.0",
    first=date(1970, 1, 1), last=date(1970, 1, 2), operator="town", unit=PrivacyUnit.PERSON, routes=spec_of(ASKED),
    kinds=("link_volumes", "turns", "speeds", "patterns"), streets="town.geojson", streets_sha256="0" * 64,
    legal_basis=None, created="2026-11-22T00:00:00+00:00", version="0",
)  # fmt: skip
Change = Callable[[RouteRelease], RouteRelease]


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Callable[..., set[str]]]:
    """Make a release of a case with the maker's own protection, change it, write it; names of the gate's failed checks."""
    with Session(threads=1) as session:
        numbers = iter(range(99))

        def failed(
            case: Case, *, maker: Protection = ASKED, change: Change | None = None, somebody: bool = False,
            after: Callable[[Path], None] | None = None,
        ) -> set[str]:  # fmt: skip
            walks, who = case.walks(), case.who()
            unit = who["unit"].fillna(-7) if somebody else who["unit"]
            record = who["record"].fillna(1) if somebody else who["record"]
            riders = Riders.of_tokens(unit=unit.tolist(), driver=who["driver"].tolist(), operator=None, record=record)
            made = release_routes(walks, riders, TOWN, spec=spec_of(maker))
            folder = tmp_path / str(next(numbers))
            folder.mkdir()
            made = change(made) if change else made
            resources = write_routes(folder, SPEC, made, TOWN, session=session, progress=Progress())
            if after is not None:
                after(folder)
                write_checksums(folder)
            passages = session.from_arrow(passage_table(walks, who, TOWN))
            found = run_route_gate(folder, SPEC, resources, passages=passages, session=session)
            return {one.check for one in found if one.failed}

        yield failed


def town() -> Case:
    """Twelve people of nine drivers along the whole road."""
    return Case().drive(road(0, 6), range(12))


def planted(kind: str, row: dict[str, Any]) -> Change:
    """One more row in a table."""
    name = "volumes" if kind == "link_volumes" else kind

    def change(made: RouteRelease) -> RouteRelease:
        product = made[name]
        table = pd.concat([product.table, pd.DataFrame([row])], ignore_index=True)
        return RouteRelease({**made.products, name: replace(product, table=table)})

    return change


def noisy(case: Case, persons: Any) -> int:
    """Published count of one passage each of some people."""
    records = dict(zip((who for _, who, *_ in case.trips), case.who()["record"], strict=True))
    return len(list(persons)) + NOISE.of(sum(int(records[who]) for who in persons))


def test_r37_a_sound_release_passes_with_rows_in_every_table(gate: Any) -> None:
    assert gate(town()) == set()


def test_r01_k_less_one_is_refused(gate: Any) -> None:
    case = town().drive(road(0, 6, row=1), range(20, 24))
    assert gate(case) == set()
    assert "class_size" in gate(case, maker=replace(ASKED, k=K - 1))


def test_r01_nobody_counted_as_somebody_is_refused(gate: Any) -> None:
    case = town().drive(road(0, 6, row=1), [20, 21, 22, 23, None])
    assert gate(case) == set()
    assert "class_size" in gate(case, somebody=True)


def test_r04_drivers_left_uncounted_are_refused(gate: Any) -> None:
    case = town().drive(road(0, 6, row=1), range(20, 30), drivers=1)
    assert gate(case) == set()
    assert "class_size_drivers" in gate(case, maker=replace(ASKED, k_driver=None))


def test_r06_dominance_left_out_is_refused(gate: Any) -> None:
    case = town().drive(road(0, 6, row=1), [20] * 8 + [21, 22, 23, 24])
    assert gate(case) == set()
    assert "dominance" in gate(case, maker=replace(ASKED, dominance=Fraction(1)))


def test_r08_a_speed_that_is_not_the_recount_or_of_too_few_is_refused(gate: Any) -> None:
    def faster(made: RouteRelease) -> RouteRelease:
        told = made["speeds"]
        return RouteRelease(
            {**made.products, "speeds": replace(told, table=told.table.assign(speed_kmh=told.table["speed_kmh"] + 1))}
        )

    def slowest(made: RouteRelease) -> RouteRelease:
        told = made["speeds"]
        return RouteRelease({**made.products, "speeds": replace(told, table=told.table.assign(slow_kmh=20.0))})

    assert "statistics" in gate(town(), change=faster)
    assert "statistics" in gate(town(), change=slowest)  # 12 people have not k beyond their 85th percentile


def test_r09_a_rest_that_is_left_out_is_refused(gate: Any) -> None:
    # hours 6 and 12 hold six people each, hour 18 one: the rest of the link is needed to make it whole
    case = Case().drive(road(0, 6), range(6)).drive(road(0, 6), range(6, 12), at=13 * 3600)
    case.drive(road(0, 6), range(12, 13), at=20 * 3600)

    def without_rest(made: RouteRelease) -> RouteRelease:
        told = made["volumes"]
        return RouteRelease({**made.products, "volumes": replace(told, table=told.table[told.table["bin"] != -1])})

    assert gate(case) == set()
    assert "subtraction" in gate(case, change=without_rest)


def test_r11_a_junction_that_gives_one_person_away_is_refused(gate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # at cell 3 twelve go on and one turns up: what flows in minus what flows on would be him alone
    case = town().drive([*road(0, 3), LINK[3, 12]], [30])
    assert gate(case) - {"not_empty"} == set()
    honest = makers.volumes
    monkeypatch.setattr(
        "anonkit.kanon.routes_release.volumes", lambda *given, **more: honest(*given, **more, junctions=False)
    )
    assert "subtraction" in gate(case)


def test_r11_a_lonely_end_at_a_junction_is_refused(gate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # at cell 3 a thirteenth is cut: what flows in minus what flows on would be him alone
    case = town().drive(road(0, 3), [30])
    assert gate(case) - {"not_empty"} == set()
    nowhere = np.zeros(0, np.int64)
    monkeypatch.setattr(makers, "junction_events", lambda *_: Events(nowhere, nowhere, nowhere, nowhere > 0))
    assert "subtraction" in gate(case)


def test_r11_a_lonely_end_in_one_time_bin_is_refused(gate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # twelve along the road in the morning and twelve after noon; six end at cell 3 in the morning, one of them also after noon
    case = (
        town()
        .drive(road(0, 6), range(12), at=14 * 3600)
        .drive(road(0, 3), range(30, 36))
        .drive(road(0, 3), [30], at=14 * 3600)
    )
    assert gate(case) - {"not_empty"} == set()
    honest = makers.safe_junctions
    monkeypatch.setattr(makers, "safe_junctions", lambda *given, **more: (given[2], honest(*given, **more)[1]))
    assert "subtraction" in gate(case)


def test_r11_a_turn_that_leaves_one_person_beside_it_is_refused(gate: Any) -> None:
    # twelve go straight on at cell 3; a thirteenth ends there, so the turn would tell of him by the link's volume
    case = town().drive(road(0, 3), [30])
    row = {"from_link": LINK[2, 3], "to_link": LINK[3, 4], "trips": noisy(case, range(12))}
    assert gate(case) - {"not_empty"} == set()
    assert "subtraction" in gate(case, change=planted("turns", row))


def test_r12_exact_counts_are_refused(gate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert noisy(town(), range(12)) != 12  # else the twin would prove nothing
    monkeypatch.setattr(makers, "perturbed", lambda counts, key, noise: counts)
    assert "rows" in gate(town())


def test_r26_a_planted_link_is_refused(gate: Any) -> None:
    nobody = {"link": LINK[17, 16], "bin": -1, "trips": 9}
    assert {"rows", "class_size"} <= gate(town(), change=planted("link_volumes", nobody))
    case = town().drive(road(8, 6, row=1), [30])
    assert "class_size" in gate(case, change=planted("link_volumes", {**nobody, "trips": noisy(case, [30])}))


def test_r26_a_file_beside_the_declared_is_refused(gate: Any) -> None:
    assert "files" in gate(town(), after=lambda folder: (folder / "trips.csv").write_text("a\n1\n") and None)


def test_r31_a_route_stitched_of_popular_links_is_refused(gate: Any) -> None:
    # six drive the first half, six the second; one alone drives all of it: every link of it is popular
    case = Case().drive(road(0, 4), range(6)).drive(road(4, 8), range(6, 12)).drive(road(0, 8), [30])
    row = {"pattern": 99, "links": road(0, 8), "length_m": 800.0, "trips": noisy(case, [30])}
    sound = gate(case)
    assert sound - {"not_empty"} == set()
    assert "class_size" in gate(case, change=planted("patterns", row))


def test_r31_a_shorter_route_with_one_more_walker_is_refused(gate: Any) -> None:
    # 0→6 by twelve, and 0→3 by one more: the two numbers beside each other would be about him
    case = town().drive(road(0, 3), [30])
    short = {"pattern": 98, "links": road(0, 3), "length_m": 300.0, "trips": noisy(case, [*range(12), 30])}
    long = {"pattern": 99, "links": road(0, 6), "length_m": 600.0, "trips": noisy(case, range(12))}

    def both(made: RouteRelease) -> RouteRelease:
        empty = replace(made["patterns"], table=made["patterns"].table.iloc[:0])
        bare = RouteRelease({**made.products, "patterns": empty})
        return planted("patterns", short)(planted("patterns", long)(bare))

    assert "subtraction" in gate(case, change=both)


def test_r11_a_band_of_a_few_people_is_refused(gate: Any) -> None:
    case = town().drive(road(8, 6, row=1), [30])

    def told(made: RouteRelease) -> RouteRelease:
        return RouteRelease({**made.products, "volumes": replace(made["volumes"], suppressed_pct="<5")})

    assert gate(case) == set()
    assert "suppression" in gate(case, change=told)
