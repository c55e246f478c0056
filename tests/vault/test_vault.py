"""The vault opens for two persons with a case and a reason, tells of it for ever, and forgets an erased subject."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from anonkit.base.errors import VaultError
from anonkit.vault import ENVIRONMENT, Vault, new_key_file, read_key, store
from anonkit.vault import vault as vault_module
from anonkit.vault.keys import keyed_hash
from hypothesis import given, settings
from hypothesis import strategies as st

KEY = bytes(range(32))
CASE = {"case": "D-17", "reason": "bag left in the car", "by": "Aysel Q.", "second": "Rəşad Ə."}
Reopen = Callable[[], Vault]


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def everything(folder: Path) -> bytes:
    """All bytes of all files below a folder."""
    return b"\0".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_r28_opening_gives_the_account_and_is_logged(vault: Vault) -> None:
    assert vault.open_case("j3", **CASE) == "acc-murad"
    line, about = vault.log()[-1]
    assert (line.what, line.by, line.second, line.count) == ("opened", "Aysel Q.", "Rəşad Ə.", 1)
    assert about == {"case": "D-17", "reason": "bag left in the car", "token": "j3"}
    assert vault.check().openings == 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"case": " "}, "opens only with a case"),
        ({"reason": ""}, "opens only with a reason"),
        ({"reason": "because"}, "opens only with a reason"),
        ({"by": ""}, "name of a person as 'by'"),
        ({"second": " "}, "name of a person as 'second'"),
        ({"second": "Aysel Q."}, "only with two persons"),
        ({"second": " q.  AYSEL"}, "only with two persons"),
    ],
)
def test_r28_missing_case_reason_or_second_person_is_refused(
    vault: Vault, changed: dict[str, str], message: str
) -> None:
    with pytest.raises(VaultError, match=message):
        vault.open_case("j3", **{**CASE, **changed})
    assert vault.check().openings == 0


def test_r28_twin_without_the_comparison_one_person_would_do(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault_module, "_same", lambda *_: False)
    assert vault.open_case("j3", **{**CASE, "second": "Aysel Q."}) == "acc-murad"


def test_unknown_token_is_refused_and_the_attempt_is_logged(vault: Vault) -> None:
    with pytest.raises(VaultError, match="holds nothing for this token"):
        vault.open_case("j99", **CASE)
    assert vault.log()[-1][0].what == "refused"


def test_wrong_key_is_refused(vault: Vault, tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="wrong key"):
        Vault(vault.folder, key=bytes(32), head=vault.head)
    with pytest.raises(VaultError, match="is not a vault"):
        Vault(tmp_path / "second", key=KEY, head=tmp_path / "head")


def test_neither_tokens_nor_accounts_lie_in_the_files(vault: Vault, tmp_path: Path) -> None:
    # a token long enough that random bytes of keys do not spell it by chance: two letters stand in 3 % of vaults
    vault.store([("journey-0017-aa42", "acc-leyla")], by="Aysel Q.")
    vault.open_case("journey-0017-aa42", **{**CASE, "case": "D-17-0042"})
    written = everything(tmp_path)
    for secret in (b"acc-leyla", b"acc-murad", b"journey-0017", b"bag left", b"D-17-0042", KEY):
        assert secret not in written


def test_files_are_for_the_owner_only(vault: Vault) -> None:
    vault.open_case("j1", **CASE)
    assert stat.S_IMODE(vault.folder.stat().st_mode) == 0o700
    for path in (*vault.folder.iterdir(), vault.head):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_head_inside_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="head lies inside the vault's folder"):
        Vault.create(tmp_path / "v", key=KEY, head=tmp_path / "v" / "head", by="Aysel Q.")


def test_vault_is_not_overwritten_nor_pickled(vault: Vault, tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="is not empty"):
        Vault.create(vault.folder, key=KEY, head=tmp_path / "other", by="Aysel Q.")
    with pytest.raises(VaultError, match="head 'head' exists already"):
        Vault.create(tmp_path / "new", key=KEY, head=vault.head, by="Aysel Q.")
    with pytest.raises(VaultError, match="not pickled"):
        pickle.dumps(vault)


def test_storing_again_adds_nothing_and_a_token_of_two_accounts_is_refused(vault: Vault) -> None:
    assert vault.store([("j1", "acc-leyla"), ("j6", "acc-nigar")], by="Aysel Q.") == 1
    with pytest.raises(VaultError, match="stored already for another account"):
        vault.store([("j7", "acc-leyla"), ("j1", "acc-murad")], by="Aysel Q.")
    assert vault.check().entries == 6  # j7 went back with the rest


# --- tampering --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("file", "statement", "message"),
    [
        ("entries.sqlite", "UPDATE entries SET sealed = zeroblob(25)", "tampered with"),
        (
            "entries.sqlite",
            "UPDATE entries SET sealed = (SELECT sealed FROM entries ORDER BY id LIMIT 1)",
            "tampered with",
        ),
        ("keys.sqlite", "UPDATE entry_keys SET wrapped = zeroblob(48)", "tampered with"),
        ("keys.sqlite", "UPDATE subjects SET wrapped = zeroblob(48)", "tampered with"),
        ("entries.sqlite", "DELETE FROM entries WHERE rowid = 1", "its log accounts for 5"),
        ("keys.sqlite", "DELETE FROM entry_keys", "its log accounts for 5"),
        ("keys.sqlite", "UPDATE progress SET line = 9", "older or newer than its log"),
        ("entries.sqlite", "DROP TABLE entries", "file of the vault is damaged"),
        ("keys.sqlite", "UPDATE subjects SET nonce = (SELECT min(nonce) FROM subjects)", "nonce was used twice"),
    ],
)
def test_tampered_file_is_refused(vault: Vault, reopen: Reopen, file: str, statement: str, message: str) -> None:
    execute(vault.folder / file, statement)

    def use() -> None:
        opened = reopen()
        for token in ("j1", "j3", "j5"):
            opened.open_case(token, **CASE)

    with pytest.raises(VaultError, match=message):
        use()


def test_missing_or_cut_file_is_refused(vault: Vault, reopen: Reopen) -> None:
    whole = (vault.folder / "keys.sqlite").read_bytes()
    (vault.folder / "keys.sqlite").write_bytes(whole[:5000])
    with pytest.raises(VaultError, match="file of the vault is damaged"):
        reopen()
    (vault.folder / "keys.sqlite").unlink()
    with pytest.raises(VaultError, match=r"lacks \['keys.sqlite'\]"):
        reopen()


def test_reused_nonce_is_refused(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault_module, "fresh_nonce", lambda: b"the same one")
    with pytest.raises(VaultError, match="a nonce would be used twice"):
        vault.store([("j8", "acc-new")], by="Aysel Q.")
    assert vault.check().entries == 5


def test_twin_without_the_memory_of_nonces_a_broken_generator_would_go_on(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault_module, "fresh_nonce", lambda: b"the same one")
    monkeypatch.setattr(store, "remember_nonce", lambda connection, nonce: nonce)
    assert vault.store([("j8", "acc-new")], by="Aysel Q.") == 1


@pytest.mark.parametrize("keep", [0, 1, 2, 3])
def test_r28_truncated_log_is_detected(vault: Vault, reopen: Reopen, keep: int) -> None:
    vault.open_case("j1", **CASE)
    vault.open_case("j2", **CASE)  # created, stored, opened, opened
    log = vault.folder / "log.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:keep]))
    with pytest.raises(VaultError, match=f"has {keep} lines and its head knows 4: truncated"):
        reopen()


def test_r28_altered_reordered_or_forged_log_is_detected(vault: Vault, reopen: Reopen) -> None:
    vault.open_case("j1", **CASE)
    log = vault.folder / "log.jsonl"
    lines = log.read_text().splitlines()
    forged = json.dumps({**json.loads(lines[2]), "by": "Nobody X."}, sort_keys=True)
    for changed in ([*lines[:2], forged], [lines[0], lines[2], lines[1]], [lines[0], lines[2]]):
        log.write_text("\n".join(changed) + "\n")
        with pytest.raises(VaultError, match="does not fit the chain"):
            reopen()
    log.write_text("nonsense\n")
    with pytest.raises(VaultError, match="missing or unreadable"):
        reopen()


def test_r28_log_without_its_head_is_refused(vault: Vault, reopen: Reopen) -> None:
    vault.head.unlink()
    with pytest.raises(VaultError, match="head 'head' is missing"):
        reopen()


def test_r28_twin_without_the_head_truncation_would_pass(vault: Vault, reopen: Reopen) -> None:
    """The chain alone cannot see that its end is gone: with the head put back too, a shortened log fits."""
    head = vault.head.read_bytes()
    vault.open_case("j1", **CASE)
    log = vault.folder / "log.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:2]))
    vault.head.write_bytes(head)
    assert reopen().check().openings == 0


def test_opening_is_logged_before_it_is_read(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(Vault, "_account", killed)
    with pytest.raises(KeyboardInterrupt):
        vault.open_case("j1", **CASE)
    assert vault.log()[-1][0].what == "opened"


# --- erasure ----------------------------------------------------------------------------------------------------------
def test_r27_destroyed_subject_is_gone_from_entries_and_readable_log_and_stays_out(
    vault: Vault, reopen: Reopen
) -> None:
    vault.open_case("j1", **CASE)
    vault.open_case("j3", **CASE)
    assert vault.destroy(tokens=["j2"], by="Aysel Q.") == 2  # both journeys of acc-leyla
    again = reopen()
    with pytest.raises(VaultError, match="holds nothing for this token"):
        again.open_case("j1", **CASE)
    about = [said for line, said in again.log() if line.what == "opened"]
    assert about == [None, {"case": "D-17", "reason": "bag left in the car", "token": "j3"}]
    assert again.store([("j1", "acc-leyla"), ("j9", "acc-leyla")], by="Aysel Q.") == 0
    assert again.check().entries == 3


def test_r27_log_of_an_erased_subject_cannot_be_matched_even_with_the_key(vault: Vault) -> None:
    vault.open_case("j1", **CASE)
    line = vault.log()[-1][0]
    vault.destroy(accounts=["acc-leyla"], by="Aysel Q.")
    for key in (vault._wrap, vault._index, vault._suppress):
        assert line.subject != keyed_hash(key, "account acc-leyla").hex()
    written = everything(vault.folder)
    assert bytes.fromhex(line.subject) not in written.replace(line.subject.encode(), b"")  # the name of its key is gone


@settings(max_examples=10)
@given(
    pairs=st.dictionaries(
        st.text("abc123", min_size=6, max_size=9),
        st.sampled_from([f"person-{n:04d}" for n in range(5)]),
        min_size=1,
        max_size=12,
    ),
    erased=st.integers(0, 4),
    opened=st.booleans(),
)
def test_r27_after_erasure_no_byte_of_a_subjects_keys_or_entries_is_left(
    pairs: dict[str, str], erased: int, opened: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("v")
    vault = Vault.create(place / "vault", key=KEY, head=place / "head", by="Aysel Q.")
    vault.store(pairs.items(), by="Aysel Q.")
    account = f"person-{erased:04d}"
    mine = [token for token, owner in pairs.items() if owner == account]
    if opened and mine:
        vault.open_case(mine[0], **CASE)
    with store.connected(vault.folder, write=False) as connection:
        subject = keyed_hash(vault._index, f"account {account}")
        secrets = [bytes(v) for row in connection.execute(
            "SELECT s.wrapped, s.name, k.wrapped, k.id, e.sealed FROM keys.subjects s JOIN keys.entry_keys k ON k.subject = s.id "
            "JOIN entries e ON e.id = k.id WHERE s.id = ?", (subject,)) for v in row]  # fmt: skip
    assert bool(secrets) == bool(mine)
    assert vault.destroy(accounts=[account], by="Aysel Q.") == len(mine)
    written = everything(place)
    assert not any(secret in written for secret in [*secrets, subject])
    again = Vault(place / "vault", key=KEY, head=place / "head")
    assert again.store(pairs.items(), by="Aysel Q.") == 0  # the others are known, the erased one is blocked
    assert again.check().entries == len(pairs) - len(mine)
    assert not any(said and said["token"] in mine for _, said in again.log())


def test_r27_twin_without_the_suppression_a_reimport_would_bring_the_subject_back(vault: Vault) -> None:
    vault.destroy(accounts=["acc-leyla"], by="Aysel Q.")
    execute(vault.folder / "keys.sqlite", "DELETE FROM suppressed")
    assert vault.store([("j1", "acc-leyla")], by="Aysel Q.") == 1


def test_twin_without_secure_delete_and_compaction_the_wrapped_key_stays_in_the_file(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.connected(vault.folder, write=False) as connection:
        wrapped = connection.execute("SELECT wrapped FROM keys.subjects").fetchall()
    monkeypatch.setattr(store, "compact", lambda _: None)
    execute_ = sqlite3.connect(vault.folder / "keys.sqlite", isolation_level=None)
    with closing(execute_) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("DELETE FROM subjects")
    assert any(row[0] in everything(vault.folder) for row in wrapped)


# --- crashes ----------------------------------------------------------------------------------------------------------
VICTIM = """
import os, signal, sys
from pathlib import Path
from anonkit.vault import Vault, log, vault as module
folder, head, point, action = sys.argv[1:]
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
opened = Vault(folder, key=bytes(range(32)), head=head)
append = log.Log.append
def watched(self, **given):
    if point == "before log":
        die()
    line = append(self, **given)
    if point == "after log":
        die()
    return line
