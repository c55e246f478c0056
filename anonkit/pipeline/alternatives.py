"""Choices of a recipe made otherwise, one at a time: what `explain` compares, and how a recipe would say it.

Widths, cells and columns are those next in the recipe's own chain of levels; nothing is searched. The figures that come of it
are exact and about raw data: a choice made by them is one that the data has influenced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

from anonkit.classes import Protection
from anonkit.geo import TimeBins
from anonkit.kanon import Product
from anonkit.kanon.products import Level
from anonkit.recipe import Recipe
from anonkit.report.levels import levels_text
from anonkit.schema import PrivacyUnit

WIDER = {"1h": "3h", "3h": "6h", "6h": "1d", "15min": "1h", "30min": "1h", "2h": "6h", "4h": "12h", "12h": "1d"}


def alternatives(recipe: Recipe) -> Iterator[tuple[str, tuple[Product, ...], Protection]]:
    """The recipe itself, then each change with the products and the protection that it gives."""
    products, own = recipe.kanon_products, recipe.protection
    yield "the recipe at the levels that were chosen" if recipe.chooses_levels else "the recipe", products, own
    levels = recipe.geo.grid.levels

    def coarser_cells(product: Product) -> Product:
        up = tuple(replace(at, level=min(at.level + 1, levels - 1)) for at in product.roll_up)
        return replace(product, level=min(product.level + 1, levels - 1), roll_up=_distinct(product, up, 1))

    def wider_bins(product: Product) -> Product:
        up = tuple(replace(at, bins=_wider(at.bins)) for at in product.roll_up)
        return replace(product, bins=_wider(product.bins), roll_up=_distinct(product, up, 0))

    def pooled(product: Product) -> Product:
        up = tuple(replace(at, bins=_pooled(at.bins)) for at in product.roll_up)
        return replace(product, bins=_pooled(product.bins), roll_up=up)

    changes: list[tuple[str, Callable[[Product], Product]]] = [
        ("cells one level coarser", coarser_cells),
        ("bins one step wider", wider_bins),
        ("bins pooled over weeks or days", pooled),
    ]
    for name in recipe.released_columns:

        def without(product: Product, name: str = name) -> Product:
            up = tuple(replace(at, columns=tuple(c for c in at.columns if c != name)) for at in product.roll_up)
            return replace(product, columns=tuple(c for c in product.columns if c != name), roll_up=up)

        changes.append((f"without column {name}", without))
    if any(product.roll_up for product in products):
        changes.append(("without roll-up", lambda product: replace(product, roll_up=())))
    if any(product.max_rows for product in products):
        changes.append(
            ("twice the rows a person", lambda p: replace(p, max_rows=p.max_rows * 2 if p.max_rows else None))
        )
    for change, make in changes:
        changed = tuple(make(product) for product in products)
        if changed != products:
            yield change, changed, own
    if own.l_places > 1:
        yield "destinations need not differ (l_places: 1)", products, replace(own, l_places=1)
    if own.dominance < 1 and recipe.unit is not PrivacyUnit.TRIP:  # a trip has one row
        yield f"no limit on one {recipe.unit.value}'s share", products, replace(own, dominance=Fraction(1))
    if own.operator_share is not None and own.operator_share < 1:
        yield "no limit on one operator's share", products, replace(own, operator_share=Fraction(1))
    for k in sorted({5, 11, 20} - {own.k}):
        yield f"k = {k}", products, replace(own, k=k)


def other_levels(
    recipe: Recipe, levels: dict[str, Any] | None
) -> Iterator[tuple[str, tuple[Product, ...], Protection]]:
    """What the search passed over for levels that lose less, labels as chosen."""
    if levels is None:
        return
    for other in levels["tried"]:
        if other["labels"] == levels["chosen"]["labels"] and levels_text(other) != levels_text(levels["chosen"]):
            at = recipe.at_levels(cell=other["cell"], bins=other["bins"], columns=tuple(other["columns"]))
            yield f"trips at {levels_text(other)}", at.kanon_products, recipe.protection


def _distinct(product: Product, up: tuple[Any, ...], step: int) -> tuple[Any, ...]:
    """Roll-ups that are still coarser than the level before, after a change."""
    found, last = [], (product.level + step, product.bins.width)
    for at in up:
        if (at.level, at.bins.width) != last:
            found.append(at)
            last = (at.level, at.bins.width)
    return tuple(found)


def _wider(bins: TimeBins) -> TimeBins:
    width, _, pool = bins.width.partition(" of ")
    wider = WIDER.get(width.replace(" ", ""), width)
    return TimeBins(f"{wider} of {pool}" if pool else wider, zone=bins.zone)


def _pooled(bins: TimeBins) -> TimeBins:
    width, _, pool = bins.width.partition(" of ")
    return TimeBins(f"{width} of {'day' if pool else 'week'}", zone=bins.zone)


def written(recipe: Recipe, products: tuple[Product, ...], protection: Protection) -> str:
    """What a recipe would have to say for other products or another protection; nothing where it says so."""
    said = []
    for before, after in zip(recipe.kanon_products, products, strict=True):
        if recipe.chooses_levels and after.kind == "trips":
            continue  # its levels are the search's
        changes = _level(recipe, before, after)
        if before.roll_up != after.roll_up:
            levels = ", ".join(f"{{{', '.join(_level(recipe, None, at))}}}" for at in after.roll_up)
            changes.append(f"roll_up: [{levels}]")
        if before.max_rows != after.max_rows:
            changes.append(f"rows_per_person: {after.max_rows}")
        if changes:
            said.append(f"{after.kind}: {{{', '.join(changes)}}}")
    own = recipe.protection
    if protection.k != own.k:
        drivers = "" if protection.k_driver is None else f", driver: {protection.k_driver}"
        said.append(f"privacy.protect: {{{recipe.unit.value}: {protection.k}{drivers}}}")
    for key, was, new in (
        ("l_places", own.l_places, protection.l_places),
        ("dominance", own.dominance, protection.dominance),
        ("operator_dominance", own.operator_share, protection.operator_share),
    ):
        if was != new:
            said.append(f"privacy.{key}: {new}")
    return ", ".join(said)


def _level(recipe: Recipe, before: Product | Level | None, after: Product | Level) -> list[str]:
    """Keys of a level, all of them or those that differ."""
    name = recipe.geo.grid.level_name(after.level)
    place = f"cell_m: {name.removesuffix(' m')}" if name.endswith(" m") else f"level: {name}"
    columns = f"columns: [{', '.join(after.columns)}]" if after.columns or before is not None else ""
    keys = (
        (place, before is None or before.level != after.level),
        (f"bins: {after.bins.width}", before is None or before.bins != after.bins),
        (columns, before is None or before.columns != after.columns),
    )
    return [key for key, differs in keys if differs and key]
