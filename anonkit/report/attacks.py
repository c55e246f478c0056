"""What was attacked, how, what came out, and what no figure here covers."""

from __future__ import annotations

from typing import Any

from anonkit.report.html import Html, figure, section, table, tag
from anonkit.viz.colours import BLUES, percent, ramp
from anonkit.viz.forms import drawn
from anonkit.viz.scene import GridScene, Key

SIDES = ("before", "leaves")
BREAKS = (0.0, 0.01, 0.05, 0.2, 0.5, 0.8)
LABELS = ("under 1 %", "1 to 5 %", "5 to 20 %", "20 to 50 %", "50 to 80 %", "80 % and more")
READING = (
    "Each attack was run, not argued. A share stands with its 95 % interval over people, beside guessing (baseline) and beside "
    "the same attack on people who are not in the data (control). What also works on people who are not there is knowledge of "
    "the city, not of a person. Before: the used rows at the finest cells and bins, as if they leaked. Leaves: the rows of the "
    "finest product as they are written."
)
AUC = "membership"
GUESSES = ("inference", "chains without ids")
"""Attacks whose success on people who are not there is no one's disclosure."""


def attacks(run: dict[str, Any]) -> Html | None:
    """The section; None where no attack was run."""
    review = run.get("review") or {}
    figures = review.get("figures") or []
    if not figures:
        return None
    by_name: dict[str, dict[str, dict[str, Any]]] = {}
    for found in figures:
        name, side = _name(found["name"])
        by_name.setdefault(name, {})[side] = found
    rows = []
    for name, sides in by_name.items():
        last = sides.get("leaves") or next(iter(sides.values()))
        rows.append(
            (
                Html(tag("b", name[:1].upper() + name[1:]) + _how(last)),
                _value(sides.get("before"), name),
                _value(sides.get("leaves"), name),
                _plain(last["baseline"], name),
                _interval(last, "control", name) if last.get("control") is not None else "–",
                f"{last['persons']:,}",
                _verdict(sides.get("leaves"), name),
            )
        )
    head = ("attack, and what the attacker knows", "before", "leaves", "guessing", "control", "attacked", "what leaves")
    parts: list[object] = [tag("p", READING), table(head, rows, numbers=(5,))]
    surface = review.get("surface") or []
    if surface:
        parts += [tag("h3", "How few known points single people out, before"), *_surfaces(surface)]
    parts += [tag("h3", "What no figure here covers"), tag("ul", *(tag("li", text) for text in review["not_covered"]))]
    return section("attacks", "Attacks that were run", *parts)


def _name(text: str) -> tuple[str, str]:
    for side in SIDES:
        if text.endswith(f" ({side})"):
            return text.removesuffix(f" ({side})"), side
    return text, "leaves"


def _how(found: dict[str, Any]) -> Html:
    seed = f"; sampled with seed {found['seed']}" if found.get("seed") is not None else ""
    return tag("div", "; ".join(found["assumptions"]) + seed, cls="note")


def _value(found: dict[str, Any] | None, name: str) -> Html | str:
    if found is None:
        return "–"
    return Html(tag("b", _plain(found["value"], name)) + tag("div", _interval(found, "", name), cls="note"))


def _interval(found: dict[str, Any], kind: str, name: str) -> str:
    if kind:
        low, high = found.get(f"{kind}_low"), found.get(f"{kind}_high")
        told = _plain(found[kind], name)
        return told if low is None else f"{told} [{_short(low, name)}, {_short(high, name)}]"
    return f"[{_short(found['low'], name)}, {_short(found['high'], name)}]"


def _plain(value: float, name: str) -> str:
    return f"AUC {value:.2f}" if name.startswith(AUC) else percent(value)


def _short(value: float | None, name: str) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if name.startswith(AUC) else f"{value * 100:.1f}"


def _verdict(found: dict[str, Any] | None, name: str) -> Html | str:
    """In words, never by colour alone. Who is alone is alone: a control lowers the bar for guesses only."""
    if found is None:
        return "–"
    control = found.get("control_high") if name.endswith(GUESSES) or name.startswith(AUC) else None
    above = found["low"] > found["baseline"] and (control is None or found["low"] > control)
    return tag("span", "! above guessing" if above else "✓ at guessing", cls=f"s {'WARN' if above else 'PASS'}")


def _surfaces(surface: list[dict[str, Any]]) -> list[object]:
    """One picture for each number of known points, and the numbers in words."""
    places = tuple(dict.fromkeys(point["place"] for point in surface))
    times = tuple(dict.fromkeys(point["time"] for point in surface))
    at = {(point["place"], point["time"]): point["figures"] for point in surface}
    colours = ramp(len(BREAKS), BLUES)
    keys = tuple(Key(colour=colour, label=label) for colour, label in zip(colours, LABELS, strict=True))
    pictures = []
    for place, found in enumerate(surface[0]["figures"]):
        known = found["details"]["known"]
        shares = [[at[row, column][place]["value"] for column in times] for row in places]
        scene = GridScene(
            title=f"Singled out by {known} known",
            unit="share of people",
            rows=places,
            columns=times,
            key=tuple(tuple(_class(share) for share in row) for row in shares),
            texts=tuple(tuple(percent(share) for share in row) for row in shares),
            keys=keys,
        )
        pictures.append(figure(drawn(scene, "file"), f"Cells down, time across; {found['persons']:,} people attacked."))
    rows = [(row, column, *(_value(found, "") for found in at[row, column])) for row in places for column in times]
    head = ("cells", "time", *(f"{found['details']['known']} known" for found in surface[0]["figures"]))
    return [tag("div", *pictures, cls="pair"), tag("div", table(head, rows), cls="small")]


def _class(share: float) -> int:
    return max(place for place, low in enumerate(BREAKS) if share >= low)
