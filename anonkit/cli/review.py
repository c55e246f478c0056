"""``anonkit review``: read the scorecard, sign or refuse, and see whether a signature still holds."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="The reviewer's decision about a release.", no_args_is_help=True)
COLOURS = {"PASS": "green", "WARN": "yellow", "FAIL": "red"}
Bundle = Annotated[Path | None, typer.Option("--bundle", help="The folder that is handed over, if it is elsewhere.")]
INVALID = 3


@app.command()
def show(
    path: Annotated[Path, typer.Argument(help="A released folder, or its inside folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print risk.json as it is.")] = False,
) -> None:
    """Show the fifteen answers, what the attacks found, and what was decided."""
    from anonkit.publish.signature import RISK, inside_of, signatures

    inside = inside_of(path)
    text = (inside / RISK).read_text(encoding="utf-8")
    if as_json:
        typer.echo(text)
        return
    document = json.loads(text)
    typer.secho(f"{document['release']}: {document['verdict']}", fg=COLOURS[document["verdict"]], bold=True)
    for found in document["scorecard"]:
        typer.secho(f"  {found['status']:<4} ", fg=COLOURS[found["status"]], nl=False)
        typer.echo(f"{found['check'][1:].replace('_', ' '):<20} {found['value']:<14} {found['threshold']}")
    for found in document["figures"]:
        typer.echo(f"  {_figure(found)}")
    for signed in signatures(inside):
        typer.echo(_line(asdict(signed)))


@app.command()
def sign(
    inside: Annotated[Path, typer.Argument(help="The inside folder of a release, or the released folder beside it.")],
    by: Annotated[str, typer.Option(help="Who decides.")],
    decision: Annotated[str, typer.Option(help="accept or refuse.")],
    note: Annotated[str, typer.Option(help="Why, in words.")] = "",
    bundle: Bundle = None,
) -> None:
    """Record a decision about exactly these files; a later change of any of them voids it."""
    from anonkit.publish.signature import inside_of
    from anonkit.publish.signature import sign as record

    signed = record(inside_of(inside), by=by, decision=decision, note=note, bundle=bundle)
    typer.echo(_line(asdict(signed)))


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="A released folder, or its inside folder.")],
    bundle: Bundle = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Exit 0 if the release was accepted and nothing changed since, else 3."""
    from anonkit.publish.signature import check_signature, inside_of

    found = check_signature(inside_of(path), bundle=bundle)
    told = asdict(found.signature) if found.signature else None
    if as_json:
        typer.echo(json.dumps({"accepted": found.accepted, "signature": told, "problems": list(found.problems)}))
    else:
        if told:
            typer.echo(_line(told))
        for problem in found.problems:
            typer.secho(f"void: {problem}", fg="red")
        if found.accepted:
            typer.secho("accepted; nothing changed since", fg="green")
    if not found.accepted:
        raise typer.Exit(INVALID)


def _figure(found: dict[str, Any]) -> str:
    control = "" if found["control"] is None else f", control {found['control']:.3f}"
    interval = f"[{found['low']:.3f}, {found['high']:.3f}]"
    return f"{found['name']:<46} {found['value']:.3f} {interval}, guessing {found['baseline']:.3f}{control}"


def _line(signed: dict[str, Any]) -> str:
    note = f": {signed['note']}" if signed["note"] else ""
    digest = signed["bundle_sha256"][:16] or "none"
    return f"{signed['decision']} by {signed['by']} at {signed['at']}, bundle {digest}{note}"
