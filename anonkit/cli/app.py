"""All verbs in one Typer application, and errors turned into exit codes."""

from __future__ import annotations

import sys

import typer

from anonkit.base.errors import AnonkitError, ReleaseRefusedError
from anonkit.base.processor import prefer_fast_sorts
from anonkit.cli.dp import app as dp
from anonkit.cli.explain import explain
from anonkit.cli.inspect import init, inspect
from anonkit.cli.ledger import app as ledger
from anonkit.cli.presets import presets
from anonkit.cli.release import release
from anonkit.cli.review import app as review
from anonkit.cli.risk import risk
from anonkit.cli.routes import routes
from anonkit.cli.simulate import simulate
from anonkit.cli.subjects import app as subjects
from anonkit.cli.vault import app as vault
from anonkit.cli.verify import verify

REFUSED, BAD_INPUT = 3, 2

app = typer.Typer(
    name="anonkit",
    help="Turn raw trips of mobility operators into data that may leave, and show that nobody is given away.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(inspect)
app.command()(init)
app.command()(explain)
app.command()(presets)
app.command()(release)
app.command()(verify)
app.command()(risk)
app.command()(simulate)
app.add_typer(dp, name="dp")
app.add_typer(ledger, name="ledger")
app.add_typer(review, name="review")
app.add_typer(routes, name="routes")
app.add_typer(subjects, name="subjects")
app.add_typer(vault, name="vault")


def main() -> None:
    """Entry point of ``anonkit``."""
    prefer_fast_sorts()
    try:
        app(standalone_mode=True)
    except ReleaseRefusedError as error:
        typer.secho(f"refused: {error}", fg="red", err=True)
        sys.exit(REFUSED)
    except AnonkitError as error:
        typer.secho(f"{type(error).__name__}: {error}", fg="red", err=True)
        sys.exit(BAD_INPUT)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "anonkit"):
            raise
        typer.secho(f"{missing} is not installed\nHint: pip install 'anonkit[release]'", fg="red", err=True)
        sys.exit(BAD_INPUT)
