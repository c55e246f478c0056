"""Reserve, draw, confirm: the cap holds, a reservation is frozen, and no copy has a budget of its own."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from anonkit.base.errors import BudgetExceededError, LedgerError
from anonkit.ledger import Event, Ledger, Terms
from anonkit.ledger import ledger as ledger_module
from anonkit.ledger.state import State
from hypothesis import given, settings
from hypothesis import strategies as st

MakeLedger = Callable[..., Ledger]
MakeEvent = Callable[..., Event]


def draw_of(event: Event, **changed: object) -> dict[str, object]:
    return {**event.frozen(), **changed}


def test_reserved_events_add_up_and_the_cap_is_reached_exactly(make_ledger: MakeLedger, make_event: MakeEvent) -> None:
    ledger = make_ledger()
    for _ in range(4):  # 4 x 2/8 = 1.0
        ledger.reserve(make_event())
    assert ledger.spent("2026-07").epsilon == 1.0
    with pytest.raises(
        BudgetExceededError, match=r"needs epsilon 0.25; ledger 'baku' has 0.00 of 1.00 left for 2026-07"
    ):
        ledger.reserve(make_event())
    assert ledger.spent("2026-07").epsilon == 1.0


def test_exceeded_error_carries_requested_remaining_and_difference(
    make_ledger: MakeLedger, make_event: MakeEvent
) -> None:
    ledger = make_ledger()
    ledger.reserve(make_event(epsilon=0.8))
    with pytest.raises(
        BudgetExceededError, match=r"release 'baku-2026q3' needs epsilon 0.50.*\nHint: fewer products"
    ) as caught:
        ledger.reserve(make_event(epsilon=0.5))
    error = caught.value
    assert (error.requested, error.period, error.release) == (0.5, "2026-07", "baku-2026q3")  # type: ignore[attr-defined]
    assert error.remaining == pytest.approx(0.2)  # type: ignore[attr-defined]
    assert error.difference == pytest.approx(0.3)  # type: ignore[attr-defined]


def test_r22_cap_holds_for_each_period_and_the_total_over_all_is_shown(
    make_ledger: MakeLedger, make_event: MakeEvent
) -> None:
    ledger = make_ledger()
    ledger.reserve(make_event(epsilon=0.9, periods=("2026-07",)))
    ledger.reserve(make_event(epsilon=0.9, periods=("2026-08",)))  # other trips, own cap
    assert ledger.spent("2026-08").epsilon == 0.9
    total = ledger.total()
    assert (total.epsilon, total.epsilon_cap, total.period) == (1.8, None, "all periods")
    assert "over all periods epsilon 1.8" in repr(ledger)


def test_r22_product_that_spans_periods_charges_each_and_counts_as_a_group_in_the_total(
    make_ledger: MakeLedger, make_event: MakeEvent
) -> None:
    ledger = make_ledger()
    ledger.reserve(make_event(epsilon=0.4, periods=("2026-07", "2026-08")))
    assert ledger.spent("2026-07").epsilon == ledger.spent("2026-08").epsilon == 0.4
    assert ledger.total().epsilon == 0.8  # a person may change in both months at once
    ledger.reserve(make_event(epsilon=0.6, periods=("2026-08",)))
    with pytest.raises(BudgetExceededError, match="left for 2026-08"):
        ledger.reserve(make_event(epsilon=0.1, periods=("2026-07", "2026-08")))
    assert ledger.spent("2026-07").epsilon == 0.4


def test_unit_person_has_one_cap_over_all_periods(make_ledger: MakeLedger, make_event: MakeEvent) -> None:
    ledger = make_ledger(privacy_unit="person")
    ledger.reserve(make_event(privacy_unit="person", epsilon=0.7, periods=("2026-07", "2026-08")))
    assert ledger.total().epsilon == 0.7
    with pytest.raises(BudgetExceededError, match="left for all periods"):
        ledger.reserve(make_event(privacy_unit="person", epsilon=0.4, periods=("2026-09",)))


def test_r22_waiting_for_the_new_year_refills_nothing(make_ledger: MakeLedger, make_event: MakeEvent) -> None:
    """The period is of event time: the same trips released in another year are the same period."""
    ledger = make_ledger(period="year")
    ledger.reserve(make_event(epsilon=1.0, periods=("2026",), release="of-2026"))
    with pytest.raises(BudgetExceededError, match="left for 2026"):
        ledger.reserve(make_event(epsilon=0.1, periods=("2026",), release="of-2027"))
    with pytest.raises(LedgerError, match="not distinct labels of the ledger's period 'year'"):
        ledger.reserve(make_event(epsilon=0.1, periods=("2026-07",)))


def test_numbers_of_numpy_are_written_and_compared_as_pythons(make_ledger: MakeLedger, make_event: MakeEvent) -> None:
    event = make_event(
        sensitivity=np.int64(2), scale=np.float64(8), bounds={"max_trips": np.int64(2)}, draws=np.int64(1)
    )
    make_ledger().reserve(event).check_draw(**make_event().frozen())


def test_every_draw_is_charged(make_ledger: MakeLedger, make_event: MakeEvent) -> None:
    ledger = make_ledger()
    reservation = ledger.reserve(make_event(draws=3))  # 3 x 0.25
    assert ledger.spent("2026-07").epsilon == 0.75
    for _ in range(3):
        reservation.check_draw(**make_event().frozen())
    with pytest.raises(LedgerError, match="allowed 3 draws and has no more"):
        reservation.check_draw(**make_event().frozen())


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"mechanism": "laplace"}, "mechanism"),
        ({"bounds": {"max_trips": 3}}, "bounds"),
        ({"bounds": {}}, "bounds"),
        ({"scale": 7.999999}, "scale"),
        ({"keys_hash": "other"}, "keys_hash"),
    ],
)
def test_r24_drawing_anything_else_raises(
    make_ledger: MakeLedger, make_event: MakeEvent, changed: dict[str, object], name: str
) -> None:
    ledger = make_ledger()
    event = make_event()
    reservation = ledger.reserve(event)
    with pytest.raises(LedgerError, match=f"differs from reservation 1 in {name}"):
        reservation.check_draw(**draw_of(event, **changed))  # type: ignore[arg-type]
    reservation.check_draw(**event.frozen())  # the refusal used no draw up


def test_r24_twin_without_the_comparison_another_scale_would_be_drawn(
    make_ledger: MakeLedger, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = make_ledger()
    event = make_event()
    reservation = ledger.reserve(event)
    monkeypatch.setattr(Event, "frozen", lambda self: {})
    reservation.check_draw(
        mechanism="laplace", bounds={}, scale=0.001, keys_hash="any"
    )  # the guard is gone: nobody stops it


def test_r24_draws_are_counted_in_the_file_for_all_copies(make_ledger: MakeLedger, make_event: MakeEvent) -> None:
    ledger = make_ledger()
    event = make_event()
    reservation = ledger.reserve(event)
    twin = Ledger.open(ledger.path).reservation(reservation.number)
    pickled = pickle.loads(pickle.dumps(reservation))  # noqa: S301
    twin.check_draw(**event.frozen())
    for other in (reservation, pickled, copy.deepcopy(ledger).reservation(reservation.number)):
        with pytest.raises(LedgerError, match="has no more"):
            other.check_draw(**event.frozen())


def test_r24_pickle_holds_path_dataset_and_version_only(make_ledger: MakeLedger, make_event: MakeEvent) -> None:
    ledger = make_ledger()
    frozen = pickle.dumps(ledger)
    ledger.reserve(make_event(epsilon=0.9))
    assert set(ledger.__getstate__()) == {"path", "head", "dataset", "schema_version"}
    thawed = pickle.loads(frozen)  # noqa: S301
    assert thawed.spent("2026-07").epsilon == 0.9  # spent after it was pickled
    with pytest.raises(BudgetExceededError, match="left for 2026-07"):
        thawed.reserve(make_event(epsilon=0.2))


def test_r24_pickle_refuses_another_dataset_at_the_same_path(make_ledger: MakeLedger) -> None:
    ledger = make_ledger()
    frozen = pickle.dumps(ledger)
    for path in (ledger.path, ledger.path.with_name("baku.ledger.head")):
        path.unlink()
    make_ledger(dataset="ganja")
    with pytest.raises(LedgerError, match="is the ledger of dataset 'ganja', not of 'baku'"):
        pickle.loads(frozen)  # noqa: S301


def test_closed_reservation_draws_nothing_more_and_stays_spent(make_ledger: MakeLedger, make_event: MakeEvent) -> None:
    ledger = make_ledger()
    event = make_event(draws=2)
    reservation = ledger.reserve(event)
    reservation.check_draw(**event.frozen())
    assert ledger.spent("2026-07").unconfirmed == 1
    reservation.confirm()
    assert ledger.spent("2026-07").unconfirmed == 0
    with pytest.raises(LedgerError, match="has no more"):
        reservation.check_draw(**event.frozen())
    with pytest.raises(LedgerError, match="is closed already"):
        reservation.confirm()
    with pytest.raises(LedgerError, match="stays spent"):
        reservation.withdraw()
    assert ledger.spent("2026-07").epsilon == 0.5


def test_release_is_charged_whole_or_not_at_all(make_ledger: MakeLedger, make_event: MakeEvent) -> None:
    ledger = make_ledger()
    events = [make_event(epsilon=0.4, product=name) for name in ("flows", "volumes", "profiles")]
    with pytest.raises(BudgetExceededError, match=r"has 0.20 of 1.00 left"):
        ledger.check(events)
    with pytest.raises(BudgetExceededError, match=r"has 0.20 of 1.00 left"):
        ledger.reserve_all(events)
    assert ledger.spent("2026-07").events == 0
    assert len(ledger.reserve_all(events[:2])) == 2
    assert ledger.confirm("baku-2026q3") == 2
    assert ledger.confirm("baku-2026q3") == 0


def test_r14_exact_and_noisy_products_of_one_period_are_refused_either_way(
    make_ledger: MakeLedger, make_event: MakeEvent
) -> None:
    ledger = make_ledger()
    exact = ledger.record_k_anonymity(release="k-july", periods=["2026-07"], keys_hash="x")
    exact.confirm()
    with pytest.raises(LedgerError, match=r"'baku-2026q3' claims differential_privacy for .'2026-07'."):
        ledger.reserve(make_event(periods=("2026-06", "2026-07")))
    ledger.reserve(make_event(periods=("2026-08",)))
    with pytest.raises(LedgerError, match=r"'k-august' claims k_anonymity for .'2026-08'."):
        ledger.record_k_anonymity(release="k-august", periods=["2026-08", "2026-09"], keys_hash="x")
    # noise inside a release that claims no DP is charged, and takes the period under that name
    ledger.reserve(make_event(guarantee="k_anonymity", release="mixed"))
    assert ledger.spent("2026-07").epsilon == 0.25
    assert ledger.periods() == ("2026-07", "2026-08")


def test_r14_refused_k_anonymous_release_gives_its_period_back_and_noise_never_does(
    make_ledger: MakeLedger, make_event: MakeEvent
) -> None:
    ledger = make_ledger()
    refused = ledger.record_k_anonymity(release="k-july", periods=["2026-07"], keys_hash="x")
    refused.withdraw()
    with pytest.raises(LedgerError, match="is closed already"):
        refused.confirm()
    reservation = ledger.reserve(make_event())
    with pytest.raises(LedgerError, match="claims k_anonymity"):
        ledger.record_k_anonymity(release="k-july", periods=["2026-07"], keys_hash="x")
    with pytest.raises(LedgerError, match="made for noise and stays spent"):
        reservation.withdraw()


def test_r14_twin_without_the_check_both_guarantees_would_go_out(
    make_ledger: MakeLedger, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(State, "check_guarantee", lambda *_: None)
    ledger = make_ledger()
    ledger.record_k_anonymity(release="k-july", periods=["2026-07"], keys_hash="x")
    ledger.reserve(make_event())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mechanism": "geometric"}, "unknown mechanism 'geometric'"),
        ({"mechanism": "zero"}, "refuses what it cannot count"),
        ({"scale": None}, "needs sensitivity and scale only"),
        ({"scale": 0.0}, "out of range"),
        ({"scale": math.inf}, "not finite"),
        ({"sensitivity": math.nan}, "not finite"),
        ({"sensitivity": 2.5}, "integer noise needs an integer sensitivity"),
        ({"draws": 0}, "draws < 1"),
        ({"epsilon": -0.1}, "out of range"),
        ({"epsilon": 0.1, "delta": None}, "needs epsilon and delta only"),
        ({"bounds": {"max_trips": math.inf}}, "not finite"),
        ({"guarantee": "none"}, "out of range"),
    ],
)
def test_r23_event_that_cannot_be_counted_is_refused(
    make_event: MakeEvent, given: dict[str, object], message: str
) -> None:
    with pytest.raises(LedgerError, match=message):
        make_event(**given)


def test_something_that_is_no_event_is_refused(make_ledger: MakeLedger) -> None:
    with pytest.raises(LedgerError, match=r"an unknown event \(dict\) cannot be counted"):
        make_ledger().reserve({"epsilon": 0.1})  # type: ignore[arg-type]


@pytest.mark.parametrize("changed", [{"privacy_unit": "person"}, {"neighbours": "replace"}])
def test_r16_event_of_another_unit_is_refused(
    make_ledger: MakeLedger, make_event: MakeEvent, changed: dict[str, str]
) -> None:
    with pytest.raises(LedgerError, match="ledger 'baku' counts person_period"):
        make_ledger().reserve(make_event(**changed))


def test_loss_is_computed_from_sensitivity_and_scale_and_cannot_be_stated(make_event: MakeEvent) -> None:
    with pytest.raises(LedgerError, match="needs sensitivity and scale only"):
        make_event(epsilon=0.0001, mechanism="discrete_laplace", sensitivity=2, scale=8.0)
    assert (
        make_event(mechanism="discrete_gaussian", sensitivity=3.0, scale=6.0, draws=2).loss.rho == 0.25
    )  # 2 x (3/6)^2/2


@pytest.mark.parametrize(
    "terms",
    [
        {"privacy_unit": "trip"},
        {"neighbours": "similar"},
        {"period": "decade"},
        {"epsilon_cap": 0},
        {"delta_cap": 1.0},
        {"dataset": ""},
    ],
)
def test_terms_that_mean_nothing_are_refused(make_ledger: MakeLedger, terms: dict[str, object]) -> None:
    with pytest.raises(LedgerError, match=r"not known|a ledger needs"):
        make_ledger(**terms)


def test_terms_are_fixed_at_creation(make_ledger: MakeLedger) -> None:
    ledger = make_ledger()
    with pytest.raises(LedgerError, match="exists already"):
        make_ledger(epsilon_cap=100.0)
    assert (
        Ledger.open(ledger.path).terms
        == ledger.terms
        == Terms.fix(
            dataset="baku",
            privacy_unit="person_period",
            period="month",
            epsilon_cap=1.0,
            delta_cap=0.0,
            neighbours="add_or_remove",
        )
    )


def test_declared_deltas_have_half_of_the_cap_and_the_filter_the_other(
    make_ledger: MakeLedger, make_event: MakeEvent
) -> None:
    ledger = make_ledger(delta_cap=1e-6)
    ledger.reserve(make_event(epsilon=0.1, delta=4e-7))
    with pytest.raises(BudgetExceededError, match=r"needs delta 2e-07; ledger 'baku' has 1e-07 of 5e-07 left"):
        ledger.reserve(make_event(epsilon=0.1, delta=2e-7))
    ledger.reserve(make_event(epsilon=0.1, delta=1e-7))
    assert ledger.spent("2026-07").delta == pytest.approx(5e-7)


def test_gaussian_events_pass_the_filter_and_the_pld_lies_below(make_ledger: MakeLedger, make_event: MakeEvent) -> None:
    ledger = make_ledger(delta_cap=1e-6, epsilon_cap=2.0)
    gaussian = make_event(mechanism="discrete_gaussian", sensitivity=1.0, scale=8.0)  # rho = 1/128; about 0.083 fit
    for _ in range(10):  # floor(.08344 / .0078125)
        ledger.reserve(gaussian)
    with pytest.raises(BudgetExceededError, match="needs epsilon"):
        ledger.reserve(gaussian)
    spent = ledger.spent("2026-07", pld=True)
    assert spent.epsilon_basic == math.inf
    assert spent.epsilon_pld is not None
    assert 0.5 * spent.epsilon < spent.epsilon_pld < spent.epsilon <= 2.0


def test_unit_person_and_period_total_by_pld_counts_groups(make_ledger: MakeLedger, make_event: MakeEvent) -> None:
    ledger = make_ledger(delta_cap=1e-6)
    ledger.reserve(make_event(periods=("2026-07", "2026-08")))  # epsilon 0.25 a month: 0.5 for a person
    assert ledger.total(pld=True).epsilon_pld == pytest.approx(0.5, abs=2e-3)


@settings(max_examples=30)
@given(
    data=st.lists(
        st.tuples(st.floats(0.01, 0.7), st.lists(st.sampled_from(["2026-07", "2026-08"]), min_size=1, unique=True)),
        max_size=12,
    )
)
def test_no_sequence_of_events_passes_the_cap_of_any_period(
    data: list[tuple[float, list[str]]], tmp_path_factory: pytest.TempPathFactory, make_event: MakeEvent
) -> None:
    terms = {"dataset": "d", "privacy_unit": "person_period", "period": "month", "neighbours": "add_or_remove"}
    ledger = Ledger.create(tmp_path_factory.mktemp("l") / "l", **terms, epsilon_cap=1.0, delta_cap=0.0)  # type: ignore[arg-type]
    accepted: dict[str, list[float]] = {"2026-07": [], "2026-08": []}
    for epsilon, periods in data:
        fits = all(math.fsum([*accepted[p], epsilon]) <= 1.0 for p in periods)
        try:
            ledger.reserve(make_event(epsilon=epsilon, periods=tuple(periods)))
            assert fits
            for p in periods:
                accepted[p].append(epsilon)
        except BudgetExceededError:
            assert not fits
    for p, epsilons in accepted.items():
        assert ledger.spent(p).epsilon == math.fsum(epsilons) <= 1.0


def test_twin_without_the_budget_check_the_cap_is_passed(
    make_ledger: MakeLedger, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(State, "check_budget", lambda *_: None)
    ledger = make_ledger()
    for _ in range(5):
        ledger.reserve(make_event())
    assert ledger.spent("2026-07").epsilon == 1.25


def test_ledger_imports_no_release_library_when_loaded(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "import sys, anonkit.ledger; print([m for m in ('diffprivlib', 'dp_accounting', 'opendp', 'sklearn') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
    assert ledger_module.__doc__
