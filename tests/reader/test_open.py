"""What a researcher gets: verified tables, maps, and the statement of privacy."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from anonkit.base.errors import BundleError, SchemaError
from anonkit.reader import open_release


def test_tables_are_those_of_the_files(bundle: Path) -> None:
    release = open_release(bundle)
    assert {"trips", "flows", "volumes", "suppression", "bins"} <= set(release.tables)
    for name in ("trips", "flows", "volumes"):
        table = release.table(name)
        written = pd.read_csv(bundle / f"{name}.csv")
        pd.testing.assert_frame_equal(table.to_pandas(), written, check_dtype=False)
        assert len(table.lazy().collect()) == len(written)


def test_totals_are_sums_of_released_trips(bundle: Path) -> None:
    release = open_release(bundle)
    assert release.flows is not None
    assert release.trips is not None
    written = pd.read_csv(bundle / "flows.csv")
    assert release.flows.total(by="bin")["trips"].sum() == written["trips"].sum()
    assert release.trips.total(by=["start_cell", "end_cell"])["trips"].sum() == len(pd.read_csv(bundle / "trips.csv"))
    with pytest.raises(SchemaError, match="no columns"):
        release.flows.total(by="person")


def test_statement_names_guarantee_k_and_whom_it_counts(bundle: Path) -> None:
    release = open_release(bundle)
    assert release.privacy["guarantee"] == "k_anonymity"
    assert release.privacy["k"] == 5
    assert release.privacy["unit"] == "person"
    assert "at least 5 different persons" in release.privacy["statement"]
    assert "no differential privacy" in (bundle / "README.md").read_text(encoding="utf-8")


def test_every_released_cell_has_its_polygon(bundle: Path) -> None:
    release = open_release(bundle)
    for name in ("trips", "flows", "volumes", "suppression"):
        frame = release.to_geodataframe(name)
        assert len(frame) == len(release.table(name).to_pandas())
        assert frame.geometry.is_valid.all()
        assert frame.crs.to_epsg() == 4326


def test_every_released_bin_is_in_the_dictionary(bundle: Path) -> None:
    release = open_release(bundle)
    widths = {product["kind"]: product["bins"] for product in release.privacy["products"]}
    known = set(zip(release.bins["width"], release.bins["bin"], strict=True))
    for kind, width in widths.items():
        frame = release.table(kind).to_pandas()
        column = "start_bin" if kind == "trips" else "bin"
        assert {(width, number) for number in frame[column]} <= known


def test_repr_shows_no_row(bundle: Path) -> None:
    release = open_release(bundle)
    cells = set(pd.read_csv(bundle / "trips.csv")["start_cell"].astype(str))
    assert not [cell for cell in cells if cell in repr(release)]


def test_folder_that_is_no_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no released folder"):
        open_release(tmp_path)
    with pytest.raises(BundleError, match="no released folder"):
        open_release(tmp_path / "nowhere")