log.Log.append = watched
if point == "after commit":
    module.store.compact = die
    if action == "store":
        point = "never"
if action == "store":
    opened.store([("j10", "acc-new")], by="Aysel Q.")
else:
    opened.destroy(accounts=["acc-leyla"], by="Aysel Q.")
die()
"""


@pytest.mark.parametrize("action", ["store", "destroy"])
@pytest.mark.parametrize("point", ["before log", "after log", "after commit"])
def test_killed_in_the_middle_the_vault_is_whole_and_says_what_was_interrupted(
    vault: Vault, reopen: Reopen, point: str, action: str
) -> None:
    words = [sys.executable, "-c", VICTIM, str(vault.folder), str(vault.head), point, action]
    victim = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
    assert victim.returncode == -signal.SIGKILL, victim.stderr
    again = reopen()
    summary = again.check()
    done = point == "after commit" or action == "destroy"  # a store is logged before its commit, an erasure after
    crashed = {("store", "after log"): "stored", ("destroy", "before log"): "destroyed"}
    assert summary.interrupted == crashed.get((action, point))
    assert summary.entries == {("store", True): 6, ("destroy", True): 3}.get((action, done), 5)
    assert again.open_case("j3", **CASE) == "acc-murad"
    assert reopen().check().interrupted is None
    if action == "store":
        assert again.store([("j10", "acc-new")], by="Aysel Q.") == int(not done)
    else:
        assert again.destroy(accounts=["acc-leyla"], by="Aysel Q.") == 0
    assert reopen().check().entries == (6 if action == "store" else 3)


@pytest.mark.parametrize("later", [False, True])
def test_r27_files_put_back_from_before_an_erasure_are_refused(
    vault: Vault, reopen: Reopen, tmp_path: Path, later: bool
) -> None:
    shutil.copytree(vault.folder, tmp_path / "old")
    vault.destroy(accounts=["acc-leyla"], by="Aysel Q.")
    if later:
        vault.open_case("j3", **CASE)
    for name in ("entries.sqlite", "keys.sqlite"):
        shutil.copy(tmp_path / "old" / name, vault.folder / name)
    with pytest.raises(VaultError, match="older or newer than its log: a copy was put back"):
        reopen()


# --- keys -------------------------------------------------------------------------------------------------------------
def test_key_file_must_be_of_mode_0600_and_hold_a_key(tmp_path: Path) -> None:
    path = new_key_file(tmp_path / "key")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(read_key(path)) == 32
    with pytest.raises(VaultError, match="exists already"):
        new_key_file(path)
    os.chmod(path, 0o640)
    with pytest.raises(VaultError, match="may be read by others"):
        read_key(path)
    os.chmod(path, 0o600)
    path.write_text("hunter2")
    with pytest.raises(VaultError, match="does not hold a key of 64 hexadecimal digits") as caught:
        read_key(path)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(VaultError, match="is missing"):
        read_key(tmp_path / "none")


def test_key_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, KEY.hex())
    assert read_key() == KEY
    monkeypatch.delenv(ENVIRONMENT)
    with pytest.raises(VaultError, match=ENVIRONMENT):
        read_key()
