"""Every release: of which data, for which time and place, under which guarantee, and who has it (rulings 13, 14, 27).

An append-only chained file (the ledger's). Written before a bundle is handed over, *issued* when it is in place, and
asked before the next one is made: a release whose periods and zones overlap an earlier one of the same dataset can be
subtracted from it, so it is refused until differencing between the two has passed. Recipients are assumed to collude.
Holds no person: who was in a release is the subject register's business. Does not know what others published.
"""

from __future__ import annotations

import calendar
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from anonkit.base.errors import LedgerError, ReleaseRefusedError
from anonkit.ledger.chain import Chain, Entry
from anonkit.ledger.events import GUARANTEES
from anonkit.ledger.periods import LABELS, check_labels

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release as it will be handed over; no person, no count."""

    name: str
    dataset: str
    guarantee: str
    """``k_anonymity`` or ``differential_privacy``."""
    periods: tuple[str, ...]
    """Periods of event time: days, weeks, months, quarters, years, or ``all``."""
    tessellation: str
    """Name of the public grid or zones; zones of two tessellations cannot be compared and count as overlapping."""
    zones: tuple[str, ...]
    """Coarsest public zones that the release covers."""
    products: dict[str, str]
    """Product → hash of its public keys."""
    recipients: tuple[str, ...]
    purpose: str
    licence: str

    def __post_init__(self) -> None:
        for field in ("periods", "zones", "recipients"):
            object.__setattr__(self, field, tuple(str(value) for value in getattr(self, field)))
        for period in self.periods:
            span(period)
        empty = [name for name, value in asdict(self).items() if not value]
        if empty or self.guarantee not in GUARANTEES:
            raise LedgerError(
                f"release '{self.name}' lacks {empty or 'a known guarantee'}",
                hint="a release names all of them; see the recipe.",
            )


def span(label: str) -> tuple[date, date]:
    """First and last local day of a period.

    >>> [day.isoformat() for day in span("2026-Q3")]
    ['2026-07-01', '2026-09-30']
    """
    period = next((period for period in LABELS if _is(label, period)), None)
    if period is None:
        raise LedgerError(
            f"{label!r} is not the label of a period", hint=f"labels of {list(LABELS)}; see anonkit.ledger."
        )
    if period == "all":
        return date.min, date.max
    if period == "day":
        return date.fromisoformat(label), date.fromisoformat(label)
    year = int(label[:4])
    if period == "week":
        monday = date.fromisocalendar(year, int(label[6:]), 1)
        return monday, monday + timedelta(days=6)
    first, last = {"month": (label[5:],) * 2, "quarter": (f"{label[6:]}", "")}.get(period, ("1", "12"))
    if period == "quarter":
        first, last = str(3 * int(first) - 2), str(3 * int(first))
    return date(year, int(first), 1), date(year, int(last), calendar.monthrange(year, int(last))[1])


def _is(label: str, period: str) -> bool:
    try:
        check_labels((label,), period)
    except LedgerError:
        return False
    return True


class ReleaseRegister:
    """The file of releases; verified whenever it is read."""

    def __init__(self, path: str | Path, *, head: str | Path | None = None) -> None:
        self._chain = self._at(path, head)
        self._chain.read()

    @staticmethod
    def _at(path: str | Path, head: str | Path | None) -> Chain:
        kinds = ("terms", "recorded", "issued", "withdrawn")
        second = Path(head) if head is not None else None
        return Chain(Path(path), what="release register", kinds=kinds, version=VERSION, head=second)

    @classmethod
    def create(cls, path: str | Path, *, head: str | Path | None = None) -> ReleaseRegister:
        """Make a new register (mode 0600)."""
        cls._at(path, head).create({"register": "releases"})
        return cls(path, head=head)

    def record(self, release: Release, *, differenced: Collection[str] = ()) -> None:
        """Write a release down before it is handed over.

        Parameters
        ----------
        release : what will be handed over.
        differenced : names of earlier overlapping releases against which differencing was run and passed.

        Raises
        ------
        ReleaseRefusedError : it overlaps a release that is not in ``differenced`` (ruling 13), or one of the other
            guarantee (ruling 14), which nothing excuses.
        """

        def decide(entries: list[Entry]) -> list[tuple[str, dict[str, Any]]]:
            known = self._standing(entries)
            if release.name in known:
                raise ReleaseRefusedError(f"release '{release.name}' exists already", hint="give it another name.")
            for other in self._overlapping(
                known, release.dataset, release.periods, release.zones, release.tessellation
            ):
                if other.guarantee != release.guarantee and self._same_time(other.periods, release.periods):
                    raise ReleaseRefusedError(
                        f"release '{release.name}' claims {release.guarantee} for people and periods that '{other.name}' "
                        f"released under {other.guarantee}",
                        hint="other periods, or one guarantee (ruling 14).",
                        overlaps=other.name,
                    )
                if other.name not in differenced:
                    raise ReleaseRefusedError(
                        f"release '{release.name}' overlaps '{other.name}' in periods and zones; differencing has not passed",
                        hint="run the differencing check against it, or choose other periods or zones (ruling 13).",
                        overlaps=other.name,
                    )
            return [("recorded", {"release": {**asdict(release), "products": dict(sorted(release.products.items()))}})]

        self._chain.append(decide)

    def issue(self, name: str, *, manifest_hash: str) -> None:
        """The bundle is in place."""
        self._close(name, "issued", {"manifest_hash": manifest_hash})

    def withdraw(self, name: str) -> None:
        """The gate refused and nothing was handed over; an issued release is never withdrawn: it is out."""
        self._close(name, "withdrawn", {})

    def releases(self) -> dict[str, Release]:
        """Recorded and issued releases by name, without withdrawn ones."""
        return self._standing(self._chain.read())

    def issued(self) -> dict[str, str]:
        """Issued releases: name → hash of the manifest."""
        return {e.body["name"]: e.body["manifest_hash"] for e in self._chain.read() if e.kind == "issued"}

    def recipients(self, names: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Who received each of the named releases, so that they can be told of an erasure."""
        return {name: release.recipients for name, release in self.releases().items() if name in names}

    def overlapping(
        self, dataset: str, periods: Sequence[str], zones: Collection[str | int], *, tessellation: str
    ) -> tuple[Release, ...]:
        """Earlier releases of the dataset that share a day and a zone with these (ruling 13).

        A recorded release that was never issued counts: it may have been handed over before a crash.
        """
        texts = tuple(str(zone) for zone in zones)
        return tuple(self._overlapping(self.releases(), dataset, periods, texts, tessellation))

    def _overlapping(
        self, known: dict[str, Release], dataset: str, periods: Sequence[str], zones: Collection[str], tessellation: str
    ) -> list[Release]:
        asked = set(zones)
        return [
            release
            for release in known.values()
            if release.dataset == dataset
            and self._same_time(release.periods, periods)
            and (release.tessellation != tessellation or asked.intersection(release.zones))
        ]

    @staticmethod
    def _same_time(one: Sequence[str], other: Sequence[str]) -> bool:
        pairs = [(span(a), span(b)) for a in one for b in other]
        return any(first[0] <= second[1] and second[0] <= first[1] for first, second in pairs)

    @staticmethod
    def _standing(entries: list[Entry]) -> dict[str, Release]:
        known: dict[str, Release] = {}
        for entry in entries:
            if entry.kind == "recorded":
                known[entry.body["release"]["name"]] = Release(**entry.body["release"])
            elif entry.kind == "withdrawn":
                del known[entry.body["name"]]
        return known

    def _close(self, name: str, kind: str, body: dict[str, Any]) -> None:
        def decide(entries: list[Entry]) -> list[tuple[str, dict[str, Any]]]:
            issued = {entry.body["name"] for entry in entries if entry.kind == "issued"}
            if name not in self._standing(entries) or name in issued:
                raise LedgerError(
                    f"release '{name}' is not open: unknown, withdrawn or issued", hint="record it first."
                )
            return [(kind, {"name": name, **body})]

        self._chain.append(decide)
