"""Suppressed is told by area and hour in bands, and only where that gives nobody away."""

from __future__ import annotations

from typing import Any

import pytest

RIDERS = [f"P{number}" for number in range(20)]


def release(town: Any) -> dict[tuple[int, int], str]:
    def change(recipe: dict[str, Any]) -> None:
        recipe["products"] = {"flows": {"cell_m": 1000, "bins": "3h"}}
        recipe["suppression"] = {"cell_m": 4000}

    town.release(change)
    return {(row["area"], row["hour"]): row["suppressed_pct"] for row in town.table("suppression")}


def test_r11_band_of_an_hour_with_everything_published_is_0(town: Any) -> None:
    town.rides(RIDERS, to=(4, 0))
    assert list(release(town).values()) == ["0"]


def test_r11_hour_whose_suppressed_part_is_less_than_k_is_left_out(town: Any) -> None:
    # 8 o'clock: 20 published; 14 o'clock: 20 published in one area, 3 suppressed in another, the total of the bin is
    # known, so the 20 fall beside the 3 and 23 of 23 are missing: an area with 3 is not told, that with 20 is
    town.rides(RIDERS, to=(4, 0))
    town.rides(RIDERS, to=(4, 0), start="2026-03-04T14:00:00")
    town.rides("ABC", at=(4, 4), to=(0, 4), start="2026-03-04T14:00:00")
    bands = release(town)
    assert sorted(bands.values()) == ["0", ">50"]
    assert {hour for _, hour in bands} == {8, 14}


def test_r11_bands_are_those_of_the_share(town: Any) -> None:
    # one area and hour: 20 published, six pairs of places with one rider each suppressed: 6 of 26 are 23 %
    town.rides(RIDERS, to=(4, 0))
    for number in range(6):
        town.ride(f"lone{number}", at=(number % 4, 2 + number // 4), to=(7, 7))
    assert list(release(town).values()) == ["20-50"]


def test_r11_bits_settle_only_what_counting_values_would(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every zone-hour counted value by value the bands are the same."""
    for number, hour in enumerate(range(6, 20)):
        riders = [f"H{place}" for place in range(3 + number)]  # 3 to 16 riders: around k, and one with many rides
        town.rides(riders, at=(number % 3, 0), to=(4, 0), start=f"2026-03-04T{hour:02d}:00:00")
        town.rides(["H0"] * (number % 7), at=(number % 3, 4), to=(0, 4), start=f"2026-03-04T{hour:02d}:00:00")
    first = release(town)
    assert len(first) > 3
    monkeypatch.setattr("anonkit.kanon.suppression._is_open", lambda parts, threshold: "true")
    town.folder.joinpath("out").rename(town.folder / "first")
    assert release(town) == first
