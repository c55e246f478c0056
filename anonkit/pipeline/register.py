"""The register that a release is held against before it leaves, and the key that outlives runs.

One folder for all releases of an operator (mode 0700): ``releases.chain`` says what has left, for which time, place and
recipient; ``counts.key`` is the persistent key under which counts are perturbed and trips are ordered, so that a second
release of the same data says the same (rulings 12, 13). A release that shares days and zones with an earlier one of the
same operator is refused unless it says exactly the same numbers: then nothing can be learned by comparing the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from anonkit.base.errors import ReleaseRefusedError
from anonkit.base.findings import Finding, finding
from anonkit.engine import private_folder, sha256_of
from anonkit.ledger import JointLedger, Ledger
from anonkit.pipeline import books
from anonkit.recipe import AnyRecipe, NoisyRecipe, Recipe, RouteRecipe
from anonkit.registry import Release, ReleaseRegister, new_key_file, read_key

CHAIN, KEY = "releases.chain", "counts.key"


@dataclass(frozen=True, kw_only=True)
class Register:
    """The folder of one operator's releases."""

    folder: Path
    releases: ReleaseRegister
    record_key: bytes

    @classmethod
    def open(cls, folder: Path) -> Register:
        """Open the register, or begin it."""
        private_folder(folder)
        if not (folder / KEY).is_file():
            new_key_file(folder / KEY)
        chain = folder / CHAIN
        releases = ReleaseRegister(chain) if chain.is_file() else ReleaseRegister.create(chain)
        return cls(folder=folder, releases=releases, record_key=read_key(folder / KEY))

    def overlap(self, recipe: AnyRecipe, hashes: dict[str, str]) -> Finding:
        """Whether an earlier release could be subtracted from this one (ruling 13), or noise was drawn for its periods (14)."""
        earlier = self._earlier(recipe)
        others = sorted({release.name for release in earlier if release.products != hashes})
        for operator in operators(recipe):
            taken = books.noise_taken(self.folder, operator, recipe.period.first, recipe.period.last)
            others += [f"noise of {period} in the ledger of {operator}" for period in taken]
        said = f"{len(earlier)} with the same numbers" if earlier and not others else "none"
        return finding(
            "overlap",
            "release",
            passed=not others,
            value=", ".join(others) or said,
            threshold="no earlier release of these operators, days and zones, or exactly the same numbers",
            message="subtracting an earlier release isolates nobody; choose another period, or withdraw one never handed over",
            ruling="13, 14",
        )

    def record(self, recipe: AnyRecipe, hashes: dict[str, str]) -> tuple[str, ...]:
        """Write the release down before it is handed over; one entry an operator. Names of the entries.

        Raises
        ------
        ReleaseRefusedError : it overlaps an earlier release that says other numbers, or one of another guarantee, or a
            ledger holds noise for its periods.
        """
        entries = []
        for operator in operators(recipe):
            noisy = isinstance(recipe, NoisyRecipe)  # noise composes: the ledger keeps count, not differencing
            same = [found.name for found in self._earlier(recipe) if noisy or found.products == hashes]
            release = self._release(recipe, operator, hashes)
            self.releases.record(release, differenced=same)
            entries.append(release.name)
        books.record_classes(self.folder, self.releases, entries)
        return tuple(entries)

    def refuse_other_guarantee(self, recipe: NoisyRecipe) -> None:
        """Refuse, before anything is drawn, what went out as k-anonymous classes (ruling 14).

        Raises
        ------
        ReleaseRefusedError : people and days of this release are in a k-anonymous one.
        """
        others = sorted(found.name for found in self._earlier(recipe) if found.guarantee != recipe.privacy.guarantee)
        if others:
            raise ReleaseRefusedError(
                f"release {recipe.release!r} promises differential privacy for people and days that {others} "
                "released as k-anonymous classes",
                hint="choose another period; nothing was drawn and nothing was spent",
            )

    def free_name(self, recipe: AnyRecipe) -> str:
        """The name under which the next release of this recipe is written down."""
        return self._release(recipe, operators(recipe)[0], {"none": "none"}).name

    def issue(self, entries: tuple[str, ...], manifest: Path) -> None:
        """The bundle is in place."""
        for name in entries:
            self.releases.issue(name, manifest_hash=sha256_of(manifest))
        books.confirm_classes(self.folder, self.releases, entries)

    def open_ledger(self, recipe: NoisyRecipe) -> Ledger | JointLedger:
        """The ledger of the recipe's operator, or those of all members of a pool; see `books.open_ledger`."""
        found = [books.open_ledger(self.folder, self.releases, recipe, operator=name) for name in operators(recipe)]
        return found[0] if len(found) == 1 else JointLedger(tuple(found))

    def _earlier(self, recipe: AnyRecipe) -> list[Release]:
        grid, days = recipe.geo.grid, labels(recipe.period.first, recipe.period.last)
        zones = [int(code) for code in grid.cells(grid.levels - 1)]
        found: list[Release] = []
        for operator in operators(recipe):
            found += self.releases.overlapping(operator, days, zones, tessellation=grid.describe())
        return found

    def _release(self, recipe: AnyRecipe, operator: str, hashes: dict[str, str]) -> Release:
        base = recipe.release if len(operators(recipe)) == 1 else f"{recipe.release}.{operator}"
        known, name, number = self.releases.releases(), base, 1
        while name in known:
            number += 1
            name = f"{base}.{number}"
        grid = recipe.geo.grid
        return Release(
            name=name,
            dataset=operator,
            guarantee=recipe.privacy.guarantee if isinstance(recipe, Recipe | NoisyRecipe | RouteRecipe) else "",
            periods=labels(recipe.period.first, recipe.period.last),
            tessellation=grid.describe(),
            zones=tuple(str(code) for code in grid.cells(grid.levels - 1)),
            products=hashes,
            recipients=(recipe.recipient.name,),
            purpose=recipe.purpose,
            licence=recipe.licence,
        )


