"""``anonkit verify FOLDER``: is a bundle complete and unaltered?"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer


def verify(
    folder: Annotated[Path, typer.Argument(help="A released folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Check that a released folder is complete, unaltered and as described. It cannot prove k."""
    from anonkit.reader import verify as check

    result = check(folder)
    if as_json:
        typer.echo(json.dumps(asdict(result), ensure_ascii=False))
        return
    typer.echo(f"{result.name}: {result.files} files complete and unaltered, {result.tables} tables as described")
    typer.echo(result.statement)
    typer.echo(result.limits)
