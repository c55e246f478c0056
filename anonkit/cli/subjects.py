"""``anonkit subjects``: what a person may ask: what is known, restrict, erase; and who has to be told.

No logic here; see ``anonkit.registry``. The key comes from ``--key-file`` (mode 0600) or ANONKIT_REGISTER_KEY. Nothing
printed repeats an identifier: lines are numbered as in the list.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from anonkit.registry import Found, Identifier, SubjectRegister
    from anonkit.vault import Vault

app = typer.Typer(help="Erase, restrict or show people: what is held and who received it.", no_args_is_help=True)

Register = Annotated[Path, typer.Option(help="Folder of the subject register.")]
Releases = Annotated[Path | None, typer.Option(help="Release register: names the recipients that must be told.")]
KeyFile = Annotated[Path | None, typer.Option(help="Key file of mode 0600; default: ANONKIT_REGISTER_KEY.")]
People = Annotated[
    Path | None, typer.Option("--list", help="CSV with any of phone, email, account_id, card_number, and operator.")
]
Phone = Annotated[str, typer.Option(help="In any spelling.")]
Email = Annotated[str, typer.Option()]
Account = Annotated[str, typer.Option(help="With --operator.")]
Card = Annotated[str, typer.Option()]
Operator = Annotated[str, typer.Option(help="Whose account id it is.")]
Day = Annotated[str, typer.Option("--as-of", help="Day of the request, YYYY-MM-DD; default today.")]


@app.command()
def create(register: Register, key_file: KeyFile = None) -> None:
    """Make an empty register; a key file that does not exist is made too."""
    from anonkit.registry import SubjectRegister, new_key_file, read_key

    if key_file is not None and not key_file.exists():
        new_key_file(key_file)
    SubjectRegister.create(register, key=read_key(key_file))
    typer.echo(f"{register}: an empty register; keep its key elsewhere, and subject_keys.sqlite out of long backups")


@app.command()
def show(
    register: Register,
    releases: Releases = None,
    key_file: KeyFile = None,
    people: People = None,
    phone: Phone = "",
    email: Email = "",
    account_id: Account = "",
    card_number: Card = "",
    operator: Operator = "",
) -> None:
    """What is held of these people, and which releases held rows of them; changes nothing."""
    subjects = _subjects(people, operator, phone=phone, email=email, account_id=account_id, card_number=card_number)
    opened = _open(register, key_file)
    for number, identifiers in enumerate(subjects, start=1):
        _tell(number, opened.show(identifiers), releases)


@app.command()
def erase(
    register: Register,
    releases: Releases = None,
    key_file: KeyFile = None,
    people: People = None,
    phone: Phone = "",
    email: Email = "",
    account_id: Account = "",
    card_number: Card = "",
    operator: Operator = "",
    as_of: Day = "",
    vault: Annotated[
        Path | None, typer.Option(help="Folder of the operator's vault: its entries of them go too.")
    ] = None,
    vault_head: Annotated[Path | None, typer.Option(help="Second place of the vault's log.")] = None,
    vault_key_file: Annotated[Path | None, typer.Option(help="The vault's key; default: ANONKIT_VAULT_KEY.")] = None,
    by: Annotated[str, typer.Option(help="With --vault: name of the person who does this.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, only say what would be removed.")] = False,
) -> None:
    """Erase these people and keep them out; prints who received their rows. With --vault, also from the vault.

    The vault knows accounts only: people of whom the request names no account id are told by number.
    """
    subjects = _subjects(people, operator, phone=phone, email=email, account_id=account_id, card_number=card_number)
    opened = _open(register, key_file)
    closed = _vault(vault, vault_head, vault_key_file, by)
    held = (
        opened.erase_all(subjects, day=_day(as_of)) if yes else [opened.show(identifiers) for identifiers in subjects]
    )
    for number, found in enumerate(held, start=1):
        _tell(number, found, releases)
    if closed is not None:
        _from_vault(closed, subjects, by, yes=yes)
    elif yes:
        typer.echo("no vault was named; where there is one: anonkit vault destroy, or --vault here")
    typer.echo(
        f"{len(subjects)} erased; imports of them are blocked" if yes else "nothing was changed: add --yes to erase"
    )


@app.command()
def restrict(
    register: Register,
    releases: Releases = None,
    key_file: KeyFile = None,
    people: People = None,
    phone: Phone = "",
    email: Email = "",
    account_id: Account = "",
    card_number: Card = "",
    operator: Operator = "",
    as_of: Day = "",
    kind: Annotated[str, typer.Option(help="restriction, objection or withdrawn_consent.")] = "restriction",
    lift: Annotated[bool, typer.Option("--lift", help="End it.")] = False,
) -> None:
    """Keep these people's rows out until lifted (Art. 18, objection, withdrawn consent)."""
    subjects = _subjects(people, operator, phone=phone, email=email, account_id=account_id, card_number=card_number)
    opened = _open(register, key_file)
    for number, identifiers in enumerate(subjects, start=1):
        change = opened.lift if lift else opened.restrict
        _tell(number, change(identifiers, kind=kind, day=_day(as_of)), releases)


