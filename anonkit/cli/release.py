"""``anonkit release RECIPE``: the main job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from anonkit.base.progress import Progress


def release(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a YAML file.")],
    out: Annotated[Path | None, typer.Option(help="Folder to hand over; must not exist yet.")] = None,
    inside: Annotated[Path | None, typer.Option(help="Folder that stays; default OUT.inside.")] = None,
    registry: Annotated[
        Path | None, typer.Option(help="Folder of all releases of the operator; default anonkit.registry beside OUT.")
    ] = None,
    as_of: Annotated[str | None, typer.Option(help="Date at which clocks are evaluated; default now.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the run as JSON.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would be published; nothing leaves.")] = False,
) -> None:
    """Make the release that RECIPE describes: exit 0 released, 2 bad recipe or input, 3 refused by the gate."""
    from anonkit.base.errors import RecipeError
    from anonkit.base.findings import Status
    from anonkit.base.progress import Progress, TerminalProgress
    from anonkit.pipeline import STAGES
    from anonkit.pipeline import release as make

    progress = Progress() if quiet or as_json else TerminalProgress(() if plan else STAGES)
    if plan:
        beside = out.absolute().with_name("anonkit.registry") if out is not None else None
        _plan(recipe, as_of, registry or beside, progress, as_json)
        return
    if out is None:
        raise RecipeError(
            "--out is missing: where is the release to be put?", hint="add --out FOLDER, or --plan to try"
        )
    try:
        result = make(recipe, out=out, inside=inside, registry=registry, as_of=as_of, progress=progress)
    finally:
        progress.close()
    if as_json:
        typer.echo(json.dumps({**result.run, "status": "released", "out": str(out)}, ensure_ascii=False, default=str))
        return
    if quiet:
        return
    _show(result.run["lines"], result.run["products"], result.run.get("levels"))
    warned = [found for found in result.findings if found.status is Status.WARN]
    typer.echo(f"gate: {len(result.findings) - len(warned)} checks passed, {len(warned)} for the reviewer to decide")
    for found in warned:
        typer.echo(f"  {found.check} of {found.product}: {found.value} ({found.threshold})")
    asked, left = result.questions
    typer.echo(f"questions: {asked - left} of {asked} passed, {left} for the reviewer to decide")
    typer.echo(f"hand over:   {result.out}")
    typer.echo(f"keep inside: {result.inside}")
    typer.echo(
        f"Next: read {result.report} and decide: anonkit review sign {result.inside} --by NAME --decision accept"
    )


def _plan(recipe: Path, as_of: str | None, registry: Path | None, progress: Progress, as_json: bool) -> None:
    from anonkit.pipeline.plan import plan

    found = plan(recipe, as_of=as_of, registry=registry, progress=progress)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "lines": found.lines,
                    "products": found.products,
                    "levels": found.levels,
                    "overlapping": list(found.overlapping),
                },
                ensure_ascii=False,
            )
        )
        return
    _show(found.lines, found.products, found.levels)
    typer.echo("Nothing was published; these figures are exact: keep them inside.")
    empty = [product["part"] for product in found.products if product["trips_released"] == 0]
    if empty:
        listed = " and ".join(empty)
        typer.echo(f"{listed} would be empty, and the gate refuses that: coarser cells or bins, or out of products.")
    if found.overlapping:
        listed = ", ".join(found.overlapping)
        typer.echo(f"The register holds {listed} of the same days and zones: a release with other numbers is refused.")
    elif registry is None:
        typer.echo("Not held against earlier releases: name their folder with --registry.")
    typer.echo(f"Next: anonkit explain {recipe} shows what each choice costs;")
    typer.echo(f"      anonkit release {recipe} --out FOLDER makes the release.")


def _show(lines: list[dict[str, Any]], products: list[dict[str, Any]], levels: dict[str, Any] | None) -> None:
    from anonkit.report.lines import advice

    for source in lines:
        typer.echo(f"{source['source']}: {source['used']:,} of {source['physical'] - source['header']:,} lines used")
        for word in ("dropped", "rejected"):
            if source[word]:
                typer.echo(f"  {word}: " + ", ".join(f"{count:,} {name}" for name, count in source[word].items()))
    for sentence in advice(lines):
        typer.echo(sentence)
    if levels is not None:
        from anonkit.report.levels import in_words

        for sentence in in_words(levels):
            typer.echo(sentence)
    for product in products:
        if "trips" not in product:
            typer.echo(f"{product['part']}: {product['rows']:,} rows")
            continue
        rolled = product["share_by_level"][1:]
        more = f", of it {sum(rolled):.0%} rolled up" if rolled else ""
        unit = product.get("unit", "trips")
        share = f"{product['trips_released']:,} of {product['trips']:,} {unit} ({product['share_released']:.0%}{more})"
        typer.echo(f"{product['part']}: {share} in {product['classes_released']:,} classes")
