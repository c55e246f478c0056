"""``anonkit risk PATH``: how much risk there is in a release, or in anybody's table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

EXCEEDED = 3


def risk(
    path: Annotated[Path, typer.Argument(help="A released folder, its inside folder, a CSV or a Parquet file.")],
    fail_over: Annotated[
        str | None, typer.Option(help="Exit 3 if the largest row-level risk is above it, or ids are there: 1/11, 0.05.")
    ] = None,
    roles: Annotated[Path | None, typer.Option(help="YAML with person, quasi, place, time, identifiers.")] = None,
    quasi: Annotated[str | None, typer.Option(help="Columns that somebody can know, by comma.")] = None,
    person: Annotated[
        str | None, typer.Option(help="Column that says who; without it each row is its own person.")
    ] = None,
    place: Annotated[str | None, typer.Option(help="Columns that say where, for unicity.")] = None,
    time: Annotated[str | None, typer.Option(help="Columns that say when, for unicity.")] = None,
    identifiers: Annotated[str | None, typer.Option(help="Columns of ids that are published.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Print risk figures: exit 0, 2 bad input, 3 above --fail-over."""
    from anonkit.pipeline.assess import assess_path, read_roles
    from anonkit.recipe.parts import as_fraction

    limit = as_fraction(fail_over) if fail_over is not None else None
    given = {"person": person, "quasi": quasi, "place": place, "time": time, "identifiers": identifiers}
    found = assess_path(path, read_roles(roles, given))
    over = limit is not None and found.exceeds(limit)
    if as_json:
        typer.echo(json.dumps({**found.as_dict(), "fail_over": fail_over, "exceeded": over}, ensure_ascii=False))
    else:
        width = max(len(one.name) for one in found.figures)
        for one in found.figures:
            typer.echo(f"{one.name:<{width}}  {one.value}" + (f"  ({one.note})" if one.note else ""))
        for text in found.flagged:
            typer.secho(f"identifiers: {text}", fg="red")
        if found.unit == "row":
            typer.echo("The table names nobody: each row was taken as its own person, the best case for its publisher.")
        if found.risk is None:
            typer.echo(
                "A noisy release has no classes of people: its guarantee bounds what is learned, see its statement."
            )
        if limit is not None and (found.risk is not None or over):
            told = "above" if over else "not above"
            typer.secho(f"{told} {limit}", fg="red" if over else "green")
    if over:
        raise typer.Exit(EXCEEDED)
