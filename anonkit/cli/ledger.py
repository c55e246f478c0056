"""``anonkit ledger``: create, show, check and export a dataset's privacy budget.

No logic here; see ``anonkit.ledger``. Nothing shown holds trips: release names, mechanisms, losses and hashes only.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="The privacy budget of a dataset: create, show, check, export.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="The ledger's file.")]
Head = Annotated[Path | None, typer.Option(help="The second file with the newest hash; default: <file>.head.")]


@app.command()
def create(
    file: File,
    dataset: Annotated[str, typer.Option(help="Name of the people and trips that share the budget.")],
    privacy_unit: Annotated[
        str, typer.Option(help="person (one cap over all periods) or person_period (one a period).")
    ],
    period: Annotated[str, typer.Option(help="day, week, month, quarter, year or all; of event time.")],
    epsilon_cap: Annotated[float, typer.Option(help="Most epsilon that may ever be spent on the unit.")],
    delta_cap: Annotated[float, typer.Option(help="Most delta; one half pays declared deltas, one half the filter.")],
    neighbours: Annotated[str, typer.Option(help="add_or_remove or replace.")],
    head: Head = None,
) -> None:
    """Make a new ledger; its terms can never be changed."""
    from anonkit.ledger import Ledger

    terms: dict[str, Any] = {
        "dataset": dataset,
        "privacy_unit": privacy_unit,
        "period": period,
        "neighbours": neighbours,
    }
    typer.echo(repr(Ledger.create(file, **terms, epsilon_cap=epsilon_cap, delta_cap=delta_cap, head=head)))


@app.command()
def show(
    file: File,
    head: Head = None,
    pld: Annotated[bool, typer.Option(help="Also the tight total by dp-accounting (slower).")] = True,
) -> None:
    """What is spent in each period and over all of them, and by which releases."""
    from rich.console import Console
    from rich.table import Table

    from anonkit.ledger import Ledger

    ledger = Ledger.open(file, head=head)
    console = Console()
    console.print(repr(ledger), highlight=False)
    spent = Table("period", "events", "epsilon", "of", "left", "delta", "epsilon (PLD)", "unconfirmed")
    for part in (*(ledger.spent(period, pld=pld) for period in ledger.periods()), ledger.total(pld=pld)):
        cap, left = ("-" if value is None else f"{value:.3g}" for value in (part.epsilon_cap, part.epsilon_left))
        tight = "-" if part.epsilon_pld is None else f"{part.epsilon_pld:.3g}"
        numbers = (f"{part.epsilon:.3g}", cap, left, f"{part.delta:.2g}", tight, str(part.unconfirmed))
        spent.add_row(part.period, str(part.events), *numbers)
    console.print(spent)
    releases = Table("release", "product", "mechanism", "periods", "epsilon", "delta", "rho", "draws", "confirmed")
    for event, drawn, confirmed in ledger.events().values():
        loss = event.loss
        figures = (f"{loss.epsilon:.3g}", f"{loss.delta:.2g}", f"{loss.rho:.3g}", f"{drawn}/{event.draws}")
        names = (event.release, event.product, event.mechanism, ", ".join(event.periods))
        releases.add_row(*names, *figures, "yes" if confirmed else "no")
    console.print(releases)
    if classes := ledger.k_anonymous():
        told = Table("k-anonymous release", "periods it takes", "confirmed")
        for body in classes.values():
            told.add_row(body["release"], ", ".join(body["periods"]), "yes" if body["closed"] else "no")
        console.print(told)


@app.command()
def check(file: File, head: Head = None) -> None:
    """Verify every entry against the chain and the head; prints the head, to be kept elsewhere."""
    from anonkit.ledger import Ledger

    entries = Ledger.open(file, head=head).entries()
    typer.echo(f"{file.name}: {len(entries)} entries fit the chain; head {entries[-1]['number']} {entries[-1]['hash']}")


@app.command()
def export(
    file: File,
    out: Annotated[Path | None, typer.Option(help="JSON file to write; default: standard output.")] = None,
    head: Head = None,
) -> None:
    """All entries, with what is spent a period and in total, as JSON."""
    from anonkit.ledger import Ledger

    ledger = Ledger.open(file, head=head)
    spent = [asdict(part) for part in (*map(ledger.spent, ledger.periods()), ledger.total())]
    finite = [{name: None if value == float("inf") else value for name, value in part.items()} for part in spent]
    text = json.dumps(
        {"terms": asdict(ledger.terms), "spent": finite, "entries": ledger.entries()}, indent=2, allow_nan=False
    )
    if out is None:
        typer.echo(text)
    else:
        out.write_text(text + "\n")
        typer.echo(f"{out}: {len(ledger.entries())} entries")
