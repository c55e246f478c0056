"""``anonkit inspect FILE`` and ``anonkit init FILE``: from an unknown export to a first recipe."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

Encoding = Annotated[str | None, typer.Option(help="Encoding of the text, if it is not UTF-8: cp1254, utf-16-le, …")]
Delimiter = Annotated[str | None, typer.Option(help="Delimiter of a CSV, if it is not found.")]
Records = Annotated[str | None, typer.Option(help="Of a JSON document: path to its list, such as data.trips.")]


def inspect(
    file: Annotated[Path, typer.Argument(help="An export: CSV, JSON, Parquet, plain or .gz.")],
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    records: Records = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Show what an export seems to hold: columns, roles, times, places, bad lines. Writes nothing, shows no value."""
    from anonkit.pipeline.draft import on_one_line
    from anonkit.pipeline.inspect import bad_line_hints
    from anonkit.pipeline.inspect import inspect as look

    found = look(file, encoding=encoding, delimiter=delimiter, records=records)
    if as_json:
        typer.echo(json.dumps(found.as_dict(), ensure_ascii=False))
        return
    written = f", {found.encoding}, delimiter {found.delimiter!r}" if found.delimiter else ""
    typer.echo(f"{file.name}: {found.form}{written}, {found.lines:,} lines; guesses from {found.sampled:,} rows")
    names = [on_one_line(column.name) for column in found.columns]
    width = max(map(len, names))
    for name, column in zip(names, found.columns, strict=True):
        typer.echo(f"  {name:<{width}}  {column.guess:<12} {_filled(column.filled):>4} filled  {column.detail}")
    hints = bad_line_hints(found)
    for reason, lines in found.bad_lines.items():
        typer.echo(f"  {lines:,} bad line{'' if lines == 1 else 's'}: {reason}; {hints[reason]}")
    if found.is_places:
        typer.echo(
            f"Next: a list of places; anonkit init TRIPS --places {shlex.quote(str(file))} with the file of trips that names them."
        )
        return
    options = "".join(
        f" --{name} {shlex.quote(value)}"
        for name, value in (("encoding", encoding), ("delimiter", delimiter), ("records", records))
        if value
    )
    typer.echo(f"Next: anonkit init {shlex.quote(str(file))}{options} writes a first recipe from these guesses.")


def _filled(share: float) -> str:
    """A share of rows; 100 % is all of them.

    >>> _filled(0.9996), _filled(1.0), _filled(0.001)
    ('>99%', '100%', '<1%')
    """
    if 0.99 < share < 1:
        return ">99%"
    return "<1%" if 0 < share < 0.01 else f"{share:.0%}"


def init(
    file: Annotated[Path, typer.Argument(help="An export that `inspect` can read.")],
    recipe: Annotated[Path | None, typer.Option(help="Where to write it; default FILE.yml beside the file.")] = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    records: Records = None,
    places: Annotated[
        Path | None, typer.Option(help="A list of the stations that the trips name, with their coordinates.")
    ] = None,
) -> None:
    """Write a first, commented recipe for an export; what must be decided by a person is marked DECIDE."""
    import os

    from anonkit.base.errors import RecipeError
    from anonkit.pipeline.draft import draft_recipe
    from anonkit.pipeline.inspect import inspect as look
    from anonkit.recipe.load import DECIDE

    place = recipe or file.with_name(file.name.split(".")[0] + ".yml")
    if place.exists():
        raise RecipeError(f"{place.name} exists already", hint="name another one: --recipe other.yml")
    found = look(file, encoding=encoding, delimiter=delimiter, records=records)
    folder = place.absolute().parent
    listed = look(places) if places is not None else None
    text = draft_recipe(
        found,
        relative=os.path.relpath(file.absolute(), folder),
        places=listed,
        places_relative=os.path.relpath(places.absolute(), folder) if places is not None else None,
    )
    place.write_text(text, encoding="utf-8")
    left = [str(n) for n, line in enumerate(text.splitlines(), start=1) if DECIDE in line.split("#")[0]]
    typer.echo(f"{place}: a first recipe; {DECIDE} stands in lines {', '.join(left)}")
    typer.echo(f"Next: write there what the comments ask for, then: anonkit release {place} --plan")
