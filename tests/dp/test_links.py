"""Noisy links: every public link is told, a person's passages are bounded together, the ledger is charged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from anonkit.base.errors import PrivacyLeakError, SchemaError
from anonkit.coverage import coverage, noisy_links
from anonkit.dp import PublicKeys, plan
from anonkit.dp.bounding import integer_weights, person_codes
from anonkit.dp.links import DPLinks, link_keys, link_passages
from anonkit.geo.matching_trial import simulate_drives
from anonkit.geo.networks import Plane
from anonkit.geo.networks_cells import network_from_cells, square_cells
from anonkit.ledger import Ledger

X, Y, PAIRS = square_cells(width=10, height=10, cell_m=200)
TOWN = network_from_cells(centre_x=X, centre_y=Y, neighbours=PAIRS, speed_kmh=36, plane=Plane(), source="town")
DRIVES = simulate_drives(TOWN, trips=400, persons=90, drivers=9, every_s=15, noise_m=8, seed=1)
PASSAGES = link_passages(DRIVES.truth, DRIVES.person)
pytestmark = pytest.mark.usefixtures("seeded_noise")


def fitted(ledger: Any, *, epsilon: float = 1.0, max_trips: int = 60, table: pd.DataFrame = PASSAGES) -> DPLinks:
    made = plan("volumes", epsilon=epsilon, keys=link_keys(TOWN), max_trips=max_trips)
    return DPLinks(plan=made, ledger=ledger, release="r1", periods=("2026-09",)).fit(table)  # type: ignore[no-any-return]


def test_r18_every_link_of_the_public_network_is_told_driven_or_not(ledger: Ledger) -> None:
    driven = fitted(ledger, table=PASSAGES[PASSAGES["link"] < 40])
    assert driven.links_["link"].tolist() == list(range(TOWN.links))
    assert set(np.unique(PASSAGES["link"])) < set(range(TOWN.links))


def test_r18_keys_from_the_passages_are_refused(ledger: Ledger) -> None:
    with pytest.raises(PrivacyLeakError, match="bins must be range"):
        link_keys(TOWN, bins=np.unique(PASSAGES["link"]))  # type: ignore[arg-type]
    with pytest.raises(PrivacyLeakError, match="typed whole number"):
        fitted(ledger, max_trips=PASSAGES.groupby("person").size().max())


def test_r16_all_links_together_move_by_the_cap_when_a_person_comes_or_goes() -> None:
    # the weights that are summed: whoever is left out, all sums together change by at most T passages
    codes = person_codes(PASSAGES["person"].to_numpy())
    weights = integer_weights(codes, max_trips=20)
    whole = np.bincount(PASSAGES["link"], weights=weights.row, minlength=TOWN.links)
    worst = 0.0
    for who in range(codes.max() + 1):
        stay = codes != who
        rest = np.bincount(PASSAGES["link"][stay], weights=weights.row[stay], minlength=TOWN.links)
        worst = max(worst, np.abs(whole - rest).sum() / weights.scale)
    assert worst <= 20
    heaviest = np.bincount(codes).max()
    assert heaviest > 40  # the twin: without weights one commuter moves them by all his passages


def test_r23_the_ledger_is_charged_once_a_fit(ledger: Ledger) -> None:
    fitted(ledger, epsilon=0.5)
    assert ledger.total().epsilon == pytest.approx(0.5)
    fitted(ledger, epsilon=0.5)
    assert ledger.total().epsilon == pytest.approx(1.0)


def test_r20_the_interval_is_of_the_signed_value_and_covers_the_capped_count(ledger: Ledger) -> None:
    told = fitted(ledger, epsilon=2.0).links_
    weights = integer_weights(person_codes(PASSAGES["person"].to_numpy()), max_trips=60)
    capped = np.bincount(PASSAGES["link"], weights=weights.row / weights.scale, minlength=TOWN.links)
    inside = (told["capped_low"] <= capped) & (capped <= told["capped_high"])
    assert inside.mean() >= 0.95 - 3 * (0.05 * 0.95 / len(told)) ** 0.5
    assert (told["trips"] >= 0).all()
    assert told["noise_sd"].iloc[0] == pytest.approx(60 / 2.0 * 2**0.5, rel=0.01)


def test_r01_a_null_person_is_in_no_sum(ledger: Ledger) -> None:
    nobody = link_passages(DRIVES.truth, [None] * DRIVES.truth.trips)
    told = fitted(ledger, epsilon=9.0, table=pd.concat([PASSAGES, nobody])).links_
    weights = integer_weights(person_codes(PASSAGES["person"].to_numpy()), max_trips=60)
    spread = told["noise_sd"].iloc[0] * len(told) ** 0.5
    assert abs(told["capped_noisy"].sum() - weights.row.sum() / weights.scale) < 6 * spread
    assert len(nobody) > 12 * spread  # the twin: counted as somebody they would be seen


def test_coverage_of_noisy_links_has_an_interval(ledger: Ledger) -> None:
    releaser = fitted(ledger, epsilon=5.0)
    row = coverage(noisy_links(releaser, TOWN), network=TOWN, least=20).iloc[0]
    assert row["low"] <= row["share"] <= row["high"]
    assert row["high"] < 1


def test_keys_of_something_else_than_links_are_refused(ledger: Ledger) -> None:
    cells = PublicKeys.declared([[0]], columns=("cell",), source="test")
    made = plan("volumes", epsilon=1, keys=cells, max_trips=3)
    with pytest.raises(SchemaError, match="keys of links"):
        DPLinks(plan=made, ledger=ledger, release="r1", periods=("2026-09",)).fit(PASSAGES.assign(cell=0))
