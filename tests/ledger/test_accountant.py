"""diffprivlib through the ledger: reserved before the draw, charged in workers, shared by clones (ruling 24)."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anonkit.base.errors import BudgetExceededError, LedgerError
from anonkit.ledger import Ledger, LedgerAccountant

diffprivlib = pytest.importorskip("diffprivlib")


class Adapter(LedgerAccountant, diffprivlib.BudgetAccountant):  # type: ignore[misc]
    """What the dp room will derive."""


def accountant(ledger: Ledger, kind: type[LedgerAccountant] = LedgerAccountant, **given: Any) -> LedgerAccountant:
    event = {"release": "models", "product": "mode", "periods": ("2026-07",), "keys_hash": "h", "bounds": {"upper": 23}}
    return kind(ledger, **{**event, "rows_a_person": 2, **given})


def test_check_reserves_and_spend_consumes_it(make_ledger: Callable[..., Ledger]) -> None:
    ledger = make_ledger()
    account = accountant(ledger)
    assert account.check(0.1, 0) is True  # 2 rows a person: 0.2
    assert ledger.spent("2026-07").epsilon == pytest.approx(0.2)
    account.spend(0.1, 0)
    assert ledger.spent("2026-07").epsilon == pytest.approx(0.2)
    account.spend(0.1, 0)  # a second spend without a check pays for itself
    assert ledger.spent("2026-07").epsilon == pytest.approx(0.4)
    assert len(account) == 2
    assert account.total() == (pytest.approx(0.4), 0.0)
    assert account.remaining(3)[0] == pytest.approx(0.1)


def test_fit_that_fails_between_check_and_spend_stays_spent(make_ledger: Callable[..., Ledger]) -> None:
    ledger = make_ledger()
    account = accountant(ledger)
    account.check(0.1, 0)
    again = accountant(ledger)  # the next attempt does not get the dead one's reservation
    again.spend(0.1, 0)
    assert ledger.spent("2026-07").epsilon == pytest.approx(0.4)


def test_group_privacy_scales_every_charge(make_ledger: Callable[..., Ledger]) -> None:
    ledger = make_ledger(delta_cap=1e-6)
    accountant(ledger, rows_a_person=3).spend(0.2, 1e-8)
    spent = ledger.spent("2026-07")
    assert spent.epsilon == pytest.approx(0.6)
    # (1 + e^.2 + e^.4) x 1e-8
    assert spent.delta == pytest.approx(3.7132275e-8)
    with pytest.raises(LedgerError, match="rows_a_person is 0"):
        accountant(ledger, rows_a_person=0)


def test_over_the_cap_is_refused_before_the_draw(make_ledger: Callable[..., Ledger]) -> None:
    account = accountant(make_ledger())
    with pytest.raises(BudgetExceededError, match=r"needs epsilon 1.20; ledger 'baku' has 1.00 of 1.00 left"):
        account.check(0.6, 0)


def test_copies_share_the_file_and_pickles_hold_no_budget(make_ledger: Callable[..., Ledger]) -> None:
    ledger = make_ledger()
    account = accountant(ledger)
    assert copy.deepcopy(account) is account
    assert copy.copy(account) is account
    thawed = pickle.loads(pickle.dumps(account))  # noqa: S301
    account.spend(0.3, 0)
    assert thawed.remaining()[0] == pytest.approx(0.2)
    account.check(0.1, 0)
    assert "_pending" not in account.__getstate__()


def test_diffprivlib_tool_charges_the_ledger_once(make_ledger: Callable[..., Ledger]) -> None:
    ledger = make_ledger()
    account = accountant(ledger, Adapter)
    diffprivlib.tools.mean([3.0, 4.0, 5.0], epsilon=0.1, bounds=(0, 10), accountant=account)
    assert ledger.spent("2026-07").epsilon == pytest.approx(0.2)
    event, drawn, confirmed = ledger.events()[1]
    assert (event.mechanism, drawn, confirmed) == ("model", 1, False)
    assert ledger.confirm("models") == 1


def test_r24_pickled_accountant_charges_the_same_file_from_another_process(
    make_ledger: Callable[..., Ledger], tmp_path: Path
) -> None:
    ledger = make_ledger()
    (tmp_path / "account").write_bytes(pickle.dumps(accountant(ledger)))
    code = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb')).spend(0.2, 0)"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "account")], check=True, timeout=600)
    assert ledger.spent("2026-07").epsilon == pytest.approx(0.8)
    third = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "account")],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert "BudgetExceededError" in third.stderr


SEARCH = """
import sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from diffprivlib import BudgetAccountant
from diffprivlib.models import GaussianNB
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from anonkit.ledger import Ledger, LedgerAccountant

class Adapter(LedgerAccountant, BudgetAccountant):
    pass

if __name__ == "__main__":
    ledger = Ledger.open(sys.argv[1])
    account = Adapter(ledger, release="models", product="mode", periods=("2026-07",), rows_a_person=2, keys_hash="h", bounds={})
    model = GaussianNB(epsilon=0.01, bounds=([0, 0], [1, 1]), accountant=account)
    assert clone(model).accountant is account
    rng = np.random.default_rng(1)
    X, y = rng.random((60, 2)), rng.integers(0, 2, 60)
    search = GridSearchCV(model, {"epsilon": [0.01, 0.02]}, cv=3, n_jobs=2, refit=True, error_score="raise").fit(X, y)
    print(ledger.spent("2026-07").epsilon, len(account), search.best_params_["epsilon"])
"""


@pytest.mark.slow
def test_r24_grid_search_in_two_processes_charges_every_fit(make_ledger: Callable[..., Ledger], tmp_path: Path) -> None:
    ledger = make_ledger()
    (tmp_path / "search.py").write_text(SEARCH)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "search.py"), str(ledger.path)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    spent, fits, best = (float(word) for word in done.stdout.split())
    assert fits == 7  # 2 candidates x 3 folds + refit
    # each charged twice over (2 rows a person): 2 x (3 x .01 + 3 x .02 + best)
    assert spent == pytest.approx(2 * (0.09 + best))
    assert ledger.spent("2026-07").epsilon == spent


@pytest.mark.slow
def test_r24_grid_search_in_workers_stops_at_the_cap(make_ledger: Callable[..., Ledger], tmp_path: Path) -> None:
    ledger = make_ledger(epsilon_cap=0.1)
    (tmp_path / "search.py").write_text(SEARCH)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "search.py"), str(ledger.path)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode != 0
    assert "BudgetExceededError: release 'models' needs epsilon" in done.stderr
    assert ledger.spent("2026-07").epsilon <= 0.1
