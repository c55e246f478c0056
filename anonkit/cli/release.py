"""``anonkit release RECIPE``: the main job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def release(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a YAML file.")],
    out: Annotated[Path, typer.Option(help="Folder to hand over; must not exist yet.")],
    inside: Annotated[Path | None, typer.Option(help="Folder that stays; default OUT.inside.")] = None,
    registry: Annotated[
        Path | None, typer.Option(help="Folder of all releases of the operator; default anonkit.registry beside OUT.")
    ] = None,
    as_of: Annotated[str | None, typer.Option(help="Date at which clocks are evaluated; default now.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the run as JSON.")] = False,
) -> None:
    """Make the release that RECIPE describes: exit 0 released, 2 bad recipe or input, 3 refused by the gate."""
    from anonkit.base.progress import Progress, TerminalProgress
    from anonkit.pipeline import STAGES
    from anonkit.pipeline import release as make

    progress = Progress() if quiet or as_json else TerminalProgress(STAGES)
    try:
        result = make(recipe, out=out, inside=inside, registry=registry, as_of=as_of, progress=progress)
    finally:
        progress.close()
    if as_json:
        typer.echo(json.dumps({**result.run, "status": "released", "out": str(out)}, ensure_ascii=False, default=str))
        return
    if quiet:
        return
    for lines in result.run["lines"]:
        kept = f"{lines['used']:,} of {lines['physical'] - lines['header']:,} lines used"
        typer.echo(f"{lines['source']}: {kept}; dropped {lines['dropped'] or 0}, rejected {lines['rejected'] or 0}")
    for product in result.run["products"]:
        share = f"{product['share_released']:.0%}"
        typer.echo(
            f"{product['part']}: {product['trips_released']:,} trips in {product['classes_released']:,} classes ({share})"
        )
    typer.echo(f"gate: {len(result.findings)} checks passed")
    typer.echo(f"hand over:   {result.out}")
    typer.echo(f"keep inside: {result.inside}")
