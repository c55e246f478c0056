"""What left, when, where, to whom; a second release that overlaps is refused until differencing passed (ruling 13)."""

from __future__ import annotations

import stat
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from anonkit.base.errors import LedgerError, ReleaseRefusedError
from anonkit.ledger.periods import LABELS, label
from anonkit.registry import Release, ReleaseRegister
from anonkit.registry.releases import span
from hypothesis import given
from hypothesis import strategies as st


def release(**given: Any) -> Release:
    whole: dict[str, Any] = {
        "name": "baku-2026q3",
        "dataset": "baku",
        "guarantee": "k_anonymity",
        "periods": ("2026-Q3",),
        "tessellation": "grid-500",
        "zones": ("1", "2"),
        "products": {"trips": "aa"},
        "recipients": ("City University",),
        "purpose": "research",
        "licence": "research only",
    }
    return Release(**{**whole, **given})


@pytest.fixture
def register(tmp_path: Path) -> ReleaseRegister:
    made = ReleaseRegister.create(tmp_path / "releases.sqlite")
    made.record(release())
    return made


@pytest.mark.parametrize(
    ("given", "overlaps"),
    [
        ({"periods": ("2026-07",)}, True),
        ({"periods": ("2026-W27",)}, True),
        ({"periods": ("2026",)}, True),
        ({"periods": ("2026-06-30",)}, False),
        ({"periods": ("2026-10", "2026-Q2")}, False),
        ({"periods": ("2026-10", "2026-09-30")}, True),
        ({"periods": ("all",)}, True),
        ({"zones": ("2", "3")}, True),
        ({"zones": ("3",)}, False),
        ({"zones": ("3",), "tessellation": "districts"}, True),  # cannot be compared: counts as overlapping
        ({"dataset": "ganja"}, False),
    ],
)
def test_r13_overlap_is_of_dataset_period_and_zone(
    register: ReleaseRegister, given: dict[str, Any], overlaps: bool
) -> None:
    second = release(name="second", **given)
    found = register.overlapping(second.dataset, second.periods, second.zones, tessellation=second.tessellation)
    assert [other.name for other in found] == (["baku-2026q3"] if overlaps else [])
    if overlaps:
        with pytest.raises(ReleaseRefusedError, match="overlaps 'baku-2026q3' in periods and zones"):
            register.record(second)
        register.record(second, differenced=["baku-2026q3"])
    else:
        register.record(second)
    assert "second" in register.releases()


def test_r13_twin_without_the_question_the_second_release_would_go_out(
    register: ReleaseRegister, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReleaseRegister, "_overlapping", lambda *_: [])
    register.record(release(name="second"))


def test_r14_other_guarantee_for_the_same_time_is_refused_whatever_differencing_says(register: ReleaseRegister) -> None:
    second = release(name="noisy", guarantee="differential_privacy", periods=("2026-08",))
    with pytest.raises(ReleaseRefusedError, match="claims differential_privacy for people and periods"):
        register.record(second, differenced=["baku-2026q3"])
    register.record(release(name="noisy", guarantee="differential_privacy", periods=("2026-10",)))


def test_recorded_release_counts_before_it_is_issued_and_goes_only_if_withdrawn(register: ReleaseRegister) -> None:
    with pytest.raises(ReleaseRefusedError, match="exists already"):
        register.record(release())
    register.withdraw("baku-2026q3")
    register.record(release(name="again"))
    register.issue("again", manifest_hash="ff")
    assert register.issued() == {"again": "ff"}
    for change in (lambda: register.withdraw("again"), lambda: register.issue("again", manifest_hash="0")):
        with pytest.raises(LedgerError, match="is not open"):
            change()


def test_recipients_of_releases_are_found(register: ReleaseRegister) -> None:
    assert register.recipients(["baku-2026q3", "unknown"]) == {"baku-2026q3": ("City University",)}


def test_release_without_purpose_or_recipient_is_refused() -> None:
    with pytest.raises(LedgerError, match=r"lacks \['recipients', 'purpose'\]"):
        release(recipients=(), purpose="")
    with pytest.raises(LedgerError, match="lacks a known guarantee"):
        release(guarantee="both")
    with pytest.raises(LedgerError, match="not the label of a period"):
        release(periods=("last month",))


def test_register_is_verified_and_for_the_owner_only(register: ReleaseRegister, tmp_path: Path) -> None:
    path = tmp_path / "releases.sqlite"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(path.read_bytes()[:4096])
    with pytest.raises(LedgerError, match=r"release register 'releases.sqlite' is damaged"):
        ReleaseRegister(path)


@given(st.dates(date(2000, 1, 3), date(2099, 12, 25)), st.sampled_from(list(LABELS)))
def test_span_holds_the_days_of_its_label_and_no_other(day: date, period: str) -> None:
    first, last = span(label(day, period))
    assert first <= day <= last
    if period != "all":
        assert label(first, period) == label(last, period) == label(day, period)
        assert label(date.fromordinal(last.toordinal() + 1), period) != label(day, period)
        assert label(date.fromordinal(first.toordinal() - 1), period) != label(day, period)
