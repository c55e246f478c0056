"""The reviewer's decision, recorded beside what was reviewed and bound to the files that it is about.

``reviews.chain`` in the inside folder is append-only: each entry holds who decided what and when, and the SHA-256 of the
bundle's list of checksums, of ``risk.json`` and of the page. A file that changes afterwards no longer fits its hash, and
the decision is void; the last decision counts, earlier ones stay. Source: issue 7, part 8; ISO/IEC 27559, governance.

Does not prove who typed the name: there is no secret in it. Whoever can write the inside folder can make the whole
record anew; keep the printed line of ``review sign`` somewhere else where that matters.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from anonkit.base.errors import BundleError, RecipeError
from anonkit.bundle import CHECKSUMS, check_files
from anonkit.engine import sha256_of
from anonkit.ledger.chain import Chain, Entry

REVIEWS, RISK, RUN, PAGE = "reviews.chain", "risk.json", "run.json", "report.html"
SUFFIX = ".inside"
Decision = Literal["accept", "refuse"]


@dataclass(frozen=True, kw_only=True)
class Signature:
    """One decision."""

    number: int
    by: str
    decision: Decision
    note: str
    at: str
    bundle_sha256: str
    """Of the bundle's list of checksums, which names every file."""
    seen: dict[str, str]
    """SHA-256 of what was read: ``risk.json`` and ``report.html``."""


@dataclass(frozen=True, kw_only=True)
class SignatureCheck:
    """Whether the last decision still is about what lies there."""

    signature: Signature | None
    problems: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        """Whether the release was accepted, and nothing has changed since."""
        return self.signature is not None and self.signature.decision == "accept" and not self.problems


def inside_of(path: Path) -> Path:
    """The inside folder of a bundle or of itself.

    Raises
    ------
    BundleError : there is no risk.json in it or beside it.
    """
    for folder in (path, path.with_name(path.name + SUFFIX)):
        if (folder / RISK).is_file():
            return folder
    raise BundleError(
        f"there is no {RISK} in {path.name} nor in {path.name}{SUFFIX}",
        hint="give the inside folder, the one that --inside named",
    )


def bundle_of(inside: Path) -> Path | None:
    """The bundle beside an inside folder of the usual name; None where it is elsewhere."""
    inside = inside.resolve()
    found = inside.with_name(inside.name.removesuffix(SUFFIX))
    return found if inside.name.endswith(SUFFIX) and found.is_dir() else None


def sign(inside: Path, *, by: str, decision: str, note: str = "", bundle: Path | None = None) -> Signature:
    """Record a decision about a release.

    Parameters
    ----------
    inside : the folder that stays, with ``risk.json``.
    by : the reviewer's name.
    decision : ``accept`` or ``refuse``.
    note : why, in words.
    bundle : the folder that is handed over; by default the one beside ``inside``.

    Raises
    ------
    RecipeError : the name is missing, or a refused release is accepted. BundleError : the bundle is missing or changed.

    Privacy
    -------
    Holds the reviewer's name and hashes; stays inside.
    """
    name, words = by.strip(), note.strip()
    if len(name) < 2 or not name.isprintable():
        raise RecipeError("a decision needs the name of who made it", hint='--by "Name Surname"')
    if decision not in get_args(Decision):
        raise RecipeError(f"there is no decision {decision!r}", hint="--decision accept, or --decision refuse")
    document, run = _read(inside / RISK), _read(inside / RUN)
    digest = document.get("bundle_sha256")
    if decision == "accept":
        if run.get("status") != "released" or document.get("verdict") == "FAIL":
            raise RecipeError(
                "this release was refused by its own checks; it cannot be accepted",
                hint="read the findings, change the recipe, and make the release again",
            )
        problems = _changed(bundle or bundle_of(inside), digest)
        if problems:
            raise BundleError(f"what would be accepted is not what was checked: {problems[0]}", hint="make it again")
    chain = Chain(inside / REVIEWS, what="record of reviews", kinds=("terms", "review"), version=1)
    if not chain.path.exists():
        chain.create({"release": document.get("release")})
    seen = {name: sha256_of(inside / name) for name in (RISK, PAGE) if (inside / name).is_file()}
    body = {"by": name, "decision": decision, "note": words, "bundle_sha256": digest or "", "seen": seen}
    return _signature(chain.append(lambda _: [("review", body)])[-1])


def signatures(inside: Path) -> tuple[Signature, ...]:
    """All decisions, the first one first.

    Raises
    ------
    LedgerError : the record was changed or cut.
    """
    chain = Chain(inside / REVIEWS, what="record of reviews", kinds=("terms", "review"), version=1)
    if not chain.path.exists():
        return ()
    return tuple(_signature(entry) for entry in chain.read() if entry.kind == "review")


def check_signature(inside: Path, *, bundle: Path | None = None) -> SignatureCheck:
    """Hold the last decision against the files that lie there now."""
    given = signatures(inside)
    if not given:
        return SignatureCheck(signature=None, problems=("nobody has decided yet",))
    last = given[-1]
    problems = [
        f"{name} was changed after the decision"
        for name, digest in last.seen.items()
        if not (inside / name).is_file() or sha256_of(inside / name) != digest
    ]
    if last.decision == "accept" or bundle is not None:
        problems += _changed(bundle or bundle_of(inside), last.bundle_sha256)
    return SignatureCheck(signature=last, problems=tuple(problems))


def _changed(bundle: Path | None, digest: str | None) -> list[str]:
    if bundle is None:
        return ["the bundle is not beside the inside folder; say where it is"]
    listing = bundle / CHECKSUMS
    if not listing.is_file():
        return [f"{bundle.name} is no released folder"]
    if sha256_of(listing) != digest:
        return [f"{bundle.name} is another bundle, or was made anew: its list of checksums differs"]
    try:
        check_files(bundle)
    except BundleError as error:
        return [error.message]
    return []


def _signature(entry: Entry) -> Signature:
    body = entry.body
    return Signature(
        number=entry.number,
        by=body["by"],
        decision=body["decision"],
        note=body["note"],
        at=body["at"],
        bundle_sha256=body["bundle_sha256"],
        seen=dict(body["seen"]),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{path.name} is missing or unreadable", hint="give the inside folder of a release"
        ) from error
    return dict(found)