def _open(register: Path, key_file: Path | None) -> SubjectRegister:
    from anonkit.registry import SubjectRegister, read_key

    return SubjectRegister(register, key=read_key(key_file))


def _vault(folder: Path | None, head: Path | None, key_file: Path | None, by: str) -> Vault | None:
    """The vault, opened before anything is erased, so that a wrong key stops all of it."""
    from anonkit.base.errors import VaultError
    from anonkit.vault import Vault, read_key

    if folder is None:
        return None
    if head is None or not by.strip():
        raise VaultError("a vault needs its head and who does this", hint="--vault-head FILE --by NAME")
    return Vault(folder, key=read_key(key_file), head=head)


def _from_vault(vault: Vault, subjects: list[tuple[Identifier, ...]], by: str, *, yes: bool) -> None:
    accounts = [[one.value.strip() for one in person if one.kind == "account_id"] for person in subjects]
    unnamed = [str(number) for number, named in enumerate(accounts, start=1) if not named]
    listed = [account for named in accounts for account in named]
    if unnamed:
        typer.echo(f"vault: no account id of {', '.join(unnamed)}; look it up and use anonkit vault destroy")
    if yes:
        typer.echo(f"vault: {vault.destroy(accounts=listed, by=by) if listed else 0} entries destroyed")
    else:
        typer.echo(f"vault: the entries of {len(listed)} accounts would be destroyed")


def _subjects(people: Path | None, operator: str, **given: str) -> list[tuple[Identifier, ...]]:
    from anonkit.base.errors import SourceError
    from anonkit.registry import Identifier, read_list

    named = tuple(Identifier(kind=kind, value=value, operator=operator) for kind, value in given.items() if value)
    if (people is None) == (not named):
        raise SourceError("give either --list or identifiers of one person", hint="e.g. --phone '050 123 45 67'.")
    return read_list(people) if people is not None else [named]


def _day(text: str) -> date:
    from anonkit.base.clock import as_of

    return as_of(text or None).date()


def _tell(number: int, found: Found, releases: Path | None) -> None:
    state = [*(["erased earlier, blocked"] if found.suppressed else []), *found.restrictions]
    known = "known" if found.known else "not known"
    typer.echo(f"{number}: {known}{'; ' + ', '.join(state) if state else ''}; in {len(found.releases)} releases")
    recipients: dict[str, tuple[str, ...]] = {}
    if releases is not None and found.releases:
        from anonkit.registry import ReleaseRegister

        recipients = ReleaseRegister(releases).recipients(found.releases)
    for name in found.releases:
        typer.echo(f"   {name}: {', '.join(recipients.get(name, ('recipients: see the release register',)))}")
