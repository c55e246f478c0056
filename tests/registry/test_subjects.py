"""Erased is erased: nothing in the files yields the person, whoever he was in them, and he does not come back."""

from __future__ import annotations

import pickle
import shutil
import sqlite3
import stat
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from anonkit.base.errors import SourceError
from anonkit.registry import Identifier, SubjectRegister, new_key_file, read_key
from anonkit.registry import store as module
from hypothesis import given, settings
from hypothesis import strategies as st

KEY = bytes(range(32))
DAY, UNTIL = date(2026, 10, 1), date(2029, 9, 30)


def person(number: int, *kinds: str) -> tuple[Identifier, ...]:
    values = {
        "phone": (f"+99450{2000000 + number}", ""),
        "email": (f"rider{number}@qmail.az", ""),
        "account_id": (f"U{number:04d}", "kontaktplus"),
        "card_number": (f"41697389{number:08d}", ""),
    }
    return tuple(Identifier(kind=kind, value=values[kind][0], operator=values[kind][1]) for kind in kinds or values)


def everything(folder: Path) -> bytes:
    return b"\0".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.fixture
def register(tmp_path: Path) -> SubjectRegister:
    made = SubjectRegister.create(tmp_path / "subjects", key=KEY)
    made.record("july", [person(1), person(2, "phone"), person(3, "account_id")], until=UNTIL)
    made.record("august", [person(1, "email"), person(2, "phone")], until=UNTIL)
    return made


@pytest.mark.parametrize("kind", ["phone", "email", "account_id", "card_number"])
def test_person_is_found_by_any_identifier(register: SubjectRegister, kind: str) -> None:
    found = register.show(person(1, kind))
    assert (found.known, found.releases, found.suppressed) == (True, ("august", "july"), False)


def test_r27_erased_person_is_blocked_by_every_identifier_that_was_known(register: SubjectRegister) -> None:
    found = register.erase((Identifier(kind="phone", value="(050) 200-00-01"),), day=DAY)
    assert found.releases == ("august", "july")
    assert register.blocked("email", ["RIDER1@qmail.az", "rider2@qmail.az", None, "nonsense"]) == [
        True,
        False,
        False,
        False,
    ]
    assert register.blocked("account_id", ["U0001", "U0003"], operator="kontaktplus") == [True, False]
    assert register.blocked("account_id", ["U0001"], operator="uklon") == [False]
    assert register.blocked("card_number", ["4169 7389 0000 0001"]) == [True]
    again = register.show(person(1))
    assert (again.known, again.releases, again.suppressed) == (False, (), True)
    with pytest.raises(SourceError, match="holds rows of an erased or restricted person"):
        register.record("september", [person(4), person(1, "account_id")], until=UNTIL)
    assert not register.show(person(4)).known  # the whole release went back


def test_r27_twin_without_the_aliases_the_account_would_come_back(
    register: SubjectRegister, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SubjectRegister, "_all_names", lambda self, connection, names: list(names))
    register.erase(person(1, "phone"), day=DAY)
    assert register.blocked("email", ["rider1@qmail.az"]) == [False]


def test_erasing_somebody_unknown_blocks_him_all_the_same(register: SubjectRegister) -> None:
    assert not register.erase(person(9, "phone"), day=DAY).known
    assert register.blocked("phone", ["+994502000009"]) == [True]


def test_others_are_not_touched_by_an_erasure(register: SubjectRegister) -> None:
    register.erase(person(1), day=DAY)
    assert register.show(person(2, "phone")).releases == ("august", "july")
    assert register.show(person(3, "account_id")).releases == ("july",)


