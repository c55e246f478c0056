"""What happened to a bundle after it was handed over is seen, whatever it was, and said as a BundleError."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anonkit.base.errors import BundleError
from anonkit.bundle import safe_path
from anonkit.reader import open_release, verify
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture
def twin(bundle: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(bundle, tmp_path / "twin"))


def sign(folder: Path) -> None:
    """Checksums that fit, as somebody would write them who wants to deceive."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    lines = [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"
        for name in names
        if name != "CHECKSUMS.sha256"
    ]
    (folder / "CHECKSUMS.sha256").write_text("".join(lines), encoding="utf-8")


def described(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = folder / "datapackage.json"
    package = json.loads(path.read_text(encoding="utf-8"))
    changed = change(package)
    path.write_text(json.dumps(package if changed is None else changed), encoding="utf-8")
    sign(folder)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_untouched_bundle_verifies_and_says_that_k_cannot_be(bundle: Path) -> None:
    result = verify(bundle)
    assert "k-anonymity" in result.statement
    assert "only by the operator" in result.limits


def test_every_flipped_byte_is_found_in_every_file(bundle: Path, tmp_path: Path) -> None:
    names = [path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()]
    for number, name in enumerate(names):
        twin = Path(shutil.copytree(bundle, tmp_path / str(number)))
        flip(twin / name)
        with pytest.raises(BundleError):  # noqa: PT012
            verify(twin)
            open_release(twin)


@pytest.mark.parametrize("name", ["flows.csv", "README.md", "datapackage.json", "CHECKSUMS.sha256", "bins.parquet"])
def test_missing_file_is_found(twin: Path, name: str) -> None:
    (twin / name).unlink()
    with pytest.raises(BundleError, match=r"missing|no released folder"):
        verify(twin)


@pytest.mark.parametrize("name", ["extra.csv", ".hidden", "zones/more.parquet", "deep/er/file"])
def test_extra_file_is_found_signed_or_not(twin: Path, name: str) -> None:
    (twin / name).parent.mkdir(parents=True, exist_ok=True)
    (twin / name).write_text("x", encoding="utf-8")
    with pytest.raises(BundleError, match="not listed"):
        verify(twin)
    sign(twin)
    with pytest.raises(BundleError, match="other files than its description"):
        verify(twin)


@pytest.mark.parametrize("target", ["/etc/hostname", "trips.csv", "nowhere"])
def test_link_in_place_of_a_file_is_found(twin: Path, target: str) -> None:
    (twin / "flows.csv").unlink()
    os.symlink(target, twin / "flows.csv")
    with pytest.raises(BundleError, match="is a link"):
        verify(twin)


def test_link_in_place_of_a_folder_is_found(twin: Path) -> None:
    (twin / "zones").rename(twin.parent / "zones")
    os.symlink(twin.parent / "zones", twin / "zones")
    with pytest.raises(BundleError, match="not listed"):
        verify(twin)


@pytest.mark.parametrize("path", ["../twin/flows.csv", "/etc/hostname", "zones/../../x.csv", "a\\b.csv", ""])
def test_path_that_leads_out_is_found(twin: Path, path: str) -> None:
    with pytest.raises(BundleError, match="leads out"):
        safe_path(twin, path)
    described(twin, lambda package: package["resources"][0].update(path=path))
    with pytest.raises(BundleError, match=r"leads out|no description"):
        verify(twin)


def test_checksums_cannot_name_a_file_outside(twin: Path) -> None:
    listing = twin / "CHECKSUMS.sha256"
    listing.write_text(listing.read_text() + f"{'0' * 64}  ../../etc/passwd\n", encoding="utf-8")
    with pytest.raises(BundleError, match="missing"):
        verify(twin)


SPOILT: list[Callable[[dict[str, Any]], Any]] = [
    lambda package: [1],
    lambda package: package["anonkit"].update(format="new"),
    lambda package: package["anonkit"].update(format=None),
    lambda package: package["anonkit"].update(format=99),
    lambda package: package["anonkit"].pop("privacy") and None,
    lambda package: package["anonkit"].update(privacy="all is well"),
    lambda package: package.pop("name") and None,
    lambda package: package["resources"][0].update(path=["flows.csv"]),
    lambda package: package["resources"][0].pop("schema") and None,
    lambda package: package["resources"][1].pop("anonkit:fields") and None,
    lambda package: package["resources"][0]["schema"]["fields"].append({"name": "person"}),
    lambda package: package.update(resources=None),
]


@pytest.mark.parametrize("number", range(len(SPOILT)))
def test_spoilt_description_is_a_bundle_error(twin: Path, number: int) -> None:
    described(twin, SPOILT[number])
    with pytest.raises(BundleError):
        verify(twin)


@pytest.mark.parametrize("name", ["flows.parquet", "flows.csv", "datapackage.json", "zones/cells_2000m.parquet"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"PAR1junkPAR1", b"{}"])
def test_rubbish_in_a_signed_file_is_a_bundle_error(twin: Path, name: str, content: bytes) -> None:
    (twin / name).write_bytes(content)
    sign(twin)
    with pytest.raises(BundleError):
        verify(twin)


leaves = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


@given(st.data())
@settings(max_examples=60, database=None)
def test_any_change_of_the_description_verifies_or_is_a_bundle_error(bundle: Path, data: st.DataObject) -> None:
    import tempfile

    package = json.loads((bundle / "datapackage.json").read_text(encoding="utf-8"))
    place: Any = package
    while isinstance(place, dict | list) and place:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            place[key] = data.draw(values)
            break
        place = place[key]
    with tempfile.TemporaryDirectory() as folder:
        twin = Path(shutil.copytree(bundle, Path(folder) / "twin"))
        (twin / "datapackage.json").write_text(json.dumps(package), encoding="utf-8")
        sign(twin)
        for read in (verify, open_release):
            with contextlib.suppress(BundleError):
                read(twin)
