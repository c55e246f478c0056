"""All verbs in one Typer application, and errors turned into exit codes."""

from __future__ import annotations

import sys

import typer

from anonkit.base.errors import AnonkitError, ReleaseRefusedError
from anonkit.cli.release import release
from anonkit.cli.simulate import simulate
from anonkit.cli.verify import verify

REFUSED, BAD_INPUT = 3, 2

app = typer.Typer(
    name="anonkit",
    help="Turn raw trips of mobility operators into data that may leave, and show that nobody is given away.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(release)
app.command()(verify)
app.command()(simulate)


def main() -> None:
    """Entry point of ``anonkit``."""
    try:
        app(standalone_mode=True)
    except ReleaseRefusedError as error:
        typer.secho(f"refused: {error}", fg="red", err=True)
        sys.exit(REFUSED)
    except AnonkitError as error:
        typer.secho(f"{type(error).__name__}: {error}", fg="red", err=True)
        sys.exit(BAD_INPUT)
