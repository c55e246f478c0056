"""``anonkit presets [NAME]``: published rules of cities, what they count, whom they suffice for, what is unsafe."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer


def presets(
    name: Annotated[str | None, typer.Argument(help="A rule; without one all are listed.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Published release rules by name: what each one does, where it comes from, and for which recipient it passes."""
    from anonkit.kanon.presets import PRESETS, preset

    chosen = [preset(name)] if name is not None else list(PRESETS.values())
    if as_json:
        listed = [{**asdict(rule), "suffices_for": rule.suffices_for} for rule in chosen]
        typer.echo(json.dumps(listed[0] if name is not None else listed, ensure_ascii=False))
        return
    if name is not None:
        for line in chosen[0].described():
            typer.echo(line)
        return
    typer.echo(f"{'rule':<18}{'counts':<8}{'least':>6}  {'times':<16}{'passes for':<11}place")
    for rule in chosen:
        fits = "nobody" if rule.unsafe else rule.suffices_for
        least = str(rule.least) if rule.least > 1 else "none"
        typer.echo(f"{rule.name:<18}{rule.counts:<8}{least:>6}  {rule.times:<16}{fits:<11}{rule.place}")
    typer.echo(
        "All of them count trips, not people: `passes for` reads the threshold in people, which a recipe must say."
    )
    typer.echo("anonkit presets NAME tells source and reasons; `preset: NAME` in a recipe keeps to the rule.")
