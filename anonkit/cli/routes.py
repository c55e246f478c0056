"""``anonkit routes``: what a driver or a planner asks of published route products.

No logic here; see ``anonkit.coverage``. It reads a public street network and published tables, never a trip.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anonkit.base.errors import SchemaError

FORMATS = (".parquet", ".gpkg", ".geojson")
FARTHEST_M = 2000.0
"""A position farther than this from every street is on no street of this file."""

routes = typer.Typer(help="Efficient routes and coverage, from published products only.", no_args_is_help=True)


@routes.command()
def recommend(
    network: Annotated[
        Path, typer.Option(exists=True, help="Public street network: .osm.pbf, .gpkg, .geojson, .csv, *_edge.txt.")
    ],
    speeds: Annotated[
        Path, typer.Option(exists=True, help="A released folder of routes, or its link speeds as Parquet or CSV.")
    ],
    origin: Annotated[str, typer.Option("--from", help="lon,lat (metres on a network without degrees).")],
    destination: Annotated[str, typer.Option("--to", help="lon,lat.")],
    k: Annotated[int | None, typer.Option(min=2, help="Threshold of the speeds, where a table alone is given.")] = None,
    hour: Annotated[int | None, typer.Option("--bin", help="Time bin of the released speeds.")] = None,
    by: Annotated[str, typer.Option(help="fastest, shortest or reliable.")] = "fastest",
    alternatives: Annotated[int, typer.Option(min=0, max=5, help="How many more routes.")] = 1,
    mode: Annotated[str, typer.Option(help="drive, cycle, walk or all.")] = "drive",
    out: Annotated[Path | None, typer.Option(help="Write the routes: .parquet, .gpkg or .geojson.")] = None,
) -> None:
    """Recommend the fastest, shortest or most reliable route, with its expected time and interval."""
    import pandas as pd
    from rich.console import Console
    from rich.table import Table

    from anonkit.coverage import link_times, nearest_nodes
    from anonkit.coverage import recommend as find
    from anonkit.geo.networks_read import read_network
    from anonkit.kanon.routes_product import RouteProduct

    if out is not None and out.suffix not in FORMATS:
        raise SchemaError(f"{out.name} is no file of routes.", hint=f"--out ends in {', '.join(FORMATS)}.")
    whole = read_network(network, mode=mode)
    if speeds.is_dir():
        product = RouteProduct.from_release(speeds, "speeds")
    else:
        table = pd.read_csv(speeds) if speeds.suffix == ".csv" else pd.read_parquet(speeds)
        product = RouteProduct("speeds", table, whole.digest, {"k": k} if k is not None else {})
    times = link_times(product, whole)
    if hour is not None and hour not in times.bins:
        told = ", ".join(map(str, times.bins.tolist())) or "none"
        raise SchemaError(
            f"These speeds have no time bin {hour}; they have {told}.", hint="leave --bin out for the whole day."
        )
    lon, lat = zip(*(_position(text) for text in (origin, destination)), strict=True)
    start, stop = nearest_nodes(whole, lon, lat, most_m=FARTHEST_M).tolist()
    found = find(times, origin=start, destination=stop, hour=hour, by=by, alternatives=alternatives)  # type: ignore[arg-type]
    shown = Table(title=f"{by} routes")
    for name in ("rank", "minutes", "90 % of trips", "km", "detour", "measured"):
        shown.add_column(name, justify="right")
    for row in found.itertuples():
        interval = f"{row.low_s / 60:.1f}–{row.high_s / 60:.1f}"
        shown.add_row(
            *(str(row.rank), f"{row.time_s / 60:.1f}", interval, f"{row.length_m / 1000:.2f}"),
            *(f"{row.detour:.2f}", f"{row.measured:.0%}"),
        )
    Console().print(shown)
    if out is not None:
        if out.suffix == ".parquet":
            found.to_parquet(out)
        else:
            found.to_file(out)
        typer.echo(str(out))


def _position(text: str) -> tuple[float, float]:
    try:
        lon, lat = (float(part) for part in text.split(","))
    except ValueError:
        raise SchemaError("A position is not lon,lat.", hint="for example --from 49.867,40.409") from None
    return lon, lat