@settings(max_examples=20)
@given(
    releases=st.lists(
        st.lists(st.tuples(st.integers(0, 5), st.sets(st.sampled_from(["phone", "email", "account_id", "card_number"]), min_size=1)), max_size=6),
        min_size=1, max_size=3,
    ),
    erased=st.integers(0, 5), by=st.sampled_from(["phone", "email", "account_id", "card_number"]), restricted=st.booleans(),
)  # fmt: skip
def test_r27_after_erasure_nothing_in_the_files_yields_the_person_and_reimport_stays_blocked(
    releases: list[list[tuple[int, set[str]]]],
    erased: int,
    by: str,
    restricted: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    place = tmp_path_factory.mktemp("r")
    register = SubjectRegister.create(place / "subjects", key=KEY)
    # each release names a person by some of his identifiers; `by` is always among them, so that the names hang together
    for number, people in enumerate(releases):
        register.record(f"release-{number}", [person(who, by, *(kinds - {by})) for who, kinds in people], until=UNTIL)
    if restricted:
        register.restrict(person(erased, by), day=DAY)
    mine = {kind for people in releases for who, kinds in people if who == erased for kind in (*kinds, by)}
    held = {f"release-{n}" for n, people in enumerate(releases) if any(who == erased for who, _ in people)}
    with register._store.connected() as connection:
        names = [register._name(i) for i in person(erased)]
        subject = register._subject_of(connection, names)
        secrets = list(names)
        if subject is not None:
            secrets += [
                subject,
                *(r[0] for r in connection.execute("SELECT sealed FROM rows WHERE subject = ?", (subject,))),
            ]
            secrets += [r[0] for r in connection.execute("SELECT wrapped FROM keys.keys WHERE subject = ?", (subject,))]
            secrets += [r[0] for r in connection.execute("SELECT sealed FROM log WHERE subject = ?", (subject,))]
    found = register.erase(person(erased, by), day=DAY)
    assert set(found.releases) == held
    written = everything(place)
    assert not any(secret in written for secret in secrets)
    for identifier in person(erased):
        assert identifier.value.encode() not in written
    again = SubjectRegister(place / "subjects", key=KEY)
    for kind in mine | {by}:
        identifier = person(erased, kind)[0]
        assert again.blocked(kind, [identifier.value], operator=identifier.operator) == [True]
    for who in {who for people in releases for who, _ in people} - {erased}:
        assert again.show(person(who, by)).known
    assert all(about is None for _, action, about in again.log() if action == "restriction")


def test_twin_without_secure_delete_the_row_stays_in_the_file(register: SubjectRegister) -> None:
    with register._store.connected() as connection:
        sealed = [row[0] for row in connection.execute("SELECT sealed FROM rows")]
    with closing(sqlite3.connect(register.folder / module.SUBJECTS, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("DELETE FROM rows")
    assert any(secret in everything(register.folder) for secret in sealed)


def test_no_identifier_and_no_release_of_a_person_lies_in_clear(register: SubjectRegister) -> None:
    register.restrict(person(2, "phone"), day=DAY)
    written = everything(register.folder)
    for secret in (b"rider1", b"502000001", b"U0003", b"41697389", b"july", KEY):
        assert secret not in written


def test_restriction_blocks_until_it_is_lifted_and_erasure_is_never_lifted(register: SubjectRegister) -> None:
    assert register.restrict(person(1, "email"), kind="objection", day=DAY).restrictions == ("objection",)
    assert register.blocked("phone", ["+994502000001"]) == [True]  # by another identifier of the same person
    with pytest.raises(SourceError, match="erased or restricted"):
        register.record("september", [person(1)], until=UNTIL)
    assert register.lift(person(1, "phone"), kind="objection", day=DAY).restrictions == ()
    assert register.blocked("phone", ["+994502000001"]) == [False]
    register.erase(person(1, "phone"), day=DAY)
    with pytest.raises(SourceError, match="restriction 'erasure' is not known"):
        register.lift(person(1, "phone"), kind="erasure", day=DAY)
    assert [action for _, action, _ in register.log()] == ["objection", "objection lifted", "erased"]
    assert [about for _, _, about in register.log()] == [None, None, None]


def test_identifiers_of_two_subjects_that_meet_become_one(register: SubjectRegister) -> None:
    register.restrict(person(3, "account_id"), day=DAY)
    register.lift(person(3, "account_id"), day=DAY)
    register.record("september", [(*person(2, "phone"), *person(3, "account_id"))], until=UNTIL)
    assert register.show(person(3, "account_id")).releases == ("august", "july", "september")
    assert len({about for _, _, about in register.log()}) == 1
    register.erase(person(3, "account_id"), day=DAY)
    assert register.blocked("phone", ["+994502000002"]) == [True]


def test_rows_end_with_their_retention_clock(tmp_path: Path) -> None:
    register = SubjectRegister.create(tmp_path / "s", key=KEY)
    register.record("old", [person(1, "phone"), person(2, "phone")], until=date(2026, 1, 31))
    register.record("new", [person(2, "phone")], until=date(2027, 1, 31))
    register.restrict(person(1, "phone"), day=DAY)
    assert register.expire(as_of=date(2026, 1, 31)) == 0
    assert register.expire(as_of=date(2026, 2, 1)) == 2
    assert not register.show(person(1, "phone")).known
    assert register.show(person(1, "phone")).restrictions == ("restriction",)  # the mark outlives the rows
    assert register.show(person(2, "phone")).releases == ("new",)
    assert register.log()[0] == ("2026-10-01", "restriction", None)


def test_wrong_key_damage_and_missing_file_are_refused(register: SubjectRegister) -> None:
    with pytest.raises(SourceError, match="tampered with, or the key is wrong"):
        SubjectRegister(register.folder, key=bytes(32))
    whole = (register.folder / module.KEYS).read_bytes()
    for size in (0, 1000, 5000, len(whole) - 4096):
        (register.folder / module.KEYS).write_bytes(whole[:size])
        with pytest.raises(SourceError, match="is damaged"):
            SubjectRegister(register.folder, key=KEY)
    (register.folder / module.KEYS).unlink()
    with pytest.raises(SourceError, match="lacks"):
        SubjectRegister(register.folder, key=KEY)


def test_r27_older_copy_put_back_or_a_mark_removed_is_refused(register: SubjectRegister, tmp_path: Path) -> None:
    """An older copy holds the erased person and has forgotten to block him."""
    shutil.copytree(register.folder, tmp_path / "old")
    register.erase(person(1), day=DAY)
    newest = tmp_path / "newest"
    shutil.copytree(register.folder, newest)
    for name in (module.SUBJECTS, module.KEYS):
        shutil.copy(tmp_path / "old" / name, register.folder / name)
    with pytest.raises(SourceError, match="older than its head"):
        SubjectRegister(register.folder, key=KEY)
    for name in (module.SUBJECTS, module.KEYS):
        shutil.copy(newest / name, register.folder / name)
    assert SubjectRegister(register.folder, key=KEY).blocked("email", ["rider1@qmail.az"]) == [True]
    with closing(sqlite3.connect(register.folder / module.SUBJECTS, isolation_level=None)) as connection:
        connection.execute("DELETE FROM marks")
    with pytest.raises(SourceError, match="marks were removed"):
        SubjectRegister(register.folder, key=KEY)
    register.head.unlink()
    with pytest.raises(SourceError, match=r"subjects[.]head' is missing"):
        SubjectRegister(register.folder, key=KEY)


def test_killed_before_the_head_is_written_the_register_goes_on(
    register: SubjectRegister, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "_write_head", killed)
        with pytest.raises(KeyboardInterrupt):
            register.erase(person(1), day=DAY)
    assert SubjectRegister(register.folder, key=KEY).blocked("email", ["rider1@qmail.az"]) == [True]


def test_row_moved_to_another_subject_is_refused(register: SubjectRegister) -> None:
    with closing(sqlite3.connect(register.folder / module.SUBJECTS, isolation_level=None)) as connection:
        connection.execute("UPDATE rows SET subject = (SELECT subject FROM rows LIMIT 1)")
    with pytest.raises(SourceError, match="tampered with"):
        [register.show(person(number)) for number in (1, 2, 3)]


def test_files_are_for_the_owner_only_and_registers_are_not_pickled(register: SubjectRegister) -> None:
    assert stat.S_IMODE(register.folder.stat().st_mode) == 0o700
    for path in (*register.folder.iterdir(), register.head):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
    with pytest.raises(SourceError, match="not pickled"):
        pickle.dumps(register)
    with pytest.raises(SourceError, match="exists already"):
        SubjectRegister.create(register.folder, key=KEY)


def test_key_file_must_be_of_mode_0600(tmp_path: Path) -> None:
    path = new_key_file(tmp_path / "key")
    assert len(read_key(path)) == 32
    path.chmod(0o644)
    with pytest.raises(SourceError, match="may be read by others"):
        read_key(path)
    with pytest.raises(SourceError, match="holds no key of 64"):
        read_key(tmp_path / "none")


def test_list_is_erased_whole_or_not_at_all(register: SubjectRegister) -> None:
    broken = (Identifier(kind="account_id", value="U1"),)  # no operator
    with pytest.raises(SourceError, match="came without its operator"):
        register.erase_all([person(1), broken], day=DAY)
    assert register.show(person(1)).known
    found = register.erase_all([person(1), person(2, "phone"), person(9, "email")], day=DAY)
    assert [one.known for one in found] == [True, True, False]
    assert register.blocked("email", ["rider1@qmail.az", "rider9@qmail.az"]) == [True, True]
    with pytest.raises(SourceError, match="came without its operator"):
        register.blocked("account_id", ["U1"])


def test_person_without_identifier_is_refused(register: SubjectRegister) -> None:
    for act in (lambda: register.record("x", [()], until=UNTIL), lambda: register.erase((), day=DAY)):
        with pytest.raises(SourceError, match=r"without any identifier|names nobody"):
            act()


def test_one_blocked_value_is_found_among_fifty_thousand(register: SubjectRegister) -> None:
    register.erase(person(1), day=DAY)
    values = [f"0502{number:06d}" for number in range(50_000)]
    assert sum(register.blocked("phone", values)) == 1


def test_people_who_come_together_and_again_are_the_same_as_one_by_one(tmp_path: Path) -> None:
    # in one go: somebody new, somebody known, two subjects who meet, and twice the same person
    groups = [
        [("phone", "1")],
        [("phone", "2"), ("email", "2")],
        [("email", "1"), ("phone", "3")],
        [("phone", "1"), ("email", "1")],
    ]
    groups += [[("phone", "3"), ("email", "9")], [("phone", "2")], [("phone", "7")], [("phone", "7"), ("email", "2")]]
    values = {"phone": "+99450123450{}", "email": "p{}@x.example"}
    people = [tuple(Identifier(kind=k, value=values[k].format(n)) for k, n in group) for group in groups]
    together = SubjectRegister.create(tmp_path / "together", key=b"k" * 32)
    single = SubjectRegister.create(tmp_path / "single", key=b"k" * 32)
    for release in ("july", "august"):
        assert together.record(release, people, until=date(2029, 1, 1)) == len(people)
        assert sum(single.record(release, [one], until=date(2029, 1, 1)) for one in people) == len(people)
    for one in people:
        assert sorted(together.show(one).releases) == sorted(single.show(one).releases)
    letter = (Identifier(kind="email", value="p9@x.example"),)
    assert together.erase(letter, day=date(2026, 1, 1)).releases == single.erase(letter, day=date(2026, 1, 1)).releases
    for register in (together, single):  # 9 was 3 was 1: all of one subject
        assert register.blocked("phone", ["+994501234501", "+994501234503", "+994501234502"]) == [True, True, False]
