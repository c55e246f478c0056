"""``anonkit simulate``: invented exports for trying things out, and trips of any size for benchmarks.

No logic here; see ``anonkit.simulate``. What it writes looks like personal data and belongs to nobody.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from anonkit.base.errors import RecipeError


def simulate(
    out: Annotated[Path, typer.Option(help="File to write; with --operator all, the folder of the samples.")],
    operator: Annotated[
        str, typer.Option(help="kontaktplus (rides CSV), city (all modes, Parquet), or all (the committed samples).")
    ] = "kontaktplus",
    trips: Annotated[int, typer.Option(min=1, help="How many trips.")] = 4_800,
    persons: Annotated[int, typer.Option(min=1, help="How many persons.")] = 420,
    days: Annotated[int, typer.Option(min=1, help="How many local days, from --start on.")] = 30,
    start: Annotated[str, typer.Option(help="First local day, YYYY-MM-DD.")] = "2026-09-01",
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal files, on every machine.")] = 20260901,
    format: Annotated[str, typer.Option(help="csv: the operator's own format; parquet: canonical trips.")] = "csv",
) -> None:
    """Write invented trips of a seeded city: an operator's export, or Parquet of any size."""
    from anonkit.simulate import SAMPLES, City, scooter_city, write_rides_csv, write_sample, write_trips_parquet

    first = date.fromisoformat(start)
    if operator == "all":
        for name in SAMPLES:
            for path in write_sample(name, out):
                typer.echo(str(path))
        return
    if format not in ("csv", "parquet"):
        raise RecipeError(f"--format {format!r} is not known.", hint="csv or parquet.")
    out.parent.mkdir(parents=True, exist_ok=True)
    if format == "parquet":
        make = scooter_city if operator == "kontaktplus" else City
        written = write_trips_parquet(out, make(persons=persons, trips=trips, days=days, start=first, seed=seed))
        typer.echo(f"{out}: {written:,} trips")
    elif operator == "kontaktplus":
        made = write_rides_csv(out, scooter_city(trips=trips, persons=persons, days=days, seed=seed, start=first))
        typer.echo(f"{out}: {made['rides']:,} rides in {made['lines']:,} lines")
    else:
        raise RecipeError(
            f"--operator {operator!r} has no CSV of a free size.",
            hint="kontaktplus, or --format parquet, or --operator all for the committed samples.",
        )
