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
    out: Annotated[Path, typer.Option(help="File to write; for fixed samples, the folder above theirs.")],
    operator: Annotated[
        str,
        typer.Option(
            help="kontaktplus: rides of any size. city: all modes, Parquet of any size. bakikart, uklon, charge_az, "
            "pokupi, pokupi_routes, lists: the project's fixed sample. all: every fixed sample."
        ),
    ] = "kontaktplus",
    trips: Annotated[int, typer.Option(min=1, help="How many trips (before those that overlap are left out).")] = 4_800,
    persons: Annotated[int, typer.Option(min=1, help="How many persons.")] = 420,
    days: Annotated[int, typer.Option(min=1, help="How many local days, from --start on.")] = 30,
    start: Annotated[str, typer.Option(help="First local day, YYYY-MM-DD.")] = "2026-09-01",
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal files, on every machine.")] = 20260901,
    format: Annotated[str, typer.Option(help="csv: the operator's own format; parquet: canonical trips.")] = "csv",
) -> None:
    """Write invented trips of a seeded city: an operator's export, or Parquet of any size."""
    from anonkit.simulate import SAMPLES, City, scooter_city, write_rides_csv, write_sample, write_trips_parquet

    if format not in ("csv", "parquet"):
        raise RecipeError(f"--format {format!r} is not known.", hint="csv or parquet.")
    if operator not in ("all", "city", *SAMPLES):
        raise RecipeError(f"--operator {operator!r} is not known.", hint=f"one of {['all', 'city', *SAMPLES]}.")
    if format == "parquet" and operator in ("kontaktplus", "city"):
        make = scooter_city if operator == "kontaktplus" else City
        city = make(persons=persons, trips=trips, days=days, start=_day(start), seed=seed)
        out.parent.mkdir(parents=True, exist_ok=True)
        typer.echo(f"{out}: {write_trips_parquet(out, city):,} trips")
    elif format == "parquet" or operator == "city":
        raise RecipeError(
            f"--operator {operator} is not written as {format}.",
            hint="--operator city --format parquet, or an operator's own format with --format csv.",
        )
    elif operator == "kontaktplus":
        out.parent.mkdir(parents=True, exist_ok=True)
        city = scooter_city(trips=trips, persons=persons, days=days, seed=seed, start=_day(start))
        made = write_rides_csv(out, city)
        typer.echo(f"{out}: {made['rides']:,} rides in {made['lines']:,} lines")
    else:
        for name in SAMPLES if operator == "all" else (operator,):
            for path in write_sample(name, out):
                typer.echo(str(path))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise RecipeError(f"--start {text!r} is not a date.", hint="YYYY-MM-DD.") from error
