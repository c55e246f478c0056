"""``anonkit dp plan RECIPE``: what noisy products cost, and the error to expect, without any data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Noisy products: plan what they cost before a draw.", no_args_is_help=True)


@app.callback()
def dp() -> None:
    """Noisy products: plan what they cost before a draw."""


@app.command()
def plan(recipe: Annotated[Path, typer.Argument(help="A recipe with guarantee: differential_privacy.")]) -> None:
    """Epsilon of each product and the error of a cell of n trips of typical persons. Reads no trips, spends nothing."""
    from anonkit.base.errors import RecipeError
    from anonkit.recipe import NoisyRecipe, load_recipe

    read, _ = load_recipe(recipe)
    if not isinstance(read, NoisyRecipe):
        raise RecipeError(
            f"{recipe.name} promises k-anonymity, not differential privacy", hint=f"anonkit release {recipe} --plan"
        )
    for product in read.plans():
        typer.echo(str(product.plan))
        for row in product.plan.parts().itertuples():
            price = f"rho {row.rho:<12.4g}" if product.plan.rho else f"epsilon {row.epsilon:<8.4g}"
            noise = "a choice" if row.part == "choice" else f"noise ±{row.half_width_95:.1f} (95 %)"
            typer.echo(f"  {row.part:<10} {price} {noise}")
        if product.name not in ("persons", "hot_spots", "quantiles"):
            errors = product.plan.expected_error()
            told = ", ".join(
                f"{int(n):,}: {share:.0%}" for n, share in zip(errors["trips"], errors["relative"], strict=True) if n
            )
            typer.echo(f"  relative error (one standard deviation) of a cell of n trips: {told}")
    more = f" and rho {float(read.rho):g}" if read.rho else ""
    more += f", delta {float(read.delta):g}" if read.delta else ""
    each = "altogether" if read.privacy.unit == "person" else f"a {read.privacy.period}"
    typer.echo(
        f"the release costs {read.who} epsilon {float(read.epsilon):g}{more}; the ledger's cap is {read.privacy.epsilon_cap:g} {each}"
    )