def overlapping(folder: Path, recipe: AnyRecipe) -> tuple[str, ...]:
    """Earlier releases that share people, days and zones with a recipe; nothing is made or written.

    A release of it would be refused unless it said exactly the same numbers as each of them (ruling 13).
    """
    if not (folder / CHAIN).is_file():
        return ()
    register = Register(folder=folder, releases=ReleaseRegister(folder / CHAIN), record_key=b"")
    return tuple(sorted({release.name for release in register._earlier(recipe)}))


def operators(recipe: AnyRecipe) -> tuple[str, ...]:
    """The operators whose people a release is about, in the recipe's order."""
    return tuple(dict.fromkeys(entry.operator for entry in recipe.inputs))


def product_hashes(folder: Path, recipe: AnyRecipe) -> dict[str, str]:
    """SHA-256 of each product's CSV and of the suppression table, equal if they say the same; of noisy ones, of the keys."""
    if isinstance(recipe, NoisyRecipe):
        plans = {product.name: product.plan.keys for product in recipe.plans()}
        return {name: keys.sha256 if keys is not None else "no keys" for name, keys in plans.items()}
    if isinstance(recipe, RouteRecipe):
        return {name: sha256_of(folder / f"{name}.csv") for name in recipe.kinds}
    assert isinstance(recipe, Recipe)
    names = [*(product.kind for product in recipe.kanon_products), "suppression"]
    return {name: sha256_of(folder / f"{name}.csv") for name in names}


def labels(first: date, last: date) -> tuple[str, ...]:
    """A period of local dates as few labels: years, months, days.

    >>> labels(date(2026, 8, 31), date(2026, 10, 1))
    ('2026-08-31', '2026-09', '2026-10-01')
    """
    found, day = [], first
    while day <= last:
        year_end = date(day.year, 12, 31)
        month_end = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        if (day.month, day.day) == (1, 1) and year_end <= last:
            found.append(f"{day.year:04d}")
            day = year_end
        elif day.day == 1 and month_end <= last:
            found.append(f"{day:%Y-%m}")
            day = month_end
        else:
            found.append(day.isoformat())
        day += timedelta(days=1)
    return tuple(found)
