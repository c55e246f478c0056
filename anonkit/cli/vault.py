"""``anonkit vault``: the one way back from a journey to an account, for disputes and fraud.

No logic here; see ``anonkit.vault``. The key comes from ``--key-file`` (mode 0600) or ANONKIT_VAULT_KEY, never from an
argument. The account goes to standard output and nowhere else.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from anonkit.vault import Vault

app = typer.Typer(
    help="Token to account for disputes and fraud: two persons, every opening logged.", no_args_is_help=True
)

Folder = Annotated[Path, typer.Argument(help="The vault's folder.")]
Head = Annotated[Path, typer.Option(help="The log's second place: a file outside the folder, best on another disk.")]
KeyFile = Annotated[Path | None, typer.Option(help="Key file of mode 0600; default: ANONKIT_VAULT_KEY.")]
By = Annotated[str, typer.Option(help="Name of the person who does this.")]


def _vault(folder: Path, head: Path, key_file: Path | None) -> Vault:
    from anonkit.vault import Vault, read_key

    return Vault(folder, key=read_key(key_file), head=head)


@app.command()
def create(folder: Folder, head: Head, by: By, key_file: KeyFile = None) -> None:
    """Make a vault; a key file that does not exist is made too."""
    from anonkit.base.errors import VaultError
    from anonkit.vault import Vault, new_key_file, read_key

    if key_file is not None and folder.absolute() in key_file.absolute().parents:
        raise VaultError(
            "the key file lies inside the vault's folder", hint="whoever copies the one has both; keep it elsewhere."
        )
    if key_file is not None and not key_file.exists():
        new_key_file(key_file)
    Vault.create(folder, key=read_key(key_file), head=head, by=by)
    typer.echo(f"{folder}: an empty vault; the head of its log is {head}")


@app.command()
def store(
    folder: Folder,
    pairs: Annotated[Path, typer.Argument(help="CSV with the columns token and account; delete it afterwards.")],
    head: Head,
    by: By,
    key_file: KeyFile = None,
) -> None:
    """Store token and account pairs; those of erased subjects stay out."""
    from anonkit.base.errors import VaultError

    def rows() -> Iterator[tuple[str, str]]:
        with pairs.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            if not {"token", "account"} <= set(reader.fieldnames or ()):
                raise VaultError(
                    f"{pairs.name} lacks the columns token and account", hint="name them in its first line."
                )
            for row in reader:
                yield row["token"], row["account"]

    typer.echo(f"{_vault(folder, head, key_file).store(rows(), by=by)} new entries")


@app.command("open")
def open_case(
    folder: Folder,
    token: Annotated[str, typer.Argument(help="The journey's token.")],
    head: Head,
    by: By,
    second: Annotated[str, typer.Option(help="Name of the second person, who agrees.")],
    case: Annotated[str, typer.Option(help="Number of the dispute or fraud case.")] = "",
    reason: Annotated[str, typer.Option(help="Why the case needs the person.")] = "",
    key_file: KeyFile = None,
) -> None:
    """Print one journey's account; logged before it is read."""
    typer.echo(_vault(folder, head, key_file).open_case(token, case=case, reason=reason, by=by, second=second))


@app.command()
def destroy(
    folder: Folder,
    head: Head,
    by: By,
    account: Annotated[list[str] | None, typer.Option(help="Account of the erased subject; may be repeated.")] = None,
    token: Annotated[list[str] | None, typer.Option(help="Or the token of one of his journeys.")] = None,
    key_file: KeyFile = None,
) -> None:
    """Destroy all that the vault holds of a subject; later imports stay blocked."""
    gone = _vault(folder, head, key_file).destroy(accounts=account or (), tokens=token or (), by=by)
    typer.echo(f"{gone} entries destroyed")


@app.command()
def log(folder: Folder, head: Head, key_file: KeyFile = None) -> None:
    """Who opened what, when and why; parts about erased subjects are gone."""
    for line, about in _vault(folder, head, key_file).log():
        said = f" case {about['case']}: {about['reason']}" if about else " (erased)" if line.sealed else ""
        second = f" and {line.second}" if line.second else ""
        typer.echo(f"{line.number} {line.at} {line.what} {line.count} by {line.by}{second}{said}")


@app.command()
def check(folder: Folder, head: Head, key_file: KeyFile = None) -> None:
    """Verify the log, its head, the counts and the nonces."""
    summary = _vault(folder, head, key_file).check()
    typer.echo(
        f"{summary.entries} entries of {summary.subjects} subjects; {summary.log_lines} log lines fit the chain and the head; "
        f"{summary.openings} openings"
    )
    if summary.interrupted:
        again = (
            "nothing was stored: do it again"
            if summary.interrupted == "stored"
            else "it was done; the next change logs it"
        )
        typer.echo(f"a crash fell into the last change ({summary.interrupted}); {again}")
