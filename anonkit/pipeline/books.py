"""The ledgers beside the release register: one an operator, made by his first noisy release, told of every other one.

A k-anonymous release spends nothing, but it takes its periods: exact classes and noise about the same people and period
never both go out (ruling 14). The register knows that by days and zones; the ledger by its own periods, and it decides
under its own lock, so that two runs at once cannot pass each other. A release is written down in the register first and
in the ledger second; whoever opens the ledger catches up on what a crash in between left out, and a new ledger begins
with all that went out before it was made. A record stays whatever happens next: it may have been handed over.

Does not know releases made under another register folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from anonkit.base.errors import LedgerError, RecipeError, ReleaseRefusedError
from anonkit.ledger import Ledger, periods_between
from anonkit.recipe import NoisyRecipe
from anonkit.registry import Release, ReleaseRegister, span

CLASSES = "k_anonymity"


def ledger_file(folder: Path, operator: str) -> Path:
    """Where an operator's ledger lies."""
    return folder / f"{operator}.ledger"


def open_ledger(folder: Path, releases: ReleaseRegister, recipe: NoisyRecipe, *, operator: str) -> Ledger:
    """The operator's ledger, made with the recipe's terms where there is none yet; it knows all earlier releases.

    Raises
    ------
    RecipeError : the ledger has other terms; they were fixed when it was made (ruling 22).
    ReleaseRefusedError : a period of the recipe, as the ledger cuts time, went out as k-anonymous classes (ruling 14).
    """
    asked, path = recipe.privacy, ledger_file(folder, operator)
    if path.is_file():
        ledger = Ledger.open(path, dataset=operator)
        _check_terms(ledger, recipe)
    else:
        ledger = Ledger.create(
            path,
            dataset=operator,
            privacy_unit=asked.unit,
            period=asked.period,
            epsilon_cap=asked.epsilon_cap,
            delta_cap=asked.delta_cap,
            neighbours="add_or_remove",
        )
    catch_up(ledger, releases)
    wanted = periods_between(recipe.period.first, recipe.period.last, period=ledger.terms.period)
    taken = {period: body["release"] for body in ledger.k_anonymous().values() for period in body["periods"]}
    both = [period for period in wanted if period in taken]
    if both:
        raise ReleaseRefusedError(
            f"release {recipe.release!r} promises differential privacy for {both}, which the ledger of {operator!r} holds "
            f"as k-anonymous classes of {sorted({taken[period] for period in both})}",
            hint="choose another period (the ledger counts whole ones); nothing was drawn and nothing was spent",
        )
    return ledger


def _check_terms(ledger: Ledger, recipe: NoisyRecipe) -> None:
    terms, asked = ledger.terms, recipe.privacy
    fixed = {
        "unit": (terms.privacy_unit, asked.unit),
        "period": (terms.period, asked.period),
        "epsilon_cap": (terms.epsilon_cap, asked.epsilon_cap),
        "delta_cap": (terms.delta_cap, asked.delta_cap),
    }
    other = [f"{name} {mine}, not {wanted}" for name, (mine, wanted) in fixed.items() if mine != wanted]
    if other:
        raise RecipeError(
            f"the ledger of {terms.dataset!r} was made with {'; '.join(other)}",
            hint="write the ledger's terms into the recipe; they cannot be changed",
        )


def catch_up(ledger: Ledger, releases: ReleaseRegister) -> None:
    """Write down the operator's k-anonymous releases that the ledger does not know: older than it, or cut off by a crash.

    A period that noise has taken already cannot be taken back; there the register's own refusal has to do.
    """
    known = {body["release"] for body in ledger.k_anonymous().values()}
    noisy = {period for event, _, _ in ledger.events().values() for period in event.periods}
    issued = releases.issued()
    for release in releases.releases().values():
        if release.dataset != ledger.terms.dataset or release.guarantee != CLASSES or release.name in known:
            continue
        periods = [period for period in _periods(release, ledger) if period not in noisy]
        if periods:
            record = ledger.record_k_anonymity(release=release.name, periods=periods, keys_hash=_hash(release))
            if release.name in issued:
                record.confirm()


def record_classes(folder: Path, releases: ReleaseRegister, names: Iterable[str]) -> None:
    """Write k-anonymous releases, which the register holds already, into the ledgers that there are.

    Raises
    ------
    ReleaseRefusedError : noise was drawn for one of the periods (ruling 14); the register's entries are withdrawn.
    """
    names = tuple(names)
    standing = releases.releases()
    for name in names:
        release = standing[name]
        path = ledger_file(folder, release.dataset)
        if release.guarantee != CLASSES or not path.is_file():
            continue
        ledger = Ledger.open(path, dataset=release.dataset)
        if name in {body["release"] for body in ledger.k_anonymous().values()}:
            continue
        periods = _periods(release, ledger)
        both = _noisy(ledger, periods)
        try:
            if not both:
                ledger.record_k_anonymity(release=name, periods=periods, keys_hash=_hash(release))
        except LedgerError:
            both = _noisy(ledger, periods)  # another process drew in between; anything else is a fault of the file
            if not both:
                raise
        if both:
            for open_name in names:
                releases.withdraw(open_name)
            raise ReleaseRefusedError(
                f"release {name!r} publishes k-anonymous classes of {both}, for which the ledger of {release.dataset!r} "
                "holds noise",
                hint="choose another period (the ledger counts whole ones), or publish with noise (ruling 14)",
            )


def confirm_classes(folder: Path, releases: ReleaseRegister, names: Iterable[str]) -> None:
    """The bundle of these releases is in place; noisy ones are confirmed where they were drawn."""
    standing = releases.releases()
    for name in names:
        path = ledger_file(folder, standing[name].dataset)
        if standing[name].guarantee == CLASSES and path.is_file():
            ledger = Ledger.open(path)
            if any(body["release"] == name and not body["closed"] for body in ledger.k_anonymous().values()):
                ledger.confirm(name)


def noise_taken(folder: Path, operator: str, first: date, last: date) -> tuple[str, ...]:
    """Periods between two days for which the operator's ledger holds noise."""
    path = ledger_file(folder, operator)
    if not path.is_file():
        return ()
    ledger = Ledger.open(path, dataset=operator)
    return tuple(_noisy(ledger, periods_between(first, last, period=ledger.terms.period)))


def _noisy(ledger: Ledger, periods: tuple[str, ...]) -> list[str]:
    drawn = {period for event, _, _ in ledger.events().values() for period in event.periods}
    return [period for period in periods if period in drawn]


def _periods(release: Release, ledger: Ledger) -> tuple[str, ...]:
    """The release's days as the ledger cuts time."""
    found: list[str] = []
    for label in release.periods:
        first, last = span(label)
        found += periods_between(first, last, period=ledger.terms.period)
    return tuple(dict.fromkeys(found))


def _hash(release: Release) -> str:
    """One hash of what the register says of the release's products."""
    return hashlib.sha256(json.dumps(release.products, sort_keys=True).encode()).hexdigest()
