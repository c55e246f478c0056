"""Real processes: a race for the last budget, and SIGKILL at every point; spent never falls below what was drawn."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from anonkit.base.errors import LedgerError
from anonkit.ledger import Event, Ledger

EVENT = """
from anonkit.ledger import Event, Ledger
event = Event(release="r", product="p", mechanism="discrete_laplace", sensitivity=2, scale=16.0, periods=("2026-07",),
              privacy_unit="person_period", neighbours="add_or_remove", bounds={"max_trips": 2}, keys_hash="k", draws=DRAWS)
"""

RACER = (
    "import sys, time\nfrom anonkit.base.errors import BudgetExceededError\n"
    + EVENT.replace("DRAWS", "1")
    + """
ledger = Ledger.open(sys.argv[1])
while time.time() < float(sys.argv[2]):
    pass
won = 0
for _ in range(12):
    try:
        reservation = ledger.reserve(event)
    except BudgetExceededError:
        break
    reservation.check_draw(**event.frozen())
    won += 1
print(won)
"""
)

DRAWER = (
    "import sys, time\nfrom anonkit.base.errors import LedgerError\n"
    + EVENT.replace("DRAWS", "7")
    + """
reservation = Ledger.open(sys.argv[1]).reservation(1)
while time.time() < float(sys.argv[2]):
    pass
drawn = 0
for _ in range(7):
    try:
        reservation.check_draw(**event.frozen())
        drawn += 1
    except LedgerError:
        break
print(drawn)
"""
)

# Dies at the named point; every noise vector that was drawn by then is a line on standard output.
VICTIM = (
    "import os, signal, sys\nfrom anonkit.ledger import chain\n"
    + EVENT.replace("DRAWS", "2")
    + """
path, point = sys.argv[1:]
calls = 0
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
def at(name):
    if name == point:
        die()
insert, write = chain.Chain._insert, chain.Chain._write_head
def watched_insert(self, *given):
    global calls
    calls += 1
    at(f"before insert {calls}")
    made = insert(self, *given)
    at(f"before commit {calls}")
    return made
def watched_write(self, entry):
    at(f"after commit {calls}")
    write(self, entry)
    at(f"after head {calls}")
chain.Chain._insert, chain.Chain._write_head = watched_insert, watched_write
ledger = Ledger.open(path)
reservation = ledger.reserve(event)                         # 1
for number in (2, 3):
    reservation.check_draw(**event.frozen())                # 2, 3
    at(f"before noise {number}")
    print("drawn", flush=True)
    at(f"after noise {number}")
at("before confirm")
reservation.confirm()                                       # 4
at("after confirm")
"""
)
POINTS = [
    *(
        f"{moment} {call}"
        for call in (1, 2, 3, 4)
        for moment in ("before insert", "before commit", "after commit", "after head")
    ),
    *("before noise 2", "after noise 2", "before noise 3", "after noise 3", "before confirm", "after confirm"),
]


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_processes_racing_for_the_last_budget_never_overspend(make_ledger: Callable[..., Ledger]) -> None:
    import time

    ledger = make_ledger()  # 1.0 holds 8 events of 2/16
    begin = str(time.time() + 2.5)
    racers = [start(RACER, str(ledger.path), begin) for _ in range(4)]
    results = [racer.communicate(timeout=600) for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 4, results
    won = [int(out) for out, _ in results]
    assert sum(won) == 8
    assert ledger.spent("2026-07").epsilon == 1.0
    assert sum(drawn for _, drawn, _ in ledger.events().values()) == 8


def test_r24_processes_sharing_a_reservation_draw_no_more_than_was_reserved(
    make_ledger: Callable[..., Ledger], make_event: Callable[..., Event]
) -> None:
    import time

    ledger = make_ledger()
    ledger.reserve(make_event(scale=16.0, draws=7, keys_hash="k", release="r", product="p"))
    begin = str(time.time() + 2.0)
    drawers = [start(DRAWER, str(ledger.path), begin) for _ in range(2)]
    drawn = [int(drawer.communicate(timeout=600)[0]) for drawer in drawers]
    assert sum(drawn) == 7


def kill_at(point: str, ledger: Ledger) -> int:
    victim = start(VICTIM, str(ledger.path), point)
    out, err = victim.communicate(timeout=600)
    assert victim.returncode == -signal.SIGKILL, f"{point}: {err}"
    return out.count("drawn")


def assert_paid(ledger: Ledger, drawn: int) -> None:
    after = Ledger.open(ledger.path)
    spent = after.spent("2026-07").epsilon
    counted = sum(done for _, done, _ in after.events().values())
    assert counted >= drawn
    assert spent >= drawn * 0.125
    assert spent in (0.0, 0.25)  # whole or not at all


@pytest.mark.parametrize(
    "point", ["before commit 1", "after commit 1", "after commit 2", "after noise 3", "before confirm"]
)
def test_killed_process_has_paid_for_all_it_drew(point: str, make_ledger: Callable[..., Ledger]) -> None:
    ledger = make_ledger()
    assert_paid(ledger, kill_at(point, ledger))


@pytest.mark.slow
def test_killed_at_every_point_the_process_has_paid_and_the_file_goes_on(
    make_ledger: Callable[..., Ledger], make_event: Callable[..., Event]
) -> None:
    for number, point in enumerate(POINTS):
        ledger = make_ledger(f"{number}.ledger")
        drawn = kill_at(point, ledger)
        assert_paid(ledger, drawn)
        again = Ledger.open(ledger.path)
        before = again.spent("2026-07").epsilon
        again.reserve(make_event(release="next"))
        assert again.spent("2026-07").epsilon == before + 0.25


def test_killed_reservation_is_not_drawn_from_again_by_a_second_release(make_ledger: Callable[..., Ledger]) -> None:
    ledger = make_ledger()
    kill_at("after noise 3", ledger)
    left = Ledger.open(ledger.path).reservation(1)
    assert left.event is not None
    with pytest.raises(LedgerError, match="has no more"):
        left.check_draw(**left.event.frozen())


def test_twin_paying_after_the_draw_would_lose_a_crash(make_ledger: Callable[..., Ledger]) -> None:
    """The same victim that draws first and reserves afterwards: killed between, something was drawn and nothing paid."""
    ledger = make_ledger()
    code = VICTIM.replace("reservation = ledger.reserve(event)", "print('drawn', flush=True); die()")
    victim = start(code, str(ledger.path), "never")
    out, _ = victim.communicate(timeout=600)
    assert out.count("drawn") == 1
    with pytest.raises(AssertionError, match="assert"):
        assert_paid(ledger, 1)


def test_two_openers_at_once_make_one_ledger(tmp_path: Path) -> None:
    code = """
import sys
from anonkit.base.errors import LedgerError
from anonkit.ledger import Ledger
try:
    Ledger.create(sys.argv[1], dataset="d", privacy_unit="person", period="all", epsilon_cap=1, delta_cap=0, neighbours="replace")
    print("made")
except LedgerError:
    print("refused")
"""
    both = [start(code, str(tmp_path / "l")) for _ in range(2)]
    assert sorted(process.communicate(timeout=600)[0].strip() for process in both) == ["made", "refused"]
    assert Ledger.open(tmp_path / "l").total().epsilon == 0.0
