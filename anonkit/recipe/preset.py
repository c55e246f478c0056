"""A city's published rule as a key of the recipe: ``preset: chicago_tnp``.

The rule fills what the recipe leaves out (width of the time bins, the coarser place at which the rest is gathered, the steps of
published fares and tips, what is printed for small counts and zeros) and holds the recipe to what it says: bins and steps no
finer, thresholds no lower. Thresholds themselves are never filled in: the rules count trips, a recipe says whom it counts
(ruling 1). A rule that is documented as unsafe is refused. Meeting a city's rule says nothing of what its tables tell
together; all other checks stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from anonkit.base.errors import RecipeError, SchemaError
from anonkit.geo import TimeBins
from anonkit.kanon.presets import MONTH_S, Preset, usable

WIDTHS = {900: "15min", 1800: "30min", 3600: "1h", MONTH_S: "1d of day"}
"""Seconds of a rule's times → bins; of a release of one month, all its days pooled are the month."""


def with_preset(said: Mapping[str, Any]) -> dict[str, Any]:
    """What a recipe says, filled up and held against the rule that it names; as it is where it names none.

    Raises
    ------
    ValueError : the rule is unknown, unsafe, or asks for what the recipe contradicts.
    """
    name = said.get("preset")
    if name is None:
        return dict(said)
    try:
        rule = usable(str(name))
    except RecipeError as error:
        raise ValueError(str(error)) from None
    if rule.time_s == MONTH_S and not _one_month(said.get("period")):
        raise ValueError(
            f"preset {rule.name!r} tells whole months: period is the first to the last day of one calendar month; make a "
            "release for each"
        )
    _thresholds(said, rule)
    said = _printed(_rounded(said, rule), rule)
    products = said.get("products")
    if not isinstance(products, Mapping):
        return dict(said)
    filled = {kind: _product(entry, rule, said) for kind, entry in products.items()}
    return {**said, "products": filled}


def _one_month(period: Any) -> bool:
    try:
        first, last = (date.fromisoformat(str(period[end])) for end in ("from", "to"))
    except (KeyError, TypeError, ValueError):
        return True  # the period's own check tells it better
    return (
        first.day == 1 and (last + timedelta(days=1)).day == 1 and (first.year, first.month) == (last.year, last.month)
    )


def _rounded(said: Mapping[str, Any], rule: Preset) -> dict[str, Any]:
    """Steps of the money that is published; the recipe's own may be coarser."""
    own = said.get("rounding")
    own = own if isinstance(own, Mapping) else {}
    steps = {name: step for name, step in rule.money if name in _columns(said)}
    for name, step in steps.items():
        mine = own.get(name, step)
        if isinstance(mine, int | float) and (mine < step or abs(mine / step - round(mine / step)) > 1e-9):
            raise ValueError(f"preset {rule.name!r} rounds {name} to {step:g}; rounding: {mine:g} is no multiple of it")
    return {**said, "rounding": {**steps, **own}} if steps else dict(said)


def _columns(said: Mapping[str, Any]) -> set[str]:
    products = said.get("products")
    entries = products.values() if isinstance(products, Mapping) else ()
    listed = [entry.get("columns") for entry in entries if isinstance(entry, Mapping)]
    return {str(name) for names in listed if isinstance(names, list | tuple) for name in names}


def _printed(said: dict[str, Any], rule: Preset) -> dict[str, Any]:
    """What is printed for small counts and zeros, as the rule says it."""
    if rule.small_value is None:
        return said
    counts = said.get("counts")
    counts = dict(counts) if isinstance(counts, Mapping) else {}
    wanted = {"below": rule.least, "value": rule.small_value}
    if counts.get("small", wanted) != wanted:
        raise ValueError(f"preset {rule.name!r} prints {rule.small_value} below {rule.least}; leave counts.small out")
    return {**said, "counts": {**counts, "small": wanted}}


def _thresholds(said: Mapping[str, Any], rule: Preset) -> None:
    privacy = said.get("privacy")
    protect = privacy.get("protect") if isinstance(privacy, Mapping) else None
    low = (
        [f"{unit}: {k}" for unit, k in protect.items() if _below(k, rule.least)] if isinstance(protect, Mapping) else []
    )
    if low:
        raise ValueError(
            f"preset {rule.name!r} asks for at least {rule.least} in a class; protect says {', '.join(low)}"
        )


def _below(k: Any, least: int) -> bool:
    return isinstance(k, int) and k < least


def _product(entry: Any, rule: Preset, said: Mapping[str, Any]) -> Any:
    if not isinstance(entry, Mapping):
        return entry
    if isinstance(entry.get("k_anonymity"), Mapping):
        return _searched(entry, rule)
    bins = entry.get("bins", WIDTHS[rule.time_s])
    if _finer(str(bins), rule):
        raise ValueError(f"preset {rule.name!r} tells times by {WIDTHS[rule.time_s]}; bins: {bins} are finer")
    filled = {**entry, "bins": bins}
    if rule.coarser_place is not None and "roll_up" not in entry and "level" in entry:
        coarser = _parent(entry["level"], said)
        if coarser is not None:
            filled["roll_up"] = [{"level": coarser, "bins": bins}]
    return filled


def _searched(entry: Mapping[str, Any], rule: Preset) -> Any:
    """A product whose levels are chosen by search: none of its bins may be finer than the rule's."""
    search = entry["k_anonymity"]
    widths = search.get("bins", [WIDTHS[rule.time_s]])
    for width in widths if isinstance(widths, list) else []:
        if _finer(str(width), rule):
            raise ValueError(f"preset {rule.name!r} tells times by {WIDTHS[rule.time_s]}; bins: {width} are finer")
    return {**entry, "k_anonymity": {**search, "bins": widths}}


def _finer(bins: str, rule: Preset) -> bool:
    try:
        width = TimeBins(bins, zone="UTC")
        if rule.time_s == MONTH_S:
            return not width.contains(TimeBins(WIDTHS[MONTH_S], zone="UTC"))
        return width.seconds < rule.time_s
    except SchemaError:
        return False  # the product's own check tells it better


def _parent(level: Any, said: Mapping[str, Any]) -> str | None:
    """The next coarser level of the zones that the recipe names."""
    geo = said.get("geo")
    zones = geo.get("zones") if isinstance(geo, Mapping) else None
    if not isinstance(zones, Mapping):
        return None
    levels = [zones.get("id", "zone"), *(zones.get("parents") or ())]
    at = levels.index(level) if level in levels else len(levels)
    return levels[at + 1] if at + 1 < len(levels) else None
