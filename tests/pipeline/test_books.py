"""k-anonymous releases stand in the ledger too (ruling 14): where there is one, when one is made, and after a kill."""

from __future__ import annotations

from typing import Any

import pytest
from anonkit.base.errors import ReleaseRefusedError
from anonkit.base.progress import Progress
from anonkit.ledger import Ledger
from anonkit.pipeline import books, release

PRIVACY = {"guarantee": "differential_privacy", "unit": "person_period", "period": "month", "epsilon_cap": 1.0}


def april(recipe: dict[str, Any], *, first: str = "2026-04-01", last: str = "2026-04-30") -> None:
    recipe["period"] = {"from": first, "to": last}


def classes(recipe: dict[str, Any]) -> None:
    """One product is enough here."""
    recipe["products"] = {"volumes": recipe["products"]["volumes"]}


def noisy(recipe: dict[str, Any]) -> None:
    recipe.pop("counts")
    recipe |= {"privacy": dict(PRIVACY), "products": {"persons": {"epsilon": 0.1}}}


def noisy_april(recipe: dict[str, Any]) -> None:
    noisy(recipe)
    april(recipe)


def noisy_early_april(recipe: dict[str, Any]) -> None:
    noisy(recipe)
    april(recipe, last="2026-04-10")


def classes_late_april(recipe: dict[str, Any]) -> None:
    classes(recipe)
    april(recipe, first="2026-04-11")


def late_april_rides(town: Any) -> Any:
    for number in range(7):
        town.ride(f"P{number}", at=(0, 0), to=(4, 0), start="2026-04-23T08:10:00")
        town.ride(f"P{number}", at=(1, 1), to=(5, 1), start="2026-04-23T08:10:00")
    return town


def recorded(town: Any) -> list[tuple[list[str], bool]]:
    """Periods of each k-anonymous release in the ledger, and whether it is confirmed."""
    ledger = Ledger.open(town.folder / "anonkit.registry" / "town.ledger")
    return [(body["periods"], body["closed"]) for body in ledger.k_anonymous().values()]


class Stop(BaseException):
    """Like a kill: nothing may catch it."""


class StopAt(Progress):
    def __init__(self, moment: str) -> None:
        super().__init__()
        self._at = moment

    def moment(self, name: str) -> None:
        if name == self._at:
            raise Stop


def test_r14_a_new_ledger_begins_with_what_went_out_before_it(town: Any) -> None:
    town.busy().release(classes)  # March, as classes; there is no ledger yet
    town.release(noisy_april, out="noise")
    assert recorded(town) == [(["2026-03"], True)]


def test_r14_a_ledger_that_exists_is_told_of_each_release(town: Any) -> None:
    town.busy().release(noisy_april, out="noise")
    town.release(classes)
    assert recorded(town) == [(["2026-03"], True)]
    with pytest.raises(ReleaseRefusedError, match="k-anonymous classes"):
        town.release(noisy, out="second")


@pytest.mark.parametrize(
    ("moment", "handed_over"),
    [("hand over:before rename", False), pytest.param("hand over:after rename", True, marks=pytest.mark.slow)],
)
def test_r14_a_kill_at_the_hand_over_leaves_the_period_taken(town: Any, moment: str, handed_over: bool) -> None:
    town.busy().release(noisy_april, out="noise")
    with pytest.raises(Stop):
        release(town.recipe(classes), out=town.folder / "out", progress=StopAt(moment))
    assert (town.folder / "out").exists() is handed_over
    assert recorded(town) == [(["2026-03"], False)]
    with pytest.raises(ReleaseRefusedError, match="k-anonymous classes"):
        town.release(noisy, out="second")


def test_r14_a_kill_between_register_and_ledger_is_caught_up(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    town.busy().release(noisy_april, out="noise")

    def killed(*_: Any) -> None:
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(books, "record_classes", killed)
        with pytest.raises(Stop):
            town.release(classes)
    assert recorded(town) == []

    def may(recipe: dict[str, Any]) -> None:
        noisy(recipe)
        april(recipe, first="2026-05-01", last="2026-05-31")

    town.release(may, out="may")
    assert recorded(town) == [(["2026-03"], False)]


def test_r14_other_days_of_a_period_that_holds_noise_are_refused_as_classes(town: Any) -> None:
    # the ledger hides a person within April; classes of late April would tell of him
    late_april_rides(town).release(noisy_early_april, out="noise")
    with pytest.raises(ReleaseRefusedError, match=r"noise of 2026-04 in the ledger of town"):
        town.release(classes_late_april)
    assert recorded(town) == []
    assert not (town.folder / "out").exists()


def test_r14_and_the_other_way_round(town: Any) -> None:
    late_april_rides(town).release(classes_late_april)
    with pytest.raises(ReleaseRefusedError, match=r"\['2026-04'\].*k-anonymous classes"):
        town.release(noisy_early_april, out="noise")
    ledger = Ledger.open(town.folder / "anonkit.registry" / "town.ledger")
    assert ledger.total().events == 0


def test_r14_twin_without_the_record_both_go_out(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "catch_up", lambda *_: None)
    late_april_rides(town).release(classes_late_april)
    town.release(noisy_early_april, out="noise")
    assert (town.folder / "noise").exists()


@pytest.mark.slow
def test_r14_noise_drawn_by_another_run_in_between_is_seen_at_the_hand_over(
    town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    late_april_rides(town).release(noisy_early_april, out="noise")
    monkeypatch.setattr(books, "noise_taken", lambda *_: ())  # the gate looked before the other run drew
    with pytest.raises(ReleaseRefusedError, match="the ledger of 'town' holds noise"):
        town.release(classes_late_april)
    assert not (town.folder / "out").exists()
    monkeypatch.undo()
    town.release(noisy_april, out="again")  # the withdrawn entry stands in nobody's way
