"""``anonkit explain RECIPE``: which choice of a recipe costs how much suppression."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer


def explain(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a YAML file.")],
    as_of: Annotated[str | None, typer.Option(help="Date at which clocks are evaluated; default now.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Share of trips published (of routes: of passages told), as the recipe is and with one choice at a time made otherwise. Nothing leaves."""
    from anonkit.base.progress import Progress, TerminalProgress
    from anonkit.pipeline.plan import explain as compare

    found = compare(recipe, as_of=as_of, progress=Progress() if quiet or as_json else TerminalProgress())
    if as_json:
        typer.echo(json.dumps([asdict(alternative) for alternative in found], ensure_ascii=False))
        return
    parts = list(found[0].shares)
    of_routes = "link_volumes" in parts
    head = "share of passages told" if of_routes else "share of trips published"
    typer.echo(f"{head:<46}" + "".join(f"{part:>15}" for part in parts))
    for alternative in found:
        shares = "".join(f"{alternative.shares.get(part, 0):>15.1%}" for part in parts)
        typer.echo(f"{alternative.change:<46}{shares}")
    typer.echo("These figures are exact and about raw data: keep them inside.")
    told = [alternative for alternative in found if alternative.write]
    if told:
        typer.echo(f"To choose one, write in {recipe.name}:")
        for alternative in told:
            typer.echo(f"  {alternative.change}: {alternative.write}")
    for part in parts:
        if not any(alternative.shares.get(part, 0) for alternative in found):
            typer.echo(
                f"{part} stays empty with each of them: change two, give coarser cells or zones, or leave it out."
            )
    typer.echo(f"Next: anonkit release {recipe} --plan after a change; with --out FOLDER it makes the release.")
