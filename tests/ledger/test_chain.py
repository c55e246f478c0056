"""The file: append-only, chained, with its head in a second place; damage of any kind is refused, never read past."""

from __future__ import annotations

import json
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from anonkit.base.errors import LedgerError
from anonkit.ledger import Event, Ledger
from anonkit.ledger.chain import Chain, canonical, entry_hash
from hypothesis import given, settings
from hypothesis import strategies as st

MakeLedger = Callable[..., Ledger]
MakeEvent = Callable[..., Event]


@pytest.fixture
def spent_ledger(make_ledger: MakeLedger, make_event: MakeEvent) -> Ledger:
    """Three reservations of 0.25 in July: entries 0 (terms) to 3."""
    ledger = make_ledger()
    for _ in range(3):
        ledger.reserve(make_event())
    return ledger


def head_of(ledger: Ledger) -> Path:
    return ledger.path.with_name(ledger.path.name + ".head")


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def copy_to(ledger: Ledger, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for path in ledger.path.parent.glob("baku.ledger*"):
        shutil.copy(path, folder / path.name)


def test_files_are_for_the_owner_only(spent_ledger: Ledger) -> None:
    for path in spent_ledger.path.parent.glob("baku.ledger*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_file_is_in_wal_mode(spent_ledger: Ledger) -> None:
    with closing(sqlite3.connect(spent_ledger.path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("statement", ["UPDATE entries SET body = '{}'", "DELETE FROM entries WHERE number = 3"])
def test_entries_are_never_changed_or_removed_by_sql(spent_ledger: Ledger, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="entries are never"):
        execute(spent_ledger.path, statement)


def test_changed_body_does_not_fit_the_chain(spent_ledger: Ledger) -> None:
    execute(
        spent_ledger.path,
        "DROP TRIGGER no_update",
        "UPDATE entries SET body = replace(body, '8.0', '80.0') WHERE number = 2",
    )
    with pytest.raises(LedgerError, match="entry 2 does not fit the chain"):
        Ledger.open(spent_ledger.path)


def test_chain_rewritten_with_right_hashes_differs_from_its_head(spent_ledger: Ledger) -> None:
    """Someone who knows the format cheapens the last entry and hashes it anew: the head in the second place tells."""
    last = spent_ledger.entries()[-1]
    body = canonical({**last["body"], "event": {**last["body"]["event"], "scale": 800.0}})
    digest = entry_hash(3, "reserved", body, last["previous"])
    execute(spent_ledger.path, "DROP TRIGGER no_update")
    with closing(sqlite3.connect(spent_ledger.path, isolation_level=None)) as connection:
        connection.execute("UPDATE entries SET body = ?, hash = ? WHERE number = 3", (body, digest))
    with pytest.raises(LedgerError, match="truncated or rolled back"):
        Ledger.open(spent_ledger.path)


def test_truncated_chain_is_refused(spent_ledger: Ledger) -> None:
    execute(spent_ledger.path, "DROP TRIGGER no_delete", "DELETE FROM entries WHERE number = 3")
    with pytest.raises(LedgerError, match="ends before entry 3 or differs there: truncated or rolled back"):
        Ledger.open(spent_ledger.path)


def test_hole_in_the_chain_is_refused(spent_ledger: Ledger) -> None:
    execute(spent_ledger.path, "DROP TRIGGER no_delete", "DELETE FROM entries WHERE number = 2")
    with pytest.raises(LedgerError, match="entry 2 does not fit the chain"):
        Ledger.open(spent_ledger.path)


def test_rolled_back_copy_is_refused_by_the_head_and_by_an_open_ledger(
    spent_ledger: Ledger, make_event: MakeEvent, tmp_path: Path
) -> None:
    copy_to(spent_ledger, tmp_path / "old")
    spent_ledger.reserve(make_event())
    for path in spent_ledger.path.parent.glob("baku.ledger*"):
        if not path.name.endswith(".head"):
            path.unlink()
    shutil.copy(tmp_path / "old" / "baku.ledger", spent_ledger.path)
    with pytest.raises(LedgerError, match="truncated or rolled back"):
        Ledger.open(spent_ledger.path)
    shutil.copy(
        tmp_path / "old" / "baku.ledger.head", head_of(spent_ledger)
    )  # both rolled back: the open one still knows
    with pytest.raises(LedgerError, match="entries that were there are gone"):
        spent_ledger.reserve(make_event())


def test_twin_without_the_head_a_roll_back_would_pass(
    spent_ledger: Ledger, make_event: MakeEvent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_to(spent_ledger, tmp_path / "old")
    spent_ledger.reserve(make_event())
    shutil.copy(tmp_path / "old" / "baku.ledger", spent_ledger.path)
    monkeypatch.setattr(Chain, "_check_head", lambda *_: None)
    assert Ledger.open(spent_ledger.path).spent("2026-07").epsilon == 0.75


@pytest.mark.parametrize("content", [None, "", "{}", '{"number": 9, "hash": "x"}', '{"number": 1, "hash": "x"}'])
def test_missing_or_wrong_head_is_refused(spent_ledger: Ledger, content: str | None) -> None:
    head_of(spent_ledger).unlink() if content is None else head_of(spent_ledger).write_text(content)
    with pytest.raises(LedgerError, match=r"missing or unreadable|truncated or rolled back"):
        Ledger.open(spent_ledger.path)


def test_head_may_be_kept_anywhere(tmp_path: Path, make_event: MakeEvent) -> None:
    terms = {"dataset": "d", "privacy_unit": "person_period", "period": "month", "neighbours": "add_or_remove"}
    ledger = Ledger.create(tmp_path / "l", **terms, epsilon_cap=1, delta_cap=0, head=tmp_path / "far")  # type: ignore[arg-type]
    ledger.reserve(make_event())
    assert json.loads((tmp_path / "far").read_text())["number"] == 1
    with pytest.raises(LedgerError, match=r"its head 'l.head' is missing"):
        Ledger.open(tmp_path / "l")


def test_cut_file_is_refused(spent_ledger: Ledger) -> None:
    whole = spent_ledger.path.read_bytes()
    for size in (0, 100, 4096, len(whole) - 4096):
        spent_ledger.path.write_bytes(whole[:size])
        with pytest.raises(LedgerError, match="is damaged or was changed"):
            Ledger.open(spent_ledger.path)


def test_other_file_at_the_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("no database, but long enough to look like one " * 200)
    (tmp_path / "x.head").write_text('{"number": 0, "hash": ""}')
    with pytest.raises(LedgerError, match="file is not a database"):
        Ledger.open(tmp_path / "x")
    with pytest.raises(LedgerError, match="there is no ledger 'y'"):
        Ledger.open(tmp_path / "y")


@settings(max_examples=200)
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_any_changed_byte_is_refused_or_changes_nothing_that_was_spent(
    spent_ledger: Ledger, place: float, flip: int
) -> None:
    whole = spent_ledger.path.read_bytes()
    try:
        changed = bytearray(whole)
        changed[int(place * len(whole))] ^= flip
        spent_ledger.path.write_bytes(bytes(changed))
        try:
            spent = Ledger.open(spent_ledger.path).spent("2026-07").epsilon
        except LedgerError:
            return
        assert spent == 0.75  # an unused byte of a page
    finally:
        for path in spent_ledger.path.parent.glob("baku.ledger-*"):
            path.unlink()
        spent_ledger.path.write_bytes(whole)


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        ("refund", {"reservation": 1}, "unknown kind 'refund'"),
        ("reserved", {"event": "mechanism"}, "unknown mechanism 'free'"),
    ],
)
def test_r23_unknown_entry_or_mechanism_in_the_file_is_refused(
    spent_ledger: Ledger, kind: str, body: dict[str, object], message: str
) -> None:
    """Written with a right hash and head, as a newer or an altered version would."""
    last = spent_ledger.entries()[-1]
    if kind == "reserved":
        body = {"event": {**last["body"]["event"], "mechanism": "free"}, "at": "2026-01-01T00:00:00+00:00"}
    text = canonical(body)
    digest = entry_hash(4, kind, text, last["hash"])
    with closing(sqlite3.connect(spent_ledger.path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO entries VALUES (4, ?, ?, ?, ?)", (kind, text, last["hash"], digest))
    with pytest.raises(LedgerError, match=message):
        Ledger.open(spent_ledger.path)


def test_other_schema_version_is_refused(spent_ledger: Ledger) -> None:
    execute(spent_ledger.path, "PRAGMA user_version = 2")
    with pytest.raises(LedgerError, match="schema version is 2, this anonkit writes 1"):
        Ledger.open(spent_ledger.path)


def test_entry_that_a_crash_left_beyond_the_head_counts(spent_ledger: Ledger, make_event: MakeEvent) -> None:
    head = head_of(spent_ledger).read_bytes()
    spent_ledger.reserve(make_event())
    head_of(spent_ledger).write_bytes(head)  # killed between commit and head
    again = Ledger.open(spent_ledger.path)
    assert again.spent("2026-07").epsilon == 1.0


def test_canonical_json_tells_floats_apart_and_refuses_infinity() -> None:
    assert canonical({"b": 0.1 + 0.2, "a": 1}) == '{"a":1,"b":0.30000000000000004}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"a": float("inf")})
