"""Policies as data: every rule has its clause, what is not permitted is denied, and refusals name the clause (ruling 33)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from anonkit.base.errors import PermissionRefusedError, RecipeError
from anonkit.prepare import bundled, check_permitted, clocks, load_policy
from anonkit.prepare.policy import before
from hypothesis import given
from hypothesis import strategies as st

PERMITTED = {
    "kontaktplus": {"sell", "share", "research", "internal_study", "service_improvement", "cross_operator_matching"},
    "bakikart": {"service_improvement"},
    "uklon": {"research", "internal_study", "service_improvement"},
    "charge_az": {"internal_study", "service_improvement"},
    "pokupi": {"research", "internal_study", "service_improvement"},
}


def test_the_five_operators_have_a_policy() -> None:
    assert set(bundled()) == set(PERMITTED)


@pytest.mark.parametrize("name", sorted(PERMITTED))
def test_r33_permitted_uses_are_those_of_the_operators_text(name: str) -> None:
    policy = load_policy(name)
    assert set(policy.uses) == PERMITTED[name]
    assert policy.operator == name
    for clause in (*policy.uses.values(), *policy.denied.values(), *(rule.clause for rule in policy.retention)):
        assert len(clause) > 20


@pytest.mark.parametrize("name", sorted(PERMITTED))
def test_r33_what_is_not_listed_is_denied(name: str) -> None:
    policy = load_policy(name)
    for use in ("sell", "share", "research", "internal_study", "service_improvement"):
        if use in policy.uses:
            assert check_permitted(policy, use, recipient="internal", legal_basis=None)
        else:
            with pytest.raises(PermissionRefusedError, match=f"does not permit the use '{use}'"):
                check_permitted(policy, use, recipient="internal", legal_basis=None)
            assert check_permitted(policy, use, recipient="internal", legal_basis="order of a court") is None


def test_r33_an_internal_use_has_no_recipient_outside() -> None:
    with pytest.raises(PermissionRefusedError, match="recipients of kind"):
        check_permitted(load_policy("charge_az"), "internal_study", recipient="public", legal_basis=None)


def test_bakikart_for_sale_is_refused_with_the_clause(town: Any, anonkit: Any, capsys: Any) -> None:
    town.busy()

    def for_sale(recipe: dict[str, Any]) -> None:
        recipe["inputs"][0]["operator"] = "bakikart"  # the bundled policy holds without being named
        recipe["use"] = "sell"

    assert anonkit("release", town.recipe(for_sale), "--out", town.folder / "out", "--quiet") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "may not be transferred to third parties" in said
    assert not (town.folder / "out").exists()


def test_a_policy_without_a_use_is_an_error(town: Any, anonkit: Any, capsys: Any) -> None:
    town.busy()
    path = town.recipe(lambda recipe: recipe["inputs"][0].update(operator="kontaktplus"))
    assert anonkit("release", path, "--out", town.folder / "out", "--quiet") == 2
    assert "use is missing" in capsys.readouterr().err


def test_a_further_legal_basis_is_printed_first(town: Any) -> None:
    basis = "order 7/2026 of the transport authority"

    def change(recipe: dict[str, Any]) -> None:
        recipe["inputs"][0]["operator"] = "bakikart"
        recipe["time"]["zone"] = "Asia/Baku"
        recipe |= {"use": "share", "legal_basis": basis}
        recipe["products"] = {"flows": {"cell_m": 2000, "bins": "6h"}}

    town.busy()
    town.release(change)
    bold = next(
        line for line in (town.folder / "out" / "README.md").read_text(encoding="utf-8").splitlines() if "**" in line
    )
    assert bold.startswith(f"**Further legal basis: {basis}. ")
    assert town.run()["legal_basis"] == basis
    page = (town.folder / "out.inside" / "report.html").read_text(encoding="utf-8")
    assert f"Further legal basis: {basis}" in page


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"uses": {"sel": "x"}}, "sell"),
        ({"denied": {"sell": "no"}, "uses": {"sell": "yes"}}, "permitted and denied"),
        ({"retentions": []}, "Extra inputs"),
        ({"retention": [{"name": "a", "of": "b", "from": "event", "then": "drop"}]}, "clause"),
    ],
)
def test_a_policy_that_says_something_else_is_an_error(tmp_path: Path, change: dict[str, Any], match: str) -> None:
    path = tmp_path / "policy.yml"
    path.write_text(
        yaml.safe_dump({"operator": "a", "title": "a", "version": "1", "territory": "b", "uses": {}, **change})
    )
    with pytest.raises(RecipeError, match=match):
        load_policy(path)


# --- clocks of the operators' own promises -----------------------------------------------------------------------------


def cut(name: str, use: str, rule: str, day: str) -> tuple[str, str]:
    now = datetime.fromisoformat(day).replace(tzinfo=UTC)
    found = next(c for c in clocks(load_policy(name), use=use, as_of=now, zone="UTC") if c.rule == f"retention:{rule}")
    return found.effect, found.last_day.isoformat()


def test_pokupi_journeys_are_anonymised_after_three_years() -> None:
    assert cut("pokupi", "research", "journeys", "2026-10-31") == ("note", "2023-10-31")


def test_bakikart_data_are_passive_after_one_year() -> None:
    assert cut("bakikart", "service_improvement", "active_year", "2026-09-30") == ("drop", "2025-09-30")


def test_uklon_accounts_are_anonymised_three_years_after_deletion() -> None:
    assert cut("uklon", "research", "account_deleted", "2026-09-30") == ("note", "2023-09-30")
    assert cut("uklon", "service_improvement", "account_deleted", "2026-09-30") == ("drop", "2023-09-30")


def test_charge_az_and_kontaktplus_drop_deleted_accounts_at_once() -> None:
    assert cut("charge_az", "internal_study", "account_deleted", "2026-09-30") == ("drop", "2026-09-30")
    assert cut("kontaktplus", "share", "account_deleted", "2026-09-30") == ("drop", "2026-09-30")


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("uklon", "ip_address"),
        ("uklon", "off_trip_positions"),
        ("pokupi", "financial_data"),
        ("pokupi", "accounting_data"),
        ("pokupi", "fraud_and_disputes"),
        ("bakikart", "balance_chain"),
        ("charge_az", "private_chargers"),
        ("kontaktplus", "identity_documents"),
    ],
)
def test_what_never_enters_a_release_has_a_rule_and_no_clock(name: str, rule: str) -> None:
    policy = load_policy(name)
    assert next(entry for entry in policy.retention if entry.name == rule).then == "never_released"
    now = datetime(2026, 9, 30, tzinfo=UTC)
    assert not [c for c in clocks(policy, use="internal_study", as_of=now, zone="UTC") if rule in c.rule]


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(0, 20), st.integers(0, 30), st.integers(0, 400))
def test_a_span_is_never_shorter_than_promised(day: date, years: int, months: int, days: int) -> None:
    found = before(day, years=years, months=months, days=days)
    assert (day - found).days >= years * 365 + months * 28 + days
    assert (day - found).days <= years * 366 + months * 31 + days + 3
